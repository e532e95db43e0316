# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Properties that hold for any claims, keys, tokens, files and bytes."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import json
import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.base.units import INT64_MAX
from ansible_collections.natsops.security.plugins.module_utils.claims import (
    KINDS,
    Account,
    Activation,
    Claims,
    Generic,
    Operator,
    User,
    body_type,
    no_access,
)
from ansible_collections.natsops.security.plugins.module_utils.claims.comparison import describe, differences
from ansible_collections.natsops.security.plugins.module_utils.claims.declaration import Field, fields_of
from ansible_collections.natsops.security.plugins.module_utils.claims.kinds import NOW as FROM_NOW
from ansible_collections.natsops.security.plugins.module_utils.claims.options import Problem, read_options
from ansible_collections.natsops.security.plugins.module_utils.decision.issue import Policy, issue
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.token import codec, decorated
from ansible_collections.natsops.security.tests.unit.raw_tokens import (
    ACCOUNT,
    CURVE,
    HEADER,
    USER,
    key,
    sign,
    sign_version_1,
)
from ansible_collections.natsops.security.tests.unit.strategies import claims, claims_and_signer, json_values, texts

NOW = 1_800_000_000
DAY = 86400
moments = st.integers(1, 2**40)


def as_decoded(claims: Claims, issuer: str, issued_at: int) -> Claims:
    """Return claims with the members that encoding and decoding adds, in the order that it produces."""
    claims = copy.deepcopy(claims)
    claims.issuer, claims.issued_at, claims.id = issuer, issued_at, ""
    body = claims.body
    if isinstance(body, Generic):
        if body.data is not None:
            body.data["version"] = 2
        return claims
    body.type, body.version = body.KIND, 2
    if isinstance(body, Account):
        for elements in (body.exports, body.imports):
            elements.sort(key=lambda element: "" if element is None else element.subject)
        body.signing_keys.sort(key=lambda signing_key: signing_key.key)
    return claims


def decode(text: str, claims: Claims) -> Claims:
    return codec.decode_generic(text) if isinstance(claims.body, Generic) else codec.decode(text)


# ---- tokens


@given(claims_and_signer(), moments)
def test_any_claims_survive_encoding_and_decoding(drawn: Any, now: int) -> None:
    claims, signer = drawn
    before = copy.deepcopy(claims)
    text = codec.encode(claims, signer, now)
    assert claims == before
    decoded = decode(text, claims)
    assert dataclasses.replace(decoded, id="") == as_decoded(claims, signer.public_key, now)
    assert codec.encode(decoded, signer, now) == text
    assert json.loads(codec.payload_of(decoded)) == json.loads(codec._from_base64url(text.split(".")[1], ""))


@given(claims_and_signer(), st.data())
def test_any_changed_character_of_a_token_is_refused(drawn: Any, data: st.DataObject) -> None:
    claims, signer = drawn
    text = codec.encode(claims, signer, NOW)
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from(string.ascii_letters + string.digits + "-_.") | st.characters())
    if other == text[at]:
        return
    for read in (codec.decode, codec.decode_generic, codec.decode_any_kind):
        with pytest.raises(NatsSecurityError):
            read(text[:at] + other + text[at + 1 :])


@given(claims_and_signer(cls=User) | claims_and_signer(cls=Activation), moments, st.data())
def test_token_that_is_what_is_wanted_to_the_byte_says_the_same_when_it_is_decoded(
    drawn: Any, now: int, data: st.DataObject
) -> None:
    wanted, signer = drawn
    wanted.expires = min(abs(wanted.expires), INT64_MAX)
    text = codec.encode(wanted, signer, now)
    for again in (None, signer):
        for written in (None, codec.body_json(wanted.body)):
            asked = dataclasses.replace(wanted, expires=0, issued_at=1)
            assert codec.decode_verbatim(text, asked, again, written) == codec.decode(text)
    other = data.draw(claims(cls=type(wanted.body)))
    if as_decoded(dataclasses.replace(other, expires=0), "", 0) != as_decoded(
        dataclasses.replace(wanted, expires=0), "", 0
    ):
        assert codec.decode_verbatim(text, other) is codec.decode_verbatim(text, other, signer) is None
    header, payload, signature = text.split(".")
    forged = signature[:9] + ("A" if signature[9] != "A" else "B") + signature[10:]
    for again in (None, signer):
        with pytest.raises(NatsSecurityError, match="signature"):
            codec.decode_verbatim(".".join((header, payload, forged)), wanted, again)


@given(claims_and_signer(), st.data())
def test_any_part_of_a_token_is_refused(drawn: Any, data: st.DataObject) -> None:
    claims, signer = drawn
    text = codec.encode(claims, signer, NOW)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    for part in {text[:start] + text[end:], text[start:end]} - {text}:
        with pytest.raises(NatsSecurityError):
            codec.decode_any_kind(part)


# ---- issuing


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    expires_in = draw(st.none() | st.integers(2, 10_000 * DAY))
    if expires_in is not None:
        return Policy(expires_in=expires_in, renew_before=draw(st.integers(0, expires_in - 1)))
    return Policy(expires_at=draw(st.none() | st.integers(1, 2**40)))


def in_another_order(claims: Claims) -> Claims:
    """Return equivalent claims with lists and maps in reverse order."""
    claims = copy.deepcopy(claims)
    body = claims.body
    for name in ("tags", "signing_keys", "operator_service_urls"):
        getattr(body, name, []).reverse()
    if isinstance(body, Account):
        body.mappings = dict(reversed(list(body.mappings.items())))
        body.revocations = dict(reversed(list(body.revocations.items())))
    return claims


@given(claims_and_signer(), policies(), moments, st.data())
def test_issuing_keeps_its_own_output(drawn: Any, policy: Policy, now: int, data: st.DataObject) -> None:
    claims, signer = drawn
    if isinstance(claims.body, Account) and data.draw(st.booleans()):
        claims.body.revocations["*"] = FROM_NOW
    before = copy.deepcopy(claims)
    first = issue(claims, None, signer, policy, now)
    until = policy.expires_in - policy.renew_before - 1 if policy.expires_in is not None else 2**40
    later = now + data.draw(st.integers(0, until))
    for wanted in (claims, in_another_order(claims), decode(first.token, claims)):
        second = issue(wanted, first.token, signer, policy, later)
        assert second.decision.reasons == []
        assert second.token == first.token
        assert second.decision.before == second.decision.after
    assert claims == before


@given(claims_and_signer(), policies(), moments, st.integers(-1000 * DAY, 1000 * DAY))
def test_what_is_issued_anew_is_younger_and_then_kept(drawn: Any, policy: Policy, now: int, by: int) -> None:
    claims, signer = drawn
    first = issue(claims, None, signer, policy, now)
    forced = issue(claims, first.token, signer, dataclasses.replace(policy, force=True), max(1, now + by))
    assert "force is set" in forced.decision.reasons
    old, new = decode(first.token, claims), decode(forced.token, claims)
    assert new.issued_at > old.issued_at
    assert new.issued_at >= now + by
    assert issue(claims, forced.token, signer, policy, new.issued_at).token == forced.token
    assert differences(old, new) == []


@given(st.data())
def test_any_claims_take_the_place_of_any_others_of_their_type(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from([Operator, Account, User, Activation]))
    old, signer = data.draw(claims_and_signer(cls=kind))
    wanted, _unused = data.draw(claims_and_signer(cls=kind))
    existing = issue(old, None, signer, Policy(), NOW).token
    before = copy.deepcopy(wanted)
    new = issue(wanted, existing, signer, Policy(), NOW)
    assert wanted == before
    again = issue(wanted, new.token, signer, Policy(), NOW + 1)
    assert again.decision.reasons == []
    if isinstance(wanted.body, Account):
        result = codec.decode(new.token).body
        assert set(old.body.revocations) <= set(result.revocations)
        assert {key.key for key in old.body.signing_keys} <= {key.key for key in result.signing_keys}


# ---- options


def _declared(cls: type) -> dict[str, Field]:
    """Return every field of a class and of its nested classes that holds a plain value, by class and attribute."""
    found = {}
    for field in fields_of(cls):
        if field.kind.of is None:
            found[f"{cls.__name__}.{field.attribute}"] = field
        else:
            found.update(_declared(field.kind.of))
    return found


FIELDS = {
    place: field
    for cls in (Claims, *map(body_type, KINDS))
    for place, field in _declared(cls).items()
    if field.is_option
}
_EDGES: list[Any] = [
    -(2**63),
    -(10**9),
    -5,
    -2,
    -1,
    0,
    1,
    100,
    3600,
    64800,
    2**53 - 1,
    2**53,
    2**63 - 1,
    True,
    False,
    None,
]
_EDGES += ["", "64800", "raw(5)", 'raw("")', "unlimited", "headers", "18:00:00", "now", "stream", "\ufffd"]
_EDGES += [[], ["b", "a", "b", " A "], {}, {"*": 0, "U": -1}, {"*": -(2**63), "U": 2**63 - 1}]


def _shown_again(place: str, value: Any) -> None:
    """Assert that the displayed form of a value that a token can hold can be parsed, and that the result is displayed in the same form."""
    kind = FIELDS[place].kind
    try:
        held = kind.decode(value, place)
    except NatsSecurityError:
        return
    shown = kind.show(held)
    parsed = kind.parse(shown)
    assert kind.show(parsed) == shown
    assert parsed == held or "raw(" not in str(shown) or isinstance(value, list)


@pytest.mark.parametrize("value", _EDGES, ids=repr)
def test_the_edges_of_every_field_are_shown_so_that_they_parse_back(value: Any) -> None:
    for place in FIELDS:
        _shown_again(place, value)


@settings(max_examples=300)
@given(st.sampled_from(list(FIELDS)), st.integers(-(2**63), 2**63 - 1) | texts | st.lists(texts, max_size=3))
def test_whatever_a_field_shows_parses_back(place: str, value: Any) -> None:
    _shown_again(place, value)


@given(st.data())
def test_what_describes_claims_means_the_same_as_options(data: st.DataObject) -> None:
    cls = data.draw(st.sampled_from([Operator, Account, User, Activation]))
    claims, _unused = data.draw(claims_and_signer(cls=cls, tellable=True))
    told = describe(claims)
    envelope = {name: told.pop(name) for name in ("name", "audience", "not_before") if name in told}
    told.pop("subject")
    issuer_account = told.pop("issuer_account", "")
    scoped = told.pop("scoped", False)
    for item in told.get("imports", []):
        item.pop("to", None)  # deprecated: it is shown, but it is not an option
    problems: list[Problem] = []
    again: Claims = read_options(Claims, envelope, "", problems)
    again.body = read_options(cls, told, "", problems)
    assert problems == []
    if scoped:
        again.body.access = no_access()
    if hasattr(again.body, "issuer_account"):
        again.body.issuer_account = issuer_account
    assert [line for line in differences(claims, again) if "].to: " not in line] == []


@given(st.sampled_from([*map(body_type, KINDS), Claims]), json_values | st.dictionaries(texts, json_values, max_size=3))
def test_any_options_are_read_or_are_problems(cls: type, options: Any) -> None:
    problems: list[Problem] = []
    read_options(cls, options, "", problems)
    assert all(str(problem) for problem in problems)


# ---- anything


def only_the_cores_own_error() -> Any:
    return contextlib.suppress(NatsSecurityError)


WORDS = st.sampled_from(
    [
        *(
            "-----BEGIN NATS USER JWT-----\n",
            "------END NATS USER JWT------\n",
            "---",
            "\n",
            "\r\n",
            ".",
            "SU",
            "\ud800",
        ),
        *(ACCOUNT.public_key, USER.seed, USER.public_key, sign("{}"), "eyJ", "=", "xkv1"),
    ]
)
anything = (
    st.text()
    | st.lists(WORDS | st.text(max_size=3), max_size=8).map("".join)
    | st.binary().map(lambda data: data.decode("utf-8", "surrogateescape"))
)
READERS = [
    *(codec.decode, codec.decode_generic, codec.decode_any_kind, decorated.find_token, decorated.find_seed),
    *(decorated.decorate_token, decorated.decorate_seed, nkey.from_seed, nkey.from_public_key, nkey.create),
    lambda text: decorated.format_creds(text, USER),
    lambda text: codec.decode(decorated.find_token(text)),
    lambda text: nkey.is_public_key(text, "user"),
    lambda text: CURVE.seal(b"", text),
    lambda text: CURVE.open(b"", text),
    lambda text: issue(Claims(subject=USER.public_key, body=User()), text, ACCOUNT, Policy(), NOW),
]


@given(anything)
@settings(max_examples=100)
def test_any_text_is_read_or_refused(text: str) -> None:
    for read in READERS:
        with only_the_cores_own_error():
            read(text)


@given(st.binary(max_size=100) | st.binary(max_size=100).map(lambda data: b"xkv1" + data))
def test_any_bytes_are_no_box_and_no_signature(data: bytes) -> None:
    with pytest.raises(NatsSecurityError):
        CURVE.open(data, CURVE.public_key)
    assert not ACCOUNT.verify(data, data[:64])
    with only_the_cores_own_error():
        nkey.from_raw_seed("user", data)


# Names of members of claims, so that values of every type occur in every place.
NAMES = st.sampled_from(
    [
        *(
            "nats",
            "NATS",
            "type",
            "version",
            "iss",
            "sub",
            "iat",
            "exp",
            "name",
            "tags",
            "issuer_account",
            "pub",
            "sub",
        ),
        *("allow", "deny", "resp", "max", "ttl", "src", "times", "start", "subs", "data", "payload", "bearer_token"),
        *("exports", "imports", "subject", "service_latency", "sampling", "results", "revocations", "signing_keys"),
        *(
            "template",
            "kind",
            "key",
            "role",
            "limits",
            "tiered_limits",
            "mem_storage",
            "mappings",
            "weight",
            "*",
            "trace",
        ),
        *("dest", "authorization", "auth_users", "default_permissions", "operator_service_urls", "account_server_url"),
        *("server_id", "client_tls", "verified_chains", "connect_opts", "jwt", "error", "account_token_position"),
    ]
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, 1, 2, -1, 2**53, 2**63, 2**64, -(2**63) - 1, 1.5, 1e300, 10**400]),
    st.sampled_from(["", "user", "account", "stream", "service", "user_scope", "headers", "\ud800", "a.>", "SU"]),
    texts,
)
json_of_claims = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | texts, inner, max_size=5),
    max_leaves=12,
)


@st.composite
def payloads(draw: st.DrawFn) -> tuple[Any, nkey.KeyPair]:
    kind = draw(st.sampled_from([*KINDS, "generic", "cluster"]))
    signer = key(draw(st.sampled_from(["operator", "account", "server"])))
    nats = draw(st.dictionaries(NAMES, json_of_claims, max_size=5) | json_of_claims)
    payload = draw(st.dictionaries(NAMES, json_of_claims, max_size=3))
    payload.update({"iss": signer.public_key, "sub": key("user").public_key, "nats": nats})
    if isinstance(nats, dict) and draw(st.integers(0, 9)):
        nats.update({"type": kind, "version": 2})
        payload.pop("type", None)
    else:
        payload["type"] = kind
    return payload, signer


@given(payloads())
@settings(max_examples=200)
def test_any_signed_payload_is_read_or_refused(drawn: Any) -> None:
    payload, signer = drawn
    text = json.dumps(payload)
    for signed in (sign(text, signer), sign_version_1(text, signer)):
        for read in (codec.decode, codec.decode_generic, codec.decode_any_kind):
            with only_the_cores_own_error():
                claims = read(signed)
                json.loads(codec.payload_of(claims))
                describe(claims)
                assert differences(claims, claims) == []
                again = codec.encode(claims, signer, NOW)
                # A user with an empty list is not scoped (UserPermissionLimits.HasEmptyPermissions), but the list is lost because Go omits it when encoding.
                lost = ["permissions and limits: its own -> those of the scope"]
                is_lost = (
                    getattr(claims.body, "has_empty_lists", False)
                    and claims.body.is_scoped != read(again).body.is_scoped
                )
                assert differences(claims, read(again)) == (lost if is_lost else [])


@given(st.recursive(LEAVES, lambda inner: st.dictionaries(st.sampled_from(["typ", "alg", "x"]), inner, max_size=3)))
def test_any_header_is_read_or_refused(header: Any) -> None:
    for text in (json.dumps(header), HEADER.replace('"JWT"', json.dumps(header))):
        with only_the_cores_own_error():
            codec.decode_any_kind(sign("{}", header=text))
