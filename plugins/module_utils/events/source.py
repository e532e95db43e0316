# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The source of events: listens, looks what ends soon, and hands events on, one after the other, to whoever takes them."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from typing import Any, Awaitable, Callable

from ..cluster.connection import Options
from .ending import Watched, look
from .holding import Holding
from .listening import Listener
from .messages import Wanted


@dataclasses.dataclass(frozen=True)
class Source:
    """What a source is to do: where to listen for what, what to look at and how often in seconds, and how many events to hold."""

    connection: Options | None
    wanted: Wanted
    watched: Watched | None
    look_every: float
    held: int


async def run(source: Source, hand_on: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
    """Go on until cancelled. NatsSecurityError where no server lets the user in at first; later that is an event."""
    holding = Holding(source.held)
    tasks: list[asyncio.Future[None]] = []
    try:
        if source.connection is not None:
            listener = Listener(source.connection, source.wanted, holding)
            await listener.open()
            tasks.append(asyncio.ensure_future(listener.listen()))
        if source.watched is not None:
            tasks.append(asyncio.ensure_future(_look(source, source.watched, holding)))
        tasks.append(asyncio.ensure_future(_hand_on(holding, hand_on)))
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _hand_on(holding: Holding, hand_on: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
    while True:
        await hand_on(await holding.get())


async def _look(source: Source, watched: Watched, holding: Holding) -> None:
    loop = asyncio.get_running_loop()
    while True:
        # In a thread: a large store takes seconds to read, and the lock of one that is being changed is waited for.
        for event in await loop.run_in_executor(None, look, watched, int(time.time())):
            holding.put(event)
        await asyncio.sleep(source.look_every)
