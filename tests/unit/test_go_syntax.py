# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Texts that Go's standard library accepts and refuses. go_syntax_cases.json contains the results of Go 1.26."""

from __future__ import annotations

import json
import pathlib
import sys
from typing import Any

import pytest

from ansible_collections.natsops.security.plugins.module_utils.base import go_syntax

CASES: dict[str, Any] = json.loads((pathlib.Path(__file__).parent / "go_syntax_cases.json").read_text(encoding="utf-8"))


def accepted(function: str) -> Any:
    cases = CASES[function]["accepted"]
    return list(cases.items()) if isinstance(cases, dict) else cases


def refused(function: str) -> list[str]:
    return CASES[function]["refused"]


@pytest.fixture
def no_time_zones(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> pathlib.Path:
    """Return an empty folder that replaces every source of time zones of this host."""
    monkeypatch.setattr(go_syntax, "ZONEINFO_DIRECTORIES", (str(tmp_path),))
    monkeypatch.setitem(sys.modules, "tzdata", None)
    return tmp_path


@pytest.fixture
def time_zones(no_time_zones: pathlib.Path) -> pathlib.Path:
    """Return a folder with the time zones of the cases, and with other files that a zoneinfo folder contains."""
    for name in (*accepted("check_location"), "Etc/UTC"):
        if name not in ("", "Local"):
            add_zone(no_time_zones / name)
    (no_time_zones / "zone.tab").write_text("# tzdb timezone descriptions\n")
    (no_time_zones / "tzdata.zi").write_text("# version 2026a\n")
    return no_time_zones


def add_zone(path: pathlib.Path, start: bytes = b"TZif2") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(start + bytes(64))


@pytest.mark.parametrize(("text", "parts"), accepted("parse_url"))
def test_url_has_the_parts_that_go_finds(text: str, parts: list[Any]) -> None:
    assert go_syntax.parse_url(text) == go_syntax.Url(*parts)


@pytest.mark.parametrize("text", refused("parse_url"))
def test_url_that_go_refuses_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        go_syntax.parse_url(text)


@pytest.mark.parametrize(
    "text", ["nats://u:hunter2%@h", "nats://u:hunter2^@h", "nats://hunter2:x:y", ":hunter2", "%hunter2"]
)
def test_message_about_a_url_does_not_repeat_it(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as error:
        go_syntax.parse_url(text)
    assert "hunter2" not in str(error.value)


def test_url_with_a_lone_surrogate_is_parsed() -> None:
    assert go_syntax.parse_url("nats://h\ud800/\ud800%20").path == "/\ud800 "


@pytest.mark.parametrize("text", accepted("parse_cidr"))
def test_network_that_go_accepts_is_accepted(text: str) -> None:
    go_syntax.parse_cidr(text)


@pytest.mark.parametrize("text", refused("parse_cidr"))
def test_network_that_go_refuses_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"prefix length|IP address"):
        go_syntax.parse_cidr(text)


@pytest.mark.parametrize("text", accepted("parse_clock"))
def test_time_of_day_that_go_accepts_is_accepted(text: str) -> None:
    go_syntax.parse_clock(text)


@pytest.mark.parametrize("text", refused("parse_clock"))
def test_time_of_day_that_go_refuses_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"time of day|is not below"):
        go_syntax.parse_clock(text)


@pytest.mark.parametrize(("text", "number"), accepted("atoi"))
def test_number_is_the_one_that_go_reads(text: str, number: int) -> None:
    assert go_syntax.atoi(text) == number


@pytest.mark.parametrize("text", refused("atoi"))
def test_number_that_go_refuses_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a decimal number|64 bits"):
        go_syntax.atoi(text)


def test_leading_zeros_do_not_count_however_many() -> None:
    zeros = "0" * 10000
    assert go_syntax.atoi(f"-{zeros}7") == -7
    go_syntax.parse_cidr(f"10.0.0.0/{zeros}8")


def test_thousands_of_digits_are_too_many() -> None:
    nines = "9" * 10000
    with pytest.raises(ValueError, match="64 bits"):
        go_syntax.atoi(nines)
    with pytest.raises(ValueError, match="from 0 to 32"):
        go_syntax.parse_cidr(f"10.0.0.0/{nines}")


@pytest.mark.usefixtures("time_zones")
@pytest.mark.parametrize("name", accepted("check_location"))
def test_time_zone_that_go_accepts_is_accepted(name: str) -> None:
    go_syntax.check_location(name)


@pytest.mark.usefixtures("time_zones")
@pytest.mark.parametrize("name", refused("check_location"))
def test_time_zone_that_go_refuses_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="time zone"):
        go_syntax.check_location(name)


@pytest.mark.parametrize("start", [b"", b"TZif", b"TZif4", b"tzif2", b"# TZif2"])
def test_file_that_go_can_not_read_is_no_time_zone(time_zones: pathlib.Path, start: bytes) -> None:
    (time_zones / "Mars").write_bytes(start)
    with pytest.raises(ValueError, match="unknown time zone"):
        go_syntax.check_location("Mars")


def test_time_zone_may_come_from_the_tzdata_package(
    no_time_zones: pathlib.Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    packages = tmp_path_factory.mktemp("site-packages")
    for name in ("Etc/UTC", "Europe/Prague"):
        add_zone(packages / "tzdata" / "zoneinfo" / name)
    (packages / "tzdata" / "__init__.py").touch()
    monkeypatch.delitem(sys.modules, "tzdata")
    monkeypatch.syspath_prepend(str(packages))
    assert not list(no_time_zones.iterdir())
    go_syntax.check_location("Europe/Prague")
    for name in ("Europe/Praha", "Europe", "Europe/Prague/", "Europe/Prague\0", "\ud800"):
        with pytest.raises(ValueError, match="unknown time zone"):
            go_syntax.check_location(name)


@pytest.mark.usefixtures("no_time_zones")
def test_host_without_time_zones_accepts_what_could_be_one() -> None:
    go_syntax.check_location("Europe/Prague")
    go_syntax.check_location("Europe/Praha")
    for name in ("../UTC", "/UTC", "\\UTC", "Europe\\Prague"):
        with pytest.raises(ValueError, match="not the name of a time zone"):
            go_syntax.check_location(name)


@pytest.mark.parametrize("text", CASES["format_float"])
def test_number_is_written_as_go_writes_it(text: str) -> None:
    assert go_syntax.format_float(float(text)) == text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_json_can_not_hold_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="not a number"):
        go_syntax.format_float(value)
