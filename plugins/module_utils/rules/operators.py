# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The rules of the Go library's Validate() for operators (operator_claims.go)."""

from __future__ import annotations

import functools
from typing import Iterator

from ..base.excerpts import quoted
from ..base.go_syntax import atoi, parse_url
from ..claims import Claims, Operator
from .issues import Issue, blocks, key_issues, optional_key_issues

_error = functools.partial(blocks, "library")


def operator_issues(claims: Claims) -> Iterator[Issue]:
    """Issues of OperatorClaims.Validate, except for times."""
    operator: Operator = claims.body
    yield from _account_server_url_issues(operator.account_server_url)
    for index, url in enumerate(operator.operator_service_urls):
        problem = _service_url_problem(url)
        if problem:
            yield _error(f"operator_service_urls[{index}]", problem)
    for index, key in enumerate(operator.signing_keys):
        yield from key_issues(f"signing_keys[{index}]", key, "operator")
    yield from optional_key_issues("system_account", operator.system_account, "account")
    problem = version_problem(operator.assert_server_version)
    if problem:
        yield _error("assert_server_version", problem)


def _account_server_url_issues(url: str) -> Iterator[Issue]:
    # Messages do not include the URL, because it may contain a password.
    if not url:
        return
    try:
        scheme = parse_url(url).scheme
    except ValueError as error:
        yield _error("account_server_url", f"is not a URL ({error}); write one such as https://accounts.example.com.")
        return
    if not scheme:
        yield _error("account_server_url", "has no scheme; write one such as https:// or nats:// in front.")


def _service_url_problem(url: str) -> str:
    """ValidateOperatorServiceURL"""
    if not url:
        return ""
    try:
        parts = parse_url(url)
    except ValueError as error:
        return f"is not a URL ({error}); write one such as tls://nats.example.com:4222."
    if parts.has_user:
        return "has a user or password, which is readable by all clients; remove what is before the @."
    if parts.path:
        return f"has the path {quoted(parts.path)}; NATS URLs have none, remove it."
    if parts.scheme not in ("nats", "tls", "ws", "wss"):
        return f"has the scheme {quoted(parts.scheme)}; begin with nats://, tls://, ws:// or wss://."
    return ""


def version_problem(version: str) -> str:
    """Why a text is not the version of a server, as a message; empty if it is one, or empty itself (ParseServerVersion)."""
    if not version:
        return ""
    parts = version.split(".")
    if len(parts) == 3:
        try:
            if all(atoi(part) >= 0 for part in parts):
                return ""
        except ValueError:
            pass
    return f"{quoted(version)} is not a version of nats-server; write three numbers, such as 2.10.0."
