# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Keys for tests, and signed tokens with arbitrary JSON, as from a tool that does not validate claims."""

from __future__ import annotations

import base64
import json
from typing import Any

from ansible_collections.natsops.security.plugins.module_utils.keys import nkey

HEADER = '{"typ":"JWT","alg":"ed25519-nkey"}'


def key(key_type: str, number: int = 1) -> nkey.KeyPair:
    """Return a key pair that is the same in every run."""
    return nkey.from_raw_seed(key_type, number.to_bytes(32, "big"))


OPERATOR, ACCOUNT, USER, SERVER, CURVE = (key(name) for name in ("operator", "account", "user", "server", "curve"))


def base64url(data: bytes) -> str:
    """Encode data in base64url without padding, as in tokens."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def from_base64url(text: str) -> bytes:
    """Decode base64url without padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def payload_in(token: str) -> Any:
    """Return the payload of a token as parsed JSON."""
    return json.loads(from_base64url(token.split(".")[1]))


def sign(payload: str | bytes, signer: nkey.KeyPair = ACCOUNT, header: str = HEADER) -> str:
    """Return a signed token with the payload."""
    data = payload if isinstance(payload, bytes) else payload.encode("utf-8")
    text = base64url(header.encode("utf-8")) + "." + base64url(data)
    return text + "." + base64url(signer.sign(text.encode("ascii")))


def sign_version_1(payload: str, signer: nkey.KeyPair = ACCOUNT) -> str:
    """Return a token of version 1, whose signature covers only the payload."""
    chunk = base64url(payload.encode("utf-8"))
    header = base64url(b'{"typ":"jwt","alg":"ed25519"}')
    return ".".join((header, chunk, base64url(signer.sign(chunk.encode("ascii")))))


def user_payload(nats: str = '"pub":{},"sub":{}', **outer: Any) -> str:
    """Return the payload of a user JWT. `nats` contains the members of `nats`, except type and version, as JSON text."""
    members = {"jti": "X", "iat": 1700000000, "iss": ACCOUNT.public_key, "name": "n", "sub": USER.public_key, **outer}
    body = (nats + "," if nats else "") + '"type":"user","version":2'
    return json.dumps(members, separators=(",", ":"))[:-1] + ',"nats":{' + body + "}}"


def account_payload(nats: str = "", **outer: Any) -> str:
    """Return the payload of an account JWT issued by the operator. `nats` is as in `user_payload`."""
    payload = user_payload(nats, **{"iss": OPERATOR.public_key, "sub": ACCOUNT.public_key, **outer})
    return payload.replace('"type":"user","version":2}}', '"type":"account","version":2}}')
