# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What nats-server 2.15 refuses, ignores or reads differently, although the Go library accepts it. Checks one token at a time.

`server_accounts.py` has the rules for accounts, `relations.py` those between tokens. An issue is blocking if a server certainly refuses the token or the
affected part of it. Docstrings and comments name the server's function.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Callable, Iterator

from ..base import units
from .access import limit_issues, permission_issues, restriction_issues, subject_issues, tag_issues
from .issues import Issue, blocks, warns
from .subjects import subject_problems

if TYPE_CHECKING:
    from ..claims import Activation, Claims, Operator, User

_refused = functools.partial(blocks, "server")
_odd = functools.partial(warns, "server")


# A JWT with little else fits in a CONNECT of 4096 bytes, the default of max_control_line (overMaxControlLineLimit).
_LONGEST_USER_TOKEN = 3500
_LONG_ACCOUNT_TOKEN = 64 * 1024


def server_issues(claims: Claims, now: int | None = None) -> list[Issue]:
    """What a server refuses, ignores or reads differently in the claims, in addition to library_issues().

    With `now`, in Unix seconds, the issues include those of times.
    """
    found = [] if now is None else [*server_time_issues(claims, now)]
    rules = _rules_of(claims.kind)
    if rules is not None:
        found += rules(claims)
    return list(dict.fromkeys(found)) if len(found) > 1 else found


def server_time_issues(claims: Claims, now: int) -> Iterator[Issue]:
    """Times for which servers refuse a token at a time, in Unix seconds, although the Go library accepts them.

    checkExpiration and checkActivation in accounts.go, setExpiration in client.go: they set a timer. There is none for operators.
    """
    if claims.kind not in ("account", "user", "activation"):
        return
    if claims.expires < 0:
        yield _refused("expires", f"is {units.show_time(claims.expires)}, which servers treat as expired.")
    for name, time in (("expires", claims.expires), ("not_before", claims.not_before)):
        problem = far_time_problem(time, now)
        if problem:
            yield _refused(name, problem)


def far_time_problem(time: int, now: int) -> str:
    """Why a time is too far from `now` to begin or end a token, both in Unix seconds; empty if it is not. Go's time.Duration overflows after 292 years."""
    if time - now <= units.LONGEST_SPAN:
        return ""
    return f"{units.show_time(time)} is more than 292 years from now, which servers treat as the past; write an earlier time, or omit it."


def _rules_of(kind: str) -> Callable[[Claims], Iterator[Issue]] | None:
    # The rules for accounts are long, so they are imported only when needed.
    if kind == "account":
        from .server_accounts import account_issues

        return account_issues
    return {"operator": _operator_issues, "user": _user_issues, "activation": _activation_issues}.get(kind)


def token_issues(kind: str, token: str) -> list[Issue]:
    """Issues of the size of a token of a claim type. No program reads a token of more than 1 MiB, see codec.MAX_TOKEN_BYTES."""
    size = len(token)
    if kind == "user" and size > _LONGEST_USER_TOKEN:  # overMaxControlLineLimit
        return [
            _odd(
                "",
                f"the JWT has {size} bytes, and servers close connections whose CONNECT is longer than max_control_line, "
                "4096 bytes unless set; move permissions to a scoped signing key, or raise max_control_line.",
            )
        ]
    if kind == "account" and size > _LONG_ACCOUNT_TOKEN:
        return [
            _odd(
                "",
                f"the JWT has {size // 1024} KiB, which servers send each other as a whole and refuse from 1 MiB on; "
                "remove revocations of users that have expired, or split the account.",
            )
        ]
    return []


# ---- operators


def _operator_issues(claims: Claims) -> Iterator[Issue]:
    operator: Operator = claims.body
    if operator.strict_signing_key_usage and not operator.signing_keys:
        # validateTrustedOperators, processTrustedKeys: no trusted key is left. With a system account the server does not start;
        # without one it accepts every connection, even without credentials.
        yield _refused(
            "signing_keys",
            "are empty, so strict_signing_key_usage leaves no key that servers trust, and they accept every client or do not start; "
            "add one.",
        )
    if operator.strict_signing_key_usage and claims.subject in operator.signing_keys:  # validateTrustedOperators
        yield _odd(
            f"signing_keys[{operator.signing_keys.index(claims.subject)}]",
            "is the operator's own key, which strict_signing_key_usage excludes; remove it.",
        )
    for name, time in (("expires", claims.expires), ("not_before", claims.not_before)):
        if time > 0:  # validateTrustedOperators ignores times.
            yield _odd(name, f"is {units.show_time(time)}, which servers ignore in an operator; omit it.")


# ---- users


def _user_issues(claims: Claims) -> Iterator[Issue]:
    user: User = claims.body
    if user.tags:
        yield from tag_issues(user.tags)
    access = user.access
    if (
        access.limits.subscriptions == 0 and user.is_scoped
    ):  # The number is compared first, for speed: it already differs for most users without a scope.
        return
    yield from permission_issues("permissions", access.permissions)
    yield from limit_issues("limits", access.limits)
    if access.allowed_connection_types or access.times or access.times_location:
        yield from restriction_issues("", access)


# ---- activations


def _activation_issues(claims: Claims) -> Iterator[Issue]:
    activation: Activation = claims.body
    if not any(subject_problems(activation.import_subject)):
        yield from subject_issues("import_subject", activation.import_subject, "no account can import by it")
