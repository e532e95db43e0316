# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The ten public names issue JWTs that a server accepts, keep equivalent JWTs, and refuse wrong values with every reason."""

from __future__ import annotations

import dataclasses
import datetime
import pathlib
import re
import time

import pytest

import natsops_jwt
from natsops_jwt import Account, NatsSecurityError, Operator, User, creds, nkey, verify
from natsops_jwt.core.token import codec


def refusal(call, *arguments: object, **options: object) -> str:
    with pytest.raises(NatsSecurityError) as caught:
        call(*arguments, **options)
    return str(caught.value)


def test_there_are_ten_names() -> None:
    assert len(natsops_jwt.__all__) == 10
    assert all(hasattr(natsops_jwt, name) for name in natsops_jwt.__all__)


def test_a_whole_tree_verifies(operator: Operator, account: Account) -> None:
    user = account.user("worker", permissions={"publish": {"allow": ["orders.>"]}}, expires_in="90d")
    claims = verify(user.jwt, [operator.jwt, account.jwt])
    assert claims == user.claims
    assert (claims.name, claims.issuer, claims.body.access.permissions.publish.allow) == (
        "worker",
        account.public_key,
        ["orders.>"],
    )
    assert claims.expires - claims.issued_at == 90 * 86400
    assert user.reasons == ("there is no token yet",)
    assert verify(user.creds, [account.jwt]) == claims


def test_lives_are_spans_and_times(account: Account) -> None:
    at = datetime.datetime(2090, 1, 1, tzinfo=datetime.timezone.utc)
    assert account.user("u", expires_at=at).claims.expires == int(at.timestamp())
    assert account.user("u", expires_at="2090-01-01").claims.expires == int(at.timestamp())
    user = account.user("u", expires_in=datetime.timedelta(hours=1))
    assert user.claims.expires - user.claims.issued_at == 3600


def test_what_means_the_same_is_kept_and_a_change_has_reasons(operator: Operator, account: Account) -> None:
    again = operator.account("APP", key=account.key, existing=account.jwt)
    assert (again.jwt, again.reasons) == (account.jwt, ())
    key = nkey.create("account")
    entry = {"key": key.public_key, "role": "unscoped"}
    other = operator.account(
        "APP", key=account.key, existing=account.jwt, limits={"connections": 5}, signing_keys=[entry]
    )
    assert len(other.reasons) == 2
    assert other.reasons[0].startswith("limits.connections: ")
    assert other.claims.issued_at > account.claims.issued_at
    kept = operator.account("APP", key=account.key, existing=other.jwt, limits={"connections": 5}, signing_keys=[entry])
    assert kept.reasons == ()
    dropped = operator.account("APP", key=account.key, existing=other.jwt)
    assert [one.key for one in dropped.claims.body.signing_keys] == [key.public_key]


def test_nothing_is_taken_over_from_a_jwt_of_a_foreign_signer(operator: Operator, account: Account) -> None:
    other = Operator.create("OTHER")
    entry = {"key": nkey.create("account").public_key}
    planted = other.account("APP", key=nkey.from_public_key(account.public_key), signing_keys=[entry])
    message = refusal(operator.account, "APP", key=account.key, existing=planted.jwt)
    assert message.startswith(
        f"existing: its JWT has the subject {account.public_key}, and its signer is {other.public_key}, "
    )
    claims = dataclasses.replace(operator.claims, id="")
    claims.body.signing_keys.append(other.public_key)
    planted = codec.encode(claims, other.key, claims.issued_at + 1)
    message = refusal(Operator.create, "ACME", key=operator.key, existing=planted)
    assert f"its signer is {other.public_key}, which is not a key of the operator ACME" in message

    signing = nkey.create("operator")
    wider = Operator.create("ACME", key=operator.key, existing=operator.jwt, signing_keys=[signing.public_key])
    by_signing_key = wider.with_key(signing).account("APP", key=account.key, existing=account.jwt)
    assert by_signing_key.claims.issuer == signing.public_key
    assert wider.account("APP", key=account.key, existing=by_signing_key.jwt).claims.issuer == operator.public_key


def test_a_user_is_renewed_in_its_window(account: Account) -> None:
    # A user JWT with a lifetime of one hour, of which five minutes are left.
    user = account.user("u", expires_in="1h")
    now = int(time.time())
    user = User.load(
        codec.encode(dataclasses.replace(user.claims, expires=now + 300), account.key, now - 3300), user.key.seed
    )
    kept = account.user("u", key=user.key, existing=user.creds, expires_in="1h", renew_before="1m")
    assert (kept.jwt, kept.reasons) == (user.jwt, ())
    renewed = account.user("u", key=user.key, existing=user.jwt, expires_in="1h", renew_before="30m")
    assert "renewal window 30m" in renewed.reasons[0]
    assert renewed.claims.expires - renewed.claims.issued_at == 3600


def test_revoked_users(operator: Operator, account: Account) -> None:
    user = account.user("u")
    account = operator.account("APP", key=account.key, existing=account.jwt, revocations={user.public_key: "now"})
    assert "is revoked" in refusal(verify, user.jwt, [account.jwt])
    again = account.user("u", key=user.key, existing=user.jwt)
    assert any("revoked" in warning for warning in again.warnings)
    assert verify(again.jwt, [account.jwt]).issued_at > account.claims.body.revocations[user.public_key]


def test_scopes(operator: Operator) -> None:
    scoped, plain = nkey.create("account"), nkey.create("account")
    template = {"permissions": {"subscribe": {"allow": ["s.{{name()}}"]}}}
    keys = [{"key": scoped.public_key, "role": "sensor", "template": template}, {"key": plain.public_key}]
    account = operator.account("APP", signing_keys=keys)
    user = account.with_key(scoped).user("t1")
    assert user.claims.body.is_scoped
    assert user.claims.body.issuer_account == account.public_key
    verify(user.jwt, [account.jwt, operator.jwt])
    message = refusal(account.with_key(scoped.seed).user, "t1", permissions={"publish": {"allow": ["a"]}})
    assert message.startswith("permissions: the signing key sensor has a scope")
    assert not account.with_key(plain).user("t1").claims.body.is_scoped
    assert "cannot sign for the account 'APP'" in refusal(account.with_key, nkey.create("account"))


def test_strict_operators() -> None:
    signing = nkey.create("operator")
    operator = Operator.create("ACME", signing_keys=[signing.public_key], strict_signing_key_usage=True)
    assert "sign with one of its signing keys" in refusal(operator.account, "APP")
    key = nkey.create("account")
    account = operator.with_key(signing).account("APP", signing_keys=[{"key": key.public_key}])
    verify(account.jwt, [operator.jwt])
    assert "strict" in refusal(account.user, "u")
    assert verify(account.with_key(key).user("u").jwt, [account.jwt, operator.jwt]).name == "u"
    assert "cannot sign for the operator" in refusal(Operator.load, operator.jwt, operator.key.seed)


def test_activations(operator: Operator) -> None:
    key = nkey.create("account")
    export = {"subject": "orders.>", "type": "stream", "token_required": True}
    exporter = operator.account("E", exports=[export], signing_keys=[{"key": key.public_key}])
    other = nkey.create("account")
    token = exporter.with_key(key).activation(other.public_key, "orders.>", "stream", expires_in="30d")
    claims = verify(token, [exporter.jwt, operator.jwt])
    assert (claims.subject, claims.body.import_subject, claims.body.issuer_account) == (
        other.public_key,
        "orders.>",
        exporter.public_key,
    )
    item = {"subject": "orders.>", "type": "stream", "account": exporter.public_key, "token": token}
    importer = operator.account("I", key=other, imports=[item])
    assert importer.claims.body.imports[0].token == token
    assert refusal(exporter.activation, "x", "orders.>", "stream").startswith("importer: ")
    assert "type" in refusal(exporter.activation, other.public_key, "orders.>", "both")


def test_loading(operator: Operator, account: Account) -> None:
    user = account.user("u")
    assert User.load(user.creds, user.creds).creds == user.creds == creds(user.jwt, user.key.seed)
    loaded = Account.load(account.jwt, account.key.seed, operator.jwt)
    assert loaded.user("v").claims.issuer == account.public_key
    assert Operator.load(operator.jwt, operator.key).account("B").claims.issuer == operator.public_key
    assert "do not belong together" in refusal(User.load, user.jwt, account.user("w").key.seed)
    assert "JWT of an account" in refusal(Operator.load, account.jwt, operator.key)
    assert "not a key that may sign it" in refusal(Account.load, account.jwt, account.key, Operator.create("F").jwt)


def test_a_user_whose_seed_is_elsewhere(account: Account) -> None:
    pair = nkey.create("user")
    user = account.user("u", key=nkey.from_public_key(pair.public_key))
    assert "public key is available" in refusal(lambda: user.creds)
    assert creds(user.jwt, pair).count("BEGIN") == 2


def test_everything_that_is_wrong_is_said_at_once(operator: Operator, account: Account) -> None:
    message = refusal(
        account.user, "u", permisions={}, limits={"payload": "much"}, expires_in="soon", times=[{"start": "8"}]
    )
    assert re.search(r"permisions: unsupported option; did you mean permissions\?", message)
    for word in ("limits.payload: ", "expires_in: ", "times[0].end: "):
        assert word in message
    assert "exports[0].subject: " in refusal(operator.account, "A", exports=[{"subject": "a..b", "type": "stream"}])
    assert "renew_before needs expires_in" in refusal(account.user, "u", renew_before="1d")
    assert "existing" in refusal(account.user, "u", existing=account.jwt)
    assert "an account key" in refusal(account.user, "u", key=nkey.create("account"))


def test_nothing_shows_a_secret(account: Account) -> None:
    user = account.user("u", bearer_token=True)
    shown = repr(user) + str(user) + repr(account)
    assert user.key.seed not in shown
    assert user.jwt not in shown
    assert account.key.seed not in shown


def test_verify_at_other_times(operator: Operator, account: Account) -> None:
    now = int(time.time())
    user = account.user("u", expires_at=now + 100)
    verify(user.jwt, at=now)
    assert "expired at" in refusal(verify, user.jwt, at=now + 101)
    assert "expired at" in refusal(verify, user.jwt, at=datetime.datetime(2100, 1, 1))
    short = operator.account("APP", key=account.key, existing=account.jwt, expires_at=now + 50)
    assert "the account APP expired" in refusal(verify, user.jwt, [short.jwt, operator.jwt], at=now + 60)
    assert "parents[0]: " in refusal(verify, user.jwt, ["x"])


def test_the_readme_runs() -> None:
    readme = pathlib.Path(__file__).resolve().parents[2] / "wheel" / "README.md"
    blocks = re.findall(r"```python\n(.*?)```", readme.read_text(encoding="utf-8"), re.DOTALL)
    names: dict = {}
    for block in blocks:
        exec(block, names)
    assert names["app"].claims.body.signing_keys[0].role == "sensor"
    assert names["sensor"].claims.body.is_scoped
    assert len(blocks) == 3
