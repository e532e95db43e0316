# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The older way to keep accounts: an account server that URL resolvers ask over HTTP. Read and pushed, one account a request."""

from __future__ import annotations

import contextlib
import http.client
import ssl
import time
import urllib.parse
from typing import Any, Sequence

from ..base.errors import NatsSecurityError
from ..claims import Claims
from ..rules import allowed_issuers_of_operator
from ..token import codec, decorated
from . import plan
from .plan import Wanted

#: What an account server may answer at most, in bytes.
_MOST = codec.MAX_TOKEN_BYTES + 1


def read_account(url: str, account: str, timeout: float, tls: ssl.SSLContext | None = None) -> str:
    """The token of an account on the server at this URL, such as `http://localhost:9090/jwt/v1`; "" where it has none."""
    status, text = _request(url, account, None, timeout, tls)
    if status == 404:
        return ""
    if status != 200:
        raise NatsSecurityError(
            f"{_shown(url)} answers {status} when the account {account} is read: {_first_line(text)}"
        )
    return decorated.find_token(text)


def push_account(url: str, account: str, token: str, timeout: float, tls: ssl.SSLContext | None = None) -> None:
    """Push the token of an account. NatsSecurityError where the server does not take it, or does not have it afterwards."""
    status, text = _request(url, account, token.encode("ascii"), timeout, tls)
    if not 200 <= status < 300:
        raise NatsSecurityError(
            f"{_shown(url)} answers {status} when the account {account} is pushed: {_first_line(text)}"
        )
    if read_account(url, account, timeout, tls) != token:
        raise NatsSecurityError(
            f"{_shown(url)} took the account {account} (answer {status}), but does not have it afterwards."
        )


def bring_in_line(
    url: str,
    wanted: Sequence[Wanted],
    operator: Claims | None,
    timeout: float,
    tls: ssl.SSLContext | None,
    check: bool,
) -> dict[str, Any]:
    """Push what the account server does not have; the result of the task. Everything is looked at before the first change."""
    now = int(time.time())
    shown = _shown(url)
    allowed = None if operator is None else frozenset(allowed_issuers_of_operator(operator))
    problems = plan.expiry_problems(wanted, now)
    if allowed is not None:
        problems += [
            f"The {one.title} is signed by {one.issuer}, which is no key of the operator of the task."
            for one in wanted
            if one.issuer not in allowed
        ]
    plan.refuse_all(problems)
    accounts: list[dict[str, Any]] = []
    pushes = []
    for one in wanted:
        held = read_account(url, one.subject, timeout, tls)
        result = {
            "public_key": one.subject,
            "name": one.name,
            "action": "unchanged",
            "reasons": [],
            "servers": {shown: "held"},
        }
        accounts.append(result)
        if held == one.token:
            problems += plan.signature_problems([one])
            continue
        try:
            push = plan.plan_push(one, plan.Held({shown: held}, (held,)), allowed or frozenset([one.issuer]))
        except NatsSecurityError as error:
            problems.append(str(error))
            continue
        problems += plan.claim_problems(one.title, push.claims, now)
        pushes.append(one)
        result.update(action="pushed", reasons=push.reasons, servers={shown: "updated"})
    plan.refuse_all(problems)
    if not check:
        for one in pushes:
            push_account(url, one.subject, one.token, timeout, tls)
    return {"changed": bool(pushes), "accounts": accounts}


def _request(url: str, account: str, data: bytes | None, timeout: float, tls: ssl.SSLContext | None) -> tuple[int, str]:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise NatsSecurityError(f"account_server_url: {_shown(url)} is no http or https URL.")
    try:
        if parts.scheme == "https":
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                parts.hostname, parts.port, timeout=timeout, context=tls
            )
        else:
            connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
        with contextlib.closing(connection):
            headers = {"Content-Type": "application/jwt"} if data else {}
            connection.request("POST" if data else "GET", f"{parts.path.rstrip('/')}/accounts/{account}", data, headers)
            answer = connection.getresponse()
            return answer.status, answer.read(_MOST).decode("utf-8", "replace")
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise NatsSecurityError(f"{_shown(url)} can't be asked: {error}.") from None


def _shown(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _first_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[0][:200] + "."
