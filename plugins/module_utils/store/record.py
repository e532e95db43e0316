# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The record of a store as the last run left it, in the keystore: the operator's public key, its JWT and those of the accounts.

An attacker who can write JWTs but not the keystore cannot change the record. So JWTs are verified with it: the operator and the account of each name must
have the recorded key. It also has the keys that were removed after they signed a JWT, and it shows which JWTs are older than the last ones that a run
wrote. Reads files, writes none.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from typing import Callable, Iterable, Iterator

from ..disk.batch import Write
from ..disk.files import FOLDER_MODE, list_folder
from ..disk.writing import is_rest
from ..reconcile.place import Record, Revoked, Trust
from ..reconcile.trust import Evidence, Named, verify
from . import reading
from .layout import Layout
from .reading import Store


def read_record(store: Store) -> Record:
    """The record of a store. Damaged files are in the problems of the store."""
    layout = store.layout
    lines = (reading.read_file(store, layout.removed) or "").splitlines()
    removed = frozenset(line.partition(" ")[0] for line in lines)
    names = {line.split(" ", 2)[0]: line.split(" ", 2)[2] for line in lines if line.count(" ") >= 2}
    revoked = frozenset(_read_revoked((reading.read_file(store, layout.revoked) or "").splitlines()))
    said = reading.read_json(store, layout.recorded_store)
    if not isinstance(said, dict):
        return Record(removed=removed, revoked=revoked, removed_names=names)
    for folder in (layout.record, layout.recorded_accounts):
        reading.note_mode(store, folder, FOLDER_MODE)
        reading.note_leftovers(store, folder)
    accounts = {}
    files = list_folder(layout.recorded_accounts)
    for file in store.moves.names_in(layout.recorded_accounts, files) if store.moves is not None else files:
        if file.endswith(".jwt") and not is_rest(file):
            accounts[file[:-4]] = reading.read_file(store, os.path.join(layout.recorded_accounts, file)) or ""
    return Record(
        str(said.get("operator") or ""),
        said.get("managed") is True,
        reading.read_file(store, layout.recorded("")) or "",
        accounts,
        reading.read_roles(store, layout.recorded_roles),
        removed,
        revoked,
        names,
    )


def _read_revoked(lines: list[str]) -> Iterator[Revoked]:
    """The keys that were revoked by name. An incomplete line of an interrupted run is ignored."""
    for line in lines:
        with contextlib.suppress(ValueError):
            said = json.loads(line)
            if isinstance(said, dict):
                yield Revoked(*(str(said.get(word) or "") for word in Revoked._fields))


def revoked_text(revoked: Iterable[Revoked]) -> str:
    """The lines to record for keys that are revoked by name."""
    return "".join(json.dumps(one._asdict(), sort_keys=True) + "\n" for one in revoked)


def verified(store: Store, named: Named, has_seed: Callable[[str], bool]) -> Store:
    """The store with only the operator, accounts and roles that are verified as ours; anything else is in its problems."""
    layout = store.layout
    evidence = Evidence(
        layout.name,
        store.operator,
        store.accounts,
        frozenset(store.unread),
        store.is_managed,
        store.read_roles,
        read_record(store),
        store.where,
        layout.recorded,
        layout.roles,
    )
    trust: Trust = verify(evidence, named, has_seed)
    return dataclasses.replace(
        store,
        operator=trust.operator,
        accounts=trust.accounts,
        is_managed=trust.is_managed,
        roles=trust.roles,
        trust=trust,
        problems=[*store.problems, *trust.problems],
    )


def identity_text(operator: str, is_managed: bool) -> str:
    """The text of the file with the operator's public key."""
    return json.dumps({"operator": operator, "managed": is_managed}) + "\n"


def differing(layout: Layout, record: Record, tokens: dict[str, str]) -> list[Write]:
    """The files of the record to write, for tokens that differ from it. `tokens` has those of accounts by name, of the operator under ""."""
    before = {**record.accounts, "": record.operator_token}
    return [
        Write(layout.recorded(name), token, before.get(name) or None)
        for name, token in tokens.items()
        if token != before.get(name)
    ]
