# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Modules on file systems that fail: the n-th call fails, or the process is killed before or after it, or pauses there while another process runs.

Calls of functions of `os` are counted from the start of the task until its result is printed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import select
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from . import sites

KILLED = 77

_ARMED = """
import errno, fcntl, os, pathlib, time

CHANGES = ("link", "rename", "replace", "unlink", "mkdir", "rmdir", "write", "pwrite", "ftruncate", "fsync",
           "chmod", "fchmod", "chown", "lchown", "fchown")
READS = ("stat", "lstat", "fstat", "read", "pread", "listdir", "scandir", "readlink", "close", "access")
REFUSALS = {
    "open": (errno.EACCES, errno.EMFILE, errno.EIO, errno.ENOSPC, errno.EROFS, errno.ELOOP),
    "write": (errno.ENOSPC, errno.EIO, errno.EDQUOT),
    "fsync": (errno.EIO, errno.ENOSPC),
    "link": (errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO, errno.EXDEV),
    "flock": (errno.EIO, errno.ENOMEM),
}
CHANGE_REFUSALS = (errno.EROFS, errno.EACCES, errno.EIO, errno.ENOSPC, errno.EPERM)
READ_REFUSALS = (errno.EIO, errno.EACCES, errno.ELOOP, errno.ENOMEM)

def arm(how):
    state = {"calls": 0, "on": False, "at": ""}
    kind, at = how.get("kind"), how.get("at", 0)
    lacks = how.get("lacks", ())

    def refused(name, arguments):
        number = errno.EIO
        numbers = REFUSALS.get(name) or (CHANGE_REFUSALS if name in CHANGES else READ_REFUSALS)
        number = numbers[at % len(numbers)]
        path = arguments[0] if arguments and isinstance(arguments[0], str) else None
        return OSError(number, os.strerror(number), path)

    def is_counted(name, arguments):
        if name == "open" and how.get("calls") == "changes":
            return bool(arguments[1] & (os.O_CREAT | os.O_WRONLY))
        return True

    def lacking(name, arguments):
        if "unnamed" in lacks and name == "open" and arguments[1] & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP), arguments[0])
        if "links" in lacks and name == "link":
            raise OSError(errno.EPERM, os.strerror(errno.EPERM), arguments[0])
        if "locks" in lacks and name == "flock":
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    def wait_for(path):
        while not os_path_exists(path):
            time.sleep(0.002)

    real_stat = os.stat

    def os_path_exists(path):
        try:
            real_stat(path)
        except OSError:
            return False
        return True

    def wrapped(real, name):
        def call(*arguments, **named):
            if not state["on"]:
                return real(*arguments, **named)
            lacking(name, arguments)
            if not is_counted(name, arguments):
                return real(*arguments, **named)
            state["calls"] += 1
            hit = state["calls"] == at
            if hit:
                state["at"] = f"{name}{arguments!r}"
                if kind == "kill before":
                    os._exit(KILLED)
                if kind == "error":
                    raise refused(name, arguments)
                if kind == "pause":
                    state["on"] = False
                    pathlib.Path(how["paused"]).touch()
                    wait_for(how["resume"])
                    state["on"] = True
            try:
                return real(*arguments, **named)
            finally:  # also after a call that found nothing to do
                if hit and kind == "kill after":
                    os._exit(KILLED)
        return call

    names = CHANGES if how.get("calls") == "changes" else CHANGES + READS
    for name in (*names, "open"):
        setattr(os, name, wrapped(getattr(os, name), name))
    fcntl.flock = wrapped(fcntl.flock, "flock") if how.get("calls") != "changes" or "locks" in lacks else fcntl.flock

    real_init, real_return = basic.AnsibleModule.__init__, basic.AnsibleModule._return_formatted

    def init(self, *arguments, **named):
        real_init(self, *arguments, **named)
        if how.get("ready"):
            pathlib.Path(how["ready"]).touch()
            wait_for(how["go"])
        state["on"] = True

    def return_formatted(self, *arguments, **named):
        state["on"] = False
        print("calls:", state["calls"], state["at"], file=sys.stderr)
        real_return(self, *arguments, **named)

    basic.AnsibleModule.__init__, basic.AnsibleModule._return_formatted = init, return_formatted
""".replace("KILLED", str(KILLED))

_SERVER = (
    sites.MODULE
    + _ARMED
    + """
import tempfile
import ansible_collections.natsops.security.plugins.module_utils.store.apply
import ansible_collections.natsops.security.plugins.module_utils.tasks.tokens

for line in iter(sys.stdin.readline, ""):
    module, arguments, how = json.loads(line)
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        child = os.fork()
        if not child:
            os.dup2(output.fileno(), 1)
            os.dup2(errors.fileno(), 2)
            arm(how)
            run(module, arguments)
            sys.exit("the module did not exit")
        status = os.waitpid(child, 0)[1]
        output.seek(0)
        errors.seek(0)
        print(json.dumps([os.waitstatus_to_exitcode(status), output.read(), errors.read()]), flush=True)
"""
)


@dataclasses.dataclass
class Ended:
    """The outcome of a module: its exit code, its result (empty if it was killed), the number of calls, and the call at which the fault occurred."""

    code: int
    result: dict[str, Any]
    calls: int
    hit: str
    errors: str

    @property
    def is_killed(self) -> bool:
        """Return whether the module was killed."""
        return self.code == KILLED


class FaultyModules:
    """Runs modules with faults one after another, each in its own process."""

    def __init__(self, collections: pathlib.Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=dict(os.environ, PYTHONPATH=str(collections)),
        )

    def begin(self, module: str, options: dict[str, Any], how: dict[str, Any]) -> None:
        """Start a module; `how` is the argument of `arm`."""
        assert self.process.stdin is not None
        arguments = {**options, "_ansible_check_mode": bool(how.get("check")), "_ansible_remote_tmp": "/tmp"}
        self.process.stdin.write(json.dumps([f"nats_{module}", arguments, how]) + "\n")
        self.process.stdin.flush()

    def end(self) -> Ended:
        """Wait for the module that was started, and return its outcome."""
        assert self.process.stdout is not None
        code, output, errors = json.loads(self.process.stdout.readline())
        if code == KILLED:
            return Ended(code, {}, 0, "", errors)
        assert output.strip(), errors
        line = next(line for line in errors.splitlines() if line.startswith("calls: "))
        _word, calls, *hit = line.split(maxsplit=2)
        return Ended(code, json.loads(output), int(calls), hit[0] if hit else "", errors)

    def has_ended(self, seconds: float) -> bool:
        """Return whether the module that was started ends within this number of seconds."""
        return bool(select.select([self.process.stdout], [], [], seconds)[0])

    def run(self, module: str, options: dict[str, Any], **how: Any) -> Ended:
        """Run a module and return its outcome."""
        self.begin(module, options, how)
        return self.end()

    def stop(self) -> None:
        """Stop the process that forks the others."""
        self.process.communicate(timeout=10)


@contextlib.contextmanager
def faulty(collections: pathlib.Path) -> Iterator[FaultyModules]:
    """Provide modules with faults during the block."""
    started = FaultyModules(collections)
    try:
        yield started
    finally:
        started.stop()


_COUNTED = """
import os
left = [{at}]
def counted(real):
    def call(*arguments, **named):
        left[0] -= 1
        if not left[0]:
            os._exit({killed})
        return real(*arguments, **named)
    return call
for name in ("mkdir", "replace", "rename", "link", "write", "fsync"):
    setattr(os, name, counted(getattr(os, name)))
run({module!r}, json.load(sys.stdin))
"""


def killed_run(module: str, options: dict[str, Any], at: int, collections: pathlib.Path) -> dict[str, Any] | None:
    """Run a module that is killed before its n-th change of the file system. Return None if it was killed, its result if it makes fewer changes."""
    done = subprocess.run(
        [sys.executable, "-c", sites.MODULE + _COUNTED.format(at=at, killed=KILLED, module=module)],
        input=json.dumps(options),
        text=True,
        capture_output=True,
        check=False,
        env=dict(os.environ, PYTHONPATH=str(collections)),
    )
    if done.returncode == KILLED:
        return None
    assert done.returncode == 0, done.stdout + done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result
