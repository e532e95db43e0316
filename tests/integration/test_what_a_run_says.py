# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What users read after a run: the output of the callback natsops.security.reasons and of the role operator, with `no_log` and in check mode."""

from __future__ import annotations

import fnmatch
import json
import pathlib
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from support.plays import run_playbook

from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.token import codec

if TYPE_CHECKING:
    from support.plays import Play


STORE_TASK = "natsops.security.operator : Reconcile the store with the document"


def document(connections: int, users: list[str]) -> dict[str, Any]:
    return {
        "operator": {"name": "ACME", "signing_keys": ["main"]},
        "accounts": [
            {
                "name": "APP",
                "signing_keys": ["main"],
                "limits": {"connections": connections},
                "users": [{"name": name} for name in users],
            }
        ],
    }


def tasks(folder: pathlib.Path, connections: int, users: list[str]) -> list[dict[str, Any]]:
    where = {"stores_dir": f"{folder}/stores", "keys_dir": f"{folder}/keys"}
    key = {"key_path": f"{folder}/o.nk", "jwt_path": f"{folder}/o.jwt"}
    return [
        {
            "name": "The store",
            "natsops.security.nats_store": {"definition": document(connections, users), **where},
            "no_log": True,
        },
        {
            "name": "Each operator",
            "natsops.security.nats_operator": {"name": "{{ item }}", "tags": [f"t{connections}"], **key},
            "loop": ["O"],
            "no_log": True,
        },
        {
            "name": "A failure",
            "natsops.security.nats_operator": {**key, "name": "O", "expires_in": "a-secret-word"},
            "no_log": True,
            "ignore_errors": True,
        },
        {
            "name": "A failure to read",
            "natsops.security.nats_operator": {**key, "name": "O", "expires_in": "soon"},
            "ignore_errors": True,
        },
    ]


def run_with_comment(
    play: Play, hosts: str, tasks: list[dict[str, Any]], *arguments: str
) -> tuple[int, str, pathlib.Path]:
    """Run tasks with the callback reasons. Return the exit status, the output, and the path of the Markdown."""
    comment = play.folder / "comment.md"
    ssh = play.folder / "ssh"
    ssh.write_text("#!/bin/sh\nexit 255\n")
    ssh.chmod(0o755)
    inventory = play.folder / "inventory"
    inventory.write_text(
        f"localhost ansible_connection=local\naway ansible_connection=ssh ansible_ssh_executable={ssh}\n"
    )
    playbook = play.folder / "play.yml"
    playbook.write_text(yaml.safe_dump([{"hosts": hosts, "gather_facts": False, "tasks": tasks}]))
    environment = play.environment(
        ANSIBLE_CALLBACKS_ENABLED="natsops.security.reasons", NATSOPS_REASONS_MARKDOWN=str(comment)
    )
    status, output = run_playbook(str(playbook), *arguments, inventory=inventory, variables={}, environment=environment)
    return status, output, comment


def test_a_run_says_what_changes_and_why_without_verbosity_and_with_no_log(play: Play, tmp_path: pathlib.Path) -> None:
    def run(*arguments: str, **wanted: Any) -> tuple[str, str]:
        status, output, comment = run_with_comment(play, "localhost", tasks(tmp_path, **wanted), *arguments)
        assert status == 0, output
        return output, comment.read_text()

    output, text = run(connections=10, users=["orders", "old"])
    for line in ("  operator ACME: created", "  APP, 2 users (orders, old): created", "  operator O: created"):
        assert f"\n{line}\n" in output
    assert text.startswith("## NATS: what changed\n"), text
    output, text = run("--check", connections=20, users=["orders"])
    wanted = ["account APP: limits.connections: 10 -> 20", "APP/old: extra, it is not in the document"]
    assert [line.strip() for line in output.splitlines() if line.startswith("  ") and "APP" in line] == wanted
    assert "\n  operator O: " in output
    assert "t20" in output
    assert text.startswith("## NATS: what would change\n")
    assert f"\n! {wanted[0]}\n  {wanted[1]}\n" in text
    assert "### `A failure` on `localhost`\n\n**The task failed.**" in text
    assert "a-secret-word" not in text
    assert (
        "### `A failure to read` on `localhost`\n\n**The task failed.**\n\n- `expires_in: 'soon' is not a duration"
        in text
    )
    assert not list((play.folder / "home").rglob("natsops_security_reasons"))


def failing(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "ansible.builtin.assert": {"that": [False], "fail_msg": f"{name} failed"}, **more}


UNDEFINED = {"name": "The store", "natsops.security.nats_store": {"definition": "{{ undefined_name }}"}}
REFUSED = {"name": "A key", "natsops.security.nats_operator": {"name": "O", "key_path": "o.nk", "expires_in": "soon"}}
RESCUED = {"name": "Try", "block": [failing("Rescued")], "rescue": [{"name": "Go on", "ansible.builtin.debug": {}}]}
IGNORED = failing("Ignored", ignore_errors=True)
UNREACHABLE = {"name": "Ping", "ansible.builtin.ping": {}}


@pytest.mark.parametrize(
    ("hosts", "tasks", "failures"),
    [
        ("localhost", [UNDEFINED], ["### `The store` on `localhost`\n\n**The task failed.**\n\n- `*undefined_name*"]),
        (
            "localhost",
            [RESCUED, IGNORED, failing("Last")],
            ["### `Last` on `localhost`\n\n**The task failed.**\n\n- `Last failed`\n"],
        ),
        ("localhost", [failing("Hidden", no_log=True)], ["### `Hidden` on `localhost`\n\n**The task failed.**\n"]),
        (
            "localhost",
            [failing("Each", loop=["a", "b"])],
            ["### `Each` on `localhost`\n\n**The task failed.**\n\n- `Each failed`*"] * 2,
        ),
        (
            "localhost",
            [REFUSED],
            ["### `A key` on `localhost`\n\n**The task failed.**\n\n- `expires_in: 'soon' is not a duration*"],
        ),
        ("away", [UNREACHABLE], ["### `Ping` on `away`\n\n**The task failed.**\n\n- `*"]),
        ("localhost", [RESCUED, IGNORED], []),
        ("away", [{**UNREACHABLE, "ignore_unreachable": True}], []),
    ],
)
def test_a_run_that_failed_never_says_that_nothing_would_change(
    hosts: str, tasks: list[dict[str, Any]], failures: list[str], play: Play
) -> None:
    status, output, comment = run_with_comment(play, hosts, tasks, "--check")
    title, *sections = comment.read_text().split("\n\n###")
    if not failures:
        assert (status, title) == (0, "## NATS: nothing would change\n"), output
        return
    assert status != 0
    assert title == "## NATS: the run failed, so not all changes are shown"
    assert len(sections) == len(failures), sections
    for section, wanted in zip(sections, failures, strict=True):
        assert fnmatch.fnmatchcase(f"###{section}", wanted), section


@pytest.mark.parametrize("template", ["name()", "tag(team)"])
def test_a_template_of_a_scope_without_a_mark_gets_advice(template: str, play: Play) -> None:
    subjects = {"permissions": {"publish": {"allow": ["orders.{{" + template + "}}"]}}}
    account = {"name": "A", "signing_keys": [{"role": "r", "template": subjects}]}
    task = {"natsops.security.nats_store": {"definition": {"operator": {"name": "O"}, "accounts": [account]}}}
    status, output, _comment = run_with_comment(play, "localhost", [task])
    assert status != 0
    assert 'allow: [!unsafe "orders.{{name()}}.>"]' in output
    status, output, _comment = run_with_comment(play, "localhost", [{"debug": {"msg": "{{ name() }}"}}])
    assert status != 0
    assert "!unsafe" not in output


def test_a_run_that_ansible_stops_leaves_no_comment_of_an_earlier_run(play: Play) -> None:
    assert run_with_comment(play, "localhost", [])[2].read_text() == "## NATS: nothing changed\n"
    status, output, comment = run_with_comment(play, "{{ undefined_name }}", [])
    assert status != 0, output
    assert comment.read_text() == "## NATS: the run did not end, so no changes are shown\n"


def test_a_reviewer_reads_names_signatures_and_who_is_cut_off(play: Play, tmp_path: pathlib.Path) -> None:
    def store(roles: list[str], signed_by: str) -> dict[str, Any]:
        users = [{"name": name, "signing_key_role": signed_by} for name in ("orders", "web")]
        account = {"name": "APP", "signing_keys": roles, "users": users}
        account["remove_signing_keys"] = [role for role in ("main", "second") if role not in roles]
        definition = {"operator": {"name": "ACME", "signing_keys": ["main"]}, "accounts": [account]}
        where = {"stores_dir": f"{tmp_path}/stores", "keys_dir": f"{tmp_path}/keys"}
        options = {"definition": definition, "cut_off": True, **where}
        return {"name": "The store", "natsops.security.nats_store": options, "no_log": True}

    def comment(roles: list[str], signed_by: str, *arguments: str) -> str:
        status, output, path = run_with_comment(play, "localhost", [store(roles, signed_by)], *arguments)
        assert status == 0, output
        return path.read_text()

    comment(["main", "second"], "main")
    roles = json.loads((tmp_path / "stores/ACME/.natsops/roles.json").read_text())
    (keys,) = (named for named in roles.values() if "second" in named)
    main, second = (f"APP, role {role} ({keys[role]})" for role in ("main", "second"))
    text = comment(["second"], "second", "--check")
    assert f"\n! APP/orders: issuer: {main} -> {second}\n" in text
    assert f"\n! account APP: signing_keys[{main}]: removed\n" in text
    assert "\n  tokens to sign: 3\n" in text
    assert f"\n    2 by {second}\n" in text
    assert "\n  creds to write: APP/orders, APP/web\n" in text
    (warning,) = (line for line in text.splitlines() if line.startswith("- **Warning:** "))
    assert f"{keys['main']} (main) is removed, which cuts off 2 users that it signed" in warning
    assert text.replace("would change", "changed") == comment(["second"], "second")


def test_a_reviewer_reads_who_is_refused_because_of_a_removal_or_a_revocation(
    play: Play, tmp_path: pathlib.Path
) -> None:
    where = {"stores_dir": f"{tmp_path}/stores", "keys_dir": f"{tmp_path}/keys"}
    other = nkey.create("user").public_key

    def comment(accounts: list[dict[str, Any]], *arguments: str) -> str:
        options = {"definition": {"operator": {"name": "ACME"}, "accounts": accounts}, "prune": True, **where}
        task = {"name": "The store", "natsops.security.nats_store": options, "no_log": True}
        status, output, path = run_with_comment(play, "localhost", [task], *arguments)
        assert status == 0, output
        return path.read_text()

    def account(name: str, *users: str, **more: Any) -> dict[str, Any]:
        return {"name": name, "users": [{"name": user} for user in users], **more}

    comment([account("APP", "a", "b", "c"), account("OLD", "x", "y")])
    key = codec.peek((tmp_path / "stores/ACME/accounts/APP/users/b.jwt").read_text())["sub"]
    fewer = [account("APP", "a", revocations={other: "now"})]
    text = comment(fewer, "--check")
    assert f" revocations[APP/b ({key})]: none -> now" in text
    who = f"accounts[0] (APP): 2 users (b, c) are removed and 1 user ({other}) is revoked"
    assert [line.partition("Warning:** ")[2] for line in text.splitlines() if "**Warning:**" in line] == [
        f"`{who}; clients with creds from before are refused once the account is pushed.`",
        "`account OLD: the account is removed with 2 users (x, y); its clients are refused once it is deleted from the servers.`",
    ]
    assert text.replace("would change", "changed") == comment(fewer)
    assert "**Warning:**" not in comment(fewer)


def test_the_role_operator_says_so_without_a_callback(play: Play, tmp_path: pathlib.Path) -> None:
    variables = {
        "operator_definition": document(10, ["orders"]),
        "operator_stores_dir": f"{tmp_path}/stores",
        "operator_keys_dir": f"{tmp_path}/keys",
    }
    role = {"ansible.builtin.include_role": {"name": "natsops.security.operator"}}
    shown = "natsops.security.operator : Show what changed, and why"
    played = play([role], **variables)
    assert played.returncode == 0, played.output
    assert "APP/orders: created" in played.tasks[shown]["msg"]
    assert not played.tasks[shown]["changed"]
    assert shown not in play([role], "--check", **variables).tasks
    variables["operator_src"] = "none.yml"
    del variables["operator_definition"]
    refused = play([role], **variables)
    assert refused.returncode != 0
    for text in (refused.output, refused.tasks[STORE_TASK]["msg"]):
        assert "operator_src: there is no file" in text
        assert " src: there is no file" not in text
    del variables["operator_src"]
    variables["operator_definition"] = "acme.yml"
    wanted = (
        "operator_definition: expected a dictionary, not 'acme.yml'.\noperator_src: use this for a document in a file."
    )
    assert play([role], **variables).tasks[STORE_TASK]["msg"] == wanted
