# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Creds files, and files in which NATS tools mark tokens with dashed lines. Files with seeds are in `keys.seed_files`.

`find_token` and `find_seed` find what the Go library finds, and so every NATS client. `token_in` and `seed_in` also accept what editors may change in such
a file: line endings, a byte order mark, blank lines, white space around a line. They are used for every file that is read. A JWT or creds file that clients
cannot read is written again; `is_same` finds these files.
"""

from __future__ import annotations

import functools

from ..base.errors import NatsSecurityError
from ..claims import Claims, User
from ..keys import nkey
from ..keys.nkey import KeyPair
from ..keys.seed_files import between_dashes, decorate_seed, find_seed, seed_in, tidy
from .codec import decode, decode_any_kind, encode, one_of

__all__ = [
    "creds_text",
    "decorate_seed",
    "decorate_token",
    "find_seed",
    "find_token",
    "format_creds",
    "is_same",
    "read_creds",
    "seed_in",
    "token_in",
]


def decorate_token(token: str) -> str:
    """The token between the lines with which NATS tools mark it in a file (DecorateJWT)."""
    return _decorate_token(token, decode_any_kind(token).kind)


def _decorate_token(token: str, kind: str) -> str:
    return "-----BEGIN NATS {0} JWT-----\n{1}\n------END NATS {0} JWT------\n\n".format(kind.upper(), token)


def format_creds(token: str, user: KeyPair) -> str:
    """The creds file of a user (FormatUserConfig). NatsSecurityError if the token is not that of a user, or not that of this key."""
    claims = decode(token)
    if claims.kind != "user":
        raise NatsSecurityError(f"A creds file holds the JWT of a user; this is one of {claims.kind} claims.")
    if user.type != "user":
        raise NatsSecurityError(f"A creds file holds the seed of a user, not that of {one_of((user.type,))} key.")
    if user.public_key != claims.subject:
        raise NatsSecurityError(
            f"The seed is that of {user.public_key}, the subject of the JWT is {claims.subject}: they do not belong together."
        )
    return _decorate_token(token, "user") + decorate_seed(user.seed)


def creds_text(token: str, seed: str) -> str:
    """The creds file of a token and a seed that are known to belong together: what format_creds writes, without verifying both again."""
    before, between, after = _creds_template()
    return before + token + between + seed.strip() + after


@functools.lru_cache(maxsize=1)
def _creds_template() -> tuple[str, str, str]:
    account, user = nkey.from_raw_seed("account", bytes(32)), nkey.from_raw_seed("user", bytes(32))
    token = encode(Claims(subject=user.public_key, body=User()), account, 1)
    before, rest = format_creds(token, user).split(token)
    between, after = rest.split(user.seed)
    return before, between, after


def find_token(contents: str) -> str:
    """The token in a creds file, decorated file or plain file, not decoded yet (ParseDecoratedJWT)."""
    found = between_dashes(contents.encode("utf-8", "replace"))
    return found[0] if found else contents.strip()


def token_in(contents: str) -> str:
    """The token in a creds file, decorated file or plain file, not decoded yet, regardless of line endings and blanks."""
    # Most files hold the token alone.
    if contents.startswith("eyJ") and "\n" not in contents and not contents[-1].isspace():
        return contents
    return find_token(tidy(contents))


def read_creds(contents: str) -> tuple[Claims, KeyPair, str]:
    """The claims, the key pair and the JWT in the text of a creds file. NatsSecurityError if it is not the creds of a user, or JWT and seed do not match."""
    try:
        pair, jwt = seed_in(contents), token_in(contents)
        claims = decode(jwt)
    except NatsSecurityError as error:
        raise NatsSecurityError(f"these are not the creds of a user. {error}") from None
    if claims.kind != "user" or claims.subject != pair.public_key:
        raise NatsSecurityError("these are not the creds of a user: JWT and seed do not belong together.")
    return claims, pair, jwt


def is_same(contents: str, token: str, seed: str) -> bool:
    """Whether NATS clients find the token and the seed in a file. With an empty seed, only the token has to be found."""
    if find_token(contents) != token:
        return False
    try:
        return not seed or find_seed(contents).seed == seed
    except NatsSecurityError:
        return False
