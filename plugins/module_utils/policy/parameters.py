# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What a rule takes: values as people write them in YAML, to the values that checks compare with. A reader raises ValueError, which says what is wanted."""

from __future__ import annotations

import re
from typing import Any, Callable, Iterable, NamedTuple

from ..base import units
from ..base.excerpts import quoted
from ..rules.subjects import is_valid_subject

Reader = Callable[[Any], Any]


class Parameter(NamedTuple):
    """One parameter of a kind of rules. Without a default it is required, unless it is one of several of which one is required."""

    read: Reader
    default: Any = None
    required: bool = False


def duration(value: Any) -> int:
    """Seconds of a span such as `90d`."""
    return units.parse_seconds(value)


def flag(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError(f"expected true or false, not {quoted(value)}")
    return value


def text(value: Any) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"expected a text, not {quoted(value)}")
    return value


def texts(value: Any) -> tuple[str, ...]:
    """Texts, at least one, none of them twice."""
    if not isinstance(value, list) or not value:
        raise ValueError(f"expected a list of texts, not {quoted(value)}")
    for item in value:
        text(item)
    twice = next((item for index, item in enumerate(value) if item in value[:index]), None)
    if twice is not None:
        raise ValueError(f"{quoted(twice)} is listed twice")
    return tuple(value)


def one_of(*choices: str) -> Reader:
    """One of some words."""

    def read(value: Any) -> str:
        if value not in choices or not isinstance(value, str):
            raise ValueError(f"expected one of {', '.join(choices)}, not {quoted(value)}")
        return str(value)

    return read


def some_of(choices: Iterable[str]) -> Reader:
    """Some of some words."""
    one = one_of(*choices)

    def read(value: Any) -> tuple[str, ...]:
        return tuple(one(item) for item in texts(value))

    return read


def expression(value: Any) -> re.Pattern[str]:
    """A regular expression of Python."""
    try:
        return re.compile(text(value))
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{quoted(value)} is not a regular expression: {error}") from None


def subject(value: Any) -> str:
    """A subject, with wildcards or without."""
    if not isinstance(value, str) or not is_valid_subject(value):
        raise ValueError(f"expected a subject such as orders.new or orders.>, not {quoted(value)}")
    return value
