# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Read the account tokens that servers hold, and those that they have in memory. Changes nothing."""

from __future__ import annotations

import dataclasses
import json
from typing import Sequence

from ..claims import Claims
from ..rules import server_time_issues
from . import plan
from .answers import Answer, Read, Unreadable, count_servers, read_each
from .plan import Held
from .servers import Cluster, Server, answered_by, with_accounts
from .system_connection import Connection, NotPermitted

LOOKUP = "$SYS.REQ.ACCOUNT.{}.CLAIMS.LOOKUP"
INFO = "$SYS.REQ.ACCOUNT.{}.INFO"
CONNZ = "$SYS.REQ.SERVER.{}.CONNZ"
ACCOUNTZ = "$SYS.REQ.SERVER.PING.ACCOUNTZ"
#: How many accounts are requested at a time. The answer about one account has at least 2 KB.
_BATCH = 1000


async def look_up(connection: Connection, accounts: Sequence[str], servers: int) -> dict[str, list[str]]:
    """The tokens that servers with a full resolver hold, by account, in no order; "" is no token. `servers` is the number of these servers."""
    requests = [(LOOKUP.format(account), b"") for account in accounts]
    answers = await connection.ask_many(requests, lambda _unused, found: len(found) >= servers, connection.timeout)
    return {
        account: [answer.decode("utf-8", "replace") for answer in found] for account, found in zip(accounts, answers)
    }


async def loaded_tokens(connection: Connection, cluster: Cluster, accounts: Sequence[str]) -> dict[str, dict[str, str]]:
    """The tokens of accounts that servers have in memory, by account and server id.

    Only servers that hold an account are made to load it: others would fetch it.
    """
    await load_accounts(
        connection,
        [
            (server, account)
            for account in accounts
            for server in cluster.full
            if server.accounts is not None and account in server.accounts
        ],
    )
    requests = [(INFO.format(account), b"") for account in accounts]
    answers = await ask_all(connection, requests, len(cluster.servers))
    return {account: read_each(found, _read_loaded).found for account, found in zip(accounts, answers)}


async def load_accounts(connection: Connection, pairs: Sequence[tuple[Server, str]]) -> list[str]:
    """Make servers load accounts, by requesting the connections of these. Returns warnings."""
    requests = [
        (CONNZ.format(server.id), json.dumps({"acc": account, "limit": 1}).encode("ascii")) for server, account in pairs
    ]
    answers = await connection.ask_servers(requests, lambda _unused, found: bool(found), connection.timeout)
    return [
        f"The server {server.name} does not load the account {account}: {answer.error}."
        for (server, account), found in zip(pairs, answers)
        for answer in found
        if answer.error
    ]


def _read_loaded(answer: Answer) -> str:
    """The token of an account that a server has in memory; "" if it has none."""
    return "" if answer.error else answer.data["jwt"].text()


async def ask_all(connection: Connection, requests: Sequence[tuple[str, bytes]], count: int) -> list[list[Answer]]:
    """The answers to each request, which is complete when `count` servers have answered."""
    return await connection.ask_servers(
        requests, lambda _unused, found: count_servers(found) >= count, connection.timeout
    )


async def who_holds(connection: Connection, cluster: Cluster, answers: dict[str, list[str]]) -> dict[str, Held]:
    """Which server holds which token, for accounts that were looked up."""
    if any(len(set(found)) > 1 for found in answers.values()) and any(
        server.accounts is None for server in cluster.full
    ):
        cluster = await with_accounts(connection, cluster)
    held = {account: plan.assign(account, cluster, found) for account, found in answers.items()}
    unclear = [account for account, found in held.items() if None in found.by_server.values()]
    if unclear:
        for account, loaded in (await loaded_tokens(connection, cluster, unclear)).items():
            held[account] = plan.assign(account, cluster, answers[account], loaded)
    return held


@dataclasses.dataclass(frozen=True)
class Stuck:
    """The names of servers that have an account in memory as expired although its token is valid, by account. `warnings` has what could not be read."""

    servers: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    warnings: tuple[str, ...] = ()


async def stuck_accounts(connection: Connection, cluster: Cluster, accounts: Sequence[str], now: int) -> Stuck:
    """The accounts, among these, that a server has loaded as expired and does not load again. Their users cannot connect.

    The server takes the token that it holds for the one that it has in memory (updateAccountWithClaimJWT in server.go). That happens in a race, when a
    route announces an account while a client makes the server load it (processRemoteSub in route.go), and when a deleted account is pushed again with
    its old token (removeCb in accounts.go). Looking up an account does not show it.
    """
    try:
        loaded = read_each(
            await connection.ask(ACCOUNTZ, b"", answered_by(len(cluster.servers)), connection.timeout), _read_names
        )
        known = frozenset().union(*loaded.found.values())
        asked = [account for account in accounts if account in known]
        states: dict[str, Read[str]] = {}
        for start in range(0, len(asked), _BATCH):
            batch = asked[start : start + _BATCH]
            requests = [(INFO.format(account), b"") for account in batch]
            answers = await ask_all(connection, requests, len(cluster.servers))
            states.update((account, read_each(found, _read_expired)) for account, found in zip(batch, answers))
    except NotPermitted as error:
        return Stuck(warnings=(f"It is not known whether servers have accounts loaded as expired: {error}",))
    names = {server.id: server.name for server in cluster.servers}
    problems = {**loaded.problems, **{id_: text for read in states.values() for id_, text in read.problems.items()}}
    warnings = tuple(
        f"It is not known which accounts {names.get(id_) or 'a server'} has loaded as expired: {problem}."
        for id_, problem in problems.items()
    )
    stuck = {
        account: [names[id_] for id_, token in read.found.items() if id_ in names and _is_valid(account, token, now)]
        for account, read in states.items()
    }
    return Stuck({account: servers for account, servers in stuck.items() if servers}, warnings)


def _read_names(answer: Answer) -> frozenset[str]:
    """The accounts that a server has in memory. Not all of their names are public keys, for example `$G`."""
    if answer.error:
        raise Unreadable(answer.error)
    return frozenset(part.text() for part in answer.data["accounts"].items())


def _read_expired(answer: Answer) -> str:
    """The token of an account that a server has in memory as expired and does not load again; "" for any other account.

    An incomplete account is loaded again when a client connects.
    """
    token, is_stuck = read_memory(answer)
    return token if is_stuck else ""


def read_memory(answer: Answer) -> tuple[str, bool]:
    """The token of an account in a server's memory, "" if it is not there, and whether it is expired there and will not be loaded again."""
    if answer.error:
        return "", False
    expired, complete = answer.data["expired"].flag(), answer.data["complete"].flag()
    return answer.data["jwt"].text(), expired and complete


def _is_valid(account: str, token: str, now: int) -> bool:
    claims = plan.read_held(account, token) if token else ""
    return isinstance(claims, Claims) and not (0 < claims.expires <= now or any(server_time_issues(claims, now)))
