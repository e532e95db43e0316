# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The phases in which the operator of a store gets strict_signing_key_usage while clients stay connected.

`ADD` puts the signing keys of the document into the JWTs of the operator and the accounts; they sign nothing, because servers do not have them yet.
`RESIGN` signs with them everything that identity keys signed. `RETIRE` makes the operator strict, as in a run without phases: `switch_problems` refuses it
while servers would refuse something in the store. The document describes the final state, so it has the option from the first phase on.
"""

from __future__ import annotations

import dataclasses
from typing import Callable, Iterator, Mapping

from ..claims.options import Problem
from ..keys.new import NewKey
from ..rules.trust import signing_keys_of
from .names import Names
from .place import Found, Place
from .plan import Plan
from .rotation import ADD, RESIGN
from .wanted import ABSENT, Wanted, WantedAccount


def reconcile_phase(wanted: Wanted, place: Place, plan: Callable[[Wanted], Plan]) -> Plan:
    """The plan of a phase. If the operator is new or already strict, there are no phases. What a later phase lacks is a problem in the first phase."""
    if place.operator is None or place.operator.claims.body.strict_signing_key_usage:
        return plan(dataclasses.replace(wanted, strict_phase=""))
    missing = [*_missing_keys(wanted, place)]
    if missing:
        found = Plan(0, Names())
        found.problems = missing
        return found
    if wanted.strict_phase != ADD:
        return plan(wanted)
    ahead = plan(dataclasses.replace(wanted, strict_phase=RESIGN))
    return ahead if ahead.problems else plan(_with_keys_only(wanted))


def keys_to_come(wanted: Wanted, place: Place, names: Names) -> frozenset[str]:
    """The signing keys of the document that no JWT has yet."""
    lists = [one.signing_keys for one in wanted.accounts]
    lists += [wanted.operator.signing_keys] if wanted.operator is not None else []
    named = {one.key for keys in lists for one in keys}
    named |= {key for roles in (names.operator_roles, *names.roles.values()) for key in roles.values()}
    return frozenset(named.difference(*map(_keys_of, (place.operator, *place.accounts.values()))) - {""})


def new_users(account: WantedAccount, named: Mapping[str, str]) -> Iterator[Problem]:
    """A problem for each user that the claims of an account name and that has no key yet: `ADD` creates no users."""
    for name, key in named.items():
        if isinstance(key, NewKey):
            yield Problem(
                account.place,
                f"the claims of the account name the user {name}, which does not exist yet, and this phase creates no users. Create it first, in a run "
                "without strict_signing_key_usage and rotations.",
            )


def _keys_of(found: Found | None) -> list[str]:
    """The signing keys in the JWT of the operator or of an account."""
    return signing_keys_of(found.claims) if found is not None else []


def _with_keys_only(wanted: Wanted) -> Wanted:
    """The document without references to new keys as signers."""
    if wanted.operator is None:
        return wanted
    operator = dataclasses.replace(
        wanted.operator, options={**wanted.operator.options, "strict_signing_key_usage": False}
    )
    return dataclasses.replace(
        wanted, operator=operator, accounts=[dataclasses.replace(one, role="") for one in wanted.accounts]
    )


def _missing_keys(wanted: Wanted, place: Place) -> Iterator[Problem]:
    """A problem that names the operator and accounts without a signing key, in the document or in their JWTs, that need one under a strict operator."""
    operator = wanted.operator
    if operator is None:
        return
    lacking = [] if operator.signing_keys or _keys_of(place.operator) else ["the operator"]
    lacking += [
        f"the account {one.name}"
        for one in wanted.accounts
        if (one.name == operator.system_account or any(user.state != ABSENT for user in one.users))
        and not (one.signing_keys or _keys_of(place.accounts.get(one.name)))
    ]
    if lacking:
        yield Problem(
            "rotations[0]",
            f"strict mode needs signing keys of {', '.join(lacking)}, as servers then refuse what identity keys signed. "
            "List them in the document (signing_keys: [main]).",
        )
