# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Checks what the document grants: answers that a merge request must not change by accident. The tests require neither keys nor servers.

If an answer has changed, the test fails and names the claim that causes it.
"""

from __future__ import annotations

import pathlib
from typing import Any

import pytest

DOCUMENT = str(pathlib.Path(__file__).resolve().parents[1] / "acme.yml")


@pytest.fixture
def ask(localhost: Any) -> Any:
    """A function that runs a module of the collection on this machine and returns its result."""

    def run(module: str, **options: Any) -> dict[str, Any]:
        done = getattr(localhost, f"natsops.security.{module}")(**options)
        result = done.contacted["localhost"]
        assert not result.get("failed"), result["msg"]
        return dict(result)

    return run


#: User, operation, subject, and whether it is allowed.
GRANTS = (
    ("PARTNER/buyer", "publish", "shop.orders.create", True),
    ("PARTNER/buyer", "publish", "orders.create", False),
    ("PARTNER/buyer", "subscribe", "shop.>", False),
    ("SHOP/orders", "subscribe", "orders.create", True),
    ("SHOP/orders", "publish", "orders.create", False),
)


def test_users_may_do_what_they_need_and_nothing_else(ask: Any) -> None:
    questions = [{"may": {"user": user, verb: subject}} for user, verb, subject, _wanted in GRANTS]
    answers = ask("nats_access_info", src=DOCUMENT, questions=questions)["answers"]
    for (user, verb, subject, wanted), answer in zip(GRANTS, answers, strict=True):
        assert answer["allowed"] is wanted, f"{user} {verb} {subject}: {answer['reason']}"


def test_an_order_of_the_partner_reaches_the_shop(ask: Any) -> None:
    question = {"path": {"user": "PARTNER/buyer", "request": "shop.orders.create"}}
    (answer,) = ask("nats_access_info", src=DOCUMENT, questions=[question])["answers"]
    assert answer["allowed"] is True, answer["reason"]
    assert "SHOP" in [arrival["account"] for arrival in answer["arrivals"]]


def test_the_document_keeps_the_rules(ask: Any) -> None:
    assert ask("nats_policy", src=DOCUMENT, level=1)["passed"]
