# Copyright (c) 2026 NatsOps authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters: the claims of a token, whether it is valid, and when it expires."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ansible_collections.natsops.security.plugins.module_utils.base import units
from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.rules import validity
from ansible_collections.natsops.security.plugins.plugin_utils.refusals import as_data, refusal
from ansible_collections.natsops.security.plugins.plugin_utils.tokens import moments_of, read_parents, read_token


def nats_jwt(token: Any, parents: Any = None, valid_at: Any = None) -> dict[str, Any]:
    """The same information about a token as the module nats_jwt_info returns."""
    now = int(time.time())
    try:
        read = read_token(token)
        times = moments_of(valid_at, "valid_at", now)
        return as_data(validity.report(read, read_parents(parents), times, now))
    except NatsSecurityError as error:
        raise refusal(f"nats_jwt: {error}") from None


def nats_expiry(token: Any, parents: Any = None, remaining: bool = False) -> str | int | None:
    """When a token expires; with `remaining`, the number of seconds until then. None if it does not expire."""
    try:
        end = validity.end_of(read_token(token).claims, read_parents(parents))
    except NatsSecurityError as error:
        raise refusal(f"nats_expiry: {error}") from None
    if not end:
        return None
    return end - int(time.time()) if remaining else units.show_time(end)


class FilterModule:
    """The filters for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters by name."""
        return {"nats_jwt": nats_jwt, "nats_expiry": nats_expiry}
