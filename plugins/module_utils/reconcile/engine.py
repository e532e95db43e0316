# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Makes a plan from wanted entities, existing tokens and available keys.

Every task of nats_user loads all modules that are imported here. So the modules that plan accounts, activations and revocations are imported only
where they are used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Mapping

from ..claims import Claims
from ..keys.keyring import Keyring
from . import verdicts
from .above import check_above
from .given import Findings, Given
from .members import Members, find_members
from .names import name_keys
from .operators import OperatorPlan, plan_operator
from .place import Place
from .plan import Plan
from .rotation import ADD
from .users import UserAccount, plan_users
from .verdicts import Verdict
from .wanted import ABSENT, EXISTING, How, Wanted, WantedAccount, WantedActivation

if TYPE_CHECKING:
    from .accounts import AccountPlan


def reconcile(wanted: Wanted, place: Place, ring: Keyring, how: How, signer: str = "") -> Plan:
    """Decide on every entity. Returns the plan with all problems; a plan with problems must not be applied."""
    if wanted.strict_phase:
        from .strict_phases import reconcile_phase  # few tasks make an operator strict

        return reconcile_phase(wanted, place, lambda one: _reconcile(one, place, ring, how, signer))
    return _reconcile(wanted, place, ring, how, signer)


def _reconcile(wanted: Wanted, place: Place, ring: Keyring, how: How, signer: str) -> Plan:
    names = name_keys(wanted, place, ring)
    if wanted.strict_phase == ADD:
        from .strict_phases import keys_to_come

        names.unused = keys_to_come(wanted, place, names)
    given = Given(wanted, place, ring, names, how, signer)
    plan = Plan(how.now, names)
    plan.add(Verdict((*place.problems, *names.problems)))
    present = [one for one in wanted.accounts if one.state != ABSENT]
    plan.add(check_above(given, [one for one in present if one.state == EXISTING]))
    if plan.problems and how.details:
        return plan  # nothing can be signed, and a module for a single entity does nothing else
    if wanted.rotations:
        from .turned_users import turn_users  # few tasks rotate keys

        plan.problems += turn_users(given)
    operator = _operator(given)
    plan.operator = operator.step
    _take(plan, operator.findings)
    members = {one.name: find_members(given, one) for one in present}
    accounts = _accounts(given, operator.claims, [one for one in present if one.state != EXISTING], members)
    for one in present:
        if one.state == EXISTING:
            _take(plan, members[one.name].findings)  # the findings of other accounts are in their account plan
        if one.state == EXISTING and one.change is not None:
            from .revocations import plan_revocations  # few tasks change only revocations

            changed = plan_revocations(given, operator.claims, one)
            plan.revocations += changed.entries
            plan.notes += changed.notes
            plan.lost_signing_keys += changed.lost_signing_keys
            if changed.step is not None:
                plan.accounts[one.name] = changed.step
            _take(plan, changed.findings)
    finals = dict(accounts.items())
    for name, account in accounts.items():
        if account.step is not None:
            plan.accounts[name] = account.step
        _take(plan, account.findings)
    claims = {name: account.claims for name, account in finals.items()}
    places = {one.name: one.place for one in present}
    system = operator.claims.body.system_account if operator.claims is not None else ""
    plan.add(verdicts.across(claims, places, system, {name: one.being_made for name, one in finals.items()}))
    if operator.claims is not None and operator.claims.body.assert_server_version:
        from .asserted import check_asserted_version  # few operators set assert_server_version

        plan.add(check_asserted_version(wanted, operator.claims, claims))
    strict = operator.claims is not None and operator.claims.body.strict_signing_key_usage
    for one in present:
        found = claims.get(one.name) or _existing(place, one)
        if found is not None and wanted.strict_phase == ADD:
            from .strict_phases import new_users

            plan.user_keys[one.name] = members[one.name].named
            plan.problems += new_users(one, members[one.name].named)
        elif found is not None:
            _plan_users(plan, given, UserAccount(one, found, strict), members[one.name])
    if wanted.operator is not None and wanted.operator.state != EXISTING:
        from .accounts import plan_other_accounts

        _take(plan, plan_other_accounts(given))
    if wanted.rotations:
        from .rotated import still_signed, turned_roles

        plan.problems += still_signed(given, plan)
        for rotation in wanted.rotations:
            if rotation.compromised:
                from .exposed import exposed  # few keys are compromised

                plan.exposed[rotation.place], warnings = exposed(given, rotation)
                plan.warnings += warnings
        if not plan.changes:
            plan.entities += turned_roles(given)
    if operator.step is not None and strict and operator.step.found is not None:
        from .strict import switch_problems  # few tasks make an operator strict

        problems, warnings = switch_problems(given, plan)
        plan.problems += problems
        plan.warnings += warnings
    if place.trust is not None:
        from .locked_out import who_is_locked_out  # a task for a single entity does not know the users

        plan.warnings += who_is_locked_out(given, plan)
    if wanted.running is not None:
        from .running import problems_of_running  # few tasks know what runs

        problems, warnings = problems_of_running(given, plan, wanted.running)
        plan.problems += problems
        plan.warnings += warnings
    plan.problems = list(dict.fromkeys(plan.problems))
    plan.warnings = list(dict.fromkeys(plan.warnings))
    return plan


def _operator(given: Given) -> OperatorPlan:
    wanted, found = given.wanted.operator, given.place.operator
    if wanted is not None and wanted.state != EXISTING:
        return plan_operator(given, wanted)
    return OperatorPlan(None, found.claims if found is not None else None, Findings())


def reconcile_activation(wanted: WantedActivation, place: Place, ring: Keyring, how: How, signer: str = "") -> Plan:
    """Decide on a single activation for an export of an account that is used as it is. Returns the plan."""
    from .activations import plan_activation

    account = WantedAccount("", wanted.account, "", "", EXISTING, [], [], {})
    asked = Wanted(None, [account])
    given = Given(asked, place, ring, name_keys(asked, place, ring), how, signer)
    plan = Plan(how.now, given.names)
    plan.add(check_above(given, [account]))
    if plan.problems:
        return plan
    step, findings = plan_activation(given, wanted)
    plan.activation = step
    _take(plan, findings)
    return plan


def _existing(place: Place, wanted: WantedAccount) -> Claims | None:
    found = place.accounts.get(wanted.name)
    return found.claims if found is not None else None


def _accounts(
    given: Given, operator: Claims | None, wanted: list[WantedAccount], members: Mapping[str, Members]
) -> dict[str, AccountPlan]:
    if not wanted:
        return {}
    from .accounts import draft_account, plan_account
    from .activations import Exporter

    drafts = [draft_account(given, one, members[one.name]) for one in wanted]
    found = given.place.accounts
    exporters = {
        draft.claims.subject: Exporter(draft.wanted.name, draft.claims, found.get(draft.wanted.name))
        for draft in drafts
    }
    return {draft.wanted.name: plan_account(given, operator, draft, exporters) for draft in drafts}


def _plan_users(plan: Plan, given: Given, account: UserAccount, members: Members) -> None:
    name = account.wanted.name
    users = plan_users(given, account, members)
    plan.users[name] = users.steps
    plan.kept_users.update({name: users.kept} if users.kept else {})
    plan.user_keys[name] = users.keys
    plan.details.update({(name, user): decision for user, decision in users.details.items()})
    _take(plan, users.findings)


def _take(plan: Plan, findings: Findings) -> None:
    plan.entities += findings.entities
    plan.removals += findings.removals
    plan.before.update(findings.before)
    plan.after.update(findings.after)
    plan.add(findings.verdict)
