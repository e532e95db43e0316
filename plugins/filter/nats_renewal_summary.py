# Copyright (c) 2026 NatsOps authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: a summary of a renewal and its failures, for an alerting program."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ansible_collections.natsops.security.plugins.module_utils.base import units
from ansible_collections.natsops.security.plugins.module_utils.store import outlook
from ansible_collections.natsops.security.plugins.plugin_utils.refusals import as_data, refusal


def nats_renewal_summary(info: Any, results: list[Any], failed: dict[str, str], within: str) -> dict[str, Any]:
    """A summary of what was issued, what expires soon and who must act, and which hosts failed."""
    try:
        seconds = units.parse_seconds(within)
    except ValueError as error:
        raise refusal(f"nats_renewal_summary: within: {error}.") from None
    issued = [entity for result in results for entity in (result or {}).get("entities") or ()]
    due = outlook.outlook((info or {}).get("entities") or [], seconds)
    summary = outlook.summary(issued, due, failed, units.show_time(int(time.time())))
    return as_data(summary)


class FilterModule:
    """The filter for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filter by name."""
        return {"nats_renewal_summary": nats_renewal_summary}
