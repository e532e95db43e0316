# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Plans the changes to the operator, and the removal of signing keys of the operator and of accounts."""

from __future__ import annotations

import collections
import dataclasses
from typing import Mapping, NamedTuple, Sequence

from ..claims import Claims, Operator, SigningKey
from ..claims.options import Problem
from ..keys import nkey
from ..rules.issues import key_problem
from . import verdicts, wanted_claims
from .given import Findings, Given, Subject, decided, findings_of
from .issuers import operator_issuers
from .plan import EXTRA, REMOVED, Entity, Removal, Step
from .rotation import RESIGN, role_of
from .verdicts import Verdict
from .wanted import ABSENT, WantedOperator, join


class OperatorPlan(NamedTuple):
    """The step for the operator, None if it is used as it is or cannot be decided; and the claims that it will have, None if they are not known."""

    step: Step | None
    claims: Claims | None
    findings: Findings


def plan_operator(given: Given, wanted: WantedOperator) -> OperatorPlan:
    """Decide on the operator."""
    found = given.place.operator
    old: Operator = found.claims.body if found is not None else Operator()
    replaced = given.names.replaced_operator
    if replaced:
        old = dataclasses.replace(old, signing_keys=[key for key in old.signing_keys if key != given.names.operator])
    generations = given.names.of(given.names.operator)
    named = [one.key or given.names.operator_roles.get(one.role, "") for one in wanted.signing_keys]
    named += [*(key for _unused, key in generations.kept), given.names.following_operator]
    owner = Owner(given.names.operator, wanted.place, "", [SigningKey(key=key) for key in old.signing_keys], named)
    removal = removed_signing_keys(given, owner, wanted.remove_signing_keys, "operator")
    problems: list[Problem] = []
    claims = wanted_claims.operator_claims(wanted, given.names, problems)
    policy = dataclasses.replace(
        wanted_claims.policy(wanted.options, wanted.place, problems, given.how.now),
        remove_signing_keys=frozenset(removal.keys | ({claims.subject} if replaced else set())),
        replaces=replaced,
    )
    final = [*claims.body.signing_keys, *(key for key in old.signing_keys if key not in removal.keys)]
    as_it_will_be = dataclasses.replace(claims, body=dataclasses.replace(claims.body, signing_keys=final))
    if (
        given.wanted.strict_phase == RESIGN
    ):  # everything is signed as for a strict operator, and the operator itself becomes strict later
        claims = dataclasses.replace(claims, body=dataclasses.replace(claims.body, strict_signing_key_usage=False))
    idle = generations.idle | {given.names.following_operator}
    issuers = operator_issuers(claims.subject, [key for key in final if key not in idle])
    subject = Subject("operator", wanted.name, "", wanted.place, given.place.where(), "operator")
    made = decided(given, subject, claims, found, issuers, policy)
    findings = removal.findings.judge(Verdict(tuple(problems)))
    if replaced:
        findings.entities.append(
            Entity("identity_key", wanted.name, "", REMOVED, ("its rotation is complete",), replaced, 0)
        )
        findings.removals.append(Removal("", "", [replaced]))
    if isinstance(made, Verdict):
        return OperatorPlan(None, as_it_will_be, findings.judge(made))
    findings.judge(verdicts.of_claims(as_it_will_be, wanted.place, given.how.now).beside(problems))
    findings.take(findings_of(given, subject, made.decision, found)).judge(_cut_off(given, wanted, final, old))
    writes = not made.decision.is_kept or found is None or bool(found.fault)
    return OperatorPlan(Step(found, made.decision, made.signing.issuer, writes), as_it_will_be, findings)


def _cut_off(given: Given, wanted: WantedOperator, final: Sequence[str], old: Operator) -> Verdict:
    """A problem or warning for each signing key that is removed, with the number of accounts that servers will refuse.

    Servers trust the keys in the operator JWT that they were started with. They refuse the accounts in the time between their restart and the arrival of
    the new account JWTs, whichever comes first. This is a problem, but only a warning if the task sets `cut_off`, if a rotation removes the key, or if
    the accounts are not known.
    """
    are_known = given.place.trust is not None  # a task for the operator alone does not know the accounts
    signed = _signed_by(given)
    rotated = given.names.of(given.names.operator).retired
    path = join(wanted.place, "signing_keys")
    problems, warnings = [], []
    for key in (key for key in old.signing_keys if key not in final):
        if are_known and not signed.get(key):
            continue
        ends = _what_ends(key, role_of(given.place.roles.get(given.names.operator, {}), key)[0], signed.get(key))
        if not are_known or given.how.cut_off or key in rotated:
            warnings.append(Problem(path, f"{ends} {_WITHOUT}"))
        else:
            problems.append(Problem(path, f"{ends} {_WAY}"))
    return Verdict(tuple(problems), tuple(warnings))


_WITHOUT = "To avoid that, keep both keys until every server was restarted with the new key and has the accounts that it signed."
#: How to remove a signing key without an outage.
_WAY = (
    "This also applies to accounts that this run would issue again: no running server trusts a new key, and one that is restarted has the accounts of before. "
    "Instead, keep the role in signing_keys and replace its key with the playbook natsops.security.rotate. "
    "For accounts that another role is to sign, keep both roles until every server has these accounts. To accept the outage, set cut_off: true in the task."
)


def _signed_by(given: Given) -> Mapping[str, int]:
    """The number of remaining accounts whose JWT is signed by each key."""
    stay = {account.name: account.state != ABSENT for account in given.wanted.accounts}
    found = (one.claims for name, one in given.place.accounts.items() if stay.get(name, not given.how.prune))
    return collections.Counter(claims.issuer for claims in found)


def _what_ends(key: str, role: str, count: int | None) -> str:
    """A description of the outage that the removal of a signing key causes. `count` is the number of accounts in the store, None if not known."""
    accounts = "the accounts" if count is None else f"{count} account{'s' if count != 1 else ''}"
    return (
        f"{key}{f' ({role})' if role else ''} is removed, which cuts off {accounts} that it signed, with all users: "
        "servers that are restarted with the new JWT of the operator refuse what the key signed."
    )


# ---- signing keys that are removed


class Owner(NamedTuple):
    """The owner of signing keys: its key, its place in the document, the name of the account, the keys in its JWT, and the wanted keys."""

    key: str
    place: str
    account: str
    old: Sequence[SigningKey]
    wanted: Sequence[str]


class KeyRemoval(NamedTuple):
    """The signing keys that are removed."""

    keys: frozenset[str]
    findings: Findings


def removed_signing_keys(given: Given, owner: Owner, names: Sequence[str], key_type: str) -> KeyRemoval:
    """The signing keys that are removed: because the task names them, because their rotation is complete, or, with prune, because the document does not
    name them."""
    record = given.names.record.get(owner.key, {})
    named: set[str] = set()
    problems = []
    for index, name in enumerate(names):
        path = f"{join(owner.place, 'remove_signing_keys')}[{index}]"
        found = [key.key for key in owner.old if name == key.key or (key.role and name == key.role)]
        found += [record[name]] if name in record else []
        found += [name] if not found and nkey.is_public_key(name, key_type) else []
        named.update(found)
        if any(key in owner.wanted for key in found):
            problems.append(Problem(path, f"{name} is among signing_keys too."))
        if not found and (name == "*" or wanted_claims.looks_like_key(name)):
            problems.append(Problem(path, key_problem(name, key_type)))
    removed = set(named)
    findings = Findings(verdict=Verdict(tuple(problems)))
    for signing_key in owner.old:
        key = signing_key.key
        if key in owner.wanted:
            continue
        is_retired = key in given.names.of(owner.key).retired
        goes = key in named or given.how.prune or is_retired
        reason = "remove_signing_keys names it" if key in named else "it is not in the document"
        reason = "its rotation is complete" if is_retired else reason
        role = signing_key.role or role_of(given.place.roles.get(owner.key, {}), key)[0]
        action = REMOVED if goes else EXTRA
        findings.entities.append(Entity("signing_key", role, owner.account, action, (reason,), key, 0))
        if goes:
            removed.add(key)
            findings.removals.append(Removal(owner.account, "", [key]))
    return KeyRemoval(frozenset(removed), findings)
