# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The texts of files in any folders, for a store that is rebuilt from them. Reads files only; what cannot be read is in the report."""

from __future__ import annotations

import stat
from typing import Iterator, Sequence

from ..base.errors import NatsSecurityError
from ..disk.files import FileError, check_regular, is_folder, list_folder, no_file, read_content, status_of
from ..store.layout import STATE
from .rebuild import Source

#: An account that a resolver has deleted (dirstore.go), and what was removed from a store or keystore.
_DELETED, _ARCHIVE = ".jwt.deleted", f"/{STATE}/archive"


def collect(paths: Sequence[str], unreadable: list[str]) -> Iterator[Source]:
    """The text of each of these files, and of each file below these folders. Symbolic links in folders are not followed, and what was removed from a store
    or a resolver is read only where it is one of the paths itself: it would come back.

    NatsSecurityError where one of the paths is nothing, or no file or folder. What else cannot be read is added to `unreadable`.
    """
    for index, path in enumerate(paths):
        place = f"paths[{index}]"
        if is_folder(path):
            yield from _below(path.rstrip("/") or "/", unreadable)
        elif check_regular(path, f"{place}: the file"):
            yield from _text_of(path, unreadable)
        else:
            raise NatsSecurityError(f"{place}: there is no file or folder {path}.")


def _below(top: str, unreadable: list[str]) -> Iterator[Source]:
    """Folders wait in a list, so no tree is too deep."""
    folders = [top]
    while folders:
        folder = folders.pop()
        try:
            names = list_folder(folder)
        except FileError as error:
            unreadable.append(str(error))
            continue
        for name in names:
            path = f"{folder.rstrip('/')}/{name}"
            status = status_of(path)
            if status is None:
                continue  # gone meanwhile
            if name.endswith(_DELETED) or path.endswith(_ARCHIVE):
                unreadable.append(f"{path}: it was removed before; to bring it back, name it in paths.")
            elif stat.S_ISDIR(status.st_mode):
                folders.append(path)
            elif stat.S_ISREG(status.st_mode):
                yield from _text_of(path, unreadable)
            else:
                unreadable.append(f"{path}: {no_file(status.st_mode)}.")


def _text_of(path: str, unreadable: list[str]) -> Iterator[Source]:
    try:
        content = read_content(path)
    except FileError as error:
        unreadable.append(f"{path}: {error.reason}.")
        return
    if content is not None:
        yield Source(path, content.text)
