# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""By what JWTs are compared where one of them stays where it is."""

from __future__ import annotations

import hashlib


def digest(token: str) -> str:
    """The SHA-256 of a token, in hexadecimal digits."""
    return hashlib.sha256(token.encode("utf-8")).hexdigest()
