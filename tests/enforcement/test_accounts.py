# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What accounts share: public and private streams and services, their activations and answers; and what accounts cannot share."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from clients import LET_IN, Client, Login, RefusedError

from ansible_collections.natsops.security.plugins.module_utils.claims import (
    Account,
    Activation,
    Claims,
    Export,
    Generic,
    Import,
    SigningKey,
    User,
)
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.token import codec

if TYPE_CHECKING:
    from conftest import Deployment, Store


# ---- streams


@pytest.mark.parametrize(
    ("published", "importer", "delivered_as"),
    [
        ("prices.tea", "IMPORTER", "from.exporter.tea"),
        ("prices.tea.green", "IMPORTER", None),  # not exported
        ("prices.tea", "STRANGER", None),  # not imported
        ("private.prices", "IMPORTER", "private.prices"),
        ("private.prices", "STRANGER", None),
    ],
)
def test_stream_is_delivered_where_it_is_exported_imported_and_activated(
    connect: Callable[..., Client], published: str, importer: str, delivered_as: str | None
) -> None:
    listener, exporter = connect(f"{importer}/anybody"), connect("EXPORTER/anybody")
    listener.subscribe(">")
    assert listener.flush() == []
    exporter.publish(published)
    assert exporter.flush() == []
    assert [message.subject for message in listener.taken()] == ([delivered_as] if delivered_as else [])


# ---- services


@pytest.mark.parametrize(
    ("importer", "asked", "heard_as"),
    [
        ("IMPORTER", "clock", "time.now"),
        ("IMPORTER", "time.now", None),  # imported under another name
        ("STRANGER", "time.now", None),
        ("IMPORTER", "time.private", "time.private"),
        ("STRANGER", "time.private", None),
        ("OTHER-IMPORTER", "time.expired", None),  # its activation token has expired
        ("IMPORTER", "jobs", "tenants.{account}.jobs"),
    ],
)
def test_service_answers_where_it_is_exported_imported_and_activated(
    connect: Callable[..., Client], store: Store, importer: str, asked: str, heard_as: str | None
) -> None:
    service, asker = connect("EXPORTER/anybody"), connect(f"{importer}/anybody")
    service.subscribe("time.>")
    service.subscribe("tenants.>")
    assert service.flush() == []
    asker.subscribe("answers")
    asker.publish(asked, reply="answers")
    assert asker.flush() == []
    heard = service.taken()
    expected = [] if heard_as is None else [heard_as.format(account=store.claims(importer).subject)]
    assert [message.subject for message in heard] == expected
    for message in heard:
        service.publish(message.reply, b"here")
    assert service.flush() == []
    answers = asker.wait()
    assert [(answer.status, answer.payload) for answer in answers] == [("", b"here") if expected else ("503", b"")]


@pytest.mark.parametrize(("subject", "delivered"), [("clock", 1), ("time.many", 3)])
def test_service_answers_once_unless_its_export_says_many_times(
    connect: Callable[..., Client], subject: str, delivered: int
) -> None:
    service, asker = connect("EXPORTER/anybody"), connect("IMPORTER/anybody")
    service.subscribe("time.*")
    assert service.flush() == []
    asker.subscribe("answers")
    asker.publish(subject, reply="answers")
    assert asker.flush() == []
    (request,) = service.taken()
    for _unused in range(3):
        service.publish(request.reply, b"an empty one would be the last")
        assert service.flush() == []
    assert len(asker.taken()) == delivered


@pytest.mark.parametrize(("subject", "delivered"), [("clock", 1), ("time.slow", 0)])
def test_answer_comes_too_late_after_the_threshold_of_the_export(
    connect: Callable[..., Client], subject: str, delivered: int
) -> None:
    service, asker = connect("EXPORTER/anybody"), connect("IMPORTER/anybody")
    service.subscribe("time.*")
    assert service.flush() == []
    asker.subscribe("answers")
    asker.publish(subject, reply="answers")
    assert asker.flush() == []
    (request,) = service.taken()
    time.sleep(0.5)
    service.publish(request.reply)
    assert service.flush() == []
    assert len(asker.taken()) == delivered


@pytest.mark.parametrize(("importer", "is_shared"), [("IMPORTER", True), ("OTHER-IMPORTER", False)])
def test_latency_is_measured_and_tells_of_who_asks_only_where_the_import_shares_it(
    connect: Callable[..., Client], importer: str, is_shared: bool
) -> None:
    service, asker = connect("EXPORTER/anybody"), connect(f"{importer}/anybody")
    service.subscribe("time.measured")
    service.subscribe("latency.measured")
    assert service.flush() == []
    asker.subscribe("answers")
    asker.publish("time.measured", reply="answers")
    assert asker.flush() == []
    (request,) = service.wait()
    service.publish(request.reply)
    (measured,) = service.wait()
    assert (measured.subject, measured.json["status"]) == ("latency.measured", 200)
    assert ("host" in measured.json["requestor"]) is is_shared


# ---- accounts that cannot be in the document: nats_store refuses them before a server does


def test_private_service_answers_only_with_an_activation_that_is_not_revoked(
    push: Callable[..., Any], connect: Callable[..., Client], store: Store
) -> None:
    exporter, signing, own = store.claims("EXPORTER"), store.signing_key("EXPORTER"), nkey.create("account")
    (revoked_at,) = next(one for one in exporter.body.exports if one.subject == "time.private").revocations.values()

    def activation(issued_at: int) -> str:
        body = Activation(import_subject="time.private", import_type="service", issuer_account=exporter.subject)
        claims = Claims(name="time.private", subject=own.public_key, body=body)
        return codec.encode(claims, signing, issued_at)

    service = connect("EXPORTER/anybody")
    service.subscribe("time.private")
    assert service.flush() == []
    for given, count in (("", 0), (activation(revoked_at), 0), (activation(revoked_at + 1), 1)):
        private = Import(subject="time.private", account=exporter.subject, type="service", token=given)
        with push(Account(imports=[private]), own) as login:
            asker = connect(login)
            asker.publish("time.private", reply="answers")
            assert asker.flush() == []
            assert len(service.taken()) == count


def test_position_of_the_account_in_the_subject_keeps_out_others(
    push: Callable[..., Any], connect: Callable[..., Client], store: Store
) -> None:
    service = connect("EXPORTER/anybody")
    service.subscribe("tenants.>")
    assert service.flush() == []
    exporter, own = store.claims("EXPORTER").subject, nkey.create("account")
    for tenant, count in ((store.claims("IMPORTER").subject, 0), (own.public_key, 1)):
        jobs = Import(subject=f"tenants.{tenant}.jobs", account=exporter, type="service")
        with push(Account(imports=[jobs]), own) as login:
            asker = connect(login)
            asker.publish(f"tenants.{tenant}.jobs", reply="answers")
            assert asker.flush() == []
            assert len(service.taken()) == count


def _with_limit(limit: str, value: Any, exporter: str) -> Account:
    body = Account(
        exports=[Export(subject="a.*", type="stream"), Export(subject="b.*", type="stream")],
        imports=[
            Import(subject="prices.*", account=exporter, type="stream", local_subject=local)
            for local in ("c.$1", "d.$1")
        ],
    )
    if limit == "wildcard_exports":
        body.limits.exports = 2  # the server checks wildcard exports only if there is a limit
    setattr(body.limits, limit, value)
    return body


@pytest.mark.parametrize(
    ("limit", "refused", "accepted", "words"),
    [
        ("exports", 1, 2, "more exports than allowed"),
        ("imports", 1, 2, "more imports than allowed"),
        ("wildcard_exports", False, True, "wildcard exports that are not allowed"),
    ],
)
def test_account_that_shares_more_than_its_limits_is_refused(
    push: Callable[..., Any],
    answer: Callable[..., str],
    store: Store,
    limit: str,
    refused: Any,
    accepted: Any,
    words: str,
) -> None:
    exporter = store.claims("EXPORTER").subject
    with pytest.raises(RefusedError, match=words), push(_with_limit(limit, refused, exporter)):
        pass
    with push(_with_limit(limit, accepted, exporter)) as login:
        assert answer(login) == LET_IN


def test_clients_are_disconnected_when_their_account_expires(
    push: Callable[..., Any], connect: Callable[..., Client], answer: Callable[..., str]
) -> None:
    with push(Account(), expires=int(time.time()) + 10) as login:
        assert connect(login).wait_for_close(60) == ["Account Authentication Expired"]
        assert answer(login) == "Authorization Violation"


@pytest.fixture
def push(connect: Callable[..., Client], deployment: Deployment) -> Callable[..., Any]:
    """A context manager that pushes an additional account to all servers and returns the login of a user: `with push(Account()) as login`."""
    system, operator = connect("SYS/sys"), deployment.store.signing_key()
    servers = len(deployment.nodes)

    @contextlib.contextmanager
    def pushed(body: Account, key: nkey.KeyPair | None = None, expires: int = 0) -> Iterator[Login]:
        account, user, now = key or nkey.create("account"), nkey.create("user"), int(time.time())
        signer = nkey.create("account")  # the operator is strict
        body.signing_keys.append(SigningKey(key=signer.public_key))
        claims = Claims(name="PUSHED", subject=account.public_key, body=body, expires=expires)
        update = f"$SYS.REQ.ACCOUNT.{account.public_key}.CLAIMS.UPDATE"
        answers = system.ask(update, codec.encode(claims, operator, now).encode(), count=servers)
        refusals = {one.json["error"]["description"] for one in answers if "error" in one.json}
        if refusals:
            raise RefusedError(*refusals)
        try:
            named = Claims(name="u", subject=user.public_key, body=User(issuer_account=account.public_key))
            yield Login(codec.encode(named, signer, now), user)
        finally:
            unwanted = Generic({"accounts": [account.public_key]})
            deletion = Claims(name="deletion", subject=operator.public_key, body=unwanted)
            request = codec.encode(deletion, operator, now).encode()
            answers = system.ask("$SYS.REQ.CLAIMS.DELETE", request, count=servers)
            assert [one.json["data"]["code"] for one in answers] == [200] * servers

    return pushed
