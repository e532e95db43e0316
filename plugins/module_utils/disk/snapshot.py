# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What a task has read: each file once, so that it decides on one state of it, and replaces or removes it only while it is in this state.

In check mode it replaces and removes nothing, and raises the error that the system would have for it.
"""

from __future__ import annotations

import os

from . import files, foreseen, writing
from .files import MAX_BYTES
from .writing import Overtaken, Owner


class Snapshot:
    """The texts of files as a task found them, by their real paths. None stands for no file."""

    def __init__(self, writes: bool = True) -> None:
        self._writes = writes
        self._found: dict[str, str | None] = {}

    def read(self, path: str, what: str = "What is there", limit: int = MAX_BYTES) -> str | None:
        """The text of a file, read at most once; None where there is none. FileError, with what the file is, where it cannot be read."""
        real = os.path.realpath(path)
        if real not in self._found:
            self._found[real] = files.read_text(path, what, limit)
        return self._found[real]

    def is_current(self) -> bool:
        """Whether every file is as it was read."""
        for real, text in self._found.items():
            try:
                if files.read_text(real, "What is there") != text:
                    return False
            except files.FileError:
                return False
        return True

    def put(self, path: str, text: str, mode: int, owner: Owner | None = None) -> None:
        """Create the file, or replace it while it is as it was read. Overtaken where it is not; FileError."""
        if not self._writes:
            foreseen.write(path)
            return
        writing.put(path, text, mode, self.read(path), owner)
        self._found[os.path.realpath(path)] = text

    def back_up(self, path: str, mask: int) -> str | None:
        """Copy a file beside itself, see `writing.back_up`; the path of the copy, None in check mode. FileError."""
        if not self._writes:
            foreseen.copy(path, writing.copy_beside(path))
            return None
        return writing.back_up(path, mask)

    def remove(self, path: str) -> None:
        """Remove the file while it is as it was read. Overtaken where it is not; FileError."""
        if not self._writes:
            foreseen.removal(path)
            return
        if files.read_text(path, "What is there") != self.read(path):
            raise Overtaken(path, "something else changed it at the same time")
        files.remove(path)
        self._found[os.path.realpath(path)] = None
