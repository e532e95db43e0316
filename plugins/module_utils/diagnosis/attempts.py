# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""One real connection to each server, as a client, a leaf node or an MQTT client, and its outcome.

If the service on a port does not answer as expected, it is probed with TLS and HTTP, without sending anything that belongs to the user.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import errno
import json
import os
import socket
import ssl
import struct
from typing import Any, Sequence

from ..base.errors import NatsSecurityError
from ..cluster import channels
from ..cluster.addresses import Address
from ..cluster.answers import Unreadable, one_line, parse
from ..cluster.channels import Info, Opened, Refused, Tls, default_context, dial, open_channel, open_stream
from .creds import Holder

#: How a user connects. The URL selects websockets.
CLIENT, LEAFNODE, MQTT = "client", "leafnode", "mqtt"
#: The outcome of an attempt: accepted, refused by the server, not tried (the creds cannot be used, or the port is not the right one), or failed before that.
LET_IN, TURNED_AWAY, HELD_BACK, FAILED = "let in", "turned away", "held back", "failed"
#: What listens on a port: a NATS, TLS or HTTP server, or a service that does not answer.
SPEAKS_NATS, SPEAKS_TLS, SPEAKS_HTTP, SPEAKS_MONITORING, SPEAKS_WEBSOCKET, SILENT = (
    "nats",
    "tls",
    "http",
    "monitoring",
    "websocket",
    "silent",
)
USER_INFO = "$SYS.REQ.USER.INFO"

#: Fields that clients send and leaf nodes do not: a server regards a connection with `lang` as a client (processLeafNodeConnect in leafnode.go).
_CLIENT = {
    "verbose": False,
    "pedantic": False,
    "lang": "python3",
    "version": "0",
    "protocol": 1,
    "no_responders": True,
}

#: How long a server usually takes to send its first bytes, in seconds. If it takes longer, the port is probed.
_USUAL = 0.5
_LONGEST_ANSWER = 1024 * 1024


@dataclasses.dataclass(frozen=True)
class How:
    """How to connect: the way, the TLS settings, and the timeout in seconds."""

    way: str
    tls: Tls
    timeout: float
    wants_info: bool = False  # whether to ask the server for the permissions of the user


@dataclasses.dataclass(frozen=True)
class Attempt:
    """The result for one server. `words` is the text from the server or of an error, `error` the exception of a failed attempt, and `speaks` what listens
    there instead. `permissions` is what the server reports for an accepted user, if it was asked."""

    address: Address
    way: str
    outcome: str
    words: str = ""
    info: Info | None = None
    error: BaseException | None = None
    speaks: str = ""
    encrypted: bool = False
    permissions: dict[str, Any] | None = None

    @property
    def shown(self) -> str:
        """The URL for messages."""
        return self.address.shown

    @property
    def connection_type(self) -> str:
        """The connection type, as in allowed_connection_types."""
        if self.way == CLIENT:
            return "WEBSOCKET" if self.address.is_websocket else "STANDARD"
        if self.way == LEAFNODE:
            return "LEAFNODE_WS" if self.address.is_websocket else "LEAFNODE"
        return "MQTT"


def try_all(addresses: Sequence[Address], holder: Holder, how: How) -> list[Attempt]:
    """Connect to all servers at the same time. The attempts are in the order of the addresses."""

    async def all_of_them() -> list[Attempt]:
        return list(await asyncio.gather(*(_attempt(address, holder, how) for address in addresses)))

    return asyncio.run(all_of_them())


async def _attempt(address: Address, holder: Holder, how: How) -> Attempt:
    """Connect to one server. If it sends nothing for a while, its port is probed at the same time."""
    trying = asyncio.ensure_future(_timed(_connect(address, holder, how), how.timeout))
    done, _unused = await asyncio.wait({trying}, timeout=_USUAL)
    speaks = ""
    if not done and how.way != MQTT:
        speaks = await _what_listens(address, how.timeout)
        if speaks in (SPEAKS_TLS, SPEAKS_HTTP, SPEAKS_MONITORING, SPEAKS_WEBSOCKET) and not trying.done():
            trying.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await trying
            return Attempt(address, how.way, FAILED, "it does not begin with INFO", speaks=speaks)
    found = await trying
    if found.outcome == FAILED and not found.speaks and not _is_of_network(found.error):
        found = dataclasses.replace(found, speaks=speaks or await _what_listens(address, how.timeout))
    return dataclasses.replace(found, address=address, way=how.way)


async def _timed(work: Any, timeout: float) -> Attempt:
    try:
        return await asyncio.wait_for(_caught(work), timeout)
    except asyncio.TimeoutError as error:
        return Attempt(_NOWHERE, "", FAILED, "", error=error)


async def _caught(work: Any) -> Attempt:
    try:
        found: Attempt = await work
    except (NatsSecurityError, OSError) as error:
        return Attempt(_NOWHERE, "", FAILED, str(error), error=error)
    return found


_NOWHERE = Address("nats", "", 0, "", "")


def _is_of_network(error: BaseException | None) -> bool:
    """Whether no connection was made, so that probing the port is of no use."""
    if isinstance(error, (socket.gaierror, ConnectionRefusedError)):
        return True
    return (
        isinstance(error, OSError)
        and not isinstance(error, ssl.SSLError)
        and error.errno
        in (
            errno.ENETUNREACH,
            errno.EHOSTUNREACH,
            errno.ETIMEDOUT,
            errno.EACCES,
            errno.EPERM,
        )
    )


# ---- the ways to connect


async def _connect(address: Address, holder: Holder, how: How) -> Attempt:
    return await {CLIENT: _as_client, LEAFNODE: _as_leafnode, MQTT: _as_mqtt}[how.way](address, holder, how)


async def _as_client(address: Address, holder: Holder, how: How) -> Attempt:
    violations: list[str] = []
    channel = await open_channel(address, how.tls, violations.append)
    info = channel.info
    found = Attempt(address, how.way, HELD_BACK, info=info, encrypted=channel.is_encrypted)
    try:
        if info.port != channels.CLIENT_PORT or holder.fault is not None:
            return found
        await channel.readline()  # its INFO, which is already known
        channel.check_login(info.nonce)
        channel.write(_hello(holder, info, _CLIENT))
        channel.write(b"PING\r\n")
        try:
            answer = await channel.readline()
        except ConnectionError as error:
            return dataclasses.replace(found, outcome=TURNED_AWAY, words=channel.problem, error=error)
        if answer[:4] == b"-ERR":
            return dataclasses.replace(found, outcome=TURNED_AWAY, words=channel.problem)
        permissions = await _ask_for_permissions(channel, violations) if how.wants_info else None
        return dataclasses.replace(found, outcome=LET_IN, permissions=permissions)
    finally:
        channel.close()


def _hello(holder: Holder, info: Info, more: dict[str, Any]) -> bytes:
    said = {"jwt": holder.jwt, "name": "natsops.security", "headers": True, **more}
    if holder.pair is not None:
        said["sig"] = base64.urlsafe_b64encode(holder.pair.sign(info.nonce.encode("ascii"))).decode("ascii").rstrip("=")
    return b"CONNECT " + json.dumps(said, separators=(",", ":")).encode("ascii") + b"\r\n"


async def _ask_for_permissions(channel: channels.Channel, violations: list[str]) -> dict[str, Any] | None:
    """The permissions of this user, as the server reports them to the user itself; None if it does not report them."""
    inbox = f"_INBOX.{os.urandom(12).hex()}"
    channel.write(f"SUB {inbox} 1\r\nPUB {USER_INFO} {inbox} 0\r\n\r\nPING\r\n".encode("ascii"))
    try:
        return await asyncio.wait_for(_permissions_in(channel, violations), 2 * _USUAL)
    except (asyncio.TimeoutError, OSError, Unreadable):
        return None


async def _permissions_in(channel: channels.Channel, violations: list[str]) -> dict[str, Any] | None:
    """The response, which may arrive after the PONG; None if there is none, because of a permission violation or because no service listens."""
    while True:
        frame = await channel.next_frame()
        if (frame[:4] == b"PONG" and violations) or frame[:4] in (b"HMSG", b"-ERR"):
            return None
        if frame[:4] == b"MSG ":
            value = parse(frame.partition(b"\r\n")[2][:-2], "the answer")["data"].value
            return value if isinstance(value, dict) else None


async def _as_leafnode(address: Address, holder: Holder, how: How) -> Attempt:
    """Connect as a leaf node remote of another server does (leafConnectInfo in leafnode.go)."""
    if address.is_websocket:
        address = dataclasses.replace(address, target=address.target.rstrip("/") + "/leafnode")
    opened = await open_stream(address, how.tls)
    info = opened.info
    found = Attempt(address, how.way, HELD_BACK, info=info, encrypted=opened.wire.is_encrypted)
    try:
        if info.port != channels.LEAFNODE_PORT or holder.fault is not None:
            return found
        opened.send(_hello(holder, info, {}) + b"PING\r\n")
        return await _heard(opened, found)
    finally:
        opened.close()


async def _heard(opened: Opened, found: Attempt) -> Attempt:
    while True:
        try:
            line = await opened.line()
        except ConnectionError as error:
            return dataclasses.replace(found, outcome=TURNED_AWAY, error=error)
        if line[:4] == b"PONG":
            return dataclasses.replace(found, outcome=LET_IN)
        if line[:4] == b"-ERR":
            words = one_line(line[4:].decode("utf-8", "replace")).strip("'")
            return dataclasses.replace(found, outcome=TURNED_AWAY, words=words)


async def _as_mqtt(address: Address, holder: Holder, how: How) -> Attempt:
    """Connect by MQTT 3.1.1 with the JWT as the password, because MQTT has no nonce to sign."""
    found = Attempt(address, how.way, HELD_BACK)
    wire = await dial(address)
    try:
        if how.tls.wanted or address.wants_tls:
            await wire.encrypt(how.tls, address.host)
        found = dataclasses.replace(found, encrypted=wire.is_encrypted)
        if holder.fault is not None:
            return found
        wire.send(_mqtt_connect(holder.jwt))
        while len(wire.received) < 4:
            await wire.more()
        if wire.received[:2] != b"\x20\x02":
            raise Refused(f"it answers to MQTT with {one_line(bytes(wire.received[:40]).decode('utf-8', 'replace'))!r}")
        code = wire.received[3]
    finally:
        wire.abort()
    words = "" if not code else f"Authorization Violation (MQTT return code {code})"
    return dataclasses.replace(found, outcome=TURNED_AWAY if code else LET_IN, words=words)


def _mqtt_connect(jwt: str) -> bytes:
    def text(value: str) -> bytes:
        return struct.pack(">H", len(value)) + value.encode("ascii")

    flags = struct.pack(">BBH", 4, 0b11000010, 60)  # version; user name, password, clean session; keep alive
    body = text("MQTT") + flags + text(f"natsops{os.urandom(6).hex()}") + text("natsops") + text(jwt)
    length, rest = b"", len(body)
    while rest > 127:
        length += bytes((rest & 127 | 128,))
        rest >>= 7
    return b"\x10" + length + bytes((rest,)) + body


# ---- what else may listen there


async def _what_listens(address: Address, timeout: float) -> str:
    """What listens on a port, found without sending anything that belongs to the user. Each protocol is probed on a connection of its own, and the first
    successful probe decides."""
    asking = {asyncio.ensure_future(ask(address)) for ask in (_first_words, _tls_words, _http_words)}
    try:
        for answer in asyncio.as_completed(asking, timeout=min(timeout, 2 * _USUAL)):
            with contextlib.suppress(OSError, NatsSecurityError):
                found = await answer
                if found:
                    return found
    except asyncio.TimeoutError:
        pass
    finally:
        for one in asking:
            one.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
    return SILENT


async def _first_words(address: Address) -> str:
    """NATS, if the server begins with INFO."""
    wire = await dial(address)
    try:
        while len(wire.received) < 5:
            await wire.more()
        return SPEAKS_NATS if wire.received[:5] == b"INFO " else ""
    finally:
        wire.abort()


async def _tls_words(address: Address) -> str:
    """TLS, if the server accepts a handshake. Its certificate is not verified, because nothing is sent to it."""
    context = default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    wire = await dial(address)
    try:
        await wire.encrypt(Tls(True, context), address.host)
        return SPEAKS_TLS
    finally:
        wire.abort()


async def _http_words(address: Address) -> str:
    """HTTP: the monitoring port of a server, its websocket port, or another service; empty if it is not HTTP."""
    wire = await dial(address)
    try:
        wire.send(b"GET /healthz HTTP/1.0\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while len(wire.received) < _LONGEST_ANSWER:
                await wire.more()
        text = bytes(wire.received).lower()
        if not text.startswith(b"http/"):
            return ""
        if b'"status"' in text or b"nats" in text:
            return SPEAKS_MONITORING
        return SPEAKS_WEBSOCKET if b"sec-websocket-version" in text else SPEAKS_HTTP
    finally:
        wire.abort()
