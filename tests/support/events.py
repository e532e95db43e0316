# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The event source, run as ansible-rulebook runs it, but in the event loop of the test."""

from __future__ import annotations

import asyncio
import contextlib
import runpy
from collections.abc import AsyncIterator, Callable
from typing import Any

from checkout import ROOT

SOURCE = ROOT / "extensions/eda/plugins/event_source/nats_events.py"
#: Timeout for an event on a busy machine, in seconds.
PATIENCE = 60


class Events:
    """The queue of an event source, and the events read from it."""

    def __init__(self, size: int = 0) -> None:
        self.queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(size)
        self.seen: list[dict[str, Any]] = []

    async def next(self, *types: str, that: Callable[[dict[str, Any]], bool] = lambda event: True) -> dict[str, Any]:
        """Return the next event that has one of these types and fulfils the condition. All events read are added to `seen`."""

        async def find() -> dict[str, Any]:
            while True:
                event = await self.queue.get()
                self.seen.append(event)
                if event["type"] in types and that(event):
                    return event

        try:
            return await asyncio.wait_for(find(), PATIENCE)
        except asyncio.TimeoutError:
            raise AssertionError(f"no {types} among {self.seen}") from None


@contextlib.asynccontextmanager
async def source(size: int = 0, **args: Any) -> AsyncIterator[Events]:
    """Run an event source during the block, with a queue of this size (0: unlimited). An error of the source is raised at the end."""
    events = Events(size)
    main = runpy.run_path(str(SOURCE))["main"]
    task = asyncio.ensure_future(main(events.queue, args))
    try:
        yield events
    finally:
        done = task.done()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert not done
