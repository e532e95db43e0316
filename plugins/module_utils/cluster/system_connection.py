# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""A connection to a cluster as a user of its system account, for requests that many servers answer. The only module that imports nats-py.

The caller decides how many answers are enough. `servers.py` finds out which servers there are.
"""

from __future__ import annotations

import asyncio
import base64
import collections
import contextlib
import dataclasses
import importlib.metadata
import logging
import os
import re
import secrets
import socket
import ssl
import time
import traceback
from typing import Any, Callable, Coroutine, Generic, List, Sequence, TypeVar

from ..base import units
from ..base.errors import NatsSecurityError
from ..claims import Claims, Permission, Permissions, User, UserAccess, no_access
from ..keys.nkey import KeyPair, create
from ..token import codec, decorated
from .addresses import Address, server_address
from .answers import Answer, read_answer
from .channels import Channel, Tls, open_channel

NATS_IMPORT_ERROR: str | None = None
try:
    import nats.aio.client
    import nats.errors
except ImportError:
    NATS_IMPORT_ERROR = traceback.format_exc()
else:
    # Without a handler, Python prints the log messages of a library on stderr.
    logging.getLogger("nats").addHandler(logging.NullHandler())

#: Older versions do not validate subjects: they send line ends in a subject, and the commands after them.
OLDEST_NATS = (2, 16)
#: The lifetime of a temporary user in seconds, and the fraction of it after which the user is replaced.
LIFETIME = 120
_RENEWED_AFTER = 0.75
#: The name of the client and of temporary users, as servers show it.
TEMPORARY_NAME = "natsops.security"
#: The maximum number of requests that wait for answers at the same time.
WINDOW = 512
#: The pause before a lost connection is re-established, in seconds: the first one, and the longest one.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0
#: The average time that each of many requests may take, in seconds.
_SLOWEST = 0.1
#: The maximum number of answers to one request, and the maximum size of the answers to all requests of one call, in bytes.
MOST_ANSWERS = 1000
MOST_BYTES = 256 * 1024 * 1024

Result = TypeVar("Result")
T = TypeVar("T")
#: Whether the answers to a request, given by its index, are complete.
Enough = Callable[[int, List[T]], bool]


@dataclasses.dataclass(frozen=True)
class Login:
    """A user to connect as. `renew_at` is the time to connect again with a new user, in unix seconds."""

    jwt: str
    pair: KeyPair = dataclasses.field(repr=False)
    renew_at: float | None = None


@dataclasses.dataclass(frozen=True)
class Options:
    """Where and how to connect. Timeouts are in seconds."""

    servers: tuple[str, ...]  # URLs, or host:port
    login: Callable[[], Login]
    inbox: str = "_INBOX"
    connect_timeout: float = 5
    timeout: float = 10
    tls: ssl.SSLContext | None = None
    tls_server_name: str | None = None
    tls_handshake_first: bool = False

    @property
    def addresses(self) -> list[Address]:
        """The addresses of the servers. NatsSecurityError for an invalid URL, or one that excludes TLS although TLS is wanted."""
        if not self.servers:
            raise NatsSecurityError("servers: at least one URL of a server is required.")
        found = [server_address(url, f"servers[{index}]") for index, url in enumerate(self.servers)]
        wants = self._why_tls(found)
        for index, address in enumerate(found):
            if wants and address.is_plain:
                raise NatsSecurityError(
                    f"servers[{index}]: {address.shown} is never encrypted, and {wants} requires TLS: write {address.scheme}s://."
                )
        return found

    def channel_tls(self, addresses: Sequence[Address]) -> Tls:
        """How servers are verified. If one URL requires TLS, all servers are connected to with TLS, as in nats.go: otherwise an attacker who blocks the
        first server could make the client connect to the next one in plaintext."""
        return Tls(bool(self._why_tls(addresses)), self.tls, self.tls_server_name, self.tls_handshake_first)

    def _why_tls(self, addresses: Sequence[Address]) -> str:
        if self.tls is not None or self.tls_server_name is not None or self.tls_handshake_first:
            return "an option that begins with tls"
        return next((address.shown for address in addresses if address.wants_tls), "")


def new_inbox(prefix: str = "_INBOX") -> str:
    """A random prefix of subjects for answers, which no other client listens on."""
    return f"{prefix}.{secrets.token_hex(12)}"


@dataclasses.dataclass(frozen=True)
class TemporaryUser:
    """A temporary user of the system account: created when it is needed, restricted to the subjects that are needed, and valid for a short time.

    Calling it returns a Login with a new user. The servers may have an earlier JWT of the system account, which lacks the key that signs it: then one of
    `others` signs it.
    """

    signer: KeyPair = dataclasses.field(repr=False)
    account: str
    is_scoped: bool
    inbox: str
    subjects: tuple[str, ...]
    lifetime: int = LIFETIME
    listens: tuple[str, ...] = ()  # what it may subscribe to in addition to its inbox
    others: tuple[KeyPair, ...] = dataclasses.field(default=(), repr=False)

    @property
    def alternatives(self) -> list[TemporaryUser]:
        """The same user, signed by each of the other keys."""
        return [dataclasses.replace(self, signer=pair, others=()) for pair in self.others]

    def __call__(self) -> Login:
        """A new key pair, and a JWT for it that is valid from now on."""
        now = time.time()
        pair = create("user")
        allowed = Permissions(
            publish=Permission(list(self.subjects)), subscribe=Permission([self.inbox + ".>", *self.listens])
        )
        user = User(
            access=no_access() if self.is_scoped else UserAccess(permissions=allowed),
            issuer_account="" if self.signer.public_key == self.account else self.account,
        )
        claims = Claims(name=TEMPORARY_NAME, subject=pair.public_key, expires=int(now) + self.lifetime, body=user)
        return Login(codec.encode(claims, self.signer, int(now)), pair, int(now) + self.lifetime * _RENEWED_AFTER)


def login_of_creds(text: str, where: str) -> Callable[[], Login]:
    """A function that returns the login of a creds file. NatsSecurityError, which names `where`, if the text is not the creds of a valid user."""
    try:
        claims, pair, jwt = decorated.read_creds(text)
    except NatsSecurityError as error:
        raise NatsSecurityError(f"{where}: {error}") from None
    if claims.expires and claims.expires < time.time():
        raise NatsSecurityError(
            f"{where}: the user {claims.name or claims.subject} expired at {units.show_time(claims.expires)}."
        )
    login = Login(jwt, pair)
    return lambda: login


class Interrupted(NatsSecurityError):
    """Not all requests could be sent and answered. `answers` are those received so far, `sent` the indexes of the requests that were sent."""

    def __init__(self, message: str, answers: list[list[Any]], sent: frozenset[int]) -> None:
        super().__init__(message)
        self.answers = answers
        self.sent = sent


class NotPermitted(Interrupted):
    """The user has no permission to send a request, or to receive its answers."""


class _Refusal(NatsSecurityError):
    """A permissions violation while requests are sent; `ask_many` raises NotPermitted for it."""


class _Exchange(Generic[T]):
    """Requests and their answers: a request is `waiting` to be sent, or `flying` until its answers are complete.

    The time is up if no request was completed within the timeout. Single answers do not extend it, because a server may send them without end.
    """

    def __init__(
        self, requests: Sequence[tuple[str, bytes]], read: Callable[[bytes], T], enough: Enough[T], timeout: float
    ) -> None:
        self.requests = requests
        self.answers: list[list[T]] = [[] for request in requests]
        self.waiting = collections.deque(range(len(requests)))
        self.flying: dict[int, None] = {}  # in the order in which they were sent
        self.sent: set[int] = set()
        self.unheard: set[int] = set()  # requests without responders
        self.stirred = asyncio.Event()
        self.heard = 0
        self.problem = ""
        self._bytes = 0
        self._index_of: dict[int, int] = {}  # by serial number, which is new each time that a request is sent
        self._read, self._enough, self._timeout = read, enough, timeout
        now = time.monotonic()
        self._until, self._at_last = now + timeout, now + 3 * timeout + len(requests) * _SLOWEST

    def send(self, serial: int) -> tuple[str, bytes]:
        """The next waiting request as (subject, payload); it becomes `flying` with this serial number."""
        index = self.waiting.popleft()
        self._index_of[serial] = index
        self.flying[index] = None
        self.sent.add(index)
        return self.requests[index]

    def receive(self, serial: int, message: Any) -> None:
        """Record an answer."""
        index = self._index_of.get(serial)
        if index is None:
            return  # too late: the request was sent again since
        if not message.data and message.headers and message.headers.get("Status") == "503":
            self._land(index)
            self.unheard.add(index)
        else:
            self._take(index, message.data)
        if self.problem or not self.flying or (self.waiting and len(self.flying) <= WINDOW // 2):
            self.stirred.set()

    def _take(self, index: int, data: bytes) -> None:
        answers = self.answers[index]
        self._bytes += len(data)
        if len(answers) >= MOST_ANSWERS or self._bytes > MOST_BYTES:
            subject = self.requests[index][0]
            self.problem = f"There are too many answers to {subject}: {len(answers)}, and {self._bytes} bytes with the answers to other requests."
            return
        answers.append(self._read(data))
        self.heard += 1
        if index in self.flying and self._enough(index, answers):
            self._land(index)

    def _land(self, index: int) -> None:
        self.flying.pop(index, None)
        self._until = time.monotonic() + self._timeout

    def start_over(self) -> None:
        """Queue all requests that are `flying` again, for a new connection."""
        self._index_of.clear()
        for index in self.flying:
            self.answers[index].clear()
        self.waiting.extendleft(reversed(list(self.flying)))
        self.flying.clear()
        self._until = time.monotonic() + self._timeout

    async def is_heard(self) -> bool:
        """Wait until there is something to do. Returns false when the time is up."""
        left = min(self._until, self._at_last) - time.monotonic()
        timer = asyncio.get_running_loop().call_later(max(0.0, left), self.stirred.set)
        await self.stirred.wait()
        timer.cancel()
        return not self.flying or time.monotonic() < min(self._until, self._at_last)


class _Patience:
    """The time limit for re-establishing a connection, and the growing pauses between attempts."""

    def __init__(self, timeout: float) -> None:
        self._until = time.monotonic() + timeout
        self._pause = _FIRST_PAUSE

    async def pause(self) -> bool:
        """Wait before the next attempt. Returns false when the time is up."""
        left = self._until - time.monotonic()
        if left <= 0:
            return False
        await asyncio.sleep(min(self._pause, left))
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        return True


def run(options: Options, work: Callable[[Connection], Coroutine[Any, Any, Result]]) -> Result:
    """Connect, do the work, disconnect, and return the result of the work. NatsSecurityError if no server accepts the user."""

    async def connected() -> Result:
        connection = Connection(options)
        try:
            await connection.open()
            return await work(connection)
        finally:
            await connection.close()

    return asyncio.run(connected())


def nats_problem() -> str:
    """Why nats-py cannot be used; "" if it can."""
    if NATS_IMPORT_ERROR is not None:
        return "The Python library nats-py is missing: `pip install 'nats-py>=2.16'`."
    known = [nats.aio.client.__version__]
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        known.append(importlib.metadata.version("nats-py"))
    versions = [(_version(text), text) for text in known if _version(text) > (0, 0)]
    oldest, text = min(versions, default=((0, 0), "of an unknown version"))
    if oldest >= OLDEST_NATS:
        return ""
    return f"The Python library nats-py {text} is too old, nats-py>=2.16 is needed: older ones allow commands in subjects. `pip install 'nats-py>=2.16'`."


def _version(text: str) -> tuple[int, ...]:
    found = re.match(r"([0-9]{1,6})\.([0-9]{1,6})", text)
    return tuple(map(int, found.groups())) if found else (0, 0)


class Connection:
    """A connection that is re-established when it is lost, and when its user is about to expire."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._addresses = options.addresses
        self._tls = options.channel_tls(self._addresses)
        self._login = options.login
        self._client: Any = None
        self._channel: Channel | None = None
        self._renew_at: float | None = None
        self._lost = False
        self._refusal = ""
        self._exchange: _Exchange[Any] | None = None
        self._serial = 0
        self._host = ""
        self.renewals = 0
        #: The public key of the temporary user that it is connected as; "" for another user.
        self.temporary_key = ""
        #: Whether the server reported no responders for the last request.
        self.nobody_listens = False

    @property
    def timeout(self) -> float:
        """How long to wait for answers, in seconds."""
        return self._options.timeout

    @property
    def max_payload(self) -> int:
        """The largest message that the server accepts, in bytes; 0 without a connection."""
        return self._channel.info.max_payload if self._channel is not None else 0

    @property
    def server_id(self) -> str:
        """The id of the connected server; "" without a connection."""
        return self._channel.info.server_id if self._channel is not None else ""

    @property
    def host(self) -> str:
        """The host in the URL of the connected server."""
        return self._host

    @property
    def user(self) -> Claims:
        """The claims of the connecting user."""
        return codec.decode(self._login().jwt)

    @property
    def account(self) -> str:
        """The public key of the account of the connecting user."""
        user = self.user
        return str(user.body.issuer_account or user.issuer)

    async def open(self) -> None:
        """Connect to the first server that accepts the user. NatsSecurityError if none does."""
        missing = nats_problem()
        if missing:
            raise NatsSecurityError(missing)
        problems = []
        for address in self._addresses:
            reason = await self._open(address)
            if not reason:
                return
            problems.append(f"{address.shown}: {reason}")
        raise NatsSecurityError(
            "No server could be connected to. "
            + " ".join(text if text.endswith("?") else f"{text.rstrip('.')}." for text in problems)
        )

    async def _open(self, address: Address) -> str:
        """Connect to a server. Returns why that is not possible, "" if it is connected."""
        login = self._options.login
        logins: list[Callable[[], Login]] = [login, *(login.alternatives if isinstance(login, TemporaryUser) else [])]
        reason = ""
        for one in logins:
            user = one()
            try:
                await asyncio.wait_for(self._connect(address, user), self._options.connect_timeout)
            except (NatsSecurityError, OSError, asyncio.TimeoutError, nats.errors.Error) as error:
                reason = say(error, self._channel, self._options.connect_timeout)
                refused = _is_refused(self._channel)
                await self.close()
                if refused:
                    continue
                break
            self._lost = False
            self._login, self._renew_at = one, user.renew_at
            self.temporary_key = user.pair.public_key if isinstance(one, TemporaryUser) else ""
            self._host = address.host
            return ""
        return reason

    async def close(self) -> None:
        """Disconnect."""
        client, channel = self._client, self._channel
        self._client = self._channel = None
        if client is not None and not client.is_closed:
            with contextlib.suppress(OSError, nats.errors.Error):
                await client.close()
        if channel is not None:
            channel.close()

    async def _connect(self, address: Address, login: Login) -> None:
        channel = self._channel = await open_channel(address, self._tls, self._note_refusal)
        client: Any = nats.aio.client.Client()
        client._transport = channel
        self._client = client

        def token() -> bytearray:
            channel.check_login(channel.info.nonce)
            return bytearray(login.jwt.encode("ascii"))

        def signature(nonce: str) -> bytes:
            channel.check_login(nonce)
            return base64.b64encode(login.pair.sign(nonce.encode("ascii")))

        async def note_loss() -> None:
            if channel is self._channel:
                self._note_loss()

        await client.connect(
            servers=["nats://channel"],
            name=TEMPORARY_NAME,
            allow_reconnect=False,
            connect_timeout=self._options.connect_timeout,
            flush_timeout=self._options.timeout,  # otherwise it waits for a lost connection without end
            user_jwt_cb=token,
            signature_cb=signature,
            error_cb=_pass_over,
            disconnected_cb=note_loss,
            closed_cb=note_loss,
        )
        await client.subscribe(self._options.inbox + ".*", cb=self._dispatch)

    def _note_refusal(self, text: str) -> None:
        self._refusal = text
        self._stir()

    def _note_loss(self) -> None:
        self._lost = True
        self._stir()

    def _stir(self) -> None:
        if self._exchange is not None:
            self._exchange.stirred.set()

    async def _dispatch(self, message: Any) -> None:
        serial = message.subject.rpartition(".")[2]
        if self._exchange is not None and serial.isdecimal() and len(serial) < 19:
            self._exchange.receive(int(serial), message)

    async def ask(
        self, subject: str, payload: bytes, enough: Callable[[list[Answer]], bool], timeout: float, linger: float = 0
    ) -> list[Answer]:
        """The answers of the servers to one request. Returns when they are enough and `linger` seconds have passed, or when the time is up.

        The list is empty if there are no responders.
        """
        answers = await self.ask_servers([(subject, payload)], lambda _unused, found: enough(found), timeout, linger)
        return answers[0]

    async def ask_servers(
        self, requests: Sequence[tuple[str, bytes]], enough: Enough[Answer], timeout: float, linger: float = 0
    ) -> list[list[Answer]]:
        """The answers of the servers to many requests, by request; see `ask_many`."""
        return await self.ask_many(requests, enough, timeout, linger, read_answer)

    async def ask_many(
        self,
        requests: Sequence[tuple[str, bytes]],
        enough: Enough[Any],
        timeout: float,
        linger: float = 0,
        read: Callable[[bytes], Any] = bytes,
    ) -> list[list[Any]]:
        """The answers to many requests, by request and in the order of the requests; `read` parses each answer. A bounded number of requests is in flight.

        If no request is completed within the timeout, it stops: missing answers stay missing, and the remaining requests are not sent. A lost
        connection is re-established, for up to the timeout. Interrupted if that fails, NotPermitted if the server refuses a request.
        """
        exchange = self._exchange = _Exchange(requests, read, enough, timeout)
        try:
            await self._carry_out(exchange, timeout)
            if linger and not self._lost:
                await asyncio.sleep(linger)
            self.nobody_listens = len(requests) - 1 in exchange.unheard
        except NatsSecurityError as error:
            kind = NotPermitted if isinstance(error, _Refusal) else Interrupted
            raise kind(str(error), exchange.answers, frozenset(exchange.sent)) from None
        finally:
            self._exchange = None
        return exchange.answers

    async def _carry_out(self, exchange: _Exchange[Any], timeout: float) -> None:
        patience: _Patience | None = None
        heard = 0
        while exchange.waiting or exchange.flying:
            if exchange.heard > heard:
                patience, heard = None, exchange.heard
            if self._lost or (not exchange.flying and self._is_due()):
                patience = patience or _Patience(timeout)
                exchange.start_over()
                await self._renew(patience)
            exchange.stirred.clear()
            await self._send_some(exchange)
            # Since Python 3.12, nats-py may wait until the time is up before it notices that the connection is lost while data is sent.
            if not await exchange.is_heard() and not self._lost:
                return
            if exchange.problem:
                raise NatsSecurityError(exchange.problem)
            if self._refusal:
                refusal, self._refusal = self._refusal, ""
                raise _Refusal(_say_refusal(refusal, self._options.inbox))

    async def _send_some(self, exchange: _Exchange[Any]) -> None:
        while exchange.waiting and len(exchange.flying) < WINDOW and not self._lost and not self._is_due():
            self._serial += 1
            subject, payload = exchange.send(self._serial)
            await self._send(subject, payload, f"{self._options.inbox}.{self._serial}")

    async def _send(self, subject: str, payload: bytes, reply: str) -> None:
        if len(payload) > self.max_payload:
            raise NatsSecurityError(
                f"{subject}: the message has {len(payload)} bytes, the server accepts up to {self.max_payload} (max_payload)."
            )
        try:
            await self._client.publish(subject, payload, reply=reply)
        except nats.errors.BadSubjectError:
            raise NatsSecurityError(f"{subject!r} is not a subject to send a request to.") from None
        except (OSError, nats.errors.Error):
            self._note_loss()

    def _is_due(self) -> bool:
        return self._renew_at is not None and time.time() >= self._renew_at

    async def _renew(self, patience: _Patience) -> None:
        """Connect again. NatsSecurityError if that does not succeed in time."""
        reason = self._channel.problem if self._channel is not None else ""
        problem = ""
        await self.close()
        while not self._lost or await patience.pause():
            try:
                await self.open()
            except NatsSecurityError as error:
                problem = str(error)
                self._lost = True
            else:
                self.renewals += 1
                return
        cause = f" ({reason})" if reason else ""
        raise NatsSecurityError(
            f"The connection was lost{cause}, and could not be re-established in time. {problem or 'It is lost repeatedly.'}"
        )


async def _pass_over(_unused: Exception) -> None:
    """Ignore the error: the channel notices it, or the call that caused it raises it."""


def _say_refusal(text: str, inbox: str) -> str:
    hint = ""
    if "subscription" in text.lower() and inbox in text:
        hint = " If the creds allow answers only under a prefix of their own, set it as inbox_prefix."
    return f"The server denies this to the user: {text.rstrip('.')}.{hint}"


def _is_refused(channel: Channel | None) -> bool:
    return channel is not None and "authorization violation" in channel.problem.lower()


def say(error: BaseException, channel: Channel | None, timeout: float) -> str:
    if _is_refused(channel):
        return "it refuses this user (authorization violation): is it one of the operator that the server trusts?"
    if channel is not None and channel.problem:
        return channel.problem
    if isinstance(error, ssl.SSLError):
        return f"TLS failed, {getattr(error, 'verify_message', '') or error.reason or error}"
    if isinstance(error, asyncio.TimeoutError):
        return f"no answer for {units.show_duration(int(timeout * units.NANOSECONDS))}"
    if isinstance(error, socket.gaierror):
        return f"its name cannot be resolved, {error.strerror or error}"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error).replace("nats: ", "", 1) or type(error).__name__
