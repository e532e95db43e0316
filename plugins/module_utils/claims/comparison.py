# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The meaning of claims as a readable document, and the differences between two claims, both in terms of the options."""

from __future__ import annotations

import dataclasses
from typing import Any, Iterator

from ..base import units
from ..base.excerpts import excerpt, first_of
from . import kinds
from .account import Account, as_read_by_servers, through_float
from .declaration import Field, fields_of
from .envelope import Claims, Generic
from .kinds import Kind
from .options import member, show_options, show_value, shown_fields
from .permissions import UserAccess
from .user import User
from .wire import fold_name

#: How many changes of one list are listed at most.
_MOST_CHANGES = 50

_LIMITS = frozenset(
    id(kind)
    for kind in (
        kinds.COUNT,
        kinds.COUNT_FROM_1,
        kinds.COUNT_IN_SCOPE,
        kinds.COUNT_OR_USUAL,
        kinds.SIZE,
        kinds.SIZE_FROM_1,
        kinds.SIZE_IN_SCOPE,
        kinds.STORAGE,
    )
)


def describe(claims: Claims) -> dict[str, Any]:
    """Claims as a document in terms of the options, without defaults and without the times and the issuer of the token."""
    shown = {"subject": claims.subject, **show_options(claims)}
    body = claims.body
    if isinstance(body, Generic):
        return dict(shown, data=_data_of(body))
    if isinstance(body, Account):
        body = as_read_by_servers(body)
    described = show_options(body)
    if isinstance(body, User) and body.is_scoped:
        for found in shown_fields(UserAccess):
            described.pop(found[0].attribute, None)
        described["scoped"] = True
    shown.update(described)
    return shown


def show_claims(claims: Claims) -> dict[str, Any]:
    """Claims as a module returns them: in terms of the options, with the type, times and issuer of the token."""
    shown = describe(claims)
    shown.update(type=claims.kind, issuer=claims.issuer, issued_at=units.show_time(claims.issued_at))
    if claims.expires:
        shown["expires"] = units.show_time(claims.expires)
    return shown


def differences(old: Claims, new: Claims) -> list[str]:
    """The differences in meaning between two claims of one kind, one line each: `limits.connections: 10 -> 20`."""
    found = list(_differences(old, new, ""))
    before, after = old.body, new.body
    if isinstance(before, Generic) or isinstance(after, Generic):
        return found if _data_of(before) == _data_of(after) else [*found, "data: changed"]
    if isinstance(before, User) and isinstance(after, User) and before.is_scoped != after.is_scoped:
        found.append(
            "permissions and limits: {}".format(
                "its own -> those of the scope" if after.is_scoped else "those of a scope -> its own"
            )
        )
        before = dataclasses.replace(before, access=after.access)
    if isinstance(before, Account) and isinstance(after, Account):
        before, after = as_read_by_servers(before), as_read_by_servers(after)
    return found + list(_differences(before, after, ""))


def _data_of(body: Generic) -> Any:
    """The data as it is after writing and reading, with numbers converted through float64. The version is omitted, because it is not compared."""
    return through_float({name: value for name, value in (body.data or {}).items() if name != "version"})


def _differences(old: Any, new: Any, path: str) -> Iterator[str]:
    for field, holders in shown_fields(new.__class__):
        before, after = member(old, holders, field.attribute), member(new, holders, field.attribute)
        if before != after:
            where = f"{path}.{field.attribute}" if path else field.attribute
            yield from _value_differences(field, before, after, where)


def _value_differences(field: Field, before: Any, after: Any, path: str) -> Iterator[str]:
    kind = field.kind
    shown_before, shown_after = show_value(kind, before), show_value(kind, after)
    if shown_before == shown_after:
        return
    if kind.of is None:
        yield from _plain_differences(kind, shown_before, shown_after, path)
    elif kind.shape in ("inline", "object"):
        if before is None or after is None:
            yield "{}: {}".format(path, "added" if before is None else "removed")
        else:
            yield from _differences(before, after, path)
    elif kind.shape == "list":
        yield from _list_differences(before, after, path)
    else:
        yield from _map_differences(kind, before, after, path)


def _plain_differences(kind: Kind, before: Any, after: Any, path: str) -> Iterator[str]:
    if isinstance(before, list):
        old, new = dict.fromkeys(map(str, before)), dict.fromkeys(map(str, after))
        changes = [f"added {excerpt(item)}" for item in new if item not in old]
        changes += [f"removed {excerpt(item)}" for item in old if item not in new]
        yield f"{path}: {first_of(changes, _MOST_CHANGES)}"
    elif isinstance(before, dict):
        for key in sorted(set(before) | set(after)):
            if before.get(key) != after.get(key):
                yield "{}[{}]: {} -> {}".format(path, key, before.get(key, "none"), after.get(key, "none"))
    else:
        old_text, new_text = _say(kind, before), _say(kind, after)
        # Two JWTs, which are masked, read the same.
        yield f"{path}: {old_text} -> {new_text}" if old_text != new_text else f"{path}: changed"


def _say(kind: Kind, shown: Any) -> str:
    if shown == "":
        return "none"
    if id(kind) in _LIMITS and shown == units.UNLIMITED:
        return "unlimited"
    if kind is kinds.TIME and shown == units.show_time(0):
        return "none"
    return str(shown).lower() if isinstance(shown, bool) else excerpt(str(shown))


def identities(values: list[Any]) -> dict[str, Any]:
    """The elements by a readable identity, such as type and subject. A repeated identity gets a number."""
    found: dict[str, Any] = {}
    numbers: dict[str, int] = {}
    for value in values:
        if value is not None:
            parts = (getattr(value, name, "") for name in ("type", "account", "subject", "key", "cluster", "start"))
            name = " ".join(part for part in parts if part)
            label, number = name, numbers.get(name, 1)
            while label in found:
                number += 1
                label = f"{name} #{number}"
            found[label], numbers[name] = value, number
    return found


def _list_differences(before: list[Any], after: list[Any], path: str) -> Iterator[str]:
    old, new = identities(before), identities(after)
    for name in [*old, *(name for name in new if name not in old)]:
        where = f"{path}[{name}]"
        if name not in new:
            yield where + ": removed"
        elif name not in old:
            yield where + ": added"
        else:
            yield from _differences(old[name], new[name], where)


def _map_differences(kind: Kind, before: dict[str, Any], after: dict[str, Any], path: str) -> Iterator[str]:
    for key in sorted(set(before) | set(after)):
        where = f"{path}[{key}]"
        if key not in after:
            yield where + ": removed"
        elif key not in before:
            yield where + ": added"
        elif kind.shape == "lists":
            yield from _list_differences(before[key] or [], after[key] or [], where)
        else:
            yield from _differences(before[key], after[key], where)


def carry_over_unknown(old: Any, new: Any) -> None:
    """Copy the undeclared members of a decoded object, at any depth, to the new object of the same type, so that they are written back. A member that the
    new object already has is kept, also if Go considers two different names equal (`fold_name`), because a token with both could not be read."""
    if getattr(old, "unknown", None):
        own = set(map(fold_name, new.unknown))
        new.unknown = {**{name: old.unknown[name] for name in old.unknown if fold_name(name) not in own}, **new.unknown}
    for field in fields_of(new.__class__):
        for before, after in _pairs(field, getattr(old, field.attribute), getattr(new, field.attribute)):
            carry_over_unknown(before, after)


def _pairs(field: Field, before: Any, after: Any) -> Iterator[tuple[Any, Any]]:
    shape = field.kind.shape
    if shape in ("inline", "object") and before is not None and after is not None:
        yield before, after
    elif shape == "list":
        yield from _pairs_of_lists(before, after)
    elif shape == "map":
        yield from ((before[name], after[name]) for name in after if name in before)
    elif shape == "lists":
        for name in after:
            yield from _pairs_of_lists(before.get(name) or [], after[name] or [])


def _pairs_of_lists(before: list[Any], after: list[Any]) -> Iterator[tuple[Any, Any]]:
    old, new = identities(before), identities(after)
    return ((old[name], new[name]) for name in new if name in old)
