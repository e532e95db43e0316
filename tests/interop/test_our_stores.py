# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Stores created by nats_store, used by nsc, by `nats auth` and by a nats-server that nsc pushes to."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import pathlib
import subprocess
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import nats
import pytest
from conftest import payload
from support.ports import free_ports
from support.servers import running
from support.sites import changed

from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.token import decorated

if TYPE_CHECKING:
    from conftest import Home


DEFINITION: dict[str, Any] = {
    "operator": {
        "name": "ACME",
        "signing_keys": ["main", "spare"],
        "system_account": "SYS",
        "strict_signing_key_usage": True,
        "operator_service_urls": ["nats://127.0.0.1:4222"],
        "tags": ["env:test"],
    },
    "accounts": [
        {"name": "SYS", "signing_keys": ["main"], "users": [{"name": "sys"}]},
        {
            "name": "APP",
            "description": "The <app> & more",
            "limits": {
                "connections": 100,
                "jetstream_tiers": {"R1": {"disk_storage": "1GiB", "streams": 5}, "R3": {"disk_storage": "2GiB"}},
            },
            "signing_keys": [
                {"role": "main"},
                {
                    "role": "reader",
                    "template": {"permissions": {"subscribe": {"allow": ["prices.{{name()}}.>", "_INBOX.>"]}}},
                },
            ],
            "exports": [
                {"name": "orders", "subject": "orders.*", "type": "service", "token_required": True},
                {"name": "prices", "subject": "prices.>", "type": "stream"},
            ],
            "mappings": {
                "old.orders": [{"subject": "orders.one", "weight": 60}, {"subject": "orders.two", "weight": 40}]
            },
            "users": [
                {"name": "orders", "permissions": {"publish": {"allow": ["prices.>", "_INBOX.>"]}}},
                {"name": "dashboard", "signing_key_role": "reader"},
                {"name": "renewed", "expires_in": "90d", "renew_before": "14d", "source_networks": ["10.0.0.0/8"]},
            ],
        },
        {
            "name": "PARTNER",
            "signing_keys": ["main"],
            "imports": [
                {"account": "APP", "subject": "orders.create", "type": "service", "name": "create"},
                {"account": "APP", "subject": "prices.>", "type": "stream", "local_subject": "their.prices.>"},
            ],
            "users": [{"name": "shop", "tags": ["a:b"]}],
        },
        {
            "name": "AUTH",
            "signing_keys": ["main"],
            "authorization": {"auth_users": ["callout"], "allowed_accounts": ["APP"]},
            "users": [{"name": "callout"}],
        },
    ],
}
USERS = [(account["name"], user["name"]) for account in DEFINITION["accounts"] for user in account["users"]]


@pytest.fixture
def definition() -> dict[str, Any]:
    """A document with entities of every kind, which tests may change."""
    return copy.deepcopy(DEFINITION)


@pytest.fixture
def made(home: Home, definition: dict[str, Any]) -> Home:
    """A store created from the document."""
    home.apply(definition)
    return home


def account(definition: dict[str, Any], name: str) -> dict[str, Any]:
    """An account of a document."""
    return next(item for item in definition["accounts"] if item["name"] == name)


# ---- nsc


def test_nsc_finds_nothing_to_object_to_and_says_what_the_tokens_say(made: Home) -> None:
    told = made.validate()
    for name in ("ACME", "SYS", "APP", "PARTNER", "AUTH"):
        assert f'"{name}"' in told
    # The layout is that of nsc: nsc finds neither an old keystore to migrate nor a misplaced key.
    assert made.nsc_json("describe", "operator") == payload(made.token())
    for name in ("SYS", "APP", "PARTNER", "AUTH"):
        assert made.nsc_json("describe", "account", "--name", name) == payload(made.token(name))
    for name, user in USERS:
        told = made.nsc_json("describe", "user", "--account", name, "--name", user)
        assert told == payload(made.token(name, user))


def test_nsc_has_the_seed_of_every_key(made: Home) -> None:
    made.select()
    listed = made.nsc_json("list", "keys", "--all")
    named = {(key["expected_kind"], key["name"]) for key in listed if not key["signing"]}
    assert named == {
        ("operator", "ACME"),
        *(("account", item["name"]) for item in DEFINITION["accounts"]),
        *(("user", user) for _unused, user in USERS),
    }
    assert sum(key["signing"] for key in listed) == 7
    assert [key for key in listed if key["invalid"] or not pathlib.Path(key["key_path"]).is_file()] == []
    assert {key["key_path"] for key in listed} == {str(path) for path in made.keys.rglob("*.nk")}


def test_nsc_generates_the_same_creds(made: Home) -> None:
    made.select()
    for name, user in USERS:
        out = made.folder / "out.creds"
        made.nsc("generate", "creds", "--account", name, "--name", user, "--output-file", out)
        assert out.read_bytes() == made.creds(name, user).read_bytes()
        out.unlink()


def test_what_nsc_edits_by_hand_is_told_as_drift_and_put_right(made: Home, definition: dict[str, Any]) -> None:
    made.keep(definition)
    before = made.tokens()
    made.select()
    made.nsc("edit", "operator", "--tag", "by:hand")
    made.nsc("edit", "account", "--name", "APP", "--conns", "5", "--description", "Mine")
    made.nsc("edit", "user", "--account", "APP", "--name", "orders", "--allow-pub", "secrets.>", "--bearer")
    made.nsc("delete", "mapping", "--account", "APP", "--from", "old.orders")
    made.nsc("add", "export", "--account", "PARTNER", "--subject", "stolen.>")
    made.nsc("edit", "signing-key", "--account", "APP", "--sk", "reader", "--allow-pub", "prices.>")
    made.nsc("delete", "user", "--account", "PARTNER", "--name", "shop", "--rm-creds")
    made.nsc("add", "user", "--account", "PARTNER", "--name", "extra")
    made.nsc("add", "account", "--name", "EXTRA")
    made.validate()

    result = made.apply(definition)
    told = changed(result)
    assert told["operator/ACME"] == ("changed", ["tags: removed by:hand"])
    assert {reason.split(":")[0] for reason in told["account/APP"][1]} >= {"description", "limits.connections"}
    assert any("secrets.>" in reason for reason in told["user/APP/orders"][1])
    assert any("bearer" in reason for reason in told["user/APP/orders"][1])
    assert any("old.orders" in reason for reason in told["account/APP"][1])
    assert any(".template.permissions.publish.allow: removed prices.>" in reason for reason in told["account/APP"][1])
    assert any("stolen" in reason for reason in told["account/PARTNER"][1])
    assert told["user/PARTNER/shop"][0] == "created"
    assert (told["user/PARTNER/extra"][0], told["account/EXTRA"][0]) == ("extra", "extra")
    made.validate()
    made.keep(definition)
    after = made.tokens()
    for path in ("accounts/SYS/SYS.jwt", "accounts/APP/users/dashboard.jwt", "accounts/AUTH/AUTH.jwt"):
        assert after[path] == before[path]


def test_nsc_works_on_after_pruning(made: Home, definition: dict[str, Any]) -> None:
    account(definition, "APP")["signing_keys"].pop()
    account(definition, "APP")["users"] = account(definition, "APP")["users"][:1]
    definition["accounts"] = [item for item in definition["accounts"] if item["name"] != "PARTNER"]
    definition["operator"]["signing_keys"] = ["main"]
    result = made.apply(definition, prune=True)
    assert result["summary"]["removed"] == 6
    told = made.validate()
    assert "PARTNER" not in told
    made.nsc("add", "account", "--name", "PARTNER")
    made.nsc("add", "user", "--account", "APP", "--name", "dashboard")
    made.validate()
    assert set(payload(made.token("APP"))["nats"]["revocations"]) >= {
        path.name.split(".")[0] for path in made.keys.rglob("U*.nk.archived*") if "dashboard" in path.name
    }
    # nats_store manages the entities that nsc created again, with their new keys.
    assert {"account/PARTNER", "user/APP/dashboard"} <= set(changed(made.apply(definition)))


def test_nsc_works_on_after_a_rename(made: Home, definition: dict[str, Any]) -> None:
    key = payload(made.token("APP"))["sub"]
    app = account(definition, "APP")
    app.update(name="SHOP", renamed_from="APP")
    app["users"][0].update(name="buyer", renamed_from="orders")
    account(definition, "PARTNER")["imports"] = []
    account(definition, "AUTH")["authorization"]["allowed_accounts"] = ["SHOP"]
    made.apply(definition)
    told = made.validate()
    assert '"SHOP"' in told
    assert '"APP"' not in told
    made.select()
    assert made.nsc_json("describe", "account", "--name", "SHOP")["sub"] == key
    for user in ("buyer", "dashboard"):
        out = made.folder / "out.creds"
        made.nsc("generate", "creds", "--account", "SHOP", "--name", user, "--output-file", out)
        assert out.read_bytes() == made.creds("SHOP", user).read_bytes()
        out.unlink()


#: Rotations under way: of a key of the operator, of the plain and the scoped key of an account, and of the key of a user.
TURNS: list[dict[str, Any]] = [
    {"role": "main", "phase": "resign"},
    {"account": "APP", "role": "main", "phase": "resign"},
    {"account": "APP", "role": "reader", "phase": "add"},
    {"account": "APP", "user": "orders", "phase": "resign"},
]


def generations(home: Home) -> dict[str, tuple[str, str, str]]:
    """The account, the role or name, and the generation of each key in a slot, by public key; for users the key that retires."""
    return {
        one["public_key"]: (one["account"], one["name"], one.get("generation") or one.get("retiring") or "")
        for one in home.info()["entities"]
        if one["kind"] == "user" or "generation" in one
    }


def test_nsc_works_on_in_the_middle_of_rotations(made: Home, definition: dict[str, Any]) -> None:
    old = [
        made.public_key("APP", "orders"),
        payload(made.token("APP"))["iss"],
        payload(made.token("APP", "orders"))["iss"],
    ]
    made.apply(definition, rotations=TURNS)
    before = generations(made)
    assert [before[key][2] for key in old[1:]] == ["retiring", "retiring"]
    assert old[0] in [retiring for _unused, _name, retiring in before.values()]
    assert "next" in [generation for _unused, _name, generation in before.values()]
    made.select()
    made.nsc("edit", "operator", "--tag", "by:hand")
    made.nsc("edit", "account", "--name", "APP", "--tag", "by:hand")
    made.nsc("edit", "user", "--account", "APP", "--name", "orders", "--tag", "by:hand")
    made.validate()
    out = made.folder / "out.creds"
    made.nsc("generate", "creds", "--account", "APP", "--name", "orders", "--output-file", out)
    assert payload(decorated.find_token(out.read_text())) == payload(made.token("APP", "orders"))
    out.unlink()
    assert generations(made) == before

    assert changed(made.apply(definition)) != {}
    assert generations(made) == before
    made.keep(definition)
    made.apply(definition, rotations=[{**TURNS[2], "phase": "resign"}])
    made.apply(definition, rotations=[{**turn, "phase": "retire"} for turn in TURNS])
    after = generations(made)
    assert not after.keys() & {*old}
    assert {generation for _unused, _name, generation in after.values()} == {"current", ""}
    made.validate()
    made.keep(definition)


@pytest.mark.parametrize("name", ["Ünï cødé", "with space", "a&b<c>", "dot.ted-x_y"])
def test_nsc_reads_names_of_any_kind(home: Home, name: str) -> None:
    home.operator = name
    users = [{"name": f"{name} user"}]
    home.apply({"operator": {"name": name}, "accounts": [{"name": f"{name} account", "users": users}]})
    home.validate()
    told = home.nsc_json("describe", "user", "--account", f"{name} account", "--name", f"{name} user")
    assert told["name"] == f"{name} user"
    out = home.folder / "out.creds"
    home.nsc("generate", "creds", "--account", f"{name} account", "--name", f"{name} user", "--output-file", out)
    assert out.read_bytes() == home.creds(f"{name} account", f"{name} user").read_bytes()


# ---- a server


@contextlib.contextmanager
def server(home: Home) -> Iterator[str]:
    """The URL of a nats-server with a full resolver that has only the system account."""
    (port,) = free_ports(1)
    # The configuration that nsc generates from the store.
    home.nsc("generate", "config", "--nats-resolver", "--config-file", home.folder / "resolver.conf")
    config = home.folder / "server.conf"
    config.write_text(f'listen: "127.0.0.1:{port}"\ninclude "resolver.conf"\n')
    with running(config, port) as started:
        yield started.url


async def _deliver(url: str, publisher: pathlib.Path, subscriber: pathlib.Path) -> list[str]:
    """Publish on the subject of the exporting account. Return the subjects on which the subscriber of the importing account receives the message."""
    sender = await nats.connect(url, user_credentials=str(publisher), allow_reconnect=False, connect_timeout=60)
    receiver = await nats.connect(url, user_credentials=str(subscriber), allow_reconnect=False, connect_timeout=60)
    subscription = await receiver.subscribe("their.prices.>")
    # Twice, because nats-py sends the ping of a flush before a pending subscription.
    await receiver.flush()
    await receiver.flush()
    await sender.publish("prices.tea", b"3")
    await sender.flush()
    message = await subscription.next_msg(timeout=60)
    await sender.close()
    await receiver.close()
    return [message.subject]


@pytest.mark.server
def test_nsc_pushes_to_a_server_and_users_connect(made: Home, definition: dict[str, Any]) -> None:
    made.select()
    with server(made) as url:
        # Push only these accounts, as nsc waits a second for each.
        for name in ("APP", "PARTNER"):
            told = made.nsc("push", "--account", name, "--account-jwt-server-url", url)
            assert "[ERR" not in told, told
        assert asyncio.run(_deliver(url, made.creds("APP", "orders"), made.creds("PARTNER", "shop"))) == [
            "their.prices.tea"
        ]
        account(definition, "APP")["users"] = account(definition, "APP")["users"][1:]
        made.apply(definition, prune=True)
        archived = next(made.keys.rglob("orders.creds.archived*"))
        made.nsc("push", "--account", "APP", "--account-jwt-server-url", url)
        with pytest.raises(nats.errors.Error, match=r"(?i)authorization|revoked"):
            asyncio.run(_deliver(url, archived, made.creds("PARTNER", "shop")))


# ---- nats auth


def test_nats_auth_reads_the_store(made: Home) -> None:
    assert "ACME" in made.nats("operator", "ls")
    assert made.nats_json("operator", "info", "ACME")["token"] == made.token()
    listed = made.nats("account", "ls", "ACME")
    for item in DEFINITION["accounts"]:
        name = item["name"]
        assert name in listed
        told = made.nats_json("account", "info", name, "--operator", "ACME")
        assert told["token"] == made.token(name)
        assert made.public_key(name) in listed
        users = made.nats("user", "ls", name, "--operator", "ACME")
        for user in item["users"]:
            assert user["name"] in users
            info = made.nats_json("user", "info", user["name"], name, "--operator", "ACME")
            assert info["token"] == made.token(name, user["name"])
            assert info["key"]["key"] in made.creds(name, user["name"]).read_text()
    assert "reader" in made.nats("account", "keys", "ls", "APP", "--operator", "ACME")


def test_what_nats_auth_changes_is_told_as_drift_and_put_right(made: Home, definition: dict[str, Any]) -> None:
    made.nats("account", "exports", "add", "stolen", "stolen.>", "PARTNER", "--operator", "ACME")
    reader = next(key["key"] for key in payload(made.token("APP"))["nats"]["signing_keys"] if isinstance(key, dict))
    made.nats("user", "add", "extra", "APP", "--operator", "ACME", "--defaults", "--key", reader)
    told = changed(made.apply(definition))
    assert any("stolen" in reason for reason in told["account/PARTNER"][1])
    assert told["user/APP/extra"][0] == "extra"
    made.keep(definition)
    assert "stolen" not in made.nats("account", "info", "PARTNER", "--operator", "ACME")
    made.validate()


def test_revocations_that_nsc_makes_meanwhile_are_not_lost(made: Home, definition: dict[str, Any]) -> None:
    """nsc uses no lock, and reads, signs and writes an account while nats_store does."""
    made.select()
    name = "APP"
    revoked = []
    for number in range(15):
        account(definition, name)["description"] = f"round {number}"
        revoked.append(nkey.create("user").public_key)
        arguments = ["revocations", "add-user", "--account", name, "--user-public-key", revoked[-1]]
        with subprocess.Popen(
            [made.peers / "nsc", *arguments],
            env=made.environment,
            cwd=made.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as process:
            result = made.site.start("store", {"definition": definition, **made.options})
            assert process.wait(60) == 0, process.stdout.read() if process.stdout else ""
        assert not result.get("failed"), result
        made.site.start("store", {"definition": definition, **made.options})
        held = payload(made.token(name))["nats"]
        assert set(revoked) <= set(held["revocations"])
        assert held["description"] == f"round {number}"
    made.keep(definition)
    made.validate()
