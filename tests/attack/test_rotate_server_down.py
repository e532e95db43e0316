# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""A server that goes down before a phase of a key rotation: the run names it, no client is refused meanwhile, and the next run completes the rotation."""

from __future__ import annotations

import dataclasses
import pathlib
import signal
from collections.abc import Callable
from typing import Any

import pytest
from support.fleets import lets_in
from support.inventories import NAMES, Clients, Cluster, account_of_users, cluster_of
from support.kills import killing
from support.rotations import SYSTEM_CREDS, Rotating, callout_document, identity_document, scoped_document

from ansible_collections.natsops.security.plugins.module_utils.token import codec

pytestmark = [pytest.mark.playbook, pytest.mark.server, pytest.mark.attack]

DOWN = "n2"


@pytest.fixture
def world(cluster: Cluster) -> Rotating:
    return Rotating(cluster)


def run_without(world: Rotating, task: str, **variables: Any) -> None:
    """Check that a run fails and names the server that goes down before the task with this name."""
    server = world.cluster.processes[DOWN]
    status, output = world.attempt(killing(world.cluster.folder, task, server.pid), **variables)
    assert server.poll() is not None, f"there is no task {task}"
    world.cluster.stop(DOWN)
    assert status != 0
    assert f"expected_servers: {DOWN} did not answer; n1, n3 did." in " ".join(output.split()), output[-3000:]


def run_beside_hanging(world: Rotating, task: str, **variables: Any) -> None:
    """Check that a run fails and names the server that hangs from the task with this name on: it accepts connections, and does not answer. It goes on after."""
    server = world.cluster.processes[DOWN]
    try:
        status, output = world.attempt(killing(world.cluster.folder, task, server.pid, signal.SIGSTOP), **variables)
    finally:
        server.send_signal(signal.SIGCONT)
    assert status != 0, f"there is no task {task}"
    assert f"{DOWN} did not answer" in " ".join(output.split()), output[-3000:]


def lets_in_with(world: Rotating, creds: str) -> list[str]:
    """The running servers that accept these creds."""
    ports = dict(zip(NAMES, world.cluster.ports, strict=False))
    running = [name for name in NAMES if name in world.cluster.processes]
    return [name for name in running if lets_in(f"nats://127.0.0.1:{ports[name]}", creds)]


@dataclasses.dataclass(frozen=True)
class Kind:
    """A key of an account or a user that is rotated: the variables of the playbook, the key, and the first task that changes something."""

    asked: dict[str, Any]
    current: Callable[[Rotating], str]
    first: str
    document: Callable[[], dict[str, Any]] = account_of_users
    role: str | None = None

    @property
    def is_of_system_account(self) -> bool:
        return any(value.startswith("SYS/") for value in self.asked.values())

    def account(self, world: Rotating) -> Any:
        return world.system_account if self.is_of_system_account else world.account

    def creds(self, world: Rotating) -> pathlib.Path:
        """The file with the creds of the user that has to be let in all the while."""
        return world.cluster.folder / "keys/creds/ACME/SYS/u.creds" if self.is_of_system_account else world.creds

    def is_retired(self, world: Rotating, key: str) -> bool:
        """Whether the JWT of the account lacks a signing key, or revokes the key of a user."""
        body = self.account(world).body
        return key in body.revocations or (key[:1] == "A" and key not in [one.key for one in body.signing_keys])


SIGNS, TURNS = "Sign again what the old key signed", "Give the user a new key"
KINDS = {
    "signing key": Kind({"rotate_slot": "APP/main"}, lambda world: world.user.issuer, SIGNS),
    "scoped key": Kind({"rotate_slot": "APP/clerk"}, lambda world: world.user.issuer, SIGNS, scoped_document, "clerk"),
    "user": Kind({"rotate_user": "APP/app"}, lambda world: world.user.subject, TURNS),
    "user of the system account": Kind(
        {"rotate_user": "SYS/u", "resolver_creds_path": SYSTEM_CREDS}, lambda world: world.system_user.subject, TURNS
    ),
    "signing key of the system account": Kind(
        {"rotate_slot": "SYS/main", "resolver_creds_path": SYSTEM_CREDS}, lambda world: world.system_user.issuer, SIGNS
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_server_goes_down_while_the_key_of_an_account_is_rotated(cluster: Cluster, kind: str) -> None:
    """Before the new key signs, before the push, the distribution of creds, the drain, and before the old key is retired."""
    asked = KINDS[kind]
    document = asked.document()
    if asked.role:
        cluster.run(operator_definition=document)
    world = Rotating(cluster, asked.role)
    old = asked.current(world)
    given = {"operator_definition": document, **asked.asked, "rotate_key": old}
    creds = asked.creds(world).read_text()
    for task in (
        asked.first,
        "Push the account to the servers",
        "Take the users that this host is to have",
        "Look who is connected by the old key",
        "Retire the old key",
    ):
        run_without(world, task, **given, rotate_drain_timeout=1)
        assert asked.is_retired(world, old) is (task == "Retire the old key"), task
        assert lets_in_with(world, asked.creds(world).read_text()) == ["n1", "n3"], task
        world.cluster.start(DOWN)
        assert lets_in_with(world, asked.creds(world).read_text()) == [*NAMES], task
    world.run(**given)
    assert asked.is_retired(world, old)
    assert len(world.held(asked.account(world).subject)) == 1
    assert lets_in_with(world, asked.creds(world).read_text()) == [*NAMES]
    assert lets_in_with(world, creds) == []


def test_server_hangs_while_the_key_of_an_account_is_rotated(cluster: Cluster) -> None:
    world = Rotating(cluster)
    old, creds = world.user.issuer, world.creds.read_text()
    given = {"operator_definition": account_of_users(), "rotate_slot": "APP/main", "rotate_key": old}
    for task in ("Push the account to the servers", "Look who is connected by the old key", "Retire the old key"):
        run_beside_hanging(world, task, **given, rotate_drain_timeout=1)
        is_retired = old not in [one.key for one in world.account.body.signing_keys]
        assert is_retired is (task == "Retire the old key"), task
        assert lets_in_with(world, world.creds.read_text()) == [*NAMES], task
    world.run(**given)
    assert len(world.held(world.account.subject)) == 1
    assert lets_in_with(world, world.creds.read_text()) == [*NAMES]
    assert lets_in_with(world, creds) == []


def test_server_goes_down_while_a_curve_key_is_rotated(cluster: Cluster) -> None:
    """Before servers have to seal for the next key, before the push, and before the seed of the old key is archived."""
    cluster.run(operator_definition=callout_document())
    world = Rotating(cluster)
    old = world.account.body.authorization.xkey
    given = {"operator_definition": callout_document(), "rotate_slot": "APP/callout", "rotate_key": old}
    seed = f"keys/X/{old[1:3]}/{old}.nk"
    for task in (
        "Make the next curve key, or have servers seal requests for it",
        "Push the account to the servers",
        "Retire the old key",
    ):
        run_without(world, task, **given, rotate_service_ready=True)
        assert (cluster.folder / "keys" / seed).exists() is (task != "Retire the old key"), task
        assert world.accepts() == ["n1", "n3"], task
        world.cluster.start(DOWN)
        assert world.accepts() == [*NAMES], task
    world.run(**given, rotate_service_ready=True)
    assert not (cluster.folder / "keys" / seed).exists()
    (held,) = map(codec.decode, world.held())
    assert held.body.authorization.xkey == world.account.body.authorization.xkey != old
    assert world.accepts() == [*NAMES]
    cluster.run(operator_definition=account_of_users())


def test_server_goes_down_on_the_way_to_strict_mode(tmp_path: pathlib.Path, collections_path: pathlib.Path) -> None:
    """Before keys are added, before servers have to trust them, before they sign, before the push, the drain and the switch. A server that goes down
    before the switch is named as well, and starts with the JWT of the store."""
    with cluster_of(tmp_path, collections_path, identity_document()) as cluster:
        world = Rotating(cluster)
        document = identity_document(signing_keys=["main"], strict_signing_key_usage=True)
        given = {"operator_definition": document, "rotate_strict_mode": True, "rotate_drain_timeout": 1}
        creds = world.creds.read_text()
        for task in (
            "Add the signing keys of the document",
            "Check that every server trusts them, as it runs",
            "Sign again what identity keys signed",
            "Push it to the servers",
            "Take the users that this host is to have",
            "Look who is connected by JWTs of identity keys, and what servers hold",
        ):
            if task == "Sign again what identity keys signed":
                assert world.account.issuer == world.operator.subject
                world.restart()
            run_without(world, task, **given, resolver_trust_retries=1)
            assert not world.operator.body.strict_signing_key_usage, task
            assert world.accepts() == ["n1", "n3"], task
            world.cluster.start(DOWN)
            assert world.accepts() == [*NAMES], task
        status, output = world.attempt({}, **given, resolver_trust_retries=1)
        assert status != 0
        assert "The servers n1, n2, n3 do not run the JWT of the operator" in " ".join(output.split()), output[-3000:]
        world.restart()
        run_without(world, "Switch strict_signing_key_usage on", **given, resolver_trust_retries=1)
        assert world.operator.body.strict_signing_key_usage
        assert world.accepts() == ["n1", "n3"]
        world.cluster.start(DOWN)
        assert world.accepts() == [*NAMES]
        world.restart()
        world.run(**given)
        assert world.accepts() == [*NAMES]
        assert lets_in_with(world, creds) == []


@pytest.mark.parametrize(
    ("asked", "last"),
    [
        ({"rotate_slot": "main"}, "Retire the old key"),
        ({"rotate_operator": "ACME"}, "Have servers trust it no longer"),
    ],
)
def test_server_goes_down_while_a_key_of_the_operator_is_rotated(
    world: Rotating, asked: dict[str, str], last: str
) -> None:
    """Before the new key is added, before servers have to trust it, before it signs, before the push, before the servers are asked whether they need the old
    key, and after their answers. Then the key goes, and the server starts with the JWT of the store."""
    old = world.account.issuer if "rotate_slot" in asked else world.operator.subject
    given = {"operator_definition": account_of_users(), **asked, "rotate_key": old}
    for task in (
        "Add the next key",
        "Check that every server trusts it, as it runs",
        "Sign again what the old key signed",
        "Push it to the servers",
        "Look whether servers need the old key",
    ):
        if task == "Sign again what the old key signed":
            assert codec.decode(min(world.held())).issuer == world.account.issuer
            world.restart()
        run_without(world, task, **given, resolver_trust_retries=1)
        assert old in [world.operator.subject, *world.operator.body.signing_keys]
        assert world.accepts() == ["n1", "n3"], task
        world.cluster.start(DOWN)
        assert world.accepts() == [*NAMES], task
    server = world.cluster.processes[DOWN]
    status, output = world.attempt(killing(world.cluster.folder, last, server.pid), **given)
    assert (status, server.poll() is None) == (0, False), output[-3000:]
    world.cluster.stop(DOWN)
    assert world.accepts() == ["n1", "n3"]
    world.cluster.start(DOWN)
    assert world.accepts() == [*NAMES]
    (signing,) = world.operator.body.signing_keys
    assert {world.account.issuer, *(codec.decode(token).issuer for token in world.held())} == {signing}
    assert old not in [world.operator.subject, signing]
    world.restart()
    assert world.accepts() == [*NAMES]


def compromised(world: Rotating, kind: str) -> dict[str, Any]:
    """The variables of a run that replaces the key of the account, or that of its user app, at once."""
    (key,) = (key.key for key in world.account.body.signing_keys)
    asked = {"rotate_slot": "APP/main", "rotate_key": key}
    if kind == "user":
        asked = {"rotate_user": "APP/app", "rotate_key": world.user.subject}
    return {"operator_definition": account_of_users(), "rotate_compromised": True, **asked}


@pytest.mark.parametrize("kind", ["account", "user"])
def test_compromised_key_goes_from_the_servers_that_run(world: Rotating, clients: Clients, kind: str) -> None:
    """The run fails at its end, when the host of the application has its new creds. The next run completes it."""
    given, stolen = compromised(world, kind), world.creds.read_text()
    world.cluster.stop(DOWN)
    connected = clients.connect("app", "n1", "n3", creds=stolen)
    status, output = world.attempt({}, **given)
    assert status != 0
    said = f"expected_servers: {DOWN} did not answer; n1, n3 did, and no connection is left there."
    assert said in " ".join(output.split()), output[-3000:]
    clients.notice_the_end(connected)
    assert (lets_in_with(world, stolen), world.accepts()) == ([], ["n1", "n3"])
    world.cluster.start(DOWN)
    world.run(**given)
    assert (lets_in_with(world, stolen), world.accepts()) == ([], [*NAMES])
    assert len(world.held()) == 1


def test_compromised_key_goes_though_the_run_removes_an_account_too(world: Rotating) -> None:
    """With resolver_state exact, the check whether the account is in use does not wait for a server that is down."""
    given, stolen = compromised(world, "account"), world.creds.read_text()
    document = account_of_users()
    document["accounts"].append({"name": "OLD"})
    world.cluster.run(operator_definition=document)
    given.update(resolver_state="exact", operator_prune=True)
    world.cluster.stop(DOWN)
    status, output = world.attempt({}, **given)
    assert status != 0
    assert f"expected_servers: {DOWN} did not answer" in " ".join(output.split()), output[-3000:]
    assert (lets_in_with(world, stolen), world.accepts()) == ([], ["n1", "n3"])
    world.cluster.start(DOWN)
    world.run(**given)
    assert (lets_in_with(world, stolen), world.accepts()) == ([], [*NAMES])
    assert "OLD" not in world.cluster.held("n1")


def test_compromised_key_of_a_user_goes_though_a_host_is_unreachable(world: Rotating) -> None:
    """The hosts that can be reached get their new creds, the other one is reported."""
    given, stolen = compromised(world, "user"), world.creds.read_text()
    world.describe_hosts("app0")
    status, output = world.attempt({}, **given)
    assert status != 0
    assert "[app0]: UNREACHABLE!" in output, output[-3000:]
    assert (lets_in_with(world, stolen), world.accepts()) == ([], [*NAMES])
    assert world.creds.read_text() != stolen
