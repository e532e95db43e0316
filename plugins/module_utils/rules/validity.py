# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The contents of a token and whether it is valid, as a result for the module `nats_jwt_info`, filters and tests on the controller, and the wheel
`natsops-jwt`."""

from __future__ import annotations

from typing import Any, Iterable, NamedTuple

from ..base import units
from ..base.errors import NatsSecurityError
from ..claims import Claims, unknown_fields_of
from ..claims.comparison import show_claims
from ..token import codec, decorated
from .chain import Chain, chain_of, problems_at
from .library import library_issues
from .server import server_issues


class Read(NamedTuple):
    """A given text, the token in it, and the verified claims of the token."""

    text: str
    token: str
    claims: Claims


def read_text(text: str, where: str) -> Read:
    """The token in a text: plain, decorated or creds.

    Raises NatsSecurityError for any other text and for a wrong signature; its message begins with `where`.
    """
    token = decorated.token_in(text)
    try:
        return Read(text, token, codec.decode_any_kind(token))
    except NatsSecurityError as error:
        raise NatsSecurityError(f"{where}: {error}") from None


def parse_moment(value: Any, option: str, now: int) -> int:
    """Unix seconds from a time in RFC 3339, or from a duration after now such as `+14d`. Raises NatsSecurityError with the name of the option."""
    try:
        if isinstance(value, str) and value.startswith("+"):
            return now + units.parse_seconds(value[1:])
        return units.parse_time(value)
    except ValueError as error:
        raise NatsSecurityError(f"{option}: {error}.") from None


def report(read: Read, parents: list[Claims], times: Iterable[int], at: int) -> dict[str, Any]:
    """The contents of a token, and whether it is valid under its parents: at the time `at` and at other `times`, all in Unix seconds."""
    claims = read.claims
    chain = chain_of(claims, parents)
    problems = problems_at(chain, at)
    return {
        "type": claims.kind,
        "version": getattr(claims.body, "version", codec.VERSION),
        "public_key": claims.subject,
        "claims": _public(show_claims(claims)),
        "payload": codec.public_payload(read.token),
        "unknown_fields": unknown_fields_of(claims),
        "has_seed": _has_seed(read.text),
        "valid": not problems,
        "problems": problems,
        "expired": is_expired(claims, at),
        "not_yet_valid": claims.not_before > at,
        **_chain_result(chain),
        "issues": [
            {"path": issue.path, "message": issue.message, "source": issue.source, "blocking": issue.blocking}
            for issue in [*library_issues(claims, at), *server_issues(claims, at)]
            if not issue.time_check
        ],
        "validity": [
            {"at": units.show_time(time), "valid": not problems_at(chain, time), "problems": problems_at(chain, time)}
            for time in times
        ],
    }


def is_expired(claims: Claims, at: int) -> bool:
    """Whether the token itself, regardless of its parents, has expired at a time, in Unix seconds."""
    return bool(claims.expires) and claims.expires < at


def end_of(claims: Claims, parents: list[Claims]) -> int:
    """The earliest expiry of a token and its parents, in Unix seconds; 0 for never. Raises NatsSecurityError if the token is never valid under them."""
    chain = chain_of(claims, parents)
    if chain.problems:
        raise NatsSecurityError(". ".join(chain.problems) + ".")
    return min((link.expires for link in chain.links if link.expires), default=0)


def _public(shown: dict[str, Any]) -> dict[str, Any]:
    """The claims with the credentials in a client's connect options masked. Only an authorization request has such options."""
    sent = shown.get("connect_options", {})
    hidden = {name: "********" for name in sent if name in ("jwt", "signature", "auth_token", "password")}
    return dict(shown, connect_options={**sent, **hidden}) if hidden else shown


def _chain_result(chain: Chain) -> dict[str, Any]:
    return {
        "verified": chain.verified,
        "wrong_issuer": chain.wrong_issuer,
        "revoked": chain.revoked,
        "role": chain.role,
    }


def _has_seed(text: str) -> bool:
    try:
        decorated.seed_in(text)
    except NatsSecurityError:
        return False
    return True
