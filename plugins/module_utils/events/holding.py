# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""A bounded queue of events that wait to be handed on, with a count of those that were dropped."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import threading
from typing import Any

from .messages import DROPPED, event


class Holding:
    """A queue of events in order. While it is full, further events are dropped and counted by type; the counts are an event once the queue is empty.

    It is created and read in one event loop, and filled from any thread.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._events: collections.deque[dict[str, Any]] = collections.deque()
        self._dropped: collections.Counter[str] = collections.Counter()
        self._dropped_before = 0
        self._handed_on = 0
        self._lock = threading.Lock()
        self._loop = asyncio.get_running_loop()
        self._stirred = asyncio.Event()
        self._waits = False

    @property
    def is_full(self) -> bool:
        """Whether there is no room for another event."""
        return len(self._events) >= self.size

    def put(self, one: dict[str, Any]) -> None:
        """Add an event, or drop and count it if the queue is full."""
        with self._lock:
            if self.is_full:
                self._count(one["type"])
                return
            self._events.append(one)
            if self._waits:
                self._waits = False
                with contextlib.suppress(RuntimeError):  # the loop may be closed by now
                    self._loop.call_soon_threadsafe(self._stirred.set)

    def drop(self, kind: str) -> None:
        """Count a dropped event of a type."""
        with self._lock:
            self._count(kind)

    def _count(self, kind: str) -> None:
        if not self._dropped:
            self._handed_on = 0
        self._dropped[kind] += 1

    async def get(self) -> dict[str, Any]:
        """Wait for the next event, and return it."""
        while True:
            with self._lock:
                found = self._take()
                if found is not None:
                    return found
                self._waits = True
                self._stirred.clear()
            await self._stirred.wait()

    def _take(self) -> dict[str, Any] | None:
        # The events in the queue are older than the dropped ones, so they come first. In a constant flood, the queue is never empty: then the counts
        # come after every `size` events.
        if self._dropped and (not self._events or self._handed_on >= self.size):
            counts = dict(sorted(self._dropped.items()))
            self._dropped.clear()
            self._dropped_before += sum(counts.values())
            return event(DROPPED, count=sum(counts.values()), by_type=counts, total=self._dropped_before)
        if not self._events:
            return None
        self._handed_on += 1
        return self._events.popleft()
