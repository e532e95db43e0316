# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The input and the result types that all phases of the engine share."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

from ..base.errors import NatsSecurityError
from ..claims import Claims
from ..claims.options import Problem
from ..decision.issue import Decision, Policy, decide
from ..keys import nkey
from ..keys.keyring import Keyring
from ..keys.new import NewKey, measured, placeholders_in, resolve
from ..token import codec
from .issuers import Issuers, Signing, at_hand, choose, named_at_hand
from .names import Names
from .place import Found, Place
from .plan import CHANGED, CREATED, KEPT, Entity, Removal
from .verdicts import NOTHING, Verdict
from .wanted import How, Wanted, join


class Given(NamedTuple):
    """The input of every phase: what is wanted, what exists, the available keys, and the keys of names.

    `signer` is the public key that the task names for signing; empty if it names none.
    """

    wanted: Wanted
    place: Place
    ring: Keyring
    names: Names
    how: How
    signer: str = ""

    def absent(self, path: str, message: str) -> Verdict:
        """The verdict on something that is missing: a problem, or a warning if an earlier task of the play may be about to create it."""
        if self.how.may_come:
            return Verdict(warnings=(Problem(path, f"{message} Unless an earlier task adds it, this task will fail."),))
        return Verdict((Problem(path, message),))


@dataclasses.dataclass
class Findings:
    """What a phase reports in addition to its own result."""

    entities: list[Entity] = dataclasses.field(default_factory=list)
    removals: list[Removal] = dataclasses.field(default_factory=list)
    verdict: Verdict = NOTHING
    before: dict[str, Any] = dataclasses.field(default_factory=dict)
    after: dict[str, Any] = dataclasses.field(default_factory=dict)

    def take(self, other: Findings) -> Findings:
        """Add the findings of another phase, and return these findings."""
        self.entities += other.entities
        self.removals += other.removals
        self.verdict = self.verdict + other.verdict
        self.before.update(other.before)
        self.after.update(other.after)
        return self

    def judge(self, verdict: Verdict) -> Findings:
        """Add problems and warnings, and return these findings."""
        self.verdict = self.verdict + verdict
        return self


class Subject(NamedTuple):
    """The token that a phase decides on: its kind, name and account, its place in the document, its file, and its key in the diff."""

    kind: str
    name: str
    account: str
    place: str
    file: str
    shown_at: str


class Decided(NamedTuple):
    """The decision on a token, and the key that signs it."""

    decision: Decision
    signing: Signing


def decided(
    given: Given, subject: Subject, wanted: Claims, found: Found | None, issuers: Issuers, policy: Policy
) -> Decided | Verdict:
    """Decide whether to keep a token or to issue a new one with an available key that may sign it. Returns a verdict if that is not possible."""
    if issuers.problem:
        return Verdict((Problem(join(subject.place, issuers.path), issuers.problem),))
    signing = choose(issuers, found.claims.issuer if found is not None else "", given.ring, given.signer)
    if isinstance(signing, str):
        return Verdict((Problem(subject.place, signing),))
    existing = found.token if found is not None else None
    try:
        decision = decide(wanted, existing, signing.issuer, policy, given.how.now)
        if not decision.is_kept:
            other = at_hand(issuers, signing, given.ring) if not given.signer else named_at_hand(signing, given.ring)
            if isinstance(other, str):
                return Verdict((Problem(subject.place, f"{other} Why: {'; '.join(decision.reasons)}."),))
            if other.issuer != signing.issuer:
                signing = other
                decision = decide(wanted, existing, signing.issuer, policy, given.how.now)
    except NatsSecurityError as error:
        return Verdict((Problem(subject.file, str(error)),))
    try:
        if not decision.is_kept:
            check_encodable(decision.claims, signing.issuer)
    except NatsSecurityError as error:
        return Verdict((Problem(subject.place, str(error)),))
    return Decided(decision, signing)


class _Issuer(NamedTuple):
    public_key: str
    type: str


def check_encodable(claims: Claims, issuer: str) -> None:
    """Raise NatsSecurityError if a token would be too large. This runs before any key is created, and therefore also in check mode."""
    keys = [key for key in placeholders_in(claims) if isinstance(key, NewKey)]
    is_new = isinstance(issuer, NewKey)
    signer = _measured_issuer(issuer) if is_new else _Issuer(issuer, nkey.from_public_key(issuer).type)
    codec.signing_input(resolve(claims, {key: measured(key) for key in keys}), signer, claims.issued_at)


def findings_of(given: Given, subject: Subject, decision: Decision, found: Found | None) -> Findings:
    """The findings for a decision: the entity with its reasons, the diff, and warnings."""
    reasons = tuple(decision.reasons)
    files = token_file_reasons(given.place, subject.file, found.fault if found is not None else "")
    action = CREATED if found is None else CHANGED if reasons or files else KEPT
    expires = 0 if reasons else decision.claims.expires
    entity = Entity(
        subject.kind, subject.name, subject.account, action, (*reasons, *files), decision.claims.subject, expires
    )
    warnings = tuple(Problem(subject.place, warning) for warning in decision.warnings)
    findings = Findings([entity], verdict=Verdict(warnings=warnings))
    if reasons and given.how.diff:
        findings.before[subject.shown_at], findings.after[subject.shown_at] = decision.before, decision.after
    return findings


def token_file_reasons(place: Place, path: str, fault: str) -> tuple[str, ...]:
    """The reasons to correct the file of a token even if the token is kept."""
    return (*place.file_reasons(path), *((fault,) if fault else ()))


def _measured_issuer(issuer: str) -> _Issuer:
    return _Issuer(measured(issuer), issuer.type) if isinstance(issuer, NewKey) else _Issuer(issuer, "")
