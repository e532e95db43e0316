# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The transport between nats-py and a server. Everything that nats-py receives is validated here first, and where TLS is expected, nothing that it
sends leaves this host before the server's certificate is verified.

nats-py uses TLS if the server's INFO asks for it, and INFO is sent in plaintext: an attacker on the path can remove a field from it and receive the
JWT and the signed nonce. nats-py also accepts and buffers all input without limits. So a Channel is opened here, including name resolution, TLS and
INFO, before nats-py uses it. It passes on only complete frames of bounded size that follow the protocol, and only the fields of INFO that are needed:
the addresses of other servers are not among them.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import hashlib
import json
import os
import re
import secrets
import socket
import ssl
import threading
from typing import Any, Callable

from ..base.errors import NatsSecurityError
from .addresses import Address
from .answers import Part, Unreadable, one_line, parse

#: The longest line of the protocol, and the largest message, in bytes. A list of 100,000 accounts has 6 MB.
LONGEST_LINE = 1024 * 1024
LARGEST_MESSAGE = 64 * 1024 * 1024
#: How much is read ahead, in bytes.
_AHEAD = 1024 * 1024
#: How long a server may leave sent data unread, in seconds.
_STALLED = 10.0

_TO = rb"[ \t]+[!-~]+[ \t]+[0-9]{1,9}(?:[ \t]+[!-~]+)??"  # subject, subscription id and an optional reply subject
_MESSAGE = re.compile(rb"MSG" + _TO + rb"[ \t]+([0-9]{1,9})")
_MESSAGE_WITH_HEADERS = re.compile(rb"HMSG" + _TO + rb"[ \t]+([0-9]{1,9})[ \t]+([0-9]{1,9})")
_ERROR = re.compile(rb"-ERR[ \t]+'?(.*?)'?[ \t]*")
_HEADERS = re.compile(rb"NATS/1\.0(?: [0-9]{3}(?: [^\r\n]*)?)?\r\n(?:[^\r\n]+\r\n)*\r\n")
#: The nonce of a server, in base64url or base64. It has no dots, so a server cannot have a JWT signed as a nonce.
_NONCE = re.compile(r"[A-Za-z0-9_+/=-]{1,128}")


#: Why a server is refused: it does not speak the NATS protocol, or not over WebSocket, offers no TLS, sends no nonce, or the port is for gateways.
NO_NATS, NO_WEBSOCKET, NO_TLS, NO_NONCE, NO_CLIENTS = "no_nats", "no_websocket", "no_tls", "no_nonce", "no_clients"
#: The kinds of connections that a port accepts.
CLIENT_PORT, LEAFNODE_PORT, ROUTE_PORT = "client", "leafnode", "route"


class Refused(NatsSecurityError):
    """A server that no credentials are sent to: it is not verified, or does not speak the protocol. `kind` is the reason, one of the constants above."""

    def __init__(self, message: str, kind: str = NO_NATS) -> None:
        super().__init__(message)
        self.kind = kind


class _Broken(ConnectionError):
    """The server violates the protocol."""


@dataclasses.dataclass(frozen=True)
class Tls:
    """Whether TLS is required, and how servers are verified. Without a context, the CA certificates of the system are used."""

    wanted: bool = False
    context: ssl.SSLContext | None = None
    server_name: str | None = None
    first: bool = False


@dataclasses.dataclass(frozen=True)
class Info:
    """The fields of a server's INFO that are used. `client_ip` is the address of this host as the server sees it. Missing texts are ""."""

    nonce: str
    max_payload: int
    headers: bool
    offers_tls: bool
    requires_tls: bool
    server_id: str = ""
    server_name: str = ""
    version: str = ""
    client_ip: str = ""
    jetstream: bool = False
    verifies_clients: bool = False
    port: str = CLIENT_PORT

    @property
    def line(self) -> bytes:
        """The INFO line for nats-py."""
        known = {"nonce": self.nonce, "auth_required": True, "max_payload": self.max_payload, "headers": self.headers}
        return b"INFO " + json.dumps(known).encode("ascii") + b"\r\n"


async def open_channel(address: Address, tls: Tls, when_refused: Callable[[str], None]) -> Channel:
    """Open a channel that is ready for CONNECT: INFO is read, and where TLS is expected, the channel is encrypted and the server verified.

    Refused if the server is not as expected, OSError if it cannot be reached. Cancel the task to limit the time. `when_refused` is called with the
    text of each permissions violation, as the server sent it.
    """
    opened = await open_stream(address, tls)
    return Channel(opened.wire, opened.stream, opened.info, tls.wanted or address.wants_tls, when_refused)


@dataclasses.dataclass(frozen=True)
class Opened:
    """A connection that is ready for CONNECT, and the server's INFO. It is read and written by line, for protocols other than that of clients."""

    wire: _Wire
    stream: Any
    info: Info

    async def line(self) -> bytes:
        """The next line of the protocol. ConnectionError after the end of the connection."""
        return await _read_line(self.stream)

    def send(self, data: bytes) -> None:
        """Queue data for sending."""
        self.stream.send(data)

    def close(self) -> None:
        """Close at once."""
        self.wire.abort()


async def open_stream(address: Address, tls: Tls) -> Opened:
    """Open a connection as open_channel() does, for protocols other than that of clients."""
    wire = await dial(address)
    try:
        if tls.first or address.scheme == "wss":
            await wire.encrypt(tls, address.host)
        stream: _Wire | _Websocket = wire
        if address.is_websocket:
            stream = await _open_websocket(wire, address)
        info = await _read_info(stream)
        if address.scheme == "tls" or tls.wanted or info.requires_tls:
            await _upgrade(wire, info, tls, address)
        return Opened(wire, stream, info)
    except BaseException:
        wire.abort()
        raise


async def _upgrade(wire: _Wire, info: Info, tls: Tls, address: Address) -> None:
    if wire.is_encrypted or (address.is_websocket and not tls.wanted):
        return
    if not info.offers_tls or address.is_websocket:
        raise Refused("it offers no TLS, which the task requires: nothing was sent to it", NO_TLS)
    if wire.received:
        raise Refused("it sends more than its INFO in the clear, before TLS begins: nothing was sent to it")
    await wire.encrypt(tls, address.host)


async def _read_info(stream: _Wire | _Websocket) -> Info:
    line = await _read_line(stream)
    if line[:5] != b"INFO ":
        raise Refused(f"it is not a NATS server: it begins with {one_line(line[:80].decode('utf-8', 'replace'))!r}")
    try:
        return _checked_info(parse(line[5:], "INFO"))
    except Unreadable as error:
        raise Refused(f"its INFO cannot be read: {error}") from None


def _checked_info(info: Part) -> Info:
    nonce = info["nonce"].text()
    if not nonce and info["gateway"]:
        raise Refused("it listens for gateways of other clusters on this port", NO_CLIENTS)
    if not nonce:
        raise Refused("it asks for no signature (no nonce in its INFO), so it is not in operator mode", NO_NONCE)
    if not _NONCE.fullmatch(nonce):
        info["nonce"].refuse("base64")
    required = info["tls_required"].flag()
    return Info(
        nonce=nonce,
        max_payload=info["max_payload"].number() or 1024 * 1024,
        headers=info["headers"].flag(),
        offers_tls=info["tls_available"].flag() or required,
        requires_tls=required,
        server_id=_said(info, "server_id"),
        server_name=_said(info, "server_name"),
        version=_said(info, "version"),
        client_ip=_said(info, "client_ip"),
        jetstream=info["jetstream"].value is True,
        verifies_clients=info["tls_verify"].value is True,
        port=_port(info),
    )


def _port(info: Part) -> str:
    """The kind of port: INFO has the client's address and connection id on a client port, only the id on a leaf node port, neither on a route port."""
    if info["client_ip"] or not info["server_id"]:
        return CLIENT_PORT
    return LEAFNODE_PORT if info["client_id"] else ROUTE_PORT


def _said(info: Part, name: str) -> str:
    """A text of INFO that is only used for diagnosis; "" if it is not a string. A server is not refused for it."""
    value = info[name].value
    return one_line(value) if isinstance(value, str) else ""


async def _read_line(stream: _Wire | _Websocket) -> bytes:
    while True:
        end = stream.received.find(b"\r\n", 0, LONGEST_LINE + 2)
        if end >= 0:
            line = bytes(stream.received[:end])
            del stream.received[: end + 2]
            return line
        if len(stream.received) > LONGEST_LINE:
            raise Refused(f"it sends a line of more than {LONGEST_LINE} bytes")
        await stream.more()


# ---- the network


class _Wire(asyncio.Protocol):
    """A TCP connection: the data that was received but not yet consumed, and whether the connection has ended."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.transport: Any = None
        self.error: Exception | None = None
        self.ended = False
        self._readable = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._paused = False

    # Called by asyncio.

    def connection_made(self, transport: Any) -> None:
        """Keep the transport."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Keep the data, and pause reading when the buffer is full."""
        self.received += data
        if len(self.received) >= _AHEAD and not self._paused:
            self._paused = True
            self.transport.pause_reading()
        self._readable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end of the connection, and wake all waiting tasks."""
        self.error, self.ended = exc, True
        self._readable.set()
        self._writable.set()

    def pause_writing(self) -> None:
        """Make senders wait."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Let senders continue."""
        self._writable.set()

    # Called by a channel.

    @property
    def is_encrypted(self) -> bool:
        """Whether TLS protects what is sent."""
        return self.transport.get_extra_info("ssl_object") is not None

    async def encrypt(self, tls: Tls, host: str) -> None:
        """Perform the TLS handshake. ssl.SSLError if the server's certificate is not valid for its name."""
        if self.ended:
            raise ConnectionResetError("the server closes the connection")
        context = tls.context or default_context()
        loop = asyncio.get_running_loop()
        self.transport = await loop.start_tls(self.transport, self, context, server_hostname=tls.server_name or host)

    async def more(self) -> None:
        """Wait until more has been received. ConnectionError after the end of the connection."""
        self._readable.clear()
        if self.ended:
            raise (
                self.error
                if isinstance(self.error, OSError)
                else ConnectionResetError("the server closes the connection")
            )
        if self._paused:
            self._paused = False
            self.transport.resume_reading()
        await self._readable.wait()

    def send(self, data: bytes) -> None:
        """Queue data for sending."""
        if not self.ended:
            self.transport.write(data)

    async def sent(self) -> None:
        """Wait until the data is sent, except for a bounded rest. Close the connection if the server does not read it."""
        if not self._writable.is_set():
            try:
                await asyncio.wait_for(self._writable.wait(), _STALLED)
            except asyncio.TimeoutError:
                self.abort()

    def abort(self) -> None:
        """Close at once."""
        if self.transport is not None:
            self.transport.abort()


def default_context(ca_path: str | None = None) -> ssl.SSLContext:
    """A context that verifies servers and their host names by the CA certificates in a file, or those of the system. OSError for a file without any."""
    context = ssl.create_default_context(cafile=ca_path)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Python 3.13 and later refuse a CA certificate without the extension "key usage", which `openssl req -x509` does not write. NATS's own programs accept it.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


async def dial(address: Address) -> _Wire:
    """Connect to the first address of the host that accepts the connection."""
    loop = asyncio.get_running_loop()
    error: OSError = OSError(f"the host {address.host} has no address")
    for family, kind, protocol, _unused, where in await _resolve(address.host, address.port):
        connection = socket.socket(family, kind, protocol)
        try:
            connection.setblocking(False)
            await loop.sock_connect(connection, where)
            _unused, wire = await loop.create_connection(_Wire, sock=connection)
        except OSError as refused:
            connection.close()
            error = refused
        except BaseException:
            connection.close()
            raise
        else:
            return wire
    raise error


async def _resolve(host: str, port: int) -> list[Any]:
    """The addresses of a host. They are resolved in a daemon thread, because asyncio would wait at its end for a name server that does not respond."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[list[Any]] = loop.create_future()

    def resolve() -> None:
        found: list[Any] = []
        problem: OSError | None = None
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            problem = error
        except UnicodeError:
            problem = OSError(f"{host} is not a name of a host")
        with contextlib.suppress(RuntimeError):  # the loop may be closed by now
            loop.call_soon_threadsafe(_settle, future, found, problem)

    threading.Thread(target=resolve, daemon=True).start()
    return await future


def _settle(future: asyncio.Future[list[Any]], found: list[Any], problem: OSError | None) -> None:
    if future.done():
        return
    if problem is None:
        future.set_result(found)
    else:
        future.set_exception(problem)


# ---- websockets


_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CONTINUED, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0, 1, 2, 8, 9, 10


async def _open_websocket(wire: _Wire, address: Address) -> _Websocket:
    """Perform the handshake of RFC 6455. Redirects are not followed."""
    key = base64.b64encode(os.urandom(16)).decode("ascii")
    host = f"[{address.host}]" if ":" in address.host else address.host
    target = address.target if address.target.startswith("/") else "/" + address.target
    wire.send(
        (
            f"GET {target} HTTP/1.1\r\nHost: {host}:{address.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        ).encode("ascii")
    )
    status = (await _read_line(wire)).decode("latin-1")
    headers = {}
    for _unused in range(100):
        line = (await _read_line(wire)).decode("latin-1")
        if not line:
            break
        name, _unused_colon, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    else:
        raise Refused("it answers to the websocket handshake with headers without end")
    expected = base64.b64encode(hashlib.sha1((key + _GUID).encode("ascii")).digest()).decode("ascii")  # noqa: S324 (RFC 6455 asks for SHA-1)
    if not re.match(r"HTTP/1\.1 101(?: |$)", status) or headers.get("sec-websocket-accept") != expected:
        raise Refused(f"it answers to the websocket handshake with {one_line(status)!r}", NO_WEBSOCKET)
    return _Websocket(wire)


class _Websocket:
    """The payload of a WebSocket connection: the bytes of its binary messages. A line of the NATS protocol may span any number of messages."""

    def __init__(self, wire: _Wire) -> None:
        self._wire = wire
        self.received = bytearray()

    async def more(self) -> None:
        """Wait until more has been received. ConnectionError after the end of the connection."""
        before = len(self.received)
        while len(self.received) == before:
            if not self._take_frame():
                await self._wire.more()

    def _take_frame(self) -> bool:
        """Consume one frame. Returns whether a whole frame was there."""
        raw = self._wire.received
        if len(raw) < 2:
            return False
        kind, length, start = raw[0] & 15, raw[1] & 127, 2
        if raw[0] & 0x70 or raw[1] & 0x80:
            raise _Broken("a websocket frame that is compressed or masked")
        if length > 125:
            start = 4 if length == 126 else 10
            if len(raw) < start:
                return False
            length = int.from_bytes(raw[2:start], "big")
        if length > LARGEST_MESSAGE or (kind >= _CLOSE and length > 125):
            raise _Broken(f"a websocket frame of {length} bytes")
        if len(raw) < start + length:
            return False
        data = bytes(raw[start : start + length])
        del raw[: start + length]
        if kind in (_CONTINUED, _BINARY):
            self.received += data
        elif kind == _PING:
            self._wire.send(_frame(_PONG, data))
        elif kind != _PONG:
            raise (
                ConnectionResetError("the server closes the connection")
                if kind == _CLOSE
                else _Broken("a websocket frame of text")
            )
        return True

    def send(self, data: bytes) -> None:
        """Queue data for sending."""
        self._wire.send(_frame(_BINARY, data))


def _frame(kind: int, data: bytes) -> bytes:
    length = len(data)
    if length < 126:
        head = bytes((0x80 | kind, 0x80 | length))
    elif length < 65536:
        head = bytes((0x80 | kind, 0x80 | 126)) + length.to_bytes(2, "big")
    else:
        head = bytes((0x80 | kind, 0x80 | 127)) + length.to_bytes(8, "big")
    mask = secrets.token_bytes(4)
    masks = int.from_bytes((mask * (length // 4 + 1))[:length], "big")
    return head + mask + (int.from_bytes(data, "big") ^ masks).to_bytes(length, "big")


# ---- the interface to nats-py


class Channel:
    """An open connection with the interface of nats-py's transport (nats.aio.transport.Transport)."""

    def __init__(
        self, wire: _Wire, stream: Any, info: Info, wants_tls: bool, when_refused: Callable[[str], None]
    ) -> None:
        self.info = info
        self.problem = ""  # why the server ended the connection, as it sent it
        self._wire = wire
        self._stream = stream
        self._wants_tls = wants_tls
        self._when_refused = when_refused
        self._held: list[bytes] = []  # frames that the next read() returns first
        self._outgoing = bytearray()
        self._is_greeted = False
        self._lines = 0

    def check_login(self, nonce: str) -> None:
        """Refused if credentials must not be sent: nats-py uses another connection than this one, or the connection lacks the required TLS."""
        if nonce != self.info.nonce or (self._wants_tls and not self._wire.is_encrypted):
            raise Refused("the connection is not the one that was verified: nothing was sent to it")

    @property
    def is_encrypted(self) -> bool:
        """Whether TLS protects what is sent."""
        return self._wire.is_encrypted

    def __bool__(self) -> bool:
        return True

    async def connect(self, *_unused: Any, **_unused_options: Any) -> None:
        """Do nothing: the channel is already open."""

    connect_tls = connect

    async def readline(self) -> bytes:
        """INFO at the first call, then the server's response to CONNECT: PONG or an error."""
        self._lines += 1
        if self._lines == 1:
            return self.info.line
        while True:
            frame = await self.next_frame()
            if frame[:4] in (b"PONG", b"-ERR"):
                return frame
            if frame[:4] == b"PING":
                self._held.append(frame)

    async def read(self, _unused: int) -> bytes:
        """All complete frames that are there, and at least one."""
        frames = self._held or [await self.next_frame()]
        self._held = []
        while (more := self._take_frame()) is not None:
            frames.append(more)
        return b"".join(frames)

    async def next_frame(self) -> bytes:
        """The next complete frame. ConnectionError after the end of the connection."""
        while True:
            frame = self._take_frame()
            if frame:
                return frame
            if frame is None:
                await self._stream.more()

    def _take_frame(self) -> bytes | None:
        """The next frame for nats-py; b"" if the frame is not for nats-py, None if it is not complete yet."""
        received = self._stream.received
        end = received.find(b"\r\n", 0, LONGEST_LINE + 2)
        if end < 0:
            if len(received) > LONGEST_LINE:
                raise self._broken(f"a line of more than {LONGEST_LINE} bytes")
            return None
        line = bytes(received[:end])
        length = self._body_of(line)
        if length is not None:
            whole = end + 2 + length + 2
            if len(received) < whole:
                return None
            frame = bytes(received[:whole])
            del received[:whole]
            self._check_message(line, frame, end + 2)
            return frame
        del received[: end + 2]
        return self._control(line)

    def _body_of(self, line: bytes) -> int | None:
        """The length of the payload that follows a line, in bytes; None if it is not the line of a message."""
        if line[:3] not in (b"MSG", b"HMS"):
            return None
        found = _MESSAGE.fullmatch(line) or _MESSAGE_WITH_HEADERS.fullmatch(line)
        if found is None:
            raise self._broken(f"{one_line(line[:80].decode('utf-8', 'replace'))!r}")
        length = int(found.groups()[-1])
        if length > LARGEST_MESSAGE:
            raise self._broken(f"a message of {length} bytes")
        return length

    def _check_message(self, line: bytes, frame: bytes, start: int) -> None:
        found = _MESSAGE_WITH_HEADERS.fullmatch(line)
        if frame[-2:] != b"\r\n":
            raise self._broken("a message of another length than announced")
        if found is not None and not (
            int(found[1]) <= int(found[2]) and _HEADERS.fullmatch(frame, start, start + int(found[1]))
        ):
            raise self._broken("a message with invalid headers")

    def _control(self, line: bytes) -> bytes:
        word = line[:4]
        if word in (b"PING", b"PONG") and not line[4:].strip():
            return word + b"\r\n"
        if word[:3] == b"+OK" or word == b"INFO":
            return b""
        error = _ERROR.fullmatch(line)
        if error is None:
            raise self._broken(f"{one_line(line[:80].decode('utf-8', 'replace'))!r}")
        text = one_line(error[1].decode("utf-8", "replace")) or "an error without a reason"
        if "permissions violation" in text.lower():
            self._when_refused(text)
            return b""
        self.problem = text
        return b"-ERR '" + text.replace("'", "").encode("utf-8") + b"'\r\n"

    def _broken(self, what: str) -> _Broken:
        self.problem = f"it does not follow the protocol of NATS: it sends {what}"
        return _Broken(self.problem)

    def write(self, data: bytes) -> None:
        """Send data. CONNECT is sent together with the PING that follows it: a server that refuses the user closes the connection, and a later PING
        would reset it before the reason is read."""
        self._outgoing += data
        self._is_greeted = self._is_greeted or data.startswith(b"PING")
        if self._is_greeted:
            self._stream.send(bytes(self._outgoing))
            self._outgoing.clear()

    def writelines(self, lines: list[bytes]) -> None:
        """Send data."""
        self.write(b"".join(lines))

    async def drain(self) -> None:
        """Wait until the data is sent. The end of the connection is only an error when reading, because nats-py also sends where errors are lost."""
        await self._wire.sent()

    def close(self) -> None:
        """Close at once: the server has responded to all that was sent."""
        self._wire.abort()

    async def wait_closed(self) -> None:
        """Return at once: close() is immediate."""

    def at_eof(self) -> bool:
        """Always false: the end of the connection is an error when reading."""
        return False
