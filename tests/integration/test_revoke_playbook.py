# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The playbook natsops.security.revoke on three nats-servers with connected clients: who is cut off, who is not, a server that is down, and kills."""

from __future__ import annotations

import asyncio
import json
import pathlib
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from support.fleets import client, lets_in
from support.inventories import NAMES, Cluster, changed_tasks, definition
from support.plays import BIN, Play

from ansible_collections.natsops.security.plugins.module_utils.token import codec

pytestmark = [pytest.mark.playbook, pytest.mark.server]

ROLE = "natsops.security.resolver : "
CHANGED = [
    ROLE + "Revoke in the store",
    ROLE + "Push the account to every server that answers",
    ROLE + "Close what is connected still, until no connection is left on any server",
]
USERS = ["app", "guest", "thief", *(f"u{number}" for number in range(1, 13))]


def document() -> dict[str, Any]:
    """The document with an account of these users."""
    found = definition("APP")
    found["accounts"][1].update(users=[{"name": name} for name in USERS], limits={"connections": 1000})
    return found


class Clients:
    """Clients of users of the account APP, connected until they are sent away."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.connected: list[Any] = []

    def do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def creds(self, user: str) -> str:
        return (self.cluster.folder / f"keys/creds/ACME/APP/{user}.creds").read_text()

    def connect(self, user: str, *names: str, creds: str = "") -> list[Any]:
        """Connections of a user to these servers, to all when none is named."""
        ports = [self.cluster.ports[NAMES.index(name)] for name in names or NAMES]
        made = [self.do(client(f"nats://127.0.0.1:{port}", creds or self.creds(user))) for port in ports]
        self.connected += made
        return made

    def close(self) -> None:
        for one in self.connected:
            self.do(one.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, collections_path: pathlib.Path) -> Iterator[Cluster]:
    """Three servers that have the accounts of a store."""
    folder = tmp_path_factory.mktemp("revoke")
    found = Cluster(folder / "cluster", Play(folder, collections_path).environment())
    found.run(playbook="natsops.security.operator", operator_hosts="nats", operator_definition=document())
    found.start()
    try:
        found.run(operator_definition=document())
        yield found
    finally:
        found.stop()


@pytest.fixture
def clients(cluster: Cluster) -> Iterator[Clients]:
    """Clients of the servers."""
    found = Clients(cluster)
    yield found
    found.close()


def revoke(cluster: Cluster, *arguments: str, **variables: Any) -> tuple[str, dict[str, Any]]:
    """What the playbook says, and its report."""
    path = cluster.folder / "report.json"
    path.unlink(missing_ok=True)
    given = {"revoke_store": "ACME", "revoke_report_path": str(path), **variables}
    output = cluster.run(*arguments, playbook="natsops.security.revoke", **given)
    return output, json.loads(path.read_text()) if path.exists() else {}


def key(cluster: Cluster, user: str) -> str:
    return str(codec.decode((cluster.folder / f"stores/ACME/accounts/APP/users/{user}.jwt").read_text()).subject)


def test_user_is_cut_off_on_every_server_and_nobody_else(cluster: Cluster, clients: Clients) -> None:
    guest, app = clients.connect("guest"), clients.connect("app")
    old = clients.creds("guest")
    foretold, _unused = revoke(cluster, "--check", revoke_user="APP/guest")
    assert changed_tasks(foretold) == CHANGED
    assert all(one.is_connected for one in guest)
    output, report = revoke(cluster, revoke_user="APP/guest")
    assert changed_tasks(output) == CHANGED
    assert all(one.is_closed for one in guest)
    assert all(one.is_connected for one in app)
    assert not any(lets_in(f"nats://127.0.0.1:{port}", old) for port in cluster.ports[:3])
    told = [one for one in report["connections"] if one["closed_at"]]
    assert sorted(one["server"] for one in told) == list(NAMES)
    assert {(one["user"], one["name"], one["client"].split()[0]) for one in told} == {
        (key(cluster, "guest"), "guest", "(python3")
    }
    assert all(one["address"].startswith("127.0.0.1:") and one["connected_at"] for one in told)
    assert (report["open"], report["missing_servers"], report["problems"]) == (0, [], [])
    assert report["seconds"] > 0
    again, report = revoke(cluster, revoke_user="APP/guest")
    assert changed_tasks(again) == []
    assert len(report["connections"]) == 3

    # Issued again, with the same key: it works, and the same command does not cut it off.
    cluster.run(operator_definition=document())
    back = clients.connect("guest")
    again, report = revoke(cluster, revoke_user="APP/guest")
    assert changed_tasks(again) == []
    assert "was issued again" in again
    assert all(one.is_connected for one in (*back, *app))
    assert not lets_in(f"nats://127.0.0.1:{cluster.ports[0]}", old)


def test_everything_that_was_issued_before_a_time_and_a_stolen_signing_key(cluster: Cluster, clients: Clients) -> None:
    others = clients.connect("app", "n1")
    cluster.run(operator_definition=document())
    output, report = revoke(cluster, revoke_signing_key="APP/main")
    assert changed_tasks(output) == CHANGED
    assert others[0].is_closed
    assert set(report["users_to_issue"]) == set(USERS)
    assert changed_tasks(revoke(cluster, revoke_signing_key="APP/main")[0]) == []
    cluster.run(operator_definition=document())
    back = clients.connect("app")
    revoke(cluster, revoke_user="APP/*")
    assert all(one.is_closed for one in back)
    cluster.run(operator_definition=document())
    assert clients.connect("app")[0].is_connected


def test_server_that_is_down_is_named_and_the_others_are_seen_to(cluster: Cluster, clients: Clients) -> None:
    cluster.run(operator_definition=document())
    cluster.stop("n2")
    thief, app = clients.connect("thief", "n1", "n3"), clients.connect("app", "n1", "n3")
    path = cluster.folder / "report.json"
    given = {"revoke_store": "ACME", "revoke_report_path": str(path), "revoke_user": "APP/thief"}
    output = cluster.run(playbook="natsops.security.revoke", succeeds=False, **given)
    assert "expected_servers: n2 did not answer; n1, n3 did, and no connection is left there." in output
    assert all(one.is_closed for one in thief)
    assert all(one.is_connected for one in app)
    assert json.loads(path.read_text())["missing_servers"] == ["n2"]
    assert changed_tasks(revoke(cluster, revoke_user="APP/thief", revoke_expected_servers=["n1", "n3"])[0]) == []
    cluster.start("n2")
    deadline = time.monotonic() + 60
    while lets_in(f"nats://127.0.0.1:{cluster.ports[1]}", clients.creds("thief")):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert changed_tasks(revoke(cluster, revoke_user="APP/thief")[0]) == []


_KILLER = """
import os

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "killer"
    CALLBACK_NEEDS_ENABLED = True
    count = 0

    def v2_playbook_on_task_start(self, task, is_conditional):
        CallbackModule.count += 1
        if CallbackModule.count == int(os.environ["KILL_AT"]):
            os.kill(os.getpid(), 9)
"""


def test_run_that_is_killed_before_any_task_is_completed_by_the_next(cluster: Cluster, clients: Clients) -> None:
    cluster.run(operator_definition=document())
    app = clients.connect("app", "n1")
    callbacks = cluster.folder / "callbacks"
    callbacks.mkdir(exist_ok=True)
    (callbacks / "killer.py").write_text(_KILLER)
    environment = {
        **cluster.environment,
        "ANSIBLE_CALLBACK_PLUGINS": str(callbacks),
        "ANSIBLE_CALLBACKS_ENABLED": "killer",
    }
    variables = {
        "operator_stores_dir": str(cluster.folder / "stores"),
        "operator_keys_dir": str(cluster.folder / "keys"),
        "revoke_store": "ACME",
    }
    for at in range(1, len(USERS)):
        user = f"u{at}"
        victims = clients.connect(user, "n1", "n3")
        command = [
            str(BIN / "ansible-playbook"),
            "-i",
            str(cluster.folder / "inventory.yml"),
            "natsops.security.revoke",
        ]
        killed = subprocess.run(
            [*command, "-e", json.dumps({**variables, "revoke_user": f"APP/{user}"})],
            env={**environment, "KILL_AT": str(at)},
            capture_output=True,
            check=False,
        )
        revoke(cluster, revoke_user=f"APP/{user}")
        assert all(one.is_closed for one in victims), at
        assert app[0].is_connected
        assert changed_tasks(revoke(cluster, revoke_user=f"APP/{user}")[0]) == []
        if killed.returncode != -signal.SIGKILL:
            assert at > len(CHANGED)
            return
    pytest.fail("there are more tasks than users to try them with")
