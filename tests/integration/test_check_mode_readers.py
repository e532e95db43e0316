# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""In check mode, a task that reads a store does not fail because the role operator, earlier in the play, has not made the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.plays import closed_up
from support.scenarios import DOCUMENT

if TYPE_CHECKING:
    import pathlib

    from support.plays import Play
    from support.sites import Site

_SERVERS = {"servers": ["nats://127.0.0.1:1"]}
_ASKED = {"questions": [{"unused_exports": True}]}
_OF_STORE = {**_SERVERS, "store_path": "FOLDER/stores/ACME", "system_signer_path": "FOLDER/keys"}
_CREDS = "FOLDER/keys/creds/ACME/APP/one.creds"
_STORES = {"stores_dir": "FOLDER/stores"}
_NAMED = {**_STORES, "keys_dir": "FOLDER/keys", "store": "ACME", "account": "APP"}
_CURVE_KEY = {"nats_key_path": "FOLDER/curve.nk"}

#: The module, its options, whether check mode foresees a change, and a result that later tasks may use.
READERS: dict[str, tuple[str, dict[str, Any], bool, str]] = {
    "only store": ("store_info", _STORES, False, "definition"),
    "named store": ("store_info", {**_STORES, "store": "ACME"}, False, "entities"),
    "access": ("access_info", {**_STORES, **_ASKED}, False, "answers"),
    "document": ("access_info", {"src": "FOLDER/acme.yml", **_ASKED}, False, "answers"),
    "tokens": ("access_info", {"jwt_paths": ["FOLDER/acme.jwt"], **_ASKED}, False, "problems"),
    "policy": ("policy", _STORES, False, "findings"),
    "policy with a report": ("policy", {**_STORES, "junit_path": "FOLDER/junit.xml"}, True, "passed"),
    "report": ("report", {**_STORES, "keys_dir": "FOLDER/keys", "html_path": "FOLDER/r.html"}, True, "findings"),
    "diagnosis": ("diagnose", {**_SERVERS, "store_path": "FOLDER/stores/ACME", "user": "APP/one"}, False, "servers"),
    "diagnosis of creds": ("diagnose", {**_SERVERS, "user_creds_path": _CREDS, "jwts": []}, False, "connected"),
    "connections": ("connections", {**_OF_STORE, "identity_keys": True}, False, "open"),
    "accounts of servers": ("resolver_info", _OF_STORE, False, "accounts"),
    "push": ("resolver", _OF_STORE, True, "servers"),
    "push with creds": ("resolver", {**_SERVERS, "jwts": [], "creds_path": _CREDS}, True, "accounts"),
    "creds": ("creds_info", {**_SERVERS, "paths": [_CREDS]}, False, "users"),
    "token": ("jwt_info", {"jwt_path": "FOLDER/acme.jwt"}, False, "claims"),
    "backup": ("backup", {**_STORES, "path": "FOLDER/acme.backup", "password": "p"}, True, "holds"),
    "backup of nats": ("backup", {**_STORES, "path": "FOLDER/acme.backup", **_CURVE_KEY}, True, "problems"),
    "requests": ("sign", {"path": "FOLDER/requests.json", "signer_path": "FOLDER/acme.nk"}, True, "signed"),
    "revocation": ("revocation", {**_NAMED, "revocations": [{"user": "*"}]}, True, "revoked"),
    "no revocation": ("revocation", {**_NAMED, "state": "listed"}, False, "revocations"),
    "revocation in a token": (
        "revocation",
        {"jwt_path": "FOLDER/app.jwt", "signer_path": "FOLDER/acme.nk", "revocations": [{"user": "*"}]},
        True,
        "public_key",
    ),
    "rebuild": ("rebuild", {**_STORES, "keys_dir": "FOLDER/keys", "paths": ["FOLDER/old"]}, True, "store_path"),
    "restore": ("restore", {"path": "FOLDER/acme.backup", "password": "p"}, True, "diff"),
}


def _in_folder(value: Any, folder: pathlib.Path) -> Any:
    if isinstance(value, dict):
        return {name: _in_folder(item, folder) for name, item in value.items()}
    if isinstance(value, list):
        return [_in_folder(item, folder) for item in value]
    return value.replace("FOLDER", str(folder)) if isinstance(value, str) else value


@pytest.mark.parametrize("name", READERS)
def test_what_is_missing_is_warned_of_in_check_mode_and_refused_otherwise(site: Site, name: str) -> None:
    module, options, changes, returned = READERS[name]
    options = _in_folder(options, site.folder)
    told = site.start(module, options, check=True)
    message = site.refuse(module, None, **options)
    assert f"{message} Unless an earlier task makes it, the real run fails." in str(told.get("warnings")), told
    assert not told.get("failed")
    assert told["changed"] == changes
    assert returned in told
    assert list(site.folder.iterdir()) == []


def test_folder_that_is_no_store_is_refused_in_check_mode_too(site: Site) -> None:
    (site.folder / "stores/ACME").mkdir(parents=True)
    for name in ("push", "accounts of servers", "connections"):
        module, options, *_unused = READERS[name]
        assert "is not a store" in site.refuse(module, {"check": True}, **_in_folder(options, site.folder))


@pytest.mark.playbook
def test_lookups_return_nothing_in_check_mode_for_what_an_earlier_task_may_make(site: Site, play: Play) -> None:
    variables = {"stores_dir": site / "stores", "keys_dir": site / "keys"}
    store = "stores_dir=stores_dir, keys_dir=keys_dir"
    wanted = "{{ [lookup('natsops.security.nats_jwt', 'ACME/APP', %s), lookup('natsops.security.nats_creds', 'ACME/APP/one', %s)] }}"
    tasks: list[dict[str, Any]] = [{"name": "Look", "ansible.builtin.debug": {"msg": wanted % (store, store)}}]
    missing = f"There is no store ACME in {site / 'stores'}; available: none."
    for made, message in ((False, missing), (True, "There is no account 'APP' in the store")):
        if made:
            site.run("store", **variables, definition={"operator": {"name": "ACME"}})
        told = play(tasks, "--check", **variables)
        assert told.tasks["Look"]["msg"] == ["", ""]
        assert closed_up(message) in closed_up(told.output)
        assert closed_up("Unless an earlier task makes it, the real run fails.") in closed_up(told.output)
        assert message in play(tasks, **variables).tasks["Look"]["msg"]


def _changed(play: Play, variables: dict[str, Any], *arguments: str) -> list[str]:
    """The tasks of a play of the role operator, tasks that read its store, and the roles report and backup, that report a change."""
    store = {"stores_dir": variables["operator_stores_dir"]}
    tasks: list[dict[str, Any]] = [
        {"ansible.builtin.include_role": {"name": "natsops.security.operator"}},
        {"natsops.security.nats_store_info": store, "register": "held"},
        {"ansible.builtin.debug": {"var": "held.definition.accounts"}},
        {"natsops.security.nats_policy": {**store, "fail_on": "none"}},
        {"natsops.security.nats_access_info": {**store, **_ASKED}, "register": "access"},
        {"ansible.builtin.debug": {"msg": "{{ access.answers | length }}"}},
        *({"ansible.builtin.include_role": {"name": f"natsops.security.{role}"}} for role in ("report", "backup")),
    ]
    done = play(tasks, *arguments, **variables)
    assert done.returncode == 0, done.output
    return [name.rpartition(" : ")[2] for name, changed in done.changed.items() if changed]


@pytest.mark.attack
@pytest.mark.playbook
def test_play_of_an_operator_and_what_reads_its_store_is_foreseen(site: Site, play: Play) -> None:
    variables: dict[str, Any] = {
        "operator_stores_dir": site / "stores",
        "operator_keys_dir": site / "keys",
        "report_html_path": site / "r.html",
        "backup_path": site / "acme.backup",
        "backup_password": "p",
    }
    every = ["Reconcile the store with the document", "Write the report", "Back up the store"]
    more = {**DOCUMENT, "accounts": [*DOCUMENT["accounts"], {"name": "MORE"}]}
    for definition, changed in ((DOCUMENT, every), (more, every)):
        variables["operator_definition"] = definition
        before = site.snapshot()
        assert _changed(play, variables, "--check") == changed
        assert site.snapshot() == before
        assert _changed(play, variables) == changed
