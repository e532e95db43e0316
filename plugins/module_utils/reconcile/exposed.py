# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What a compromised key gave access to, and since when, according to the JWTs that a run finds. A later run finds them signed again by another key."""

from __future__ import annotations

from typing import Iterator, NamedTuple

from ..base.excerpts import first_of
from ..base.units import show_time
from ..claims.options import Problem
from ..rules.trust import keys_of
from ..token import codec, decorated
from .given import Given
from .plan import Exposed
from .rotation import REPLACE, RETIRE, record_of_curve_key
from .strict import MOST_NAMED
from .wanted import Rotation

_KINDS = ("user", "activation", "account")


class _Jwt(NamedTuple):
    kind: str
    name: str
    issued_at: int  # in unix seconds; 0 if it is not known


def exposed(given: Given, asked: Rotation) -> tuple[Exposed, list[Problem]]:
    """What the key that a rotation replaces gave access to, and the warning about it. Both are empty after the rotation, when the key is gone."""
    key = _key_of(given, asked)
    if not key:
        return Exposed("", [], [], [], 0, ""), []
    named = [*_naming(given, asked, key)]
    if asked.user:
        how, found = "is the key of", named or [_Jwt("user", f"{asked.account}/{asked.user}", 0)]
    elif asked.role in given.names.curves.get(asked.account, {}):
        how, found = "opens the requests to the auth callout of", named
    else:
        how, found = "has signed", [*_signed(given, asked, key)]
    found = sorted(found, key=lambda one: (_KINDS.index(one.kind), one.name))
    users, activations, accounts = ([one.name for one in found if one.kind == kind] for kind in _KINDS)
    known = [one for one in (*named, *found) if one.issued_at]
    oldest = min(known, key=lambda one: one.issued_at, default=_Jwt("", "", 0))
    shown = Exposed(key, users, activations, accounts, oldest.issued_at, f"{oldest.kind} {oldest.name}".strip())
    what = [f"the {one.kind} {one.name}" for one in found]
    text = f"the compromised key {key} {how} {first_of(what, MOST_NAMED) if what else 'nothing in the store'}."
    if oldest.issued_at:
        text += f" It existed at {show_time(oldest.issued_at)} already, when the JWT of the {shown.oldest} was issued."
    return shown, [Problem(asked.place, text)]


def _key_of(given: Given, asked: Rotation) -> str:
    """The key to replace; empty if it is gone already."""
    names = given.names
    if asked.user:
        turned = names.turned.get((asked.account, asked.user))
        keys = [*turned.retired, turned.retiring] if turned is not None else []
    elif asked.is_of_operator:
        keys = [names.replaced_operator, names.identity.retiring, names.identity.current]
    else:
        owner = names.accounts.get(asked.account, "") if asked.account else names.operator
        roles = names.roles.get(asked.account, {}) if asked.account else names.operator_roles
        if asked.role in names.curves.get(asked.account, {}):
            owner, roles = record_of_curve_key(owner), names.curves[asked.account]
        slot = names.of(owner)
        keys = [listed.get(asked.role, "") for listed in (slot.leaving, slot.retiring, roles)]
    if asked.phase in (RETIRE, REPLACE):
        keys = keys[:1]  # the others stay
    return next((key for key in keys if key and asked.key in ("", key)), "")


def _naming(given: Given, asked: Rotation, key: str) -> Iterator[_Jwt]:
    """The JWT that names the key: of the operator, the account, or the user."""
    place, account = given.place, asked.account
    if asked.user:
        text = place.user_text(account, asked.user)
        if text is not None:
            yield from _with("sub", key, _Jwt("user", f"{account}/{asked.user}", 0), decorated.token_in(text))
        return
    holder = place.accounts.get(account) if account else place.operator
    if holder is not None:
        claims = holder.claims
        xkey = claims.body.authorization.xkey if account else ""
        if key in (*keys_of(claims), xkey):
            yield _Jwt("account" if account else "operator", account or claims.name, claims.issued_at)


def _signed(given: Given, asked: Rotation, key: str) -> Iterator[_Jwt]:
    """The JWTs that the key has signed, as they are before the run."""
    place = given.place
    if not asked.account:
        for name, found in place.accounts.items():
            if found.claims.issuer == key:
                yield _Jwt("account", name, found.claims.issued_at)
        return
    for user in place.user_files(asked.account).users:
        text = place.user_text(asked.account, user)
        if text is not None:
            yield from _with("iss", key, _Jwt("user", f"{asked.account}/{user}", 0), decorated.token_in(text))
    for name, found in place.accounts.items():
        for item in found.claims.body.imports:
            if item is not None and item.token:
                yield from _with("iss", key, _Jwt("activation", f"{name}/{item.subject}", 0), str(item.token))


def _with(claim: str, key: str, jwt: _Jwt, token: str) -> Iterator[_Jwt]:
    """The JWT with its issue time, if its claim is the key."""
    data = codec.peek(token)
    if data.get(claim) == key:
        issued_at = data.get("iat")
        yield jwt._replace(issued_at=issued_at if isinstance(issued_at, int) else 0)
