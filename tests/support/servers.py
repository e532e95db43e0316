# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""A nats-server that a test starts and stops on this machine."""

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

#: The path of nats-server: NATSOPS_NATS_SERVER if set (as in `make servers`), otherwise the one in the virtual environment.
SERVER = pathlib.Path(os.environ.get("NATSOPS_NATS_SERVER") or pathlib.Path(sys.executable).with_name("nats-server"))
#: Timeout for the start and the stop of a server on a busy machine, in seconds.
PATIENCE = 60


@functools.cache
def server_version() -> tuple[int, int, int]:
    """Return the version of nats-server: major, minor, patch."""
    text = subprocess.run([SERVER, "--version"], capture_output=True, text=True, check=True).stdout
    major, minor, patch = text.strip().rpartition("v")[2].partition("-")[0].split(".")
    return int(major), int(minor), int(patch)


@dataclasses.dataclass
class Server:
    """One nats-server with a configuration file. Its output is written to a file of the same name with the suffix `.log`."""

    config: pathlib.Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Return the URL for clients."""
        return f"nats://127.0.0.1:{self.port}"

    @property
    def log(self) -> pathlib.Path:
        """Return the path of the server's output."""
        return self.config.with_suffix(".log")

    def start(self) -> None:
        """Start the server and wait until it accepts connections."""
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
        """Wait until the server accepts connections."""
        assert self.process is not None
        deadline = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)

    def stop(self, how: int = signal.SIGTERM) -> None:
        """Stop the server with a signal and wait until it has exited."""
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(how)
            self.process.wait(PATIENCE)
            self.process = None


@contextlib.contextmanager
def running(config: pathlib.Path, port: int) -> Iterator[Server]:
    """Run a server with this configuration during the block."""
    server = Server(config, port)
    try:
        server.start()
        yield server
    finally:
        server.stop()
