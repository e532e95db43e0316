# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The one exception of the core: whatever is wrong with a key, a token or an option is said with it."""

from __future__ import annotations


class NatsSecurityError(Exception):
    """What was wrong and what would be right, in one sentence for a person. Never holds private material."""
