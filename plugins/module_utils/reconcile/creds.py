# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Reads creds files and checks which user they belong to. The same rule applies to every creds file, independent of its white space."""

from __future__ import annotations

import contextlib
from typing import NamedTuple

from ..base.errors import NatsSecurityError
from ..keys.nkey import KeyPair
from ..token import decorated


def holder_of_creds(text: str | None) -> str:
    """The public key of the user whose seed is in a creds file; empty if the text is not such a file."""
    with contextlib.suppress(NatsSecurityError):
        holder = decorated.seed_in(text or "")
        return holder.public_key if holder.type == "user" else ""
    return ""


class Creds(NamedTuple):
    """The key pair in a creds file, and whether the file has the wanted JWT; or the problem because of which the file is left unchanged."""

    holder: KeyPair | None
    is_same: bool
    problem: str = ""


def read_creds(text: str, subject: str, token: str | None) -> Creds:
    """Read the creds file of a user. `subject` is the public key of the user; `token` is the JWT that the file should have, None if there is none yet.

    Line endings, a byte order mark, blank lines and white space around JWT and seed are ignored. A file in which NATS clients would not find both
    does not count as the same.
    """
    try:
        holder = decorated.seed_in(text)
    except NatsSecurityError as error:
        return Creds(None, False, f"this is not a creds file, it is left unchanged. {error}")
    if holder.public_key != subject:
        return Creds(
            None, False, f"this holds the creds of {holder.public_key}, not of {subject}. It is left unchanged."
        )
    return Creds(holder, token is not None and decorated.is_same(text, token, holder.seed))
