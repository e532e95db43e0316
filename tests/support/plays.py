# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Playbooks run by a real ansible-playbook, without the settings of whoever runs the tests."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import re
import subprocess
import sys
from typing import Any

import yaml

BIN = pathlib.Path(sys.executable).parent


def cores() -> list[pathlib.Path]:
    """The bin folders of the virtual environments with the versions of ansible-core to test: those in NATSOPS_ANSIBLE_CORES, or the one in use."""
    found = [pathlib.Path(path) for path in os.environ.get("NATSOPS_ANSIBLE_CORES", "").split(os.pathsep) if path]
    return found or [BIN]


def checked_output(output: str, secrets_wanted: bool = False) -> str:
    """What a run of a playbook printed. No traceback is in it, and no seed or private key, unless a task was asked for one."""
    from ansible_collections.natsops.security.plugins.module_utils.base.recognition import (
        secrets_in,
    )  # conftest says where that is

    for word in ("Traceback", "This is a fault of natsops.security"):
        assert word not in output, output
    if not secrets_wanted:
        assert secrets_in(output) == []
    return output


def run_playbook(
    name: str, *arguments: str, inventory: pathlib.Path, variables: dict[str, Any], environment: dict[str, str]
) -> tuple[int, str]:
    """Run a playbook on an inventory with the first ansible-playbook on the PATH of the environment; the exit status, and what it printed. Variables are
    in a file: Ansible shows a command line at -vvv."""
    given = pathlib.Path(environment["ANSIBLE_CONFIG"]).with_name("variables.json")
    given.write_text(json.dumps(variables))
    done = subprocess.run(
        ["ansible-playbook", "-i", str(inventory), name, *arguments, "-e", f"@{given}"],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env=environment,
    )
    return done.returncode, checked_output(done.stdout + done.stderr)


@dataclasses.dataclass
class Played:
    """What came of a playbook: the results of its tasks by their names, and all that was printed."""

    returncode: int
    output: str
    tasks: dict[str, dict[str, Any]]

    @property
    def changed(self) -> dict[str, bool]:
        """Which tasks changed something."""
        return {name: result.get("changed", False) for name, result in self.tasks.items()}


@dataclasses.dataclass
class Play:
    """Runs playbooks, by one ansible-playbook or another."""

    folder: pathlib.Path
    collections: pathlib.Path

    def environment(self, binaries: pathlib.Path = BIN, **more: str) -> dict[str, str]:
        """Where nothing but this checkout and the Python of the core in use is found."""
        config = self.folder / "ansible.cfg"
        config.write_text("[defaults]\n")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PYTEST_"))}
        return dict(
            kept,
            PATH=f"{binaries}{os.pathsep}{os.environ['PATH']}",
            ANSIBLE_CONFIG=str(config),
            ANSIBLE_HOME=str(self.folder / "home"),
            ANSIBLE_COLLECTIONS_PATH=str(self.collections),
            ANSIBLE_PYTHON_INTERPRETER=str(binaries / "python"),
            ANSIBLE_LOCALHOST_WARNING="false",
            ANSIBLE_INVENTORY_UNPARSED_WARNING="false",
            ANSIBLE_NOCOLOR="true",
            COLUMNS="10000",  # before ansible-core 2.19 warnings are broken into lines
            **more,
        )

    def __call__(
        self, tasks: list[dict[str, Any]], *arguments: str, binaries: pathlib.Path = BIN, **variables: Any
    ) -> Played:
        """Run tasks on localhost. Names in capitals are variables of the environment, others those of the play."""
        environment = {name: variables.pop(name) for name in list(variables) if name.isupper()}
        playbook = self.folder / "playbook.yml"
        play = {"hosts": "localhost", "gather_facts": False, "vars": variables, "tasks": tasks}
        playbook.write_text(yaml.safe_dump([play], sort_keys=False))
        callbacks = self.folder / "callbacks"
        callbacks.mkdir(exist_ok=True)
        (callbacks / "results.py").write_text(_CALLBACK)
        results = self.folder / "results.jsonl"
        results.unlink(missing_ok=True)
        done = subprocess.run(
            [str(binaries / "ansible-playbook"), str(playbook), *arguments],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            env=self.environment(
                binaries,
                ANSIBLE_CALLBACK_PLUGINS=str(callbacks),
                ANSIBLE_CALLBACKS_ENABLED="results",
                RESULTS_FILE=str(results),
                **environment,
            ),
        )
        lines = results.read_text().splitlines() if results.exists() else []
        asked_for = re.search("return_(seed|secrets)", playbook.read_text()) is not None
        output = checked_output(done.stdout + done.stderr, asked_for)
        results.unlink(missing_ok=True)
        return Played(done.returncode, output, dict(json.loads(line) for line in lines))


# The results as they reach callbacks: what is printed of them is for people.
_CALLBACK = """
from __future__ import annotations

import json
import os

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "results"
    CALLBACK_NEEDS_ENABLED = True

    def _add(self, result, **more):
        data = result.result if hasattr(result, "result") else result._result
        task = result.task if hasattr(result, "task") else result._task
        told = dict(json.loads(json.dumps(data, default=str)), module=task.action.replace(".", "_"), **more)
        with open(os.environ["RESULTS_FILE"], "a") as file:
            file.write(json.dumps([task.get_name(), told]) + "\\n")

    def v2_runner_on_ok(self, result):
        self._add(result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._add(result, failed=True)
"""
