# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Readable descriptions of claims, and of the differences between two claims."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from ansible_collections.natsops.security.plugins.module_utils.claims import (
    KINDS,
    Account,
    Claims,
    Generic,
    Operator,
    User,
    body_type,
    no_access,
)
from ansible_collections.natsops.security.plugins.module_utils.claims.comparison import (
    carry_over_unknown,
    describe,
    differences,
)
from ansible_collections.natsops.security.plugins.module_utils.claims.options import Problem, read_options
from ansible_collections.natsops.security.plugins.module_utils.token import codec
from ansible_collections.natsops.security.tests.unit.raw_tokens import (
    ACCOUNT,
    OPERATOR,
    USER,
    account_payload,
    key,
    sign,
)

EXPORT = {"subject": "a", "type": "service"}
KEY = key("account", 2).public_key


def claims_of(cls: type, options: dict[str, Any], **outer: Any) -> Claims:
    problems: list[Problem] = []
    body = read_options(cls, options, "", problems)
    assert problems == []
    subjects = {Operator: OPERATOR, Account: ACCOUNT, User: USER}
    return Claims(subject=subjects[cls].public_key, body=body, **outer)


def changes(cls: type, old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    return differences(claims_of(cls, old), claims_of(cls, new))


def limited(**limits: Any) -> dict[str, Any]:
    return {"limits": limits}


def scoped(**template: Any) -> dict[str, Any]:
    return {"signing_keys": [{"key": KEY, "role": "r", "template": template}]}


@pytest.mark.parametrize(
    ("cls", "old", "new", "told"),
    [
        (Account, limited(connections=10), limited(connections=20), ["limits.connections: 10 -> 20"]),
        (Account, {}, limited(connections=20), ["limits.connections: unlimited -> 20"]),
        (Account, limited(data=0), {}, ["limits.data: 0 -> unlimited"]),
        (Account, {}, limited(wildcard_exports=False), ["limits.wildcard_exports: true -> false"]),
        (
            Account,
            {},
            limited(jetstream={"disk_storage": "1KiB", "streams": 5}),
            ["limits.jetstream.disk_storage: 0 -> 1024", "limits.jetstream.streams: unlimited -> 5"],
        ),
        (Account, {}, limited(jetstream_tiers={"R1": {}}), ["limits.jetstream_tiers[R1]: added"]),
        (
            Account,
            limited(jetstream_tiers={"R1": {}, "R3": {"streams": 1}}),
            limited(jetstream_tiers={"R3": {"streams": 2}}),
            ["limits.jetstream_tiers[R1]: removed", "limits.jetstream_tiers[R3].streams: 1 -> 2"],
        ),
        (Account, {}, {"description": "x"}, ["description: none -> x"]),
        (Account, {"description": "x"}, {}, ["description: x -> none"]),
        (Account, {}, {"description": "x" * 101}, ["description: none -> " + "x" * 80 + "... (101 characters)"]),
        (Account, {}, {"description": f"eyJ{'x' * 40}"}, ["description: none -> (a JWT)"]),
        (Account, {"description": f"eyJ{'x' * 40}"}, {"description": f"eyJ{'y' * 40}"}, ["description: changed"]),
        (Account, {"tags": ["a", "b"]}, {"tags": ["c", "B"]}, ["tags: added c, removed a"]),
        (Account, {}, {"exports": [EXPORT]}, ["exports[service a]: added"]),
        (Account, {"exports": [EXPORT]}, {}, ["exports[service a]: removed"]),
        (
            Account,
            {"exports": [EXPORT]},
            {"exports": [dict(EXPORT, response_threshold="2s", response_type="Stream", token_required=True)]},
            [
                "exports[service a].token_required: false -> true",
                "exports[service a].response_type: Singleton -> Stream",
                "exports[service a].response_threshold: 0 -> 2s",
            ],
        ),
        (
            Account,
            {"exports": [EXPORT]},
            {"exports": [dict(EXPORT, latency={"results": "r"})]},
            ["exports[service a].latency: added"],
        ),
        (
            Account,
            {"exports": [dict(EXPORT, latency={"results": "r"})]},
            {"exports": [dict(EXPORT, latency={"results": "r", "sampling": "headers"})]},
            ["exports[service a].latency.sampling: 100 -> headers"],
        ),
        (
            Account,
            {"exports": [EXPORT]},
            {"exports": [dict(EXPORT, type="stream")]},
            ["exports[service a]: removed", "exports[stream a]: added"],
        ),
        (
            Account,
            {"imports": [dict(EXPORT, account="A1")]},
            {"imports": [dict(EXPORT, account="A1", local_subject="b"), dict(EXPORT, account="A2")]},
            ["imports[service A1 a].local_subject: none -> b", "imports[service A2 a]: added"],
        ),
        (Account, {}, {"signing_keys": [{"key": KEY}]}, [f"signing_keys[{KEY}]: added"]),
        (
            Account,
            scoped(),
            scoped(limits={"payload": 5}),
            [f"signing_keys[{KEY}].template.limits.payload: unlimited -> 5"],
        ),
        (
            Account,
            {"signing_keys": [{"key": KEY, "role": "r"}]},
            scoped(),
            [f"signing_keys[{KEY}].template: added"],
        ),
        (
            Account,
            scoped(permissions={"publish": {"allow": ["a"]}}),
            scoped(permissions={"publish": {"allow": ["b"]}}),
            [f"signing_keys[{KEY}].template.permissions.publish.allow: added b, removed a"],
        ),
        (
            Account,
            {"revocations": {"*": "2027-01-31"}},
            {"revocations": {"*": "2027-02-01", "U": "2027-01-31"}},
            [
                "revocations[*]: 2027-01-31T00:00:00Z -> 2027-02-01T00:00:00Z",
                "revocations[U]: none -> 2027-01-31T00:00:00Z",
            ],
        ),
        (
            Account,
            {"mappings": {"m": [{"subject": "a"}], "n": []}},
            {"mappings": {"m": [{"subject": "a", "weight": 60}, {"subject": "a", "cluster": "C"}]}},
            ["mappings[m][a].weight: 100 -> 60", "mappings[m][a C]: added", "mappings[n]: removed"],
        ),
        (Account, {}, {"trace": {"destination": "t"}}, ["trace: added"]),
        (Account, {"trace": {"destination": "t"}}, {}, ["trace: removed"]),
        (Account, {}, {"cluster_traffic": "owner"}, ["cluster_traffic: system -> owner"]),
        (
            User,
            {},
            {"permissions": {"publish": {"allow": ["a"], "deny": ["b"]}}},
            ["permissions.publish.allow: added a", "permissions.publish.deny: added b"],
        ),
        (User, {}, {"permissions": {"response": {}}}, ["permissions.response: added"]),
        (
            User,
            {"permissions": {"response": {}}},
            {"permissions": {"response": {"expires": "90s"}}},
            ["permissions.response.expires: 0 -> 1m30s"],
        ),
        (
            User,
            {"times": [{"start": "08:00:00", "end": "09:00:00"}]},
            {"times": [{"start": "08:00:00", "end": "10:00:00"}]},
            ["times[08:00:00].end: 09:00:00 -> 10:00:00"],
        ),
        (User, {}, {"bearer_token": True}, ["bearer_token: false -> true"]),
        (Operator, {}, {"strict_signing_key_usage": True}, ["strict_signing_key_usage: false -> true"]),
        (Operator, {}, {"operator_service_urls": ["nats://h"]}, ["operator_service_urls: added nats://h"]),
    ],
)
def test_change_is_told_in_words_of_the_options(cls: type, old: Any, new: Any, told: list[str]) -> None:
    assert changes(cls, old, new) == told
    assert changes(cls, old, old) == changes(cls, new, new) == []


def test_change_of_the_envelope_is_told_without_its_times_and_issuer() -> None:
    old = claims_of(User, {}, name="a", issuer="A1", issued_at=1, expires=2, id="x")
    new = claims_of(User, {}, name="b", audience="c", issuer="A2", issued_at=3, expires=4, id="y", not_before=86400)
    assert differences(old, new) == ["audience: none -> c", "name: a -> b", "not_before: none -> 1970-01-02T00:00:00Z"]


def test_repeated_elements_are_numbered() -> None:
    twice = {"exports": [EXPORT, dict(EXPORT, name="other")]}
    assert changes(Account, {"exports": [EXPORT]}, twice) == ["exports[service a #2]: added"]
    assert changes(Account, twice, {"exports": [EXPORT]}) == ["exports[service a #2]: removed"]
    odd = {"exports": [*twice["exports"], dict(EXPORT, subject="a #2")]}
    assert changes(Account, odd, twice) == ["exports[service a #2 #2]: removed"]


def test_thousands_of_elements_are_compared_in_no_time() -> None:
    many = {"exports": [{"subject": f"s{number}", "type": "stream"} for number in range(5000)]}
    assert changes(Account, many, {"exports": many["exports"][1:]}) == ["exports[stream s0]: removed"]


def test_user_that_becomes_scoped_is_told_in_one_line() -> None:
    own, scope = claims_of(User, {"tags": ["a"]}), claims_of(User, {})
    scope.body.access = no_access()
    assert differences(own, scope) == ["permissions and limits: its own -> those of the scope", "tags: removed a"]
    assert "permissions and limits: those of a scope -> its own" in differences(scope, own)


def test_changed_generic_claims_are_told_as_changed() -> None:
    old, new = Claims(subject="x", body=Generic({"a": 1})), Claims(subject="x", body=Generic({"a": 2}))
    assert differences(old, new) == ["data: changed"]
    assert differences(old, copy.deepcopy(old)) == []


# ---- descriptions


@pytest.mark.parametrize("kind", [*KINDS, "generic"])
def test_claims_without_anything_are_described_by_their_subject(kind: str) -> None:
    body = Generic if kind == "generic" else body_type(kind)
    described = describe(Claims(subject="x", body=body()))
    assert described["subject"] == "x"


def test_description_has_no_times_and_no_issuer() -> None:
    described = describe(claims_of(User, {"tags": ["a"]}, name="n", issuer="A", issued_at=5, expires=6, id="x"))
    assert described == {"subject": USER.public_key, "name": "n", "tags": ["a"]}


def test_description_is_the_same_in_whatever_order_things_were_told() -> None:
    options = {
        "exports": [EXPORT, dict(EXPORT, type="stream"), dict(EXPORT, subject="b")],
        "signing_keys": [{"key": KEY}, {"key": key("account", 3).public_key, "role": "r", "template": {}}],
        "mappings": {"m": [{"subject": "a"}, {"subject": "b"}], "l": []},
        "tags": ["a", "b"],
        "default_permissions": {"publish": {"allow": ["a", "b"]}},
        "revocations": {"*": "2027-01-31", USER.public_key: "2027-01-31"},
    }
    backwards = {
        name: dict(reversed(list(value.items()))) if isinstance(value, dict) else value[::-1]
        for name, value in reversed(list(options.items()))
    }
    one, other = describe(claims_of(Account, options)), describe(claims_of(Account, backwards))
    assert json.dumps(one) == json.dumps(other)


def test_scoped_user_is_described_without_limits() -> None:
    user = claims_of(User, {})
    user.body.access = no_access()
    assert describe(user) == {"subject": USER.public_key, "scoped": True}


def test_description_of_an_account_is_what_servers_make_of_it() -> None:
    tiers = {"mem_storage": 5, "tiered_limits": {"R1": {}}}
    payload = account_payload('"limits":' + str(tiers).replace("'", '"'))
    limits = describe(codec.decode(sign(payload, OPERATOR)))["limits"]
    assert "jetstream" not in limits
    assert limits["jetstream_tiers"] == {"R1": {}}


def test_describing_and_comparing_change_nothing() -> None:
    old, new = claims_of(Account, scoped()), claims_of(Account, {"exports": [EXPORT], "tags": ["b", "a"]})
    before = copy.deepcopy((old, new))
    describe(old)
    differences(old, new)
    assert (old, new) == before


# ---- unknown members


def test_unknown_members_are_carried_over_wherever_their_object_still_is() -> None:
    raw = account_payload(
        '"n":1,"limits":{"n":2},"exports":[{"subject":"a","type":"stream","n":3},{"subject":"b","type":"stream","n":4}],'
        '"trace":{"dest":"t","n":5},"mappings":{"m":[{"subject":"x","n":6}]},"default_permissions":{"pub":{"n":7}},'
        '"authorization":{"n":8}',
        n=9,
    )
    old = codec.decode(sign(raw, OPERATOR))
    new = claims_of(
        Account,
        {
            "exports": [{"subject": "b", "type": "stream"}],
            "mappings": {"m": [{"subject": "x"}]},
            "trace": {"destination": "t2"},
        },
    )
    carry_over_unknown(old, new)
    carry_over_unknown(old.body, new.body)
    body = new.body
    assert new.unknown == {"n": 9}
    assert body.unknown == {"n": 1}
    assert body.limits.unknown == {"n": 2}
    assert [export.unknown for export in body.exports] == [{"n": 4}]
    assert body.trace.unknown == {"n": 5}
    assert body.mappings["m"][0].unknown == {"n": 6}
    assert body.default_permissions.publish.unknown == {"n": 7}
    assert body.authorization.unknown == {"n": 8}


def test_unknown_member_of_the_new_claims_stays() -> None:
    old, new = claims_of(User, {}), claims_of(User, {})
    old.body.unknown, new.body.unknown = {"a": 1, "b": 1}, {"b": 2}
    carry_over_unknown(old.body, new.body)
    assert new.body.unknown == {"a": 1, "b": 2}


def test_unknown_member_stays_as_it_is_where_go_takes_an_older_one_for_the_same_name() -> None:
    old, new = claims_of(Account, {}), claims_of(Account, {})
    old.unknown, new.unknown = {"a": 1, "kind": 2, "other": 3}, {"A": 4, "\u212aind": 5}
    carry_over_unknown(old, new)
    assert new.unknown == {"other": 3, "A": 4, "\u212aind": 5}
