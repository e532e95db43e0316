# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The option cluster of nats_store: what a task would take from running servers and connected clients is refused, and is not when they do not need it."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from support.inventories import NAMES, Clients, Cluster, account_of_users, key_of_user
from support.sites import Site

from ansible_collections.natsops.security.plugins.module_utils.token import codec

pytestmark = [pytest.mark.playbook, pytest.mark.server, pytest.mark.attack]

CONNECTION = {"servers": "{{ urls }}", "store_path": "{{ stores }}/ACME", "system_signer_path": "{{ keys }}"}
TASKS = [
    {"natsops.security.nats_resolver_info": {**CONNECTION, "expected_servers": [*NAMES]}, "register": "found"},
    {
        "natsops.security.nats_connections": {**CONNECTION, "account": "{{ account }}"},
        "register": "connected",
        # A server notices after the client that a connection has ended.
        "until": "connected.open == open",
        "retries": 60,
        "delay": 1,
    },
    {
        "natsops.security.nats_store": {
            "stores_dir": "{{ stores }}",
            "keys_dir": "{{ keys }}",
            "definition": "{{ document }}",
            "rotations": "{{ rotations }}",
            "cut_off": "{{ cut_off }}",
            "cluster": {
                "servers": "{{ found.servers }}",
                "accounts": "{{ found.accounts }}",
                "connections": "{{ connected.connections }}",
            },
        }
    },
]


def claims(cluster: Cluster, path: str) -> Any:
    return codec.decode((cluster.folder / f"stores/ACME/{path}.jwt").read_text())


def store(cluster: Cluster, rotation: dict[str, Any] | None = None, *, check: bool = False, **variables: Any) -> str:
    """The message of the task nats_store, which knows the cluster; empty if it succeeds."""
    (cluster.folder / "guard.yml").write_text(
        yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": TASKS}])
    )
    status, output = cluster.attempt(
        *(["--check"] if check else []),
        playbook="guard.yml",
        **{
            "urls": cluster.urls,
            "stores": str(cluster.folder / "stores"),
            "keys": str(cluster.folder / "keys"),
            "account": claims(cluster, "accounts/APP/APP").subject,
            "document": account_of_users(),
            "rotations": [rotation] if rotation else [],
            "cut_off": False,
            "open": 0,
            **variables,
        },
    )
    if status == 0:
        return ""
    found = re.search(r'"msg": "(.*?)"[,}]', output.partition("nats_store]")[2] or output)
    assert found is not None, output
    return found.group(1)


def refused(cluster: Cluster, rotation: dict[str, Any] | None = None, **variables: Any) -> str:
    """The message of a refusal, which check mode has too, and which leaves the store as it is."""
    before = cluster.snapshot()
    message = store(cluster, rotation, **variables)
    assert message
    assert cluster.snapshot() == before
    assert store(cluster, rotation, check=True, **variables) == message
    return message


def does(cluster: Cluster, rotation: dict[str, Any] | None = None, **variables: Any) -> None:
    """Check that the task succeeds, also in check mode."""
    assert store(cluster, rotation, check=True, **variables) == ""
    assert store(cluster, rotation, **variables) == ""


def restart(cluster: Cluster, *names: str) -> None:
    for name in names:
        cluster.stop(name)
        cluster.start(name)


def test_operator_key_signs_when_servers_trust_it_and_goes_when_none_holds_what_it_signed(cluster: Cluster) -> None:
    old = claims(cluster, "accounts/APP/APP").issuer
    does(cluster, {"role": "main", "phase": "add"})
    (new,) = (key for key in claims(cluster, "ACME").body.signing_keys if key != old)
    resign = {"role": "main", "phase": "resign", "public_key": old}
    message = refused(cluster, resign)
    assert (
        f"signed by {new}, which the servers n1, n2, n3 do not trust: they run with the JWT of the operator" in message
    )
    restart(cluster, "n1", "n3")
    assert f"signed by {new}, which the server n2 does not trust: it runs with the JWT of the operator" in refused(
        cluster, resign
    )
    restart(cluster, "n2")
    does(cluster, resign)
    assert claims(cluster, "accounts/APP/APP").issuer == new

    retire = {"role": "main", "phase": "retire", "public_key": old}
    message = refused(cluster, retire)
    assert f"the operator key {old} cannot be removed yet: servers hold accounts that it signed" in message
    for name in ("APP", "SYS"):
        assert f"{name} {claims(cluster, f'accounts/{name}/{name}').subject} on n1, n2, n3" in message
    # A compromised key of another slot in the same task does not let this key go.
    replace = {"account": "APP", "user": "guest", "phase": "replace"}
    assert f"the operator key {old} cannot be removed yet" in refused(cluster, rotations=[replace, retire])
    cluster.run(
        playbook="resolver.yml",
        resolver_store_path=str(cluster.folder / "stores/ACME"),
        resolver_keys_path=str(cluster.folder / "keys"),
    )
    does(cluster, retire)
    assert claims(cluster, "ACME").body.signing_keys == [new]
    restart(cluster, *NAMES)


def test_new_key_of_the_operator_signs_nothing_though_no_rotation_is_asked_for(cluster: Cluster) -> None:
    document = account_of_users()
    document["operator"]["signing_keys"] = ["main", "other"]
    document["accounts"][1]["signing_key_role"] = "other"
    message = refused(cluster, document=document)
    assert (
        "APP: signed by (a new operator key: ACME/signing_keys/other), which the servers n1, n2, n3 do not trust"
        in message
    )


def test_keys_go_when_no_client_is_connected_by_them(cluster: Cluster, clients: Clients) -> None:
    (old,) = (key.key for key in claims(cluster, "accounts/APP/APP").body.signing_keys)
    main = {"account": "APP", "role": "main", "public_key": old}
    connected = clients.connect("app", "n1", "n2")
    does(cluster, {**main, "phase": "resign"}, open=2)
    message = refused(cluster, {**main, "phase": "retire"}, open=2)
    assert (
        f"the key {old} of APP/main cannot be removed yet: app is connected (2 connections on n1, n2) by JWTs that it signed."
        in message
    )
    for one in connected:
        clients.do(one.close())
    does(cluster, {**main, "phase": "retire"})

    (current,) = (key.key for key in claims(cluster, "accounts/APP/APP").body.signing_keys)
    assert current != old
    cluster.run(operator_definition=account_of_users())
    guest = key_of_user(cluster, "guest")
    (one,) = clients.connect("guest", "n3")
    user = {"account": "APP", "user": "guest", "public_key": guest}
    does(cluster, {**user, "phase": "resign"}, open=1)
    message = refused(cluster, {**user, "phase": "retire"}, open=1)
    assert (
        f"the key {guest} of APP/guest cannot be removed yet: guest is connected (1 connection on n3) by it." in message
    )
    assert guest not in claims(cluster, "accounts/APP/APP").body.revocations

    # What is compromised goes although clients are connected by it, and so does what a task cuts off.
    does(cluster, {**user, "phase": "replace"}, open=1)
    assert guest in claims(cluster, "accounts/APP/APP").body.revocations
    clients.do(one.close())


def test_push_warns_of_clients_that_it_cuts_off(cluster: Cluster, clients: Clients) -> None:
    """So that it does not wait while a stolen key is valid. Check mode warns too."""
    cluster.run(operator_definition=account_of_users())
    account = claims(cluster, "accounts/APP/APP")
    (old,) = (key.key for key in account.body.signing_keys)
    connected = clients.connect("app", "n1", "n2")
    does(cluster, {"account": "APP", "role": "main", "public_key": old, "phase": "replace"}, open=2)
    warning = (
        f"The account APP ({account.subject}) no longer has the signing key {old}: app is connected (2 connections on n1, n2) by JWTs that it signed. "
        "Servers close these connections, and refuse the clients until they have current creds."
    )
    given = {
        "resolver_store_path": str(cluster.folder / "stores/ACME"),
        "resolver_keys_path": str(cluster.folder / "keys"),
    }
    for arguments in (["--check"], []):
        assert all(one.is_connected for one in connected)
        assert warning in " ".join(cluster.run(*arguments, playbook="resolver.yml", **given).split())
    clients.notice_the_end(connected)
    assert "no longer has the signing key" not in cluster.run(playbook="resolver.yml", **given)


@pytest.mark.parametrize(
    ("cluster", "message"),
    [
        (
            {"servers": [{"name": "n1"}]},
            "cluster.servers[0].operators is None, expected a list as a task for servers returns it.",
        ),
        (
            {"servers": [{"name": "n1", "operators": ["ACME"]}]},
            "cluster.servers[0].operators[0] is 'ACME', expected a dictionary",
        ),
        (
            {"accounts": [{"name": "APP", "claims": {"issuer": "O"}}]},
            "cluster.accounts[0].servers is None, expected a dictionary",
        ),
        ({"connections": [{"server": "n1"}]}, "cluster.connections[0].account is None, expected a text"),
    ],
)
def test_what_no_task_returns_is_refused(site: Site, cluster: dict[str, Any], message: str) -> None:
    document = {"operator": {"name": "ACME"}, "accounts": []}
    given = {"stores_dir": site / "stores", "keys_dir": site / "keys", "definition": document}
    assert site.refuse("store", **given, cluster=cluster).startswith(message)
