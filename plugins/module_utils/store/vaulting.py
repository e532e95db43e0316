# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Seeds in a vault on the controller instead of in the keystore: what a vault may contain, which seeds are moved, and how they are removed.

The action plugin `nats_store` reads and writes the vault on the controller; this file has the parts that need the keys and the store. A seed is removed
from the keystore only after the controller has written it to the vault, read it back and decrypted it, and only if the keystore has the same seed. The
vault of each moved seed is recorded, so that a missing vault or seed is detected before any change.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import Iterator, Mapping, NamedTuple

from ..base.digests import digest
from ..base.each_once import SaidTwiceError, each_once
from ..base.errors import NatsSecurityError
from ..claims import Claims
from ..claims.options import Problem
from ..disk.batch import Write, make_folders, write_all
from ..disk.files import discard, read_text
from ..keys import nkey
from ..keys.keyring import Keyring
from ..keys.new import NewKey
from ..keys.nkey import KeyPair
from ..reconcile.signing import key_of
from ..reconcile.wanted import Wanted
from .apply import Outcome, lock
from .layout import Layout
from .reading import Store, read_store

_OPTION = "vault_file"


class Vault(NamedTuple):
    """A vault as read by the controller: its path there, whether it exists, and its key pairs by public key."""

    file: str
    exists: bool
    pairs: dict[str, KeyPair]


def read_vault(file: str, exists: bool, seeds: Mapping[str, str]) -> Vault:
    """The key pairs of a vault. NatsSecurityError names every entry that is not the seed of its public key."""
    pairs, problems = {}, []
    for public_key, seed in seeds.items():
        try:
            nkey.from_public_key(public_key)
            pair = nkey.from_seed(seed.strip())
        except NatsSecurityError as error:
            problems.append(f"its entry {public_key}: {error}")
            continue
        if pair.public_key != public_key:
            problems.append(f"its entry {public_key} has the seed of {pair.public_key}.")
        pairs[public_key] = pair
    if problems:
        raise NatsSecurityError(f"{_OPTION}: {file} is left unchanged, and so is the store: {' '.join(problems)}")
    return Vault(file, exists, pairs)


# ---- checks


def vault_problems(vault: Vault, layout: Layout, wanted: Wanted, ring: Keyring) -> tuple[list[Problem], list[str]]:
    """The problems of a vault for a store, which are keys of another operator and moved seeds that are not available; and the warnings."""
    store = read_store(layout)
    moved = _moved(layout)
    in_use = set(_keys_of(store))
    known = {*in_use, *_keys_named(wanted), *moved}
    problems = [
        f"{vault.file} has the seed of {key}, which is not a key of this operator. Each operator has a vault of its own."
        for key in vault.pairs
        if key not in known
    ]
    needed = [key for key in moved if key in in_use and key not in vault.pairs]
    missing = [key for key in needed if not ring.has(key)]
    warnings = []
    if missing:
        seeds = f"the seeds of {', '.join(missing)}, which were moved to {moved[missing[0]]}"
        if vault.exists:
            problems.append(f"{vault.file} lacks {seeds}.")
        elif missing == needed:
            problems.append(f"there is no file {vault.file}. It had {seeds}.")
        else:
            warnings.append(f"{_OPTION}: there is no file {vault.file} yet, and the keystore lacks {seeds}.")
    return [Problem(_OPTION, problem) for problem in problems], warnings


def _keys_of(store: Store) -> Iterator[str]:
    if store.operator is not None:
        yield from _keys(store.operator.claims)
    for account in store.accounts.values():
        yield from _keys(account.claims)


def _keys_named(wanted: Wanted) -> Iterator[str]:
    """The public keys that a document names."""
    for entity in (wanted.operator, *wanted.accounts):
        if entity is not None:
            yield entity.key
            yield from (key.key for key in entity.signing_keys)


def _keys(claims: Claims) -> Iterator[str]:
    yield claims.subject
    for key in claims.body.signing_keys:
        yield key if isinstance(key, str) else key.key


# ---- seeds to move


def movable(outcome: Outcome, ring: Keyring, with_accounts: bool) -> list[str]:
    """The keys whose seeds are in the keystore, of the operator and, with `with_accounts`, of the accounts. New keys are placeholders."""
    plan, store = outcome.plan, outcome.store
    operator = plan.operator or store.operator
    holders = [operator] if operator is not None else []
    if with_accounts:
        found = (plan.accounts.get(name) or store.accounts.get(name) for name in plan.names.accounts)
        holders += [one for one in found if one is not None]
    keys = dict.fromkeys(key_of(key, outcome.made) for holder in holders for key in _keys(holder.claims))
    return sorted(key for key in keys if isinstance(key, NewKey) or ring.is_stored(key))


# ---- removal from the keystore


def take_out(layout: Layout, digests: Mapping[str, str], file: str, timeout: float) -> None:
    """Remove seeds that are in the vault from the keystore, under the store's lock. `digests` are those of the seeds, by public key.

    NatsSecurityError if the keystore has a different seed for a key, or something that is not a seed; then none is removed.
    """
    with lock(layout, timeout, create=True, shared=False):
        ring = Keyring((), [layout.keys_dir])
        stored = [key for key in digests if ring.is_stored(key)]
        for key in stored:
            if digest(ring.pair(key).seed) != digests[key]:
                raise NatsSecurityError(
                    f"{_OPTION}: {file} and the keystore have different seeds of {key}. Both are left unchanged."
                )
        _record(layout, dict.fromkeys(stored, file))
        for key in stored:
            path = layout.key(key)
            discard(path)
            with contextlib.suppress(OSError):
                os.rmdir(os.path.dirname(path))


def _moved(layout: Layout) -> dict[str, str]:
    """The paths of the vaults to which seeds of this store were moved, by public key."""
    return _parsed(layout, read_text(layout.vaulted, "The record of seeds in a vault"))


def _parsed(layout: Layout, text: str | None) -> dict[str, str]:
    try:
        moved = json.loads(text or "{}", object_pairs_hook=each_once)
    except SaidTwiceError as error:
        raise NatsSecurityError(
            f"The record of seeds in a vault, {layout.vaulted}, is left unchanged: {error}."
        ) from None
    except ValueError:
        moved = None
    if not isinstance(moved, dict) or not all(isinstance(file, str) for file in moved.values()):
        raise NatsSecurityError(
            f"The record of seeds in a vault, {layout.vaulted}, is not a JSON object of strings: it is left unchanged."
        )
    return moved


def _record(layout: Layout, moved: Mapping[str, str]) -> None:
    """Record the vaults of moved seeds. `moved` has the path of the vault by public key."""
    old = read_text(layout.vaulted, "The record of seeds in a vault")
    text = json.dumps({**_parsed(layout, old), **moved}, indent=1, sort_keys=True) + "\n"
    if text != old:
        make_folders([os.path.dirname(layout.vaulted)])
        write_all([Write(layout.vaulted, text, old)])
