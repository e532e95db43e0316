# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Archived seeds and creds that are encrypted to `archive_key`: whatever archives them, no seed that left the keystore is left in plain text."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
from typing import Any

import pytest
from integration.test_operator_role import operation
from integration.test_rotation import Store, turning
from integration.test_store_safety import in_child
from support.plays import Play
from support.sites import SEED, Site

from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.keys.keyring import Keyring
from ansible_collections.natsops.security.plugins.module_utils.keys.sealed import open_sealed, read_sealed
from ansible_collections.natsops.security.plugins.module_utils.reconcile.wanted import How
from ansible_collections.natsops.security.plugins.module_utils.store import apply, archiving, document, layout

GUIDE = pathlib.Path(__file__).parents[2] / "docs" / "backup.md"
APP, PARTNER = 1, 2
IDENTITY = {"operator": "ACME"}
USER = {"account": "APP", "user": "orders"}


class Sealed(Store):
    """A store whose tasks archive to a curve key."""

    def __init__(self, site: Site) -> None:
        self.curve = nkey.create("curve")
        super().__init__(site)
        self.before = self.seeds()

    @property
    def folders(self) -> dict[str, Any]:
        return {
            "stores_dir": self.site / "stores",
            "keys_dir": self.site / "keys",
            "archive_key": self.curve.public_key,
        }

    def run(self, *rotations: dict[str, Any], **options: Any) -> dict[str, Any]:
        return super().run(*rotations, **{"archive_key": self.curve.public_key, **options})

    def seeds(self) -> set[str]:
        """All seeds in plain text, wherever they are."""
        files = (path for path in self.site.folder.rglob("*") if path.is_file())
        return {seed for path in files for seed in SEED.findall(path.read_text())}

    @property
    def archive(self) -> dict[str, str]:
        """The contents of the archive of the keystore, opened, by the paths of the files. Every file is sealed."""
        folder = self.site.folder / "keys/.natsops/archive"
        files = [path for path in folder.rglob("*") if path.is_file()]
        assert all(path.stat().st_mode & 0o777 == 0o600 for path in files)
        sealed = {path: read_sealed(path.read_text()) for path in files}
        for path, one in sealed.items():
            assert one.about["archived"] in str(path)
        return {str(path): open_sealed(one, [self.curve]).decode() for path, one in sealed.items()}

    def see_sealed(self, *endings: str) -> None:
        """Check that every seed that is gone is in the archive, sealed, and that the archive has a file with each of these endings."""
        archive = self.archive
        gone = self.before - self.seeds()
        assert gone
        assert gone <= {seed for text in archive.values() for seed in SEED.findall(text)}
        for ending in endings:
            assert any(path.endswith(ending + ".archived") for path in archive), ending


@pytest.fixture
def store(site: Site) -> Sealed:
    """A store of three accounts, with a scope, an activation and a curve key of an auth callout."""
    made = Sealed(site)
    made.document["accounts"][APP]["authorization"] = {"auth_users": ["orders"], "xkey": {"role": "callout"}}
    made.run()
    made.before = made.seeds()
    return made


@pytest.mark.parametrize(
    ("rotated", "phases"),
    [
        ({"account": "APP", "role": "main"}, ["resign", "retire"]),
        ({"account": "APP", "role": "main"}, ["replace"]),
        ({"account": "APP", "role": "reader"}, ["resign", "retire"]),
        ({"account": "APP", "role": "callout"}, ["add", "resign", "retire"]),
        ({"role": "main"}, ["resign", "retire"]),
        (IDENTITY, ["add", "resign", "retire"]),
        (USER, ["resign", "retire"]),
        (USER, ["replace"]),
    ],
    ids=str,
)
def test_seed_of_a_rotated_key_is_sealed(store: Sealed, rotated: dict[str, Any], phases: list[str]) -> None:
    for phase in phases:
        result = store.run({**rotated, "phase": phase})
    store.see_sealed(f"/{result['rotations'][0]['retired'][0]}.nk")
    assert not store.run()["changed"]


def test_what_is_removed_is_sealed(store: Sealed) -> None:
    partner, reader = store.claims("PARTNER").subject, store.issuer("APP", "dashboard")
    del store.document["accounts"][PARTNER], store.document["accounts"][APP]["users"][1]
    del store.document["accounts"][APP]["signing_keys"][1]
    store.run(prune=True, cut_off=True)
    store.see_sealed(f"/{partner}.nk", f"/{reader}.nk", "/dashboard.creds")
    assert not store.run(prune=True)["changed"]


def test_revoked_signing_key_is_sealed(store: Sealed) -> None:
    stolen = store.issuer("APP", "orders")
    options = {**store.folders, "store": "ACME", "account": "APP", "remove_signing_keys": ["main"]}
    store.site.run("revocation", **options)
    store.see_sealed(f"/{stolen}.nk")
    store.site.keep("revocation", **options)


def test_second_copy_that_a_rename_finds_is_sealed(store: Sealed) -> None:
    """A run of another tool has left the creds under both names."""
    folder = store.site.folder / "keys/creds/ACME/APP"
    shutil.copy(folder / "orders.creds", folder / "shop.creds")
    store.document["accounts"][APP]["users"][0] = {"name": "shop", "renamed_from": "orders"}
    store.document["accounts"][APP]["authorization"]["auth_users"] = ["shop"]
    store.run()
    (path,) = store.archive
    assert path.endswith("/orders.creds.archived")


def test_seed_that_a_restore_replaces_is_sealed(store: Sealed, tmp_path: pathlib.Path) -> None:
    folders = {name: value for name, value in store.folders.items() if name != "archive_key"}
    file, key = tmp_path / "acme.backup", tmp_path / "curve.nk"
    key.write_text(store.curve.seed)
    store.site.run("backup", path=str(file), recipients=[store.curve.public_key], **folders)
    creds = store.site.folder / "keys/creds/ACME/APP/orders.creds"
    creds.write_text((creds.parent / "dashboard.creds").read_text())
    store.site.run("restore", path=str(file), key_path=str(key), force=True, **store.folders)
    (path,) = store.archive
    assert path.endswith("/orders.creds.archived")
    archived = next((store.site.folder / "keys/.natsops/archive").rglob("*.archived"))
    message = store.site.refuse("restore", path=str(archived), key_path=str(key), **store.folders)
    assert "It is not a backup: it is one file from the archive of a keystore" in message


def test_run_that_is_killed_before_it_removes_the_seed_is_completed(
    store: Sealed, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = store.issuer("APP", "orders")
    store.run(turning("resign"))
    where = layout.Layout(store.site / "stores", store.site / "keys", "ACME", store.curve.public_key)
    wanted, _none = document.read_document(store.document)
    unset = dict.fromkeys(("user", "operator", "strict_mode", "public_key", "next_public_key", "compromised"))
    wanted.rotations, _none = document.read_rotations([{**unset, **turning("retire")}], wanted)
    monkeypatch.setattr(archiving, "discard", lambda _path: os.kill(os.getpid(), signal.SIGKILL))
    how, once = How(int(time.time())), apply.Run(False, 60, "a test")
    ring = Keyring((), [where.keys_dir])
    assert in_child(lambda: apply.run(wanted, where, lambda: ring, how, once)) == signal.SIGKILL
    assert pathlib.Path(where.key(old)).exists()
    assert any(path.endswith(f"/{old}.nk.archived") for path in store.archive)
    store.run(turning("retire", public_key=old))
    store.see_sealed(f"/{old}.nk")
    assert not store.run()["changed"]


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        (nkey.create("account").public_key, "is an account public key, expected a curve public key."),
        ("XABC", "is not a public key: it has 4 characters instead of 56."),
        ("", "is not a public key: it has 0 characters instead of 56."),
        (nkey.create("curve").seed, "this contains a seed or a private key, which is not allowed here."),
    ],
    ids=["account", "short", "empty", "seed"],
)
def test_key_that_is_no_public_curve_key_is_refused(store: Sealed, key: str, problem: str) -> None:
    for rotations in ((), (turning("replace"),)):
        message = store.refused(*rotations, archive_key=key)
        assert message.startswith("archive_key: ")
        assert problem in message


def test_documented_program_opens_an_archived_seed(store: Sealed, tmp_path: pathlib.Path) -> None:
    old = store.issuer("APP", "orders")
    store.run(turning("replace"))
    (archived,) = (store.site.folder / "keys/.natsops/archive").rglob(f"{old}.nk.archived")
    shutil.copy(archived, tmp_path / "acme.backup")
    (tmp_path / "my-curve.nk").write_text(store.curve.seed)
    (program,) = re.findall("```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    command = [sys.executable, "-I", "-c", program, store.curve.public_key]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert nkey.from_seed((tmp_path / "acme.tar.gz").read_text().strip()).public_key == old


@pytest.mark.playbook
def test_role_archives_to_its_key(play: Play) -> None:
    made, curve = operation(play, "document"), nkey.create("curve")
    made.make(operator_archive_key=curve.public_key)
    before = made.seeds
    replaced = {"account": "SENSORS", "role": "main", "phase": "replace"}
    made.make(operator_archive_key=curve.public_key, operator_rotations=[replaced])
    (archived,) = (made.folder / "nats/keys/.natsops/archive").rglob("*.nk.archived")
    (gone,) = before.keys() - made.seeds.keys()
    assert open_sealed(read_sealed(archived.read_text()), [curve]).decode() == before[gone]
    assert made.make(operator_archive_key=curve.public_key).changed == 0
