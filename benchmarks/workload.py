# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The users that benchmarks create and decode, by this collection and by PyPI's nats-jwt. They are the same as in go/main.go."""

from __future__ import annotations

import time

from nats_jwt.nkeys_ext import keypair_from_pubkey, nkeys2
from nats_jwt.v2.claims import extract_payload_sig_from_jwt
from nats_jwt.v2.decoder import decode as nats_jwt_decode
from nats_jwt.v2.user_claims import UserClaims

from ansible_collections.natsops.security.plugins.module_utils.claims import (
    Claims,
    Permission,
    Permissions,
    User,
    UserAccess,
)
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.token import codec

PUBLISH = ("orders.>", "metrics.*")
SUBSCRIBE = ("_INBOX.>", "orders.replies")
#: How many users a round has. The peer from PyPI is slow and has fewer.
COUNT = 2000
NATS_JWT_COUNT = 100

_ACCOUNT = nkey.create("account").public_key
_SIGNER = nkey.create("account")
_NATS_JWT_SIGNER = nkeys2.create_account_pair()


def new_user(number: int) -> tuple[str, str]:
    """The seed of a new user and its token, by this collection."""
    user = nkey.create("user")
    permissions = Permissions(publish=Permission(list(PUBLISH)), subscribe=Permission(list(SUBSCRIBE)))
    claims = Claims(
        name=f"user-{number}",
        subject=user.public_key,
        body=User(access=UserAccess(permissions), issuer_account=_ACCOUNT),
    )
    return user.seed, codec.encode(claims, _SIGNER, int(time.time()))


def nats_jwt_new_user(number: int) -> tuple[bytes, str]:
    """The seed of a new user and its token, by nats-jwt."""
    user = nkeys2.create_user_pair()
    claims = UserClaims(user.public_key.decode(), f"user-{number}")
    claims.nats.pub.allow = list(PUBLISH)
    claims.nats.sub.allow = list(SUBSCRIBE)
    claims.nats.issuer_account = _ACCOUNT
    return user.seed, claims.encode(_NATS_JWT_SIGNER)


def nats_jwt_read(text: str) -> UserClaims:
    """A token decoded and verified by nats-jwt.

    It cannot decode its own user tokens, so it gets ours. Its decode() checks for the signature of the subject and expects it
    to be wrong; the signature of the issuer has to be verified separately.
    """
    claims = nats_jwt_decode(text)
    keypair_from_pubkey(claims.iss.encode()).verify(*extract_payload_sig_from_jwt(text))
    return claims
