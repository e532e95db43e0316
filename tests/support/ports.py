# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Free ports of this machine that no other test takes while a test uses them."""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
import random
import socket

#: Lower ports may be used by services of this machine.
_FIRST = 10240
#: The number of pytest-xdist workers that have separate ports.
_WORKERS = 8


def free_ports(count: int) -> list[int]:
    """Return distinct ports on 127.0.0.1 that are free, and that this process has not returned before.

    Ephemeral ports are not used: an outgoing connection of another test could take such a port before the server of this test
    starts or while it is stopped.
    """
    found: list[int] = []
    ports = _ports()
    while len(found) < count:
        port = ports.pop()
        with contextlib.suppress(OSError), socket.socket() as one:
            one.bind(("127.0.0.1", port))
            found.append(port)
    return found


@functools.cache
def _ports() -> list[int]:
    """Return the remaining ports of this worker. The order is random because the tests of another checkout may run at the same time."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
    ports = [port for port in range(_FIRST, _first_of_connections()) if port % _WORKERS == worker]
    random.SystemRandom().shuffle(ports)
    return ports


def _first_of_connections() -> int:
    """Return the lowest ephemeral port of the system."""
    with contextlib.suppress(OSError, ValueError):
        first = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
        if first > _FIRST + 10000:
            return first
    return 32768
