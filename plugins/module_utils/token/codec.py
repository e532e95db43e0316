# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Converts tokens to claims and back, byte for byte as NATS's Go library.

Decoding verifies that a token was signed by the issuer that it names. Whether that issuer may sign is checked by `rules` and `decision`.
"""

# JSON distinguishes numbers from true and false, and isinstance does not: bool is an int.
# pylint: disable=unidiomatic-typecheck

from __future__ import annotations

import binascii
import functools
import hashlib
import json
import math
from typing import TYPE_CHECKING, Any, Sequence

from ..base.each_once import SaidTwiceError, each_once
from ..base.errors import NatsSecurityError
from ..base.excerpts import quoted
from ..base.nesting import is_deeper
from ..base.recognition import may_hold_secrets
from ..base.units import INT64_MAX, UNLIMITED
from ..claims import KINDS, Account, Claims, Generic, Operator, User, body_type, check_scope_numbers
from ..claims.declaration import copy_with
from ..claims.go_json import decode_any, encode_any
from ..claims.operator import check_account_server_url
from ..claims.wire import decode_object, encode_object, escape_html, fold_name, refuse_twins, write_members
from ..keys import nkey
from ..keys.nkey import KeyPair

if TYPE_CHECKING:
    from ..keys.signers import Issuer, Signer

#: A longer token is refused by the Go library, and so by servers (MaxTokenSize).
MAX_TOKEN_BYTES = 1024 * 1024
#: The version of the tokens that are written. Tokens of version 1 can be read too.
VERSION = 2

_CHARACTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
_TO_URL = bytes.maketrans(b"+/", b"-_")
#: A dot, and 64 bytes in base64url.
_SIGNATURE_CHARACTERS = 87
_FROM_URL = bytes.maketrans(b"-_", b"+/")


def _base64url(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).translate(_TO_URL).rstrip(b"=").decode("ascii")


def _from_base64url(text: str, what: str) -> bytes:
    try:
        return binascii.a2b_base64(text.encode("ascii").translate(_FROM_URL) + b"==")
    except ValueError:
        raise NatsSecurityError(f"Not a token: its {what} is not base64url.") from None


_HEADER = _base64url(b'{"typ":"JWT","alg":"ed25519-nkey"}')

# ---- claims to token


def encode(claims: Claims, signer: Signer, issued_at: int) -> str:
    """The signed token with these claims. Its issuer is the signer; `id`, `issuer` and `issued_at` of the claims are ignored.

    `issued_at` is in unix seconds. NatsSecurityError if the Go library would not write the token (a subject or signer of the wrong type,
    an account server URL without a scheme), or if a server would not read it (over 1 MiB, numbers above 2^53-1 in a scope).
    """
    text = signing_input(claims, signer, issued_at)
    return with_signature(text, signer.sign(text.encode("ascii")))


def encode_all(items: Sequence[tuple[Claims, Signer, int]]) -> list[str]:
    """The tokens of many claims, each with its signer and time of issue, in order. As `encode`, but each signer is called once, for all of its tokens.

    NatsSecurityError if one token cannot be written or signed. No signer is called before all tokens are known to be valid. Claims that share a body,
    as users with the same options do, have it written once.
    """
    bodies = {id(item[0].body): item[0].body for item in items}
    written = {} if len(bodies) == len(items) else {key: body_json(body) for key, body in bodies.items()}
    inputs = [signing_input(*item, written.get(id(item[0].body))).encode("ascii") for item in items]
    signers = {item[1].public_key: item[1] for item in items}
    numbers: dict[str, list[int]] = {key: [] for key in signers}
    for number, item in enumerate(items):
        numbers[item[1].public_key].append(number)
    tokens = [""] * len(items)
    for key, signer in signers.items():
        signatures = signer.sign_all([inputs[number] for number in numbers[key]])
        for number, signature in zip(numbers[key], signatures):
            tokens[number] = with_signature(inputs[number].decode("ascii"), signature)
            inputs[number] = b""  # a hundred thousand tokens are half the memory of a task
    return tokens


def signing_input(claims: Claims, issuer: Issuer, issued_at: int, written: str | None = None) -> str:
    """The signed part of a token with these claims, its header and payload: all of `encode` that needs no private key. Errors as in `encode`.

    `written` is the JSON of the body, if it is known.
    """
    body = claims.body
    _check_key_types(claims, issuer)
    if isinstance(body, Account):
        check_scope_numbers(body)
    elif isinstance(body, Operator):
        check_account_server_url(body.account_server_url)

    parts: list[str] = []
    write_members(parts, copy_with(claims, issuer=issuer.public_key, issued_at=issued_at, id=""))
    outer = escape_html("{" + ",".join(parts) + "}")
    # Only the outer members are hashed (ClaimsData.hash), so two bodies signed in one second share their jti.
    token_id = nkey.base32(hashlib.new("sha512_256", _utf8(outer)).digest())
    parts.insert(bool(claims.audience) + bool(claims.expires), '"jti":"' + token_id + '"')
    nats = body_json(body) if written is None else written
    if nats:
        parts.append('"nats":' + nats)
    text = _HEADER + "." + _base64url(_utf8(escape_html("{" + ",".join(parts) + "}")))
    size = len(text) + _SIGNATURE_CHARACTERS
    if size > MAX_TOKEN_BYTES:
        raise NatsSecurityError(
            f"The token would have {size} bytes; NATS reads tokens of up to {MAX_TOKEN_BYTES} (1 MiB)."
        )
    return text


def with_signature(text: str, signature: bytes) -> str:
    """The token of a signing input and its signature of 64 bytes, which is not verified here."""
    return text + "." + _base64url(signature)


def payload_of(claims: Claims, written: str | None = None) -> str:
    """The JSON of decoded claims as the Go library writes it, with the id, issuer, time and version of the decoded token. `written` is that of the body,
    if it is known."""
    parts: list[str] = []
    write_members(parts, claims)
    if written is not None:
        nats = written
    elif isinstance(claims.body, Generic):
        nats = encode_any(claims.body.data) if claims.body.data else ""
    else:
        nats = encode_object(claims.body)
    if nats:
        parts.append('"nats":' + nats)
    return escape_html("{" + ",".join(parts) + "}")


def _check_key_types(claims: Claims, issuer: Issuer) -> None:
    body = claims.body
    if not claims.subject:
        raise NatsSecurityError("The claims have no subject.")
    if body.SUBJECT_TYPE:
        try:
            if not nkey.is_public_key(claims.subject, body.SUBJECT_TYPE):
                nkey.from_public_key(claims.subject, body.SUBJECT_TYPE)
        except NatsSecurityError as error:
            raise NatsSecurityError(f"The subject of {body.KIND} claims is wrong: {error}") from None
    if body.ISSUER_TYPES and issuer.type not in body.ISSUER_TYPES:
        raise NatsSecurityError(
            f"The {issuer.type} key {issuer.public_key} cannot sign {body.KIND} claims: {one_of(body.ISSUER_TYPES)} key can."
        )


def one_of(key_types: tuple[str, ...]) -> str:
    return " or ".join(("an " if key_type[0] in "oa" else "a ") + key_type for key_type in key_types)


def body_json(body: Any) -> str:
    """The JSON of the body of claims in a new token, which is the member `nats`; empty for generic claims without a body."""
    if isinstance(body, Generic):
        return "" if body.data is None else encode_any(dict(body.data, version=float(VERSION)))
    return encode_object(copy_with(body, type=body.KIND, version=VERSION))


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise NatsSecurityError("The claims hold a text that is not Unicode.") from None


# ---- token to claims


def decode(token: str) -> Claims:
    """The claims of a token of one of NATS's own types, with its signature verified. A token of version 1 is migrated.

    NatsSecurityError for everything that the Go library's Decode refuses. This is stricter in two respects. No character may be outside of base64url
    or have unused bits set, so that any changed character is an error. No object may have a name twice, regardless of case: Go reads both, one after
    the other, into the same struct, where objects merge and null changes nothing. Generic claims are read by decode_generic, as in the Go library.
    """
    header, payload, signature = _chunks(token)
    claims, is_old = _read(header, payload)
    # In version 1, only the payload is signed.
    _verify(claims, payload if is_old else header + "." + payload, signature)
    _check_issuer_type(claims)
    return claims


def decode_unverified(token: str) -> Claims:
    """The claims of a token, without verifying its signature and without nkeys: for describing it, never for trusting it. Errors as in decode."""
    header, payload, _unused = _chunks(token)
    return _read(header, payload)[0]


def decode_signing_input(text: str) -> Claims:
    """The claims of the token that consists of this text, its header and payload, and a signature (see signing_input).

    Errors as in decode. This is stricter in one respect: the text has to be, byte for byte, what signing_input writes for these claims, so that nothing
    is signed that the claims do not show.
    """
    header, payload, _unused = _chunks(text + ".")
    claims, _unused_too = _read(header, payload)
    _check_issuer_type(claims)
    if signing_input(claims, nkey.from_public_key(claims.issuer), claims.issued_at) != text:
        raise NatsSecurityError(
            "This is not in the format of a token, so a signature of it could mean more than it shows."
        )
    return claims


def _read(header: str, payload: str) -> tuple[Claims, bool]:
    """The claims of a token, without verifying its signature, and whether only the payload is signed."""
    _check_header(header)
    data = _read_payload(payload)
    kind, version = _identify(data)
    if version > VERSION:
        raise NatsSecurityError(
            f"The token is of version {version}, from a newer library; versions up to {VERSION} are supported."
        )
    if kind not in KINDS:
        if kind in ("cluster", "server"):
            raise NatsSecurityError(f"The token has {kind} claims, which NATS no longer supports.")
        raise NatsSecurityError(
            "The token has claims of type {!r}, not of one of NATS's own types: {}.".format(kind, ", ".join(KINDS))
        )
    if version not in (1, 2) and not kind.startswith("authorization_"):
        raise NatsSecurityError(f"The token is of version {version}; versions 1 and 2 are supported.")
    if version == 1 and not kind.startswith("authorization_"):
        data = _migrate(data, kind)
    claims = _read_claims(data)
    body = _member(data, "nats")
    claims.body = decode_object(body_type(kind), body, "nats")
    if isinstance(claims.body, User) and claims.body.is_scoped:
        claims.body.has_empty_lists = _has_empty_lists(body)
    if version == 1 and isinstance(claims.body, User):
        _unlimited_unless_said(claims.body, _member(data, "nats"))
    return claims, version <= 1


def _has_empty_lists(raw: Any) -> bool:
    """Whether the body of a seemingly scoped user has a list that is empty rather than missing, which servers refuse (HasEmptyPermissions)."""
    for name in ("src", "times", "allowed_connection_types"):
        if _member(raw, name) is not None:
            return True
    directions = [_member(raw, name) or {} for name in ("pub", "sub")]
    return any(_member(one, name) is not None for one in directions for name in ("allow", "deny"))


def _check_issuer_type(claims: Claims) -> None:
    issuer_type = nkey.from_public_key(claims.issuer).type
    if issuer_type not in claims.body.ISSUER_TYPES:
        raise NatsSecurityError(
            f"The token has {claims.kind} claims signed by the {issuer_type} key {claims.issuer}; only {one_of(claims.body.ISSUER_TYPES)} key can sign them."
        )


def decode_generic(token: str) -> Claims:
    """The claims of any token, with its signature verified and its body as plain JSON (DecodeGeneric of the Go library). Errors as in decode."""
    header, payload, signature = _chunks(token)
    algorithm = _check_header(header)
    data = _load_json(_from_base64url(payload, "payload"), "payload", floats=True)
    _identify(data)
    claims = _read_claims(_read_payload(payload))
    claims.unknown.clear()
    nats = _member(data, "nats")
    # In Go, the body is a map, where names may differ in case only, but these two names are read as those of a struct.
    refuse_twins({name: None for name in nats or () if fold_name(name) in ("type", "version")}, "nats")
    body = Generic(None if nats is None else decode_any(nats, "nats"))
    claims.body = body
    old = algorithm == "ed25519"
    _verify(claims, payload if old else header + "." + payload, signature)
    if old and body.data is not None:
        for name in ("type", "tags"):
            if _member(data, name):
                body.data[name] = _member(data, name)
    return claims


def decode_any_kind(token: str) -> Claims:
    """The claims of a token of any type: as decode, or as decode_generic if the type is not one of NATS's own."""
    kind = _identify(_read_payload(_chunks(token)[1]))[0]
    return decode(token) if kind in KINDS or kind in ("cluster", "server") else decode_generic(token)


def decode_verbatim(
    token: str, wanted: Claims, signer: KeyPair | None = None, written: str | None = None
) -> Claims | None:
    """The result of decode for a token that is, byte for byte, what encode writes for the wanted claims with the token's own time, issuer and expiry.

    None for every other token. This is much cheaper than decoding and comparing, and even cheaper with the key pair that may have signed the token: its
    signature is then made again instead of verified. `written` is the body_json of the wanted claims, if it is known. NatsSecurityError for a signature
    that is not the issuer's.
    """
    header, payload, signature = _chunks(token)
    data = _read_payload(payload)
    issuer, issued_at, token_id, expires = data.get("iss"), data.get("iat"), data.get("jti"), data.get("exp", 0)
    if (
        header != _HEADER
        or not (type(issuer) is type(token_id) is str and type(issued_at) is type(expires) is int)
        or not (len(issuer) == 56 and 0 <= issued_at <= INT64_MAX and 0 <= expires <= INT64_MAX)
    ):
        return None
    body = copy_with(wanted.body, type=wanted.body.KIND, version=VERSION)
    claims: Claims = copy_with(wanted, id=token_id, issuer=issuer, issued_at=issued_at, expires=expires, body=body)
    try:
        if _base64url(_utf8(payload_of(claims, written))) != payload:
            return None
    except NatsSecurityError:
        return None
    _verify(claims, header + "." + payload, signature, signer)
    return claims if nkey.from_public_key(issuer).type in body.ISSUER_TYPES else None


def peek(token: str) -> dict[str, Any]:
    """The payload of a token, which is not verified, to find out what the token is about; empty for a text that is not a token."""
    try:
        return _read_payload(_chunks(token)[1])
    except NatsSecurityError:
        return {}


#: The secrets in an authorization request: what a client sends to connect (ConnectOptions).
_SECRET_MEMBERS = ("jwt", "sig", "auth_token", "pass")


def public_payload(token: str) -> dict[str, Any]:
    """The payload of a decoded token as it is written there, with the secrets in an authorization request masked."""
    payload = _load_json(_from_base64url(_chunks(token)[1], "payload"), "payload")
    options = _member(_member(payload, "nats"), "connect_opts")
    if isinstance(options, dict):
        for name in [name for name in options if fold_name(name) in _SECRET_MEMBERS]:
            options[name] = "********"
    return payload


def _chunks(token: str) -> tuple[str, str, str]:
    if len(token) > MAX_TOKEN_BYTES:
        raise NatsSecurityError(
            f"The token has {len(token)} bytes; NATS reads tokens of up to {MAX_TOKEN_BYTES} (1 MiB)."
        )
    chunks = token.split(".")
    if len(chunks) != 3:
        if may_hold_secrets(token):
            raise NatsSecurityError("Not a token: it holds a seed or a private key.")
        raise NatsSecurityError(f"Not a token: it has {len(chunks) if token else 0} parts between dots instead of 3.")
    if not token.isascii() or token.encode("ascii").translate(None, _CHARACTERS):
        raise NatsSecurityError("Not a token: it has characters other than A-Z, a-z, 0-9, - and _ between its dots.")
    return chunks[0], chunks[1], chunks[2]


def _check_header(header: str) -> str:
    """The algorithm in a header. NatsSecurityError if the header is not acceptable."""
    if header == _HEADER:
        return "ed25519-nkey"
    data = _load_json(_from_base64url(header, "header"), "header", null=True) or {}
    refuse_twins(data, "The header")
    type_, algorithm = _member(data, "typ"), _member(data, "alg")
    if not isinstance(type_, str) or type_.upper() != "JWT":
        raise NatsSecurityError(f"Not a token: its header has the type {quoted(type_)} instead of JWT.")
    if not isinstance(algorithm, str) or algorithm.lower() not in ("ed25519-nkey", "ed25519"):
        raise NatsSecurityError(f"The token is signed with {quoted(algorithm)}; NATS signs with ed25519-nkey.")
    return algorithm


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _float_or_refuse(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(text)
    return number


# json.loads would create a decoder for every token.
_JSON = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_float_or_refuse, object_pairs_hook=each_once)
_JSON_OF_FLOATS = json.JSONDecoder(
    parse_constant=_refuse_constant,
    parse_float=_float_or_refuse,
    parse_int=_float_or_refuse,
    object_pairs_hook=each_once,
)


#: The most levels that are read: more than claims ever have, and less than Python's stack holds. Go reads 10,000 levels.
_DEEPEST = 200


def _nested_too_deep(what: str) -> NatsSecurityError:
    return NatsSecurityError(f"The token's {what} is nested more than {_DEEPEST} levels deep.")


def _load_json(data: bytes, what: str, floats: bool = False, null: bool = False) -> dict[str, Any]:
    try:
        text, decoder = data.decode("utf-8", "replace"), _JSON_OF_FLOATS if floats else _JSON
        # decode() looks for blanks around the object, which tokens do not have, for as long as it takes to read a short one.
        value, end = decoder.raw_decode(text) if text.startswith("{") else (None, -1)
        if end != len(text):
            value = decoder.decode(text)
    except SaidTwiceError as error:
        raise NatsSecurityError(f"The token has {quoted(error.key)} twice in one object.") from None
    except ValueError:
        raise NatsSecurityError(f"Not a token: its {what} is not JSON.") from None
    except RecursionError:
        raise _nested_too_deep(what) from None
    if data.count(b"[") + data.count(b"{") > _DEEPEST and is_deeper(value, _DEEPEST):
        raise _nested_too_deep(what)
    if value is None and null:
        return {}
    if not isinstance(value, dict):
        raise NatsSecurityError(f"Not a token: its {what} is not a JSON object.")
    return value


_OUTER = ("aud", "exp", "jti", "iat", "iss", "name", "nbf", "sub")
_OUTER_NAMES = frozenset((*_OUTER, "nats"))


@functools.lru_cache(maxsize=1)
def _read_payload(payload: str) -> dict[str, Any]:
    """The payload of a token, which callers must not change. It is cached because a token is read several times in a row, and reading takes a tenth of
    the time of decoding."""
    data = _load_json(_from_base64url(payload, "payload"), "payload")
    if not _OUTER_NAMES.issuperset(data):
        refuse_twins(data, "")
    return data


def _member(data: dict[str, Any] | None, name: str) -> Any:
    """The member with a name, regardless of case, as Go's encoding/json finds it; None if there is none."""
    if not data:
        return None
    if name in data:
        return data[name]
    for other, value in data.items():
        if fold_name(other) == name:
            return value
    return None


def _identify(data: dict[str, Any]) -> tuple[str, int]:
    """The claim type and version. Version 1 has the type next to the standard members, version 2 has it under nats."""
    nats = _member(data, "nats")
    if nats is not None and not isinstance(nats, dict):
        raise NatsSecurityError("Not a NATS token: nats in its payload is not an object.")
    outer = None if _OUTER_NAMES.issuperset(data) else _member(data, "type")
    inner, version = _member(nats, "type"), _member(nats, "version")
    for value in (outer, inner):
        if value is not None and not isinstance(value, str):
            raise NatsSecurityError("Not a NATS token: the type of its claims is not a string.")
    if isinstance(version, float) and version.is_integer():
        version = int(version)
    if version is not None and type(version) is not int:
        raise NatsSecurityError("Not a NATS token: its version is not a whole number.")
    return (outer, 1) if outer else (inner or "", version or 0)


def _read_claims(data: dict[str, Any]) -> Claims:
    outer = data.copy()
    outer.pop("nats", None)
    claims: Claims = decode_object(Claims, outer, "")
    claims.body = None
    for name in [name for name in claims.unknown if fold_name(name) == "nats"]:
        del claims.unknown[name]
    return claims


def _verify(claims: Claims, signed: str, signature: str, signer: KeyPair | None = None) -> None:
    raw = _from_base64url(signature, "signature")
    data = signed.encode("ascii")
    try:
        issuer = nkey.from_public_key(claims.issuer)
        is_own = signer is not None and signer.public_key == claims.issuer and signer.has_signed(data, raw)
        genuine = is_own or issuer.verify(data, raw)
    except NatsSecurityError as error:
        raise NatsSecurityError(f"The token's issuer is wrong: {error}") from None
    # The last of 86 characters has 4 bits that no byte of the signature needs, which have to be 0.
    if not genuine or len(signature) != 86 or signature[-1] not in "AQgw":
        raise NatsSecurityError(
            f"The token's signature is not that of its issuer {claims.issuer}: it was changed or cut."
        )


# ---- version 1 (the migrations of the Go library's decoder_*.go)

_V1_MEMBERS = {
    "operator": {
        name: name for name in ("signing_keys", "account_server_url", "operator_service_urls", "system_account")
    },
    "account": {name: name for name in ("imports", "exports", "limits", "signing_keys", "revocations")},
    "user": {
        name: name
        for name in ("pub", "sub", "resp", "src", "times", "times_location", "subs", "data", "payload", "bearer_token")
    },
    "activation": {"subject": "subject", "type": "kind"},
}
_V1_LIMITS = ("subs", "data", "payload", "imports", "exports", "wildcards", "disallow_bearer", "conn", "leaf")


def _migrate(data: dict[str, Any], kind: str) -> dict[str, Any]:
    """The payload of version 1 in the structure of version 2, except for its version number. Members that version 2 does not have are omitted."""
    old = _member(data, "nats") or {}
    refuse_twins(old, "nats")
    there = {fold_name(name) for name in old}
    nats: dict[str, Any] = {new: _member(old, name) for name, new in _V1_MEMBERS[kind].items() if name in there}
    if kind == "account":
        if isinstance(nats.get("limits"), dict):
            refuse_twins(nats["limits"], "nats.limits")
            nats["limits"] = {name: _member(nats["limits"], name) for name in _V1_LIMITS}
        keys = nats.get("signing_keys")
        for key in keys if isinstance(keys, list) else ():
            if not isinstance(key, str) and key is not None:
                raise NatsSecurityError("nats.signing_keys has something other than strings in a token of version 1.")
    if kind in ("user", "activation"):
        nats["issuer_account"] = _member(data, "issuer_account")
    nats["tags"] = _member(data, "tags")
    nats["type"] = kind
    nats["version"] = 1
    migrated = {name: _member(data, name) for name in _OUTER}
    migrated["nats"] = nats
    return migrated


def _unlimited_unless_said(user: User, nats: dict[str, Any]) -> None:
    limits = user.access.limits
    for attribute, name in (("subscriptions", "subs"), ("data", "data"), ("payload", "payload")):
        if nats.get(name) is None:
            setattr(limits, attribute, UNLIMITED)
