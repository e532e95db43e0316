# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Clients for every protocol that a server listens to, which return the server's own errors.

They implement the protocols themselves: a client library observes limits that the server has to enforce, does not support proxies, and rewords errors. A
server sends all earlier messages and errors before a PONG, so no test waits for a time to see that something does not happen.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import functools
import itertools
import json
import os
import socket
import struct
import time
from typing import Any

#: The result of a connection that the server accepts.
LET_IN = "let in"
#: The result of a connection that the server closes without an error.
CLOSED = "closed without a word"

_NAMES = itertools.count(1)
_TIMEOUT = 60.0


@dataclasses.dataclass(frozen=True)
class Node:
    """The address and ports of a server."""

    host: str
    port: int
    websocket_port: int
    mqtt_port: int
    leafnode_port: int

    @property
    def url(self) -> str:
        """The URL for clients."""
        return f"nats://{self.host}:{self.port}"


@dataclasses.dataclass(frozen=True)
class Login:
    """The JWT of a user, and the key that signs the nonce. Without a key, nothing is signed."""

    jwt: str
    key: Any = None
    user: str = ""
    password: str = ""


@dataclasses.dataclass(frozen=True)
class Message:
    """A delivered message."""

    subject: str
    payload: bytes
    reply: str = ""
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    status: str = ""
    sid: str = ""

    @property
    def json(self) -> Any:
        """The payload, parsed as JSON."""
        return json.loads(self.payload)


class RefusedError(Exception):
    """The server refuses the connection. The message is the server's error."""


class ClosedError(Exception):
    """The server closed the connection."""


class _Socket:
    def __init__(self, host: str, port: int) -> None:
        self.socket = socket.create_connection((host, port), _TIMEOUT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data: bytes) -> None:
        with contextlib.suppress(ConnectionError):  # what the server sent before it closed can still be read
            self.socket.sendall(data)

    def receive(self) -> bytes:
        try:
            data = self.socket.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            raise ClosedError
        return data

    def close(self) -> None:
        self.socket.close()


class _WebSocket(_Socket):
    """Frames of RFC 6455. The client masks its frames, the server does not."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port)
        self.buffer = b""
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            "GET / HTTP/1.1",
            f"Host: {host}:{port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
        ]
        super().send("\r\n".join([*lines, "", ""]).encode())
        while b"\r\n\r\n" not in self.buffer:
            self.buffer += super().receive()
        answer, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        assert answer.startswith(b"HTTP/1.1 101 "), answer

    def send(self, data: bytes) -> None:
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))
        super().send(b"\x82\xfe" + struct.pack(">H", len(data)) + mask + masked)

    def receive(self) -> bytes:
        first, length = self._take(2)
        if length > 125:
            (length,) = struct.unpack(*((">H", self._take(2)) if length == 126 else (">Q", self._take(8))))
        data = self._take(length)
        if first & 15 == 8:
            raise ClosedError
        return data

    def _take(self, count: int) -> bytes:
        while len(self.buffer) < count:
            self.buffer += super().receive()
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken


class Client:
    """A connection. Raises RefusedError if the server refuses it."""

    def __init__(self, node: Node, login: Login, how: str = "standard", proxy: Any = None) -> None:
        self.login = login
        self.errors: list[str] = []
        self.messages: list[Message] = []
        self.is_closed = False
        self._inbox = ""
        self._buffer = b""
        self._sids = itertools.count(1)
        if how == "websocket":
            self._stream: _Socket = _WebSocket(node.host, node.websocket_port)
        else:
            self._stream = _Socket(node.host, node.leafnode_port if how == "leafnode" else node.port)
        try:
            self._connect(how, proxy)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_unused: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()

    def shut_down(self) -> None:
        """Shut down the socket, so that a thread that waits for messages gets ClosedError."""
        self._stream.socket.shutdown(socket.SHUT_RDWR)

    # ---- client operations

    def subscribe(self, subject: str, queue: str = "") -> str:
        """Subscribe. Return the subscription id for unsubscribe()."""
        sid = str(next(self._sids))
        self._send(f"SUB {subject} {queue} {sid}")
        return sid

    def unsubscribe(self, sid: str) -> None:
        """Remove a subscription."""
        self._send(f"UNSUB {sid}")

    def publish(
        self, subject: str, payload: bytes = b"", reply: str = "", headers: dict[str, str] | None = None
    ) -> None:
        """Publish a message."""
        if headers is None:
            self._send(f"PUB {subject} {reply} {len(payload)}", payload)
        else:
            block = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            head = f"NATS/1.0\r\n{block}\r\n".encode()
            self._send(f"HPUB {subject} {reply} {len(head)} {len(head) + len(payload)}", head + payload)

    def flush(self) -> list[str]:
        """Wait until the server has processed everything sent so far. Return the errors received since the last call."""
        self._send("PING")
        with contextlib.suppress(ClosedError):
            while self._read() != "PONG":
                pass
        errors, self.errors = self.errors, []
        return errors

    def taken(self) -> list[Message]:
        """Wait until the messages published so far are delivered. Return those received since the last call."""
        assert self.flush() == []
        messages, self.messages = self.messages, []
        return messages

    def wait(self, count: int = 1, timeout: float = _TIMEOUT) -> list[Message]:
        """Wait for this number of messages and return them."""
        self._stream.socket.settimeout(timeout)
        deadline = time.monotonic() + timeout
        while len(self.messages) < count:
            assert time.monotonic() < deadline, f"{len(self.messages)} messages instead of {count}, {self.errors}"
            self._read()
        messages, self.messages = self.messages[:count], self.messages[count:]
        return messages

    def wait_for_close(self, timeout: float) -> list[str]:
        """Wait until the server closes the connection. Return its errors."""
        self._stream.socket.settimeout(timeout)
        with contextlib.suppress(ClosedError):
            while True:
                self._read()
        return self.errors

    def ask(
        self, subject: str, payload: bytes = b"", headers: dict[str, str] | None = None, count: int = 1
    ) -> list[Message]:
        """The answers to a request; none if there is no responder."""
        if not self._inbox:
            self._inbox = f"_INBOX.{os.urandom(8).hex()}"
            self.subscribe(self._inbox)
        self.publish(subject, payload, self._inbox, headers)
        answers = self.wait()
        if answers[0].status == "503":
            return []
        return [*answers, *self.wait(count - 1)]

    def ask_json(self, subject: str, request: Any = None) -> Any:
        """The answer to a request, both as JSON."""
        payload = b"" if request is None else json.dumps(request).encode()
        deadline = time.monotonic() + 60
        # A new subscription, for example of a stream just created, takes a moment to reach every server of a cluster.
        while not (answers := self.ask(subject, payload)) and time.monotonic() < deadline:
            time.sleep(0.1)
        (answer,) = answers
        return answer.json

    # ---- the protocol

    def _connect(self, how: str, proxy: Any) -> None:
        info = json.loads(self._read()[5:])
        nonce = info["nonce"].encode()
        wanted = {"jwt": self.login.jwt, "name": f"enforcement-{next(_NAMES)}", "headers": True}
        if how != "leafnode":
            wanted.update(lang="python", version="0", protocol=1, verbose=False, pedantic=False, no_responders=True)
        if self.login.key is not None:
            wanted["sig"] = base64.b64encode(self.login.key.sign(nonce)).decode()
        if proxy is not None:
            wanted["proxy_sig"] = base64.urlsafe_b64encode(proxy.sign(nonce)).decode().rstrip("=")
        if self.login.user:
            wanted.update({"user": self.login.user, "pass": self.login.password})
        self._send(f"CONNECT {json.dumps(wanted)}")
        errors = self.flush()
        if self.is_closed:
            raise RefusedError(errors[0] if errors else CLOSED)
        assert errors == []

    def _send(self, line: str, payload: bytes | None = None) -> None:
        self._stream.send(line.encode() + b"\r\n" + (b"" if payload is None else payload + b"\r\n"))

    def _read(self) -> str:
        """Read and return one line of the protocol. Messages and errors are kept, pings are answered."""
        line = self._take_line()
        verb, _space, rest = line.partition(" ")
        if verb == "PING":
            self._send("PONG")
        elif verb == "-ERR":
            self.errors.append(rest.strip("'"))
        elif verb in ("MSG", "HMSG"):
            subject, sid, *replies, size = rest.split()
            head = b""
            if verb == "HMSG":
                head = self._take(int(replies.pop()))
            payload = self._take(int(size) - len(head) + 2)[:-2]
            version, *fields = head.decode().strip().split("\r\n")
            pairs = (field.partition(":") for field in fields)
            headers = {name: value.strip() for name, _colon, value in pairs}
            self.messages.append(Message(subject, payload, "".join(replies), headers, version[9:12], sid))
        return line

    def _take_line(self) -> str:
        while b"\r\n" not in self._buffer:
            self._fill()
        line, self._buffer = self._buffer.split(b"\r\n", 1)
        return line.decode()

    def _take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._fill()
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken

    def _fill(self) -> None:
        try:
            self._buffer += self._stream.receive()
        except ClosedError:
            self.is_closed = True
            raise


@functools.cache
def version_of(node: Node) -> str:
    """The version in the INFO of a server."""
    with socket.create_connection((node.host, node.port), _TIMEOUT) as connection, connection.makefile("rb") as lines:
        version: str = json.loads(lines.readline().removeprefix(b"INFO "))["version"]
    return version


def attempt(node: Node, login: Login, how: str = "standard", proxy: Any = None) -> str:
    """LET_IN, or the reason why the server refuses the connection."""
    if how == "mqtt":
        return _attempt_mqtt(node, login)
    try:
        Client(node, login, how, proxy).close()
    except RefusedError as error:
        return str(error)
    return LET_IN


def _attempt_mqtt(node: Node, login: Login) -> str:
    """The result of a CONNECT of MQTT 3.1.1 with the JWT as the password."""

    def text(value: str) -> bytes:
        return struct.pack(">H", len(value)) + value.encode()

    flags = struct.pack(">BBH", 4, 0b11000010, 60)  # version; user name, password, clean session; keep alive
    body = text("MQTT") + flags + text(f"enforcement-{os.urandom(4).hex()}") + text("any") + text(login.jwt)
    length, rest = b"", len(body)
    while rest > 127:
        length += bytes((rest & 127 | 128,))
        rest >>= 7
    stream = _Socket(node.host, node.mqtt_port)
    try:
        stream.send(b"\x10" + length + bytes((rest,)) + body)
        answer = b""
        while len(answer) < 4:
            answer += stream.receive()
    finally:
        stream.close()
    assert answer[:2] == b"\x20\x02", answer
    return {0: LET_IN, 5: "Authorization Violation"}.get(answer[3], f"return code {answer[3]}")
