# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Backups of the collection opened and restored with the nats command line, and backups of nats read by the collection."""

from __future__ import annotations

import pathlib
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from ansible_collections.natsops.security.plugins.module_utils.backup.bundle import Keys, read_bundle, write_sealed
from ansible_collections.natsops.security.plugins.module_utils.backup.contents import Contents
from ansible_collections.natsops.security.plugins.module_utils.backup.gather import gather
from ansible_collections.natsops.security.plugins.module_utils.backup.natscli import write_natscli
from ansible_collections.natsops.security.plugins.module_utils.backup.rebuild import Source, rebuild
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.store.archiving import put_away
from ansible_collections.natsops.security.plugins.module_utils.store.layout import Layout

if TYPE_CHECKING:
    from conftest import Home

NOW = 1_800_000_000
GUIDE = pathlib.Path(__file__).parents[2] / "docs" / "backup.md"


@pytest.fixture
def made(home: Home) -> Home:
    """An operator created by nsc: signing keys, a scope, users with creds."""
    home.nsc("add", "operator", "ACME", "--sys", "--generate-signing-key")
    home.nsc("add", "account", "APP")
    home.nsc("edit", "account", "APP", "--sk", "generate")
    home.nsc("edit", "signing-key", "--account", "APP", "--sk", "generate", "--role", "reader", "--allow-sub", "a.>")
    home.nsc("add", "user", "--account", "APP", "plain")
    home.nsc("add", "user", "--account", "APP", "scoped", "--private-key", "reader")
    return home


def contents_of(home: Home) -> Contents:
    return gather(Layout(str(home.stores), str(home.keys), "ACME"))


def without_marker(contents: Contents) -> dict[str, str]:
    return {path: text for path, text in contents.files.items() if not path.endswith((".nsc", ".gitignore"))}


def test_nats_opens_our_backup_by_the_commands_of_the_guide(made: Home) -> None:
    if shutil.which("jq") is None:
        pytest.skip("takes jq")
    pair, contents = nkey.create("curve"), contents_of(made)
    other = nkey.create("curve").public_key
    (made.folder / "acme.backup").write_text(write_sealed(contents, [other, pair.public_key], NOW))
    (made.folder / "my-curve.nk").write_text(pair.seed)
    (commands,) = re.findall("```console\n(jq .*?)```", GUIDE.read_text(), re.DOTALL)
    data = made.folder / "restored"
    data.mkdir()
    environment = {**made.environment, "ME": pair.public_key, "PATH": f"{made.peers}:{made.environment['PATH']}"}
    subprocess.run(["bash", "-ec", commands], check=True, cwd=made.folder, env=environment, capture_output=True)
    subprocess.run(["tar", "-xzf", "acme.tar.gz", "-C", str(data)], check=True, cwd=made.folder)
    assert gather(Layout(str(data / "stores"), str(data / "keys"), "ACME")) == contents
    # nsc accepts the restored store and keystore.
    shutil.rmtree(made.stores)
    shutil.rmtree(made.keys)
    shutil.move(data / "stores", made.stores)
    shutil.move(data / "keys", made.keys)
    made.validate()


def test_nats_opens_an_archived_seed_by_the_same_commands(made: Home) -> None:
    if shutil.which("jq") is None:
        pytest.skip("takes jq")
    pair = nkey.create("curve")
    where = Layout(str(made.stores), str(made.keys), "ACME", pair.public_key)
    seed = next(path for path in made.keys.rglob("*.nk") if path.stem.startswith("A"))
    text = seed.read_text()
    put_away(where, str(seed), True, "then")
    shutil.copy(next(made.keys.rglob("*.archived")), made.folder / "acme.backup")
    (made.folder / "my-curve.nk").write_text(pair.seed)
    (commands,) = re.findall("```console\n(jq .*?)```", GUIDE.read_text(), re.DOTALL)
    environment = {**made.environment, "ME": pair.public_key, "PATH": f"{made.peers}:{made.environment['PATH']}"}
    subprocess.run(["bash", "-ec", commands], check=True, cwd=made.folder, env=environment, capture_output=True)
    assert (made.folder / "acme.tar.gz").read_text() == text


@pytest.mark.parametrize("sealed", [False, True])
def test_backup_of_nats_is_what_is_in_the_store(made: Home, sealed: bool) -> None:
    pair = nkey.create("curve")
    (made.folder / "my-curve.nk").write_text(pair.seed)
    made.nats("operator", "backup", "ACME", "acme.json", *(["--key", "my-curve.nk"] if sealed else []))
    found = read_bundle((made.folder / "acme.json").read_text(), Keys([pair]), made.public_key())
    assert without_marker(found.contents) == without_marker(contents_of(made))
    assert found.held.problems == []


def test_nats_restores_what_we_write(made: Home) -> None:
    contents = contents_of(made)
    (made.folder / "acme.json").write_text(write_natscli(contents))
    shutil.rmtree(made.stores)
    shutil.rmtree(made.keys)
    made.nats("operator", "restore", "ACME", "acme.json")
    restored = without_marker(contents_of(made))
    # nats does not write creds files.
    assert restored == {path: text for path, text in without_marker(contents).items() if "/creds/" not in path}
    made.validate()


def test_modules_and_nats_restore_what_the_other_backed_up(made: Home) -> None:
    pair, before = nkey.create("curve"), contents_of(made)
    (made.folder / "curve.nk").write_text(pair.seed)
    places = {"stores_dir": str(made.stores), "keys_dir": str(made.keys)}
    made.nats("operator", "backup", "ACME", "theirs.json", "--key", "curve.nk")
    ours = {"path": str(made.folder / "ours.json"), "nats_key_path": str(made.folder / "curve.nk"), **places}
    made.site.run("backup", **ours)
    shutil.rmtree(made.stores)
    shutil.rmtree(made.keys)
    theirs = {"path": str(made.folder / "theirs.json"), "key_path": str(made.folder / "curve.nk"), **places}
    made.site.run("restore", **theirs)
    assert without_marker(contents_of(made)) == without_marker(before)
    made.validate()
    made.site.keep("backup", **ours)
    shutil.rmtree(made.stores)
    shutil.rmtree(made.keys)
    made.nats("operator", "restore", "ACME", "ours.json", "--key", "curve.nk")
    restored = without_marker(contents_of(made))
    assert restored == {path: text for path, text in without_marker(before).items() if "/creds/" not in path}
    made.validate()


def test_rebuilt_store_is_the_one_that_nsc_rebuilds(made: Home) -> None:
    loose = made.folder / "loose"
    loose.mkdir()
    for number, path in enumerate([*made.stores.rglob("*.jwt"), *made.keys.rglob("*.nk"), *made.keys.rglob("*.creds")]):
        shutil.copy(path, loose / f"{number}{path.suffix}")
    made.nsc("fix", "--creds", "--in", loose, "--out", made.folder / "fixed")
    theirs = gather(Layout(str(made.folder / "fixed" / "operators"), str(made.folder / "fixed" / "keys"), "ACME"))
    result = rebuild(Source(path.name, path.read_text()) for path in loose.iterdir())
    assert (result.unreadable, result.orphans, result.unused_seeds) == ([], [], {})
    (store,) = result.stores
    assert without_marker(store.contents) == without_marker(theirs)
    assert store.missing_seeds == {}
