# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The warnings of the current task: ansible-core 2.22 and later take them out of the result of a module as soon as they have read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

try:
    from ansible._internal._display_utils import DeferredWarningContext
except ImportError:  # ansible-core before 2.19
    DeferredWarningContext = None


def lists_of_warnings(result: Mapping[str, Any]) -> list[list[Any]]:
    """The lists of what Ansible shows as warnings of the current task: that in its result, and that which Ansible keeps. Each list may be changed."""
    context = DeferredWarningContext.current(optional=True) if DeferredWarningContext is not None else None
    return [found for found in (result.get("warnings"), context and context.get_warnings()) if found]
