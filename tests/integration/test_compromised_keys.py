# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What a rotation reports of a compromised key: the users, activations and accounts that it gave access to, and since when."""

from __future__ import annotations

import json
from typing import Any

import pytest
from integration.test_rotation import Store, turning
from support.sites import Site

from ansible_collections.natsops.security.plugins.module_utils.base.units import show_time

APP = 1
USER = {"account": "APP", "user": "orders"}


@pytest.fixture
def store(site: Site) -> Store:
    """A store with an auth callout. The JWT of APP is newer than those of its users, independent of the clock."""
    made = Store(site)
    made.document["accounts"][APP]["authorization"] = {"auth_users": ["orders"], "xkey": {"role": "callout"}}
    made.run()
    users = [site.claims(f"stores/ACME/accounts/APP/users/{name}.jwt") for name in ("orders", "dashboard")]
    assert all(user.issued_at < made.claims("APP").issued_at for user in users)
    return made


def issued(store: Store, path: str) -> str:
    return str(show_time(store.site.claims(f"stores/ACME/{path}.jwt").issued_at))


def warnings(result: dict[str, Any]) -> str:
    """The warnings about compromised keys."""
    return "".join(text for text in map(json.dumps, result.get("warnings", ())) if "compromised" in text)


def report(store: Store, rotation: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """What a task reports of a compromised key, and its warning, which check mode has predicted."""
    asked = {**rotation, "compromised": True}
    folders = {"stores_dir": store.site / "stores", "keys_dir": store.site / "keys"}
    told = store.site.check("store", **folders, definition=store.document, rotations=[asked])
    result = store.run(asked)
    (found,) = (one["exposed"] for one in result["rotations"])
    assert told["rotations"][0]["exposed"] == found
    assert warnings(told) == warnings(result)
    return found, warnings(result)


@pytest.mark.parametrize(
    ("rotation", "names", "oldest", "path", "text"),
    [
        (
            turning("replace"),
            {"users": ["APP/orders"], "activations": ["PARTNER/orders"]},
            "user APP/orders",
            "accounts/APP/users/orders",
            "has signed the user APP/orders, the activation PARTNER/orders. It existed at",
        ),
        (
            turning("replace", role="reader"),
            {"users": ["APP/dashboard"]},
            "user APP/dashboard",
            "accounts/APP/users/dashboard",
            "has signed the user APP/dashboard.",
        ),
        (
            turning("replace", role="callout"),
            {"accounts": ["APP"]},
            "account APP",
            "accounts/APP/APP",
            "opens the requests to the auth callout of the account APP.",
        ),
        (
            {**USER, "phase": "replace"},
            {"users": ["APP/orders"]},
            "user APP/orders",
            "accounts/APP/users/orders",
            "is the key of the user APP/orders.",
        ),
    ],
    ids=["plain", "scoped", "curve", "user"],
)
def test_key_of_an_account(
    store: Store, rotation: dict[str, Any], names: dict[str, list[str]], oldest: str, path: str, text: str
) -> None:
    since = issued(store, path)
    found, warning = report(store, rotation)
    key = found.pop("key")
    assert found == {"users": [], "activations": [], "accounts": [], **names, "since": since, "oldest": oldest}
    whose = rotation.get("role") or rotation["user"]
    assert f"rotations[0] ({whose}): the compromised key {key} {text}" in warning
    assert f"{since} already, when the JWT of the {oldest} was issued." in warning
    again = {**rotation, "public_key": key}
    gone = {"key": None, "users": [], "activations": [], "accounts": [], "since": None, "oldest": None}
    assert report(store, again) == (gone, "")
    assert not store.run(again)["changed"]


def test_signing_key_of_the_operator(store: Store) -> None:
    key = store.claims("APP").issuer
    since = min(issued(store, "ACME"), issued(store, "accounts/SYS/SYS"))
    found, warning = report(store, turning("add", account=None))
    assert (found["key"], found["accounts"], found["since"]) == (key, ["APP", "SYS"], since)
    assert (
        f"the compromised key {key} has signed the account APP, the account SYS. It existed at {since} already"
        in warning
    )
    # While the rotation is under way, it is about the key that is retiring.
    store.run(turning("resign", account=None))
    found, warning = report(store, turning("add", account=None))
    assert (found["key"], found["accounts"], found["oldest"]) == (key, [], "operator ACME")
    assert "has signed nothing in the store." in warning


def test_identity_key_of_the_operator(site: Site) -> None:
    store = Store(site)
    del store.document["operator"]["strict_signing_key_usage"], store.document["operator"]["signing_keys"]
    store.document["accounts"].append({"name": "OLD"})
    store.document["operator"]["name"] = "OTHER"
    store.document["accounts"][2].pop("signing_key_role")
    folders = {"stores_dir": site / "stores", "keys_dir": site / "other"}
    site.run("store", definition=store.document, **folders)
    asked = {"operator": "OTHER", "phase": "add", "compromised": True}
    result = site.run("store", definition=store.document, rotations=[asked], **folders)
    found = result["rotations"][0]["exposed"]
    assert found["key"] == site.claims("stores/OTHER/OTHER.jwt").subject
    assert found["accounts"] == ["APP", "OLD", "PARTNER", "SYS"]


def test_nothing_is_reported_of_other_rotations(store: Store) -> None:
    result = store.run(turning("replace"))
    assert "exposed" not in result["rotations"][0]
    assert warnings(result) == ""
