# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What is to be done to the operator and to its accounts."""

from __future__ import annotations

import dataclasses

from ..claims import Account, Claims, Operator, SigningKey
from . import check
from . import document as documents
from .document import AccountWish
from .plan_activations import plan_activations
from .plan_keys import removed_signing_keys
from .plan_users import stored_subject
from .planning import AccountPlan, Planning
from .wanted import wanted_account, wanted_operator


def plan_operator(planning: Planning) -> None:
    """Decide for the operator."""
    removed = removed_signing_keys(
        planning,
        planning.document.options,
        "operator",
        planning.keys.operator,
        [SigningKey(key=key) for key in _old_operator(planning).signing_keys],
        [wish.public_key or planning.keys.operator_roles.get(wish.role, "") for wish in planning.document.signing_keys],
        "",
    )
    wanted = wanted_operator(planning.plan, planning.keys, planning.problems)
    policy = documents.policy(planning.document.options, "operator", planning.problems, remove_signing_keys=removed)
    planning.plan.operator_policy = policy
    planning.operator = wanted.body
    final = [*wanted.body.signing_keys, *(key for key in _old_operator(planning).signing_keys if key not in removed)]
    allowed = list(dict.fromkeys([planning.keys.operator, *final]))
    made = planning.decide("operator", planning.layout.operator_jwt, wanted, planning.store.operator, allowed, policy)
    if made is None:
        return
    decision, planning.plan.operator_issuer = made
    planning.plan.operator_is_issued = not decision.is_kept
    planning.plan.operator_writes_token = not decision.is_kept or not planning.is_exact(planning.store.operator)
    planning.operator = dataclasses.replace(wanted.body, signing_keys=final)
    planning.problems.extend(
        check.claims(dataclasses.replace(wanted, body=planning.operator), "operator", planning.now)
    )
    planning.tell(
        "operator",
        planning.document.name,
        "",
        decision,
        planning.store.operator,
        planning.layout.operator_jwt,
        "operator",
    )


def _old_operator(planning: Planning) -> Operator:
    stored = planning.store.operator
    return stored.claims.body if stored is not None else Operator()


def plan_policy(planning: Planning, account: AccountPlan) -> None:
    """When the account is renewed, and what it loses."""
    wish = account.wish
    old: Account = account.stored.claims.body if account.stored is not None else Account()
    planning.problems.extend(documents.activation_problems(wish))
    wished = [key.public_key or planning.keys.roles[wish.name].get(key.role, "") for key in wish.signing_keys]
    removed = removed_signing_keys(
        planning, wish.options, wish.path, planning.keys.accounts[wish.name], old.signing_keys, wished, wish.name
    )
    account.policy = documents.policy(
        wish.options,
        wish.path,
        planning.problems,
        remove_signing_keys=removed,
        remove_revocations=frozenset(
            _revocation_key(planning, wish, str(name)) for name in wish.options.get("remove_revocations") or ()
        ),
    )


def plan_account(planning: Planning, account: AccountPlan) -> None:
    """Decide for an account and the activations of its imports."""
    wish = account.wish
    old: Account = account.stored.claims.body if account.stored is not None else Account()
    granted = plan_activations(planning, account)
    wanted = wanted_account(account, planning.keys, granted, planning.problems)
    made = planning.decide(
        wish.path,
        planning.layout.account_jwt(wish.name),
        wanted,
        account.stored,
        _account_issuers(planning, account),
        account.policy,
    )
    if made is None:
        planning.finals[wish.name] = wanted
        return
    decision, account.issuer = made
    account.is_issued = not decision.is_kept
    account.writes_token = not decision.is_kept or not planning.is_exact(account.stored)
    # Rules are held to what the document says, in its own order, and to what the account keeps beside that.
    final = dataclasses.replace(wanted, issuer=account.issuer, body=dataclasses.replace(wanted.body))
    final.body.revocations = decision.claims.body.revocations
    listed = {key.key for key in wanted.body.signing_keys}
    final.body.signing_keys = [
        *wanted.body.signing_keys,
        *(key for key in old.signing_keys if key.key not in listed | account.policy.remove_signing_keys),
    ]
    planning.finals[wish.name] = final
    being_made = [activation.index for activation in account.activations]
    planning.problems.extend(check.claims(final, wish.path, planning.now, being_made))
    planning.problems.extend(check.between(_operator_claims(planning), final, wish.path, planning.store.is_managed))
    planning.tell(
        "account",
        wish.name,
        "",
        decision,
        account.stored,
        planning.layout.account_jwt(wish.name),
        f"accounts.{wish.name}",
    )


def _operator_claims(planning: Planning) -> Claims:
    return Claims(name=planning.document.name, subject=planning.keys.operator, body=planning.operator)


def _revocation_key(planning: Planning, wish: AccountWish, name: str) -> str:
    found = planning.keys.users[wish.name].get(name)
    if found is None and any(user.name == name for user in wish.users):
        found = stored_subject(planning, wish.name, name)
    return found or name


def _account_issuers(planning: Planning, account: AccountPlan) -> list[str]:
    """The keys that may sign the account, those first that are to be preferred for a new token."""
    wish = account.wish
    if wish.role:
        key = planning.keys.operator_roles.get(wish.role) or (
            wish.role if wish.role in (*planning.operator.signing_keys, planning.keys.operator) else ""
        )
        if not key:
            roles = ", ".join(sorted(planning.keys.operator_roles)) or "none"
            planning.problem(
                wish.path + ".signing_key_role",
                f"the operator has no signing key with the role {wish.role}, there are {roles}.",
            )
        return [key] if key else []
    own = [] if planning.operator.strict_signing_key_usage else [planning.keys.operator]
    self_signed = [planning.keys.accounts[wish.name]] if planning.store.is_managed else []
    return list(dict.fromkeys([*planning.operator.signing_keys, *own, *self_signed]))
