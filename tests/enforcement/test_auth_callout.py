# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""A service of an account that decides who may connect: servers ask it with sealed and unsealed requests and do what it answers, as far as it may."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from clients import CLOSED, LET_IN, Client, ClosedError, Message

from ansible_collections.natsops.security.plugins.module_utils.claims import Claims, User
from ansible_collections.natsops.security.plugins.module_utils.claims.authorization import (
    AuthorizationRequest,
    AuthorizationResponse,
)
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.token import codec

if TYPE_CHECKING:
    from conftest import Store

REFUSED = "Authorization Violation"
#: Made from the text that the document refers to; the public half is its xkey.
XKEY_SEED = hashlib.sha256(b"natsops.security enforcement tests").digest()


class Service(threading.Thread):
    """Lets in who knows the password, as a user of the account that the user name says."""

    def __init__(self, client: Client, store: Store, account: str) -> None:
        super().__init__()
        self.client, self.store, self.account = client, store, account
        self.asked: list[AuthorizationRequest] = []
        self.errors: list[BaseException] = []
        self.key = nkey.from_raw_seed("curve", XKEY_SEED) if account.startswith("SEALED") else None
        client.subscribe("$SYS.REQ.USER.AUTH")
        assert client.flush() == []

    def run(self) -> None:
        """Answer until the connection is closed."""
        with contextlib.suppress(ClosedError, OSError):
            while True:
                (message,) = self.client.wait(timeout=60)
                try:
                    self.client.publish(message.reply, self.answer(message))
                except Exception as error:
                    self.errors.append(error)

    def answer(self, message: Message) -> bytes:
        """The answer to one request, sealed where the request was."""
        data, server = message.payload, message.headers.get("Nats-Server-Xkey", "")
        if self.key is not None:
            data = self.key.open(data, server)
        request = codec.decode(data.decode())
        assert isinstance(request.body, AuthorizationRequest)
        assert request.issuer == request.body.server.id
        self.asked.append(request.body)
        response = codec.encode(self.decide(request.body), self.store.signing_key(self.account), int(time.time()))
        return response.encode() if self.key is None else self.key.seal(response.encode(), server)

    def decide(self, request: AuthorizationRequest) -> Claims:
        """A user JWT, or why there is none."""
        wanted, issuer_account = request.connect_options, self.store.claims(self.account).subject
        body = AuthorizationResponse(issuer_account=issuer_account)
        if wanted.password == "right":
            user = User(issuer_account=self.store.claims(wanted.user).subject)
            user.access.permissions.publish.allow = ["allowed"]
            named = Claims(name="placed", subject=request.user_nkey, body=user)
            body.jwt = codec.encode(named, self.store.signing_key(wanted.user), int(time.time()))
        else:
            body.error = "wrong password"
        return Claims(subject=request.user_nkey, audience=request.server.id, body=body)


@pytest.fixture(params=["CALLOUT", "SEALED-CALLOUT"])
def service(request: pytest.FixtureRequest, connect: Callable[..., Client], store: Store) -> Iterator[Service]:
    """The service of an account, with unsealed and sealed requests."""
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
        ("IMPORTER", "right", REFUSED),  # not an account that the service may put users into
    ],
)
def test_service_decides_who_is_let_in_and_only_into_allowed_accounts(
    service: Service, answer: Callable[..., str], user: str, password: str, expected: str
) -> None:
    assert answer(_login(service, user, password)) == expected
    assert [asked.connect_options.user for asked in service.asked] == [user]


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
    assert service.asked == []


def test_nobody_is_let_in_where_no_service_answers(
    answer: Callable[..., str], enforces: Callable[..., bool], store: Store
) -> None:
    sentinel = store.login("CALLOUT/sentinel")
    # Servers before 2.15 close the connection when they have waited, and say nothing.
    answered = REFUSED if enforces("2.15.0") else CLOSED
    assert answer(dataclasses.replace(sentinel, key=None, user="STRANGER", password="right")) == answered
