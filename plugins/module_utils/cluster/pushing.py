# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Push accounts to all servers of a cluster, until every server is verified to hold and to run them."""

from __future__ import annotations

import asyncio
import time
from typing import Collection, Sequence

from ..claims import Claims
from . import plan
from .answers import Answer, one_line, read_each
from .looking import ask_all, load_accounts, look_up, stuck_accounts
from .outcome import Account, ClusterError, Outcome, shorten
from .plan import Wanted
from .servers import Cluster, missing_servers, with_accounts
from .system_connection import Connection, Interrupted, NotPermitted

UPDATE = "$SYS.REQ.ACCOUNT.{}.CLAIMS.UPDATE"
#: The pause before servers are asked again, in seconds.
_PAUSE = 0.25
#: The maximum number of accounts that servers are made to load: each one takes 20 KB of their memory, even if it is not used.
_MOST_LOADED = 1000


async def push_accounts(connection: Connection, outcome: Outcome, pushes: list[Wanted], stuck: Collection[str]) -> None:
    """Push until every server holds and runs the accounts. `stuck` has the public keys of accounts that servers have loaded as expired.

    ClusterError if a server refuses an account, or if the time is up.
    """
    accounts = {account.public_key: account for account in outcome.accounts}
    cluster = outcome.cluster
    pending, unwritten = pushes, set(stuck)
    behind: dict[str, str] = {}  # the reasons by account
    deadline = 0.0
    while pending:
        await _write_again(connection, cluster, [one for one in pending if one.subject in unwritten])
        refused = await _push_once(connection, outcome, pending, accounts)
        behind = await _look_behind(connection, outcome, pending, accounts)
        if refused:
            raise ClusterError(" ".join(shorten(refused)), outcome)
        if len(behind) < len(pending) or not deadline:
            deadline = time.monotonic() + connection.timeout  # there was progress
        pending = [one for one in pending if one.subject in behind]
        if not pending or time.monotonic() >= deadline:
            break
        unwritten = set(behind)
        await asyncio.sleep(_PAUSE)
    if pending:
        await _refuse_behind(connection, outcome, pending, behind)


async def _look_behind(
    connection: Connection, outcome: Outcome, pushes: list[Wanted], accounts: dict[str, Account]
) -> dict[str, str]:
    """The accounts that not all servers hold or run after the push, each with the reason, or "" if it is unknown."""
    cluster = outcome.cluster
    answers = await look_up(connection, [one.subject for one in pushes], len(cluster.full))
    settled = [one for one in pushes if plan.is_settled(one.token, answers[one.subject], len(cluster.full))]
    await _load(connection, outcome, settled)
    stuck = await stuck_accounts(connection, cluster, [one.subject for one in settled], int(time.time()))
    outcome.add_warnings(stuck.warnings)
    behind = {}
    for one in pushes:
        if one not in settled:
            behind[one.subject] = ""
            _check_not_overtaken(one, answers[one.subject], outcome)
        elif one.subject in stuck.servers:
            behind[one.subject] = f"{plan.listed(stuck.servers[one.subject])} accepted it, but has it loaded as expired"
        else:
            outcome.add_warnings(_settle(accounts[one.subject], one, cluster))
    return behind


async def _load(connection: Connection, outcome: Outcome, pushes: list[Wanted]) -> None:
    """Make every server load the pushed accounts, so that errors show up now and not when a client connects. A server that loads an account while
    another server announces it may load it as expired; an account that is already loaded is safe from that."""
    servers = outcome.cluster.full
    if len(servers) < 2 or len(pushes) > _MOST_LOADED:
        return
    try:
        warnings = await load_accounts(connection, [(server, one.subject) for one in pushes for server in servers])
    except NotPermitted as error:
        warnings = [f"The accounts were pushed, but it is not known whether servers can load them: {error}"]
    outcome.add_warnings(shorten(warnings))


async def _write_again(connection: Connection, cluster: Cluster, pushes: list[Wanted]) -> None:
    """Push the tokens with a line end appended, so that servers write and load them again. A server that knows the hash of a token does not write its
    file again if that was lost, and a server that has the token in memory does not load it again. With the line end, which base64 decoding ignores, it
    is another text but the same JWT."""
    requests = [
        (UPDATE.format(one.subject), one.token.encode("ascii") + b"\n")
        for one in pushes
        if len(one.token) < connection.max_payload
    ]
    await ask_all(connection, requests, cluster.listening)


def _settle(account: Account, push: Wanted, cluster: Cluster) -> list[str]:
    """Mark an account as pushed that all servers hold. Returns warnings about servers that answered with something else."""
    questionable = [
        f"The server {server.name} holds the {push.title} that was pushed, but answered otherwise: {account.servers[server.name]}."
        for server in cluster.full
        if account.servers[server.name] not in ("updated", "no answer", "not sent")
    ]
    account.action = "pushed"
    account.servers.update((server.name, "updated") for server in cluster.full)
    return questionable


async def _push_once(
    connection: Connection, outcome: Outcome, pushes: list[Wanted], accounts: dict[str, Account]
) -> list[str]:
    """Push the accounts once, and record the answer of every server. Returns messages about refusals."""
    requests = [(UPDATE.format(push.subject), push.token.encode("ascii")) for push in pushes]
    try:
        answers = await ask_all(connection, requests, outcome.cluster.listening)
    except Interrupted as interrupted:
        for index in interrupted.sent:
            account = accounts[pushes[index].subject]
            _take_down(account, pushes[index], interrupted.answers[index], outcome.cluster)
            if account.action == "not pushed":
                account.action = "unknown"
        raise
    refused: list[str] = []
    for push, found in zip(pushes, answers):
        refused += _take_down(accounts[push.subject], push, found, outcome.cluster)
    return refused


def _take_down(account: Account, push: Wanted, answers: Sequence[Answer], cluster: Cluster) -> list[str]:
    """Record the servers' answers to the push of an account. Returns messages about refusals."""
    read = read_each(answers, lambda answer: _read_update(answer, push.subject))
    names = {server.id: server.name for server in cluster.servers}
    names.update((answer.server, answer.name) for answer in answers if answer.server not in names)
    refused = []
    for server in cluster.full:
        account.servers[server.name] = read.found.get(server.id, f"no answer{read.why_not(server.id)}")
        if account.servers[server.name] == "updated":
            account.action = "pushed"
    for answer in answers:
        if answer.error and answer.server in read.found:
            account.servers[names[answer.server]] = read.found[answer.server]
            refused.append(f"The server {names[answer.server]} refuses the {push.title}: {answer.error}.")
    return refused


def _read_update(answer: Answer, account: str) -> str:
    """The answer of a server to a push as text; `updated` if it was successful."""
    if answer.error:
        return answer.error
    named = answer.data["account"]
    if named.text() not in ("", account):
        named.refuse(f"the account {account}, which was pushed,")
    message = one_line(answer.data["message"].text())
    if answer.data["code"].number() not in (0, 200):
        answer.data["code"].refuse("200")
    return "updated" if message == "jwt updated" else message or "no answer"


def _check_not_overtaken(push: Wanted, found: Sequence[str], outcome: Outcome) -> None:
    for token in set(found) - {"", push.token}:
        claims = plan.read_held(push.subject, token)
        if isinstance(claims, Claims) and claims.issued_at > push.issued_at:
            raise ClusterError(
                f"The {push.title} was pushed, but another program pushes it too: a newer JWT has appeared in the meantime.",
                outcome,
            )


async def _refuse_behind(
    connection: Connection, outcome: Outcome, pending: list[Wanted], behind: dict[str, str]
) -> None:
    accounts = {account.public_key: account for account in outcome.accounts}
    cluster = outcome.cluster
    missing = await missing_servers(connection, cluster)
    if not missing:
        cluster = await with_accounts(connection, cluster)
    problems = []
    for one in pending:
        if behind[one.subject]:
            problems.append(
                f"The {one.title} was pushed, and {behind[one.subject]}: restart the server, or issue the account again."
            )
            continue
        account = accounts[one.subject]
        late = [name for name, state in account.servers.items() if state not in ("updated", "on demand")]
        without = [s.name for s in cluster.full if s.accounts is not None and one.subject not in s.accounts]
        account.servers.update((name, "absent") for name in without)
        account.servers.update((name, "no answer") for name in missing)
        where = ", ".join(f"{name} ({account.servers[name]})" for name in dict.fromkeys([*late, *without, *missing]))
        who = where or f"one of {', '.join(server.name for server in cluster.full)}"
        problems.append(f"The {one.title} is not on every server after {connection.timeout:g} s: {who}.")
    raise ClusterError(" ".join(shorten(problems)), outcome)
