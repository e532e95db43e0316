# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Hypothesis strategies for claims. They are derived from the declarations, so that new fields are included without changes here."""

from __future__ import annotations

import dataclasses
from typing import Any

from hypothesis import strategies as st

from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.claims import (
    Account,
    Activation,
    Claims,
    Generic,
    Operator,
    SigningKey,
    User,
    authorization,
    kinds,
    no_access,
)
from ansible_collections.natsops.security.plugins.module_utils.claims.authorization import (
    AuthorizationRequest,
    AuthorizationResponse,
)
from ansible_collections.natsops.security.plugins.module_utils.claims.declaration import Field, fields_of
from ansible_collections.natsops.security.plugins.module_utils.claims.kinds import Kind
from ansible_collections.natsops.security.plugins.module_utils.claims.wire import fold_name, zero_object
from ansible_collections.natsops.security.tests.unit.raw_tokens import key

SIGNERS = {
    Operator: ("operator",),
    Account: ("operator", "account"),
    User: ("account",),
    Activation: ("operator", "account"),
    AuthorizationRequest: ("server",),
    AuthorizationResponse: ("account",),
    Generic: ("operator", "account", "user", "server", "cluster"),
}
SUBJECTS = {Operator: "operator", Account: "account", User: "user", Activation: "account"}

#: Texts with special characters of JSON, HTML, subjects and keys, and any other Unicode text.
texts = st.one_of(
    st.sampled_from(
        ["a", "b", "a.>", "*", "", " ", "A", "\u0130", "<&>", "\u2028", "\0", '"\\', "\ufeff", "\U0001f600"]
    ),
    st.text(max_size=6),
)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64)
    | st.floats(-1e9, 1e9).map(lambda number: number + 0.0)
    | texts,  # -0 is read as 0
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)
#: JSON values that Go's float64 represents exactly.
float_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)


@dataclasses.dataclass(frozen=True)
class _Where:
    """Restrictions on values: scopes hold smaller numbers, and options cannot describe every value of a token (`tellable`)."""

    in_scope: bool = False
    tellable: bool = False
    with_unknown: bool = True


def _reads(kind: Kind, value: Any) -> bool:
    try:
        kind.decode(value, "")
    except NatsSecurityError:
        return False
    return True


def _numbers(kind: Kind, where: _Where) -> st.SearchStrategy[int]:
    low = next(bound for bound in (-(2**63), 0) if _reads(kind, bound))
    high = next(bound for bound in (2**64 - 1, 2**63 - 1, 255) if _reads(kind, bound))
    if where.in_scope:
        low, high = max(low, -(2**53) + 1), min(high, 2**53 - 1)
    usual = [number for number in (-2, -1, 0, 1, 100, 1000, low, high) if low <= number <= high]
    return st.sampled_from(usual) | st.integers(low, high)


def _is_tellable(kind: Kind, value: Any) -> bool:
    try:
        kind.parse(kind.show(value))
    except ValueError:
        return False
    return True


def _values(kind: Kind, where: _Where) -> st.SearchStrategy[Any]:
    """Return a strategy for the values of a field, of a kind without a class, in a decoded token."""
    if kind is kinds.BOOL:
        values: st.SearchStrategy[Any] = st.booleans()
    elif kind is kinds.EXPORT_TYPE:
        values = st.sampled_from(["stream", "service"])
    elif kind is kinds.SAMPLING:
        values = st.integers(0, 100)
    elif kind is kinds.REVOCATIONS:
        values = st.dictionaries(texts, _numbers(kinds.TIME, where), max_size=3)
    elif kind is authorization._CHAINS:
        values = st.lists(st.none() | st.lists(texts, max_size=2), max_size=2)
    elif isinstance(kind.zero, list):
        values = st.lists(texts, max_size=3)
    elif isinstance(kind.zero, int):
        values = _numbers(kind, where)
    else:
        choices = kind.spec.get("choices")
        values = texts if choices is None else st.sampled_from(["", *choices]) | texts
    return values.filter(lambda value: _is_tellable(kind, value)) if where.tellable else values


def _field_values(field: Field, where: _Where) -> st.SearchStrategy[Any]:
    kind = field.kind
    of = kind.of
    if of is None:
        return _values(kind, where)
    if kind.shape == "inline":
        # Unknown members are kept by the enclosing object.
        return _objects(of, dataclasses.replace(where, with_unknown=False))
    inside = dataclasses.replace(where, with_unknown=not where.tellable)
    if kind.shape == "object":
        return objects(of, inside) if kind.zero is kinds.ALWAYS else st.none() | objects(of, inside)
    if of is SigningKey:
        return st.lists(_signing_keys(inside), max_size=3, unique_by=lambda value: value.key)
    elements = objects(of, inside)
    if kind.shape == "list":
        # In Go, only exports and imports are lists of pointers, so that their elements may be null.
        nullable = field.attribute in ("exports", "imports") and not where.tellable
        return st.lists(st.none() | elements if nullable else elements, max_size=3)
    if kind.shape == "lists":
        lists = st.lists(elements, max_size=2)
        return st.dictionaries(texts, lists if where.tellable else st.none() | lists, max_size=2)
    return st.dictionaries(texts, elements, max_size=2)


def _unknown(cls: type, where: _Where) -> st.SearchStrategy[dict[str, Any]]:
    declared = {fold_name(field.json) for field in _all_fields(cls)} | {"nats", "kind"}
    names = texts.filter(lambda name: fold_name(name) not in declared)
    members = st.dictionaries(names, float_values if where.in_scope else json_values, max_size=2)
    # Names that differ only in case are refused.
    return st.just({}) | members.filter(lambda found: len(set(map(fold_name, found))) == len(found))


def _all_fields(cls: type) -> list[Field]:
    found: list[Field] = []
    for field in fields_of(cls):
        found += _all_fields(field.kind.of) if field.kind.shape == "inline" and field.kind.of else [field]
    return found


@st.composite
def _objects(draw: st.DrawFn, cls: type, where: _Where) -> Any:
    value = zero_object(cls)
    for field in fields_of(cls):
        # Most fields of most claims are empty.
        if (
            field.kind.shape == "inline"
            or field.kind.zero is kinds.ALWAYS
            or field.required
            or draw(st.integers(0, 3)) == 0
        ):
            setattr(value, field.attribute, draw(_field_values(field, where)))
    if hasattr(value, "unknown") and where.with_unknown:
        value.unknown = draw(_unknown(cls, where))
    return value


def objects(cls: type, where: _Where = _Where()) -> st.SearchStrategy[Any]:
    """Return a strategy for objects of a declared class, with any values of a decoded token."""
    if cls is User:
        return _users(where)
    return _objects(cls, where)


@st.composite
def _users(draw: st.DrawFn, where: _Where) -> User:
    user: User = draw(_objects(User, where))
    if draw(st.booleans()):
        user.access = no_access()
    return user


@st.composite
def _signing_keys(draw: st.DrawFn, where: _Where) -> SigningKey:
    scope = dataclasses.replace(where, in_scope=True)
    signing_key: SigningKey = draw(_objects(SigningKey, scope))
    if signing_key.template is None:
        # A signing key without a template is written as a string, which holds only the key.
        signing_key = SigningKey(key=signing_key.key)
    return signing_key


@st.composite
def claims(draw: st.DrawFn, cls: type | None = None, tellable: bool = False) -> Claims:
    """Draw claims of any type or of one. With `tellable`, only claims that the options of a task can describe."""
    where = _Where(tellable=tellable, with_unknown=not tellable)
    cls = draw(st.sampled_from(list(SIGNERS))) if cls is None else cls
    value: Claims = draw(_objects(Claims, where))
    subject_type = SUBJECTS.get(cls)
    value.subject = key(subject_type).public_key if subject_type else draw(texts.filter(bool))
    if cls is Generic:
        value.body = Generic(draw(st.none() | st.dictionaries(texts, float_values, max_size=3)))
        value.unknown = {}
        return value
    value.body = draw(objects(cls, where))
    if cls is Operator:
        value.body.account_server_url = draw(st.sampled_from(["", "https://example.com/<&>", "nats://h:4222"]))
    return value


@st.composite
def claims_and_signer(draw: st.DrawFn, **options: Any) -> Any:
    """Draw claims and a key that may sign them."""
    value = draw(claims(**options))
    return value, key(draw(st.sampled_from(SIGNERS[type(value.body)])))
