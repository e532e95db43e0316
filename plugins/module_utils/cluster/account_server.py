# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Accounts on an account server, which URL resolvers query over HTTP: the older way to distribute accounts. Each request reads or pushes one account."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import http.client
import queue
import socket
import ssl
import threading
import time
from typing import Any, Sequence

from ..base import units
from ..base.errors import NatsSecurityError
from ..claims import Claims
from ..rules import allowed_issuers_of_operator
from ..token import codec, decorated
from . import plan
from .addresses import Address, account_server_address
from .answers import one_line
from .channels import Tls, default_context
from .plan import Wanted

#: The largest response that is read from an account server, in bytes.
_MOST = codec.MAX_TOKEN_BYTES + 1


class Unreachable(NatsSecurityError):
    """The account server did not answer."""


class PartlyDone(NatsSecurityError):
    """Not every account was pushed. `result` is the result of the task so far."""

    def __init__(self, message: str, result: dict[str, Any]) -> None:
        super().__init__(message)
        self.result = result


@dataclasses.dataclass(frozen=True)
class AccountServer:
    """The address of an account server, how its certificate is verified, and the timeout of one request in seconds."""

    address: Address
    timeout: float
    tls: Tls = Tls()

    @property
    def shown(self) -> str:
        """Its URL for messages, without user and password."""
        return self.address.shown


def at_url(url: str, timeout: float, tls: Tls) -> AccountServer:
    """The account server at a URL such as `http://localhost:9090/jwt/v1`. NatsSecurityError if the URL is invalid, or rules out TLS although it is wanted."""
    address = account_server_address(url, "account_server_url")
    if tls.wanted and address.is_plain:
        raise NatsSecurityError(
            f"account_server_url: {address.shown} is never encrypted, and an option that begins with tls asks for TLS: write https://."
        )
    return AccountServer(address, timeout, tls)


def read_account(server: AccountServer, account: str) -> str:
    """The token of an account on the server; "" if the server has none."""
    status, text = _request(server, account, None)
    if status == 404:
        return ""
    if status != 200:
        raise NatsSecurityError(
            f"{server.shown} returns the status {status} when the account {account} is read: {_reason(text)}"
        )
    if len(text) >= _MOST:
        raise NatsSecurityError(
            f"{server.shown} returns more than {_MOST} bytes for the account {account}, which is more than a JWT can have."
        )
    try:
        return decorated.token_in(text)
    except NatsSecurityError as error:
        raise NatsSecurityError(f"{server.shown} does not return the JWT of the account {account}: {error}") from None


def push_account(server: AccountServer, account: str, token: str) -> None:
    """Push the token of an account. NatsSecurityError if the server refuses it, or does not return it afterwards."""
    status, text = _request(server, account, token.encode("ascii"))
    if not 200 <= status < 300:
        raise NatsSecurityError(
            f"{server.shown} returns the status {status} when the account {account} is pushed: {_reason(text)}"
        )
    if read_account(server, account) != token:
        raise NatsSecurityError(
            f"{server.shown} accepted the account {account} (status {status}), but does not return it afterwards."
        )


def bring_in_line(
    server: AccountServer, wanted: Sequence[Wanted], operator: Claims | None, check: bool
) -> dict[str, Any]:
    """Push the accounts that the account server lacks, and return the result of the task. All accounts are checked before the first change."""
    now = int(time.time())
    shown = server.shown
    allowed = None if operator is None else frozenset(allowed_issuers_of_operator(operator))
    problems = plan.expiry_problems(wanted, now)
    if allowed is not None:
        problems += [
            f"The {one.title} is signed by {one.issuer}, which is not a key of the operator of the task."
            for one in wanted
            if one.issuer not in allowed
        ]
    plan.refuse_all(problems)
    accounts: list[dict[str, Any]] = []
    pushes = []
    for one in wanted:
        held = read_account(server, one.subject)
        account = {
            "public_key": one.subject,
            "name": one.name,
            "action": "unchanged",
            "reasons": [],
            "servers": {shown: "held"},
        }
        accounts.append(account)
        if held == one.token:
            problems += plan.signature_problems([one])
            continue
        try:
            push = plan.plan_push(one, plan.Held({shown: held}, (held,)), allowed or frozenset([one.issuer]))
        except NatsSecurityError as error:
            problems.append(str(error))
            continue
        problems += plan.claim_problems(one.title, push.claims, [] if operator is None else [operator], now)
        pushes.append(one)
        account.update(action="pushed", reasons=push.reasons, servers={shown: "updated"})
    plan.refuse_all(problems)
    result: dict[str, Any] = {"changed": bool(pushes), "accounts": accounts}
    if not check:
        _push(server, pushes, result)
    return result


def _push(server: AccountServer, pushes: Sequence[Wanted], result: dict[str, Any]) -> None:
    """Push the accounts one by one. PartlyDone, with the result so far, if one of them cannot be pushed."""
    accounts = {account["public_key"]: account for account in result["accounts"]}
    for done, one in enumerate(pushes):
        try:
            _push_patiently(server, one)
        except NatsSecurityError as error:
            for left in pushes[done:]:
                accounts[left.subject].update(action="not pushed", servers={server.shown: "not pushed"})
            accounts[one.subject].update(action="unknown", servers={server.shown: str(error)})
            result["changed"] = done > 0
            names = plan.shortened([left.title for left in pushes[done:]])
            raise PartlyDone(
                f"{error} {done} of {len(pushes)} accounts were pushed; still to be pushed: {names}.", result
            ) from None


def _push_patiently(server: AccountServer, one: Wanted) -> None:
    """Push an account, and retry after a pause while the server is unreachable, up to its timeout."""
    until, pause = time.monotonic() + server.timeout, 0.1
    while True:
        try:
            push_account(server, one.subject, one.token)
            return
        except Unreachable:
            if time.monotonic() + pause >= until:
                raise
        time.sleep(pause)
        pause = min(2 * pause, 1.0)


def _request(server: AccountServer, account: str, data: bytes | None) -> tuple[int, str]:
    """The status and body of the response. The timeout covers the whole exchange, from name resolution to the last byte.

    Python's timeouts apply to single steps: a server that sends one byte per second never reaches them. So the exchange runs in a thread, and the
    caller ends it after the timeout.
    """
    plan.require_account_key(account, "The account to ask for")
    results: queue.Queue[tuple[int, bytes] | Exception] = queue.Queue()
    connection = _connection(server)
    sockets: list[Any] = []

    def exchange() -> None:
        try:
            connection.connect()
            sockets.append(connection.sock)
            results.put(_exchange(connection, server.address, account, data))
        except Exception as error:
            results.put(error)

    threading.Thread(target=exchange, daemon=True).start()
    try:
        result = results.get(timeout=server.timeout)
    except queue.Empty:
        limit = units.show_duration(int(server.timeout * units.NANOSECONDS))
        raise Unreachable(f"{server.shown} has not answered within {limit}.") from None
    finally:
        _end([*sockets, connection.sock])
    if isinstance(result, Exception):
        raise Unreachable(f"{server.shown} cannot be queried: {_say(result)}.")
    return result[0], result[1].decode("utf-8", "replace")


def _end(sockets: Sequence[Any]) -> None:
    """Shut the sockets down, so that a thread that still reads or writes returns."""
    for one in filter(None, sockets):
        with contextlib.suppress(OSError):
            socket.socket.shutdown(one, socket.SHUT_RDWR)


class _Https(http.client.HTTPSConnection):
    """HTTPS that verifies the certificate against the configured server name."""

    def __init__(self, server: AccountServer, context: ssl.SSLContext) -> None:
        super().__init__(server.address.host, server.address.port, timeout=server.timeout, context=context)
        self._context_of_name = context
        self._name = server.tls.server_name or server.address.host

    def connect(self) -> None:
        """Connect, and verify the certificate of the server."""
        http.client.HTTPConnection.connect(self)
        self.sock = self._context_of_name.wrap_socket(self.sock, server_hostname=self._name)


def _connection(server: AccountServer) -> http.client.HTTPConnection:
    if server.address.scheme == "https":
        return _Https(server, server.tls.context or default_context())
    return http.client.HTTPConnection(server.address.host, server.address.port, timeout=server.timeout)


def _exchange(
    connection: http.client.HTTPConnection, address: Address, account: str, data: bytes | None
) -> tuple[int, bytes]:
    headers = {"Content-Type": "application/jwt"} if data else {}
    if address.credentials:
        headers["Authorization"] = "Basic " + base64.b64encode(address.credentials.encode("utf-8")).decode("ascii")
    connection.request("POST" if data else "GET", f"{address.target.rstrip('/')}/accounts/{account}", data, headers)
    with contextlib.closing(connection), contextlib.closing(connection.getresponse()) as answer:
        return answer.status, answer.read(_MOST)


def _say(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return f"TLS failed, {getattr(error, 'verify_message', '') or error.reason or error}"
    if isinstance(error, OSError):
        return error.strerror or one_line(str(error)) or type(error).__name__
    return f"its answer is not HTTP ({one_line(str(error)) or type(error).__name__})"


def _reason(text: str) -> str:
    return f"{one_line((text.strip().splitlines() or ['no reason given'])[0]).rstrip('.')}."
