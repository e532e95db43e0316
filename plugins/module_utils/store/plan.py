# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What is to be done to a store so that it says what a document says: pure but for reading users' files. No key is made and nothing signed here."""

from __future__ import annotations

from ..claims.comparison import describe
from . import check
from . import layout as layouts
from .document import Document
from .layout import Keyring, Store
from .plan_accounts import plan_account, plan_operator, plan_policy
from .plan_keys import name_keys
from .plan_users import plan_users, read_user_claims, remove_user, resolve_users
from .planning import CHANGED, CREATED, EXTRA, KEPT, REMOVED, AccountPlan, Entity, Plan, Planning, Removal, Wishes
from .wanted import wanted_account

__all__ = ["Plan", "Wishes", "make_plan"]


def make_plan(document: Document, store: Store, ring: Keyring, wishes: Wishes, now: int) -> Plan:
    """Decide for every entity. All problems are in the plan; with any of them it is not to be applied."""
    planning = Planning(document, store, ring, wishes, now)
    planning.problems.extend(planning.store.problems)
    name_keys(planning)
    plan_operator(planning)
    planning.plan.accounts = [
        AccountPlan(wish, planning.store.accounts.get(wish.name))
        for wish in planning.document.accounts
        if not wish.is_absent
    ]
    for account in planning.plan.accounts:
        resolve_users(planning, account)
    planning.drafts = {
        account.wish.name: wanted_account(account, planning.keys, {}, []) for account in planning.plan.accounts
    }
    planning.names = {key: name for name, key in planning.keys.accounts.items()}
    planning.exporters = {account.wish.name: account for account in planning.plan.accounts}
    for account in planning.plan.accounts:
        plan_policy(planning, account)
    for account in planning.plan.accounts:
        plan_account(planning, account)
    paths = {account.wish.name: account.wish.path for account in planning.plan.accounts}
    being_made = {
        account.wish.name: [activation.index for activation in account.activations]
        for account in planning.plan.accounts
    }
    planning.problems.extend(check.across(planning.finals, paths, being_made))
    for account in planning.plan.accounts:
        plan_users(planning, account)
    _plan_removed_accounts(planning)
    _plan_unfinished_removals(planning)
    _plan_store(planning)
    planning.plan.problems[:] = list(dict.fromkeys(planning.plan.problems))
    return planning.plan


def _plan_removed_accounts(planning: Planning) -> None:
    """Accounts that are not in the document, or to be absent."""
    wanted = {wish.name: wish for wish in planning.document.accounts}
    for name, stored in planning.store.accounts.items():
        wish = wanted.get(name)
        if wish is not None and not wish.is_absent:
            continue
        subject = stored.claims.subject
        users = layouts.user_files(planning.store, name).users
        if wish is None and not planning.wishes.prune:
            reason = "it is not in the document"
            planning.add_entity(Entity("account", name, "", EXTRA, (reason,), subject, stored.claims.expires))
            for user in users:
                claims = read_user_claims(planning, name, user)
                if claims is not None:
                    planning.add_entity(
                        Entity(
                            "user",
                            user,
                            name,
                            EXTRA,
                            ("its account is not in the document",),
                            claims.subject,
                            claims.expires,
                        )
                    )
            continue
        reason = "the document wants it absent" if wish is not None else "it is not in the document"
        for user in users:
            claims = read_user_claims(planning, name, user)
            if claims is not None:
                remove_user(planning, name, user, claims, "its account goes")
        planning.add_entity(Entity("account", name, "", REMOVED, (reason,), subject, stored.claims.expires))
        keys = [subject, *(key.key for key in stored.claims.body.signing_keys)]
        planning.plan.removals.append(Removal(name, keys=keys, is_account=True))
        planning.plan.roles.pop(subject, None)
        if planning.wishes.diff:
            planning.plan.before[f"accounts.{name}"] = describe(stored.claims)


def _plan_unfinished_removals(planning: Planning) -> None:
    """Signing keys that a killed run had taken out of a token already, and not put away yet."""
    used = {*planning.operator.signing_keys, *(key for removal in planning.plan.removals for key in removal.keys)}
    for claims in planning.finals.values():
        used.update(key.key for key in claims.body.signing_keys)
    for entry in planning.store.journal:
        key = str(entry.get("removes") or "")
        if key and key not in used and planning.ring.is_stored(key):
            used.add(key)
            account = str(entry.get("account") or "")
            reason = "a run that did not end had begun to remove it"
            planning.add_entity(Entity("signing_key", "", account, REMOVED, (reason,), key, 0))
            planning.plan.removals.append(Removal(account, keys=[key]))


def _plan_store(planning: Planning) -> None:
    """The folders, and the record of roles."""
    reasons = list(planning.adopted)
    if not planning.store.exists:
        reasons.append("there is no store yet")
    planning.plan.modes = sorted(planning.store.modes)
    for folder in (planning.layout.root, planning.layout.accounts, planning.layout.marker):
        reasons.extend(planning.file_reasons(folder))
    for account in planning.store.accounts:
        for folder in (
            planning.layout.account_dir(account),
            planning.layout.users_dir(account),
            planning.layout.creds_dir(account),
        ):
            reasons.extend(planning.file_reasons(folder))
    action = CREATED if not planning.store.exists else CHANGED if reasons else KEPT
    planning.plan.entities.insert(0, Entity("store", planning.layout.name, "", action, tuple(reasons), "", 0))
    for owner, roles in planning.store.roles.items():
        planning.plan.roles.setdefault(owner, roles)
    planning.plan.roles = {owner: roles for owner, roles in planning.plan.roles.items() if roles}
