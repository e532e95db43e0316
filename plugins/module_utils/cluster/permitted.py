# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Check the publish permissions that a change needs before the first change. Check mode does not publish the change itself, and a run that fails half-way
leaves some accounts changed."""

from __future__ import annotations

from typing import Iterable

from ..base.errors import NatsSecurityError
from ..base.excerpts import first_of
from ..claims import Permission
from ..rules.subjects import is_subset
from .answers import Part, read_each
from .system_connection import Connection, NotPermitted

#: The subject on which a server returns information about the requesting user (userInfoReq in nats-server's events.go).
USER_INFO = "$SYS.REQ.USER.INFO"
#: How many subjects one message lists; the rest are counted.
_LISTED = 3


async def require_permission(connection: Connection, subjects: Iterable[str]) -> None:
    """NatsSecurityError if the user has no permission to publish to some of these subjects, as far as that is known in advance."""
    needed = list(dict.fromkeys(subjects))
    if not needed:
        return
    permission = await _permission(connection)
    refused = [subject for subject in needed if not _allows(permission, subject)]
    if refused:
        raise NatsSecurityError(
            f"The server denies this to the user: the permissions of the user {connection.user.name or connection.user.subject} do not allow it to "
            f"publish to {first_of(refused, _LISTED)}. Nothing was changed."
        )


async def _permission(connection: Connection) -> Permission:
    """The publish permissions of the user. If the JWT has none, a scope or the defaults of the account may apply, so the server is asked."""
    own: Permission = connection.user.body.access.permissions.publish
    if own.allow or own.deny:
        return own
    try:
        answers = await connection.ask(USER_INFO, b"", bool, connection.timeout)
    except NotPermitted:
        return Permission()  # the request is not permitted, so the permissions stay unknown
    found = read_each(answers, lambda answer: _read_permission(answer.data["permissions"]["publish"])).found
    return next(iter(found.values()), Permission())


def _read_permission(part: Part) -> Permission:
    return Permission(
        allow=[subject.text() for subject in part["allow"].items()], deny=[one.text() for one in part["deny"].items()]
    )


def _allows(permission: Permission, subject: str) -> bool:
    """Whether publishing is allowed, as in canPublish of nats-server's client.go."""
    allowed = not permission.allow or any(is_subset(subject, one) for one in permission.allow)
    return allowed and not any(is_subset(subject, one) for one in permission.deny)
