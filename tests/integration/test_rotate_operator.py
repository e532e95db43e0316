# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The playbook natsops.security.rotate for the operator's identity key, which has signed all accounts, on three servers whose clients reconnect.

The servers do not run as services here, so the tasks of the role server are skipped, and the test restarts servers where the playbook requires it.
"""

from __future__ import annotations

import pathlib
import time
from collections.abc import Iterator
from typing import Any

import pytest
from support.fleets import client, lets_in
from support.inventories import NAMES, Clients, Cluster, changed_tasks
from support.plays import Play

from ansible_collections.natsops.security.plugins.module_utils.token import codec

pytestmark = [pytest.mark.playbook, pytest.mark.server, pytest.mark.attack]

DOCUMENT: dict[str, Any] = {
    "operator": {"name": "ACME", "system_account": "SYS"},
    "accounts": [
        {"name": "SYS", "signing_keys": ["main"], "users": [{"name": "u"}]},
        {"name": "APP", "signing_keys": ["main"], "users": [{"name": "app"}]},
    ],
}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, collections_path: pathlib.Path) -> Iterator[Cluster]:
    """Servers with accounts that the operator's identity key signed."""
    folder = tmp_path_factory.mktemp("cluster")
    found = Cluster(folder / "cluster", Play(folder, collections_path).environment())
    found.run(playbook="natsops.security.operator", operator_hosts="nats", operator_definition=DOCUMENT)
    found.start()
    try:
        found.run(operator_definition=DOCUMENT)
        yield found
    finally:
        found.stop()


def claims(cluster: Cluster, name: str = "") -> Any:
    path = f"accounts/{name}/{name}.jwt" if name else "ACME.jwt"
    return codec.decode((cluster.folder / "stores/ACME" / path).read_text())


def rotate(cluster: Cluster, *arguments: str, succeeds: bool = True, **variables: Any) -> str:
    """The output of the playbook."""
    given = {"operator_definition": DOCUMENT, "rotate_operator": "ACME", "resolver_trust_retries": 1, **variables}
    return cluster.run(
        "--skip-tags", "nats_server", *arguments, playbook="natsops.security.rotate", succeeds=succeeds, **given
    )


class Program:
    """A client that reconnects to any of the servers and records errors."""

    def __init__(self, cluster: Cluster, clients: Clients) -> None:
        self.clients, self.errors = clients, list[str]()
        self.creds = clients.creds("app")

        async def note(error: Exception) -> None:
            self.errors.append(str(error))

        urls = [f"nats://127.0.0.1:{port}" for port in cluster.ports[:3]]
        options = {"allow_reconnect": True, "max_reconnect_attempts": -1, "reconnect_time_wait": 0.1, "error_cb": note}
        self.connection = clients.do(client(urls, self.creds, **options))
        clients.connected.append(self.connection)

    def works(self) -> None:
        """Wait until it is connected, and check that no server has refused it."""
        deadline = time.monotonic() + 60
        while not self.connection.is_connected:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        self.clients.do(self.connection.flush())
        assert not [error for error in self.errors if "auth" in error.lower()]


def restart(cluster: Cluster, program: Program) -> None:
    """Restart the servers one after another. After each restart, every server accepts the user."""
    for name in NAMES:
        cluster.stop(name)
        cluster.start(name)
        program.works()
        assert all(lets_in(f"nats://127.0.0.1:{port}", program.creds) for port in cluster.ports[:3])


def test_operator_gets_a_new_identity_key_and_nobody_is_refused(cluster: Cluster, clients: Clients) -> None:
    old = claims(cluster).subject
    program = Program(cluster, clients)
    output = " ".join(rotate(cluster, succeeds=False).split())
    assert f"rotation_key: name the key of the operator ACME to retire. Currently {old} is its identity key" in output
    output = " ".join(rotate(cluster, succeeds=False, rotate_operator="OTHER", rotate_key=old).split())
    assert "rotation_operator: the operator in the store is ACME, not OTHER." in output
    output = " ".join(rotate(cluster, succeeds=False, rotate_slot="APP/main", rotate_key=old).split())
    assert "rotation_slot and rotation_operator are mutually exclusive" in output
    before = cluster.snapshot()
    assert f'"old": "{old}"' in rotate(cluster, "--check", rotate_key=old)
    assert cluster.snapshot() == before

    # The next key signs nothing until every server trusts it.
    output = " ".join(rotate(cluster, succeeds=False, rotate_key=old).split())
    (new,) = claims(cluster).body.signing_keys
    assert f"do not trust the operator key {new} yet." in output
    assert {claims(cluster, name).issuer for name in ("SYS", "APP")} == {old}
    restart(cluster, program)

    # The rotation is continued even if the key is omitted.
    rotate(cluster)
    assert {claims(cluster, name).issuer for name in ("SYS", "APP")} == {new}
    assert (claims(cluster).subject, claims(cluster).body.signing_keys) == (new, [])
    program.works()
    restart(cluster, program)
    before = cluster.snapshot()
    assert changed_tasks(rotate(cluster, rotate_key=old)) == []
    assert cluster.snapshot() == before
