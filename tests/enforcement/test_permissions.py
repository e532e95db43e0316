# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What users may publish and subscribe to: their own permissions, responses, queue groups, permissions of scopes, and default permissions of accounts."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from clients import LET_IN, Client, Login

from ansible_collections.natsops.security.plugins.module_utils.claims import Claims, User, no_access
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.rules.server_versions import (
    DENIED_IN_OVERLAPPING,
    TEMPLATES_IN_TOKENS,
)
from ansible_collections.natsops.security.plugins.module_utils.token import codec

if TYPE_CHECKING:
    from conftest import Store

REFUSED = "Authorization Violation"


@pytest.mark.parametrize(
    ("user", "allowed", "denied"),
    [
        ("PERMISSIONS/anybody", ["orders.secret", "a"], []),
        ("PERMISSIONS/publisher", ["orders.new", "orders.new.two"], ["orders.secret", "orders", "other"]),
        ("PERMISSIONS/all-but-secrets", ["orders.new", "a"], ["orders.secret", "other.secret"]),
        ("PERMISSIONS/subscriber", ["orders.new", "other"], []),
        ("PERMISSIONS/responder", [], ["questions", "a"]),
        (
            "PERMISSIONS/roof",
            [
                "measurements.roof.north",
                "sites.praha",
                "sites.brno",
                "accounts.PERMISSIONS.north",
                "keys.{user}.{account}",
            ],
            ["measurements.cellar.north", "sites.wien", "accounts.OTHER.north", "keys.{account}.{account}", "a"],
        ),
        # The user has no tag `site`, so sites.{{tag(site)}} is dropped.
        ("PERMISSIONS/forbidden", ["measurements.forbidden.a"], ["measurements.roof.a", "sites.praha", "sites."]),
        ("DEFAULTS/as-the-account", ["public.a"], ["private.a", "own.a"]),
        ("DEFAULTS/own", ["own.a"], ["public.a", "private.a"]),
    ],
)
def test_user_may_publish_only_to_its_subjects(
    connect: Callable[..., Client], store: Store, user: str, allowed: list[str], denied: list[str]
) -> None:
    client, account = connect(user), user.split("/", maxsplit=1)[0]
    keys = {"user": client.login.key.public_key, "account": store.claims(account).subject}
    listener = connect(f"{account}/anybody") if account == "PERMISSIONS" else None
    if listener:
        listener.subscribe(">")
        assert listener.flush() == []
    subjects = [subject.format(**keys) for subject in [*allowed, *denied]]
    errors = []
    for subject in subjects:
        client.publish(subject)
        errors.append(client.flush())
    refused = [[f'Permissions Violation for Publish to "{subject}"'] for subject in subjects[len(allowed) :]]
    assert errors == [[]] * len(allowed) + refused
    if listener:
        assert [message.subject for message in listener.taken()] == subjects[: len(allowed)]


@pytest.mark.parametrize(
    ("user", "allowed", "denied"),
    [
        ("PERMISSIONS/anybody", ["orders.secret", "a", ">"], []),
        ("PERMISSIONS/publisher", ["orders.secret", "a"], []),
        ("PERMISSIONS/all-but-secrets", ["orders.new", ">", "*.*"], ["orders.secret", "*.secret"]),
        # orders.> is not listed here: servers treat its > as a token that orders.* matches, and accept it.
        ("PERMISSIONS/subscriber", ["orders.new", "orders.*"], ["orders.secret", "orders.new.two", "orders.*.*", ">"]),
        ("PERMISSIONS/responder", ["questions"], ["a"]),
        ("PERMISSIONS/roof", ["commands.roof"], ["commands.cellar", "commands.*"]),
        ("PERMISSIONS/forbidden", [], ["commands.forbidden", "commands.roof"]),
        ("DEFAULTS/as-the-account", ["public.a", "other"], ["private.a"]),
        ("DEFAULTS/own", ["public.a", "private.a"], []),
    ],
)
def test_user_may_subscribe_only_to_its_subjects(
    connect: Callable[..., Client], user: str, allowed: list[str], denied: list[str]
) -> None:
    client, errors = connect(user), []
    for subject in [*allowed, *denied]:
        client.subscribe(subject)
        errors.append(client.flush())
    refused = [[f'Permissions Violation for Subscription to "{subject}"'] for subject in denied]
    assert errors == [[]] * len(allowed) + refused


@pytest.mark.parametrize(
    ("subject", "since"),
    [
        (">", ("2.10.0",)),
        ("orders.*", DENIED_IN_OVERLAPPING),  # it overlaps `*.secret`, and neither contains the other
    ],
)
def test_denied_messages_are_left_out_of_a_wider_subscription(
    connect: Callable[..., Client], enforces: Callable[..., bool], subject: str, since: tuple[str, ...]
) -> None:
    listener, publisher = connect("PERMISSIONS/all-but-secrets"), connect("PERMISSIONS/anybody")
    listener.subscribe(subject)
    assert listener.flush() == []
    for subject in ("orders.secret", "orders.new"):
        publisher.publish(subject)
    assert publisher.flush() == []
    let_through = [] if enforces(*since) else ["orders.secret"]
    assert [message.subject for message in listener.taken()] == [*let_through, "orders.new"]


def test_template_within_a_token_is_filled_in(connect: Callable[..., Client], enforces: Callable[..., bool]) -> None:
    client = connect("PERMISSIONS/reader")
    client.subscribe("news.of-others")
    assert client.flush() == []
    client.subscribe("news.of-reader")
    denied = ['Permissions Violation for Subscription to "news.of-reader"']
    assert client.flush() == (denied if enforces(*TEMPLATES_IN_TOKENS) else [])


@pytest.mark.parametrize(
    ("subject", "queue", "is_allowed"),
    [
        ("jobs", "workers", True),
        ("jobs", "others", False),
        ("jobs", "", False),
        ("news.today", "v1.a", True),
        ("news.today", "v2.a", False),
        ("news.old", "v1.a", False),
    ],
)
def test_user_may_subscribe_only_in_its_queue_groups(
    connect: Callable[..., Client], subject: str, queue: str, is_allowed: bool
) -> None:
    client = connect("PERMISSIONS/worker")
    client.subscribe(subject, queue)
    words = f'Permissions Violation for Subscription to "{subject}"' + (f' using queue "{queue}"' if queue else "")
    assert client.flush() == ([] if is_allowed else [words])


def test_responder_may_answer_only_who_asked_and_only_so_often(connect: Callable[..., Client]) -> None:
    responder, asker = connect("PERMISSIONS/responder"), connect("PERMISSIONS/anybody")
    responder.subscribe("questions")
    asker.subscribe("answers.*")
    assert (responder.flush(), asker.flush()) == ([], [])
    asker.publish("questions", reply="answers.mine")
    responder.wait()
    errors = []
    for subject in ("answers.other", "answers.mine", "answers.mine", "answers.mine"):
        responder.publish(subject)
        errors.append(responder.flush())
    denied = 'Permissions Violation for Publish to "{}"'
    assert errors == [[denied.format("answers.other")], [], [], [denied.format("answers.mine")]]
    assert [message.subject for message in asker.taken()] == ["answers.mine"] * 2


def test_responder_may_answer_only_so_long(connect: Callable[..., Client]) -> None:
    responder, asker = connect("PERMISSIONS/hasty-responder"), connect("PERMISSIONS/anybody")
    responder.subscribe("questions")
    asker.subscribe("answers.*")
    assert (responder.flush(), asker.flush()) == ([], [])

    def errors_of_answer(pause: float) -> list[str]:
        asker.publish("questions", reply="answers.mine")
        responder.wait()
        time.sleep(pause)
        responder.publish("answers.mine")
        return responder.flush()

    refused = ['Permissions Violation for Publish to "answers.mine"']
    # On a busy machine, several requests may be needed until one is answered in time.
    deadline = time.monotonic() + 60
    while errors := errors_of_answer(0):
        assert errors == refused
        assert time.monotonic() < deadline
    assert errors_of_answer(0.4) == refused
    assert len(asker.taken()) == 1


def test_users_of_a_scope_are_held_to_its_limits_and_types_and_may_be_bearers(
    connect: Callable[..., Client], answer: Callable[..., str], store: Store
) -> None:
    client = connect("PERMISSIONS/roof")
    client.publish("sites.praha", b"x" * 100)
    assert client.flush() == []
    client.publish("sites.praha", b"x" * 101)
    assert client.flush() == ["Maximum Payload Violation"]
    assert answer("PERMISSIONS/roof", "websocket") == REFUSED
    assert answer("PERMISSIONS/anybody", "websocket") == LET_IN
    for user, expected in (("roof", LET_IN), ("anybody", REFUSED)):
        assert answer(dataclasses.replace(store.login(f"PERMISSIONS/{user}"), key=None)) == expected


@pytest.mark.parametrize("says", ["nothing", "publish", "limits"])
def test_user_of_a_scope_that_says_anything_for_itself_is_refused(
    answer: Callable[..., str], store: Store, says: str
) -> None:
    access = no_access()
    if says == "publish":
        access.permissions.publish.allow = ["a"]
    elif says == "limits":
        access.limits.payload = 10
    key, body = nkey.create("user"), User(access=access, issuer_account=store.claims("PERMISSIONS").subject)
    claims = Claims(name="signed", subject=key.public_key, body=body)
    jwt = codec.encode(claims, store.signing_key("PERMISSIONS", "sensor"), int(time.time()))
    assert answer(Login(jwt, key)) == (LET_IN if says == "nothing" else REFUSED)
