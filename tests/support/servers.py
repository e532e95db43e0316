# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""A nats-server that a test starts on this machine, and ends."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

#: The program: another version than the one in the virtual environment where NATSOPS_NATS_SERVER has its path, as in `make servers`.
SERVER = pathlib.Path(os.environ.get("NATSOPS_NATS_SERVER") or pathlib.Path(sys.executable).with_name("nats-server"))
#: How long a server has to start on a busy machine, in seconds.
PATIENCE = 60


@functools.cache
def server_version() -> tuple[int, int, int]:
    """The version of the program."""
    text = subprocess.run([SERVER, "--version"], capture_output=True, text=True, check=True).stdout
    major, minor, patch = text.strip().rpartition("v")[2].partition("-")[0].split(".")
    return int(major), int(minor), int(patch)


@dataclasses.dataclass
class Server:
    """One nats-server with a configuration file; its output goes to a file beside it that ends in `.log`."""

    config: pathlib.Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"nats://127.0.0.1:{self.port}"

    @property
    def log(self) -> pathlib.Path:
        """What the server prints."""
        return self.config.with_suffix(".log")

    def start(self) -> None:
        """Start, and wait until it takes connections."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [SERVER, "-c", self.config],
                cwd=self.config.parent,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=dict(os.environ, TZ="UTC"),
            )
        self.wait()

    def wait(self) -> None:
        """Wait until it takes connections."""
        assert self.process is not None
        deadline = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)

    def stop(self, how: int = signal.SIGTERM) -> None:
        """End the process, and wait for it."""
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(how)
            self.process.wait(PATIENCE)
            self.process = None


@contextlib.contextmanager
def running(config: pathlib.Path, port: int) -> Iterator[Server]:
    """A server with this configuration, for as long as the block runs."""
    server = Server(config, port)
    try:
        server.start()
        yield server
    finally:
        server.stop()
