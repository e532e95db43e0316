# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Runs of ansible-playbook that are killed before a task or at any time, or that kill another process before a task."""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import subprocess

#: The return code of a run that was killed.
KILLED = -signal.SIGKILL

_CALLBACK = """
from __future__ import annotations

import os
import time

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "killer"
    CALLBACK_NEEDS_ENABLED = True
    tasks = 0
    named = {}

    def _begin(self, task):
        self.tasks += 1
        self.named[task.name] = self.named.get(task.name, 0) + 1
        if os.environ["KILL_BEFORE_TASK"] in (str(self.tasks), task.name, f"{task.name}:{self.named[task.name]}"):
            process = int(os.environ["KILL_PROCESS"]) or os.getpid()
            os.kill(process, int(os.environ["KILL_SIGNAL"]))
            while open(f"/proc/{process}/stat").read().rpartition(")")[2].split()[0] not in "ZT":
                time.sleep(0.01)

    def v2_playbook_on_task_start(self, task, is_conditional):
        self._begin(task)

    def v2_playbook_on_handler_task_start(self, task):
        self._begin(task)

    def v2_playbook_on_stats(self, stats):
        with open(os.environ["TASKS_FILE"], "w") as file:
            file.write(str(self.tasks))
"""


def killing(folder: pathlib.Path, before: int | str, process: int = 0, number: int = signal.SIGKILL) -> dict[str, str]:
    """Return the environment of a run that is killed before the given task, by its number from 1 or its name, or `NAME:2` for the second task with this name.
    With 0 it runs to its end; `tasks_of` returns its task count. If a process is given, this child of the test gets the signal instead: it ends, or with
    SIGSTOP it hangs."""
    callbacks = folder / "callbacks"
    callbacks.mkdir(exist_ok=True)
    (callbacks / "killer.py").write_text(_CALLBACK)
    return {
        "ANSIBLE_CALLBACK_PLUGINS": str(callbacks),
        "ANSIBLE_CALLBACKS_ENABLED": "killer",
        "KILL_BEFORE_TASK": str(before),
        "KILL_PROCESS": str(process),
        "KILL_SIGNAL": str(int(number)),
        "TASKS_FILE": str(folder / "tasks"),
    }


def tasks_of(folder: pathlib.Path) -> int:
    """Return the number of tasks of the last run with `killing` that was not killed."""
    return int((folder / "tasks").read_text())


def kill_whole(process: subprocess.Popen[bytes]) -> None:
    """Kill a run and all its child processes, and wait for it. Since ansible-core 2.19, workers run in a session of their own and killing the
    process group would not end them. Each process is stopped before its children are listed, so that none is missed."""
    stopped: list[int] = []
    waiting = [process.pid]
    while waiting:
        number = waiting.pop()
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGSTOP)
            stopped.append(number)
            waiting += _children(number)
    for number in stopped:
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    process.communicate()


def _children(parent: int) -> list[int]:
    found = []
    for status in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            # The name, in parentheses, may contain any character; the state and the parent's process ID follow.
            if int(status.read_text(errors="replace").rpartition(")")[2].split()[1]) == parent:
                found.append(int(status.parent.name))
    return found
