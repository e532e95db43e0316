# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The controller's part of modules of this collection without an action plugin of their own: what Ansible does for any module, the variables of a
role in its messages, and a note of what it did for the callback natsops.security.reasons. meta/runtime.yml names the modules.

A task that works on content alone, with neither a file nor a signer of its host, is done here.
"""

from __future__ import annotations

from typing import Any

from ansible.plugins.action.normal import ActionModule as NormalAction

from ansible_collections.natsops.security.plugins.plugin_utils import notes, role_variables

#: The modules that can work on content alone.
CONTENT_MODULES = frozenset({"nats_nkey", "nats_operator", "nats_account", "nats_user", "nats_activation"})


class ActionModule(NormalAction):
    """Runs a module."""

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The result of the task."""
        result = self._run_on_controller(task_vars or {}) if self._may_be_content() else None
        if result is None:
            result = super().run(tmp, task_vars)
        role_variables.say_variables(result, self._task)
        notes.leave(result, self._task, (task_vars or {}).get("inventory_hostname", ""))
        return result

    def _may_be_content(self) -> bool:
        """Whether none of the options at the top names a file."""
        if self._task.action.rpartition(".")[2] not in CONTENT_MODULES or self._task.async_val:
            return False
        return not any(name.endswith("path") and value is not None for name, value in self._task.args.items())

    def _run_on_controller(self, task_vars: dict[str, Any]) -> dict[str, Any] | None:
        """The result of the task; None where its host is needed after all."""
        # Every task would pay for this import.
        from ansible_collections.natsops.security.plugins.plugin_utils import on_controller

        try:
            return on_controller.run(self._task, task_vars)
        except on_controller.NeedsHost:
            return None
