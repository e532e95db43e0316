# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Placeholders in a plan for what does not exist yet: a key to be generated, or a token to be signed.

Check mode and diff mode show a plan, so neither generates a key. A placeholder has a type of its own and is equal only to itself; as text it reads
`(a new account key: APP)`. Rules check its type and do not parse it, and `resolve` replaces it with the key or token.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any, Mapping


class Placeholder(str):
    """A text that represents what does not exist yet. Equal only to itself and to the same placeholder of another run."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Placeholder) and str.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((Placeholder, str(self)))

    def __copy__(self) -> Placeholder:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Placeholder:
        return self


class NewKey(Placeholder):
    """A key to be generated: `type` is operator, account, user or curve, `label` describes what it is for."""

    __slots__ = ("label", "type")
    type: str
    label: str

    def __new__(cls, key_type: str, label: str) -> NewKey:
        """The placeholder of a key with this type and label."""
        key = str.__new__(cls, f"(a new {key_type} key: {label})")
        key.type, key.label = key_type, label
        return key


def measured(key: NewKey) -> NewKey:
    """The placeholder with a text as long as the public key that replaces it, to measure a token that cannot be signed yet."""
    same: NewKey = str.__new__(NewKey, "0" * 56)
    same.type, same.label = key.type, key.label
    return same


class NewToken(Placeholder):
    """A token to be signed together with the token that contains it."""

    __slots__ = ()

    def __new__(cls, label: str) -> NewToken:
        """The placeholder of a token with this label."""
        return str.__new__(cls, f"(a new {label})")


_SHOWN = re.compile(r"\(a new (operator|account|user|curve) key: (.+)\)", re.DOTALL)


def read_new_key(text: str) -> NewKey | None:
    """The placeholder in a text that an earlier task returned in check mode; None for any other text."""
    found = _SHOWN.fullmatch(text)
    return NewKey(found.group(1), found.group(2)) if found else None


def placeholders_in(value: Any) -> list[Placeholder]:
    """The placeholders in a value, at any depth of lists, dictionaries and dataclasses."""
    found: dict[Placeholder, None] = {}
    _collect(value, found)
    return list(found)


def _collect(value: Any, found: dict[Placeholder, None]) -> None:
    if isinstance(value, Placeholder):
        found[value] = None
    elif isinstance(value, list):
        for item in value:
            _collect(item, found)
    elif isinstance(value, dict):
        for key, item in value.items():
            _collect(key, found)
            _collect(item, found)
    elif dataclasses.is_dataclass(value):
        for item in vars(value).values():
            _collect(item, found)


def resolve(value: Any, made: Mapping[Placeholder, str]) -> Any:
    """The value with placeholders replaced as in `made`, at any depth of lists, dictionaries and dataclasses. Parts without placeholders are shared."""
    if isinstance(value, str):
        return made.get(value, value) if isinstance(value, Placeholder) else value
    if isinstance(value, list):
        items = [resolve(item, made) for item in value]
        return items if any(new is not old for new, old in zip(items, value)) else value
    if isinstance(value, dict):
        pairs = {resolve(key, made): resolve(item, made) for key, item in value.items()}
        return pairs if any(map(_differ, pairs.items(), value.items())) else value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        members = vars(value)
        changed = {name: resolve(item, made) for name, item in members.items()}
        return (
            value if all(changed[name] is members[name] for name in members) else dataclasses.replace(value, **changed)
        )
    return value


def _differ(one: tuple[Any, Any], other: tuple[Any, Any]) -> bool:
    return one[0] is not other[0] or one[1] is not other[1]
