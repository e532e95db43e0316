# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Values as messages show them: quoted, without secrets, and cut short, so that no message is as large as what somebody wrote.

Secrets are hidden before a text is cut: of a part it cannot be told what it is a part of.
"""

from __future__ import annotations

import re
from typing import Any

from .recognition import hide

_LONGEST = 100
#: Longer than any secret that begins in what is shown, or than the part of it that is shown.
_LOOKED_AT = 10_000
# A JWT may be a bearer's, and a part of one is no better.
_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{12,}[A-Za-z0-9_.-]*")
#: The placeholder of a key that is to be made, as `keys/new.py` writes it. The public key takes its place in a text later, so it is never cut.
_PLACEHOLDER = re.compile(r"\(a new (?:operator|account|user|curve) key: .+\)", re.DOTALL)


def is_placeholder(text: str) -> bool:
    """Whether a text is the placeholder of a key that is to be made."""
    return text.startswith("(a new ") and _PLACEHOLDER.fullmatch(text) is not None


def _shown(text: str) -> str:
    text = hide(text[:_LOOKED_AT])
    return _JWT.sub("(a JWT)", text) if "eyJ" in text else text


def excerpt(text: str) -> str:
    """The text; only its beginning, with how long it is, where it is long. A placeholder stays whole."""
    shown = _shown(text)
    is_whole = len(shown) <= _LONGEST or is_placeholder(shown)
    return shown if is_whole else f"{shown[: _LONGEST - 20]}... ({len(text)} characters)"


def quoted(value: Any) -> str:
    """The value as Python writes it, cut short where it is long or deeply nested."""
    if isinstance(value, str):
        shown = _shown(value)
        return repr(shown) if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 20]!r}... ({len(value)} characters)"
    import reprlib  # of a task in which nothing is wrong it would be a part of the start

    class Parts(reprlib.Repr):
        """Cuts the parts of a value short."""

        def repr_str(self, x: str, level: int) -> str:
            return super().repr_str(_shown(x), level)

    try:
        return Parts().repr(value)
    except ValueError:  # a number of more digits than Python shows
        return f"a {type(value).__name__} of thousands of digits"
