# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Tries to connect as users to each server: connect.py URL,URL... CREDS...

Prints, for each creds file, the error of each server, or null if the server accepts the user.
"""

import asyncio
import json
import sys

import nats


async def attempt(creds: str, url: str) -> str | None:
    """The errors of the server, or None if it accepts the user."""
    said: list[str] = []

    async def note(error: Exception) -> None:
        said.append(str(error) or type(error).__name__)

    try:
        client = await nats.connect(
            url, user_credentials=creds, allow_reconnect=False, connect_timeout=5, error_cb=note
        )
    except Exception as error:  # any answer is the result
        return "; ".join([*said, str(error) or type(error).__name__])
    await client.close()
    return None


async def attempts(urls: list[str], files: list[str]) -> dict[str, dict[str, str | None]]:
    """The errors of all servers for each creds file."""
    found: dict[str, dict[str, str | None]] = {}
    for creds in files:
        found[creds] = {url: await attempt(creds, url) for url in urls}
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(attempts(sys.argv[1].split(","), sys.argv[2:]))) + "\n")
