# Copyright (c) 2026 NatsOps authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: what a task changed and why, from its result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.natsops.security.plugins.plugin_utils.reasons import MOST_LINES, changes_of, lines
from ansible_collections.natsops.security.plugins.plugin_utils.refusals import refusal


def nats_reasons(result: Any, module: str = "nats_store", most_lines: int = MOST_LINES) -> list[str]:
    """The lines that describe the changes in a result."""
    if not isinstance(result, Mapping):
        raise refusal("nats_reasons: expected the registered result of a task.")
    results = result["results"] if isinstance(result.get("results"), list) else [result]
    changes = [change for one in results for change in changes_of(one, module.rpartition(".")[2])]
    return lines(changes, most_lines)


class FilterModule:
    """The filter for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filter by name."""
        return {"nats_reasons": nats_reasons}
