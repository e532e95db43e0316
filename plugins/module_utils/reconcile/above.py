# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Checks whether tokens can be issued under an operator or account that is used as it is (state: existing)."""

from __future__ import annotations

from typing import Iterator, Sequence

from ..base import units
from ..base.excerpts import first_of
from ..claims import Claims
from ..claims.options import Problem
from ..rules import allowed_issuers_of_operator
from .given import Given
from .verdicts import Verdict
from .wanted import EXISTING, WantedAccount


def check_above(given: Given, accounts: Sequence[WantedAccount]) -> Verdict:
    """The problems of the operator and account JWTs that are used as they are."""
    problems: list[Problem] = []
    operator, wanted = given.place.operator, given.wanted.operator
    if operator is not None and (wanted is None or wanted.state == EXISTING):
        place = wanted.place if wanted is not None else ""
        problems += (Problem(place, text) for text in _validity(operator.claims, given.how.now))
    for one in accounts:
        found = given.place.accounts.get(one.name)
        if found is None:
            known = first_of(sorted(given.place.accounts), 12) or "none"
            problems.append(
                Problem(one.place, f"there is no account {one.name}, and its state is existing; available: {known}.")
            )
            continue
        problems += (Problem(one.place, text) for text in _validity(found.claims, given.how.now))
        if operator is not None and found.token:
            problems += (Problem(one.place, text) for text in _issuer(operator.claims, found.claims))
    return Verdict(tuple(problems))


def _validity(claims: Claims, now: int) -> Iterator[str]:
    name = f"the JWT of the {claims.kind} {claims.name or claims.subject}"
    if claims.expires and claims.expires < now:
        yield f"{name} expired at {units.show_time(claims.expires)}: renew it before signing under it."
    if claims.not_before > now:
        yield f"{name} is not valid before {units.show_time(claims.not_before)}."


def _issuer(operator: Claims, account: Claims) -> Iterator[str]:
    trusted = allowed_issuers_of_operator(operator)
    if account.issuer not in trusted:
        yield (
            f"the JWT of the account {account.name or account.subject} is signed by {account.issuer}, which is not a key of the operator "
            f"{operator.name or operator.subject}, which allows {', '.join(sorted(trusted)) or 'none'}: "
            "no server of this operator would accept what the account signs."
        )
