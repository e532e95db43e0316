# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Which keys may sign which tokens, and which tokens are revoked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterable, Mapping

from ..base.excerpts import first_of

if TYPE_CHECKING:
    from ..claims import Account, Claims, Operator, SigningKey

#: How many keys one message lists.
_SHOWN = 4


def signers_of_accounts(operator: str, signing_keys: Iterable[str], strict: bool) -> list[str]:
    """The public keys that may sign accounts of an operator, each once: its signing keys, then its own key unless it is strict."""
    return list(dict.fromkeys([*signing_keys, *([] if strict else [operator])]))


def allowed_issuers_of_operator(operator: Claims) -> set[str]:
    """The public keys that may sign accounts of an operator, from its claims."""
    body: Operator = operator.body
    return set(signers_of_accounts(operator.subject, body.signing_keys, body.strict_signing_key_usage))


def did_sign(parent: Claims, child: Claims) -> bool:
    """Whether the issuer of the child may sign it on behalf of the parent, an operator or account (DidSign).

    As in the Go library, an account's identity key always may, although servers of a strict operator refuse it: see user_issues().
    """
    body = parent.body
    if body.KIND == "operator":
        is_itself = child.issuer == parent.subject == child.subject
        return is_itself or child.issuer in allowed_issuers_of_operator(parent)
    if body.KIND == "account":
        if child.issuer == parent.subject:
            return True
        is_on_behalf = child.kind in ("user", "activation") and child.body.issuer_account == parent.subject
        return is_on_behalf and signing_key(body, child.issuer) is not None
    return False


def is_revoked(revocations: Mapping[str, int], key: str, issued_at: int) -> bool:
    """Whether a token that was issued for a key at a time, in Unix seconds, is revoked by an entry for the key or for all keys (IsRevoked)."""
    return any(name in revocations and revocations[name] >= issued_at for name in ("*", key))


def revoked_until(revocations: Mapping[str, int], key: str) -> int:
    """The time up to which tokens for a key are revoked by an entry for the key or for all keys, in Unix seconds; 0 if none are."""
    return max(revocations.get(key, 0), revocations.get("*", 0)) if revocations else 0


def signing_key(account: Account, key: str) -> SigningKey | None:
    """The entry of a signing key in its account; None if the account has no such key."""
    return next((entry for entry in account.signing_keys if entry.key == key), None)


def signing_keys_of(claims: Claims) -> list[str]:
    """The public keys of the signing keys of an operator or account, in the order of the claims, scoped or not; none of other claims."""
    return [getattr(key, "key", key) for key in getattr(claims.body, "signing_keys", ())]


def keys_of(parent: Claims) -> frozenset[str]:
    """The public keys that sign, or may have signed earlier, for an operator or account: its identity key and its signing keys, strict or not."""
    return frozenset([parent.subject, *signing_keys_of(parent)])


def foreign(subject: str, issuer: str, parent: str, keys: Iterable[str]) -> str:
    """A part of a message about a JWT that is not signed by a key of its parent. Nothing may be taken over from such a JWT.

    `parent` is a title such as `operator ACME` or `account APP`.
    """
    known = sorted(keys)
    has = f", which has {first_of(known, _SHOWN)}" if known else ""
    signer = "itself" if issuer == subject else issuer
    return f"its JWT has the subject {subject}, and its signer is {signer}, which is not a key of the {parent}{has}"
