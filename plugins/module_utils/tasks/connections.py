# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The task of nats_connections: list or close the connections of an account on all servers."""

from __future__ import annotations

import time
from typing import Any

from ..base import units
from ..base.errors import NatsSecurityError
from ..cluster import connections, system_connection
from . import cluster_options
from .task import CarefulModule
from .tokens import parse_public_key


def connections_task(module: CarefulModule) -> dict[str, Any]:
    """List or close the connections of users of an account, and return the result."""
    params = module.params
    if params["account_server_url"] is not None:
        raise NatsSecurityError("account_server_url: an account server has no connections; set servers.")
    cluster_options.require_nats(module)
    sought = _sought(module)
    since = _time(params["since"], "since") if params["since"] is not None else time.time()
    layout = cluster_options.store_layout(module)
    accounts = cluster_options.read_accounts(module, layout)
    closes = params["state"] == "absent"
    subjects = connections.CLOSING if closes else connections.LOOKING
    how = cluster_options.connection_options(module, accounts, cluster_options.read_operator(module, layout), subjects)
    expected = params["expected_servers"]

    async def work(connection: Any) -> connections.Found:
        if closes and not module.check_mode:
            return await connections.close_all(connection, sought, expected, how.timeout)
        if closes:
            return await connections.foresee_closing(connection, sought, expected)
        return await connections.look_for(connection, sought, expected)

    found = system_connection.run(how, work)
    if closes and module.check_mode:
        found.kicked = {client.identity for client in found.open}
    ended = closes and params["since"] is not None and not module.check_mode
    for warning in found.cluster.warnings:
        module.warn(warning)
    result = connections.describe(found, since)
    result["changed"] = bool((closes and found.kicked) or (ended and result["closed_since"]))
    if closes and module._diff:
        result["diff"] = connections.difference(found, since if ended else None)
    problems = list(found.problems)
    if closes and found.open and not module.check_mode:
        left = ", ".join(sorted({client.server.name for client in found.open}))
        problems.append(f"After {params['timeout']}, connections are left on {left}: {len(found.open)}.")
    if found.missing:
        rest = ", and no connection is left there" if closes and not problems and not module.check_mode else ""
        problems.append(
            f"expected_servers: {', '.join(found.missing)} did not answer; {', '.join(result['servers'])} did{rest}."
        )
    if problems:
        module.fail_json(msg=" ".join(problems), **result)
    return result


def _sought(module: CarefulModule) -> connections.Sought:
    """The connections that the options select."""
    params = module.params
    by_identity_keys = bool(params["identity_keys"])
    named = params["account"] is not None
    others = [name for name in ("users", "revoked", "issuers") if params[name] is not None]
    if not named and (not by_identity_keys or others):
        raise NatsSecurityError(
            "account: required. It can be omitted, for all accounts, only with identity_keys: true and without users, revoked and issuers."
        )
    account = parse_public_key(module, params["account"], "account", "account").public_key if named else ""
    users: dict[str, int | None] = {}
    for index, key in enumerate(params["users"] or ()):
        users[_user(module, key, f"users[{index}]")] = None
    for key, at in (params["revoked"] or {}).items():
        place = f"revoked[{key}]"
        users.setdefault(_user(module, str(key), place), _time(at, place))
    issuers = frozenset(
        parse_public_key(module, key, f"issuers[{index}]", "account").public_key
        for index, key in enumerate(params["issuers"] or ())
    )
    if not others and not by_identity_keys:
        users["*"] = None
    return connections.Sought(account, users, issuers, by_identity_keys)


def _user(module: CarefulModule, key: str, place: str) -> str:
    return key if key == "*" else parse_public_key(module, key, place, "user").public_key


def _time(value: Any, place: str) -> int:
    try:
        return units.parse_time(value)
    except ValueError as error:
        raise NatsSecurityError(f"{place}: {error}.") from None
