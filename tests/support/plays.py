# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Playbooks run by ansible-playbook without the Ansible settings of the user who runs the tests."""

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
    """Return the bin folders of the virtual environments with the ansible-core versions to test: those in NATSOPS_ANSIBLE_CORES, or the current one."""
    found = [pathlib.Path(path) for path in os.environ.get("NATSOPS_ANSIBLE_CORES", "").split(os.pathsep) if path]
    return found or [BIN]


def checked_output(output: str, secrets_wanted: bool = False) -> str:
    """Return the output of a playbook. Assert that it contains no traceback, and no seed or private key unless a task was asked to return one."""
    from ansible_collections.natsops.security.plugins.module_utils.base.recognition import (
        secrets_in,
    )  # importable once conftest has run

    for word in ("Traceback", "This is a fault of natsops.security"):
        assert word not in output, output
    if not secrets_wanted:
        assert secrets_in(output) == []
    return output


def run_playbook(
    name: str, *arguments: str, inventory: pathlib.Path, variables: dict[str, Any], environment: dict[str, str]
) -> tuple[int, str]:
    """Run a playbook on an inventory with the first ansible-playbook on the PATH of the environment. Return the exit status and the output. Variables are
    passed in a file because Ansible prints its command line at -vvv."""
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


def closed_up(output: str) -> str:
    """Return output without white space, to look for a warning in it: ansible-core before 2.19 wraps warnings, also within paths."""
    return "".join(output.split())


@dataclasses.dataclass
class Played:
    """The outcome of a playbook: its exit status, its output, and the results of its tasks by name."""

    returncode: int
    output: str
    tasks: dict[str, dict[str, Any]]

    @property
    def changed(self) -> dict[str, bool]:
        """Return whether each task reported a change, by task name."""
        return {name: result.get("changed", False) for name, result in self.tasks.items()}


@dataclasses.dataclass
class Play:
    """Runs playbooks with any of the installed versions of ansible-playbook."""

    folder: pathlib.Path
    collections: pathlib.Path

    def environment(self, binaries: pathlib.Path = BIN, **more: str) -> dict[str, str]:
        """Return an environment in which Ansible uses only the collection of this checkout and the Python of the selected ansible-core."""
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
            ANSIBLE_INJECT_INVOCATION="true",  # since ansible-core 2.22, results have it only if it is asked for
            COLUMNS="10000",  # before ansible-core 2.19, warnings are wrapped
            **more,
        )

    def __call__(
        self, tasks: list[dict[str, Any]], *arguments: str, binaries: pathlib.Path = BIN, **variables: Any
    ) -> Played:
        """Run tasks on localhost. Keyword arguments in capitals are environment variables, the others are variables of the play."""
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


# Writes the results as callbacks receive them; the printed output is formatted for people.
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
