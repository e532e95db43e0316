# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Whether servers accept a user, and if not, the reason: from its JWT, from the JWT of its account, and from the response of the server.

A server returns `Authorization Violation` for every reason. Only the system account can read which JWT of the account the server holds, see
`explained`.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Mapping, NamedTuple

from ..base import units
from ..base.errors import NatsSecurityError
from ..claims import Claims
from ..rules.trust import is_revoked, keys_of
from . import system_connection
from .addresses import server_address
from .system_connection import Connection, Options

CONNECTED, EXPIRED, EARLY = "connected", "expired", "not_yet_valid"
REVOKED, UNKNOWN_SIGNER = "revoked", "unknown_signer"
REFUSED, UNREACHABLE = "refused", "unreachable"
WRONG_OPERATOR, UNKNOWN_ACCOUNT, NOT_LOADED = "wrong_operator", "unknown_account", "not_loaded"


class Answer(NamedTuple):
    """The result for a user on one server, or on all servers if its JWT decides. `reason` is one of the constants above."""

    reason: str
    message: str
    server: str = ""


def fault_of(user: Claims, account: Claims | None, now: int) -> Answer | None:
    """Why no server accepts a user, by its JWT and that of its account, at a time in unix seconds; None if no reason is found."""
    if user.expires and user.expires < now:
        return Answer(EXPIRED, f"its JWT expired at {units.show_time(user.expires)}: renew it")
    if user.not_before and user.not_before > now:
        return Answer(EARLY, f"its JWT is not valid before {units.show_time(user.not_before)}")
    if account is None:
        return None
    if account.expires and account.expires < now:
        return Answer(EXPIRED, f"the JWT of its account {account.name} expired at {units.show_time(account.expires)}")
    if user.issuer not in keys_of(account):
        return Answer(
            UNKNOWN_SIGNER, f"its JWT is signed by {user.issuer}, which is not a key of its account {account.name}"
        )
    if is_revoked(account.body.revocations, user.subject, user.issued_at):
        return Answer(
            REVOKED,
            f"it is revoked in its account {account.name}, and its JWT was issued at {units.show_time(user.issued_at)}",
        )
    return None


def try_servers(options: Options) -> list[Answer]:
    """The result of connecting to each server of the options. NatsSecurityError for an invalid list of servers."""
    wants_tls = options.channel_tls(options.addresses).wanted
    return [_try(dataclasses.replace(options, servers=(_with_tls(url, wants_tls),)), url) for url in options.servers]


def _with_tls(url: str, wants_tls: bool) -> str:
    """The URL, with the scheme `tls` if another URL of the list requires TLS, because each server is tried on its own."""
    if not wants_tls or server_address(url, "servers").wants_tls:
        return url
    return "tls://" + url.rpartition("://")[2]


def _try(options: Options, shown: str) -> Answer:
    try:
        system_connection.run(options, _nothing_more)
    except NatsSecurityError as error:
        text = str(error).replace("No server could be connected to. ", "")
        is_refused = "authorization violation" in text.lower()
        message = f"{shown} refuses it (authorization violation)" if is_refused else text.rstrip(".")
        return Answer(REFUSED if is_refused else UNREACHABLE, message, shown)
    return Answer(CONNECTED, f"{shown} accepts it", shown)


async def _nothing_more(_unused: Connection) -> None:
    """Do nothing: the server has accepted the user when this is called."""


def explained(user: Mapping[str, Any], looked_up: Mapping[str, Any], operator: str, now: int) -> Answer:
    """Why servers refuse a user, from a result of nats_resolver_info about its account, which may be that of a failed task.

    `user` has `account`, which is the public key of the account, `public_key`, `issuer` and `issued_at` in unix seconds. `operator` is the public key
    of its operator.
    """
    if looked_up.get("failed") or "servers" not in looked_up:
        message = str(looked_up.get("msg") or "")
        if "authorization violation" in message.lower():
            return Answer(
                WRONG_OPERATOR,
                "the servers refuse the system account of its operator too: they trust another operator",
            )
        return Answer(REFUSED, f"the servers could not be asked why: {message}")
    others = [
        server["name"]
        for server in looked_up.get("servers") or ()
        if server["operators"] and operator not in {one["public_key"] for one in server["operators"]}
    ]
    if others:
        return Answer(WRONG_OPERATOR, f"{', '.join(others)} trust another operator than {operator}")
    return _explained_by_account(user, _account_in(looked_up, str(user["account"])), now)


def _account_in(looked_up: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    return next((one for one in looked_up.get("accounts") or () if one["public_key"] == key), {})


def _explained_by_account(user: Mapping[str, Any], account: Mapping[str, Any], now: int) -> Answer:
    absent = [name for name, state in (account.get("servers") or {}).items() if state == "absent"]
    claims = account.get("claims")
    if not claims:
        return Answer(UNKNOWN_ACCOUNT, "no server has its account: push it, with the role natsops.security.resolver")
    if absent:
        return Answer(
            NOT_LOADED,
            f"its account is not yet on {', '.join(absent)}: push it, with the role natsops.security.resolver",
        )
    revocations = claims.get("revocations") or {}
    for name in (user["public_key"], "*"):
        if name in revocations and units.parse_time(revocations[name]) >= user["issued_at"]:
            return Answer(REVOKED, f"it is revoked on the servers ({name} at {revocations[name]})")
    if _has_expired(claims, now):
        return Answer(EXPIRED, f"the JWT of its account on the servers expired at {claims['expires']}")
    return Answer(
        NOT_LOADED,
        f"the servers hold the JWT of its account that was issued at {claims.get('issued_at')}, and refuse the user: push the account again",
    )


def _has_expired(claims: Mapping[str, Any], now: int) -> bool:
    end = claims.get("expires")
    return bool(end) and units.parse_time(str(end)) < now


def problems(tried: Mapping[str, Any], asked: Mapping[str, Any], operator: str, now: int) -> list[str]:
    """A message for each user in a result of nats_creds_info who cannot connect. Messages begin with the reason as a word, for programs."""
    found = []
    for user in tried.get("users") or ():
        if user["connected"]:
            continue
        reason, message = user["reason"], user["message"]
        if reason == REFUSED and asked:
            why = explained(user, asked, operator, now)
            reason, message = why.reason, f"{message}: {why.message}"
        found.append(
            f"{reason}: the user {user['name']} ({user['public_key']}) in {user['path']} cannot connect: {message}."
        )
    return found
