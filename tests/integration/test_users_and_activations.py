# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""nats_user and nats_activation: what is signed on behalf of an account, and how the account's JWT restricts it."""

from __future__ import annotations

import json
import pathlib
import time
from typing import TYPE_CHECKING, Any

import pytest

from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.token import decorated

if TYPE_CHECKING:
    from support.sites import Site

DAY = 86400


@pytest.fixture
def user(acme: Site) -> dict[str, Any]:
    """The options of a task that creates a user of APP with JWT and creds."""
    return {
        "name": "u",
        "key_path": acme / "u.nk",
        "jwt_path": acme / "u.jwt",
        "creds_path": acme / "u.creds",
        "account_jwt_path": acme / "app.jwt",
        "operator_jwt_path": acme / "acme.jwt",
        "signer_path": acme / "app-signing.nk",
    }


@pytest.fixture
def activation(acme: Site) -> dict[str, Any]:
    """The options of a task that lets another account import the orders of APP."""
    return {
        "jwt_path": acme / "orders.jwt",
        "account_jwt_path": acme / "app.jwt",
        "operator_jwt_path": acme / "acme.jwt",
        "signer_path": acme / "app-signing.nk",
        "importer": acme.make_key("partner.nk", "account").public_key,
        "import_subject": "orders.create",
        "import_type": "service",
    }


def change_account(acme: Site, **options: Any) -> None:
    """Change the account APP with these options."""
    exports = [
        {"subject": "prices.>", "type": "stream"},
        {"subject": "orders.create", "type": "service", "token_required": True},
    ]
    given = {
        "name": "APP",
        "key_path": acme / "app.nk",
        "jwt_path": acme / "app.jwt",
        "signer_path": acme / "acme-signing.nk",
        "exports": exports,
        **options,
    }
    assert acme.start("account", given)["changed"]


# ---- users


def test_user_is_created_with_jwt_and_creds_and_then_kept(acme: Site, user: dict[str, Any]) -> None:
    user.update(
        permissions={
            "publish": {"allow": ["orders.>"], "deny": ["orders.secret"]},
            "subscribe": {"allow": ["_INBOX.>", "work queue"]},
            "response": {"max_messages": 1, "expires": "5s"},
        },
        limits={"subscriptions": 10, "payload": "64KiB"},
        source_networks=["192.168.0.0/16"],
        times=[{"start": "08:00:00", "end": "18:00:00"}],
        times_location="Europe/Prague",
        allowed_connection_types=["STANDARD", "WEBSOCKET"],
        proxy_required=True,
        tags=["Team-A"],
        expires_in="90d",
        renew_before="14d",
    )
    result = acme.run("user", **user)
    claims = acme.claims("u.jwt")
    assert result["reasons"] == ["there is no token yet"]
    assert result["diff"]["before"] == {}
    assert result["diff"]["after"]["subject"] == f"(a new user key: in {acme / 'u.nk'})"
    assert result["public_key"] == claims.subject == acme.key("u.nk").public_key
    assert result["issuer_account"] == claims.body.issuer_account == acme.key("app.nk").public_key
    assert claims.issuer == acme.key("app-signing.nk").public_key
    assert claims.body.access.limits.payload == 65536
    assert claims.body.tags == ["team-a"]
    assert result["role"] == ""
    assert acme.text("u.creds") == decorated.format_creds(acme.text("u.jwt"), acme.key("u.nk"))
    assert [acme.mode(name) for name in ("u.nk", "u.jwt", "u.creds")] == ["0600", "0644", "0600"]
    assert acme.keep("user", **user)["jwt"] == result["jwt"]


def test_creds_alone_are_enough(acme: Site, user: dict[str, Any]) -> None:
    del user["jwt_path"]
    acme.run("user", **user)
    assert not (acme.folder / "u.jwt").exists()
    acme.keep("user", **user)


def test_creds_are_made_from_the_jwt_that_is_there(acme: Site, user: dict[str, Any]) -> None:
    creds = user.pop("creds_path")
    jwt = acme.run("user", **user)["jwt"]
    result = acme.run("user", **user, creds_path=creds)
    assert (result["changed"], result["reasons"], result["jwt"]) == (True, [], jwt)
    assert decorated.find_token(acme.text("u.creds")) == jwt


def test_creds_that_lag_behind_the_jwt_are_corrected(acme: Site, user: dict[str, Any]) -> None:
    acme.run("user", **user)
    old = acme.text("u.creds")
    acme.run("user", **user, tags=["a"])
    acme.write("u.creds", old, 0o600)
    result = acme.run("user", **user, tags=["a"])
    assert (result["changed"], result["reasons"]) == (True, [])
    assert decorated.find_token(acme.text("u.creds")) == acme.text("u.jwt")


def test_user_of_which_only_the_public_key_is_here_gets_a_jwt_and_no_creds(acme: Site, user: dict[str, Any]) -> None:
    del user["key_path"]
    user["public_key"] = nkey.create("user").public_key
    message = acme.refuse("user", **user)
    assert message == "creds_path needs the user's seed, from key_path or key_seed: a creds file holds it."
    del user["creds_path"]
    assert acme.run("user", **user)["public_key"] == user["public_key"]
    acme.keep("user", **user)


def test_user_by_content_leaves_no_seed_but_in_the_creds(acme: Site, user: dict[str, Any]) -> None:
    del user["key_path"]
    pair = nkey.create("user")
    user["key_seed"] = pair.seed
    user["account_jwt"] = acme.text(pathlib.Path(user.pop("account_jwt_path")).name)
    user["signer_seed"] = acme.text(pathlib.Path(user.pop("signer_path")).name)
    before = set(acme.folder.iterdir())
    acme.run("user", **user)
    assert {path.name for path in set(acme.folder.iterdir()) - before} == {"u.jwt", "u.creds"}
    acme.keep("user", **user)


def test_modes_of_jwt_and_creds_are_repaired_without_signing_again(acme: Site, user: dict[str, Any]) -> None:
    acme.run("user", **user)
    before = acme.text("u.jwt"), acme.text("u.creds")
    for name in ("u.nk", "u.jwt", "u.creds"):
        (acme.folder / name).chmod(0o666)
    result = acme.run("user", **user)
    assert (result["changed"], result["reasons"]) == (True, [])
    assert (acme.text("u.jwt"), acme.text("u.creds")) == before
    assert [acme.mode(name) for name in ("u.nk", "u.jwt", "u.creds")] == ["0600", "0644", "0600"]
    acme.run("user", **user, mode="0640", creds_mode="0400")
    assert [acme.mode(name) for name in ("u.nk", "u.jwt", "u.creds")] == ["0600", "0640", "0400"]


def test_backups_are_kept_of_jwt_and_creds(acme: Site, user: dict[str, Any]) -> None:
    acme.run("user", **user)
    result = acme.run("user", **user, tags=["a"], backup=True)
    assert len(result["backup_files"]) == 2
    modes = {
        pathlib.Path(path).name.split(".")[1]: pathlib.Path(path).stat().st_mode & 0o777
        for path in result["backup_files"]
    }
    assert modes == {"jwt": 0o644, "creds": 0o600}


def test_bearer_has_a_secret_jwt(acme: Site, user: dict[str, Any]) -> None:
    user["bearer_token"] = True
    result = acme.run("user", **user)
    assert result["jwt"] is None
    assert acme.mode("u.jwt") == "0600"
    assert acme.text("u.jwt") not in str(result)
    assert result["claims"]["bearer_token"] is True
    assert acme.keep("user", **user)["jwt"] is None


def test_bearer_that_turns_into_a_common_user_and_back(acme: Site, user: dict[str, Any]) -> None:
    acme.run("user", **user)
    assert acme.run("user", **user, bearer_token=True)["reasons"] == ["bearer_token: false -> true"]
    assert acme.mode("u.jwt") == "0600"
    acme.run("user", **user)
    assert acme.mode("u.jwt") == "0644"


def test_absent_removes_jwt_and_creds_and_leaves_the_seed(acme: Site, user: dict[str, Any]) -> None:
    acme.run("user", **user)
    gone = {"jwt_path": acme / "u.jwt", "creds_path": acme / "u.creds", "state": "absent"}
    result = acme.run("user", **gone, backup=True)
    assert result["changed"]
    assert len(result["backup_files"]) == 2
    assert result["public_key"] == acme.key("u.nk").public_key
    assert not (acme.folder / "u.jwt").exists()
    assert not (acme.folder / "u.creds").exists()
    acme.keep("user", **gone)


def test_absent_removes_neither_when_one_is_something_else(acme: Site, user: dict[str, Any]) -> None:
    acme.run("user", **user)
    acme.write("u.creds", "my notes")
    message = acme.refuse("user", jwt_path=acme / "u.jwt", creds_path=acme / "u.creds", state="absent")
    assert "u.creds is left unchanged" in message


# ---- the user's account


def test_account_key_signs_without_naming_an_account(acme: Site, user: dict[str, Any]) -> None:
    acme.run("operator", name="ACME", key_path=acme / "acme.nk", jwt_path=acme / "acme.jwt")
    result = acme.run("user", **dict(user, signer_path=acme / "app.nk"))
    claims = acme.claims("u.jwt")
    assert (claims.issuer, claims.body.issuer_account) == (acme.key("app.nk").public_key, "")
    assert result["issuer_account"] == acme.key("app.nk").public_key


def test_strict_operator_refuses_the_accounts_identity_key(acme: Site, user: dict[str, Any]) -> None:
    message = acme.refuse("user", **dict(user, signer_path=acme / "app.nk"))
    assert message == (
        "The signer is the identity key of the account APP, and the operator is strict (strict_signing_key_usage): "
        f"sign with a signing key, {acme.key('app-signing.nk').public_key}."
    )


def test_account_by_public_key_where_its_jwt_is_elsewhere(acme: Site, user: dict[str, Any]) -> None:
    del user["account_jwt_path"]
    result = acme.run("user", **user, account=acme.key("app.nk").public_key)
    assert acme.claims("u.jwt").body.issuer_account == result["issuer_account"] == acme.key("app.nk").public_key


def test_foreign_key_does_not_sign(acme: Site, user: dict[str, Any]) -> None:
    foreign = acme.make_key("foreign.nk", "account")
    message = acme.refuse("user", **dict(user, signer_path=acme / "foreign.nk"))
    assert message.startswith(f"The signer {foreign.public_key} is not a key of the account APP; sign with ")


def test_user_of_a_scope_has_no_permissions_of_its_own(acme: Site, user: dict[str, Any]) -> None:
    user["signer_path"] = acme / "app-reader.nk"
    result = acme.run("user", **user, signing_key_role="reader", tags=["a"])
    body = acme.claims("u.jwt").body
    assert body.is_scoped
    assert result["role"] == "reader"
    assert body.issuer_account == acme.key("app.nk").public_key
    assert result["diff"]["after"]["scoped"] is True
    acme.keep("user", **user, tags=["a"])


@pytest.mark.parametrize(
    "own",
    [
        {"permissions": {"publish": {"allow": ["a"]}}},
        {"limits": {"payload": 5}},
        {"source_networks": ["10.0.0.0/8"]},
        {"bearer_token": True},
    ],
)
def test_scope_with_permissions_of_the_user_is_refused(acme: Site, user: dict[str, Any], own: dict[str, Any]) -> None:
    message = acme.refuse("user", **dict(user, signer_path=acme / "app-reader.nk"), **own)
    assert message == (
        f"{next(iter(own))}: the key that signs has a scope, so its users have no permissions or limits of their own: "
        "remove this, or sign with a key without a scope."
    )


def test_signing_key_is_found_by_its_role(acme: Site, user: dict[str, Any]) -> None:
    for name in ("app.nk", "app-signing.nk", "app-reader.nk"):
        acme.write(f"keys/{acme.key(name).public_key}.nk", acme.text(name))
    user["signer_path"] = acme / "keys"
    assert acme.run("user", **user, signing_key_role="reader")["role"] == "reader"
    assert acme.claims("u.jwt").issuer == acme.key("app-reader.nk").public_key
    result = acme.run("user", **user)
    assert acme.claims("u.jwt").issuer == acme.key("app-signing.nk").public_key
    assert "permissions and limits: those of a scope -> its own" in result["reasons"]


def test_role_that_does_not_exist_is_refused(acme: Site, user: dict[str, Any]) -> None:
    message = acme.refuse("user", **user, signing_key_role="writer")
    assert message == "signing_key_role: the account APP has no signing key with the role writer; its roles are reader."


def test_signer_of_another_role_is_refused(acme: Site, user: dict[str, Any]) -> None:
    message = acme.refuse("user", **user, signing_key_role="reader")
    assert (
        f"The signer {acme.key('app-signing.nk').public_key} is not a key of the role reader of the account APP"
        in message
    )


def test_role_needs_the_accounts_jwt(acme: Site, user: dict[str, Any]) -> None:
    del user["account_jwt_path"]
    message = acme.refuse("user", **user, signing_key_role="reader")
    assert message == "signing_key_role needs account_jwt_path or account_jwt: the roles are in the account's JWT."


def test_bearer_of_a_scope_has_a_secret_jwt_too(acme: Site, user: dict[str, Any]) -> None:
    change_account(
        acme, signing_keys=[{"path": acme / "app-reader.nk", "role": "reader", "template": {"bearer_token": True}}]
    )
    user["signer_path"] = acme / "app-reader.nk"
    assert acme.run("user", **user)["jwt"] is None
    assert acme.mode("u.jwt") == "0600"


def test_account_that_disallows_bearers_has_none(acme: Site, user: dict[str, Any]) -> None:
    change_account(acme, limits={"disallow_bearer": True})
    message = acme.refuse("user", **user, bearer_token=True)
    assert message == "bearer_token: is set, and the account APP disallows it; unset one."


def test_user_is_issued_after_its_revocation(acme: Site, user: dict[str, Any]) -> None:
    acme.run("user", **user)
    public_key, at = acme.key("u.nk").public_key, int(time.time()) + 3600
    change_account(acme, revocations={public_key: at})
    result = acme.run("user", **user)
    (reason,) = result["reasons"]
    assert reason.startswith("revoked: it was issued at ")
    assert acme.claims("u.jwt").issued_at == at + 1
    acme.keep("user", **user)
    change_account(acme, revocations={"*": at + 10})
    acme.run("user", **user)
    assert acme.claims("u.jwt").issued_at == at + 11


def test_renewal_window_triggers_exactly_once_and_renews_the_creds(acme: Site, user: dict[str, Any]) -> None:
    user.update(expires_in="90d", renew_before="14d")
    pair = acme.make_key("u.nk", "user")
    account = acme.key("app.nk").public_key
    acme.make_jwt(
        "u.jwt",
        "user",
        pair.public_key,
        acme.key("app-signing.nk"),
        {"issuer_account": account},
        age=80 * DAY,
        expires_in=90 * DAY,
        name="u",
    )
    del user["creds_path"]
    reasons = acme.run("user", **user, creds_path=acme / "u.creds")["reasons"]
    assert reasons == ["expires in 10d, renewal window 14d"]
    assert acme.claims("u.creds").expires > time.time() + 89 * DAY
    acme.keep("user", **user, creds_path=acme / "u.creds")


def test_check_mode_passes_over_an_account_that_an_earlier_task_would_make(site: Site) -> None:
    result = site.check(
        "user",
        name="u",
        key_path=site / "u.nk",
        creds_path=site / "u.creds",
        account_jwt_path=site / "app.jwt",
        signer_path=site / "app-reader.nk",
        signing_key_role="reader",
    )
    assert result["changed"]
    assert result["diff"]["after"]["scoped"] is True


def test_check_mode_warns_of_a_role_or_an_export_that_an_earlier_task_may_add(
    acme: Site, user: dict[str, Any], activation: dict[str, Any]
) -> None:
    result = acme.check("user", **user, signing_key_role="writer")
    assert result["changed"]
    assert result["diff"]["after"]["scoped"] is True
    assert "has no signing key with the role writer" in json.dumps(result["warnings"])
    result = acme.check("activation", **dict(activation, import_subject="orders.delete"))
    assert result["changed"]
    assert "exports no service orders.delete" in json.dumps(result["warnings"])


# ---- activations


def test_activation_is_created_and_then_kept(acme: Site, activation: dict[str, Any]) -> None:
    result = acme.run("activation", **activation, name="Orders for PARTNER", expires_in="90d", tags=["T"])
    claims = acme.claims("orders.jwt")
    assert result["jwt"] == result["token"] == acme.text("orders.jwt")
    assert result["public_key"] == claims.subject == activation["importer"]
    assert result["issuer_account"] == claims.body.issuer_account == acme.key("app.nk").public_key
    assert (claims.body.import_subject, claims.body.import_type) == ("orders.create", "service")
    assert len(result["hash_id"]) == 56
    assert acme.mode("orders.jwt") == "0644"
    kept = acme.keep("activation", **activation, name="Orders for PARTNER", expires_in="90d", tags=["t"])
    assert kept["hash_id"] == result["hash_id"]


def test_token_of_an_activation_is_what_an_import_takes(acme: Site, activation: dict[str, Any]) -> None:
    issued = acme.run("activation", **activation)["token"]
    options = {
        "name": "PARTNER",
        "key_path": acme / "partner.nk",
        "jwt_path": acme / "partner.jwt",
        "signer_path": acme / "acme-signing.nk",
        "imports": [
            {"subject": "orders.create", "type": "service", "account": acme.key("app.nk").public_key, "token": issued}
        ],
    }
    acme.run("account", **options)
    assert acme.claims("partner.jwt").body.imports[0].token == issued
    acme.keep("account", **options)


def test_activation_without_such_an_export_is_refused(acme: Site, activation: dict[str, Any]) -> None:
    message = acme.refuse("activation", **dict(activation, import_subject="orders.delete"))
    assert message == "The account APP exports no service orders.delete; it exports orders.create."
    message = acme.refuse("activation", **dict(activation, import_type="stream"))
    assert message == "The account APP exports no stream orders.create; it exports prices.>."


def test_activation_of_a_part_of_an_export_is_allowed(acme: Site, activation: dict[str, Any]) -> None:
    change_account(acme, exports=[{"subject": "orders.*", "type": "service", "token_required": True}])
    acme.run("activation", **activation)


def test_activation_of_a_public_export_is_warned_of(acme: Site, activation: dict[str, Any]) -> None:
    activation.update(import_subject="prices.eu", import_type="stream")
    warnings = acme.run("activation", **activation)["warnings"]
    assert any("importing it requires no activation token" in str(warning) for warning in warnings)


def test_changed_activation_says_why(acme: Site, activation: dict[str, Any]) -> None:
    acme.run("activation", **activation)
    change_account(acme, exports=[{"subject": "orders.>", "type": "service", "token_required": True}])
    result = acme.run("activation", **dict(activation, import_subject="orders.>"))
    assert result["reasons"] == ["import_subject: orders.create -> orders.>"]


def test_revoked_activation_is_issued_after_the_revocation(acme: Site, activation: dict[str, Any]) -> None:
    acme.run("activation", **activation)
    at = int(time.time()) + 3600
    export = {"subject": "orders.create", "type": "service", "token_required": True}
    change_account(acme, exports=[dict(export, revocations={activation["importer"]: at})])
    result = acme.run("activation", **activation)
    assert result["reasons"][0].startswith("revoked: ")
    assert acme.claims("orders.jwt").issued_at == at + 1
    acme.keep("activation", **activation)


def test_activation_without_the_accounts_jwt(acme: Site, activation: dict[str, Any]) -> None:
    del activation["account_jwt_path"]
    result = acme.run("activation", **activation, account=acme.key("app.nk").public_key)
    assert result["issuer_account"] == acme.key("app.nk").public_key


def test_mode_drift_of_an_activation_is_repaired(acme: Site, activation: dict[str, Any]) -> None:
    jwt = acme.run("activation", **activation)["jwt"]
    (acme.folder / "orders.jwt").chmod(0o600)
    result = acme.run("activation", **activation)
    assert (result["changed"], result["reasons"], result["jwt"]) == (True, [], jwt)


def test_absent_removes_an_activation_and_nothing_else(acme: Site, activation: dict[str, Any]) -> None:
    acme.run("activation", **activation)
    acme.run("activation", jwt_path=acme / "orders.jwt", state="absent")
    assert not (acme.folder / "orders.jwt").exists()
    acme.keep("activation", jwt_path=acme / "orders.jwt", state="absent")
    assert "expected one of an activation" in acme.refuse("activation", jwt_path=acme / "app.jwt", state="absent")
