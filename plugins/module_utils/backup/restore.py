# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What restoring a backup would do to a place: what is missing there, what is the same, and what is newer or another and stays unless a task says so."""

from __future__ import annotations

from typing import Callable, NamedTuple

from ..base.errors import NatsSecurityError
from ..token import codec, decorated
from .contents import Contents

MISSING, SAME, OLDER, NEWER, OTHER = "missing", "same", "older", "newer", "other"


class Comparison(NamedTuple):
    """Every path of a backup by what is there now: nothing, the same, an older or a newer token, or something else."""

    states: dict[str, str]

    def paths(self, *states: str) -> list[str]:
        """The paths in one of these states."""
        return [path for path, state in self.states.items() if state in states]

    @property
    def conflicts(self) -> list[str]:
        """What restoring would lose: newer tokens, and other seeds or files."""
        return self.paths(NEWER, OTHER)

    @property
    def to_write(self) -> list[str]:
        """What restoring writes where there is no conflict: what is missing, and tokens that are older there."""
        return self.paths(MISSING, OLDER)


def compare(contents: Contents, found: Callable[[str], str | None]) -> Comparison:
    """Compare a backup with a place. `found` says what a path of the backup holds there; None where there is nothing."""
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
