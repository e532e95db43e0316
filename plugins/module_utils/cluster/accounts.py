# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Accounts looked up, pushed and deleted on a live cluster, every change looked at afterwards on every server. What is to be pushed is for `plan.py`."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
import time
from typing import Any, Callable, Iterable, Sequence

from ..base.errors import NatsSecurityError
from ..claims import Claims, Generic
from ..claims.comparison import describe
from ..keys.nkey import KeyPair
from ..rules import allowed_issuers_of_operator
from ..token import codec
from . import plan
from .answers import Answer, Part, Read, Unreadable, count_servers, one_line, read_each
from .connection import Connection, Interrupted
from .plan import Held, Wanted
from .servers import (
    CACHE,
    FULL,
    NONE,
    OTHER,
    SUBJECTS,
    UNKNOWN,
    Cluster,
    Server,
    answered_by,
    describe_server,
    discover,
    missing_servers,
    with_accounts,
)

LOOKUP = "$SYS.REQ.ACCOUNT.{}.CLAIMS.LOOKUP"
UPDATE = "$SYS.REQ.ACCOUNT.{}.CLAIMS.UPDATE"
INFO = "$SYS.REQ.ACCOUNT.{}.INFO"
CONNZ = "$SYS.REQ.SERVER.{}.CONNZ"
JSZ = "$SYS.REQ.ACCOUNT.{}.JSZ"
STATZ = "$SYS.REQ.ACCOUNT.PING.STATZ"
DELETE = "$SYS.REQ.CLAIMS.DELETE"
#: What reading, and a task of each state, need to publish to.
READING = (*SUBJECTS, LOOKUP.format("*"), INFO.format("*"), CONNZ.format("*"))
_PUSHING = (UPDATE.format("*"),)
_DELETING = (JSZ.format("*"), STATZ, DELETE)
SUBJECTS_OF = {
    "present": (*READING, *_PUSHING),
    "absent": (*READING, *_DELETING),
    "exact": (*READING, *_PUSHING, *_DELETING),
}

_WORDS = {
    OTHER: "has a memory or URL resolver",
    CACHE: "has a cache resolver",
    NONE: "is not in operator mode",
    UNKNOWN: "did not say which resolver it has",
}
_KEEPING = (FULL, CACHE)
#: How long to leave servers alone before they are asked again, in seconds.
_PAUSE = 0.25
#: How many accounts one request to delete names at most.
_BATCH = 5000


@dataclasses.dataclass(frozen=True)
class Task:
    """What is wanted: these accounts `present`, or `exact`ly these, or those with these public keys `absent`."""

    state: str
    wanted: Sequence[Wanted] = ()
    absent: Sequence[str] = ()
    operator: Claims | None = None
    #: Who signs deletions, by the public keys that may; None in check mode where the key is not made yet.
    signer: Callable[[list[str]], KeyPair | None] | None = None
    force: bool = False
    check: bool = False
    expected_servers: Sequence[str] = ()
    with_claims: bool = False  # whether the outcome has what changes in claims


@dataclasses.dataclass
class Account:
    """What became of one account: `unchanged`, `pushed`, `removed` or `absent`; in check mode what would become of it.

    After a failure also `not pushed` and `not removed`, and `unknown` where servers were asked for it and did not answer.
    """

    public_key: str
    name: str
    action: str
    reasons: list[str]
    servers: dict[str, str]


@dataclasses.dataclass
class Outcome:
    """What became of all accounts; `before` and `after` are the claims of those that changed."""

    cluster: Cluster
    accounts: list[Account] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)
    before: dict[str, Any] = dataclasses.field(default_factory=dict)
    after: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def changed(self) -> bool:
        """Whether anything was or would be changed."""
        return any(account.action in ("pushed", "removed") for account in self.accounts)


def describe_outcome(outcome: Outcome) -> dict[str, Any]:
    """An outcome as a result."""
    return {
        "changed": outcome.changed,
        "accounts": [dataclasses.asdict(account) for account in outcome.accounts],
        "servers": [describe_server(server) for server in outcome.cluster.servers],
    }


class ClusterError(NatsSecurityError):
    """A change that not every server took; with what became of all accounts as far as it was tried."""

    def __init__(self, message: str, outcome: Outcome) -> None:
        super().__init__(message)
        self.outcome = outcome


# ---- reading


async def look_up(connection: Connection, accounts: Sequence[str], servers: int) -> dict[str, list[str]]:
    """The tokens that servers with a full resolver hold, "" for none, by account and in no order. `servers` is how many there are."""
    requests = [(LOOKUP.format(account), b"") for account in accounts]
    answers = await connection.ask_many(requests, lambda _unused, found: len(found) >= servers, connection.timeout)
    return {
        account: [answer.decode("utf-8", "replace") for answer in found] for account, found in zip(accounts, answers)
    }


async def loaded_tokens(connection: Connection, cluster: Cluster, accounts: Sequence[str]) -> dict[str, dict[str, str]]:
    """The tokens by which servers run accounts that they have in memory, by account and server id.

    Asked for the connections of an account, a server that holds it loads it. One that does not hold it is not asked: it would fetch it.
    """
    requests = [
        (CONNZ.format(server.id), json.dumps({"acc": account, "limit": 1}).encode("ascii"))
        for account in accounts
        for server in cluster.full
        if server.accounts is not None and account in server.accounts
    ]
    await connection.ask_many(requests, lambda *_unused: True, connection.timeout)
    requests = [(INFO.format(account), b"") for account in accounts]
    answers = await _ask_all(connection, requests, len(cluster.servers))
    return {account: read_each(found, _read_loaded).found for account, found in zip(accounts, answers)}


def _read_loaded(answer: Answer) -> str:
    """The token of an account that a server has in memory."""
    return "" if answer.error else answer.data["jwt"].text()


async def _ask_all(connection: Connection, requests: Sequence[tuple[str, bytes]], count: int) -> list[list[Answer]]:
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


def require_full(cluster: Cluster, expected: Sequence[str]) -> list[str]:
    """What to warn of. NatsSecurityError where accounts that are pushed would not stay on a server."""
    unclear = [server for server in cluster.servers if server.unclear and _matters(server, expected)]
    if unclear:
        raise NatsSecurityError(" ".join(f"The server {server.name} {server.unclear}." for server in unclear))
    others = [server for server in cluster.servers if server.resolver in (OTHER, NONE, UNKNOWN)]
    if not cluster.full or any(_matters(server, expected) for server in others):
        kinds = [f"{server.name} {_WORDS[server.resolver]}" for server in cluster.servers if server not in cluster.full]
        raise NatsSecurityError(
            f"Accounts that are pushed do not stay on every server: {', '.join(kinds)}. "
            "A memory resolver has its accounts from resolver_preload in the server's configuration, a URL resolver from an account server "
            "(account_server_url); only a full resolver keeps what is pushed."
        )
    return [f"The server {server.name} {_WORDS[server.resolver]}, and is left out." for server in others]


def _matters(server: Server, expected: Sequence[str]) -> bool:
    return server.resolver == FULL or not expected or server.name in expected or server.id in expected


# ---- the whole task


async def bring_in_line(connection: Connection, task: Task) -> Outcome:
    """Make the accounts of a cluster what the task wants, or tell in check mode what that would change.

    Everything is looked at before the first change. NatsSecurityError where something must not be changed, and nothing was; ClusterError
    where a server did not take a change.
    """
    cluster = await discover(connection, task.expected_servers)
    warnings = [*cluster.warnings, *require_full(cluster, task.expected_servers)]
    outcome = Outcome(cluster, warnings=warnings)
    plan.refuse_all(plan.operator_problems(cluster, task.operator))
    now = int(time.time())
    plan.refuse_all([*plan.expiry_problems(task.wanted, now), *plan.issuer_problems(task.wanted, cluster)])
    pushes = await _plan_pushes(connection, task, outcome, now)
    if task.state != "present":
        cluster = outcome.cluster = await with_accounts(connection, cluster)
    removals = _plan_removals(task, outcome)
    signer = await _prepare_removals(connection, task, outcome, removals) if removals else None
    if not task.check:
        await _change(connection, outcome, pushes, removals, signer)
    return outcome


async def _change(
    connection: Connection, outcome: Outcome, pushes: list[Wanted], removals: list[str], signer: KeyPair | None
) -> None:
    """Do what is planned. Whatever goes wrong from here on is a ClusterError, with what became of the accounts."""
    done = {account.public_key: account for account in outcome.accounts}
    for push in pushes:
        done[push.subject].action = "not pushed"
        done[push.subject].servers.update((server.name, "not sent") for server in outcome.cluster.full)
    for key in removals if signer is not None else ():
        done[key].action = "not removed"
    try:
        await _push(connection, outcome, pushes)
        if signer is not None:
            await _delete(connection, outcome, removals, signer)
    except ClusterError:
        raise
    except NatsSecurityError as error:
        raise ClusterError(f"{error} {_say_progress(outcome)}", outcome) from None


def _say_progress(outcome: Outcome) -> str:
    """How far the changes have come, in words."""
    count = dict.fromkeys(("pushed", "removed", "unknown", "not pushed", "not removed"), 0)
    for account in outcome.accounts:
        if account.action in count:
            count[account.action] += 1
    told = [
        f"{number} {'of unknown state' if action == 'unknown' else action}"
        for action, number in count.items()
        if number
    ]
    left = [account for account in outcome.accounts if account.action in ("unknown", "not pushed", "not removed")]
    names = [f"{account.name} ({account.public_key})" if account.name else account.public_key for account in left]
    return f"Of {sum(count.values())} accounts to change, {', '.join(told)}; to be done again: {plan.shortened(names)}."


async def _plan_pushes(connection: Connection, task: Task, outcome: Outcome, now: int) -> list[Wanted]:
    cluster = outcome.cluster
    held = await _read_unsettled(connection, task.wanted, outcome)
    plan.refuse_all(plan.signature_problems(one for one in task.wanted if one.subject not in held))
    issuers = frozenset.intersection(*(server.issuers for server in cluster.full))
    held_everywhere = {server.name: "held" for server in cluster.full}
    updated_everywhere = {server.name: "updated" for server in cluster.full}
    for server in cluster.servers:
        if server.resolver == CACHE:
            held_everywhere[server.name] = updated_everywhere[server.name] = "on demand"
    pushes, problems = [], []
    for one in task.wanted:
        if one.subject not in held:
            outcome.accounts.append(Account(one.subject, one.name, "unchanged", [], held_everywhere))
            continue
        try:
            push = plan.plan_push(one, held[one.subject], issuers)
        except NatsSecurityError as error:
            problems.append(str(error))
            continue
        problems += plan.claim_problems(one.title, push.claims, now)
        if len(one.token) > connection.max_payload:
            problems.append(
                f"The JWT of the {one.title} has {len(one.token)} bytes; the servers take messages of up to {connection.max_payload} (max_payload)."
            )
        pushes.append(one)
        outcome.accounts.append(Account(one.subject, one.name, "pushed", push.reasons, dict(updated_everywhere)))
        if task.with_claims:
            outcome.before[one.subject] = describe(push.before) if push.before is not None else {}
            outcome.after[one.subject] = describe(push.claims)
    plan.refuse_all(problems)
    return pushes


async def _read_unsettled(connection: Connection, wanted: Sequence[Wanted], outcome: Outcome) -> dict[str, Held]:
    """What servers hold of the accounts of which not all of them hold what is wanted."""
    cluster = outcome.cluster
    count = len(cluster.full)
    answers = await look_up(connection, [one.subject for one in wanted], count)
    unsettled: dict[str, list[str]] = {}
    for one in wanted:
        found = answers[one.subject]
        if not plan.is_settled(one.token, found, count):
            unsettled[one.subject] = found
            if len(found) < count:
                await _refuse_silence(connection, outcome, f"The {one.title} was looked up")
    return await who_holds(connection, cluster, unsettled)


async def _refuse_silence(connection: Connection, outcome: Outcome, what: str) -> None:
    missing = await missing_servers(connection, outcome.cluster)
    who = ", ".join(missing) or f"one of {', '.join(server.name for server in outcome.cluster.full)}"
    raise ClusterError(f"{what}, and {who} did not answer.", outcome)


# ---- pushing


async def _push(connection: Connection, outcome: Outcome, pushes: list[Wanted]) -> None:
    accounts = {account.public_key: account for account in outcome.accounts}
    cluster = outcome.cluster
    full = cluster.full
    pending = pushes
    deadline: float | None = None
    while pending:
        refused = await _push_once(connection, outcome, pending, accounts)
        deadline = deadline or time.monotonic() + connection.timeout
        answers = await look_up(connection, [push.subject for push in pending], len(full))
        behind = []
        for push in pending:
            found = answers[push.subject]
            if plan.is_settled(push.token, found, len(full)):
                outcome.warnings += _settle(accounts[push.subject], push, cluster)
            else:
                behind.append(push)
                _check_not_overtaken(push, found, outcome)
        pending = behind
        if refused:
            raise ClusterError(" ".join(_shorten(refused)), outcome)
        if not pending or time.monotonic() >= deadline:
            break
        await asyncio.sleep(_PAUSE)
    if pending:
        await _refuse_behind(connection, outcome, pending, accounts)


def _settle(account: Account, push: Wanted, cluster: Cluster) -> list[str]:
    """Every server was seen to hold it, whatever it answered. What to warn of."""
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
    """Push, and take down what every server answers. What servers refused, in words."""
    requests = [(UPDATE.format(push.subject), push.token.encode("ascii")) for push in pushes]
    try:
        answers = await _ask_all(connection, requests, outcome.cluster.listening)
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
    """Note in the account what servers answered when it was pushed. What was refused, in words."""
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
    """What a server answers to a push, in words."""
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
                f"The {push.title} was pushed, but something else pushes it too: a newer JWT has come up meanwhile.",
                outcome,
            )


async def _refuse_behind(
    connection: Connection, outcome: Outcome, pending: list[Wanted], accounts: dict[str, Account]
) -> None:
    cluster = outcome.cluster
    missing = await missing_servers(connection, cluster)
    if not missing:
        cluster = await with_accounts(connection, cluster)
    problems = []
    for push in pending:
        key = push.subject
        account = accounts[key]
        behind = [name for name, state in account.servers.items() if state not in ("updated", "on demand")]
        without = [server.name for server in cluster.full if server.accounts is not None and key not in server.accounts]
        for name in without:
            account.servers[name] = "absent"
        for name in missing:
            account.servers[name] = "no answer"
        names = list(dict.fromkeys([*behind, *without, *missing]))
        where = ", ".join(f"{name} ({account.servers[name]})" for name in names)
        who = where or f"one of {', '.join(server.name for server in cluster.full)}"
        problems.append(f"The {push.title} is not on every server after {connection.timeout:g} s: {who}.")
    raise ClusterError(" ".join(_shorten(problems)), outcome)


def _shorten(problems: list[str]) -> list[str]:
    told = list(dict.fromkeys(problems))
    return told[:10] + ([f"The same holds for {len(told) - 10} more."] if len(told) > 10 else [])


# ---- deleting


def _plan_removals(task: Task, outcome: Outcome) -> list[str]:
    """The accounts to remove. NatsSecurityError for the system account."""
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
            raise NatsSecurityError("There are no accounts in this task: exactly these would remove all of them.")
        return sorted(listed - wanted - cluster.system_accounts)
    return []


async def _prepare_removals(
    connection: Connection, task: Task, outcome: Outcome, removals: list[str]
) -> KeyPair | None:
    """Check that all may be removed, and add them to the outcome. The key that signs the deletion."""
    cluster = outcome.cluster
    if not task.force:
        await _refuse_in_use(connection, cluster, removals)
    allowed = frozenset.intersection(
        *(frozenset(allowed_issuers_of_operator(server.operators[0])) for server in cluster.full if server.operators)
    )
    if task.signer is None:
        raise NatsSecurityError(
            f"{len(removals)} accounts are to be removed, and an operator key has to sign that: give signer_path or signer_seed."
        )
    signer = task.signer(sorted(allowed))
    if signer is not None and signer.public_key not in allowed:
        raise NatsSecurityError(
            f"The signer {signer.public_key} can't sign the removal of accounts; the servers trust {', '.join(sorted(allowed)) or 'nobody'}."
        )
    if signer is not None:
        # Nothing to delete: servers only say whether they would.
        plan.refuse_all(await _request_deletion(connection, cluster, [], signer))
    answers = await look_up(connection, removals, len(cluster.full))
    for key in removals:
        states = {
            server.name: "removed" if key in (server.accounts or ()) else "absent"
            for server in cluster.servers
            if server.resolver in _KEEPING
        }
        claims = _first_claims(key, answers[key])
        reason = "the task wants it absent" if task.state == "absent" else "it is none of the accounts of the task"
        outcome.accounts.append(Account(key, claims.name if claims else "", "removed", [reason], states))
        if task.with_claims:
            outcome.before[key] = describe(claims) if claims else {}
            outcome.after[key] = {}
    return signer


def _first_claims(account: str, found: Iterable[str]) -> Claims | None:
    claims = (plan.read_held(account, token) for token in filter(None, found))
    return next((one for one in claims if isinstance(one, Claims)), None)


async def _refuse_in_use(connection: Connection, cluster: Cluster, accounts: list[str]) -> None:
    """NatsSecurityError where one of the accounts has connections or JetStream data, or a server does not tell."""
    problems = []
    for start in range(0, len(accounts), _BATCH):
        query = json.dumps({"accounts": accounts[start : start + _BATCH], "include_unused": True}).encode("ascii")
        answers = await connection.ask(STATZ, query, answered_by(len(cluster.servers)), connection.timeout)
        connections = read_each(answers, _read_connections)
        _require_all(cluster.servers, connections, "whether accounts have connections")
        problems += [
            f"The account {account} has {count} connections to {server.name}."
            for server in cluster.servers
            for account, count in connections.found[server.id].items()
            if count
        ]
    with_data = [server for server in cluster.servers if server.jetstream]
    if with_data:
        requests = [(JSZ.format(account), b'{"streams":true}') for account in accounts]
        for account, found in zip(accounts, await _ask_all(connection, requests, len(cluster.servers))):
            stored = read_each(found, _read_stored)
            _require_all(with_data, stored, f"whether the account {account} has JetStream data")
            problems += [
                f"The account {account} has JetStream data on {server.name}: {streams} streams, {size} bytes."
                for server in with_data
                for streams, size in [stored.found[server.id]]
                if streams or size
            ]
    if problems:
        raise NatsSecurityError(
            " ".join(_shorten(problems)) + " Nothing was changed; force=true removes such accounts all the same."
        )


def _require_all(servers: Iterable[Server], read: Read[Any], what: str) -> None:
    silent = [server.name + read.why_not(server.id) for server in servers if server.id not in read.found]
    if silent:
        raise NatsSecurityError(
            f"It is not known {what}: {', '.join(silent)} did not say; force=true removes them all the same."
        )


def _read_connections(answer: Answer) -> dict[str, int]:
    """How many clients and leaf nodes accounts have."""
    if answer.error or not answer.data:
        raise Unreadable(answer.error or "data is missing")
    statistics: list[Part] = answer.data["account_statz"].items()
    return {one["acc"].key("account"): one["conns"].number() + one["leafnodes"].number() for one in statistics}


def _read_stored(answer: Answer) -> tuple[int, int]:
    """The streams of an account, and the bytes of its messages. A server answers with an error for an account without JetStream (monitor.go, JszAccount)."""
    if re.search(r"jetstream (not )?enabled|not found", answer.error):
        return 0, 0
    if answer.error:
        raise Unreadable(answer.error)
    if not answer.data:
        answer.data.refuse("an object")
    streams = len(answer.data["stream_detail"].items())
    return streams, answer.data["memory"].number() + answer.data["storage"].number()


async def _request_deletion(
    connection: Connection, cluster: Cluster, accounts: list[str], signer: KeyPair
) -> list[str]:
    """Ask servers to delete accounts. What they refused, in words."""
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
        return f"The server {server.name} does not allow to delete accounts: its resolver needs allow_delete: true."
    return f"The server {server.name} refuses to delete accounts: {description}."


async def _delete(connection: Connection, outcome: Outcome, accounts: list[str], signer: KeyPair) -> None:
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
    raise ClusterError(" ".join(_shorten(refused + problems)), outcome)
