# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The playbook natsops.security.rotate for keys of the system account, by whose users the tasks themselves connect to the servers."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest
from support.fleets import lets_in
from support.inventories import Cluster, account_of_users

from ansible_collections.natsops.security.plugins.module_utils.token import codec

pytestmark = [pytest.mark.playbook, pytest.mark.server, pytest.mark.attack]

#: By what the tasks connect: temporary users that keys of the keystore sign; the creds that the store writes; a copy of these creds.
KEYS, CREDS, COPY = "keys", "creds", "copy"


class System:
    """The system account of servers, with the user u."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.path = cluster.folder / "keys/creds/ACME/SYS/u.creds"
        self.copy = cluster.folder / "copy.creds"
        self.copy.write_text(self.path.read_text())

    def key(self, slot: str) -> str:
        """The key of the role main, or that of the user u."""
        user = codec.decode((self.cluster.folder / "stores/ACME/accounts/SYS/users/u.jwt").read_text())
        return str(user.issuer if slot == "SYS/main" else user.subject)

    def rotate(self, slot: str, connects_by: str, key: str, **variables: Any) -> tuple[int, str]:
        """Run the playbook. Return its exit status and its output with single spaces."""
        paths: dict[str, pathlib.Path] = {CREDS: self.path, COPY: self.copy}
        given = {
            "operator_definition": account_of_users(),
            "rotate_slot" if slot == "SYS/main" else "rotate_user": slot,
            "rotate_key": key,
            "rotate_drain_timeout": 20,
            **({"resolver_creds_path": str(paths[connects_by])} if connects_by in paths else {}),
            **variables,
        }
        status, output = self.cluster.attempt(playbook="natsops.security.rotate", **given)
        return status, " ".join(output.split())

    def accepts(self) -> tuple[set[bool], set[bool]]:
        """Whether servers accept the creds from before the rotation, and those that are current."""
        old, new = self.copy.read_text(), self.path.read_text()
        urls = self.cluster.urls
        return {lets_in(url, old) for url in urls}, {lets_in(url, new) for url in urls}


@pytest.fixture
def system(cluster: Cluster) -> System:
    """The system account, whose current creds are copied."""
    return System(cluster)


@pytest.mark.parametrize("is_compromised", [False, True])
@pytest.mark.parametrize(("slot", "connects_by"), [("SYS/main", KEYS), ("SYS/main", CREDS), ("SYS/u", CREDS)])
def test_key_goes_while_tasks_connect_by_the_one_that_follows(
    system: System, slot: str, is_compromised: bool, connects_by: str
) -> None:
    old = system.key(slot)
    status, output = system.rotate(slot, connects_by, old, rotate_compromised=is_compromised)
    assert status == 0, output[-3000:]
    assert system.key(slot) != old
    assert system.accepts() == ({False}, {True})


@pytest.mark.parametrize("slot", ["SYS/main", "SYS/u"])
def test_key_stays_while_the_creds_of_the_tasks_belong_to_it(system: System, slot: str) -> None:
    old = system.key(slot)
    status, output = system.rotate(slot, COPY, old)
    assert status != 0
    said = f"the creds in {system.copy} belong to the key {old}, which is to go. Put the current creds of the user u there, and run this again."
    assert f"resolver_creds_path: {said}" in output, output[-3000:]
    assert system.accepts() == ({True}, {True})
    stale = system.copy.read_text()
    system.copy.write_text(system.path.read_text())
    status, output = system.rotate(slot, COPY, old)
    assert status == 0, output[-3000:]
    system.copy.write_text(stale)
    assert system.accepts() == ({False}, {True})


@pytest.mark.parametrize("slot", ["SYS/main", "SYS/u"])
def test_compromised_key_goes_though_the_creds_of_the_tasks_belong_to_it(system: System, slot: str) -> None:
    """The servers close the connection of the tasks, which fail at the end of the run."""
    old = system.key(slot)
    status, output = system.rotate(slot, COPY, old, rotate_compromised=True)
    assert status != 0
    assert "If the creds in resolver_creds_path belong to this key, put the current ones there" in output
    assert system.accepts() == ({False}, {True})
    status, output = system.rotate(slot, CREDS, old, rotate_compromised=True)
    assert status == 0, output[-3000:]
