# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Ports of this machine that nothing listens on, and that nothing else takes while a test means to use them."""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
import random
import socket

#: Below it is what services of this machine have.
_FIRST = 10240
#: At most so many workers of pytest-xdist have ports of their own.
_WORKERS = 8


def free_ports(count: int) -> list[int]:
    """Different ports on 127.0.0.1 that were free a moment ago, and that this process has not returned before.

    They are none of those that the system gives to connections going out: such a connection of any other test would take a port before its server
    starts, or while that is stopped.
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
    """The ports of this worker that are still to be given, in random order, as another checkout may run its tests too."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
    ports = [port for port in range(_FIRST, _first_of_connections()) if port % _WORKERS == worker]
    random.SystemRandom().shuffle(ports)
    return ports


def _first_of_connections() -> int:
    """The least port that the system gives to connections going out."""
    with contextlib.suppress(OSError, ValueError):
        first = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
        if first > _FIRST + 10000:
            return first
    return 32768
