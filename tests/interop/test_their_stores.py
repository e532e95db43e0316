# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Stores created by nsc and `nats auth`: the document of each keeps every token unchanged, and a change of the document affects only the tokens concerned."""

from __future__ import annotations

import operator
import pathlib
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from conftest import payload
from support.sites import changed

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Home


# ---- stores of nsc


def quick(home: Home) -> None:
    """The store that `nsc init` creates."""
    home.nsc("init", "--name", "ACME")


def scoped(home: Home) -> None:
    """Signing keys with and without a scope, in strict mode; two keys of one role; a key promoted to a scope; users signed by each."""
    nsc = home.nsc
    nsc("add", "operator", "--name", "ACME", "--sys", "--generate-signing-key")
    nsc("edit", "operator", "--require-signing-keys", "--sk", "generate")
    nsc("add", "account", "--name", "APP")
    nsc("edit", "account", "--name", "APP", "--sk", "generate")
    nsc("edit", "signing-key", "--account", "APP", "--sk", "generate", "--role", "service", "--allow-pub", "svc.>")
    nsc("edit", "signing-key", "--account", "APP", "--sk", "service", "--allow-sub", "svc.{{name()}}.{{tag(zone)}}")
    nsc("edit", "signing-key", "--account", "APP", "--sk", "service", "--allow-pub-response=3", "--response-ttl", "2s")
    nsc("edit", "signing-key", "--account", "APP", "--sk", "generate", "--role", "open", "--bearer", "--subs", "7")
    nsc("edit", "signing-key", "--account", "APP", "--sk", "generate", "--role", "twice", "--deny-pub", "a")
    nsc("edit", "signing-key", "--account", "APP", "--sk", "generate", "--role", "twice", "--deny-pub", "b")
    nsc("edit", "signing-key", "--account", "APP", "--sk", "generate")
    nsc("add", "user", "--account", "APP", "--name", "worker", "--tag", "zone:eu", "-K", "service")
    nsc("add", "user", "--account", "APP", "--name", "web", "-K", "open")
    unscoped = next(key for key in payload(home.token("APP"))["nats"]["signing_keys"] if isinstance(key, str))
    nsc("add", "user", "--account", "APP", "--name", "admin", "-K", unscoped, "--expiry", "2099-01-01")
    nsc("add", "user", "--account", "APP", "--name", "queue", "-K", unscoped, "--allow-sub", "jobs.> workers")


def shared(home: Home) -> None:
    """Exports and imports with and without activations, mappings, service latency, revocations of activations."""
    nsc = home.nsc
    nsc("add", "operator", "--name", "ACME")
    nsc("edit", "operator", "--service-url", "tls://nats.example.com:4222", "--tag", "env:test", "--tag", "b")
    for name in ("APP", "PARTNER", "OTHER"):
        nsc("add", "account", "--name", name)
    nsc("edit", "account", "--name", "APP", "--sk", "generate")
    nsc("add", "export", "--account", "APP", "--subject", "events.>", "--name", "events")
    nsc("add", "export", "--account", "APP", "--subject", "private.*", "--private", "--name", "private")
    nsc(
        "add",
        "export",
        "--account",
        "APP",
        "--subject",
        "ask.*",
        "--private",
        "--service",
        "--response-type",
        "Chunked",
    )
    nsc(
        "add",
        "export",
        "--account",
        "APP",
        "--subject",
        "help",
        "--service",
        "--latency",
        "lat",
        "--sampling",
        "header",
    )
    nsc("add", "export", "--account", "APP", "--subject", "tenant.*.get", "--service", "--account-token-position", "2")
    nsc("add", "mapping", "--account", "APP", "--from", "old", "--to", "new", "--weight", "60")
    nsc("add", "mapping", "--account", "APP", "--from", "old", "--to", "newer", "--weight", "40")
    nsc(
        "add",
        "mapping",
        "--account",
        "APP",
        "--from",
        "geo.*",
        "--to",
        "eu.{{wildcard(1)}}",
        "--weight",
        "90",
        "--cluster",
        "eu",
    )
    app, partner, other = (home.public_key(name) for name in ("APP", "PARTNER", "OTHER"))
    activation = home.folder / "activation.jwt"
    for subject, importer, more in (
        ("private.one", partner, ()),
        ("private.two", partner, ("--expiry", "2098-01-01")),
        ("private.one", other, ()),
        ("ask.me", partner, ()),
    ):
        to = ("--target-account", importer, "--output-file", activation)
        nsc("generate", "activation", "--account", "APP", "--subject", subject, *to, *more)
        local = ("--local-subject", f"their.{subject}")
        name = "PARTNER" if importer == partner else "OTHER"
        nsc("add", "import", "--account", name, "--token", activation, "--name", subject, *local)
        activation.unlink()
    nsc("add", "import", "--account", "PARTNER", "--src-account", app, "--remote-subject", "events.>")
    nsc(
        "add",
        "import",
        "--account",
        "PARTNER",
        "--src-account",
        app,
        "--remote-subject",
        "help",
        "--service",
        "--share",
    )
    tenant = f"tenant.{partner}.get"
    nsc("add", "import", "--account", "PARTNER", "--src-account", app, "--remote-subject", tenant, "--service")
    nsc("revocations", "add-activation", "--account", "APP", "--subject", "private.*", "--target-account", app)
    nsc("add", "user", "--account", "PARTNER", "--name", "worker")


def limited(home: Home) -> None:
    """Limits of every kind: JetStream globally and by tier, times and networks of users; default permissions; traces."""
    nsc = home.nsc
    nsc("add", "operator", "--name", "ACME", "--expiry", "2099-06-01")
    nsc("add", "account", "--name", "TIERED", "--expiry", "2099-05-01")
    nsc("edit", "account", "--name", "TIERED", "--js-tier", "1", "--js-disk-storage", "1G", "--js-streams", "5")
    nsc("edit", "account", "--name", "TIERED", "--js-tier", "3", "--js-disk-storage", "2G", "--js-consumer", "7")
    nsc("add", "account", "--name", "GLOBAL")
    limits = (
        "--js-mem-storage",
        "64M",
        "--js-disk-storage",
        "-1",
        "--js-max-ack-pending",
        "9",
        "--js-max-mem-stream",
        "1M",
    )
    nsc("edit", "account", "--name", "GLOBAL", *limits, "--conns", "10", "--leaf-conns", "0", "--subscriptions", "0")
    nsc("edit", "account", "--name", "GLOBAL", "--allow-pub", "a.>", "--deny-sub", "b", "--allow-pub-response=5")
    nsc("edit", "account", "--name", "GLOBAL", "--trace-context-subject", "traces", "--trace-context-sampling", "25")
    nsc("edit", "account", "--name", "GLOBAL", "--description", "<All> & more", "--info-url", "https://example.com/a")
    nsc("add", "account", "--name", "EDITED")
    # Any edit by nsc sets disabled limits to -1.
    nsc("edit", "account", "--name", "EDITED", "--tag", "x")
    nsc("add", "user", "--account", "GLOBAL", "--name", "office", "--source-network", "10.0.0.0/8,192.168.0.0/16")
    hours = ("--time", "08:00:00-12:00:00", "--time", "13:00:00-18:00:00", "--locale", "Europe/Prague")
    nsc("edit", "user", "--account", "GLOBAL", "--name", "office", *hours, "--conn-type", "STANDARD,MQTT")
    nsc("edit", "user", "--account", "GLOBAL", "--name", "office", "--payload", "1M", "--subs", "10", "--data", "5k")
    nsc("add", "user", "--account", "EDITED", "--name", "plain", "--start", "2020-01-01", "--expiry", "2099-01-01")


def called_out(home: Home) -> None:
    """Auth callouts with and without encryption."""
    nsc = home.nsc
    nsc("add", "operator", "--name", "ACME", "--sys")
    for name in ("AUTH", "OPEN", "APP"):
        nsc("add", "account", "--name", name)
        nsc("edit", "account", "--name", name, "--sk", "generate")
    for name, allowed, more in (("AUTH", "*", ("--curve", "generate")), ("OPEN", home.public_key("APP"), ())):
        nsc("add", "user", "--account", name, "--name", "callout")
        user = home.public_key(name, "callout")
        nsc("edit", "authcallout", "--account", name, "--auth-user", user, "--allowed-account", allowed, *more)


def revoked(home: Home) -> None:
    """Revoked and deleted users, all users of an account revoked, deleted accounts, lost keys."""
    nsc = home.nsc
    nsc("add", "operator", "--name", "ACME")
    for name in ("APP", "GONE", "KEPT"):
        nsc("add", "account", "--name", name)
        for user in ("one", "two", "three"):
            nsc("add", "user", "--account", name, "--name", user)
    nsc("delete", "user", "--account", "APP", "--name", "one", "--revoke", "--rm-nkey", "--rm-creds")
    nsc("delete", "user", "--account", "APP", "--name", "two")
    nsc("revocations", "add-user", "--account", "APP", "--user-public-key", "*", "--at", "1600000000")
    nsc("delete", "account", "--name", "GONE", "--rm-nkey", "--rm-creds")
    nsc("delete", "user", "--account", "KEPT", "--name", "one", "--revoke")
    key = home.public_key("KEPT", "two")
    (home.keys / "keys" / "U" / key[1:3] / f"{key}.nk").unlink()
    home.creds("KEPT", "three").unlink()


def reissued(home: Home) -> None:
    """An operator with a new identity key whose old key is now a signing key; entities imported from files with other names."""
    nsc = home.nsc
    nsc("add", "operator", "--name", "ACME")
    nsc("add", "account", "--name", "APP")
    nsc("add", "user", "--account", "APP", "--name", "worker")
    nsc("reissue", "operator", "--name", "ACME", "--convert-to-signing-key")
    nsc("add", "account", "--name", "LATER")
    nsc("add", "user", "--account", "LATER", "--name", "moved")
    # Deleted, and imported again from the kept files.
    kept = home.folder / "kept"
    kept.mkdir()
    shutil.copy(home.stores / "ACME/accounts/LATER/LATER.jwt", kept / "other-name.jwt")
    shutil.copy(home.creds("LATER", "moved"), kept / "other-name.creds")
    nsc("delete", "account", "--name", "LATER")
    nsc("import", "account", "--file", kept / "other-name.jwt")
    nsc("import", "user", "--file", kept / "other-name.creds", "--skip")
    shutil.rmtree(kept)


def keyless(home: Home) -> None:
    """A store whose identity keys are elsewhere: only the signing keys of the operator and the account are in the keystore."""
    nsc = home.nsc
    nsc("add", "operator", "--name", "ACME", "--generate-signing-key")
    nsc("edit", "operator", "--require-signing-keys")
    nsc("add", "account", "--name", "APP")
    nsc("edit", "account", "--name", "APP", "--sk", "generate")
    for key in (home.public_key(), home.public_key("APP")):
        next((home.keys / "keys").rglob(f"{key}.nk")).unlink()
    nsc("add", "user", "--account", "APP", "--name", "worker")


def managed(home: Home) -> None:
    """A managed store: it has only the JWT of the operator, and its accounts are self-signed."""
    home.nsc("add", "operator", "--name", "ACME")
    jwt = home.folder / "operator.jwt"
    jwt.write_text(home.token())
    for folder in ("data", "config"):
        shutil.rmtree(home.folder / folder)
    home.nsc("add", "operator", "--url", jwt)
    jwt.unlink()
    home.nsc("add", "account", "--name", "APP")
    home.nsc("add", "user", "--account", "APP", "--name", "worker")


# ---- stores of nats auth


def natscli(home: Home) -> None:
    """A store created by `nats auth`: scoped keys, exports, imports, mappings, users without creds files."""
    nats = home.nats
    nats("operator", "add", "ACME", "--signing-key", "--service", "nats://127.0.0.1:4222", "--tags", "env:test")
    of = ("--operator", "ACME")
    limits = ("--connections", "10", "--js-disk", "1GiB", "--js-memory", "1GiB", "--js-streams", "4")
    nats("account", "add", "APP", *of, "--defaults", "--jetstream", *limits, "--expiry", "20y")
    nats("account", "add", "PARTNER", *of, "--defaults", "--bearer", "--tags", "a,b")
    scope = ("--pub-allow", "svc.>", "--sub-allow", "svc.{{name()}}.>", "--subscriptions", "20", "--payload", "1024")
    nats("account", "keys", "add", "APP", "service", *of, *scope)
    nats("account", "keys", "add", "APP", "--unscoped", *of)
    nats("account", "exports", "add", "events", "events.>", "APP", *of, "--description", "All", "--advertise")
    nats("account", "exports", "add", "help", "help.*", "APP", *of, "--service")
    nats("account", "mappings", "add", "APP", "old", "new", "60", *of)
    source = ("--source", home.public_key("APP"))
    nats("account", "imports", "add", "events", "events.>", "PARTNER", *of, *source, "--local", "their.events.>")
    nats("account", "imports", "add", "help", "help.me", "PARTNER", *of, *source, "--service", "--share")
    service = next(key["key"] for key in payload(home.token("APP"))["nats"]["signing_keys"] if isinstance(key, dict))
    nats("user", "add", "worker", "APP", *of, "--defaults", "--key", service, "--tags", "zone:eu")
    nats("user", "add", "shop", "PARTNER", *of, "--defaults", "--pub-allow", "orders.>", "--bearer")


STORES = [quick, scoped, shared, limited, called_out, revoked, reissued, keyless, managed, natscli]


@pytest.fixture
def adopted(home: Home, request: pytest.FixtureRequest) -> Home:
    """A store created by nsc or `nats auth`."""
    make: Callable[[Home], None] = request.param
    make(home)
    return home


def definition_of(home: Home) -> dict[str, Any]:
    """The document of a store, after writing it to YAML and reading it back."""
    told = home.info()
    assert [problem for problem in told["problems"] if problem["blocking"]] == []
    definition: dict[str, Any] = yaml.safe_load(yaml.safe_dump(told["definition"], sort_keys=False))
    assert definition == told["definition"]
    return definition


@pytest.mark.parametrize("adopted", STORES, indirect=True, ids=lambda make: make.__name__)
def test_every_token_stays_and_after_one_change_the_others_do_and_nsc_agrees(adopted: Home) -> None:
    definition = definition_of(adopted)
    adopted.adopt(definition)

    before, objections = adopted.tokens(), adopted.objections()
    # In a managed store, nsc reports the missing signature of the operator.
    assert ("Error" in objections) is adopted.info()["managed"], objections
    name = next(item["name"] for item in definition["accounts"] if item["name"] not in ("SYS", "SYSTEM"))
    account = next(item for item in definition["accounts"] if item["name"] == name)
    account["tags"] = [*account.get("tags", []), "by:ansible"]
    account.setdefault("users", []).append({"name": "added"})
    result = adopted.apply(definition)
    told = changed(result)
    assert told.pop(f"account/{name}") == ("changed", ["tags: added by:ansible"])
    assert told.pop(f"user/{name}/added")[0] == "created"
    assert [entity for entity in told.values() if entity[0] != "extra"] == []

    after = adopted.tokens()
    mine = {f"accounts/{name}/{name}.jwt", f"accounts/{name}/users/added.jwt"}
    assert set(after) == {*before, *mine}
    assert {path for path in after if after[path] != before.get(path)} == mine
    assert adopted.objections() == objections
    said = payload(adopted.token(name))["nats"]
    assert _meaning(said) == _meaning(
        dict(payload(before[f"accounts/{name}/{name}.jwt"].decode())["nats"], tags=said["tags"])
    )
    adopted.keep(definition)
    assert _sorted(adopted.info()["definition"]) == _sorted(definition)


def _meaning(account: dict[str, Any]) -> dict[str, Any]:
    """The body of an account without differences of encoding: without values that nsc writes to no effect, and with defaults that it omits."""
    unlimited = ("streams", "consumer", "max_ack_pending", "mem_max_stream_bytes", "disk_max_stream_bytes")
    limits = {word: value for word, value in account["limits"].items() if word not in unlimited or value > 0}
    keys = [
        dict(key, template={"subs": -1, "data": -1, "payload": -1, **key["template"]}) if isinstance(key, dict) else key
        for key in account.get("signing_keys", [])
    ]
    exports = [
        dict(export, response_type=export.get("response_type", "Singleton")) for export in account.get("exports", [])
    ]
    return {**account, "limits": limits, "signing_keys": keys, "exports": exports}


def _sorted(definition: dict[str, Any]) -> dict[str, Any]:
    """A document with sorted users and tags. Of the user `added`, only the name is kept: the store also has the role of its signing key."""
    accounts = []
    for item in definition["accounts"]:
        users = [
            {word: value for word, value in user.items() if user["name"] != "added" or word == "name"}
            for user in sorted(item.get("users", []), key=operator.itemgetter("name"))
        ]
        accounts.append({**item, "users": users, "tags": sorted(item.get("tags", []))})
    return {**definition, "accounts": accounts}


def test_nsc_says_the_same_of_a_user_whose_account_has_another_key_now(home: Home) -> None:
    """nsc removes a signing key: its users, and only these, are signed again by the key that the document has for their role."""
    scoped(home)
    definition = definition_of(home)
    account = next(item for item in definition["accounts"] if item["name"] == "APP")
    old = next(
        key
        for key in payload(home.token("APP"))["nats"]["signing_keys"]
        if isinstance(key, dict) and key["role"] == "open"
    )
    home.nsc("edit", "account", "--name", "APP", "--rm-sk", old["key"])
    told = changed(home.apply(definition))
    assert {name for name, (action, _unused) in told.items() if action != "extra"} == {
        "store/ACME",
        "account/APP",
        "user/APP/web",
    }, account
    home.validate()
    home.keep(definition)


def test_creds_of_nsc_are_put_right_after_nats_auth_changed_a_user(home: Home) -> None:
    """`nats auth` does not write creds files, so those of nsc are outdated afterwards."""
    quick(home)
    definition = definition_of(home)
    path: pathlib.Path = home.creds("ACME", "ACME")
    home.nats("user", "edit", "ACME", "ACME", "--operator", "ACME", "--pub-allow", "x.>")
    assert home.token("ACME", "ACME") not in path.read_text()
    adopted = definition_of(home)
    told = changed(home.apply(adopted))
    assert "is recorded in" in told.pop("store/ACME")[1][0]
    assert told == {"user/ACME/ACME": ("changed", ["the creds file holds content other than the JWT and the seed"])}
    assert home.token("ACME", "ACME") in path.read_text()
    home.apply(definition)
    assert home.token("ACME", "ACME") in path.read_text()
    home.keep(definition)
    home.validate()
