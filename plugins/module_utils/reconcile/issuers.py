# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Who may sign what, and which of those keys is at hand."""

from __future__ import annotations

from typing import Mapping, NamedTuple, Sequence

from ..claims import Account, Claims, Operator, ScopeTemplate, SigningKey
from ..keys.keyring import Keyring
from ..keys.new import NewKey
from .wanted import WantedAccount


class Issuers(NamedTuple):
    """The keys that may sign, those first that are preferred for a new token. Without any, `problem` says why."""

    allowed: Sequence[str]
    scopes: Mapping[str, SigningKey] = {}  # those of them that have a scope
    problem: str = ""
    path: str = ""  # the option that the problem is about
    may_come: bool = False  # an earlier task of the play may be about to add the key
    strict: str = ""  # the identity key that may not sign, because the operator is strict
    whose: str = ""  # of what the keys are, for messages: "account APP", with the role where one is asked for


class Signing(NamedTuple):
    """The key that signs, and its scope, where it has one."""

    issuer: str
    scope: SigningKey | None = None


def operator_issuers(own: str, signing_keys: Sequence[str]) -> Issuers:
    """An operator signs itself, with its identity or with a signing key (operator_claims.go of the Go library)."""
    return Issuers(list(dict.fromkeys([own, *signing_keys])), whose="the operator")


def account_issuers(
    operator: Claims | None, roles: Mapping[str, str], wanted: WantedAccount, own: str, self_signed: bool
) -> Issuers:
    """An account is signed by a key of its operator; where accounts sign themselves for an operator elsewhere, also by itself."""
    if operator is None:
        return Issuers([own])
    body: Operator = operator.body
    strict = body.strict_signing_key_usage
    if wanted.role:
        known = [*body.signing_keys, *([] if strict else [operator.subject])]
        key = roles.get(wanted.role) or (wanted.role if wanted.role in known else "")
        if not key:
            names = ", ".join(sorted(roles)) or "none"
            problem = f"the operator has no signing key with the role {wanted.role}; available: {names}."
            return Issuers([], problem=problem, path="signing_key_role")
        return Issuers([key], whose=f"the role {wanted.role} of the operator {operator.name or operator.subject}")
    allowed = [*body.signing_keys, *([] if strict else [operator.subject]), *([own] if self_signed else [])]
    if not allowed:
        return Issuers(
            [],
            problem="no key may sign it: the operator is strict (strict_signing_key_usage) and has no signing key.",
            path="",
        )
    whose = f"the operator {operator.name or operator.subject}"
    return Issuers(list(dict.fromkeys(allowed)), strict=operator.subject if strict else "", whose=whose)


def account_roles(account: Claims, recorded: Mapping[str, str]) -> dict[str, str]:
    """The keys by role of an account: those of its scopes, and those on record."""
    body: Account = account.body
    return {**{key.role: key.key for key in body.signing_keys if key.role}, **recorded}


def user_issuers(account: Claims, role: str, roles: Mapping[str, str], strict: bool) -> Issuers:
    """A user is signed by a key of its account: by the one of a role, or by any without a scope. The identity is last, and none under a strict operator."""
    body: Account = account.body
    name = account.name or account.subject
    scopes = {key.key: key for key in body.signing_keys if key.template is not None}
    if not role:
        plain = [key.key for key in body.signing_keys if key.template is None]
        allowed = [*plain, *([] if strict else [account.subject])]
        if allowed:
            return Issuers(allowed, scopes, strict=account.subject if strict else "", whose=f"the account {name}")
        problem = (
            "the operator is strict (strict_signing_key_usage), so users are signed with signing keys: "
            f"name a role, or give {name} a signing key without a template."
        )
        return Issuers([], scopes, problem, "signing_key_role")
    wanted = roles.get(role, role)
    if any(key.key == wanted for key in body.signing_keys):
        return Issuers(
            [wanted],
            {wanted: scopes[wanted]} if wanted in scopes else {},
            whose=f"the role {role} of the account {name}",
        )
    known = ", ".join(sorted(roles)) or "none"
    problem = f"the account {name} has no signing key with the role {role}; its roles are {known}."
    return Issuers([], scopes, problem, "signing_key_role", True)


def activation_issuers(account: Claims, strict: bool) -> Issuers:
    """An activation is signed by a key of the exporting account; scopes are for users, so keys without one are preferred."""
    body: Account = account.body
    plain = [key.key for key in body.signing_keys if key.template is None]
    scoped = [key.key for key in body.signing_keys if key.template is not None]
    return Issuers([*plain, *([] if strict else [account.subject]), *scoped])


def choose(issuers: Issuers, earlier: str, ring: Keyring, named: str) -> Signing | str:
    """The key that signs: the one that the task names, else whoever signed what is there, else the first at hand. Or why none can.

    A scoped key that the task names by its seed is taken though no role asks for it.
    """
    if named:
        if isinstance(named, NewKey) or named in issuers.allowed or named in issuers.scopes:
            return _signing(named, issuers)
        if named == issuers.strict:
            return (
                f"the signer is the identity key of {issuers.whose}, and the operator is strict (strict_signing_key_usage): "
                f"sign with a signing key, {_listed(issuers.allowed)}."
            )
        whose = issuers.whose or "those that may sign it"
        return f"the signer {named} is not a key of {whose}, which are {_listed(issuers.allowed)}."
    if earlier in issuers.allowed:
        return _signing(earlier, issuers)
    return _signing(next(filter(ring.has, issuers.allowed), issuers.allowed[0]), issuers)


def at_hand(issuers: Issuers, chosen: Signing, ring: Keyring) -> Signing | str:
    """A key that signs again: the chosen one, or another that may and is at hand. Or why none can."""
    found = next(filter(ring.has, [chosen.issuer, *issuers.allowed]), chosen.issuer if ring.asks_elsewhere else "")
    return _signing(found, issuers) if found else no_seed(issuers.allowed, ring)


def named_at_hand(named: Signing, ring: Keyring) -> Signing | str:
    """The key that the task names, where it can sign. Or why it cannot."""
    if ring.has(named.issuer) or ring.asks_elsewhere:
        return named
    return (
        f"it has to be signed, and only the public half of {named.issuer} is here: "
        "give its seed, or another key that may sign, by signer_path, signer_seed or signers."
    )


def no_seed(allowed: Sequence[str], ring: Keyring) -> str:
    """Why something cannot be signed."""
    return (
        "it has to be signed, and the seed of none of the keys that may is here "
        f"({ring.where or 'no key is given'}): {_listed(allowed)}."
    )


def scope_to_come(role: str) -> SigningKey:
    """The scope of a role that an earlier task of the play may be about to add."""
    return SigningKey(role=role, template=ScopeTemplate())


def _signing(key: str, issuers: Issuers) -> Signing:
    return Signing(key, issuers.scopes.get(key))


def _listed(keys: Sequence[str]) -> str:
    return " or ".join(keys) or "none"
