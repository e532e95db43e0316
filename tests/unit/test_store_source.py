# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The YAML or JSON file of a document: duplicate keys, keys that are not text, and denial-of-service input are refused with the line number."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.store.source import parse_source

BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "\n".join(
    f"{chr(98 + level)}: &{chr(98 + level)} [{','.join(['*' + chr(97 + level)] * 10)}]" for level in range(8)
)

REFUSED = {
    # duplicate keys
    "users: [a]\ntags: []\nusers: [b]\n": "'users' at line 1 and again in the same dictionary at line 3",
    "a:\n  - b: 1\n    c: 2\n    b: 3\n": "'b' at line 2 and again in the same dictionary at line 4",
    '"b": 1\nb: 2\n': "'b' at line 1 and again in the same dictionary at line 2",
    "{b: 1, b: 2}": "'b' at line 1 and again in the same dictionary at line 1",
    '{"a": 1,\n "b": [{"c": "{,", "d": 2},\n {"c": 1,\n "c": 2}]}': "'c' at line 3 and again in the same dictionary at line 4",
    '{"a": {"a": 1},\n"\\u0061": 2}': "'a' at line 1 and again in the same dictionary at line 2",
    "base: &b {x: 1,\n x: 2}\nc: {<<: *b}": "'x' at line 1 and again in the same dictionary at line 2",
    "a: &a {x: 1}\nc:\n  <<: *a\n  <<: *a": "'<<' at line 3 and again in the same dictionary at line 4",
    "a: &a {x: 1}\nb: &b {x: 2}\nc: {<<: [*a, *b]}": "at line 3: two of the dictionaries that it merges have 'x'",
    # keys that are not text
    "a: {no: 1}": "at line 1: 'no' is not a text, and keys have to be texts; quote it",
    "a:\n  1: 2": "at line 2: '1' is not a text",
    "2020-01-01: a": "'2020-01-01' is not a text",
    "? [a]\n: b": "'a sequence' is not a text",
    # values that look like another type, but are invalid for it
    "a: b\nnot_before: 2020-13-45": "at line 2: '2020-13-45' looks like a number, a time or the like",
    "a: !!bool x": "at line 1: 'x' looks like",
    'a: !!int ""': "at line 1: '' looks like",
    "a: !!timestamp x": "at line 1: 'x' looks like",
    "a: " + "9" * 5000: "at line 1: ",
    # denial of service
    "[" * 100_000 + "]" * 100_000: "nested more than 100 levels deep",
    "{" * 100_000: "nest",
    "- " * 30_000 + "a": "nested more than 100 levels deep",
    '{"a":' * 5000 + "1" + "}" * 5000: "nested more than 100 levels deep",
    "- " * 150 + "a": "nested more than 100 levels deep",
    "a: &a [*a]": "at line 1: it contains itself",
    BOMB: "its aliases make more than 5000000 values of it",
    # refused in both formats
    "a: !!python/object:os.system x": "could not determine a constructor",
    "---\na\n---\nb": "another document",
    "a: 'x\0'": "it cannot be read",
    "a: [1, 2": "is not YAML at line",
}


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_file_is_refused_with_its_line(number: int) -> None:
    text, message = list(REFUSED.items())[number]
    with pytest.raises(NatsSecurityError) as caught:
        parse_source("acme.yml", text)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', '{"a": NaN}', '{"a": ' + "9" * 5000 + "}", "[" * 5000])
def test_json_file_is_refused(text: str) -> None:
    with pytest.raises(NatsSecurityError, match=r"acme\.json"):
        parse_source("acme.json", text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: {x: 1}\nb: {x: 1}", {"a": {"x": 1}, "b": {"x": 1}}),
        ("a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  x: 3", {"a": {"x": 1, "y": 2}, "b": {"x": 3, "y": 2}}),
        (
            "a: &a {x: 1}\nb: &b {x: 2}\nc: {<<: [*a, *b], x: 5}",
            {"a": {"x": 1}, "b": {"x": 2}, "c": {"x": 5}},
        ),
        ("a: &a [1]\nb: [*a, *a]", {"a": [1], "b": [[1], [1]]}),
        ('{"a": [{"b": 1}, {"b": 1}]}', {"a": [{"b": 1}, {"b": 1}]}),
        ("a: &a\n  <<: {x: 1}\n  y: 2\nb:\n  <<: *a\n  x: 3", {"a": {"x": 1, "y": 2}, "b": {"x": 3, "y": 2}}),
        ("", None),
        ("\ufeffa: 1", {"a": 1}),
    ],
)
def test_file_is_read(text: str, value: Any) -> None:
    assert parse_source("acme.yml", text) == value
