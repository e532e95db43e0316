# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""nats_diagnose on real nats-servers. Each cause is provoked, diagnosed and fixed as advised. The server then accepts the user."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import datetime
import json
import pathlib
import re
import socket
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from support.fleets import FULL, Fleet, Realm, client, make_certificates, tls_config
from support.ports import free_ports
from support.servers import PATIENCE, running, server_version

from ansible_collections.natsops.security.plugins.module_utils.claims import (
    Account,
    Claims,
    Export,
    Permission,
    Permissions,
    SigningKey,
    TimeRange,
    User,
    UserAccess,
)
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.token import codec, decorated

if TYPE_CHECKING:
    from support.sites import Site

pytestmark = pytest.mark.server

CONNECTED = "connected"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Two servers of one cluster."""
    with Fleet(tmp_path_factory.mktemp("diagnose"), Realm(), [FULL + ", allow_delete: true"] * 2) as started:
        yield started


@dataclasses.dataclass
class Place:
    """An account on the servers, whose users are diagnosed."""

    fleet: Fleet
    site: Any
    key: Any = dataclasses.field(default_factory=lambda: nkey.create("account"))
    jwt: str = ""

    def account(self, age: int = 100, push: bool = True, name: str = "APP", **body: Any) -> str:
        """Issue the account, and push it."""
        how = {name: body.pop(name) for name in ("signer", "expires") if name in body}
        self.jwt = self.fleet.realm.account(self.key, name, Account(**body), age=age, **how)
        if push:
            self.push(self.jwt)
        return self.jwt

    def push(self, jwt: str) -> None:
        """Store the JWT of the account on the servers, even if nats_resolver would refuse to push it."""

        async def push(connection: Any) -> Any:
            subject = f"$SYS.REQ.ACCOUNT.{self.key.public_key}.CLAIMS.UPDATE"
            return await connection.ask(subject, jwt.encode(), lambda found: len(found) >= 2, 10)

        assert len(self.fleet.do(push)) == len(self.fleet.nodes)
        assert all(node.stored(self.key) == jwt for node in self.fleet.nodes)

    def creds(
        self, signer: Any = None, pair: Any = None, age: int = 50, envelope: dict[str, Any] | None = None, **access: Any
    ) -> str:
        """The creds of a user."""
        pair = pair or nkey.create("user")
        body = User(access=UserAccess(**access), issuer_account=self.key.public_key if signer else "")
        claims = Claims(name="orders", subject=pair.public_key, body=body, **(envelope or {}))
        return decorated.format_creds(codec.encode(claims, signer or self.key, int(time.time()) - age), pair)

    def diagnose(self, creds: str, system: bool = True, **more: Any) -> dict[str, Any]:
        """The result, after checking that it contains neither the creds nor their JWT."""
        options = {"user_creds": creds, "servers": self.fleet.urls, **more}
        if system:
            options = {**self.fleet.task(), **options}
        result = self.site.start("diagnose", options)
        assert not result.get("failed"), result
        assert result["changed"] is False
        for secret in (decorated.find_token(creds), creds):
            assert not secret or secret not in str(result)
        return result

    def causes(self, creds: str, **more: Any) -> list[str]:
        return [one["cause"] for one in self.diagnose(creds, **more)["servers"]]

    def lets_in(self, creds: str) -> None:
        """Check that all servers accept the user."""
        result = self.diagnose(creds, system=False)
        assert (result["connected"], result["cause"], result["differences"]) == (True, CONNECTED, []), result


@pytest.fixture
def place(fleet: Fleet, site: Site) -> Place:
    """A new account on the servers."""
    found = Place(fleet, site)
    found.account()
    return found


@pytest.mark.parametrize("system", [True, False])
def test_claims_that_the_server_is_too_old_to_enforce_are_noted(place: Place, system: bool) -> None:
    """A current server enforces all claims. `make servers` also runs this test on older servers."""
    denied = Permissions(subscribe=Permission(deny=["*.secret"]))
    result = place.diagnose(place.creds(permissions=denied), system=system)
    version = server_version()
    is_enforced = version >= (2, 12, 7) or (2, 11, 16) <= version < (2, 12)
    for one in result["servers"]:
        found = [note for note in one["notes"] if "permissions.subscribe.deny" in note]
        assert len(found) == (0 if is_enforced else 1), one
        for note in found:
            assert f"of user orders is not enforced by the server {one['name']} (nats-server {one['version']})" in note


# ---- causes in the creds


def test_user_that_nothing_is_wrong_with_is_connected(place: Place) -> None:
    creds = place.creds()
    result = place.diagnose(creds, system=False)
    assert result["connected"]
    assert [(one["name"], one["cause"]) for one in result["servers"]] == [("n1", CONNECTED), ("n2", CONNECTED)]
    assert result["user"]["account"] == place.key.public_key
    assert place.causes(creds) == [CONNECTED] * 2


def _mistyped_seed(creds: str) -> str:
    seed = decorated.find_seed(creds).seed
    letter = "B" if seed[20] != "B" else "C"
    return creds.replace(seed, seed[:20] + letter + seed[21:])


def _other_seed(creds: str, kind: str) -> str:
    return creds.replace(decorated.find_seed(creds).seed, nkey.create(kind).seed)


def _broken_signature(creds: str) -> str:
    token = decorated.find_token(creds)
    head, payload, signature = token.split(".")
    letter = "A" if signature[10] != "A" else "B"
    return creds.replace(token, f"{head}.{payload}.{signature[:10]}{letter}{signature[11:]}")


@pytest.mark.parametrize(
    ("spoil", "cause", "words"),
    [
        (lambda creds: creds.replace("eyJ0", "eyJ1", 1), "malformed_token", "is not valid"),
        (lambda creds: creds.replace("-----BEGIN NATS", "BEGIN NATS"), "malformed_token", "is not valid"),
        (lambda creds: "", "malformed_token", "is not valid"),
        (lambda creds: creds.split("*****")[0], "malformed_seed", "There is no seed"),
        (_mistyped_seed, "malformed_seed", "mistyped"),
        (lambda creds: _other_seed(creds, "user"), "wrong_seed", "The seed in user_creds is that of U"),
        (lambda creds: _other_seed(creds, "account"), "wrong_seed", "which is an account key"),
        (_broken_signature, "malformed_token", "It claims to be that of orders"),
    ],
    ids=["header", "marks", "empty", "no seed", "mistyped seed", "other seed", "account seed", "signature"],
)
def test_creds_that_cannot_be_right_are_not_sent(place: Place, spoil: Any, cause: str, words: str) -> None:
    creds = place.creds()
    result = place.diagnose(spoil(creds), system=False)
    (one, other) = result["servers"]
    assert (one["cause"], other["cause"], one["connected"], one["basis"]) == (cause, cause, False, "creds")
    assert words in one["message"]
    assert "again" in one["advice"]
    assert "Authorization Violation" not in str(result)


def test_account_jwt_in_the_creds_is_named(place: Place) -> None:
    creds = place.creds()
    token = decorated.find_token(creds)
    result = place.diagnose(creds.replace(token, place.jwt), system=False)
    assert result["cause"] == "not_a_user"
    assert "holds the JWT of an account, APP" in result["message"]


def test_expired_user_is_issued_again(place: Place) -> None:
    pair, ended = nkey.create("user"), int(time.time()) - 60
    result = place.diagnose(place.creds(pair=pair, envelope={"expires": ended}), system=False)
    assert result["cause"] == "expired"
    assert "the server's clock is not known" in result["message"]
    result = place.diagnose(place.creds(pair=pair, envelope={"expires": ended}))
    assert result["servers"][1]["cause"] == "expired"
    assert result["servers"][1]["clock_difference"] is not None
    assert "Issue the user again with a later expiry" in result["servers"][0]["advice"]
    place.lets_in(place.creds(pair=pair, envelope={"expires": int(time.time()) + 3600}))


def test_user_that_is_not_valid_yet_is_issued_again(place: Place) -> None:
    pair, start = nkey.create("user"), int(time.time()) + 3600
    result = place.diagnose(place.creds(pair=pair, envelope={"not_before": start}))
    assert result["cause"] == "not_yet_valid"
    assert "issue the user again with an earlier not_before" in result["message"]
    place.lets_in(place.creds(pair=pair))


@pytest.mark.parametrize(
    "edit",
    [
        lambda creds: creds.replace("JWT-----\n", "JWT-----\n\n", 1),
        lambda creds: "\n".join("  " + line for line in creds.split("\n")),
    ],
    ids=["blank line", "indented"],
)
def test_creds_that_clients_do_not_read_though_they_are_right(place: Place, edit: Any) -> None:
    creds = place.creds()
    result = place.diagnose(edit(creds), system=False)
    assert [(one["cause"], one["connected"]) for one in result["servers"]] == [("malformed_creds", True)] * 2
    assert "clients do not find them" in result["message"]


# ---- causes in the account


def test_signing_key_that_the_account_no_longer_has(place: Place) -> None:
    old, new = nkey.create("account"), nkey.create("account")
    place.account(age=90, signing_keys=[SigningKey(key=old.public_key)])
    creds = place.creds(signer=old)
    place.lets_in(creds)
    jwt = place.account(age=80, signing_keys=[SigningKey(key=new.public_key)])
    result = place.diagnose(creds)
    assert result["cause"] == "unknown_signer"
    assert old.public_key in result["message"]
    assert new.public_key in result["message"]
    assert "the JWT of the user alone shows no error" in place.diagnose(creds, system=False)["message"]
    by_store = place.diagnose(creds, system=False, jwts=[jwt])["servers"][0]
    assert (by_store["cause"], by_store["basis"]) == ("unknown_signer", "store")
    place.lets_in(place.creds(signer=new))


def test_account_that_servers_do_not_have(place: Place) -> None:
    other = Place(place.fleet, place.site)
    other.account(push=False)
    creds = other.creds()
    result = other.diagnose(creds)
    assert [one["cause"] for one in result["servers"]] == ["unknown_account", "unknown_account"]
    assert "does not have the account" in result["message"]
    assert result["differences"] == []
    other.push(other.jwt)
    other.lets_in(creds)


def test_account_that_is_older_than_in_the_store(place: Place) -> None:
    key = nkey.create("account")
    creds = place.creds(signer=key)
    stored = place.account(age=20, push=False, signing_keys=[SigningKey(key=key.public_key)])
    result = place.diagnose(creds, jwts=[stored])
    assert [one["cause"] for one in result["servers"]] == ["account_outdated"] * 2
    assert "With the older one: " in result["message"]
    assert "Push the account" in result["servers"][0]["advice"]
    assert "is older than the store's" in result["servers"][0]["notes"][0]
    place.push(stored)
    place.lets_in(creds)


def test_account_signed_by_a_key_of_the_operator_that_servers_do_not_trust_yet(place: Place) -> None:
    realm = place.fleet.realm
    new = nkey.create("operator")
    operator = dataclasses.replace(
        realm.operator_claims,
        body=dataclasses.replace(realm.operator_claims.body, signing_keys=[realm.signing.public_key, new.public_key]),
    )
    stored = codec.encode(operator, realm.operator, int(time.time()))
    place = Place(place.fleet, place.site)
    jwt = place.account(age=10, signer=new)
    creds = place.creds()
    result = place.diagnose(creds, jwts=[jwt], operator_jwt=stored)
    assert {one["cause"] for one in result["servers"]} == {"untrusted_operator_key"}
    assert new.public_key in result["message"]
    assert "issue the account again with a key that all servers trust" in result["message"]
    place.account(age=0)
    place.lets_in(creds)


@pytest.mark.parametrize("by_name", [True, False], ids=["name", "all"])
def test_revoked_user_is_issued_again(place: Place, by_name: bool) -> None:
    pair = nkey.create("user")
    creds = place.creds(pair=pair)
    now = int(time.time())
    jwt = place.account(age=20, revocations={pair.public_key if by_name else "*": now - 20})
    result = place.diagnose(creds)
    assert result["cause"] == "revoked"
    assert ("by its key up to" if by_name else "by * (all users) up to") in result["message"]
    assert place.causes(creds, system=False, jwts=[jwt]) == ["revoked"] * 2
    place.lets_in(place.creds(pair=pair, age=5))


def test_account_that_expired_on_the_servers(place: Place) -> None:
    place = Place(place.fleet, place.site)
    jwt = place.account(age=60, expires=int(time.time()) - 30)
    creds = place.creds()
    result = place.diagnose(creds)
    assert [one["cause"] for one in result["servers"]] == ["account_expired"] * 2
    assert "Issue the account again with a later expiry, and push it" in result["message"]
    assert place.causes(creds, system=False, jwts=[jwt]) == ["account_expired"] * 2
    place.account(age=10)
    place.lets_in(creds)


@pytest.mark.parametrize("damage", ["no_token", "invalid_claims"])
def test_account_that_is_invalid_in_the_directories_of_servers(place: Place, damage: str) -> None:
    """Servers refuse such a JWT when it is pushed. It gets there in other ways, such as a restored backup of another file."""
    place = Place(place.fleet, place.site)
    jwt = (
        "eyJ0"
        if damage == "no_token"
        else place.account(push=False, exports=[Export(subject="orders..new", type="stream")])
    )
    for node in place.fleet.nodes:
        (node.config.parent / node.name / f"{place.key.public_key}.jwt").write_text(jwt)
    creds = place.creds()
    result = place.diagnose(creds)
    assert [one["cause"] for one in result["servers"]] == ["account_invalid"] * 2
    assert place.key.public_key in result["message"]
    assert "push it with nats_resolver" in result["message"]
    if damage == "invalid_claims":
        assert "orders..new" in result["message"]
        assert place.causes(creds, system=False, jwts=[jwt]) == ["account_invalid"] * 2
    place.account(age=10)
    place.lets_in(creds)


# ---- connection types, networks, times and limits


def test_bearer_where_the_account_forbids_bearers(place: Place) -> None:
    place.account(age=90, limits=_limits(disallow_bearer=True))
    pair = nkey.create("user")
    assert place.causes(place.creds(pair=pair, bearer_token=True)) == ["bearer_forbidden"] * 2
    place.lets_in(place.creds(pair=pair))


def test_connection_type_that_is_not_allowed(place: Place) -> None:
    pair = nkey.create("user")
    result = place.diagnose(place.creds(pair=pair, allowed_connection_types=["WEBSOCKET"]))
    assert result["cause"] == "connection_type"
    assert "this connection is STANDARD" in result["message"]
    place.lets_in(place.creds(pair=pair, allowed_connection_types=["WEBSOCKET", "STANDARD"]))


def test_network_that_is_not_allowed(place: Place) -> None:
    pair = nkey.create("user")
    result = place.diagnose(place.creds(pair=pair, source_networks=["192.0.2.0/24"]))
    assert result["cause"] == "source_network"
    assert "the server sees it come from 127.0.0.1" in result["message"]
    place.lets_in(place.creds(pair=pair, source_networks=["192.0.2.0/24", "127.0.0.0/8"]))


def test_hours_that_are_over(place: Place) -> None:
    pair = nkey.create("user")
    now = datetime.datetime.now(datetime.timezone.utc)
    start, end = (now + datetime.timedelta(hours=hours) for hours in (2, 3))
    times = [TimeRange(start=f"{start:%H:%M:%S}", end=f"{end:%H:%M:%S}")]
    result = place.diagnose(place.creds(pair=pair, times=times, times_location="UTC"))
    assert result["cause"] == "hours"
    assert "Connect in these hours" in result["message"]
    wide = [TimeRange(start="00:00:00", end="23:59:59")]
    place.lets_in(place.creds(pair=pair, times=wide, times_location="UTC"))


def _limits(**limits: Any) -> Any:
    found = Account().limits
    for name, value in limits.items():
        assert hasattr(found, name)
        setattr(found, name, value)
    return found


def test_account_without_connections_left(place: Place) -> None:
    place.account(age=90, limits=_limits(connections=0))
    creds = place.creds()
    assert place.causes(creds) == ["account_connection_limit"] * 2
    place.account(age=80)
    place.lets_in(creds)


def test_scoped_user_with_permissions_of_its_own(place: Place) -> None:
    scoped, plain = nkey.create("account"), nkey.create("account")
    keys = [SigningKey(key=scoped.public_key, role="reader", template=_template()), SigningKey(key=plain.public_key)]
    place.account(age=90, signing_keys=keys)
    pair = nkey.create("user")
    assert place.causes(place.creds(pair=pair, signer=scoped)) == ["scope_conflict"] * 2
    place.lets_in(place.creds(pair=pair, signer=plain))


def _template() -> Any:
    from ansible_collections.natsops.security.plugins.module_utils.claims import ScopeTemplate

    return ScopeTemplate()


# ---- options of the task


def test_check_mode_and_failing_where_it_is_wanted(place: Place) -> None:
    options = {**place.fleet.task(), "user_creds": place.creds(source_networks=["192.0.2.0/24"])}
    told = place.site.start("diagnose", options, check=True)
    result = place.site.start("diagnose", options)
    for one in (*told["servers"], *result["servers"]):
        del one["clock_difference"]
    del told["invocation"], result["invocation"]
    assert told == result
    failed = place.site.start("diagnose", {**options, "fail_if_refused": True})
    assert (failed["failed"], failed["cause"]) == (True, "source_network")
    assert failed["msg"] == result["message"]
    good = {**options, "user_creds": place.creds(), "fail_if_refused": True}
    assert not place.site.start("diagnose", good).get("failed")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "one of the following is required: user_creds_path, user_creds, user"),
        ({"user_creds": "x", "user": "A/u"}, "mutually exclusive: user_creds_path|user_creds|user"),
        ({"user": "A/u"}, "missing parameter(s) required by 'user': store_path"),
        ({"user_creds_path": "/none"}, "user_creds_path: there is no file /none."),
        ({"user_creds": "x", "servers": ["http://h"]}, "servers[0]: http://h is not a URL that begins with"),
        ({"user_creds": "x", "servers": []}, "servers: at least one URL of a server is required."),
        (
            {"user_creds": "x", "servers": None, "account_server_url": "http://127.0.0.1:9"},
            "clients do not connect to an account",
        ),
        ({"user_creds": "x", "connect_timeout": "soon"}, "connect_timeout: "),
        ({"user_creds": "x", "store_path": "/none/X"}, "store_path: /none/X is not a store"),
    ],
    ids=lambda value: "" if isinstance(value, dict) else value[:30],
)
def test_wrong_options_are_refused(site: Site, options: dict[str, Any], message: str) -> None:
    given = {"servers": ["nats://127.0.0.1:9"], **options}
    assert message in site.refuse("diagnose", **{name: value for name, value in given.items() if value is not None})


# ---- a user of a store


@pytest.fixture
def stored(site: Site) -> dict[str, Any]:
    """Create a store with three users, one of which has no creds. Returns the options that name the store."""
    where = {"stores_dir": site / "stores", "keys_dir": site / "keys"}
    users = [{"name": "orders"}, {"name": "billing"}, {"name": "bare", "creds": False}]
    document = {
        "operator": {"name": "ACME", "system_account": "SYS"},
        "accounts": [{"name": "SYS"}, {"name": "APP", "users": users}],
    }
    result = site.start("store", {**where, "definition": document})
    assert not result.get("failed"), result
    return {"store_path": site / "stores/ACME", "keys_dir": where["keys_dir"], "servers": ["nats://127.0.0.1:9"]}


def creds_of(site: Site, name: str) -> str:
    return site / f"keys/creds/ACME/APP/{name}.creds"


def test_user_of_a_store_connects_with_its_creds_or_its_seed(site: Site, stored: dict[str, Any]) -> None:
    (port,) = free_ports(1)
    tokens = [site.text(f"stores/ACME/accounts/{name}/{name}.jwt") for name in ("SYS", "APP")]
    keys = [codec.peek(token)["sub"] for token in tokens]
    lines = [
        f"listen: 127.0.0.1:{port}",
        "server_name: m1",
        f"operator: {site.text('stores/ACME/ACME.jwt')}",
        "resolver: MEMORY",
        f"system_account: {keys[0]}",
        f"resolver_preload: {{ {keys[0]}: {tokens[0]}, {keys[1]}: {tokens[1]} }}",
    ]
    config = pathlib.Path(site.write("m1.conf", "\n".join(lines)))
    asked = {**stored, "servers": [f"nats://127.0.0.1:{port}"], "system_signer_path": stored["keys_dir"]}
    with running(config, port) as server:
        for user in ("APP/orders", "APP/bare", site.claims("stores/ACME/accounts/APP/users/orders.jwt").subject):
            assert site.start("diagnose", {**asked, "user": user})["cause"] == CONNECTED
        # The account is removed from the server, and then added again.
        config.write_text("\n".join(lines).replace(f", {keys[1]}: {tokens[1]}", ""))
        server.stop()
        server.start()
        result = site.start("diagnose", {**asked, "user": "APP/orders"})
        assert result["cause"] == "unknown_account"
        assert "resolver_preload of a memory resolver" in result["message"]
        config.write_text("\n".join(lines))
        server.stop()
        server.start()
        assert site.start("diagnose", {**asked, "user": "APP/orders"})["connected"]


def test_creds_that_were_mixed_up_are_named_by_their_users(site: Site, stored: dict[str, Any]) -> None:
    path = creds_of(site, "orders")
    mine, other = site.key("keys/creds/ACME/APP/orders.creds"), site.key("keys/creds/ACME/APP/billing.creds")
    site.write(
        "keys/creds/ACME/APP/orders.creds", site.text("keys/creds/ACME/APP/orders.creds").replace(mine.seed, other.seed)
    )
    result = site.start("diagnose", {**stored, "user": "APP/orders"})
    assert result["cause"] == "wrong_seed"
    assert f"The seed in {path} is that of {other.public_key}, the key of the user APP/billing" in result["message"]
    assert "seem to be mixed up" in result["message"]
    # The notes report that the server cannot be reached.
    assert "Nothing listens on nats://127.0.0.1:9" in result["servers"][0]["notes"][0]


def test_seed_that_is_nowhere(site: Site, stored: dict[str, Any]) -> None:
    result = site.start("diagnose", {**stored, "user": "APP/bare", "keys_dir": site / "none"})
    assert result["cause"] == "malformed_seed"
    assert "nothing can sign for it here" in result["message"]


@pytest.mark.parametrize(
    ("user", "message"),
    [
        ("NONE/orders", "user: there is no account NONE in "),
        ("APP/nobody", "user: there is no user nobody in the account APP of "),
        ("orders", "user: 'orders' is not a user: write ACCOUNT/USER"),
        ("../APP/orders", "user: there is no account .. in "),
        ("APP/../../x", "user: there is no user ../../x in "),
        ("UDAUGD2567MCKGLKERIAYKLXZJK6QZVHWBOXB3L7I2ABPF3ZMYEWQDWK", "user: there is no user UDAUGD"),
    ],
)
def test_user_who_is_not_there(site: Site, stored: dict[str, Any], user: str, message: str) -> None:
    assert message in site.refuse("diagnose", **stored, user=user)


def test_store_with_a_problem_is_used_as_far_as_it_goes(site: Site, stored: dict[str, Any]) -> None:
    site.write("stores/ACME/accounts/SYS/SYS.jwt", "eyJ0")
    result = site.start("diagnose", {**stored, "user": "APP/orders"})
    assert result["cause"] == "closed_port"
    assert any("SYS.jwt" in str(warning) for warning in result["warnings"])


# ---- servers with a configuration of their own


class Single:
    """One server of the realm, configured by the test."""

    def __init__(self, site: Any, realm: Realm | None = None) -> None:
        self.site = site
        self.realm = realm or Realm()
        self.account, self.jwt = self.realm.new_account("APP")
        self.ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
        self.config = pathlib.Path(site / "single.conf")

    def write(self, *lines: str, realm: Realm | None = None, accounts: dict[Any, str] | None = None) -> None:
        """Write the configuration. Placeholders such as <websocket> stand for ports."""
        mine = realm or self.realm
        held = {mine.system: mine.system_jwt, **(accounts if accounts is not None else {self.account: self.jwt})}
        preload = ", ".join(f"{key.public_key}: {jwt}" for key, jwt in held.items())
        text = [
            f"listen: 127.0.0.1:{self.ports['client']}",
            "server_name: s1",
            f"operator: {mine.operator_jwt}",
            f"system_account: {mine.system.public_key}",
            "resolver: MEMORY",
            f"resolver_preload: {{ {preload} }}",
            *map(self._with_ports, lines),
        ]
        self.config.write_text("\n".join(text))

    def _with_ports(self, line: str) -> str:
        for name, port in self.ports.items():
            line = line.replace(f"<{name}>", str(port))
        return line

    def running(self) -> Any:
        return running(self.config, self.ports["client"])

    def url(self, port: str = "client", scheme: str = "nats") -> str:
        return f"{scheme}://127.0.0.1:{self.ports[port]}"

    def creds(self, pair: Any = None, **access: Any) -> str:
        pair = pair or nkey.create("user")
        claims = Claims(name="orders", subject=pair.public_key, body=User(access=UserAccess(**access)))
        return decorated.format_creds(codec.encode(claims, self.account, int(time.time()) - 50), pair)

    def diagnose(self, user: str, url: str = "", **more: Any) -> dict[str, Any]:
        options = {"user_creds": user, "servers": [url or self.url()], "connect_timeout": "3s", **more}
        result = self.site.start("diagnose", options)
        assert not result.get("failed"), result
        return result

    def cause(self, user: str, url: str = "", **more: Any) -> str:
        return self.diagnose(user, url, **more)["cause"]


PORTS = ("client", "leafnode", "websocket", "mqtt", "monitoring", "route", "gateway", "closed")
LISTENERS = (
    'leafnodes { listen: "127.0.0.1:<leafnode>" }',
    'websocket { listen: "127.0.0.1:<websocket>", no_tls: true }',
    'http: "127.0.0.1:<monitoring>"',
    'cluster { name: c, listen: "127.0.0.1:<route>" }',
    'gateway { name: c, listen: "127.0.0.1:<gateway>" }',
)


@pytest.fixture
def single(site: Site) -> Single:
    return Single(site)


def test_ports_that_are_for_somebody_else(single: Single) -> None:
    single.write(*LISTENERS)
    creds = single.creds()
    expected = {
        "leafnode": "for leaf nodes",
        "websocket": "for websockets",
        "monitoring": "for monitoring",
        "route": "for routes",
        "gateway": "for gateways",
    }
    with single.running():
        for port, words in expected.items():
            result = single.diagnose(creds, single.url(port))
            assert (port, result["cause"]) == (port, "wrong_port")
            assert words in result["message"]
            assert "Use the port that the server has for clients" in result["message"]
        assert single.cause(creds, single.url("closed")) == "closed_port"
        # Linux itself refuses to connect to a multicast address, regardless of its routes.
        result = single.diagnose(creds, "nats://224.0.0.1:4222")
        assert (result["cause"], "Check the routes and firewalls" in result["message"]) == ("unreachable", True)
        result = single.diagnose(creds, single.url("client", "ws"))
        assert result["cause"] == "wrong_port", result["servers"]
        assert single.cause(creds, single.url("client"), connect_as="leafnode") == "wrong_port"
        assert single.cause(creds, single.url("client"), connect_as="mqtt") == "wrong_port"
        assert single.cause(creds, single.url("leafnode"), connect_as="leafnode") == CONNECTED
        assert single.cause(creds, single.url("websocket", "ws")) == CONNECTED
        assert single.cause(creds) == CONNECTED


def test_names_and_addresses_that_lead_nowhere(single: Single) -> None:
    creds = single.creds()
    result = single.diagnose(creds, "nats://no-such-host.invalid:4222")
    assert result["cause"] == "unresolvable"
    assert "no-such-host.invalid" in result["message"]
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"nats://127.0.0.1:{silent.getsockname()[1]}"
        assert single.cause(creds, url, connect_timeout="1s") == "no_answer"


@pytest.mark.parametrize(
    ("greeting", "cause"), [(b"SSH-2.0-x\r\n", "not_nats"), (b"INFO x\r\n", "not_nats"), (b"", "protocol")]
)
def test_something_else_than_a_server(single: Single, greeting: bytes, cause: str) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()

        def greet() -> None:
            with contextlib.suppress(OSError):
                while True:
                    with listening.accept()[0] as client:
                        client.sendall(greeting)

        threading.Thread(target=greet, daemon=True).start()
        url = f"nats://127.0.0.1:{listening.getsockname()[1]}"
        assert single.cause(single.creds(), url) == cause
        listening.shutdown(socket.SHUT_RDWR)


def test_server_that_is_not_in_operator_mode(single: Single) -> None:
    single.config.write_text(f"listen: 127.0.0.1:{single.ports['client']}\n")
    creds = single.creds()
    with single.running():
        assert single.cause(creds) == "not_operator_mode"
    single.write()
    with single.running():
        assert single.cause(creds) == CONNECTED


def test_server_that_has_as_many_connections_as_it_takes(single: Single) -> None:
    single.write("max_connections: 1")
    creds, other = single.creds(), single.creds()
    with single.running(), logged_in(single.ports["client"], other):
        result = single.diagnose(creds)
        assert result["cause"] == "server_connection_limit"
        assert "Raise max_connections" in result["message"]
    single.write("max_connections: 10")
    with single.running(), logged_in(single.ports["client"], other):
        assert single.cause(creds) == CONNECTED


def test_account_that_has_as_many_connections_as_it_may(single: Single) -> None:
    full = single.realm.account(single.account, "APP", Account(limits=_limits(connections=1)))
    single.write(accounts={single.account: full})
    creds, other = single.creds(), single.creds()
    with single.running(), logged_in(single.ports["client"], other):
        result = single.diagnose(creds, jwts=[full])
        assert result["cause"] == "account_connection_limit"
        assert "limits.connections 1" in result["message"]
    single.write()
    with single.running(), logged_in(single.ports["client"], other):
        assert single.cause(creds) == CONNECTED


@contextlib.contextmanager
def logged_in(port: int, creds: str) -> Iterator[None]:
    """Keep a user connected. Retries, because for a moment the server still counts the connection that checked whether it had started."""
    deadline = time.monotonic() + PATIENCE
    while True:
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
            answer = log_in(client, creds)
            if answer.startswith(b"PONG"):
                yield
                return
        assert time.monotonic() < deadline, answer
        time.sleep(0.02)


def log_in(client: socket.socket, creds: str) -> bytes:
    """Log in. Returns the line that the server answers with, or the text of a connection error."""
    pair, jwt = decorated.find_seed(creds), decorated.find_token(creds)
    file = client.makefile("rb")
    first = file.readline()
    if not first.startswith(b"INFO "):
        return first
    nonce = json.loads(first.split(b" ", 1)[1])["nonce"]
    signature = base64.urlsafe_b64encode(pair.sign(nonce.encode())).rstrip(b"=").decode()
    connect = json.dumps({"jwt": jwt, "sig": signature, "verbose": False}).encode()
    try:
        client.sendall(b"CONNECT " + connect + b"\r\nPING\r\n")
        return file.readline()
    except ConnectionError as error:  # a server at its limit closes at once
        return str(error).encode()


def test_strict_operator_takes_signing_keys_only(site: Site) -> None:
    single = Single(site, Realm(strict_signing_key_usage=True))
    realm = single.realm
    key = nkey.create("account")
    body = Account(signing_keys=[SigningKey(key=key.public_key)])
    single.jwt = realm.account(single.account, "APP", body)
    single.write()
    asked = {"system_signer_seed": realm.system_signing.seed, "system_account_jwt": realm.system_jwt}
    pair = nkey.create("user")
    with single.running():
        result = single.diagnose(single.creds(pair), **asked)
        assert result["cause"] == "strict_mode"
        assert "Issue the user again with a signing key of the account" in result["message"]
        assert single.cause(single.creds(pair), jwts=[single.jwt], operator_jwt=realm.operator_jwt) == "strict_mode"
        claims = Claims(name="orders", subject=pair.public_key, body=User(issuer_account=single.account.public_key))
        good = decorated.format_creds(codec.encode(claims, key, int(time.time())), pair)
        assert single.cause(good, **asked) == CONNECTED


def test_servers_of_another_operator(single: Single) -> None:
    other = Realm("OTHER")
    single.write(realm=other, accounts={})
    creds = single.creds()
    mine = {"operator_jwt": single.realm.operator_jwt, "jwts": [single.jwt]}
    with single.running():
        result = single.diagnose(creds, creds=other.creds(), **mine)
        assert result["cause"] == "other_operator"
        assert "trusts the operator OTHER" in result["message"]
        # The server accepts no user of this operator, not even of its system account.
        by_store = single.diagnose(creds, system_signer_seed=single.realm.system.seed, **mine)
        assert (by_store["cause"], by_store["servers"][0]["basis"]) == ("other_operator", "store")
        assert "refuses the user of the system account too" in by_store["message"]
    single.write()
    with single.running():
        assert single.cause(creds) == CONNECTED


def test_leaf_nodes_websockets_and_mqtt(single: Single) -> None:
    mqtt = 'mqtt { listen: "127.0.0.1:<mqtt>" }'
    single.write(*LISTENERS[:2], f"jetstream {{ store_dir: {single.site / 'js'} }}", mqtt)
    system = {"system_signer_seed": single.realm.system.seed}
    pair = nkey.create("user")
    standard = single.creds(pair, allowed_connection_types=["STANDARD"])
    jetstream = _limits()
    jetstream.jetstream = dataclasses.replace(jetstream.jetstream, memory_storage=-1, disk_storage=-1)
    single.jwt = single.realm.account(single.account, "APP", Account(limits=jetstream))
    single.write(*LISTENERS[:2], f"jetstream {{ store_dir: {single.site / 'js'} }}", mqtt)
    ways = {
        "LEAFNODE": (single.url("leafnode"), "leafnode"),
        "WEBSOCKET": (single.url("websocket", "ws"), "client"),
        "MQTT": (single.url("mqtt"), "mqtt"),
    }
    with single.running():
        for name, (url, way) in ways.items():
            result = single.diagnose(standard, url, connect_as=way)
            # Without the JWT of the account, the restrictions of a scope are unknown.
            assert result["cause"] == "refused", result
            result = single.diagnose(standard, url, connect_as=way, jwts=[single.jwt])
            assert (name, result["cause"]) == (name, "connection_type")
            assert f"this connection is {name}" in result["message"]
            assert f"add {name} to allowed_connection_types" in result["message"]
            good = single.creds(pair, allowed_connection_types=[name], bearer_token=name == "MQTT")
            result = single.diagnose(good, url, connect_as=way)
            assert result["cause"] == CONNECTED, result
        no_bearer = single.creds(pair)
        # MQTT clients do not use the seed.
        other = no_bearer.replace(decorated.find_seed(no_bearer).seed, nkey.create("user").seed)
        assert single.cause(other, ways["MQTT"][0], connect_as="mqtt", jwts=[single.jwt]) == "mqtt_needs_bearer"
        result = single.diagnose(no_bearer, ways["MQTT"][0], connect_as="mqtt", jwts=[single.jwt])
        assert result["cause"] == "mqtt_needs_bearer"
        assert single.cause(no_bearer, **system) == CONNECTED


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The folder of certificates for 127.0.0.1, and of those of another authority."""
    folder = make_certificates(tmp_path_factory.mktemp("certificates"), "IP:127.0.0.1")
    make_certificates(folder / "other", "DNS:nats.test")
    return folder


def test_certificates_that_do_not_fit(single: Single, certificates: pathlib.Path) -> None:
    single.write(tls_config(certificates))
    creds, url, ca = single.creds(), single.url(scheme="tls"), str(certificates / "ca.pem")
    with single.running():
        # If the server requires TLS, it is used regardless of the URL's scheme.
        for given in (url, single.url()):
            result = single.diagnose(creds, given)
            assert result["cause"] == "tls_untrusted"
            assert "tls_ca_path" in result["servers"][0]["advice"]
        result = single.diagnose(creds, url, tls_ca_path=ca, tls_server_name="nats.example.com")
        assert result["cause"] == "tls_name"
        assert "is not one for nats.example.com" in result["message"]
        result = single.diagnose(creds, url, tls_ca_path=ca, tls_handshake_first=True)
        assert result["cause"] == "tls_not_first"
        assert "Unset tls_handshake_first" in result["message"]
        assert single.cause(creds, url, tls_ca_path=ca) == CONNECTED


def test_server_that_verifies_clients(single: Single, certificates: pathlib.Path) -> None:
    single.write(tls_config(certificates, "verify: true"))
    creds, url, ca = single.creds(), single.url(scheme="tls"), str(certificates / "ca.pem")
    with single.running():
        assert single.cause(creds, url, tls_ca_path=ca) == "tls_client_certificate"
        for folder, cause in ((certificates / "other", "tls_client_certificate"), (certificates, CONNECTED)):
            shown = {
                "tls_ca_path": ca,
                "tls_certificate_path": str(folder / "client.pem"),
                "tls_key_path": str(folder / "client.key"),
            }
            result = single.diagnose(creds, url, **shown)
            assert result["cause"] == cause, str(result["servers"])


def test_tls_that_begins_before_info_or_not_at_all(single: Single, certificates: pathlib.Path) -> None:
    creds, url, ca = single.creds(), single.url(scheme="tls"), str(certificates / "ca.pem")
    single.write(tls_config(certificates, "handshake_first: true"))
    with single.running():
        for given in (url, single.url()):
            result = single.diagnose(creds, given)
            assert result["cause"] == "tls_first"
            assert "Set tls_handshake_first" in result["message"]
        assert single.cause(creds, url, tls_ca_path=ca, tls_handshake_first=True) == CONNECTED
    single.write()
    with single.running():
        result = single.diagnose(creds, url)
        assert result["cause"] == "tls_not_offered"
        assert "nothing was sent to it" in result["message"]
        assert single.cause(creds) == CONNECTED


# ---- missing permissions of a connected user


@pytest.fixture(scope="module")
def streams(
    tmp_path_factory: pytest.TempPathFactory, collections_path: Any, core: Any, modules: Any
) -> Iterator[Single]:
    """A server with JetStream, on which a user with all permissions has created a stream and buckets."""
    from support.sites import Site

    folder = tmp_path_factory.mktemp("streams")
    single = Single(Site(folder, collections_path, core, modules))
    limits = _limits()
    limits.jetstream = dataclasses.replace(limits.jetstream, memory_storage=-1, disk_storage=-1)
    single.jwt = single.realm.account(single.account, "APP", Account(limits=limits))
    single.write(f'jetstream {{ store_dir: "{folder / "js"}" }}')

    async def make() -> None:
        connected = await client(single.url(), single.creds())
        context = connected.jetstream()
        await (await context.create_key_value(bucket="config")).put("a", b"1")
        await (await context.create_object_store(bucket="files")).put("o", b"1")
        await context.add_stream(name="ORDERS", subjects=["orders.>"])
        await context.publish("orders.new", b"1")
        await connected.close()

    with single.running():
        asyncio.run(make())
        yield single


async def _read_bucket(context: Any) -> None:
    bucket = await context.key_value("config")
    assert (await bucket.get("a")).value == b"1"


async def _watch_bucket(context: Any) -> None:
    watcher = await (await context.key_value("config")).watchall()
    assert (await watcher.updates(timeout=60)).value == b"1"
    await watcher.stop()


async def _write_bucket(context: Any) -> None:
    await (await context.key_value("config")).put("b", b"2")


async def _read_file(context: Any) -> None:
    assert (await (await context.object_store("files")).get("o")).data == b"1"


async def _write_file(context: Any) -> None:
    await (await context.object_store("files")).put("p", b"2")


async def _read_stream(context: Any) -> None:
    subscription = await context.pull_subscribe("orders.>", durable="d", stream="ORDERS")
    (message,) = await subscription.fetch(1, timeout=60)
    await message.ack_sync()


async def _publish_into_stream(context: Any) -> None:
    await context.publish("orders.new", b"1")


async def _ask(context: Any) -> None:
    assert await context.account_info()


ACTIONS = {
    "read a bucket": ({"kv": "config", "access": ["read"]}, _read_bucket),
    "watch a bucket": ({"kv": "config", "access": ["watch"]}, _watch_bucket),
    "write a bucket": ({"kv": "config", "access": ["write"]}, _write_bucket),
    "read an object": ({"object_store": "files", "access": ["read"]}, _read_file),
    "write an object": ({"object_store": "files", "access": ["write"]}, _write_file),
    "read a stream": ({"stream": "ORDERS"}, _read_stream),
    "publish into a stream": ({"request": "orders.new"}, _publish_into_stream),
    "ask JetStream": ({"request": "$JS.API.INFO"}, _ask),
}


@pytest.mark.parametrize(
    ("name", "asks_system"),
    [*((name, True) for name in ACTIONS), ("read a bucket", False), ("publish into a stream", False)],
)
def test_permission_that_is_missing_is_enough_once_it_is_added(streams: Single, name: str, asks_system: bool) -> None:
    action, do = ACTIONS[name]
    more: dict[str, Any] = {"actions": [action], "connect_timeout": "60s"}
    allowed: dict[str, list[str]] = {"publish": ["unrelated"], "subscribe": ["unrelated"]}
    if asks_system:
        more["system_signer_seed"] = streams.realm.system.seed
    else:
        # A server reports permissions only to a user that may request them.
        allowed = {"publish": ["$SYS.REQ.USER.INFO"], "subscribe": ["_INBOX.>"]}
    pair = nkey.create("user")
    if asks_system:
        with pytest.raises(AssertionError, match="permissions violation"):
            _try_for_real(streams, streams.creds(pair, **_may(allowed)), do, timeout=0.3)
    result = streams.diagnose(streams.creds(pair, **_may(allowed)), **more)
    (server,) = result["servers"]
    assert (server["cause"], server["connected"], server["basis"]) == ("permission_missing", True, "server")
    (answered,) = server["actions"]
    assert (answered["allowed"], answered["action"]) == (False, action)
    for missing in answered["missing"]:
        for word in allowed:
            if word in missing:
                allowed[word].append(missing[word])
                assert f"Add {missing[word]} to permissions.{word}.allow" in server["advice"]
    creds = streams.creds(pair, **_may(allowed))
    assert streams.cause(creds, **more) == CONNECTED
    _try_for_real(streams, creds, do)


def _may(allowed: dict[str, list[str]]) -> dict[str, Any]:
    return {"permissions": Permissions(**{word: Permission(allow=subjects) for word, subjects in allowed.items()})}


def _try_for_real(streams: Single, creds: str, do: Any, timeout: float = 30) -> None:
    async def work() -> None:
        connected = await client(streams.url(), creds)
        try:
            await do(connected.jetstream(timeout=timeout))
        finally:
            await connected.flush()  # the server has answered by then, also with an error
            await connected.close()
            assert connected.last_error is None, connected.last_error

    asyncio.run(work())


def test_denied_subject_and_queue_group_are_named(streams: Single) -> None:
    permissions = Permissions(
        publish=Permission(deny=["orders.secret"]), subscribe=Permission(allow=["jobs workers", "_INBOX.>"])
    )
    creds = streams.creds(permissions=permissions)
    asked = [{"publish": "orders.secret"}, {"subscribe": "jobs", "queue": "workers"}, {"subscribe": "jobs"}]
    result = streams.diagnose(creds, actions=asked, system_signer_seed=streams.realm.system.seed)
    assert [one["allowed"] for one in result["servers"][0]["actions"]] == [False, True, False]
    assert "Remove permissions.publish.deny[0] from user APP/orders" in result["servers"][0]["advice"]
    assert "it is allowed in the queue group workers only" in result["message"]


def test_user_that_may_not_ask_is_judged_by_its_own_jwt(streams: Single) -> None:
    permissions = Permissions(publish=Permission(allow=["orders.>"]))
    asked = [{"publish": "orders.new"}, {"publish": "billing.new"}]
    (server,) = streams.diagnose(streams.creds(permissions=permissions), actions=asked)["servers"]
    assert [(one["allowed"], one["basis"]) for one in server["actions"]] == [(True, "creds"), (False, "creds")]
    assert "Add billing.new to permissions.publish.allow of user " in server["advice"]


def test_account_without_jetstream_is_named(single: Single) -> None:
    single.write(f'jetstream {{ store_dir: "{single.site / "js"}" }}')
    system = {"system_signer_seed": single.realm.system.seed}
    with single.running():
        result = single.diagnose(single.creds(), actions=[{"kv": "config"}], **system)
        assert result["cause"] == "jetstream_disabled"
        assert "limits.jetstream" in result["servers"][0]["advice"]
        assert single.cause(single.creds(), actions=[{"publish": "a"}], **system) == CONNECTED


@pytest.mark.parametrize(
    ("action", "message"),
    [
        ({}, "actions[0]: expected one of publish, subscribe, request, stream, kv, object_store, and this has none."),
        (
            {"publish": "a", "kv": "b"},
            "actions[0]: expected one of publish, subscribe, request, stream, kv, object_store",
        ),
        ({"publish": "a..b"}, "actions[0].publish: 'a..b' is not a subject: it has white space or an empty token."),
        ({"publish": ""}, "actions[0].publish: '' is not a subject: it is empty."),
        ({"publish": "a", "queue": "q"}, "actions[0].queue: only a subscription has a queue group."),
        ({"publish": "a", "inbox": "i"}, "actions[0].inbox: only actions with an answer have an inbox, not publish."),
        (
            {"publish": "a", "access": ["read"]},
            "actions[0].access: only stream, kv, object_store have it, not publish.",
        ),
        (
            {"stream": "a", "access": ["watch"]},
            "actions[0].access: there is no watch of stream; available: read, manage.",
        ),
        ({"kv": "a.b"}, "actions[0].kv: 'a.b' is not a name of a stream or bucket"),
    ],
    ids=str,
)
def test_action_that_is_none_is_refused(site: Site, action: dict[str, Any], message: str) -> None:
    assert message in site.refuse("diagnose", user_creds="x", servers=["nats://127.0.0.1:9"], actions=[action])


# ---- other causes


def test_account_that_a_server_has_loaded_as_expired(place: Place) -> None:
    creds = place.creds()
    place.lets_in(creds)
    task = place.fleet.task(jwts=[place.jwt], state="absent", signer_seed=place.fleet.realm.signing.seed, force=True)
    assert place.site.start("resolver", task)["changed"]
    place.push(place.jwt)
    result = place.diagnose(creds)
    assert [one["cause"] for one in result["servers"]] == ["account_not_loaded"] * 2
    assert "in memory as expired, although its JWT is not" in result["message"]
    assert "Push it again with nats_resolver" in result["servers"][0]["advice"]
    assert place.site.start("resolver", place.fleet.task(jwts=[place.jwt]))["changed"]
    place.lets_in(creds)


def test_clock_of_a_server_is_compared(place: Place) -> None:
    """The server's clock cannot be changed, so the module gets a wrong clock."""
    creds = place.creds(envelope={"expires": int(time.time()) - 600})
    asked = {**place.fleet.task(), "user_creds": creds}
    script = "import time; real = time.time; time.time = lambda: real() - 3600"
    folder = pathlib.Path(place.site / "late")
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(script)
    late = ["env", f"PYTHONPATH={folder}:{place.site.collections}"]
    result = place.site.start("diagnose", asked, wrapped=late)
    (server, _unused) = result["servers"]
    assert server["cause"] == "expired"
    assert 3590 < server["clock_difference"] < 3610
    assert re.search(r"(59m\d+s|1h|1h\d+s) ahead of this host", server["message"])
    assert "The clock of the server n1 is " in server["notes"][0]
    # Without the system account, the server's clock is unknown, and the server still refuses the user.
    alone = place.site.start("diagnose", {"user_creds": creds, "servers": place.fleet.urls}, wrapped=late)
    assert alone["cause"] == "refused"
    assert "For a server with a wrong clock, its JWT may not be valid: it is valid until " in alone["message"]
    place.lets_in(place.creds())


def _preload(node: Any, place: Place, held: str) -> None:
    """Configure a server with a memory resolver to preload this JWT of the account, or none if it is empty, and restart it if it runs."""
    accounts = {place.fleet.realm.system: place.fleet.realm.system_jwt, **({place.key: held} if held else {})}
    preload = ", ".join(f"{key.public_key}: {jwt}" for key, jwt in accounts.items())
    text = re.sub(r"resolver_preload: .*", f"resolver_preload: {{ {preload} }}", node.config.read_text())
    node.config.write_text(text)
    if node.process is not None:
        node.stop()
        node.start()
        place.fleet.wait_until_whole()


def test_servers_of_a_cluster_that_differ(tmp_path: pathlib.Path, site: Site) -> None:
    place = Place(Fleet(tmp_path, Realm(), ["MEMORY"] * 2), site)
    first, second = place.fleet.nodes
    key = nkey.create("account")
    old = place.account(age=90, push=False)
    new = place.account(age=20, push=False, signing_keys=[SigningKey(key=key.public_key)])
    creds = place.creds(signer=key)
    _preload(first, place, new)
    try:
        place.fleet.start()
        result = place.diagnose(creds, jwts=[new])
        assert [one["cause"] for one in result["servers"]] == [CONNECTED, "unknown_account"]
        assert result["differences"] == ["n1: connected; n2: unknown_account"]
        assert (result["connected"], result["cause"]) == (False, "unknown_account")
        assert "; n1 has it." in result["message"]
        _preload(second, place, old)
        result = place.diagnose(creds, jwts=[new])
        assert [one["cause"] for one in result["servers"]] == [CONNECTED, "account_outdated"]
        assert "The JWTs of the account differ. n1: " in result["differences"][1]
        _preload(second, place, new)
        assert place.diagnose(creds, jwts=[new])["connected"]
        first.stop()
        result = place.diagnose(creds, jwts=[new], expected_servers=["n1", "n2"])
        assert [one["cause"] for one in result["servers"]] == ["closed_port", CONNECTED]
        assert result["missing_servers"] == ["n1"]
    finally:
        place.fleet.stop()


@pytest.mark.parametrize(
    ("access", "cause", "words"),
    [
        ({"proxy_required": True}, "proxy_required", "Connect through that proxy"),
        (
            {"allowed_connection_types": ["STANDARD", "NEW"], "source_networks": ["192.0.2.1/32"]},
            "source_network",
            "add 127.0.0.1",
        ),
        ({"allowed_connection_types": ["NEW"]}, "connection_type", "servers support none of these"),
        ({"permissions": None}, "token_too_long", "max_control_line"),
        ({"limits": None}, "subscription_limit", "limits.subscriptions of 1 and more"),
        ({"source_networks": ["192.0.2.0"]}, "invalid_claims", "Issue the user again with valid claims"),
    ],
    ids=["proxy", "two of which the first", "unknown type", "long", "no subscriptions", "invalid"],
)
def test_user_that_is_issued_again(place: Place, access: dict[str, Any], cause: str, words: str) -> None:
    pair = nkey.create("user")
    given = dict(access)
    if "permissions" in given:
        given["permissions"] = Permissions(publish=Permission(allow=[f"a.{index}.{'x' * 40}" for index in range(100)]))
    if "limits" in given:
        given["limits"] = dataclasses.replace(UserAccess().limits, subscriptions=0)
    result = place.diagnose(place.creds(pair=pair, **given))
    assert [one["cause"] for one in result["servers"]] == [cause] * 2
    assert words in result["message"]
    place.lets_in(place.creds(pair=pair))


def test_signing_key_whose_user_does_not_name_the_account(place: Place) -> None:
    key, pair = nkey.create("account"), nkey.create("user")
    jwt = place.account(age=90, signing_keys=[SigningKey(key=key.public_key)])
    claims = Claims(name="orders", subject=pair.public_key, body=User())
    creds = decorated.format_creds(codec.encode(claims, key, int(time.time()) - 50), pair)
    result = place.diagnose(creds, jwts=[jwt])
    assert result["cause"] == "invalid_claims"
    assert f"which is a signing key of account APP ({place.key.public_key})" in result["message"]
    assert place.causes(creds) == ["unknown_account"] * 2
    place.lets_in(place.creds(pair=pair, signer=key))


def test_account_that_is_not_valid_yet(place: Place) -> None:
    place = Place(place.fleet, place.site)
    claims = Claims(name="APP", subject=place.key.public_key, not_before=int(time.time()) + 3600, body=Account())
    place.jwt = codec.encode(claims, place.fleet.realm.signing, int(time.time()) - 60)
    place.push(place.jwt)
    creds = place.creds()
    assert place.causes(creds) == ["account_not_yet_valid"] * 2
    place.account(age=5)
    place.lets_in(creds)


def test_auth_callout_decides_instead_of_the_jwt(place: Place) -> None:
    from ansible_collections.natsops.security.plugins.module_utils.claims import ExternalAuthorization

    service = nkey.create("user").public_key
    place.account(age=60, authorization=ExternalAuthorization(auth_users=[service]))
    creds = place.creds()
    result = place.diagnose(creds)
    assert result["cause"] == "auth_callout"
    assert service in result["servers"][0]["advice"]
    place.account(age=20)
    place.lets_in(creds)
