# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Values as messages show them: quoted, without secrets, and shortened, so that a large input does not cause a large message.

Secrets are masked before a text is cut, because a part of a secret may not be recognized.
"""

from __future__ import annotations

import re
from typing import Any, Iterable, Sequence

from .recognition import hide

_LONGEST = 100
#: How many characters are searched for secrets: far more than are shown, so that a secret that begins in the shown part is recognized.
_LOOKED_AT = 10_000
# A JWT may be a bearer token, so it is not shown, not even in part.
_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{12,}[A-Za-z0-9_.-]*")
#: The placeholder of a key that does not exist yet, as `keys/new.py` writes it. The public key replaces it in a text later, so it is never cut.
_PLACEHOLDER = re.compile(r"\(a new (?:operator|account|user|curve) key: .+\)", re.DOTALL)


def is_placeholder(text: str) -> bool:
    """Whether a text is the placeholder of a key that does not exist yet."""
    return text.startswith("(a new ") and _PLACEHOLDER.fullmatch(text) is not None


def _shown(text: str) -> str:
    text = hide(text[:_LOOKED_AT])
    return _JWT.sub("(a JWT)", text) if "eyJ" in text else text


def excerpt(text: str) -> str:
    """The text with secrets masked. Of a long text, only the beginning and the length; a placeholder is never cut."""
    shown = _shown(text)
    is_whole = len(shown) <= _LONGEST or is_placeholder(shown)
    return shown if is_whole else f"{shown[: _LONGEST - 20]}... ({len(text)} characters)"


def first_of(names: Sequence[str], most: int) -> str:
    """The first names, separated by commas, with the number of the others."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def quoted(value: Any) -> str:
    """The value as Python writes it, with secrets masked, shortened if it is long or deeply nested."""
    if isinstance(value, str):
        shown = _shown(value)
        return repr(shown) if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 20]!r}... ({len(value)} characters)"
    import reprlib  # imported on demand: a task without errors does not need it

    class Parts(reprlib.Repr):
        """Shortens the parts of a value and masks secrets in its texts."""

        def repr_str(self, x: str, level: int) -> str:
            return super().repr_str(_shown(x), level)

    try:
        return Parts().repr(value)
    except ValueError:  # a number with more digits than Python converts to text
        return f"a {type(value).__name__} of thousands of digits"


def expected(what: str, options: Iterable[str], shown: str) -> str:
    """The message that a value, as `shown`, is not `what` it has to be: a dictionary, or a list of dictionaries, with these options."""
    return f"expected {what} with {', '.join(options)}, not {shown}."
