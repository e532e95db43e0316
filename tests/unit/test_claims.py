# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The declarations of claims have every field of the Go library, in the same order and with the same defaults.

go_claims.json was written by a Go program that uses reflection on nats-io/jwt v2.8.3. For each struct it contains the JSON names, the Go kinds and
whether a zero is written; it also contains the results of New...Claims and NewUserScope.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.natsops.security.plugins.module_utils import claims as model
from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.claims import authorization
from ansible_collections.natsops.security.plugins.module_utils.claims.declaration import Field, fields_of
from ansible_collections.natsops.security.plugins.module_utils.claims.kinds import ALWAYS
from ansible_collections.natsops.security.plugins.module_utils.claims.wire import (
    decode_object,
    encode_object,
    zero_object,
)
from ansible_collections.natsops.security.plugins.module_utils.token import codec

GO: dict[str, Any] = json.loads((pathlib.Path(__file__).parent / "go_claims.json").read_text(encoding="utf-8"))


def written_fields(cls: type) -> Iterator[Field]:
    """Yield the fields in the order in which they are written, including the fields of inline objects."""
    for field in fields_of(cls):
        if field.kind.shape == "inline" and field.kind.of is not None:
            yield from written_fields(field.kind.of)
        else:
            yield field


def go_fields(name: str) -> list[list[str]]:
    # The kind of a scope is not declared as a field: it has only one value, which is written before the fields.
    return [row for row in GO["fields"][name] if (name, row[0]) != ("SigningKey", "kind")]


CLASSES = {
    name: cls for file in (model, authorization) for name, cls in vars(file).items() if dataclasses.is_dataclass(cls)
}

every_struct = pytest.mark.parametrize("name", sorted(GO["fields"]))


def test_every_declared_class_is_held_against_go() -> None:
    inline_only = {"NatsLimits", "TemplateLimits", "Generic"}
    assert set(CLASSES) - inline_only == set(GO["fields"])


@every_struct
def test_fields_are_those_of_go_in_its_order(name: str) -> None:
    assert [field.json for field in written_fields(CLASSES[name])] == [row[0] for row in go_fields(name)]


@every_struct
def test_zero_is_written_where_go_writes_it(name: str) -> None:
    fields = {field.json: field for field in written_fields(CLASSES[name])}
    always = {json_name for json_name, field in fields.items() if field.zero is ALWAYS}
    wanted = {row[0] for row in go_fields(name) if row[2] == "always"}
    # A signing key without a template is written as a string, so that the template is optional here but always present in a Go scope.
    assert always == wanted - ({"template"} if name == "SigningKey" else set())


_INT64 = ([0, -(2**63), 2**63 - 1], [-(2**63) - 1, 2**63, 0.5, "0", True])
_UINT64 = ([0, 2**64 - 1], [-1, 2**64, 0.5, "0", True])
#: Values that a field of a Go kind accepts, and values that it refuses.
HOLDS: dict[str, tuple[list[Any], list[Any]]] = {
    "bool": ([False, True], [0, "", "true", []]),
    "int": _INT64,
    "int64": _INT64,
    "map of int64": ([{}, {"x": 1}], [[], "x", {"x": "1"}, {"x": 0.5}]),
    "map of slice": ([{}, {"x": []}, {"x": None}], [[], "x", {"x": {}}, {"x": [5]}]),
    "map of struct": ([{}, {"x": {}}], [[], "x", {"x": []}]),
    "pointer to struct": ([{}], [[], "x", 5]),
    "slice of slice": ([[], [["x"], None]], [{}, "x", ["x"], [[5]]]),
    "slice of string": ([[], ["x"]], [{}, 5, [5], [[]]]),
    "slice of struct": ([[], [{}]], [{}, "x", [5], ["x"]]),
    "string": (["", "x"], [0, True, [], {}]),
    "struct": ([{}], [[], "x", 5]),
    "uint": _UINT64,
    "uint64": _UINT64,
    "uint8": ([0, 255], [-1, 256, 0.5, "0", True]),
}
#: Fields with a special form in JSON. They have separate tests below.
OWN_FORM = {
    *(("Export", "type"), ("Import", "type"), ("Activation", "kind"), ("ServiceLatency", "sampling")),
    ("Account", "signing_keys"),
}


@pytest.mark.parametrize(
    ("name", "json_name", "holds"),
    [
        pytest.param(name, row[0], row[1], id=f"{name}.{row[0]}")
        for name in sorted(GO["fields"])
        for row in go_fields(name)
        if (name, row[0]) not in OWN_FORM
    ],
)
def test_field_reads_what_its_go_type_holds(name: str, json_name: str, holds: str) -> None:
    cls = CLASSES[name]
    reads, refuses = HOLDS[holds]
    for value in [*reads, None]:
        decode_object(cls, {json_name: value}, "")
    for value in refuses:
        with pytest.raises(NatsSecurityError):
            decode_object(cls, {json_name: value}, "")


@every_struct
def test_object_of_zeros_is_empty_but_for_what_is_always_written(name: str) -> None:
    cls = CLASSES[name]
    if name == "ServiceLatency":
        return  # a sampling of 0 is written as "headers"
    written = json.loads(encode_object(zero_object(cls)))
    assert set(written) == {field.json for field in written_fields(cls) if field.zero is ALWAYS}
    assert decode_object(cls, written, "") == zero_object(cls)


@pytest.mark.parametrize("kind", [*model.KINDS, "generic"])
def test_new_claims_are_those_of_go(kind: str) -> None:
    body = model.Generic if kind == "generic" else model.body_type(kind)
    new = json.loads(codec.payload_of(model.Claims(subject="SUBJECT", body=body())))
    wanted = dict(GO["new"][kind])
    wanted.pop("iss", None)  # set by NewOperatorClaims, overwritten on signing
    assert new == wanted


def test_new_template_of_a_scope_is_that_of_go() -> None:
    assert json.loads(encode_object(model.ScopeTemplate())) == GO["new"]["scope"]["template"]


def test_new_objects_share_nothing_that_can_change() -> None:
    for cls in CLASSES.values():
        one, other = cls(), cls()
        assert one == other
        for field in dataclasses.fields(cls):
            value = getattr(one, field.name)
            if isinstance(value, (list, dict)) or dataclasses.is_dataclass(value):
                assert value is not getattr(other, field.name)


@pytest.mark.parametrize("kind", model.KINDS)
def test_body_names_its_kind_and_the_keys_that_may_sign_it(kind: str) -> None:
    body = model.body_type(kind)
    assert kind == body.KIND
    assert body.ISSUER_TYPES
    assert model.Claims(body=body()).kind == kind


# ---- single fields


def decoded(cls: type, **members: Any) -> Any:
    return decode_object(cls, members, "")


def test_networks_are_read_from_a_comma_separated_text_too() -> None:
    assert decoded(model.UserAccess, src="10.0.0.0/8, 2001:DB8::/32 ,,").source_networks == [
        "10.0.0.0/8",
        "2001:db8::/32",
    ]


@pytest.mark.parametrize(("raw", "sampling"), [("headers", 0), ("Headers", 0), (1, 1), (100, 100), (101, 101)])
def test_sampling_is_read(raw: Any, sampling: int) -> None:
    assert decoded(model.ServiceLatency, sampling=raw).sampling == sampling


@pytest.mark.parametrize("sampling", [-1, 101])
def test_sampling_that_go_does_not_write_is_not_written(sampling: int) -> None:
    with pytest.raises(NatsSecurityError, match="1 to 100, or headers"):
        encode_object(model.ServiceLatency(sampling=sampling))


@pytest.mark.parametrize("raw", ["queue", "", 1, "Stream"])
def test_export_type_is_stream_or_service(raw: Any) -> None:
    with pytest.raises(NatsSecurityError, match="neither stream nor service"):
        decoded(model.Export, type=raw)


def test_signing_keys_are_texts_and_scopes() -> None:
    scope = {"kind": "user_scope", "key": "B", "role": "r", "template": {}, "description": ""}
    keys = decoded(model.Account, signing_keys=["A", scope, None]).signing_keys
    assert [(key.key, key.role, key.template is None) for key in keys] == [("A", "", True), ("B", "r", False)]


@pytest.mark.parametrize("kind", ["USER_SCOPE", "other", None, 5])
def test_scope_of_an_unknown_kind_is_refused(kind: Any) -> None:
    with pytest.raises(NatsSecurityError, match="a scope of an unknown kind"):
        decoded(model.Account, signing_keys=[{"kind": kind, "key": "A"}])


def test_scope_without_limits_is_unlimited_for_servers_and_stays_as_it_was_written() -> None:
    scope = {"kind": "user_scope", "key": "B", "role": "", "template": {"pub": {}, "sub": {}}, "description": ""}
    account = decoded(model.Account, signing_keys=[scope])
    assert json.loads(encode_object(account))["signing_keys"] == [scope]
    limits = model.as_read_by_servers(account).signing_keys[0].template.limits
    assert (limits.subscriptions, limits.data, limits.payload) == (-1, -1, -1)


def test_tiers_make_servers_pass_over_the_other_jetstream_limits() -> None:
    account = decoded(model.Account, limits={"mem_storage": 5, "tiered_limits": {"R1": {"disk_storage": 7}}})
    read = model.as_read_by_servers(account)
    assert (read.limits.jetstream.memory_storage, account.limits.jetstream.memory_storage) == (0, 5)
    assert read.limits.jetstream_tiers["R1"].disk_storage == 7


def test_user_is_scoped_when_it_has_nothing_of_its_own() -> None:
    assert decoded(model.User, pub={}, sub={}, issuer_account="A", tags=["x"]).is_scoped
    for own in ({"subs": -1}, {"pub": {"allow": ["a"]}}, {"resp": {}}, {"bearer_token": True}, {"src": ["10.0.0.0/8"]}):
        assert not decoded(model.User, **own).is_scoped
    assert not model.User().is_scoped


@pytest.mark.parametrize(("issuer", "subject", "imported"), [("", "A", "a"), ("A", "", "a"), ("A", "A", "")])
def test_activation_without_all_its_parts_has_no_hash_id(issuer: str, subject: str, imported: str) -> None:
    with pytest.raises(NatsSecurityError, match="has no hash id"):
        model.activation_hash_id(issuer, subject, imported)
