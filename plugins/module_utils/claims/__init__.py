# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The data model of NATS claims: one dataclass a claim type, every field of the Go library declared once."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .account import (
    Account,
    Export,
    ExternalAuthorization,
    Import,
    JetStreamLimits,
    MessageTrace,
    OperatorLimits,
    ServiceLatency,
    SigningKey,
    WeightedMapping,
    as_read_by_servers,
    check_scope_numbers,
    scope_number_problems,
)
from .envelope import KINDS, Claims, Generic, body_type, unknown_fields_of
from .operator import Operator
from .permissions import (
    NatsLimits,
    Permission,
    Permissions,
    ResponsePermission,
    ScopeTemplate,
    TemplateLimits,
    TimeRange,
    UserAccess,
    no_access,
)
from .user import User

if TYPE_CHECKING:
    from .activation import Activation, activation_hash_id
    from .authorization import (
        AuthorizationRequest,
        AuthorizationResponse,
        ClientInformation,
        ClientTLS,
        ConnectOptions,
        ServerID,
    )

__all__ = [
    "KINDS",
    "Account",
    "Activation",
    "AuthorizationRequest",
    "AuthorizationResponse",
    "Claims",
    "ClientInformation",
    "ClientTLS",
    "ConnectOptions",
    "Export",
    "ExternalAuthorization",
    "Generic",
    "Import",
    "JetStreamLimits",
    "MessageTrace",
    "NatsLimits",
    "Operator",
    "OperatorLimits",
    "Permission",
    "Permissions",
    "ResponsePermission",
    "ScopeTemplate",
    "ServerID",
    "ServiceLatency",
    "SigningKey",
    "TemplateLimits",
    "TimeRange",
    "User",
    "UserAccess",
    "WeightedMapping",
    "activation_hash_id",
    "as_read_by_servers",
    "body_type",
    "check_scope_numbers",
    "no_access",
    "scope_number_problems",
    "unknown_fields_of",
]

#: What few tasks need, by the file that has it.
_ON_DEMAND = {
    "Activation": "activation",
    "activation_hash_id": "activation",
    "AuthorizationRequest": "authorization",
    "AuthorizationResponse": "authorization",
    "ClientInformation": "authorization",
    "ClientTLS": "authorization",
    "ConnectOptions": "authorization",
    "ServerID": "authorization",
}


def __getattr__(name: str) -> Any:
    """Import what few tasks need when it is first asked for: a task that does not is done 4 ms earlier."""
    if name not in _ON_DEMAND:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_ON_DEMAND[name]}", __name__), name)
