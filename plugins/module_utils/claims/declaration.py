# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""How a claim field is declared: once, with its JSON name, its kind from `kinds.py`, when it is omitted, and its documentation.

The code that walks whole claims is in `wire.py` (JSON) and `options.py` (options, argument specs, documentation).
"""

# The fields that declare() returns are used in dataclasses.
# pylint: disable=invalid-field-call

from __future__ import annotations

import dataclasses
import functools
from typing import Any, Callable, Mapping, NamedTuple

from .kinds import ALWAYS, Kind, same


class Field(NamedTuple):
    """A declared field: the attribute that holds it, whose name is also that of its option, and the rest of its declaration."""

    attribute: str
    json: str
    kind: Kind
    zero: Any  # omitted when equal to this
    help: tuple[str, ...]
    is_option: bool
    is_shown: bool
    required: bool
    flat: bool  # inline in the options too
    default: Callable[[], Any]
    version_added: str
    enforced_since: tuple[str, ...]  # versions of nats-server; empty if every version from 2.10 on enforces the field
    values_since: Mapping[str, tuple[str, ...]]  # the same for single values of a list


def declare(
    name: str,
    kind: Kind,
    *words: str,
    default: Any = dataclasses.MISSING,
    always: bool = False,
    option: bool = True,
    shown: bool = False,
    required: bool = False,
    flat: bool = False,
    version_added: str = "",
    enforced_since: tuple[str, ...] = (),
    values_since: Mapping[str, tuple[str, ...]] | None = None,
) -> Any:
    """Declare a dataclass field.

    `name` is the JSON name, `words` is the documentation, and `default` is the value in new claims (by default, the zero of the kind). `always` writes the
    zero too. `option=False` keeps the field out of the options and, unless it is `shown`, out of what is shown and compared. `flat` puts the fields of an
    inline object directly into the options. `version_added` is the version of this collection that added the field, if it is not the first version.

    `enforced_since` is the version of nats-server that first enforces the field, if it is later than 2.10.0. If the feature was backported to older minor
    versions, it lists all of them in order: `("2.14.8", "2.15.1")` does not include 2.15.0. `values_since` is the same for single values of a list.
    """
    flags = (always, option, option or shown, required, flat)
    metadata = {"declaration": (name, kind, tuple(words), flags, version_added, enforced_since, values_since or {})}
    if default is dataclasses.MISSING:
        default = kind.zero_value
    if callable(default):
        return dataclasses.field(default_factory=default, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def unknown_fields() -> Any:
    """Declare the attribute in which an object keeps undeclared JSON members, so that they are written back."""
    return dataclasses.field(default_factory=dict, repr=False)


@functools.lru_cache(maxsize=None)
def fields_of(cls: type) -> tuple[Field, ...]:
    """The declared fields of a claims dataclass, in the order of the Go library."""
    found = []
    for field in dataclasses.fields(cls):
        if "declaration" in field.metadata:
            name, kind, help_, flags, version, since, values_since = field.metadata["declaration"]
            always, option, shown, required, flat = flags
            help_ += _help_of_versions(since, values_since)
            default = field.default_factory
            if default is dataclasses.MISSING:
                default = functools.partial(same, field.default)
            zero = ALWAYS if always else kind.zero
            rest = (option, shown, required, flat, default, version, since, values_since)
            found.append(Field(field.name, name, kind, zero, help_, *rest))
    return tuple(found)


def _help_of_versions(since: tuple[str, ...], values_since: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    found = [f"Enforced since nats-server {versions_in_words(since)}. Older servers ignore it."] if since else []
    found += [f"V({value}) exists since nats-server {versions_in_words(of)}." for value, of in values_since.items()]
    return tuple(found)


def versions_in_words(since: tuple[str, ...]) -> str:
    """The versions of an `enforced_since` as text: `2.12.0`, or `2.15.1 (in 2.14 since 2.14.8)`."""
    before = [f"in {text.rpartition('.')[0]} since {text}" for text in since[:-1]]
    return f"{since[-1]} ({', '.join(before)})" if before else since[-1]


def copy_with(value: Any, **changes: Any) -> Any:
    """A copy of a declared object with some attributes changed and the rest shared. Unlike dataclasses.replace, it does not call the constructor, which
    takes longer than encoding a small object."""
    copy = object.__new__(type(value))
    copy.__dict__.update(value.__dict__, **changes)
    return copy
