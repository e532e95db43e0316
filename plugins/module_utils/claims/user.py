# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""User claims."""

from __future__ import annotations

from typing import Any, ClassVar

from ..base.quick_dataclass import dataclass
from . import declaration as kinds
from .declaration import declare, unknown_fields
from .permissions import UserAccess, no_access
from .wire import inline


@dataclass
class User:
    """What a user JWT says under `nats`, as in the Go library's user_claims.go."""

    KIND: ClassVar[str] = "user"
    SUBJECT_TYPE: ClassVar[str] = "user"
    ISSUER_TYPES: ClassVar[tuple[str, ...]] = ("account",)

    access: UserAccess = declare("", inline(UserAccess), flat=True)
    issuer_account: str = declare("issuer_account", kinds.TEXT, option=False, shown=True)
    tags: list[str] = declare(
        "tags", kinds.TAGS, "Tags, which templates of scopes refer to as V({{tag(name\\)}}); they are made lower-case."
    )
    type: str = declare("type", kinds.TEXT, option=False)
    version: int = declare("version", kinds.INTEGER, option=False)
    unknown: dict[str, Any] = unknown_fields()

    @property
    def is_scoped(self) -> bool:
        """Whether the body leaves everything to the scope of the key that signs it (HasEmptyPermissions of the Go library)."""
        return self.access == no_access()
