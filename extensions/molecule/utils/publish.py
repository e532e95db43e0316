# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Publishes continuously and counts the lost messages, with JetStream and without: publish.py CREDS[,CREDS] FOLDER URL...

It creates FOLDER/started when everything runs, and ends when FOLDER/stop exists. With JetStream, every message is published again with the same id until
the stream has confirmed it, so the stream keeps one copy. A consumer reads the stream over short connections to servers at random, with the second creds if
there are two. Without JetStream, a message is published once. Every time that a server refuses a user is counted.
"""

import asyncio
import contextlib
import json
import math
import pathlib
import random
import re
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import nats
from nats.aio.client import Client, RawCredentials
from nats.aio.msg import Msg
from nats.js.api import ConsumerConfig, StorageType, StreamConfig

Result = TypeVar("Result")

chance = random.SystemRandom()

#: The errors of servers that did not accept the user.
refusals: list[str] = []

STREAM = "ROLLING"
PAUSE = 0.01  # seconds between messages
ATTEMPT = 2.0  # seconds until a message that was not confirmed is published again
PATIENCE = 60.0  # seconds until a message must have been confirmed


async def note(error: Exception) -> None:
    """Record the error if a server did not accept the user. Lost connections show in the numbers of messages."""
    if re.search("authorization|revoked|expired", str(error), re.IGNORECASE):
        refusals.append(str(error))


async def connect(creds: str, urls: list[str], name: str) -> Client:
    """A connection that is re-established each time it is lost."""
    return await nats.connect(
        urls,
        user_credentials=creds,
        name=name,
        reconnect_time_wait=0.1,
        max_reconnect_attempts=-1,
        dont_randomize=True,
        error_cb=note,
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


async def with_jetstream(client: Client, creds: str, urls: list[str], stop: pathlib.Path) -> dict[str, Any]:
    """Publish to a stream of three replicas, and read all of it meanwhile. Return the numbers."""
    sent = repeated = 0
    slowest = 0.0
    ends = asyncio.Event()
    reading = asyncio.create_task(read(client, creds, urls, ends))
    while not stop.exists():
        began = time.monotonic()
        repeated += await confirmed(client, f"{STREAM}.messages", sent) - 1
        slowest = max(slowest, time.monotonic() - began)
        sent += 1
        await asyncio.sleep(PAUSE)
    ends.set()
    found, visits = await reading
    return {
        "published": sent,
        "published_again": repeated,
        "lost": sent - len(set(found.values())),
        "twice": len(found) - len(set(found.values())),
        "longest_wait": round(slowest, 2),
        "connections": visits,
    }


async def read(client: Client, creds: str, urls: list[str], ends: asyncio.Event) -> tuple[dict[int, int], int]:
    """Read the stream until its end. Return its messages by their place in the stream, and the number of connections that this took."""
    found: dict[int, int] = {}
    visits = 0
    expected: int | None = None
    deadline = math.inf
    while (expected is None or len(found) < expected) and time.monotonic() < deadline:
        if ends.is_set() and expected is None:
            stream = await patiently(lambda: client.jetstream(timeout=10).stream_info(STREAM))
            expected, deadline = stream.state.messages, time.monotonic() + PATIENCE
        try:
            await visit(creds, chance.choice(urls), found)
            visits += 1
        except (nats.errors.Error, OSError, asyncio.TimeoutError) as error:  # the server may be down
            await note(error)
        await asyncio.sleep(chance.uniform(0, 0.3))
    return found, visits


async def visit(creds: str, url: str, found: dict[int, int]) -> None:
    """Connect to one server, and read what has come to the stream."""
    # The JWT and the seed of one moment: by its path, nats-py reads the file once for each.
    read_once = RawCredentials(pathlib.Path(creds).read_text())
    client = await nats.connect(url, user_credentials=read_once, name="read", allow_reconnect=False, error_cb=note)
    try:
        consumer = await client.jetstream(timeout=ATTEMPT).pull_subscribe(
            f"{STREAM}.messages", durable="read", config=ConsumerConfig(ack_wait=ATTEMPT)
        )
        for message in await consumer.fetch(500, timeout=ATTEMPT):
            found[message.metadata.sequence.stream] = int(message.data)
            await message.ack()
        await client.flush()
    finally:
        await client.close()


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


async def without(publisher: Client, subscriber: Client, stop: pathlib.Path) -> dict[str, Any]:
    """Publish each message once, to a subscriber that is connected to another server. Return the numbers."""
    received: set[int] = set()

    async def receive(message: Msg) -> None:
        received.add(int(message.data))

    await subscriber.subscribe("core.messages", cb=receive)
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
    creds, reader = (creds.split(",") * 2)[:2]
    clients = [
        await connect(creds, urls[first:] + urls[:first], name) for first, name in enumerate(("js", "pub", "sub"))
    ]
    await patiently(lambda: make_stream(clients[0]))
    (folder / "started").touch()
    jetstream, core = await asyncio.gather(
        with_jetstream(clients[0], reader, urls, stop), without(clients[1], clients[2], stop)
    )
    with contextlib.suppress(nats.errors.Error):  # otherwise the stream is removed with the hosts
        await clients[0].jetstream(timeout=10).delete_stream(STREAM)
    for client in clients:
        await client.close()
    return {"jetstream": jetstream, "core": core, "refused": refusals}


if __name__ == "__main__":
    told = asyncio.run(main(sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]))
    sys.stdout.write(json.dumps(told) + "\n")
