# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Every module through the host fixtures of pytest-ansible, with which users test their playbooks."""

from __future__ import annotations

import pathlib
import sys
from typing import Any

import pytest

pytestmark = [
    pytest.mark.skipif(
        "not config.pluginmanager.hasplugin('pytest-ansible')",
        reason="pytest-ansible is not in use here, and these tests are about its fixtures",
    ),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch, collections_path: pathlib.Path) -> None:
    # Modules need the Python that has nkeys, and pytest-ansible does not accept host variables.
    monkeypatch.setenv("ANSIBLE_PYTHON_INTERPRETER", sys.executable)
    monkeypatch.setenv("ANSIBLE_COLLECTIONS_PATH", str(collections_path))


@pytest.fixture
def hosts(ansible_adhoc: Any, tmp_path: pathlib.Path) -> Any:
    """One host, this machine. The inventory sets its connection, because pytest-ansible uses only the first connection that it gets in a process."""
    inventory = tmp_path / "inventory.ini"
    inventory.write_text("target ansible_connection=local\n")
    return ansible_adhoc(inventory=str(inventory), host_pattern="target").all


def start(hosts: Any, module: str, **options: Any) -> dict[str, Any]:
    """The result of a module on the one host, failed or not."""
    (result,) = getattr(hosts, f"natsops.security.nats_{module}")(**options).contacted.values()
    return dict(result)


def run(hosts: Any, module: str, **options: Any) -> dict[str, Any]:
    """The result of a module that succeeds."""
    result = start(hosts, module, **options)
    assert not result.get("failed"), result
    return result


def test_operator_and_account_through_ansible_module(ansible_module: Any, tmp_path: pathlib.Path) -> None:
    operator = {
        "name": "ACME",
        "key_path": f"{tmp_path}/acme.nk",
        "jwt_path": f"{tmp_path}/acme.jwt",
        "signing_keys": [{"path": f"{tmp_path}/signing.nk"}],
    }
    assert run(ansible_module, "operator", **operator)["changed"]
    assert not run(ansible_module, "operator", **operator)["changed"]
    account = {
        "name": "APP",
        "key_path": f"{tmp_path}/app.nk",
        "jwt_path": f"{tmp_path}/app.jwt",
        "operator_jwt_path": f"{tmp_path}/acme.jwt",
        "signer_path": f"{tmp_path}/signing.nk",
    }
    assert run(ansible_module, "account", **account)["reasons"] == ["there is no token yet"]
    assert run(ansible_module, "account", **account, limits={"connections": 5})["reasons"] == [
        "limits.connections: unlimited -> 5"
    ]


def test_user_creds_and_info_through_ansible_adhoc(hosts: Any, tmp_path: pathlib.Path) -> None:
    assert run(hosts, "nkey", path=f"{tmp_path}/app.nk", type="account")["changed"]
    user = run(
        hosts,
        "user",
        name="u",
        key_path=f"{tmp_path}/u.nk",
        jwt_path=f"{tmp_path}/u.jwt",
        account=run(hosts, "nkey", path=f"{tmp_path}/app.nk", type="account")["public_key"],
        signer_path=f"{tmp_path}/app.nk",
    )
    assert user["changed"]
    creds = {"path": f"{tmp_path}/u.creds", "jwt_path": f"{tmp_path}/u.jwt", "key_path": f"{tmp_path}/u.nk"}
    assert run(hosts, "creds", **creds)["changed"]
    assert not run(hosts, "creds", **creds)["changed"]
    info = run(hosts, "jwt_info", jwt_path=f"{tmp_path}/u.creds")
    assert (info["valid"], info["public_key"]) == (True, user["public_key"])


def test_activation_through_ansible_adhoc(hosts: Any, tmp_path: pathlib.Path) -> None:
    run(hosts, "nkey", path=f"{tmp_path}/app.nk", type="account")
    importer = run(hosts, "nkey", path=f"{tmp_path}/partner.nk", type="account")["public_key"]
    result = run(
        hosts,
        "activation",
        jwt_path=f"{tmp_path}/a.jwt",
        signer_path=f"{tmp_path}/app.nk",
        importer=importer,
        import_subject="orders",
        import_type="service",
    )
    assert result["public_key"] == importer


def test_failure_comes_back_as_one(hosts: Any, tmp_path: pathlib.Path) -> None:
    result = start(hosts, "nkey", path=f"{tmp_path}/none/k.nk", type="user")
    assert result["failed"]
    assert result["msg"] == f"path: the folder of {tmp_path}/none/k.nk does not exist."


def test_store_through_ansible_adhoc(hosts: Any, tmp_path: pathlib.Path) -> None:
    folders = {"stores_dir": f"{tmp_path}/stores", "keys_dir": f"{tmp_path}/keys"}
    definition = {
        "operator": {"name": "ACME", "signing_keys": ["main"]},
        "accounts": [{"name": "APP", "signing_keys": [{"role": "main"}], "users": [{"name": "orders"}]}],
    }
    assert run(hosts, "store", definition=definition, **folders)["summary"]["created"]
    found = run(hosts, "store_info", store="ACME", **folders)
    assert not found["changed"]
    assert not run(hosts, "store", definition=found["definition"], **folders)["changed"]
