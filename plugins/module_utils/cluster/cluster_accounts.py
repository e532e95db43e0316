# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Reconcile the accounts of a live cluster with a task: everything is checked before the first change, and every change is verified afterwards."""

from __future__ import annotations

import dataclasses
import time
from typing import Sequence

from ..base.errors import NatsSecurityError
from ..claims import Claims
from ..claims.comparison import describe
from ..keys.nkey import is_public_key
from ..keys.signers import Signer
from . import plan
from .connections import who_loses_a_key
from .looking import ACCOUNTZ, CONNZ, INFO, LOOKUP, look_up, stuck_accounts, who_holds
from .outcome import Account, ClusterError, Outcome, describe_outcome, say_progress
from .permitted import require_permission
from .plan import Held, Wanted
from .pushing import UPDATE, push_accounts
from .removing import DELETE, JSZ, STATZ, delete_accounts, plan_removals, prepare_removals, report_extra
from .servers import (
    CACHE,
    FULL,
    NONE,
    OTHER,
    SUBJECTS,
    UNKNOWN,
    Cluster,
    Server,
    discover,
    missing_servers,
    with_accounts,
)
from .system_connection import Connection
from .task import Task

__all__ = [
    "READING",
    "SUBJECTS_OF",
    "UPDATE",
    "ClusterError",
    "Outcome",
    "Task",
    "bring_in_line",
    "describe_outcome",
    "look_up",
    "require_full",
]

#: The subjects that a user must be allowed to publish to, for reading and for each state of a task.
READING = (*SUBJECTS, LOOKUP.format("*"), INFO.format("*"), CONNZ.format("*"), ACCOUNTZ)
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
    UNKNOWN: "did not report its resolver",
}


def require_full(cluster: Cluster, expected: Sequence[str]) -> list[str]:
    """Return warnings about servers that are ignored. NatsSecurityError if a server would not keep the accounts that are pushed."""
    unclear = [server for server in cluster.servers if server.unclear and _matters(server, expected)]
    if unclear:
        raise NatsSecurityError(" ".join(f"The server {server.name} {server.unclear}." for server in unclear))
    others = [server for server in cluster.servers if server.resolver in (OTHER, NONE, UNKNOWN)]
    if not cluster.full or any(_matters(server, expected) for server in others):
        kinds = [f"{server.name} {_WORDS[server.resolver]}" for server in cluster.servers if server not in cluster.full]
        raise NatsSecurityError(
            f"Not every server keeps accounts that are pushed: {', '.join(kinds)}. "
            "A memory resolver reads its accounts from resolver_preload in the server's configuration, a URL resolver from an account server "
            "(account_server_url); only a full resolver keeps what is pushed."
        )
    return [f"The server {server.name} {_WORDS[server.resolver]}, and is ignored." for server in others]


def _matters(server: Server, expected: Sequence[str]) -> bool:
    return server.resolver == FULL or not expected or server.name in expected or server.id in expected


async def bring_in_line(connection: Connection, task: Task) -> Outcome:
    """Reconcile the accounts of a cluster with the task. In check mode, only return what would change.

    Everything is checked before the first change. NatsSecurityError if a change is refused, in which case nothing was changed; ClusterError
    if a server did not apply a change.
    """
    cluster = await discover(connection, task.expected_servers)
    warnings = [*cluster.warnings, *require_full(cluster, task.expected_servers)]
    outcome = Outcome(cluster, warnings=warnings)
    plan.refuse_all(plan.operator_problems(cluster, task.operator))
    now = int(time.time())
    plan.refuse_all([*plan.expiry_problems(task.wanted, now), *plan.issuer_problems(task.wanted, cluster)])
    outcome.add_warnings(plan.far_time_warnings(task.wanted, now))
    pushes = await _plan_pushes(connection, task, outcome, now)
    outcome.add_warnings(plan.not_enforced(task.wanted, task.users(), cluster))
    if task.state != "present" or task.report_extra:
        cluster = outcome.cluster = await with_accounts(connection, cluster)
    if task.state == "present" and task.report_extra:
        await report_extra(connection, task, outcome)
    removals = plan_removals(task, outcome)
    deletions = [DELETE] if removals else []
    await require_permission(connection, [*(UPDATE.format(one.subject) for one in pushes.wanted), *deletions])
    signer = await prepare_removals(connection, task, outcome, removals) if removals else None
    if not task.check:
        await _change(connection, outcome, pushes, removals, signer)
    return outcome


@dataclasses.dataclass
class _Pushes:
    """The accounts to push with their claims, and the public keys of those that servers have to load again."""

    wanted: list[Wanted] = dataclasses.field(default_factory=list)
    claims: list[Claims] = dataclasses.field(default_factory=list)
    stuck: set[str] = dataclasses.field(default_factory=set)


async def _change(
    connection: Connection, outcome: Outcome, pushes: _Pushes, removals: list[str], signer: Signer | None
) -> None:
    """Apply the plan. Every error from here on is a ClusterError, with the outcome of each account."""
    done = {account.public_key: account for account in outcome.accounts}
    for push in pushes.wanted:
        done[push.subject].action = "not pushed"
        done[push.subject].servers.update((server.name, "not sent") for server in outcome.cluster.full)
    for key in removals if signer is not None else ():
        done[key].action = "not removed"
    try:
        await push_accounts(connection, outcome, pushes.wanted, pushes.stuck)
        if signer is not None:
            await delete_accounts(connection, outcome, removals, signer)
    except ClusterError:
        raise
    except NatsSecurityError as error:
        raise ClusterError(f"{error} {say_progress(outcome)}", outcome) from None


async def _plan_pushes(connection: Connection, task: Task, outcome: Outcome, now: int) -> _Pushes:
    cluster = outcome.cluster
    held = await _read_unsettled(connection, task.wanted, outcome)
    settled = [one for one in task.wanted if one.subject not in held]
    plan.refuse_all(plan.signature_problems(settled))
    stuck = await stuck_accounts(connection, cluster, [one.subject for one in settled], now)
    outcome.add_warnings(stuck.warnings)
    on_demand = {server.name: "on demand" for server in cluster.servers if server.resolver == CACHE}
    issuers = frozenset.intersection(*(server.issuers for server in cluster.full))
    operators = [operator for server in cluster.full for operator in server.operators]
    pushes, problems = _Pushes(stuck=set(stuck.servers)), []
    for one in task.wanted:
        if one.subject not in held and one.subject not in stuck.servers:
            states = {server.name: "held" for server in cluster.full}
            outcome.accounts.append(Account(one.subject, one.name, "unchanged", [], {**states, **on_demand}))
            continue
        everywhere = Held({server.name: one.token for server in cluster.full}, (one.token,) * len(cluster.full))
        try:
            push = plan.plan_push(one, held.get(one.subject, everywhere), issuers)
        except NatsSecurityError as error:
            problems.append(str(error))
            continue
        problems += plan.claim_problems(one.title, push.claims, operators, now)
        outcome.add_warnings(plan.claim_warnings(one.title, push.claims, operators))
        if len(one.token) > connection.max_payload:
            problems.append(
                f"The JWT of the {one.title} has {len(one.token)} bytes; the servers accept messages of up to {connection.max_payload} (max_payload)."
            )
        pushes.wanted.append(one)
        pushes.claims.append(push.claims)
        reasons = _say_stuck(stuck.servers[one.subject]) if one.subject in stuck.servers else push.reasons
        states = {server.name: "updated" for server in cluster.full}
        outcome.accounts.append(Account(one.subject, one.name, "pushed", reasons, {**states, **on_demand}))
        if push.before is not None:
            outcome.add_warnings(await who_loses_a_key(connection, cluster, push.before, push.claims))
        if task.with_claims:
            outcome.before[one.subject] = describe(push.before) if push.before is not None else {}
            outcome.after[one.subject] = describe(push.claims)
    plan.refuse_all(problems)
    outcome.add_warnings(await _check_imports(connection, task, outcome, pushes))
    return pushes


def _say_stuck(servers: Sequence[str]) -> list[str]:
    return [f"{plan.listed(servers)} {'have' if len(servers) > 1 else 'has'} loaded it as expired"]


async def _check_imports(connection: Connection, task: Task, outcome: Outcome, pushes: _Pushes) -> list[str]:
    """Warnings about imports that servers will drop: imports of the accounts that are pushed, and imports from these accounts."""
    keys = {one.subject for one in pushes.wanted}
    if not keys:
        return []
    others = [one for one in task.wanted if one.subject not in keys and plan.imported_from(one.token) & keys]
    importers = [*pushes.claims, *map(plan.claims_of, others)]
    exporters = {claims.subject: claims for claims in importers}
    wanted = {one.subject: one for one in task.wanted}
    asked, latest = set(exporters), importers
    while latest:  # from account to account, because imports may form a cycle
        keys = {item.account for claims in latest for item in claims.body.imports if item is not None} - asked
        asked |= keys
        latest = [plan.claims_of(wanted[key]) for key in sorted(keys & wanted.keys())]
        missing = sorted(key for key in keys - wanted.keys() if is_public_key(key, "account"))
        for key, found in (await look_up(connection, missing, len(outcome.cluster.full))).items():
            held = [claims for claims in (plan.read_held(key, token) for token in found) if isinstance(claims, Claims)]
            latest += held[:1]
        exporters.update((claims.subject, claims) for claims in latest)
    return plan.import_warnings(importers, exporters, outcome.cluster.system_accounts, int(time.time()))


async def _read_unsettled(connection: Connection, wanted: Sequence[Wanted], outcome: Outcome) -> dict[str, Held]:
    """What servers hold, for each account whose wanted token is not on every server."""
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
