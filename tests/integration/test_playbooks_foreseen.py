# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Each playbook on an empty folder: check mode writes nothing, and shows the changes or the error of the real run."""

from __future__ import annotations

import pathlib
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from support.inventories import changed_tasks, definition
from support.plays import closed_up, run_playbook

if TYPE_CHECKING:
    from support.plays import Play
    from support.sites import Site

pytestmark = pytest.mark.playbook

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENT = {"operator_definition": definition("APP")}
NO_SERVER = ["nats://127.0.0.1:1"]
NO_KEY = {"rotate_key": "O" + "A" * 55}
CREDS = {"account": "APP", "name": "one", "path": "FOLDER/one.creds", "owner": "", "group": ""}

#: The variables of each playbook, beside those that name the folder.
VARIABLES: dict[str, dict[str, Any]] = {
    "adopt": {"adopt_store": "ACME", "adopt_path": "FOLDER/acme.yml"},
    "backup": {"backup_path": "FOLDER/acme.backup", "backup_password": "opensesame"},
    "credentials": {**DOCUMENT, "credentials_operator": "ACME", "credentials_users": [CREDS]},
    "diagnose": {
        "diagnose_user": "APP/one",
        "diagnose_servers": NO_SERVER,
        "diagnose_store_path": "FOLDER/stores/ACME",
    },
    "operator": DOCUMENT,
    "rebuild": {"rebuild_paths": ["FOLDER/old"]},
    "renew": DOCUMENT,
    "report": {"report_html_path": "FOLDER/report.html"},
    "restore": {"restore_path": "FOLDER/acme.backup", "restore_password": "opensesame"},
    "revoke": {"revoke_user": "APP/one", "revoke_store": "ACME"},
    "rotate": {**DOCUMENT, **NO_KEY, "rotate_slot": "APP/main"},
}


def at(folder: pathlib.Path, name: str) -> dict[str, Any]:
    """The variables of a playbook with this folder."""
    given = {
        "operator_stores_dir": "FOLDER/stores",
        "operator_keys_dir": "FOLDER/keys",
        "adopt_stores_dir": "FOLDER/stores",
        "adopt_keys_dir": "FOLDER/keys",
        "resolver_servers": NO_SERVER,
        **VARIABLES[name],
    }
    return dict(yaml.safe_load(yaml.safe_dump(given).replace("FOLDER", str(folder))))


def test_every_playbook_is_here() -> None:
    # The role server changes the host itself, so the playbook site runs on the hosts of molecule. test_quickstart.py runs quickstart in check mode.
    assert {*VARIABLES, "site", "quickstart"} == {path.stem for path in (ROOT / "playbooks").glob("*.yml")}


@pytest.mark.parametrize("name", VARIABLES)
def test_check_mode_of_a_playbook_on_an_empty_folder_predicts_the_real_run(site: Site, play: Play, name: str) -> None:
    inventory = play.folder / "inventory.yml"
    hosts = {"hosts": {"localhost": {"ansible_connection": "local"}}}
    inventory.write_text(yaml.safe_dump({"nats": hosts, "nats_clients": hosts}))
    environment = play.environment(ANSIBLE_VERBOSITY="1")

    def run(*arguments: str) -> tuple[int, str]:
        return run_playbook(
            f"natsops.security.{name}",
            *arguments,
            inventory=inventory,
            variables=at(site.folder, name),
            environment=environment,
        )

    _status, told = run("--check")
    assert list(site.folder.iterdir()) == []
    status, output = run()
    if status == 0:
        assert changed_tasks(told) == changed_tasks(output), told
    else:
        (message,) = re.findall('"msg": "(.*?)"', output[output.index("fatal: ") :])[:1]
        assert closed_up(message) in closed_up(told)
