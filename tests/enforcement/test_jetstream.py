# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""JetStream limits of accounts: storage, streams, consumers, tiers; and the account of replication traffic."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import pathlib
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from clients import Client, Login, Node
from support.ports import free_ports
from support.servers import running

from ansible_collections.natsops.security.plugins.module_utils.claims import Account
from ansible_collections.natsops.security.plugins.module_utils.rules.server_versions import STREAMS_WITHOUT_REPLICAS

if TYPE_CHECKING:
    from conftest import Deployment, Store

KIB, MIB = 1 << 10, 1 << 20

NOT_ENABLED = 10039
TOO_MANY_STREAMS = 10027
TOO_MANY_CONSUMERS = 10026
NO_MEMORY = 10028
NO_STORAGE = 10047
NO_TIER = 10120
MAX_BYTES_REQUIRED = 10113
STREAM_TOO_LARGE = 10122
TOO_MANY_PENDING = 10121
FULL = 10002


class JetStream:
    """The JetStream API of an account. Its streams are deleted when the test ends."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.streams: list[str] = []

    def call(self, subject: str, request: Any = None) -> dict[str, Any]:
        """The answer to an API request."""
        answer: dict[str, Any] = self.client.ask_json(f"$JS.API.{subject}", request)
        return answer

    def create(self, **config: Any) -> int:
        """Create a stream. Return the error code, 0 for success."""
        name = f"s{os.urandom(4).hex()}"
        wanted = {"storage": "file", **config, "name": name, "subjects": [f"{name}.>"]}
        error = self.call(f"STREAM.CREATE.{name}", wanted).get("error")
        if error is None:
            self.streams.append(name)
        return 0 if error is None else error["err_code"]

    def create_consumer(self, **config: Any) -> tuple[int, dict[str, Any]]:
        """Create a consumer of the last stream. Return the error code, 0 for success, and the configuration of the consumer."""
        stream, name = self.streams[-1], f"c{os.urandom(4).hex()}"
        wanted = {"durable_name": name, "ack_policy": "explicit", **config}
        answer = self.call(f"CONSUMER.CREATE.{stream}.{name}", {"stream_name": stream, "config": wanted})
        return (answer["error"]["err_code"], {}) if "error" in answer else (0, answer["config"])

    def delete_all(self) -> None:
        """Delete the streams, and wait until the server counts none."""
        for name in self.streams:
            assert self.call(f"STREAM.DELETE.{name}").get("success")
        deadline = time.monotonic() + 60
        while self.call("STREAM.NAMES")["total"]:
            assert time.monotonic() < deadline
            time.sleep(0.02)


@pytest.fixture
def jetstream(connect: Callable[..., Client]) -> Iterator[Callable[[str], JetStream]]:
    """A function that returns the JetStream of an account: `jetstream("STREAMS")`."""
    opened: list[JetStream] = []

    def open_for(account: str) -> JetStream:
        opened.append(JetStream(connect(f"{account}/anybody")))
        return opened[-1]

    yield open_for
    for one in opened:
        one.delete_all()


@pytest.mark.parametrize(("account", "expected"), [("DISK-ONLY", None), ("STRANGER", NOT_ENABLED)])
def test_jetstream_is_for_accounts_with_some_storage(
    connect: Callable[..., Client], account: str, expected: int | None
) -> None:
    answer = connect(f"{account}/anybody").ask_json("$JS.API.INFO")
    assert answer.get("error", {}).get("err_code") == expected


@pytest.mark.parametrize(
    ("account", "accepted", "refused", "error"),
    [
        pytest.param("DISK-ONLY", {}, {"storage": "memory"}, NO_MEMORY, id="memory is not storage on disk"),
        pytest.param("DISK-ONLY", {"max_bytes": MIB}, {"max_bytes": 1}, NO_STORAGE, id="disk is reserved"),
        pytest.param("STREAMS", {"max_bytes": 1}, {}, MAX_BYTES_REQUIRED, id="streams say how large they may get"),
        pytest.param(
            "STREAMS",
            {"max_bytes": 2 * MIB},
            {"max_bytes": 2 * MIB + 1},
            STREAM_TOO_LARGE,
            id="a stream on disk is limited",
        ),
        pytest.param(
            "STREAMS",
            {"max_bytes": 512 * KIB, "storage": "memory"},
            {"max_bytes": 512 * KIB + 1, "storage": "memory"},
            STREAM_TOO_LARGE,
            id="a stream in memory is limited",
        ),
        pytest.param("TIERS", {}, {"num_replicas": 1}, TOO_MANY_STREAMS, id="streams of a tier are limited"),
        pytest.param("TIERS", {"max_bytes": MIB}, {"num_replicas": 3}, NO_TIER, id="other tiers have nothing"),
        pytest.param("ONLY-R3", None, {}, NO_TIER, id="nor has the first one"),
    ],
)
def test_stream_is_created_only_within_the_limits_of_the_account(
    jetstream: Callable[[str], JetStream],
    account: str,
    accepted: dict[str, Any] | None,
    refused: dict[str, Any],
    error: int,
) -> None:
    opened = jetstream(account)
    if accepted is not None:
        assert opened.create(**accepted) == 0
    assert opened.create(**refused) == error


def test_streams_that_do_not_name_their_replicas_count_in_their_tier(
    jetstream: Callable[[str], JetStream], enforces: Callable[..., bool]
) -> None:
    opened = jetstream("TIERS")
    is_counted = enforces(*STREAMS_WITHOUT_REPLICAS)
    assert [opened.create(), opened.create()] == [0, TOO_MANY_STREAMS if is_counted else 0]


def test_account_has_no_more_streams_than_its_limit(jetstream: Callable[[str], JetStream]) -> None:
    opened = jetstream("STREAMS")
    assert [opened.create(max_bytes=1) for _unused in range(3)] == [0, 0, TOO_MANY_STREAMS]


def test_storage_of_the_tier_is_reserved(jetstream: Callable[[str], JetStream]) -> None:
    opened = jetstream("TIERS")
    assert [opened.create(max_bytes=size) for size in (MIB + 1, MIB)] == [NO_STORAGE, 0]


def test_account_stores_no_more_than_its_storage(jetstream: Callable[[str], JetStream]) -> None:
    opened = jetstream("DISK-ONLY")
    assert opened.create() == 0
    stored = 0
    for count in itertools.count(1):
        assert count < 100
        answer = opened.client.ask_json(f"{opened.streams[0]}.a", "x" * 64 * KIB)
        if "error" in answer:
            break
        stored += 64 * KIB
    assert answer["error"]["err_code"] == FULL
    assert 0.5 * MIB < stored <= MIB


def test_stream_has_no_more_consumers_than_the_limit_and_these_no_more_pending(
    jetstream: Callable[[str], JetStream],
) -> None:
    opened = jetstream("STREAMS")
    assert opened.create(max_bytes=1) == 0
    assert opened.create_consumer(max_ack_pending=11)[0] == TOO_MANY_PENDING
    assert opened.create_consumer(max_ack_pending=10)[0] == 0
    error, config = opened.create_consumer()
    assert (error, config["max_ack_pending"]) == (0, 10)
    assert opened.create_consumer()[0] == TOO_MANY_CONSUMERS


@contextlib.contextmanager
def _three_servers(folder: pathlib.Path, store: Store) -> Iterator[Node]:
    """A cluster of three servers that trust the operator of the store."""
    ports = free_ports(6)
    accounts = {name: store.folder / "accounts" / name / f"{name}.jwt" for name in ("SYS", "OWN-TRAFFIC", "DISK-ONLY")}
    preload = "".join(f"{store.claims(name).subject}: {path.read_text()}\n" for name, path in accounts.items())
    routes = ", ".join(f"nats-route://127.0.0.1:{port}" for port in ports[3:])
    folder.mkdir()
    with contextlib.ExitStack() as stack:
        for number, port in enumerate(ports[:3]):
            config = folder / f"n{number}.conf"
            config.write_text(f"""
server_name: n{number}
listen: 127.0.0.1:{port}
operator: "{store.folder / "ENFORCEMENT.jwt"}"
system_account: {store.claims("SYS").subject}
resolver: MEMORY
resolver_preload {{ {preload} }}
jetstream {{ store_dir: "{folder / f"n{number}"}", max_memory_store: 64MB, max_file_store: 64MB }}
cluster {{ name: C, listen: 127.0.0.1:{ports[3 + number]}, routes: [{routes}] }}
""")
            stack.enter_context(running(config, port))
        yield Node("127.0.0.1", ports[0], 0, 0, 0)


@pytest.fixture
def cluster(deployment: Deployment, node: Node, tmp_path: pathlib.Path) -> Iterator[Node]:
    """A server of a cluster of three: that of the test, or one of a cluster that is started here."""
    if len(deployment.nodes) > 1:
        yield node
        return
    login = deployment.store.login("DISK-ONLY/anybody")
    for patience in (60, 120, 240):  # rarely, a cluster of 2.10 that has just started has no leader that answers
        with _three_servers(tmp_path / f"{patience}", deployment.store) as started:
            if _is_replicated(started, login, "ready", patience):
                yield started
                return
    pytest.fail("three servers form no cluster that replicates a stream")


def _is_replicated(node: Node, login: Login, stream: str, patience: float) -> bool:
    """Create a stream with three replicas, and return whether the cluster did so within this number of seconds. Without a leader, it does not answer."""
    config = {"name": stream, "subjects": [f"{stream}.>"], "storage": "file", "num_replicas": 3}
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        with Client(node, login) as client, contextlib.suppress(AssertionError, OSError):
            client.subscribe("_INBOX.created")
            client.publish(f"$JS.API.STREAM.CREATE.{stream}", json.dumps(config).encode(), "_INBOX.created")
            (answer,) = client.wait(timeout=5)
            if answer.status != "503" and "error" not in answer.json:
                return True
        time.sleep(0.05)
    return False


def test_replication_is_sent_in_the_account_that_has_it_so(
    cluster: Node, deployment: Deployment, enforces: Callable[..., bool]
) -> None:
    for account, is_own in (("OWN-TRAFFIC", enforces(Account, "cluster_traffic")), ("DISK-ONLY", False)):
        login, stream = deployment.store.login(f"{account}/anybody"), f"s{os.urandom(4).hex()}"
        with Client(cluster, login) as listener:
            listener.subscribe("$NRG.>")
            assert listener.flush() == []
            assert _is_replicated(cluster, login, stream, 120)
            if is_own:
                listener.wait()
            else:
                assert listener.taken() == []
        if len(deployment.nodes) > 1:  # this cluster remains
            with Client(cluster, login) as client:
                opened = JetStream(client)
                opened.streams.append(stream)
                opened.delete_all()
