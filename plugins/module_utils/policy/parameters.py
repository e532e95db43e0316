# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The parameters of rules: readers convert values in YAML to the values that checks use. A reader raises ValueError with the expected value."""

from __future__ import annotations

import re
from typing import Any, Callable, Iterable, NamedTuple

from ..base import units
from ..base.excerpts import quoted
from ..rules.subjects import is_valid_subject

Reader = Callable[[Any], Any]


class Parameter(NamedTuple):
    """One parameter of a kind of rules: how it is read, its default, and whether it is required."""

    read: Reader
    default: Any = None
    required: bool = False


def duration(value: Any) -> int:
    """The seconds of a duration such as `90d`."""
    return units.parse_seconds(value)


def flag(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError(f"expected true or false, not {quoted(value)}")
    return value


def text(value: Any) -> str:
    """A non-empty text."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"expected a text, not {quoted(value)}")
    return value


def texts(value: Any) -> tuple[str, ...]:
    """At least one text, without duplicates."""
    if not isinstance(value, list) or not value:
        raise ValueError(f"expected a list of texts, not {quoted(value)}")
    for item in value:
        text(item)
    twice = next((item for index, item in enumerate(value) if item in value[:index]), None)
    if twice is not None:
        raise ValueError(f"{quoted(twice)} is listed twice")
    return tuple(value)


def one_of(*choices: str) -> Reader:
    """A reader for one of the choices."""

    def read(value: Any) -> str:
        if value not in choices or not isinstance(value, str):
            raise ValueError(f"expected one of {', '.join(choices)}, not {quoted(value)}")
        return str(value)

    return read


def some_of(choices: Iterable[str]) -> Reader:
    """A reader for a list of the choices."""
    one = one_of(*choices)

    def read(value: Any) -> tuple[str, ...]:
        return tuple(one(item) for item in texts(value))

    return read


def expression(value: Any) -> re.Pattern[str]:
    """A Python regular expression."""
    try:
        return re.compile(text(value))
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{quoted(value)} is not a regular expression: {error}") from None


def subject(value: Any) -> str:
    """A subject, with or without wildcards."""
    if not isinstance(value, str) or not is_valid_subject(value):
        raise ValueError(f"expected a subject such as orders.new or orders.>, not {quoted(value)}")
    return value
