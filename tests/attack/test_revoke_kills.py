# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The playbook natsops.security.revoke, killed before each of its tasks in turn: the next run completes it."""

from __future__ import annotations

import json
import pathlib
import signal
import subprocess
from collections.abc import Iterator

import pytest
from support.inventories import CHANGED, USERS, Clients, Cluster, account_of_users, changed_tasks, revoke
from support.plays import BIN, Play

pytestmark = [pytest.mark.playbook, pytest.mark.server]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, collections_path: pathlib.Path) -> Iterator[Cluster]:
    """Three servers that have the accounts of a store."""
    folder = tmp_path_factory.mktemp("revoke")
    found = Cluster(folder / "cluster", Play(folder, collections_path).environment())
    found.run(playbook="natsops.security.operator", operator_hosts="nats", operator_definition=account_of_users())
    found.start()
    try:
        found.run(operator_definition=account_of_users())
        yield found
    finally:
        found.stop()


@pytest.fixture
def clients(cluster: Cluster) -> Iterator[Clients]:
    """Clients of the servers."""
    found = Clients(cluster)
    yield found
    found.close()


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


@pytest.mark.attack
def test_run_that_is_killed_before_any_task_is_completed_by_the_next(cluster: Cluster, clients: Clients) -> None:
    cluster.run(operator_definition=account_of_users())
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
