# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Bytes sealed to one or more curve keys, in a JSON file. Every box in it has the format of nkeys (xkv1), which `nats auth nkey unseal` opens.

Each file has a new curve key. The content is sealed to this key, and the seed of this key is sealed to every recipient. So the file has the content only
once, independent of the number of recipients.
"""

from __future__ import annotations

import base64
import json
from typing import Any, Mapping, NamedTuple, Sequence

from ..base.each_once import SaidTwiceError, each_once
from ..base.errors import NatsSecurityError
from . import nkey
from .nkey import KeyPair

FORMAT = "natsops.security sealed backup"
VERSION = 1


class Sealed(NamedTuple):
    """A file that is not opened yet. `about` cannot be verified before it is opened."""

    key: str  # the public key that sealed everything
    recipients: Mapping[str, bytes]
    content: bytes
    about: Mapping[str, Any]


def seal(content: bytes, recipients: Sequence[str], about: Mapping[str, Any]) -> str:
    """The text of the file, with `about` in plain text. NatsSecurityError if there is no recipient, or if one is not a public curve key."""
    if not recipients:
        raise NatsSecurityError("A backup is sealed to at least one curve key.")
    pair = nkey.create("curve")
    slots = {}
    for recipient in recipients:
        try:
            public_key = nkey.from_public_key(recipient, "curve").public_key
        except NatsSecurityError as error:
            raise NatsSecurityError(f"No backup can be sealed to this recipient: {error}") from None
        slots[public_key] = _base64(pair.seal(pair.seed.encode("ascii"), public_key))
    whole = {
        "format": FORMAT,
        "version": VERSION,
        **about,
        "key": pair.public_key,
        "recipients": slots,
        "content": _base64(pair.seal(content, pair.public_key)),
    }
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def read_sealed(text: str) -> Sealed:
    """Parse the text of a file. NatsSecurityError if it is not a sealed backup, or is truncated."""
    try:
        whole = json.loads(text, object_pairs_hook=each_once)
        if whole["format"] != FORMAT:
            raise ValueError
        if whole["version"] != VERSION:
            raise NatsSecurityError(
                f"The backup cannot be opened: it is of version {str(whole['version'])[:20]!r}; only version {VERSION} is supported."
            )
        slots = {str(key): _from_base64(slot) for key, slot in whole["recipients"].items()}
        content = _from_base64(whole["content"])
        key = str(whole["key"])
    except SaidTwiceError as error:
        raise NatsSecurityError(f"The backup cannot be opened: {error}.") from None
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        raise NatsSecurityError("The backup cannot be opened: it is not a sealed backup, or is truncated.") from None
    if not nkey.is_public_key(key, "curve"):
        raise NatsSecurityError("The backup cannot be opened: the key that sealed it is not a public curve key.")
    about = {name: value for name, value in whole.items() if name not in ("content", "recipients", "key")}
    return Sealed(key, slots, content, about)


def open_sealed(sealed: Sealed, pairs: Sequence[KeyPair]) -> bytes:
    """The content, opened with one of the key pairs. NatsSecurityError if it is sealed to none of them, or was changed."""
    pair = next((pair for pair in pairs if pair.public_key in sealed.recipients), None)
    if pair is None:
        given = ", ".join(one.public_key for one in pairs) or "none"
        raise NatsSecurityError(
            f"The backup cannot be opened: it is sealed to {', '.join(sealed.recipients) or 'no key'}, and the given key is {given}."
        )
    try:
        inner = nkey.from_seed(pair.open(sealed.recipients[pair.public_key], sealed.key).decode("ascii"), "curve")
        if inner.public_key != sealed.key:
            raise NatsSecurityError("it contains another key.")
        return inner.open(sealed.content, sealed.key)
    except (NatsSecurityError, UnicodeDecodeError):
        raise NatsSecurityError(
            f"The backup cannot be opened with {pair.public_key}, though it is sealed to it: it was changed."
        ) from None


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _from_base64(text: str) -> bytes:
    return base64.b64decode(text.encode("ascii"), validate=True)
