# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""User claims."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from . import kinds
from .declaration import declare, unknown_fields
from .permissions import UserAccess
from .wire import inline, is_zero


@dataclass
class User:
    """The content of a user JWT under `nats`, as in the Go library's user_claims.go."""

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
    #: Whether the decoded body has a list that is empty rather than missing. Servers refuse that in a scoped user. It is not written again.
    has_empty_lists: bool = False

    @property
    def is_scoped(self) -> bool:
        """Whether the body leaves everything to the scope of the key that signs it (HasEmptyPermissions of the Go library)."""
        access = self.access
        # For speed, subscriptions are checked first: they distinguish most users from scoped ones.
        return not access.limits.subscriptions and not self.has_empty_lists and is_zero(access)
