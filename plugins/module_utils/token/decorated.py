# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Creds files, and the files in which NATS's tools mark tokens and seeds with dashed lines."""

from __future__ import annotations

import functools
import re

from ..base.errors import NatsSecurityError
from ..claims import Claims, User
from ..keys import nkey
from ..keys.nkey import KeyPair
from .codec import decode, decode_any_kind, encode, one_of


def decorate_token(token: str) -> str:
    """The token between the lines by which NATS tools mark it in a file (DecorateJWT)."""
    return _decorate_token(token, decode_any_kind(token).kind)


def _decorate_token(token: str, kind: str) -> str:
    return "-----BEGIN NATS {0} JWT-----\n{1}\n------END NATS {0} JWT------\n\n".format(kind.upper(), token)


def decorate_seed(seed: str) -> str:
    """The seed of an operator, account or user between the lines by which NATS tools mark it in a file (DecorateSeed)."""
    pair = nkey.from_seed(seed.strip())
    if pair.type not in ("operator", "account", "user"):
        raise NatsSecurityError(
            f"Only seeds of operators, accounts and users are decorated, not that of a {pair.type} key."
        )
    return (
        "************************* IMPORTANT *************************\n"
        "NKEY Seed printed below can be used to sign and prove identity.\n"
        "NKEYs are sensitive and should be treated as secrets.\n\n"
        "-----BEGIN {0} NKEY SEED-----\n{1}\n------END {0} NKEY SEED------\n\n"
        "*************************************************************\n"
    ).format(pair.type.upper(), seed.strip())


def format_creds(token: str, user: KeyPair) -> str:
    """The creds file of a user (FormatUserConfig). NatsSecurityError where the token is no user's, or not of this key."""
    claims = decode(token)
    if claims.kind != "user":
        raise NatsSecurityError(f"A creds file holds the JWT of a user; this is one of {claims.kind} claims.")
    if user.type != "user":
        raise NatsSecurityError(f"A creds file holds the seed of a user, not that of {one_of((user.type,))} key.")
    if user.public_key != claims.subject:
        raise NatsSecurityError(
            f"The seed is that of {user.public_key}, the JWT is about {claims.subject}: they do not belong together."
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


_DECORATED_LINE = re.compile(rb"[A-Za-z0-9_\-.=]+")


def _decorated(contents: bytes) -> list[str]:
    """What stands between dashed lines, in order: the matches of userConfigRE of the Go library, found line by line in linear time."""
    lines = contents.split(b"\n")
    last = len(lines) - 1
    found = []
    index = 0
    while index + 2 <= last:
        above, text, below = lines[index : index + 3]
        above = above[:-1] if above.endswith(b"\r") else above
        text = text[:-1] if text.endswith(b"\r") else text
        if below.endswith(b"\r") and index + 2 < last:
            below = below[:-1]
        if (
            0 <= above.find(b"---") <= len(above) - 6
            and above.endswith(b"---")
            and _DECORATED_LINE.fullmatch(text)
            and len(below) >= 6
            and below.startswith(b"---")
            and below.endswith(b"---")
        ):
            found.append(text.decode("ascii"))
            index += 3
        else:
            index += 1
    return found


def find_token(contents: str) -> str:
    """The token in a creds file, decorated file or plain file, not decoded yet (ParseDecoratedJWT)."""
    found = _decorated(contents.encode("utf-8", "replace"))
    return found[0] if found else contents.strip()


def find_seed(contents: str) -> KeyPair:
    """The key pair whose seed a creds file, decorated file or plain file holds (ParseDecoratedNKey, for keys of every type)."""
    found = _decorated(contents.encode("utf-8", "replace"))
    if len(found) > 1:
        seed: str | None = found[1]
    else:
        lines = contents.split("\n")
        seed = next((line for line in lines if line.strip()[:2] in ("SO", "SA", "SU", "SN", "SC", "SX")), None)
    if seed is None:
        raise NatsSecurityError("There is no seed in it.")
    return nkey.from_seed(seed)
