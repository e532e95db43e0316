# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Accounts looked up, pushed and deleted on a live cluster, every change looked at afterwards on every server. What is to be pushed is for `plan.py`."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import time
from typing import Any, Callable, Iterable, Sequence

from ..base.errors import NatsSecurityError
from ..claims import Claims, Generic
from ..claims.comparison import describe
from ..keys.nkey import KeyPair
from ..rules import allowed_issuers_of_operator
from ..token import codec
from . import plan
from .connection import Connection
from .plan import Held, Wanted
from .servers import (
    CACHE,
    NONE,
    OTHER,
    SUBJECTS,
    Cluster,
    Server,
    describe_server,
    discover,
    missing_servers,
    read_answers,
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

_WORDS = {OTHER: "has a memory or URL resolver", CACHE: "has a cache resolver", NONE: "is not in operator mode"}
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
    """What became of one account: `unchanged`, `pushed`, `removed` or `absent`; in check mode what would become of it."""

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
    count = len(cluster.servers)
    requests = [(INFO.format(account), b"") for account in accounts]
    answers = await connection.ask_many(requests, lambda _unused, found: len(found) >= count, connection.timeout)
    return {
        account: {
            id_: str(data["data"].get("jwt", ""))
            for id_, data in read_answers(found).items()
            if isinstance(data.get("data"), dict)
        }
        for account, found in zip(accounts, answers)
    }


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
    others = [server for server in cluster.servers if server.resolver in (OTHER, NONE)]
    if not cluster.full or any(not expected or server.name in expected or server.id in expected for server in others):
        kinds = [f"{server.name} {_WORDS[server.resolver]}" for server in cluster.servers if server not in cluster.full]
        raise NatsSecurityError(
            f"Accounts that are pushed do not stay on every server: {', '.join(kinds)}. "
            "A memory resolver has its accounts from resolver_preload in the server's configuration, a URL resolver from an account server "
            "(account_server_url); only a full resolver keeps what is pushed."
        )
    return [f"The server {server.name} {_WORDS[server.resolver]}, and is left out." for server in others]


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
        await _push(connection, outcome, pushes)
        if signer is not None:
            await _delete(connection, outcome, removals, signer)
    return outcome


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
    full = {server.id: server.name for server in cluster.full}
    pending = pushes
    deadline = None
    while pending:
        refused = await _push_once(connection, outcome, pending, accounts)
        deadline = deadline or time.monotonic() + connection.timeout
        answers = await look_up(connection, [push.subject for push in pending], len(full))
        behind = []
        for push in pending:
            found = answers[push.subject]
            if not plan.is_settled(push.token, found, len(full)):
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


async def _push_once(
    connection: Connection, outcome: Outcome, pushes: list[Wanted], accounts: dict[str, Account]
) -> list[str]:
    """Push, and take down what every server answers. What servers refused, in words."""
    cluster = outcome.cluster
    count = cluster.listening
    names = {server.id: server for server in cluster.servers}
    requests = [(UPDATE.format(push.subject), push.token.encode("ascii")) for push in pushes]
    answers = await connection.ask_many(requests, lambda _unused, found: len(found) >= count, connection.timeout)
    refused = []
    for push, found in zip(pushes, answers):
        account = accounts[push.subject]
        data_by_server = read_answers(found)
        for server in cluster.full:
            data = data_by_server.get(server.id)
            account.servers[server.name] = "no answer" if data is None else _say_update(data)
        for id_, data in data_by_server.items():
            name = names[id_].name if id_ in names else str(data["server"].get("name", id_))
            if "error" in data:
                account.servers[name] = _say_update(data)
                refused.append(f"The server {name} refuses the {push.title}: {account.servers[name]}.")
    return refused


def _say_update(data: dict[str, Any]) -> str:
    if "error" in data:
        return str((data["error"] or {}).get("description", "error"))
    message = str((data.get("data") or {}).get("message", ""))
    return "updated" if message == "jwt updated" else message or "no answer"


def _check_not_overtaken(push: Wanted, found: Sequence[str], outcome: Outcome) -> None:
    for token in set(found) - {"", push.token}:
        try:
            claims = codec.decode(token)
        except NatsSecurityError:
            continue
        if claims.issued_at > push.issued_at:
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
    return told[:10] + ([f"So it is with {len(told) - 10} more."] if len(told) > 10 else [])


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
                servers = {server.name: "absent" for server in cluster.servers if server.resolver in ("full", CACHE)}
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
            if server.resolver in ("full", CACHE)
        }
        claims = _first_claims(answers[key])
        reason = "the task wants it absent" if task.state == "absent" else "it is none of the accounts of the task"
        outcome.accounts.append(Account(key, claims.name if claims else "", "removed", [reason], states))
        if task.with_claims:
            outcome.before[key] = describe(claims) if claims else {}
            outcome.after[key] = {}
    return signer


def _first_claims(found: Iterable[str]) -> Claims | None:
    for token in filter(None, found):
        try:
            return codec.decode(token)
        except NatsSecurityError:
            continue
    return None


async def _refuse_in_use(connection: Connection, cluster: Cluster, accounts: list[str]) -> None:
    """NatsSecurityError where one of the accounts has connections or JetStream data, or a server does not tell."""
    count = len(cluster.servers)
    names = {server.id: server.name for server in cluster.servers}
    problems = []
    for start in range(0, len(accounts), _BATCH):
        query = json.dumps({"accounts": accounts[start : start + _BATCH], "include_unused": True}).encode("ascii")
        found = read_answers(
            await connection.ask(STATZ, query, lambda answers: len(answers) >= count, connection.timeout)
        )
        silent = [name for id_, name in names.items() if "data" not in found.get(id_, {})]
        if silent:
            raise NatsSecurityError(
                f"Whether accounts have connections was not told by {', '.join(silent)}; force=true removes them all the same."
            )
        for id_, data in found.items():
            for statistics in data["data"].get("account_statz") or ():
                clients = int(statistics.get("conns", 0)) + int(statistics.get("leafnodes", 0))
                if clients:
                    problems.append(
                        f"The account {statistics.get('acc')} has {clients} connections to {names.get(id_, id_)}."
                    )
    if any(server.jetstream for server in cluster.servers):
        requests = [(JSZ.format(account), b'{"streams":true}') for account in accounts]
        answers = await connection.ask_many(requests, lambda _unused, found: len(found) >= count, connection.timeout)
        for account, found_answers in zip(accounts, answers):
            for id_, data in read_answers(found_answers).items():
                details = data.get("data") or {}
                streams = len(details.get("stream_detail") or ())
                size = int(details.get("memory", 0)) + int(details.get("storage", 0))
                if streams or size:
                    problems.append(
                        f"The account {account} has JetStream data on {names.get(id_, id_)}: {streams} streams, {size} bytes."
                    )
    if problems:
        raise NatsSecurityError(
            " ".join(_shorten(problems)) + " Nothing was changed; force=true removes such accounts all the same."
        )


async def _request_deletion(
    connection: Connection, cluster: Cluster, accounts: list[str], signer: KeyPair
) -> list[str]:
    """Ask servers to delete accounts. What they refused, in words."""
    claims = Claims(name="delete", subject=signer.public_key, body=Generic({"accounts": list(accounts)}))
    request = codec.encode(claims, signer, int(time.time())).encode("ascii")
    count = cluster.listing
    answers = read_answers(await connection.ask(DELETE, request, lambda found: len(found) >= count, connection.timeout))
    problems = []
    for server in cluster.servers:
        if server.resolver not in ("full", CACHE):
            continue
        data = answers.get(server.id)
        if data is None:
            problems.append(f"The server {server.name} did not answer to the request to delete accounts.")
        elif "error" in data:
            problems.append(_say_refusal(server, str((data["error"] or {}).get("description", ""))))
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
            refused += await _request_deletion(connection, cluster, accounts[start : start + batch], signer)
        cluster = await with_accounts(connection, cluster)
        left = [(server.name, key) for server in cluster.servers for key in accounts if key in (server.accounts or ())]
        if not refused and not left:
            return
        if refused or time.monotonic() >= deadline:
            break
        await asyncio.sleep(_PAUSE)
    for name, key in left:
        results[key].servers[name] = "held"
    problems = [f"The server {name} still has the account {key} after {connection.timeout:g} s." for name, key in left]
    raise ClusterError(" ".join(_shorten(refused + problems)), outcome)
