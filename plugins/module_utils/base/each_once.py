# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""JSON objects in which no name comes twice. Python keeps the last one and Go merges them, so that one text would mean different things, and writing it
again would lose one of the two."""

from __future__ import annotations

from typing import Any

from .excerpts import quoted


class SaidTwiceError(ValueError):
    """A name that an object has twice. A ValueError, as all that `json.loads` raises for what is not to be read."""

    def __init__(self, key: str) -> None:
        super().__init__(f"it has {quoted(key)} twice in one object")
        self.key = key


def each_once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of these members, as `object_pairs_hook` of whatever reads JSON. SaidTwiceError for a name that comes again."""
    found = dict(members)
    if len(found) != len(members):
        seen: set[str] = set()
        for name, _value in members:
            if name in seen:
                raise SaidTwiceError(name)
            seen.add(name)
    return found
