# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What users, scopes and accounts share: permissions, and the limits and other restrictions of users."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..base.units import UNLIMITED
from . import kinds
from .declaration import declare, unknown_fields
from .wire import inline, list_of, nested, optional, zero_object


@dataclass
class Permission:
    """Subjects, for publishing or subscribing. If nothing is allowed and nothing is denied, everything is allowed."""

    allow: list[str] = declare(
        "allow",
        kinds.texts("subject"),
        "Subjects that are allowed, with V(*) and V(>) as wildcards.",
        "If there are any, all others are denied.",
    )
    deny: list[str] = declare(
        "deny", kinds.texts("subject"), "Subjects that are denied, even if they are also allowed."
    )
    unknown: dict[str, Any] = unknown_fields()


@dataclass
class ResponsePermission:
    """The permission to answer requests, on their reply subjects."""

    max_messages: int = declare(
        "max",
        kinds.COUNT_OR_USUAL,
        "How many answers to one request, or V(unlimited). 0 leaves it to the server, which allows one.",
        always=True,
    )
    expires: int = declare(
        "ttl",
        kinds.DURATION_OR_USUAL,
        "How long after the request an answer is allowed, such as V(5s), or V(unlimited). 0 leaves it to the server, which allows two minutes.",
        always=True,
    )
    unknown: dict[str, Any] = unknown_fields()


@dataclass
class Permissions:
    """Subjects that may be published and subscribed to."""

    publish: Permission = declare("pub", nested(Permission), "Subjects that may be published to.")
    subscribe: Permission = declare(
        "sub",
        nested(Permission),
        "Subjects that may be subscribed to.",
        "A queue group may follow the subject after a space.",
    )
    response: ResponsePermission | None = declare(
        "resp",
        optional(ResponsePermission),
        "Answers to requests that were received may be published to their reply subjects, without a permission for these.",
    )
    unknown: dict[str, Any] = unknown_fields()


@dataclass
class TimeRange:
    """Hours of the day."""

    start: str = declare("start", kinds.TIME_OF_DAY, "When it begins, C(HH:MM:SS).", required=True)
    end: str = declare("end", kinds.TIME_OF_DAY, "When it ends, C(HH:MM:SS).", required=True)
    unknown: dict[str, Any] = unknown_fields()


@dataclass
class NatsLimits:
    """The limits of a user without a scope."""

    subscriptions: int = declare("subs", kinds.COUNT, "Subscriptions at the same time.", default=UNLIMITED)
    data: int = declare("data", kinds.SIZE, "Total bytes.", default=UNLIMITED)
    payload: int = declare("payload", kinds.SIZE, "Bytes of one message.", default=UNLIMITED)


_PROXY_REQUIRED = "Connections have to come through a trusted proxy."
_CONNECTION_TYPES = (
    "The ways to connect, of V(STANDARD), V(WEBSOCKET), V(LEAFNODE), V(LEAFNODE_WS), V(MQTT), V(MQTT_WS), V(IN_PROCESS).",
    "All if there are none.",
)
_CONNECTION_TYPES_SINCE = {"IN_PROCESS": ("2.11.0",)}


@dataclass
class UserAccess:
    """Everything that a scope's template defines for its users, and that a user without a scope defines itself."""

    permissions: Permissions = declare("", inline(Permissions), "Subjects that may be published and subscribed to.")
    source_networks: list[str] = declare(
        "src", kinds.NETWORKS, "Networks to connect from, such as V(192.168.0.0/16). All networks if there are none."
    )
    times: list[TimeRange] = declare(
        "times",
        list_of(TimeRange),
        "Times of the day at which the user may be connected. At any time if there are none.",
    )
    times_location: str = declare(
        "times_location",
        kinds.TEXT,
        "The time zone of C(times), such as V(Europe/Prague). The server's own if omitted.",
    )
    limits: NatsLimits = declare("", inline(NatsLimits), "Limits, each V(unlimited) if omitted.")
    bearer_token: bool = declare(
        "bearer_token",
        kinds.BOOL,
        "The JWT alone is enough to connect, without a signature by its key. It is then a secret.",
    )
    proxy_required: bool = declare("proxy_required", kinds.BOOL, _PROXY_REQUIRED, enforced_since=("2.12.0",))
    allowed_connection_types: list[str] = declare(
        "allowed_connection_types", kinds.CONNECTION_TYPES, *_CONNECTION_TYPES, values_since=_CONNECTION_TYPES_SINCE
    )
    unknown: dict[str, Any] = unknown_fields()


@dataclass
class TemplateLimits:
    """Limits in a scope. A server reads one that is omitted as unlimited, and 0 is always omitted: a scope cannot express it."""

    subscriptions: int = declare("subs", kinds.COUNT_IN_SCOPE, "Subscriptions at the same time.", default=UNLIMITED)
    data: int = declare("data", kinds.SIZE_IN_SCOPE, "Total bytes.", default=UNLIMITED)
    payload: int = declare("payload", kinds.SIZE_IN_SCOPE, "Bytes of one message.", default=UNLIMITED)


@dataclass
class ScopeTemplate(UserAccess):
    """What a scoped signing key defines for its users: a UserAccess, except for the meaning of 0 in its limits and for the servers that enforce it."""

    limits: TemplateLimits = declare(
        "", inline(TemplateLimits), "Limits, each V(unlimited) if omitted; 0 is not possible."
    )  # type: ignore[assignment] # a subtype of that in UserAccess, which mypy forbids for attributes
    # Since these versions, processClientOrLeafAuthentication checks this again after it has applied the template.
    proxy_required: bool = declare("proxy_required", kinds.BOOL, _PROXY_REQUIRED, enforced_since=("2.14.8", "2.15.1"))
    # Before this version, it checked connection types before it applied the template.
    allowed_connection_types: list[str] = declare(
        "allowed_connection_types",
        kinds.CONNECTION_TYPES,
        *_CONNECTION_TYPES,
        enforced_since=("2.10.19",),
        values_since=_CONNECTION_TYPES_SINCE,
    )


def no_access() -> UserAccess:
    """The access of a scoped user: nothing, because everything comes from the template of its signing key."""
    empty: UserAccess = zero_object(UserAccess)
    return empty
