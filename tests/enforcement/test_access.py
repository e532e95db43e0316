# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Which users can connect: networks, hours, connection types, bearer users, proxies, revoked and expired users."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from clients import LET_IN, Client, Login

from ansible_collections.natsops.security.plugins.module_utils.claims import Claims, ScopeTemplate, User, UserAccess
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.token import codec

if TYPE_CHECKING:
    from conftest import Deployment, Store

REFUSED = "Authorization Violation"
TOKYO = 9 * 3600  # seconds ahead of UTC, all year


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("anybody", LET_IN),
        ("expired", REFUSED),
        ("too-early", REFUSED),
        ("from-here", LET_IN),
        ("from-elsewhere", REFUSED),
    ],
)
def test_user_is_let_in_only_with_a_valid_jwt_and_from_its_networks(
    answer: Callable[..., str], user: str, expected: str
) -> None:
    assert answer(f"ACCESS/{user}") == expected


def test_user_is_let_in_only_at_its_hours_in_its_time_zone(answer: Callable[..., str]) -> None:
    parts = ["night", "morning", "afternoon", "evening"]

    def part_of_the_day() -> str:
        return parts[int(time.time() + TOKYO) % 86400 // 21600]

    while True:
        before = part_of_the_day()
        let_in = [part for part in parts if answer(f"ACCESS/{part}") == LET_IN]
        if before == part_of_the_day():
            break
    assert let_in == [before]


def test_only_a_bearer_is_let_in_without_a_signature(answer: Callable[..., str], store: Store) -> None:
    for user, expected in (("bearer", LET_IN), ("anybody", REFUSED)):
        assert answer(dataclasses.replace(store.login(f"ACCESS/{user}"), key=None)) == expected


def test_signature_of_another_key_is_refused(answer: Callable[..., str], store: Store) -> None:
    login = store.login("ACCESS/anybody")
    assert answer(dataclasses.replace(login, key=nkey.create("user"))) == REFUSED
    assert answer(login) == LET_IN


@pytest.mark.parametrize(("account", "expected"), [("ACCESS", LET_IN), ("NO-BEARERS", REFUSED)])
def test_bearer_is_refused_where_the_account_disallows_them(
    answer: Callable[..., str], store: Store, account: str, expected: str
) -> None:
    key, body = nkey.create("user"), User()
    body.access.bearer_token = True
    assert answer(_signed(store, account, key, body)) == expected


@pytest.mark.parametrize(("user", "declared"), [("behind-proxy", UserAccess), ("behind-proxy-by-scope", ScopeTemplate)])
def test_proxy_that_the_server_trusts_is_required(
    answer: Callable[..., str], enforces: Callable[..., bool], deployment: Deployment, user: str, declared: type
) -> None:
    without = REFUSED if enforces(declared, "proxy_required") else LET_IN
    assert answer(f"ACCESS/{user}") == without
    assert answer(f"ACCESS/{user}", proxy=deployment.proxy) == LET_IN


def test_proxy_that_the_server_does_not_trust_is_refused(
    answer: Callable[..., str], enforces: Callable[..., bool]
) -> None:
    # It is refused even if the user does not require a proxy. Servers without support for trusted proxies ignore the signature.
    refused = REFUSED if enforces(UserAccess, "proxy_required") else LET_IN
    for user in ("behind-proxy", "behind-proxy-by-scope", "anybody"):
        assert answer(f"ACCESS/{user}", proxy=nkey.create("user")) == refused


@pytest.mark.parametrize(
    ("user", "allowed"),
    [
        ("anybody", {"standard", "websocket", "mqtt", "leafnode"}),
        ("standard", {"standard"}),
        ("websocket", {"websocket"}),
        ("mqtt", {"mqtt"}),
        ("leafnode", {"leafnode"}),
        ("standard-or-mqtt", {"standard", "mqtt"}),
    ],
)
def test_user_is_let_in_only_by_its_connection_types(answer: Callable[..., str], user: str, allowed: set[str]) -> None:
    for how in ("standard", "websocket", "mqtt", "leafnode"):
        assert answer(f"CONNECTION-TYPES/{user}", how) == (LET_IN if how in allowed else REFUSED), how


def test_jwt_from_before_the_revocation_is_refused_and_the_one_issued_after_it_let_in(
    answer: Callable[..., str], store: Store
) -> None:
    login = store.login("ACCESS/revoked")
    (revoked_at,) = store.claims("ACCESS").body.revocations.values()
    for issued_at, expected in ((revoked_at - 1, REFUSED), (revoked_at, REFUSED), (revoked_at + 1, LET_IN)):
        assert answer(_signed(store, "ACCESS", login.key, User(), issued_at=issued_at)) == expected
    assert answer(login) == LET_IN


def test_user_is_disconnected_when_its_jwt_expires(connect: Callable[..., Client], store: Store) -> None:
    login = _signed(store, "ACCESS", nkey.create("user"), User(), expires=int(time.time()) + 10)
    assert connect(login).wait_for_close(60) == ["User Authentication Expired"]


def _signed(
    store: Store, account: str, key: nkey.KeyPair, body: User, issued_at: int | None = None, expires: int = 0
) -> Login:
    """The login of a user that is not in the document."""
    body.issuer_account = store.claims(account).subject
    claims = Claims(name="signed", subject=key.public_key, body=body, expires=expires)
    return Login(codec.encode(claims, store.signing_key(account), issued_at or int(time.time())), key)
