# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Reads the text of all files in folders, to rebuild a store from them. Writes nothing; files that cannot be read are reported."""

from __future__ import annotations

import stat
from typing import Iterator, Sequence

from ..base.errors import Missing
from ..disk.files import FileError, check_regular, is_folder, list_folder, no_file, read_content, status_of
from ..store.layout import STATE
from .rebuild import Source

#: The suffix of an account JWT that a resolver deleted (dirstore.go), and the end of the path of the archive of a store or keystore.
_DELETED, _ARCHIVE = ".jwt.deleted", f"/{STATE}/archive"


def collect(paths: Sequence[str], unreadable: list[str]) -> Iterator[Source]:
    """Yield the text of each file in `paths`, and of each file below the folders in `paths`.

    Symbolic links in folders are not followed. Files that were removed from a store or a resolver are read only if `paths` names them, because rebuilding
    would restore them. NatsSecurityError if one of the paths does not exist, or is neither a file nor a folder. Other files that cannot be read are added
    to `unreadable`.
    """
    for index, path in enumerate(paths):
        place = f"paths[{index}]"
        if is_folder(path):
            yield from _below(path.rstrip("/") or "/", unreadable)
        elif check_regular(path, f"{place}: the file"):
            yield from _text_of(path, unreadable)
        else:
            raise Missing(f"{place}: there is no file or folder {path}.")


def _below(top: str, unreadable: list[str]) -> Iterator[Source]:
    """Yield the text of each file below a folder. Iterative, so that the depth of the tree is not limited."""
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
                continue  # removed in the meantime
            if name.endswith(_DELETED) or path.endswith(_ARCHIVE):
                unreadable.append(f"{path}: it was removed earlier; to restore it, name it in paths.")
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
