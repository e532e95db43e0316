# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Determines which keys may sign a token, and which of these are available."""

from __future__ import annotations

from typing import Mapping, NamedTuple, Sequence

from ..claims import Account, Claims, Operator, ScopeTemplate, SigningKey
from ..keys.keyring import Keyring
from ..keys.new import NewKey
from ..rules.trust import signers_of_accounts
from .wanted import WantedAccount


class Issuers(NamedTuple):
    """The keys that may sign, in order of preference for a new token. If there is none, `problem` is the reason."""

    allowed: Sequence[str]
    scopes: Mapping[str, SigningKey] = {}  # the scoped keys among them, by public key
    problem: str = ""
    path: str = ""  # the option that caused the problem
    may_come: bool = False  # an earlier task of the play may be about to add the key
    strict: str = ""  # the identity key that may not sign because the operator is strict
    whose: str = ""  # the owner of the keys, for messages: "account APP", with the role if one is requested


class Signing(NamedTuple):
    """The key that signs, and its scope, None if it has none."""

    issuer: str
    scope: SigningKey | None = None


def operator_issuers(own: str, signing_keys: Sequence[str]) -> Issuers:
    """The keys that may sign an operator: its identity key and its signing keys (operator_claims.go of the Go library)."""
    return Issuers(list(dict.fromkeys([own, *signing_keys])), whose="the operator")


def account_issuers(
    operator: Claims | None, roles: Mapping[str, str], wanted: WantedAccount, own: str, self_signed: bool
) -> Issuers:
    """The keys that may sign an account: those of its operator, and the account itself if accounts are self-signed for an operator elsewhere."""
    if operator is None:
        return Issuers([own])
    body: Operator = operator.body
    strict = body.strict_signing_key_usage
    signers = signers_of_accounts(operator.subject, body.signing_keys, strict)
    if wanted.role:
        key = roles.get(wanted.role) or (wanted.role if wanted.role in signers else "")
        if not key:
            names = ", ".join(sorted(roles)) or "none"
            problem = f"the operator has no signing key with the role {wanted.role}; available: {names}."
            return Issuers([], problem=problem, path="signing_key_role")
        return Issuers([key], whose=f"the role {wanted.role} of the operator {operator.name or operator.subject}")
    allowed = list(dict.fromkeys([*signers, *([own] if self_signed else [])]))
    if not allowed:
        return Issuers(
            [],
            problem="no key may sign it: the operator is strict (strict_signing_key_usage) and has no signing key.",
            path="",
        )
    whose = f"the operator {operator.name or operator.subject}"
    return Issuers(allowed, strict=operator.subject if strict else "", whose=whose)


def account_roles(account: Claims, recorded: Mapping[str, str]) -> dict[str, str]:
    """The signing keys of an account by role: from its scopes and from the record."""
    body: Account = account.body
    return {**{key.role: key.key for key in body.signing_keys if key.role}, **recorded}


def user_issuers(account: Claims, role: str, roles: Mapping[str, str], strict: bool) -> Issuers:
    """The keys that may sign a user: the key of the requested role, or every key of its account that has no scope.

    The identity key of the account comes last, and may not sign under a strict operator.
    """
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
    """The keys that may sign an activation: those of the exporting account. Scopes are for users, so keys without a scope are preferred."""
    body: Account = account.body
    plain = [key.key for key in body.signing_keys if key.template is None]
    scoped = [key.key for key in body.signing_keys if key.template is not None]
    return Issuers([*plain, *([] if strict else [account.subject]), *scoped])


def choose(issuers: Issuers, earlier: str, ring: Keyring, named: str) -> Signing | str:
    """The key that signs: the key that the task names, else the key that signed the existing token, else the first available one. Or why none can.

    A scoped key that the task names by its seed is used even if no role is requested.
    """
    if named:
        if isinstance(named, NewKey) or named in issuers.allowed or named in issuers.scopes:
            return _signing(named, issuers)
        if named == issuers.strict:
            return (
                f"the signer is the identity key of {issuers.whose}, and the operator is strict (strict_signing_key_usage): "
                f"sign with a signing key, {_listed(issuers.allowed)}."
            )
        problem = f"a key of {issuers.whose}" if issuers.whose else "one of the keys that may sign it"
        return f"the signer {named} is not {problem}; sign with {_listed(issuers.allowed)}."
    if earlier in issuers.allowed:
        return _signing(earlier, issuers)
    return _signing(next(filter(ring.has, issuers.allowed), issuers.allowed[0]), issuers)


def at_hand(issuers: Issuers, chosen: Signing, ring: Keyring) -> Signing | str:
    """The key that signs a new token: the chosen one, or another available key that may sign. Or why none can."""
    found = next(filter(ring.has, [chosen.issuer, *issuers.allowed]), chosen.issuer if ring.asks_elsewhere else "")
    return _signing(found, issuers) if found else no_seed(issuers.allowed, ring)


def named_at_hand(named: Signing, ring: Keyring) -> Signing | str:
    """The key that the task names, if it can sign. Or why it cannot."""
    if ring.has(named.issuer) or ring.asks_elsewhere:
        return named
    return (
        f"it has to be signed by {named.issuer}, of which only the public key is available: "
        "give its seed, or another key that may sign, by signer_path, signer_seed or signers."
    )


def no_seed(allowed: Sequence[str], ring: Keyring) -> str:
    """The message for a token that none of the available keys can sign."""
    return (
        "it has to be signed, and the seed of none of the allowed keys is available "
        f"({ring.where or 'no key is given'}): {_listed(allowed)}."
    )


def scope_to_come(role: str) -> SigningKey:
    """An empty scope for a role that an earlier task of the play may be about to add."""
    return SigningKey(role=role, template=ScopeTemplate())


def _signing(key: str, issuers: Issuers) -> Signing:
    return Signing(key, issuers.scopes.get(key))


def _listed(keys: Sequence[str]) -> str:
    return " or ".join(keys) or "none"
