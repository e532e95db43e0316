# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The keys behind the names of a document: of the operator, its accounts, and the roles of signing keys; and the signing keys that go."""

from __future__ import annotations

from typing import Any

from ..claims import SigningKey
from .document import SigningKeyWish
from .layout import Stored
from .planning import EXTRA, REMOVED, Entity, Planning, Removal


def name_keys(planning: Planning) -> None:
    """Find the keys of everything but users."""
    stored = planning.store.operator
    planning.keys.operator = _existing_or(
        planning, stored, planning.document.public_key, "operator", planning.document.name, "operator"
    )
    old = stored.claims.body.signing_keys if stored is not None else []
    entries = [SigningKey(key=key) for key in old]
    planning.keys.operator_roles = _resolve_roles(
        planning, planning.document.signing_keys, entries, planning.keys.operator, "operator", planning.document.name
    )
    for wish in planning.document.accounts:
        if wish.is_absent:
            continue
        account = planning.store.accounts.get(wish.name)
        planning.keys.accounts[wish.name] = _existing_or(
            planning, account, wish.public_key, "account", wish.name, wish.path
        )
        entries = list(account.claims.body.signing_keys) if account is not None else []
        planning.keys.roles[wish.name] = _resolve_roles(
            planning, wish.signing_keys, entries, planning.keys.accounts[wish.name], "account", wish.name
        )
    _check_keys_once(planning)


def _check_keys_once(planning: Planning) -> None:
    named = {stored.claims.subject: name for name, stored in planning.store.accounts.items()}
    for wish in planning.document.accounts:
        key = planning.keys.accounts.get(wish.name)
        other = named.get(key) if key is not None else None
        if other is not None and other != wish.name:
            planning.problem(wish.path + ".public_key", f"this is the key of the account {other} in the store.")


def _existing_or(
    planning: Planning, stored: Stored | None, public_key: str, key_type: str, label: str, path: str
) -> str:
    if stored is None:
        return public_key or planning.key_for(key_type, label)
    if public_key and public_key != stored.claims.subject:
        planning.problem(
            path + ".public_key",
            f"there is a token about {stored.claims.subject} under this name. Remove it first (state: absent) if its key is to be replaced.",
        )
    return stored.claims.subject


def _resolve_roles(
    planning: Planning, wishes: list[SigningKeyWish], old: list[SigningKey], owner: str, key_type: str, name: str
) -> dict[str, str]:
    """The key of each role: by scope in the token, on record, from a killed run; a lone one that nobody named; or a new one."""
    record = planning.store.role_keys(owner)
    roles: dict[str, str] = {wish.role: wish.public_key for wish in wishes if wish.role and wish.public_key}
    claimed = {wish.public_key for wish in wishes if wish.public_key}
    unnamed = []
    for wish in wishes:
        if wish.public_key:
            continue
        scoped = [key.key for key in old if key.template is not None and key.role == wish.role]
        if len(scoped) > 1:
            planning.problem(
                wish.path,
                f"there are {len(scoped)} keys with the role {wish.role}, {', '.join(scoped)}: say which by public_key.",
            )
        found = scoped[0] if scoped else record.get(wish.role)
        if found is not None and found not in claimed:
            roles[wish.role] = found
            claimed.add(found)
        else:
            unnamed.append(wish)
    bare = [key.key for key in old if key.template is None]
    plain = [key for key in bare if key not in claimed and key not in record.values()]
    adopting = [wish for wish in unnamed if not isinstance(wish.options.get("template"), dict)]
    if plain and adopting and (len(plain) > 1 or len(adopting) > 1):
        planning.problem(
            adopting[0].path,
            f"there are signing keys without a role already, {', '.join(plain)}: say with role and public_key together which is which, "
            f"or list them by public_key to have a new one for {', '.join(wish.role for wish in adopting)}.",
        )
    for wish in wishes:
        if wish.role and wish.public_key and record.get(wish.role) != wish.public_key and wish.public_key in bare:
            planning.adopted.append(f"the role {wish.role} of {wish.public_key} is put on record")
    for wish in unnamed:
        if plain and wish in adopting:
            roles[wish.role] = plain[0]
            planning.adopted.append(f"{plain[0]} is taken for the role {wish.role}, which is put on record")
        else:
            roles[wish.role] = planning.key_for(key_type, f"{name}/signing_keys/{wish.role}")
    known = {role: key for role, key in record.items() if role not in roles}
    planning.plan.roles[owner] = {**known, **roles}
    return roles


def removed_signing_keys(
    planning: Planning,
    options: dict[str, Any],
    path: str,
    owner: str,
    old: list[SigningKey],
    wished: list[str],
    account: str,
) -> frozenset[str]:
    """The signing keys that go, because the document says so or, with prune, because it does not name them."""
    record = planning.store.role_keys(owner)
    named = set()
    for index, name in enumerate(options.get("remove_signing_keys") or ()):
        found = [key.key for key in old if name == key.key or (key.role and name == key.role)]
        found += [record[name]] if name in record else []
        named.update(found)
        if any(key in wished for key in found):
            planning.problem(f"{path}.remove_signing_keys[{index}]", f"{name} is among signing_keys too.")
    removed = set(named)
    for signing_key in old:
        key = signing_key.key
        if key in wished:
            continue
        reason = "remove_signing_keys names it" if key in named else "it is not in the document"
        goes = key in named or planning.wishes.prune
        role = _role_name(signing_key, record)
        planning.add_entity(Entity("signing_key", role, account, REMOVED if goes else EXTRA, (reason,), key, 0))
        if goes:
            removed.add(key)
            planning.plan.removals.append(Removal(account, keys=[key]))
    if removed:
        roles = planning.plan.roles.get(owner, {})
        planning.plan.roles[owner] = {role: key for role, key in roles.items() if key not in removed}
    return frozenset(removed)


def _role_name(key: SigningKey, record: dict[str, str]) -> str:
    return key.role or next((role for role, known in record.items() if known == key.key), "")
