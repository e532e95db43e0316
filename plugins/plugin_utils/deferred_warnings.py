# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The warnings of the current task, which ansible-core 2.22 and later take out of the result of a module as soon as they have read it."""

from __future__ import annotations

from typing import Any

try:
    from ansible._internal._display_utils import DeferredWarningContext
except ImportError:  # ansible-core before 2.19
    DeferredWarningContext = None


def deferred_warnings() -> list[Any]:
    """The warnings that Ansible shows at the end of the current task. Ansible shows what is changed in this list; it is empty before ansible-core 2.22."""
    context = DeferredWarningContext.current(optional=True) if DeferredWarningContext is not None else None
    return context.get_warnings() if context is not None else []
