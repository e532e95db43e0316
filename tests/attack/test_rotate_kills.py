# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Key rotations that are killed: the next run completes them.

The playbook natsops.security.rotate is killed before some of its tasks, for keys of accounts, users and operators and strict mode, and no client is refused
afterwards; `make attack KILL_STRIDE=1` kills it before every task. The phases of a rotation of the operator's identity key are killed at every call that
changes files.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import pathlib
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.faults import FaultyModules
from support.fleets import lets_in
from support.inventories import NAMES, Clients, Cluster, account_of_users, changed_tasks, cluster_of
from support.kills import KILLED, killing, tasks_of
from support.plays import BIN
from support.rotations import SYSTEM_CREDS, Rotating, callout_document, identity_document, scoped_document
from support.scenarios import DOCUMENT, Scenario, store
from support.sites import Site
from test_kills import Trial, try_all

from ansible_collections.natsops.security.plugins.module_utils.token import codec

pytestmark = [pytest.mark.playbook, pytest.mark.server, pytest.mark.attack]


def test_run_that_is_killed_before_any_task_is_completed_by_the_next(cluster: Cluster, clients: Clients) -> None:
    url = f"nats://127.0.0.1:{cluster.ports[0]}"
    number, tasks = 1, 0
    variables = {
        "operator_stores_dir": str(cluster.folder / "stores"),
        "operator_keys_dir": str(cluster.folder / "keys"),
        "operator_definition": account_of_users(),
        "rotate_slot": "APP/main",
        "rotate_drain_timeout": 5,
    }
    while not tasks:
        user = cluster.folder / "stores/ACME/accounts/APP/users/app.jwt"
        old = codec.decode(user.read_text()).issuer
        given = json.dumps({**variables, "rotate_key": old})
        killed = subprocess.run(
            [
                str(BIN / "ansible-playbook"),
                "-i",
                str(cluster.folder / "inventory.yml"),
                "natsops.security.rotate",
                "-e",
                given,
            ],
            env={**cluster.environment, **killing(cluster.folder, number)},
            capture_output=True,
            check=False,
        )
        tasks = 0 if killed.returncode == KILLED else number
        cluster.run(playbook="natsops.security.rotate", **{**variables, "rotate_key": old})
        account = codec.decode((cluster.folder / "stores/ACME/accounts/APP/APP.jwt").read_text())
        keys = [key.key for key in account.body.signing_keys]
        assert old not in keys, number
        assert codec.decode(user.read_text()).issuer in keys
        assert lets_in(url, clients.creds("app")), number
        again = cluster.run(playbook="natsops.security.rotate", **{**variables, "rotate_key": old})
        assert changed_tasks(again) == [], number
        number += 3
    assert tasks > 20


@dataclasses.dataclass(frozen=True)
class Kind:
    """What is rotated: the variables of the playbook, and the key that goes, or in strict mode what it leads to."""

    variables: dict[str, Any]
    current: Callable[[Rotating], Any]
    document: Callable[[], dict[str, Any]] = callout_document
    names_key: bool = True
    by_identity_keys: bool = False
    compromised: bool = False
    role: str | None = None


KINDS = {
    "signing key": Kind({"rotate_slot": "APP/main"}, lambda world: world.user.issuer),
    "curve key": Kind(
        {"rotate_slot": "APP/callout", "rotate_service_ready": True},
        lambda world: world.account.body.authorization.xkey,
    ),
    "user": Kind({"rotate_user": "APP/app"}, lambda world: world.user.subject),
    "user of the system account": Kind(
        {"rotate_user": "SYS/u", "resolver_creds_path": SYSTEM_CREDS}, lambda world: world.system_user.subject
    ),
    "signing key of the system account": Kind(
        {"rotate_slot": "SYS/main", "resolver_creds_path": SYSTEM_CREDS}, lambda world: world.system_user.issuer
    ),
    "operator's key": Kind({"rotate_slot": "main"}, lambda world: world.account.issuer),
    "scoped key": Kind({"rotate_slot": "APP/clerk"}, lambda world: world.user.issuer, scoped_document, role="clerk"),
    "compromised signing key": Kind(
        {"rotate_slot": "APP/main"}, lambda world: world.user.issuer, account_of_users, compromised=True
    ),
    "compromised user": Kind(
        {"rotate_user": "APP/app"}, lambda world: world.user.subject, account_of_users, compromised=True
    ),
    "operator's identity key": Kind(
        {"rotate_operator": "ACME"}, lambda world: world.operator.subject, identity_document, by_identity_keys=True
    ),
    "strict mode": Kind(
        {"rotate_strict_mode": True},
        lambda world: world.operator.body.strict_signing_key_usage,
        lambda: identity_document(signing_keys=["main"], strict_signing_key_usage=True),
        names_key=False,
        by_identity_keys=True,
    ),
}

#: A run is killed this many tasks after the one before it: `make attack KILL_STRIDE=1` for every task.
STRIDE = int(os.environ.get("KILL_STRIDE", "24"))
#: How the playbook fails where servers have to be restarted, which the role server would do if they ran as services.
TO_RESTART = (
    "do not run the JWT of the operator that the store has yet",
    "do not trust: they run with the JWT of the operator",
    "trusts the operator ACME (",
)
#: The most restarts: for the next key of the operator or the signing keys, and for the strict operator.
MOST_RESTARTS = 2


@pytest.fixture
def servers(kind: str, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """Servers with accounts and users that signing keys signed, or identity keys."""
    if not KINDS[kind].by_identity_keys:
        yield request.getfixturevalue("cluster")
        return
    folder, collections = request.getfixturevalue("tmp_path"), request.getfixturevalue("collections_path")
    with cluster_of(folder, collections, identity_document()) as found:
        yield found


@pytest.mark.parametrize("kind", KINDS)
def test_each_run_goes_on_where_the_one_before_it_was_killed(
    servers: Cluster, kind: str, record_property: Callable[[str, object], None]
) -> None:
    """Servers accept the creds of the host after each run, except those of a compromised key, which is removed before the host has others."""
    asked = KINDS[kind]
    document = asked.document()
    if asked.names_key:
        servers.run(operator_definition=document)
    world = Rotating(servers, asked.role)
    old, stolen = asked.current(world), world.creds.read_text()
    given = {"operator_definition": document, **asked.variables, "resolver_trust_retries": 0}
    given["rotate_compromised"] = asked.compromised
    if asked.names_key:
        given["rotate_key"] = old
    number, kills, restarts, status = 1, 0, 0, KILLED
    while status != 0:
        status, output = world.attempt(killing(servers.folder, number), **given)
        assert asked.compromised or world.accepts() == [*NAMES], number
        if status == KILLED:
            kills += 1
            number += STRIDE
        elif status != 0:
            said = " ".join(output.split())
            assert any(text in said for text in TO_RESTART), output[-3000:]
            restarts += 1
            assert restarts <= MOST_RESTARTS
            world.restart()
    for name, count in (("tasks", tasks_of(servers.folder)), ("kills", kills), ("restarts", restarts)):
        record_property(name, count)
    assert kills > 1
    assert asked.current(world) != old
    assert not asked.compromised or not any(lets_in(url, stolen) for url in servers.urls)
    world.restart()
    assert world.accepts() == [*NAMES]
    assert changed_tasks(world.run(**given)) == []


PHASES = ("add", "resign", "retire")


def of_operator(site: Site, *phases: str) -> dict[str, Any]:
    """Options for a phase of the rotation of the operator's identity key, which has signed accounts. Without a phase, options for the document alone."""
    document = copy.deepcopy(DOCUMENT)
    del document["operator"]["signing_keys"]
    if phases and not (site.folder / "old").exists():
        site.write("old", site.claims("stores/ACME/ACME.jwt").subject)
    rotations = [{"operator": "ACME", "phase": phase, "public_key": site.text("old")} for phase in phases]
    return store(site, document, rotations=rotations)


@pytest.mark.parametrize("phase", PHASES)
def test_phase_of_the_operator_that_is_killed_is_completed(
    phase: str, acme: Site, memory: pathlib.Path, modules_with_faults: FaultyModules
) -> None:
    before = ("", *PHASES)[: PHASES.index(phase) + 1]
    earlier = tuple(("store", lambda site, name=name: of_operator(site, *filter(None, [name]))) for name in before)
    scenario = Scenario("store", lambda site: of_operator(site, phase), earlier)
    try_all(phase, "kill before", Trial(scenario, acme, memory, modules_with_faults), every=True)


def test_document_alone_completes_the_last_phase(
    acme: Site, memory: pathlib.Path, modules_with_faults: FaultyModules
) -> None:
    """It does so if the next key is already recorded as the operator's. Otherwise the JWT of the old key stays."""
    earlier = tuple(
        ("store", lambda site, name=name: of_operator(site, *filter(None, [name]))) for name in ("", *PHASES[:2])
    )
    trial = Trial(
        Scenario("store", lambda site: of_operator(site, "retire"), earlier), acme, memory, modules_with_faults
    )
    calls = trial.run(kind="count", calls="changes").calls
    subjects = set()
    for number in range(1, calls + 1):
        trial.reset()
        old = trial.site.text("old")
        trial.run(kind="kill before", at=number, calls="changes")
        document = of_operator(trial.site)
        assert not trial.modules.run("store", document).result.get("failed"), number
        assert trial.modules.run("store", document, check=True).result["changed"] is False, number
        found = trial.site.claims("stores/ACME/ACME.jwt")
        seeds = list((trial.site.folder / "keys/keys").rglob(f"{found.subject}.nk"))
        assert seeds, number
        subjects.add(found.subject == old)
        assert not trial.run().result.get("failed"), number
        assert trial.site.claims("stores/ACME/ACME.jwt").subject != old, number
    assert subjects == {True, False}
