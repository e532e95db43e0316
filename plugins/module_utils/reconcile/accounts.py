# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Plans the changes to accounts, including their removal."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
from typing import Any, Iterator, Mapping, NamedTuple

from ..base import units
from ..claims import Account, Claims
from ..claims.comparison import describe
from ..claims.options import Problem
from ..decision.issue import Policy
from ..rules.issues import key_problem
from ..rules.trust import signing_keys_of
from ..token import decorated
from . import verdicts, wanted_claims
from .activations import Exporter, plan_activations
from .given import Findings, Given, Subject, decided, findings_of
from .issuers import account_issuers
from .members import Members, plan_user_that_goes, read_user
from .operators import Owner, removed_signing_keys
from .place import Found
from .plan import CREATED, EXTRA, REMOVED, Entity, Removal, Step
from .rotation import record_of_curve_key, role_of
from .trust import peek
from .verdicts import Verdict
from .wanted import ABSENT, WantedAccount, join


class Draft(NamedTuple):
    """What is wanted of an account, before its activations are decided. Other accounts need this for their imports."""

    wanted: WantedAccount
    claims: Claims
    policy: Policy
    findings: Findings


class AccountPlan(NamedTuple):
    """The step for an account, None if it cannot be decided, and the claims that the account will have."""

    step: Step | None
    claims: Claims
    being_made: list[int]  # the indexes of imports whose activations are signed together with it
    findings: Findings


def draft_account(given: Given, wanted: WantedAccount, members: Members) -> Draft:
    """The claims and policy that are wanted for an account, and what is removed from it."""
    found = given.place.accounts.get(wanted.name)
    old: Account = found.claims.body if found is not None else Account()
    problems = list(wanted_claims.activation_problems(wanted, given.how.now))
    roles = given.names.roles.get(wanted.name, {})
    named = [one.key or roles.get(one.role, "") for one in wanted.signing_keys]
    named += [key for _unused, key in given.names.of(given.names.accounts[wanted.name]).kept]
    owner = Owner(given.names.accounts[wanted.name], wanted.place, wanted.name, old.signing_keys, named)
    removal = removed_signing_keys(given, owner, wanted.remove_signing_keys, "account")
    problems += _mistyped(wanted)
    lost = frozenset(members.keys.get(name) or name for name in wanted.remove_revocations)
    policy = dataclasses.replace(
        wanted_claims.policy(wanted.options, wanted.place, problems, given.how.now),
        remove_revocations=lost,
        remove_signing_keys=removal.keys,
    )
    policy = _ahead_of_users(policy, wanted)
    claims = wanted_claims.account_claims(wanted, given.names, lambda name: members.named.get(name, ""), problems)
    wanted_claims.keep_spelling(claims.body, old)
    claims.body.revocations.update(members.revoked)
    # A user whose previous key is retiring may connect with either key without the auth callout.
    claims.body.authorization.auth_users += [
        key for name, key in members.retiring.items() if members.named.get(name) in claims.body.authorization.auth_users
    ]
    if found is not None and found.older is not None:
        wanted_claims.add_revocations(claims.body, found.older.body)
    findings = Findings().take(members.findings).take(removal.findings).judge(Verdict(tuple(problems)))
    findings.take(_curve_keys(given, wanted))
    return Draft(wanted, claims, policy, findings)


def _curve_keys(given: Given, wanted: WantedAccount) -> Findings:
    """Findings for the curve keys of an auth callout that become next keys, which no JWT has yet, and for those whose rotation is complete."""
    owner = record_of_curve_key(given.names.accounts[wanted.name])
    generations = given.names.of(owner)
    known = set(given.place.roles.get(owner, {}).values())
    retired = sorted(generations.retired)
    new = [
        Entity("curve_key", role, wanted.name, CREATED, ("it is the next key",), key, 0)
        for role, key in generations.next.items()
        if key not in known
    ]
    reason = ("its rotation is complete",)
    gone = [Entity("curve_key", wanted.curve_role, wanted.name, REMOVED, reason, key, 0) for key in retired]
    return Findings([*new, *gone], [Removal(wanted.name, "", [key]) for key in retired])


def _ahead_of_users(policy: Policy, wanted: WantedAccount) -> Policy:
    """The policy with a renewal window in which no newly issued user outlives the account, if the account is valid for long enough."""
    if not policy.renew_before or policy.expires_in is None:
        return policy
    longest = max((_life_of(user.options) for user in wanted.users if user.state != ABSENT), default=0)
    if longest <= policy.renew_before or longest + policy.renew_spread >= policy.expires_in:
        return policy
    return dataclasses.replace(policy, renew_before=longest)


def _life_of(options: Mapping[str, Any]) -> int:
    """How long the JWT of a user is valid, in seconds; 0 if it does not expire, expires at a fixed time, or the option cannot be read."""
    with contextlib.suppress(ValueError):
        return units.parse_seconds(options["expires_in"]) if options.get("expires_in") is not None else 0
    return 0


def _mistyped(wanted: WantedAccount) -> Iterator[Problem]:
    """Problems for entries of `remove_revocations` that look like a public key but are not one. Names without a revocation are accepted."""
    for index, name in enumerate(wanted.remove_revocations):
        if wanted_claims.looks_like_key(name) and all(key_problem(name, kind) for kind in ("user", "account")):
            yield Problem(f"{join(wanted.place, 'remove_revocations')}[{index}]", key_problem(name, "user"))


def plan_account(given: Given, operator: Claims | None, draft: Draft, exporters: Mapping[str, Exporter]) -> AccountPlan:
    """Decide on an account and on the activations of its imports."""
    wanted, found = draft.wanted, given.place.accounts.get(draft.wanted.name)
    activations = plan_activations(given, wanted, draft.claims, exporters)
    claims = _with_tokens(draft.claims, activations.tokens)
    signing = given.names.that_sign(operator) if operator is not None else None
    issuers = account_issuers(signing, given.names.operator_roles, wanted, claims.subject, given.place.is_managed)
    if operator is None and given.signer:
        issuers = issuers._replace(allowed=[given.signer, *issuers.allowed])
    subject = Subject(
        "account", wanted.name, "", wanted.place, given.place.where(wanted.name), f"accounts.{wanted.name}"
    )
    made = decided(given, subject, claims, found, issuers, draft.policy)
    findings = Findings().take(draft.findings).take(activations.findings)
    if isinstance(made, Verdict):
        return AccountPlan(None, as_it_will_be(claims, found, draft.policy), [], findings.judge(made))
    final = dataclasses.replace(as_it_will_be(claims, found, draft.policy), issuer=made.signing.issuer)
    final.body.revocations = made.decision.claims.body.revocations
    being_made = [index for index, token in activations.tokens.items() if token in activations.steps]
    ruled = verdicts.of_claims(final, wanted.place, given.how.now, being_made)
    findings.judge(ruled.beside(draft.findings.verdict.problems))
    if operator is not None:
        findings.judge(verdicts.of_account(operator, final, wanted.place, given.place.is_managed))
    findings.take(findings_of(given, subject, made.decision, found)).judge(_cut_off(given, wanted, final, found))
    writes = not made.decision.is_kept or found is None or bool(found.fault)
    step = Step(found, made.decision, made.signing.issuer, writes, activations.steps)
    return AccountPlan(step, final, being_made, findings)


def _cut_off(given: Given, wanted: WantedAccount, final: Claims, found: Found | None) -> Verdict:
    """A problem or warning for each signing key that is removed, with the number of users that lose access.

    Servers close the connections of these users once they have the new JWT of the account. This is a problem, but only a warning if the task sets
    `cut_off`, if a rotation removes the key, or if the users are not known.
    """
    kept = {key.key for key in final.body.signing_keys}
    lost = [key for key in (found.claims.body.signing_keys if found is not None else ()) if key.key not in kept]
    if not lost:
        return Verdict()
    are_known = given.place.trust is not None  # a task for a single account does not know the users
    signed = _signed_by(given, wanted) if are_known else {}
    path = join(wanted.place, "signing_keys")
    rotated = given.names.of(final.subject).retired
    problems, warnings = [], []
    for key in lost:
        role = key.role or role_of(given.place.roles.get(final.subject, {}), key.key)[0]
        ends = _what_ends(key.key, role, signed.get(key.key, 0) if are_known else None)
        if are_known and not signed.get(key.key):
            continue
        if not are_known or given.how.cut_off or key.key in rotated:
            warnings.append(Problem(path, f"{ends} To avoid that, keep both keys until every user has new creds."))
        else:
            problems.append(Problem(path, f"{ends} {_WAY}"))
    return Verdict(tuple(problems), tuple(warnings))


#: How to remove a signing key without an outage.
_WAY = (
    "This also applies to users whose JWT this run would issue again, until their clients have it. Instead, keep the role in signing_keys and replace its "
    "key, with the playbook natsops.security.rotate, or with rotations, phase resign, and phase retire once no client connects by the old key. "
    "For users that another role is to sign, keep both roles until their clients have the new creds. To accept the outage, set cut_off: true in the task."
)


def _signed_by(given: Given, wanted: WantedAccount) -> Mapping[str, int]:
    """The number of remaining users whose JWT is signed by each key."""
    stay = {user.name: user.state != ABSENT for user in wanted.users}
    files = [user for user in given.place.user_files(wanted.name).users if stay.get(user, not given.how.prune)]
    texts = (given.place.user_text(wanted.name, user) for user in files)
    return collections.Counter(peek(decorated.token_in(text)).issuer for text in texts if text is not None)


def _what_ends(key: str, role: str, count: int | None) -> str:
    """A description of the outage that the removal of a signing key causes. `count` is the number of users in the store, None if not known."""
    users = "the users" if count is None else f"{count} user{'s' if count != 1 else ''}"
    return (
        f"{key}{f' ({role})' if role else ''} is removed, which cuts off {users} that it signed: servers close their connections as soon as they have "
        "the new JWT of the account, and only a JWT signed by another key is accepted again."
    )


def _with_tokens(claims: Claims, tokens: Mapping[int, str]) -> Claims:
    if not tokens:
        return claims
    imports = [
        dataclasses.replace(item, token=tokens[index]) if index in tokens else item
        for index, item in enumerate(claims.body.imports)
    ]
    return dataclasses.replace(claims, body=dataclasses.replace(claims.body, imports=imports))


def as_it_will_be(claims: Claims, found: Found | None, policy: Policy) -> Claims:
    """The wanted claims in the order of the document, plus the signing keys that the account keeps. The rules check these claims."""
    old = found.claims.body.signing_keys if found is not None else []
    lost = {key.key for key in claims.body.signing_keys} | policy.remove_signing_keys
    keys = [*claims.body.signing_keys, *(key for key in old if key.key not in lost)]
    return dataclasses.replace(claims, body=dataclasses.replace(claims.body, signing_keys=keys))


# ---- accounts that are not in the document, or that are to be absent


def plan_other_accounts(given: Given) -> Findings:
    """Decide on existing accounts that are not in the document or are to be absent."""
    wanted = {one.name: one for one in given.wanted.accounts}
    findings = Findings()
    for name, found in given.place.accounts.items():
        one = wanted.get(name)
        if one is not None and one.state != ABSENT:
            continue
        users = _users_of(given, name, findings)
        if one is None and not given.how.prune:
            findings.entities += _extra(name, found.claims, users)
            continue
        reason = "its state is absent" if one is not None else "it is not in the document"
        for user, claims in users.items():
            findings.take(plan_user_that_goes(given, name, user, claims, "its account is removed"))
        findings.take(_account_that_goes(given, name, found.claims, reason))
    return findings


def _users_of(given: Given, account: str, findings: Findings) -> dict[str, Claims]:
    users = {}
    for user in given.place.user_files(account).users:
        found = read_user(given, account, user)
        if isinstance(found, Found):
            users[user] = found.claims
        elif found is not None:
            findings.judge(Verdict((found,)))
    return users


def _extra(name: str, account: Claims, users: Mapping[str, Claims]) -> list[Entity]:
    because = ("its account is not in the document",)
    return [
        Entity("account", name, "", EXTRA, ("it is not in the document",), account.subject, account.expires),
        *(Entity("user", user, name, EXTRA, because, one.subject, one.expires) for user, one in users.items()),
    ]


def _account_that_goes(given: Given, name: str, claims: Claims, reason: str) -> Findings:
    keys = [claims.subject, *signing_keys_of(claims)]
    findings = Findings(
        [Entity("account", name, "", REMOVED, (reason,), claims.subject, claims.expires)],
        [Removal(name, "", keys, True)],
    )
    if given.how.diff:
        findings.before[f"accounts.{name}"] = describe(claims)
    return findings
