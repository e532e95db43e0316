# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""nats_rebuild: a store from loose files or a live server, with a report of what is missing, and what is refused."""

from __future__ import annotations

import asyncio
import json
import os
import pathlib
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from support.faults import killed_run
from support.fleets import Realm, client, lets_in
from support.plays import Played, run_playbook
from support.ports import free_ports
from support.servers import Server, running
from test_backups import DOCUMENT

from ansible_collections.natsops.security.plugins.filter.nats_server_config import nats_server_config
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.plays import Play
    from support.sites import Site


class Disk:
    """A lost store, and its files under other names in one folder."""

    def __init__(self, site: Site, folder: pathlib.Path, lost: dict[str, str]) -> None:
        self.site, self.folder = site, folder
        self.place = {"stores_dir": site / "stores", "keys_dir": site / "keys"}
        self.store = {"definition": DOCUMENT, **self.place}
        self.lost = {site / name: text for name, text in lost.items()}
        claims = site.core.codec.decode
        self.operator = claims(self.text("stores/ACME/ACME.jwt")).subject
        self.accounts = {name: claims(self.text(f"stores/ACME/accounts/{name}/{name}.jwt")) for name in ("APP", "SYS")}
        self.task = {"paths": [str(folder)], "operator": self.operator, **self.place}
        loose = [path for path in self.lost if path.endswith((".jwt", ".nk", ".creds")) and "/record/" not in path]
        for number, path in enumerate(reversed(loose)):
            target = folder / str(number % 3) / f"{number}{pathlib.Path(path).suffix}"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(self.lost[path])

    @property
    def files(self) -> dict[str, str]:
        """The contents of all files of the store and keystore by path, except the lock."""
        found = (path for path in self.site.folder.rglob("*") if path.is_file() and path.name != "lock")
        return {str(path): path.read_text() for path in found}

    def find(self, text: str) -> pathlib.Path:
        """The loose file with this content."""
        return next(path for path in self.folder.rglob("*.*") if path.read_text() == text)

    def text(self, name: str) -> str:
        """The content of a file of the lost store."""
        return self.lost[self.site / name]

    def seed(self, public_key: str) -> pathlib.Path:
        """The loose file of a seed."""
        return self.find(self.text(f"keys/keys/{public_key[0]}/{public_key[1:3]}/{public_key}.nk"))


@pytest.fixture(scope="module")
def lost() -> dict[str, str]:
    """The contents of the files of a store with three accounts, by path. The first test fills it."""
    return {}


@pytest.fixture
def disk(site: Site, tmp_path: pathlib.Path, lost: dict[str, str]) -> Disk:
    """The files of that store, under other names."""
    if not lost:
        site.start("store", {"definition": DOCUMENT, "stores_dir": site / "stores", "keys_dir": site / "keys"})
        files = (path for path in site.folder.rglob("*") if path.is_file() and path.name != "lock")
        lost.update((str(path.relative_to(site.folder)), path.read_text()) for path in files)
        for name in ("stores", "keys"):
            shutil.rmtree(site.folder / name)
    return Disk(site, tmp_path / "disk", lost)


def without_roles(files: dict[str, str]) -> dict[str, str]:
    return {path: text for path, text in files.items() if not path.endswith("roles.json")}


def test_store_is_as_it_was_but_for_roles_that_no_jwt_says(disk: Disk) -> None:
    site = disk.site
    result = site.run("rebuild", **disk.task)
    assert result["store"] == "ACME"
    assert result["operator"] == {"name": "ACME", "public_key": disk.operator}
    assert result["holds"] == result["written"] == {"accounts": 3, "users": 4, "seeds": 13, "creds": 4}
    empty = ("missing_seeds", "users_without_creds", "accounts_without_users", "revoked", "superseded", "renamed")
    assert {name: list(result[name]) for name in (*empty, "foreign", "unused_seeds", "not_read", "replaced")} == {
        name: [] for name in (*empty, "foreign", "unused_seeds", "not_read", "replaced")
    }
    # `reader` has a scope, which names its role.
    assert sorted(what.partition(" of the ")[2] for what in result["signing_keys_without_role"].values()) == [
        "account APP",
        "account PARTNER",
        "account SYS",
        "operator ACME",
    ]
    assert without_roles(disk.files) == without_roles(disk.lost)
    assert "warnings" not in result
    site.keep("rebuild", **disk.task)
    adopted = site.run("store", **disk.store)
    (changed,) = (entity for entity in adopted["entities"] if entity["action"] != "kept")
    assert changed["kind"] == "store"
    assert all("is recorded as the key of the role main" in reason for reason in changed["reasons"])
    assert disk.files == disk.lost
    site.keep("store", **disk.store)
    assert site.keep("rebuild", **disk.task)["signing_keys_without_role"] == {}


@pytest.mark.attack
def test_roles_that_the_keystore_still_has_on_record_are_kept(disk: Disk) -> None:
    site = disk.site
    for path in disk.lost:
        if path.startswith(site / "keys"):
            site.write(path[len(str(site.folder)) + 1 :], disk.lost[path], 0o600)
    shutil.rmtree(site.folder / "keys/creds")
    result = site.run("rebuild", **{**disk.task, "paths": [str(disk.folder)]})
    assert result["signing_keys_without_role"] == {}
    assert disk.files == disk.lost
    # The test created the folders of the keystore, with other modes.
    for path in (site.folder / "keys").rglob("*"):
        if path.is_dir():
            path.chmod(0o700)
    (site.folder / "keys").chmod(0o700)
    site.keep("store", **disk.store)


def test_what_is_missing_is_in_the_report(disk: Disk) -> None:
    site = disk.site
    user = disk.text("stores/ACME/accounts/APP/users/orders.jwt")
    subject = site.core.codec.decode(user).subject
    disk.seed(disk.operator).unlink()
    disk.seed(disk.accounts["APP"].subject).unlink()
    disk.seed(subject).unlink()
    disk.find(disk.text("keys/creds/ACME/APP/orders.creds")).unlink()
    disk.find(disk.text("stores/ACME/accounts/SYS/users/sys.jwt")).unlink()
    disk.find(disk.text("keys/creds/ACME/SYS/sys.creds")).unlink()
    result = site.run("rebuild", **disk.task)
    assert result["missing_seeds"] == {
        disk.operator: "operator ACME",
        disk.accounts["APP"].subject: "account APP",
        subject: "user APP/orders",
    }
    assert result["users_without_creds"] == ["APP/orders"]
    assert result["accounts_without_users"] == ["SYS"]
    assert len(result["unused_seeds"]) == 1
    assert result["holds"] == {"accounts": 3, "users": 3, "seeds": 9, "creds": 2}
    warnings = str(result["warnings"])
    assert "3 seeds are missing (missing_seeds): " in warnings
    assert "1 users have no creds (users_without_creds): APP/orders" in warnings


def test_creds_alone_bring_their_users_back(disk: Disk) -> None:
    site = disk.site
    for path in list(disk.folder.rglob("*.nk")):
        path.unlink()
    for name in ("orders", "dashboard"):
        disk.find(disk.text(f"stores/ACME/accounts/APP/users/{name}.jwt")).unlink()
    result = site.run("rebuild", **disk.task)
    assert result["holds"] == {"accounts": 3, "users": 4, "seeds": 4, "creds": 4}
    for name in ("orders", "dashboard"):
        for path in (f"stores/ACME/accounts/APP/users/{name}.jwt", f"keys/creds/ACME/APP/{name}.creds"):
            assert site.text(path) == disk.text(path)


def test_newest_of_several_versions_is_used_and_the_others_are_named(disk: Disk) -> None:
    site = disk.site
    site.run("rebuild", **disk.task)
    site.run("store", **disk.store)
    changed = json.loads(json.dumps(DOCUMENT))
    changed["accounts"][1]["limits"] = {"connections": 7}
    site.run("store", **{**disk.store, "definition": changed})
    newer = site.text("stores/ACME/accounts/APP/APP.jwt")
    for name in ("stores", "keys"):
        shutil.rmtree(site.folder / name)
    (disk.folder / "newer.txt").write_text(f"found in a mail: {newer}\n")
    shutil.copy(disk.folder / "newer.txt", disk.folder / "copy.txt")
    result = site.run("rebuild", **disk.task)
    assert site.text("stores/ACME/accounts/APP/APP.jwt") == newer
    old = disk.find(disk.text("stores/ACME/accounts/APP/APP.jwt"))
    (line,) = result["superseded"]
    assert line.startswith(f"account APP {disk.accounts['APP'].subject} of ")
    assert line.endswith(f" in {old}: there is a newer one in {disk.folder / 'copy.txt'}.")
    (duplicate,) = result["duplicates"]
    assert duplicate.endswith(f" in {disk.folder / 'copy.txt'}: it is in {disk.folder / 'newer.txt'} too.")


def test_damaged_files_and_those_of_another_operator_are_named(disk: Disk) -> None:
    site = disk.site
    lines: dict[str, str] = {}

    def add(name: str, text: str | bytes, line: str) -> None:
        path = disk.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        lines[str(path)] = line

    token = disk.text("stores/ACME/accounts/APP/APP.jwt")
    add("cut.jwt", token[:200], "it holds no JWT, or one that is truncated")
    add("tampered.jwt", token[:-6] + "AAAAAA", "signature")
    add("cut.nk", nkey.create("user").seed[:-5], "it holds no seed, or one that is mistyped or truncated")
    add("picture.png", b"\x89PNG\xff\xfe", "it is not a text file (UTF-8)")
    add("x.jwt.deleted", token, "it was removed earlier; to restore it, name it in paths")
    (disk.folder / "link.jwt").symlink_to(disk.folder / "cut.jwt")
    lines[str(disk.folder / "link.jwt")] = "it is a symbolic link"
    os.mkfifo(disk.folder / "pipe")
    lines[str(disk.folder / "pipe")] = "it is a named pipe"
    other, account = nkey.create("operator"), nkey.create("account")
    site.make_jwt("other.jwt", "operator", other.public_key, other)
    site.make_jwt("foreign.jwt", "account", account.public_key, nkey.create("operator"))
    task = {**disk.task, "paths": [*disk.task["paths"], site / "other.jwt", site / "foreign.jwt"]}
    result = site.run("rebuild", **task)
    assert len(result["not_read"]) == len(lines)
    for path, line in lines.items():
        assert any(one.startswith(path) and line in one for one in result["not_read"]), (path, result["not_read"])
    assert [other.public_key in result["foreign"][0], account.public_key in result["foreign"][1]] == [True, True]
    assert without_roles(disk.files).items() >= without_roles(disk.lost).items()
    assert site / "other.jwt" in site.refuse("rebuild", **{**task, "operator": None})


def test_operator_that_only_jwts_name_is_warned_of(disk: Disk) -> None:
    site = disk.site
    task = {name: value for name, value in disk.task.items() if name != "operator"}
    assert "warnings" not in site.check("rebuild", **task)
    keys = [disk.operator, *site.core.codec.decode(disk.text("stores/ACME/ACME.jwt")).body.signing_keys]
    for key in keys:
        disk.seed(key).unlink()
    assert "none of its keys is available here" in str(site.check("rebuild", **task)["warnings"])
    assert "none of its keys is available here" not in str(site.check("rebuild", **disk.task)["warnings"])


def test_nothing_newer_is_replaced_unless_the_task_says_so(disk: Disk) -> None:
    site = disk.site
    site.run("rebuild", **disk.task)
    changed = json.loads(json.dumps(DOCUMENT))
    changed["accounts"][1]["limits"] = {"connections": 7}
    site.run("store", **{**disk.store, "definition": changed})
    newer = site.text("stores/ACME/accounts/APP/APP.jwt")
    message = site.refuse("rebuild", **disk.task)
    assert f"{site / 'stores/ACME/accounts/APP/APP.jwt'} (newer)" in message
    assert "newer than what was found" in message
    result = site.run("rebuild", **disk.task, force=True)
    assert site / "stores/ACME/accounts/APP/APP.jwt" in result["replaced"]
    assert site.text("stores/ACME/accounts/APP/APP.jwt") == disk.text("stores/ACME/accounts/APP/APP.jwt")
    assert newer in {path.read_text() for path in site.folder.rglob("*.archived")}
    site.keep("rebuild", **disk.task, force=True)
    # If the store itself is among the paths, it has the newest JWTs, and archived files stay in the archive.
    site.run("store", **{**disk.store, "definition": changed})
    everything = {**disk.task, "paths": [*disk.task["paths"], site / "stores", site / "keys"]}
    result = site.keep("rebuild", **everything)
    assert any(line.startswith(site / "stores/ACME/.natsops/archive") for line in result["not_read"])


@pytest.mark.attack
def test_newer_jwt_on_record_is_not_forgotten(disk: Disk) -> None:
    site = disk.site
    site.run("rebuild", **disk.task)
    changed = json.loads(json.dumps(DOCUMENT))
    changed["accounts"][1]["limits"] = {"connections": 7}
    site.run("store", **{**disk.store, "definition": changed})
    shutil.rmtree(site.folder / "stores")
    message = site.refuse("rebuild", **disk.task)
    record = site / "keys/.natsops/stores/ACME/record/accounts/APP.jwt"
    assert f"{record} (newer)" in message
    site.run("rebuild", **{**disk.task, "paths": [*disk.task["paths"], record]})
    site.keep("store", **{**disk.store, "definition": changed})


@pytest.mark.attack
def test_store_of_another_operator_is_never_replaced(disk: Disk) -> None:
    site = disk.site
    site.run("store", **disk.store)
    other = site.claims("stores/ACME/ACME.jwt").subject
    for force in (False, True):
        assert f"is the store of another operator, {other}" in site.refuse("rebuild", **disk.task, force=force)
    shutil.rmtree(site.folder / "stores")
    assert f"has the operator {other} recorded" in site.refuse("rebuild", **disk.task, force=True)
    site.run("rebuild", **disk.task, store="FOUND")
    assert site.claims("stores/FOUND/FOUND.jwt").subject == disk.operator


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"paths": []}, "One of these is needed: paths, contents, servers."),
        ({"paths": ["/nonexistent"]}, "paths[0]: there is no file or folder /nonexistent."),
        (
            {"operator": "OBXRLALQTO33D3YDBUQQ3MMOHMF2DR3W7OTF3DG2VUCUCUKC2GE7R7EL"},
            "Operators that were found: operator ACME",
        ),
        ({"operator": "ACNGDPHTAUYCSRSTT3LL3NOA6DXG2ZOJJD3KNRQTCTLZLCXW5WBGAF2O"}, "operator: "),
        ({"store": "a/b"}, "store: "),
        ({"lock_timeout": "soon"}, "lock_timeout: "),
    ],
)
def test_bad_input_is_refused(disk: Disk, options: dict[str, Any], message: str) -> None:
    assert message in disk.site.refuse("rebuild", **{**disk.task, **options})


def test_operator_without_a_jwt_is_named_as_what_is_missing(disk: Disk) -> None:
    disk.find(disk.text("stores/ACME/ACME.jwt")).unlink()
    message = disk.site.refuse("rebuild", **disk.task)
    assert f"There is no JWT of the operator {disk.operator}" in message
    assert "JWTs that belong to none of these: 7, the first one is account " in message


def test_texts_are_read_like_files(disk: Disk) -> None:
    site = disk.site
    texts = [path.read_text() for path in sorted(disk.folder.rglob("*.*"))]
    result = site.run("rebuild", **{**disk.task, "paths": [], "contents": texts})
    assert result["missing_seeds"] == {}
    assert without_roles(disk.files) == without_roles(disk.lost)


def test_playbook_rebuilds_from_loose_files_and_shows_what_is_missing(disk: Disk, play: Play) -> None:
    inventory = play.folder / "inventory.yml"
    inventory.write_text("all: {hosts: {localhost: {ansible_connection: local}}}")
    missing = disk.accounts["APP"].subject
    disk.seed(missing).unlink()
    variables = {
        "rebuild_paths": disk.task["paths"],
        "rebuild_operator": disk.operator,
        "operator_stores_dir": disk.place["stores_dir"],
        "operator_keys_dir": disk.place["keys_dir"],
    }

    how: dict[str, Any] = {"inventory": inventory, "environment": play.environment()}
    status, output = run_playbook("natsops.security.rebuild", variables=variables, **how)
    assert status == 0, output
    assert "changed=1 " in output
    assert f'"{missing}": "account APP"' in output
    assert without_roles(disk.files).items() <= disk.lost.items()


class Adopting:
    """The playbook `adopt`, with the variables of a test."""

    def __init__(self, play: Play, variables: dict[str, Any]) -> None:
        self.inventory, self.environment = play.folder / "inventory.yml", play.environment()
        self.inventory.write_text("all: {hosts: {localhost: {ansible_connection: local}}}")
        self.document = play.folder / "adopted.yml"
        self.variables = {"adopt_store": "ACME", "adopt_path": str(self.document), **variables}

    def run(self, *arguments: str) -> str:
        """Run the playbook, which must succeed. Returns its output."""
        how: dict[str, Any] = {
            "inventory": self.inventory,
            "environment": self.environment,
            "variables": self.variables,
        }
        status, output = run_playbook("natsops.security.adopt", *arguments, **how)
        assert status == 0, output
        return str(output)

    @property
    def origin(self) -> list[str]:
        """The comment of the document after that for editors and yamllint."""
        head = self.document.read_text().splitlines()
        return [line for line in head if line.startswith("# ") and "yaml" not in line]


def test_playbook_adopts_loose_files(disk: Disk, play: Play) -> None:
    place = {"adopt_stores_dir": disk.place["stores_dir"], "adopt_keys_dir": disk.place["keys_dir"]}
    adopting = Adopting(play, {"rebuild_paths": disk.task["paths"], "rebuild_operator": disk.operator, **place})
    # A relative path is in the folder from which the playbook is run, not in that of the playbook.
    adopting.variables["adopt_path"] = adopting.document.name
    adopting.environment["PWD"] = str(adopting.document.parent)
    before = disk.files
    adopting.run("--check")
    assert disk.files == before
    assert not adopting.document.exists()
    adopting.run()
    adopted = yaml.safe_load(adopting.document.read_text())
    assert [account["name"] for account in adopted["accounts"]] == ["APP", "PARTNER", "SYS"]
    assert adopting.origin == [
        f"# Taken from the store ACME in {place['adopt_stores_dir']}/ACME, which was created from:",
        f"#   {disk.folder}",
    ]
    disk.site.keep("store", src=str(adopting.document), **disk.place)
    assert "changed=0 " in Adopting(play, place).run("--check")


@pytest.mark.attack
@pytest.mark.parametrize("at", [15, 90])
def test_run_that_is_killed_is_completed_by_the_next(disk: Disk, at: int) -> None:
    assert killed_run("nats_rebuild", disk.task, at, disk.site.collections) is None
    disk.site.run("rebuild", **disk.task)
    assert without_roles(disk.files) == without_roles(disk.lost)


# ---- from a live server


class Live:
    """A server with the accounts of a store, of which only the seeds are left, and creds in another folder."""

    def __init__(self, site: Site, server: Server, creds: pathlib.Path, lost: dict[str, str]) -> None:
        self.site, self.server, self.creds, self.lost = site, server, creds, lost
        self.place = {"stores_dir": site / "stores", "keys_dir": site / "keys"}
        self.store = {"definition": DOCUMENT, **self.place}
        self.operator = site.core.codec.decode(lost[site / "stores/ACME/ACME.jwt"]).subject
        self.task = {
            "servers": [server.url],
            "creds_path": str(creds / "ACME/SYS/sys.creds"),
            "operator": self.operator,
            **self.place,
        }

    @property
    def files(self) -> dict[str, str]:
        """The contents of all files of the store and keystore by path, except the lock."""
        found = (path for path in self.site.folder.rglob("*") if path.is_file() and path.name != "lock")
        return {str(path): path.read_text() for path in found}


@pytest.fixture
def live(site: Site, tmp_path: pathlib.Path) -> Iterator[Live]:
    """A server with a full resolver and three accounts."""
    place = {"stores_dir": site / "stores", "keys_dir": site / "keys"}
    site.start("store", {"definition": DOCUMENT, **place})
    port = free_ports(1)[0]
    config = tmp_path / "server.conf"
    system = site.claims("stores/ACME/accounts/SYS/SYS.jwt").subject
    config.write_text(
        f"server_name: n1\nlisten: 127.0.0.1:{port}\noperator: {site.text('stores/ACME/ACME.jwt')}\nsystem_account: {system}\n"
        f'resolver {{ type: full, dir: "{tmp_path / "resolver"}" }}\n'
        f"resolver_preload: {{ {system}: {site.text('stores/ACME/accounts/SYS/SYS.jwt')} }}\n"
    )
    with running(config, port) as server:
        pushed = {"servers": [server.url], "store_path": site / "stores/ACME", "system_signer_path": site / "keys"}
        assert site.start("resolver", pushed)["changed"]
        found = (path for path in site.folder.rglob("*") if path.is_file() and path.name != "lock")
        lost = {str(path): path.read_text() for path in found}
        (site.folder / "keys/creds").rename(tmp_path / "creds")
        shutil.rmtree(site.folder / "stores")
        shutil.rmtree(site.folder / "keys/.natsops")
        yield Live(site, server, tmp_path / "creds", lost)


def test_store_is_rebuilt_from_a_live_server_its_keystore_and_creds(live: Live) -> None:
    site = live.site
    result = site.run("rebuild", **live.task, paths=[str(live.creds)])
    assert result["holds"] == {"accounts": 3, "users": 4, "seeds": 13, "creds": 4}
    assert (result["missing_seeds"], result["lost_users"], result["not_read"]) == ({}, [], [])
    assert without_roles(live.files) == without_roles(live.lost)
    site.keep("rebuild", **live.task, paths=[str(live.creds)])
    adopted = site.run("store", **live.store)
    assert [entity["kind"] for entity in adopted["entities"] if entity["action"] != "kept"] == ["store"]
    assert live.files == live.lost
    site.keep("store", **live.store)


def users_of(document: dict[str, Any]) -> dict[str, list[str]]:
    """The names of the users by the account of a document."""
    return {account["name"]: sorted(user["name"] for user in account["users"]) for account in document["accounts"]}


def test_playbook_adopts_a_live_server(live: Live, play: Play) -> None:
    place = {"adopt_stores_dir": live.place["stores_dir"], "adopt_keys_dir": live.place["keys_dir"]}
    sources = {
        "rebuild_servers": [live.server.url],
        "rebuild_creds_path": live.task["creds_path"],
        "rebuild_paths": [str(live.creds)],
        "rebuild_operator": live.operator,
    }
    adopting, before = Adopting(play, {**sources, **place}), live.files
    adopting.run("--check")
    assert live.files == before
    assert not adopting.document.exists()
    adopting.run()
    assert adopting.origin[1:] == [f"#   {live.server.url}", f"#   {live.creds}"]
    assert users_of(yaml.safe_load(adopting.document.read_text())) == users_of(DOCUMENT)
    live.site.keep("store", src=str(adopting.document), **live.place)
    assert "changed=0 " in adopting.run()


def test_users_without_creds_are_lost_and_nothing_else(live: Live) -> None:
    site = live.site
    orders = live.lost[site / "keys/creds/ACME/APP/orders.creds"]
    user = site.core.codec.decode(live.lost[site / "stores/ACME/accounts/APP/users/orders.jwt"]).subject

    async def rebuilt() -> dict[str, Any]:
        connected = await client(live.server.url, orders)
        try:
            return await asyncio.to_thread(site.run, "rebuild", **live.task)
        finally:
            await connected.close()

    result = asyncio.run(rebuilt())
    assert result["holds"] == {"accounts": 3, "users": 0, "seeds": 9, "creds": 0}
    assert result["accounts_without_users"] == ["APP", "PARTNER", "SYS"]
    assert [line for line in result["lost_users"] if line.startswith("APP/")] == [
        f"APP/orders {user}: it is connected to n1."
    ]
    adopted = site.run("store", **live.store)
    assert [entity["kind"] for entity in adopted["entities"] if entity["action"] != "kept"] == ["store"]
    assert adopted["summary"]["created"] == 4
    for name in ("ACME.jwt", "accounts/APP/APP.jwt", "accounts/SYS/SYS.jwt", "accounts/PARTNER/PARTNER.jwt"):
        assert site.text(f"stores/ACME/{name}") == live.lost[site / f"stores/ACME/{name}"]
    site.keep("store", **live.store)


def test_live_servers_that_do_not_help_are_refused(live: Live, tmp_path: pathlib.Path) -> None:
    site = live.site
    other = nkey.create("operator").public_key
    assert f"There is no JWT of the operator {other}" in site.refuse("rebuild", **{**live.task, "operator": other})
    assert "cannot list its accounts" in site.refuse(
        "rebuild", account_server_url="http://127.0.0.1:9", operator=live.operator, **live.place
    )
    assert "One of these is needed: paths, contents, servers." in site.refuse("rebuild", **live.place)
    # A forged JWT in the folder of the resolver is not used as that of the account.
    (account,) = (
        path for path in (tmp_path / "resolver").glob("*.jwt") if site.core.codec.decode(path.read_text()).name == "APP"
    )
    forged = site.make_jwt("forged.jwt", "account", account.stem, nkey.create("operator"))
    (site.folder / "forged.jwt").unlink()
    account.write_text(forged)
    result = site.check("rebuild", **live.task)
    assert [line.partition(" of ")[0] for line in result["foreign"]] == [
        f"account {site.core.codec.decode(forged).name} {account.stem}"
    ]
    assert result["holds"]["accounts"] == 2


@pytest.mark.attack
def test_roles_rebuild_the_store_and_the_cluster_accepts_it(live: Live, play: Play) -> None:
    site, server = live.site, live.server
    variables = {
        "rebuild_servers": live.task["servers"],
        "rebuild_creds_path": live.task["creds_path"],
        "rebuild_operator": live.operator,
        "rebuild_paths": [str(live.creds)],
        "operator_definition": DOCUMENT,
        "operator_stores_dir": live.place["stores_dir"],
        "operator_keys_dir": live.place["keys_dir"],
        "resolver_servers": [server.url],
        "resolver_expected_servers": ["n1"],
        "resolver_state": "exact",
    }

    def run(*names: str, **more: Any) -> tuple[Played, list[str]]:
        tasks = [{"ansible.builtin.include_role": {"name": f"natsops.security.{name}"}} for name in names]
        done = play(tasks, *more.pop("arguments", ()), **{**variables, **more})
        assert (done.returncode == 0) == ("rebuild_servers" not in more), done.output
        return done, [name.rpartition(" : ")[2] for name, changed in done.changed.items() if changed]

    nothing, _changed = run("rebuild", rebuild_servers=[], rebuild_paths=[])
    assert "One of these is needed: rebuild_paths, rebuild_contents, rebuild_servers." in nothing.output
    assert run("rebuild", arguments=["--check"])[1] == ["Rebuild the store"]
    assert not (site.folder / "stores").exists()

    done, changed = run("rebuild", "operator", "resolver")
    # JWTs do not contain the roles of keys without a scope. The document does, and the first run records them.
    assert changed == ["Rebuild the store", "Reconcile the store with the document"]
    report = done.tasks["natsops.security.rebuild : Show what was found, and what is missing"]["rebuild_report"]
    assert report["holds"] == {"accounts": 3, "users": 4, "seeds": 13, "creds": 4}
    assert set(report) == {"store", "operator", "holds", "signing_keys_without_role"}
    assert live.files == live.lost
    assert run("rebuild", "operator", "resolver")[1] == []
    assert lets_in(server.url, site.text("keys/creds/ACME/APP/orders.creds"))


@pytest.mark.attack
def test_playbook_adopts_what_a_live_server_holds(live: Live, play: Play) -> None:
    place = {"adopt_stores_dir": live.place["stores_dir"], "adopt_keys_dir": live.place["keys_dir"]}
    servers = {"rebuild_servers": live.task["servers"], "rebuild_creds_path": live.task["creds_path"]}
    adopting = Adopting(
        play, {**servers, "rebuild_operator": live.operator, "rebuild_paths": [str(live.creds)], **place}
    )
    adopting.run()
    assert (
        live.files.items() >= {path: text for path, text in live.lost.items() if path.endswith((".jwt", ".nk"))}.items()
    )
    live.site.keep("store", src=str(adopting.document), **live.place)
    assert "changed=0 " in adopting.run()


# ---- without keys


def test_new_operator_runs_beside_one_whose_keys_are_lost(site: Site, tmp_path: pathlib.Path) -> None:
    old, new = Realm("OLD"), Realm("NEW")
    old_app, old_jwt = old.new_account("APP")
    new_app, new_jwt = new.new_account("APP")
    port, config = free_ports(1)[0], tmp_path / "server.conf"

    def configured(operator: Realm, *trusted: Realm) -> pathlib.Path:
        system = operator.system.public_key
        options = {
            "name": "n1",
            "operator": {
                "jwt": operator.operator_jwt,
                "system_account": system,
                "resolver_preload": {system: operator.system_jwt},
            },
            "trusted_operators": [realm.operator_jwt for realm in trusted],
            "listen": "127.0.0.1",
            "port": port,
            "monitoring": {"host": "127.0.0.1", "port": -1},
            "data_dir": str(tmp_path),
        }
        config.write_text(str(nats_server_config(options)))
        return config

    def push(server: Server, realm: Realm, jwt: str) -> None:
        pushed = {"servers": [server.url], "system_signer_seed": realm.system.seed, "jwts": [jwt]}
        result = site.start("resolver", {**pushed, "operator_jwt": realm.operator_jwt})
        assert result["changed"], result

    with running(configured(old), port) as server:
        push(server, old, old_jwt)
    with running(configured(new, old, new), port) as server:
        push(server, new, new_jwt)
        assert lets_in(server.url, old.creds(old_app))
        assert lets_in(server.url, new.creds(new_app))
    with running(configured(new), port) as server:
        assert not lets_in(server.url, old.creds(old_app))
        assert lets_in(server.url, new.creds(new_app))
