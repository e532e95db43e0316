# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Events that wait for whoever acts on them: a bounded number, and a count of those for which there was no room."""

from __future__ import annotations

import asyncio
import collections
from typing import Any

from .messages import DROPPED, event


class Holding:
    """A queue of events in order. What comes while it is full is counted by type, and the counts are an event as soon as there is room."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._events: collections.deque[dict[str, Any]] = collections.deque()
        self._dropped: collections.Counter[str] = collections.Counter()
        self._dropped_before = 0
        self._handed_on = 0
        self._stirred = asyncio.Event()

    @property
    def is_full(self) -> bool:
        """Whether there is no room for another event."""
        return len(self._events) >= self.size

    def put(self, one: dict[str, Any]) -> None:
        """Hold an event, or count it."""
        if self.is_full:
            self.drop(one["type"])
            return
        self._events.append(one)
        self._stirred.set()

    def drop(self, kind: str) -> None:
        """Count an event of a type that there is no room for."""
        if not self._dropped:
            self._handed_on = 0
        self._dropped[kind] += 1

    async def get(self) -> dict[str, Any]:
        """The next event, once there is one."""
        while not self._events:
            if self._dropped:
                return self._report()
            self._stirred.clear()
            await self._stirred.wait()
        # What was held before is older than what was dropped. In a flood that does not end, the count comes each time as many were handed on.
        if self._dropped and self._handed_on >= self.size:
            return self._report()
        self._handed_on += 1
        return self._events.popleft()

    def _report(self) -> dict[str, Any]:
        counts = dict(sorted(self._dropped.items()))
        self._dropped.clear()
        self._dropped_before += sum(counts.values())
        return event(DROPPED, count=sum(counts.values()), by_type=counts, total=self._dropped_before)
