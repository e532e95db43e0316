# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The playbook natsops.security.rotate, killed before each of its tasks in turn: the next run completes it, and no client is refused meanwhile."""

from __future__ import annotations

import json
import subprocess

import pytest
from support.fleets import lets_in
from support.inventories import Clients, Cluster, account_of_users, changed_tasks
from support.kills import KILLED, killing
from support.plays import BIN

from ansible_collections.natsops.security.plugins.module_utils.token import codec

pytestmark = [pytest.mark.playbook, pytest.mark.server]


@pytest.mark.attack
def test_run_that_is_killed_before_any_task_is_completed_by_the_next(cluster: Cluster, clients: Clients) -> None:
    url = f"nats://127.0.0.1:{cluster.ports[0]}"
    number, tasks = 1, 0
    variables = {
        "operator_stores_dir": str(cluster.folder / "stores"),
        "operator_keys_dir": str(cluster.folder / "keys"),
        "operator_definition": account_of_users(),
        "rotate_slot": "APP/main",
        "rotate_drain_timeout": 5,
    }
    while not tasks:
        user = cluster.folder / "stores/ACME/accounts/APP/users/app.jwt"
        old = codec.decode(user.read_text()).issuer
        given = json.dumps({**variables, "rotate_key": old})
        killed = subprocess.run(
            [
                str(BIN / "ansible-playbook"),
                "-i",
                str(cluster.folder / "inventory.yml"),
                "natsops.security.rotate",
                "-e",
                given,
            ],
            env={**cluster.environment, **killing(cluster.folder, number)},
            capture_output=True,
            check=False,
        )
        tasks = 0 if killed.returncode == KILLED else number
        cluster.run(playbook="natsops.security.rotate", **{**variables, "rotate_key": old})
        account = codec.decode((cluster.folder / "stores/ACME/accounts/APP/APP.jwt").read_text())
        keys = [key.key for key in account.body.signing_keys]
        assert old not in keys, number
        assert codec.decode(user.read_text()).issuer in keys
        assert lets_in(url, clients.creds("app")), number
        again = cluster.run(playbook="natsops.security.rotate", **{**variables, "rotate_key": old})
        assert changed_tasks(again) == [], number
        number += 3
    assert tasks > 20
