# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Whether the user who connects may publish what a change needs, asked before the first change: check mode never publishes it, and a real run that fails
half-way leaves some accounts changed."""

from __future__ import annotations

from typing import Iterable

from ..base.errors import NatsSecurityError
from ..claims import Permission
from ..rules.subjects import is_subset
from .answers import Part, read_each
from .connection import Connection, NotPermitted

#: What a server answers to a user about that user itself (userInfoReq in nats-server's events.go).
USER_INFO = "$SYS.REQ.USER.INFO"
#: How many subjects one message lists; the rest are counted.
_LISTED = 3


async def require_permission(connection: Connection, subjects: Iterable[str]) -> None:
    """NatsSecurityError where the user may not publish to some of these subjects, as far as that can be known before it is tried."""
    needed = list(dict.fromkeys(subjects))
    if not needed:
        return
    permission = await _permission(connection)
    refused = [subject for subject in needed if not _allows(permission, subject)]
    if refused:
        more = f" and {len(refused) - _LISTED} more" if len(refused) > _LISTED else ""
        raise NatsSecurityError(
            f"The server does not let the user do that: the permissions of the user {connection.user.name or connection.user.subject} do not allow it to "
            f"publish to {', '.join(refused[:_LISTED])}{more}. Nothing was changed."
        )


async def _permission(connection: Connection) -> Permission:
    """What the user may publish to. A JWT without permissions may have those of a scope, or the account's defaults: the server knows them."""
    own: Permission = connection.user.body.access.permissions.publish
    if own.allow or own.deny:
        return own
    try:
        answers = await connection.ask(USER_INFO, b"", bool, connection.timeout)
    except NotPermitted:
        return Permission()  # it may not ask, so only trying shows what else it may not do
    found = read_each(answers, lambda answer: _read_permission(answer.data["permissions"]["publish"])).found
    return next(iter(found.values()), Permission())


def _read_permission(part: Part) -> Permission:
    return Permission(
        allow=[subject.text() for subject in part["allow"].items()], deny=[one.text() for one in part["deny"].items()]
    )


def _allows(permission: Permission, subject: str) -> bool:
    """canPublish of nats-server's client.go."""
    allowed = not permission.allow or any(is_subset(subject, one) for one in permission.allow)
    return allowed and not any(is_subset(subject, one) for one in permission.deny)
