# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Checks that messages a user publishes on each server reach it on every server: across.py CREDS URL..."""

import asyncio
import itertools
import json
import sys
import uuid
from collections import defaultdict

import nats
from nats.aio.msg import Msg

PATIENCE = 10.0  # seconds until all messages must have arrived; routes propagate a new subscription with a delay


async def missing(creds: str, urls: list[str]) -> list[str]:
    """The pairs of servers between which no message arrived, as `source -> target`."""
    clients = [
        await nats.connect(url, user_credentials=creds, allow_reconnect=False, connect_timeout=5, name=f"across {url}")
        for url in urls
    ]
    # A unique prefix, so that messages of other runs are not counted.
    prefix = f"across.{uuid.uuid4().hex}"
    received: dict[int, set[int]] = defaultdict(set)

    def listener(number: int):
        async def note(message: Msg) -> None:
            received[number].add(int(message.subject.rsplit(".", 1)[1]))

        return note

    everyone = range(len(urls))
    for number in everyone:
        await clients[number].subscribe(f"{prefix}.*", cb=listener(number))
        await clients[number].flush()
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while any(len(received[number]) < len(urls) for number in everyone):
        if asyncio.get_running_loop().time() > deadline:
            break
        for number in everyone:
            await clients[number].publish(f"{prefix}.{number}")
            await clients[number].flush()
        await asyncio.sleep(0.1)
    for client in clients:
        await client.close()
    return [
        f"{urls[source]} -> {urls[target]}"
        for source, target in itertools.product(everyone, everyone)
        if source not in received[target]
    ]


if __name__ == "__main__":
    lost = asyncio.run(missing(sys.argv[1], sys.argv[2:]))
    sys.stdout.write(json.dumps({"missing": lost}) + "\n")
    sys.exit(1 if lost else 0)
