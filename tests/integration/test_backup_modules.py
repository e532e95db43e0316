# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""nats_backup and nats_restore: a store is backed up to one file and restored on an empty machine, and what is refused."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from support.faults import killed_run
from support.plays import run_playbook
from test_backups import DOCUMENT

from ansible_collections.natsops.security.plugins.module_utils.keys import nkey

if TYPE_CHECKING:
    from support.plays import Play
    from support.sites import Site

PASSWORD = "correct horse battery staple"
GUIDE = pathlib.Path(__file__).parents[2] / "docs" / "backup.md"
ANSIBLE_VAULT = pathlib.Path(sys.executable).with_name("ansible-vault")


class Machine:
    """A machine with a store, the options of its tasks, and a curve key outside the store."""

    def __init__(self, site: Site, elsewhere: pathlib.Path) -> None:
        self.site, self.curve = site, nkey.create("curve")
        elsewhere.mkdir()
        self.key_path = elsewhere / "curve.nk"
        self.key_path.write_text(self.curve.seed)
        self.file = elsewhere / "acme.backup"
        self.folders = {"stores_dir": site / "stores", "keys_dir": site / "keys"}
        self.store = {"definition": DOCUMENT, **self.folders}
        site.run("store", **self.store)
        self.operator = site.claims("stores/ACME/ACME.jwt").subject

    @property
    def backup(self) -> dict[str, Any]:
        """The options of nats_backup."""
        return {"path": str(self.file), "recipients": [self.curve.public_key], **self.folders}

    @property
    def restore(self) -> dict[str, Any]:
        """The options of nats_restore."""
        return {"path": str(self.file), "key_path": str(self.key_path), "operator": self.operator, **self.folders}

    def wipe(self) -> dict[str, str]:
        """Delete the store. Returns the files that it had, except the lock."""
        files = self.files
        for name in ("stores", "keys"):
            shutil.rmtree(self.site / name)
        return files

    @property
    def files(self) -> dict[str, str]:
        """The contents of all files by path, except the lock."""
        found = (path for path in self.site.folder.rglob("*") if path.is_file() and path.name != "lock")
        return {str(path): path.read_text() for path in found}


@pytest.fixture
def machine(site: Site, tmp_path: pathlib.Path) -> Machine:
    """A machine with a store of three accounts."""
    return Machine(site, tmp_path / "elsewhere")


@pytest.mark.parametrize("form", ["sealed", "password"])
def test_empty_machine_has_everything_again_and_the_same_document_changes_nothing(machine: Machine, form: str) -> None:
    site, backup, restore = machine.site, machine.backup, machine.restore
    if form == "password":
        backup = {**{name: value for name, value in backup.items() if name != "recipients"}, "password": PASSWORD}
        restore = {**{name: value for name, value in restore.items() if name != "key_path"}, "password": PASSWORD}
    made = site.run("backup", **backup)
    assert (made["store"], made["operator"]["public_key"]) == ("ACME", machine.operator)
    assert made["holds"] == {"accounts": 3, "users": 4, "seeds": 13, "creds": 4}
    assert (made["missing_seeds"], made["problems"]) == ({}, [])
    assert machine.file.stat().st_mode & 0o777 == 0o600
    site.keep("backup", **backup)
    lost = machine.wipe()
    result = site.run("restore", **restore)
    assert result["restored"] == result["holds"] == made["holds"]
    assert machine.files == lost
    site.keep("restore", **restore)
    site.keep("store", **machine.store)
    site.keep("backup", **backup)


def test_documented_program_opens_a_sealed_backup_without_this_collection(
    machine: Machine, tmp_path: pathlib.Path
) -> None:
    machine.site.run("backup", **machine.backup)
    folder = tmp_path / "without"
    folder.mkdir()
    shutil.copy(machine.file, folder / "acme.backup")
    shutil.copy(machine.key_path, folder / "my-curve.nk")
    (program,) = re.findall("```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    # Isolated mode (-I) ignores this folder and PYTHONPATH, where Python could find the collection.
    for command in (
        [sys.executable, "-I", "-c", program, machine.curve.public_key],
        ["tar", "-xzf", "acme.tar.gz"],
        [sys.executable, "-I", "-c", "import ansible_collections.natsops.security"],
    ):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert (done.returncode == 0) == ("import ansible_collections.natsops.security" not in command), done.stderr
    for place, name in ((machine.folders["stores_dir"], "stores"), (machine.folders["keys_dir"], "keys")):
        lost = [path for path in pathlib.Path(place).rglob("*") if path.suffix in (".jwt", ".nk", ".creds")]
        read = {str(path.relative_to(place)): path.read_text() for path in lost if ".natsops" not in path.parts}
        assert read
        for path, text in read.items():
            assert (folder / name / path).read_text() == text


def test_documented_command_opens_what_a_password_encrypts(machine: Machine, tmp_path: pathlib.Path) -> None:
    (tmp_path / "password").write_text(PASSWORD)
    machine.site.run("backup", path=str(machine.file), password=PASSWORD, **machine.folders)
    command = [
        ANSIBLE_VAULT,
        "decrypt",
        "--vault-password-file",
        tmp_path / "password",
        "--output",
        tmp_path / "acme.tar.gz",
    ]
    subprocess.run([*command, machine.file], check=True, env={**os.environ, "ANSIBLE_HOME": str(tmp_path)})
    (tmp_path / "nsc").mkdir()
    subprocess.run(["tar", "-xzf", tmp_path / "acme.tar.gz", "-C", tmp_path / "nsc"], check=True)
    assert (tmp_path / "nsc/stores/ACME/ACME.jwt").read_text() == machine.site.text("stores/ACME/ACME.jwt")


def test_backup_follows_the_store_and_the_recipients(machine: Machine) -> None:
    site, backup = machine.site, machine.backup
    site.run("backup", **backup)
    first = machine.file.read_text()
    site.run("store", **{**machine.store, "definition": with_user(machine, "late")})
    result = site.run("backup", **backup, backup=True)
    assert result["holds"]["users"] == 5
    (kept,) = result["backup_files"]
    assert pathlib.Path(kept).read_text() == first
    assert pathlib.Path(kept).stat().st_mode & 0o777 == 0o600
    other = nkey.create("curve").public_key
    backup["recipients"] = [machine.curve.public_key, other]
    assert site.run("backup", **backup)["changed"]
    assert set(json.loads(machine.file.read_text())["recipients"]) == {machine.curve.public_key, other}


def with_user(machine: Machine, name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(machine.store["definition"]))
    document["accounts"][1]["users"].append({"name": name})
    return document


def test_nothing_newer_is_replaced_unless_the_task_says_so(machine: Machine) -> None:
    site = machine.site
    site.run("backup", **machine.backup)
    saved = site.text("stores/ACME/accounts/APP/APP.jwt")
    changed = with_user(machine, "late")
    changed["accounts"][1]["limits"] = {"connections": 7}
    site.run("store", **{**machine.store, "definition": changed})
    newer = site.text("stores/ACME/accounts/APP/APP.jwt")
    message = site.refuse("restore", **machine.restore)
    assert f"{site / 'stores/ACME/accounts/APP/APP.jwt'} (newer)" in message
    result = site.run("restore", **machine.restore, force=True)
    assert site / "stores/ACME/accounts/APP/APP.jwt" in result["replaced"]
    assert newer in {path.read_text() for path in site.folder.rglob("*.archived")}
    assert site.text("stores/ACME/accounts/APP/APP.jwt") == saved
    site.keep("restore", **machine.restore, force=True)


def test_older_jwts_and_lost_seeds_are_restored(machine: Machine) -> None:
    site = machine.site
    old = site.text("stores/ACME/accounts/APP/users/orders.jwt")
    changed = with_user(machine, "late")
    changed["accounts"][1]["users"][0]["tags"] = ["new"]
    site.run("store", **{**machine.store, "definition": changed})
    site.run("backup", **machine.backup)
    expected = machine.files
    site.write("stores/ACME/accounts/APP/users/orders.jwt", old, 0o600)
    for path in list((site.folder / "keys/keys").rglob("*.nk"))[:5]:
        path.unlink()
    result = site.run("restore", **machine.restore)
    assert (result["restored"]["users"], result["restored"]["seeds"], result["replaced"]) == (1, 5, [])
    assert machine.files == expected


def changed_at(text: str, where: int) -> str:
    return text[:where] + ("A" if text[where] != "A" else "B") + text[where + 1 :]


def test_backup_that_is_not_what_it_says_is_refused(machine: Machine) -> None:
    site = machine.site
    site.run("backup", **machine.backup)
    good = machine.file.read_text()
    machine.wipe()
    whole = json.loads(good)
    other = nkey.create("curve")
    cases = [
        ("it is not a sealed backup, or is truncated", good[: len(good) // 2]),
        ("though it is sealed to it: it was changed", changed_at(good, good.index('"content"') + 500)),
        ("it does not match its header: it was changed", json.dumps({**whole, "sha256": "0" * 64})),
        ("it does not match its header: it was changed", json.dumps({**whole, "store": "OTHER"})),
        ("it is of version '2'; only version 1 is supported", json.dumps({**whole, "version": 2})),
        ("the file is empty", "\n"),
    ]
    for message, text in cases:
        machine.file.write_text(text)
        assert message in site.refuse("restore", **machine.restore).replace(
            "The backup does not match its header", "it does not match its header"
        )
    machine.file.write_text(good)
    for options, message in (
        (
            {"key_path": None, "key_seed": other.seed},
            f"it is sealed to {machine.curve.public_key}, and the given key is {other.public_key}",
        ),
        ({"key_path": None}, "and the given key is none"),
        ({"key_path": None, "password": PASSWORD}, "and the given key is none"),
        ({"key_path": str(machine.key_path) + ".none"}, "key_path: there is no file"),
        ({"operator": nkey.create("operator").public_key}, "The backup belongs to another operator"),
        ({"operator": other.public_key}, "operator: "),
        ({"store": "OTHER"}, "is the backup of the store ACME, not of OTHER"),
    ):
        given = {name: value for name, value in {**machine.restore, **options}.items() if value is not None}
        assert message in site.refuse("restore", **given)
    machine.site.run("restore", **machine.restore)


def test_store_of_another_operator_is_never_replaced(machine: Machine) -> None:
    site = machine.site
    site.run("backup", **machine.backup)
    machine.wipe()
    site.run("store", **machine.store)
    for force in (False, True):
        message = site.refuse("restore", **machine.restore, force=force)
        assert f"is the store of another operator, {site.claims('stores/ACME/ACME.jwt').subject}" in message


def test_what_does_not_verify_is_backed_up_with_a_warning_and_restored_on_demand(machine: Machine) -> None:
    site = machine.site
    foreign = nkey.create("account")
    site.make_jwt("stores/ACME/accounts/APP/users/foreign.jwt", "user", nkey.create("user").public_key, foreign)
    made = site.run("backup", **machine.backup)
    assert len(made["problems"]) == 1
    assert "accept_unverified" in str(made["warnings"])
    lost = machine.wipe()
    assert "foreign.jwt" in site.refuse("restore", **machine.restore)
    site.run("restore", **machine.restore, accept_unverified=True)
    assert machine.files == lost


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"recipients": []}, "at least one curve key"),
        ({"recipients": ["nonsense"]}, "recipients[0]: "),
        ({"recipients": ["OPERATOR"]}, "recipients[0]: "),
        ({"store": "NONE"}, "is not a store"),
        ({"password": ""}, "must not be empty"),
        ({"path": "/nonexistent/acme.backup"}, "path: the folder of /nonexistent/acme.backup does not exist"),
    ],
)
def test_backup_that_cannot_be_made_is_refused(machine: Machine, options: dict[str, Any], message: str) -> None:
    if options.get("recipients") == ["OPERATOR"]:
        options = {"recipients": [machine.operator]}
    given = {**machine.backup, **options}
    if "password" in options:
        del given["recipients"]
    assert message in machine.site.refuse("backup", **given)


def test_backup_for_nats_has_the_jwts_and_seeds(machine: Machine) -> None:
    site = machine.site
    backup = {"path": str(machine.file), "nats_key_path": str(machine.key_path), **machine.folders}
    site.run("backup", **backup)
    assert machine.curve.seed not in machine.file.read_text()
    site.keep("backup", **backup)
    other = {name: value for name, value in backup.items() if name != "nats_key_path"}
    other["nats_key_seed"] = nkey.create("curve").seed
    assert "is left unchanged. The backup of nats cannot be read" in site.refuse("backup", **other)
    lost = machine.wipe()
    site.run("restore", **machine.restore)
    kept = {path for path in lost if path.endswith((".jwt", ".nk", ".creds")) and "/.natsops/" not in path}
    assert {path: text for path, text in machine.files.items() if path in kept} == {path: lost[path] for path in kept}
    # This backup format does not store roles, so they come from the document.
    site.run("store", **machine.store)
    site.keep("store", **machine.store)
    machine.file.unlink()
    (seed,) = pathlib.Path(machine.folders["keys_dir"]).rglob(f"{machine.operator}.nk")
    seed.unlink()
    assert f"the seed of the operator ACME, {machine.operator}, is missing" in site.refuse("backup", **backup)
    assert "is missing" in site.refuse("backup", {"check": True}, **backup)


def test_file_that_is_no_backup_of_this_store_stays(machine: Machine) -> None:
    site = machine.site
    for text in ("precious", json.dumps({"format": "other"}), machine.curve.seed):
        machine.file.write_text(text)
        assert "is left unchanged" in site.refuse("backup", **machine.backup)
        assert machine.file.read_text() == text
    machine.file.unlink()
    site.run("backup", **machine.backup)
    whole = json.loads(machine.file.read_text())
    machine.file.write_text(json.dumps({**whole, "store": "OTHER"}))
    assert "It is a backup of the store 'OTHER', not of ACME" in site.refuse("backup", **machine.backup)


@pytest.mark.parametrize("at", [20, 120])
def test_restore_that_is_killed_is_completed_by_the_next(machine: Machine, at: int) -> None:
    site = machine.site
    site.run("backup", **machine.backup)
    lost = machine.wipe()
    assert killed_run("nats_restore", machine.restore, at, site.collections) is None
    site.run("restore", **machine.restore)
    assert machine.files == lost
    site.keep("store", **machine.store)


@pytest.mark.attack
def test_roles_bring_a_lost_signing_host_back(site: Site, play: Play, tmp_path: pathlib.Path) -> None:
    curve = nkey.create("curve")
    (tmp_path / "here").mkdir()
    variables = {
        "operator_definition": DOCUMENT,
        "operator_stores_dir": site / "stores",
        "operator_keys_dir": site / "keys",
        "backup_path": str(tmp_path / "acme.backup"),
        "backup_recipients": [curve.public_key],
        "backup_fetch_path": "~/" + os.path.relpath(tmp_path / "here/acme.backup", pathlib.Path.home()),
        "report_html_path": str(tmp_path / "report.html"),
        "report_fetch_path": str(tmp_path / "here") + "/",
        "restore_src": str(tmp_path / "here/acme.backup"),
        "restore_path": str(tmp_path / "back.backup"),
        "restore_key_path": str(tmp_path / "curve.nk"),
    }

    def roles(*names: str, arguments: tuple[str, ...] = ()) -> list[str]:
        tasks = [{"ansible.builtin.include_role": {"name": f"natsops.security.{name}"}} for name in names]
        done = play(tasks, *arguments, **variables)
        assert done.returncode == 0, done.output
        return [name.rpartition(" : ")[2] for name, changed in done.changed.items() if changed]

    made = ["Reconcile the store with the document", "Back up the store", "Copy the file to the controller"]
    foreseen = [*made[:2], "Show that the file would be copied to the controller"]
    assert roles("operator", "backup", arguments=("--check",)) == foreseen
    assert list(site.folder.iterdir()) == []
    assert roles("operator", "backup") == made
    assert roles("operator", "backup", arguments=("--check",)) == []
    assert roles("operator", "backup") == []
    assert roles("report", arguments=("--check",)) == ["Write the report", foreseen[-1]]
    assert roles("report") == ["Write the report", made[-1]]
    assert roles("report", arguments=("--check",)) == []
    before = {path: path.read_text() for path in site.folder.rglob("*") if path.is_file() and path.name != "lock"}
    for folder in ("stores", "keys"):
        shutil.rmtree(site / folder)
    (tmp_path / "acme.backup").unlink()
    (tmp_path / "curve.nk").write_text(curve.seed)
    # Check mode reads the backup that would be copied, not the file in its place.
    (tmp_path / "back.backup").write_text("an older file")
    restored = ["Copy the backup to the signing host", "Restore the store"]
    assert roles("restore", arguments=("--check",)) == restored
    assert (tmp_path / "back.backup").read_text() == "an older file"
    assert not (site.folder / "stores").exists()
    assert roles("restore", "operator") == restored
    after = {path: path.read_text() for path in site.folder.rglob("*") if path.is_file() and path.name != "lock"}
    assert after == before
    assert roles("restore", "operator") == []


def test_playbooks_back_up_and_restore(machine: Machine, play: Play) -> None:
    variables: dict[str, Any] = {
        "operator_stores_dir": machine.folders["stores_dir"],
        "operator_keys_dir": machine.folders["keys_dir"],
        "backup_path": str(machine.file),
        "backup_recipients": [machine.curve.public_key],
        "restore_path": str(machine.file),
        "restore_key_seed": machine.curve.seed,
        "restore_operator": machine.operator,
    }

    def run(name: str) -> int:
        inventory = play.folder / "inventory.yml"
        inventory.write_text("all: {hosts: {localhost: {ansible_connection: local}}}")
        how: dict[str, Any] = {"inventory": inventory, "variables": variables, "environment": play.environment()}
        status, output = run_playbook(f"natsops.security.{name}", **how)
        assert status == 0, output
        return int(re.findall(r" changed=(\d+)", output)[0])

    assert [run("backup"), run("backup")] == [1, 0]
    lost = machine.wipe()
    assert [run("restore"), run("restore")] == [1, 0]
    assert machine.files == lost
