# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What a plan owes to the store beside its tokens: the folders and their modes, and what a killed run had begun to remove."""

from __future__ import annotations

from ..reconcile.plan import CHANGED, CREATED, KEPT, REMOVED, Entity, Plan, Removal
from .layout import Store


def complete(plan: Plan, store: Store) -> None:
    """Add to a plan what concerns the store as a whole."""
    removals = _unfinished(plan, store)
    plan.removals += removals
    reason = ("a run that did not end had begun to remove it",)
    plan.entities += [
        Entity("signing_key", "", removal.account, REMOVED, reason, removal.keys[0], 0) for removal in removals
    ]
    gone = {key for removal in plan.removals for key in removal.keys}
    plan.names.record = {
        owner: {role: key for role, key in roles.items() if key not in gone}
        for owner, roles in plan.names.record.items()
        if owner not in gone
    }
    plan.entities.insert(0, _store_entity(plan, store))


def _unfinished(plan: Plan, store: Store) -> list[Removal]:
    """Signing keys that a killed run had taken out of a token already, and not archived yet."""
    used = {key for removal in plan.removals for key in removal.keys}
    for step in (plan.operator, *plan.accounts.values()):
        if step is not None:
            used.update(getattr(key, "key", key) for key in step.claims.body.signing_keys)
    removals = []
    for entry in store.journal:
        key = str(entry.get("removes") or "")
        if key and key not in used and store.has_seed(key):
            used.add(key)
            removals.append(Removal(str(entry.get("account") or ""), "", [key]))
    return removals


def _store_entity(plan: Plan, store: Store) -> Entity:
    layout = store.layout
    reasons = list(plan.names.adopted)
    if not store.exists:
        reasons.append("there is no store yet")
    folders = [layout.root, layout.accounts, layout.marker]
    for account in store.accounts:
        folders += [layout.account_dir(account), layout.users_dir(account), layout.creds_dir(account)]
    for folder in folders:
        reasons += store.file_reasons(folder)
    action = CREATED if not store.exists else CHANGED if reasons else KEPT
    return Entity("store", layout.name, "", action, tuple(reasons), "", 0)
