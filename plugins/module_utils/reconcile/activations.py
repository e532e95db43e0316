# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The activation tokens that imports of private exports need: those that exist, and those that have to be signed."""

from __future__ import annotations

import dataclasses
from typing import Mapping, NamedTuple, Sequence

from ..base.errors import NatsSecurityError
from ..claims import Account, Activation, Claims, Export, Import
from ..claims.kinds import NOW
from ..claims.options import Problem
from ..keys.new import NewToken
from ..rules import revoked_until, subject_is_contained
from ..rules.imports import import_subjects
from ..token import codec
from . import verdicts, wanted_claims
from .given import Findings, Given, Subject, decided, findings_of
from .issuers import Issuers, activation_issuers, user_issuers
from .place import Found
from .plan import CHANGED, CREATED, KEPT, ActivationStep, Entity, Step
from .verdicts import Verdict
from .wanted import WantedAccount, WantedActivation, join


class Activations(NamedTuple):
    """The token of each import that needs one, by the index of the import: the existing token, or the placeholder of a token in `steps`."""

    tokens: dict[int, str]
    steps: dict[NewToken, ActivationStep]
    findings: Findings


class Exporter(NamedTuple):
    """An account whose exports are imported: its name, the claims that it will have, and its existing token."""

    name: str
    claims: Claims
    found: Found | None


def plan_activations(
    given: Given, wanted: WantedAccount, draft: Claims, exporters: Mapping[str, Exporter]
) -> Activations:
    """Decide on the activations of an account's imports. `draft` is the account without them; `exporters` are by public key."""
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
    trust = given.place.trust
    keys = trust.account_keys[one.exporter.name] if trust is not None else None
    stored, why_not = activation_at_hand(existing, one.importer, one.item, keys)
    body = Activation(import_subject=import_subjects(one.item).remote, import_type=one.item.type)
    claims = Claims(name=import_subjects(one.item).remote, subject=one.importer, body=body)
    if stored is not None:
        # Further claims in a valid token are kept: they are not a reason to issue a new one.
        claims = dataclasses.replace(stored.claims, body=dataclasses.replace(stored.claims.body))
    place = f"{join(one.wanted.place, 'imports')}[{one.at}]"
    problems: list[Problem] = []
    policy = wanted_claims.policy(
        wanted_claims.activation_options(one.wanted, one.at),
        place + ".activation",
        problems,
        given.how.now,
        issued_after=_revoked_at(given, one),
    )
    issuers = _issuers(given, one)
    subject = Subject("activation", "", one.wanted.name, place + ".activation", place, "")
    unnamed = given._replace(signer="")  # the exporter signs; the signer of the task is for the importing account
    said = stored.claims.body.issuer_account if stored is not None else ""
    likely = _likely_issuer(unnamed, issuers.allowed, stored)
    claims.body.issuer_account = wanted_claims.issuer_account(one.exporter.claims.subject, likely, said)
    made = decided(unnamed, subject, claims, stored, issuers, policy)
    if isinstance(made, Verdict):
        return _Planned(None, None, Findings(verdict=Verdict(tuple(problems)) + made))
    decision = made.decision
    name = f"{one.item.type} {import_subjects(one.item).remote} of {one.exporter.name}"
    if not decision.is_kept and not given.ring.has(made.signing.issuer):
        message = (
            f"the activation token is signed by {made.signing.issuer}, whose seed is not available here, and one JWT cannot wait for two "
            "signatures: create it with nats_activation where the key is, and set token."
        )
        return _Planned(None, None, Findings(verdict=Verdict((Problem(place + ".activation", message),))))
    reasons = (why_not,) if stored is None and why_not else tuple(decision.reasons)
    action = KEPT if decision.is_kept else CREATED if not existing else CHANGED
    entity = Entity("activation", name, one.wanted.name, action, reasons, one.importer, decision.claims.expires)
    warnings = tuple(Problem(subject.place, warning) for warning in decision.warnings)
    findings = Findings([entity], verdict=Verdict(tuple(problems), warnings))
    if decision.is_kept and stored is not None:
        return _Planned(stored.token, None, findings)
    token = NewToken(f"activation token from {one.exporter.name} for {import_subjects(one.item).remote}")
    return _Planned(token, ActivationStep(decision.claims, made.signing.issuer), findings)


def _issuers(given: Given, one: _One) -> Issuers:
    """The keys that may sign the activation.

    Servers accept the identity key of the exporter even under a strict operator. Under a strict operator, a signing key is used if one is available.
    """
    signing = given.names.that_sign(one.exporter.claims)
    strict = activation_issuers(signing, True)
    operator = given.wanted.operator
    is_strict = operator is not None and operator.options.get("strict_signing_key_usage") is True
    return strict if is_strict and any(map(given.ring.has, strict.allowed)) else activation_issuers(signing, False)


def plan_activation(given: Given, wanted: WantedActivation) -> tuple[Step | None, Findings]:
    """Decide on a single activation for an export of an account that is used as it is."""
    account = given.place.accounts[wanted.account]
    operator = given.place.operator
    strict = operator is not None and operator.claims.body.strict_signing_key_usage
    problems: list[Problem] = []
    claims = wanted_claims.activation_claims(wanted, problems)
    found, existing = None, None
    if wanted.found is not None:
        existing = codec.decode(wanted.found)
        found = Found(wanted.found, existing)
    export, verdict = _export_of(given, account, claims.body)
    issuers = user_issuers(given.names.that_sign(account.claims), "", {}, strict)
    said = (
        existing.body.issuer_account if isinstance(existing, Claims) and isinstance(existing.body, Activation) else ""
    )
    likely = given.signer or _likely_issuer(given, issuers.allowed or [account.claims.subject], found)
    claims.body.issuer_account = wanted_claims.issuer_account(account.claims.subject, likely, said)
    revoked = revoked_until(export.revocations, wanted.importer) if export is not None else 0
    policy = wanted_claims.policy(wanted.options, "", problems, given.how.now, issued_after=revoked)
    findings = Findings(verdict=Verdict(tuple(problems)) + verdict)
    subject = Subject("activation", wanted.name, wanted.account, "", "", "activation")
    made = decided(given, subject, claims, found, issuers, policy)
    if isinstance(made, Verdict):
        return None, findings.judge(made)
    if not problems:
        findings.judge(verdicts.of_claims(made.decision.claims, "", given.how.now))
    findings.take(findings_of(given, subject, made.decision, found))
    return Step(found, made.decision, made.signing.issuer, True), findings


def _export_of(given: Given, account: Found, body: Activation) -> tuple[Export | None, Verdict]:
    """The export that an activation is for, None if the exporting account is not known or has no such export; and the verdict."""
    if not account.token:
        return None, Verdict()
    name = account.claims.name or account.claims.subject
    exports = [one for one in account.claims.body.exports if one is not None and one.type == body.import_type]
    for export in exports:
        if subject_is_contained(body.import_subject, export.subject):
            if export.token_required:
                return export, Verdict()
            message = f"The export of {export.subject} is public: importing it requires no activation token."
            return export, Verdict(warnings=(Problem("", message),))
    message = (
        f"the account {name} exports no {body.import_type} {body.import_subject}; "
        f"it exports {', '.join(export.subject for export in exports) or 'none'}."
    )
    return None, given.absent("", message)


def _likely_issuer(given: Given, allowed: Sequence[str], stored: Found | None) -> str:
    """The key that will sign the activation. It determines whether the token has an `issuer_account`."""
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
    """The export that an import refers to; None if there is none."""
    for export in exports:
        if (
            export is not None
            and export.type == item.type
            and subject_is_contained(import_subjects(item).remote, export.subject)
        ):
            return export
    return None


def activation_at_hand(
    existing: str | None, own: str, item: Import, keys: frozenset[str] | None
) -> tuple[Found | None, str]:
    """The activation token of an import, if it covers the import and one of the exporter's keys signed it; otherwise None and the reason.

    If `keys` is None, any signer is accepted.
    """
    if not existing:
        return None, ""
    try:
        claims = codec.decode(existing.strip())
    except NatsSecurityError as error:
        return None, f"this is not an activation token: {error}"
    body = claims.body
    if not isinstance(body, Activation) or claims.subject != own or body.import_type != item.type:
        return None, "the activation token is for another account, or of another type"
    if keys is not None and claims.issuer not in keys:
        return None, f"the activation token is signed by {claims.issuer}, which is not a key of the exporting account"
    if not subject_is_contained(import_subjects(item).remote, body.import_subject):
        return None, f"the activation token is for {body.import_subject}"
    return Found(existing.strip(), claims), ""
