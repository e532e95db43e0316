# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Accounts and users that get another name in a document of nats_store: they keep their keys, files and revocations; and on a server their connections,
streams and messages."""

from __future__ import annotations

import asyncio
import copy
import json
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest
from support.fleets import client
from support.ports import free_ports
from support.servers import Server, running
from support.sites import Site

DOCUMENT: dict[str, Any] = {
    "operator": {"name": "ACME", "signing_keys": ["main"], "system_account": "SYS"},
    "accounts": [
        {"name": "SYS", "signing_keys": ["main"], "users": [{"name": "sys"}]},
        {
            "name": "APP",
            "signing_keys": ["main"],
            "exports": [{"name": "orders", "subject": "orders", "type": "service", "token_required": True}],
            "users": [{"name": "orders"}, {"name": "shop"}],
        },
        {
            "name": "PARTNER",
            "signing_keys": ["main"],
            "imports": [{"name": "orders", "account": "APP", "subject": "orders", "type": "service"}],
        },
    ],
}


class Store:
    """A store, and a document that renames things in it."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.document = copy.deepcopy(DOCUMENT)
        self.run()

    @property
    def app(self) -> dict[str, Any]:
        """The account of the document that is renamed."""
        account: dict[str, Any] = self.document["accounts"][1]
        return account

    def _arguments(self, **options: Any) -> dict[str, Any]:
        folders = {"stores_dir": self.site / "stores", "keys_dir": self.site / "keys"}
        return {**folders, "definition": self.document, "_ansible_diff": True, **options}

    def run(self, **options: Any) -> dict[str, Any]:
        """The result of the task, which check mode has predicted."""
        return self.site.run("store", **self._arguments(**options))

    def refused(self, **options: Any) -> str:
        """The message of a task that fails, and writes nothing."""
        before = self.site.snapshot()
        result = self.site.start("store", self._arguments(**options))
        assert result.get("failed")
        assert self.site.snapshot() == before
        return str(result["msg"])

    def files(self) -> set[str]:
        """The JWTs and creds files."""
        found = [path for path in self.site.folder.rglob("*") if path.suffix in (".jwt", ".creds")]
        return {str(path.relative_to(self.site.folder)) for path in found}

    def subject(self, account: str, user: str = "") -> str:
        path = f"{account}/users/{user}" if user else f"{account}/{account}"
        return str(self.site.claims(f"stores/ACME/accounts/{path}.jwt").subject)

    def rename(self, name: str = "SHOP", user: str = "buyer") -> None:
        """Rename the account and one of its users in the document. With an empty name, the account or the user keeps its name."""
        if name:
            self.app.update(name=name, renamed_from="APP")
            self.document["accounts"][2]["imports"][0]["account"] = name
        if user:
            self.app["users"][1] = {"name": user, "renamed_from": "shop"}


@pytest.fixture
def store(site: Site) -> Store:
    """A store of three accounts, one of which has an export that another one imports."""
    return Store(site)


def reasons(result: dict[str, Any], kind: str, name: str) -> list[str]:
    """The reasons why an entity was changed."""
    found = [one for one in result["entities"] if (one["kind"], one["name"]) == (kind, name)]
    assert [one["action"] for one in found] == ["changed"]
    return list(found[0]["reasons"])


def test_renamed_account_and_user_keep_everything_but_their_names(store: Store) -> None:
    keys = {name: store.subject("APP", name) for name in ("", "orders", "shop")}
    seeds = sorted(path.name for path in store.site.folder.rglob("*.nk"))
    kept_jwt = store.site.text("stores/ACME/accounts/APP/users/orders.jwt")
    kept_creds = store.site.text("keys/creds/ACME/APP/orders.creds")
    before = store.files()
    store.rename()
    result = store.run(prune=True)
    renamed = {
        name.replace("/shop.", "/buyer.")
        .replace("/APP/APP.", "/SHOP/SHOP.")
        .replace("/APP/", "/SHOP/")
        .replace("/APP.", "/SHOP.")
        for name in before
    }
    assert store.files() == renamed
    assert {
        "": store.subject("SHOP"),
        "orders": store.subject("SHOP", "orders"),
        "shop": store.subject("SHOP", "buyer"),
    } == keys
    assert sorted(path.name for path in store.site.folder.rglob("*.nk")) == seeds
    assert store.site.text("stores/ACME/accounts/SHOP/users/orders.jwt") == kept_jwt
    assert store.site.text("keys/creds/ACME/SHOP/orders.creds") == kept_creds
    assert store.site.claims("stores/ACME/accounts/SHOP/SHOP.jwt").name == "SHOP"
    assert store.site.claims("stores/ACME/accounts/SHOP/users/buyer.jwt").name == "buyer"
    assert store.site.text("stores/ACME/accounts/SHOP/users/buyer.jwt") in store.site.text(
        "keys/creds/ACME/SHOP/buyer.creds"
    )
    assert not (store.site.folder / "stores/ACME/accounts/APP").exists()
    assert not (store.site.folder / "keys/creds/ACME/APP").exists()

    assert reasons(result, "account", "SHOP") == ["name: APP -> SHOP", "renamed from APP"]
    assert reasons(result, "user", "buyer") == ["name: shop -> buyer", "renamed from shop"]
    assert result["kept_users"]["SHOP"] == ["orders"]
    assert result["summary"]["removed"] == result["summary"]["created"] == 0
    assert result["diff"]["before"]["accounts.SHOP"]["name"] == "APP"
    assert result["diff"]["after"]["accounts.SHOP"]["name"] == "SHOP"

    assert not store.run(prune=True)["changed"]
    del store.app["renamed_from"], store.app["users"][1]["renamed_from"]
    assert not store.run(prune=True)["changed"]


def test_accounts_that_refer_to_renamed_ones_keep_their_jwts(store: Store) -> None:
    """Imports, activations, auth_users and allowed_accounts contain public keys."""
    partner = store.document["accounts"][2]
    partner["users"] = [{"name": "callout"}]
    partner["authorization"] = {"auth_users": ["callout"], "allowed_accounts": ["APP"]}
    store.run()
    path = "stores/ACME/accounts/PARTNER/PARTNER.jwt"
    before = store.site.text(path)
    body = store.site.claims(path).body
    ((imported, activation),) = ((one.account, one.token) for one in body.imports)
    assert imported == store.site.core.codec.decode(activation).body.issuer_account == store.subject("APP")
    assert body.authorization.auth_users == [store.subject("PARTNER", "callout")]
    assert body.authorization.allowed_accounts == [store.subject("APP")]

    store.rename()
    partner["users"] = [{"name": "answers", "renamed_from": "callout"}]
    partner["authorization"] = {"auth_users": ["answers"], "allowed_accounts": ["SHOP"]}
    store.run()
    assert store.site.text(path) == before


def test_user_is_renamed_in_an_account_that_is_taken_as_it_is(store: Store) -> None:
    key = store.subject("APP", "shop")
    operator = {"name": "ACME", "state": "existing"}
    users = [{"name": "buyer", "renamed_from": "shop"}]
    store.document = {"operator": operator, "accounts": [{"name": "APP", "state": "existing", "users": users}]}
    store.run()
    assert store.subject("APP", "buyer") == key
    assert not (store.site.folder / "stores/ACME/accounts/APP/users/shop.jwt").exists()
    assert not store.run()["changed"]


def test_user_with_creds_alone_keeps_its_key(store: Store) -> None:
    key = store.subject("APP", "shop")
    (store.site.folder / "stores/ACME/accounts/APP/users/shop.jwt").unlink()
    store.rename(name="")
    store.run()
    assert store.subject("APP", "buyer") == key
    assert not (store.site.folder / "keys/creds/ACME/APP/shop.creds").exists()
    assert not store.run()["changed"]


def test_account_on_record_alone_keeps_its_key(store: Store) -> None:
    key = store.subject("APP")
    (store.site.folder / "stores/ACME/accounts/APP/APP.jwt").unlink()
    store.rename()
    store.run()
    assert store.subject("SHOP") == key
    assert not store.run()["changed"]


def test_store_without_a_record_is_renamed_when_it_is_adopted(store: Store) -> None:
    key = store.subject("APP")
    for path in sorted((store.site.folder / "keys/.natsops").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    store.rename()
    store.run()
    assert store.subject("SHOP") == key
    assert not store.run()["changed"]


def test_names_that_were_revoked_are_known_in_the_renamed_account(store: Store) -> None:
    folders = {"stores_dir": store.site / "stores", "keys_dir": store.site / "keys", "store": "ACME"}
    key = store.subject("APP", "orders")
    store.site.run("revocation", **folders, account="APP", revocations=[{"user": "orders"}])
    store.app["users"][0]["state"] = "absent"
    store.run()
    store.rename(user="")
    store.run()
    again = store.site.run("revocation", **folders, account="SHOP", revocations=[{"user": "orders"}])
    assert not again["changed"]
    assert [one["public_key"] for one in again["revocations"]] == [key]


def test_new_store_makes_what_was_renamed_elsewhere(site: Site) -> None:
    site.run("store", stores_dir=site / "stores", keys_dir=site / "keys", definition=_renaming())
    assert site.claims("stores/ACME/accounts/SHOP/SHOP.jwt").name == "SHOP"


def _renaming() -> dict[str, Any]:
    document = copy.deepcopy(DOCUMENT)
    document["accounts"][1].update(name="SHOP", renamed_from="APP")
    document["accounts"][2]["imports"][0]["account"] = "SHOP"
    return document


def test_what_speaks_against_a_rename_is_said(store: Store) -> None:
    app = store.app
    cases: list[tuple[dict[str, Any], list[str]]] = [
        (
            {"name": "SHOP", "renamed_from": "APPS"},
            ["accounts[1] (SHOP).renamed_from: there is no account APPS in the store, and no SHOP"],
        ),
        ({"renamed_from": "APP"}, ["accounts[1] (APP).renamed_from: this is its current name"]),
        (
            {"name": "SHOP", "renamed_from": "PARTNER"},
            ["accounts[1] (SHOP).renamed_from: the document has another account PARTNER"],
        ),
        ({"name": "SHOP", "renamed_from": "../APP"}, ["accounts[1] (SHOP).renamed_from", "cannot be a name"]),
        ({"name": "SHOP", "renamed_from": ["APP"]}, ["accounts[1] (SHOP).renamed_from", "text"]),
        (
            {"name": "SHOP", "renamed_from": "APP", "state": "absent"},
            ["accounts[1] (SHOP).renamed_from: this cannot be combined with state: absent"],
        ),
        (
            {"users": [{"name": "orders"}, {"name": "buyer", "renamed_from": "shops"}]},
            ["there is no user APP/shops in the store, and no APP/buyer"],
        ),
        (
            {"users": [{"name": "orders", "renamed_from": "orders"}]},
            ["users[0] (orders).renamed_from: this is its current name"],
        ),
        (
            {"users": [{"name": "orders"}, {"name": "buyer", "renamed_from": "orders"}]},
            ["the document has another user orders"],
        ),
        (
            {"users": [{"name": "a", "renamed_from": "shop"}, {"name": "b", "renamed_from": "shop"}]},
            ["users[1] (b).renamed_from: the old name shop is used already, at"],
        ),
        (
            {"users": [{"name": "orders", "renamed_from": "shop"}]},
            ["users[0] (orders).renamed_from: the new name is taken"],
        ),
    ]
    for change, messages in cases:
        store.document["accounts"][1] = {**copy.deepcopy(app), **change}
        store.document["accounts"][2]["imports"] = []
        found = store.refused()
        for message in messages:
            assert message in found, change


def test_account_whose_new_name_is_taken_is_refused(store: Store) -> None:
    del store.document["accounts"][1]
    store.document["accounts"][1] = {"name": "PARTNER", "renamed_from": "APP"}
    message = store.refused()
    assert "accounts[1] (PARTNER).renamed_from: the new name is taken" in message
    assert str(pathlib.Path(store.site.folder, "stores/ACME/accounts/APP/APP.jwt")) in message


def test_imports_of_the_old_name_are_refused(store: Store) -> None:
    store.rename()
    store.document["accounts"][2]["imports"][0]["account"] = "APP"
    assert "imports[0] (orders).account" in store.refused()


# ---- on a server


@pytest.fixture
def server(store: Store, tmp_path: pathlib.Path) -> Iterator[Server]:
    """A server with the accounts of the store; APP has JetStream."""
    store.app["limits"] = {"jetstream": {"disk_storage": "1MiB"}}
    store.run()
    (port,) = free_ports(1)
    system = store.subject("SYS")
    config = tmp_path / "server.conf"
    config.write_text(
        f'server_name: n1\nlisten: "127.0.0.1:{port}"\njetstream {{ store_dir: "{tmp_path / "jetstream"}" }}\n'
        f"operator: {store.site.text('stores/ACME/ACME.jwt')}\nsystem_account: {system}\n"
        f'resolver {{ type: full, dir: "{tmp_path / "resolver"}", allow_delete: true }}\n'
        f"resolver_preload: {{ {system}: {store.site.text('stores/ACME/accounts/SYS/SYS.jwt')} }}\n"
    )
    with running(config, port) as started:
        yield started


def push(store: Store, server: Server) -> list[tuple[str, str]]:
    """Reconcile the accounts of the server with the store. Return what was done to accounts that changed: name and action."""
    result = store.site.start(
        "resolver",
        {
            "servers": [server.url],
            "store_path": store.site / "stores/ACME",
            "state": "exact",
            "signer_path": store.site / "keys",
            "system_signer_path": store.site / "keys",
            "expected_servers": ["n1"],
        },
    )
    assert not result.get("failed"), result["msg"]
    return [(one["name"], one["action"]) for one in result["accounts"] if one["action"] != "unchanged"]


async def accounts_of(server: Server, creds: str) -> dict[str, str]:
    """The accounts that a server has loaded, apart from its own: name by public key."""
    connected = await client(server.url, creds)

    async def ask(request: dict[str, str]) -> Any:
        answer = await connected.request("$SYS.REQ.SERVER.PING.ACCOUNTZ", json.dumps(request).encode(), timeout=60)
        return json.loads(answer.data)["data"]

    found = {
        key: (await ask({"account": key}))["account_detail"]["name_tag"]
        for key in (await ask({}))["accounts"]
        if key != "$G"
    }
    await connected.close()
    return found


@pytest.mark.server
def test_renamed_account_keeps_its_streams_and_connections(store: Store, server: Server) -> None:
    assert sorted(push(store, server)) == [("APP", "pushed"), ("PARTNER", "pushed")]
    system = store.site.text("keys/creds/ACME/SYS/sys.creds")
    keys = {name: store.subject(name) for name in ("SYS", "APP")}

    async def see() -> None:
        connected = await client(server.url, store.site.text("keys/creds/ACME/APP/shop.creds"))
        stream = connected.jetstream()
        await stream.add_stream(name="ORDERS", subjects=["new.*"])
        for number in range(3):
            await stream.publish(f"new.{number}", b"order")
        before = await accounts_of(server, system)
        assert before == {**before, keys["SYS"]: "SYS", keys["APP"]: "APP"}

        store.rename()
        store.run()
        assert push(store, server) == [("SHOP", "pushed")]

        assert await accounts_of(server, system) == {**before, keys["APP"]: "SHOP"}
        await connected.publish("new.3", b"order")
        await connected.flush()
        assert connected.is_connected
        moved = await client(server.url, store.site.text("keys/creds/ACME/SHOP/buyer.creds"))
        found = await moved.jetstream().stream_info("ORDERS")
        assert (found.state.messages, found.state.first_seq, found.state.last_seq) == (4, 1, 4)
        await moved.close()
        await connected.close()

    asyncio.run(see())
