# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The activation tokens that imports of private exports need: those that are there, and those that are to be signed."""

from __future__ import annotations

import dataclasses
from typing import Mapping, NamedTuple, Sequence

from ..base.errors import NatsSecurityError
from ..claims import Account, Activation, Claims, Export, Import
from ..claims.declaration import NOW
from ..claims.options import Problem
from ..keys.new import NewToken
from ..rules import subject_is_contained
from ..token import codec
from . import claims as wanted_claims
from .given import Findings, Given, Subject, decided
from .issuers import activation_issuers
from .place import Found
from .plan import CHANGED, CREATED, KEPT, ActivationStep, Entity
from .verdict import Verdict
from .wanted import WantedAccount, join


class Activations(NamedTuple):
    """The token of each import that needs one, by its index: the one that stays, or the placeholder of one of `steps`."""

    tokens: dict[int, str]
    steps: dict[NewToken, ActivationStep]
    findings: Findings


class Exporter(NamedTuple):
    """An account whose exports are imported: its name, its claims as they will be, and what is found of it."""

    name: str
    claims: Claims
    found: Found | None


def plan_activations(
    given: Given, wanted: WantedAccount, draft: Claims, exporters: Mapping[str, Exporter]
) -> Activations:
    """Decide for the activations of an account's imports. `draft` is the account without them; exporters are by public key."""
    old: Account = given.place.accounts[wanted.name].claims.body if wanted.name in given.place.accounts else Account()
    existing = {wanted_claims.import_id(item): item.token for item in old.imports if item is not None and item.token}
    result = Activations({}, {}, Findings())
    for index, item in enumerate(draft.body.imports):
        exporter = exporters.get(item.account)
        if exporter is None or item.token:
            continue
        export = covering_export(exporter.claims.body.exports, item)
        if export is None or not export.token_required:
            continue
        one = _One(wanted, index, item, exporter, export, draft.subject)
        token, step, findings = _plan_activation(given, one, existing.get(wanted_claims.import_id(item)))
        result.findings.take(findings)
        if token is not None:
            result.tokens[index] = token
        if isinstance(token, NewToken) and step is not None:
            result.steps[token] = step
    return result


class _One(NamedTuple):
    """One import of a private export."""

    wanted: WantedAccount
    at: int
    item: Import
    exporter: Exporter
    export: Export
    importer: str


class _Planned(NamedTuple):
    token: str | None
    step: ActivationStep | None
    findings: Findings


def _plan_activation(given: Given, one: _One, existing: str | None) -> _Planned:
    stored, why_not = activation_at_hand(existing, one.importer, one.item)
    body = Activation(import_subject=one.item.subject, import_type=one.item.type)
    claims = Claims(name=one.item.subject, subject=one.importer, body=body)
    if stored is not None:
        # Whatever it says beyond what the import needs is no reason to make another one.
        claims = dataclasses.replace(stored.claims, body=dataclasses.replace(stored.claims.body))
    place = f"{join(one.wanted.place, 'imports')}[{one.at}]"
    problems: list[Problem] = []
    policy = wanted_claims.policy(
        wanted_claims.activation_options(one.wanted, one.at),
        place + ".activation",
        problems,
        issued_after=_revoked_at(given, one),
    )
    issuers = activation_issuers(one.exporter.claims, False)
    subject = Subject("activation", "", one.wanted.name, place + ".activation", place, "")
    unnamed = given._replace(signer="")  # the exporter signs, whoever the task names for the account
    said = stored.claims.body.issuer_account if stored is not None else ""
    likely = _likely_issuer(unnamed, issuers.allowed, stored)
    claims.body.issuer_account = wanted_claims.issuer_account(one.exporter.claims.subject, likely, said)
    made = decided(unnamed, subject, claims, stored, issuers, policy)
    if isinstance(made, Verdict):
        return _Planned(None, None, Findings(verdict=Verdict(tuple(problems)) + made))
    decision = made.decision
    name = f"{one.item.type} {one.item.subject} of {one.exporter.name}"
    reasons = (why_not,) if stored is None and why_not else given.words.readable(decision.reasons)
    action = KEPT if decision.is_kept else CREATED if not existing else CHANGED
    entity = Entity("activation", name, one.wanted.name, action, reasons, one.importer, decision.claims.expires)
    findings = Findings([entity], verdict=Verdict(tuple(problems)))
    if decision.is_kept and stored is not None:
        return _Planned(stored.token, None, findings)
    token = NewToken(f"activation token from {one.exporter.name} for {one.item.subject}")
    return _Planned(token, ActivationStep(decision.claims, made.signing.issuer), findings)


def _likely_issuer(given: Given, allowed: Sequence[str], stored: Found | None) -> str:
    """Whoever signs the activation in the end: whether it names its account depends on that."""
    if stored is not None and stored.claims.issuer in allowed and given.ring.has(stored.claims.issuer):
        return stored.claims.issuer
    return next(filter(given.ring.has, allowed), allowed[0])


def _revoked_at(given: Given, one: _One) -> int:
    old: dict[str, int] = {}
    for item in one.exporter.found.claims.body.exports if one.exporter.found is not None else ():
        if item is not None and (item.type, item.subject) == (one.export.type, one.export.subject):
            old = item.revocations
    wanted = {key: old.get(key, given.how.now) if at == NOW else at for key, at in one.export.revocations.items()}
    return max(times.get(key, 0) for times in (old, wanted) for key in (one.importer, "*"))


def covering_export(exports: list[Export], item: Import) -> Export | None:
    """The export that an import is of."""
    for export in exports:
        if export is not None and export.type == item.type and subject_is_contained(item.subject, export.subject):
            return export
    return None


def activation_at_hand(existing: str | None, own: str, item: Import) -> tuple[Found | None, str]:
    """The activation token that an import has, where it is good for it; otherwise why not."""
    if not existing:
        return None, ""
    try:
        claims = codec.decode(existing.strip())
    except NatsSecurityError as error:
        return None, f"the activation token is not one: {error}"
    body = claims.body
    if not isinstance(body, Activation) or claims.subject != own or body.import_type != item.type:
        return None, "the activation token is for another account, or of another type"
    if not subject_is_contained(item.subject, body.import_subject):
        return None, f"the activation token is for {body.import_subject}"
    return Found(existing.strip(), claims), ""
