# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""JSON values as Go's encoding/json reads and writes them. The kinds in `kinds.py` define how claim fields use them."""

# JSON distinguishes numbers from true and false, and isinstance does not: bool is an int.
# pylint: disable=unidiomatic-typecheck

from __future__ import annotations

import json
from json.encoder import encode_basestring
from typing import Any, Callable

from ..base.errors import NatsSecurityError


def wrong_type(path: str, wanted: str, value: Any) -> NatsSecurityError:
    """The error for a JSON value whose type is not the one that the Go library expects there."""
    found = {
        str: "a string",
        bool: "true or false",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "an object",
        type(None): "null",
    }[type(value)]
    return NatsSecurityError(f"{path} is {found} in the token, expected {wanted}.")


def valid_text(value: str) -> str:
    """The text with lone surrogates replaced, as Go's decoder replaces what is not UTF-8."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return value


def encode_any(value: Any) -> str:
    """Any JSON value as Go's encoding/json writes an interface{}: map keys sorted, numbers as float64 where they are float."""
    if isinstance(value, str):
        return encode_basestring(value)
    if isinstance(value, float):
        from ..base.go_syntax import format_float

        return format_float(value)
    if isinstance(value, dict):
        return "{" + ",".join(encode_basestring(key) + ":" + encode_any(value[key]) for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(encode_any, value)) + "]"
    return json.dumps(value)


def decode_any(value: Any, path: str) -> Any:
    """Any JSON value, with its texts made valid as in `valid_text`."""
    if isinstance(value, str):
        return valid_text(value)
    if isinstance(value, dict):
        return {valid_text(key): decode_any(item, path) for key, item in value.items()}
    if isinstance(value, list):
        return [decode_any(item, path) for item in value]
    return value


def decode_text(value: Any, path: str) -> str:
    if type(value) is str:
        return value if value.isascii() else valid_text(value)
    if value is None:
        return ""
    raise wrong_type(path, "a string", value)


def decode_strings(value: Any, path: str) -> list[str]:
    """A list of strings; null is an empty one."""
    if type(value) is list:
        return [decode_text(item, path) for item in value]
    if value is None:
        return []
    raise wrong_type(path, "a list of strings", value)


def decode_bool(value: Any, path: str) -> bool:
    if type(value) is bool:
        return value
    if value is None:
        return False
    raise wrong_type(path, "true or false", value)


def decode_integer(low: int, high: int) -> Callable[[Any, str], int]:
    def decode(value: Any, path: str) -> int:
        if type(value) is int:
            if low <= value <= high:
                return value
            raise NatsSecurityError(f"{path} is {value} in the token: not between {low} and {high}.")
        if value is None:
            return 0
        raise wrong_type(path, "a whole number", value)

    return decode


class Unwritable(NatsSecurityError):
    """A number that no token can hold: Go, and so every server, refuses the whole token. `path` is the path of the number in the claims."""

    def __init__(self, path: str, value: int, low: int, high: int) -> None:
        super().__init__(f"{path or 'A number'} is {value}, which cannot be written: the range is {low} to {high}.")
        self.path, self.value, self.low, self.high = path, value, low, high

    def within(self, name: str) -> Unwritable:
        """The same error with a path that begins with the name of a member of the enclosing object."""
        path = f"{name}.{self.path}" if self.path else name
        return Unwritable(path, self.value, self.low, self.high)


def encode_integer(low: int, high: int) -> Callable[[int], str]:
    def encode(value: int) -> str:
        if low <= value <= high:
            return str(value)
        raise Unwritable("", value, low, high)

    return encode


def encode_strings(values: list[str]) -> str:
    """A list of strings as JSON."""
    return "[" + ",".join(map(encode_basestring, values)) + "]"


def encode_bool(value: bool) -> str:
    return "true" if value else "false"
