# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The playbook natsops.security.rotate for the operator's identity key, which has signed all accounts, on three servers whose clients reconnect.

The servers do not run as services here, so the tasks of the role server are skipped, and the test restarts servers where the playbook requires it.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import Any

import pytest
from support.inventories import Clients, Cluster, Program, changed_tasks, restart
from support.plays import Play
from support.rotations import foreseen

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


def test_operator_gets_a_new_identity_key_and_nobody_is_refused(cluster: Cluster, clients: Clients) -> None:
    old = claims(cluster).subject
    program = Program(clients, cluster.folder / "keys/creds/ACME/APP/app.creds")
    output = " ".join(rotate(cluster, succeeds=False).split())
    assert f"no rotation of ACME is in progress, so nothing was changed. The current key is {old}." in output
    output = " ".join(rotate(cluster, succeeds=False, rotate_operator="OTHER", rotate_key=old).split())
    assert "rotation_operator: the operator in the store is ACME, not OTHER." in output
    output = " ".join(rotate(cluster, succeeds=False, rotate_slot="APP/main", rotate_key=old).split())
    assert "rotation_slot and rotation_operator are mutually exclusive" in output
    before = cluster.snapshot()
    checked = rotate(cluster, "--check", rotate_key=old, rotate_compromised=True)
    assert f'"old": "{old}"' in checked
    assert f"the compromised key {old} has signed the account APP, the account SYS. It existed at" in checked
    assert '"exposed": {' in checked
    assert foreseen(checked) == {
        "phase": "add",
        "left": {
            "add": ["operator ACME"],
            "trust": ["n1", "n2", "n3"],
            "resign": ["account SYS", "account APP"],
            "push": ["account SYS", "account APP"],
            "distribute": [],
            "drain": [],
            "retire": ["operator ACME"],
        },
        "tokens": {"add": 1, "resign": 2, "push": 2, "retire": 1},
        "hosts": {"trust": 3, "push": 3, "distribute": 0},
        "restarts": ["n1", "n2", "n3"],
    }
    assert cluster.snapshot() == before

    # The next key signs nothing until every server trusts it, also if the old one is compromised.
    output = " ".join(rotate(cluster, succeeds=False, rotate_key=old, rotate_compromised=True).split())
    (new,) = claims(cluster).body.signing_keys
    assert (
        f"SYS, APP: signed by {new}, which the servers n1, n2, n3 do not trust: they run with the JWT of the operator"
        in output
    )
    assert {claims(cluster, name).issuer for name in ("SYS", "APP")} == {old}
    seen = foreseen(rotate(cluster, "--check"))
    assert (seen["phase"], seen["left"]["trust"]) == ("trust", ["n1", "n2", "n3"])
    restart(cluster, program)
    seen = foreseen(rotate(cluster, "--check"))
    assert (seen["phase"], seen["left"]["trust"], seen["restarts"]) == ("resign", [], ["n1", "n2", "n3"])

    # The rotation is continued even if the key is omitted.
    output = " ".join(rotate(cluster, rotate_compromised=True).split())
    assert f"the compromised key {old} has signed the account APP, the account SYS. It existed at" in output
    assert {claims(cluster, name).issuer for name in ("SYS", "APP")} == {new}
    assert (claims(cluster).subject, claims(cluster).body.signing_keys) == (new, [])
    program.works()
    restart(cluster, program)
    before = cluster.snapshot()
    assert changed_tasks(rotate(cluster, rotate_key=old)) == []
    assert foreseen(rotate(cluster, "--check", rotate_key=old))["phase"] == "done"
    assert cluster.snapshot() == before
