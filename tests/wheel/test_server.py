# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""A nats-server runs with an operator of this package, accepts its users and enforces their JWTs."""

from __future__ import annotations

import asyncio
import json
import pathlib
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Iterator

import pytest

from natsops_jwt import Account, Operator, nkey

if TYPE_CHECKING:
    from nats.aio.msg import Msg

nats = pytest.importorskip("nats")
SERVER = pathlib.Path(sys.executable).with_name("nats-server")
PATIENCE = 60


@pytest.fixture
def scoped() -> nkey.KeyPair:
    return nkey.create("account")


@pytest.fixture
def trusted(operator: Operator, scoped: nkey.KeyPair) -> Account:
    """Return an account with a scoped signing key, under an operator with a system account."""
    template = {"permissions": {"publish": {"allow": ["sensors.{{name()}}"]}}}
    return operator.account("APP", signing_keys=[{"key": scoped.public_key, "role": "sensor", "template": template}])


@pytest.fixture
def url(tmp_path: pathlib.Path, operator: Operator, trusted: Account) -> Iterator[str]:
    system = operator.account("SYS")
    operator = Operator.create("ACME", key=operator.key, existing=operator.jwt, system_account=system.public_key)
    preload = "".join(f"{account.public_key}: {account.jwt}\n" for account in (system, trusted))
    config = tmp_path / "server.conf"
    config.write_text(
        f"listen: 127.0.0.1:-1\nports_file_dir: {tmp_path}\noperator: {operator.jwt}\nresolver: MEMORY\n"
        f"resolver_preload: {{\n{preload}}}\n",
        encoding="utf-8",
    )
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen([str(SERVER), "-c", str(config)], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + PATIENCE
        while not (found := list(tmp_path.glob("*.ports"))) or not found[0].read_text(encoding="utf-8").strip():
            assert server.poll() is None, (tmp_path / "log").read_text(encoding="utf-8")
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield json.loads(found[0].read_text(encoding="utf-8"))["nats"][0]
    finally:
        server.terminate()
        server.wait()


async def publish(url: str, creds: pathlib.Path, subject: str) -> str:
    """Publish to a subject. Return the message, which the user also subscribes to, or the error of the server, in lower case."""
    came: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def report(found: object) -> None:
        if not came.done():
            came.set_result(str(found))

    async def receive(message: Msg) -> None:
        await report(message.data.decode())

    client = await nats.connect(url, user_credentials=str(creds), error_cb=report, allow_reconnect=False)
    await client.subscribe(subject, cb=receive)
    await client.publish(subject, b"received")
    try:
        return (await asyncio.wait_for(came, PATIENCE)).lower()
    finally:
        await client.close()


def test_users_are_let_in_and_held_to_their_claims(
    url: str, tmp_path: pathlib.Path, trusted: Account, scoped: nkey.KeyPair
) -> None:
    own = trusted.user("worker", permissions={"publish": {"allow": ["orders.>"]}}, expires_in="1h")
    of_scope = trusted.with_key(scoped).user("t1")
    for user, allowed, denied in ((own, "orders.new", "sensors.t1"), (of_scope, "sensors.t1", "sensors.t2")):
        creds = tmp_path / f"{user.name}.creds"
        creds.write_text(user.creds, encoding="utf-8")
        assert asyncio.run(publish(url, creds, allowed)) == "received"
        assert "permissions violation" in asyncio.run(publish(url, creds, denied))


def test_users_of_another_operator_are_not(url: str, tmp_path: pathlib.Path) -> None:
    foreign = tmp_path / "other.creds"
    foreign.write_text(Operator.create("OTHER").account("APP").user("worker").creds, encoding="utf-8")
    with pytest.raises(Exception, match=r"(?i)authorization violation"):
        asyncio.run(publish(url, foreign, "orders.new"))
