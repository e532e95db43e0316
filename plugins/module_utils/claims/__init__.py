# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The data model of NATS claims: one dataclass a claim type, every field of the Go library declared once."""

from __future__ import annotations

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
    inexact_numbers,
)
from .activation import Activation, activation_hash_id
from .authorization import (
    AuthorizationRequest,
    AuthorizationResponse,
    ClientInformation,
    ClientTLS,
    ConnectOptions,
    ServerID,
)
from .envelope import BODIES, Claims, Generic, unknown_fields_of
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

__all__ = [
    "BODIES",
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
    "check_scope_numbers",
    "inexact_numbers",
    "no_access",
    "unknown_fields_of",
]
