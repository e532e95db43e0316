# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The task of nats_creds_info: whether servers accept the users of creds files."""

from __future__ import annotations

from typing import Any

from ..base.errors import Missing, NatsSecurityError
from ..claims import Claims
from ..cluster import trying
from ..cluster.system_connection import (
    Login,
    Options,
    new_inbox,
)
from ..keys.nkey import KeyPair
from ..token import codec, decorated
from . import cluster_options
from .task import (
    CarefulModule,
    keep_secrets_of,
    now,
)


def creds_info_task(module: CarefulModule) -> dict[str, Any]:
    """Connect to every server with every creds file, and return the results."""
    cluster_options.require_nats(module)
    if not module.params["paths"]:
        raise NatsSecurityError("paths: the list is empty; name at least one creds file.")
    accounts = [_account(jwt, index) for index, jwt in enumerate(module.params["account_jwts"])]
    known = {account.subject: account for account in accounts}
    users = [_try(module, path, index, known) for index, path in enumerate(module.params["paths"])]
    return {"changed": False, "users": users, "connected": all(user["connected"] for user in users)}


def _account(jwt: str, index: int) -> Claims:
    claims = codec.decode(jwt)
    if claims.kind != "account":
        raise NatsSecurityError(
            f"account_jwts[{index}]: this is a JWT of {claims.kind} claims, expected one of an account."
        )
    return claims


def _try(module: CarefulModule, path: str, index: int, accounts: dict[str, Claims]) -> dict[str, Any]:
    claims, pair, jwt = _creds(module, path, f"paths[{index}]")
    account = claims.body.issuer_account or claims.issuer
    fault = trying.fault_of(claims, accounts.get(account), now())
    answers = [fault] if fault is not None else trying.try_servers(_options(module, Login(jwt, pair)))
    wrong = [answer for answer in answers if answer.reason != trying.CONNECTED]
    return {
        "path": path,
        "name": claims.name,
        "public_key": claims.subject,
        "account": account,
        "issuer": claims.issuer,
        "issued_at": claims.issued_at,
        "connected": not wrong,
        "reason": wrong[0].reason if wrong else trying.CONNECTED,
        "message": "; ".join(answer.message for answer in (wrong or answers)),
    }


def _creds(module: CarefulModule, path: str, option: str) -> tuple[Claims, KeyPair, str]:
    text = module.snapshot.read(path, f"{option}: the creds")
    if text is None:
        raise Missing(f"{option}: there is no file {path}.")
    keep_secrets_of(module, text)
    try:
        return decorated.read_creds(text)
    except NatsSecurityError as error:
        raise NatsSecurityError(f"{option} {path}: {error}") from None


def _options(module: CarefulModule, login: Login) -> Options:
    params = module.params
    return Options(
        servers=tuple(params["servers"]),
        login=lambda: login,
        inbox=new_inbox(),
        connect_timeout=cluster_options.seconds(module, "connect_timeout"),
        tls=cluster_options.tls_context(module),
        tls_server_name=params["tls_server_name"],
        tls_handshake_first=params["tls_handshake_first"],
    )
