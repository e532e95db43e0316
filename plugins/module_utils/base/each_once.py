# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Rejects JSON objects with duplicate names. Python keeps the last value and Go merges the values, so the same text would mean different things, and
writing it again would lose a value."""

from __future__ import annotations

from typing import Any

from .excerpts import quoted


class SaidTwiceError(ValueError):
    """A name that occurs twice in an object. It is a ValueError, like the errors that `json.loads` raises for invalid JSON."""

    def __init__(self, key: str) -> None:
        super().__init__(f"it has {quoted(key)} twice in one object")
        self.key = key


def each_once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object with these members, for use as the `object_pairs_hook` of a JSON decoder. SaidTwiceError for a duplicate name."""
    found = dict(members)
    if len(found) != len(members):
        seen: set[str] = set()
        for name, _value in members:
            if name in seen:
                raise SaidTwiceError(name)
            seen.add(name)
    return found
