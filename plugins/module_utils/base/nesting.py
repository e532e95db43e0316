# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Finds values that are nested too deep. Whatever reads a value recursively would fail, some of it by ending the process."""

from __future__ import annotations

import itertools
from typing import Any, Iterable

_NESTING = (dict, list)


def is_deeper(value: Any, levels: int) -> bool:
    """Whether dictionaries and lists are nested in each other on more than this many levels. The value itself is the first level."""
    level: Iterable[Any] = (value,)
    for _unused in range(levels + 1):
        inside = [item.values() if isinstance(item, dict) else item for item in level if isinstance(item, _NESTING)]
        if not inside:
            return False
        level = itertools.chain.from_iterable(inside)
    return True
