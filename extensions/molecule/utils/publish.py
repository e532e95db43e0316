# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Publishes continuously and counts the lost messages, with JetStream and without: publish.py CREDS FOLDER URL...

It creates FOLDER/started when everything runs, and ends when FOLDER/stop exists. With JetStream, every message is published again with the same id until
the stream has confirmed it, so the stream keeps one copy. Without JetStream, a message is published once.
"""

import asyncio
import contextlib
import json
import pathlib
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import ConsumerConfig, StorageType, StreamConfig

Result = TypeVar("Result")

STREAM = "ROLLING"
PAUSE = 0.01  # seconds between messages
ATTEMPT = 2.0  # seconds until a message that was not confirmed is published again
PATIENCE = 60.0  # seconds until a message must have been confirmed


async def connect(creds: str, urls: list[str], name: str) -> Client:
    """A connection that is re-established each time it is lost."""

    async def ignore(_error: Exception) -> None:
        """Ignore the error: lost messages show in the numbers."""

    return await nats.connect(
        urls,
        user_credentials=creds,
        name=name,
        reconnect_time_wait=0.1,
        max_reconnect_attempts=-1,
        dont_randomize=True,
        error_cb=ignore,
    )


async def confirmed(client: Client, subject: str, number: int) -> int:
    """Publish one message until the stream has it. Return the number of attempts."""
    stream = client.jetstream(timeout=ATTEMPT)
    deadline = time.monotonic() + PATIENCE
    attempts = 0
    while time.monotonic() < deadline:
        attempts += 1
        try:
            await stream.publish(subject, str(number).encode(), headers={"Nats-Msg-Id": str(number)})
        except Exception:  # no answer, no leader, no connection: try again in each case
            await asyncio.sleep(0.1)
        else:
            return attempts
    raise TimeoutError(f"message {number} was not confirmed within {PATIENCE:.0f} s")


async def with_jetstream(client: Client, stop: pathlib.Path) -> dict[str, Any]:
    """Publish to a stream of three replicas, then read the whole stream. Return the numbers."""
    sent = repeated = 0
    slowest = 0.0
    while not stop.exists():
        began = time.monotonic()
        repeated += await confirmed(client, f"{STREAM}.messages", sent) - 1
        slowest = max(slowest, time.monotonic() - began)
        sent += 1
        await asyncio.sleep(PAUSE)
    found = await patiently(lambda: stored(client))
    return {
        "published": sent,
        "published_again": repeated,
        "lost": sent - len(set(found)),
        "twice": len(found) - len(set(found)),
        "longest_wait": round(slowest, 2),
    }


async def patiently(work: Callable[[], Awaitable[Result]]) -> Result:
    """The result of work on JetStream, repeated while JetStream has no leader, as shortly after servers start."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return await work()
        except nats.errors.Error:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.5)


async def make_stream(client: Client) -> None:
    """Create a stream of three replicas. Replaces one that an earlier run left."""
    stream = client.jetstream(timeout=10)
    with contextlib.suppress(nats.js.errors.NotFoundError):
        await stream.delete_stream(STREAM)
    await stream.add_stream(
        StreamConfig(name=STREAM, subjects=[f"{STREAM}.>"], num_replicas=3, storage=StorageType.FILE)
    )


async def stored(client: Client) -> list[int]:
    """The messages of the stream, in its order."""
    deadline = time.monotonic() + PATIENCE
    stream = client.jetstream(timeout=10)
    expected = (await stream.stream_info(STREAM)).state.messages
    consumer = await stream.pull_subscribe(f"{STREAM}.messages", config=ConsumerConfig(inactive_threshold=60))
    found: list[int] = []
    while len(found) < expected and time.monotonic() < deadline:
        with contextlib.suppress(asyncio.TimeoutError):
            for message in await consumer.fetch(500, timeout=5):
                found.append(int(message.data))
                await message.ack()
    return found


async def without(publisher: Client, subscriber: Client, stop: pathlib.Path) -> dict[str, Any]:
    """Publish each message once, to a subscriber that is connected to another server. Return the numbers."""
    received: set[int] = set()

    async def note(message: Msg) -> None:
        received.add(int(message.data))

    await subscriber.subscribe("core.messages", cb=note)
    await subscriber.flush()
    await asyncio.sleep(0.5)  # until the routes have propagated the subscription
    sent = 0
    while not stop.exists():
        with contextlib.suppress(Exception):  # a message that cannot be published counts as lost
            await publisher.publish("core.messages", str(sent).encode())
        sent += 1
        await asyncio.sleep(PAUSE)
    with contextlib.suppress(Exception):
        await publisher.flush(5)
        await asyncio.sleep(1)
    return {"published": sent, "lost": sent - len(received)}


async def main(creds: str, folder: pathlib.Path, urls: list[str]) -> dict[str, Any]:
    """Publish with JetStream and without at the same time. Return the numbers of both."""
    stop = folder / "stop"
    # Each client prefers a different server.
    clients = [
        await connect(creds, urls[first:] + urls[:first], name) for first, name in enumerate(("js", "pub", "sub"))
    ]
    await patiently(lambda: make_stream(clients[0]))
    (folder / "started").touch()
    jetstream, core = await asyncio.gather(with_jetstream(clients[0], stop), without(clients[1], clients[2], stop))
    with contextlib.suppress(nats.errors.Error):  # otherwise the stream is removed with the hosts
        await clients[0].jetstream(timeout=10).delete_stream(STREAM)
    for client in clients:
        await client.close()
    return {"jetstream": jetstream, "core": core}


if __name__ == "__main__":
    told = asyncio.run(main(sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]))
    sys.stdout.write(json.dumps(told) + "\n")
