# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Finds tokens that are still signed by a key that a rotation removes. There must be none, because servers refuse them once the key is removed."""

from __future__ import annotations

from typing import Iterator

from ..base.excerpts import first_of
from ..claims.options import Problem
from ..token import decorated
from .given import Given
from .plan import CHANGED, Entity, Plan
from .rotation import record_of_identity, split
from .strict import MOST_NAMED
from .trust import peek
from .wanted import Rotation


def still_signed(given: Given, plan: Plan) -> Iterator[Problem]:
    """A problem for each rotation that would remove a key while tokens that it signed stay as they are."""
    for one in given.wanted.rotations:
        if one.user:
            continue  # a user signs nothing
        owner = given.names.accounts.get(one.account, "") if one.account else given.names.operator
        retired = given.names.of(owner).retired
        if one.is_of_operator:
            retired = frozenset(filter(None, [given.names.replaced_operator]))
        left = [*_left(given, plan, one, retired)] if retired else []
        if left:
            yield Problem(
                one.place,
                f"the key that retires in {one.slot} has signed {first_of(left, MOST_NAMED)}, which the document does not have signed again: "
                "servers would refuse them. Put them into the document, or remove them.",
            )


def _left(given: Given, plan: Plan, one: Rotation, retired: frozenset[str]) -> Iterator[str]:
    gone = {removal.account for removal in plan.removals if removal.is_account}
    accounts = {name: found for name, found in given.place.accounts.items() if name not in gone}
    if not one.account:
        for name, found in accounts.items():
            issued = name in plan.accounts and plan.accounts[name].is_issued
            if found.claims.issuer in retired and not issued:
                yield f"the account {name}"
        return
    reissued = {step.name for step in plan.users.get(one.account, ()) if step.claims is not None}
    reissued |= {
        removal.user for removal in plan.removals if removal.account == one.account and not removal.keeps_files
    }
    for name in given.place.user_files(one.account).users:
        text = None if name in reissued else given.place.user_text(one.account, name)
        if text is not None and peek(decorated.token_in(text)).issuer in retired:
            yield f"the user {one.account}/{name}"
    for name, found in accounts.items():
        claims = plan.accounts[name].claims if name in plan.accounts else found.claims
        for item in claims.body.imports:
            if item is not None and item.token and peek(str(item.token)).issuer in retired:
                yield f"the activation of {name} for {item.subject}"


def turned_roles(given: Given) -> Iterator[Entity]:
    """An entity for each role that only the record gives to the next key, because the previous key signed nothing that has to be signed again."""
    names = given.names
    accounts = {key: name for name, key in names.accounts.items()}
    for owner, record in names.record.items():
        if owner in accounts or owner == names.operator:
            kind, account = "signing_key", accounts.get(owner, "")
        elif owner == record_of_identity(names.operator):
            kind, account = "identity_key", ""
        else:
            continue
        before = split(given.place.roles.get(owner, {}))[0]
        for role, key in split(record)[0].items():
            if before.get(role, key) != key:
                name = role or (given.wanted.operator.name if given.wanted.operator is not None else "")
                yield Entity(kind, name, account, CHANGED, ("it signs from now on",), key, 0)
