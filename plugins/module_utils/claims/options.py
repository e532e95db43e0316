# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Converts declared objects from and to the options of a task, and generates the argument specs and documentation of these options."""

from __future__ import annotations

import functools
import json
import re
from typing import Any, Iterable, NamedTuple

from ..base.excerpts import excerpt, expected, quoted
from . import kinds
from .declaration import Field, fields_of
from .kinds import Kind

#: The maximum length of a message, which may repeat what the user wrote.
_LONGEST = 2000


class Problem(NamedTuple):
    """A problem with an option. The path consists of option names: `exports[2].response_threshold`."""

    path: str
    message: str

    def __str__(self) -> str:
        text = f"{self.path}: {self.message}" if self.path else self.message
        return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}... ({len(text)} characters)"


# ---- names in paths

#: The options that name an element of a list. The first one that an element has is its name.
_NAMES = ("name", "role", "user", "operator", "id")
#: A public key has 56 characters. It is not a name, and the message shows it anyway.
_LONGEST_NAME = 55
_STEP = re.compile(r"\.?(\w+)(?:\[([0-9]+)\])?")


def element_path(path: str, index: int, item: Any) -> str:
    """The path of an element of a list, with its name if it has one: `exports[2] (orders)`."""
    return f"{path}[{index}]{_name_of(item)}"


def with_names(problems: Iterable[Problem], options: Any) -> list[Problem]:
    """The problems, with the names of the elements in `options` that their paths lead through: `exports[2] (orders).response_threshold`."""
    return [Problem(_named_path(problem.path, options), problem.message) for problem in problems]


def _named_path(path: str, options: Any) -> str:
    shown, end = "", 0
    while step := _STEP.match(path, end):
        shown, end = shown + step[0], step.end()
        options = options.get(step[1]) if isinstance(options, dict) else None
        if step[2]:
            index = int(step[2])
            options = options[index] if isinstance(options, list) and index < len(options) else None
            name = _name_of(options)
            shown += name
            # Accounts and users have their names already.
            end += len(name) if path.startswith(name, end) else 0
    return shown + path[end:]


def _name_of(item: Any) -> str:
    """The name of an element in parentheses; empty if it has none, or one that a message cannot show."""
    name = next((item[word] for word in _NAMES if item.get(word)), None) if isinstance(item, dict) else None
    is_plain = isinstance(name, str) and len(name) <= _LONGEST_NAME and name.isprintable() and excerpt(name) == name
    return f" ({name})" if is_plain else ""


# ---- fields


@functools.lru_cache(maxsize=None)
def shown_fields(cls: type) -> tuple[tuple[Field, tuple[str, ...]], ...]:
    """The fields that carry meaning, each with the attributes that lead to the object that holds it."""
    found: list[tuple[Field, tuple[str, ...]]] = []
    for field in fields_of(cls):
        if field.flat and field.kind.of is not None:
            found.extend((inner, (field.attribute, *holders)) for inner, holders in shown_fields(field.kind.of))
        elif field.is_shown:
            found.append((field, ()))
    return tuple(found)


@functools.lru_cache(maxsize=None)
def _options_by_name(cls: type) -> dict[str, tuple[Field, tuple[str, ...]]]:
    return {field.attribute: (field, holders) for field, holders in shown_fields(cls) if field.is_option}


def member(value: Any, holders: tuple[str, ...], attribute: str) -> Any:
    """The value of a field that shown_fields returned."""
    for holder in holders:
        value = getattr(value, holder)
    return getattr(value, attribute)


# ---- options to objects


def read_options(cls: type, options: Any, path: str, problems: list[Problem], beside: tuple[str, ...] = ()) -> Any:
    """The object that the options describe. Options that are omitted or null have their default.

    All problems are appended to `problems`: unknown names, invalid values, missing required options. `beside` are options at the same place that other
    code reads; a message about an unknown name lists them too.
    """
    target = cls()
    known = _options_by_name(cls)
    if not isinstance(options, dict):
        problems.append(Problem(path, expected("a dictionary", known, quoted(options))))
        return target
    for name, value in options.items():
        where = _join(path, excerpt(str(name)))
        if not isinstance(name, str) or name not in known:
            problems.append(Problem(where, f"unsupported option{_suggestion(name, {*known, *beside})}"))
        elif value is not None:
            field, holders = known[name]
            holder = target
            for attribute in holders:
                holder = getattr(holder, attribute)
            read = _read_value(field.kind, value, where, problems)
            if read is not _BAD:
                setattr(holder, field.attribute, read)
    for name, found in known.items():
        if found[0].required and options.get(name) is None:
            problems.append(Problem(_join(path, name), "this is required."))
    return target


_BAD = object()


def _read_value(kind: Kind, value: Any, path: str, problems: list[Problem]) -> Any:
    of = kind.of
    if of is None:
        try:
            return kind.parse(value)
        except ValueError as error:
            problems.append(Problem(path, f"{error}."))
            return _BAD
    if kind.shape in ("inline", "object"):
        return read_options(of, value, path, problems)
    if kind.shape == "list":
        return _read_list(of, value, path, problems)
    if not isinstance(value, dict):
        problems.append(Problem(path, f"expected a dictionary, not {quoted(value)}."))
        return _BAD
    read = _read_list if kind.shape == "lists" else read_options
    found = {}
    for key, item in value.items():
        where = _join(path, excerpt(str(key)))
        try:
            found[kinds.parse_text(key)] = read(of, item, where, problems)
        except ValueError as error:
            problems.append(Problem(where, f"{error}."))
    return {key: item for key, item in found.items() if item is not _BAD}


def _read_list(of: type, value: Any, path: str, problems: list[Problem]) -> Any:
    if not isinstance(value, list):
        problems.append(Problem(path, expected("a list of dictionaries", _options_by_name(of), quoted(value))))
        return _BAD
    return [read_options(of, item, f"{path}[{index}]", problems) for index, item in enumerate(value)]


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


@functools.lru_cache(maxsize=None)
def option_names(cls: type) -> frozenset[str]:
    """The names of the options of an object."""
    return frozenset(_options_by_name(cls))


def known_only(options: dict[str, Any], known: frozenset[str], path: str, problems: list[Problem]) -> dict[str, Any]:
    """The options with known names. Each other option is appended to `problems`, with a similar name or all known names."""
    unknown = options.keys() - known
    if not unknown:
        return options
    for name in filter(unknown.__contains__, options):
        where = _join(path, excerpt(str(name)))
        problems.append(Problem(where, f"unsupported option{_suggestion(name, known)}"))
    return {name: value for name, value in options.items() if name in known}


def _suggestion(name: str, known: Any) -> str:
    import difflib  # imported on demand: it takes a millisecond

    close = difflib.get_close_matches(str(name)[:100], list(known), 1)
    return f"; did you mean {close[0]}?" if close else "; available: {}.".format(", ".join(sorted(known)))


# ---- objects to options


def show_options(value: Any) -> dict[str, Any]:
    """The options that describe an object, without those that have their default. Objects with the same meaning have the same options.

    So lists whose order carries no meaning are sorted, and values with several spellings always have the same one.
    """
    shown: dict[str, Any] = {}
    for field, holders, default in _shown_defaults(value.__class__):
        option = show_value(field.kind, member(value, holders, field.attribute))
        if field.required or option != default:
            shown[field.attribute] = option
    return shown


@functools.lru_cache(maxsize=None)
def _shown_defaults(cls: type) -> list[tuple[Field, tuple[str, ...], Any]]:
    return [(field, holders, show_value(field.kind, field.default())) for field, holders in shown_fields(cls)]


def show_value(kind: Kind, value: Any) -> Any:
    """The value of a field, as an option."""
    if kind.of is None:
        return kind.show(value)
    if kind.shape in ("inline", "object"):
        return None if value is None else show_options(value)
    if kind.shape == "list":
        return _show_list(value)
    if kind.shape == "lists":
        return {key: _show_list(value[key] or []) for key in sorted(value)}
    return {key: show_options(value[key]) for key in sorted(value)}


def _show_list(values: list[Any]) -> list[Any]:
    return sort_shown([show_options(value) for value in values if value is not None])


def sort_shown(shown: list[Any]) -> list[Any]:
    """Shown elements, sorted by what identifies them, so that an element keeps its place when something else in it changes."""
    return sorted(shown, key=_sort_key)


def _sort_key(shown: Any) -> tuple[str, str]:
    if not isinstance(shown, dict):
        return str(shown), ""
    first = shown.get("subject") or shown.get("key") or shown.get("role") or ""
    return str(first), json.dumps(shown, sort_keys=True)


# ---- argument specs and documentation


def argument_spec(cls: type) -> dict[str, Any]:
    """The argument spec of the options of an object."""
    return {name: _spec_of(found[0]) for name, found in _options_by_name(cls).items()}


def _spec_of(field: Field) -> dict[str, Any]:
    kind = field.kind
    spec: dict[str, Any] = dict(kind.spec)
    if field.required:
        spec["required"] = True
    default = _told_default(field)
    if default is not None:
        spec["default"] = default
    if kind.of is not None and kind.shape in ("inline", "object"):
        spec["options"] = argument_spec(kind.of)
    elif kind.of is not None and kind.shape == "list":
        spec["elements"] = "dict"
        spec["options"] = argument_spec(kind.of)
    if _looks_secret(field.attribute):
        spec["no_log"] = False
    return spec


def _looks_secret(name: str) -> bool:
    # Names for which Ansible requires an explicit no_log, see PASSWORD_MATCH in ansible.module_utils.common.parameters.
    return any(word in name for word in ("token", "key", "pass", "secret"))


def _told_default(field: Field) -> Any:
    """The default as an option; None if the argument spec has none."""
    kind = field.kind
    if kind.of is not None or field.required:
        return None
    value = field.default()
    if kind is kinds.BOOL:
        return value
    if kind.spec["type"] in ("str", "int") and isinstance(value, int) and value:
        return "unlimited" if value == -1 else value if kind.spec["type"] == "int" else str(value)
    return None


def documentation(cls: type) -> dict[str, Any]:
    """The options of an object in the format of a module's DOCUMENTATION."""
    return {name: _documentation_of(found[0]) for name, found in _options_by_name(cls).items()}


def _documentation_of(field: Field) -> dict[str, Any]:
    kind = field.kind
    told: dict[str, Any] = {"description": list(field.help)}
    spec = _spec_of(field)
    told.update((name, spec[name]) for name in ("type", "elements", "choices", "default", "required") if name in spec)
    if field.version_added:
        told["version_added"] = field.version_added
    if "options" in spec and kind.of is not None:
        told["suboptions"] = documentation(kind.of)
    return told
