# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The diagnosis from attempts and evidence: a finding for each server, how servers differ, and what each allows the user. Pure."""

from __future__ import annotations

import dataclasses
import ssl
from typing import Any, Sequence

from ..base import units
from ..claims import Claims
from ..cluster.channels import Tls
from ..rules import server_versions
from . import abilities, attempts, findings, network
from .abilities import Action, Answered
from .attempts import Attempt
from .creds import Holder
from .evidence import Evidence, read_account
from .findings import Finding
from .reasons import CLOCK_TOLERANCE, Case, Known, account_of, clock_difference, why_closed, why_refused


@dataclasses.dataclass(frozen=True)
class Diagnosed:
    """The diagnosis of one server: whether and why it refuses the user."""

    case: Case | None
    attempt: Attempt
    finding: Finding
    notes: tuple[str, ...] = ()
    actions: tuple[Answered, ...] = ()

    @property
    def connected(self) -> bool:
        """Whether the server accepts the user and does not close the connection immediately."""
        return self.attempt.outcome == attempts.LET_IN and self.finding.cause != findings.SUBSCRIPTION_LIMIT


def diagnose(tried: Sequence[Attempt], holder: Holder, evidence: Evidence, known: Known, tls: Tls) -> list[Diagnosed]:
    """The diagnosis of each server, in the order of the attempts."""
    holders = _holders(evidence, holder.claims)
    return [
        _diagnose_one(attempt, holder, evidence, dataclasses.replace(known, holders=holders), tls) for attempt in tried
    ]


def with_actions(diagnosed: Diagnosed, actions: Sequence[Action]) -> Diagnosed:
    """The same diagnosis with the actions that the user may do, if the server accepts the user."""
    case = diagnosed.case
    if not actions or not diagnosed.connected or case is None:
        return diagnosed
    held = _held(case)
    answered = tuple(abilities.answer(actions, case, held))
    finding = abilities.finding_of(answered, case, abilities.jetstream_problem(actions, held or case.known.stored))
    if diagnosed.finding.cause != findings.CONNECTED:
        finding = None
    return dataclasses.replace(diagnosed, finding=finding or diagnosed.finding, actions=answered)


def _held(case: Case) -> Claims | None:
    """The account as the server holds it; None if it is not known."""
    found = read_account(case.account_key, case.seen.token) if case.seen is not None else None
    return found if isinstance(found, Claims) else None


def _holders(evidence: Evidence, user: Claims | None) -> tuple[str, ...]:
    """The names of the servers that have the account of the user."""
    return tuple(seen.server.name for seen in evidence.seen.values() if user is not None and seen.token)


def _diagnose_one(attempt: Attempt, holder: Holder, evidence: Evidence, known: Known, tls: Tls) -> Diagnosed:
    seen = evidence.of(attempt.info.server_id) if attempt.info is not None else _alone(evidence, attempt)
    user = holder.claims
    case = Case(user, attempt, seen, known) if user is not None else None
    unreached = network.why_not_reached(attempt, tls)
    if holder.fault is not None:
        notes = (f"{unreached.message} {unreached.advice}",) if unreached is not None else ()
        return Diagnosed(case, attempt, holder.fault, notes)
    if unreached is not None:
        return Diagnosed(case, attempt, unreached)
    if attempt.outcome == attempts.LET_IN:
        closed = why_closed(case) if case is not None else None
        finding = closed or holder.doubt or Finding(findings.CONNECTED, f"{attempt.shown} accepts the user.")
        return Diagnosed(case, attempt, finding, tuple(_notes(case)))
    if attempt.encrypted and attempt.info is not None and attempt.info.verifies_clients and not attempt.words:
        # With TLS 1.3, the client certificate is verified after the handshake, and the connection is reset before the reason can be read.
        return Diagnosed(case, attempt, network.client_certificate(attempt, str(attempt.error)))
    if case is None:
        return Diagnosed(case, attempt, Finding(findings.REFUSED, attempt.words, "", findings.NOTHING))
    return Diagnosed(case, attempt, why_refused(case), tuple(_notes(case)))


def _alone(evidence: Evidence, attempt: Attempt) -> Any:
    """The evidence of the only server, for MQTT, where servers do not identify themselves."""
    if attempt.way == attempts.MQTT and len(evidence.seen) == 1:
        return next(iter(evidence.seen.values()))
    return None


def _notes(case: Case | None) -> list[str]:
    """Notes on a server, regardless of its finding."""
    if case is None:
        return []
    found = _not_enforced(case)
    if case.seen is None:
        return found
    if case.ahead is not None and abs(case.ahead) >= CLOCK_TOLERANCE:
        found.append(f"The clock of {case.server} is {clock_difference(case.ahead)}.")
    held, stored = _held(case), case.known.stored
    if held is not None and stored is not None and held.issued_at != stored.issued_at:
        word = "older" if held.issued_at < stored.issued_at else "newer"
        found.append(
            f"The account on {case.server} is {word} than the store's: {units.show_time(held.issued_at)}, and {units.show_time(stored.issued_at)}."
        )
    return found


def _not_enforced(case: Case) -> list[str]:
    """The claims of the user and its account that the server is too old to enforce."""
    info, account = case.attempt.info, _held(case) or case.known.stored
    if info is None:
        return []
    titles = [(f"user {case.user.name or case.user.subject}", case.user)]
    if account is not None:
        titles.append((f"account {account.name or account.subject}", account))
    return server_versions.not_enforced(titles, {case.server: info.version})


# ---- the result


def describe(diagnosed: Diagnosed) -> dict[str, Any]:
    """One server as a result."""
    attempt, finding = diagnosed.attempt, diagnosed.finding
    info = attempt.info
    seen = diagnosed.case.seen if diagnosed.case is not None else None
    held = _held(diagnosed.case) if diagnosed.case is not None else None
    ahead = seen.ahead if seen is not None else None
    return {
        "url": attempt.shown,
        "name": info.server_name if info is not None else seen.server.name if seen is not None else "",
        "version": info.version if info is not None else "",
        "connected": diagnosed.connected,
        "cause": finding.cause,
        "message": finding.message,
        "advice": finding.advice,
        "basis": finding.basis,
        "notes": list(diagnosed.notes),
        "clock_difference": None if ahead is None else round(ahead, 1),
        "account_issued_at": units.show_time(held.issued_at) if held is not None else None,
        "actions": [one.describe() for one in diagnosed.actions],
        "error": _words(attempt),
    }


def _words(attempt: Attempt) -> str:
    """The error text of the server or the network."""
    error = attempt.error
    if isinstance(error, ssl.SSLError):
        return str(error.reason or error)
    return attempt.words or (type(error).__name__ if error is not None else "")


def differences(diagnosed: Sequence[Diagnosed]) -> list[str]:
    """How servers differ: in the causes, and in the JWTs of the account that they hold."""
    found = []
    by_cause: dict[str, list[str]] = {}
    by_account: dict[str, list[str]] = {}
    for one in diagnosed:
        shown = describe(one)
        name = shown["name"] or shown["url"]
        by_cause.setdefault(shown["cause"], []).append(name)
        if shown["account_issued_at"] is not None:
            by_account.setdefault(shown["account_issued_at"], []).append(name)
    if len(by_cause) > 1:
        found.append("; ".join(f"{', '.join(names)}: {cause}" for cause, names in by_cause.items()))
    if len(by_account) > 1:
        parts = "; ".join(f"{', '.join(names)}: {when}" for when, names in by_account.items())
        found.append(f"The JWTs of the account differ. {parts}")
    return found


def describe_user(user: Claims) -> dict[str, Any]:
    """The user as a result, without its JWT."""
    return {
        "name": user.name,
        "public_key": user.subject,
        "account": account_of(user),
        "issuer": user.issuer,
        "issued_at": units.show_time(user.issued_at),
        "expires": units.show_time(user.expires) if user.expires else "",
    }
