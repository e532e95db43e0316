# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Rotation of the operator's identity key by nats_store: each phase on two servers whose users reconnect, and what is refused."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import Any

import pytest
from support.fleets import lets_in
from support.ports import free_ports
from support.servers import Server
from support.sites import Site

from ansible_collections.natsops.security.plugins.filter.nats_server_config import nats_server_config
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey

pytestmark = pytest.mark.server

USER = {"users": [{"name": "u"}]}
NAMES = ("SYS", "APP")


class World:
    """A store whose accounts the operator's identity key signs, with two servers."""

    def __init__(self, site: Site, folder: pathlib.Path) -> None:
        self.site = site
        self.folders = {"stores_dir": site / "stores", "keys_dir": site / "keys"}
        self.document: dict[str, Any] = {
            "operator": {"name": "ACME", "system_account": "SYS"},
            "accounts": [{"name": "SYS", **USER}, {"name": "APP", **USER}],
        }
        self.ports, self.routes = free_ports(2), free_ports(2)
        self.servers = [Server(folder / f"n{number}/server.conf", port) for number, port in enumerate(self.ports)]
        self.creds: list[str] = []

    def apply(self, *rotations: dict[str, Any], **options: Any) -> dict[str, Any]:
        """The result of the task, which check mode has predicted."""
        return self.site.run("store", definition=self.document, rotations=list(rotations), **self.folders, **options)

    def claims(self, name: str = "") -> Any:
        return self.site.claims(f"stores/ACME/accounts/{name}/{name}.jwt" if name else "stores/ACME/ACME.jwt")

    def configure(self, number: int) -> None:
        """Write the configuration of a server, with the current operator JWT of the store."""
        system = self.claims("SYS").subject
        folder = self.servers[number].config.parent
        folder.mkdir(exist_ok=True)
        options = {
            "name": f"n{number}",
            "operator": {
                "jwt": self.site.text("stores/ACME/ACME.jwt"),
                "system_account": system,
                "resolver_preload": {system: self.site.text("stores/ACME/accounts/SYS/SYS.jwt")},
            },
            "listen": "127.0.0.1",
            "port": self.ports[number],
            "monitoring": {"host": "127.0.0.1", "port": -1},
            "data_dir": str(folder),
            "resolver": {"type": "full", "interval": "1s"},
            "cluster": {
                "name": "C",
                "host": "127.0.0.1",
                "port": self.routes[number],
                "routes": [f"nats://127.0.0.1:{self.routes[1 - number]}"],
            },
        }
        text = nats_server_config(options)
        assert isinstance(text, str)
        self.servers[number].config.write_text(text)

    def restart(self, number: int) -> None:
        """Restart a server with the current operator JWT of the store, and check that both servers accept all users."""
        self.configure(number)
        self.servers[number].stop()
        self.servers[number].start()
        self.see_that_users_come_in()

    def see_that_users_come_in(self) -> None:
        """Check that every server accepts the users' current and earlier creds."""
        present = [self.site.text(f"keys/creds/ACME/{name}/u.creds") for name in NAMES]
        for server in self.servers:
            assert all(lets_in(server.url, creds) for creds in (*self.creds, *present))

    def resolver(self) -> dict[str, Any]:
        """The options of nats_resolver."""
        return {
            "servers": [server.url for server in self.servers],
            "store_path": self.site / "stores/ACME",
            "system_signer_path": self.site / "keys",
            "expected_servers": ["n0", "n1"],
        }


@pytest.fixture
def world(site: Site, tmp_path: pathlib.Path) -> Iterator[World]:
    """The store, pushed to its servers."""
    made = World(site, tmp_path)
    made.apply()
    try:
        for number, server in enumerate(made.servers):
            made.configure(number)
            server.start()
        made.site.start("resolver", made.resolver())
        yield made
    finally:
        for server in made.servers:
            server.stop()


def turning(phase: str, key: str, **more: Any) -> dict[str, Any]:
    return {"operator": "ACME", "phase": phase, "public_key": key, **more}


def test_operator_gets_a_new_identity_key_and_nobody_is_refused(world: World) -> None:
    site, old = world.site, world.claims()
    keys = {name: world.claims(name).subject for name in NAMES}
    world.creds = [site.text(f"keys/creds/ACME/{name}/u.creds") for name in NAMES]
    assert [world.claims(name).issuer for name in NAMES] == [old.subject, old.subject]

    # The next key is trusted in addition to the old one, and signs nothing yet.
    (shown,) = world.apply(turning("add", old.subject))["rotations"]
    new = shown["next"]
    assert shown == {"operator": "ACME", "current": old.subject, "next": new, "retiring": None, "retired": []}
    assert world.claims().subject == old.subject
    assert world.claims().body.signing_keys == [new]
    assert not world.apply(turning("add", old.subject), prune=True)["changed"]
    for number in range(2):
        world.restart(number)

    # What the old key signed is signed again.
    (shown,) = world.apply(turning("resign", old.subject))["rotations"]
    assert (shown["current"], shown["retiring"]) == (new, old.subject)
    assert [world.claims(name).issuer for name in NAMES] == [new, new]
    assert not world.apply(prune=True)["changed"]
    info = site.start("store_info", {**world.folders, "store": "ACME"})
    assert {one["generation"]: one["public_key"] for one in info["entities"] if one["kind"] == "identity_key"} == {
        "current": new,
        "retiring": old.subject,
    }
    assert info["problems"] == []
    assert info["definition"]["operator"].get("signing_keys", []) == []
    assert site.start("resolver", world.resolver())["changed"]
    world.see_that_users_come_in()

    # The subject of the operator's JWT is the new key.
    (shown,) = world.apply(turning("retire", old.subject))["rotations"]
    assert shown == {"operator": "ACME", "current": new, "next": None, "retiring": None, "retired": [old.subject]}
    assert (world.claims().subject, world.claims().issuer, world.claims().body.signing_keys) == (new, new, [])
    assert any(path.name.startswith(f"{old.subject}.nk") for path in (site.folder / "keys/.natsops/archive").rglob("*"))
    assert not world.apply(turning("add", old.subject), prune=True)["changed"]
    assert not world.apply(turning("retire", old.subject))["changed"]
    for number in range(2):
        world.restart(number)
    assert not site.start("resolver", world.resolver())["changed"]
    info = site.start("resolver_info", world.resolver())
    assert {one["public_key"] for server in info["servers"] for one in server["operators"]} == {new}
    assert {name: world.claims(name).subject for name in NAMES} == keys


def test_what_signing_keys_signed_stays_as_it_is(site: Site, tmp_path: pathlib.Path) -> None:
    world = World(site, tmp_path)
    world.apply()
    world.document["operator"]["signing_keys"] = ["main", "other"]
    world.document["accounts"].append({"name": "SIGNED", "signing_key_role": "other", **USER})
    world.apply()
    old = world.claims()
    signed = site.text("stores/ACME/accounts/SIGNED/SIGNED.jwt")
    for phase in ("add", "resign"):
        world.apply(turning(phase, old.subject))
    assert {world.claims(name).issuer for name in NAMES} <= set(old.body.signing_keys)
    world.apply(turning("retire", old.subject))
    assert site.text("stores/ACME/accounts/SIGNED/SIGNED.jwt") == signed
    assert set(world.claims().body.signing_keys) == set(old.body.signing_keys)
    # The roles are recorded for the new key as they were for the old one, so later rotations work.
    (shown,) = world.apply({"role": "other", "phase": "add"})["rotations"]
    assert shown["current"] == world.claims("SIGNED").issuer
    (shown,) = world.apply({"operator": "ACME", "phase": "add"})["rotations"]
    assert shown["current"] == world.claims().subject != old.subject


def test_key_that_signed_nothing_is_rotated_too(site: Site, tmp_path: pathlib.Path) -> None:
    """No JWT changes when the next key takes over, so only the record says that it did."""
    world = World(site, tmp_path)
    world.document["operator"]["signing_keys"] = ["main", "idle"]
    for account in world.document["accounts"]:
        account.update(signing_key_role="main", signing_keys=["main", "idle"])
        account["users"] = [{"name": "u", "signing_key_role": "main"}]
    world.apply()
    for rotated in ({"operator": "ACME"}, {"role": "idle"}, {"account": "APP", "role": "idle"}):
        (first,) = world.apply({**rotated, "phase": "add"})["rotations"]
        resigned = world.apply({**rotated, "phase": "resign"})
        assert [(one["action"], one["reasons"]) for one in resigned["entities"] if one["action"] != "kept"] == [
            ("changed", ["it signs from now on"])
        ]
        assert resigned["rotations"][0]["retiring"] == first["current"]
        assert not world.apply({**rotated, "phase": "resign", "public_key": first["current"]})["changed"]
        world.apply({**rotated, "phase": "retire", "public_key": first["current"]})
        (last,) = world.apply({**rotated, "phase": "retire", "public_key": first["current"]})["rotations"]
        assert (last["current"], last["retiring"]) == (first["next"], None)


def test_operator_is_not_replaced_by_hand(site: Site, tmp_path: pathlib.Path) -> None:
    world = World(site, tmp_path)
    world.apply()
    pair = site.make_key("next.nk", "operator")
    world.document["operator"]["public_key"] = pair.public_key
    message = site.refuse("store", definition=world.document, **world.folders)
    assert f"the subject of the existing token is {world.claims().subject}, expected {pair.public_key}" in message
    site.run("operator", name="ACME", key_path=site / "next.nk", jwt_path=site / "stores/next.jwt")
    site.write("stores/ACME/ACME.jwt", site.text("stores/next.jwt"), 0o600)
    message = site.refuse("store", definition=world.document, seeds=[pair.seed], **world.folders)
    for name in NAMES:
        assert f"accounts/{name}/{name}.jwt: this is left unchanged: its JWT has the subject" in message


def test_rotation_of_the_operator_is_refused(site: Site, tmp_path: pathlib.Path) -> None:
    world = World(site, tmp_path)
    world.apply()
    old = world.claims().subject
    other = nkey.create("operator").public_key

    def refused(*rotations: dict[str, Any]) -> str:
        before = site.snapshot()
        message = site.refuse("store", definition=world.document, rotations=list(rotations), **world.folders)
        assert site.snapshot() == before
        return message

    message = refused(
        {"operator": "OTHER", "phase": "add"},
        {"operator": "ACME", "account": "APP", "phase": "add"},
        turning("replace", old),
        turning("add", old, next_public_key=old),
        turning("add", world.claims("APP").subject),
    )
    assert "rotations[0] (OTHER).operator: the operator of the document is ACME, not OTHER." in message
    assert "rotations[1] (ACME): operator cannot be combined with account, role and user" in message
    assert (
        "rotations[2] (ACME).phase: servers trust the keys in the operator JWT that they were started with" in message
    )
    assert "rotations[3] (ACME).next_public_key: this is the key to replace." in message
    assert "rotations[4] (ACME).public_key" in message
    assert f"{old} still signs for the operator's identity" in refused(turning("retire", old))
    message = refused(turning("add", other))
    assert (
        f"{other} is not a key of the operator's identity, nor a previous key of it. Its current key is {old}."
        in message
    )
    assert "To rotate it, name the operator instead of a role" in refused({"role": old, "phase": "add"})
    world.document["operator"]["public_key"] = old
    assert "operator.public_key: the document names the identity key of the operator" in refused(turning("add", old))
    del world.document["operator"]["public_key"]

    # An account that is missing from the document prevents the removal of the old key.
    world.apply(turning("add", old))
    app = world.document["accounts"].pop()
    world.apply(turning("resign", old))
    assert "has signed the account APP, which the document does not have signed again" in refused(
        turning("retire", old)
    )
    world.document["accounts"].append(app)
    world.apply()
    world.apply(turning("retire", old))
    assert world.claims("APP").issuer == world.claims().subject != old
