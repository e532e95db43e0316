# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Subject mappings, and the destinations of message traces."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from clients import Client, Message

from ansible_collections.natsops.security.plugins.module_utils.claims import Account, Export, Import

# ---- mappings


@pytest.mark.parametrize(
    ("published", "delivered_as"),
    [
        ("renamed", "new.name"),
        ("new.name", "new.name"),
        ("swapped.a.b", "turned.b.a"),
        ("swapped.a", "swapped.a"),
        ("elsewhere", "elsewhere"),  # mapped in another cluster only
    ],
)
def test_message_goes_where_its_subject_is_mapped(
    connect: Callable[..., Client], published: str, delivered_as: str
) -> None:
    client = connect("MAPPINGS/anybody")
    client.subscribe(">")
    client.publish(published)
    assert [message.subject for message in client.taken()] == [delivered_as]


@pytest.mark.parametrize(
    ("published", "mapped", "percent", "rest"),
    [("split", "split.most", 80, "split.few"), ("partly", "partly.mapped", 30, "partly")],
)
def test_messages_are_mapped_by_weight(
    connect: Callable[..., Client], published: str, mapped: str, percent: int, rest: str
) -> None:
    client, count = connect("MAPPINGS/anybody"), 2000
    client.subscribe(">")
    for _unused in range(count):
        client.publish(published)
    subjects = [message.subject for message in client.taken()]
    # At least seven standard deviations on either side: a false failure once in a hundred billion runs.
    assert abs(subjects.count(mapped) / count * 100 - percent) < 8
    assert subjects.count(mapped) + subjects.count(rest) == count


# ---- traces


#: Earlier servers ignore the header that requests a trace.
TRACES = ("2.11.0",)


def _traced(client: Client, subject: str, is_answered: bool, destination: str = "traces.mine") -> list[tuple[str, str]]:
    """The events of a trace, as pairs of the type and the account or subject that it leads to. None if no trace is expected."""
    client.subscribe(destination)
    client.publish(subject, headers={"Nats-Trace-Dest": destination})
    if not is_answered:
        assert destination not in [message.subject for message in client.taken()]
        return []
    (trace,) = [message.json for message in client.wait() if message.subject == destination]
    return [(event["type"], event.get("acc") or event.get("to", "")) for event in trace["events"]]


def test_trace_shows_where_a_mapping_leads(connect: Callable[..., Client], enforces: Callable[..., bool]) -> None:
    found = _traced(connect("MAPPINGS/anybody"), "renamed", enforces(*TRACES))
    assert (("sm", "new.name") in found) is enforces(*TRACES)


@pytest.mark.parametrize(("subject", "goes_on"), [("traced.on", True), ("traced.off", False)])
def test_trace_goes_on_into_the_exporting_account_only_where_the_service_allows_it(
    connect: Callable[..., Client], enforces: Callable[..., bool], subject: str, goes_on: bool
) -> None:
    is_traced = enforces(Export, "allow_trace")
    service, asker = connect("EXPORTER/anybody"), connect("IMPORTER/anybody")
    service.subscribe("traced.*")
    assert service.flush() == []
    kinds = [kind for kind, _unused in _traced(asker, subject, is_traced)]
    assert kinds == (["in", "si", *(["eg"] if goes_on else [])] if is_traced else [])
    assert len(service.taken()) == 1


@pytest.mark.parametrize(("subject", "goes_on"), [("private.prices", True), ("prices.tea", False)])
def test_trace_goes_on_into_the_importing_account_only_where_the_import_allows_it(
    connect: Callable[..., Client], enforces: Callable[..., bool], subject: str, goes_on: bool
) -> None:
    is_traced = enforces(Import, "allow_trace")
    exporter, importer = connect("EXPORTER/anybody"), connect("IMPORTER/anybody")
    importer.subscribe(">")
    assert importer.flush() == []
    kinds = [kind for kind, _unused in _traced(exporter, subject, is_traced)]
    assert kinds == (["in", "se", *(["eg"] if goes_on else [])] if is_traced else [])
    assert len(importer.taken()) == 1


def test_trace_needs_the_right_to_publish_to_its_destination(
    connect: Callable[..., Client], enforces: Callable[..., bool]
) -> None:
    client, listener = connect("PERMISSIONS/publisher"), connect("PERMISSIONS/anybody")
    listener.subscribe("traces.>")
    listener.subscribe("orders.traces")
    assert listener.flush() == []
    for destination in ("traces.denied", "orders.traces"):
        client.publish("orders.new", headers={"Nats-Trace-Dest": destination})
    if not enforces(*TRACES):
        assert client.flush() == []
        assert [message.subject for message in listener.taken()] == []
    elif not enforces("2.12.0"):  # these servers send traces to any subject
        assert client.flush() == []
        assert [message.subject for message in _both(listener)] == ["traces.denied", "orders.traces"]
    else:
        assert client.flush() == ['Permissions Violation for Publish to "traces.denied"']
        assert [message.subject for message in listener.wait()] == ["orders.traces"]


def _both(client: Client) -> list[Message]:
    """The first two messages."""
    found: list[Message] = []
    while len(found) < 2:
        found += client.wait()
    return found


def _publish_sampled(client: Client, count: int, flags: str = "01") -> None:
    for _unused in range(count):
        parent = f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-{flags}"
        client.publish("orders", headers={"traceparent": parent})


@pytest.mark.parametrize(
    ("account", "flags", "least", "most"),
    [
        ("TRACES", "01", 1000, 1000),
        ("TRACES", "00", 0, 0),  # the sender disabled sampling
        ("SOME-TRACES", "01", 150, 350),  # 25 %, with seven standard deviations on either side
        ("STRANGER", "01", 0, 0),
    ],
)
def test_sampled_messages_are_traced_to_the_destination_of_the_account(
    connect: Callable[..., Client],
    enforces: Callable[..., bool],
    account: str,
    flags: str,
    least: int,
    most: int,
) -> None:
    client = connect(f"{account}/anybody")
    client.subscribe("traces.*")
    _publish_sampled(client, 1000, flags)
    if not enforces(Account, "trace"):
        assert client.taken() == []
        return
    # Traces are sent in order, but possibly after the PONG of a flush. This message has the last trace.
    client.publish("orders", headers={"Nats-Trace-Dest": "traces.last"})
    subjects = [client.wait()[0].subject]
    while subjects[-1] != "traces.last":
        subjects.append(client.wait()[0].subject)
    del subjects[-1]
    assert set(subjects) <= {"traces.all" if account == "TRACES" else "traces.some"}
    assert least <= len(subjects) <= most
