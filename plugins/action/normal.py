# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The controller's part of modules of this collection without an action plugin of their own: what Ansible does for any module, the variables of a
role in its messages, and a note of what it did for the callback natsops.security.reasons. meta/runtime.yml names the modules."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action.normal import ActionModule as NormalAction

from ansible_collections.natsops.security.plugins.plugin_utils import notes, role_variables


class ActionModule(NormalAction):
    """Runs a module."""

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The result of the task."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        role_variables.say_variables(result, self._task)
        notes.leave(result, self._task, (task_vars or {}).get("inventory_hostname", ""))
        return result
