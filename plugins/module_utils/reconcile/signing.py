# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The tokens of a plan, once its keys exist. Nothing is decided here: a plan carries its claims, and what was made takes the place of placeholders."""

from __future__ import annotations

import dataclasses
from typing import Any, Mapping

from ..claims import Account, Activation, Claims
from ..claims.declaration import copy_with
from ..keys.keyring import Keyring
from ..keys.new import Placeholder, resolve
from ..token import codec
from .claims import with_own_key
from .plan import ActivationStep, Step, UserStep

#: The keys that were made, by their placeholders.
Made = Mapping[Placeholder, str]


def key_of(key: str, made: Made) -> str:
    """A public key, also where it was a placeholder."""
    return made.get(key, key) if isinstance(key, Placeholder) else key


def sign_step(step: Step, ring: Keyring, made: Made) -> str:
    """The token of an operator or account; with the activations of its imports, which are signed first. NatsSecurityError as `codec.encode`."""
    tokens: dict[Placeholder, str] = dict(made)
    for placeholder, activation in step.activations.items():
        tokens[placeholder] = _sign_activation(activation, ring, made)
    claims = _with_own_subjects(resolve(step.claims, tokens))
    return codec.encode(claims, ring.pair(key_of(step.issuer, made)), claims.issued_at)


def _sign_activation(step: ActivationStep, ring: Keyring, made: Made) -> str:
    claims: Claims = resolve(step.claims, made)
    body: Activation = claims.body
    subject = with_own_key(body.import_subject, claims.subject)
    if subject != body.import_subject:
        name = with_own_key(claims.name, claims.subject)
        claims = dataclasses.replace(claims, name=name, body=dataclasses.replace(body, import_subject=subject))
    return codec.encode(claims, ring.pair(key_of(step.issuer, made)), claims.issued_at)


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


def sign_user(step: UserStep, ring: Keyring, made: Made) -> str:
    """The token of a user: the one that stays, or a new one."""
    claims = step.claims
    if claims is None:
        return step.token or ""
    if isinstance(claims.subject, Placeholder):
        claims = copy_with(claims, subject=made[claims.subject])
    if isinstance(claims.body.issuer_account, Placeholder):
        claims = copy_with(claims, body=copy_with(claims.body, issuer_account=made[claims.body.issuer_account]))
    return codec.encode(claims, ring.pair(key_of(step.issuer, made)), claims.issued_at)
