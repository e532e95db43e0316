# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Who may sign what, and what is revoked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterable, Mapping

if TYPE_CHECKING:
    from ..claims import Account, Claims, Operator, SigningKey

#: How many keys one message lists.
_SHOWN = 4


def allowed_issuers_of_operator(operator: Claims) -> set[str]:
    """The public keys that may sign accounts of an operator: its signing keys, and its own key unless it is strict."""
    body: Operator = operator.body
    keys = set(body.signing_keys)
    return keys if body.strict_signing_key_usage else keys | {operator.subject}


def did_sign(parent: Claims, child: Claims) -> bool:
    """Whether the child names an issuer that may sign it on behalf of the parent, an operator or account (DidSign).

    As in the Go library an account's own key always may, though servers of a strict operator refuse it: see user_issues().
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
    """Whether what was issued for a key at a time, in unix seconds, is revoked, by itself or together with all (IsRevoked)."""
    return any(name in revocations and revocations[name] >= issued_at for name in ("*", key))


def revoked_until(revocations: Mapping[str, int], key: str) -> int:
    """The time up to which tokens about a key are revoked, by itself or together with all, in unix seconds; 0 for none."""
    return max(revocations.get(key, 0), revocations.get("*", 0)) if revocations else 0


def signing_key(account: Account, key: str) -> SigningKey | None:
    """The entry of a signing key in its account; None where it has no such key."""
    return next((entry for entry in account.signing_keys if entry.key == key), None)


def keys_of(parent: Claims) -> frozenset[str]:
    """The public keys that sign, or once may have signed, for an operator or account: its own and its signing keys, strict or not."""
    return frozenset([parent.subject, *(getattr(key, "key", key) for key in parent.body.signing_keys)])


def foreign(subject: str, issuer: str, parent: str, keys: Iterable[str]) -> str:
    """What is said of a JWT that no key of its parent signed, such as `operator ACME` or `account APP`. Nothing of it may be taken over."""
    known = sorted(keys)
    more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    has = f", which has {', '.join(known[:_SHOWN])}{more}" if known else ""
    signer = "itself" if issuer == subject else issuer
    return f"its JWT is about {subject}, and its signer is {signer}, no key of the {parent}{has}"
