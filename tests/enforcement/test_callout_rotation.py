# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The curve key of an auth callout is rotated while its service answers: users can connect before, during and after the rotation."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import clients as raw
import pytest
from clients import LET_IN, Client, Login, Node, RefusedError
from support.callouts import Callout
from support.fleets import client
from support.inventories import Clients, Cluster, account_of_users, changed_tasks

from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.token import codec, decorated

pytestmark = [pytest.mark.playbook, pytest.mark.server]


class World:
    """A cluster with an auth callout account, whose service answers with the curve keys that it has."""

    def __init__(self, cluster: Cluster, clients: Clients) -> None:
        self.cluster, self.clients = cluster, clients
        self.document = account_of_users()
        self.document["accounts"].append(
            {
                "name": "AUTH",
                "signing_keys": [{"role": "main"}],
                "authorization": {
                    "auth_users": ["service"],
                    "allowed_accounts": ["APP"],
                    "xkey": {"role": "callout"},
                },
                "users": [{"name": "service"}, {"name": "sentinel", "bearer_token": True}],
            }
        )
        cluster.run(operator_definition=self.document)
        self.service = Callout("AUTH", lambda name: self.claims(name).subject, self.signing_key)
        self.give(self.xkey)
        creds = (cluster.folder / "keys/creds/ACME/AUTH/service.creds").read_text()
        self.connection = clients.do(client(f"nats://127.0.0.1:{cluster.ports[0]}", creds))
        clients.connected.append(self.connection)
        clients.do(self.connection.subscribe("$SYS.REQ.USER.AUTH", cb=self._answer))
        clients.do(self.connection.flush())

    async def _answer(self, message: Any) -> None:
        try:
            answer = self.service.answer(message.data, message.headers["Nats-Server-Xkey"])
        except NatsSecurityError:
            answer = b""  # the service has no key that opens this request, so the user is refused
        await message.respond(answer)

    def claims(self, account: str) -> Any:
        return codec.decode((self.cluster.folder / f"stores/ACME/accounts/{account}/{account}.jwt").read_text())

    @property
    def xkey(self) -> str:
        return str(self.claims("AUTH").body.authorization.xkey)

    def pair(self, key: str) -> Any:
        return nkey.from_seed((self.cluster.folder / f"keys/keys/{key[0]}/{key[1:3]}/{key}.nk").read_text())

    def signing_key(self, account: str) -> Any:
        (key,) = self.claims(account).body.signing_keys
        return self.pair(key.key)

    def give(self, key: str) -> None:
        """Give the service the seed of another curve key."""
        self.service.curve_keys = [*self.service.curve_keys, self.pair(key)]

    def attempt(self, port: int) -> str:
        """LET_IN if a user of the callout can connect, or the error of the server."""
        creds = (self.cluster.folder / "keys/creds/ACME/AUTH/sentinel.creds").read_text()
        login = Login(decorated.find_token(creds), user="APP", password="right")
        try:
            Client(Node("127.0.0.1", port, 0, 0, 0), login).close()
        except RefusedError as error:
            return str(error)
        return LET_IN

    def attempts(self) -> set[str]:
        """The results of one attempt on each server."""
        return {self.attempt(port) for port in self.cluster.ports[:3]}

    @contextlib.contextmanager
    def users(self) -> Iterator[list[str]]:
        """Users connect to one server after the other in the background. Yields the list of their results."""
        heard: list[str] = []
        ends = threading.Event()

        def connect() -> None:
            while not ends.wait(0.05):
                try:
                    heard.append(self.attempt(self.cluster.ports[len(heard) % 3]))
                except Exception as error:
                    heard.append(repr(error))

        thread = threading.Thread(target=connect)
        thread.start()
        try:
            yield heard
        finally:
            ends.set()
            thread.join()

    def rotate(self, **variables: Any) -> str:
        """The output of the playbook."""
        given = {"operator_definition": self.document, "rotate_slot": "AUTH/callout", **variables}
        return " ".join(self.cluster.run(playbook="natsops.security.rotate", **given).split())


@pytest.mark.attack
def test_users_get_in_while_the_curve_key_of_their_callout_is_rotated(
    cluster: Cluster, clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raw, "_TIMEOUT", 60.0)
    world = World(cluster, clients)
    old = world.xkey
    assert world.attempts() == {LET_IN}
    with world.users() as heard:
        output = world.rotate(rotate_key=old)
        following = output.partition("Give the service of the auth callout the seed of ")[2].split()[0]
        assert world.xkey == old != following
        # In practice the service is restarted with both seeds. Here it gets the second one between two requests.
        world.give(following)
        before = len(heard)
        world.rotate(rotate_service_ready=True)
        assert world.xkey == following
        assert (
            changed_tasks(
                cluster.run(
                    playbook="natsops.security.rotate",
                    operator_definition=world.document,
                    rotate_slot="AUTH/callout",
                    rotate_key=old,
                    rotate_service_ready=True,
                )
            )
            == []
        )
        # Every server has the account now, so the old seed is removed.
        world.service.curve_keys = [world.pair(following)]
        assert world.attempts() == {LET_IN}
    assert set(heard) == {LET_IN}
    assert len(heard) > before > 0
    assert any(path.name.startswith(old) for path in (cluster.folder / "keys/.natsops/archive").rglob("*.archived"))
    # With neither of these keys, the service accepts no user.
    world.service.curve_keys = [nkey.create("curve")]
    assert LET_IN not in world.attempts()
