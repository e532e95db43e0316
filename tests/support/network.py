# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Attackers on the network: servers with arbitrary answers, and a relay in front of a real server. Each runs in threads on a port of 127.0.0.1."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.token import codec

if TYPE_CHECKING:
    from .fleets import Realm

    #: The behaviour of a server towards one client.
    Talk = Callable[["Client"], None]
    #: Turns the correct answer to a request into the answers that are sent.
    Twist = Callable[[Any], Iterable[bytes]]

#: Timeout of a server's socket operations in seconds, so that no test hangs.
_PATIENCE = 60


class Client:
    """A client that is connected to a hostile server, and the data received from it."""

    def __init__(self, connection: socket.socket, done: threading.Event) -> None:
        self.connection = connection
        self.done = done
        self.received = bytearray()

    def send(self, data: bytes) -> None:
        """Send all of the data."""
        self.connection.sendall(data)

    def read(self) -> bytes:
        """Return the next data; b"" at the end of the connection."""
        data = self.connection.recv(65536)
        self.received += data
        return data

    def listen(self) -> None:
        """Read until the client disconnects."""
        while self.read():
            pass


class HostileServer:
    """Listens on a port of 127.0.0.1 and calls a function for each client that connects."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self.clients: list[Client] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.done = threading.Event()

    @property
    def port(self) -> int:
        """Return the port on which the server listens."""
        return int(self.listener.getsockname()[1])

    @property
    def received(self) -> bytes:
        """Return the data received over all connections, joined by newlines."""
        return b"\n".join(bytes(client.received) for client in self.clients)

    def accept(self) -> None:
        """Accept connections until the server is closed."""
        with contextlib.suppress(OSError):
            while True:
                connection, _unused = self.listener.accept()
                connection.settimeout(_PATIENCE)
                client = Client(connection, self.done)
                self.clients.append(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: Client) -> None:
        with contextlib.suppress(OSError), client.connection:
            self.talk(client)

    def close(self) -> None:
        """Close the server and its connections."""
        self.done.set()
        for one in (self.listener, *(client.connection for client in self.clients)):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@contextlib.contextmanager
def hostile_server(talk: Talk) -> Iterator[HostileServer]:
    """Run a server with this behaviour during the block."""
    found = HostileServer(talk)
    threading.Thread(target=found.accept, daemon=True).start()
    try:
        yield found
    finally:
        found.close()


# ---- behaviours


def says(data: bytes) -> Talk:
    """Return a behaviour: send the data, and read until the client disconnects."""

    def talk(client: Client) -> None:
        client.send(data)
        client.listen()

    return talk


def answers(data: bytes) -> Talk:
    """Return a behaviour: wait for a request, send the data, and disconnect."""

    def talk(client: Client) -> None:
        client.read()
        client.send(data)

    return talk


def drips(data: bytes, first: bytes = b"", pause: float = 0.05) -> Talk:
    """Return a behaviour: send `first`, or wait for a request if it is empty; then send `data` byte by byte, repeatedly."""

    def talk(client: Client) -> None:
        if first:
            client.send(first)
        else:
            client.read()
        while True:
            for byte in data:
                if client.done.wait(pause):
                    return
                client.send(bytes((byte,)))

    return talk


def relay(port: int, change: Callable[[bytes], bytes]) -> Talk:
    """Return a behaviour: forward all data between the client and the server at a port, with `change` applied to the server's data."""

    def talk(client: Client) -> None:
        with socket.create_connection(("127.0.0.1", port), _PATIENCE) as server:

            def back() -> None:
                with contextlib.suppress(OSError):
                    while data := server.recv(65536):
                        client.send(change(data))
                with contextlib.suppress(OSError):
                    client.connection.shutdown(socket.SHUT_RDWR)

            threading.Thread(target=back, daemon=True).start()
            while data := client.read():
                server.sendall(data)

    return talk


def without_tls(data: bytes) -> bytes:
    """Return a server's data without the members of INFO that require or offer TLS."""
    return re.sub(rb',?"tls_(required|available|verify)":true', b"", data)


# ---- a NATS server with arbitrary answers


def as_json(answer: Any) -> list[bytes]:
    """Return one answer, encoded as a correct server sends it."""
    return [answer if isinstance(answer, bytes) else json.dumps(answer).encode()]


@dataclasses.dataclass
class Pretender:
    """Behaves like a nats-server of a realm with a full resolver. It accepts every user. `twists` changes its answers, by kind of request."""

    realm: Realm
    twists: dict[str, Twist] = dataclasses.field(default_factory=dict)
    info: dict[str, Any] = dataclasses.field(default_factory=dict)
    accounts: dict[str, str] = dataclasses.field(default_factory=dict)
    asked: list[str] = dataclasses.field(default_factory=list)
    id: str = dataclasses.field(default_factory=lambda: nkey.create("server").public_key)

    @property
    def info_line(self) -> bytes:
        """Return the INFO message of the server."""
        info = {"server_id": self.id, "version": "2.15.1", "proto": 1, "headers": True, "max_payload": 1048576}
        info.update({"nonce": "abcdefghijklmno", "auth_required": True, **self.info})
        return b"INFO " + json.dumps(info).encode() + b"\r\n"

    def __call__(self, client: Client) -> None:
        """Serve one client; this is the behaviour for `hostile_server`."""
        client.send(self.info_line)
        buffer = b""
        while data := client.read():
            buffer += data
            while b"\r\n" in buffer:
                line, rest = buffer.split(b"\r\n", 1)
                if line.startswith(b"PUB "):
                    words = line.split()
                    size = int(words[-1])
                    if len(rest) < size + 2:
                        break
                    self._reply(client, words[1].decode(), words[2], rest[:size])
                    rest = rest[size + 2 :]
                elif line == b"PING":
                    client.send(b"PONG\r\n")
                buffer = rest

    def _reply(self, client: Client, subject: str, reply: bytes, payload: bytes) -> None:
        self.asked.append(subject)
        kind = kind_of(subject)
        sent = self.twists.get(kind, as_json)(self.honest(kind, subject, payload))
        for one in sent:
            client.send(message(reply, one))

    def honest(self, kind: str, subject: str, payload: bytes) -> Any:
        """Return the answer of a correct server."""
        account = subject.split(".")[3]
        about = {"server": {"id": self.id, "name": "n1", "host": "127.0.0.1", "ver": "2.15.1", "jetstream": True}}
        if kind == "LOOKUP":
            return self.accounts.get(account, "").encode()
        if kind == "PING":
            return {**about, "statsz": {"active_servers": 1}}
        if kind == "UPDATE":
            self.accounts[account] = payload.decode()
        if kind == "DELETE":
            for key in codec.public_payload(payload.decode())["nats"]["accounts"]:
                self.accounts.pop(key, None)
        data = {
            "VARZ": {
                "system_account": self.realm.system.public_key,
                "trusted_operators_jwt": [self.realm.operator_jwt],
            },
            "SUBSZ": {"total": 1},
            "LIST": list(self.accounts),
            "UPDATE": {"account": account, "code": 200, "message": "jwt updated"},
            "INFO": {"jwt": self.accounts.get(account, ""), "expired": False, "complete": True},
            "ACCOUNTZ": {"accounts": ["$G", *self.accounts]},
            "STATZ": {"account_statz": [{"acc": key, "conns": 0, "leafnodes": 0} for key in self.accounts]},
            "JSZ": {"memory": 0, "storage": 0, "stream_detail": []},
            "DELETE": {"code": 200, "message": "deleted"},
            "CONNZ": {"connections": []},
        }
        return {**about, "data": data[kind]}


def kind_of(subject: str) -> str:
    """Return the kind of a request, which is the last token of its subject."""
    return subject.rpartition(".")[2]


def message(subject: bytes, payload: bytes) -> bytes:
    """Return a MSG protocol message to the first subscription of a client."""
    return b"MSG %s 1 %d\r\n%s\r\n" % (subject, len(payload), payload)
