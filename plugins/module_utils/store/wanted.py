# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The claims that a document asks for, once its names have keys, in the light of what is there. Pure."""

from __future__ import annotations

from ..claims import Account, Claims, Import
from ..claims.options import Problem
from . import document as documents
from .document import Keys
from .planning import AccountPlan, Plan


def wanted_operator(plan: Plan, keys: Keys, problems: list[Problem]) -> Claims:
    """The operator's claims that the document asks for, under these keys."""
    return documents.operator_claims(plan.document, keys, problems)


def wanted_account(plan: AccountPlan, keys: Keys, granted: dict[int, str], problems: list[Problem]) -> Claims:
    """An account's claims that the document asks for, under these keys, with activation tokens by import, and removed users revoked."""
    users = keys.users.get(plan.wish.name, {})
    claims = documents.account_claims(plan.wish, keys, lambda name: users.get(name, ""), problems)
    body: Account = claims.body
    for index, token in granted.items():
        body.imports[index].token = token
    old = plan.stored.claims.body if plan.stored is not None else None
    if old is not None:
        _keep_spelling(body, old)
    body.revocations.update(plan.revoked)
    return claims


def _keep_spelling(body: Account, old: Account) -> None:
    """An old token may say where a stream goes in the deprecated way; that it does is no reason to sign it anew."""
    earlier = {import_id(item): item for item in old.imports if item is not None and item.to}
    for item in body.imports:
        before = earlier.get(import_id(item))
        if before is not None and not before.local_subject and item.local_subject == local_subject_of(before):
            item.to, item.local_subject = before.to, ""


def import_id(item: Import) -> tuple[str, str, str]:
    """What makes two imports the same one."""
    return item.type, item.account, item.subject


def local_subject_of(item: Import) -> str:
    """What an import is called in its account as `local_subject` says it, also where a deprecated `to` says it."""
    if item.local_subject or not item.to:
        return item.local_subject
    if item.type == "service":
        return item.to
    count = 0
    parts = []
    for part in item.subject.split("."):
        if part == "*":
            count += 1
            part = f"${count}"
        parts.append(part)
    return ".".join([item.to.rstrip("."), *parts])


def issuer_account(account_key: str, issuer: str, said: str) -> str:
    """What a token says of the account that it was signed for: nothing where the account's own key signs.

    There it may be said all the same and means nothing else, so what an existing token has said is kept.
    """
    return "" if issuer == account_key != said else account_key


def signing_keys_of(account: AccountPlan, body: Account) -> tuple[list[str], list[str]]:
    """The signing keys that the account will have: those without and those with a scope."""
    old = account.stored.claims.body.signing_keys if account.stored is not None else []
    removed = account.policy.remove_signing_keys
    keys = {key.key: key for key in [*old, *body.signing_keys] if key.key not in removed}
    order = dict.fromkeys([*(key.key for key in body.signing_keys), *keys])
    plain = [key for key in order if key in keys and keys[key].template is None]
    return plain, [key for key in order if key in keys and keys[key].template is not None]
