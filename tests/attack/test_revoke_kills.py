# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The playbook natsops.security.revoke, killed before each of its tasks in turn: the next run completes it."""

from __future__ import annotations

import json
import subprocess

import pytest
from support.inventories import (
    CHANGED,
    USERS,
    Clients,
    Cluster,
    account_of_users,
    changed_tasks,
    revoke,
)
from support.kills import KILLED, killing
from support.plays import BIN

pytestmark = [pytest.mark.playbook, pytest.mark.server]


@pytest.mark.attack
def test_run_that_is_killed_before_any_task_is_completed_by_the_next(cluster: Cluster, clients: Clients) -> None:
    cluster.run(operator_definition=account_of_users())
    app = clients.connect("app", "n1")
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
            env={**cluster.environment, **killing(cluster.folder, at)},
            capture_output=True,
            check=False,
        )
        revoke(cluster, revoke_user=f"APP/{user}")
        clients.notice_the_end(victims)
        assert app[0].is_connected
        assert changed_tasks(revoke(cluster, revoke_user=f"APP/{user}")[0]) == []
        if killed.returncode != KILLED:
            assert at > len(CHANGED)
            return
    pytest.fail("there are more tasks than users to try them with")
