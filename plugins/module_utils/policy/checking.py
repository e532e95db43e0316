# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Checks a policy against a tree: findings, findings that exceptions cover, and notes about the policy itself."""

from __future__ import annotations

import dataclasses
from typing import Iterable, Iterator

from ..access.show import claim_name
from ..access.tree import Entry, Tree
from ..base.errors import NatsSecurityError
from ..claims import Operator
from ..rules.server_versions import not_enforced_by_all
from .builtin import COMPLETE, EXPIRED, OF_POLICY
from .checks_access import account_of
from .checks_claims import has_known_age
from .findings import (
    ACCOUNTS,
    OPERATOR,
    USERS,
    Checked,
    Fault,
    Finding,
    Policy,
    Results,
    Rule,
    Selection,
    Waiver,
)

#: An exception that ends within this time, in seconds, is noted.
_SOON = 14 * 86400


def check(tree: Tree, policy: Policy) -> Results:
    """The results of the policy. NatsSecurityError if rules name accounts that are not in the tree."""
    _require_accounts(tree, policy)
    used: set[int] = set()
    checked = [_check_rule(tree, rule, policy, used) for rule in policy.rules if rule.kind.about]
    results = Results([*checked, _check_source(tree, policy, used), _check_waivers(tree, policy)], list(tree.problems))
    results.notes += _notes(tree, policy, used)
    return results


def _require_accounts(tree: Tree, policy: Policy) -> None:
    problems = []
    for rule in policy.rules:
        try:
            account_of(tree, rule)
        except NatsSecurityError as error:
            problems.append(str(error))
    if problems:
        raise NatsSecurityError("\n".join(problems))


# ---- rules


def _check_rule(tree: Tree, rule: Rule, policy: Policy, used: set[int]) -> Checked:
    entries = [entry for entry in _about(tree, rule) if rule.selects(tree, entry)]
    if rule.kind.name == "key-age":
        entries = [entry for entry in entries if has_known_age(entry)]
    return _sorted_out(tree, rule, (len(entries), rule.kind.check(tree, rule, entries)), (policy, used))


def _about(tree: Tree, rule: Rule) -> Iterator[Entry]:
    about = rule.values.get("of") or rule.kind.about
    if OPERATOR in about and tree.operator is not None:
        yield tree.operator
    if ACCOUNTS in about:
        yield from tree.accounts.values()
    if USERS in about:
        yield from tree.users


def _sorted_out(tree: Tree, rule: Rule, found: tuple[int, Iterable[Fault]], by: tuple[Policy, set[int]]) -> Checked:
    """The faults as findings. Faults with the same claim, place and message are one finding, such as those of a scope with a thousand users."""
    count, faults = found
    policy, used = by
    waivers = [waiver for waiver in policy.waivers if waiver.rule == rule.id]
    groups: dict[tuple[str, str, str, int], tuple[list[Fault], Waiver | None]] = {}
    for fault in faults:
        waiver = _waiver_for(tree, fault, waivers, used)
        key = ("", "") if fault.origin is None else (fault.origin.entry.key, fault.origin.path)
        groups.setdefault((*key, fault.message, id(waiver)), ([], waiver))[0].append(fault)
    findings = [_finding(tree, rule, group, waiver) for group, waiver in groups.values()]
    return Checked(
        rule,
        count,
        [finding for finding in findings if finding.waiver is None],
        [finding for finding in findings if finding.waiver is not None],
    )


def _waiver_for(tree: Tree, fault: Fault, waivers: list[Waiver], used: set[int]) -> Waiver | None:
    for waiver in waivers:
        if waiver.applies_to.matches(tree, fault.about):
            used.add(id(waiver))
            if not waiver.has_expired(tree.servers.now):
                return waiver
    return None


def _finding(tree: Tree, rule: Rule, faults: list[Fault], waiver: Waiver | None) -> Finding:
    entries = [fault.about for fault in faults if fault.about is not None]
    names = list(dict.fromkeys(claim_name(tree, entry) for entry in entries))
    origin = faults[0].origin
    return Finding(
        rule.id,
        rule.kind.name,
        rule.level,
        faults[0].message,
        claim_name(tree, origin.entry) if origin is not None else "",
        origin.entry.at(origin.path) if origin is not None else "",
        origin.entry.place if origin is not None else "",
        names,
        rule.reason,
        rule.reference,
        waiver,
    )


# ---- the source and the policy itself


def _check_source(tree: Tree, policy: Policy, used: set[int]) -> Checked:
    rule = next((one for one in policy.rules if one.id == COMPLETE), OF_POLICY[COMPLETE])
    faults = (Fault(None, problem) for problem in tree.problems)
    operators = 1 if tree.operator is not None else 0
    return _sorted_out(tree, rule, (operators + len(tree.accounts) + len(tree.users), faults), (policy, used))


def _check_waivers(tree: Tree, policy: Policy) -> Checked:
    """Exceptions that have expired, as findings with the level of their rule."""
    rule = OF_POLICY[EXPIRED]
    findings = []
    for waiver in policy.waivers:
        if waiver.has_expired(tree.servers.now):
            message = (
                f"the exception of {waiver.owner} from {waiver.rule} ended on {waiver.until.day} ({waiver.reason}); "
                "remove it, or agree on a new date."
            )
            place, _colon, path = waiver.path.rpartition(": ")
            findings.append(
                Finding(
                    rule.id,
                    rule.kind.name,
                    policy.levels[waiver.rule],
                    message,
                    path=path,
                    place=place,
                    reason=rule.reason,
                    reference=rule.reference,
                )
            )
    return Checked(rule, len(policy.waivers), findings, [])


def _notes(tree: Tree, policy: Policy, used: set[int]) -> Iterator[str]:
    """Notes on what breaks no rule but may be a mistake: selections that match nothing, exceptions that cover nothing or end soon."""
    checked = {rule.id for rule in policy.rules} | set(OF_POLICY)
    for waiver in policy.waivers:
        left = waiver.until.seconds - tree.servers.now
        if 0 < left <= _SOON:
            yield f"{waiver.path}: the exception of {waiver.owner} from {waiver.rule} ends on {waiver.until.day}."
        if waiver.rule in checked and id(waiver) not in used:
            yield f"{waiver.path}: the exception of {waiver.owner} from {waiver.rule} covers no finding; remove it."
    for rule in policy.rules:
        for name, selection in (("applies_to", rule.applies_to), ("leaves_out", rule.leaves_out)):
            if selection is not None and not selection.is_everything and not _selects_any(tree, rule, selection):
                yield f"{rule.path}.{name}: it selects nothing."
    yield from _not_enforced(tree)


def _not_enforced(tree: Tree) -> Iterator[str]:
    """Claims that some server versions do not enforce although the operator allows these versions. They may satisfy a rule without effect on such servers."""
    operator = tree.operator
    if operator is None or not isinstance(operator.claims.body, Operator):
        return
    titles = ((claim_name(tree, entry), entry.claims) for entry in (*tree.accounts.values(), *tree.users))
    for text in not_enforced_by_all(titles, operator.claims.body.assert_server_version):
        yield f"assert_server_version of the operator {operator.title} {text}"


def _selects_any(tree: Tree, rule: Rule, selection: Selection) -> bool:
    return any(selection.matches(tree, entry) for entry in _about(tree, rule))


# ---- results for programs


def show_finding(finding: Finding) -> dict[str, object]:
    """A finding as a dictionary."""
    members = (field.name for field in dataclasses.fields(finding) if field.name not in ("waiver", "text"))
    shown = {"message": finding.message, **{name: getattr(finding, name) for name in members}}
    if finding.waiver is not None:
        waiver = finding.waiver
        shown["exception"] = {
            "owner": waiver.owner,
            "reason": waiver.reason,
            "until": waiver.until.day,
            "path": waiver.path,
        }
    return shown


def show_checked(checked: Checked) -> dict[str, object]:
    """A rule with its result, as a dictionary."""
    rule = checked.rule
    return {
        "id": rule.id,
        "rule": rule.kind.name,
        "title": rule.kind.title,
        "level": rule.level,
        "checked": checked.count,
        "findings": len(checked.findings),
        "excepted": len(checked.excepted),
        "reason": rule.reason,
        "reference": rule.reference,
    }
