# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The action plugin of the module nats_store. It runs the module like any other, unless the task uses a vault."""

from __future__ import annotations

from typing import Any

from ansible_collections.natsops.security.plugins.action import normal


class ActionModule(normal.ActionModule):
    """The action plugin for Ansible."""

    def run_module(self, tmp: Any, task_vars: dict[str, Any]) -> dict[str, Any]:
        """Run the module, with the seeds of a vault if the task has one, and return its result."""
        if self._task.args.get("vault_file") is None:
            return super().run_module(tmp, task_vars)
        # Imported here, because the import would slow down tasks that do not need it.
        from ansible_collections.natsops.security.plugins.plugin_utils.vault_action import VaultAction

        parts = (self._task, self._connection, self._play_context, self._loader, self._templar, self._shared_loader_obj)
        return VaultAction(*parts).run_with_vault(task_vars)
