# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The largest and smallest numbers of every kind: all numbers that are written can be read, and writing any other number is an error."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.base.units import INT64_MAX, INT64_MIN
from ansible_collections.natsops.security.plugins.module_utils.claims import (
    KINDS,
    Account,
    Claims,
    Export,
    body_type,
)
from ansible_collections.natsops.security.plugins.module_utils.claims.declaration import fields_of
from ansible_collections.natsops.security.plugins.module_utils.claims.kinds import LARGEST_EXACT
from ansible_collections.natsops.security.plugins.module_utils.decision.issue import Policy, issue
from ansible_collections.natsops.security.plugins.module_utils.token import codec
from ansible_collections.natsops.security.tests.unit.raw_tokens import ACCOUNT, OPERATOR, SERVER, USER

NOW = 1_800_000_000
SIGNERS = {
    "operator": OPERATOR,
    "account": OPERATOR,
    "user": ACCOUNT,
    "activation": ACCOUNT,
    "authorization_request": SERVER,
    "authorization_response": ACCOUNT,
}
SUBJECTS = {"operator": OPERATOR, "account": ACCOUNT, "activation": ACCOUNT}


def claims_of(kind: str) -> Claims:
    subject = SUBJECTS.get(kind, USER).public_key
    return Claims(subject=subject, body=body_type(kind)())


def numbers_of(value: Any, path: str = "") -> Iterator[tuple[str, Any, str, int, int]]:
    """Yield the path, object, attribute, minimum and maximum of every integer below a declared object. Each list and map is given an element."""
    for field in fields_of(value.__class__):
        kind, name = field.kind, path + field.json
        if kind.of is not None:
            inner = getattr(value, field.attribute)
            if kind.shape not in ("inline", "object") or inner is None:
                inner = kind.of() if kind.of is not Export else Export(type="stream")
                whole = {"list": [inner], "map": {"m": inner}, "lists": {"m": [inner]}}.get(kind.shape, inner)
                setattr(value, field.attribute, whole)
            if hasattr(inner, "type") and kind.of.__name__ in ("Export", "Import"):
                inner.type = "stream"
            yield from numbers_of(inner, path if kind.shape == "inline" else name + ".")
        elif kind.zero == 0 and isinstance(kind.zero, int) and not isinstance(kind.zero, bool):
            bounds = inspect.getclosurevars(kind.decode).nonlocals
            yield name, value, field.attribute, bounds.get("low", INT64_MIN), bounds.get("high", INT64_MAX)


ALL = {
    f"{kind}: {found[0]}": (kind, number)
    for kind in KINDS
    for number, found in enumerate([*numbers_of(claims_of(kind)), *numbers_of(claims_of(kind).body, "nats.")])
}


def number_of(name: str) -> tuple[Claims, Any, str, int, int]:
    kind, index = ALL[name]
    claims = claims_of(kind)
    found = [*numbers_of(claims), *numbers_of(claims.body, "nats.")][index]
    return (claims, *found[1:])


def test_every_kind_has_numbers() -> None:
    assert len(ALL) > 60
    assert {name.split(":")[0] for name in ALL} == set(KINDS)


@pytest.mark.parametrize("name", [name for name in ALL if not name.endswith((": iat", ".version"))])
def test_number_at_its_bounds_is_read_again_and_beyond_them_is_not_written(name: str) -> None:
    claims, owner, attribute, low, high = number_of(name)
    is_special = name.endswith("latency.sampling") or ".template." in name
    if name.endswith("latency.sampling"):
        low, high = 0, 100
    elif ".template." in name:
        low, high = -LARGEST_EXACT, LARGEST_EXACT
    signer = SIGNERS[claims.kind]
    for value in (low, high):
        setattr(owner, attribute, value)
        codec.decode(codec.encode(claims, signer, NOW))
    for value in (low - 1, high + 1):
        setattr(owner, attribute, value)
        with pytest.raises(NatsSecurityError, match=str(value)) as error:
            codec.encode(claims, signer, NOW)
        if not is_special:
            assert name.split(".")[-1].split(": ")[-1] in str(error.value)
            assert f"the range is {low} to {high}" in str(error.value)


@pytest.mark.parametrize("kind", KINDS)
def test_time_of_issue_at_its_bounds(kind: str) -> None:
    claims, signer = claims_of(kind), SIGNERS[kind]
    assert codec.decode(codec.encode(claims, signer, INT64_MAX)).issued_at == INT64_MAX
    with pytest.raises(NatsSecurityError, match="iat is 9223372036854775808, which cannot"):
        codec.encode(claims, signer, INT64_MAX + 1)


@pytest.mark.parametrize("at", [INT64_MAX, INT64_MIN, 0])
def test_revocations_at_their_bounds(at: int) -> None:
    for body in (
        Account(revocations={"*": at}),
        Account(exports=[Export(subject="a", type="stream", revocations={"*": at})]),
    ):
        text = codec.encode(Claims(subject=ACCOUNT.public_key, body=body), OPERATOR, NOW)
        assert codec.encode(codec.decode(text), OPERATOR, NOW) == text


@pytest.mark.parametrize("at", [INT64_MAX + 1, INT64_MIN - 2])
def test_revocations_beyond_their_bounds_are_not_written(at: int) -> None:
    for body in (
        Account(revocations={"*": at}),
        Account(exports=[Export(subject="a", type="stream", revocations={"*": at})]),
    ):
        with pytest.raises(NatsSecurityError, match=rf"revocations\.\* is {at}, "):
            codec.encode(Claims(subject=ACCOUNT.public_key, body=body), OPERATOR, NOW)


# ---- the decision


@pytest.mark.parametrize("kind", ["operator", "account", "user", "activation"])
@pytest.mark.parametrize("issued_at", [INT64_MAX - 2, INT64_MAX - 1, INT64_MAX])
def test_what_replaces_a_token_of_the_far_future_can_be_read(kind: str, issued_at: int) -> None:
    wanted = dataclasses.replace(claims_of(kind), name="new")
    old = codec.encode(claims_of(kind), SIGNERS[kind], issued_at)
    if issued_at == INT64_MAX:
        with pytest.raises(NatsSecurityError, match="no later token can be issued"):
            issue(wanted, old, SIGNERS[kind], Policy(), NOW)
        return
    issued = issue(wanted, old, SIGNERS[kind], Policy(), NOW)
    assert codec.decode(issued.token).issued_at == issued_at + 1


@pytest.mark.parametrize("kind", ["user", "activation"])
@pytest.mark.parametrize("revoked", [INT64_MAX - 1, INT64_MAX])
def test_what_is_issued_after_a_revocation_of_the_far_future_can_be_read(kind: str, revoked: int) -> None:
    policy = Policy(issued_after=revoked)
    if revoked == INT64_MAX:
        with pytest.raises(NatsSecurityError, match="no later token can be issued"):
            issue(claims_of(kind), None, SIGNERS[kind], policy, NOW)
        return
    token = issue(claims_of(kind), None, SIGNERS[kind], policy, NOW).token
    assert codec.decode(token).issued_at == INT64_MAX


@pytest.mark.parametrize("kind", ["operator", "account", "user", "activation"])
def test_end_of_a_token_of_the_far_future_can_be_read(kind: str) -> None:
    wanted = dataclasses.replace(claims_of(kind), name="new")
    old = codec.encode(claims_of(kind), SIGNERS[kind], INT64_MAX - 61)
    token = issue(wanted, old, SIGNERS[kind], Policy(expires_in=60), NOW).token
    assert codec.decode(token).expires == INT64_MAX
    with pytest.raises(NatsSecurityError, match=r"It would expire after the latest time"):
        issue(wanted, old, SIGNERS[kind], Policy(expires_in=61), NOW)
