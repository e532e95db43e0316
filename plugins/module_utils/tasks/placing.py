# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Writes the files of a whole store and its keystore, for nats_restore and nats_rebuild.

Newer files are replaced only with `force`, and replaced files are moved to the archive.
"""

from __future__ import annotations

import os
from typing import Callable, NamedTuple

from ..backup.contents import KEYS, STORES, Contents
from ..backup.restore import Comparison, compare
from ..base import units
from ..base.errors import NatsSecurityError
from ..base.excerpts import first_of
from ..disk.batch import Write, write_all
from ..disk.files import FileError, read_content
from ..store.apply import foresee, lock
from ..store.archiving import put_away
from ..store.layout import Layout
from ..token import codec
from .task import now

_SHOWN = 10


class Placing(NamedTuple):
    """How files are written. `what` names them and begins the sentences of messages. `timeout`, for the lock of the store, is in seconds."""

    what: str
    timeout: float
    force: bool
    check: bool


def put_store(
    where: Layout, operator: str, how: Placing, contents_of: Callable[[], Contents]
) -> tuple[Contents, Comparison]:
    """Write the files of an operator's store that are missing or older there, and return the contents and the comparison. Check mode writes nothing.

    With `force`, files that are newer or different are archived and replaced. Raises NatsSecurityError if the store belongs to another operator, or if
    something would be lost; then nothing is written, not even a lock file.
    """

    def look() -> tuple[Contents, Comparison]:
        _check_owner(where, operator, how.what)
        contents = contents_of()
        comparison = compare(contents, lambda one: text_of(place_of(where, one)))
        if comparison.conflicts and not how.force:
            raise _conflict(where, comparison, how.what)
        return contents, comparison

    with lock(where, how.timeout, create=False, shared=True):
        found = look()
    if not (found[1].to_write or found[1].conflicts):
        return found
    if how.check:
        foresee(where, any(path.startswith(f"{KEYS}/") for path in (*found[1].to_write, *found[1].conflicts)))
        return found
    with lock(where, how.timeout, create=True, shared=False):
        found = look()
        _put_files(where, *found, how.what)
    return found


def place_of(where: Layout, path: str) -> str:
    """The path on this host for a path in a backup."""
    root = f"{STORES}/{where.name}"
    return where.root + path[len(root) :] if path.startswith(f"{root}/") else where.keys_dir + path[len(KEYS) :]


def text_of(path: str) -> str | None:
    """The text of a file; None if there is no file. A link is an error."""
    content = read_content(path, follow=False)
    return None if content is None else content.text


def _check_owner(where: Layout, operator: str, what: str) -> None:
    """Raise NatsSecurityError if the store belongs to another operator. No option overrides this."""
    token = text_of(where.operator_jwt)
    there = codec.peek(token.strip()).get("sub") if token is not None else None
    if there is not None and there != operator:
        raise NatsSecurityError(
            f"{where.root} is the store of another operator, {there}, and {_inside(what)} belongs to {operator}: the store is left unchanged."
        )


def _conflict(where: Layout, comparison: Comparison, what: str) -> NatsSecurityError:
    """The error for files that would be replaced although they are newer or different."""
    shown = first_of([f"{place_of(where, one)} ({comparison.states[one]})" for one in comparison.conflicts], _SHOWN)
    return NatsSecurityError(
        f"Nothing is restored, because existing files are newer than {_inside(what)}, or differ from it: {shown}. "
        "With force=true, these files are moved to the archive and replaced."
    )


def _inside(what: str) -> str:
    """The beginning of a sentence, in lower case for use within a sentence."""
    return what[0].lower() + what[1:]


def _order(path: str) -> tuple[int, str]:
    """Sort key for the order of writing: seeds and records, tokens from the operator down, creds, and last the file .nsc, which marks the folder as a store."""
    if path.startswith(f"{KEYS}/creds/"):
        return 3, path
    if path.startswith(f"{KEYS}/"):
        return 0, path
    return (4 if path.endswith("/.nsc") else 2 if path.count("/") > 2 else 1), path


def _put_files(where: Layout, contents: Contents, comparison: Comparison, what: str) -> None:
    """Archive the conflicting files, then write all files that are missing, older or archived.

    Raises NatsSecurityError with a message that begins with `what`.
    """
    when = units.show_time(now()).replace(":", "")
    try:
        for path in comparison.conflicts:
            put_away(where, place_of(where, path), path.startswith(f"{KEYS}/"), when)
        files = []
        for path in sorted([*comparison.to_write, *comparison.conflicts], key=_order):
            place = place_of(where, path)
            files.append(Write(place, contents.files[path], text_of(place)))
        write_all(files)
    except FileError as error:
        raise NatsSecurityError(
            f"{what} could not be restored to {error.path}: {error.reason}. What was restored so far stays, and the next run completes it."
        ) from error
    for folder in (where.accounts, os.path.join(where.keys_dir, "keys")):
        os.makedirs(folder, mode=0o700, exist_ok=True)
