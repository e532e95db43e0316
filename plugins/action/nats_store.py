# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The action plugin of the module nats_store. It runs the module like any other, unless the task uses a vault."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action.normal import ActionModule as NormalAction

from ansible_collections.natsops.security.plugins.plugin_utils import notes, role_variables


class ActionModule(NormalAction):
    """The action plugin for Ansible."""

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task, leave a note for the callback natsops.security.reasons, and return the result."""
        result = self._run_with_or_without_vault(tmp, task_vars)
        role_variables.say_variables(result, self._task)
        notes.leave(result, self._task, (task_vars or {}).get("inventory_hostname", ""))
        return result

    def _run_with_or_without_vault(self, tmp: Any, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        if self._task.args.get("vault_file") is None:
            result: dict[str, Any] = super().run(tmp, task_vars)
            return result
        # Imported here, because the import would slow down tasks that do not need it.
        from ansible_collections.natsops.security.plugins.plugin_utils.vault_action import VaultAction

        parts = (self._task, self._connection, self._play_context, self._loader, self._templar, self._shared_loader_obj)
        return VaultAction(*parts).run_with_vault(task_vars)
