# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""nats_operator and nats_account: JWTs are created, corrected, renewed and removed, and which keys sign them."""

from __future__ import annotations

import base64
import json
import os
import pathlib
import shutil
import time
from typing import TYPE_CHECKING, Any

import pytest

from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.token import codec, decorated

if TYPE_CHECKING:
    from support.sites import Site

DAY = 86400


@pytest.fixture
def app(acme: Site) -> dict[str, Any]:
    """The options of a task that changes nothing in the account APP."""
    return {
        "name": "APP",
        "key_path": acme / "app.nk",
        "jwt_path": acme / "app.jwt",
        "operator_jwt_path": acme / "acme.jwt",
        "signer_path": acme / "acme-signing.nk",
        "exports": [
            {"subject": "prices.>", "type": "stream"},
            {"subject": "orders.create", "type": "service", "token_required": True},
        ],
        "signing_keys": [
            {"path": acme / "app-signing.nk"},
            {
                "path": acme / "app-reader.nk",
                "role": "reader",
                "template": {"permissions": {"subscribe": {"allow": ["a"]}}},
            },
        ],
    }


# ---- operators


def test_operator_is_created_and_then_kept(site: Site) -> None:
    options = {
        "name": "ACME",
        "key_path": site / "acme.nk",
        "jwt_path": site / "acme.jwt",
        "signing_keys": [{"path": site / "signing.nk"}],
        "strict_signing_key_usage": True,
        "operator_service_urls": ["nats://localhost:4222"],
        "tags": ["Production", "eu"],
        "expires_in": "365d",
        "renew_before": "60d",
    }
    result = site.run("operator", **options)
    claims = site.claims("acme.jwt")
    assert result["reasons"] == ["there is no token yet"]
    assert result["diff"]["before"] == {}
    assert result["diff"]["after"] == {
        "name": "ACME",
        "subject": f"(a new operator key: in {site / 'acme.nk'})",
        "signing_keys": [f"(a new operator key: in {site / 'signing.nk'})"],
        "strict_signing_key_usage": True,
        "operator_service_urls": ["nats://localhost:4222"],
        "tags": ["eu", "production"],
        "expires": "365d after issue",
    }
    assert result["public_key"] == claims.subject == claims.issuer == site.key("acme.nk").public_key
    assert result["signing_keys"] == claims.body.signing_keys == [site.key("signing.nk").public_key]
    assert result["jwt"] == site.text("acme.jwt")
    assert result["claims"]["tags"] == ["eu", "production"]
    assert result["claims"]["expires"].endswith("Z")
    assert [site.mode(name) for name in ("acme.nk", "signing.nk", "acme.jwt")] == ["0600", "0600", "0644"]
    kept = site.keep("operator", **options)
    assert kept["jwt"] == result["jwt"]


def test_jwt_file_holds_the_token_alone(site: Site) -> None:
    site.run("operator", name="ACME", key_path=site / "acme.nk", jwt_path=site / "acme.jwt")
    assert site.text("acme.jwt").count(".") == 2
    assert not site.text("acme.jwt").endswith("\n")


def test_operator_signing_keys_stay_when_omitted_and_go_when_named(acme: Site) -> None:
    signing = acme.key("acme-signing.nk").public_key
    options = {"name": "ACME", "key_path": acme / "acme.nk", "jwt_path": acme / "acme.jwt"}
    assert acme.keep("operator", **options, strict_signing_key_usage=True)["signing_keys"] == [signing]
    result = acme.run("operator", **options, remove_signing_keys=[signing])
    assert sorted(result["reasons"]) == [f"signing_keys: removed {signing}", "strict_signing_key_usage: true -> false"]
    assert result["signing_keys"] == []
    assert (acme.folder / "acme-signing.nk").exists()


def test_strict_operator_keeps_a_signing_key(acme: Site) -> None:
    options = {
        "name": "ACME",
        "key_path": acme / "acme.nk",
        "jwt_path": acme / "acme.jwt",
        "strict_signing_key_usage": True,
    }
    message = acme.refuse("operator", **options, remove_signing_keys=[acme.key("acme-signing.nk").public_key])
    assert "strict_signing_key_usage leaves no key that servers trust" in message


def test_operator_may_be_signed_by_a_signing_key_of_its_own(acme: Site) -> None:
    options = {
        "name": "ACME",
        "key_path": acme / "acme.nk",
        "jwt_path": acme / "acme.jwt",
        "strict_signing_key_usage": True,
    }
    result = acme.run("operator", **options, signer_path=acme / "acme-signing.nk")
    identity, signing = acme.key("acme.nk").public_key, acme.key("acme-signing.nk").public_key
    assert result["reasons"] == [f"issuer: {identity} -> {signing}"]
    foreign = acme.make_key("foreign.nk", "operator")
    message = acme.refuse("operator", **options, signer_path=acme / "foreign.nk")
    assert message.startswith(f"The signer {foreign.public_key} is not a key of the operator; sign with {identity} or ")


def test_operator_of_which_only_the_public_key_is_here_is_signed_by_a_signing_key(acme: Site) -> None:
    acme_key = acme.key("acme.nk").public_key
    (acme.folder / "acme.nk").unlink()
    result = acme.run(
        "operator",
        name="ACME",
        public_key=acme_key,
        jwt_path=acme / "acme.jwt",
        strict_signing_key_usage=True,
        account_server_url="https://example.com/jwt/v1",
        signer_path=acme / "acme-signing.nk",
    )
    assert "account_server_url: none -> https://example.com/jwt/v1" in result["reasons"]


def test_public_key_alone_does_not_sign(acme: Site) -> None:
    message = acme.refuse(
        "operator", name="ACME", public_key=acme.key("acme.nk").public_key, jwt_path=acme / "acme.jwt", tags=["a"]
    )
    assert "of which only the public key is available" in message
    assert "signer_path" in message


# ---- accounts


def test_account_is_created_with_every_kind_of_claim_and_then_kept(acme: Site) -> None:
    exporter = acme.core.nkey.create("account").public_key
    user, curve = acme.core.nkey.create("user").public_key, acme.core.nkey.create("curve").public_key
    options = {
        "name": "PARTNER",
        "key_path": acme / "partner.nk",
        "jwt_path": acme / "partner.jwt",
        "operator_jwt_path": acme / "acme.jwt",
        "signer_path": acme / "acme-signing.nk",
        "limits": {
            "connections": 100,
            "leaf_nodes": "unlimited",
            "payload": "1MiB",
            "imports": 10,
            "disallow_bearer": True,
            "jetstream": {"disk_storage": "10GiB", "memory_storage": 512, "streams": 5},
        },
        "exports": [
            {
                "name": "Prices",
                "subject": "prices.*",
                "type": "service",
                "response_type": "Singleton",
                "response_threshold": "2s",
                "latency": {"sampling": "headers", "results": "latency.prices"},
                "advertise": True,
                "allow_trace": True,
                "account_token_position": 2,
            }
        ],
        "imports": [
            {
                "subject": "orders.*",
                "account": exporter,
                "type": "stream",
                "local_subject": "in.$1",
                "allow_trace": True,
            }
        ],
        "mappings": {"a": [{"subject": "b", "weight": 60}, {"subject": "c", "weight": 40}]},
        "default_permissions": {"publish": {"deny": ["secret.>"]}, "response": {"max_messages": 5, "expires": "1m"}},
        "authorization": {"auth_users": [user], "allowed_accounts": ["*"], "xkey": curve},
        "trace": {"destination": "trace.here", "sampling": 50},
        "cluster_traffic": "owner",
        "description": "An account",
        "info_url": "https://example.com/partner",
        "tags": ["A", "b"],
        "audience": "somebody",
        "not_before": "2020-01-01T00:00:00Z",
        "expires_at": "2100-01-01T00:00:00Z",
        "signing_keys": [
            {"path": acme / "partner-signing.nk"},
            {
                "path": acme / "partner-role.nk",
                "role": "role",
                "description": "What it is for",
                "template": {"limits": {"payload": "64KiB"}, "allowed_connection_types": ["WEBSOCKET"]},
            },
        ],
        "revocations": {user: "2024-01-01"},
    }
    result = acme.run("account", **options)
    assert result["reasons"] == ["there is no token yet"]
    body = acme.claims("partner.jwt").body
    assert (body.limits.connections, body.limits.payload, body.limits.jetstream.disk_storage) == (
        100,
        1 << 20,
        10 << 30,
    )
    assert body.exports[0].latency.sampling == 0
    assert {key.role: key.template is not None for key in body.signing_keys} == {"": False, "role": True}
    told = {item["role"]: item["scoped"] for item in result["signing_keys"]}
    assert told == {"": False, "role": True}
    kept = acme.keep("account", **options)
    assert kept["claims"] == result["claims"]


def test_account_as_it_is_needs_no_change(acme: Site, app: dict[str, Any]) -> None:
    assert acme.keep("account", **app)["jwt"] == acme.text("app.jwt")


def test_reasons_say_what_changed_in_words_of_the_options(acme: Site, app: dict[str, Any]) -> None:
    app["limits"] = {"connections": 10}
    acme.run("account", **app)
    app.update(name="SHOP", limits={"connections": 20, "payload": "1MiB"}, tags=["new"], description="Shop")
    app["exports"] = [app["exports"][0], {"subject": "orders.*", "type": "service"}]
    result = acme.run("account", **app)
    assert sorted(result["reasons"]) == [
        "description: none -> Shop",
        "exports[service orders.*]: added",
        "exports[service orders.create]: removed",
        "limits.connections: 10 -> 20",
        "limits.payload: unlimited -> 1048576",
        "name: APP -> SHOP",
        "tags: added new",
    ]
    before, after = result["diff"]["before"], result["diff"]["after"]
    assert (before["limits"], after["limits"]) == ({"connections": 10}, {"connections": 20, "payload": 1 << 20})


def test_change_says_the_same_diff_in_check_mode_also_with_a_new_key(acme: Site, app: dict[str, Any]) -> None:
    app["signing_keys"].append({"path": acme / "new.nk"})
    result = acme.run("account", **app)  # run() compares check mode with the real run
    words = f"(a new account key: in {acme / 'new.nk'})"
    assert words in str(result["diff"]["after"]["signing_keys"])
    assert result["reasons"] == [f"signing_keys[{acme.key('new.nk').public_key}]: added"]
    assert words not in str(result["claims"])
    assert acme.key("new.nk").public_key in str(result["claims"])


def test_new_token_is_younger_than_the_one_it_replaces(acme: Site, app: dict[str, Any]) -> None:
    issued = [acme.claims("app.jwt").issued_at]
    for connections in (1, 2, 3):
        acme.start("account", dict(app, limits={"connections": connections}))
        issued.append(acme.claims("app.jwt").issued_at)
    assert issued == sorted(set(issued))


def test_order_spelling_and_tag_case_are_no_change(acme: Site, app: dict[str, Any]) -> None:
    app["tags"] = ["One", "two"]
    app["limits"] = {"payload": "1KiB", "jetstream": {"disk_storage": "1GiB", "streams": -1}}
    acme.run("account", **app)
    app["tags"] = ["TWO", "one"]
    app["limits"] = {"payload": 1024, "jetstream": {"disk_storage": 1 << 30, "streams": "unlimited"}}
    app["exports"].reverse()
    app["signing_keys"].reverse()
    acme.keep("account", **app)
    assert acme.claims("app.jwt").body.tags == ["one", "two"]


@pytest.mark.parametrize("written", ["with a line end", "decorated"])
def test_token_that_other_tools_wrote_is_left_as_it_is(acme: Site, app: dict[str, Any], written: str) -> None:
    jwt = acme.text("app.jwt")
    acme.write("app.jwt", jwt + "\n" if written == "with a line end" else decorated.decorate_token(jwt))
    assert acme.keep("account", **app)["jwt"] == jwt


def test_force_issues_anew(acme: Site, app: dict[str, Any]) -> None:
    result = acme.run("account", **app, force=True)
    assert result["reasons"] == ["force is set"]
    assert result["diff"]["before"] == result["diff"]["after"]


def test_module_defaults_do_not_turn_an_omission_into_a_change(acme: Site, app: dict[str, Any]) -> None:
    acme.keep("account", **app, limits={}, imports=[], mappings={}, tags=[], revocations={}, description="")


# ---- files


def test_mode_drift_is_repaired_without_signing_again(acme: Site, app: dict[str, Any]) -> None:
    old = acme.text("app.jwt")
    (acme.folder / "app.jwt").chmod(0o600)
    (acme.folder / "app.nk").chmod(0o644)
    result = acme.run("account", **app)
    assert (result["changed"], result["reasons"]) == (True, [])
    assert (acme.mode("app.jwt"), acme.mode("app.nk"), acme.text("app.jwt")) == ("0644", "0600", old)
    acme.keep("account", **app)


def test_given_mode_is_that_of_the_jwt_and_not_of_the_seeds(acme: Site, app: dict[str, Any]) -> None:
    old = acme.text("app.jwt")
    assert acme.run("account", **app, mode="0640")["changed"]
    assert (acme.mode("app.jwt"), acme.mode("app.nk"), acme.text("app.jwt")) == ("0640", "0600", old)
    acme.keep("account", **app, mode="u=rw,g=r,o=")
    acme.run("account", **app, mode="0640", force=True)
    assert acme.mode("app.jwt") == "0640"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_owner_drift_is_repaired_without_signing_again(acme: Site, app: dict[str, Any]) -> None:
    old = acme.text("app.jwt")
    app.update(owner="nobody", group="nogroup")
    assert acme.run("account", **app)["reasons"] == []
    status = (acme.folder / "app.jwt").stat()
    assert (status.st_uid, status.st_gid, acme.text("app.jwt")) == (65534, 65534, old)
    acme.keep("account", **app)
    os.chown(acme / "app.jwt", 0, 0)
    result = acme.run("account", **app)
    assert (result["changed"], result["reasons"], (acme.folder / "app.jwt").owner()) == (True, [], "nobody")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_owner_stays_when_a_token_is_issued_anew(acme: Site, app: dict[str, Any]) -> None:
    os.chown(acme / "app.jwt", 65534, 65534)
    acme.run("account", **app, force=True)
    assert (acme.folder / "app.jwt").owner() == "nobody"


def test_backup_keeps_what_was_replaced(acme: Site, app: dict[str, Any]) -> None:
    old = acme.text("app.jwt")
    result = acme.run("account", **app, tags=["a"], backup=True)
    (backup,) = result["backup_files"]
    assert pathlib.Path(backup).read_text() == old
    assert "backup_files" not in acme.keep("account", **app, tags=["a"], backup=True)


def test_absent_removes_the_jwt_and_leaves_the_seeds(acme: Site) -> None:
    result = acme.run("account", jwt_path=acme / "app.jwt", state="absent", backup=True)
    assert result["reasons"] == ["its state is absent"]
    assert result["diff"]["before"]["name"] == "APP"
    assert result["diff"]["after"] == {}
    assert result["public_key"] == acme.key("app.nk").public_key
    assert len(result["backup_files"]) == 1
    assert not (acme.folder / "app.jwt").exists()
    acme.keep("account", jwt_path=acme / "app.jwt", state="absent")


def test_absent_leaves_anything_else_alone(acme: Site) -> None:
    acme.write("notes", "my notes\n")
    assert "is left unchanged" in acme.refuse("account", jwt_path=acme / "notes", state="absent")
    assert acme.refuse("account", jwt_path=acme / "acme.jwt", state="absent") == (
        f"jwt_path {acme / 'acme.jwt'} holds the JWT of an operator (ACME), expected one of an account."
    )


def test_jwt_about_another_account_is_left_alone(acme: Site, app: dict[str, Any]) -> None:
    other = acme.make_key("other.nk", "account")
    message = acme.refuse("account", **dict(app, key_path=acme / "other.nk"))
    assert message == (
        f"The subject of the existing token is {acme.key('app.nk').public_key}, expected {other.public_key}: "
        "it is left unchanged. To replace its key, remove it first (state: absent)."
    )


# ---- keys


def test_missing_keys_are_created_and_never_replaced(acme: Site) -> None:
    options = {
        "name": "NEW",
        "key_path": acme / "new.nk",
        "jwt_path": acme / "new.jwt",
        "signer_path": acme / "acme-signing.nk",
        "signing_keys": [{"path": acme / "new-signing.nk"}],
    }
    acme.run("account", **options)
    seeds = acme.text("new.nk"), acme.text("new-signing.nk")
    acme.run("account", **options, tags=["a"], force=True)
    assert (acme.text("new.nk"), acme.text("new-signing.nk")) == seeds


def test_signer_that_is_missing_is_not_made(acme: Site, app: dict[str, Any]) -> None:
    message = acme.refuse("account", **dict(app, signer_path=acme / "none.nk"))
    assert message == f"signer_path: there is no file {acme / 'none.nk'}."


def test_keys_by_content_and_by_public_key(acme: Site) -> None:
    account, signing = nkey.create("account"), acme.core.nkey.create("account")
    options = {
        "name": "VAULT",
        "jwt_path": acme / "vault.jwt",
        "operator_jwt": acme.text("acme.jwt") + "\n",
        "signer_seed": acme.text("acme-signing.nk"),
        "signing_keys": [{"public_key": signing.public_key}],
    }
    files_before = set(acme.folder.iterdir())
    result = acme.run("account", **options, key_seed=account.seed)
    assert result["public_key"] == account.public_key
    assert set(acme.folder.iterdir()) - files_before == {acme.folder / "vault.jwt"}
    assert acme.keep("account", **options, public_key=account.public_key)["jwt"] == result["jwt"]


def test_signing_keys_stay_when_omitted_and_go_when_named(acme: Site, app: dict[str, Any]) -> None:
    reader = acme.key("app-reader.nk").public_key
    rest = {name: value for name, value in app.items() if name != "signing_keys"}
    acme.keep("account", **rest)
    result = acme.run("account", **rest, remove_signing_keys=[reader])
    assert result["reasons"] == [f"signing_keys[{reader}]: removed"]
    assert [item["public_key"] for item in result["signing_keys"]] == [acme.key("app-signing.nk").public_key]


def test_template_that_changes_is_corrected(acme: Site, app: dict[str, Any]) -> None:
    reader = acme.key("app-reader.nk").public_key
    app["signing_keys"][1]["template"]["permissions"]["subscribe"]["allow"] = ["a", "b"]
    result = acme.run("account", **app)
    assert result["reasons"] == [f"signing_keys[{reader}].template.permissions.subscribe.allow: added b"]


# ---- signers


def test_signer_is_found_in_a_folder_flat_or_as_nsc_lays_it_out(acme: Site, app: dict[str, Any]) -> None:
    signing = acme.key("acme-signing.nk")
    acme.write(f"flat/{signing.public_key}.nk", signing.seed)
    acme.write(f"nsc/keys/O/{signing.public_key[1:3]}/{signing.public_key}.nk", signing.seed)
    for number, folder in enumerate(("flat", "nsc")):
        acme.run("account", **dict(app, signer_path=acme / folder, tags=[str(number)]))
        assert acme.claims("app.jwt").issuer == signing.public_key


def test_folder_without_a_key_that_may_sign_is_refused(acme: Site, app: dict[str, Any]) -> None:
    identity = acme.key("acme.nk")
    acme.write(f"keys/{identity.public_key}.nk", identity.seed)
    message = acme.refuse("account", **dict(app, signer_path=acme / "keys", tags=["new"]))
    assert message.startswith(
        "It has to be signed, and the seed of none of the allowed keys is available "
        f"({acme / 'keys'}): {acme.key('acme-signing.nk').public_key}."
    )


def test_folder_says_nothing_without_the_operators_jwt(acme: Site, app: dict[str, Any]) -> None:
    del app["operator_jwt_path"]
    message = acme.refuse("account", **dict(app, signer_path=str(acme.folder)))
    assert message.startswith(
        f"signer_path: {acme.folder} is a folder, so the JWT with the keys that may sign is required."
    )


def test_strict_operator_refuses_its_identity_key(acme: Site, app: dict[str, Any]) -> None:
    message = acme.refuse("account", **dict(app, signer_path=acme / "acme.nk"))
    assert message == (
        "The signer is the identity key of the operator ACME, and the operator is strict (strict_signing_key_usage): sign with a signing key, "
        f"{acme.key('acme-signing.nk').public_key}."
    )


def test_operator_that_is_not_strict_takes_its_identity_key(acme: Site, app: dict[str, Any]) -> None:
    acme.run("operator", name="ACME", key_path=acme / "acme.nk", jwt_path=acme / "acme.jwt")
    result = acme.run("account", **dict(app, signer_path=acme / "acme.nk"))
    assert result["reasons"] == [
        f"issuer: {acme.key('acme-signing.nk').public_key} -> {acme.key('acme.nk').public_key}"
    ]


def test_signer_that_the_operator_does_not_allow_is_refused(acme: Site, app: dict[str, Any]) -> None:
    foreign = acme.make_key("foreign.nk", "operator")
    message = acme.refuse("account", **dict(app, signer_path=acme / "foreign.nk"))
    assert message == (
        f"The signer {foreign.public_key} is not a key of the operator ACME; sign with {acme.key('acme-signing.nk').public_key}."
    )


def test_account_is_not_signed_by_a_user_key(acme: Site, app: dict[str, Any]) -> None:
    user = acme.make_key("u.nk", "user")
    message = acme.refuse("account", **dict(app, signer_path=acme / "u.nk"))
    assert message.startswith(f"The signer {user.public_key} is not a key of the operator ACME; sign with O")


def test_rotated_signing_key_is_a_reason(acme: Site, app: dict[str, Any]) -> None:
    old = acme.key("acme-signing.nk").public_key
    options = {
        "name": "ACME",
        "key_path": acme / "acme.nk",
        "jwt_path": acme / "acme.jwt",
        "strict_signing_key_usage": True,
        "signing_keys": [{"path": acme / "second.nk"}],
    }
    acme.run("operator", **options)
    result = acme.run("account", **dict(app, signer_path=acme / "second.nk"))
    assert result["reasons"] == [f"issuer: {old} -> {acme.key('second.nk').public_key}"]
    acme.run("operator", **options, remove_signing_keys=[old])
    acme.keep("account", **dict(app, signer_path=acme / "second.nk"))


def test_jwt_of_a_signing_key_that_is_gone_is_replaced_only_when_the_task_says_so(
    acme: Site, app: dict[str, Any]
) -> None:
    """Nothing proves that the key belonged to the operator, so nothing is kept from the JWT that it signed."""
    old, user = acme.key("acme-signing.nk").public_key, acme.core.nkey.create("user").public_key
    acme.run("account", **app, revocations={user: "2026-01-31T12:00:00Z"})
    options = {"name": "ACME", "key_path": acme / "acme.nk", "jwt_path": acme / "acme.jwt"}
    acme.run("operator", **options, signing_keys=[{"path": acme / "second.nk"}], remove_signing_keys=[old])
    changed = dict(app, signer_path=acme / "second.nk")
    message = acme.refuse("account", **changed)
    assert message.startswith(f"jwt_path: {acme / 'app.jwt'} is left unchanged: its JWT has the subject ")
    assert f"its signer is {old}, which is not a key of the operator ACME" in message
    result = acme.run("account", **changed, force=True)
    assert result["reasons"][0].startswith("force is set, and its JWT has the subject ")
    assert user in json.dumps(result["warnings"])
    assert user not in acme.claims("app.jwt").body.revocations
    acme.keep("account", **changed)


def test_check_mode_passes_over_an_operator_that_an_earlier_task_would_make(site: Site) -> None:
    result = site.check(
        "account",
        name="APP",
        key_path=site / "app.nk",
        jwt_path=site / "app.jwt",
        operator_jwt_path=site / "acme.jwt",
        signer_path=site / "signing.nk",
        signing_keys=[{"path": site / "app-signing.nk", "role": "r", "template": {}}],
    )
    assert result["changed"]
    assert result["diff"]["after"]["name"] == "APP"
    assert len(result["warnings"]) == 2


# ---- renewal


def test_expires_in_is_no_change_the_second_time_nor_later(acme: Site, app: dict[str, Any]) -> None:
    acme.run("account", **app, expires_in="90d", renew_before="14d")
    acme.keep("account", **app, expires_in="90d", renew_before="14d")
    claims = acme.claims("app.jwt")
    assert claims.expires == claims.issued_at + 90 * DAY


def test_renewal_window_triggers_exactly_once(acme: Site, app: dict[str, Any]) -> None:
    def aged(days: float) -> None:
        claims = acme.claims("app.jwt")
        claims.issued_at = int(time.time() - days * DAY)
        claims.expires = claims.issued_at + 90 * DAY
        acme.write("app.jwt", codec.encode(claims, acme.key("acme-signing.nk"), claims.issued_at))

    options = dict(app, expires_in="90d", renew_before="14d")
    aged(75)
    acme.keep("account", **options)
    aged(76.5)
    assert acme.run("account", **options)["reasons"] == ["expires in 13d12h, renewal window 14d"]
    assert acme.claims("app.jwt").expires > time.time() + 89 * DAY
    acme.keep("account", **options)
    aged(91)
    assert acme.run("account", **app, expires_in="90d")["reasons"] == ["expired 1d ago"]


def test_changed_life_is_a_reason(acme: Site, app: dict[str, Any]) -> None:
    assert acme.run("account", **app, expires_in="90d")["reasons"] == ["expires: never -> 90d after issue"]
    assert acme.run("account", **app, expires_in="30d")["reasons"] == ["expires: 90d -> 30d after issue"]
    result = acme.run("account", **app, expires_at="2100-01-01")
    assert result["reasons"][0].endswith("-> 2100-01-01T00:00:00Z")
    acme.keep("account", **app, expires_at="2100-01-01T01:00:00+01:00")
    assert acme.run("account", **app)["reasons"] == ["expires: 2100-01-01T00:00:00Z -> never"]


def test_expiry_in_the_past_is_warned_of(acme: Site, app: dict[str, Any]) -> None:
    result = acme.run("account", **app, expires_at="2024-01-01")
    assert any("in the past: no server accepts the token" in str(warning) for warning in result["warnings"])


# ---- revocations


def test_revocations_are_kept_on_omission_and_go_only_when_named(acme: Site, app: dict[str, Any]) -> None:
    first, second = nkey.create("user").public_key, nkey.create("user").public_key
    acme.run("account", **app, revocations={first: "2024-01-01", second: "2024-02-01"})
    acme.keep("account", **app)
    acme.keep("account", **app, revocations={first: "2023-01-01"})
    later = acme.run("account", **app, revocations={first: "2024-06-01T00:00:00Z"})
    assert later["reasons"] == [f"revocations[{first}]: 2024-01-01T00:00:00Z -> 2024-06-01T00:00:00Z"]
    gone = acme.run("account", **app, remove_revocations=[first])
    assert gone["reasons"] == [f"revocations[{first}]: 2024-06-01T00:00:00Z -> none"]
    assert set(acme.claims("app.jwt").body.revocations) == {second}


def test_now_is_the_time_of_the_first_task_that_says_so(acme: Site, app: dict[str, Any]) -> None:
    user = nkey.create("user").public_key
    options = dict(app, revocations={user: "now", "*": "2024-01-01"})
    before = int(time.time())
    assert acme.start("account", options)["changed"]
    at = acme.claims("app.jwt").body.revocations[user]
    assert before <= at <= time.time()
    time.sleep(1.1)
    acme.keep("account", **options)
    acme.run("account", **options, tags=["a"])
    assert acme.claims("app.jwt").body.revocations == {user: at, "*": 1704067200}


def test_revocations_of_exports_are_kept_and_removed_in_the_same_way(acme: Site, app: dict[str, Any]) -> None:
    importer = nkey.create("account").public_key
    app["exports"][1]["revocations"] = {importer: "2024-01-01"}
    acme.run("account", **app)
    del app["exports"][1]["revocations"]
    acme.keep("account", **app)
    acme.run("account", **app, remove_revocations=[importer])
    assert all(not export.revocations for export in acme.claims("app.jwt").body.exports)


# ---- newer and older versions, interrupted runs


def _signed(payload: dict[str, Any], signer: Any) -> str:
    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    text = f"{part(json.dumps({'typ': 'JWT', 'alg': 'ed25519-nkey'}).encode())}.{part(json.dumps(payload).encode())}"
    return f"{text}.{part(signer.sign(text.encode()))}"


def test_fields_of_a_newer_nats_are_kept_with_a_warning(acme: Site, app: dict[str, Any]) -> None:
    payload = codec.public_payload(acme.text("app.jwt"))
    payload["nats"]["shiny"] = {"a": 1}
    payload["nats"]["limits"]["shinier"] = 7
    acme.write("app.jwt", _signed(payload, acme.key("acme-signing.nk")))
    for task in (acme.keep("account", **app), acme.run("account", **app, tags=["a"])):
        (warning,) = [str(text) for text in task["warnings"] if "does not know" in str(text)]
        assert "nats.shiny" in warning
        assert "nats.limits.shinier" in warning
    payload = codec.public_payload(acme.text("app.jwt"))
    assert (payload["nats"]["shiny"], payload["nats"]["limits"]["shinier"]) == ({"a": 1}, 7)


def test_token_of_version_1_is_migrated(acme: Site) -> None:
    payload = {
        "jti": "X",
        "iat": 1500000000,
        "iss": acme.key("acme-signing.nk").public_key,
        "name": "APP",
        "sub": acme.key("app.nk").public_key,
        "type": "account",
        "nats": {
            "limits": {
                "subs": -1,
                "conn": 5,
                "leaf": -1,
                "imports": -1,
                "exports": -1,
                "data": -1,
                "payload": -1,
                "wildcards": True,
            }
        },
    }

    def part(data: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(data).encode()).rstrip(b"=").decode()

    body = part(payload)
    signature = base64.urlsafe_b64encode(acme.key("acme-signing.nk").sign(body.encode())).rstrip(b"=").decode()
    acme.write("app.jwt", f"{part({'typ': 'jwt', 'alg': 'ed25519'})}.{body}.{signature}")
    result = acme.run(
        "account",
        name="APP",
        key_path=acme / "app.nk",
        jwt_path=acme / "app.jwt",
        signer_path=acme / "acme-signing.nk",
        limits={"connections": 5},
    )
    assert result["reasons"] == ["the token has version 1, and tokens are issued with version 2"]
    assert codec.public_payload(acme.text("app.jwt"))["nats"]["version"] == 2


def test_an_interrupted_run_converges(acme: Site, app: dict[str, Any]) -> None:
    fresh = dict(app, key_path=acme / "x.nk", jwt_path=acme / "x.jwt", signing_keys=[{"path": acme / "y.nk"}])
    shutil.copy(acme / "app-signing.nk", acme / "y.nk")  # one key was written, then the machine went down
    acme.write(".x.nk.0011aabb.tmp", "SA")
    assert acme.run("account", **fresh)["changed"]
    acme.keep("account", **fresh)
