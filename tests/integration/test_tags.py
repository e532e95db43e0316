# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The tags of role tasks, as documented in the README: `ansible-playbook --list-tags` shows those of the roles that a playbook imports."""

from __future__ import annotations

import re
import subprocess

import pytest
from checkout import ROOT
from support.plays import BIN


@pytest.mark.attack
@pytest.mark.playbook
@pytest.mark.parametrize(
    ("playbook", "roles"),
    [
        ("site", ["operator", "resolver", "server"]),
        ("credentials", ["credentials"]),
        ("backup", ["backup"]),
        ("report", ["report"]),
    ],
)
def test_playbook_lists_the_tags_of_its_roles(playbook: str, roles: list[str]) -> None:
    inventory = ROOT / "examples/cluster/inventory.yml"
    command = [BIN / "ansible-playbook", "-i", inventory, f"natsops.security.{playbook}", "--list-tags"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    tags = {tag for line in re.findall(r"TASK TAGS: \[(.*)\]", done.stdout) for tag in line.split(", ")}
    assert tags - {"always", ""} == {f"nats_{role}" for role in roles}
