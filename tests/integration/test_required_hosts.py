# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Playbooks that must not look like a success if no host of the inventory matches: Ansible only warns of that."""

from __future__ import annotations

import pytest
from support.plays import Play, run_playbook

pytestmark = pytest.mark.playbook


@pytest.mark.parametrize(
    ("playbook", "message"),
    [
        (
            "revoke",
            "matches nats, so nothing was revoked. Give the inventory with -i, or name the hosts in revoke_hosts.",
        ),
        (
            "rotate",
            "matches nats, so nothing was rotated. Give the inventory with -i, or name the hosts in rotate_hosts.",
        ),
        (
            "renew",
            "matches nats_clients, so nothing was renewed. Give the inventory with -i, or name the hosts in renew_on.",
        ),
    ],
)
def test_run_that_matches_no_host_fails(play: Play, playbook: str, message: str) -> None:
    inventory = play.folder / "inventory.yml"
    inventory.write_text("all: {hosts: {n1: {ansible_connection: local}}}")
    variables = {"revoke_user": "APP/guest", "rotate_slot": "APP/main"}
    status, output = run_playbook(
        f"natsops.security.{playbook}", inventory=inventory, environment=play.environment(), variables=variables
    )
    assert status != 0
    assert f"No host of the inventory {message}" in " ".join(output.split())
