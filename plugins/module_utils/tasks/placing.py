# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The files of a whole store and its keystore put in their places, by nats_restore and nats_rebuild: nothing newer is replaced unless the task says so, and
what is replaced goes to the archive."""

from __future__ import annotations

import os
from typing import Callable, NamedTuple

from ..backup.contents import KEYS, STORES, Contents
from ..backup.restore import Comparison, compare
from ..base import units
from ..base.errors import NatsSecurityError
from ..disk.batch import Write, write_all
from ..disk.files import FileError, read_content
from ..store.apply import foresee, lock
from ..store.archiving import put_away
from ..store.layout import Layout
from ..token import codec
from .task import now

_SHOWN = 10


class Placing(NamedTuple):
    """How files are put in their places. `what` they are begins the sentences of messages; the timeout for the lock of the store is in seconds."""

    what: str
    timeout: float
    force: bool
    check: bool


def put_store(
    where: Layout, operator: str, how: Placing, contents_of: Callable[[], Contents]
) -> tuple[Contents, Comparison]:
    """Write what is missing or older in the place of an operator's store, or in check mode say so. With `force`, what is newer or another is archived first.

    NatsSecurityError where the store is another operator's, or something would be lost; then nothing is written, not even the file of a lock.
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
    """Where a path of a backup is on this host."""
    root = f"{STORES}/{where.name}"
    return where.root + path[len(root) :] if path.startswith(f"{root}/") else where.keys_dir + path[len(KEYS) :]


def text_of(path: str) -> str | None:
    """What a file holds; None where there is none. A link is an error."""
    content = read_content(path, follow=False)
    return None if content is None else content.text


def _check_owner(where: Layout, operator: str, what: str) -> None:
    """NatsSecurityError where the place is another operator's, which no option makes a place for this one."""
    token = text_of(where.operator_jwt)
    there = codec.peek(token.strip()).get("sub") if token is not None else None
    if there is not None and there != operator:
        raise NatsSecurityError(
            f"{where.root} is the store of another operator, {there}, and {_inside(what)} is that of {operator}: it is left as it is."
        )


def _conflict(where: Layout, comparison: Comparison, what: str) -> NatsSecurityError:
    """The error for files that `what` would replace and are newer, or something else."""
    paths = comparison.conflicts
    shown = ", ".join(f"{place_of(where, one)} ({comparison.states[one]})" for one in paths[:_SHOWN])
    more = f", and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return NatsSecurityError(
        f"Nothing is restored, because what is there is newer than {_inside(what)}, or something else: {shown}{more}. "
        f"With force=true these files go to the archive, and those of {_inside(what)} take their places."
    )


def _inside(what: str) -> str:
    """What begins a sentence, inside of one."""
    return what[0].lower() + what[1:]


def _order(path: str) -> tuple[int, str]:
    """Seeds and what is recorded, then tokens from the operator down, then creds, then the file that makes a store of the folder."""
    if path.startswith(f"{KEYS}/creds/"):
        return 3, path
    if path.startswith(f"{KEYS}/"):
        return 0, path
    return (4 if path.endswith("/.nsc") else 2 if path.count("/") > 2 else 1), path


def _put_files(where: Layout, contents: Contents, comparison: Comparison, what: str) -> None:
    """Write what is missing or older there, and archive what stands in the way. `what` begins the message of an error. NatsSecurityError."""
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
