# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The event source, run as ansible-rulebook runs it, in a loop of its own."""

from __future__ import annotations

import asyncio
import contextlib
import runpy
from collections.abc import AsyncIterator, Callable
from typing import Any

from checkout import ROOT

SOURCE = ROOT / "extensions/eda/plugins/event_source/nats_events.py"
#: How long an event may take to come on a busy machine, in seconds.
PATIENCE = 60


class Events:
    """What a source has put into its queue."""

    def __init__(self, size: int = 0) -> None:
        self.queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(size)
        self.seen: list[dict[str, Any]] = []

    async def next(self, *types: str, that: Callable[[dict[str, Any]], bool] = lambda event: True) -> dict[str, Any]:
        """The next event of one of these types for which this holds; those before it are in `seen`."""

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
    """A source that runs for as long as the block, with a queue of a size, 0 for any. What it fails with is raised at the end."""
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
