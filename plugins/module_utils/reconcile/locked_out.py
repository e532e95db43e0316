# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Warns whose clients servers will refuse: those of users and accounts that a plan removes, and of keys that it revokes. One warning an account.

Users that lose access with a signing key are in `accounts.py`, because that can be a problem.
"""

from __future__ import annotations

from typing import Iterator

from ..base.excerpts import first_of
from ..claims.options import Problem
from .given import Given
from .plan import REMOVED, Plan
from .wanted import ABSENT, EXISTING

#: How many users one message names; the rest are counted.
_MOST_NAMED = 5


def who_is_locked_out(given: Given, plan: Plan) -> list[Problem]:
    """The warnings. Accounts that are not managed are omitted: they revoke nobody."""
    gone: dict[str, list[str]] = {}
    accounts: list[str] = []
    for entity in plan.entities:
        if entity.action == REMOVED and entity.kind == "user":
            gone.setdefault(entity.account, []).append(entity.name)
        elif entity.action == REMOVED and entity.kind == "account":
            accounts.append(entity.name)
    places = {one.name: one.place for one in given.wanted.accounts if one.state not in (ABSENT, EXISTING)}
    warnings = []
    for name, place in places.items():
        parts = [*_removed(gone.get(name, [])), *_revoked(plan, name)]
        if parts:
            message = f"{' and '.join(parts)}; clients with creds from before are refused once the account is pushed."
            warnings.append(Problem(place, message))
    for name in accounts:
        users = f" with {_counted(gone[name], 'user')}" if name in gone else ""
        message = f"the account is removed{users}; its clients are refused once it is deleted from the servers."
        warnings.append(Problem(f"account {name}", message))
    return warnings


def _removed(users: list[str]) -> Iterator[str]:
    if users:
        yield f"{_counted(users, 'user')} {'is' if len(users) == 1 else 'are'} removed"


def _revoked(plan: Plan, account: str) -> Iterator[str]:
    """The new revocations of an account, without those of removed users. A revocation of `*` is one of all users."""
    step = plan.accounts.get(account)
    if step is None or step.found is None:
        return
    before, after = step.found.claims.body.revocations, step.decision.claims.body.revocations
    if before == after:
        return
    removed = {key for one in plan.removals if one.account == account for key in one.keys}
    users = {key: user for user, key in plan.user_keys.get(account, {}).items()}
    new = [key for key, until in after.items() if until > before.get(key, 0) and key not in removed]
    if "*" in new:
        yield "all users are revoked"
    elif new:
        keys = [users.get(key, key) for key in new]
        yield f"{_counted(keys, 'user')} {'is' if len(keys) == 1 else 'are'} revoked"


def _counted(names: list[str], what: str) -> str:
    return f"{len(names)} {what}{'' if len(names) == 1 else 's'} ({first_of(sorted(names), _MOST_NAMED)})"
