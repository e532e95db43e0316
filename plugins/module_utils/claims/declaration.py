# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""How a claim field is declared: once, with its JSON name, its kind of `kinds.py`, when it is omitted, and its documentation.

What walks whole claims is in `wire.py` (JSON) and `options.py` (options, argument specs, documentation).
"""

# What declare() returns stands in dataclasses.
# pylint: disable=invalid-field-call

from __future__ import annotations

import dataclasses
import functools
from typing import Any, Callable, Mapping, NamedTuple

from .kinds import ALWAYS, Kind, same


class Field(NamedTuple):
    """A declared field: the attribute that holds it, which is also its option, and the rest of its declaration."""

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
    enforced_since: tuple[str, ...]  # of nats-server; empty where every version from 2.10 on enforces the field
    values_since: Mapping[str, tuple[str, ...]]  # the same of single values of a list


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

    `name` is the JSON name, `words` what people read, `default` what a new claim has (the zero of the kind unless given).
    `always` writes the zero too, `option=False` keeps the field out of the options, and out of what is
    shown and compared unless it is `shown`, `flat` puts what is inline into the options directly. `version_added` is the version of this collection
    that has the field first, where that is not the first of all. `enforced_since` is the version of nats-server that first does what the field says, where
    that is later than 2.10.0; several, in order, where it came to older minor versions too: `("2.14.8", "2.15.1")` leaves out 2.15.0. `values_since` is the
    same of single values of a list.
    """
    flags = (always, option, option or shown, required, flat)
    metadata = {"declaration": (name, kind, tuple(words), flags, version_added, enforced_since, values_since or {})}
    if default is dataclasses.MISSING:
        default = kind.zero_value
    if callable(default):
        return dataclasses.field(default_factory=default, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def unknown_fields() -> Any:
    """Declare where an object keeps the JSON members that nobody declared, so that they are written back."""
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
    """The versions of an `enforced_since`: `2.12.0`, or `2.15.1 (in 2.14 since 2.14.8)`."""
    before = [f"in {text.rpartition('.')[0]} since {text}" for text in since[:-1]]
    return f"{since[-1]} ({', '.join(before)})" if before else since[-1]


def copy_with(value: Any, **changes: Any) -> Any:
    """The declared object with some other attributes, the rest shared. As dataclasses.replace, whose call of the constructor takes longer than to
    write a small object."""
    copy = object.__new__(type(value))
    copy.__dict__.update(value.__dict__, **changes)
    return copy
