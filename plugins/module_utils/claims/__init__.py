# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The data model of NATS claims: one dataclass per claim type, with every field of the Go library declared once.

The claims of auth callouts, which no task issues, are in `authorization.py`.
"""

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
    scope_number_problems,
)
from .activation import Activation, activation_hash_id
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

__all__ = [
    "KINDS",
    "Account",
    "Activation",
    "Claims",
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
