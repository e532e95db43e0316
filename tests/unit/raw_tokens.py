# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Keys for tests, and tokens around any JSON, signed as tools sign that check nothing of what they sign."""

from __future__ import annotations

import base64
import json
from typing import Any

from ansible_collections.natsops.security.plugins.module_utils.keys import nkey

HEADER = '{"typ":"JWT","alg":"ed25519-nkey"}'


def key(key_type: str, number: int = 1) -> nkey.KeyPair:
    """A key pair that is the same in every run."""
    return nkey.from_raw_seed(key_type, number.to_bytes(32, "big"))


OPERATOR, ACCOUNT, USER, SERVER, CURVE = (key(name) for name in ("operator", "account", "user", "server", "curve"))


def base64url(data: bytes) -> str:
    """The data as it stands between the dots of a token."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def from_base64url(text: str) -> bytes:
    """What stands between two dots of a token."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def payload_in(token: str) -> Any:
    """The payload of a token as plain JSON."""
    return json.loads(from_base64url(token.split(".")[1]))


def sign(payload: str | bytes, signer: nkey.KeyPair = ACCOUNT, header: str = HEADER) -> str:
    """A token around a payload."""
    data = payload if isinstance(payload, bytes) else payload.encode("utf-8")
    text = base64url(header.encode("utf-8")) + "." + base64url(data)
    return text + "." + base64url(signer.sign(text.encode("ascii")))


def sign_version_1(payload: str, signer: nkey.KeyPair = ACCOUNT) -> str:
    """A token of version 1, of which the payload alone is signed."""
    chunk = base64url(payload.encode("utf-8"))
    header = base64url(b'{"typ":"jwt","alg":"ed25519"}')
    return ".".join((header, chunk, base64url(signer.sign(chunk.encode("ascii")))))


def user_payload(nats: str = '"pub":{},"sub":{}', **outer: Any) -> str:
    """A user's payload with members of `nats` given as JSON text, type and version apart."""
    members = {"jti": "X", "iat": 1700000000, "iss": ACCOUNT.public_key, "name": "n", "sub": USER.public_key, **outer}
    body = (nats + "," if nats else "") + '"type":"user","version":2'
    return json.dumps(members, separators=(",", ":"))[:-1] + ',"nats":{' + body + "}}"


def account_payload(nats: str = "", **outer: Any) -> str:
    """An account's payload, signed by the operator, with members of `nats` given as JSON text."""
    payload = user_payload(nats, **{"iss": OPERATOR.public_key, "sub": ACCOUNT.public_key, **outer})
    return payload.replace('"type":"user","version":2}}', '"type":"account","version":2}}')
