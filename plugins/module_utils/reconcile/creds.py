# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What a creds file holds, and whether it is that of a user: one rule, wherever the file lies and whatever white space is in it."""

from __future__ import annotations

import contextlib
from typing import NamedTuple

from ..base.errors import NatsSecurityError
from ..keys.nkey import KeyPair
from ..token import decorated


def holder_of_creds(text: str | None) -> str:
    """The public key of the user whose seed a creds file holds; empty where it holds something else."""
    with contextlib.suppress(NatsSecurityError):
        holder = decorated.seed_in(text or "")
        return holder.public_key if holder.type == "user" else ""
    return ""


class Creds(NamedTuple):
    """The key pair in a creds file, and whether its JWT is the one that is wanted; or why the file is left as it is."""

    holder: KeyPair | None
    is_same: bool
    problem: str = ""


def read_creds(text: str, subject: str, token: str | None) -> Creds:
    """What a creds file holds, for a user by public key and the JWT that the file is to have; None where there is none yet.

    Line ends, a byte order mark, blank lines and blanks around JWT and seed make no difference to what is read; a file in which clients of NATS would
    not find both is another one.
    """
    try:
        holder = decorated.seed_in(text)
    except NatsSecurityError as error:
        return Creds(None, False, f"this is not a creds file, it is left as it is. {error}")
    if holder.public_key != subject:
        return Creds(
            None, False, f"this holds the creds of {holder.public_key}, not of {subject}. It is left as it is."
        )
    return Creds(holder, token is not None and decorated.is_same(text, token, holder.seed))
