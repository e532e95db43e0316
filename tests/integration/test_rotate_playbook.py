# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The playbook natsops.security.rotate on three servers with connected clients: no client is refused, and unused keys are removed."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from support.fleets import lets_in
from support.inventories import NAMES, Clients, Cluster, account_of_users, changed_tasks, key_of_user
from support.rotations import Rotating, foreseen

from ansible_collections.natsops.security.plugins.module_utils.token import codec, decorated

pytestmark = [pytest.mark.playbook, pytest.mark.server]


def rotate(cluster: Cluster, *arguments: str, succeeds: bool = True, **variables: Any) -> str:
    """The output of the playbook, with single spaces."""
    given = {"operator_definition": account_of_users(), "rotate_drain_timeout": 1, **variables}
    return " ".join(cluster.run(*arguments, playbook="natsops.security.rotate", succeeds=succeeds, **given).split())


def left(cluster: Cluster, **variables: Any) -> Any:
    """What is left in each phase, as check mode shows it. Two hosts have the creds of a user, another has none."""
    wanted = {"app1": [{"account": "APP", "name": "app"}], "app2": [{"account": "APP", "name": "guest"}], "app3": []}
    hosts = {
        host: {
            "credentials_users": [{**user, "path": str(cluster.folder / host), "born": "delivered"} for user in users]
        }
        for host, users in wanted.items()
    }
    inventory = {
        "nats_clients": {"hosts": hosts, "vars": {"ansible_connection": "local", "credentials_operator": "ACME"}}
    }
    (cluster.folder / "hosts.yml").write_text(yaml.safe_dump(inventory))
    folders = {f"credentials_{name}_dir": str(cluster.folder / name) for name in ("stores", "keys")}
    given = {"operator_definition": account_of_users(), **folders, **variables}
    options = ("-i", str(cluster.folder / "hosts.yml"), "--check", "--skip-tags", "nats_server")
    return foreseen(cluster.run(*options, playbook="natsops.security.rotate", **given))


def issuer(cluster: Cluster, user: str) -> str:
    return str(codec.decode((cluster.folder / f"stores/ACME/accounts/APP/users/{user}.jwt").read_text()).issuer)


def test_key_of_an_account_goes_when_nobody_is_connected_by_it(cluster: Cluster, clients: Clients) -> None:
    urls = [f"nats://127.0.0.1:{port}" for port in cluster.ports[:3]]
    old = issuer(cluster, "app")
    output = rotate(cluster, succeeds=False, rotate_slot="APP/main")
    assert f"no rotation of APP/main is in progress, so nothing was changed. The current key is {old}." in output
    output = rotate(cluster, succeeds=False, rotate_slot="APP/none")
    assert (
        "APP/none is not a role of a signing key in the store. Write ACCOUNT/ROLE, or ROLE for a key of the operator; there are"
        in output
    )
    assert "SYS/main" in output
    output = rotate(cluster, succeeds=False, rotate_slot="APP")
    assert (
        "The identity key of the account APP is not rotated, as its data belongs to this key: make a new account"
        in output
    )

    connected = clients.connect("app")
    creds = clients.creds("app")
    before = cluster.snapshot()
    users = [f"user {user['name']}" for user in account_of_users()["accounts"][1]["users"]]
    assert left(cluster, rotate_slot="APP/main", rotate_key=old) == {
        "phase": "add",
        "left": {
            "add": ["account APP"],
            "trust": [],
            "resign": users,
            "push": ["account APP"],
            "distribute": ["app1", "app2"],
            "drain": ["app on n1", "app on n2", "app on n3"],
            "retire": ["account APP"],
        },
        "tokens": {"add": 1, "resign": len(users), "push": 1, "retire": 1},
        "hosts": {"trust": 0, "push": 3, "distribute": 2},
        "restarts": [],
    }
    assert cluster.snapshot() == before
    output = rotate(cluster, succeeds=False, rotate_slot="APP/main", rotate_key=old)
    said = f"the key {old} of APP/main cannot be removed yet: app is connected (3 connections on n1, n2, n3) by JWTs that it signed."
    assert said in output, output[-4000:]
    new = issuer(cluster, "app")
    assert new != old
    assert all(one.is_connected for one in connected)
    assert all(lets_in(url, given) for url in urls for given in (creds, clients.creds("app")))

    output = rotate(cluster, succeeds=False, rotate_slot="APP/main", rotate_key=new)
    assert f"another rotation of the role main is under way: {old} is not retired yet." in output

    seen = left(cluster, rotate_slot="APP/main")
    assert seen["phase"] == "distribute"
    assert {phase for phase, names in seen["left"].items() if names} == {"distribute", "drain", "retire"}

    # The rotation is continued even if the key is omitted.
    for one in connected:
        clients.do(one.close())
    connected = clients.connect("app")
    rotate(cluster, rotate_slot="APP/main")
    assert issuer(cluster, "app") == new
    assert all(one.is_connected for one in connected)
    assert all(lets_in(url, clients.creds("app")) for url in urls)
    assert not any(lets_in(url, creds) for url in urls)
    before = cluster.snapshot()
    assert (
        changed_tasks(
            cluster.run(
                playbook="natsops.security.rotate",
                operator_definition=account_of_users(),
                rotate_slot="APP/main",
                rotate_key=old,
            )
        )
        == []
    )
    checked = cluster.run(
        "--check",
        playbook="natsops.security.rotate",
        operator_definition=account_of_users(),
        rotate_slot="APP/main",
        rotate_key=old,
    )
    assert foreseen(checked)["phase"] == "done"
    assert cluster.snapshot() == before


def test_key_stays_while_a_host_did_not_get_its_new_creds(cluster: Cluster) -> None:
    world = Rotating(cluster)
    world.describe_hosts("app0")
    old, creds = world.user.issuer, world.creds.read_text()
    given = {"operator_definition": account_of_users(), "rotate_slot": "APP/main", "rotate_key": old}
    status, output = world.attempt({}, **given)
    said = f"The key {old} cannot be removed yet, as hosts did not get their new creds: app0. They were unreachable, failed,"
    assert status != 0
    assert said in " ".join(output.split()), output[-3000:]
    assert world.creds.read_text() != creds
    assert all(lets_in(url, creds) for url in cluster.urls)
    world.describe_hosts()
    world.run(**given)
    assert not any(lets_in(url, creds) for url in cluster.urls)


@pytest.mark.attack
def test_servers_close_what_is_connected_by_the_old_key(cluster: Cluster, clients: Clients) -> None:
    connected, other = clients.connect("app"), clients.connect("guest", "n1")
    old = issuer(cluster, "app")
    rotate(cluster, rotate_slot="APP/main", rotate_key=old, rotate_reconnect=True)
    clients.notice_the_end([*connected, *other])
    assert clients.connect("app")[0].is_connected


@pytest.mark.attack
def test_old_key_goes_after_the_wait_though_clients_are_connected_if_they_may_be_cut_off(
    cluster: Cluster, clients: Clients
) -> None:
    connected = clients.connect("app")
    old = issuer(cluster, "app")
    output = rotate(cluster, rotate_slot="APP/main", rotate_key=old, operator_cut_off=True)
    connected_by = "app is connected (3 connections on n1, n2, n3) by JWTs that it signed"
    said = f"the key {old} of APP/main is removed at once (operator_cut_off): {connected_by}. They are cut off."
    assert said in output, output[-4000:]
    clients.notice_the_end(connected)
    assert clients.connect("app")[0].is_connected


def test_key_that_is_compromised_goes_at_once(cluster: Cluster, clients: Clients) -> None:
    connected = clients.connect("app")
    creds = clients.creds("app")
    old = issuer(cluster, "app")
    checked = rotate(cluster, "--check", rotate_slot="APP/main", rotate_key=old, rotate_compromised=True)
    assert f"the compromised key {old} has signed the user APP/app" in checked
    assert issuer(cluster, "app") == old
    output = rotate(cluster, rotate_slot="APP/main", rotate_key=old, rotate_compromised=True)
    assert f'"old": "{old}"' in output
    assert re.search(f"the compromised key {old} has signed the user APP/app.* existed at [0-9TZ:-]+ already", output)
    assert re.search(r'"exposed": \{\s+"accounts": \[\],', output)
    clients.notice_the_end(connected)
    assert not any(lets_in(f"nats://127.0.0.1:{port}", creds) for port in cluster.ports[:3])
    assert clients.connect("app")[0].is_connected


@pytest.mark.attack
def test_the_tag_of_the_role_runs_all_that_it_includes(cluster: Cluster, clients: Clients) -> None:
    old = issuer(cluster, "app")
    rotate(cluster, "--tags", "nats_rotation", rotate_slot="APP/main", rotate_key=old)
    assert issuer(cluster, "app") != old
    assert all(lets_in(f"nats://127.0.0.1:{port}", clients.creds("app")) for port in cluster.ports[:3])
    assert (
        changed_tasks(
            cluster.run(
                playbook="natsops.security.rotate",
                operator_definition=account_of_users(),
                rotate_slot="APP/main",
                rotate_key=old,
            )
        )
        == []
    )


def test_key_of_a_user_is_revoked_when_nobody_is_connected_by_it(cluster: Cluster, clients: Clients) -> None:
    urls = [f"nats://127.0.0.1:{port}" for port in cluster.ports[:3]]
    old, creds = key_of_user(cluster, "guest"), clients.creds("guest")
    connected = clients.connect("guest", "n1")
    output = rotate(cluster, succeeds=False, rotate_user="APP/guest", rotate_key=old)
    said = f"the key {old} of APP/guest cannot be removed yet: guest is connected (1 connection on n1) by it."
    assert said in output, output[-4000:]
    assert key_of_user(cluster, "guest") != old
    assert connected[0].is_connected
    assert all(lets_in(url, given) for url in urls for given in (creds, clients.creds("guest")))
    clients.do(connected[0].close())
    rotate(cluster, rotate_user="APP/guest")
    assert all(lets_in(url, clients.creds("guest")) for url in urls)
    assert not any(lets_in(url, creds) for url in urls)


@pytest.mark.attack
@pytest.mark.parametrize("is_described", [True, False])
def test_key_that_a_host_made_is_followed_by_one_that_it_makes(
    cluster: Cluster, clients: Clients, is_described: bool
) -> None:
    """Neither seed leaves the host. The user is described in the document of the accounts, or only in the variables of its host."""
    urls = [f"nats://127.0.0.1:{port}" for port in cluster.ports[:3]]
    name = f"born-{is_described}"
    path = cluster.folder / f"{name}.creds"
    users = [{"account": "APP", "name": name, "path": str(path), "claims": None if is_described else {"tags": ["x"]}}]
    host = {"ansible_connection": "local", "credentials_users": users}
    other = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
    inventory = cluster.folder / "applications.yml"
    inventory.write_text(
        yaml.safe_dump({"nats_clients": {"hosts": {"app1": host}}, "elsewhere": {"hosts": {"x": other}}})
    )
    document = account_of_users()
    if is_described:
        document["accounts"][1]["users"].append({"name": name})
    also = ["-i", str(inventory)]
    given = {"operator_definition": document, "rotate_user": f"APP/{name}"}
    variables = {"credentials_operator": "ACME", "credentials_stores_dir": str(cluster.folder / "stores")}
    keys = {"credentials_keys_dir": str(cluster.folder / "keys")}
    cluster.run(*also, playbook="natsops.security.credentials", **variables, **keys)
    old, creds = key_of_user(cluster, name), path.read_text()
    connected = clients.connect(name, creds=creds)
    assert old in rotate(cluster, *also, succeeds=False, **given)

    before = cluster.snapshot()
    output = rotate(cluster, *also, "--check", **given, rotate_key=old)
    assert (cluster.snapshot(), path.read_text()) == (before, creds)
    assert f"(a new user key: APP/{name} (next))" in output
    output = rotate(cluster, *also, succeeds=False, **given, rotate_key=old)
    assert f"the key {old} of APP/{name} cannot be removed yet" in output, output[-4000:]
    new = codec.decode(decorated.find_token(path.read_text()))
    assert new.subject == key_of_user(cluster, name) == decorated.find_seed(path.read_text()).public_key != old
    assert new.body.tags == ([] if is_described else ["x"])
    assert all(one.is_connected for one in connected)
    assert all(lets_in(url, text) for url in urls for text in (creds, path.read_text()))
    for one in connected:
        clients.do(one.close())
    connected = clients.connect(name, creds=path.read_text())
    rotate(cluster, *also, **given, rotate_key=old)
    assert all(one.is_connected for one in connected)
    assert not any(lets_in(url, creds) for url in urls)
    assert all(lets_in(url, path.read_text()) for url in urls)
    assert changed_tasks(cluster.run(*also, playbook="natsops.security.rotate", **given, rotate_key=old)) == []
    seeds = [decorated.find_seed(text).seed for text in (creds, path.read_text())]
    elsewhere = [one for one in cluster.folder.rglob("*") if one.is_file() and one != path]
    assert [one for one in elsewhere if any(seed in one.read_text(errors="replace") for seed in seeds)] == []

    rotate(cluster, *also, **given, rotate_key=new.subject, rotate_compromised=True)
    clients.notice_the_end(connected)
    assert all(lets_in(url, path.read_text()) for url in urls)
    cluster.run(operator_definition=account_of_users())


@pytest.mark.attack
def test_key_of_a_user_that_is_compromised_is_revoked_at_once(cluster: Cluster, clients: Clients) -> None:
    output = rotate(cluster, succeeds=False, rotate_user="APP/u1", rotate_compromised=True)
    assert "rotation_key: it is empty, and no rotation of APP/u1 is in progress, so nothing" in output
    assert "servers may accept the key that it removed: set rotation_key to that key again." in output
    assert f"The current key is {key_of_user(cluster, 'u1')}." in output
    assert "rotation_user: APP/none is not a user in the store." in rotate(
        cluster, succeeds=False, rotate_user="APP/none"
    )
    connected, old = clients.connect("u1"), key_of_user(cluster, "u1")
    creds = clients.creds("u1")
    rotate(cluster, rotate_user="APP/u1", rotate_key=old, rotate_compromised=True)
    clients.notice_the_end(connected)
    assert not any(lets_in(f"nats://127.0.0.1:{port}", creds) for port in cluster.ports[:3])
    assert clients.connect("u1")[0].is_connected


@pytest.mark.attack
def test_curve_key_changes_when_the_service_has_both_seeds(cluster: Cluster) -> None:
    document = account_of_users()
    callout = {"auth_users": ["app"], "xkey": {"role": "callout"}}
    document["accounts"][1]["authorization"] = callout
    cluster.run(operator_definition=document)
    path = cluster.folder / "stores/ACME/accounts/APP/APP.jwt"

    def xkey() -> str:
        return str(codec.decode(path.read_text()).body.authorization.xkey)

    old = xkey()
    given = {"operator_definition": document, "rotate_slot": "APP/callout"}
    output = rotate(cluster, **given, rotate_key=old)
    assert "Give the service of the auth callout the seed of X" in output
    assert xkey() == old
    rotate(cluster, **given, rotate_service_ready=True)
    assert xkey() != old
    held = [next((cluster.folder / name).glob(f"{codec.decode(path.read_text()).subject}.jwt")) for name in NAMES]
    assert {one.read_text() for one in held} == {path.read_text()}
    assert any(one.name.startswith(old) for one in (cluster.folder / "keys/.natsops/archive").rglob("*.archived"))

    stolen = xkey()
    output = rotate(cluster, **given, rotate_key=stolen, rotate_compromised=True)
    assert xkey() != stolen
    assert f"Give the service of the auth callout the seed of {xkey()} now: requests fail until it has it." in output
    cluster.run(operator_definition=account_of_users())


@pytest.mark.attack
def test_cluster_that_stops_answering_keeps_the_old_key(cluster: Cluster) -> None:
    """After the new key has signed: while waiting for connections by the old key to end, and while asking the servers which keys they trust."""
    old = issuer(cluster, "app")
    role = "ansible.builtin.include_role"
    pids = [str(process.pid) for process in cluster.processes.values()]
    gone = {"ansible.builtin.command": {"argv": ["kill", *pids]}}
    trust = {
        role: {"name": "natsops.security.resolver", "tasks_from": "rotation"},
        "vars": {"resolver_trusted_key": "O"},
    }
    complete = {role: {"name": "natsops.security.rotation", "tasks_from": "complete"}}
    plays = [
        {"hosts": "nats", "gather_facts": False, "tasks": [{role: {"name": "natsops.security.rotation"}}]},
        {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [gone]},
        {"hosts": "nats", "gather_facts": False, "tasks": [{"block": [trust], "rescue": [complete]}]},
    ]
    (cluster.folder / "stops.yml").write_text(yaml.safe_dump(plays))
    given = {"operator_definition": account_of_users(), "rotation_slot": "APP/main", "rotation_key": old}
    waits = {"rotation_drain_timeout": 1, "resolver_trust_retries": 1, "resolver_connect_timeout": "1s"}
    output = cluster.run(playbook="stops.yml", succeeds=False, **given, **waits)
    for task in ("Require servers that run the operator's JWT", "Require an answer of every server"):
        said = output.partition(f": {task}]")[2].partition("TASK [")[0]
        assert "127.0.0.1" in said, output[-6000:]
        assert "Traceback" not in said
    account = codec.decode((cluster.folder / "stores/ACME/accounts/APP/APP.jwt").read_text())
    assert old in [key.key for key in account.body.signing_keys]
    cluster.stop()
    cluster.start()
    rotate(cluster, rotate_slot="APP/main")
    assert issuer(cluster, "app") != old
