# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What creds show by themselves: an invalid token, or a seed that is mistyped or belongs to another key. Nothing of the creds is sent before they are known
to be those of a user.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Callable, Optional

from ..base import units
from ..base.errors import NatsSecurityError
from ..claims import Claims
from ..keys.nkey import KeyPair
from ..keys.seed_files import between_dashes, tidy
from ..token import codec, decorated
from . import findings
from .findings import CREDS, Finding

#: Returns the owner of a public key for messages; None if it is not known.
WhoseKey = Callable[[str], Optional[str]]


@dataclasses.dataclass(frozen=True)
class Holder:
    """The user that connects: a JWT with its claims, and the key pair that signs for it. Without claims, or with a `fault`, the user is not connected. With
    a `doubt` it is, although other clients cannot read the creds."""

    jwt: str = ""
    claims: Claims | None = None
    pair: KeyPair | None = dataclasses.field(default=None, repr=False)
    fault: Finding | None = None
    doubt: Finding | None = None

    @property
    def is_bearer(self) -> bool:
        """Whether its own JWT makes the user a bearer. Whether a scope does depends on the account."""
        return self.claims is not None and self.claims.kind == "user" and self.claims.body.access.bearer_token


def read_creds(text: str, where: str, whose: WhoseKey) -> Holder:
    """The user of creds, or what is wrong with them. `where` names the creds in messages."""
    token = decorated.token_in(text)
    claims, fault = _read_claims(token, where)
    if fault is not None:
        return Holder(fault=fault)
    try:
        pair = decorated.seed_in(text)
    except NatsSecurityError as error:
        if Holder(token, claims).is_bearer:
            return Holder(token, claims)
        return Holder(token, claims, fault=_seed_fault(text, where, str(error)))
    holder = with_seed(token, claims, pair, where, whose)
    if holder.fault is None and not decorated.is_same(text, token, pair.seed):
        return dataclasses.replace(holder, doubt=_unreadable(where))
    return holder


def _unreadable(where: str) -> Finding:
    """The finding for creds that an editor changed: clients parse them like the Go library (userConfigRE in creds_utils.go), more strictly than here."""
    return Finding(
        findings.MALFORMED_CREDS,
        f"The JWT and the seed in {where} are correct, but clients do not find them: there are blank lines, or blanks around lines.",
        "Write the creds again, with nats_creds or nats_store, or copy them again from where they were made, without an editor.",
        CREDS,
    )


def with_seed(token: str, claims: Claims | None, pair: KeyPair | None, where: str, whose: WhoseKey) -> Holder:
    """The user of a JWT and a key pair. If the key pair is not that of the JWT, the user has a fault."""
    if claims is None or pair is None or pair.public_key == claims.subject:
        return Holder(token, claims, pair)
    found = whose(pair.public_key)
    of = f", the key of {found}" if found else f", which is {_a(pair.type)} key" if pair.type != "user" else ""
    name = claims.name or claims.subject
    advice = (
        f"The creds of {found} and of {name} seem to be mixed up: make those of {name} again from its own seed and JWT."
        if found
        else f"Make the creds again from the JWT and the seed of {claims.subject}; if that seed is lost, issue a JWT for the key of the seed in the creds."
    )
    message = (
        f"The seed in {where} is that of {pair.public_key}{of}, and the subject of the JWT is {claims.subject}: "
        "the server cannot verify its signature."
    )
    return Holder(token, claims, fault=Finding(findings.WRONG_SEED, message, advice, CREDS))


def read_token(token: str, where: str) -> Holder:
    """The user of a JWT, or what is wrong with it."""
    claims, fault = _read_claims(token, where)
    return Holder(token, claims, fault=fault)


def _read_claims(token: str, where: str) -> tuple[Claims | None, Finding | None]:
    advice = "Write the creds again, with nats_creds or nats_store, or copy them again from where they were made."
    try:
        claims = codec.decode_any_kind(token)
    except NatsSecurityError as error:
        return None, Finding(
            findings.MALFORMED_TOKEN, f"The JWT in {where} is not valid. {error}{_about(token)}", advice, CREDS
        )
    if claims.kind != "user":
        message = f"{where} holds the JWT of {_a(claims.kind)}, {claims.name or claims.subject}: only users connect."
        return None, Finding(findings.NOT_A_USER, message[0].upper() + message[1:], advice, CREDS)
    return claims, None


def _about(token: str) -> str:
    """The name and issue time in an invalid token, as a sentence; empty if it has none."""
    said: dict[str, Any] = codec.peek(token)
    name, issued = said.get("name"), said.get("iat")
    if not isinstance(name, str) or not isinstance(issued, int) or not name.isprintable() or len(name) > 100:
        return ""
    return f" It claims to be that of {name}, issued at {units.show_time(issued)}."


def _seed_fault(text: str, where: str, error: str) -> Finding:
    blocks = len(between_dashes(tidy(text).encode("utf-8", "replace")))
    if blocks == 1 or "There is no seed" in error:
        message = f"There is no seed in {where}: it holds only the JWT, and without the seed a client cannot sign."
    else:
        message = f"The seed in {where} is not valid. {error}"
    advice = (
        "Write the creds again with the seed of the user, with nats_creds or nats_store; "
        "a seed that is lost cannot be made again, so the user then needs a new key."
    )
    return Finding(findings.MALFORMED_SEED, message, advice, CREDS)


def _a(word: str) -> str:
    return ("an " if word[0] in "aeio" else "a ") + word
