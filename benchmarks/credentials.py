# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Creds for 500 hosts by the role `credentials`, against `ansible.builtin.copy` of the same files. In wall-clock time, with local connections and few forks."""

from __future__ import annotations

import itertools
import json
import os
import time
from pathlib import Path
from typing import Any

import yaml
from measure import Row

from ansible_collections.natsops.security.tests.support.plays import Play, run_playbook
from ansible_collections.natsops.security.tests.support.sites import Modules

HOSTS = 500
FORKS = "4"
DOCUMENT: dict[str, Any] = {
    "operator": {"name": "ACME", "signing_keys": ["main"]},
    "accounts": [{"name": "APP", "signing_keys": [{"role": "main"}]}],
}
#: A callback plugin that records when each task begins.
_CALLBACK = """
from __future__ import annotations

import json, os, time

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "clock"
    CALLBACK_NEEDS_ENABLED = True
    begun = None

    def v2_playbook_on_task_start(self, task, is_conditional):
        self.begun = self.begun or []
        self.begun.append((task.get_name(), time.time()))

    def v2_playbook_on_stats(self, stats):
        self.begun.append(("", time.time()))
        with open(os.environ["CLOCK_FILE"], "w") as file:
            json.dump(self.begun, file)
"""


class Hosts:
    """Hosts that are folders on this machine."""

    def __init__(self, folder: Path, born: str) -> None:
        self.folder = folder
        folder.mkdir()
        play = Play(folder, Path(os.environ["ANSIBLE_COLLECTIONS_PATH"]))
        (folder / "callbacks").mkdir()
        (folder / "callbacks/clock.py").write_text(_CALLBACK)
        self.environment = play.environment(
            ANSIBLE_FORKS=FORKS,
            ANSIBLE_CALLBACK_PLUGINS=str(folder / "callbacks"),
            ANSIBLE_CALLBACKS_ENABLED="clock",
            CLOCK_FILE=str(folder / "clock.json"),
            ANSIBLE_STDOUT_CALLBACK="default",
        )
        hosts = {}
        for number in range(HOSTS):
            name = f"h{number}"
            (folder / name).mkdir()
            user = {"account": "APP", "name": name, "path": str(folder / name / "nats.creds"), "born": born}
            hosts[name] = {"ansible_connection": "local", "credentials_users": [user]}
        (folder / "inventory.yml").write_text(yaml.safe_dump({"nats_clients": {"hosts": hosts}}))
        task = {
            "ansible.builtin.copy": {
                "src": str(folder / "creds/{{ inventory_hostname }}.creds"),
                "dest": str(folder / "{{ inventory_hostname }}/copied.creds"),
                "mode": "0600",
            }
        }
        plays = [{"hosts": "nats_clients", "gather_facts": False, "tasks": [task]}]
        (folder / "copy.yml").write_text(yaml.safe_dump(plays))
        options = {"stores_dir": str(folder / "stores"), "keys_dir": str(folder / "keys"), "definition": DOCUMENT}
        modules = Modules(Path(os.environ["ANSIBLE_COLLECTIONS_PATH"]))
        modules.run("nats_store", options)
        modules.stop()

    def run(self, playbook: str) -> float:
        """Run a playbook, and return the seconds that it takes."""
        variables = {
            "credentials_stores_dir": str(self.folder / "stores"),
            "credentials_keys_dir": str(self.folder / "keys"),
            "credentials_operator": "ACME",
        }
        begin = time.perf_counter()
        status, output = run_playbook(
            playbook, inventory=self.folder / "inventory.yml", variables=variables, environment=self.environment
        )
        taken = time.perf_counter() - begin
        if status:
            raise RuntimeError(output[-3000:])
        return taken

    def signing(self) -> float:
        """The seconds of the task that signs for all hosts, in the last run."""
        begun = json.loads((self.folder / "clock.json").read_text())
        ends = {name: after - at for (name, at), (_unused, after) in itertools.pairwise(begun)}
        return next(float(taken) for name, taken in ends.items() if name.endswith("Sign for all hosts"))

    def keep(self) -> None:
        """Keep the creds of every host, so that they can be copied."""
        (self.folder / "creds").mkdir()
        for number in range(HOSTS):
            text = (self.folder / f"h{number}/nats.creds").read_text()
            (self.folder / f"creds/h{number}.creds").write_text(text)


def rows(scratch: Path) -> list[Row]:
    """A first and a second run, with keys that are created on the hosts and with creds that are delivered, against copying."""
    found = []
    for born, aim in (("host", 2.5), ("delivered", 1.3)):
        hosts = Hosts(scratch / f"credentials-{born}", born)
        first = hosts.run("natsops.security.credentials")
        signing = hosts.signing()
        second = hosts.run("natsops.security.credentials")
        hosts.keep()
        copied = hosts.run(str(hosts.folder / "copy.yml"))
        what = f"creds for {HOSTS} hosts, {'born there' if born == 'host' else born}"
        found += [
            Row(what, f"{first:.1f} s", f"copied {copied:.1f} s", first / copied, at_most=aim),
            Row(f"{what}, second run", f"{second:.1f} s", f"first {first:.1f} s", second / first, at_most=0.5),
            Row(f"{what}, signing all", f"{signing:.2f} s", "aim 1 s", signing, at_most=1),
        ]
    return found
