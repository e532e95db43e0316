# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Converts numbers, sizes, durations and times, as written in a task, to the numbers in claims and back. No clock is read here."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Any

from .excerpts import quoted

#: What `unlimited` means in claims (jwt.NoLimit).
UNLIMITED = -1
INT64_MAX = (1 << 63) - 1
INT64_MIN = -(1 << 63)
NANOSECONDS = 1_000_000_000
#: The most seconds that Go's time.Duration holds, 292 years.
LONGEST_SPAN = INT64_MAX // NANOSECONDS

_SIZE_UNITS = {
    "": 1,
    "b": 1,
    "k": 1000,
    "kb": 1000,
    "m": 1000**2,
    "mb": 1000**2,
    "g": 1000**3,
    "gb": 1000**3,
    "t": 1000**4,
    "tb": 1000**4,
    "kib": 1024,
    "mib": 1024**2,
    "gib": 1024**3,
    "tib": 1024**4,
}
_DURATION_UNITS = {
    "ns": 1,
    "us": 1000,
    "ms": 1_000_000,
    "s": NANOSECONDS,
    "m": 60 * NANOSECONDS,
    "h": 3600 * NANOSECONDS,
    "d": 86400 * NANOSECONDS,
    "w": 7 * 86400 * NANOSECONDS,
}
_SIZE = re.compile(r"([0-9]+)\s*([a-zA-Z]*)")
_INTEGER = re.compile(r"[+-]?[0-9]+")
_DURATION_PART = re.compile(r"([0-9]+)(ns|us|ms|s|m|h|d|w)")
_DURATION = re.compile(r"(?:[0-9]+(?:ns|us|ms|s|m|h|d|w))+")
_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})(?:[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2}))?"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def parse_integer(value: Any, low: int = INT64_MIN, high: int = INT64_MAX) -> int:
    """A whole number within the bounds, from an int or its text. ValueError for anything else."""
    if isinstance(value, bool):
        raise ValueError(f"expected a whole number, not {str(value).lower()}")
    text = _text_of(value)
    if not _INTEGER.fullmatch(text) or len(text) > 30:
        raise ValueError(f"{quoted(value)} is not a whole number")
    number = int(text)
    if not low <= number <= high:
        raise ValueError(f"{number} is not between {low} and {high}")
    return number


def _text_of(value: Any) -> str:
    """The value as a text without surrounding white space. ValueError for a number that is too large."""
    if isinstance(value, int) and value.bit_length() > 128:  # may have more digits than Python converts to text
        raise ValueError(f"{quoted(value)} is larger than NATS supports")
    return str(value).strip()


def parse_count(value: Any) -> int:
    """A whole number from 0, or `unlimited` (or -1) for no limit."""
    if str(value).strip().lower() == "unlimited":
        return UNLIMITED
    try:
        return parse_integer(value, UNLIMITED)
    except ValueError as error:
        raise ValueError(f"{error}: write a whole number from 0, or unlimited") from None


def parse_size(value: Any) -> int:
    """Bytes from `1048576`, `10GiB` (powers of 1024), `10GB` or `10G` (powers of 1000), or `unlimited`."""
    text = _text_of(value)
    if text.lower() in ("unlimited", "-1"):
        return UNLIMITED
    match = None if isinstance(value, bool) else _SIZE.fullmatch(text)
    if not match or match.group(2).lower() not in _SIZE_UNITS:
        raise ValueError(f"{quoted(value)} is not a size: write 1048576, 10GiB, 500MB or unlimited")
    size = int(match.group(1)[:30]) * _SIZE_UNITS[match.group(2).lower()]
    if size > INT64_MAX or len(match.group(1)) > 30:
        raise ValueError(f"{quoted(value)} is larger than NATS supports")
    return size


def show_size(size: int) -> str | int:
    """A number of bytes in the form that parse_size reads: `10GiB`, `500MB`, `unlimited`; the plain number if no unit divides it."""
    if size < 0:
        return "unlimited"
    for unit, power in (
        ("TiB", 1024**4),
        ("TB", 1000**4),
        ("GiB", 1024**3),
        ("GB", 1000**3),
        ("MiB", 1024**2),
        ("MB", 1000**2),
        ("KiB", 1024),
    ):
        if size and size % power == 0:
            return f"{size // power}{unit}"
    return size


def parse_duration(value: Any) -> int:
    """Nanoseconds from `90d`, `12h`, `1h30m`, `500ms` (units ns, us, ms, s, m, h, d, w), or 0."""
    text = _text_of(value)
    if text == "0":
        return 0
    if isinstance(value, bool) or not _DURATION.fullmatch(text):
        raise ValueError(
            f"{quoted(value)} is not a duration: write a number with its unit, such as 90d, 12h, 30m, 15s or 500ms"
        )
    parts = _DURATION_PART.findall(text)
    total = sum(int(count[:30]) * _DURATION_UNITS[unit] for count, unit in parts)
    if total > INT64_MAX or any(len(count) > 30 for count, _unit in parts):
        raise ValueError(f"{quoted(value)} is longer than NATS supports (292 years)")
    return total


def parse_seconds(value: Any) -> int:
    """A duration in whole seconds, at least one."""
    nanoseconds = parse_duration(value)
    if nanoseconds < NANOSECONDS or nanoseconds % NANOSECONDS:
        raise ValueError(f"{quoted(value)} is not a duration of whole seconds, such as 90d, 12h, 30m or 15s")
    return nanoseconds // NANOSECONDS


def parse_time(value: Any) -> int:
    """Unix seconds from RFC 3339 (`2027-01-31T12:00:00Z`), a date (`2027-01-31`, midnight UTC) or unix seconds."""
    if isinstance(value, datetime):
        value = value.isoformat()
    text = _text_of(value)
    if not isinstance(value, bool) and text.isascii() and text.isdigit():
        return parse_integer(text, 0)
    match = None if isinstance(value, bool) else _TIME.fullmatch(text)
    if not match:
        raise ValueError(f"{quoted(str(value))} is not a time: write RFC 3339, such as 2027-01-31T12:00:00Z, or a date")
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    try:
        moment = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=timezone.utc)
    except ValueError as error:
        raise ValueError(f"{quoted(text)} is not a time: {error}") from None
    seconds = (moment - _EPOCH) // timedelta(seconds=1) + (1 if second == 60 else 0)
    zone = match.group(7) or "Z"
    if zone not in "Zz":
        hours, minutes = int(zone[1:3]), int(zone[4:6])
        if hours > 23 or minutes > 59:
            raise ValueError(f"{quoted(text)} is not a time: its offset {zone} is not below 24 hours")
        offset = hours * 3600 + minutes * 60
        seconds -= offset if zone[0] == "+" else -offset
    if second > 60 or seconds < 0:
        raise ValueError(f"{quoted(text)} is not a time after 1970")
    return seconds


def show_time(seconds: int) -> str:
    """Unix seconds as RFC 3339 in UTC, or as a plain number if they are outside of the years that Python supports."""
    try:
        return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ").zfill(20)
    except OverflowError:
        return str(seconds)


def show_duration(nanoseconds: int) -> str:
    """A duration in the form that parse_duration reads: `90d`, `1h30m`, `1s500ms`. A negative duration gets a minus sign."""
    if nanoseconds < 0:
        return "-" + show_duration(-nanoseconds)
    if not nanoseconds:
        return "0"
    text = ""
    rest = nanoseconds
    for unit in ("d", "h", "m", "s", "ms", "us", "ns"):
        count, rest = divmod(rest, _DURATION_UNITS[unit])
        text += f"{count}{unit}" if count else ""
    return text


def show_seconds(seconds: int) -> str:
    """A span of seconds in its two largest units, for messages: `6d`, `1h30m`, `90d12h`."""
    parts = re.findall("[0-9]+[a-z]+", show_duration(abs(seconds) * NANOSECONDS)) or ["0s"]
    return ("-" if seconds < 0 else "") + "".join(parts[:2])


def show_rounded(seconds: int) -> str:
    """A span of seconds, rounded for messages so that it is the same a few seconds later: `6d`, `13d4h`, `2h30m`, `less than 1h`."""
    minute, hour, day = 60, 3600, 86400
    if seconds < hour - minute // 2:
        return "less than 1h"
    unit = minute if seconds < day - hour // 2 else hour
    return show_seconds((seconds + unit // 2) // unit * unit)
