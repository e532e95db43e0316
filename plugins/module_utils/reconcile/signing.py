# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Signs the tokens of a plan, once its keys exist. Nothing is decided here: the plan has the claims, and created keys replace their placeholders.

Everything is signed through `_encode`, which requests all signatures of a key at once, because a key may be in an HSM or reached over a network.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Mapping, NamedTuple, Sequence

from ..claims import Account, Activation, Claims, User
from ..claims.declaration import copy_with
from ..keys.keyring import Keyring
from ..keys.new import NewToken, Placeholder, resolve
from ..token import codec
from .plan import ActivationStep, Plan, Step
from .wanted_claims import with_own_key

if TYPE_CHECKING:
    from ..decision.unsigned import Request

#: The created keys, by their placeholders.
Made = Mapping[Placeholder, str]


class Tokens(NamedTuple):
    """The tokens that a plan issues: of the operator, of accounts by name, and of users by account and name."""

    operator: str | None
    accounts: dict[str, str]
    users: dict[tuple[str, str], str]


def key_of(key: str, made: Made) -> str:
    """The public key; for a placeholder, the key that was created for it, or the placeholder itself if there is none yet."""
    return made.get(key, key) if isinstance(key, Placeholder) else key


def with_keys(reasons: Sequence[str], made: Made) -> list[str]:
    """The reasons with created public keys in place of their placeholders, so that they equal those of a run in which these keys exist."""
    for placeholder, key in made.items():
        reasons = [reason.replace(placeholder, key) for reason in reasons]
    return [*reasons]


def sign_plan(plan: Plan, ring: Keyring, made: Made) -> Tokens:
    """Sign all tokens that a plan issues. NatsSecurityError as from `codec.encode`, or if a signer fails; then no token is returned."""
    operator = [plan.operator] if plan.operator is not None and plan.operator.is_issued else []
    accounts = {name: step for name, step in plan.accounts.items() if step.is_issued}
    steps = _sign_steps([*operator, *accounts.values()], ring, made)
    bodies: dict[int, User] = {}
    users = [
        ((account, user.name), _user_claims(user.claims, made, bodies), user.issuer)
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
    """The requests for all tokens whose signing keys are not available: `operator`, `account NAME` and `user ACCOUNT/NAME`."""
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
                    request_for(f"user {account}/{user.name}", _user_claims(user.claims, made, {}), reasons, user.token)
                )
    return requests


def claims_of_step(step: Step, ring: Keyring, made: Made) -> Claims:
    """The claims of the token of a step, once its keys are created."""
    return _claims_of([step], ring, made)[0]


def sign_step(step: Step, ring: Keyring, made: Made) -> str:
    """Sign the token of a single step, with the activations of its imports. NatsSecurityError as from `sign_plan`."""
    return _sign_steps([step], ring, made)[0]


def _encode(items: Sequence[tuple[Claims, str]], ring: Keyring, made: Made) -> list[str]:
    """The signed tokens for pairs of claims and issuer, in the same order."""
    return codec.encode_all([(claims, ring.signer(key_of(issuer, made)), claims.issued_at) for claims, issuer in items])


def _sign_steps(steps: Sequence[Step], ring: Keyring, made: Made) -> list[str]:
    """The tokens of operators and accounts."""
    claims = _claims_of(steps, ring, made)
    return _encode(list(zip(claims, (step.issuer for step in steps))), ring, made)


def _claims_of(steps: Sequence[Step], ring: Keyring, made: Made) -> list[Claims]:
    """The claims of operators and accounts. Signs the activations of their imports, and inserts them."""
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
    """The claims of an account with its own public key inserted in the subjects of its imports; other claims as they are."""
    body: Any = claims.body
    if not isinstance(body, Account):
        return claims
    imports = [
        item if item is None else copy_with(item, subject=with_own_key(item.subject, claims.subject))
        for item in body.imports
    ]
    made: Claims = copy_with(claims, body=copy_with(body, imports=imports))
    return made


def _user_claims(claims: Claims, made: Made, bodies: dict[int, User]) -> Claims:
    """The claims of a user with the keys that were created. `bodies` has the new body of each body, which users share in the new claims as well."""
    if isinstance(claims.subject, Placeholder):
        claims = copy_with(claims, subject=made[claims.subject])
    if isinstance(claims.body.issuer_account, Placeholder):
        known = id(claims.body)
        if known not in bodies:
            bodies[known] = copy_with(claims.body, issuer_account=made[claims.body.issuer_account])
        claims = copy_with(claims, body=bodies[known])
    return claims
