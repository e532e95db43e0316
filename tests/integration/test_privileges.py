# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""`become: true` of a play applies to application hosts, but not to the signing host or the controller, regardless of the user that runs it.

On the controller, the play runs as a user that is not root and that sudo refuses. On the hosts, sudo succeeds and logs what it runs.
"""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
from typing import Any

import pytest
import yaml
from support.inventories import Cluster, definition
from support.plays import BIN, Play, checked_output

from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.token import codec

pytestmark = [pytest.mark.playbook, pytest.mark.server, pytest.mark.attack]

_ROLE = "natsops.security."
# Both are called as sudo is: options, then /bin/sh -c COMMAND.
_REFUSES = '#!/bin/sh\necho "$*" >>"$0.log"\necho "sudo: you may not run sudo on this host" >&2\nexit 1\n'
_LETS_IN = '#!/bin/sh\necho "$*" >>"$0.log"\nwhile [ "$1" != /bin/sh ]; do shift; done\nexec "$@"\n'
_NOBODY = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]


def _is_possible() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*_NOBODY, "true"], capture_output=True, check=False).returncode == 0


class Escalation:
    """Application hosts and a controller, each with its own sudo."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster, self.folder = cluster, cluster.folder
        self.refusing, self.granting = self._sudo("refuses", _REFUSES), self._sudo("lets_in", _LETS_IN)
        host = {"ansible_connection": "local", "ansible_become_exe": str(self.granting)}
        controller = {"ansible_connection": "local", "ansible_become_exe": str(self.refusing)}
        hosts = {"h1": {**host, "credentials_users": self._users()}, "localhost": controller}
        (self.folder / "apps.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts}}))

    def _sudo(self, name: str, text: str) -> pathlib.Path:
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    def _users(self) -> list[dict[str, Any]]:
        born = {"account": "APP", "name": "born", "path": str(self.folder / "born.creds")}
        delivered = {
            "account": "APP",
            "name": "carried",
            "path": str(self.folder / "carried.creds"),
            "born": "delivered",
        }
        return [born, delivered]

    def play(self, *tasks: dict[str, Any], **variables: Any) -> tuple[int, str]:
        """Run tasks on the application host, in a play that becomes root."""
        play = {"hosts": "h1", "gather_facts": False, "become": True, "tasks": list(tasks)}
        (self.folder / "play.yml").write_text(yaml.safe_dump([play], sort_keys=False))
        urls = [f"nats://127.0.0.1:{port}" for port in self.cluster.ports[:3]]
        everything = {
            "operator_stores_dir": str(self.folder / "stores"),
            "operator_keys_dir": str(self.folder / "keys"),
            "operator_definition": definition("APP"),
            "resolver_servers": urls,
            "resolver_expected_servers": [],
            "credentials_operator": "ACME",
            "credentials_stores_dir": str(self.folder / "stores"),
            "credentials_keys_dir": str(self.folder / "keys"),
            "credentials_servers": urls,
            **variables,
        }
        (self.folder / "variables.json").write_text(json.dumps(everything))
        command = [*_NOBODY, BIN / "ansible-playbook", "-i", self.folder / "apps.yml", self.folder / "play.yml"]
        done = subprocess.run(
            [*map(str, command), "-e", f"@{self.folder / 'variables.json'}"],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**self.cluster.environment, "HOME": str(self.folder), "USER": "somebody", "LOGNAME": "somebody"},
        )
        return done.returncode, checked_output(done.stdout + done.stderr)

    def calls(self, sudo: pathlib.Path) -> int:
        """How often a sudo was called."""
        log = pathlib.Path(f"{sudo}.log")
        return log.read_text().count("BECOME-SUCCESS") if log.exists() else 0


@pytest.fixture
def escalation(play: Play) -> Any:
    """Servers that run with the accounts of a store."""
    if not _is_possible():
        pytest.skip("this system cannot make a user namespace")
    cluster = Cluster(play.folder / "cluster", play.environment())
    cluster.run(playbook=_ROLE + "operator", operator_hosts="nats", operator_definition=definition("APP"))
    cluster.start()
    try:
        yield Escalation(cluster)
    finally:
        cluster.stop()


def role(name: str, tasks_from: str = "main", **variables: Any) -> dict[str, Any]:
    return {"ansible.builtin.include_role": {"name": _ROLE + name, "tasks_from": tasks_from}, "vars": variables}


def test_no_role_becomes_root_where_keys_are(escalation: Escalation) -> None:
    folder = escalation.folder
    backup, safe = str(folder / "acme.backup"), nkey.create("curve")
    (folder / "safe.nk").write_text(safe.seed)
    user = codec.decode((folder / "stores/ACME/accounts/APP/users/u.jwt").read_text())
    status, output = escalation.play(
        role("operator"),
        role("resolver"),
        role("rotation", rotation_slot="APP/main", rotation_key=user.issuer, rotation_drain_timeout=1),
        role("rotation", "complete", rotation_slot="APP/main", rotation_drain_timeout=1),
        role("credentials", credentials_verify=True),
        role("backup", backup_path=backup, backup_recipients=[safe.public_key], backup_fetch_path=backup + ".fetched"),
        role(
            "restore",
            restore_src=backup + ".fetched",
            restore_path=backup + ".copy",
            restore_key_path=str(folder / "safe.nk"),
            restore_stores_dir=str(folder / "restored/stores"),
            restore_keys_dir=str(folder / "restored/keys"),
        ),
        role(
            "report",
            report_stores_dir=str(folder / "stores"),
            report_keys_dir=str(folder / "keys"),
            report_store="ACME",
            report_servers="{{ resolver_servers }}",
            report_expected_servers=[],
            report_html_path=str(folder / "report.html"),
            report_fetch_path=str(folder / "fetched.html"),
        ),
        role(
            "rebuild",
            rebuild_paths=[str(folder / "stores"), str(folder / "keys")],
            rebuild_stores_dir=str(folder / "rebuilt/stores"),
            rebuild_keys_dir=str(folder / "rebuilt/keys"),
        ),
        role(
            "resolver",
            "revoke",
            resolver_revoke_user="APP/u",
            resolver_revoke_store="ACME",
            resolver_revoke_stores_dir=str(folder / "stores"),
            resolver_revoke_keys_dir=str(folder / "keys"),
            resolver_revoke_report_path=str(folder / "revoked.json"),
        ),
    )
    assert status == 0, output[-3000:]
    assert escalation.calls(escalation.refusing) == 0
    assert escalation.calls(escalation.granting) >= 2  # the role credentials, on the host
    for path in (
        "born.creds",
        "carried.creds",
        "acme.backup.fetched",
        "restored/stores/ACME/ACME.jwt",
        "fetched.html",
        "rebuilt/stores/ACME/ACME.jwt",
        "revoked.json",
    ):
        assert (folder / path).exists(), path


def test_a_user_whom_sudo_refuses_is_stopped_where_a_variable_asks_for_root(escalation: Escalation) -> None:
    """Validates the test above: a task that becomes root there fails, and its sudo logs the call."""
    status, output = escalation.play(role("operator"), operator_become=True)
    assert status != 0
    assert "you may not run sudo on this host" in output
    assert escalation.calls(escalation.refusing) == 1
    assert os.getuid() != 0 or escalation.calls(escalation.granting) == 0
