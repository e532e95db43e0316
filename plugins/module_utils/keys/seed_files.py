# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Files with a seed: plain, or between the dashed lines with which NATS tools mark it, as in creds files.

`find_seed` finds what the Go library finds. `seed_in` also accepts files that an editor has changed, see `token.decorated`.
"""

from __future__ import annotations

import re

from ..base.errors import NatsSecurityError
from . import nkey
from .nkey import KeyPair


def decorate_seed(seed: str) -> str:
    """The seed of an operator, account or user between the lines with which NATS tools mark it in a file (DecorateSeed)."""
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


_DECORATED_LINE = re.compile(rb"[A-Za-z0-9_\-.=]+")


def between_dashes(contents: bytes) -> list[str]:
    """The texts between dashed lines, in order: the matches of userConfigRE of the Go library, found line by line in linear time."""
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


def find_seed(contents: str) -> KeyPair:
    """The key pair whose seed a creds file, decorated file or plain file holds (ParseDecoratedNKey, for keys of every type).

    NatsSecurityError if there is no valid seed.
    """
    found = between_dashes(contents.encode("utf-8", "replace"))
    if len(found) > 1:
        seed: str | None = found[1]
    else:
        lines = contents.split("\n")
        seed = next((line for line in lines if line.strip()[:2] in ("SO", "SA", "SU", "SN", "SC", "SX")), None)
    if seed is None:
        raise NatsSecurityError("There is no seed in it.")
    return nkey.from_seed(seed)


_LINE_ENDS = re.compile(r"\r\n?|\n")


def tidy(contents: str) -> str:
    """The text without a byte order mark, blank lines, and white space around the other lines."""
    lines = map(str.strip, _LINE_ENDS.split(contents.lstrip("\ufeff")))
    return "\n".join(filter(None, lines))


def seed_in(contents: str) -> KeyPair:
    """The key pair whose seed a creds file, decorated file or plain file holds, regardless of line endings and blanks. Errors as in `find_seed`."""
    return find_seed(tidy(contents))
