# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Rotation of signing keys by nats_store: what stays valid in each phase, and what is refused."""

from __future__ import annotations

import copy
import json
import shutil
import sys
from typing import Any

import pytest
from checkout import ROOT
from support.sites import Site

from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.token import codec, decorated

DOCUMENT: dict[str, Any] = {
    "operator": {
        "name": "ACME",
        "signing_keys": ["main", "other"],
        "system_account": "SYS",
        "strict_signing_key_usage": True,
    },
    "accounts": [
        {"name": "SYS", "signing_keys": ["main"], "users": [{"name": "sys"}]},
        {
            "name": "APP",
            "signing_keys": [
                {"role": "main"},
                {"role": "reader", "template": {"permissions": {"subscribe": {"allow": ["prices.>"]}}}},
            ],
            "exports": [{"name": "orders", "subject": "orders", "type": "service", "token_required": True}],
            "users": [{"name": "orders"}, {"name": "dashboard", "signing_key_role": "reader"}],
        },
        {
            "name": "PARTNER",
            "signing_key_role": "other",
            "signing_keys": ["main"],
            "imports": [{"name": "orders", "account": "APP", "subject": "orders", "type": "service"}],
        },
    ],
}
#: A key that is nowhere in the store.
NEXT = "ACJJ5RZLGLQJ2K4HQEMBFLDREPQ3VGV2QHTNEFWHJ3HR5SLA2LM2QSYF"


class Store:
    """A store, and rotations in it."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.document = copy.deepcopy(DOCUMENT)
        self.run()

    def run(self, *rotations: dict[str, Any], **options: Any) -> dict[str, Any]:
        """The result of the task, which check mode has predicted."""
        arguments = {
            "stores_dir": self.site / "stores",
            "keys_dir": self.site / "keys",
            "definition": self.document,
            "rotations": list(rotations),
            "_ansible_diff": True,
            **options,
        }
        return self.site.run("store", **arguments)

    def refused(self, *rotations: dict[str, Any], **options: Any) -> str:
        """The message of a task that fails, and writes nothing."""
        before = self.site.snapshot()
        arguments = {"stores_dir": self.site / "stores", "keys_dir": self.site / "keys", "definition": self.document}
        result = self.site.start("store", {**arguments, "rotations": list(rotations), **options})
        assert result.get("failed")
        assert self.site.snapshot() == before
        return str(result["msg"])

    def claims(self, name: str = "") -> Any:
        return self.site.claims(f"stores/ACME/accounts/{name}/{name}.jwt" if name else "stores/ACME/ACME.jwt")

    def keys(self, name: str) -> dict[str, str]:
        """The signing keys in the JWT of an account, with the roles of their scopes."""
        return {key.key: key.role for key in self.claims(name).body.signing_keys}

    def issuer(self, account: str, user: str) -> str:
        return str(self.site.claims(f"stores/ACME/accounts/{account}/users/{user}.jwt").issuer)

    def archived(self, key: str) -> bool:
        return any(
            path.name.startswith(f"{key}.nk") for path in (self.site.folder / "keys/.natsops/archive").rglob("*")
        )


@pytest.fixture
def store(site: Site) -> Store:
    """A store of three accounts, with an activation and a scope."""
    return Store(site)


def turning(phase: str, account: str | None = "APP", role: str = "main", **more: Any) -> dict[str, Any]:
    return {"account": account, "role": role, "phase": phase, **more}


def test_account_key_goes_through_its_phases(store: Store) -> None:
    old = store.issuer("APP", "orders")
    reader = store.issuer("APP", "dashboard")
    first = store.run(turning("add"))
    following = first["rotations"][0]["next"]
    assert first["rotations"] == [
        {"account": "APP", "role": "main", "current": old, "next": following, "retiring": None, "retired": []}
    ]
    assert set(store.keys("APP")) == {old, reader, following}
    assert store.issuer("APP", "orders") == old
    assert not store.run(turning("add"))["changed"]
    assert not store.run()["changed"]
    assert not store.run(prune=True)["changed"]

    second = store.run(turning("resign"))
    assert second["rotations"][0] == {
        "account": "APP",
        "role": "main",
        "current": following,
        "next": None,
        "retiring": old,
        "retired": [],
    }
    assert set(store.keys("APP")) == {old, reader, following}
    assert store.issuer("APP", "orders") == following
    assert store.issuer("APP", "dashboard") == reader
    activation = store.claims("PARTNER").body.imports[0].token
    assert codec.decode(activation).issuer == following
    assert not store.run(turning("resign"))["changed"]
    assert not store.run(turning("add"))["changed"]
    assert not store.run(prune=True)["changed"]

    third = store.run(turning("retire"))
    assert third["rotations"][0]["retired"] == [old]
    assert set(store.keys("APP")) == {reader, following}
    assert store.archived(old)
    assert not store.run()["changed"]
    assert not store.run(turning("retire", public_key=old))["changed"]
    assert not store.run(turning("resign", public_key=old))["changed"]


def test_scoped_key_keeps_its_scope(store: Store) -> None:
    old = store.issuer("APP", "dashboard")
    store.document["accounts"][1]["signing_keys"][1]["template"]["permissions"]["subscribe"]["allow"].append("news")
    result = store.run(turning("resign", role="reader"))
    new = result["rotations"][0]["current"]
    keys = {key.key: key for key in store.claims("APP").body.signing_keys}
    assert new != old
    assert keys[new].role == keys[old].role == "reader"
    assert keys[new].template == keys[old].template
    assert keys[new].template.permissions.subscribe.allow == ["prices.>", "news"]
    assert store.issuer("APP", "dashboard") == new
    store.run(turning("retire", role="reader"))
    assert old not in store.keys("APP")


def test_operator_key_signs_nothing_before_it_is_asked_to(store: Store) -> None:
    old = store.claims("APP").issuer
    other = store.claims("PARTNER").issuer
    following = store.run(turning("add", account=None))["rotations"][0]["next"]
    assert set(store.claims().body.signing_keys) == {old, other, following}
    store.document["accounts"][1]["limits"] = {"connections": 7}
    store.run()
    assert store.claims("APP").issuer == old
    result = store.run(turning("resign", account=None))
    assert result["rotations"][0]["current"] == following
    assert (store.claims("APP").issuer, store.claims("SYS").issuer) == (following, following)
    assert store.claims("PARTNER").issuer == other
    store.run(turning("retire", account=None))
    assert set(store.claims().body.signing_keys) == {other, following}
    assert not store.run(prune=True)["changed"]


def test_key_that_is_compromised_is_replaced_at_once(store: Store) -> None:
    old = store.issuer("APP", "orders")
    result = store.run(turning("replace", public_key=old))
    assert result["rotations"][0]["retired"] == [old]
    assert old not in store.keys("APP")
    assert store.issuer("APP", "orders") == result["rotations"][0]["current"]
    assert not store.run(turning("replace", public_key=old))["changed"]
    system = store.claims("APP").issuer
    store.run(turning("replace", account=None, public_key=system))
    assert system not in store.claims().body.signing_keys
    assert {store.claims(name).issuer for name in ("SYS", "APP")} == {store.claims("APP").issuer}


def test_teams_that_keep_users_alone_follow_a_rotation(store: Store) -> None:
    team = {
        "operator": {"name": "ACME", "state": "existing"},
        "accounts": [
            {
                "name": "APP",
                "state": "existing",
                "users": [{"name": "team"}, {"name": "named", "signing_key_role": "main"}],
            }
        ],
    }
    site = store.site
    options = {"stores_dir": site / "stores", "keys_dir": site / "keys", "definition": team}
    site.run("store", **options)
    old = store.issuer("APP", "team")
    assert store.issuer("APP", "named") == old
    store.run(turning("resign"))
    message = store.refused(turning("retire"))
    assert "the key that retires in the role main has signed the user APP/named, the user APP/team, which" in message
    site.run("store", **options)
    assert store.issuer("APP", "team") == store.issuer("APP", "named") == store.issuer("APP", "orders") != old
    store.run(turning("retire"))
    assert not site.run("store", **options)["changed"]


@pytest.mark.parametrize(
    ("rotations", "message"),
    [
        ([turning("retire")], "still signs for the role main: first sign again what it signed (phase: resign)"),
        ([turning("add", role="none")], "rotations[0] (none).role: there is no role none; available: main, reader."),
        ([turning("add", account="NONE")], "rotations[0] (main).account: the document has no account NONE."),
        ([turning("add"), turning("resign")], "rotations[1] (main): "),
        ([turning("add", public_key="UX")], "rotations[0] (main).public_key"),
        (
            [turning("add", next_public_key=NEXT), turning("add", role="reader", next_public_key=NEXT)],
            f"rotations[1] (reader).next_public_key: the key {NEXT} is used already, at rotations[0].next_public_key",
        ),
    ],
)
def test_what_is_refused(store: Store, rotations: list[dict[str, Any]], message: str) -> None:
    assert message in store.refused(*rotations)


@pytest.mark.parametrize("account", ["APP", None])
def test_identity_key_does_not_become_a_signing_key(store: Store, account: str | None) -> None:
    identity = store.claims(account or "").subject
    message = store.refused(turning("add", account=account, next_public_key=identity))
    assert f"{identity} is already in use: it cannot be the next key of the role main." in message


def test_key_retires_whose_activation_is_in_an_account_that_is_removed(store: Store) -> None:
    old = store.issuer("APP", "orders")
    store.document["accounts"][2] = {"name": "PARTNER", "state": "absent"}
    store.run(turning("replace"))
    assert old not in store.keys("APP")


def test_document_of_a_part_keeps_the_key_that_a_killed_run_did_not_remove(store: Store) -> None:
    """The killed run has written that it removes the key, and not the JWT without it yet."""
    old = store.issuer("APP", "orders")
    journal = "keys/.natsops/stores/ACME/journal"
    store.site.write(journal, json.dumps({"removes": old, "account": "APP"}) + "\n", 0o600)
    document = {"operator": {"name": "ACME", "state": "existing"}, "accounts": [copy.deepcopy(DOCUMENT["accounts"][0])]}
    document["accounts"][0]["users"].append({"name": "more"})
    store.run(definition=document)
    assert old in store.keys("APP")
    assert not store.archived(old)


def test_second_rotation_while_one_is_under_way(store: Store) -> None:
    old = store.issuer("APP", "orders")
    store.run(turning("resign"))
    current = store.issuer("APP", "orders")
    message = store.refused(turning("add", public_key=current))
    assert f"another rotation of the role main is under way: {old} is not retired yet" in message
    reader = store.issuer("APP", "dashboard")
    assert f"{reader} is another signing key, not one of the role main" in store.refused(
        turning("add", public_key=reader)
    )
    store.run(turning("add", account=None, role="other"))
    following = store.run(turning("add", account=None, role="other"))["rotations"][0]["next"]
    message = store.refused(turning("retire", account=None, role="other", public_key=following))
    assert "cannot be retired before it is in use" in message


def test_second_rotation_of_the_operator_while_one_is_under_way(store: Store) -> None:
    """Of its identity key, and of a signing key."""
    old = store.claims().subject
    identity = {"operator": "ACME", "phase": "add"}
    following = store.run(identity)["rotations"][0]["next"]
    message = store.refused({**identity, "public_key": following})
    assert (
        f"{following} is the next key of the operator's identity: it cannot be retired before it is in use." in message
    )
    store.run({**identity, "phase": "resign"})
    message = store.refused({**identity, "public_key": following})
    assert f"another rotation of the operator's identity is under way: {old} is not retired yet." in message

    old = store.claims("APP").issuer
    store.run(turning("resign", account=None))
    message = store.refused(turning("add", account=None, public_key=store.claims("APP").issuer))
    assert f"another rotation of the role main is under way: {old} is not retired yet." in message


@pytest.mark.parametrize("phase", ["add", "resign", "retire", "replace"])
@pytest.mark.parametrize("account", ["APP", None])
def test_key_that_the_role_never_had_is_no_mistake_that_passes(store: Store, phase: str, account: str | None) -> None:
    unknown = nkey.create("account" if account else "operator").public_key
    message = store.refused(turning(phase, account=account, public_key=unknown))
    assert f"{unknown} is not a key of the role main, nor a previous key of it. Its current key is " in message


def test_generations_are_shown_and_are_not_in_the_document(store: Store) -> None:
    old = store.issuer("APP", "orders")
    store.run(turning("resign"), turning("add", account=None))
    info = store.site.run("store_info", stores_dir=store.site / "stores", keys_dir=store.site / "keys")
    shown = {
        (one.get("account") or None, one["name"], one["generation"])
        for one in info["entities"]
        if one["kind"] == "signing_key"
    }
    assert {("APP", "main", "current"), ("APP", "main", "retiring"), (None, "main", "next")} <= shown
    assert [one["public_key"] for one in info["entities"] if one.get("generation") == "retiring"] == [old]
    assert len(info["definition"]["operator"]["signing_keys"]) == 2
    store.document = info["definition"]
    assert not store.run()["changed"]


def signing_program(site: Site, key: str) -> list[str]:
    """Move the seed of a key out of the keystore. Returns the command of a program that signs with it."""
    seeds = site.folder / "hsm"
    seeds.mkdir(exist_ok=True)
    found = [path for path in site.folder.rglob("*.nk") if path.stem == key or path.name == "following.nk"]
    path = next(path for path in found if decorated.seed_in(path.read_text()).public_key == key)
    path.rename(seeds / f"{key}.seed")
    return [sys.executable, str(ROOT / "tests/support/sign_program.py"), str(seeds / f"{key}.seed")]


def test_key_that_a_signer_holds_is_followed_by_one_that_a_signer_holds(store: Store) -> None:
    old = store.issuer("APP", "orders")
    program = signing_program(store.site, old)
    following = store.site.make_key("following.nk", "account")
    signers = [{"type": "command", "public_key": old, "argv": program}]
    message = store.refused(turning("resign"), signers=signers)
    assert f"{old} is held by a signer elsewhere. Create the next key there, and set next_public_key." in message
    given = turning("resign", next_public_key=following.public_key)
    other = {
        "type": "command",
        "public_key": following.public_key,
        "argv": signing_program(store.site, following.public_key),
    }
    result = store.run(given, signers=[*signers, other])
    assert result["rotations"][0]["current"] == store.issuer("APP", "orders") == following.public_key
    assert not store.run(given, signers=[*signers, other])["changed"]
    assert "is already the next key of the role main" in store.refused(
        turning("resign", next_public_key=store.site.make_key("third.nk", "account").public_key),
        signers=[*signers, other],
    )
    store.run(turning("retire"), signers=[other])
    assert old not in store.keys("APP")


def slots(store: Store) -> dict[str, tuple[str, str, str]]:
    """The account, the role and the generation of each signing key."""
    found = store.site.check("store_info", stores_dir=store.site / "stores", keys_dir=store.site / "keys", store="ACME")
    keys = [one for one in found["entities"] if one["kind"] == "signing_key"]
    return {one["public_key"]: (one["account"], one["name"], one["generation"]) for one in keys}


@pytest.mark.parametrize("phase", ["add", "resign"])
def test_rotations_go_on_if_one_of_two_records_is_lost(store: Store, phase: str) -> None:
    """Without both, the keys of a role cannot be told apart."""
    store.run(turning(phase), turning(phase, role="reader"), turning(phase, None))
    before = slots(store)
    shutil.rmtree(store.site.folder / "keys/.natsops")
    assert slots(store) == before
    store.run()
    assert slots(store) == before
    if phase == "resign":
        store.run(turning("retire"))
        assert sorted(set(before) - set(slots(store))) == [
            key for key, slot in before.items() if slot == ("APP", "main", "retiring")
        ]
    for folder in ("keys", "stores/ACME"):
        shutil.rmtree(store.site.folder / folder / ".natsops")
    message = store.refused()
    assert "operator.signing_keys[0] (main): there are signing keys without a role already" in message
    assert "there are 2 keys with the role reader" in message
