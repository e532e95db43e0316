# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The rules of the Go library's Validate() for every claim type, except for operators and accounts (`operators.py`, `accounts.py`)."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Callable, Iterator

from ..base import units
from ..base.excerpts import quoted
from .issues import Issue, blocks, key_issues, key_problem, optional_key_issues, times_out
from .subjects import is_plain, subject_problems

if TYPE_CHECKING:
    from ..claims import Account, Activation, Claims, Permissions, User, UserAccess
    from ..claims.authorization import AuthorizationRequest, AuthorizationResponse

_error = functools.partial(blocks, "library")


def library_issues(claims: Claims, now: int) -> list[Issue]:
    """What Validate() of the Go library reports at a time, in Unix seconds. nsc and every server call it.

    Pass the body of a decoded account through as_read_by_servers() first, to validate what a server reads. Public keys are validated more strictly.
    """
    found = [*_time_issues(claims, now)]
    rules = _rules_of(claims.kind)
    if rules is not None:
        found += rules(claims)
    return list(dict.fromkeys(found)) if len(found) > 1 else found


def _rules_of(kind: str) -> Callable[[Claims], Iterator[Issue]] | None:
    # The rules for operators and accounts are long, so they are imported only when needed.
    if kind == "operator":
        from .operators import operator_issues

        return operator_issues
    return {
        "account": _account_issues,
        "user": _user_issues,
        "activation": _activation_issues,
        "authorization_request": _request_issues,
        "authorization_response": _response_issues,
    }.get(kind)


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
            f"is not valid before {units.show_time(claims.not_before)}; omit it to be valid at once.",
        )


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
        yield f"{quoted(text)} has {len(words) - 1} spaces; only one is allowed, between a subject and a queue group."
        return
    for word in words:
        yield from subject_problems(word)


def _publish_problems(text: str) -> Iterator[str]:
    """checkPermission"""
    yield from _subscribe_problems(text)
    if text.count(" ") == 1:
        yield f"{quoted(text)} has a queue group after the space, which only subscriptions have; write the subject alone."


def restriction_issues(path: str, access: UserAccess) -> Iterator[Issue]:
    """Limits.Validate. The path ends in a dot, or is empty."""
    from ..base.go_syntax import check_location, parse_cidr

    for index, network in enumerate(access.source_networks):
        try:
            parse_cidr(network)
        except ValueError as error:
            yield _error(
                f"{path}source_networks[{index}]",
                f"{quoted(network)} is not a network ({error}); write one such as 192.168.0.0/16, or 10.1.2.3/32 for one address.",
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
                f"{quoted(access.times_location)} is not a time zone that this host knows; write a name such as Europe/Prague or UTC.",
            )


def _clock_issues(path: str, text: str) -> Iterator[Issue]:
    """TimeRange.Validate"""
    from ..base.go_syntax import parse_clock

    try:
        parse_clock(text)
    except ValueError:
        yield _error(path, f"{quoted(text)} is not a time of day; write hours, minutes and seconds, such as 08:00:00.")


# ---- activations (activation_claims.go)


def _activation_issues(claims: Claims) -> Iterator[Issue]:
    from .accounts import activation_problems

    activation: Activation = claims.body
    for name, problem in activation_problems(activation):
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
        yield _error("jwt", "is missing; a response has the JWT of a user, or an error with the reason.")
    if response.error and response.jwt:
        yield _error("error", "cannot be combined with a JWT; a response has one of them.")
    yield from optional_key_issues("issuer_account", response.issuer_account, "account")


def _account_issues(claims: Claims) -> Iterator[Issue]:
    from .accounts import account_issues

    account: Account = claims.body
    yield from account_issues(claims)
    yield from permission_issues("default_permissions", account.default_permissions)
