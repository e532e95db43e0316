# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The exception of the core, raised for every problem with a key, a token or an option."""

from __future__ import annotations


class NatsSecurityError(Exception):
    """A sentence for the user: what is wrong and what is expected. Never contains private material."""


class Missing(NatsSecurityError):
    """A store or a file that does not exist, but that an earlier task may create. In check mode it does not exist until that task really runs."""
