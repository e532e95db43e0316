# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Whether a token is valid under its parent JWTs, at any time. Pure. The rules for a single token are in `library.py` and `server.py`."""

from __future__ import annotations

import dataclasses

from ..base import units
from ..claims import Account, Activation, Claims, Operator, SigningKey, User
from . import allowed_issuers_of_operator, is_revoked, server_time_issues, subject_is_contained
from .trust import keys_of


@dataclasses.dataclass(frozen=True)
class Chain:
    """A token and its parents, as far as they were found, the nearest first. None means that the value is unknown."""

    links: tuple[Claims, ...]
    verified: bool | None
    wrong_issuer: bool | None
    revoked: bool | None
    role: str
    problems: tuple[str, ...]  # the problems that do not depend on the time


def chain_of(claims: Claims, parents: list[Claims]) -> Chain:
    """The chain from a token to its topmost parent, which is trusted. Parents that are not in the chain are ignored."""
    links = [claims]
    problems: list[str] = []
    wrong_issuer: bool | None = None
    while True:
        parent, is_wrong = _parent_of(links[-1], parents)
        if len(links) == 1:
            wrong_issuer = is_wrong
        if is_wrong:
            problems.append(f"{_name(links[-1])} is signed by {links[-1].issuer}, which is not a key that may sign it")
        if parent is None or parent in links:
            break
        links.append(parent)
    revoked, told = _revocation(links)
    problems += told
    verified = not problems and (len(links) > 1 or _is_root(claims)) if parents else None
    if parents and not verified and not problems:
        problems.append(f"{_name(claims)} is signed by {claims.issuer}, which is not a key of any of the parents")
    scope = _scope(links)
    if scope is not None and isinstance(claims.body, User) and not claims.body.is_scoped:
        problems.append(
            f"{_name(claims)} has permissions or limits of its own, though the key that signed it has a scope"
        )
    return Chain(
        tuple(links), verified, wrong_issuer, revoked, scope.role if scope is not None else "", tuple(problems)
    )


def problems_at(chain: Chain, at: int) -> list[str]:
    """Why the token is not valid at a time, in Unix seconds."""
    problems = list(chain.problems)
    for claims in chain.links:
        if 0 < claims.expires < at:
            problems.append(f"{_name(claims)} expired at {units.show_time(claims.expires)}")
        if claims.not_before > at:
            problems.append(f"{_name(claims)} is not valid before {units.show_time(claims.not_before)}")
        problems += [f"servers refuse {_name(claims)}: {issue}".rstrip(".") for issue in server_time_issues(claims, at)]
    return problems


def _name(claims: Claims) -> str:
    return f"the {claims.kind} {claims.name or claims.subject}"


def _is_root(claims: Claims) -> bool:
    return isinstance(claims.body, Operator)


def _account_behind(claims: Claims) -> str:
    """The public key of the account on whose behalf a user or an activation was signed."""
    return claims.body.issuer_account or claims.issuer


def _parent_of(claims: Claims, parents: list[Claims]) -> tuple[Claims | None, bool | None]:
    """The parent of a token, and whether the issuer is wrong. Each is None if it is unknown without the right parent."""
    body = claims.body
    if isinstance(body, Operator):
        return None, claims.issuer not in keys_of(claims)
    if isinstance(body, Account):
        if claims.issuer == claims.subject:
            return None, True if any(_is_root(parent) for parent in parents) else None
        operators = [parent for parent in parents if _is_root(parent)]
        for parent in operators:
            if claims.issuer in allowed_issuers_of_operator(parent):
                return parent, False
        return (operators[0], True) if operators else (None, None)
    if isinstance(body, (User, Activation)):
        behind = _account_behind(claims)
        for parent in parents:
            if isinstance(parent.body, Account) and parent.subject == behind:
                keys = {key.key for key in parent.body.signing_keys}
                if not (isinstance(body, User) and _is_strict(parent, parents)):
                    keys.add(parent.subject)
                return parent, claims.issuer not in keys
        accounts = [parent for parent in parents if isinstance(parent.body, Account)]
        return None, True if accounts else None
    return None, None


def _is_strict(account: Claims, parents: list[Claims]) -> bool:
    """Whether the operator requires the users of the account to be signed by a signing key."""
    operator, _unused = _parent_of(account, parents)
    return operator is not None and operator.body.strict_signing_key_usage


def _revocation(links: list[Claims]) -> tuple[bool | None, list[str]]:
    claims = links[0]
    account = links[1].body if len(links) > 1 else None
    if not isinstance(account, Account):
        return None, []
    if isinstance(claims.body, User):
        lists = [account.revocations]
    elif isinstance(claims.body, Activation):
        lists = [
            export.revocations
            for export in account.exports
            if export is not None
            and export.type == claims.body.import_type
            and subject_is_contained(claims.body.import_subject, export.subject)
        ]
    else:
        return None, []
    revoked = any(is_revoked(revocations, claims.subject, claims.issued_at) for revocations in lists)
    return revoked, [
        f"{_name(claims)} is revoked by the account {links[1].name or links[1].subject}"
    ] if revoked else []


def _scope(links: list[Claims]) -> SigningKey | None:
    account = links[1].body if len(links) > 1 else None
    if not isinstance(account, Account) or not isinstance(links[0].body, User):
        return None
    return next((key for key in account.signing_keys if key.key == links[0].issuer and key.template is not None), None)
