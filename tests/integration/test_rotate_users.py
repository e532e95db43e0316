# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Rotation of the key of a user by nats_store: what stays valid in each phase, and what is refused."""

from __future__ import annotations

import pathlib
import shutil
from typing import Any

import pytest
from integration.test_rotation import Store
from support.sites import Site

APP = 1


@pytest.fixture
def store(site: Site) -> Store:
    """A store of three accounts, with a scope, and users that an auth callout does not ask about."""
    return Store(site)


def of(phase: str, user: str = "orders", **more: Any) -> dict[str, Any]:
    return {"account": "APP", "user": user, "phase": phase, **more}


def key(store: Store, user: str = "orders") -> str:
    return str(store.site.claims(f"stores/ACME/accounts/APP/users/{user}.jwt").subject)


def creds(user: str = "orders") -> str:
    return f"keys/creds/ACME/APP/{user}.creds"


def shown(store: Store, user: str = "orders") -> dict[str, Any]:
    info = store.site.run("store_info", stores_dir=store.site / "stores", keys_dir=store.site / "keys")
    return next(one for one in info["entities"] if (one["kind"], one["name"]) == ("user", user))


def test_user_goes_through_its_phases(store: Store) -> None:
    old = key(store)
    store.document["accounts"][APP]["users"][0].update(permissions={"publish": {"allow": ["orders.>"]}})
    store.run()
    old_creds = store.site.text(creds())
    first = store.run(of("resign"))
    new = key(store)
    assert new != old
    assert first["rotations"] == [
        {"account": "APP", "user": "orders", "current": new, "next": None, "retiring": old, "retired": []}
    ]
    claims = store.site.claims(creds())
    assert (claims.subject, store.site.key(creds()).public_key) == (new, new)
    assert claims.body.access.permissions.publish.allow == ["orders.>"]
    assert old not in store.claims("APP").body.revocations
    assert shown(store)["retiring"] == old
    archive = [path.read_text() for path in (store.site.folder / "keys/.natsops/archive").rglob("orders.creds*")]
    assert archive == [old_creds]
    assert not store.run(of("resign"))["changed"]
    assert not store.run(of("resign", public_key=old))["changed"]
    assert not store.run(prune=True)["changed"]

    third = store.run(of("retire"))
    assert third["rotations"][0]["retired"] == [old]
    assert list(store.claims("APP").body.revocations) == [old]
    assert key(store) == new
    assert store.archived(old)
    assert "retiring" not in shown(store)
    for again in (of("retire", public_key=old), of("resign", public_key=old), of("replace", public_key=old)):
        assert not store.run(again)["changed"]
    assert not store.run()["changed"]


def test_key_that_is_compromised_is_revoked_at_once(store: Store) -> None:
    old = key(store)
    result = store.run(of("replace", public_key=old))
    assert result["rotations"][0]["retired"] == [old]
    assert list(store.claims("APP").body.revocations) == [old]
    assert store.claims("APP").body.revocations[old] >= store.claims("APP").issued_at - 1
    assert key(store) == store.site.key(creds()).public_key != old
    assert store.archived(old)
    assert not store.run(of("replace", public_key=old))["changed"]


def test_scoped_user_and_one_of_the_system_account(store: Store) -> None:
    old, issuer = key(store, "dashboard"), store.issuer("APP", "dashboard")
    store.run(of("resign", "dashboard"))
    assert key(store, "dashboard") != old
    assert store.issuer("APP", "dashboard") == issuer
    system = store.site.claims("stores/ACME/accounts/SYS/users/sys.jwt").subject
    store.run({**of("resign", "sys"), "account": "SYS"})
    store.run({**of("retire", "sys"), "account": "SYS"})
    assert list(store.claims("SYS").body.revocations) == [system]


def test_auth_users_have_both_keys_in_between(store: Store) -> None:
    store.document["accounts"][APP]["authorization"] = {"auth_users": ["orders"]}
    store.run()
    old = key(store)
    store.run(of("resign"))
    assert sorted(store.claims("APP").body.authorization.auth_users) == sorted([old, key(store)])
    info = store.site.run("store_info", stores_dir=store.site / "stores", keys_dir=store.site / "keys")
    assert info["definition"]["accounts"][0]["authorization"]["auth_users"] == ["orders"]
    assert not store.run()["changed"]
    store.run(of("retire"))
    assert store.claims("APP").body.authorization.auth_users == [key(store)]
    store.document["accounts"][APP]["authorization"]["auth_users"] = [key(store)]
    assert "write the name of the user, orders" in store.refused(of("resign"))


def test_key_that_was_made_elsewhere_is_followed_by_one_from_there(store: Store) -> None:
    old = key(store)
    (path,) = (store.site.folder / "keys/keys").rglob(f"{old}.nk")
    path.unlink()
    following = store.site.make_key("following.nk", "user").public_key
    (store.site.folder / creds()).unlink()
    assert f"the seed of {old} is not available here, because it was made elsewhere" in store.refused(of("resign"))
    assert not store.run()["changed"]
    result = store.run(of("resign", public_key=old), user_public_keys={"APP/orders": following})
    assert (key(store), result["rotations"][0]["retiring"]) == (following, old)
    assert not (store.site.folder / creds()).exists()
    store.run(of("retire"), user_public_keys={"APP/orders": following})
    assert "was a key of a user already" in store.refused(of("resign", next_public_key=old))


@pytest.mark.parametrize("user", ["orders", pytest.param("dashboard", marks=pytest.mark.attack)])
def test_user_that_the_document_does_not_have_keeps_all_but_its_key(store: Store, user: str) -> None:
    index = ["orders", "dashboard"].index(user)
    more = {"permissions": {"publish": {"allow": ["orders.>"]}}} if user == "orders" else {"tags": ["shop"]}
    store.document["accounts"][APP]["users"][index].update(expires_in="90d", **more)
    store.run()
    before = store.site.claims(creds(user))
    del store.document["accounts"][APP]["users"][index]
    assert "what it does not have is removed (prune)" in store.refused(of("resign", user), prune=True)
    store.run(of("resign", user))
    after = store.site.claims(creds(user))
    assert after.subject == key(store, user) != before.subject
    assert (after.body, after.expires, after.issuer) == (before.body, before.expires, before.issuer)
    assert not store.run()["changed"]
    assert not store.run(of("resign", user, public_key=before.subject))["changed"]
    assert shown(store, user)["retiring"] == before.subject
    store.run(of("retire", user))
    assert list(store.claims("APP").body.revocations) == [before.subject]
    store.run(of("replace", user))
    assert after.subject in store.claims("APP").body.revocations
    assert key(store, user) == store.site.key(creds(user)).public_key != after.subject


def test_user_that_is_revoked_gets_no_key_unless_the_document_has_it(store: Store) -> None:
    options = {"stores_dir": store.site / "stores", "keys_dir": store.site / "keys", "store": "ACME"}
    store.site.run("revocation", **options, account="APP", revocations=[{"user": "orders"}])
    del store.document["accounts"][APP]["users"][0]
    for phase in ("resign", "replace"):
        assert "rotations[0] (orders).user: orders is revoked, and the document does not have it" in store.refused(
            of(phase)
        )


def test_account_that_is_taken_as_it_is_rotates_nothing(store: Store) -> None:
    users = [{"name": "orders"}]
    for account in ({"name": "APP", "state": "existing"}, {"name": "APP", "state": "existing", "users": users}):
        team = {"operator": {"name": "ACME", "state": "existing"}, "accounts": [account]}
        for phase in ("resign", "retire", "replace"):
            for asked, whose in (
                (of(phase), "the key of its user orders is"),
                ({"account": "APP", "role": "main", "phase": phase}, "its keys are"),
            ):
                message = store.refused(asked, definition=team)
                place = f"rotations[0] ({asked.get('role', 'orders')}).account"
                why = "the document uses the account APP as it is (state: existing)"
                assert f"{place}: {why}, so {whose} not rotated" in message
                assert "Rotate with the document that manages the account." in message


def test_user_of_a_team_is_rotated_by_whose_document_manages_the_account(store: Store) -> None:
    team = {
        "operator": {"name": "ACME", "state": "existing"},
        "accounts": [{"name": "APP", "state": "existing", "users": [{"name": "team", "tags": ["x"]}]}],
    }
    store.run(definition=team)
    old = key(store, "team")
    store.run(of("resign", "team"))
    assert not store.run(definition=team)["changed"]
    store.run(of("retire", "team"))
    assert not store.run(definition=team)["changed"]
    assert key(store, "team") != old
    assert list(store.claims("APP").body.revocations) == [old]


def test_user_that_goes_is_revoked_by_both_keys(store: Store) -> None:
    old = key(store)
    store.run(of("resign"))
    new = key(store)
    store.document["accounts"][APP]["users"][0]["state"] = "absent"
    store.run()
    assert sorted(store.claims("APP").body.revocations) == sorted([old, new])
    assert store.archived(old)
    assert store.archived(new)
    assert not store.run()["changed"]


def test_user_that_is_renamed_keeps_the_key_that_is_retiring(store: Store) -> None:
    old = key(store)
    store.run(of("resign"))
    store.document["accounts"][APP]["users"][0].update(name="sales", renamed_from="orders")
    store.run()
    assert shown(store, "sales")["retiring"] == old
    store.run(of("retire", "sales"))
    assert list(store.claims("APP").body.revocations) == [old]


def test_user_that_is_revoked_by_name_is_revoked_by_both_keys(store: Store) -> None:
    old = key(store)
    store.run(of("resign"))
    options = {"stores_dir": store.site / "stores", "keys_dir": store.site / "keys", "store": "ACME"}
    given = {**options, "account": "APP", "revocations": [{"user": "orders"}]}
    store.site.run("revocation", **given)
    assert sorted(store.claims("APP").body.revocations) == sorted([old, key(store)])
    assert not store.site.run("revocation", **given)["changed"]


@pytest.mark.parametrize(
    ("rotation", "message"),
    [
        (of("add"), "the key of a user is the subject of its JWT"),
        (of("retire"), "is the key that the user APP/orders has: give it another one first (phase: resign)"),
        (
            of("resign", "nobody"),
            "rotations[0] (nobody).user: neither the document nor the store has a user nobody in the account APP.",
        ),
        (of("resign", role="main"), "role and user are mutually exclusive"),
        ({"account": "APP", "phase": "resign"}, "name the role of a signing key, or a user."),
        ({"user": "orders", "phase": "resign"}, "rotations[0] (orders).account: the account of the user is required."),
        (of("resign", public_key="UX"), "rotations[0] (orders).public_key"),
        (
            of("resign", public_key="UAHJLSMYZDJCBHQ2SARL37IEALR3TI7VVPZ2MJ7F4SZKNOG7HJJIYW5T"),
            "is not a key of the user APP/orders",
        ),
    ],
)
def test_what_is_refused(store: Store, rotation: dict[str, Any], message: str) -> None:
    assert message in store.refused(rotation)


def test_user_that_the_document_renames_is_rotated_by_its_new_name(store: Store) -> None:
    old = key(store)
    store.document["accounts"][APP]["users"][0] = {"name": "sales", "renamed_from": "orders"}
    message = store.refused(of("resign"))
    assert "rotations[0] (orders).user: the document renames the user orders: write its new name, sales." in message
    result = store.run(of("resign", "sales"))
    assert result["rotations"][0]["retiring"] == old != key(store, "sales")


def test_second_rotation_while_one_is_under_way(store: Store) -> None:
    old = key(store)
    store.run(of("resign"))
    message = store.refused(of("resign", public_key=key(store)))
    assert f"another rotation of the user APP/orders is under way: {old} is not retired yet" in message
    store.run(of("replace", public_key=key(store)))
    assert len(store.claims("APP").body.revocations) == 2


# ---- keys that are created on application hosts


class Host:
    """A host that created the key of its user. The signing host has only the public key."""

    def __init__(self, store: Store) -> None:
        self.store, self.path = store, store.site / "host.creds"
        self.user = {"name": "born", "tags": ["x"]}
        account = {"name": "APP", "state": "existing", "users": [self.user]}
        self.team = {"operator": {"name": "ACME", "state": "existing"}, "accounts": [account]}
        self.distribute()

    def keep(self, state: str = "present", **more: Any) -> dict[str, Any]:
        """The user in the result of nats_credentials."""
        found = self.store.site.run("credentials", state=state, users=[{**self.item, "path": self.path, **more}])
        return dict(found["users"][0], changed=found["changed"])

    @property
    def item(self) -> dict[str, Any]:
        return {"account": "APP", "name": "born"}

    def distribute(self) -> bool:
        """Do what the role credentials does. Returns whether the file changed."""
        known = self.signed()
        key = self.keep(
            "prepared", **{word: value for word, value in known.items() if word in ("public_key", "earlier_keys")}
        )["public_key"]
        signed = self.signed(user_public_keys={"APP/born": key})
        del signed["expires"]
        return bool(self.keep(**signed)["changed"])

    def signed(self, **options: Any) -> dict[str, Any]:
        arguments = {"stores_dir": self.store.site / "stores", "keys_dir": self.store.site / "keys"}
        asked = {**arguments, "definition": self.team, "return_users": ["APP/born"], **options}
        result = self.store.site.start("store", asked, check=not options)
        found = result["users"]["APP/born"]
        return {} if found["public_key"].startswith("(") else found

    @property
    def key(self) -> str:
        """The public key in the creds, after checking that their seed belongs to their JWT."""
        found = self.store.site.claims("host.creds").subject
        assert self.store.site.key("host.creds").public_key == found
        return str(found)


def test_key_that_a_host_made_is_followed_by_one_that_it_makes(store: Store) -> None:
    host = Host(store)
    old = host.key
    assert f"the seed of {old} is not available here" in store.refused(of("resign", "born"))
    asked = host.keep("prepared", rotated_key=old)
    new = asked["next_public_key"]
    assert (asked["changed"], asked["public_key"]) == (True, old)
    assert store.site.mode(".host.creds.natsops-key") == "0600"
    again = host.keep("prepared", rotated_key=old)
    assert (again["changed"], again["next_public_key"]) == (False, new)

    # If a run is killed here, creds are renewed with the old key, and the next key is kept.
    host.user["tags"] = ["y"]
    assert host.distribute()
    assert host.key == old
    assert not host.distribute()
    assert host.keep("prepared", rotated_key=old)["next_public_key"] == new

    # If a run is killed between signing and distribution, the creds on the host stay valid.
    store.run(of("resign", "born", public_key=old, next_public_key=new))
    assert (key(store, "born"), host.key) == (new, old)
    assert host.keep("prepared", rotated_key=old)["next_public_key"] == new
    assert not store.run(of("resign", "born", public_key=old, next_public_key=new))["changed"]

    assert host.distribute()
    assert host.key == new
    assert store.site.claims("host.creds").body.tags == ["y"]
    assert not (store.site.folder / ".host.creds.natsops-key").exists()
    assert not host.distribute()
    asked = host.keep("prepared", rotated_key=old)
    assert (asked["changed"], asked["next_public_key"]) == (False, None)
    store.run(of("retire", "born"))
    assert list(store.claims("APP").body.revocations) == [old]
    assert not host.distribute()


def test_key_that_a_host_made_and_that_is_compromised(store: Store) -> None:
    host = Host(store)
    old = host.key
    new = host.keep("prepared", rotated_key=old)["next_public_key"]
    store.run(of("replace", "born", public_key=old, next_public_key=new))
    assert list(store.claims("APP").body.revocations) == [old]
    assert host.distribute()
    assert host.key == new
    assert not store.run(of("replace", "born", public_key=old, next_public_key=new))["changed"]


def test_creds_of_a_key_that_is_no_earlier_one_are_not_replaced(store: Store) -> None:
    host = Host(store)
    old, before = host.key, store.site.text("host.creds")
    new = host.keep("prepared", rotated_key=old)["next_public_key"]
    refused = store.site.start(
        "credentials", {"users": [{**host.item, "path": host.path, "public_key": new, "jwt": "x"}]}
    )
    assert f"holds the creds of {old}, and" in refused["msg"]
    other = store.site.make_key("other.nk", "user").public_key
    given = {"public_key": other, "earlier_keys": [old], "jwt": "x"}
    refused = store.site.start("credentials", {"users": [{**host.item, "path": host.path, **given}]})
    assert f"this host has the key {old} for it" in refused["msg"]
    assert store.site.text("host.creds") == before


def test_check_mode_goes_on_with_the_placeholder_of_the_next_key(store: Store) -> None:
    host = Host(store)
    given = {**host.item, "path": host.path, "rotated_key": host.key}
    asked = store.site.start("credentials", {"state": "prepared", "users": [given]}, check=True)
    new = asked["users"][0]["next_public_key"]
    assert new == "(a new user key: APP/born (next))"
    arguments = {"stores_dir": store.site / "stores", "keys_dir": store.site / "keys", "definition": store.document}
    rotations = [of("resign", "born", public_key=host.key, next_public_key=new)]
    found = store.site.start("store", {**arguments, "rotations": rotations}, check=True)
    assert found["rotations"][0] == {
        "account": "APP",
        "user": "born",
        "current": new,
        "next": None,
        "retiring": host.key,
        "retired": [],
    }
    assert "rotations[0] (born).next_public_key: " in store.refused(*rotations)


# ---- the curve key of an auth callout


def xkey(store: Store) -> str:
    return str(store.claims("APP").body.authorization.xkey)


def callout(phase: str, **more: Any) -> dict[str, Any]:
    return {"account": "APP", "role": "callout", "phase": phase, **more}


def with_callout(store: Store, value: Any) -> None:
    store.document["accounts"][APP]["authorization"] = {"auth_users": ["orders"], "xkey": value}


def test_curve_key_of_a_role_is_made_and_goes_through_its_phases(store: Store) -> None:
    with_callout(store, {"role": "callout"})
    store.run()
    old = xkey(store)
    assert store.site.key(f"keys/keys/X/{old[1:3]}/{old}.nk").public_key == old
    assert not store.run()["changed"]
    following = store.run(callout("add"))["rotations"][0]["next"]
    assert following != old
    assert store.site.key(f"keys/keys/X/{following[1:3]}/{following}.nk").public_key == following
    assert xkey(store) == old
    assert not store.run()["changed"]
    result = store.run(callout("resign"))
    assert result["rotations"][0] == {
        "account": "APP",
        "role": "callout",
        "current": following,
        "next": None,
        "retiring": old,
        "retired": [],
    }
    assert xkey(store) == following
    assert not store.run()["changed"]
    message = store.refused(callout("add", public_key=following))
    assert f"another rotation of the role callout is under way: {old} is not retired yet" in message
    info = store.site.run("store_info", stores_dir=store.site / "stores", keys_dir=store.site / "keys")
    assert {one["generation"]: one["public_key"] for one in info["entities"] if one["kind"] == "curve_key"} == {
        "current": following,
        "retiring": old,
    }
    assert info["definition"]["accounts"][0]["authorization"]["xkey"] == {"role": "callout"}
    store.run(callout("retire"))
    assert store.archived(old)
    assert xkey(store) == following
    for again in (callout("retire", public_key=old), callout("resign", public_key=old)):
        assert not store.run(again)["changed"]


def test_backup_has_the_curve_keys_that_no_jwt_has(store: Store, tmp_path: pathlib.Path) -> None:
    with_callout(store, {"role": "callout"})
    store.run()
    following = store.run(callout("add"))["rotations"][0]["next"]
    folders = {"stores_dir": store.site / "stores", "keys_dir": store.site / "keys"}
    file = str(tmp_path / "acme.backup")
    store.site.start("backup", {"path": file, "password": "correct horse battery staple", **folders})
    for name in ("stores", "keys"):
        shutil.rmtree(store.site / name)
    store.site.start("restore", {"path": file, "password": "correct horse battery staple", **folders})
    assert store.site.key(f"keys/keys/X/{following[1:3]}/{following}.nk").public_key == following


def test_curve_key_of_a_new_account_is_on_record(store: Store) -> None:
    users = [{"name": "service"}]
    authorization = {"auth_users": ["service"], "xkey": {"role": "callout"}}
    account = {"name": "AUTH", "signing_keys": ["main"], "users": users, "authorization": authorization}
    store.document["accounts"].append(account)
    store.run()
    assert not store.run()["changed"]
    info = store.site.run("store_info", stores_dir=store.site / "stores", keys_dir=store.site / "keys")
    (entity,) = [one for one in info["entities"] if one["kind"] == "curve_key"]
    assert (entity["name"], entity["account"]) == ("callout", "AUTH")
    assert entity["public_key"] == store.claims("AUTH").body.authorization.xkey


def test_curve_key_that_is_there_is_taken_for_the_role(store: Store) -> None:
    old = store.site.make_key("callout.nk", "curve")
    with_callout(store, old.public_key)
    store.run()
    with_callout(store, {"role": "callout"})
    store.run()
    assert xkey(store) == old.public_key
    assert "next_public_key" in store.refused(callout("add"))
    following = store.site.make_key("following.nk", "curve").public_key
    store.run(callout("replace", next_public_key=following))
    assert xkey(store) == following
    assert not store.run()["changed"]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"role": "main"}, "a signing key of the account has the role main"),
        (
            {"role": ""},
            "authorization.xkey.role: expected the role of the curve key and nothing else, as in xkey: {role: callout}, not {'role': ''}.",
        ),
        ({"role": False}, "authorization.xkey.role: expected the role of the curve key and nothing else"),
        ({"role": "callout", "x": 1}, "authorization.xkey.role: expected the role of the curve key and nothing else"),
        ({"name": "callout"}, "authorization.xkey.role: expected the role of the curve key and nothing else"),
        ({}, "authorization.xkey.role: expected the role of the curve key and nothing else"),
        ("callout", "authorization.xkey"),
    ],
)
def test_curve_key_that_is_refused(store: Store, value: Any, message: str) -> None:
    with_callout(store, value)
    assert message in store.refused()


# ---- identity keys


def test_identity_keys_are_not_rotated(store: Store) -> None:
    app, operator = store.claims("APP").subject, store.claims().subject
    for phase in ("add", "resign", "retire", "replace"):
        message = store.refused({"account": "APP", "role": "main", "phase": phase, "public_key": app})
        assert f"{app} is the identity key of the account APP" in message
        assert "make a new account" in message
    message = store.refused({"role": "main", "phase": "resign", "public_key": operator})
    assert f"{operator} is the identity key of the operator" in message
