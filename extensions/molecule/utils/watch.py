# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Connects a user to each server and waits until the servers have closed all connections or the time is up: watch.py CREDS READY SECONDS URL...

It creates the file READY when all are connected. At the end it prints, for each server, why the connection was closed, or null if it is still open.
"""

import asyncio
import contextlib
import json
import pathlib
import sys

import nats
from nats.aio.client import Client


class Watched:
    """A connection, and whether it was closed."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()
        self.client: Client | None = None

    async def open(self, url: str, creds: str) -> None:
        """Connect to the server, without reconnecting."""
        self.client = await nats.connect(
            url,
            user_credentials=creds,
            allow_reconnect=False,
            connect_timeout=5,
            closed_cb=self._close,
            name="watch",
        )

    async def _close(self) -> None:
        self.closed.set()

    def why(self) -> str | None:
        """The last error of the server, or None if the connection is open."""
        if self.client is None or not self.closed.is_set():
            return None
        return str(self.client.last_error or "closed")


async def watch(creds: str, ready: pathlib.Path, seconds: float, urls: list[str]) -> dict[str, str | None]:
    """The reason why the connection to each server was closed, or None, by URL."""
    watched = {url: Watched() for url in urls}
    for url, one in watched.items():
        await one.open(url, creds)
    ready.touch()
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(asyncio.gather(*(one.closed.wait() for one in watched.values())), seconds)
    result = {url: one.why() for url, one in watched.items()}
    for one in watched.values():
        if one.client is not None and not one.client.is_closed:
            await one.client.close()
    return result


if __name__ == "__main__":
    told = asyncio.run(watch(sys.argv[1], pathlib.Path(sys.argv[2]), float(sys.argv[3]), sys.argv[4:]))
    sys.stdout.write(json.dumps(told) + "\n")
