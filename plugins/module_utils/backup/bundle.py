# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Backups in any of their forms: written sealed or encrypted, read whatever it is."""

from __future__ import annotations

import hashlib
import json
from typing import NamedTuple, Sequence

from ..base import units
from ..base.errors import NatsSecurityError
from ..base.excerpts import quoted
from ..keys.nkey import KeyPair
from . import natscli, vault
from .archive import Archive, read_archive, write_archive
from .contents import Contents, look_into
from .sealed import open_sealed, read_sealed, seal


class Keys(NamedTuple):
    """What may open a backup: curve keys with their seeds, and a password."""

    pairs: Sequence[KeyPair] = ()
    password: str | None = None


def write_sealed(contents: Contents, recipients: Sequence[str], created: int) -> str:
    """The backup, sealed to curve keys. The name of the store, the time, and a digest of what is in it are there for everybody to read."""
    about = {"created": units.show_time(created), "store": contents.name, "sha256": digest(contents)}
    return seal(write_archive(contents, created), recipients, about)


def write_encrypted(contents: Contents, password: str, created: int) -> str:
    """The backup, encrypted as by ansible-vault."""
    return vault.encrypt(write_archive(contents, created), password)


def write_for_nats(contents: Contents, pair: KeyPair) -> str:
    """The backup for `nats auth operator restore --key`, sealed with a curve key. NatsSecurityError where contents have no place in it."""
    return natscli.seal_natscli(natscli.write_natscli(contents), pair)


def is_current_for_nats(text: str, contents: Contents, pair: KeyPair) -> bool:
    """The same as `is_current`, of a backup for nats. NatsSecurityError for anything but one of this store that the key opens."""
    opened = natscli.open_natscli(text, pair)
    _require_store(natscli.read_natscli(opened).name, contents)
    return opened == natscli.write_natscli(contents)


def _require_store(store: object, contents: Contents) -> None:
    if store != contents.name:
        raise NatsSecurityError(f"It is a backup of the store {quoted(store)}, not of {contents.name}.")


def digest(contents: Contents) -> str:
    """SHA-256 of all that a backup holds, in hexadecimal digits: the same for the same files, whenever and to whomever they are sealed."""
    whole = json.dumps([contents.name, sorted(contents.files.items())], separators=(",", ":"))
    return hashlib.sha256(whole.encode("ascii")).hexdigest()


def is_current(text: str, contents: Contents, recipients: Sequence[str], password: str | None) -> bool:
    """Whether a file that is there is the backup of the same contents, for the same recipients or by the same password, so that no other is needed.

    NatsSecurityError for anything but a backup of this store: that is not to be replaced.
    """
    if password is not None:
        return read_bundle(text, Keys(password=password)).contents == contents
    sealed = read_sealed(text)
    _require_store(sealed.about.get("store"), contents)
    return sealed.about.get("sha256") == digest(contents) and set(sealed.recipients) == set(recipients)


def read_bundle(text: str, keys: Keys, operator: str | None = None) -> Archive:
    """What a backup of any form holds. NatsSecurityError where it does not open, is not what it says, or is of another operator than the expected one.

    What does not verify up to the operator is in `held.problems` of the result.
    """
    if not text.strip():
        raise NatsSecurityError("The backup cannot be opened: the file is empty.")
    if text.startswith(vault.HEADER):
        if keys.password is None:
            raise NatsSecurityError("The backup cannot be opened: it is encrypted with a password, and none is given.")
        return read_archive(vault.decrypt(text, keys.password), operator)
    if text.lstrip().startswith("{"):
        return _from_natscli(text, operator) if _is_natscli(text) else _from_sealed(text, keys, operator)
    if not keys.pairs:
        raise NatsSecurityError(
            "The backup cannot be opened: it is not a backup, or sealed by nats, and no curve key is given."
        )
    for pair in keys.pairs[:-1]:
        try:
            return _from_natscli(natscli.open_natscli(text, pair), operator)
        except NatsSecurityError:
            continue
    return _from_natscli(natscli.open_natscli(text, keys.pairs[-1]), operator)


def _is_natscli(text: str) -> bool:
    try:
        return natscli.is_natscli(json.loads(text))
    except (ValueError, RecursionError):
        return False


def _from_sealed(text: str, keys: Keys, operator: str | None) -> Archive:
    sealed = read_sealed(text)
    archive = read_archive(open_sealed(sealed, keys.pairs), operator)
    inside = {**{name: archive.manifest[name] for name in ("created", "store")}, "sha256": digest(archive.contents)}
    if any(sealed.about.get(name) != value for name, value in inside.items()):
        raise NatsSecurityError("The backup is not what it says outside: it was changed.")
    return archive


def _from_natscli(text: str, operator: str | None) -> Archive:
    contents = natscli.read_natscli(text)
    held = look_into(contents, operator)
    if operator is not None and (held.operator is None or held.operator.subject != operator):
        raise NatsSecurityError(f"The backup is that of another operator: {held.problems[-1]}")
    created = held.operator.issued_at if held.operator is not None else 0
    return Archive(contents, held, created, {})
