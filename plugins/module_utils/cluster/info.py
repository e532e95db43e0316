# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The accounts that servers hold, compared with each other and with the accounts of a task. Changes nothing."""

from __future__ import annotations

import time
from typing import Any, Sequence

from ..base.units import show_time
from ..claims import Claims
from ..claims.comparison import differences
from . import plan
from .looking import look_up, stuck_accounts, who_holds
from .plan import Held, Wanted
from .servers import describe_server, discover, with_accounts
from .system_connection import Connection


async def look_at(
    connection: Connection,
    keys: Sequence[str],
    wanted: Sequence[Wanted],
    operator: Claims | None,
    expected_servers: Sequence[str],
    everything: bool,
) -> dict[str, Any]:
    """The result of a task: the servers, and the accounts with these keys. With `everything`, also all other accounts that servers hold."""
    cluster = await with_accounts(connection, await discover(connection, expected_servers))
    looked_at = sorted({*keys, *(cluster.listed if everything else ())})
    found = await look_up(connection, looked_at, len(cluster.full)) if cluster.full else {}
    held = await who_holds(connection, cluster, found)
    by_key = {one.subject: one for one in wanted}
    accounts = [
        describe_account(key, held.get(key, Held({}, ())), by_key.get(key), bool(wanted) and key not in keys)
        for key in looked_at
    ]
    stuck = await stuck_accounts(connection, cluster, looked_at, int(time.time()))
    for account in accounts:
        servers = stuck.servers.get(account["public_key"], [])
        account["differences"] += [f"{name} has it loaded as expired: push it again" for name in servers]
    result = _result(accounts)
    result["servers"] = [describe_server(server) for server in cluster.servers]
    result["differences"] = [
        *cluster.warnings,
        *stuck.warnings,
        *plan.operator_problems(cluster, operator),
        *result["differences"],
    ]
    return result


def compare_account_server(shown: str, found: dict[str, str], wanted: Sequence[Wanted]) -> dict[str, Any]:
    """The result of a task: the accounts that were found on an account server, compared with those of the task."""
    by_key = {one.subject: one for one in wanted}
    return _result(
        [
            describe_account(key, Held({shown: token}, (token,)), by_key.get(key), False)
            for key, token in sorted(found.items())
        ]
    )


def _result(accounts: list[dict[str, Any]]) -> dict[str, Any]:
    told = [
        f"account {account['name']} ({account['public_key']}): {difference}"
        if account["name"]
        else f"account {account['public_key']}: {difference}"
        for account in accounts
        for difference in account["differences"]
    ]
    return {"changed": False, "accounts": accounts, "differences": told}


def describe_account(key: str, held: Held, wanted: Wanted | None, is_surplus: bool) -> dict[str, Any]:
    """One account of a result; its claims stay a Claims object. `is_surplus` is whether the task has accounts, but not this one."""
    found = {token: plan.read_held(key, token) for token in held.distinct}
    genuine = [token for token, claims in found.items() if isinstance(claims, Claims)]
    jwt = genuine[0] if genuine else None
    shown = found[jwt] if jwt is not None else None
    return {
        "public_key": key,
        "name": shown.name if isinstance(shown, Claims) else wanted.name if wanted is not None else "",
        "jwt": jwt,
        "claims": shown,
        "servers": {name: _say_state(token, found) for name, token in held.by_server.items()},
        "differences": _differences(held, found, wanted, is_surplus),
    }


def _say_state(token: str | None, claims: dict[str, Claims | str]) -> str:
    if token is None:
        return "unknown"
    if not token:
        return "absent"
    found = claims.get(token)
    return show_time(found.issued_at) if isinstance(found, Claims) else "no JWT of it"


def _differences(held: Held, claims: dict[str, Claims | str], wanted: Wanted | None, is_surplus: bool) -> list[str]:
    if is_surplus:
        return ["the task does not have it"]
    told = []
    without = [name for name, token in held.by_server.items() if token == ""]
    if without and (held.distinct or wanted is not None):
        told.append(f"{plan.listed(without)} {'do' if len(without) > 1 else 'does'} not have it")
    for token in held.distinct:
        where = plan.holders(held, token)
        found = claims[token]
        if isinstance(found, str):
            told.append(f"what {where} holds is {found}")
        elif wanted is not None and token != wanted.token:
            new = plan.claims_of(wanted)
            told += [f"{where}: {difference}" for difference in differences(found, new)] or [
                f"{where}: issued: {show_time(found.issued_at)} -> {show_time(new.issued_at)}"
            ]
        elif wanted is None and len(held.distinct) > 1:
            told.append(f"{where} holds the one issued at {show_time(found.issued_at)}")
    return told
