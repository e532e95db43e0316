# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Answers of servers are read or refused with the place of the wrong value. Each value of each answer is replaced by values of other types."""

from __future__ import annotations

import copy
import json
import types
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.network import Pretender

from ansible_collections.natsops.security.plugins.module_utils.claims import Claims, Operator
from ansible_collections.natsops.security.plugins.module_utils.cluster import (
    answers,
    looking,
    pushing,
    removing,
    servers,
)
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.token import codec

KEY = nkey.create("account").public_key
READERS: dict[str, Any] = {
    "PING": servers._read_ping,
    "VARZ": servers._read_varz,
    "SUBSZ": servers._read_total,
    "LIST": servers._read_list,
    "UPDATE": lambda answer: pushing._read_update(answer, KEY),
    "INFO": lambda answer: (looking._read_loaded(answer), looking._read_expired(answer)),
    "ACCOUNTZ": looking._read_names,
    "STATZ": removing._read_connections,
    "JSZ": removing._read_stored,
}
#: Values that replace the values of a correct answer.
OTHERS = [
    None,
    True,
    -1,
    2**63,
    10**30,
    1.5,
    "",
    "x",
    "x\r\nPUB y 0",
    "\x1b[31m",
    [],
    [[]],
    {},
    {"x": {}},
    KEY,
    KEY + "\n",
]


@pytest.fixture(scope="module")
def pretender() -> Pretender:
    """Return a server with correct answers and an account."""
    operator = nkey.create("operator")
    claims = Claims(name="ACME", subject=operator.public_key, body=Operator())
    realm = types.SimpleNamespace(system=nkey.create("account"), operator_jwt=codec.encode(claims, operator, 1))
    return Pretender(realm, accounts={KEY: "x"})


def _honest(pretender: Pretender, kind: str) -> Any:
    return pretender.honest(kind, f"$SYS.REQ.ACCOUNT.{KEY}.{kind}", b"")


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in items:
        yield from _places(item, (*path, name))


def _with(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    changed = copy.deepcopy(value)
    at = changed
    for name in path[:-1]:
        at = at[name]
    at[path[-1]] = other
    return changed


def _read(kind: str, answer: Any) -> tuple[Any, str]:
    """Return the value that the reader of a kind finds in an answer (or None), and the problem (or an empty string)."""
    read = answers.read_each([answers.read_answer(json.dumps(answer).encode())], READERS[kind])
    return next(iter(read.found.values()), None), next(iter(read.problems.values()), "")


@pytest.mark.parametrize("kind", READERS)
def test_honest_answer_is_read(pretender: Pretender, kind: str) -> None:
    assert _read(kind, _honest(pretender, kind))[1] == ""


@pytest.mark.parametrize("kind", READERS)
def test_value_of_another_type_is_refused_with_its_place(pretender: Pretender, kind: str) -> None:
    honest = _honest(pretender, kind)
    refused = set()
    for path in _places(honest):
        for other in OTHERS:
            found, problem = _read(kind, _with(honest, path, other))
            assert (found is None) == bool(problem)
            assert problem.isprintable()
            if problem:
                refused.add(".".join(map(str, path)))
    assert {"server", "server.id", "server.name"} <= refused
    assert {f"{'.'.join(map(str, path))}" for path in _places(honest) if path[0] in ("data", "statsz")} <= refused


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["n1", KEY]),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["server", "id", "data", "error", "x"]) | st.text(), inner)
    ),
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.sampled_from(sorted(READERS)), _JSON)
def test_any_json_is_read_or_refused(kind: str, answer: Any) -> None:
    _read(kind, answer)
    _read(kind, {"server": {"id": nkey.create("server").public_key, "name": "n1"}, "data": answer})


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.sampled_from(sorted(READERS)), st.binary())
def test_any_bytes_are_read_or_refused(kind: str, raw: bytes) -> None:
    assert answers.read_each([answers.read_answer(raw)], READERS[kind]).problems


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"", "the answer is not JSON: empty"),
        (b"\xff", "the answer is not UTF-8"),
        (b"[" * 100_000, "the answer is nested too deeply"),
        (b'{"server": {"id": NaN}}', "the answer has a member twice, or an invalid number"),
        (b'{"server": 1, "server": 2}', "the answer has a member twice, or an invalid number"),
        (b'{"x": ' + b"9" * 1_000_000 + b"}", "the answer has a member twice, or an invalid number"),
        (b"{}", "server.id is missing, expected the public key of a server"),
        (b'{"server": {"id": "x"}}', 'server.id is "x", expected the public key of a server'),
        (b'{"server": []}', "server is an array, expected an object"),
    ],
)
def test_answer_that_cannot_be_read_says_why(raw: bytes, problem: str) -> None:
    assert answers.read_answer(raw) == answers.Answer("", problem=problem)


def test_second_answer_of_a_server_does_not_count() -> None:
    id_ = nkey.create("server").public_key
    found = [
        answers.read_answer(json.dumps({"server": {"id": id_, "name": "n1"}, "data": {"total": number}}).encode())
        for number in (1, 2)
    ]
    assert answers.count_servers(found) == 1
    assert answers.read_each(found, servers._read_total).found == {id_: 1}


def test_text_of_the_network_is_one_line() -> None:
    assert answers.one_line("a\r\n\x1b[31m b\0") == "a [31m b"
    assert answers.one_line("x" * 100_000) == "x" * 300 + "..."
