# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Whether a time is within hours of the day, as nats-server compares them (validateTimes in jwt.go)."""

from __future__ import annotations

import contextlib
import datetime
import importlib
from typing import Any, Sequence

from ..claims.permissions import TimeRange

#: Python 3.8 has no zoneinfo.
_zoneinfo: Any = None
with contextlib.suppress(ImportError):
    _zoneinfo = importlib.import_module("zoneinfo")


def is_open(times: Sequence[TimeRange], location: str, when: int) -> bool | None:
    """Whether a time, in Unix seconds, is in one of the ranges; None if this host does not know the time zone. "" is the time zone of this host."""
    zone = _zone(location)
    if zone is None:
        return None
    now = _local(zone, when)
    return any(_is_in(one, now) for one in times)


def shown(location: str, when: int) -> str:
    """The time of day in a zone, for messages; empty if this host does not know the zone."""
    zone = _zone(location)
    return f"{_local(zone, when):%H:%M:%S} there" if zone is not None else ""


def _zone(location: str) -> Any:
    """The zone; None if it is not known. UTC needs no database. The server's local zone is assumed to be that of this host."""
    if location in ("UTC", "Etc/UTC", "GMT"):
        return datetime.timezone.utc
    if location in ("", "Local"):
        return "local"
    if _zoneinfo is None:
        return None
    try:
        return _zoneinfo.ZoneInfo(location)
    except (KeyError, ValueError, OSError):
        return None


def _local(zone: Any, when: int) -> datetime.datetime:
    moment = datetime.datetime.fromtimestamp(when, datetime.timezone.utc)
    return moment.astimezone(None if zone == "local" else zone)


def _is_in(one: TimeRange, now: datetime.datetime) -> bool:
    start, end, at = _seconds(one.start), _seconds(one.end), now.hour * 3600 + now.minute * 60 + now.second
    if start is None or end is None:
        return False
    if start < end:
        return start <= at < end
    return start > end and (at >= start or at < end)


def _seconds(clock: str) -> int | None:
    parts = clock.split(".")[0].split(":")
    if len(parts) != 3 or not all(part.isdecimal() for part in parts):
        return None
    hour, minute, second = map(int, parts)
    return hour * 3600 + minute * 60 + second
