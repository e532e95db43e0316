# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What stands for a JWT or a seed where one of two that are compared stays where it is."""

from __future__ import annotations

import hashlib


def digest(text: str) -> str:
    """The SHA-256 of a text, in hexadecimal digits. JWTs and seeds hold more random bits than could be guessed."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
