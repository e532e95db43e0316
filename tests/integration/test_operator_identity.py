# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""A new identity key of the operator, as the README of the role rotation describes it: with the same signing keys, so that nobody is refused."""

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

pytestmark = pytest.mark.server

USER = {"users": [{"name": "u"}]}


class World:
    """A store whose accounts the operator's identity key signs, and one that a signing key signs, with two servers."""

    def __init__(self, site: Site, folder: pathlib.Path) -> None:
        self.site = site
        self.folders = {"stores_dir": site / "stores", "keys_dir": site / "keys"}
        self.document: dict[str, Any] = {
            "operator": {"name": "ACME", "system_account": "SYS"},
            "accounts": [{"name": "SYS", **USER}, {"name": "APP", **USER}],
        }
        self.apply()
        self.document["operator"]["signing_keys"] = ["main"]
        self.document["accounts"].append({"name": "SIGNED", "signing_key_role": "main", **USER})
        self.ports, self.routes = free_ports(2), free_ports(2)
        self.servers = [Server(folder / f"n{number}/server.conf", port) for number, port in enumerate(self.ports)]
        self.creds: list[str] = []

    def apply(self) -> dict[str, Any]:
        return self.site.run("store", definition=self.document, **self.folders)

    def claims(self, name: str = "") -> Any:
        return self.site.claims(f"stores/ACME/accounts/{name}/{name}.jwt" if name else "stores/ACME/ACME.jwt")

    def configure(self, number: int) -> None:
        """Write what a server is started with: the operator of the store."""
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
        """Restart a server with the operator of the store. The users that there are come in on both."""
        self.configure(number)
        self.servers[number].stop()
        self.servers[number].start()
        self.see_that_users_come_in()

    def see_that_users_come_in(self) -> None:
        """With the creds of now, and those of before, on every server."""
        present = [self.site.text(f"keys/creds/ACME/{name}/u.creds") for name in ("SYS", "APP", "SIGNED")]
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


def test_operator_gets_a_new_identity_key_and_nobody_is_refused(world: World) -> None:
    site, old = world.site, world.claims()
    (signing,) = old.body.signing_keys
    names = ("SYS", "APP", "SIGNED")
    keys = {name: world.claims(name).subject for name in names}
    world.creds = [site.text(f"keys/creds/ACME/{name}/u.creds") for name in names]

    # Its signing key signs what the identity key signed.
    assert [world.claims(name).issuer for name in names] == [old.subject, old.subject, signing]
    for account in world.document["accounts"]:
        account["signing_key_role"] = "main"
    world.apply()
    assert site.start("resolver", world.resolver())["changed"]

    # The new operator has the signing keys of the old one, so servers trust what they sign by either JWT.
    site.run(
        "operator",
        name="ACME",
        key_path=site / "next.nk",
        jwt_path=site / "next.jwt",
        signing_keys=[{"public_key": signing}],
        system_account=keys["SYS"],
    )
    pair = site.key("next.nk")
    path = f"keys/keys/O/{pair.public_key[1:3]}/{pair.public_key}.nk"
    (site.folder / path).parent.mkdir(parents=True, exist_ok=True)
    site.write(path, pair.seed, 0o600)
    site.write("stores/ACME/ACME.jwt", site.text("next.jwt"), 0o600)
    world.document["operator"].update(
        public_key=pair.public_key, signing_keys=[{"role": "main", "public_key": signing}]
    )
    accounts = {name: site.text(f"stores/ACME/accounts/{name}/{name}.jwt") for name in names}
    world.apply()
    assert {name: site.text(f"stores/ACME/accounts/{name}/{name}.jwt") for name in names} == accounts
    for number in range(2):
        world.restart(number)
    assert not site.start("resolver", world.resolver())["changed"]
    info = site.start("resolver_info", world.resolver())
    trusted = {one["public_key"] for server in info["servers"] for one in server["operators"]}
    assert trusted == {pair.public_key}
    assert {name: world.claims(name).subject for name in names} == keys

    # The document need not name the keys any more.
    world.document["operator"].update(signing_keys=["main"])
    del world.document["operator"]["public_key"]
    assert not world.apply()["changed"]


def test_what_the_identity_key_signed_keeps_it(site: Site, tmp_path: pathlib.Path) -> None:
    world = World(site, tmp_path)
    world.apply()
    pair = site.make_key("next.nk", "operator")
    world.document["operator"]["public_key"] = pair.public_key
    message = site.refuse("store", definition=world.document, **world.folders)
    assert f"there is a token about {world.claims().subject} already, expected one about {pair.public_key}" in message
    signing = [{"public_key": key} for key in world.claims().body.signing_keys]
    site.run(
        "operator", name="ACME", key_path=site / "next.nk", jwt_path=site / "stores/next.jwt", signing_keys=signing
    )
    site.write("stores/ACME/ACME.jwt", site.text("stores/next.jwt"), 0o600)
    message = site.refuse("store", definition=world.document, seeds=[pair.seed], **world.folders)
    for name in ("SYS", "APP"):
        assert f"accounts/{name}/{name}.jwt: this is left as it is: its JWT is about" in message
    assert "accounts/SIGNED" not in message
