# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Delete accounts from all servers of a cluster, unless they are in use, until every server is verified to hold none of them."""

from __future__ import annotations

import asyncio
import json
import re
import time
from typing import Any, Iterable

from ..base.errors import NatsSecurityError
from ..claims import Claims, Generic
from ..claims.comparison import describe
from ..keys.nkey import KeyPair
from ..keys.signers import Signer
from ..rules import allowed_issuers_of_operator
from ..token import codec
from . import plan
from .answers import Answer, Part, Read, Unreadable, read_each
from .looking import ask_all, look_up
from .outcome import Account, ClusterError, Outcome, shorten, title_of
from .servers import CACHE, FULL, Cluster, Server, answered_by, with_accounts
from .system_connection import Connection
from .task import Task

JSZ = "$SYS.REQ.ACCOUNT.{}.JSZ"
STATZ = "$SYS.REQ.ACCOUNT.PING.STATZ"
DELETE = "$SYS.REQ.CLAIMS.DELETE"
_KEEPING = (FULL, CACHE)
#: The pause before servers are asked again, in seconds.
_PAUSE = 0.25
#: The maximum number of accounts in one request.
_BATCH = 5000


def plan_removals(task: Task, outcome: Outcome) -> list[str]:
    """The public keys of the accounts to remove. NatsSecurityError for the system account."""
    cluster = outcome.cluster
    listed = cluster.listed
    if task.state == "absent":
        for key in task.absent:
            if key in cluster.system_accounts:
                raise NatsSecurityError(f"The account {key} is the system account: it is never removed.")
        for key in task.absent:
            if key not in listed:
                servers = {server.name: "absent" for server in cluster.servers if server.resolver in _KEEPING}
                outcome.accounts.append(Account(key, "", "absent", [], servers))
        return [key for key in task.absent if key in listed]
    if task.state == "exact":
        wanted = {one.subject for one in task.wanted}
        if not wanted:
            raise NatsSecurityError(
                "The task has no accounts, so state=exact would remove all accounts from the servers."
            )
        return sorted(listed - wanted - cluster.system_accounts)
    return []


async def prepare_removals(connection: Connection, task: Task, outcome: Outcome, removals: list[str]) -> Signer | None:
    """Check that all accounts can be removed, and add them to the outcome. Returns the signer of the deletion; None in check mode without one."""
    cluster = outcome.cluster
    answers = await look_up(connection, removals, len(cluster.full))
    if not task.force:
        titles = {key: title_of(key, _name(key, answers[key])) for key in removals}
        await _refuse_in_use(connection, cluster, titles)
    allowed = frozenset.intersection(
        *(frozenset(allowed_issuers_of_operator(server.operators[0])) for server in cluster.full if server.operators)
    )
    if task.signer is None:
        raise NatsSecurityError(
            f"The removal of accounts has to be signed by an operator key (accounts to remove: {len(removals)}): set signer_path, signer_seed or signers."
        )
    signer = task.signer(sorted(allowed))
    if signer is not None and signer.public_key not in allowed:
        raise NatsSecurityError(
            f"The signer {signer.public_key} can't sign the removal of accounts; the servers trust {', '.join(sorted(allowed)) or 'no key'}."
        )
    if signer is not None and (isinstance(signer, KeyPair) or not task.check):
        # An empty request shows whether servers would accept a deletion. In check mode, an external signer is not asked to sign.
        plan.refuse_all(await _request_deletion(connection, cluster, [], signer))
    for key in removals:
        states = {
            server.name: "removed" if key in (server.accounts or ()) else "absent"
            for server in cluster.servers
            if server.resolver in _KEEPING
        }
        claims = _first_claims(key, answers[key])
        reason = "its state is absent" if task.state == "absent" else "it is not an account of the task"
        outcome.accounts.append(Account(key, claims.name if claims else "", "removed", [reason], states))
        if task.with_claims:
            outcome.before[key] = describe(claims) if claims else {}
            outcome.after[key] = {}
    return signer


def _first_claims(account: str, found: Iterable[str]) -> Claims | None:
    claims = (plan.read_held(account, token) for token in filter(None, found))
    return next((one for one in claims if isinstance(one, Claims)), None)


async def report_extra(connection: Connection, task: Task, outcome: Outcome) -> None:
    """Add to the outcome, with a warning, the accounts that servers hold and that are not in the task. They are not removed."""
    cluster = outcome.cluster
    extra = sorted(cluster.listed - {one.subject for one in task.wanted} - cluster.system_accounts)
    answers = await look_up(connection, extra, len(cluster.full))
    for key in extra:
        servers = {server.name: "held" for server in cluster.servers if key in (server.accounts or ())}
        reason = "it is not an account of the task"
        outcome.accounts.append(Account(key, _name(key, answers[key]), "extra", [reason], servers))
    if extra:
        names = [
            title_of(account.public_key, account.name) for account in outcome.accounts if account.action == "extra"
        ]
        outcome.warnings.append(
            f"Servers hold accounts that are not accounts of the task; they are kept: {plan.shortened(names)}. To remove all of them, set state=exact "
            "(resolver_state in the role resolver); to remove some, state=absent with public_keys."
        )


def _name(account: str, found: Iterable[str]) -> str:
    claims = _first_claims(account, found)
    return claims.name if claims is not None else ""


async def _refuse_in_use(connection: Connection, cluster: Cluster, titles: dict[str, str]) -> None:
    """NatsSecurityError if an account has connections or JetStream data, or if a server does not answer. `titles` has the account's name for messages."""
    problems = []
    accounts = list(titles)
    for start in range(0, len(accounts), _BATCH):
        query = json.dumps({"accounts": accounts[start : start + _BATCH], "include_unused": True}).encode("ascii")
        answers = await connection.ask(STATZ, query, answered_by(len(cluster.servers)), connection.timeout)
        connections = read_each(answers, _read_connections)
        _require_all(cluster.servers, connections, "whether accounts have connections")
        problems += [
            f"The account {titles.get(account, account)} has open connections to {server.name}: {count}."
            for server in cluster.servers
            for account, count in connections.found[server.id].items()
            if count
        ]
    with_data = [server for server in cluster.servers if server.jetstream]
    if with_data:
        requests = [(JSZ.format(account), b'{"streams":true}') for account in accounts]
        for account, found in zip(accounts, await ask_all(connection, requests, len(cluster.servers))):
            stored = read_each(found, _read_stored)
            _require_all(with_data, stored, f"whether the account {titles[account]} has JetStream data")
            problems += [
                f"The account {titles[account]} has JetStream data on {server.name}, in streams: {streams}, in bytes: {size}."
                for server in with_data
                for streams, size in [stored.found[server.id]]
                if streams or size
            ]
    if problems:
        raise NatsSecurityError(
            " ".join(shorten(problems)) + " Nothing was changed; to remove such accounts anyway, set force=true."
        )


def _require_all(servers: Iterable[Server], read: Read[Any], what: str) -> None:
    silent = [server.name + read.why_not(server.id) for server in servers if server.id not in read.found]
    if silent:
        raise NatsSecurityError(
            f"It is not known {what}: {', '.join(silent)} did not report it; to remove the accounts anyway, set force=true."
        )


def _read_connections(answer: Answer) -> dict[str, int]:
    """The number of client and leaf node connections, by account."""
    if answer.error or not answer.data:
        raise Unreadable(answer.error or "data is missing")
    statistics: list[Part] = answer.data["account_statz"].items()
    return {one["acc"].key("account"): one["conns"].number() + one["leafnodes"].number() for one in statistics}


def _read_stored(answer: Answer) -> tuple[int, int]:
    """The number of streams of an account, and the size of their messages in bytes. For an account without JetStream, a server returns an error
    (JszAccount in monitor.go)."""
    if re.search(r"jetstream (not )?enabled|not found", answer.error):
        return 0, 0
    if answer.error:
        raise Unreadable(answer.error)
    if not answer.data:
        answer.data.refuse("an object")
    streams = len(answer.data["stream_detail"].items())
    return streams, answer.data["memory"].number() + answer.data["storage"].number()


async def _request_deletion(connection: Connection, cluster: Cluster, accounts: list[str], signer: Signer) -> list[str]:
    """Request the deletion of accounts. Returns messages about servers that refused or did not answer."""
    claims = Claims(name="delete", subject=signer.public_key, body=Generic({"accounts": list(accounts)}))
    request = codec.encode(claims, signer, int(time.time())).encode("ascii")
    answers = await connection.ask(DELETE, request, answered_by(cluster.listing), connection.timeout)
    read = read_each(answers, lambda answer: answer.error)
    problems = []
    for server in cluster.servers:
        if server.resolver not in _KEEPING:
            continue
        error = read.found.get(server.id)
        if error is None:
            problems.append(
                f"The server {server.name} did not answer to the request to delete accounts{read.why_not(server.id)}."
            )
        elif error:
            problems.append(_say_refusal(server, error))
    return problems


def _say_refusal(server: Server, description: str) -> str:
    if "delete must be enabled" in description:
        return f"The server {server.name} does not allow deleting accounts: its resolver needs allow_delete: true."
    return f"The server {server.name} refuses to delete accounts: {description}."


async def delete_accounts(connection: Connection, outcome: Outcome, accounts: list[str], signer: Signer) -> None:
    cluster = outcome.cluster
    results = {account.public_key: account for account in outcome.accounts}
    batch = max(1, min(_BATCH, (connection.max_payload - 4096) // 100))
    deadline = time.monotonic() + connection.timeout
    while True:
        refused: list[str] = []
        for start in range(0, len(accounts), batch):
            for key in accounts[start : start + batch]:
                results[key].action = "unknown"
            refused += await _request_deletion(connection, cluster, accounts[start : start + batch], signer)
        cluster = await with_accounts(connection, cluster)
        left = [(server.name, key) for server in cluster.servers for key in accounts if key in (server.accounts or ())]
        for key in accounts:
            results[key].action = "removed"
        if not refused and not left:
            return
        if refused or time.monotonic() >= deadline:
            break
        await asyncio.sleep(_PAUSE)
    for name, key in left:
        results[key].action = "not removed"
        results[key].servers[name] = "held"
    problems = [f"The server {name} still has the account {key} after {connection.timeout:g} s." for name, key in left]
    raise ClusterError(" ".join(shorten(refused + problems)), outcome)
