# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The tokens of a plan, once its keys exist. Nothing is decided here: a plan carries its claims, and what was made takes the place of placeholders.

Everything is signed through `_encode`, which asks each key once for all of its signatures: a key may be in an HSM or behind a network.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Mapping, NamedTuple, Sequence

from ..claims import Account, Activation, Claims
from ..claims.declaration import copy_with
from ..keys.keyring import Keyring
from ..keys.new import NewToken, Placeholder, resolve
from ..token import codec
from .claims import with_own_key
from .plan import ActivationStep, Plan, Step

if TYPE_CHECKING:
    from ..decision.unsigned import Request

#: The keys that were made, by their placeholders.
Made = Mapping[Placeholder, str]


class Tokens(NamedTuple):
    """The tokens of all that a plan issues: the operator's, those of accounts by name, those of users by account and name."""

    operator: str | None
    accounts: dict[str, str]
    users: dict[tuple[str, str], str]


def key_of(key: str, made: Made) -> str:
    """A public key, also where it was a placeholder."""
    return made.get(key, key) if isinstance(key, Placeholder) else key


def with_keys(reasons: Sequence[str], made: Made) -> list[str]:
    """Reasons with the public keys that were made in place of their placeholders: a run that finds these keys gives the same reasons."""
    for placeholder, key in made.items():
        reasons = [reason.replace(placeholder, key) for reason in reasons]
    return [*reasons]


def sign_plan(plan: Plan, ring: Keyring, made: Made) -> Tokens:
    """All tokens that a plan issues, or NatsSecurityError as `codec.encode` and of a signer: then there is none of them."""
    operator = [plan.operator] if plan.operator is not None and plan.operator.is_issued else []
    accounts = {name: step for name, step in plan.accounts.items() if step.is_issued}
    steps = _sign_steps([*operator, *accounts.values()], ring, made)
    users = [
        ((account, user.name), _user_claims(user.claims, made), user.issuer)
        for account, steps_of_users in plan.users.items()
        for user in steps_of_users
        if user.claims is not None
    ]
    signed = _encode([(claims, issuer) for _unused, claims, issuer in users], ring, made)
    return Tokens(
        steps[0] if operator else None,
        dict(zip(accounts, steps[len(operator) :])),
        {name: token for (name, _unused, _unused_too), token in zip(users, signed)},
    )


def unsigned_of(plan: Plan, ring: Keyring, made: Made) -> list[Request]:
    """The requests for all that keys sign which are not at hand: `operator`, `account NAME` and `user ACCOUNT/NAME`."""
    from ..decision.unsigned import request_for  # few tasks have keys elsewhere

    steps = [("operator", plan.operator), *((f"account {name}", step) for name, step in plan.accounts.items())]
    issued = [(what, step) for what, step in steps if step is not None and step.is_issued]
    away = [(what, step) for what, step in issued if not ring.has(key_of(step.issuer, made))]
    requests = [
        request_for(
            what,
            claims,
            with_keys(step.decision.reasons, made),
            step.found.token if step.found is not None else None,
        )
        for (what, step), claims in zip(away, _claims_of([step for _unused, step in away], ring, made))
    ]
    why = {(one.account, one.name): one.reasons for one in plan.entities if one.kind == "user"}
    for account, users in plan.users.items():
        for user in users:
            if user.claims is not None and not ring.has(key_of(user.issuer, made)):
                reasons = with_keys(why.get((account, user.name), ()), made)
                requests.append(
                    request_for(f"user {account}/{user.name}", _user_claims(user.claims, made), reasons, user.token)
                )
    return requests


def claims_of_step(step: Step, ring: Keyring, made: Made) -> Claims:
    """What the token of a step is to say, once its keys are made."""
    return _claims_of([step], ring, made)[0]


def sign_step(step: Step, ring: Keyring, made: Made) -> str:
    """The token of a step alone; with the activations of its imports. NatsSecurityError as `sign_plan`."""
    return _sign_steps([step], ring, made)[0]


def _encode(items: Sequence[tuple[Claims, str]], ring: Keyring, made: Made) -> list[str]:
    """The tokens of claims, each with the key that signs it."""
    return codec.encode_all([(claims, ring.signer(key_of(issuer, made)), claims.issued_at) for claims, issuer in items])


def _sign_steps(steps: Sequence[Step], ring: Keyring, made: Made) -> list[str]:
    """The tokens of operators and accounts."""
    claims = _claims_of(steps, ring, made)
    return _encode(list(zip(claims, (step.issuer for step in steps))), ring, made)


def _claims_of(steps: Sequence[Step], ring: Keyring, made: Made) -> list[Claims]:
    """The claims of operators and accounts, with the activations of their imports, which are signed for that."""
    activations: list[tuple[int, NewToken, ActivationStep]] = [
        (number, placeholder, activation)
        for number, step in enumerate(steps)
        for placeholder, activation in step.activations.items()
    ]
    signed = _encode(
        [(_activation_claims(activation, made), activation.issuer) for _unused, _unused_too, activation in activations],
        ring,
        made,
    )
    known: list[dict[Placeholder, str]] = [dict(made) if step.activations else {} for step in steps]
    for (number, placeholder, _unused), token in zip(activations, signed):
        known[number][placeholder] = token
    return [_with_own_subjects(resolve(step.claims, tokens or made)) for step, tokens in zip(steps, known)]


def _activation_claims(step: ActivationStep, made: Made) -> Claims:
    claims: Claims = resolve(step.claims, made)
    body: Activation = claims.body
    subject = with_own_key(body.import_subject, claims.subject)
    if subject != body.import_subject:
        name = with_own_key(claims.name, claims.subject)
        claims = dataclasses.replace(claims, name=name, body=dataclasses.replace(body, import_subject=subject))
    return claims


def _with_own_subjects(claims: Claims) -> Claims:
    """The claims of an account with its own key in the subjects of its imports."""
    body: Any = claims.body
    if not isinstance(body, Account):
        return claims
    imports = [
        item if item is None else copy_with(item, subject=with_own_key(item.subject, claims.subject))
        for item in body.imports
    ]
    made: Claims = copy_with(claims, body=copy_with(body, imports=imports))
    return made


def _user_claims(claims: Claims, made: Made) -> Claims:
    if isinstance(claims.subject, Placeholder):
        claims = copy_with(claims, subject=made[claims.subject])
    if isinstance(claims.body.issuer_account, Placeholder):
        claims = copy_with(claims, body=copy_with(claims.body, issuer_account=made[claims.body.issuer_account]))
    return claims
