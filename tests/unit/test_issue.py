# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The decision to keep a token or to issue a new one, and its reasons."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import itertools
import json
import re
from typing import Any

import pytest

from ansible_collections.natsops.security.plugins.module_utils.base import units
from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.claims import (
    Account,
    Activation,
    Claims,
    Export,
    Generic,
    Operator,
    SigningKey,
    User,
    no_access,
    unknown_fields_of,
)
from ansible_collections.natsops.security.plugins.module_utils.claims.authorization import (
    AuthorizationRequest,
    AuthorizationResponse,
)
from ansible_collections.natsops.security.plugins.module_utils.claims.kinds import NOW as FROM_NOW
from ansible_collections.natsops.security.plugins.module_utils.claims.options import Problem, read_options
from ansible_collections.natsops.security.plugins.module_utils.decision import issue as issue_module
from ansible_collections.natsops.security.plugins.module_utils.decision.issue import Issued, Policy, decide, issue
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.token import codec
from ansible_collections.natsops.security.tests.unit.raw_tokens import (
    ACCOUNT,
    OPERATOR,
    SERVER,
    USER,
    account_payload,
    from_base64url,
    key,
    payload_in,
    sign,
    sign_version_1,
    user_payload,
)

NOW = 1_800_000_000
DAY = 86400
FOREVER = Policy()
SIGNING = key("account", 2)
OTHER = key("account", 3)


def user(options: dict[str, Any] | None = None, **outer: Any) -> Claims:
    return Claims(subject=USER.public_key, body=body_of(User, options), **outer)


def account(options: dict[str, Any] | None = None, **outer: Any) -> Claims:
    return Claims(subject=ACCOUNT.public_key, body=body_of(Account, options), **outer)


def operator(options: dict[str, Any] | None = None, **outer: Any) -> Claims:
    return Claims(subject=OPERATOR.public_key, body=body_of(Operator, options), **outer)


def body_of(cls: type, options: dict[str, Any] | None) -> Any:
    problems: list[Problem] = []
    body = read_options(cls, options or {}, "", problems)
    assert problems == []
    return body


SIGNERS = {"operator": OPERATOR, "account": OPERATOR, "user": ACCOUNT}


def run(
    wanted: Claims,
    existing: str | None = None,
    policy: Policy = FOREVER,
    now: int = NOW,
    signer: nkey.KeyPair | None = None,
) -> Issued:
    return issue(wanted, existing, signer or SIGNERS[wanted.kind], policy, now)


def reasons(*arguments: Any, **named: Any) -> list[str]:
    return run(*arguments, **named).decision.reasons


# ---- the first token, and tokens that are kept

EVERY_KIND = [
    (operator({"tags": ["a"]}), OPERATOR),
    (account({"limits": {"connections": 5}}), OPERATOR),
    (user({"bearer_token": True}), ACCOUNT),
    (Claims(subject=ACCOUNT.public_key, body=Activation(import_subject="a", import_type="stream")), ACCOUNT),
    (Claims(subject=USER.public_key, body=AuthorizationRequest(user_nkey=USER.public_key)), SERVER),
    (Claims(subject=USER.public_key, body=AuthorizationResponse(error="no")), ACCOUNT),
    (Claims(subject="x", body=Generic({"type": "mine", "a": [1, "b"]})), USER),
]
every_kind = pytest.mark.parametrize(("wanted", "signer"), EVERY_KIND, ids=lambda value: getattr(value, "kind", ""))


@every_kind
def test_token_is_issued_once_and_then_kept(wanted: Claims, signer: nkey.KeyPair) -> None:
    first = run(wanted, None, signer=signer)
    assert first.decision.reasons == ["there is no token yet"]
    assert not first.decision.is_kept
    assert first.decision.before == {}
    claims = codec.decode_any_kind(first.token)
    assert (claims.issuer, claims.issued_at, claims.expires) == (signer.public_key, NOW, 0)
    second = run(wanted, first.token, signer=signer, now=NOW + 1000 * DAY)
    assert second.decision.is_kept
    assert second.token == first.token
    assert second.decision.before == second.decision.after
    assert second.decision.claims == claims


@every_kind
def test_wanted_claims_stay_as_they_were_given(wanted: Claims, signer: nkey.KeyPair) -> None:
    before = copy.deepcopy(wanted)
    first = run(wanted, None, signer=signer)
    run(wanted, first.token, policy=Policy(force=True, expires_in=DAY), signer=signer)
    assert wanted == before


def test_wanted_claims_stay_as_they_were_given_when_something_is_carried_over() -> None:
    everywhere = '"n":1,"limits":{"n":2},"trace":{"dest":"t","n":3},"exports":[{"subject":"a","type":"stream","n":4}]'
    old = sign(account_payload(everywhere, n=5), OPERATOR)
    options = {"trace": {"destination": "t"}, "exports": [{"subject": "a", "type": "stream"}], "tags": ["new"]}
    wanted = account(options, name="n")
    issued = run(wanted, old)
    assert len(unknown_fields_of(codec.decode(issued.token))) == 5
    assert wanted == account(options, name="n")


def test_surrounding_white_space_of_the_existing_token_carries_no_meaning() -> None:
    first = run(user()).token
    kept = run(user(), f" {first}\n")
    assert kept.decision.is_kept
    assert kept.token == first


@pytest.mark.parametrize("existing", [None, ""])
def test_no_token_is_none_or_nothing(existing: str | None) -> None:
    assert reasons(user(), existing) == ["there is no token yet"]


def test_decision_is_the_same_without_the_private_key() -> None:
    for wanted, policy in (
        (user(), FOREVER),
        (user({"tags": ["a"]}), Policy(expires_in=DAY, renew_before=5)),
        (user({}), Policy(force=True)),
    ):
        for existing in (None, run(user()).token):
            decision = decide(wanted, existing, ACCOUNT.public_key, policy, NOW)
            assert decision == run(wanted, existing, policy).decision
            assert decision == decide(
                wanted, existing, ACCOUNT.public_key, policy, NOW, nkey.from_public_key(ACCOUNT.public_key)
            )


@pytest.mark.parametrize(
    "policy",
    [
        FOREVER,
        Policy(expires_in=DAY),
        Policy(expires_in=DAY, renew_before=DAY // 2),
        Policy(expires_at=NOW + DAY),
        Policy(force=True),
        Policy(issued_after=NOW),
    ],
)
def test_decision_is_the_same_with_a_key_that_may_have_signed(policy: Policy) -> None:
    # Tokens by either key, with and without the wanted tags, without expiry, unexpired and expired; and one of a tool that orders members differently.
    tokens = [
        codec.encode(dataclasses.replace(user(said), expires=expires), signer, NOW - 7)
        for signer in (ACCOUNT, SIGNING)
        for said in ({}, {"tags": ["a"]})
        for expires in (0, NOW + DAY - 7, NOW + DAY, NOW + 60, NOW - 5)
    ]
    tokens.append(sign(user_payload('"sub":{},"pub":{}')))
    for existing, issuer, options in itertools.product(tokens, (ACCOUNT, SIGNING), ({}, {"tags": ["a"]})):
        careful = decide(user(options), existing, issuer.public_key, policy, NOW)
        for signer in (ACCOUNT, SIGNING, OTHER, OPERATOR, USER):
            assert decide(user(options), existing, issuer.public_key, policy, NOW, signer) == careful


def test_kept_token_is_not_verified_where_its_signature_can_be_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    first = run(user()).token

    def verify(*_unused: Any) -> bool:
        raise AssertionError("the signature was verified")

    monkeypatch.setattr(nkey.KeyPair, "verify", verify)
    assert decide(user(), first, ACCOUNT.public_key, FOREVER, NOW, ACCOUNT).is_kept
    for other in (None, OTHER, nkey.from_public_key(ACCOUNT.public_key)):
        with pytest.raises(AssertionError, match="was verified"):
            decide(user(), first, ACCOUNT.public_key, FOREVER, NOW, other)


def test_token_with_another_signature_is_refused_also_by_who_could_have_signed_it() -> None:
    header, payload, signature = run(user()).token.split(".")
    by_another = run(user(), signer=OTHER).token.split(".")[2]
    of_another = run(user({"tags": ["a"]})).token.split(".")[2]
    changed = ("A" if signature[0] != "A" else "B") + signature[1:]
    # The last character of a signature has unused bits: a different character decodes to the same bytes.
    spelled = signature[:-1] + chr(ord(signature[-1]) + 1)
    for forged in (by_another, of_another, changed, spelled, signature[:-1], signature + "A", ""):
        text = ".".join((header, payload, forged))
        with pytest.raises(NatsSecurityError, match="signature"):
            decide(user(), text, ACCOUNT.public_key, FOREVER, NOW, ACCOUNT)


def test_token_that_names_an_issuer_who_did_not_sign_it_is_refused_also_by_who_did() -> None:
    payload = from_base64url(run(user()).token.split(".")[1])
    with pytest.raises(NatsSecurityError, match="not that of its issuer"):
        decide(user(), sign(payload, OTHER), ACCOUNT.public_key, FOREVER, NOW, OTHER)


def test_issuing_reads_no_clock_no_file_and_no_environment() -> None:
    source = inspect.getsource(issue_module)
    assert not re.search(r"^\s*(import|from) (os|time|datetime|pathlib|random|secrets)\b", source, re.MULTILINE)
    assert "open(" not in source
    assert run(user()) == run(user())


def test_public_half_cannot_issue_but_keeps() -> None:
    half = nkey.from_public_key(ACCOUNT.public_key)
    with pytest.raises(NatsSecurityError, match="cannot sign: only its public key is available"):
        run(user(), signer=half)
    assert run(user(), run(user()).token, signer=half).decision.is_kept


# ---- the latest time that a token can contain

LAST = 2**63 - 1


def test_no_token_is_issued_at_a_time_or_ends_at_one_that_nothing_can_read() -> None:
    payload = user_payload(iat=LAST)
    with pytest.raises(NatsSecurityError, match="was issued at the latest time that a token can have"):
        run(user({"bearer_token": True}), sign(payload, ACCOUNT))
    last = run(user({"bearer_token": True}), sign(user_payload(iat=LAST - 1), ACCOUNT))
    assert codec.decode(last.token).issued_at == LAST
    with pytest.raises(NatsSecurityError, match="It is revoked up to the latest time"):
        run(user(), policy=Policy(issued_after=LAST))
    assert codec.decode(run(user(), policy=Policy(issued_after=LAST - 1)).token).issued_at == LAST
    with pytest.raises(NatsSecurityError, match="It would expire after the latest time"):
        run(user(), policy=Policy(expires_in=LAST - NOW + 1))
    assert codec.decode(run(user(), policy=Policy(expires_in=LAST - NOW)).token).expires == LAST


INTEGERS = [
    *({"issued_at": value} for value in (LAST + 1, -LAST - 2)),
    *({"expires": value} for value in (LAST + 1, -LAST - 2)),
    {"not_before": LAST + 1},
]


@pytest.mark.parametrize("outer", INTEGERS, ids=str)
def test_no_time_is_written_that_nothing_can_read(outer: dict[str, int]) -> None:
    claims = user(**outer)
    with pytest.raises(NatsSecurityError, match="cannot be written"):
        codec.encode(claims, ACCOUNT, outer.get("issued_at", NOW))


@pytest.mark.parametrize("value", [LAST + 1, -LAST - 3, 2**70])
def test_no_revocation_or_limit_is_written_that_nothing_can_read(value: int) -> None:
    for claims in (
        Claims(subject=ACCOUNT.public_key, body=Account(revocations={USER.public_key: value})),
        Claims(
            subject=ACCOUNT.public_key,
            body=Account(exports=[Export(subject="a", type="stream", revocations={"*": value})]),
        ),
    ):
        with pytest.raises(NatsSecurityError, match="cannot be written"):
            codec.encode(claims, OPERATOR, NOW)
    for claims in (user(), account()):
        limits = claims.body.access.limits if isinstance(claims.body, User) else claims.body.limits
        limits.subscriptions = value
        with pytest.raises(NatsSecurityError, match="cannot be written"):
            codec.encode(claims, SIGNERS[claims.kind], NOW)


# ---- differences without meaning


def with_nats(options: dict[str, Any], nats: str, cls: type = Account) -> tuple[Claims, str]:
    """Return the claims that the options describe, and a token of another tool with the members `nats`."""
    if cls is Account:
        return account(options, name="n"), sign(account_payload(nats), OPERATOR)
    return user(options, name="n"), sign(user_payload(nats), ACCOUNT)


LIMITS = '"limits":{"subs":-1,"data":-1,"payload":-1,"imports":-1,"exports":-1,"wildcards":true,"conn":-1,"leaf":-1}'
UNLIMITED = '"subs":-1,"data":-1,"payload":-1'


def limits(more: str) -> str:
    return LIMITS[:-1] + "," + more + "}"


def scope(template: str) -> str:
    return f'"signing_keys":[{{"kind":"user_scope","key":"{SIGNING.public_key}","role":"r","template":{template}}}]'


def scoped(**template: Any) -> dict[str, Any]:
    return {"signing_keys": [{"key": SIGNING.public_key, "role": "r", "template": template}]}


EQUIVALENCES = {
    "order of exports": (
        {"exports": [{"subject": "b", "type": "stream"}, {"subject": "a", "type": "service"}]},
        LIMITS + ',"exports":[{"subject":"a","type":"service"},{"type":"stream","subject":"b"}]',
    ),
    "order of imports": (
        {"imports": [{"subject": s, "account": OTHER.public_key, "type": "stream"} for s in ("b", "a")]},
        LIMITS
        + ',"imports":['
        + ",".join(f'{{"subject":"{s}","account":"{OTHER.public_key}","type":"stream"}}' for s in "ab")
        + "]",
    ),
    "order of signing keys": (
        {"signing_keys": [{"key": OTHER.public_key}, {"key": SIGNING.public_key}]},
        LIMITS + f',"signing_keys":["{SIGNING.public_key}","{OTHER.public_key}"]',
    ),
    "order of mappings": (
        {"mappings": {"m": [{"subject": "b", "weight": 40}, {"subject": "a", "weight": 60}]}},
        LIMITS + ',"mappings":{"m":[{"subject":"a","weight":60},{"subject":"b","weight":40}]}',
    ),
    "order and case of tags": ({"tags": ["b", "A"]}, LIMITS + ',"tags":["a","B"," b "]'),
    "weight 0 is 100": (
        {"mappings": {"m": [{"subject": "a", "weight": 100}]}},
        LIMITS + ',"mappings":{"m":[{"subject":"a","weight":0}]}',
    ),
    "response type of a service": (
        {"exports": [{"subject": "a", "type": "service", "response_type": "Singleton"}]},
        LIMITS + ',"exports":[{"subject":"a","type":"service"}]',
    ),
    "latency sampling 0 is headers": (
        {"exports": [{"subject": "a", "type": "service", "latency": {"sampling": "headers", "results": "r"}}]},
        LIMITS + ',"exports":[{"subject":"a","type":"service","service_latency":{"sampling":0,"results":"r"}}]',
    ),
    "latency sampling in capitals": (
        {"exports": [{"subject": "a", "type": "service", "latency": {"sampling": "headers", "results": "r"}}]},
        LIMITS + ',"exports":[{"subject":"a","type":"service","service_latency":{"sampling":"Headers","results":"r"}}]',
    ),
    "trace sampling 0 is 100": (
        {"trace": {"destination": "t", "sampling": 100}},
        LIMITS + ',"trace":{"dest":"t","sampling":0}',
    ),
    "cluster traffic": ({"cluster_traffic": "system"}, LIMITS),
    "sub-objects that are missing": ({}, LIMITS),
    "sub-objects that are empty": (
        {},
        LIMITS + ',"default_permissions":{"pub":{},"sub":{}},"authorization":{},"mappings":{},"exports":[],"tags":[]',
    ),
    "null for absent": ({}, LIMITS + ',"exports":null,"authorization":null,"trace":null,"mappings":null,"tags":null'),
    "JetStream limits below 1 are unlimited": (
        {"limits": {"jetstream": {"disk_storage": 5, "streams": "unlimited"}}},
        limits('"disk_storage":5,"streams":0,"consumer":-1,"max_ack_pending":-7,"disk_max_stream_bytes":-1'),
    ),
    "JetStream limits beside tiers are passed over": (
        {"limits": {"jetstream_tiers": {"R1": {"disk_storage": 5}}}},
        limits('"mem_storage":7,"tiered_limits":{"R1":{"disk_storage":5}}'),
    ),
    "limits that a scope leaves out": (scoped(), LIMITS + "," + scope('{"pub":{},"sub":{}}')),
    "limits in a scope that are written": (scoped(), LIMITS + "," + scope('{"subs":-1,"data":-1}')),
    "empty lists in a scope": (scoped(), LIMITS + "," + scope('{"src":[],"times":[],"allowed_connection_types":[]}')),
    "escapes": ({"description": "<&>\u00e9/"}, LIMITS + ',"description":"\\u003c&\\u003E\\u00e9\\/"'),
    "names of members in another case": (
        {"description": "d"},
        LIMITS.replace("limits", "LIMITS") + ',"Description":"d"',
    ),
}


@pytest.mark.parametrize("case", EQUIVALENCES)
def test_account_is_kept_when_only_the_spelling_differs(case: str) -> None:
    wanted, existing = with_nats(*EQUIVALENCES[case])
    kept = run(wanted, existing)
    assert kept.decision.reasons == []
    assert kept.token == existing


def test_limit_of_0_that_a_scope_names_is_0_for_servers() -> None:
    """Encoders other than Go's write a limit of 0. The Go library decodes it into a new scope with -1 (NewUserScope), so that 0 replaces -1."""
    wanted, existing = with_nats(scoped(), LIMITS + "," + scope('{"subs":0}'))
    assert run(wanted, existing).decision.reasons == [
        f"signing_keys[{SIGNING.public_key}].template.limits.subscriptions: raw(0) -> unlimited"
    ]


USER_EQUIVALENCES = {
    "order and repetition of subjects": (
        {"permissions": {"publish": {"allow": ["b", "a"]}}},
        UNLIMITED + ',"pub":{"allow":["a","b","a"]},"sub":{}',
    ),
    "permissions that are missing": ({}, UNLIMITED),
    "permissions that are empty": ({}, UNLIMITED + ',"pub":{"allow":[],"deny":null},"sub":{}'),
    "empty lists": ({}, UNLIMITED + ',"src":[],"times":[],"allowed_connection_types":[],"tags":[]'),
    "order of networks": (
        {"source_networks": ["10.0.0.0/8", "192.168.0.0/16"]},
        UNLIMITED + ',"src":["192.168.0.0/16","10.0.0.0/8"]',
    ),
    "networks in one text": (
        {"source_networks": ["10.0.0.0/8", "192.168.0.0/16"]},
        UNLIMITED + ',"src":"192.168.0.0/16,10.0.0.0/8"',
    ),
    "order of hours": (
        {"times": [{"start": "10:00:00", "end": "11:00:00"}, {"start": "08:00:00", "end": "09:00:00"}]},
        UNLIMITED + ',"times":[{"start":"08:00:00","end":"09:00:00"},{"end":"11:00:00","start":"10:00:00"}]',
    ),
    "order of members": ({"bearer_token": True}, '"bearer_token":true,"sub":{},"pub":{},' + UNLIMITED),
}


@pytest.mark.parametrize("case", USER_EQUIVALENCES)
def test_user_is_kept_when_only_the_spelling_differs(case: str) -> None:
    wanted, existing = with_nats(*USER_EQUIVALENCES[case], User)
    assert run(wanted, existing).decision.reasons == []


def test_id_header_and_white_space_inside_a_token_carry_no_meaning() -> None:
    payload = json.dumps(json.loads(user_payload(UNLIMITED, jti="another")), indent=2)
    existing = sign(payload, ACCOUNT, header='{"alg":"ed25519-nkey","typ":"jwt"}')
    assert run(user(name="n"), existing).token == existing


def test_scoped_user_is_kept() -> None:
    wanted = user(name="n")
    wanted.body.access = no_access()
    for nats in ("", '"pub":{},"sub":{}', '"pub":null'):
        assert run(wanted, sign(user_payload(nats))).decision.is_kept
    assert reasons(wanted, sign(user_payload(UNLIMITED))) == ["permissions and limits: its own -> those of the scope"]


@pytest.mark.parametrize(
    ("options", "nats", "told"),
    [
        ({}, "", "limits.connections: 0 -> unlimited"),
        ({}, LIMITS + ',"tags":["a"]', "tags: removed a"),
        ({}, LIMITS.replace('"wildcards":true', '"wildcards":false'), "limits.wildcard_exports: false -> true"),
        ({}, limits('"mem_storage":-1'), "limits.jetstream.memory_storage: unlimited -> 0"),
        (scoped(), LIMITS + "," + scope('{"payload":5}'), ".template.limits.payload: 5 -> unlimited"),
    ],
)
def test_what_differs_in_meaning_is_issued_anew(options: dict[str, Any], nats: str, told: str) -> None:
    wanted, existing = with_nats(options, nats)
    assert any(told in reason for reason in reasons(wanted, existing))


def test_generic_claims_are_kept_when_only_the_spelling_of_numbers_differs() -> None:
    wanted = Claims(subject="x", body=Generic({"type": "mine", "a": [1, 2.0, 2**53 + 1, True], "b": {"c": 1e3}}))
    first = run(wanted, signer=USER).token
    assert reasons(wanted, first, signer=USER) == []
    assert reasons(Claims(subject="x", body=Generic({"type": "mine"})), first, signer=USER) == ["data: changed"]


# ---- reasons


def test_every_difference_is_a_reason() -> None:
    old = run(account({"limits": {"connections": 10}}, name="a")).token
    wanted = account({"limits": {"connections": 20}, "tags": ["t"]}, name="b")
    assert reasons(wanted, old, Policy(force=True)) == [
        "name: a -> b",
        "limits.connections: 10 -> 20",
        "tags: added t",
        "force is set",
    ]


def test_another_issuer_is_a_reason() -> None:
    old = run(user()).token
    new = run(user(), old, signer=SIGNING)
    assert new.decision.reasons == [f"issuer: {ACCOUNT.public_key} -> {SIGNING.public_key}"]
    assert codec.decode(new.token).issuer == SIGNING.public_key
    assert run(user(), new.token, signer=SIGNING).decision.is_kept


def test_not_before_is_a_reason() -> None:
    old = run(user()).token
    assert reasons(user(not_before=NOW), old) == ["not_before: none -> 2027-01-15T08:00:00Z"]
    assert reasons(user(), run(user(not_before=NOW)).token) == ["not_before: 2027-01-15T08:00:00Z -> none"]
    assert reasons(user(not_before=NOW), run(user(not_before=NOW)).token) == []


def test_force_issues_anew_each_time() -> None:
    first = run(user()).token
    second = run(user(), first, Policy(force=True))
    third = run(user(), second.token, Policy(force=True))
    assert second.decision.reasons == third.decision.reasons == ["force is set"]
    assert [payload_in(text)["iat"] for text in (first, second.token, third.token)] == [NOW, NOW + 1, NOW + 2]


def test_version_1_is_issued_anew_as_version_2() -> None:
    members = {"iss": ACCOUNT.public_key, "sub": USER.public_key, "iat": 5, "type": "user", "nats": {}}
    new = run(user(), sign_version_1(json.dumps(members)))
    assert new.decision.reasons == ["the token has version 1, and tokens are issued with version 2"]
    assert codec.decode(new.token).body.version == 2


# ---- the time of issue


@pytest.mark.parametrize(
    ("old", "now", "new"), [(5, NOW, NOW), (NOW - 1, NOW, NOW), (NOW, NOW, NOW + 1), (NOW + 100, NOW, NOW + 101)]
)
def test_new_token_is_younger_than_the_old_one(old: int, now: int, new: int) -> None:
    existing = run(user(), now=old).token
    assert payload_in(run(user({"tags": ["a"]}), existing, now=now).token)["iat"] == new


def test_token_from_the_future_is_warned_of() -> None:
    existing = run(user(), now=NOW + 3600).token
    assert run(user(), existing).decision.warnings == [
        "The token was issued at 2027-01-15T09:00:00Z, which is ahead of this host's clock: is the clock right?"
    ]
    assert run(user(), run(user(), now=NOW + 300).token).decision.warnings == []


def test_token_not_after_its_revocation_is_issued_anew_after_it() -> None:
    existing = run(user()).token
    for revoked, issued_at in ((NOW - 1, None), (NOW, NOW + 1), (NOW + 50, NOW + 51)):
        new = run(user(), existing, Policy(issued_after=revoked))
        if issued_at is None:
            assert new.decision.is_kept
            continue
        assert new.decision.reasons[0].startswith(
            "revoked: it was issued at 2027-01-15T08:00:00Z, which its revocation covers"
        )
        assert payload_in(new.token)["iat"] == issued_at
        assert run(user(), new.token, Policy(issued_after=revoked)).decision.is_kept


# ---- expiry


def test_expires_at_is_compared_to_the_second() -> None:
    first = run(user(), policy=Policy(expires_at=NOW + DAY)).token
    assert payload_in(first)["exp"] == NOW + DAY
    assert reasons(user(), first, Policy(expires_at=NOW + DAY)) == []
    assert reasons(user(), first, Policy(expires_at=NOW + DAY + 1)) == [
        "expires: 2027-01-16T08:00:00Z -> 2027-01-16T08:00:01Z"
    ]
    assert reasons(user(), first) == ["expires: 2027-01-16T08:00:00Z -> never"]
    assert reasons(user(), run(user()).token, Policy(expires_at=NOW)) == ["expires: never -> 2027-01-15T08:00:00Z"]


def test_time_of_expiry_that_has_passed_is_warned_of_and_kept() -> None:
    policy = Policy(expires_at=NOW - DAY)
    first = run(user(), policy=policy)
    assert first.decision.warnings == [
        "expires_at is 2027-01-14T08:00:00Z, which is in the past: no server accepts the token."
    ]
    assert run(user(), first.token, policy).decision.is_kept


def test_expires_in_counts_from_the_time_of_issue() -> None:
    policy = Policy(expires_in=90 * DAY)
    first = run(user(), policy=policy).token
    assert payload_in(first)["exp"] == NOW + 90 * DAY
    assert run(user(), first, policy, NOW + 89 * DAY).decision.is_kept
    forced = run(user(), first, Policy(expires_in=90 * DAY, force=True)).token
    assert payload_in(forced)["exp"] - payload_in(forced)["iat"] == 90 * DAY


@pytest.mark.parametrize("by", [-60, -1, 0, 1, 60])
def test_life_may_be_off_by_a_minute(by: int) -> None:
    existing = run(user(), policy=Policy(expires_at=NOW + 90 * DAY + by)).token
    assert run(user(), existing, Policy(expires_in=90 * DAY)).decision.is_kept


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        (Policy(), "expires: never -> 90d after issue"),
        (Policy(expires_at=NOW + 90 * DAY + 61), "expires: 90d1m -> 90d after issue"),
        (Policy(expires_in=90 * DAY - 61), "expires: 89d23h -> 90d after issue"),
        (Policy(expires_in=30 * DAY), "expires: 30d -> 90d after issue"),
    ],
)
def test_another_life_is_a_reason(policy: Policy, told: str) -> None:
    assert reasons(user(), run(user(), policy=policy).token, Policy(expires_in=90 * DAY)) == [told]


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (75 * DAY, []),
        (76 * DAY - 1, []),
        (76 * DAY, ["expires in 14d, renewal window 14d"]),
        (76 * DAY + 2, ["expires in 14d, renewal window 14d"]),
        (84 * DAY, ["expires in 6d, renewal window 14d"]),
        (84 * DAY + 7000, ["expires in 5d22h, renewal window 14d"]),
        (90 * DAY - 7202, ["expires in 2h, renewal window 14d"]),
        (90 * DAY - 1, ["expires in less than 1h, renewal window 14d"]),
        (90 * DAY, ["expired less than 1h ago"]),
        (91 * DAY, ["expired 1d ago"]),
        (91 * DAY + 2, ["expired 1d ago"]),
    ],
)
def test_token_is_renewed_inside_its_window(after: int, told: list[str]) -> None:
    policy = Policy(expires_in=90 * DAY, renew_before=14 * DAY)
    assert reasons(user(), run(user(), policy=policy).token, policy, NOW + after) == told


def test_token_is_renewed_exactly_once_in_its_window() -> None:
    policy = Policy(expires_in=90 * DAY, renew_before=14 * DAY)
    text, renewed = run(user(), policy=policy).token, []
    for hour in range(24 * 200):
        result = run(user(), text, policy, NOW + hour * 3600)
        if result.token != text:
            renewed.append(hour)
        text = result.token
    assert renewed == [76 * 24, 152 * 24]


def test_expired_token_without_a_window_is_renewed_when_it_has_a_life() -> None:
    policy = Policy(expires_in=DAY)
    first = run(user(), policy=policy).token
    assert reasons(user(), first, policy, NOW + DAY - 1) == []
    assert reasons(user(), first, policy, NOW + 3 * DAY) == ["expired 2d ago"]


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ({"expires_in": 1, "expires_at": 1}, "expires_in and expires_at are mutually exclusive."),
        ({"renew_before": 1}, "renew_before needs expires_in"),
        ({"renew_before": 1, "expires_at": NOW}, "renew_before needs expires_in"),
        ({"renew_before": DAY, "expires_in": DAY}, "renew_before (1d) has to be shorter than expires_in (1d)"),
    ],
)
def test_policy_that_makes_no_sense_is_refused(policy: dict[str, int], message: str) -> None:
    with pytest.raises(NatsSecurityError, match=re.escape(message)):
        Policy(**policy)


# ---- claims that are kept if omitted

LATER, EARLIER = NOW - DAY, NOW - 2 * DAY


def revocations(wanted: dict[str, int], old: dict[str, int], **policy: Any) -> dict[str, int]:
    existing = run(Claims(subject=ACCOUNT.public_key, body=Account(revocations=old))).token
    claims = Claims(subject=ACCOUNT.public_key, body=Account(revocations=wanted))
    result = run(claims, existing, Policy(**policy))
    assert run(claims, result.token, Policy(**policy), NOW + DAY).decision.is_kept
    return codec.decode(result.token).body.revocations


@pytest.mark.parametrize(
    ("wanted", "old", "retained"),
    [
        ({}, {"U": EARLIER}, {"U": EARLIER}),
        ({"V": LATER}, {"U": EARLIER}, {"U": EARLIER, "V": LATER}),
        ({"U": LATER}, {"U": EARLIER}, {"U": LATER}),
        ({"U": EARLIER}, {"U": LATER}, {"U": LATER}),
        ({"U": FROM_NOW}, {"U": EARLIER}, {"U": EARLIER}),
        ({"U": FROM_NOW}, {}, {"U": NOW}),
        ({"*": FROM_NOW}, {"U": LATER}, {"*": NOW, "U": LATER}),
        ({"U": 0}, {}, {"U": 0}),
        ({}, {"U": 0}, {"U": 0}),
    ],
)
def test_revocations_stay_and_never_move_back(wanted: Any, old: Any, retained: Any) -> None:
    assert revocations(wanted, old) == retained


def test_revocations_go_only_when_the_task_names_them() -> None:
    gone = frozenset({"U"})
    assert revocations({}, {"U": EARLIER, "V": EARLIER}, remove_revocations=gone) == {"V": EARLIER}
    assert revocations({"U": LATER}, {"U": EARLIER}, remove_revocations=gone) == {}


def test_omitted_revocations_are_no_reason() -> None:
    existing = run(Claims(subject=ACCOUNT.public_key, body=Account(revocations={"U": EARLIER}))).token
    assert run(account(), existing).decision.is_kept
    assert reasons(account(), existing, Policy(remove_revocations=frozenset({"U"}))) == [
        "revocations[U]: 2027-01-13T08:00:00Z -> none"
    ]


def exporting(*exports: Export) -> Claims:
    return Claims(subject=ACCOUNT.public_key, body=Account(exports=list(exports)))


def test_revocations_of_an_export_stay_as_long_as_it_is_exported() -> None:
    old = exporting(
        Export(subject="a", type="stream", revocations={"A": EARLIER}),
        Export(subject="b", type="stream", revocations={"B": EARLIER}),
    )
    existing = run(old).token
    wanted = exporting(
        Export(subject="a", type="stream", revocations={"C": FROM_NOW}, advertise=True),
        Export(subject="b", type="service"),
    )
    exports = codec.decode(run(wanted, existing).token).body.exports
    assert [export.revocations for export in exports] == [{"A": EARLIER, "C": NOW}, {}]
    removed = run(wanted, existing, Policy(remove_revocations=frozenset({"A"}))).token
    assert codec.decode(removed).body.exports[0].revocations == {"C": NOW}


def test_what_is_exported_twice_keeps_the_revocations_of_each() -> None:
    twice = exporting(
        Export(subject="a", type="stream", revocations={"A": EARLIER}),
        Export(subject="a", type="stream", revocations={"B": EARLIER}),
    )
    assert run(twice, run(twice).token).decision.is_kept


def test_signing_keys_stay_unless_the_task_removes_them() -> None:
    old = {"signing_keys": [{"key": SIGNING.public_key}, {"key": OTHER.public_key, "role": "r", "template": {}}]}
    existing = run(account(old)).token
    assert run(account(), existing).decision.is_kept
    fourth = key("account", 4).public_key
    more = run(account({"signing_keys": [{"key": fourth}]}), existing)
    assert more.decision.reasons == [f"signing_keys[{fourth}]: added"]
    kept = {signing.key: signing.role for signing in codec.decode(more.token).body.signing_keys}
    assert kept == {SIGNING.public_key: "", OTHER.public_key: "r", fourth: ""}
    less = run(account(), existing, Policy(remove_signing_keys=frozenset({SIGNING.public_key})))
    assert less.decision.reasons == [f"signing_keys[{SIGNING.public_key}]: removed"]
    assert [signing.key for signing in codec.decode(less.token).body.signing_keys] == [OTHER.public_key]


def test_scope_of_a_signing_key_is_what_the_task_says_of_it() -> None:
    existing = run(account(scoped(bearer_token=True))).token
    changed = run(account(scoped()), existing)
    assert changed.decision.reasons == [f"signing_keys[{SIGNING.public_key}].template.bearer_token: true -> false"]


def test_signing_keys_of_an_operator_stay_unless_the_task_removes_them() -> None:
    first, second = key("operator", 2).public_key, key("operator", 3).public_key
    existing = run(operator({"signing_keys": [first]})).token
    assert run(operator(), existing).decision.is_kept
    more = run(operator({"signing_keys": [second]}), existing)
    assert more.decision.reasons == [f"signing_keys: added {second}"]
    assert set(codec.decode(more.token).body.signing_keys) == {first, second}
    less = run(operator(), more.token, Policy(remove_signing_keys=frozenset({first})))
    assert codec.decode(less.token).body.signing_keys == [second]


def test_account_without_a_token_has_what_is_wanted_alone() -> None:
    wanted = Claims(
        subject=ACCOUNT.public_key,
        body=Account(revocations={"*": FROM_NOW}, signing_keys=[SigningKey(key=SIGNING.public_key)]),
    )
    claims = codec.decode(run(wanted).token)
    assert claims.body.revocations == {"*": NOW}
    assert [signing.key for signing in claims.body.signing_keys] == [SIGNING.public_key]


def test_unknown_fields_are_carried_over_and_warned_of() -> None:
    existing = sign(user_payload(UNLIMITED + ',"new":{"a":[1]}', other=5))
    kept = run(user(name="n"), existing)
    assert kept.decision.is_kept
    assert kept.decision.warnings == [
        "The token has fields that this version does not know; they are kept: other, nats.new."
    ]
    new = payload_in(run(user({"tags": ["a"]}, name="n"), existing).token)
    assert new["other"] == 5
    assert new["nats"]["new"] == {"a": [1]}


# ---- refused input


def test_token_about_something_else_is_an_error_and_not_overwritten() -> None:
    other = Claims(subject=key("user", 2).public_key, body=User())
    with pytest.raises(NatsSecurityError, match=f"the existing token is {other.subject}, expected {USER.public_key}"):
        run(user(), run(other).token)


def test_token_of_another_type_is_an_error_and_not_overwritten() -> None:
    with pytest.raises(NatsSecurityError, match="The existing token has account claims, expected user claims"):
        run(user(), run(account()).token)
    mine = issue(Claims(subject=USER.public_key, body=Generic({"type": "mine"})), None, ACCOUNT, FOREVER, NOW).token
    with pytest.raises(NatsSecurityError, match="The existing token has generic claims, expected user claims"):
        run(user(), mine)


@pytest.mark.parametrize(
    "existing", ["x", "a.b.c", sign(user_payload())[:-2], sign(user_payload(), OTHER), " ", USER.seed]
)
def test_token_that_does_not_verify_is_an_error_and_not_overwritten(existing: str) -> None:
    with pytest.raises(NatsSecurityError) as error:
        run(user(), existing, Policy(force=True))
    assert USER.seed not in str(error.value)


def test_signer_of_the_wrong_type_is_refused() -> None:
    with pytest.raises(NatsSecurityError, match=f"The operator key {OPERATOR.public_key} cannot sign user claims"):
        run(user(), signer=OPERATOR)


# ---- displayed claims


def test_before_and_after_are_documents_of_the_old_and_the_wanted_claims() -> None:
    existing = run(user({"tags": ["a"]}), policy=Policy(expires_at=NOW)).token
    decision = run(user({"tags": ["b"]}), existing, Policy(expires_in=DAY)).decision
    assert decision.before == {"subject": USER.public_key, "tags": ["a"], "expires": "2027-01-15T08:00:00Z"}
    assert decision.after == {"subject": USER.public_key, "tags": ["b"], "expires": "1d after issue"}
    first = run(user()).decision
    assert (first.before, first.after) == ({}, {"subject": USER.public_key, "expires": "never"})


def test_before_and_after_show_issuers_where_another_one_signs() -> None:
    existing = run(user()).token
    decision = run(user(), existing, signer=OTHER).decision
    assert (decision.before["issuer"], decision.after["issuer"]) == (ACCOUNT.public_key, OTHER.public_key)


def test_after_shows_what_was_retained() -> None:
    existing = run(Claims(subject=ACCOUNT.public_key, body=Account(revocations={"U": EARLIER}))).token
    decision = run(account({"tags": ["a"]}), existing).decision
    assert decision.after["revocations"] == {"U": "2027-01-13T08:00:00Z"}


def test_only_what_changes_to_the_time_of_the_run_is_shown_as_now() -> None:
    """A task that is run again in the same second finds the time of the run in the claims before, and a task may give it."""
    before = {"U1": NOW, "U2": EARLIER, "U3": EARLIER}
    existing = run(Claims(subject=ACCOUNT.public_key, body=Account(revocations=before))).token
    wanted = Claims(
        subject=ACCOUNT.public_key, body=Account(revocations={**before, "U1": FROM_NOW, "U3": NOW, "U4": FROM_NOW})
    )
    issued = run(wanted, existing)
    now, earlier = units.show_time(NOW), units.show_time(EARLIER)
    assert issued.decision.before["revocations"] == {"U1": now, "U2": earlier, "U3": earlier}
    assert issued.decision.after["revocations"] == {"U1": now, "U2": earlier, "U3": now, "U4": "now"}
    assert issued.decision.reasons == [f"revocations[U3]: {earlier} -> {now}", "revocations[U4]: none -> now"]
    assert codec.decode(issued.token).body.revocations == {**before, "U3": NOW, "U4": NOW}


def test_nothing_private_is_shown() -> None:
    first = run(user(), policy=Policy(expires_in=DAY))
    second = run(user({"tags": ["a"]}, name="n"), first.token, signer=SIGNING)
    told = repr(first.decision) + repr(second.decision)
    for pair in (ACCOUNT, SIGNING, USER):
        assert pair.seed not in told
        assert pair.private_key not in told
