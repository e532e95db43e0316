# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""An auth callout service, with sealed and unsealed requests: servers follow its answers within the limits of its account."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from clients import CLOSED, LET_IN, Client, ClosedError
from support.callouts import Callout

from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.token import codec

if TYPE_CHECKING:
    from conftest import Store

REFUSED = "Authorization Violation"
#: The hash of the text that the document refers to. Its public key is the xkey in the document.
XKEY_SEED = hashlib.sha256(b"natsops.security enforcement tests").digest()


class Service(threading.Thread):
    """The service of an account, which answers until its connection is closed."""

    def __init__(self, client: Client, store: Store, account: str) -> None:
        super().__init__()
        self.client, self.store, self.account = client, store, account
        self.errors: list[BaseException] = []
        keys = [nkey.from_raw_seed("curve", XKEY_SEED)] if account.startswith("SEALED") else []
        self.callout = Callout(account, lambda name: store.claims(name).subject, store.signing_key, keys)
        client.subscribe("$SYS.REQ.USER.AUTH")
        assert client.flush() == []

    def run(self) -> None:
        """Answer requests until the connection is closed."""
        with contextlib.suppress(ClosedError, OSError):
            while True:
                (message,) = self.client.wait(timeout=60)
                try:
                    server = message.headers.get("Nats-Server-Xkey", "")
                    self.client.publish(message.reply, self.callout.answer(message.payload, server))
                except Exception as error:
                    self.errors.append(error)


@pytest.fixture(params=["CALLOUT", "SEALED-CALLOUT"])
def service(request: pytest.FixtureRequest, connect: Callable[..., Client], store: Store) -> Iterator[Service]:
    """The running service of an account, with unsealed or sealed requests."""
    started = Service(connect(f"{request.param}/service"), store, request.param)
    started.start()
    yield started
    started.client.shut_down()
    started.join(10)
    assert started.errors == []


def _login(service: Service, user: str, password: str) -> Any:
    sentinel = service.store.login(f"{service.account}/sentinel")
    return dataclasses.replace(sentinel, key=None, user=user, password=password)


@pytest.mark.parametrize(
    ("user", "password", "expected"),
    [
        ("STRANGER", "right", LET_IN),
        ("STRANGER", "wrong", REFUSED),
        ("IMPORTER", "right", REFUSED),  # not one of the allowed accounts of the service
    ],
)
def test_service_decides_who_is_let_in_and_only_into_allowed_accounts(
    service: Service, answer: Callable[..., str], user: str, password: str, expected: str
) -> None:
    assert answer(_login(service, user, password)) == expected
    assert [asked.connect_options.user for asked in service.callout.asked] == [user]


def test_user_has_the_account_and_the_permissions_that_the_service_gives_it(
    service: Service, connect: Callable[..., Client]
) -> None:
    client, listener = connect(_login(service, "STRANGER", "right")), connect("STRANGER/anybody")
    listener.subscribe("allowed")
    assert listener.flush() == []
    client.publish("allowed")
    assert client.flush() == []
    assert len(listener.taken()) == 1
    client.publish("denied")
    assert client.flush() == ['Permissions Violation for Publish to "denied"']


def test_users_of_the_service_itself_are_not_asked_about(service: Service, answer: Callable[..., str]) -> None:
    assert answer(f"{service.account}/service") == LET_IN
    assert service.callout.asked == []


def test_service_is_not_asked_about_a_revoked_user(service: Service, answer: Callable[..., str], store: Store) -> None:
    (revoked_at,) = store.claims(service.account).body.revocations.values()
    claims = codec.decode(store.login(f"{service.account}/revoked").jwt)
    for issued_at, expected in ((revoked_at, REFUSED), (revoked_at + 1, LET_IN)):
        token = codec.encode(claims, store.signing_key(service.account), issued_at)
        assert answer(dataclasses.replace(_login(service, "STRANGER", "right"), jwt=token)) == expected
    assert [asked.connect_options.jwt for asked in service.callout.asked] == [token]


def test_nobody_is_let_in_where_no_service_answers(
    answer: Callable[..., str], enforces: Callable[..., bool], store: Store
) -> None:
    sentinel = store.login("CALLOUT/sentinel")
    # After the timeout, servers before 2.15 close the connection without an error.
    answered = REFUSED if enforces("2.15.0") else CLOSED
    assert answer(dataclasses.replace(sentinel, key=None, user="STRANGER", password="right")) == answered
