# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""One real connection to each server, as a client, a leaf node or an MQTT client, and what came of it.

What listens on a port but does not speak as it should is asked what it is: in TLS and in HTTP, without anything of the user.
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
from ..cluster import channel as channels
from ..cluster.addresses import Address
from ..cluster.answers import Unreadable, one_line, parse
from ..cluster.channel import Info, Opened, Refused, Tls, default_context, dial, open_channel, open_stream
from .creds import Holder

#: How a user connects; websockets are chosen by the URL.
CLIENT, LEAFNODE, MQTT = "client", "leafnode", "mqtt"
#: What came of an attempt: let in, refused by the server in its words, not tried as the creds cannot be used, or a failure before that.
LET_IN, TURNED_AWAY, HELD_BACK, FAILED = "let in", "turned away", "held back", "failed"
#: What listens on a port: a server of NATS, TLS or HTTP, or something that stays silent.
SPEAKS_NATS, SPEAKS_TLS, SPEAKS_HTTP, SPEAKS_MONITORING, SPEAKS_WEBSOCKET, SILENT = (
    "nats",
    "tls",
    "http",
    "monitoring",
    "websocket",
    "silent",
)
USER_INFO = "$SYS.REQ.USER.INFO"

#: What clients say of themselves, and leaf nodes do not: a server takes whoever has a language for a client (processLeafNodeConnect in leafnode.go).
_CLIENT = {
    "verbose": False,
    "pedantic": False,
    "lang": "python3",
    "version": "0",
    "protocol": 1,
    "no_responders": True,
}

#: How long a server usually takes to say the first word, in seconds; one that takes longer is asked what it is.
_USUAL = 0.5
_LONGEST_ANSWER = 1024 * 1024


@dataclasses.dataclass(frozen=True)
class How:
    """How to connect: in which way, verified how, and within which time in seconds."""

    way: str
    tls: Tls
    timeout: float
    wants_info: bool = False  # whether to ask the server what it lets the user do


@dataclasses.dataclass(frozen=True)
class Attempt:
    """What came of one server. `words` are the server's, or those of an error; `error` is what an attempt failed with; `speaks` what listens there
    instead. `permissions` is what the server reports of a user that is let in, where it was asked."""

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
        """The URL for people."""
        return self.address.shown

    @property
    def connection_type(self) -> str:
        """What servers call the way to connect."""
        if self.way == CLIENT:
            return "WEBSOCKET" if self.address.is_websocket else "STANDARD"
        if self.way == LEAFNODE:
            return "LEAFNODE_WS" if self.address.is_websocket else "LEAFNODE"
        return "MQTT"


def try_all(addresses: Sequence[Address], holder: Holder, how: How) -> list[Attempt]:
    """Connect to every server at the same time."""

    async def all_of_them() -> list[Attempt]:
        return list(await asyncio.gather(*(_attempt(address, holder, how) for address in addresses)))

    return asyncio.run(all_of_them())


async def _attempt(address: Address, holder: Holder, how: How) -> Attempt:
    """Connect to one server; one that does not say a word in time is asked what it is meanwhile."""
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
    """Whether nothing was connected to, so that there is nobody to ask."""
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
        await channel.readline()  # its INFO, which is known
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
    """What the server lets this user do, as it reports that to the user itself; None where it does not."""
    inbox = f"_INBOX.{os.urandom(12).hex()}"
    channel.write(f"SUB {inbox} 1\r\nPUB {USER_INFO} {inbox} 0\r\n\r\nPING\r\n".encode("ascii"))
    try:
        return await asyncio.wait_for(_permissions_in(channel, violations), 2 * _USUAL)
    except (asyncio.TimeoutError, OSError, Unreadable):
        return None


async def _permissions_in(channel: channels.Channel, violations: list[str]) -> dict[str, Any] | None:
    """The answer, which may come after the PONG; None where there will be none, since something is not permitted or nobody listens."""
    while True:
        frame = await channel.next_frame()
        if (frame[:4] == b"PONG" and violations) or frame[:4] in (b"HMSG", b"-ERR"):
            return None
        if frame[:4] == b"MSG ":
            value = parse(frame.partition(b"\r\n")[2][:-2], "the answer")["data"].value
            return value if isinstance(value, dict) else None


async def _as_leafnode(address: Address, holder: Holder, how: How) -> Attempt:
    """What a remote of another server would be answered (leafConnectInfo in leafnode.go)."""
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
    """A CONNECT of MQTT 3.1.1 with the JWT for a password: its clients have nothing to sign."""
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
    """What listens on a port, found out with nothing that belongs to the user: each way of asking has a connection of its own, and one that is answered
    in its way decides."""
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
    """NATS, where the server begins with INFO."""
    wire = await dial(address)
    try:
        while len(wire.received) < 5:
            await wire.more()
        return SPEAKS_NATS if wire.received[:5] == b"INFO " else ""
    finally:
        wire.abort()


async def _tls_words(address: Address) -> str:
    """TLS, where the server takes a handshake. It is not verified: nothing is sent to it."""
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
    """HTTP: the monitoring of a server, its websocket port, or something else."""
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
