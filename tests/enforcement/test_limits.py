# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Limits of accounts and users: connections, leaf nodes, subscriptions, payload."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import pytest
from clients import LET_IN, Client, RefusedError

TOO_MANY = "maximum account active connections exceeded"
TOO_LARGE = "Maximum Payload Violation"
TOO_MANY_SUBSCRIPTIONS = "maximum subscriptions exceeded"


@pytest.mark.parametrize(
    ("account", "how", "limit"),
    [("CONNECTIONS", "standard", 2), ("LEAF-NODES", "leafnode", 1)],
)
def test_account_has_no_more_connections_than_its_limit(
    connect: Callable[..., Client], answer: Callable[..., str], account: str, how: str, limit: int
) -> None:
    # Some servers may not have noticed yet that connections of an earlier test are closed.
    _eventually(lambda: answer(f"{account}/anybody", how) == LET_IN)
    connected = [_eventually_connected(connect, f"{account}/anybody", how) for _unused in range(limit)]
    assert answer(f"{account}/anybody", how) == TOO_MANY
    connected[0].close()
    _eventually(lambda: answer(f"{account}/anybody", how) == LET_IN)


def test_limit_of_connections_is_not_one_of_leaf_nodes_and_the_other_way_round(
    connect: Callable[..., Client], answer: Callable[..., str]
) -> None:
    _eventually(lambda: answer("LEAF-NODES/anybody", "leafnode") == LET_IN)
    _eventually_connected(connect, "LEAF-NODES/anybody", "leafnode")
    for _unused in range(3):
        connect("LEAF-NODES/anybody")
    assert answer("LEAF-NODES/anybody", "leafnode") == TOO_MANY


@pytest.mark.parametrize(
    ("user", "limit"),
    [("as-the-account", 100), ("smaller", 10), ("larger", 100)],
)
def test_larger_payload_than_the_user_and_its_account_may_send_is_refused(
    connect: Callable[..., Client], user: str, limit: int
) -> None:
    client = connect(f"SMALL/{user}")
    client.publish("a", b"x" * limit)
    assert client.flush() == []
    client.publish("a", b"x" * (limit + 1))
    assert (client.flush(), client.is_closed) == ([TOO_LARGE], True)


@pytest.mark.parametrize(
    ("user", "limit"),
    [("as-the-account", 3), ("smaller", 1), ("larger", 3)],
)
def test_more_subscriptions_than_the_user_and_its_account_may_have_are_refused(
    connect: Callable[..., Client], user: str, limit: int
) -> None:
    client = connect(f"SMALL/{user}")
    sids = [client.subscribe("a") for _unused in range(limit)]
    assert client.flush() == []
    client.subscribe("b")
    assert client.flush() == [TOO_MANY_SUBSCRIPTIONS]
    client.unsubscribe(sids[0])
    client.subscribe("b")
    assert client.flush() == []


def _eventually_connected(connect: Callable[..., Client], user: str, how: str) -> Client:
    found: list[Client] = []

    def try_to_connect() -> bool:
        with contextlib.suppress(RefusedError):
            found.append(connect(user, how))
        return bool(found)

    _eventually(try_to_connect)
    return found[0]


def _eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)
