# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The plan of pushes to servers: reasons to push, refused pushes, the tokens that each server has, and the user that connects."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.claims import (
    Account,
    Claims,
    MessageTrace,
    Operator,
    User,
    UserAccess,
)
from ansible_collections.natsops.security.plugins.module_utils.cluster import (
    cluster_accounts,
    info,
    plan,
    servers,
    system_connection,
)
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.token import codec, decorated

OPERATOR, SIGNING, ACCOUNT = nkey.create("operator"), nkey.create("operator"), nkey.create("account")
KEY = ACCOUNT.public_key
NOW = 1_000_000


def _jwt(issued_at: int = NOW, signer: Any = OPERATOR, expires: int = 0, **body: Any) -> str:
    claims = Claims(name="app", subject=KEY, body=Account(**body), expires=expires)
    return codec.encode(claims, signer, issued_at)


def _wanted(text: str) -> plan.Wanted:
    return plan.read_wanted(text, "jwts[0]")


def _operator(**body: Any) -> Claims:
    body = {"signing_keys": [SIGNING.public_key], **body}
    claims = Claims(name="ACME", subject=OPERATOR.public_key, body=Operator(**body))
    return codec.decode(codec.encode(claims, OPERATOR, NOW))


def _cluster(*holding: bool, operator: Claims | None = None, resolver: str = servers.FULL) -> servers.Cluster:
    """Return servers n1, n2 and so on. `holding` gives, for each server, whether its list of accounts includes the account."""
    return servers.Cluster(
        tuple(
            servers.Server(
                id=f"N{number}",
                name=f"n{number}",
                resolver=resolver,
                operators=(operator or _operator(),),
                accounts=frozenset([KEY] if holds else ()),
            )
            for number, holds in enumerate(holding, 1)
        )
    )


def _push(wanted: str, held: dict[str, str]) -> plan.Push:
    found = plan.Held(dict(held), tuple(held.values()))
    return plan.plan_push(_wanted(wanted), found, frozenset([OPERATOR.public_key]))


# ---- reading


def test_wanted_token_is_read_without_verifying_and_verified_on_demand() -> None:
    jwt = _jwt(expires=NOW + 5)
    wanted = _wanted(jwt + "\n")
    assert dataclasses.astuple(wanted) == (jwt, "jwts[0]", KEY, "app", OPERATOR.public_key, NOW, NOW + 5, 0)
    assert plan.claims_of(wanted).subject == KEY
    assert plan.signature_problems([wanted]) == []


@pytest.mark.parametrize("part", [0, 1, 2])
def test_changed_character_is_found(part: int) -> None:
    chunks = _jwt().split(".")
    chunks[part] = chunks[part][:-5] + ("AAAA" if chunks[part][-5:-1] != "AAAA" else "BBBB") + chunks[part][-1]
    with pytest.raises(NatsSecurityError, match=r"^jwts\[0\]: "):
        plan.refuse_all(plan.signature_problems([_wanted(".".join(chunks))]))


def test_token_of_other_claims_is_refused() -> None:
    operator = codec.encode(Claims(name="O", subject=OPERATOR.public_key, body=Operator()), OPERATOR, NOW)
    with pytest.raises(NatsSecurityError, match="a JWT of operator claims, expected one of an account"):
        _wanted(operator)


# ---- tokens that servers have


def test_token_that_all_servers_hold_is_settled() -> None:
    assert plan.is_settled("a", ["a", "a"], 2)
    assert not plan.is_settled("a", ["a"], 2)
    assert not plan.is_settled("a", ["a", "b"], 2)
    assert not plan.is_settled("a", ["a", "a", ""], 2)


def test_server_without_the_account_in_its_list_is_told_from_those_with_it() -> None:
    held = plan.assign(KEY, _cluster(True, False, True), ["x", "", "x"])
    assert held.by_server == {"n1": "x", "n2": "", "n3": "x"}


def test_different_tokens_are_unclear_until_those_in_memory_are_known() -> None:
    cluster = _cluster(True, True, True)
    answers = ["x", "y", "x"]
    assert plan.assign(KEY, cluster, answers).by_server == {"n1": None, "n2": None, "n3": None}
    held = plan.assign(KEY, cluster, answers, {"N2": "y"})
    assert held.by_server == {"n1": "x", "n2": "y", "n3": "x"}
    assert held.distinct == ["x", "y"]


def test_servers_that_were_not_listed_and_have_nothing_hold_nothing() -> None:
    cluster = servers.Cluster(tuple(dataclasses.replace(one, accounts=None) for one in _cluster(True, True).servers))
    assert plan.assign(KEY, cluster, ["", ""]).by_server == {"n1": "", "n2": ""}


# ---- reasons to push


def test_reasons_name_the_servers_without_it_and_what_differs() -> None:
    old, new = _jwt(), _jwt(NOW + 1, description="new")
    push = _push(new, {"n1": old, "n2": "", "n3": new})
    assert push.reasons == ["n2 does not have it", "description: none -> new"]
    assert push.before is not None
    assert _push(new, {"n1": "", "n2": ""}).reasons == ["n1 and n2 do not have it"]


def test_token_that_was_only_issued_anew_is_pushed_for_that() -> None:
    assert _push(_jwt(NOW + 60), {"n1": _jwt()}).reasons == ["issued: 1970-01-12T13:46:40Z -> 1970-01-12T13:47:40Z"]


def test_newer_token_is_not_overwritten_but_one_of_another_operator_is() -> None:
    with pytest.raises(
        NatsSecurityError, match=r"is newer on the cluster: n1 holds a JWT issued at 1970-01-12T13:46:50Z"
    ):
        _push(_jwt(), {"n1": _jwt(NOW + 10), "n2": _jwt()})
    foreign = nkey.create("operator")
    (reason,) = _push(_jwt(), {"n1": _jwt(NOW + 10, signer=foreign)}).reasons
    assert reason == f"what n1 holds is signed by {foreign.public_key}, which the servers do not trust"
    assert _push(_jwt(), {"n1": "rubbish"}).reasons[0].startswith("what n1 holds is not a JWT: ")


# ---- refused pushes


def test_expired_and_contradicting_tokens_are_problems() -> None:
    expired = _wanted(_jwt(expires=NOW - 1))
    assert plan.expiry_problems([expired], NOW) == [
        f"The account app ({KEY}) expired at 1970-01-12T13:46:39Z: issue it again."
    ]
    assert plan.expiry_problems([_wanted(_jwt()), _wanted(_jwt(NOW + 1))], NOW)[0].startswith(
        "jwts[0] and jwts[0] are different JWTs of the same account"
    )


def test_issuer_has_to_be_trusted_by_every_server() -> None:
    signed = _wanted(_jwt(signer=SIGNING))
    assert plan.issuer_problems([signed], _cluster(True)) == []
    old = _cluster(True, operator=_operator(signing_keys=[])).servers[0]
    behind = servers.Cluster((*_cluster(True).servers, dataclasses.replace(old, id="N2", name="n2")))
    (problem,) = plan.issuer_problems([signed], behind)
    assert f"signed by {SIGNING.public_key}, which the server n2 does not trust" in problem
    assert "a restart" in problem
    strict = _cluster(True, operator=_operator(strict_signing_key_usage=True))
    (problem,) = plan.issuer_problems([_wanted(_jwt())], strict)
    assert "the identity key of the operator ACME, which is strict" in problem


def test_servers_of_another_operator_or_system_account_are_problems() -> None:
    other = nkey.create("operator")
    wanted = dataclasses.replace(_operator(), subject=other.public_key, name="OTHER")
    (problem,) = plan.operator_problems(_cluster(True), wanted)
    assert problem == (
        f"The server n1 trusts the operator ACME ({OPERATOR.public_key}), not OTHER ({other.public_key})."
    )
    system = nkey.create("account").public_key
    cluster = servers.Cluster((dataclasses.replace(_cluster(True).servers[0], system_account=system),))
    (problem,) = plan.operator_problems(cluster, _operator(system_account=KEY))
    assert problem == f"The server n1 has the system account {system}, the operator ACME has {KEY}."


def test_many_problems_are_counted_not_told() -> None:
    with pytest.raises(NatsSecurityError, match="There are 80 more problems of this kind"):
        plan.refuse_all(f"Problem {number}." for number in range(100))


@pytest.mark.parametrize(
    ("resolver", "words"),
    [(servers.OTHER, "memory or URL"), (servers.CACHE, "cache"), (servers.NONE, "not in operator mode")],
)
def test_cluster_without_a_full_resolver_is_refused(resolver: str, words: str) -> None:
    with pytest.raises(NatsSecurityError, match=words):
        cluster_accounts.require_full(_cluster(True, resolver=resolver), ())


# ---- results


def test_differences_of_an_account_are_told_by_server() -> None:
    old, new = _jwt(), _jwt(NOW + 1, description="new")
    held = plan.Held({"n1": new, "n2": old, "n3": ""}, (new, old, ""))
    told = info.describe_account(KEY, held, _wanted(new), False)
    assert told["servers"] == {"n1": "1970-01-12T13:46:41Z", "n2": "1970-01-12T13:46:40Z", "n3": "absent"}
    assert told["differences"] == ["n3 does not have it", "n2: description: none -> new"]
    assert info.describe_account(KEY, held, None, True)["differences"] == ["the task does not have it"]
    same = plan.Held({"n1": new}, (new,))
    assert info.describe_account(KEY, same, _wanted(new), False)["differences"] == []


# ---- the user that connects


def test_temporary_user_of_a_signing_key_names_its_account() -> None:
    signing = nkey.create("account")
    user = system_connection.TemporaryUser(signing, KEY, False, "_INBOX.x", ("$SYS.REQ.SERVER.PING",))
    login = user()
    claims = codec.decode(login.jwt)
    assert (claims.issuer, claims.body.issuer_account) == (signing.public_key, KEY)
    assert claims.body.access.permissions.publish.allow == ["$SYS.REQ.SERVER.PING"]
    assert login.renew_at is not None
    assert claims.expires - system_connection.LIFETIME < login.renew_at < claims.expires
    assert signing.seed not in repr(user)
    scoped = codec.decode(dataclasses.replace(user, is_scoped=True)().jwt)
    assert scoped.body.is_scoped


def test_creds_have_to_belong_together() -> None:
    user = nkey.create("user")
    jwt = codec.encode(Claims(name="u", subject=user.public_key, body=system_connection.User()), ACCOUNT, NOW)
    creds = decorated.format_creds(jwt, user)
    assert system_connection.login_of_creds(creds, "creds")().jwt == jwt
    other = creds.replace(user.seed, nkey.create("user").seed)
    with pytest.raises(NatsSecurityError, match="creds: these are not the creds of a user"):
        system_connection.login_of_creds(other, "creds")
    with pytest.raises(NatsSecurityError, match="creds: these are not the creds of a user"):
        system_connection.login_of_creds("nothing", "creds")


# ---- claims that servers are too old to enforce


def _versions(*versions: str, resolver: str = servers.FULL) -> servers.Cluster:
    cluster = _cluster(*map(bool, versions), resolver=resolver)
    found = zip(cluster.servers, versions, strict=True)
    return servers.Cluster(tuple(dataclasses.replace(one, version=version) for one, version in found))


TRACED = _wanted(_jwt(trace=MessageTrace(destination="traces")))


@pytest.mark.parametrize(
    ("versions", "behind"),
    [
        (("2.10.26", "2.11.0", "2.15.1"), "n1 (nats-server 2.10.26)"),
        (("2.10.26", "2.10.26"), "n1 and n2 (nats-server 2.10.26)"),
        (("2.15.1", "2.11.0"), ""),
        (("", "unknown"), ""),
    ],
)
def test_claims_that_servers_do_not_enforce_are_named_with_account_and_server(
    versions: tuple[str, ...], behind: str
) -> None:
    found = plan.not_enforced([TRACED, _wanted(_jwt())], [], _versions(*versions))
    assert [text.partition(":")[0] for text in found] == [
        f"trace of account app is not enforced by {one}" for one in (behind,) if one
    ]


def test_servers_that_keep_no_accounts_are_not_asked_to_enforce_them() -> None:
    assert plan.not_enforced([TRACED], [], _versions("2.10.0", resolver=servers.OTHER)) == []
    assert len(plan.not_enforced([TRACED], [], _versions("2.10.0", resolver=servers.CACHE))) == 1


def test_users_are_named_and_what_is_no_token_is_passed_over() -> None:
    access = UserAccess(proxy_required=True)
    claims = Claims(name="u", subject=nkey.create("user").public_key, body=User(access=access))
    users = [("user app/u", codec.encode(claims, ACCOUNT, NOW)), ("user app/x", "none"), ("user app/y", "a.%%%.c")]
    (found,) = plan.not_enforced([], users, _versions("2.11.11"))
    assert found.startswith("proxy_required of user app/u is not enforced by n1 (nats-server 2.11.11)")
