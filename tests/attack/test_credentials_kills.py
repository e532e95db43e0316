# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The role natsops.security.credentials and the playbook renew, killed before each of their tasks: the next run ends in the same state as an uninterrupted run.

A complete run counts the tasks, so a new task is covered without a change here. `make test` kills the role at every third task and continues from the
state that each killed run left. `make attack` does so at every task, and with the playbook too, and also starts from the beginning for each kill.
test_kills.py kills modules while they run.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
from typing import Any

import pytest
import yaml
from support.aging import age
from support.kills import KILLED, killing, tasks_of
from support.plays import BIN, Play
from support.sites import Site

from ansible_collections.natsops.security.plugins.module_utils.token import codec, decorated

pytestmark = pytest.mark.playbook

DOCUMENT: dict[str, Any] = {
    "operator": {"name": "ACME", "signing_keys": ["main"]},
    "accounts": [{"name": "APP", "signing_keys": [{"role": "main"}]}],
}

#: The same document, with an activation, and with renewal windows in which everything is renewed.
PERIODS: dict[str, Any] = {
    "operator": {"name": "ACME", "signing_keys": ["main"], "expires_in": "500d", "renew_before": "470d"},
    "accounts": [
        {
            "name": "APP",
            "signing_keys": [{"role": "main"}],
            "expires_in": "100d",
            "renew_before": "70d",
            "imports": [
                {
                    "name": "stock",
                    "account": "SHOP",
                    "subject": "stock.>",
                    "type": "stream",
                    "activation": {"expires_in": "60d", "renew_before": "30d"},
                }
            ],
        },
        {
            "name": "SHOP",
            "signing_keys": [{"role": "main"}],
            "exports": [{"name": "stock", "subject": "stock.>", "type": "stream", "token_required": True}],
        },
    ],
}


@dataclasses.dataclass
class Killed:
    """Two hosts, and a playbook for them that is killed before its n-th task."""

    site: Site
    environment: dict[str, str]
    playbook: str = ""

    def __post_init__(self) -> None:
        """Create the store and the files of the play."""
        self.reset()
        folder = self.site.folder.parent / "files"
        folder.mkdir()
        claims = {"expires_in": "40d", "renew_before": "10d"}
        entry = {"account": "APP", "claims": claims, "notify": "handle"}
        hosts = {
            host: {
                "ansible_connection": "local",
                "credentials_users": [{**entry, "name": host, "path": self.site / f"{host}/nats.creds"}],
            }
            for host in ("h1", "h2")
        }
        (folder / "inventory.yml").write_text(yaml.safe_dump({"nats_clients": {"hosts": hosts}}))
        handler = {
            "name": "handle",
            "ansible.builtin.file": {
                "path": self.site / "{{ inventory_hostname }}/handled",
                "state": "touch",
                "mode": "0600",
            },
        }
        variables = {
            "credentials_stores_dir": self.site / "stores",
            "credentials_keys_dir": self.site / "keys",
            "credentials_operator": "ACME",
        }
        (folder / "variables.json").write_text(
            json.dumps(
                {
                    "operator_definition": PERIODS,
                    "operator_stores_dir": str(self.site / "stores"),
                    "operator_keys_dir": str(self.site / "keys"),
                    "credentials_handlers": str(folder / "handlers.yml"),
                    "renew_summary_path": str(folder / "summary.json"),
                }
            )
        )
        (folder / "handlers.yml").write_text(yaml.safe_dump([handler]))
        role = {"ansible.builtin.import_role": {"name": "natsops.security.credentials"}}
        play = {
            "hosts": "nats_clients",
            "gather_facts": False,
            "vars": variables,
            "tasks": [role],
            "handlers": [handler],
        }
        (folder / "play.yml").write_text(yaml.safe_dump([play], sort_keys=False))
        self.files = folder

    def reset(self) -> None:
        """Restore the initial state."""
        shutil.rmtree(self.site.folder)
        for host in ("h1", "h2"):
            (self.site.folder / host).mkdir(parents=True)
        options = {"stores_dir": self.site / "stores", "keys_dir": self.site / "keys", "definition": DOCUMENT}
        assert not self.site.start("store", options).get("failed")

    def run(self, before: int = 0) -> int:
        """Run to the end, or to a task. Return the number of tasks, or 0 if the run was killed."""
        playbook = (
            [self.playbook, "-e", f"@{self.files}/variables.json"] if self.playbook else [f"{self.files}/play.yml"]
        )
        done = subprocess.run(
            [str(BIN / "ansible-playbook"), "-i", str(self.files / "inventory.yml"), *playbook],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**self.environment, **killing(self.files, before)},
        )
        if done.returncode == KILLED:
            return 0
        assert done.returncode == 0, done.stdout + done.stderr
        return tasks_of(self.files)

    def keys(self) -> dict[str, str]:
        """The public key on each host, by host: in its creds, or waiting for a JWT."""
        found = {}
        for host in ("h1", "h2"):
            for name in ("nats.creds", ".nats.creds.natsops-key"):
                path = self.site.folder / host / name
                if path.exists():
                    found[host] = decorated.seed_in(path.read_text()).public_key
        return found

    def assert_complete(self, earlier: dict[str, str]) -> None:
        """Assert that the creds exist with the keys that were created first, that the handlers have run, and that no temporary file is left."""
        for host in ("h1", "h2"):
            folder = self.site.folder / host
            assert sorted(path.name for path in folder.iterdir()) == ["handled", "nats.creds"]
            jwt = decorated.find_token((folder / "nats.creds").read_text())
            assert jwt == self.site.text(f"stores/ACME/accounts/APP/users/{host}.jwt")
            assert codec.decode(jwt).subject == self.keys()[host] == earlier.get(host, self.keys()[host])


@pytest.fixture
def killed(site: Site, play: Play) -> Killed:
    """Two hosts without creds."""
    return Killed(site, play.environment())


@pytest.mark.attack
@pytest.mark.parametrize("step", [3, 1])
def test_run_after_runs_that_were_killed_at_one_task_after_the_other(killed: Killed, step: int) -> None:
    number, keys = 1, killed.keys()
    while not killed.run(before=number):
        assert {**killed.keys(), **keys} == killed.keys(), f"a key is gone before task {number}"
        keys = killed.keys()
        number += step
    killed.assert_complete(keys)
    assert number > 8


@pytest.mark.attack
def test_run_after_a_kill_at_any_task(killed: Killed) -> None:
    tasks = killed.run()
    killed.assert_complete({})
    for number in range(1, tasks + 1):
        killed.reset()
        assert killed.run(before=number) == 0
        keys = killed.keys()
        killed.run()
        killed.assert_complete(keys)


class Renewal:
    """Creds, accounts, an activation and the operator, all due for renewal."""

    def __init__(self, killed: Killed) -> None:
        self.killed, self.site = killed, killed.site
        killed.playbook = "natsops.security.renew"
        self.begin()

    def begin(self) -> None:
        """Create them, and let 35 days pass."""
        self.killed.reset()
        self.killed.run()
        age(self.site, 35 * 86400)
        for host in ("h1", "h2"):
            (self.site.folder / host / "handled").unlink()
        self.keys = self.killed.keys()
        self.first = self.expiries()

    def expiries(self) -> dict[str, int]:
        """The expiry of each token in unix seconds, by name."""
        app = self.site.claims("stores/ACME/accounts/APP/APP.jwt")
        users = {host: self.site.claims(f"stores/ACME/accounts/APP/users/{host}.jwt").expires for host in ("h1", "h2")}
        activation = codec.decode(app.body.imports[0].token)
        operator = self.site.claims("stores/ACME/ACME.jwt")
        return {**users, "APP": app.expires, "activation": activation.expires, "operator": operator.expires}

    def assert_complete(self) -> None:
        """Assert that everything is renewed for about its whole lifetime, with the same keys, and that the handlers have run."""
        now = self.expiries()
        assert {name: round((now[name] - expires) / 86400) for name, expires in self.first.items()} == dict.fromkeys(
            now, 35
        )
        self.killed.assert_complete(self.keys)
        summary = json.loads((self.killed.files / "summary.json").read_text())
        assert (summary["ok"], summary["due"], summary["failed_hosts"]) == (True, [], [])
        before = self.site.snapshot()
        self.killed.run()
        assert self.site.snapshot() == before
        assert json.loads((self.killed.files / "summary.json").read_text())["renewed"] == []


@pytest.mark.attack
@pytest.mark.parametrize("step", [9, 1])
def test_renewal_after_runs_that_were_killed_at_one_task_after_the_other(killed: Killed, step: int) -> None:
    renewal = Renewal(killed)
    number = 2
    while not killed.run(before=number):
        assert killed.keys() == renewal.keys
        number += step
    renewal.assert_complete()
    assert number > 20


@pytest.mark.attack
def test_renewal_after_a_kill_at_any_task(killed: Killed) -> None:
    renewal = Renewal(killed)
    tasks = killed.run()
    renewal.assert_complete()
    for number in range(1, tasks + 1):
        renewal.begin()
        assert killed.run(before=number) == 0
        killed.run()
        renewal.assert_complete()
