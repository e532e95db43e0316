# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Values as messages show them: quoted, and cut short, so that no message is as large as what somebody wrote."""

from __future__ import annotations

import re
from typing import Any

_LONGEST = 100
# A JWT may be a bearer's, and a part of one is no better.
_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{12,}[A-Za-z0-9_.-]*")


def _without_jwts(text: str) -> str:
    return _JWT.sub("(a JWT)", text) if "eyJ" in text else text


def excerpt(text: str) -> str:
    """The text; only its beginning, with how long it is, where it is long."""
    text = _without_jwts(text)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 20]}... ({len(text)} characters)"


def quoted(value: Any) -> str:
    """The value as Python writes it, cut short where it is long or deeply nested."""
    if isinstance(value, str):
        value = _without_jwts(value)
        return repr(value) if len(value) <= _LONGEST else f"{value[: _LONGEST - 20]!r}... ({len(value)} characters)"
    import reprlib  # of a task in which nothing is wrong it would be a part of the start

    try:
        return reprlib.repr(value)
    except ValueError:  # a number of more digits than Python shows
        return f"a {type(value).__name__} of thousands of digits"
