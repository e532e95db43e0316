# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""nats_connections on three nats-servers: which connections are found regardless of what clients claim, which are closed, and which stay open."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from support.fleets import FULL, Fleet, Realm

from ansible_collections.natsops.security.plugins.module_utils.claims import (
    Account,
    Claims,
    Permission,
    Permissions,
    SigningKey,
    User,
    UserAccess,
)
from ansible_collections.natsops.security.plugins.module_utils.cluster import connections
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.token import codec

if TYPE_CHECKING:
    from support.sites import Site

pytestmark = pytest.mark.server


class Place:
    """Three servers with an account, and its clients."""

    def __init__(self, fleet: Fleet, site: Any) -> None:
        self.fleet, self.site = fleet, site
        self.account, self.jwt = fleet.realm.new_account("APP")
        result = site.start("resolver", fleet.task(jwts=[self.jwt]))
        assert not result.get("failed"), result

    def user(self, name: str, age: int = 100, key: Any = None, bearer: bool = False) -> tuple[Any, str]:
        """A user and its JWT."""
        key = key or nkey.create("user")
        body = User(access=UserAccess(bearer_token=bearer))
        claims = Claims(name=name, subject=key.public_key, body=body)
        return key, codec.encode(claims, self.account, int(time.time()) - age)

    def task(self, **more: Any) -> dict[str, Any]:
        return self.fleet.task(account=self.account.public_key, **more)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Three servers."""
    with Fleet(tmp_path_factory.mktemp("connections"), Realm(), [FULL] * 3) as started:
        yield started


@pytest.fixture
def place(fleet: Fleet, site: Site) -> Place:
    """A new account on the servers."""
    return Place(fleet, site)


@contextlib.contextmanager
def connected(place: Place, node: int, holder: tuple[Any, str], **said: Any) -> Iterator[socket.socket]:
    """A connected client. `said` adds or replaces fields of its CONNECT message."""
    pair, jwt = holder
    with socket.create_connection(("127.0.0.1", place.fleet.nodes[node].port), 60) as client:
        file = client.makefile("rb")
        nonce = json.loads(file.readline().split(b" ", 1)[1])["nonce"]
        signature = base64.urlsafe_b64encode(pair.sign(nonce.encode())).rstrip(b"=").decode()
        options = {"jwt": jwt, "sig": signature, "verbose": False, "lang": "x", "version": "1", "protocol": 1, **said}
        client.sendall(b"CONNECT " + json.dumps(options).encode() + b"\r\nPING\r\n")
        assert file.readline().startswith(b"PONG")
        yield client
        # The server counts the connection until it has noticed its end.
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_WR)
            is_closed(client)


def is_closed(client: socket.socket) -> bool:
    """Whether the server has ended a connection."""
    client.settimeout(60)
    with contextlib.suppress(ConnectionError):
        while client.recv(4096):
            pass
    return True


def is_open(client: socket.socket) -> bool:
    client.settimeout(60)
    client.sendall(b"PING\r\n")
    while True:
        got = client.recv(4096)
        if b"PONG" in got:
            return True
        if not got:
            return False


def test_connections_are_listed_with_where_they_come_from(place: Place) -> None:
    guest, app = place.user("guest"), place.user("app")
    with connected(place, 0, guest, name="laptop") as client, connected(place, 2, app):
        result = place.site.start("connections", place.task())
        told = {one["name"]: one for one in result["connections"]}
        assert (told["guest"]["server"], told["guest"]["client"]) == ("n1", "laptop (x 1)")
        assert told["guest"]["address"] == f"127.0.0.1:{client.getsockname()[1]}"
        assert told["app"]["server"] == "n3"
        assert (result["changed"], result["open"], result["servers"]) == (False, 2, ["n1", "n2", "n3"])
        one = place.site.start("connections", place.task(users=[guest[0].public_key]))
        assert [found["name"] for found in one["connections"]] == ["guest"]


@pytest.mark.parametrize(
    "said",
    [
        {"name": "two\nlines \x1b[31m", "lang": "a\r\nb"},
        {"name": "x" * 2000},
        {"user": "somebody"},
        {"nkey": "UDAUGD2567MCKGLKERIAYKLXZJK6QZVHWBOXB3L7I2ABPF3ZMYEWQDWK"},
        {"auth_token": "t"},
    ],
    ids=["lines", "long", "user", "nkey", "token"],
)
def test_client_cannot_hide_behind_what_it_says_of_itself(place: Place, said: dict[str, Any]) -> None:
    guest, app = place.user("guest"), place.user("app")
    key = guest[0].public_key
    with connected(place, 1, guest, **said) as client, connected(place, 1, app) as other:
        told = place.site.start("connections", place.task(users=[key], state="absent"), check=True)
        assert [one["user"] for one in told["connections"]] == [key]
        assert all(one["client"].isprintable() for one in told["connections"])
        assert is_open(client)
        result = place.site.start("connections", place.task(users=[key], state="absent"))
        assert not result.get("failed"), result
        assert told["changed"] is result["changed"] is True
        assert result["open"] == 0
        assert [one["kicked"] for one in result["connections"]] == [True]
        assert is_closed(client)
        assert is_open(other)
        again = place.site.start("connections", place.task(users=[key], state="absent"))
        assert again["changed"] is False


def test_check_mode_fails_where_the_user_may_not_have_connections_closed(place: Place) -> None:
    denied = UserAccess(permissions=Permissions(publish=Permission(deny=["$SYS.REQ.SERVER.*.KICK"])))
    task = {
        "servers": place.fleet.urls,
        "creds": place.fleet.realm.creds(access=denied),
        "account": place.account.public_key,
    }
    with connected(place, 1, place.user("app")) as client:
        foreseen = place.site.refuse("connections", {"check": True}, **task, state="absent")
        assert foreseen == place.site.refuse("connections", **task, state="absent")
        assert ".KICK. Nothing was changed." in foreseen
        assert is_open(client)


def test_user_that_was_issued_again_is_left_alone(place: Place) -> None:
    old = place.user("guest", age=100)
    new = place.user("guest", age=10, key=old[0])
    until = str(int(time.time()) - 50)
    with (
        connected(place, 0, old) as former,
        connected(place, 0, new) as current,
        connected(place, 1, place.user("app")),
    ):
        result = place.site.start("connections", place.task(revoked={old[0].public_key: until}, state="absent"))
        assert result["changed"]
        assert is_closed(former)
        assert is_open(current)
        # All users whose JWTs were issued up to that time.
        with connected(place, 2, place.user("late", age=1)) as late:
            result = place.site.start("connections", place.task(revoked={"*": until}, state="absent"))
            assert [one["name"] for one in result["connections"] if one["kicked"]] == ["app"]
            assert is_open(late)


def test_bearer_whose_jwt_servers_hide_is_found(place: Place) -> None:
    bearer = place.user("sensor", bearer=True)
    with connected(place, 0, bearer) as client:
        asked = {bearer[0].public_key: str(int(time.time()) + 60)}
        result = place.site.start("connections", place.task(revoked=asked, state="absent"))
        assert result["changed"]
        assert is_closed(client)


def test_what_a_signing_key_signed_is_found(place: Place) -> None:
    with connected(place, 0, place.user("guest")) as client:
        asked = place.task(issuers=[place.account.public_key], state="absent")
        assert place.site.start("connections", asked)["changed"]
        assert is_closed(client)


def test_server_that_is_missing_is_named_after_the_work(place: Place) -> None:
    guest = place.user("guest")
    with connected(place, 0, guest) as client:
        task = place.task(users=[guest[0].public_key], state="absent", expected_servers=["n1", "n9"])
        result = place.site.start("connections", task)
        assert result["failed"]
        assert result["msg"] == (
            "expected_servers: n9 did not answer; n1, n2, n3 did, and no connection is left there."
        )
        assert (result["missing_servers"], result["open"]) == (["n9"], 0)
        assert is_closed(client)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"account": "x"}, "account: "),
        ({"users": ["x"]}, "users[0]: "),
        ({"users": ["ACCOUNT"]}, "expected a user public key"),
        ({"revoked": {"*": "yesterday"}}, "revoked[*]: 'yesterday' is not a time"),
        ({"issuers": ["x"]}, "issuers[0]: "),
        ({"since": "soon"}, "since: 'soon' is not a time"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_options_are_refused(fleet: Fleet, site: Site, options: dict[str, Any], message: str) -> None:
    key = fleet.realm.system.public_key
    asked = json.loads(json.dumps(options).replace("ACCOUNT", key))
    assert message in site.refuse("connections", **{**fleet.task(account=key), **asked})


def test_account_server_has_no_connections(site: Site) -> None:
    key = nkey.create("account").public_key
    message = site.refuse("connections", account_server_url="http://127.0.0.1:9/jwt/v1", account=key)
    assert "an account server has no connections" in message


def test_many_connections_are_read_page_by_page(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_PAGE", 2)
    with contextlib.ExitStack() as stack:
        for index in range(7):
            stack.enter_context(connected(place, 0, place.user(f"u{index}")))
        sought = connections.Sought(place.account.public_key, {"*": None})
        found = place.fleet.do(lambda connection: connections.look_for(connection, sought, []))
        assert sorted(client.name for client in found.open) == [f"u{index}" for index in range(7)]


# ---- identity keys


def test_connections_by_jwts_of_identity_keys_are_found_in_all_accounts(place: Place) -> None:
    """Servers of a strict operator refuse such connections, including bearers. The task's own connection depends on an identity key too, and is not counted."""
    realm, site = place.fleet.realm, place.site
    signing = nkey.create("account")
    other, jwt = realm.new_account("OTHER", Account(signing_keys=[SigningKey(key=signing.public_key)]))
    assert site.start("resolver", place.fleet.task(jwts=[jwt]))["changed"]
    pair = nkey.create("user")
    claims = Claims(name="signed", subject=pair.public_key, body=User(issuer_account=other.public_key))
    signed = (pair, codec.encode(claims, signing, int(time.time()) - 100))
    identity = nkey.create("user")
    body = Claims(name="other", subject=identity.public_key, body=User())
    by_identity = (identity, codec.encode(body, other, int(time.time()) - 100))
    task = place.fleet.task(identity_keys=True, expected_servers=["n1", "n2", "n3"])
    with (
        connected(place, 0, place.user("guest")) as guest,
        connected(place, 1, place.user("bearer", bearer=True)),
        connected(place, 2, by_identity),
        connected(place, 2, signed) as stays,
    ):
        result = site.start("connections", task)
        found = {one["user"]: one["account"] for one in result["connections"] if "closed_at" not in one}
        mine = {one for one in found.values() if one in (place.account.public_key, other.public_key)}
        assert mine == {place.account.public_key, other.public_key}
        assert pair.public_key not in found
        assert set(found.values()) <= {place.account.public_key, other.public_key}
        assert result["open"] == len(found) == 3
        # Limited to one account.
        of_other = site.start("connections", {**task, "account": other.public_key})
        assert [one["user"] for one in of_other["connections"] if "closed_at" not in one] == [identity.public_key]
        closed = site.start("connections", {**task, "state": "absent"})
        assert (closed["changed"], closed["open"]) == (True, 0)
        assert is_closed(guest)
        assert is_open(stays)
    again = site.start("connections", {**task, "state": "absent"})
    assert again["changed"] is False


def test_account_may_be_omitted_for_identity_keys_alone(place: Place) -> None:
    widened = {"identity_keys": True, "state": "absent"}
    others = ({"users": ["*"]}, {"revoked": {"*": "now"}}, {"issuers": [place.account.public_key]})
    for more in (
        {},
        {"identity_keys": False},
        {"state": "absent"},
        *others,
        *({**widened, **other} for other in others),
    ):
        message = place.site.refuse("connections", **place.fleet.task(**more))
        assert message.startswith(
            "account: required. It can be omitted, for all accounts, only with identity_keys: true"
        )
