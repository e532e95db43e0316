# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The role natsops.security.resolver after the role operator, on three nats-servers that an inventory describes."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from support.inventories import NAMES, Cluster, changed_tasks, definition

from ansible_collections.natsops.security.plugins.module_utils.token import codec

if TYPE_CHECKING:
    from support.plays import Play

pytestmark = [pytest.mark.playbook, pytest.mark.server]

TASK = "natsops.security.resolver : Reconcile the accounts of the servers with the store"
UNASKED = "natsops.security.resolver : Show what would be pushed to servers that do not run"


def role_server(*stopped: str, is_new: bool = False) -> dict[str, Any]:
    """Variables with the results that the role server has in check mode if these hosts' servers do not run, or are new."""
    action = f"{{{{ (inventory_hostname in {list(stopped)}) | ternary('started', 'none') }}}}"
    folders = [{"state": "directory"}, {} if is_new else {"state": "directory"}]
    return {"server_done": {"action": action}, "server_folders": {"results": folders}}


@pytest.fixture
def cluster(play: Play) -> Iterator[Cluster]:
    """Three servers, and a store of an operator that they trust, whose accounts they do not have yet."""
    found = Cluster(play.folder / "cluster", play.environment(ANSIBLE_VERBOSITY="3"))
    found.run(playbook="natsops.security.operator", operator_hosts="nats", operator_definition=definition("APP", "OLD"))
    found.start()
    try:
        yield found
    finally:
        found.stop()


def test_first_run_is_foretold(play: Play) -> None:
    nothing = Cluster(play.folder / "nothing", play.environment(ANSIBLE_VERBOSITY="3"))
    told = changed_tasks(nothing.run("--check", "--diff", operator_definition=definition("APP")))
    assert told[1:] == [UNASKED]
    assert not (nothing.folder / "stores").exists()


def test_tags_run_the_roles_that_they_name(play: Play) -> None:
    nothing = Cluster(play.folder / "tags", play.environment())
    wanted = {"operator_definition": definition("APP")}
    of_operator = nothing.run("--check", "--tags", "nats_operator", **wanted)
    assert "natsops.security.operator : Reconcile the store with the document" in of_operator
    assert "natsops.security.resolver : Re" not in of_operator
    both = nothing.run("--check", "--tags", "nats_operator,nats_resolver", **wanted)
    assert changed_tasks(both) == changed_tasks(nothing.run("--check", **wanted))
    assert "There is no store to take accounts from" in nothing.run("--tags", "nats_resolver", **wanted, succeeds=False)


def test_accounts_of_the_store_are_on_every_server_and_stay(cluster: Cluster) -> None:
    wanted = {"operator_definition": definition("APP", "OLD")}
    assert changed_tasks(cluster.run("--check", "--diff", **wanted)) == [TASK]
    assert [set(cluster.held(name)) for name in NAMES] == [{"SYS"}] * 3
    assert changed_tasks(cluster.run("-vvv", "--diff", **wanted)) == [TASK]
    assert [cluster.held(name) for name in NAMES] == [{"SYS": -1, "APP": 10, "OLD": 10}] * 3
    assert changed_tasks(cluster.run(**wanted)) == []

    # Check mode also predicts that accounts signed again by the first task are pushed.
    more = {"operator_definition": definition("APP", "OLD", "NEW", connections=20)}
    shown = cluster.run("--check", **more)
    assert [f"account {name}: pushed, it is signed again" in shown for name in ("APP", "OLD", "NEW", "SYS")] == [
        True,
        True,
        True,
        False,
    ]
    foretold = changed_tasks(shown)
    assert foretold == changed_tasks(cluster.run(**more))
    assert TASK in foretold
    assert cluster.held("n3") == {"SYS": -1, "APP": 20, "OLD": 20, "NEW": 20}

    # An account that was removed from the document is removed from servers only with the state exact.
    less = {"operator_definition": definition("APP", connections=20), "operator_prune": True}
    cluster.run(**less)
    assert set(cluster.held("n1")) == {"SYS", "APP", "OLD", "NEW"}
    cluster.run(**less, resolver_state="exact")
    assert [set(cluster.held(name)) for name in NAMES] == [{"SYS", "APP"}] * 3
    assert changed_tasks(cluster.run(**less, resolver_state="exact")) == []


def test_server_that_is_away_is_named_and_gets_the_accounts_when_it_is_back(cluster: Cluster) -> None:
    wanted = {"operator_definition": definition("APP", "OLD")}
    cluster.stop("n2")
    told = cluster.run(**wanted, succeeds=False)
    assert "expected_servers: n2 did not answer" in told
    assert set(cluster.held("n1")) == {"SYS"}
    cluster.run(**wanted, resolver_expected_servers=[])
    assert set(cluster.held("n1")) == set(cluster.held("n3")) == {"SYS", "APP", "OLD"}
    # If the role server would start the stopped server first, check mode asks only the others, which have the accounts.
    assert changed_tasks(cluster.run("--check", **wanted, **role_server("host-n2"))) == []
    # A new server has none of the accounts.
    assert changed_tasks(cluster.run("--check", **wanted, **role_server("host-n2", is_new=True))) == [TASK]
    cluster.start("n2")
    deadline = time.monotonic() + 60
    while set(cluster.held("n2")) != {"SYS", "APP", "OLD"}:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert changed_tasks(cluster.run(**wanted)) == []


def test_check_mode_foresees_what_a_push_to_stopped_servers_does(cluster: Cluster) -> None:
    hosts = ("host-n2", "host-n3", "n1")
    wanted = {"operator_definition": definition("APP", "OLD")}
    more = {"operator_definition": definition("APP", "OLD", connections=20)}
    cluster.run(**wanted)
    for name in NAMES:
        cluster.stop(name)

    # If nothing starts them, both fail.
    for arguments in (["--check"], []):
        assert "Connection refused" in cluster.run(*arguments, **wanted, succeeds=False)

    # If the role server starts them, accounts are pushed that are signed again. What the servers hold is not known.
    told = cluster.run("--check", **wanted, **role_server(*hosts))
    assert changed_tasks(told) == []
    assert f"A real run starts servers on {', '.join(hosts)} and then pushes the accounts that they lack" in told
    foretold = changed_tasks(cluster.run("--check", **more, **role_server(*hosts)))
    assert foretold[1:] == [UNASKED]
    assert changed_tasks(cluster.run("--check", **wanted, **role_server(*hosts, is_new=True))) == [UNASKED]
    for name in NAMES:
        cluster.start(name)
    assert changed_tasks(cluster.run(**wanted)) == []
    assert changed_tasks(cluster.run(**more)) == [*foretold[:1], TASK]


def test_creds_or_seeds_of_the_users_own_do_instead_of_the_keystore(cluster: Cluster) -> None:
    store = cluster.folder / "stores/ACME"
    alone = {"playbook": "resolver.yml", "resolver_store_path": str(store)}
    creds = cluster.folder / "keys/creds/ACME/SYS/u.creds"
    for check in (["--check"], []):
        assert changed_tasks(cluster.run(*check, **alone, resolver_creds_path=str(creds))) == [TASK]
    system = codec.decode((store / "accounts/SYS/SYS.jwt").read_text())
    (key,) = (item.key for item in system.body.signing_keys)
    seed = (cluster.folder / f"keys/keys/A/{key[1:3]}/{key}.nk").read_text().strip()
    assert changed_tasks(cluster.run("-vvv", **alone, resolver_system_signer_seed=seed)) == []


def test_store_that_is_not_there_is_asked_for(cluster: Cluster) -> None:
    assert "There is no store to take accounts from" in cluster.run(playbook="resolver.yml", succeeds=False)
    assert "resolver_state must be one of" in cluster.run(
        playbook="resolver.yml", resolver_state="absent", succeeds=False
    )


def test_privilege_escalation_of_the_play_does_not_reach_the_signing_host(cluster: Cluster) -> None:
    """The program for privilege escalation always fails here, so a task that used it would fail."""
    refusing = {"ANSIBLE_BECOME_EXE": "false", "ANSIBLE_BECOME_ALLOW_SAME_USER": "true"}
    cluster.environment.update(refusing)
    (play,) = yaml.safe_load((cluster.folder / "both.yml").read_text())
    (cluster.folder / "become.yml").write_text(yaml.safe_dump([{**play, "become": True}]))
    wanted = {
        "operator_definition": definition("APP"),
        "operator_vault_file": str(cluster.folder / "vault.yml"),
        "operator_vault_password": "p",
        "operator_vault_keys": "operator",
    }
    cluster.run(**wanted, playbook="become.yml")
    assert set(cluster.held("n1")) == {"SYS", "APP", "OLD"}
    assert (cluster.folder / "vault.yml").exists()
    reached = cluster.run(**wanted, operator_become=True, playbook="become.yml", succeeds=False)
    assert re.search("become success|MODULE FAILURE", reached), reached  # ansible-core 2.19 and later, earlier


@contextlib.contextmanager
def connected(cluster: Cluster, account: str) -> Iterator[None]:
    """A client of an account on one server, for as long as the block runs."""
    program = (
        "import asyncio, sys, nats\n"
        "async def main():\n"
        "    client = await nats.connect(sys.argv[1], user_credentials=sys.argv[2], connect_timeout=20)\n"
        "    print('connected', flush=True)\n"
        "    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)\n"
        "    await client.close()\n"
        "asyncio.run(main())\n"
    )
    url, creds = f"nats://127.0.0.1:{cluster.ports[1]}", cluster.folder / f"keys/creds/ACME/{account}/u.creds"
    with subprocess.Popen(
        [sys.executable, "-c", program, url, creds], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as client:
        assert client.stdin is not None
        assert client.stdout is not None
        assert client.stdout.readline() == b"connected\n"
        yield
        client.stdin.close()


def test_accounts_in_use_are_found_before_anything_is_removed(cluster: Cluster) -> None:
    cluster.run(operator_definition=definition("APP", "OLD"))
    exact = {"operator_definition": definition("APP"), "operator_prune": True, "resolver_state": "exact"}
    stored = cluster.folder / "stores/ACME/accounts/OLD/OLD.jwt"
    with connected(cluster, "OLD"):
        for arguments in (["--check"], []):
            output = cluster.run(*arguments, **exact, succeeds=False)
            assert re.search(r"The account OLD \(A\w+\) has open connections to n2: 1\.", output), output
            assert stored.exists()
            assert [set(cluster.held(name)) for name in NAMES] == [{"SYS", "APP", "OLD"}] * 3
    foretold = changed_tasks(cluster.run("--check", **exact))
    assert TASK in foretold
    assert stored.exists()
    assert changed_tasks(cluster.run(**exact)) == foretold
    assert not stored.exists()
    assert [set(cluster.held(name)) for name in NAMES] == [{"SYS", "APP"}] * 3


@pytest.mark.attack
def test_account_that_was_pruned_is_named_each_time_it_is_still_on_servers(cluster: Cluster) -> None:
    cluster.run(operator_definition=definition("APP", "OLD"))
    less = {"operator_definition": definition("APP"), "operator_prune": True}
    for arguments in (["--check"], []):
        output = cluster.run(*arguments, **less)
        assert re.search(
            r"Servers hold accounts that are not accounts of the task; they are kept: OLD \(A\w+\)\.\s+To\s+remove\s+all",
            output,
        )
    assert set(cluster.held("n1")) == {"SYS", "APP", "OLD"}
    again = cluster.run(**less, resolver_report_extra=False)
    assert "they are kept" not in again
    assert changed_tasks(again) == []
