# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Test with the nats-server that is installed on this host whether it can read a configuration and start with it."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from typing import NamedTuple, Sequence

from ..base.errors import NatsSecurityError

_READ = re.compile(r"is valid(?: \((\S+)\))?\s*$")
_VERSION = re.compile(r"v([0-9]+\.[0-9]+\.[0-9]+\S*)")
_GRAVE = re.compile(r"\[(?:FTL|ERR)\] (.*)")
_NAME = re.compile(r"^\S*nats-server: ")
#: The timeout in seconds; a test takes milliseconds.
_SECONDS = 30
#: A path that no file can have. The server tries to write its pid file there after all checks and before it listens.
_NO_FILE = "/dev/null/pid"
_STOPPED = "Could not write pidfile"


class Program(NamedTuple):
    """A nats-server binary, and the user of the service; empty for the user of the current process."""

    binary: str
    user: str = ""

    @property
    def _prefix(self) -> Sequence[str]:
        # As root, it would create folders that the service cannot use.
        return ["runuser", "-u", self.user, "--"] if self.user and os.geteuid() == 0 else ()

    def may_write(self, path: str) -> bool:
        """Whether the service may write a file, or create files in a folder."""
        if not self._prefix:
            return os.access(path, os.W_OK)
        command = [*self._prefix, "test", "-w", path]
        return subprocess.run(command, check=False, stdin=subprocess.DEVNULL).returncode == 0  # noqa: S603 (no shell)

    def run(self, *arguments: str, folder: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run it in `folder` and return the completed process. NatsSecurityError if it cannot be run, or does not end in time."""
        try:
            return subprocess.run(  # noqa: S603 (no shell)
                [*self._prefix, self.binary, *arguments],
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                cwd=folder,
                timeout=_SECONDS,
                stdin=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired:
            raise NatsSecurityError(f"{self.binary} did not end within {_SECONDS} s.") from None
        except OSError as error:
            raise NatsSecurityError(f"{self.binary} cannot be run: {error.strerror or error}.") from None


class Verdict(NamedTuple):
    """The result of a test. `refusal` is the server's message, which may quote secrets; empty if the server accepts the configuration.

    `digest` is that of the configuration; empty before nats-server 2.11.
    """

    refusal: str
    digest: str = ""


def version(program: Program) -> str:
    """Its version, such as 2.15.1; empty if it is unknown."""
    match = _VERSION.search(program.run("-v").stdout)
    return match.group(1) if match else ""


def read(program: Program, config: str, folder: str | None = None) -> Verdict:
    """Test a configuration file with `nats-server -t`."""
    done = program.run("-t", "-c", config, folder=folder)
    match = _READ.search(done.stderr)
    if done.returncode == 0 and match:
        return Verdict("", match.group(1) or "")
    return Verdict(_lines(done.stderr) or f"it ended with {done.returncode}")


def start(program: Program, config: str, log: str, folder: str | None = None) -> Verdict:
    """Test a configuration file with a start that ends before the server listens or connects. It only writes to the resolver's folder and to `log`.

    The server performs all checks of server.NewServer, and then fails because it cannot write its pid file.
    """
    done = program.run("-c", config, "-P", _NO_FILE, "-l", log, folder=folder)
    logged = ""
    with contextlib.suppress(OSError), open(log, encoding="utf-8", errors="replace") as file:
        logged = file.read()
    if _STOPPED in logged or done.returncode == 0:
        return Verdict("")
    return Verdict(
        _lines("\n".join(_GRAVE.findall(logged))) or _lines(done.stderr) or f"it ended with {done.returncode}"
    )


def _lines(text: str) -> str:
    lines = [_NAME.sub("", line).strip() for line in text.strip().splitlines()]
    return "; ".join(dict.fromkeys(filter(None, lines)))
