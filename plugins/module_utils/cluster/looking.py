# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What servers hold of accounts, and which tokens they run them with. Changes nothing."""

from __future__ import annotations

import dataclasses
import json
from typing import Sequence

from ..claims import Claims
from . import plan
from .answers import Answer, Read, Unreadable, count_servers, read_each
from .connection import Connection, NotPermitted
from .plan import Held
from .servers import Cluster, Server, answered_by, with_accounts

LOOKUP = "$SYS.REQ.ACCOUNT.{}.CLAIMS.LOOKUP"
INFO = "$SYS.REQ.ACCOUNT.{}.INFO"
CONNZ = "$SYS.REQ.SERVER.{}.CONNZ"
ACCOUNTZ = "$SYS.REQ.SERVER.PING.ACCOUNTZ"
#: How many accounts are asked about at a time: what servers answer about one has 2 KB and more.
_BATCH = 1000


async def look_up(connection: Connection, accounts: Sequence[str], servers: int) -> dict[str, list[str]]:
    """The tokens that servers with a full resolver hold, "" for none, by account and in no order. `servers` is how many there are."""
    requests = [(LOOKUP.format(account), b"") for account in accounts]
    answers = await connection.ask_many(requests, lambda _unused, found: len(found) >= servers, connection.timeout)
    return {
        account: [answer.decode("utf-8", "replace") for answer in found] for account, found in zip(accounts, answers)
    }


async def loaded_tokens(connection: Connection, cluster: Cluster, accounts: Sequence[str]) -> dict[str, dict[str, str]]:
    """The tokens by which servers run accounts that they have in memory, by account and server id.

    One that does not hold an account is not asked to load it: it would fetch it.
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
    """Have servers load accounts, which they do when they are asked for the connections of these. What to warn of."""
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
    """The token of an account that a server has in memory."""
    return "" if answer.error else answer.data["jwt"].text()


async def ask_all(connection: Connection, requests: Sequence[tuple[str, bytes]], count: int) -> list[list[Answer]]:
    """The answers of so many servers to each request."""
    return await connection.ask_servers(
        requests, lambda _unused, found: count_servers(found) >= count, connection.timeout
    )


async def who_holds(connection: Connection, cluster: Cluster, answers: dict[str, list[str]]) -> dict[str, Held]:
    """Who holds which token of accounts that were looked up."""
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
    """Accounts that servers have in memory as expired though their tokens are not: the names of these servers by account. What could not be seen is in
    `warnings`."""

    servers: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    warnings: tuple[str, ...] = ()


async def stuck_accounts(connection: Connection, cluster: Cluster, accounts: Sequence[str], now: int) -> Stuck:
    """Which of these accounts their users cannot connect to, because a server has loaded them as expired and does not load them again.

    It takes the token that it holds for the one that it has in memory (updateAccountWithClaimJWT in server.go). That happens in a race, where it hears
    of an account over a route while a client makes it load it (processRemoteSub in route.go), and where a deleted account comes back with its old token
    (removeCb in accounts.go). Looking an account up does not show it.
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
    """The accounts that a server has in memory. Not all have public keys for names: `$G` is one of them."""
    if answer.error:
        raise Unreadable(answer.error)
    return frozenset(part.text() for part in answer.data["accounts"].items())


def _read_expired(answer: Answer) -> str:
    """The token of an account that a server has in memory as expired and for good; "" for another one, and where it does not have it.

    One that is incomplete is loaded again when a client comes.
    """
    token, is_stuck = read_memory(answer)
    return token if is_stuck else ""


def read_memory(answer: Answer) -> tuple[str, bool]:
    """The token by which a server runs an account, "" where it does not have it in memory, and whether it has it there as expired and for good."""
    if answer.error:
        return "", False
    expired, complete = answer.data["expired"].flag(), answer.data["complete"].flag()
    return answer.data["jwt"].text(), expired and complete


def _is_valid(account: str, token: str, now: int) -> bool:
    claims = plan.read_held(account, token) if token else ""
    return isinstance(claims, Claims) and not 0 < claims.expires <= now
