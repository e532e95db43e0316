# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Activation claims: the permission for an account to import a private export of another account."""

from __future__ import annotations

import hashlib
from base64 import b32encode
from dataclasses import dataclass
from typing import Any, ClassVar

from ..base.errors import NatsSecurityError
from . import kinds
from .declaration import declare, unknown_fields


@dataclass
class Activation:
    """The content of an activation JWT under `nats`, as in the Go library's activation_claims.go."""

    KIND: ClassVar[str] = "activation"
    SUBJECT_TYPE: ClassVar[str] = "account"
    ISSUER_TYPES: ClassVar[tuple[str, ...]] = ("account", "operator")

    import_subject: str = declare("subject", kinds.TEXT, "The subject that may be imported.", required=True)
    import_type: str = declare(
        "kind", kinds.EXPORT_TYPE, "Whether a stream or a service may be imported.", required=True
    )
    issuer_account: str = declare("issuer_account", kinds.TEXT, option=False, shown=True)
    tags: list[str] = declare("tags", kinds.TAGS, "Tags; they are made lower-case.")
    type: str = declare("type", kinds.TEXT, option=False)
    version: int = declare("version", kinds.INTEGER, option=False)
    unknown: dict[str, Any] = unknown_fields()


def activation_hash_id(issuer: str, subject: str, import_subject: str) -> str:
    """The name under which tools store an activation: SHA-256 in padded base32 (ActivationClaims.HashID)."""
    if not issuer or not subject or not import_subject:
        raise NatsSecurityError("An activation without issuer, subject or import subject has no hash id.")
    tokens = import_subject.split(".")
    wildcard = next((index for index, token in enumerate(tokens) if token in ("*", ">")), None)
    cleaned = "_" if wildcard == 0 else ".".join(tokens[:wildcard])
    # If only dots precede the wildcard, nothing is left, and the Go library uses the whole subject.
    cleaned = cleaned or import_subject
    text = f"{issuer}.{subject}.{cleaned}"
    return b32encode(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()).decode("ascii")
