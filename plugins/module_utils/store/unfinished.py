# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Completes a plan with changes that are not about single tokens: folders and their modes, the record, and keys that were removed from a token but are
still in the keystore.

The journal is written before everything else. It lists the keys that are about to be created and the signing keys that are removed. It is deleted once
all of this is done.
"""

from __future__ import annotations

import json
from typing import Any, Iterable, Mapping, Sequence

from ..base.excerpts import first_of
from ..claims import Account
from ..disk.batch import append, make_folders
from ..reconcile.plan import CHANGED, CREATED, KEPT, REMOVED, Entity, Plan, Removal
from ..reconcile.rotation import owner_of
from ..reconcile.trust import peek
from ..reconcile.wanted import ABSENT, How, Wanted
from ..rules.trust import keys_of
from .layout import Layout
from .reading import Store


def complete(plan: Plan, store: Store, unrecorded: Sequence[str] = ()) -> None:
    """Add the changes to the store as a whole to a plan. `unrecorded` are the accounts that are removed from the record."""
    removals = _unfinished(plan, store)
    plan.removals += [removal for removal in removals if store.has_seed(removal.keys[0])]
    reason = ("its JWT no longer has it",)
    plan.entities += [
        Entity("signing_key", "", removal.account, REMOVED, reason, removal.keys[0], 0)
        for removal in removals
        if store.has_seed(removal.keys[0])
    ]
    gone = {key for removal in [*plan.removals, *removals] for key in removal.keys}
    plan.names.record = {
        owner: {role: key for role, key in roles.items() if key not in gone}
        for owner, roles in plan.names.record.items()
        if owner_of(owner) not in gone
    }
    reasons = [*plan.names.adopted, *_record_reasons(plan, store)]
    reasons += [f"the account {name} is removed from the record, because its JWT is missing" for name in unrecorded]
    plan.entities.insert(0, _store_entity(store, reasons))


def _unfinished(plan: Plan, store: Store) -> list[Removal]:
    """The removals of signing keys that are no longer in their token but may still be in the store, after an interrupted run or a token signed elsewhere."""
    used = {key for removal in plan.removals for key in removal.keys}
    operator = plan.operator or store.operator
    holders = [operator.claims] if operator is not None else []
    holders += [step.claims for step in plan.accounts.values()]
    # A document of a part of the store does not have all of its accounts.
    holders += [found.claims for name, found in store.accounts.items() if name not in plan.accounts]
    for claims in holders:
        used.update(keys_of(claims))
        if isinstance(claims.body, Account):
            used.add(claims.body.authorization.xkey)
    removals = []
    for entry in store.journal:
        key = str(entry.get("removes") or "")
        if key and key not in used:
            used.add(key)
            removals.append(Removal(str(entry.get("account") or ""), "", [key]))
    return removals


def _store_entity(store: Store, reasons: list[str]) -> Entity:
    layout = store.layout
    if not store.exists:
        reasons.append("there is no store yet")
    folders = [layout.root, layout.accounts, layout.marker]
    for account in store.accounts:
        folders += [layout.account_dir(account), layout.users_dir(account), layout.creds_dir(account)]
    folders += [path for path in sorted(store.modes) if path.startswith(layout.state_of_keys)]
    for folder in folders:
        reasons += store.file_reasons(folder)
    action = CREATED if not store.exists else CHANGED if reasons else KEPT
    return Entity("store", layout.name, "", action, tuple(reasons), "", 0)


# ---- the journal


def removal_entry(account: str, public_key: str) -> dict[str, Any]:
    """The journal entry for a signing key that is removed. The account is empty for a key of the operator."""
    return {"removes": public_key, "account": account}


def write_journal(layout: Layout, entries: Sequence[dict[str, Any]]) -> None:
    """Add entries to the journal of a store. FileError."""
    if entries:
        make_folders([layout.state_of_keys])
        append(layout.journal, journal_text(entries))


def journal_text(entries: Iterable[Mapping[str, Any]]) -> str:
    """The text of journal entries."""
    return "".join(json.dumps(entry) + "\n" for entry in entries)


# ---- the record


def leaves_record(store: Store, wanted: Wanted, how: How) -> list[str]:
    """The accounts to remove from the record although this run does not remove them: their JWTs are missing, and the document does not want them."""
    if store.trust is None:
        return []
    present = {one.name: one.state != ABSENT for one in wanted.accounts}
    named = {found.claims.subject for found in store.accounts.values()}
    return [
        name
        for name, token in store.trust.record.accounts.items()
        if name not in store.accounts and (not present.get(name, not how.prune) or peek(token).subject in named)
    ]


def _record_reasons(plan: Plan, store: Store) -> list[str]:
    """The reasons to write the record other than newly issued tokens, which are always recorded."""
    trust = store.trust
    if trust is None:
        return []
    record = trust.record
    gone = {removal.account for removal in plan.removals if removal.is_account}
    issued = {name for name, step in plan.accounts.items() if step.is_issued}
    kept = {name: found.token for name, found in store.accounts.items() if name not in gone | issued}
    reasons = [trust.roles_fault] if trust.roles_fault else []
    if trust.replaced:
        where = f"is recorded in {store.layout.record}, replacing {trust.replaced}"
        return [*reasons, f"the operator's key {plan.names.operator} {where}"]
    if not record.operator:
        where = f"is recorded in {store.layout.record}, with the keys of {len({*kept, *issued})} accounts"
        return [*reasons, f"the operator's key {plan.names.operator} {where}"]
    names = [name for name, token in kept.items() if token != record.accounts.get(name)]
    if store.operator is not None and store.operator.token != record.operator_token:
        names[:0] = [] if plan.operator is not None and plan.operator.is_issued else ["the operator"]
    if names:
        reasons.append(f"JWTs that the last run did not write are recorded, those of {first_of(names, 5)}")
    if record.is_managed != store.is_managed:
        reasons.append("it is recorded that the store is no longer managed")
    return reasons
