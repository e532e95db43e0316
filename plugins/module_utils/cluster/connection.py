# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""A connection to a cluster as a user of its system account: requests that many servers answer. The only place that imports nats-py.

Whoever asks says how many answers are enough; who the servers are is for `servers.py`.
"""

from __future__ import annotations

import asyncio
import base64
import collections
import dataclasses
import re
import secrets
import ssl
import time
import traceback
from typing import Any, Callable, Coroutine, List, Sequence, TypeVar

from ..base import units
from ..base.errors import NatsSecurityError
from ..claims import Claims, Permission, Permissions, User, UserAccess, no_access
from ..keys.nkey import KeyPair, create
from ..token import codec, decorated

NATS_IMPORT_ERROR: str | None = None
try:
    import nats
    import nats.errors
except ImportError:
    NATS_IMPORT_ERROR = traceback.format_exc()

#: How long a temporary user lives, in seconds, and after which part of that it is replaced.
LIFETIME = 120
_RENEWED_AFTER = 0.75
#: What servers see of who is connected.
_NAME = "natsops.security"
#: How many requests wait for their answers at the same time.
WINDOW = 512
#: How often in a row a lost connection is made anew without an answer in between.
_ATTEMPTS = 3

_SUBJECT = re.compile(r"\"\$sys[^\"]*\"")

Result = TypeVar("Result")
#: Whether the answers to the request of an index are all that can be expected.
Enough = Callable[[int, List[bytes]], bool]


@dataclasses.dataclass(frozen=True)
class Login:
    """A user to connect as. `renew_at` is when to connect anew with another one, in unix seconds."""

    jwt: str
    pair: KeyPair = dataclasses.field(repr=False)
    renew_at: float | None = None


@dataclasses.dataclass(frozen=True)
class Options:
    """Where and how to connect. Timeouts are in seconds."""

    servers: tuple[str, ...]
    login: Callable[[], Login]
    inbox: str = "_INBOX"
    connect_timeout: float = 5
    timeout: float = 10
    tls: ssl.SSLContext | None = None
    tls_server_name: str | None = None
    tls_handshake_first: bool = False


def new_inbox() -> str:
    """A prefix of subjects for answers that nobody else listens on."""
    return f"_INBOX.{secrets.token_hex(12)}"


@dataclasses.dataclass(frozen=True)
class TemporaryUser:
    """A user of the system account that is made when it is needed, may do what the work needs, and expires soon. Calling it makes one."""

    signer: KeyPair = dataclasses.field(repr=False)
    account: str
    is_scoped: bool
    inbox: str
    subjects: tuple[str, ...]
    lifetime: int = LIFETIME

    def __call__(self) -> Login:
        """A new key pair, and a JWT for it that is valid from now on."""
        now = time.time()
        pair = create("user")
        allowed = Permissions(publish=Permission(list(self.subjects)), subscribe=Permission([self.inbox + ".>"]))
        user = User(
            access=no_access() if self.is_scoped else UserAccess(permissions=allowed),
            issuer_account="" if self.signer.public_key == self.account else self.account,
        )
        claims = Claims(name=_NAME, subject=pair.public_key, expires=int(now) + self.lifetime, body=user)
        return Login(codec.encode(claims, self.signer, int(now)), pair, int(now) + self.lifetime * _RENEWED_AFTER)


def login_of_creds(text: str, where: str) -> Callable[[], Login]:
    """The user of a creds file. NatsSecurityError, with where it comes from, for anything else."""
    try:
        pair, jwt = decorated.find_seed(text), decorated.find_token(text)
        claims = codec.decode(jwt)
    except NatsSecurityError as error:
        raise NatsSecurityError(f"{where}: these are no creds of a user. {error}") from None
    if claims.kind != "user" or claims.subject != pair.public_key:
        raise NatsSecurityError(f"{where}: these are no creds of a user: JWT and seed do not belong together.")
    if claims.expires and claims.expires < time.time():
        raise NatsSecurityError(
            f"{where}: the user {claims.name or claims.subject} expired at {units.show_time(claims.expires)}."
        )
    login = Login(jwt, pair)
    return lambda: login


class _Exchange:
    """Requests with consecutive serial numbers, and what has come of them: `waiting` to be sent, or `flying` until their answers are enough."""

    def __init__(self, first: int, requests: Sequence[tuple[str, bytes]], enough: Enough) -> None:
        self.first = first
        self.requests = requests
        self.answers: list[list[bytes]] = [[] for request in requests]
        self.waiting = collections.deque(range(len(requests)))
        self.flying: set[int] = set()
        self.stirred = asyncio.Event()
        self.heard_at = time.monotonic()
        self._enough = enough

    def receive(self, serial: int, message: Any) -> None:
        """Take down an answer."""
        index = serial - self.first
        if not 0 <= index < len(self.requests):
            return  # late, for a request that was given up
        self.heard_at = time.monotonic()
        if not message.data and message.headers and message.headers.get("Status") == "503":
            self.flying.discard(index)  # nobody listens
        else:
            answers = self.answers[index]
            answers.append(message.data)
            if index in self.flying and self._enough(index, answers):
                self.flying.discard(index)
        if not self.flying or (self.waiting and len(self.flying) <= WINDOW // 2):
            self.stirred.set()

    def start_over(self) -> None:
        """Have what is flying sent again."""
        for index in self.flying:
            self.answers[index].clear()
        self.waiting.extendleft(self.flying)
        self.flying.clear()

    async def is_heard(self, timeout: float) -> bool:
        """Wait until there is something to do; false once nothing has come for the timeout."""
        timer = asyncio.get_running_loop().call_later(timeout, self.stirred.set)
        await self.stirred.wait()
        timer.cancel()
        return not self.flying or time.monotonic() - self.heard_at < timeout


def run(options: Options, work: Callable[[Connection], Coroutine[Any, Any, Result]]) -> Result:
    """Connect, do the work, and disconnect. NatsSecurityError where no server lets the user in."""

    async def connected() -> Result:
        connection = Connection(options)
        try:
            await connection.open()
            return await work(connection)
        finally:
            await connection.close()

    return asyncio.run(connected())


class Connection:
    """One connection at a time: made anew when it is lost, and when the user is about to expire."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._client: Any = None
        self._renew_at: float | None = None
        self._lost = False
        self._refusal = ""
        self._exchange: _Exchange | None = None
        self._serial = 0
        self.renewals = 0

    @property
    def timeout(self) -> float:
        """How long to wait for servers that do not answer, in seconds."""
        return self._options.timeout

    @property
    def max_payload(self) -> int:
        """The largest message that the server takes, in bytes."""
        return int(self._client.max_payload)

    async def open(self) -> None:
        """Connect to the first server that lets the user in."""
        if NATS_IMPORT_ERROR is not None:
            raise NatsSecurityError("The Python library nats-py is missing: `pip install nats-py`.")
        login = self._options.login()
        problems = []
        for url in self._options.servers:
            try:
                self._client = await self._connect(url, login)
                await self._client.subscribe(self._options.inbox + ".*", cb=self._dispatch)
            except (OSError, asyncio.TimeoutError, ValueError, nats.errors.Error) as error:
                problems.append(f"{_without_password(url)}: {_say(error, self._options.connect_timeout)}")
                continue
            self._lost = False
            self._renew_at = login.renew_at
            return
        raise NatsSecurityError(
            "No server could be connected to. "
            + " ".join(text if text.endswith("?") else f"{text}." for text in problems)
        )

    async def close(self) -> None:
        """Disconnect."""
        client, self._client = self._client, None
        if client is not None and not client.is_closed:
            await client.close()

    async def _connect(self, url: str, login: Login) -> Any:
        options = self._options
        more: dict[str, Any] = {}
        if options.tls is not None:
            more["tls"] = options.tls
        if options.tls_server_name is not None:
            more["tls_hostname"] = options.tls_server_name
        if options.tls_handshake_first:
            more["tls_handshake_first"] = True
        # The name lookup and the TCP handshake have their own limit in nats-py, TLS handshakes and a silent server do not.
        return await asyncio.wait_for(
            nats.connect(
                servers=[url],
                name=_NAME,
                allow_reconnect=False,
                connect_timeout=options.connect_timeout,
                user_jwt_cb=lambda: bytearray(login.jwt.encode("ascii")),
                signature_cb=lambda nonce: base64.b64encode(login.pair.sign(nonce.encode("ascii"))),
                error_cb=self._note_error,
                disconnected_cb=self._note_loss,
                closed_cb=self._note_loss,
                **more,
            ),
            options.connect_timeout * 2,
        )

    async def _note_error(self, error: Exception) -> None:
        if "permissions violation" in str(error).lower():
            # nats-py makes it lower-case; those subjects are all upper-case.
            self._refusal = _SUBJECT.sub(lambda found: found.group().upper(), str(error).replace("nats: ", "", 1))
            self._stir()

    async def _note_loss(self) -> None:
        self._lost = True
        self._stir()

    def _stir(self) -> None:
        if self._exchange is not None:
            self._exchange.stirred.set()

    async def _dispatch(self, message: Any) -> None:
        if self._exchange is not None:
            self._exchange.receive(int(message.subject.rpartition(".")[2]), message)

    async def ask(
        self, subject: str, payload: bytes, enough: Callable[[list[bytes]], bool], timeout: float, linger: float = 0
    ) -> list[bytes]:
        """What the servers answer to one request, until that is enough and `linger` seconds have passed, or nothing came for the timeout.

        Nothing where nobody listens.
        """
        answers = await self.ask_many([(subject, payload)], lambda _unused, found: enough(found), timeout, linger)
        return answers[0]

    async def ask_many(
        self, requests: Sequence[tuple[str, bytes]], enough: Enough, timeout: float, linger: float = 0
    ) -> list[list[bytes]]:
        """The answers to many requests, in order, a bounded number of them on their way at the same time.

        Once nothing has come for the timeout, what is missing is taken not to come, and what was not sent yet is not sent.
        """
        exchange = self._exchange = _Exchange(self._serial, requests, enough)
        self._serial += len(requests)
        attempts = 0
        try:
            while exchange.waiting or exchange.flying:
                if self._lost:
                    attempts += 1
                    if attempts > _ATTEMPTS:
                        raise NatsSecurityError("The connection was lost again and again.")
                    exchange.start_over()
                    await self._renew()
                elif not exchange.flying and self._is_due():
                    await self._renew()
                exchange.stirred.clear()
                await self._send_some(exchange)
                if not await exchange.is_heard(timeout):
                    break
                if self._refusal:
                    raise NatsSecurityError(f"The server does not let the user do that: {self._refusal.rstrip('.')}.")
                attempts = attempts if self._lost else 0
            if linger and not self._lost:
                await asyncio.sleep(linger)
        finally:
            self._exchange = None
        return exchange.answers

    async def _send_some(self, exchange: _Exchange) -> None:
        exchange.heard_at = time.monotonic()
        while exchange.waiting and len(exchange.flying) < WINDOW and not self._lost and not self._is_due():
            index = exchange.waiting.popleft()
            exchange.flying.add(index)
            subject, payload = exchange.requests[index]
            await self._send(subject, payload, f"{self._options.inbox}.{exchange.first + index}")

    async def _send(self, subject: str, payload: bytes, reply: str) -> None:
        try:
            await self._client.publish(subject, payload, reply=reply)
        except nats.errors.MaxPayloadError:
            raise NatsSecurityError(
                f"{subject}: the message has {len(payload)} bytes, the server takes up to {self.max_payload} (max_payload)."
            ) from None
        except nats.errors.Error:
            self._lost = True
            self._stir()

    def _is_due(self) -> bool:
        return self._renew_at is not None and time.time() >= self._renew_at

    async def _renew(self) -> None:
        await self.close()
        await self.open()
        self.renewals += 1


def _say(error: BaseException, timeout: float) -> str:
    if isinstance(error, ssl.SSLError):
        return f"TLS failed, {getattr(error, 'verify_message', '') or error.reason or error}"
    text = str(error)
    if "authorization violation" in text.lower():
        return (
            "it does not let this user in (authorization violation): is it one of the operator that the server trusts?"
        )
    if isinstance(error, asyncio.TimeoutError):
        return f"no answer for {units.show_duration(int(timeout * units.NANOSECONDS))}"
    if isinstance(error, OSError):
        return error.strerror or text or type(error).__name__
    return text.replace("nats: ", "", 1) or type(error).__name__


def _without_password(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return scheme + separator + rest.rpartition("@")[2]
