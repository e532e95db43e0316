# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What expires soon in a store or in creds files, as one event per look, because a rulebook that acts on it renews everything at once."""

from __future__ import annotations

import dataclasses
import os
from typing import Any, Sequence

from ..base import units
from ..base.errors import NatsSecurityError
from ..disk import files
from ..keys.keyring import Keyring
from ..store import apply
from ..store.inventory import take_inventory
from ..store.layout import Layout
from ..token import codec, decorated
from .messages import EXPIRING, event, unreadable

#: How long to wait for a run that changes the store, in seconds.
_PATIENCE = 60.0
#: The maximum number of entities that an event lists.
_SHOWN = 100
_WORDS = ("kind", "name", "account", "public_key", "expires", "expires_in_seconds")


@dataclasses.dataclass(frozen=True)
class Watched:
    """What to look at: a store, and creds files or folders with creds files. `within` is the time until expiry that is reported, in seconds."""

    within: int
    store: Layout | None = None
    creds_paths: Sequence[str] = ()


def look(watched: Watched, now: int) -> list[dict[str, Any]]:
    """The events of one look: one with everything that expires soon, if there is anything, and one for each file that cannot be read."""
    due, events = [], []
    if watched.store is not None:
        try:
            with apply.lock(watched.store, _PATIENCE, create=False, shared=True):
                found = take_inventory(watched.store, Keyring(), now)
        except (NatsSecurityError, OSError) as error:
            events.append(unreadable(watched.store.root, str(error)))
        else:
            ends = [one for one in found.entities if one.get("expires_in_seconds") is not None]
            due += [{word: one[word] for word in _WORDS} for one in ends if not one.get("revoked")]
            events += [unreadable(one["path"], one["message"]) for one in found.problems if one["blocking"]]
    for path in watched.creds_paths:
        for file in _files_of(path):
            try:
                due += _end_of(file, now)
            except (NatsSecurityError, OSError) as error:
                events.append(unreadable(file, str(error)))
    due = sorted((one for one in due if one["expires_in_seconds"] <= watched.within), key=_left)
    if due:
        events.append(event(EXPIRING, within=units.show_seconds(watched.within), count=len(due), entities=due[:_SHOWN]))
    return events


def _left(one: dict[str, Any]) -> int:
    return int(one["expires_in_seconds"])


def _files_of(path: str) -> list[str]:
    """The file itself, or all creds files in a folder and its subfolders."""
    if not os.path.isdir(path):
        return [path]
    found = []
    for folder, _unused, names in os.walk(path):
        found += [os.path.join(folder, name) for name in names if name.endswith(".creds")]
    return sorted(found)


def _end_of(path: str, now: int) -> list[dict[str, Any]]:
    text = files.read_text(path, "the creds")
    if text is None:
        raise NatsSecurityError(f"there is no file {path}.")
    claims = codec.decode(decorated.token_in(text))
    if not claims.expires:
        return []
    values = ("creds", claims.name, _account(claims), claims.subject, units.show_time(claims.expires))
    return [{**dict(zip(_WORDS, (*values, claims.expires - now))), "path": path}]


def _account(claims: Any) -> str:
    return getattr(claims.body, "issuer_account", "") or claims.issuer
