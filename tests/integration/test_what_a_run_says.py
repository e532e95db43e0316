# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What users read after a run: the output of the callback natsops.security.reasons and of the role operator, with `no_log` and in check mode."""

from __future__ import annotations

import json
import pathlib
from typing import TYPE_CHECKING, Any

import yaml
from support.plays import run_playbook

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


def test_a_run_says_what_changes_and_why_without_verbosity_and_with_no_log(play: Play, tmp_path: pathlib.Path) -> None:
    inventory = tmp_path / "inventory"
    inventory.write_text("localhost ansible_connection=local\n")
    comment = tmp_path / "comment.md"
    environment = play.environment(
        ANSIBLE_CALLBACKS_ENABLED="natsops.security.reasons", NATSOPS_REASONS_MARKDOWN=str(comment)
    )

    def run(*arguments: str, **wanted: Any) -> tuple[str, str]:
        playbook = tmp_path / "play.yml"
        playbook.write_text(
            yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": tasks(tmp_path, **wanted)}])
        )
        status, output = run_playbook(
            str(playbook), *arguments, inventory=inventory, variables={}, environment=environment
        )
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
    assert not list((tmp_path / "home").rglob("natsops_security_reasons"))


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
        path = tmp_path / "comment.md"
        environment = {"ANSIBLE_CALLBACKS_ENABLED": "natsops.security.reasons", "NATSOPS_REASONS_MARKDOWN": str(path)}
        playbook = tmp_path / "play.yml"
        tasks = [store(roles, signed_by)]
        playbook.write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
        status, output = run_playbook(
            str(playbook),
            *arguments,
            inventory=inventory,
            variables={},
            environment=play.environment(**environment),
        )
        assert status == 0, output
        return path.read_text()

    inventory = tmp_path / "inventory"
    inventory.write_text("localhost ansible_connection=local\n")
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
