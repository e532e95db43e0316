# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Digests of JWTs and seeds, to compare two of them on different hosts without transferring either."""

from __future__ import annotations

import hashlib


def digest(text: str) -> str:
    """The SHA-256 of a text, in hexadecimal digits. It does not disclose a JWT or seed, which has too many random bits to be guessed."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
