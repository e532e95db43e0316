# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Reads a document from a YAML or JSON file. YAML needs PyYAML, which every host with ansible-core has.

Stricter than YAML and JSON about values that would be silently lost or changed: duplicate keys, including those from merge keys, and keys that are not
strings are errors.
"""

from __future__ import annotations

import json
import os
import re
from typing import Any

from ..base.each_once import SaidTwiceError, each_once
from ..base.errors import Missing, NatsSecurityError
from ..base.excerpts import excerpt, quoted
from ..base.nesting import is_deeper
from ..base.texts import place_of_half
from ..disk.files import read_text

#: More levels than any valid document has, and fewer than Python's stack allows.
_DEEPEST = 100
#: The maximum number of values in a file, including those that its aliases repeat.
_MOST_VALUES = 5_000_000
#: Ten times the size of a document with 100,000 users.
_MAX_BYTES = 512 * 1024 * 1024


def read_source(path: str, option: str = "src", what: str = "the document") -> str:
    """The text of the file that an option names. NatsSecurityError if it cannot be read."""
    text = read_text(path, f"{option}: {what}", _MAX_BYTES)
    if text is None:
        raise Missing(f"{option}: there is no file {os.path.abspath(path)}.")
    return text


def parse_source(path: str, text: str, option: str = "src") -> Any:
    """The value of a YAML or JSON text. NatsSecurityError if it is neither, or if a string in it has half of a surrogate pair."""
    try:
        found = _parse(path, text)
    except NatsSecurityError as error:
        raise NatsSecurityError(f"{option}: {error}") from None
    # Only an escape sequence can result in half of a surrogate pair.
    place = place_of_half(found) if "\\u" in text or "\\U" in text else ""
    if place:
        raise NatsSecurityError(
            f"{option}: {path}: {place} contains half of a surrogate pair, which is not a character."
        )
    return found


def _parse(path: str, text: str) -> Any:
    # JSON is tried first, independent of the file name: it is faster, and needs no library.
    if text.lstrip()[:1] in ("{", "["):
        try:
            found = json.loads(text, object_pairs_hook=each_once, parse_constant=_no_constant)
        except SaidTwiceError as error:
            first, again = _lines_of(text, error.key)
            raise _said_twice(path, error.key, first, again) from None
        except RecursionError:
            raise _too_deep(path) from None
        except ValueError as error:
            if path.endswith(".json"):
                raise NatsSecurityError(f"{path} is not JSON: {excerpt(str(error))}.") from None
        else:
            # Some versions of Python read thousands of levels, others raise RecursionError.
            if is_deeper(found, _DEEPEST):
                raise _too_deep(path)
            return found
    return _read_yaml(path, text)


def _said_twice(path: str, key: str, first: int, again: int) -> NatsSecurityError:
    return NatsSecurityError(
        f"{path} has {quoted(key)} at line {first} and again in the same dictionary at line {again}, so one of the two would be lost."
    )


def _too_deep(path: str) -> NatsSecurityError:
    return NatsSecurityError(f"{path} is nested more than {_DEEPEST} levels deep, which is too deep for a document.")


# ---- JSON


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_JSON_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:]', re.DOTALL)


def _lines_of(text: str, key: str) -> tuple[int, int]:
    """The first two lines of a duplicate key in a JSON text. Slow, and therefore only used for an error message."""
    objects: list[dict[str, int]] = []
    last = ""
    line, counted = 1, 0
    for match in _JSON_TOKEN.finditer(text):
        token = match.group()
        if token == "{":  # noqa: S105 (of JSON, no secret)
            objects.append({})
        elif token == "[":  # noqa: S105 (of JSON, no secret)
            objects.append({})  # without keys
        elif token in ("}", "]"):
            objects.pop()
        elif token == ":":  # noqa: S105 (of JSON, no secret)
            name = json.loads(last)
            if name == key and name in objects[-1]:
                return objects[-1][name], line
            objects[-1].setdefault(name, line)
        else:
            last = token
            line += text.count("\n", counted, match.start())
            counted = match.start()
    return 0, 0


# ---- YAML


def _read_yaml(path: str, text: str) -> Any:
    # The import takes 15 ms, which reading JSON avoids.
    try:
        import yaml
    except ImportError:
        raise NatsSecurityError(
            f"{path} is YAML, which requires the Python library PyYAML on this host: install it, or write JSON."
        ) from None
    loader: Any = None
    try:
        _check_depth(path, yaml, text)
        loader = _loader(yaml)(text)
        node = loader.get_single_node()
        if node is None:
            return None
        check = _Check(path)
        check.check(node)
        try:
            return loader.construct_document(node)
        except _UNREADABLE as error:  # 2020-13-45 looks like a date
            raise check.unreadable(loader, error) from None
    except RecursionError:  # without libyaml, the parser calls itself in Python
        raise _too_deep(path) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or "it cannot be read"
        raise NatsSecurityError(f"{path} is not YAML{where}: {problem}.") from None
    finally:
        if loader is not None:
            loader.dispose()


def _loader(yaml: Any) -> Any:
    """A safe loader that also reads `!unsafe`, which protects scope templates in Ansible variables. Nothing is templated here."""

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # both are safe
        pass

    def as_it_is(loader: Any, node: Any) -> Any:
        if isinstance(node, yaml.ScalarNode):
            return loader.construct_scalar(node)
        if isinstance(node, yaml.SequenceNode):
            return loader.construct_sequence(node, deep=True)
        return loader.construct_mapping(node, deep=True)

    Loader.add_constructor("!unsafe", as_it_is)
    return Loader


_DEEP_LINE = re.compile(r"^[ \-?:\t]{500,}", re.MULTILINE)


def _check_depth(path: str, yaml: Any, text: str) -> None:
    """Refuse a text that is nested too deep for the recursive parser: at 40,000 levels it terminates the process."""
    if text.count("[") + text.count("{") <= 1000 and not _DEEP_LINE.search(text):
        return
    depth = 0
    for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        if isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)):
            depth += 1
            if depth > _DEEPEST:
                raise _too_deep(path)
        elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
            depth -= 1


#: The Python exceptions that PyYAML does not convert, for values such as `2020-13-45`, `!!bool x`, `!!int ""` and `!!timestamp x`.
_UNREADABLE = (ValueError, LookupError, AttributeError, TypeError, OverflowError)
_MERGE = "tag:yaml.org,2002:merge"
_TEXTS = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:value")


class _Check:
    """Checks the nodes of a YAML document. Each node is visited once, even if aliases refer to it several times."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._sizes: dict[int, int] = {}  # of nodes, including what their aliases repeat
        self._depths: dict[int, int] = {}
        self._above: set[int] = set()
        self._typed: list[Any] = []  # values that are not strings

    def check(self, root: Any) -> None:
        """Raise NatsSecurityError for a duplicate key, a key that is not a string, a node that contains itself, too many levels or too many values."""
        waiting = [(root, False)]
        while waiting:
            node, is_done = waiting.pop()
            inside = self._inside(node)
            if is_done:
                self._above.discard(id(node))
                self._measure(node, inside)
            elif id(node) in self._above:
                raise self._error(node, "it contains itself")
            elif id(node) not in self._sizes:
                if node.id == "mapping":
                    self._check_keys(node)
                elif node.id == "scalar" and node.tag not in _TEXTS:
                    self._typed.append(node)
                self._above.add(id(node))
                waiting.append((node, True))
                waiting.extend((one, False) for one in inside)

    def unreadable(self, loader: Any, error: Exception) -> NatsSecurityError:
        """The error for the value that PyYAML could not read. `error` is the exception that it raised."""
        for node in self._typed:
            loader.recursive_objects.clear()
            try:
                loader.construct_object(node, deep=True)
            except _UNREADABLE:
                return self._error(
                    node, f"{quoted(node.value)} looks like a number, a time or the like and is none; quote it"
                )
        return NatsSecurityError(f"{self._path} has a value that YAML cannot read: {excerpt(str(error))}.")

    @staticmethod
    def _inside(node: Any) -> list[Any]:
        if node.id == "mapping":
            return [value for _key, value in node.value]
        return list(node.value) if node.id == "sequence" else []

    def _measure(self, node: Any, inside: list[Any]) -> None:
        self._sizes[id(node)] = size = 1 + sum(self._sizes[id(one)] for one in inside)
        self._depths[id(node)] = depth = 1 + max((self._depths[id(one)] for one in inside), default=0)
        if depth > _DEEPEST:
            raise _too_deep(self._path)
        if size > _MOST_VALUES:
            raise self._error(node, f"its aliases make more than {_MOST_VALUES} values of it")

    def _check_keys(self, node: Any) -> None:
        lines: dict[str, int] = {}
        merged: dict[str, bool] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.id != "scalar" or key.tag not in (_MERGE, *_TEXTS):
                shown = key.value if key.id == "scalar" else f"a {key.id}"
                raise self._error(key, f"{quoted(shown)} is not a text, and keys have to be texts; quote it")
            if key.value in lines:
                raise _said_twice(self._path, key.value, lines[key.value], line)
            lines[key.value] = line
            if key.tag == _MERGE:
                merged = self._merged(value)
        for name, is_repeated in merged.items():
            if is_repeated and name not in lines:
                raise self._error(
                    node,
                    f"two of the dictionaries that it merges have {quoted(name)}; set the value in the dictionary itself",
                )

    @staticmethod
    def _merged(value: Any) -> dict[str, bool]:
        """The keys of the merged dictionaries, and whether more than one of these has the key. Keys of the dictionary itself override merged keys."""
        found: dict[str, bool] = {}
        for one in value.value if value.id == "sequence" else ():
            for key, _unused in one.value if one.id == "mapping" else ():
                if key.id == "scalar" and key.tag != _MERGE:
                    found[key.value] = key.value in found
        return found

    def _error(self, node: Any, problem: str) -> NatsSecurityError:
        return NatsSecurityError(f"{self._path} at line {node.start_mark.line + 1}: {problem}.")
