# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Converts declared objects to JSON and back, byte for byte and by the same rules as Go's encoding/json."""

# JSON distinguishes numbers from true and false, and isinstance does not: bool is an int.
# pylint: disable=unidiomatic-typecheck

from __future__ import annotations

import dataclasses
import functools
import json
from json.encoder import encode_basestring
from typing import Any, Callable, Iterator, NamedTuple

from ..base.errors import NatsSecurityError
from ..base.excerpts import quoted
from .declaration import fields_of
from .go_json import Unwritable, decode_any, encode_any, valid_text, wrong_type
from .kinds import ALWAYS, Kind

# ---- writing

_HTML = (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026"), ("\u2028", "\\u2028"), ("\u2029", "\\u2029"))


@functools.lru_cache(maxsize=None)
def _writing(cls: type) -> tuple[tuple[str, Any, Callable[[Any], str] | None, bool], ...]:
    """For each field: its attribute, its name as JSON with a colon, its encoder, and whether its zero is written too. An inline object has its own plan
    in place of the name, and no encoder."""
    return tuple(
        (field.attribute, _writing(field.kind.of), None, True)
        if field.kind.shape == "inline" and field.kind.of is not None
        else (field.attribute, encode_basestring(field.json) + ":", field.kind.encode, field.zero is ALWAYS)
        for field in fields_of(cls)
    )


def write_members(parts: list[str], value: Any, plan: Any = None) -> None:
    """Append `"name":value` for every field that is not omitted, in the Go library's order, then the unknown ones."""
    members = value.__dict__
    for attribute, name, encode, always in plan or _writing(value.__class__):
        member = members[attribute]
        # Every zero is false, and no other value is. Most fields have their zero.
        if member or always:
            if encode is None:
                write_members(parts, member, name)
            else:
                try:
                    parts.append(name + encode(member))
                except Unwritable as error:
                    raise error.within(json.loads(name[:-1])) from None
    unknown = members.get("unknown")
    if unknown:
        parts.extend(encode_basestring(name) + ":" + encode_any(member) for name, member in unknown.items())


def escape_html(text: str) -> str:
    """JSON as Go writes it: characters that are special in HTML, or end lines in JavaScript, are escaped. They occur in strings only."""
    for character, escape in _HTML:
        if character in text:
            text = text.replace(character, escape)
    return text


def encode_object(value: Any) -> str:
    """A declared object as JSON; null for None."""
    if value is None:
        return "null"
    parts: list[str] = []
    write_members(parts, value)
    return "{" + ",".join(parts) + "}"


# ---- reading


class _Entry(NamedTuple):
    """How a member is read."""

    container: int
    attribute: str
    decode: Callable[[Any, str], Any]
    declared: str
    by_value: type | None  # of a struct that is read in place
    reads_null: bool


class _Reading(NamedTuple):
    containers: tuple[
        tuple[int, str], ...
    ]  # for each inline object, the number of its container (0 is the object itself) and its attribute
    known: dict[str, _Entry]
    folded: dict[str, _Entry]


def fold_name(name: str) -> str:
    """The name as Go compares member names: each character is folded by itself, also those like the Kelvin sign and the long s (src/encoding/json/fold.go)."""
    return name.lower() if name.isascii() else "".join(map(_fold_character, name))


def _fold_character(character: str) -> str:
    # Unicode's simple case folding. Python has only the full one, which turns a sharp s into ss.
    folded = character.casefold()
    if len(folded) > 1:
        folded = character.lower()
    return folded if len(folded) == 1 else character


def refuse_twins(raw: dict[str, Any], path: str) -> None:
    """NatsSecurityError if two names of an object are equal for Go, which would merge their values."""
    seen: dict[str, str] = {}
    for name in raw:
        other = seen.setdefault(fold_name(name), name)
        if other != name:
            raise NatsSecurityError(
                f"{path or 'The payload'} has {quoted(other)} and {quoted(name)} in the token, which NATS treats as one name."
            )


@functools.lru_cache(maxsize=None)
def _reading(cls: type) -> _Reading:
    containers: list[tuple[int, str]] = []
    known: dict[str, _Entry] = {}

    def add(inner: type, index: int) -> None:
        for field in fields_of(inner):
            if field.kind.shape == "inline" and field.kind.of is not None:
                containers.append((index, field.attribute))
                add(field.kind.of, len(containers))
            else:
                by_value = field.kind.of if field.kind.shape == "object" and field.kind.zero is ALWAYS else None
                decode, reads_null = field.kind.decode, field.kind.reads_null
                known[field.json] = _Entry(index, field.attribute, decode, field.json, by_value, reads_null)

    add(cls, 0)
    return _Reading(tuple(containers), known, {fold_name(name): entry for name, entry in known.items()})


@functools.lru_cache(maxsize=None)
def _maker_of_zeros(cls: type) -> Callable[[], Any]:
    """A function that creates zero objects. It copies the immutable zeros of the fields and creates the mutable ones."""
    constants: dict[str, Any] = {}
    factories: list[tuple[str, Callable[[], Any]]] = []
    for field in fields_of(cls):
        zero = field.kind.zero
        if zero is ALWAYS and field.kind.of is not None:
            factories.append((field.attribute, _maker_of_zeros(field.kind.of)))
        elif isinstance(zero, (list, dict)):
            factories.append((field.attribute, type(zero)))
        else:
            constants[field.attribute] = zero
    for undeclared in dataclasses.fields(cls):
        if undeclared.name == "unknown":
            factories.append(("unknown", dict))
        elif undeclared.name not in constants and undeclared.default is not dataclasses.MISSING:
            constants[undeclared.name] = undeclared.default

    def make() -> Any:
        value: Any = object.__new__(cls)
        value.__dict__ = members = constants.copy()  # less time than setting each attribute
        for attribute, factory in factories:
            members[attribute] = factory()
        return value

    return make


def zero_object(cls: type) -> Any:
    """An object as in Go before anything is read into it: every field has the zero of its type, regardless of its default in new claims."""
    return _maker_of_zeros(cls)()


def decode_object(cls: type, raw: Any, path: str, start: Any = None) -> Any:
    """Read an object into `start`, or into a zero object. As in Go, names match regardless of case, and null changes nothing.

    This is stricter than Go in one respect: no name may occur twice, regardless of case. Go reads all of them, one after the other, into the same struct.
    """
    value = zero_object(cls) if start is None else start
    if raw is None:
        return value
    if type(raw) is not dict:
        raise wrong_type(path, "an object", raw)
    containers, known, folded = _reading(cls)
    targets = [value.__dict__]
    for index, attribute in containers:
        targets.append(targets[index][attribute].__dict__)
    prefix = path + "." if path else ""
    is_checked = False
    for name, member in raw.items():
        entry = known.get(name)
        if entry is None:
            if not is_checked:
                refuse_twins(raw, path)
                is_checked = True
            entry = folded.get(fold_name(name))
        if entry is None:
            if "unknown" in targets[0]:
                targets[0]["unknown"][valid_text(name)] = decode_any(member, path)
        elif member is not None or entry.reads_null:
            index, attribute, decode, declared, by_value, _unused = entry
            if by_value is None:
                targets[index][attribute] = decode(member, prefix + declared)
            else:
                decode_object(by_value, member, prefix + declared, targets[index][attribute])
    return value


def unknown_members(value: Any, path: str = "") -> Iterator[str]:
    """The paths of the undeclared JSON members in a decoded object."""
    for name in getattr(value, "unknown", None) or ():
        yield path + "." + name if path else name
    for field in fields_of(value.__class__):
        member = getattr(value, field.attribute)
        inner = path if field.kind.shape == "inline" else (path + "." + field.json if path else field.json)
        if field.kind.shape in ("inline", "object") and member is not None:
            yield from unknown_members(member, inner)
        elif field.kind.shape == "list":
            for index, item in enumerate(member):
                if dataclasses.is_dataclass(item):
                    yield from unknown_members(item, f"{inner}[{index}]")
        elif field.kind.shape == "map":
            for name, item in member.items():
                yield from unknown_members(item, f"{inner}.{name}")
        elif field.kind.shape == "lists":
            for name, items in member.items():
                for index, item in enumerate(items or ()):
                    yield from unknown_members(item, f"{inner}.{name}[{index}]")


def is_zero(value: Any) -> bool:
    """Whether every declared field of an object has its zero, at any depth. Undeclared members are ignored."""
    for field in fields_of(value.__class__):
        member = getattr(value, field.attribute)
        if field.kind.zero is ALWAYS:
            if not is_zero(member):
                return False
        elif member != field.kind.zero:
            return False
    return True


# ---- the kinds of nested objects


def _not_a_value(value: Any) -> Any:
    raise TypeError(f"what is nested is walked, not parsed or shown: {value!r}")


def _not_read(raw: Any, path: str) -> Any:
    raise TypeError(f"what is inline is read with what is around it, not at {path}: {raw!r}")


def _nested(
    cls: type, encode: Callable[[Any], str], decode: Callable[[Any, str], Any], zero: Any, shape: str, type_: str
) -> Kind:
    return Kind(encode, decode, zero, _not_a_value, _not_a_value, {"type": type_}, cls, shape)


def inline(cls: type) -> Kind:
    """An embedded struct: its members are among those of the enclosing object."""
    return _nested(cls, _not_a_value, _not_read, ALWAYS, "inline", "dict")


def nested(cls: type) -> Kind:
    """A struct by value: always written."""
    return _nested(cls, encode_object, functools.partial(decode_object, cls), ALWAYS, "object", "dict")


def optional(cls: type) -> Kind:
    """A pointer to a struct: None when absent."""
    return _nested(cls, encode_object, functools.partial(decode_object, cls), None, "object", "dict")


def _encode_list(values: list[Any]) -> str:
    return "[" + ",".join(map(encode_object, values)) + "]"


def _subject_of(value: Any) -> str:
    return "" if value is None else str(value.subject)


def _encode_sorted(values: list[Any]) -> str:
    # Exports and imports are sorted by subject when encoded; an element may be null. Go's sort is stable for up to 12 elements.
    if len(values) <= 12:
        return _encode_list(sorted(values, key=_subject_of))
    from ..base.go_sort import go_sorted

    return _encode_list(go_sorted(values, _subject_of))


def _decode_list(cls: type, nulls: bool, raw: Any, path: str) -> list[Any]:
    if type(raw) is not list:
        raise wrong_type(path, "a list", raw)
    return [
        None if item is None and nulls else decode_object(cls, item, f"{path}[{index}]")
        for index, item in enumerate(raw)
    ]


def list_of(cls: type) -> Kind:
    """A slice of structs."""
    return _nested(cls, _encode_list, functools.partial(_decode_list, cls, False), [], "list", "list")


def sorted_list_of(cls: type) -> Kind:
    """A slice of pointers to structs that have a subject, by which it is sorted when written; a decoded element may be None."""
    return _nested(cls, _encode_sorted, functools.partial(_decode_list, cls, True), [], "list", "list")


def _encode_map(encode: Callable[[Any], str], values: dict[str, Any]) -> str:
    return "{" + ",".join(encode_basestring(key) + ":" + encode(values[key]) for key in sorted(values)) + "}"


def _decode_map(decode: Callable[[Any, str], Any], raw: Any, path: str) -> dict[str, Any]:
    if type(raw) is not dict:
        raise wrong_type(path, "an object", raw)
    return {valid_text(key): decode(item, f"{path}.{key}") for key, item in raw.items()}


def map_of(cls: type, keys: str) -> Kind:
    """A map to structs. `keys` names what its keys are, as in kinds.text()."""
    kind = _nested(
        cls,
        functools.partial(_encode_map, encode_object),
        functools.partial(_decode_map, functools.partial(decode_object, cls)),
        {},
        "map",
        "dict",
    )
    return kind._replace(accepts=(keys,))


def map_of_lists(cls: type, keys: str) -> Kind:
    """A map to slices of structs; a decoded slice may be None. `keys` is as for map_of()."""

    def encode(values: list[Any] | None) -> str:
        return "null" if values is None else _encode_list(values)

    def decode(raw: Any, path: str) -> list[Any] | None:
        return None if raw is None else _decode_list(cls, False, raw, path)

    kind = _nested(
        cls, functools.partial(_encode_map, encode), functools.partial(_decode_map, decode), {}, "lists", "dict"
    )
    return kind._replace(accepts=(keys,))
