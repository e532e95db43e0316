# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Answers of the access layer that random operators do not cover: subjects reserved by servers, and services that servers add."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from clients import Client

from ansible_collections.natsops.security.plugins.module_utils.access.answers import answers
from ansible_collections.natsops.security.plugins.module_utils.access.questions import read_questions
from ansible_collections.natsops.security.plugins.module_utils.access.tree import Servers
from ansible_collections.natsops.security.plugins.module_utils.store.layout import Layout
from ansible_collections.natsops.security.plugins.module_utils.tasks import access_sources

Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def ask(store: Any) -> Ask:
    """A function that answers one question about the store that the servers trust."""
    layout = Layout(str(store.folder.parent), str(store.keys), store.folder.name)
    tree = access_sources.of_store(layout).tree(Servers(int(time.time())))

    def ask_one(**question: Any) -> dict[str, Any]:
        (answer,) = answers(tree, read_questions(tree, [question]))
        return answer

    return ask_one


def _refused(client: Client, subject: str, reply: str = "") -> bool:
    client.publish(subject, reply=reply)
    return bool(client.flush())


@pytest.mark.parametrize(
    ("subject", "since"),
    [
        ("_GR_.x.y", ("2.10.0",)),
        ("$GR.x", ("2.14.8", "2.15.1")),
        ("$NRG.x", ("2.11.0",)),
        ("$SYS.x", ("2.10.0",)),
        ("_R_.x.y", ("2.10.0",)),
    ],
)
def test_servers_keep_subjects_for_themselves(
    connect: Callable[..., Client], ask: Ask, enforces: Callable[..., bool], subject: str, since: tuple[str, ...]
) -> None:
    is_kept = not ask(may={"user": "PERMISSIONS/anybody", "publish": subject})["allowed"]
    # The answers describe the newest servers.
    assert _refused(connect("PERMISSIONS/anybody"), subject) is (is_kept and enforces(*since))


@pytest.mark.parametrize("inbox", ["_R_.x", "_GR_.x", "$JS.ACK.x", "_INBOX.x"])
def test_servers_keep_reply_subjects_for_themselves(connect: Callable[..., Client], ask: Ask, inbox: str) -> None:
    answer = ask(may={"user": "PERMISSIONS/anybody", "request": "x", "inbox": inbox})
    assert _refused(connect("PERMISSIONS/anybody"), "x", inbox) is not answer["allowed"]


@pytest.mark.parametrize("queue", ["_sys_", "workers"])
def test_servers_keep_a_queue_group_for_themselves(connect: Callable[..., Client], ask: Ask, queue: str) -> None:
    answer = ask(may={"user": "PERMISSIONS/anybody", "subscribe": "x", "queue": queue})
    client = connect("PERMISSIONS/anybody")
    client.subscribe("x", queue)
    assert bool(client.flush()) is not answer["allowed"]


@pytest.mark.parametrize(
    "subject", ["$SYS.REQ.USER.INFO", "$SYS.REQ.ACCOUNT.PING.CONNZ", "$SYS.REQ.ACCOUNT.PING.STATZ"]
)
def test_servers_answer_every_account_themselves(connect: Callable[..., Client], ask: Ask, subject: str) -> None:
    arrivals = ask(path={"user": "PERMISSIONS/anybody", "request": subject})["arrivals"]
    assert [there["account"] for there in arrivals if there["servers"]] == ["SYS"]
    assert connect("PERMISSIONS/anybody").ask(subject)


@pytest.mark.parametrize("subject", ["$SYS.REQ.SERVER.PING", "$SYS.REQ.USER.PERMISSIONS", "$SYS.REQ.ACCOUNT.PING.JSZ"])
def test_servers_do_not_answer_accounts_anything_else(connect: Callable[..., Client], ask: Ask, subject: str) -> None:
    arrivals = ask(path={"user": "PERMISSIONS/anybody", "request": subject})["arrivals"]
    assert [there["account"] for there in arrivals if there["servers"]] == []
    assert connect("PERMISSIONS/anybody").ask(subject) == []


def test_jetstream_api_is_a_service_of_the_system_account(connect: Callable[..., Client], ask: Ask) -> None:
    arrivals = ask(path={"user": "STREAMS/anybody", "request": "$JS.API.INFO"})["arrivals"]
    assert [(there["account"], there["servers"]) for there in arrivals] == [("STREAMS", False), ("SYS", True)]
    answer = connect("STREAMS/anybody").ask_json("$JS.API.INFO")
    assert answer["limits"]["max_streams"] == ask(jetstream={"account": "STREAMS"})["limits"]["streams"]


@pytest.mark.parametrize("account", ["STREAMS", "PERMISSIONS"])
def test_jetstream_is_off_without_storage(connect: Callable[..., Client], ask: Ask, account: str) -> None:
    limits = ask(jetstream={"account": account})["limits"]
    answer = connect(f"{account}/anybody").ask_json("$JS.API.INFO")
    assert ("error" not in answer) is bool(limits)


def test_users_of_an_auth_callout_account_may_not_answer_it(connect: Callable[..., Client], ask: Ask) -> None:
    answer = ask(may={"user": "CALLOUT/service", "publish": "$SYS.REQ.USER.AUTH"})
    assert not answer["allowed"]
    assert _refused(connect("CALLOUT/service"), "$SYS.REQ.USER.AUTH")
    assert "Auth callout is on" in ask(may={"user": "CALLOUT/sentinel", "publish": "x"})["notes"][0]


@pytest.mark.parametrize(
    "user",
    [
        "ACCESS/anybody",
        "ACCESS/revoked",
        "ACCESS/expired",
        "ACCESS/too-early",
        "ACCESS/bearer",
        "NO-BEARERS/anybody",
        "PERMISSIONS/roof",
        "PERMISSIONS/forbidden",
    ],
)
def test_who_can_connect_is_known(answer: Callable[..., str], ask: Ask, user: str) -> None:
    assert (answer(user) == "let in") is ask(may={"user": user, "connect": True})["allowed"]
