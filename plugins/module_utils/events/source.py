# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The source of events: it listens to servers, checks what expires soon, and hands events on to a consumer, one after the other.

The consumer may block the event loop for seconds, as a rulebook does while Java starts or rules are matched. A server closes a connection that does not
send CONNECT within two seconds, or does not read its messages. So a thread with its own event loop listens.
"""

from __future__ import annotations

import asyncio
import dataclasses
import threading
import time
from typing import Any, Awaitable, Callable, Coroutine

from ..cluster.system_connection import Options
from .ending import Watched, look
from .holding import Holding
from .listening import Listener
from .messages import Wanted, without_templates

#: The timeout for the end of the thread, in seconds.
_ENDS_WITHIN = 10


@dataclasses.dataclass(frozen=True)
class Source:
    """The configuration of a source: the connection and the wanted events, what to check for expiry and at which interval in seconds, and the queue size."""

    connection: Options | None
    wanted: Wanted
    watched: Watched | None
    look_every: float
    held: int


async def run(source: Source, hand_on: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
    """Run until cancelled. NatsSecurityError if the first connection fails; later, a lost connection is an event."""
    holding = Holding(source.held)
    tasks: list[asyncio.Future[None]] = []
    elsewhere = _Elsewhere()
    try:
        if source.connection is not None:
            listener = Listener(source.connection, source.wanted, holding)
            await elsewhere.do(listener.open())
            tasks.append(elsewhere.do(listener.listen()))
        if source.watched is not None:
            tasks.append(asyncio.ensure_future(_look(source, source.watched, holding)))
        tasks.append(asyncio.ensure_future(_hand_on(holding, hand_on)))
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        elsewhere.stop()


class _Elsewhere:
    """An event loop in its own thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="natsops.security.events", daemon=True)
        self._thread.start()

    def do(self, work: Coroutine[Any, Any, None]) -> asyncio.Future[None]:
        """Run a coroutine in that event loop, and return its future."""
        return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    def stop(self) -> None:
        """Cancel all tasks of that event loop, and end the thread."""
        asyncio.run_coroutine_threadsafe(_cancel_others(), self._loop).result(_ENDS_WITHIN)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_ENDS_WITHIN)
        if not self._thread.is_alive():
            self._loop.close()


async def _cancel_others() -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def _hand_on(holding: Holding, hand_on: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
    while True:
        await hand_on(without_templates(await holding.get()))


async def _look(source: Source, watched: Watched, holding: Holding) -> None:
    loop = asyncio.get_running_loop()
    while True:
        # In a thread, because reading a large store takes seconds, and waits for the lock of a store that is being changed.
        for event in await loop.run_in_executor(None, look, watched, int(time.time())):
            holding.put(event)
        await asyncio.sleep(source.look_every)
