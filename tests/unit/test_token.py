# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Tokens and the files that contain them: writing, reading, and the messages for refused input."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest

from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.claims import (
    Account,
    Activation,
    Claims,
    Export,
    Generic,
    Operator,
    ResponsePermission,
    ScopeTemplate,
    SigningKey,
    User,
    unknown_fields_of,
)
from ansible_collections.natsops.security.plugins.module_utils.claims.authorization import (
    AuthorizationRequest,
    AuthorizationResponse,
)
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.token import codec, decorated
from ansible_collections.natsops.security.tests.unit.raw_tokens import (
    ACCOUNT,
    CURVE,
    HEADER,
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

NOW = 1_700_000_000
MEBIBYTE = 1024 * 1024


def user(**members: Any) -> Claims:
    return Claims(subject=USER.public_key, body=User(), **members)


def refused(text: str, decode=codec.decode) -> str:
    with pytest.raises(NatsSecurityError) as error:
        decode(text)
    return str(error.value)


def not_written(claims: Claims, signer: nkey.KeyPair) -> str:
    with pytest.raises(NatsSecurityError) as error:
        codec.encode(claims, signer, NOW)
    return str(error.value)


# ---- writing


def test_token_has_the_bytes_of_the_go_library() -> None:
    claims = user(name="<a> & \u2028\U0001f600", audience="x", expires=NOW + 60)
    header, payload, signature = codec.encode(claims, ACCOUNT, NOW).split(".")
    assert from_base64url(header) == b'{"typ":"JWT","alg":"ed25519-nkey"}'
    assert ACCOUNT.verify(f"{header}.{payload}".encode(), from_base64url(signature))
    jti = json.loads(from_base64url(payload))["jti"]
    assert from_base64url(payload).decode() == (
        f'{{"aud":"x","exp":1700000060,"jti":"{jti}","iat":1700000000,"iss":"{ACCOUNT.public_key}",'
        f'"name":"\\u003ca\\u003e \\u0026 \\u2028\U0001f600","sub":"{USER.public_key}",'
        '"nats":{"pub":{},"sub":{},"subs":-1,"data":-1,"payload":-1,"type":"user","version":2}}'
    )


def test_same_claims_and_time_make_the_same_token() -> None:
    assert codec.encode(user(), ACCOUNT, NOW) == codec.encode(user(), ACCOUNT, NOW)
    assert codec.encode(user(), ACCOUNT, NOW) != codec.encode(user(), ACCOUNT, NOW + 1)


def test_id_hashes_the_outer_members_alone() -> None:
    tagged = Claims(subject=USER.public_key, body=User(tags=["x"]))
    ids = {payload_in(codec.encode(claims, ACCOUNT, NOW))["jti"] for claims in (user(), tagged)}
    assert len(ids) == 1
    assert re.fullmatch("[A-Z2-7]{52}", ids.pop())


def test_id_issuer_and_time_come_from_the_signing_and_not_from_the_claims() -> None:
    claims = user(id="forged", issuer="forged", issued_at=5)
    assert codec.encode(claims, ACCOUNT, NOW) == codec.encode(user(), ACCOUNT, NOW)
    assert (claims.id, claims.issuer, claims.issued_at) == ("forged", "forged", 5)


def test_exports_imports_and_signing_keys_are_written_sorted() -> None:
    keys = sorted(key("account", number).public_key for number in (5, 6, 7))
    body = Account(
        exports=[Export(subject=name, type="stream") for name in ("c", "a", "b")],
        signing_keys=[SigningKey(key=name) for name in reversed(keys)],
    )
    written = payload_in(codec.encode(Claims(subject=ACCOUNT.public_key, body=body), OPERATOR, NOW))["nats"]
    assert [export["subject"] for export in written["exports"]] == ["a", "b", "c"]
    assert written["signing_keys"] == keys
    assert [export.subject for export in body.exports] == ["c", "a", "b"]


SIGNERS = {
    "operator": (Operator, OPERATOR, {"operator"}),
    "account": (Account, ACCOUNT, {"operator", "account"}),
    "user": (User, USER, {"account"}),
    "activation": (Activation, ACCOUNT, {"operator", "account"}),
    "authorization_request": (AuthorizationRequest, USER, {"server"}),
    "authorization_response": (AuthorizationResponse, USER, {"account"}),
    "generic": (Generic, USER, {"operator", "account", "user", "server", "cluster"}),
}


@pytest.mark.parametrize("kind", SIGNERS)
@pytest.mark.parametrize("key_type", ["operator", "account", "user", "server", "cluster"])
def test_claims_are_signed_and_accepted_from_the_right_types_of_key_only(kind: str, key_type: str) -> None:
    body, subject, allowed = SIGNERS[kind]
    claims, signer = Claims(subject=subject.public_key, body=body()), key(key_type, 9)
    if key_type in allowed:
        decoded = codec.decode_any_kind(codec.encode(claims, signer, NOW))
        assert (decoded.kind, decoded.issuer) == (kind, signer.public_key)
        return
    message = not_written(claims, signer)
    assert message.startswith(f"The {key_type} key {signer.public_key} cannot sign {kind} claims: ")
    payload = user_payload("").replace(ACCOUNT.public_key, signer.public_key).replace('"user"', f'"{kind}"')
    assert f"The token has {kind} claims signed by the {key_type} key" in refused(sign(payload, signer))


@pytest.mark.parametrize("kind", ["operator", "account", "user", "activation"])
@pytest.mark.parametrize("subject", ["", "x", USER.seed, CURVE.public_key, SERVER.public_key])
def test_subject_of_the_wrong_type_is_not_written(kind: str, subject: str) -> None:
    body, _unused, allowed = SIGNERS[kind]
    message = not_written(Claims(subject=subject, body=body()), key(min(allowed)))
    assert message.startswith(f"The subject of {kind} claims is wrong" if subject else "The claims have no subject.")
    assert USER.seed not in message


def test_curve_key_does_not_sign_a_token() -> None:
    assert "cannot sign" in not_written(user(), CURVE)
    assert "cannot sign" in not_written(Claims(subject="x", body=Generic()), CURVE)


def test_public_half_does_not_sign_a_token() -> None:
    half = nkey.from_public_key(ACCOUNT.public_key)
    assert "cannot sign: only its public key is available" in not_written(user(), half)


@pytest.mark.parametrize("url", ["example.com", "//example.com/x", "https://[::1", "https://%zz"])
def test_account_server_url_that_the_library_refuses_is_not_written(url: str) -> None:
    claims = Claims(subject=OPERATOR.public_key, body=Operator(account_server_url=url))
    assert not_written(claims, OPERATOR).startswith(f"account_server_url {url!r} ")


def test_lone_surrogate_is_not_written() -> None:
    assert not_written(user(name="\ud800"), ACCOUNT) == "The claims hold a text that is not Unicode."
    body = User(tags=["\udfff"])
    assert "not Unicode" in not_written(Claims(subject=USER.public_key, body=body), ACCOUNT)


# ---- limits of scopes


def scope_with(attribute: str, number: int) -> Claims:
    template = ScopeTemplate()
    if attribute in ("max_messages", "expires"):
        template.permissions.response = ResponsePermission(**{attribute: number})
    else:
        setattr(template.limits, attribute, number)
    signing_key = SigningKey(key=key("account", 2).public_key, role="r", template=template)
    return Claims(subject=ACCOUNT.public_key, body=Account(signing_keys=[signing_key]))


@pytest.mark.parametrize("attribute", ["subscriptions", "data", "payload", "max_messages", "expires"])
def test_number_above_what_a_scope_holds_is_not_written(attribute: str) -> None:
    for number in (2**53 - 1, -(2**53) + 1):
        claims = scope_with(attribute, number)
        assert codec.encode(codec.decode(codec.encode(claims, OPERATOR, NOW)), OPERATOR, NOW) == codec.encode(
            claims, OPERATOR, NOW
        )
    for number in (2**53, -(2**53), 2**63 - 1):
        message = not_written(scope_with(attribute, number), OPERATOR)
        assert f"{attribute} = {number}" in message
        assert "the signing key r " in message
        assert "2^53-1" in message


def test_numbers_outside_a_scope_go_up_to_64_bits() -> None:
    body = Account()
    body.limits.data = 2**63 - 1
    written = codec.encode(Claims(subject=ACCOUNT.public_key, body=body), OPERATOR, NOW)
    assert codec.decode(written).body.limits.data == 2**63 - 1


def test_number_in_a_scope_that_servers_cannot_read_is_refused() -> None:
    template = '"template":{"subs":9223372036854775807}'
    scope = f'"signing_keys":[{{"kind":"user_scope","key":"{key("account", 2).public_key}",{template}}}]'
    assert refused(sign(account_payload(scope), OPERATOR)).startswith("nats.signing_keys[0]")


@pytest.mark.parametrize("number", ["1" + "0" * 400, "-1" + "0" * 400, "1e400"])
def test_number_that_no_float_holds_is_refused_in_a_scope(number: str) -> None:
    scope = f'"signing_keys":[{{"kind":"user_scope","key":"{key("account", 2).public_key}","new":{number}}}]'
    assert re.search("number of|not JSON", refused(sign(account_payload(scope), OPERATOR)))


# ---- size


def claims_of_size(size: int) -> Claims:
    """Return a user whose token has at least this size, and at most three bytes more."""
    at = len(codec.encode(user(name="x" * 1000), ACCOUNT, NOW))
    return user(name="x" * (1000 + (size - at) * 3 // 4))


def test_token_of_one_mebibyte_is_written_and_read() -> None:
    written = codec.encode(claims_of_size(MEBIBYTE - 8), ACCOUNT, NOW)
    assert MEBIBYTE - 12 < len(written) <= MEBIBYTE
    assert codec.decode(written).issuer == ACCOUNT.public_key
    assert codec.decode_generic(written).issuer == ACCOUNT.public_key


def test_larger_token_is_neither_written_nor_read() -> None:
    claims = claims_of_size(MEBIBYTE + 8)
    assert "NATS reads tokens of up to 1048576 (1 MiB)" in not_written(claims, ACCOUNT)
    large = sign(user_payload(name="x" * MEBIBYTE))
    for decode in (codec.decode, codec.decode_generic, codec.decode_any_kind):
        assert (
            refused(large, decode) == f"The token has {len(large)} bytes; NATS reads tokens of up to 1048576 (1 MiB)."
        )


# ---- the envelope

GOOD = sign(user_payload())
CHUNKS = GOOD.split(".")


def test_good_token_is_read() -> None:
    claims = codec.decode(GOOD)
    assert (claims.kind, claims.subject, claims.issuer) == ("user", USER.public_key, ACCOUNT.public_key)
    assert (claims.name, claims.issued_at, claims.id) == ("n", NOW, "X")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Not a token: it has 0 parts between dots instead of 3."),
        ("token", "Not a token: it has 1 parts between dots instead of 3."),
        (".".join(CHUNKS[:2]), "Not a token: it has 2 parts between dots instead of 3."),
        (GOOD + ".x", "Not a token: it has 4 parts between dots instead of 3."),
        ("..", "Not a token: its "),
        (GOOD + " ", "Not a token: it has characters other than A-Z, a-z, 0-9, - and _ between its dots."),
        (GOOD + "\n", "Not a token: it has characters other than"),
        (GOOD + "==", "Not a token: it has characters other than"),
        (GOOD.replace("e", "\u00e9", 1), "Not a token: it has characters other than"),
        (f"{CHUNKS[0]}.A.{CHUNKS[2]}", "Not a token: its payload is not"),
        (f"{CHUNKS[0]}..{CHUNKS[2]}", "Not a token: its payload is not JSON."),
        (f"{CHUNKS[0]}.{CHUNKS[1]}.", "The token's signature is not that of its issuer"),
        (f"{CHUNKS[0]}.{CHUNKS[1]}.{CHUNKS[2][:-2]}", "The token's signature is not that of its issuer"),
        (f"{CHUNKS[0]}.{CHUNKS[1]}.{CHUNKS[2]}AA", "The token's signature is not that of its issuer"),
        (sign(user_payload(), key("account", 2)), "The token's signature is not that of its issuer"),
        (sign(user_payload(iss="")), "The token's issuer is wrong: '' is not a public key"),
        (sign(user_payload(iss=ACCOUNT.seed)), "The token's issuer is wrong: this is not a public key"),
        (sign(user_payload(iss=CURVE.public_key)), f"The token's issuer is wrong: The curve key {CURVE.public_key}"),
    ],
)
def test_what_is_no_whole_genuine_token_is_refused(text: str, message: str) -> None:
    for decode in (codec.decode, codec.decode_any_kind, codec.decode_generic):
        assert refused(text, decode).startswith(message)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("", "Not a token: its header is not JSON."),
        ("{}", "Not a token: its header has the type None instead of JWT."),
        ("null", "Not a token: its header has the type None instead of JWT."),
        ("[]", "Not a token: its header is not a JSON object."),
        (HEADER + "{}", "Not a token: its header is not JSON."),
        ('{"typ":"JWS","alg":"ed25519-nkey"}', "Not a token: its header has the type 'JWS' instead of JWT."),
        ('{"typ":7,"alg":"ed25519-nkey"}', "Not a token: its header has the type 7 instead of JWT."),
        ('{"typ":"JWT"}', "The token is signed with None; NATS signs with ed25519-nkey."),
        ('{"typ":"JWT","alg":"none"}', "The token is signed with 'none'; NATS signs with ed25519-nkey."),
        ('{"typ":"JWT","alg":"HS256"}', "The token is signed with 'HS256'; NATS signs with ed25519-nkey."),
    ],
)
def test_header_of_something_else_is_refused(header: str, message: str) -> None:
    for decode in (codec.decode, codec.decode_generic):
        assert refused(sign(user_payload(), header=header), decode) == message


@pytest.mark.parametrize(
    "header",
    [
        '{"typ":"jwt","alg":"ed25519-nkey"}',
        '{"typ":"JWT","alg":"ED25519-NKEY"}',
        '{"alg":"ed25519-nkey","typ":"JWT","kid":"x"}',
        '{"TYP":"JWT","Alg":"ed25519-nkey"}',
        ' {"typ" : "JWT", "alg":"ed25519-nkey"}\\n'.replace("\\n", "\n"),
    ],
)
def test_header_in_another_spelling_is_read(header: str) -> None:
    assert codec.decode(sign(user_payload(), header=header)).subject == USER.public_key


def test_every_changed_character_is_refused() -> None:
    for at, character in enumerate(GOOD):
        for other in "Ab0-_.":
            if other != character:
                refused(GOOD[:at] + other + GOOD[at + 1 :])


def test_unused_bits_of_the_last_character_are_no_second_spelling() -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    at = alphabet.index(GOOD[-1])
    for other in (alphabet[at ^ 1], alphabet[at ^ 15]):
        refused(GOOD[:-1] + other)


# ---- the payload


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ("{", "is not JSON"),
        ("", "is not JSON"),
        ("[]", "is not a JSON object"),
        ("null", "is not a JSON object"),
        ('"x"', "is not a JSON object"),
        ("5", "is not a JSON object"),
        (user_payload() + "{}", "is not JSON"),
        (user_payload().replace("1700000000", "NaN"), "is not JSON"),
        (user_payload().replace("1700000000", "Infinity"), "is not JSON"),
        (user_payload().replace("1700000000", "-Infinity"), "is not JSON"),
        (user_payload().replace("1700000000", "1e999"), "is not JSON"),
        (user_payload().replace('"n"', '"a\nb"'), "is not JSON"),
        ("\ufeff" + user_payload(), "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (user_payload().replace("1700000000", "9" * 5000), "is not JSON|between"),
    ],
)
def test_payload_that_is_no_json_object_is_refused(payload: str | bytes, message: str) -> None:
    assert re.search(message, refused(sign(payload)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('"iat":1700000000', '"iat":"1700000000"'), "iat is a string in the token, expected a whole number."),
        (('"iat":1700000000', '"iat":1.5'), "iat is a number in the token, expected a whole number."),
        (('"iat":1700000000', '"iat":1e9'), "iat is a number in the token, expected a whole number."),
        (('"iat":1700000000', '"iat":9223372036854775808'), "iat is 9223372036854775808 in the token: not between"),
        (('"name":"n"', '"name":5'), "name is a number in the token, expected a string."),
        (('"name":"n"', '"name":[]'), "name is a list in the token, expected a string."),
        (('"pub":{}', '"pub":[]'), "nats.pub is a list in the token, expected an object."),
        (('"pub":{}', '"pub":{"allow":"a"}'), "nats.pub.allow is a string in the token, expected a list of strings."),
        (('"pub":{}', '"pub":{"allow":[1]}'), "nats.pub.allow is a number in the token, expected a string."),
        (('"pub":{}', '"bearer_token":1'), "nats.bearer_token is a number in the token, expected true or false."),
        (('"pub":{}', '"times":{}'), "nats.times is an object in the token, expected a list."),
        (('"pub":{}', '"resp":{"ttl":"1s"}'), "nats.resp.ttl is a string in the token, expected a whole number."),
        (('"version":2', '"version":"2"'), "Not a NATS token: its version is not a whole number."),
        (('"type":"user"', '"type":5'), "Not a NATS token: the type of its claims is not a string."),
        (('"nats":{"pub"', '"nats":5,"x":{"pub"'), "Not a NATS token: nats in its payload is not an object."),
    ],
)
def test_value_of_another_type_is_refused_with_its_path(change: tuple[str, str], message: str) -> None:
    assert refused(sign(user_payload().replace(*change))).startswith(message)


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (user_payload().replace('"version":2', '"version":3'), "The token is of version 3, from a newer library"),
        (user_payload().replace(',"version":2', ""), "The token is of version 0; versions 1 and 2 are supported."),
        (user_payload().replace('"version":2', '"version":-1'), "The token is of version -1; versions 1 and 2"),
        (user_payload().replace('"type":"user"', '"type":"cluster"'), "The token has cluster claims, which NATS no"),
        (user_payload().replace('"type":"user"', '"type":"server"'), "The token has server claims, which NATS no"),
        (user_payload().replace('"type":"user"', '"type":"mine"'), "The token has claims of type 'mine', not of one"),
        (user_payload().replace('"type":"user"', '"type":"USER"'), "The token has claims of type 'USER', not of one"),
        (user_payload().replace('"type":"user",', ""), "The token has claims of type '', not of one of NATS's own"),
    ],
)
def test_claims_of_another_version_or_type_are_refused(payload: str, message: str) -> None:
    assert refused(sign(payload)).startswith(message)


def test_names_are_read_whatever_their_case() -> None:
    payload = user_payload('"PUB":{"Allow":["a"]},"sub":{}').replace('"iat"', '"IAT"').replace('"nats"', '"Nats"')
    claims = codec.decode(sign(payload))
    assert claims.body.access.permissions.publish.allow == ["a"]
    assert claims.issued_at == NOW
    assert unknown_fields_of(claims) == []


TWICE_REFUSED = r"twice in one object|treats as one name"
#: Duplicate members, which Go decodes one after another into the same field: strings and lists are replaced, objects merge, null changes nothing.
TWICE = [
    '"pub":{"allow":["a"]},"pub":{"allow":["b"]}',
    '"pub":{"allow":["a"],"allow":["b"]}',
    '"pub":{"allow":["a"],"ALLOW":["b"]}',
    '"pub":{"allow":["a"]},"PUB":{"deny":["b"]}',
    '"bearer_token":true,"Bearer_Token":null',
    '"bearer_token":true,"bearer_to\u212aen":false',  # the Kelvin sign
    '"src":["10.0.0.0/8"],"\u017frc":null',  # the long s
    '"pub":{"allow":["a"]},"new":{"x":{"y":1,"y":2}}',
    '"new":1,"NEW":2',
]


@pytest.mark.parametrize("nats", TWICE)
def test_what_is_said_twice_in_a_body_is_refused(nats: str) -> None:
    with pytest.raises(NatsSecurityError, match=TWICE_REFUSED):
        codec.decode(sign(user_payload(nats)))


@pytest.mark.parametrize(
    "change",
    [
        ('"name":"n"', '"name":"n","name":"m"'),
        ('"name":"n"', '"name":"n","NAME":"m"'),
        ('"iss":', '"i\u017fs":"x","iss":'),
        ('"nats":{', '"nats":{},"nats":{'),
        ('"nats":{', '"NATS":{"bearer_token":true},"nats":{'),
        ('"nats":{', '"nat\u017f":{"bearer_token":true},"nats":{'),
        ('"type":"user"', '"type":"user","TYPE":"account"'),
    ],
)
def test_what_is_said_twice_in_a_payload_is_refused(change: tuple[str, str]) -> None:
    with pytest.raises(NatsSecurityError, match=TWICE_REFUSED):
        codec.decode(sign(user_payload().replace(*change)))


@pytest.mark.parametrize("more", ['"alg":"ed25519-nkey"', '"ALG":"none"', '"typ":"x"'])
def test_what_is_said_twice_in_a_header_is_refused(more: str) -> None:
    header = '{"typ":"JWT","alg":"ed25519-nkey",' + more + "}"
    with pytest.raises(NatsSecurityError, match=TWICE_REFUSED):
        codec.decode(sign(user_payload(), header=header))


def test_what_is_said_twice_in_a_scope_is_refused() -> None:
    template = '"template":{"subs":1,"SUBS":2}'
    for scope in ('"template":{},"kind":"user_scope","KIND":null', f'"kind":"user_scope",{template}'):
        with pytest.raises(NatsSecurityError, match="treats as one name"):
            codec.decode(sign(account_payload('"signing_keys":[{"key":"A",' + scope + "}]"), OPERATOR))


def test_what_is_said_twice_in_generic_claims_is_refused_but_names_of_their_own_differ_in_case() -> None:
    payload = '{"iss":"' + ACCOUNT.public_key + '","sub":"x","nats":{"type":"mine","a":1,%s}}'
    assert codec.decode_generic(sign(payload % '"A":2')).body.data == {"type": "mine", "a": 1.0, "A": 2.0}
    for more in ('"a":2', '"TYPE":"account"', '"b":{"c":1,"c":1}'):
        with pytest.raises(NatsSecurityError, match=TWICE_REFUSED):
            codec.decode_generic(sign(payload % more))


PASSWORDS = [
    '"pass":"secret"',
    '"PASS":"secret"',
    '"pa\u017f\u017f":"secret"',  # the long s
    '"pass":"secret","Pass":"secret"',
]


@pytest.mark.parametrize("members", PASSWORDS)
def test_public_payload_shows_no_password(members: str) -> None:
    token = sign(user_payload().replace('"nats":{', '"nats":{"connect_opts":{"user":"u",' + members + "},"))
    options = codec.public_payload(token)["nats"]["connect_opts"]
    assert options.pop("user") == "u"
    assert set(options.values()) == {"********"}


def test_public_payload_of_a_password_twice_is_refused() -> None:
    options = '"connect_opts":{"pass":"secret","pass":"other"}'
    with pytest.raises(NatsSecurityError, match=TWICE_REFUSED) as caught:
        codec.public_payload(sign(user_payload().replace('"nats":{', '"nats":{' + options + ",")))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["i\u00df", "is\u1e9e", "\u0131ss"])
def test_names_are_folded_as_go_folds_them(name: str) -> None:
    """Go compares single characters: ß does not equal ss, and a dotless i does not equal i."""
    payload = user_payload().replace('"iss"', f'"{name}"')
    with pytest.raises(NatsSecurityError, match="issuer"):
        codec.decode(sign(payload))


def test_long_s_and_kelvin_are_letters_of_names() -> None:
    payload = user_payload('"bearer_to\u212aen":true').replace('"iss"', '"i\u017fs"')
    claims = codec.decode(sign(payload))
    assert claims.issuer == ACCOUNT.public_key
    assert claims.body.access.bearer_token


@pytest.mark.parametrize("nats", ['"exports":[{"subject":"a","type":null}]', '"imports":[{"subject":"a","type":null}]'])
def test_null_as_the_type_of_an_export_or_import_is_refused_as_in_go(nats: str) -> None:
    with pytest.raises(NatsSecurityError, match="type is null in the token"):
        codec.decode(sign(account_payload(nats), OPERATOR))
    assert codec.decode(sign(account_payload(nats.replace(',"type":null', "")), OPERATOR))


def test_null_as_the_kind_of_an_activation_is_refused_as_in_go() -> None:
    payload = user_payload('"subject":"a","kind":null').replace('"type":"user"', '"type":"activation"')
    with pytest.raises(NatsSecurityError, match="kind is null in the token"):
        codec.decode(sign(payload.replace(USER.public_key, ACCOUNT.public_key)))


@pytest.mark.parametrize(
    "nats",
    [
        '"pub":{},"sub":{},"src":[]',
        '"pub":{},"sub":{},"src":""',
        '"pub":{},"sub":{},"times":[]',
        '"pub":{},"sub":{},"allowed_connection_types":[]',
        '"pub":{"allow":[]},"sub":{}',
        '"pub":{},"sub":{"deny":[]}',
    ],
)
def test_user_with_an_empty_list_is_not_scoped_for_servers(nats: str) -> None:
    """HasEmptyPermissions of the Go library compares with a struct of nil slices, to which an empty list is not equal."""
    assert not codec.decode(sign(user_payload(nats))).body.is_scoped


@pytest.mark.parametrize(
    "nats", ['"pub":{},"sub":{}', '"src":null,"pub":{"allow":null}', '"pub":{"new":1},"subs":0,"new":2', '"tags":[]']
)
def test_user_without_lists_is_scoped_for_servers(nats: str) -> None:
    assert codec.decode(sign(user_payload(nats))).body.is_scoped


def test_null_is_the_same_as_absent() -> None:
    nothing = '"pub":null,"sub":null,"resp":null,"src":null,"times":null,"subs":null,"tags":null,"bearer_token":null'
    claims, empty = codec.decode(sign(user_payload(nothing, name=None))), codec.decode(sign(user_payload("")))
    assert claims.body == empty.body
    assert claims.name == ""


def test_lone_surrogates_are_read_as_replacement_characters() -> None:
    payload = user_payload('"tags":["\\udc00x"],"new":{"\\ud800":"\\ud800"}').replace('"n"', '"\\ud83d\\ude00 \\ud83d"')
    claims = codec.decode(sign(payload))
    assert claims.name == "\U0001f600 \ufffd"
    assert claims.body.tags == ["\ufffdx"]
    assert claims.body.unknown == {"new": {"\ufffd": "\ufffd"}}
    assert codec.decode(codec.encode(claims, ACCOUNT, NOW)).name == claims.name


def test_bytes_that_are_not_utf_8_are_read_as_replacement_characters() -> None:
    claims = codec.decode(sign(user_payload().encode().replace(b'"n"', b'"a\xffb"')))
    assert claims.name == "a\ufffdb"


@pytest.mark.parametrize("depth", [10, 100, 197, 300, 500, 900, 1000, 50_000])
@pytest.mark.parametrize("opening", ["[", '{"a":'])
@pytest.mark.parametrize("where", ["unknown", "generic", "header"])
def test_json_nested_up_to_200_levels_is_read_and_written(depth: int, opening: str, where: str) -> None:
    nested = opening * depth + "1" + {"[": "]"}.get(opening, "}") * depth
    payload = user_payload(f'"new":{nested}')
    header = f'{{"typ":"JWT","alg":"ed25519-nkey","x":{nested}}}' if where == "header" else HEADER
    decode = codec.decode_generic if where == "generic" else codec.decode
    if depth > 200:
        message = refused(sign(payload, header=header), decode)
        assert message.endswith("is nested more than 200 levels deep.")
        return
    claims = decode(sign(payload, header=header))
    if where != "header":
        assert f'"new":{nested}' in codec.payload_of(claims)
    codec.encode(claims, ACCOUNT, NOW)


# ---- unknown members


ACCOUNT_WITH_NEWS = account_payload(
    '"new":1,"limits":{"subs":-1,"new":[2]},"exports":[{"subject":"a","type":"stream","new":{"b":3}}],'
    '"mappings":{"m":[{"subject":"x","new":4}]},"default_permissions":{"pub":{"new":5},"sub":{}},'
    f'"signing_keys":[{{"kind":"user_scope","key":"{key("account", 2).public_key}","role":"","template":{{"new":6}},'
    '"description":""}],"trace":{"dest":"t","new":7}',
    new=8,
)
NEWS = [
    "new",
    "nats.new",
    "nats.exports[0].new",
    "nats.limits.new",
    "nats.signing_keys[0].template.new",
    "nats.default_permissions.pub.new",
    "nats.mappings.m[0].new",
    "nats.trace.new",
]


def test_unknown_fields_are_kept_reported_and_written_back() -> None:
    claims = codec.decode(sign(ACCOUNT_WITH_NEWS, OPERATOR))
    assert sorted(unknown_fields_of(claims)) == sorted(NEWS)
    again = codec.decode(codec.encode(claims, OPERATOR, NOW))
    assert sorted(unknown_fields_of(again)) == sorted(NEWS)
    assert again.body == claims.body
    before, after = json.loads(ACCOUNT_WITH_NEWS), payload_in(codec.encode(claims, OPERATOR, NOW))
    assert after["new"] == before["new"]
    for path in ("new", "limits", "exports", "mappings", "trace"):
        assert after["nats"][path] == before["nats"][path]


def test_unknown_number_is_written_back_as_it_was() -> None:
    claims = codec.decode(sign(user_payload('"new":[9007199254740993,1.5,1e21,true,null,"x"]')))
    assert '"new":[9007199254740993,1.5,1e+21,true,null,"x"]' in codec.payload_of(claims)


# ---- version 1


def version_1(kind: str, nats: str, **outer: Any) -> str:
    subjects = {"operator": OPERATOR, "account": ACCOUNT, "user": USER, "activation": ACCOUNT}
    signers = {"operator": OPERATOR, "account": OPERATOR, "user": ACCOUNT, "activation": ACCOUNT}
    members = {"iss": signers[kind].public_key, "sub": subjects[kind].public_key, "type": kind, **outer}
    return sign_version_1(json.dumps(members)[:-1] + f',"nats":{nats}}}', signers[kind])


@pytest.mark.parametrize("kind", ["operator", "account", "user", "activation"])
@pytest.mark.parametrize("nats", ["{}", "null"])
def test_version_1_is_read_and_written_as_version_2(kind: str, nats: str) -> None:
    claims = codec.decode(version_1(kind, nats, tags=["x"], name="old"))
    assert (claims.kind, claims.name, claims.body.tags, claims.body.version) == (kind, "old", ["x"], 1)
    written = codec.encode(claims, {"user": ACCOUNT, "activation": ACCOUNT}.get(kind, OPERATOR), NOW)
    assert payload_in(written)["nats"]["version"] == 2
    assert codec.decode(written).body.version == 2


def test_version_1_user_is_unlimited_unless_it_says_otherwise() -> None:
    limits = codec.decode(version_1("user", '{"payload":7}')).body.access.limits
    assert (limits.subscriptions, limits.data, limits.payload) == (-1, -1, 7)


def test_version_1_must_be_signed_without_its_header() -> None:
    payload = json.dumps({"iss": ACCOUNT.public_key, "sub": USER.public_key, "type": "user", "nats": {}})
    assert "signature is not that of its issuer" in refused(sign(payload))
    assert codec.decode(sign_version_1(payload)).kind == "user"


@pytest.mark.parametrize("keys", ["5", '"A"', "{}", "[5]", "[{}]", "true"])
def test_version_1_with_signing_keys_of_another_type_is_refused(keys: str) -> None:
    assert "signing_keys" in refused(version_1("account", f'{{"signing_keys":{keys}}}'))


# ---- generic claims


def test_generic_claims_keep_their_data_as_go_keeps_it() -> None:
    data = {"type": "mine", "n": 5, "list": [1, {"a": None}], "text": "<\u2028>"}
    written = codec.encode(Claims(subject="anything", body=Generic(data)), USER, NOW)
    claims = codec.decode_generic(written)
    assert claims.subject == "anything"
    assert claims.body.data == {**data, "version": 2}
    assert codec.encode(claims, USER, NOW) == written
    assert codec.decode_any_kind(written) == claims


def test_generic_claims_may_have_no_body() -> None:
    written = codec.encode(Claims(subject="x", body=Generic()), USER, NOW)
    assert "nats" not in payload_in(written)
    assert codec.decode_generic(written).body.data is None


def test_token_of_nats_own_types_is_read_as_generic_too() -> None:
    claims = codec.decode_generic(GOOD)
    assert claims.kind == "generic"
    assert claims.body.data == {"pub": {}, "sub": {}, "type": "user", "version": 2}


# ---- files

CREDS = decorated.format_creds(GOOD, USER)


def test_creds_file_has_the_bytes_of_the_go_library() -> None:
    wanted = f"""-----BEGIN NATS USER JWT-----
{GOOD}
------END NATS USER JWT------

************************* IMPORTANT *************************
NKEY Seed printed below can be used to sign and prove identity.
NKEYs are sensitive and should be treated as secrets.

-----BEGIN USER NKEY SEED-----
{USER.seed}
------END USER NKEY SEED------

*************************************************************
"""
    assert wanted == CREDS


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "a note\n" + text + "another\n",
        lambda text: "\ufeff" + text,
        lambda text: text.rstrip("\n*"),
        lambda text: text.replace("-----", "---"),
        lambda text: text.replace("-----", "-" * 12),
        lambda text: text.replace("USER", "WHATEVER"),
        lambda text: text + text,
    ],
)
def test_creds_file_is_read_as_tolerantly_as_by_the_go_library(change) -> None:
    assert decorated.find_token(change(CREDS)) == GOOD
    assert decorated.find_seed(change(CREDS)).seed == USER.seed


@pytest.mark.parametrize("space", ["", "\n", "\r\n", " ", "\n\n"])
def test_plain_files_are_read_with_the_white_space_around(space: str) -> None:
    assert decorated.find_token(space + GOOD + space) == GOOD
    assert decorated.find_seed(USER.seed + space.strip(" ")).seed == USER.seed


@pytest.mark.parametrize("key_type", nkey.KEY_TYPES)
def test_seed_of_every_type_is_found_in_a_plain_file(key_type: str) -> None:
    pair = key(key_type)
    assert decorated.find_seed(f"# the key\n{pair.seed}\n").public_key == pair.public_key


@pytest.mark.parametrize("contents", ["", "\n", "nothing here\n", GOOD, "S\n", decorated.decorate_token(GOOD)])
def test_file_without_a_seed_says_so(contents: str) -> None:
    with pytest.raises(NatsSecurityError, match=r"^There is no seed in it\.$"):
        decorated.find_seed(contents)


def test_mistyped_seed_in_a_file_is_an_error_that_does_not_show_it() -> None:
    wrong = USER.seed[:-1] + ("A" if USER.seed[-1] != "A" else "B")
    for contents in (wrong, CREDS.replace(USER.seed, wrong), "SUDDENLY nothing\n"):
        with pytest.raises(NatsSecurityError, match="seed") as error:
            decorated.find_seed(contents)
        assert wrong[4:] not in str(error.value)


@pytest.mark.parametrize(
    ("text", "pair", "message"),
    [
        (
            sign(account_payload(), OPERATOR),
            USER,
            "A creds file holds the JWT of a user; this is one of account claims.",
        ),
        (GOOD, ACCOUNT, "A creds file holds the seed of a user, not that of an account key."),
        (
            GOOD,
            key("user", 2),
            f"The seed is that of {key('user', 2).public_key}, the subject of the JWT is {USER.public_key}",
        ),
        (GOOD, nkey.from_public_key(USER.public_key), f"The user key {USER.public_key} cannot return its seed"),
        (GOOD[:-2], USER, "The token's signature is not that of its issuer"),
    ],
)
def test_creds_are_not_made_of_what_does_not_belong_together(text: str, pair: nkey.KeyPair, message: str) -> None:
    with pytest.raises(NatsSecurityError) as error:
        decorated.format_creds(text, pair)
    assert str(error.value).startswith(message)
    assert pair.public_key in message or (pair.has_seed and pair.seed not in str(error.value))


@pytest.mark.parametrize("key_type", ["operator", "account", "user"])
def test_decorated_seed_is_read_back(key_type: str) -> None:
    pair = key(key_type)
    text = decorated.decorate_seed(pair.seed + "\n")
    assert f"-----BEGIN {key_type.upper()} NKEY SEED-----\n{pair.seed}\n------END {key_type.upper()}" in text
    assert decorated.find_seed(text).seed == pair.seed


@pytest.mark.parametrize("key_type", ["server", "cluster", "curve"])
def test_other_seeds_are_not_decorated(key_type: str) -> None:
    with pytest.raises(NatsSecurityError, match=f"not that of a {key_type} key"):
        decorated.decorate_seed(key(key_type).seed)


def test_decorated_token_names_its_kind() -> None:
    text = decorated.decorate_token(sign(account_payload(), OPERATOR))
    assert text.startswith("-----BEGIN NATS ACCOUNT JWT-----\n")
    assert codec.decode(decorated.find_token(text)).kind == "account"


@pytest.mark.parametrize(
    "contents",
    [
        "-" * MEBIBYTE,
        "---\n" * (MEBIBYTE // 4),
        "------\n" * (MEBIBYTE // 7),
        "---x---\nA\n" * (MEBIBYTE // 10),
        "-" * MEBIBYTE + "\nA\n" + "-" * MEBIBYTE,
        "\n" * MEBIBYTE,
        " " * MEBIBYTE,
        "S" * MEBIBYTE,
        "---" + "a" * MEBIBYTE,
        "eyJ" + "." * MEBIBYTE,
        "\ud800" * MEBIBYTE,
    ],
    ids=["dashes", "short", "long", "headings", "two", "lines", "spaces", "seed", "open", "dots", "surrogates"],
)
def test_a_mebibyte_of_anything_is_looked_through_in_no_time(contents: str) -> None:
    began = time.process_time()
    text = decorated.find_token(contents)
    for use in (decorated.find_seed, codec.decode, codec.decode_generic, lambda given: codec.decode(text)):
        with pytest.raises(NatsSecurityError):
            use(contents)
    assert time.process_time() - began < 10
