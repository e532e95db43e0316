# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Claims as a whole: the members that every token has, around the body of one claim type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from . import kinds
from .account import Account
from .activation import Activation
from .declaration import declare, unknown_fields
from .operator import Operator
from .user import User
from .wire import unknown_members


@dataclass
class Generic:
    """Claims of a custom type: any JSON object under `nats`, or None. Its numbers are floats, as in Go."""

    KIND: ClassVar[str] = "generic"
    SUBJECT_TYPE: ClassVar[str] = ""
    ISSUER_TYPES: ClassVar[tuple[str, ...]] = ()

    data: dict[str, Any] | None = None


#: The claim types of NATS.
KINDS = ("operator", "account", "user", "activation", "authorization_request", "authorization_response")


def body_type(kind: str) -> type:
    """The dataclass of one of KINDS. Those of auth callouts are imported on demand, because few tasks need them."""
    if kind.startswith("authorization_"):
        from .authorization import AuthorizationRequest, AuthorizationResponse

        return AuthorizationRequest if kind == "authorization_request" else AuthorizationResponse
    return {"operator": Operator, "account": Account, "user": User, "activation": Activation}[kind]


@dataclass
class Claims:
    """The claims of a token. Times are in unix seconds, 0 means never. `id`, `issued_at` and `issuer` are read from a token, and ignored when writing one."""

    audience: str = declare("aud", kinds.TEXT, "Intended audience of the token.")
    expires: int = declare("exp", kinds.TIME, option=False)
    id: str = declare("jti", kinds.TEXT, option=False)
    issued_at: int = declare("iat", kinds.TIME, option=False)
    issuer: str = declare("iss", kinds.TEXT, option=False)
    name: str = declare("name", kinds.TEXT, "A descriptive name.")
    not_before: int = declare("nbf", kinds.TIME, "When the token starts to be valid.")
    subject: str = declare("sub", kinds.TEXT, option=False)
    body: Any = None
    unknown: dict[str, Any] = unknown_fields()

    @property
    def kind(self) -> str:
        """The claim type: operator, account, user, activation, authorization_request, authorization_response or generic."""
        name: str = self.body.KIND
        return name


def unknown_fields_of(claims: Claims) -> list[str]:
    """The paths, in JSON names, of members of a decoded token that this version does not know."""
    outer = list(claims.unknown)
    if isinstance(claims.body, Generic):
        return outer
    return outer + list(unknown_members(claims.body, "nats"))
