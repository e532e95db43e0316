# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""nats_jwt_info: the claims of a token, and whether it is valid under the JWTs above it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from ansible_collections.natsops.security.plugins.module_utils.base import units
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.token import codec, decorated

if TYPE_CHECKING:
    from support.sites import Site

DAY = 86400


@pytest.fixture
def chain(acme: Site) -> Site:
    """ACME with a user of APP that has a JWT and creds and expires in 20 days."""
    pair = acme.make_key("u.nk", "user")
    acme.make_jwt(
        "u.jwt",
        "user",
        pair.public_key,
        acme.key("app-signing.nk"),
        {"issuer_account": acme.key("app.nk").public_key, "permissions": {"publish": {"allow": ["a"]}}},
        expires_in=20 * DAY,
    )
    acme.write("u.creds", decorated.format_creds(acme.text("u.jwt"), pair), 0o600)
    return acme


def parents(site: Site) -> list[dict[str, str]]:
    return [{"jwt_path": site / "app.jwt"}, {"jwt_path": site / "acme.jwt"}]


def test_creds_are_read_and_the_seed_is_told_of_and_not_shown(chain: Site) -> None:
    result = chain.keep("jwt_info", jwt_path=chain / "u.creds")
    assert (result["type"], result["version"], result["has_seed"]) == ("user", 2, True)
    assert result["public_key"] == chain.key("u.nk").public_key
    assert result["claims"]["permissions"] == {"publish": {"allow": ["a"]}}
    assert result["payload"]["nats"]["type"] == "user"
    assert (result["valid"], result["problems"], result["issues"], result["unknown_fields"]) == (True, [], [], [])
    assert (result["verified"], result["wrong_issuer"], result["revoked"]) == (None, None, None)
    assert chain.text("u.nk").strip() not in str(result)


def test_token_is_read_plain_decorated_and_as_content(chain: Site) -> None:
    jwt = chain.text("acme.jwt")
    chain.write("decorated.jwt", decorated.decorate_token(jwt))
    chain.write("line.jwt", jwt + "\n")
    results = [
        chain.keep("jwt_info", **given)
        for given in (
            {"jwt_path": chain / "acme.jwt"},
            {"jwt_path": chain / "decorated.jwt"},
            {"jwt_path": chain / "line.jwt"},
            {"jwt": jwt},
            {"jwt": f"  {jwt}\n"},
        )
    ]
    assert all(result["claims"] == results[0]["claims"] for result in results)
    assert results[0]["has_seed"] is False
    assert results[0]["claims"]["strict_signing_key_usage"] is True


def test_whole_chain_is_verified_in_any_order(chain: Site) -> None:
    for above in (
        parents(chain),
        parents(chain)[::-1],
        [{"jwt": chain.text("acme.jwt")}, {"jwt": chain.text("app.jwt")}],
    ):
        result = chain.keep("jwt_info", jwt_path=chain / "u.creds", parents=above)
        assert (result["valid"], result["verified"], result["wrong_issuer"], result["revoked"]) == (
            True,
            True,
            False,
            False,
        )


def test_chain_up_to_the_account_alone(chain: Site) -> None:
    result = chain.keep("jwt_info", jwt_path=chain / "u.jwt", parents=parents(chain)[:1])
    assert (result["valid"], result["verified"]) == (True, True)


def test_validity_at_other_times(chain: Site) -> None:
    result = chain.keep(
        "jwt_info", jwt_path=chain / "u.jwt", valid_at=["+14d", "+30d", "2100-01-01T00:00:00Z"], parents=parents(chain)
    )
    assert result["valid"]
    assert [told["valid"] for told in result["validity"]] == [True, False, False]
    assert result["validity"][2]["at"] == "2100-01-01T00:00:00Z"
    expires = units.show_time(chain.claims("u.jwt").expires)
    assert result["validity"][1]["problems"] == [f"the user U expired at {expires}"]


def test_parent_that_expires_ends_its_children(chain: Site) -> None:
    account = chain.claims("app.jwt")
    account.expires = int(time.time()) + DAY
    chain.write("app.jwt", codec.encode(account, chain.key("acme-signing.nk"), account.issued_at))
    result = chain.keep("jwt_info", jwt_path=chain / "u.jwt", parents=parents(chain), valid_at=["+14d"])
    assert (result["valid"], result["validity"][0]["valid"]) == (True, False)
    assert result["validity"][0]["problems"][0].startswith("the account APP expired at ")


def test_expired_token(chain: Site) -> None:
    chain.make_jwt("u.jwt", "user", chain.key("u.nk").public_key, chain.key("app.nk"), age=100, expires_in=50)
    result = chain.keep("jwt_info", jwt_path=chain / "u.jwt")
    assert (result["valid"], result["expired"], result["not_yet_valid"]) == (False, True, False)
    assert result["problems"][0].startswith("the user U expired at ")


@pytest.mark.parametrize(("expires", "words"), [(32503680000, "more than 292 years from now"), (-5, "expired")])
def test_times_for_which_servers_refuse_a_token(chain: Site, expires: int, words: str) -> None:
    chain.make_jwt("u.jwt", "user", chain.key("u.nk").public_key, chain.key("app.nk"), expires=expires)
    result = chain.keep("jwt_info", jwt_path=chain / "u.jwt", valid_at=["+400d"])
    assert (result["valid"], result["validity"][0]["valid"]) == (False, False)
    assert result["problems"][0].startswith("servers refuse the user U: expires: ")
    assert words in result["problems"][0]
    assert [(issue["path"], issue["source"], issue["blocking"]) for issue in result["issues"]] == [
        ("expires", "server", True)
    ]


def test_token_that_is_not_valid_yet(chain: Site) -> None:
    start = int(time.time()) + 7 * DAY
    chain.make_jwt("u.jwt", "user", chain.key("u.nk").public_key, chain.key("app.nk"), not_before=start)
    result = chain.keep("jwt_info", jwt_path=chain / "u.jwt", valid_at=["+14d"])
    assert (result["valid"], result["expired"], result["not_yet_valid"]) == (False, False, True)
    assert result["problems"] == [f"the user U is not valid before {units.show_time(start)}"]
    assert result["validity"][0]["valid"]


def test_revoked_user(chain: Site) -> None:
    account = chain.claims("app.jwt")
    account.body.revocations = {chain.key("u.nk").public_key: int(time.time())}
    chain.write("app.jwt", codec.encode(account, chain.key("acme-signing.nk"), account.issued_at))
    result = chain.keep("jwt_info", jwt_path=chain / "u.jwt", parents=parents(chain))
    assert (result["valid"], result["revoked"]) == (False, True)
    assert result["problems"] == ["the user U is revoked by the account APP"]
    account.body.revocations = {"*": int(time.time()) - 1000}
    chain.write("app.jwt", codec.encode(account, chain.key("acme-signing.nk"), account.issued_at))
    assert chain.keep("jwt_info", jwt_path=chain / "u.jwt", parents=parents(chain))["revoked"] is False


def test_revoked_activation(chain: Site) -> None:
    importer = nkey.create("account").public_key
    options = {
        "import_subject": "orders.create",
        "import_type": "service",
        "issuer_account": chain.key("app.nk").public_key,
    }
    chain.make_jwt("act.jwt", "activation", importer, chain.key("app-signing.nk"), options)
    assert chain.keep("jwt_info", jwt_path=chain / "act.jwt", parents=parents(chain))["revoked"] is False
    account = chain.claims("app.jwt")
    (export,) = (export for export in account.body.exports if export.token_required)
    export.revocations = {importer: int(time.time())}
    chain.write("app.jwt", codec.encode(account, chain.key("acme-signing.nk"), account.issued_at))
    result = chain.keep("jwt_info", jwt_path=chain / "act.jwt", parents=parents(chain))
    assert (result["type"], result["valid"], result["revoked"]) == ("activation", False, True)


def test_wrong_issuer(chain: Site) -> None:
    foreign = nkey.create("account")
    options = {"issuer_account": chain.key("app.nk").public_key}
    chain.make_jwt("u.jwt", "user", chain.key("u.nk").public_key, foreign, options)
    result = chain.keep("jwt_info", jwt_path=chain / "u.jwt", parents=parents(chain))
    assert (result["valid"], result["verified"], result["wrong_issuer"]) == (False, False, True)
    assert result["problems"] == [f"the user U is signed by {foreign.public_key}, which is not a key that may sign it"]


def test_account_signed_by_the_identity_key_of_a_strict_operator(chain: Site) -> None:
    chain.make_jwt("app.jwt", "account", chain.key("app.nk").public_key, chain.key("acme.nk"))
    result = chain.keep("jwt_info", jwt_path=chain / "app.jwt", parents=[{"jwt_path": chain / "acme.jwt"}])
    assert (result["valid"], result["verified"], result["wrong_issuer"]) == (False, False, True)


def test_wrong_issuer_further_up_the_chain(chain: Site) -> None:
    account = chain.claims("app.jwt")
    chain.write("app.jwt", codec.encode(account, nkey.create("operator"), account.issued_at))
    result = chain.keep("jwt_info", jwt_path=chain / "u.jwt", parents=parents(chain))
    assert (result["valid"], result["verified"], result["wrong_issuer"]) == (False, False, False)


def test_user_signed_by_the_identity_key_under_a_strict_operator(chain: Site) -> None:
    chain.make_jwt("u.jwt", "user", chain.key("u.nk").public_key, chain.key("app.nk"))
    result = chain.keep("jwt_info", jwt_path=chain / "u.jwt", parents=parents(chain))
    assert (result["valid"], result["wrong_issuer"]) == (False, True)


def test_parents_that_do_not_belong_to_the_token(chain: Site) -> None:
    other = nkey.create("account")
    chain.make_jwt("other.jwt", "account", other.public_key, other)
    result = chain.keep("jwt_info", jwt_path=chain / "u.jwt", parents=[{"jwt_path": chain / "other.jwt"}])
    assert (result["valid"], result["verified"]) == (False, False)


def test_role_of_the_scope(chain: Site) -> None:
    account = chain.key("app.nk").public_key
    claims = chain.claims("u.jwt")
    claims.body.access = chain.core.claims.no_access()
    claims.body.issuer_account = account
    chain.write("u.jwt", codec.encode(claims, chain.key("app-reader.nk"), claims.issued_at))
    result = chain.keep("jwt_info", jwt_path=chain / "u.jwt", parents=parents(chain))
    assert (result["valid"], result["role"], result["claims"]["scoped"]) == (True, "reader", True)


def test_scoped_user_with_permissions_of_its_own_does_not_hold(chain: Site) -> None:
    claims = chain.claims("u.jwt")
    chain.write("u.jwt", codec.encode(claims, chain.key("app-reader.nk"), claims.issued_at))
    result = chain.keep("jwt_info", jwt_path=chain / "u.jwt", parents=parents(chain))
    assert not result["valid"]
    assert "has permissions or limits of its own" in result["problems"][0]


def test_issues_are_those_of_the_library_and_the_server(chain: Site) -> None:
    claims = chain.claims("u.jwt")
    claims.body.access.permissions.publish.allow = ["a b"]
    chain.write("u.jwt", codec.encode(claims, chain.key("app-signing.nk"), claims.issued_at))
    result = chain.keep("jwt_info", jwt_path=chain / "u.jwt")
    assert any(issue["blocking"] and issue["path"].startswith("permissions.publish") for issue in result["issues"])
    assert {issue["source"] for issue in result["issues"]} <= {"library", "server"}


def test_authorization_request_is_shown_without_what_the_client_sent(chain: Site) -> None:
    server, user = nkey.create("server"), nkey.create("user")
    secrets = {
        "auth_token": "t0k3n-s3cret",
        "password": "p4ss-s3cret",
        "jwt": "eyJ.client.jwt",
        "signature": "s1g-s3cret",
    }
    request = {
        "server": {"name": "n", "host": "h", "id": server.public_key},
        "user_nkey": user.public_key,
        "client": {"host": "127.0.0.1"},
        "connect_options": {**secrets, "user": "bob", "protocol": 1},
    }
    chain.make_jwt("request.jwt", "authorization_request", user.public_key, server, request)
    result = chain.keep("jwt_info", jwt_path=chain / "request.jwt")
    assert result["type"] == "authorization_request"
    assert result["payload"]["nats"]["connect_opts"]["user"] == "bob"
    for secret in secrets.values():
        assert secret not in str(result)


def test_generic_claims(chain: Site) -> None:
    claims = chain.core.claims.Claims(name="mine", subject="anything")
    claims.body = chain.core.claims.Generic({"colour": "blue"})
    chain.write("g.jwt", codec.encode(claims, chain.key("app.nk"), int(time.time())))
    result = chain.keep("jwt_info", jwt_path=chain / "g.jwt")
    assert (result["type"], result["claims"]["data"]["colour"]) == ("generic", "blue")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Not a token"),
        ("hello", "Not a token"),
        ("a.b.c", "Not a token"),
        ("-----BEGIN NATS USER JWT-----\n------END NATS USER JWT------\n", "Not a token"),
    ],
)
def test_what_is_no_token_is_an_error(chain: Site, text: str, words: str) -> None:
    chain.write("x.jwt", text)
    assert words in chain.refuse("jwt_info", jwt_path=chain / "x.jwt")


def test_changed_token_is_an_error(chain: Site) -> None:
    text = chain.text("u.jwt")
    for position in (text.index(".") + 20, len(text) - 20):
        changed = text[:position] + ("A" if text[position] != "A" else "B") + text[position + 1 :]
        chain.write("x.jwt", changed)
        message = chain.refuse("jwt_info", jwt_path=chain / "x.jwt")
        assert message.startswith(f"jwt_path {chain / 'x.jwt'}: ")


def test_missing_file_is_an_error(chain: Site) -> None:
    assert chain.refuse("jwt_info", jwt_path=chain / "none") == f"jwt_path: there is no file {chain / 'none'}."
    message = chain.refuse("jwt_info", jwt_path=chain / "u.jwt", parents=[{"jwt_path": chain / "none"}])
    assert message == f"parents[0].jwt_path: there is no file {chain / 'none'}."


def test_time_that_does_not_parse_is_an_error(chain: Site) -> None:
    for value in ("soon", "+14", "14d", "2027-13-01"):
        message = chain.refuse("jwt_info", jwt_path=chain / "u.jwt", valid_at=[value])
        assert message.startswith("valid_at: ")
        assert value.lstrip("+") in message
