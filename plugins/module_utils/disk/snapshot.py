# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The files that a task has read. Each is read once, so that all decisions see the same state, and is replaced or removed only if it is still in this state.

In check mode nothing is replaced or removed, and the error that the system would report is raised.
"""

from __future__ import annotations

import os

from . import files, foreseen, writing
from .files import MAX_BYTES
from .writing import Overtaken, Owner


class Snapshot:
    """The texts of files as a task found them, by their real paths. None stands for a missing file."""

    def __init__(self, writes: bool = True) -> None:
        self._writes = writes
        self._found: dict[str, str | None] = {}

    def read(self, path: str, what: str = "The existing file", limit: int = MAX_BYTES) -> str | None:
        """The text of a file, read at most once; None if there is no file. FileError, which names the file as `what`, if it cannot be read."""
        real = os.path.realpath(path)
        if real not in self._found:
            self._found[real] = files.read_text(path, what, limit)
        return self._found[real]

    def is_current(self) -> bool:
        """Whether every file is still as it was read."""
        for real, text in self._found.items():
            try:
                if files.read_text(real, "The existing file") != text:
                    return False
            except files.FileError:
                return False
        return True

    def put(self, path: str, text: str, mode: int, owner: Owner | None = None) -> None:
        """Create the file, or replace it if it is still as it was read. Overtaken if it is not; FileError if it cannot be written."""
        if not self._writes:
            foreseen.write(path)
            return
        writing.put(path, text, mode, self.read(path), owner)
        self._found[os.path.realpath(path)] = text

    def back_up(self, path: str, mask: int) -> str | None:
        """Copy a file beside itself, see `writing.back_up`. The path of the copy; None in check mode. FileError if that fails."""
        if not self._writes:
            foreseen.copy(path, writing.copy_beside(path))
            return None
        return writing.back_up(path, mask)

    def remove(self, path: str) -> None:
        """Remove the file if it is still as it was read. Overtaken if it is not; FileError if it cannot be removed."""
        if not self._writes:
            foreseen.removal(path)
            return
        if files.read_text(path, "The existing file") != self.read(path):
            raise Overtaken(path, "something else changed it at the same time")
        files.remove(path)
        self._found[os.path.realpath(path)] = None
