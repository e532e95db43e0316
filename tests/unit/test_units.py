# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The accepted forms of numbers, sizes, durations and times, and the forms in which they are displayed."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest

from ansible_collections.natsops.security.plugins.module_utils.base import units

SECOND = 1_000_000_000
DAY = 86400


def refused(parse, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        parse(value)


# ---- numbers


@pytest.mark.parametrize(
    ("value", "number"),
    [(0, 0), (7, 7), (-1, -1), ("7", 7), ("-7", -7), ("+7", 7), (" 7 ", 7), ("007", 7), (2**63 - 1, 2**63 - 1)],
)
def test_whole_number_is_read(value: Any, number: int) -> None:
    assert units.parse_integer(value) == number


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (True, "expected a whole number, not true"),
        ("", "'' is not a whole number"),
        ("1.5", "'1.5' is not a whole number"),
        (1.5, "1.5 is not a whole number"),
        ("1e3", "'1e3' is not a whole number"),
        ("1_000", "'1_000' is not a whole number"),
        ("\u0661", "is not a whole number"),
        (None, "None is not a whole number"),
        ([1], "[1] is not a whole number"),
        (2**63, "9223372036854775808 is not between -9223372036854775808 and 9223372036854775807"),
        ("9" * 5000, "is not a whole number"),
    ],
)
def test_what_is_no_whole_number_is_refused(value: Any, message: str) -> None:
    refused(units.parse_integer, value, message)


def test_whole_number_out_of_its_bounds_is_refused_with_them() -> None:
    assert units.parse_integer(100, 1, 100) == 100
    refused(lambda value: units.parse_integer(value, 1, 100), 101, "101 is not between 1 and 100")
    refused(lambda value: units.parse_integer(value, 1, 100), 0, "0 is not between 1 and 100")


@pytest.mark.parametrize(
    ("value", "count"),
    [(0, 0), ("10", 10), (-1, -1), ("-1", -1), ("unlimited", -1), ("Unlimited", -1), (" unlimited ", -1)],
)
def test_count_is_read(value: Any, count: int) -> None:
    assert units.parse_count(value) == count


@pytest.mark.parametrize("value", [-2, "-2", "none", "", True, "10k", 1.0])
def test_what_is_no_count_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"whole number|between|unlimited"):
        units.parse_count(value)


# ---- sizes


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (0, 0),
        ("1048576", 1048576),
        ("1B", 1),
        ("1k", 1000),
        ("1K", 1000),
        ("1KB", 1000),
        ("1KiB", 1024),
        ("1kib", 1024),
        ("2M", 2_000_000),
        ("2MB", 2_000_000),
        ("2MiB", 2 * 1024**2),
        ("3G", 3 * 1000**3),
        ("3GB", 3 * 1000**3),
        ("10GiB", 10 * 1024**3),
        ("10 GiB", 10 * 1024**3),
        ("4T", 4 * 1000**4),
        ("4TB", 4 * 1000**4),
        ("4TiB", 4 * 1024**4),
        ("unlimited", -1),
        ("UNLIMITED", -1),
        (-1, -1),
        (2**63 - 1, 2**63 - 1),
    ],
)
def test_size_is_read(value: Any, size: int) -> None:
    assert units.parse_size(value) == size


@pytest.mark.parametrize(
    "value", ["", "GiB", "10Gi", "10 G B", "1.5GiB", "-5", "-5k", -2, True, None, "10X", "ten", "\u0661k"]
)
def test_what_is_no_size_is_refused_with_an_example(value: Any) -> None:
    refused(units.parse_size, value, "is not a size: write 1048576, 10GiB, 500MB or unlimited")


@pytest.mark.parametrize("value", [2**63, "9223373T", "9" * 5000, "9" * 5000 + "TiB"])
def test_size_beyond_64_bits_is_refused(value: Any) -> None:
    refused(units.parse_size, value, "is larger than NATS supports")


# ---- durations


@pytest.mark.parametrize(
    ("value", "nanoseconds"),
    [
        (0, 0),
        ("0", 0),
        ("90d", 90 * DAY * SECOND),
        ("12h", 12 * 3600 * SECOND),
        ("30m", 1800 * SECOND),
        ("15s", 15 * SECOND),
        ("500ms", SECOND // 2),
        ("7us", 7000),
        ("3ns", 3),
        ("2w", 14 * DAY * SECOND),
        ("1h30m", 5400 * SECOND),
        ("1d12h30m15s", (DAY + 12 * 3600 + 1815) * SECOND),
    ],
)
def test_duration_is_read(value: Any, nanoseconds: int) -> None:
    assert units.parse_duration(value) == nanoseconds


@pytest.mark.parametrize("value", ["", "90", 90, "1.5h", "-1h", "1 h", "h", "1y", "1H", "1hour", True, None, "1h 30m"])
def test_what_is_no_duration_is_refused_with_an_example(value: Any) -> None:
    refused(units.parse_duration, value, "is not a duration: write a number with its unit, such as 90d, 12h")


@pytest.mark.parametrize("value", ["300000d", "9223372036854775808ns", "9" * 5000 + "h"])
def test_duration_beyond_64_bits_is_refused(value: str) -> None:
    refused(units.parse_duration, value, "is longer than NATS supports (292 years)")


@pytest.mark.parametrize(("value", "seconds"), [("1s", 1), ("90d", 90 * DAY), ("1000ms", 1), ("1m30s", 90)])
def test_span_of_whole_seconds_is_read(value: str, seconds: int) -> None:
    assert units.parse_seconds(value) == seconds


@pytest.mark.parametrize("value", ["0", "500ms", "1500ms", "1ns"])
def test_span_of_no_whole_seconds_is_refused(value: str) -> None:
    refused(units.parse_seconds, value, "is not a duration of whole seconds")


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0"),
        (1, "1ns"),
        (1500, "1us500ns"),
        (SECOND // 2, "500ms"),
        (90 * SECOND, "1m30s"),
        (5400 * SECOND, "1h30m"),
        (90 * DAY * SECOND, "90d"),
        (-5 * SECOND, "-5s"),
    ],
)
def test_duration_is_shown_short(nanoseconds: int, text: str) -> None:
    assert units.show_duration(nanoseconds) == text


@pytest.mark.parametrize("nanoseconds", [0, 1, 999, 10**9, 10**9 + 1, 86399 * 10**9, 2**63 - 1])
def test_shown_duration_is_read_back(nanoseconds: int) -> None:
    assert units.parse_duration(units.show_duration(nanoseconds)) == nanoseconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (1, "1s"), (6 * DAY, "6d"), (5400, "1h30m"), (90 * DAY + 45296, "90d12h"), (-6 * DAY, "-6d")],
)
def test_span_is_shown_with_its_two_largest_units(seconds: int, text: str) -> None:
    assert units.show_seconds(seconds) == text


# ---- times


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2027-01-31T12:00:00Z", 1801396800),
        ("2027-01-31t12:00:00z", 1801396800),
        ("2027-01-31 12:00:00Z", 1801396800),
        ("2027-01-31T12:00:00.999Z", 1801396800),
        ("2027-01-31T13:00:00+01:00", 1801396800),
        ("2027-02-01T11:59:00+23:59", 1801396800),
        ("2027-01-31T06:30:00-05:30", 1801396800),
        ("2027-01-31", 1801353600),
        ("2024-02-29", 1709164800),
        ("2016-12-31T23:59:60Z", 1483228800),
        (date(2027, 1, 31), 1801353600),
        (datetime(2027, 1, 31, 12, tzinfo=timezone(timedelta(0))), 1801396800),
        (datetime(2027, 1, 31, 13, tzinfo=timezone(timedelta(hours=1))), 1801396800),
        (1801396800, 1801396800),
        ("1801396800", 1801396800),
    ],
)
def test_time_is_read(value: Any, seconds: int) -> None:
    assert units.parse_time(value) == seconds


@pytest.mark.parametrize(
    "value",
    [
        *("", "tomorrow", "now", "+90d", "31.1.2027", "2027-1-31", "2027-01-31T12:00", "2027-01-31T12:00:00", -1, True),
        *("2027-01-31T12:00:00+0100", "2027-01-31T12:00:00 Z", "\u0662027-01-31", None, 1.5),
    ],
)
def test_what_is_no_time_is_refused_with_an_example(value: Any) -> None:
    refused(units.parse_time, value, "is not a time: write RFC 3339, such as 2027-01-31T12:00:00Z, or a date")


@pytest.mark.parametrize(
    "value",
    [
        *("2027-02-29", "2027-13-01", "2027-00-10", "2027-01-31T24:00:00Z", "2027-01-31T12:60:00Z", "0000-01-01"),
        *(
            "2027-01-31T12:00:00+24:00",
            "2027-01-31T12:00:00-01:60",
            "2027-01-31T12:00:61Z",
            "1969-12-31",
            "1970-01-01T00:00:00+01:00",
        ),
    ],
)
def test_time_that_no_calendar_has_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match=r"is not a time(:| after 1970)"):
        units.parse_time(value)


@pytest.mark.parametrize("value", [2**63, "9" * 5000])
def test_unix_time_beyond_64_bits_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"is not between|is not a whole number"):
        units.parse_time(value)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1801396800, "2027-01-31T12:00:00Z"),
        (-1, "1969-12-31T23:59:59Z"),
        (253402300799, "9999-12-31T23:59:59Z"),
        (253402300800, "253402300800"),
        (2**63 - 1, "9223372036854775807"),
        (-(2**63), "-9223372036854775808"),
        (-62135596800, "0001-01-01T00:00:00Z"),
    ],
)
def test_time_is_shown_as_rfc_3339_where_a_calendar_reaches(seconds: int, text: str) -> None:
    assert units.show_time(seconds) == text


@pytest.mark.parametrize("seconds", [0, 1, 1801396800, 253402300799, 253402300800, 2**63 - 1])
def test_shown_time_is_read_back(seconds: int) -> None:
    assert units.parse_time(units.show_time(seconds)) == seconds
