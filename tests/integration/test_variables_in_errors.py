# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Errors in roles name the variables of the role, not options of the modules that it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml
from support.plays import run_playbook

if TYPE_CHECKING:
    from support.plays import Play

pytestmark = [pytest.mark.playbook, pytest.mark.attack]

PLAY = "{{ playbook_dir }}"
DOCUMENT = {
    "operator": {"name": "ACME", "signing_keys": ["main"], "system_account": "SYS"},
    "accounts": [{"name": "SYS", "users": [{"name": "sys"}]}, {"name": "APP", "users": [{"name": "orders"}]}],
}
STORE = {"stores_dir": f"{PLAY}/stores", "keys_dir": f"{PLAY}/keys"}
SERVERS = {"servers": ["nats://127.0.0.1:1"]}
CREDS = {"creds_path": f"{PLAY}/keys/creds/ACME/SYS/sys.creds"}
WEB = {"account": "APP", "name": "web", "path": f"{PLAY}/web.creds"}
SIGNED = {"operator": "ACME", "signing_host": "localhost", "users": [WEB]}
HELD = {"store_path": f"{PLAY}/stores/ACME", **SERVERS, **CREDS}

#: By role: its variables, without their prefix, that are in turn set to the path of a file that does not exist, and the others that the role needs for it.
ROWS: list[tuple[str, list[str], dict[str, Any]]] = [
    ("operator", ["src"], STORE),
    ("operator", ["vault_file"], {"definition": DOCUMENT, "vault_password": "correct horse", **STORE}),
    ("operator", ["unsigned_path"], {"definition": DOCUMENT, **STORE}),
    ("report", ["src"], {"html_path": f"{PLAY}/report.html"}),
    ("report", ["policy_path"], {"src": f"{PLAY}/document.yml", "html_path": f"{PLAY}/report.html"}),
    ("report", ["html_path", "json_path", "metrics_path"], {"src": f"{PLAY}/document.yml"}),
    ("report", ["store_path", "creds_path", "tls_ca_path"], HELD),
    ("report", ["keys_dir"], {**HELD, "creds_path": ""}),
    ("resolver", ["store_path", "creds_path", "tls_ca_path"], HELD),
    ("resolver", ["keys_path"], {**HELD, "creds_path": ""}),
    ("rebuild", ["creds_path", "tls_ca_path"], {**SERVERS, **CREDS}),
    ("rebuild", ["system_signer_path", "system_account_jwt_path"], SERVERS),
    ("restore", ["path"], STORE),
    ("restore", ["key_path"], {"path": f"{PLAY}/document.yml", **STORE}),
    ("backup", ["path"], {"store": "ACME", "password": "correct horse", **STORE}),
    ("backup", ["nats_key_path"], {"path": f"{PLAY}/acme.backup", "store": "ACME", **STORE}),
    ("credentials", ["unsigned_path"], {**SIGNED, **STORE}),
    ("credentials", ["tls_ca_path"], {**SIGNED, **STORE, **SERVERS}),
    ("server", ["wheel"], {}),
    ("server", ["binary"], {"install": "none"}),
]


def include(role: str, variables: dict[str, Any]) -> dict[str, Any]:
    given = {f"{role}_{name}": value for name, value in variables.items()}
    return {"ansible.builtin.include_role": {"name": f"natsops.security.{role}"}, "vars": given}


def test_an_error_about_a_path_names_the_variable_of_the_role(play: Play) -> None:
    (play.folder / "document.yml").write_text(yaml.safe_dump(DOCUMENT))
    tasks = [include("operator", {"definition": DOCUMENT, **STORE})]
    for role, names, others in ROWS:
        for name in names:
            block = include(role, {**others, name: f"{PLAY}/missing/file"})
            shown = {"name": f"{role}_{name}", "ansible.builtin.debug": {"msg": "{{ ansible_failed_result.msg }}"}}
            tasks.append({"block": [block], "rescue": [shown]})
    played = play(tasks)
    assert played.returncode == 0, played.output
    variables = [f"{role}_{name}" for role, names, _others in ROWS for name in names]
    told = {variable: played.tasks.get(variable, {}).get("msg", "") for variable in variables}
    wrong = [f"{variable}: {message}" for variable, message in told.items() if not message.startswith(f"{variable}: ")]
    assert not wrong, "\n".join(wrong)


#: By role: its variables without their prefix, the beginning of the message, and a word that is no variable of the role and must not be in it.
MISSING: list[tuple[str, dict[str, Any], str, str]] = [
    (
        "report",
        {"store_path": f"{PLAY}/stores/ACME", "html_path": f"{PLAY}/report.html"},
        "one of the following is required: report_src, report_store, report_stores_dir",
        "definition",
    ),
    (
        "resolver",
        {"store_path": f"{PLAY}/stores/ACME", **SERVERS},
        "There is no user to connect as. Set resolver_creds_path to the creds file of a user of the system account, or resolver_keys_path to ",
        "system_signer",
    ),
]


def test_an_error_about_missing_options_names_variables_only(play: Play) -> None:
    # Not the role operator, which would also tell other roles where the store and the creds are.
    tasks: list[dict[str, Any]] = [{"natsops.security.nats_store": {"definition": DOCUMENT, **STORE}}]
    for role, variables, _message, _other in MISSING:
        shown = {"name": f"Of {role}", "ansible.builtin.debug": {"msg": "{{ ansible_failed_result.msg }}"}}
        tasks.append({"block": [include(role, variables)], "rescue": [shown]})
    played = play(tasks)
    assert played.returncode == 0, played.output
    for role, _variables, message, other in MISSING:
        told = played.tasks[f"Of {role}"]["msg"]
        assert told.startswith(message)
        assert other not in told


@pytest.mark.parametrize(
    ("playbook", "variables"),
    [
        ("revoke", {"revoke_usr": "APP/orders"}),
        ("revoke", {"revoke_user": "orders", "revoke_store": "ACME"}),
        ("diagnose", {"diagnose_user": "APP/orders"}),
    ],
)
def test_a_playbook_names_its_variables(play: Play, playbook: str, variables: dict[str, Any]) -> None:
    inventory = play.folder / "inventory.yml"
    inventory.write_text("nats: {hosts: {localhost: {ansible_connection: local}}}")
    how: dict[str, Any] = {"inventory": inventory, "environment": play.environment()}
    status, output = run_playbook(f"natsops.security.{playbook}", variables=variables, **how)
    assert status != 0
    assert f"Set {playbook}_user to ACCOUNT/USER" in " ".join(output.split())
