# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Write data in NATS's configuration language (nats-server, conf/lex.go), which resembles JSON.

The differences from JSON that matter here: strings have no `\\u` escapes, keys have no escapes, an unquoted word that begins with `$` is a variable,
and a number directly before `]` is read as a string.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from decimal import Decimal
from typing import Any, Mapping, Sequence

from ..base.errors import NatsSecurityError
from ..base.go_syntax import format_float
from ..base.units import INT64_MAX, INT64_MIN
from ..claims.wire import escape_html

_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_TO_ESCAPE = re.compile(r'[\\"\x00-\x1f\x7f]')


class Variable(str):
    """The name of a variable, used as a value."""


def write(members: Mapping[str, Any]) -> str:
    """The text of a configuration file with these members. Values that are None are omitted. NatsSecurityError for values that cannot be written."""
    return "".join(_members(members, 0))


def text_of(text: str) -> str:
    """A string in double quotes."""
    _refuse_surrogates(text)
    return '"' + _TO_ESCAPE.sub(lambda match: _ESCAPES.get(match.group(), f"\\x{ord(match.group()):02x}"), text) + '"'


def _key(key: Any) -> str:
    text = str(key)
    _refuse_surrogates(text)
    for quote in "\"'":
        if quote not in text and "\0" not in text:
            return quote + text + quote
    raise NatsSecurityError(f"{text!r} cannot be the name of an option: it has both kinds of quotes, or a NUL.")


def _refuse_surrogates(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise NatsSecurityError(f"{text!r} is not Unicode text, as it has half of a surrogate pair.") from None


def _members(members: Mapping[str, Any], depth: int) -> list[str]:
    indent = "  " * depth
    return [f"{indent}{_key(key)}: {_value(value, depth)}\n" for key, value in members.items() if value is not None]


def _value(value: Any, depth: int) -> str:
    if isinstance(value, Variable):
        return "$" + value
    if isinstance(value, str):
        return text_of(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        if not INT64_MIN <= value <= INT64_MAX:
            raise NatsSecurityError(f"{value} is more than a number in NATS's configuration can be.")
        return str(value)
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, Mapping):
        return "{\n" + "".join(_members(value, depth + 1)) + "  " * depth + "}"
    if isinstance(value, Sequence):
        # The space is needed after a number: "1]" would be a string.
        return "[" + ", ".join(_value(member, depth) for member in value if member is not None) + " ]"
    return text_of(str(value))


def _float(value: float) -> str:
    if not math.isfinite(value):
        raise NatsSecurityError(f"{value} is not a number that NATS's configuration can have.")
    text = format(Decimal(repr(value)), "f")  # the language has no exponents
    return text if "." in text else text + ".0"


def digest(data: Mapping[str, Any]) -> str:
    """The digest that `nats-server -t` prints for a configuration with this data, and that a running server returns as `config_digest`."""
    return "sha256:" + hashlib.sha256(escape_html(_json(data)).encode("utf-8") + b"\n").hexdigest()


def _json(value: Any) -> str:
    # Same output as Go's encoding/json: members sorted by name, numbers in Go's format.
    if isinstance(value, Mapping):
        return (
            "{" + ",".join(f"{json.dumps(key, ensure_ascii=False)}:{_json(value[key])}" for key in sorted(value)) + "}"
        )
    if isinstance(value, list):
        return "[" + ",".join(map(_json, value)) + "]"
    return format_float(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)
