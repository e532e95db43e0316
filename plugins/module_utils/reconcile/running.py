# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Prevents a plan from leaving running servers and connected clients without a key that they need. Pure: the state of servers is what tasks for
servers have returned.

Nothing is signed by a key of the operator that a server does not trust yet, and no key is removed that a server or a connection needs. The latter is only
a warning if a task requests the outage with `cut_off`, and does not apply to the keys of a slot with a compromised key (`replace`).
"""

from __future__ import annotations

from typing import Iterator, Sequence

from ..base.excerpts import first_of
from ..claims.options import Problem
from ..rules.running import Connected, Holding, Running, RunningCluster, say_clients, why_refused
from ..rules.trust import allowed_issuers_of_operator, keys_of
from .given import Given
from .plan import Plan, Step
from .rotation import REPLACE, role_of
from .strict import MOST_NAMED
from .wanted import join


def problems_of_running(given: Given, plan: Plan, cluster: RunningCluster) -> tuple[list[Problem], list[Problem]]:
    """A problem for each key that a server does not trust yet, and for each key that a server or a connection still needs; with `cut_off` the latter are
    warnings."""
    path = _path_of_keys(given)
    leaving = _leaving_operator_keys(plan)
    untrusted = [Problem(path, text) for text in _untrusted(plan, cluster.servers, bool(leaving))]
    needed = [
        *_still_held(given, plan, leaving, cluster.accounts),
        *_strict_problems(given, plan, cluster),
        *_connected(given, plan, cluster.connections),
    ]
    return (untrusted, needed) if given.how.cut_off else (untrusted + needed, [])


def _path_of_keys(given: Given) -> str:
    wanted = given.wanted.operator
    return join(wanted.place, "signing_keys") if wanted is not None else ""


def _still_held(given: Given, plan: Plan, leaving: set[str], accounts: Sequence[Holding]) -> Iterator[Problem]:
    """A problem for each key of the operator that is removed while servers hold accounts that it signed."""
    roles = given.place.roles.get(given.names.operator, {})
    for key in sorted(leaving):
        held = _held(key, plan, accounts)
        if held and not _is_replaced(given, "", role_of(roles, key)[0]):
            goes, way = _how(given, "Put them into the document, or remove them from the servers, and run this again.")
            message = f"the operator key {key} {goes}: servers hold accounts that it signed, {held}. They would refuse these accounts and their users."
            yield Problem(_path_of_keys(given), f"{message} {way}")


def _untrusted(plan: Plan, servers: Sequence[Running], all_accounts: bool) -> Iterator[str]:
    """Why servers refuse keys that sign accounts: those that are signed now, or all that will be there."""
    by_issuer: dict[str, list[tuple[str, str]]] = {}
    for name, step in plan.accounts.items():
        if step.is_issued or all_accounts:
            by_issuer.setdefault(step.issuer, []).append((name, step.claims.subject))
    for issuer, accounts in by_issuer.items():
        why = why_refused(issuer, accounts[0][1], servers)
        if why:
            yield f"{first_of([name for name, _unused in accounts], MOST_NAMED)}: signed by {why}"


def _leaving_operator_keys(plan: Plan) -> set[str]:
    """The keys that sign accounts by the existing JWT of the operator, and not by the new one."""
    step = plan.operator
    if step is None or step.found is None or not step.is_issued:
        return set()
    return allowed_issuers_of_operator(step.found.claims) - allowed_issuers_of_operator(step.claims)


def _is_replaced(given: Given, account: str, role: str, user: str = "") -> bool:
    """Whether a rotation removes a compromised key of this slot at once."""
    asked = (account, role, user)
    return any(one.phase == REPLACE and (one.account, one.role, one.user) == asked for one in given.wanted.rotations)


def _held(key: str, plan: Plan, accounts: Sequence[Holding]) -> str:
    """The accounts, with their servers, that a key of the operator signed, or may have signed because servers do not have the same JWT."""
    ours = {step.claims.subject for step in plan.accounts.values()}
    found = [f"{one.title} on {', '.join(one.servers)}" for one in accounts if one.issuer == key]
    found += [
        f"{one.title}, of which {', '.join(one.servers_with_another)} have another JWT than the other servers"
        for one in accounts
        if one.issuer != key and one.servers_with_another and one.public_key in ours
    ]
    return first_of(found, MOST_NAMED) if found else ""


def _strict_problems(given: Given, plan: Plan, cluster: RunningCluster) -> Iterator[Problem]:
    """A problem if the operator becomes strict while clients are connected by JWTs of identity keys."""
    step, wanted = plan.operator, given.wanted.operator
    by_identity_keys = [one for one in cluster.connections if one.is_by_identity_key]
    if step is None or step.found is None or wanted is None or not by_identity_keys:
        return
    if step.claims.body.strict_signing_key_usage and not step.found.claims.body.strict_signing_key_usage:
        who = say_clients(by_identity_keys)
        becomes = "becomes strict at once (cut_off)" if given.how.cut_off else "cannot become strict yet"
        yield Problem(
            join(wanted.place, "strict_signing_key_usage"),
            f"the operator {becomes}: {who} by JWTs that identity keys of accounts signed. {_how(given, _RESTART)[1]}",
        )


def _connected(given: Given, plan: Plan, connections: Sequence[Connected]) -> Iterator[Problem]:
    """A problem for each key of an account or a user that is removed while clients are connected by it."""
    places = {one.name: one.place for one in given.wanted.accounts}
    for name, step in plan.accounts.items():
        for key, slot in _leaving_keys(given, name, step).items():
            found = [one for one in connections if key in (one.issuer, one.user)]
            if found:
                how = "by it" if key[:1] == "U" else "by JWTs that it signed"
                goes, way = _how(given, _RESTART)
                yield Problem(
                    places.get(name, ""), f"the key {key} of {slot} {goes}: {say_clients(found)} {how}. {way}"
                )


def _leaving_keys(given: Given, name: str, step: Step) -> dict[str, str]:
    """The signing keys of an account that its new JWT no longer has, and the keys of its users that retire, each with ACCOUNT/ROLE or ACCOUNT/USER.
    Without those of a compromised slot."""
    leaving = {
        key: f"{name}/{user}"
        for (account, user), turned in given.names.turned.items()
        if account == name and not _is_replaced(given, name, "", user)
        for key in turned.retired
    }
    if step.found is not None and step.is_issued:
        roles = given.place.roles.get(step.claims.subject, {})
        for key in sorted(keys_of(step.found.claims) - keys_of(step.claims)):
            role = role_of(roles, key)[0]
            if not _is_replaced(given, name, role):
                leaving[key] = "/".join(filter(None, [name, role]))
    return leaving


_RESTART = (
    "Restart these clients with their current creds, or have the servers close the connections (rotation_reconnect of the role rotation), "
    "and run this again."
)


def _how(given: Given, way: str) -> tuple[str, str]:
    """Whether a key is removed, and what to do, for messages."""
    if given.how.cut_off:
        return "is removed at once (cut_off)", "They are cut off."
    return "cannot be removed yet", way
