# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The kinds of claim fields: how a value is converted to and from JSON, as in NATS's Go library, and to and from the options of a task."""

# JSON distinguishes numbers from true and false, and isinstance does not: bool is an int.
# pylint: disable=unidiomatic-typecheck

from __future__ import annotations

import datetime
import json
import re
from json.encoder import encode_basestring
from typing import Any, Callable, Dict, NamedTuple

from ..base import units
from ..base.errors import NatsSecurityError
from ..base.excerpts import excerpt, quoted
from ..base.texts import is_text
from .go_json import (
    Unwritable,
    decode_bool,
    decode_integer,
    decode_strings,
    decode_text,
    encode_bool,
    encode_integer,
    encode_strings,
    valid_text,
    wrong_type,
)

_Spec = Dict[str, Any]

#: Equal to nothing: a field with this as its zero is always written.
ALWAYS = object()
#: The largest number that float64 always holds exactly. Go reads the numbers in scopes and generic claims as float64.
LARGEST_EXACT = (1 << 53) - 1


class Kind(NamedTuple):
    """The kind of a field. `encode` and `decode` convert to and from JSON, `show` and `parse` to and from options. `parse` raises ValueError."""

    encode: Callable[[Any], str]
    decode: Callable[[Any, str], Any]
    zero: Any
    parse: Callable[[Any], Any]
    show: Callable[[Any], Any]
    spec: _Spec
    of: type | None = None  # the dataclass of nested objects, list elements or map values
    shape: str = "value"  # value, inline, object, list, map (of objects) or lists (a map of lists)
    reads_null: bool = False  # null is passed to its decoder too, and not ignored
    accepts: tuple[
        Any, ...
    ] = ()  # what its option accepts, for the JSON Schema: a name from schemas/make.py and its arguments

    @property
    def zero_value(self) -> Any:
        """The zero, or a function that creates it if it is mutable."""
        if self.zero is ALWAYS:
            return self.of
        return type(self.zero) if isinstance(self.zero, (list, dict)) else self.zero


def parse_text(value: Any) -> str:
    """A text of Unicode characters. ValueError for other types, such as those that YAML makes of an unquoted NO, 1.10 or 2027-01-31: the original text
    is lost."""
    if not isinstance(value, str):
        advice = ". In YAML, quote it" if isinstance(value, (bool, int, float, datetime.date)) else ""
        raise ValueError(f"expected a text, not {_a_type(value)}{advice}")
    if not is_text(value):
        raise ValueError(f"{quoted(value)} contains half of a surrogate pair, which is not a character")
    return value


def _parse_bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).lower()
    if word in ("yes", "true", "on", "1"):
        return True
    if word in ("no", "false", "off", "0"):
        return False
    raise ValueError(f"expected true or false, not {quoted(value)}")


def _parse_texts(value: Any) -> list[str]:
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list):
        raise ValueError(f"expected a list, not {_a_type(value)}")
    return list(dict.fromkeys(map(parse_text, value)))


def _a_type(value: Any) -> str:
    return {bool: "true or false", list: "a list", dict: "a dictionary"}.get(type(value), quoted(value))


def same(value: Any) -> Any:
    return value


def _text(
    parse: Callable[[Any], str] = parse_text,
    show: Callable[[str], Any] = same,
    accepts: tuple[Any, ...] = ("text",),
    **spec: Any,
) -> Kind:
    return Kind(encode_basestring, decode_text, "", parse, show, dict({"type": "str"}, **spec), accepts=accepts)


_RAW = re.compile(r"raw\((.*)\)", re.DOTALL)


def _with_raw(kind: Kind, is_usual: Callable[[Any], bool]) -> Kind:
    """The kind with a notation for values that a token can hold and an option cannot, such as `raw(-5)` for a limit of -5. It is both shown and parsed.

    So every value that is shown can be parsed. The rules check what servers do with it.
    """

    def parse(value: Any) -> Any:
        found = _RAW.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            return kind.parse(value)
        try:
            return kind.decode(json.loads(found[1]), "this")
        except (ValueError, RecursionError, NatsSecurityError):
            raise ValueError(f"{quoted(value)} does not have a valid value in its parentheses") from None

    def show(value: Any) -> Any:
        return kind.show(value) if is_usual(value) else f"raw({json.dumps(value)})"

    return kind._replace(parse=parse, show=show, accepts=("raw", *kind.accepts))


def _number(
    parse: Callable[[Any], int] = units.parse_integer,
    show: Callable[[int], Any] = same,
    bounds: tuple[int, int] = (units.INT64_MIN, units.INT64_MAX),
    type_: str = "str",
    accepts: tuple[Any, ...] = (),
) -> Kind:
    return Kind(encode_integer(*bounds), decode_integer(*bounds), 0, parse, show, {"type": type_}, accepts=accepts)


def _from(low: int, high: int = units.INT64_MAX) -> Callable[[int], bool]:
    return lambda value: low <= value <= high


def _show_sorted(values: list[str]) -> list[str]:
    return sorted(set(values))


def _parse_duration_or_none(value: Any) -> int:
    return units.UNLIMITED if str(value).strip().lower() == "unlimited" else units.parse_duration(value)


TEXT = _text()
BOOL = Kind(encode_bool, decode_bool, False, _parse_bool, same, {"type": "bool"}, accepts=("boolean",))
#: Lists whose order and repetitions carry no meaning: subjects, keys, URLs.
TEXTS = Kind(
    encode_strings,
    decode_strings,
    [],
    _parse_texts,
    _show_sorted,
    {"type": "list", "elements": "str"},
    accepts=("texts",),
)


def text(what: str) -> Kind:
    """A text that the rules of NATS constrain, such as a subject. `what` is its name in the JSON Schema, which has the pattern; it is read as any text is."""
    return TEXT._replace(accepts=(what,))


def texts(what: str) -> Kind:
    """A list of texts that the rules of NATS constrain, as in text()."""
    return TEXTS._replace(accepts=("texts", what))


COUNT = _with_raw(_number(units.parse_count, accepts=("count",)), _from(units.UNLIMITED))
#: A limit for which 0 and negative numbers mean unlimited.
COUNT_FROM_1 = _number(units.parse_count, lambda value: value if value > 0 else units.UNLIMITED, accepts=("count",))
SIZE = _with_raw(_number(units.parse_size, accepts=("size",)), _from(units.UNLIMITED))
SIZE_FROM_1 = _number(units.parse_size, lambda value: value if value > 0 else units.UNLIMITED, accepts=("size",))


#: Bytes of storage: 0 means none, and negative numbers mean unlimited.
STORAGE = _number(units.parse_size, lambda value: max(value, units.UNLIMITED), accepts=("size",))
INTEGER = _number(units.parse_integer, type_="int", accepts=("integer", units.INT64_MIN, units.INT64_MAX))
DURATION = _with_raw(_number(units.parse_duration, units.show_duration, accepts=("duration",)), _from(0))


class WrittenZero(int):
    """A limit of 0 that is written in a scope. An omitted limit is 0 too, but servers read it as unlimited (NewUserScope of the Go library). NATS's own
    library omits both when it writes a scope."""


def as_read_in_scope(value: int) -> int:
    """The value that servers read for a limit of a scope."""
    return value if value or isinstance(value, WrittenZero) else units.UNLIMITED


def _in_scope(parse: Callable[[Any], int]) -> Kind:
    def parse_in_scope(value: Any) -> int:
        number = parse(value)
        if number == 0:
            raise ValueError(
                "0 cannot be expressed in a scope, where servers read it as unlimited: use at least 1, or deny subjects"
            )
        if number > LARGEST_EXACT:
            raise ValueError(f"{number} is more than a scope can hold, 2^53-1 ({LARGEST_EXACT}): use unlimited")
        return number

    decode = decode_integer(units.INT64_MIN, units.INT64_MAX)
    is_size = parse is units.parse_size
    accepts = ("size in a scope" if is_size else "count in a scope",)
    kind = _number(parse_in_scope, lambda value: value or units.UNLIMITED, accepts=accepts)
    kind = kind._replace(decode=lambda value, path: decode(value, path) or WrittenZero())
    return _with_raw(
        kind, lambda value: units.UNLIMITED <= value <= LARGEST_EXACT and not isinstance(value, WrittenZero)
    )


COUNT_IN_SCOPE = _in_scope(units.parse_count)
SIZE_IN_SCOPE = _in_scope(units.parse_size)
#: Numbers and durations for which negative values mean unlimited, and 0 means the default of the server.
COUNT_OR_USUAL = _number(units.parse_count, lambda value: max(value, units.UNLIMITED), accepts=("count",))
DURATION_OR_USUAL = _number(
    _parse_duration_or_none,
    lambda value: "unlimited" if value < 0 else units.show_duration(value),
    accepts=("duration or unlimited",),
)
TIME = _with_raw(_number(units.parse_time, units.show_time, accepts=("time",)), _from(0))
_HOUR, _DAY = 3600, 86400


def _parse_time_of_day(value: Any) -> str:
    """Hours, minutes and seconds, also from the seconds that YAML 1.1 makes of them: it reads 18:00:00 without quotes as 64800."""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    if not is_number and not (isinstance(value, str) and value.isascii() and value.isdigit()):
        text = parse_text(value)
        if not _is_clock(text):
            raise _no_time_of_day(value)
        return text
    if not (is_number or re.fullmatch("[1-9][0-9]{3,4}", value)) or not _HOUR <= int(value) < _DAY:
        raise _no_time_of_day(value)
    seconds = int(value)
    return f"{seconds // _HOUR:02}:{seconds % _HOUR // 60:02}:{seconds % 60:02}"


def _no_time_of_day(value: Any) -> ValueError:
    return ValueError(
        f"{quoted(value)} is not a time of day; write hours, minutes and seconds, in quotes, such as '18:00:00'"
    )


def _is_clock(text: str) -> bool:
    from ..base.go_syntax import parse_clock  # few claims have times of day

    try:
        parse_clock(text)
    except ValueError:
        return False
    return True


TIME_OF_DAY = _with_raw(_text(_parse_time_of_day, accepts=("time of day",)), _is_clock)


def integer(low: int, high: int) -> Kind:
    """A whole number in the bounds of its Go type."""
    accepts = ("integer", low, high)
    return _number(
        lambda value: units.parse_integer(value, low, high), bounds=(low, high), type_="int", accepts=accepts
    )


def percentage(low: int = units.INT64_MIN, high: int = units.INT64_MAX) -> Kind:
    """1 to 100. In a token, 0 means 100 too. The bounds are those of its Go type."""
    accepts = ("percentage", low, high)
    return _with_raw(_number(_parse_percentage, lambda value: value or 100, (low, high), "int", accepts), _from(0, 100))


def _parse_percentage(value: Any) -> int:
    return units.parse_integer(value, 1, 100)


def choice(*values: str, same: dict[str, str] | None = None) -> Kind:
    """One of several texts. `same` maps other texts to the one that has the same meaning."""

    def parse(value: Any) -> str:
        if value not in values:
            raise ValueError(f"{quoted(value)} is not one of {', '.join(values)}")
        return str(value)

    known = {**{value: value for value in values}, **(same or {})}
    return _with_raw(
        _text(parse, lambda value: known[value], ("choice", *values), choices=list(values)), known.__contains__
    )


def _parse_tags(value: Any) -> list[str]:
    # TagList.Add of the Go library: trimmed, lower-case, once each.
    tags = (tag.strip().lower() for tag in _parse_texts(value))
    return list(dict.fromkeys(tag for tag in tags if tag))


TAGS = Kind(
    encode_strings,
    decode_strings,
    [],
    _parse_tags,
    lambda values: sorted({tag.strip().lower() for tag in values} - {""}),
    {"type": "list", "elements": "str"},
    accepts=("texts",),
)


def _decode_networks(value: Any, path: str) -> list[str]:
    # CIDRList reads a comma separated text too.
    if isinstance(value, str):
        return _parse_tags(valid_text(value).split(","))
    return decode_strings(value, path)


NETWORKS = texts("network")._replace(decode=_decode_networks)
CONNECTION_TYPES = TEXTS._replace(accepts=("connection types",))


def _encode_export_type(value: str) -> str:
    if value not in ("stream", "service"):
        raise NatsSecurityError(f"The type {quoted(value)} is neither stream nor service.")
    return '"' + value + '"'


def _decode_export_type(value: Any, path: str) -> str:
    if value in ("stream", "service"):
        return str(value)
    raise NatsSecurityError(f"{path} is {excerpt(json.dumps(value))} in the token: neither stream nor service.")


def _parse_export_type(value: Any) -> str:
    if value == 'raw("")':
        return ""
    if value not in ("stream", "service"):
        raise ValueError(f"{quoted(value)} is neither stream nor service")
    return str(value)


EXPORT_TYPE = Kind(
    _encode_export_type,
    _decode_export_type,
    "",
    _parse_export_type,
    lambda value: value or f"raw({json.dumps(value)})",  # a type that the token omits
    {"type": "str", "choices": ["stream", "service"]},
    reads_null=True,
    accepts=("export type",),
)


def _encode_sampling(value: int) -> str:
    if not 0 <= value <= 100:
        raise NatsSecurityError(f"A sampling rate of {value} cannot be written: 1 to 100, or headers.")
    return str(value) if value else '"headers"'


def _decode_sampling(value: Any, path: str) -> int:
    if isinstance(value, str) and value.lower() == "headers":
        return 0
    return decode_integer(units.INT64_MIN, units.INT64_MAX)(value, path)


def _parse_sampling(value: Any) -> int:
    return 0 if value == "headers" else _parse_percentage(value)


#: Latency sampling: a percentage, 0 for `headers`.
SAMPLING = _with_raw(
    Kind(
        _encode_sampling,
        _decode_sampling,
        0,
        _parse_sampling,
        lambda value: value or "headers",
        {"type": "str"},
        accepts=("sampling",),
    ),
    _from(0, 100),
)


def _encode_times(value: dict[str, int]) -> str:
    if NOW in value.values():
        raise NatsSecurityError("A revocation that holds from now on gets its time when the claims are issued.")
    for key, at in value.items():
        if not units.INT64_MIN <= at <= units.INT64_MAX:
            raise Unwritable(key, at, units.INT64_MIN, units.INT64_MAX)
    return "{" + ",".join(f"{encode_basestring(key)}:{value[key]}" for key in sorted(value)) + "}"


def _decode_times(value: Any, path: str) -> dict[str, int]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise wrong_type(path, "an object", value)
    read = decode_integer(units.INT64_MIN, units.INT64_MAX)
    return {valid_text(key): read(item, f"{path}.{key}") for key, item in value.items()}


#: In wanted claims, the time of a revocation that takes effect when it is first issued. Issued claims have a TimeOfRun in its place.
NOW = units.INT64_MIN - 1


class TimeOfRun(int):
    """The time of a revocation that takes effect in this run. It is shown as `now`, because check mode and the real run have different times."""


def _show_time_of_revocation(at: int) -> str:
    return "now" if at == NOW or isinstance(at, TimeOfRun) else str(TIME.show(at))


def _parse_times(value: Any) -> dict[str, int]:
    if not isinstance(value, dict):
        raise ValueError(f"expected a dictionary of public keys, or *, and times, not {_a_type(value)}")
    return {parse_text(key): NOW if at == "now" else TIME.parse(at) for key, at in value.items()}


REVOCATIONS = Kind(
    _encode_times,
    _decode_times,
    {},
    _parse_times,
    lambda value: {key: _show_time_of_revocation(value[key]) for key in sorted(value)},
    {"type": "dict"},
    accepts=("revocations",),
)
