# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Writing and reading NATS's configuration language. tests/integration/test_configuration_language.py compares the results with a real server."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.base.go_syntax import parse_duration
from ansible_collections.natsops.security.plugins.module_utils.server import language, reading
from ansible_collections.natsops.security.plugins.module_utils.server.language import Variable


def read(text: str, **files: str) -> reading.Document:
    return reading.read(text, "/etc/main.conf", {f"/etc/{name}.conf": text for name, text in files.items()}.get)


# ---- writing


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('a$b"c\\d', '"a$b\\"c\\\\d"'),
        ("a\n\r\t\0\x7f", '"a\\n\\r\\t\\x00\\x7f"'),
        ("é\u2028", '"é\u2028"'),
        ("", '""'),
        (True, "true"),
        (12, "12"),
        (1.5, "1.5"),
        (2.0, "2.0"),
        (1e-7, "0.0000001"),
        ([1, "b", None, False], '[1, "b", false ]'),  # the server reads "1]" as a string
        ([], "[ ]"),
        (Variable("x"), "$x"),
    ],
)
def test_value_is_written_as_the_server_reads_it(value: Any, text: str) -> None:
    assert language.write({"a": value}) == f'"a": {text}\n'


def test_names_know_no_escapes_and_what_is_null_is_left_out() -> None:
    assert (
        language.write({"a": {'b"c': 1, "d'e\\": {}, "f": None}, "g": None})
        == '"a": {\n  \'b"c\': 1\n  "d\'e\\": {\n  }\n}\n'
    )


@pytest.mark.parametrize(
    "members",
    [
        {"a": 1 << 63},
        {"a": float("nan")},
        {"a": float("inf")},
        {"a\"b'c": 1},
        {"a": "\ud800"},
        {"\ud800": 1},
        {"a\0": 1},
    ],
)
def test_what_the_language_cannot_say_is_an_error(members: dict[str, Any]) -> None:
    with pytest.raises(NatsSecurityError):
        language.write(members)


# ---- reading


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4222", 4222),
        ("-1", -1),
        ("1k", 1000),
        ("2KiB", 2048),
        ("3 Gb", None),
        ("1.5", 1.5),
        ("30s", "30s"),
        ("5m", 5_000_000),
        ("5m0s", "5m0s"),
        ("127.0.0.1:4222", "127.0.0.1:4222"),
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z"),
        ("nats://u:p@h:4222", "nats://u:p@h:4222"),
        ("yes", True),
        ("OFF", False),
        ("'yes'", "yes"),
        ('"a\\x41\\n\\""', 'aA\n"'),
        ("a\\tb", "a\tb"),
        ("(\nb { c\n)", "\nb { c\n"),
        ("$2a$11$abc", "$2a$11$abc"),
        ('["a" # one\n b, c\n]', ["a", "b", "c"]),
        ("[{a 1}, {a = 2}]", [{"a": 1}, {"a": 2}]),
    ],
)
def test_value_is_read_as_the_server_reads_it(text: str, value: Any) -> None:
    if value is None:
        with pytest.raises(NatsSecurityError, match="line 1"):
            read(f"a: {text}\n")
    else:
        assert read(f"a: {text}\n").data == {"a": value}


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("", {}),
        ("# nothing\n// at all", {}),
        ("a 1; b = 2, c: 3", {"a": 1, "b": 2, "c": 3}),
        ('{"a": {"b": [1 , 2 ]},\n"c": true}', {"a": {"b": [1, 2]}, "c": True}),
        ("a {\n b: 1 # one\n\n c: 2 }\nd\n{e: 1}", {"a": {"b": 1, "c": 2}, "d": {"e": 1}}),
        ("a: 1\na: 2", {"a": 2}),
        ("x: 7\nb { x: 8\n c: $x\n d { e: $x } }\nf: $x", {"x": 7, "b": {"x": 8, "c": 8, "d": {"e": 8}}, "f": 7}),
    ],
)
def test_members_are_read_as_the_server_reads_them(text: str, data: dict[str, Any]) -> None:
    assert read(text).data == data


def test_files_that_are_included_are_part_of_it_with_their_places() -> None:
    document = read('a: 1\ninclude "b.conf"\nc {\n  include d.conf\n}', b="e: 2\na: 3", d="\nf { g: 4 }")
    assert document.data == {"a": 3, "e": 2, "c": {"f": {"g": 4}}}
    assert document.places["a",] == ("/etc/b.conf", 2)
    assert document.places["c", "f", "g"] == ("/etc/d.conf", 2)


def test_variable_that_is_not_defined_is_unknown() -> None:
    (value,) = read("a: $HOME").data.values()
    assert isinstance(value, reading.Unknown)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb", "line 2: 'b' has no value"),
        ("a: {b: 1", "line 1: the name of an option is missing"),
        ('a: "b', "line 1: a string does not end"),
        ('a: "\\q"', "a backslash has to be followed by"),
        ("a: 99999999999999999999", "out of range"),
        ("a: [1\n", "a list does not end"),
        ("a: 1 b", "'b' where a value has to end"),
        ("include b.conf", "the file /etc/b.conf that it includes cannot be read"),
        ("a: 1\0", "a NUL"),
        ("{a: 1} b", "after the last brace"),
        ("a: " + "[" * 60, "nested too deep"),
    ],
)
def test_what_cannot_be_read_is_an_error_with_its_line(text: str, message: str) -> None:
    with pytest.raises(NatsSecurityError, match=r"/etc/main.conf line \d") as error:
        read(text)
    assert message in str(error.value)


def test_files_that_include_one_another_are_an_error() -> None:
    with pytest.raises(NatsSecurityError, match="include one another"):
        read("include a.conf", a="include a.conf")


# ---- Go's durations


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("30s", 30), ("1h1m1s", 3661), ("1.5h", 5400), ("-2m", -120), ("+.5s", 0.5), ("1e", None)]
    + [(text, None) for text in ("", "30", "2 m", "1d", "-", "s", "300000000h", "1..5s")],
)
def test_duration_is_the_one_that_go_reads(text: str, seconds: float | None) -> None:
    if seconds is None:
        with pytest.raises(ValueError, match=r"duration|292 years"):
            parse_duration(text)
    else:
        assert parse_duration(text) == seconds * 10**9
