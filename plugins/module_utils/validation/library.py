# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The rules of the Go library's Validate() for every claim type, except for what is inside an account (`accounts.py`)."""

from __future__ import annotations

import functools
from typing import Any, Callable, Iterator

from .. import units
from ..claims import (
    Account,
    Activation,
    AuthorizationRequest,
    AuthorizationResponse,
    Claims,
    Operator,
    Permissions,
    User,
    UserAccess,
)
from ..go_syntax import atoi, check_location, parse_cidr, parse_clock, parse_url
from . import accounts
from .issues import Issue, blocks, key_problem, times_out
from .subjects import is_plain, subject_problems

_error = functools.partial(blocks, "library")


def library_issues(claims: Claims, now: int) -> list[Issue]:
    """What Validate() of the Go library, and so nsc and every server, reports at a time, in unix seconds.

    As there, the body of a decoded account is best passed through as_read_by_servers() first. In one thing stricter: public keys.
    """
    found = [*_time_issues(claims, now)]
    rules = _RULES.get(claims.body.__class__)
    if rules is not None:
        found += rules(claims)
    return list(dict.fromkeys(found)) if len(found) > 1 else found


def _time_issues(claims: Claims, now: int) -> Iterator[Issue]:
    """ClaimsData.Validate"""
    if 0 < claims.expires < now:
        yield times_out(
            "library", "expires", f"expired at {units.show_time(claims.expires)}; it has to be issued again."
        )
    if claims.not_before > max(now, 0):
        yield times_out(
            "library",
            "not_before",
            f"is not valid before {units.show_time(claims.not_before)}; leave it out to be valid at once.",
        )


def key_issues(path: str, key: str, key_type: str) -> Iterator[Issue]:
    """What is wrong with a public key."""
    problem = key_problem(key, key_type)
    if problem:
        yield _error(path, problem)


def _optional_key_issues(path: str, key: str, key_type: str) -> Iterator[Issue]:
    return key_issues(path, key, key_type) if key else iter(())


# ---- operators (operator_claims.go)


def _operator_issues(claims: Claims) -> Iterator[Issue]:
    operator: Operator = claims.body
    yield from _account_server_url_issues(operator.account_server_url)
    for index, url in enumerate(operator.operator_service_urls):
        problem = _service_url_problem(url)
        if problem:
            yield _error(f"operator_service_urls[{index}]", problem)
    for index, key in enumerate(operator.signing_keys):
        yield from key_issues(f"signing_keys[{index}]", key, "operator")
    yield from _optional_key_issues("system_account", operator.system_account, "account")
    problem = _version_problem(operator.assert_server_version)
    if problem:
        yield _error("assert_server_version", problem)


def _account_server_url_issues(url: str) -> Iterator[Issue]:
    # No message repeats a URL: it may hold a password.
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
        return "has a user or password, which everybody could read there; remove what is before the @."
    if parts.path:
        return f"has the path {parts.path!r}; NATS URLs have none, remove it."
    if parts.scheme not in ("nats", "tls", "ws", "wss"):
        return f"has the scheme {parts.scheme!r}; begin with nats://, tls://, ws:// or wss://."
    return ""


def _version_problem(version: str) -> str:
    """ParseServerVersion"""
    if not version:
        return ""
    parts = version.split(".")
    if len(parts) == 3:
        try:
            if all(atoi(part) >= 0 for part in parts):
                return ""
        except ValueError:
            pass
    return f"{version!r} is no version of a server; write three numbers, such as 2.10.0."


# ---- users (user_claims.go, types.go)


def _user_issues(claims: Claims) -> Iterator[Issue]:
    user: User = claims.body
    access = user.access
    yield from permission_issues("permissions", access.permissions)
    if access.source_networks or access.times or access.times_location:
        yield from restriction_issues("", access)
    if user.issuer_account and key_problem(user.issuer_account, "account"):
        yield from key_issues("issuer_account", user.issuer_account, "account")


def permission_issues(path: str, permissions: Permissions) -> Iterator[Issue]:
    """Permissions.Validate"""
    publish, subscribe = permissions.publish, permissions.subscribe
    for name, subjects, problems in (
        ("subscribe.allow", subscribe.allow, _subscribe_problems),
        ("subscribe.deny", subscribe.deny, _subscribe_problems),
        ("publish.allow", publish.allow, _publish_problems),
        ("publish.deny", publish.deny, _publish_problems),
    ):
        if all(map(is_plain, subjects)):
            continue
        for index, subject in enumerate(subjects):
            for problem in problems(subject):
                yield _error(f"{path}.{name}[{index}]", problem)


def _subscribe_problems(text: str) -> Iterator[str]:
    """checkPermission"""
    words = text.split(" ")
    if len(words) > 2:
        yield f"{text!r} has {len(words) - 1} spaces; only one may stand there, between a subject and a queue group."
        return
    for word in words:
        yield from subject_problems(word)


def _publish_problems(text: str) -> Iterator[str]:
    """checkPermission"""
    yield from _subscribe_problems(text)
    if text.count(" ") == 1:
        yield f"{text!r} has a queue group after the space, which only subscriptions have; write the subject alone."


def restriction_issues(path: str, access: UserAccess) -> Iterator[Issue]:
    """Limits.Validate. The path ends in a dot, or is empty."""
    for index, network in enumerate(access.source_networks):
        try:
            parse_cidr(network)
        except ValueError as error:
            yield _error(
                f"{path}source_networks[{index}]",
                f"{network!r} is no network ({error}); write one such as 192.168.0.0/16, or 10.1.2.3/32 for one address.",
            )
    for index, hours in enumerate(access.times):
        yield from _clock_issues(f"{path}times[{index}].start", hours.start)
        yield from _clock_issues(f"{path}times[{index}].end", hours.end)
    if access.times_location:
        try:
            check_location(access.times_location)
        except ValueError:
            yield _error(
                f"{path}times_location",
                f"{access.times_location!r} is no time zone that this host knows; write a name such as Europe/Prague or UTC.",
            )


def _clock_issues(path: str, text: str) -> Iterator[Issue]:
    """TimeRange.Validate"""
    try:
        parse_clock(text)
    except ValueError:
        yield _error(path, f"{text!r} is no time of day; write hours, minutes and seconds, such as 08:00:00.")


# ---- activations (activation_claims.go)


def _activation_issues(claims: Claims) -> Iterator[Issue]:
    activation: Activation = claims.body
    for name, problem in accounts.activation_problems(activation):
        yield _error(name, problem)


# ---- auth callout (authorization_claims.go)


def _request_issues(claims: Claims) -> Iterator[Issue]:
    request: AuthorizationRequest = claims.body
    yield from key_issues("user_nkey", request.user_nkey, "user")


def _response_issues(claims: Claims) -> Iterator[Issue]:
    response: AuthorizationResponse = claims.body
    yield from key_issues("subject", claims.subject, "user")
    yield from key_issues("audience", claims.audience, "server")
    if not response.error and not response.jwt:
        yield _error("jwt", "is missing; a response has the JWT of a user, or an error that says why there is none.")
    if response.error and response.jwt:
        yield _error("error", "is told beside a JWT; a response has either.")
    yield from _optional_key_issues("issuer_account", response.issuer_account, "account")


def _account_issues(claims: Claims) -> Iterator[Issue]:
    account: Account = claims.body
    yield from accounts.account_issues(claims)
    yield from permission_issues("default_permissions", account.default_permissions)


_RULES: dict[Any, Callable[[Claims], Iterator[Issue]]] = {
    Operator: _operator_issues,
    Account: _account_issues,
    User: _user_issues,
    Activation: _activation_issues,
    AuthorizationRequest: _request_issues,
    AuthorizationResponse: _response_issues,
}
