# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The activation tokens that imports of private exports need: those that are there, and those that are to be made."""

from __future__ import annotations

import dataclasses

from ..base.errors import NatsSecurityError
from ..claims import Account, Activation, Claims, Export, Import
from ..claims.declaration import NOW
from ..rules import subject_is_contained
from ..token import codec
from . import document as documents
from .layout import Stored
from .planning import CHANGED, CREATED, KEPT, AccountPlan, ActivationPlan, Entity, Planning
from .wanted import import_id, issuer_account, signing_keys_of


def plan_activations(planning: Planning, account: AccountPlan) -> dict[int, str]:
    """Activation tokens by import: those that stay, and words for those that are to be made."""
    granted: dict[int, str] = {}
    own = planning.keys.accounts[account.wish.name]
    old = {
        import_id(item): item.token
        for item in (account.stored.claims.body.imports if account.stored is not None else ())
        if item is not None and item.token
    }
    for index, item in enumerate(planning.drafts[account.wish.name].body.imports):
        exporter = planning.names.get(item.account)
        if exporter is None or item.token:
            continue
        export = covering_export(planning.drafts[exporter].body.exports, item)
        if export is None or not export.token_required:
            continue
        path = f"{account.wish.path}.imports[{index}]"
        existing = old.get(import_id(item))
        made = _plan_activation(
            planning, account, index, item, export, exporter, own, existing, path, planning.drafts[exporter].body
        )
        if made is not None:
            granted[index] = made
    return granted


def _plan_activation(
    planning: Planning,
    account: AccountPlan,
    index: int,
    item: Import,
    export: Export,
    exporter: str,
    own: str,
    existing: str | None,
    path: str,
    body: Account,
) -> str | None:
    stored, said = activation_at_hand(existing, own, item)
    wanted = Claims(name=item.subject, subject=own, body=Activation(import_subject=item.subject, import_type=item.type))
    if stored is not None:
        # Whatever it says beyond what the import needs is no reason to make another one.
        wanted = dataclasses.replace(stored.claims, body=dataclasses.replace(stored.claims.body))
    key = planning.keys.accounts[exporter]
    exporter_plan = planning.exporters[exporter]
    plain, scoped = signing_keys_of(exporter_plan, body)
    policy = documents.policy(
        documents.activation_options(account.wish, index),
        path + ".activation",
        planning.problems,
        issued_after=_revoked_at(planning, exporter_plan, export, own),
    )
    allowed = [*plain, key, *scoped]
    issuer = planning.issuer(allowed, stored)
    wanted.body.issuer_account = issuer_account(key, issuer, stored.claims.body.issuer_account if stored else "")
    try:
        made = planning.decide(path + ".activation", path, wanted, stored, allowed, policy)
    except NatsSecurityError as error:
        planning.problem(path, str(error))
        return None
    if made is None:
        return None
    decision, issuer = made
    name = f"{item.type} {item.subject} of {exporter}"
    reasons = tuple(decision.reasons) if stored is not None or not said else (said,)
    action = KEPT if decision.is_kept else CREATED if not existing else CHANGED
    planning.add_entity(
        Entity("activation", name, account.wish.name, action, planning.readable(reasons), own, decision.claims.expires)
    )
    if decision.is_kept and stored is not None:
        account.tokens[index] = stored.token
        return stored.token
    account.activations.append(
        ActivationPlan(index, exporter, wanted, stored.token if stored is not None else None, issuer, policy)
    )
    return f"(a new activation token from {exporter})"


def _revoked_at(planning: Planning, exporter: AccountPlan, export: Export, own: str) -> int:
    old: dict[str, int] = {}
    for item in exporter.stored.claims.body.exports if exporter.stored is not None else ():
        if item is not None and (item.type, item.subject) == (export.type, export.subject):
            old = item.revocations
    wanted = {key: old.get(key, planning.now) if at == NOW else at for key, at in export.revocations.items()}
    return max(old.get(own, 0), old.get("*", 0), wanted.get(own, 0), wanted.get("*", 0))


def covering_export(exports: list[Export], item: Import) -> Export | None:
    """The export that an import is of."""
    for export in exports:
        if export.type == item.type and subject_is_contained(item.subject, export.subject):
            return export
    return None


def activation_at_hand(existing: str | None, own: str, item: Import) -> tuple[Stored | None, str]:
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
    return Stored(existing.strip(), claims, True), ""
