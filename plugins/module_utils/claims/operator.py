# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Operator claims."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ..base.errors import NatsSecurityError
from . import kinds
from .declaration import declare, unknown_fields


@dataclass
class Operator:
    """The content of an operator JWT under `nats`, as in the Go library's operator_claims.go."""

    KIND: ClassVar[str] = "operator"
    SUBJECT_TYPE: ClassVar[str] = "operator"
    ISSUER_TYPES: ClassVar[tuple[str, ...]] = ("operator",)

    signing_keys: list[str] = declare(
        "signing_keys", kinds.TEXTS, "Public operator keys that sign accounts on behalf of the operator's own key."
    )
    account_server_url: str = declare(
        "account_server_url",
        kinds.text("URL of an account server"),
        "The URL of an account server that returns account JWTs over HTTP, or a NATS URL to push them to.",
    )
    operator_service_urls: list[str] = declare(
        "operator_service_urls",
        kinds.texts("URL of NATS"),
        "NATS URLs where tools and users connect, such as V(tls://nats.example.com:4222).",
    )
    system_account: str = declare("system_account", kinds.TEXT, "The public key of the system account.")
    assert_server_version: str = declare(
        "assert_server_version",
        kinds.text("version of nats-server"),
        "The lowest version of nats-server that may run with this operator, such as V(2.10.0).",
    )
    strict_signing_key_usage: bool = declare(
        "strict_signing_key_usage",
        kinds.BOOL,
        "Accounts have to be signed with one of O(signing_keys), and users with a signing key of their account, never with an identity key.",
    )
    tags: list[str] = declare("tags", kinds.TAGS, "Tags; they are made lower-case.")
    type: str = declare("type", kinds.TEXT, option=False)
    version: int = declare("version", kinds.INTEGER, option=False)
    unknown: dict[str, Any] = unknown_fields()


def check_account_server_url(url: str) -> None:
    """NatsSecurityError for a URL with which the Go library would not write an operator JWT (validateAccountServerURL)."""
    if url:
        from ..base.excerpts import quoted
        from ..base.go_syntax import parse_url
        from ..base.urls import without_credentials

        shown = quoted(without_credentials(url))

        try:
            scheme = parse_url(url).scheme
        except ValueError as error:
            raise NatsSecurityError(f"account_server_url {shown} is not a URL: {error}.") from None
        if not scheme:
            raise NatsSecurityError(f"account_server_url {shown} has no scheme, such as https://.")
