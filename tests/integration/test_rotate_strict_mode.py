# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The playbook natsops.security.rotate takes three servers to strict_signing_key_usage while a client is connected by creds that an identity key signed.

The servers do not run as services here, so the tasks of the role server are skipped, and the test restarts servers where the playbook requires it.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from support.fleets import lets_in
from support.inventories import Clients, Cluster, Program, changed_tasks, cluster_of, restart
from support.rotations import Rotating, foreseen, identity_document

from ansible_collections.natsops.security.plugins.module_utils.token import codec, decorated

pytestmark = [pytest.mark.playbook, pytest.mark.server]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, collections_path: pathlib.Path) -> Iterator[Cluster]:
    """Servers with accounts and users that identity keys signed."""
    with cluster_of(tmp_path_factory.mktemp("cluster"), collections_path, identity_document()) as found:
        yield found


def rotate(world: Rotating, *options: str, succeeds: bool = True, **variables: Any) -> str:
    """The output of the playbook."""
    given = {
        "operator_definition": identity_document(signing_keys=["main"], strict_signing_key_usage=True),
        "rotate_strict_mode": True,
        "rotate_drain_timeout": 1,
        "resolver_trust_retries": 1,
        **variables,
    }
    status, output = world.attempt({}, *options, **given)
    assert (status == 0) is succeeds, output
    return output


def claims(cluster: Cluster, path: str) -> Any:
    return codec.decode(decorated.token_in((cluster.folder / "stores/ACME" / f"{path}.jwt").read_text()))


def signed_by_identity_keys(cluster: Cluster) -> set[str]:
    """What the identity key of the operator or of its account signed."""
    operator = claims(cluster, "ACME").subject
    found = set()
    for account, user in (("SYS", "u"), ("APP", "app")):
        one = claims(cluster, f"accounts/{account}/{account}")
        found |= {account} if one.issuer == operator else set()
        found |= {user} if claims(cluster, f"accounts/{account}/users/{user}").issuer == one.subject else set()
    return found


def connected_by_identity_keys(cluster: Cluster) -> list[str]:
    """Who is connected, as nats_store_info reports it for the store where the cluster is known."""
    folders = {"stores_dir": str(cluster.folder / "stores"), "keys_dir": str(cluster.folder / "keys")}
    system = {"store_path": str(cluster.folder / "stores/ACME"), "system_signer_path": folders["keys_dir"]}
    connected = {"servers": cluster.urls, "identity_keys": True, **system}
    known = "{{ connected.connections }}"
    tasks = [
        {"natsops.security.nats_connections": connected, "register": "connected"},
        {"natsops.security.nats_store_info": {**folders, "connections": known}, "register": "store"},
        {
            "ansible.builtin.copy": {
                "content": "{{ store.strict_mode | to_json }}",
                "dest": str(cluster.folder / "mode"),
            }
        },
    ]
    play = {"hosts": "localhost", "gather_facts": False, "tasks": tasks}
    (cluster.folder / "report.yml").write_text(yaml.safe_dump([play]))
    cluster.run(playbook="report.yml")
    mode = json.loads((cluster.folder / "mode").read_text())
    assert mode["ready"] is False
    return [f"{one['name']} on {one['server'][0]}" for one in mode["connections"]]


@pytest.mark.attack
def test_client_with_creds_of_an_identity_key_is_moved_over_and_no_server_refuses_it(
    cluster: Cluster, clients: Clients
) -> None:
    world = Rotating(cluster)
    program = Program(clients, world.creds)
    system_creds = cluster.folder / "keys/creds/ACME/SYS/u.creds"
    old = [program.creds, system_creds.read_text()]
    not_running = "The servers n1, n2, n3 do not run the JWT of the operator that the store has yet."

    seen = foreseen(rotate(world, "--check"))
    assert (seen["phase"], seen["restarts"]) == ("add", ["n1", "n2", "n3"])
    left, tokens = seen["left"], seen["tokens"]
    assert sorted(left["resign"]) == ["account APP", "account SYS", "user app", "user u"]
    assert (left["distribute"], left["switch"]) == (["app1"], ["operator ACME"])
    assert [one.rstrip("123") for one in left["drain"]] == ["app on n"]
    assert tokens == {"add": 3, "resign": 4, "push": 2, "switch": 1}

    # The keys of the operator sign nothing until every server trusts them.
    assert not_running in rotate(world, succeeds=False)
    assert len(claims(cluster, "ACME").body.signing_keys) == 1
    assert signed_by_identity_keys(cluster) == {"SYS", "APP", "u", "app"}
    restart(cluster, program)

    assert connected_by_identity_keys(cluster) == ["app on n"]

    # The task connects by creds that are signed again meanwhile.
    output = rotate(world, succeeds=False, resolver_creds_path=str(system_creds))
    assert "the operator cannot become strict yet: app is connected (1 connection on " in output
    assert signed_by_identity_keys(cluster) == set()
    assert not claims(cluster, "ACME").body.strict_signing_key_usage
    assert all(lets_in(url, creds) for url in cluster.urls for creds in (*old, program.creds))
    program.works()

    assert not_running in rotate(world, succeeds=False, rotate_reconnect=True)
    assert claims(cluster, "ACME").body.strict_signing_key_usage
    program.works()
    restart(cluster, program)
    assert not any(lets_in(url, creds) for url in cluster.urls for creds in old)
    assert all(lets_in(url, creds) for url in cluster.urls for creds in (program.creds, system_creds.read_text()))

    before = cluster.snapshot()
    output = rotate(world)
    assert changed_tasks(output) == []
    assert foreseen(rotate(world, "--check"))["phase"] == "done"
    assert cluster.snapshot() == before
    program.works()
