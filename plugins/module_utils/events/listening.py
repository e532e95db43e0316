# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""A connection that listens to messages of servers until it is cancelled. It implements the protocol itself, on a verified channel, without nats-py.

A lost connection is re-established. A user that is about to expire is replaced while the old connection is still read, so that no message is missed;
messages that come on both connections count once. A full queue does not slow down the server: frames are read even if there is no room for their events.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import hashlib
import json
import time
from typing import Any

from ..base.errors import NatsSecurityError
from ..cluster.addresses import Address
from ..cluster.answers import Unreadable
from ..cluster.channels import Channel, open_channel
from ..cluster.servers import PING
from ..cluster.system_connection import Login, Options, say
from . import messages
from .holding import Holding
from .messages import Wanted

#: The subscription id of the inbox. The ids after it are those of the wanted subjects.
_INBOX = 1
#: The interval of pings on a quiet connection, and the time without data after which it counts as lost, in seconds.
_TRIED_EVERY, _LOST_AFTER = 20.0, 60.0
#: The pause before a lost connection is re-established, in seconds: the first one, and the longest one.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 10.0
#: The number of frames after which other tasks of the event loop run.
_TURN = 100
#: The maximum number of messages that are remembered while two connections are open.
_REMEMBERED = 10000
#: The message for a user that is not of the system account.
_NO_SYSTEM_USER = f"there are no responders for {PING}, so this user is not one of the system account. Use creds or a system signer of the system account."


@dataclasses.dataclass
class _Session:
    """A connection with its subscriptions. It is `replaced` when a new connection has taken over and only its remaining messages are read. A new one
    `replaces` the old one until its own messages can no longer be duplicates of those on the old one."""

    channel: Channel
    address: Address
    renew_at: float | None
    refusals: list[str]
    heard: float = dataclasses.field(default_factory=time.monotonic)
    pings: int = 0
    replaced: bool = False
    replaces: bool = False

    def ping(self) -> None:
        """Send a PING, and count it until its PONG is read."""
        self.pings += 1
        self.channel.write(b"PING\r\n")


class Listener:
    """Listens to messages of servers, and puts events into `holding`."""

    def __init__(self, options: Options, wanted: Wanted, holding: Holding) -> None:
        self._options, self._wanted, self._holding = options, wanted, holding
        self._addresses = options.addresses
        self._tls = options.channel_tls(self._addresses)
        self._kinds = dict(enumerate(wanted.subjects, _INBOX + 1))
        self._servers: dict[str, dict[str, Any]] = {}
        self._began = 0.0
        self._overlap: set[bytes] | None = None
        self._session: Any = None

    async def open(self) -> None:
        """Connect for the first time. NatsSecurityError if a server refuses the user, or if no server can be connected to within the timeout."""
        until, pause = time.monotonic() + self._options.timeout, _FIRST_PAUSE
        while self._session is None:
            try:
                self._session = await self._connect()
            except NatsSecurityError as error:
                if _is_final(str(error)) or time.monotonic() >= until:
                    raise
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
        self._began = time.monotonic()
        self._report_connection(0.0)

    async def listen(self) -> None:
        """Listen until cancelled."""
        reader: asyncio.Future[str] = asyncio.ensure_future(self._read(self._session))
        try:
            while True:
                reason = await self._until_lost_or_due(reader)
                if reason is None:
                    reader = await self._replace(reader)
                    continue
                self._holding.put(messages.event(messages.DISCONNECTED, reason=reason, url=self._session.address.shown))
                lost = time.monotonic()
                self._session.channel.close()
                self._overlap = None
                await self._reconnect()
                self._report_connection(time.monotonic() - lost)
                reader = asyncio.ensure_future(self._read(self._session))
        finally:
            reader.cancel()
            self._session.channel.close()

    # ---- connections

    async def _connect(self) -> _Session:
        login = self._options.login()
        problems = []
        for address in self._addresses:
            refusals: list[str] = []
            opening = asyncio.ensure_future(open_channel(address, self._tls, refusals.append))
            channel: Channel | None = None
            try:
                channel = await asyncio.wait_for(opening, self._options.connect_timeout)
                session = _Session(channel, address, login.renew_at, refusals)
                await asyncio.wait_for(self._subscribe(session, login), self._options.connect_timeout)
            except (NatsSecurityError, OSError, asyncio.TimeoutError) as error:
                problems.append(f"{address.shown}: {say(error, channel, self._options.connect_timeout)}")
                if channel is not None:
                    channel.close()
                continue
            return session
        raise NatsSecurityError(
            "No server could be connected to. "
            + " ".join(text if text.endswith("?") else f"{text.rstrip('.')}." for text in problems)
        )

    async def _subscribe(self, session: _Session, login: Login) -> None:
        """Send CONNECT, subscribe, and request the list of servers. NatsSecurityError if the user has no permission for that."""
        channel = session.channel
        await channel.readline()  # INFO, which the channel has read already
        channel.check_login(channel.info.nonce)
        channel.write(_hello(login, channel.info.nonce))
        channel.write(b"PING\r\n")
        answer = await channel.readline()
        if answer[:4] != b"PONG":
            raise ConnectionResetError("the server closes the connection")
        inbox = self._options.inbox
        lines = [f"SUB {inbox}.* {_INBOX}\r\n"]
        lines += [f"SUB {subject} {sid}\r\n" for sid, (_unused, subject) in self._kinds.items()]
        lines.append(f"PUB {PING} {inbox}.1 0\r\n\r\n")
        channel.write("".join(lines).encode("ascii"))
        # Answers and events that come before this PONG are processed as well.
        session.ping()
        while session.pings:
            self._take(session, await channel.next_frame())
        if session.refusals:
            raise NatsSecurityError(f"the server denies this to the user: {session.refusals[0].rstrip('.')}")

    async def _reconnect(self) -> None:
        """Connect again, without a time limit. The problem is reported after some attempts, and again when it changes."""
        pause, reported = _FIRST_PAUSE, ""
        while True:
            try:
                self._session = await self._connect()
            except NatsSecurityError as error:
                if pause >= _LONGEST_PAUSE and str(error) != reported:
                    reported = str(error)
                    self._holding.put(messages.event(messages.DISCONNECTED, reason=reported, url=""))
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                return

    async def _replace(self, reader: asyncio.Future[str]) -> asyncio.Future[str]:
        """Connect again as a new user, and continue there after all messages of the old connection are read. If that fails, the old connection stays.

        Returns the reader of the connection in use.
        """
        old = self._session
        self._overlap = set()
        try:
            new = await self._connect()
        except NatsSecurityError:
            old.renew_at = time.time() + _TRIED_EVERY
            self._overlap = None
            return reader
        old.channel.write("".join(f"UNSUB {sid}\r\n" for sid in self._kinds).encode("ascii"))
        old.replaced = True
        old.ping()
        await asyncio.wait({reader}, timeout=self._options.timeout)
        reader.cancel()
        old.channel.close()
        self._session, new.replaces = new, True
        new.ping()  # messages after its PONG were only sent to the new connection
        return asyncio.ensure_future(self._read(new))

    async def _until_lost_or_due(self, reader: asyncio.Future[str]) -> str | None:
        """Wait until the connection is lost, and return the reason, or until its user must be replaced, and return None."""
        while True:
            session = self._session
            pause = _TRIED_EVERY
            if session.renew_at is not None:
                pause = max(0.0, min(pause, session.renew_at - time.time()))
            done, _unused = await asyncio.wait({reader}, timeout=pause)
            if done:
                return reader.result()
            if session.renew_at is not None and time.time() >= session.renew_at:
                return None
            if time.monotonic() - session.heard > _LOST_AFTER:
                return "the server does not answer any more"
            session.ping()

    def _report_connection(self, gap: float) -> None:
        info = self._session.channel.info
        self._holding.put(
            messages.event(
                messages.CONNECTED,
                url=self._session.address.shown,
                server={"id": info.server_id, "name": info.server_name, "version": info.version},
                gap_seconds=round(gap, 3),
            )
        )

    # ---- frames

    async def _read(self, session: _Session) -> str:
        """Read until the connection ends, and return why."""
        count = 0
        try:
            while True:
                frame = await session.channel.next_frame()
                self._take(session, frame)
                if session.replaced and not session.pings:
                    return ""
                count += 1
                if count % _TURN == 0:
                    session.heard = time.monotonic()
                    await asyncio.sleep(0)
        except (OSError, NatsSecurityError) as error:
            return say(error, session.channel, self._options.timeout)

    def _take(self, session: _Session, frame: bytes) -> None:
        word = frame[:4]
        if word == b"MSG " or word == b"HMSG":
            line, _unused, rest = frame.partition(b"\r\n")
            parts = line.decode("ascii").split()
            headers = int(parts[-2]) if word == b"HMSG" else 0
            self._take_message(int(parts[2]), parts[1], rest[headers:-2], rest[:headers])
        elif word == b"PING":
            session.channel.write(b"PONG\r\n")
        elif word == b"PONG":
            session.pings = max(0, session.pings - 1)
            if session.replaces and not session.pings:
                session.replaces, self._overlap = False, None
        elif word == b"-ERR":
            raise ConnectionResetError(session.channel.problem)
        session.heard = time.monotonic()

    def _take_message(self, sid: int, subject: str, payload: bytes, headers: bytes) -> None:
        if sid == _INBOX:
            if not payload and headers.startswith(b"NATS/1.0 503"):
                raise NatsSecurityError(_NO_SYSTEM_USER)
            with contextlib.suppress(Unreadable):
                self._note_server(messages.read_presence(payload))
            return
        known = self._kinds.get(sid)
        if known is None or self._came_before(subject, payload):
            return
        kind = known[0]
        if self._holding.is_full and kind != messages.SERVER_START:
            self._holding.drop(kind)
            return
        try:
            if kind == messages.SERVER_START:
                self._note_server(messages.read_presence(payload))
                return
            found = messages.read_message(kind, subject, payload)
        except Unreadable as error:
            self._holding.put(messages.unreadable(subject, str(error)))
            return
        if kind in (messages.SERVER_SHUTDOWN, messages.LAME_DUCK):
            found["server"] = self._servers.get(found["server"]["id"], found["server"])
        if self._wanted.takes(found):
            self._holding.put(found)

    def _note_server(self, presence: messages.Presence) -> None:
        """Report a server that has started since listening began. A server that was only disconnected is not reported."""
        id_ = presence.about["id"]
        if id_ in self._servers:
            return
        self._servers[id_] = presence.about
        is_new = self._began and presence.uptime < time.monotonic() - self._began
        if is_new and messages.SERVER_START in self._wanted.types:
            self._holding.put(messages.server_start(presence))

    def _came_before(self, subject: str, payload: bytes) -> bool:
        """Whether a message has already come on the other connection, while two are open."""
        if self._overlap is None:
            return False
        digest = hashlib.sha256(subject.encode("ascii") + b"\0" + payload).digest()
        if digest in self._overlap:
            return True
        if len(self._overlap) < _REMEMBERED:
            self._overlap.add(digest)
        return False


def _is_final(problem: str) -> bool:
    """Whether a problem is permanent, so that a retry is useless."""
    return any(
        words in problem.lower()
        for words in ("authorization violation", _NO_SYSTEM_USER.lower(), "denies this to the user")
    )


def _hello(login: Login, nonce: str) -> bytes:
    signature = base64.urlsafe_b64encode(login.pair.sign(nonce.encode("ascii"))).rstrip(b"=").decode("ascii")
    said = {
        "jwt": login.jwt,
        "sig": signature,
        "name": "natsops.security",
        "verbose": False,
        "pedantic": False,
        "lang": "python3",
        "version": "0",
        "protocol": 1,
        "headers": True,
        "no_responders": True,
    }
    return b"CONNECT " + json.dumps(said, separators=(",", ":")).encode("ascii") + b"\r\n"
