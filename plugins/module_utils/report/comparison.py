# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What servers hold and how they differ, read from the result of nats_resolver_info. Server IDs are omitted, because they change at every start."""

from __future__ import annotations

import re
from typing import Any, Mapping

from ..base.errors import NatsSecurityError
from ..base.excerpts import quoted

_KEY = re.compile(r"\bA[A-Z2-7]{55}\b")
_OF_SERVER = {"name": str, "host": str, "version": str, "cluster": str, "resolver": str, "account_count": int}


def read_comparison(result: Mapping[str, Any], place: str) -> dict[str, Any]:
    """The part of the model about servers. NatsSecurityError if this is not a result of nats_resolver_info, or the task failed."""
    if result.get("failed"):
        raise NatsSecurityError(f"{place}: the task that asked the servers failed: {quoted(result.get('msg', ''))}.")
    if "accounts" not in result or "differences" not in result:
        members = ", ".join(sorted(map(str, result))) or "nothing"
        raise NatsSecurityError(
            f"{place}: expected the result of nats_resolver_info, with servers, accounts and differences; this has {members}."
        )
    accounts = [_account(item, f"{place}.accounts[{number}]") for number, item in _listed(result, "accounts", place)]
    differing = [account for account in accounts if account["differences"]]
    keys = {account["key"] for account in differing}
    lines = _texts(result["differences"], f"{place}.differences")
    return {
        "servers": [_server(item, f"{place}.servers[{number}]") for number, item in _listed(result, "servers", place)],
        "accounts": differing,
        "alike": len(accounts) - len(differing),
        # Differences of accounts are in `accounts`.
        "differences": [line for line in lines if not keys & set(_KEY.findall(line))],
    }


def _listed(result: Mapping[str, Any], name: str, place: str) -> list[tuple[int, dict[str, Any]]]:
    found = result.get(name) or []
    if not isinstance(found, list):
        raise NatsSecurityError(f"{place}.{name}: expected a list, not {quoted(found)}.")
    for number, item in enumerate(found):
        if not isinstance(item, dict):
            raise NatsSecurityError(f"{place}.{name}[{number}]: expected a dictionary, not {quoted(item)}.")
    return list(enumerate(found))


def _texts(value: Any, place: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise NatsSecurityError(f"{place}: expected a list of sentences, not {quoted(value)}.")
    return list(value)


def _account(item: dict[str, Any], place: str) -> dict[str, Any]:
    key, servers = item.get("public_key"), item.get("servers") or {}
    if not isinstance(key, str):
        raise NatsSecurityError(f"{place}.public_key: expected the public key of an account, not {quoted(key)}.")
    if not isinstance(servers, dict):
        raise NatsSecurityError(f"{place}.servers: expected a dictionary, not {quoted(servers)}.")
    return {
        "key": key,
        "name": str(item.get("name") or ""),
        "servers": {str(name): str(state) for name, state in servers.items()},
        "differences": _texts(item.get("differences") or [], f"{place}.differences"),
    }


def _server(item: dict[str, Any], place: str) -> dict[str, Any]:
    for name, wanted in _OF_SERVER.items():
        if item.get(name) is not None and not isinstance(item[name], wanted):
            raise NatsSecurityError(f"{place}.{name}: expected {wanted.__name__}, not {quoted(item[name])}.")
    return {name: item[name] for name in _OF_SERVER if item.get(name) not in (None, "")}
