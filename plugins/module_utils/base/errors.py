# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The one exception of the core, raised for every problem with a key, a token or an option."""

from __future__ import annotations


class NatsSecurityError(Exception):
    """A sentence for the user: what is wrong and what is expected. Never contains private material."""
