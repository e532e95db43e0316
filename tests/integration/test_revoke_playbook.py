# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The playbook natsops.security.revoke on three nats-servers with connected clients: who is cut off, who is not, a server that is down."""

from __future__ import annotations

import json
import time

import pytest
from support.fleets import lets_in
from support.inventories import (
    CHANGED,
    NAMES,
    USERS,
    Clients,
    Cluster,
    account_of_users,
    changed_tasks,
    key_of_user,
    revoke,
)

pytestmark = [pytest.mark.playbook, pytest.mark.server]


def test_user_is_cut_off_on_every_server_and_nobody_else(cluster: Cluster, clients: Clients) -> None:
    guest, app = clients.connect("guest"), clients.connect("app")
    old = clients.creds("guest")
    foretold, _unused = revoke(cluster, "--check", revoke_user="APP/guest")
    assert changed_tasks(foretold) == CHANGED
    assert all(one.is_connected for one in guest)
    output, report = revoke(cluster, revoke_user="APP/guest")
    assert changed_tasks(output) == CHANGED
    clients.notice_the_end(guest)
    assert all(one.is_connected for one in app)
    assert not any(lets_in(f"nats://127.0.0.1:{port}", old) for port in cluster.ports[:3])
    told = [one for one in report["connections"] if one["closed_at"]]
    assert sorted(one["server"] for one in told) == list(NAMES)
    assert {(one["user"], one["name"], one["client"].split()[0]) for one in told} == {
        (key_of_user(cluster, "guest"), "guest", "(python3")
    }
    assert all(one["address"].startswith("127.0.0.1:") and one["connected_at"] for one in told)
    assert (report["open"], report["missing_servers"], report["problems"]) == (0, [], [])
    assert report["seconds"] > 0
    again, report = revoke(cluster, revoke_user="APP/guest")
    assert changed_tasks(again) == []
    assert len(report["connections"]) == 3

    # Issued again with the same key, the user can connect, and the same command does not cut it off.
    cluster.run(operator_definition=account_of_users())
    back = clients.connect("guest")
    again, report = revoke(cluster, revoke_user="APP/guest")
    assert changed_tasks(again) == []
    assert "was issued again" in again
    assert all(one.is_connected for one in (*back, *app))
    assert not lets_in(f"nats://127.0.0.1:{cluster.ports[0]}", old)


@pytest.mark.attack
def test_everything_that_was_issued_before_a_time_and_a_stolen_signing_key(cluster: Cluster, clients: Clients) -> None:
    others = clients.connect("app", "n1")
    cluster.run(operator_definition=account_of_users())
    output, report = revoke(cluster, revoke_signing_key="APP/main")
    assert changed_tasks(output) == CHANGED
    clients.notice_the_end(others)
    assert set(report["users_to_issue"]) == set(USERS)
    assert changed_tasks(revoke(cluster, revoke_signing_key="APP/main")[0]) == []
    cluster.run(operator_definition=account_of_users())
    back = clients.connect("app")
    revoke(cluster, revoke_user="APP/*")
    clients.notice_the_end(back)
    cluster.run(operator_definition=account_of_users())
    assert clients.connect("app")[0].is_connected


@pytest.mark.attack
def test_server_that_is_down_is_named_and_the_others_are_seen_to(cluster: Cluster, clients: Clients) -> None:
    cluster.run(operator_definition=account_of_users())
    cluster.stop("n2")
    thief, app = clients.connect("thief", "n1", "n3"), clients.connect("app", "n1", "n3")
    path = cluster.folder / "report.json"
    given = {"revoke_store": "ACME", "revoke_report_path": str(path), "revoke_user": "APP/thief"}
    output = cluster.run(playbook="natsops.security.revoke", succeeds=False, **given)
    assert "expected_servers: n2 did not answer; n1, n3 did, and no connection is left there." in output
    clients.notice_the_end(thief)
    assert all(one.is_connected for one in app)
    assert json.loads(path.read_text())["missing_servers"] == ["n2"]
    assert changed_tasks(revoke(cluster, revoke_user="APP/thief", revoke_expected_servers=["n1", "n3"])[0]) == []
    cluster.start("n2")
    deadline = time.monotonic() + 60
    while lets_in(f"nats://127.0.0.1:{cluster.ports[1]}", clients.creds("thief")):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    output, report = revoke(cluster, revoke_user="APP/thief")
    assert changed_tasks(output) == [], report
