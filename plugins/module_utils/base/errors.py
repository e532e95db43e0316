# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The exceptions of the core, raised for every problem with a key, a token or an option."""

from __future__ import annotations


class NatsSecurityError(Exception):
    """A sentence for the user: what is wrong and what is expected. Never contains private material."""


class Missing(NatsSecurityError):
    """A store or a file that does not exist, but that an earlier task may create. In check mode it does not exist until that task really runs."""


def unless_made(message: str) -> str:
    """The warning of check mode about an error that the real run reports unless an earlier task creates what is missing."""
    return f"{message} Unless an earlier task makes it, the real run fails."
