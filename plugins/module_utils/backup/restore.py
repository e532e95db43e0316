# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Compares a backup with existing files: which are missing, the same, or older, and which are newer or different and stay unless a task overrides this."""

from __future__ import annotations

from typing import Callable, NamedTuple

from ..base.errors import NatsSecurityError
from ..token import codec, decorated
from .contents import Contents

MISSING, SAME, OLDER, NEWER, OTHER = "missing", "same", "older", "newer", "other"


class Comparison(NamedTuple):
    """The state of each path of a backup: missing, the same, an older or a newer token, or something else."""

    states: dict[str, str]

    def paths(self, *states: str) -> list[str]:
        """The paths in one of these states."""
        return [path for path, state in self.states.items() if state in states]

    @property
    def conflicts(self) -> list[str]:
        """The paths whose existing files a restore would lose: newer tokens, and different seeds or other files."""
        return self.paths(NEWER, OTHER)

    @property
    def to_write(self) -> list[str]:
        """The paths that a restore writes without a conflict: missing files and older tokens."""
        return self.paths(MISSING, OLDER)


def compare(contents: Contents, found: Callable[[str], str | None]) -> Comparison:
    """Compare a backup with existing files. `found` returns the existing text for a path of the backup; None if there is no file."""
    return Comparison({path: _state(path, text, found(path)) for path, text in contents.files.items()})


def _state(path: str, text: str, found: str | None) -> str:
    if found is None:
        return MISSING
    if found.strip() == text.strip():
        return SAME
    if path.endswith((".jwt", ".creds")):
        return _token_state(text, found)
    return OTHER


def _token_state(text: str, found: str) -> str:
    try:
        ours, theirs = (codec.decode(decorated.token_in(one)) for one in (text, found))
    except NatsSecurityError:
        return OTHER
    if (ours.kind, ours.subject) != (theirs.kind, theirs.subject) or ours.issued_at == theirs.issued_at:
        return OTHER
    return NEWER if theirs.issued_at > ours.issued_at else OLDER
