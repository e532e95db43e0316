# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""nats_revocation: entries for users and activations in one JWT and in a store, what stays unchanged, and what is refused."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.token import codec

if TYPE_CHECKING:
    from support.sites import Site

PAST, LATER = "2026-01-31T12:00:00Z", "2026-03-31T12:00:00Z"


def seconds(text: str) -> int:
    return {PAST: 1769860800, LATER: 1774958400}[text]


# ---- one JWT


@pytest.fixture
def single(acme: Site) -> dict[str, Any]:
    """The options for the JWT of APP."""
    return {
        "jwt_path": acme / "app.jwt",
        "operator_jwt_path": acme / "acme.jwt",
        "signer_path": acme / "acme-signing.nk",
    }


def entry(user: Any, at: str | None = None) -> dict[str, Any]:
    return {"user": user, **({"at": at} if at else {})}


def test_user_is_revoked_once_and_nothing_else_changes(acme: Site, single: dict[str, Any]) -> None:
    before, user = acme.claims("app.jwt"), nkey.create("user").public_key
    started = int(time.time())
    result = acme.run("revocation", **single, revocations=[entry(user)])
    after = acme.claims("app.jwt")
    assert started <= after.body.revocations[user] <= int(time.time())
    assert result["reasons"] == [f"revocations[{user}]: none -> now"]
    assert [(one["public_key"], one["action"]) for one in result["revocations"]] == [(user, "added")]
    assert (after.expires, after.issuer, after.body.exports) == (before.expires, before.issuer, before.body.exports)
    assert after.body.signing_keys == before.body.signing_keys
    again = acme.keep("revocation", **single, revocations=[entry(user)])
    assert [one["action"] for one in again["revocations"]] == ["kept"]


def test_entry_moves_later_only(acme: Site, single: dict[str, Any]) -> None:
    user = nkey.create("user").public_key
    acme.run("revocation", **single, revocations=[entry(user, PAST)])
    acme.keep("revocation", **single, revocations=[entry(user, "now")])
    result = acme.run("revocation", **single, revocations=[entry(user, LATER)])
    assert result["revocations"][0]["action"] == "moved"
    assert result["revocations"][0]["before"] == PAST
    acme.keep("revocation", **single, revocations=[entry(user, PAST)])
    assert acme.claims("app.jwt").body.revocations == {user: seconds(LATER)}
    # A later entry for all users covers an entry for one user.
    acme.run("revocation", **single, revocations=[entry("*", LATER)])
    acme.keep("revocation", **single, revocations=[entry(nkey.create("user").public_key, PAST)])


def test_activations_have_lists_of_their_own(acme: Site, single: dict[str, Any]) -> None:
    importer = nkey.create("account").public_key
    asked = [{"export": "orders.create", "account": importer, "at": PAST}, {"user": "*", "at": PAST}]
    result = acme.run("revocation", **single, revocations=asked)
    body = acme.claims("app.jwt").body
    assert {export.subject: export.revocations for export in body.exports} == {
        "orders.create": {importer: seconds(PAST)},
        "prices.>": {},
    }
    assert body.revocations == {"*": seconds(PAST)}
    assert [one.get("export") for one in result["revocations"]] == ["orders.create", None]
    # `*` is removed from the list of users, but not from that of the export.
    acme.run("revocation", **single, revocations=[{"export": "orders.create", "account": "*", "at": PAST}])
    acme.run("revocation", **single, state="absent", revocations=[{"user": "*"}])
    body = acme.claims("app.jwt").body
    assert body.revocations == {}
    assert body.exports[0].revocations == {importer: seconds(PAST), "*": seconds(PAST)} or body.exports[
        1
    ].revocations == {importer: seconds(PAST), "*": seconds(PAST)}
    gone = acme.keep("revocation", **single, state="absent", revocations=[{"user": "*"}])
    assert gone["revocations"][0]["action"] == "absent"


def test_list_says_what_is_there_and_needs_no_key(acme: Site, single: dict[str, Any]) -> None:
    user = nkey.create("user").public_key
    acme.run("revocation", **single, revocations=[entry(user, PAST)])
    listed = acme.keep("revocation", jwt_path=acme / "app.jwt", operator_jwt_path=acme / "acme.jwt", state="listed")
    assert listed["revocations"] == [{"public_key": user, "name": "", "action": "kept", "until": PAST}]


def test_expired_entries_go_when_asked_for_and_are_reported(acme: Site, single: dict[str, Any]) -> None:
    old, new, covered = (nkey.create("user").public_key for _unused in range(3))
    recent = int(time.time()) - 3600
    acme.run("revocation", **single, revocations=[entry(old, PAST), entry(new, str(recent))])
    result = acme.run("revocation", **single, prune_expired=True, longest_life="2h")
    assert acme.claims("app.jwt").body.revocations == {new: recent}
    assert {one["public_key"]: one["action"] for one in result["revocations"]} == {old: "expired", new: "kept"}
    acme.keep("revocation", **single, prune_expired=True, longest_life="2h")
    # An entry that is covered by the entry for all users is removed, and the latter stays.
    acme.run("revocation", **single, revocations=[entry(covered, str(recent)), entry("*", str(recent + 1))])
    acme.run("revocation", **single, prune_expired=True, longest_life="2h")
    assert acme.claims("app.jwt").body.revocations == {"*": recent + 1}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"revocations": [{"user": "dashboard"}]}, "users have names only in a store"),
        ({"revocations": [{"user": "ACCOUNT"}]}, "is an account public key, expected a user public key"),
        ({"revocations": [{"user": "USERx"}]}, "revocations[0].user: "),
        ({"revocations": [{"user": "USER"}, {"user": "USER", "at": PAST}]}, "an entry has one time, remove one"),
        ({"revocations": [{"user": "USER"}, {"user": "USER"}]}, "is already listed at revocations[0]"),
        ({"revocations": [{"user": "USER", "at": "yesterday"}]}, "'yesterday' is not a time"),
        ({"revocations": [{"user": ""}]}, "an empty text is not a name"),
        (
            {"revocations": [{"export": "orders.delete", "account": "ACCOUNT"}]},
            "has no export orders.delete; available:",
        ),
        (
            {"revocations": [{"export": "orders.create", "account": "USER"}]},
            "is a user public key, expected an account public key",
        ),
        ({"revocations": [{"export": "orders.create", "account": "OWN"}]}, "is the exporting account itself"),
        ({"revocations": [{"user": "USER", "at": PAST}], "state": "absent"}, "at: supported only with state=present"),
        ({"revocations": [{"user": "USER"}], "state": "listed"}, "state=listed changes nothing"),
        ({}, "There is nothing to do"),
        ({"prune_expired": True, "longest_life": "soon"}, "longest_life: "),
        ({"remove_signing_keys": ["writer"]}, "no signing key with the role writer"),
        ({"remove_signing_keys": ["OWN"]}, "the key of the account itself"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_entries_are_refused(acme: Site, single: dict[str, Any], options: Any, message: str) -> None:
    keys = {
        "USER": nkey.create("user").public_key,
        "ACCOUNT": nkey.create("account").public_key,
        "OWN": acme.key("app.nk").public_key,
    }

    def filled(value: Any) -> Any:
        if isinstance(value, str):
            for word, key in keys.items():
                value = value.replace(word, key)
            return value
        if isinstance(value, dict):
            return {name: filled(item) for name, item in value.items()}
        return [filled(item) for item in value] if isinstance(value, list) else value

    assert message in acme.refuse("revocation", **single, **filled(options))


def test_jwt_of_another_operator_is_left_as_it_is(acme: Site, single: dict[str, Any]) -> None:
    foreign = acme.make_key("foreign.nk", "operator")
    acme.make_jwt("app.jwt", "account", acme.key("app.nk").public_key, foreign, {})
    message = acme.refuse("revocation", **single, revocations=[{"user": "*"}])
    assert "is left unchanged" in message
    assert foreign.public_key in message


# ---- a store

DEFINITION: dict[str, Any] = {
    "operator": {"name": "ACME", "signing_keys": ["main"], "system_account": "SYS", "strict_signing_key_usage": True},
    "accounts": [
        {"name": "SYS", "signing_keys": ["main"], "users": [{"name": "sys"}]},
        {
            "name": "APP",
            "signing_keys": ["main", {"role": "reader", "template": {}}],
            "exports": [{"name": "orders", "subject": "orders.*", "type": "service", "token_required": True}],
            "users": [{"name": "app"}, {"name": "guest"}, {"name": "dashboard", "signing_key_role": "reader"}],
        },
        {
            "name": "PARTNER",
            "signing_keys": ["main"],
            "imports": [{"account": "APP", "subject": "orders.create", "type": "service"}],
            "users": [{"name": "shop"}],
        },
    ],
}


class Store:
    """A store, and the account APP in it."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.folders = {"stores_dir": site / "stores", "keys_dir": site / "keys"}
        self.options = {**self.folders, "store": "ACME", "account": "APP"}
        self.apply()

    def apply(self, definition: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
        return self.site.run("store", definition=definition or DEFINITION, **self.folders, **options)

    def claims(self, account: str, user: str = "") -> Any:
        path = f"stores/ACME/accounts/{account}/" + (f"users/{user}.jwt" if user else f"{account}.jwt")
        return codec.decode(self.site.text(path))

    def key(self, account: str, user: str = "") -> str:
        return str(self.claims(account, user).subject)

    def revoke(self, *revocations: dict[str, Any], **options: Any) -> dict[str, Any]:
        return self.site.run("revocation", **self.options, revocations=list(revocations), **options)


@pytest.fixture
def store(site: Site) -> Store:
    """A store with three accounts."""
    return Store(site)


def without_user(name: str) -> dict[str, Any]:
    app = next(account for account in DEFINITION["accounts"] if account["name"] == "APP")
    users = [user if user["name"] != name else {"name": name, "state": "absent"} for user in app["users"]]
    accounts = [dict(app, users=users) if account is app else account for account in DEFINITION["accounts"]]
    return dict(DEFINITION, accounts=accounts)


def test_name_is_revoked_in_a_store_and_a_document_keeps_it(store: Store) -> None:
    guest, before = store.key("APP", "guest"), store.claims("APP")
    result = store.site.check("revocation", **store.options, revocations=[entry("guest")], _ansible_diff=True)
    assert result["diff"]["after"]["accounts.APP"]["revocations"] == {f"guest ({guest})": "now"}
    result = store.revoke(entry("guest"))
    assert result["reasons"] == [f"revocations[guest ({guest})]: none -> now"]
    assert result["jwt"] == store.site.text("stores/ACME/accounts/APP/APP.jwt")
    after = store.claims("APP")
    assert list(after.body.revocations) == [guest]
    assert after.body.revocations[guest] >= store.claims("APP", "guest").issued_at
    assert (after.body.exports, after.body.signing_keys) == (before.body.exports, before.body.signing_keys)
    assert store.site.keep("revocation", **store.options, revocations=[entry("guest")]).get("warnings", []) == []
    # The revocation stays although the document does not contain it. The user gets a later JWT with the same key.
    applied = store.apply()
    assert [(one["kind"], one["name"]) for one in applied["entities"] if one["action"] == "changed"] == [
        ("user", "guest")
    ]
    assert store.claims("APP").body.revocations == after.body.revocations
    assert store.claims("APP", "guest").issued_at > after.body.revocations[guest]
    again = store.site.keep("revocation", **store.options, revocations=[entry("guest")])
    assert "was issued again" in str(again["warnings"])
    assert again["revocations"][0]["issued_again_at"]
    assert not store.apply()["changed"]


def test_user_that_got_a_new_key_is_not_revoked_by_the_same_task_again(store: Store) -> None:
    old = store.key("APP", "guest")
    store.revoke(entry("guest"))
    store.apply(without_user("guest"))
    kept = store.site.keep("revocation", **store.options, revocations=[entry("guest")])
    assert [one["public_key"] for one in kept["revocations"]] == [old]
    store.apply()
    new = store.key("APP", "guest")
    assert new != old
    again = store.site.keep("revocation", **store.options, revocations=[entry("guest")])
    assert "was issued again" in str(again["warnings"])
    # After a second incident, the user is revoked again with a later time.
    at = str(max(store.claims("APP", "guest").issued_at, int(time.time())))
    store.revoke(entry("guest", at))
    assert store.claims("APP").body.revocations[new] == int(at)


def test_user_of_a_name_that_was_removed_once_is_revoked(store: Store) -> None:
    store.apply(without_user("guest"))
    store.apply()
    new = store.key("APP", "guest")
    store.revoke(entry("guest"))
    assert new in store.claims("APP").body.revocations


def test_everybody_is_revoked_also_who_was_issued_a_moment_ago(store: Store) -> None:
    store.revoke(entry("*"))
    until = store.claims("APP").body.revocations["*"]
    assert all(store.claims("APP", user).issued_at <= until for user in ("app", "guest", "dashboard"))
    store.site.keep("revocation", **store.options, revocations=[entry("*")])
    store.apply()
    assert store.claims("APP", "app").issued_at > until


def test_importing_account_is_revoked_by_name_and_gets_a_new_activation_from_a_document(store: Store) -> None:
    partner = store.key("PARTNER")
    asked = {"export": "orders", "account": "PARTNER"}
    result = store.revoke(asked)
    assert result["reasons"] == [f"exports[service orders.*].revocations[PARTNER ({partner})]: none -> now"]
    until = store.claims("APP").body.exports[0].revocations[partner]
    assert codec.decode(store.claims("PARTNER").body.imports[0].token).issued_at <= until
    store.apply()
    assert codec.decode(store.claims("PARTNER").body.imports[0].token).issued_at > until
    again = store.site.keep("revocation", **store.options, revocations=[asked])
    assert "was issued again" in str(again["warnings"])


def test_stolen_signing_key_goes_with_what_it_signed(store: Store) -> None:
    stolen = store.claims("APP", "app").issuer
    result = store.site.run("revocation", **store.options, remove_signing_keys=["main"])
    assert result["removed_signing_keys"] == [stolen]
    assert sorted(result["users_to_issue"]) == ["app", "guest"]
    assert stolen not in [key.key for key in store.claims("APP").body.signing_keys]
    store.site.keep("revocation", **store.options, remove_signing_keys=["main"])
    before = store.key("APP", "dashboard")
    store.apply()
    issuer = store.claims("APP", "app").issuer
    assert issuer != stolen
    assert issuer in [key.key for key in store.claims("APP").body.signing_keys]
    assert store.key("APP", "dashboard") == before
    store.site.keep("revocation", **store.options, remove_signing_keys=[stolen])
    # The role has a new key, which the same task leaves alone.
    again = store.site.keep("revocation", **store.options, remove_signing_keys=["main"])
    assert f"has a new one since, {issuer}" in str(again["warnings"])
    store.site.run("revocation", **store.options, remove_signing_keys=[issuer])
    assert issuer not in [key.key for key in store.claims("APP").body.signing_keys]


def test_store_keeps_an_expired_entry_whose_user_has_not_expired(store: Store) -> None:
    guest = store.key("APP", "guest")
    store.revoke(entry("guest"))
    path = store.site.folder / "stores/ACME/accounts/APP/APP.jwt"
    text = path.read_text()
    time.sleep(2.1)
    store.site.keep("revocation", **store.options, prune_expired=True, longest_life="1s")
    assert path.read_text() == text
    assert list(store.claims("APP").body.revocations) == [guest]


@pytest.mark.parametrize(
    ("revocation", "message"),
    [
        ({"user": "gust"}, "there is no user gust in the account APP; available: app, dashboard, guest"),
        ({"user": "SHOP"}, "is the key of PARTNER/shop, which is not a user of the account APP"),
        ({"user": "PARTNER"}, "there is no user PARTNER"),
        ({"user": "PARTNER KEY"}, "is an account public key, expected a user public key"),
        ({"export": "orders", "account": "PARTNR"}, "there is no account PARTNR"),
        ({"export": "orders", "account": "APP"}, "is the exporting account itself"),
        ({"export": "prices", "account": "PARTNER"}, "has no export prices; available: orders.* (service)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_names_are_refused_in_a_store(store: Store, revocation: dict[str, str], message: str) -> None:
    keys = {"SHOP": store.key("PARTNER", "shop"), "PARTNER KEY": store.key("PARTNER")}
    asked = {word: keys.get(value, value) for word, value in revocation.items()}
    assert message in store.site.refuse("revocation", **store.options, revocations=[asked])


def test_name_and_key_of_one_user_with_two_times_are_refused(store: Store) -> None:
    asked = [entry("guest", "now"), entry(store.key("APP", "guest"), PAST)]
    message = store.site.refuse("revocation", **store.options, revocations=asked)
    assert "is to be revoked up to 2026-01-31T12:00:00Z here and up to now at revocations[0]" in message


def test_account_that_is_not_there_is_refused(store: Store) -> None:
    options = dict(store.options, account="NONE")
    assert "there is no account NONE" in store.site.refuse("revocation", **options, revocations=[entry("*")])
    options = dict(store.options, store="NONE")
    assert "there is no store" in store.site.refuse("revocation", **options, revocations=[entry("*")])


def test_new_key_of_the_same_second_stays_valid_too(store: Store) -> None:
    """Times in JWTs have a resolution of one second. A JWT with a new key, issued in the second of the revocation, counts as issued after it."""
    old = store.key("APP", "guest")
    store.apply(without_user("guest"))
    store.apply()
    new = store.claims("APP", "guest")
    store.revoke({"user": old, "at": str(new.issued_at)})
    note = store.site.folder / "keys/.natsops/stores/ACME/revoked"
    note.write_text(json.dumps({"key": old, "account": "APP", "user": "guest", "role": ""}) + "\n")
    note.chmod(0o600)
    kept = store.site.keep("revocation", **store.options, revocations=[entry("guest")])
    assert new.subject not in store.claims("APP").body.revocations
    assert "was issued again" in str(kept["warnings"])
