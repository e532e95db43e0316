# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Writes many files at once, in folders that only their owner can read. Files synced at the same time share the commits of the file system's journal."""

from __future__ import annotations

import os
import time
from typing import Callable, Iterable, NamedTuple, Sequence, TypeVar

from .files import FILE_MODE, FOLDER_MODE, FileError, close, reason_of, reported, sync_folder
from .writing import Draft, drop, names, publish, write_draft

T = TypeVar("T")

#: How many files are open at a time between being written and being synced.
_OPEN_FILES = 200
#: How many files are synced at the same time.
_SYNCING = 16
#: A sync that takes longer than this waits for a disk.
_SYNC_SECONDS = 0.0001


class Write(NamedTuple):
    """A file to create, or to replace if it holds `old`."""

    path: str
    text: str
    old: str | None = None


def write_all(files: Sequence[Write]) -> None:
    """Create and replace files in order, each completely or not at all, durably. Missing folders are created.

    Overtaken if a file does not hold its `old`. FileError if a file cannot be written. The files before it are in place then.
    """
    folders = sorted({file.path.rpartition("/")[0] for file in files})
    make_folders(folders)
    for first in range(0, len(files), _OPEN_FILES):
        _write_group(files[first : first + _OPEN_FILES])
    _at_once(sync_folder, folders)


def _write_group(files: Sequence[Write]) -> None:
    drafts: list[Draft] = []
    done = 0
    path = ""
    try:
        for path, text, _unused in files:
            drafts.append(write_draft(path, text))
        _at_once(_sync, drafts)
        with names() as folder:
            for draft, file in zip(drafts, files):
                path = file.path
                publish(draft, file.old, folder)
                close(draft.descriptor)
                done += 1
    except OSError as error:
        raise FileError(path, f"{path} cannot be written", reason_of(error), error.errno or 0) from error
    finally:
        for draft in drafts[done:]:
            drop(draft)


def _sync(draft: Draft) -> None:
    try:
        os.fsync(draft.descriptor)
    except OSError as error:
        raise FileError(draft.path, f"{draft.path} cannot be written", reason_of(error), error.errno or 0) from error


def _at_once(sync: Callable[[T], None], items: Sequence[T]) -> None:
    """Sync many items at the same time, so that a journaling file system combines many of them in one commit."""

    def sync_share(first: int) -> None:
        for item in items[first::_SYNCING]:
            sync(item)

    start = time.perf_counter()
    for item in items[:1]:
        sync(item)
    # If a sync takes no time, as in memory, threads would take longer.
    if time.perf_counter() - start < _SYNC_SECONDS:
        for item in items[1:]:
            sync(item)
    elif len(items) > 1:
        import concurrent.futures

        with concurrent.futures.ThreadPoolExecutor(_SYNCING) as pool:
            list(pool.map(sync_share, range(1, _SYNCING + 1)))


def make_folders(folders: Iterable[str]) -> None:
    """Create folders that only their owner can read, durably. FileError if that fails."""
    parents = set()
    for folder in folders:
        missing = []
        while folder and not os.path.isdir(folder):
            missing.append(folder)
            folder = os.path.dirname(folder)
        for path in reversed(missing):
            with reported(path, f"The folder {path} cannot be made"):
                try:
                    os.mkdir(path, FOLDER_MODE)
                except FileExistsError:
                    if not os.path.isdir(path):
                        raise
                else:
                    os.chmod(path, FOLDER_MODE)  # regardless of the umask
            parents.add(os.path.dirname(path))
    _at_once(sync_folder, sorted(parents))


def append(path: str, text: str) -> None:
    """Append lines to a file, durably. They begin on a new line, even if a killed run left the last line incomplete. FileError if that fails."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)
    with reported(path, f"{path} cannot be written"):
        descriptor = os.open(path, flags, FILE_MODE)
        try:
            os.fchmod(descriptor, FILE_MODE)
            data = (b"\n" if os.fstat(descriptor).st_size else b"") + text.encode("utf-8")
            while data:
                data = data[os.write(descriptor, data) :]
            os.fsync(descriptor)
        finally:
            close(descriptor)
    sync_folder(os.path.dirname(path))
