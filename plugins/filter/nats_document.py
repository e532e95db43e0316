# Copyright (c) 2026 NatsOps authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: a document of nats_store as readable YAML."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ansible_collections.natsops.security.plugins.plugin_utils.refusals import refusal
from ansible_collections.natsops.security.plugins.plugin_utils.written_document import written


def nats_document(definition: Any, origin: str = "") -> str:
    """The document as YAML text."""
    if not isinstance(definition, dict):
        raise refusal("nats_document: expected a document, as nats_store_info returns it.")
    plain: dict[str, Any] = json.loads(json.dumps(definition))  # with native types instead of those of Ansible
    return written(plain, str(origin))


class FilterModule:
    """The filter for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filter by name."""
        return {"nats_document": nats_document}
