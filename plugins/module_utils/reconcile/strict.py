# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Finds what servers refuse once the operator has strict_signing_key_usage: tokens that an identity key signed, and tokens that only an identity key
could sign.

Servers then no longer trust the operator's identity key, nor the identity keys of accounts as signers (server.go and accounts.go of nats-server).
Only servers know which JWTs the connected clients use.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Callable, Iterable, Iterator, Mapping, NamedTuple

from ..base.excerpts import first_of
from ..claims import Account, Claims, Operator
from ..claims.options import Problem
from ..token import decorated
from .given import Given
from .plan import Plan
from .rotation import RESIGN
from .trust import NOTHING, peek
from .wanted import join

#: The maximum number of names in a message.
MOST_NAMED = 5


class Activation(NamedTuple):
    """An activation token that is signed by the identity key of the exporting account: the name of the importing account, the subject of the import, and
    whether servers refuse it. They accept a token without `issuer_account` (isIssuerClaimTrusted in accounts.go of nats-server)."""

    account: str
    subject: str
    refused: bool


@dataclasses.dataclass(frozen=True)
class Refused:
    """What servers refuse under a strict operator: accounts by name, users as ACCOUNT/USER, activations, and the system account if it has no signing key."""

    has_signing_key: bool = True  # whether the operator has one
    accounts: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    activations: tuple[Activation, ...] = ()
    system_account: str = ""  # its name, if it has no signing key

    @property
    def is_nothing(self) -> bool:
        """Whether servers refuse nothing."""
        return self.has_signing_key and not (
            self.accounts or self.users or self.refused_activations or self.system_account
        )

    @property
    def refused_activations(self) -> list[Activation]:
        """The activations that servers refuse."""
        return [one for one in self.activations if one.refused]


def refused(
    operator: Claims, accounts: Mapping[str, Claims], issuers_of_users: Callable[[str], Iterable[tuple[str, str]]]
) -> Refused:
    """What servers would refuse if the operator were strict. `issuers_of_users` returns the user names of an account, each with the key that signed it."""
    body: Operator = operator.body
    system = next((name for name, claims in accounts.items() if claims.subject == body.system_account), "")
    return Refused(
        bool(body.signing_keys),
        tuple(name for name, claims in accounts.items() if claims.issuer == operator.subject),
        tuple(
            f"{name}/{user}"
            for name, claims in accounts.items()
            for user, issuer in issuers_of_users(name)
            if issuer == claims.subject
        ),
        tuple(one for name, claims in accounts.items() for one in _activations(name, claims)),
        system if system and not accounts[system].body.signing_keys else "",
    )


def _activations(name: str, claims: Claims) -> Iterator[Activation]:
    body: Account = claims.body
    for item in body.imports:
        said = peek(str(item.token)) if item is not None and item.token else NOTHING
        if said.issuer and said.issuer == item.account:
            yield Activation(name, str(item.subject), bool(said.issuer_account))


def show(found: Refused, is_on: bool) -> dict[str, Any]:
    """The refused entities as a task result. `is_on` is whether the operator is strict already."""
    return {
        "enabled": is_on,
        "ready": found.is_nothing,
        "operator_signing_key": found.has_signing_key,
        "accounts": list(found.accounts),
        "users": list(found.users),
        "activations": [one._asdict() for one in found.activations],
        "system_account": found.system_account or None,
    }


def switch_problems(given: Given, plan: Plan) -> tuple[list[Problem], list[Problem]]:
    """The problems that keep this plan, or a later phase, from making the operator strict, which are tokens that servers would refuse; and the
    warnings."""
    found = given.place.operator
    step = plan.operator
    if found is None or step is None or found.claims.body.strict_signing_key_usage:
        return [], []
    is_later = given.wanted.strict_phase == RESIGN
    if not step.claims.body.strict_signing_key_usage and not is_later:
        return [], []
    before = refused(found.claims, _accounts(given, plan, {}), _issuers(given, set()))
    reissued = {
        (account, user.name) for account, users in plan.users.items() for user in users if user.claims is not None
    }
    gone = {(one.account, one.user) for one in plan.removals if one.user and not one.keeps_files}
    signed = {name: one.claims for name, one in plan.accounts.items() if one.is_issued}
    after = refused(step.claims, _accounts(given, plan, signed), _issuers(given, reissued | gone))
    place = join(given.wanted.operator.place if given.wanted.operator is not None else "", "strict_signing_key_usage")
    problems = [Problem(place, _why_not(after))] if not after.is_nothing else []
    hosts = [user for user in before.users if tuple(user.split("/", 1)) in reissued]
    return problems, [Problem(place, _before_restart(hosts))] if hosts and not problems and not is_later else []


def _accounts(given: Given, plan: Plan, signed: Mapping[str, Claims]) -> dict[str, Claims]:
    gone = {one.account for one in plan.removals if one.is_account}
    found = {name: one.claims for name, one in given.place.accounts.items() if name not in gone}
    return {**found, **signed}


def _issuers(given: Given, without: set[tuple[str, str]]) -> Callable[[str], Iterable[tuple[str, str]]]:
    def issuers(account: str) -> Iterator[tuple[str, str]]:
        for user in given.place.user_files(account).users:
            text = given.place.user_text(account, user) if (account, user) not in without else None
            if text is not None:
                yield user, peek(decorated.token_in(text)).issuer

    return issuers


def _why_not(found: Refused) -> str:
    parts = []
    if found.accounts:
        parts.append(f"the accounts {first_of(found.accounts, MOST_NAMED)}, which the operator's identity key signed")
    if found.users:
        parts.append(f"the users {first_of(found.users, MOST_NAMED)}, which the identity keys of their accounts signed")
    if found.refused_activations:
        shown = [f"of {one.account} for {one.subject}" for one in found.refused_activations]
        parts.append(
            f"the activations {first_of(shown, MOST_NAMED)}, which the identity key of the exporting account signed"
        )
    if found.system_account:
        parts.append(f"every user of the system account {found.system_account}, which has no signing key")
    if not found.has_signing_key:
        parts.append("every account, as the operator has no signing key")
    return (
        f"it stays off, because servers would refuse {'; '.join(parts)}. "
        "Have signing keys sign them: put them into the document, with signing_keys for their accounts, or remove them."
    )


def _before_restart(users: list[str]) -> str:
    return (
        f"the users {first_of(users, MOST_NAMED)} were signed by the identity keys of their accounts until now: servers refuse the JWTs that their hosts "
        "have as soon as they are restarted with the new JWT of the operator. Bring the new creds to the hosts before that."
    )
