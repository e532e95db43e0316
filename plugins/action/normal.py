# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The action plugin of the modules of this collection that have no other one; meta/runtime.yml lists the modules. It runs the module like any other,
names the variables of a role in its messages, and leaves a note for the callback natsops.security.reasons.

A task that only works on content, without files and signers of its host, runs on the controller.
"""

from __future__ import annotations

from typing import Any

from ansible.plugins.action.normal import ActionModule as NormalAction

from ansible_collections.natsops.security.plugins.plugin_utils import notes, role_variables

#: The modules that can work without files.
CONTENT_MODULES = frozenset({"nats_nkey", "nats_operator", "nats_account", "nats_user", "nats_activation"})


class ActionModule(NormalAction):
    """The action plugin for Ansible."""

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task, leave a note, and return the result."""
        result = self._run_on_controller(task_vars or {}) if self._may_be_content() else None
        if result is None:
            result = super().run(tmp, task_vars)
        role_variables.say_variables(result, self._task)
        notes.leave(result, self._task, (task_vars or {}).get("inventory_hostname", ""))
        return result

    def _may_be_content(self) -> bool:
        """Whether the module can run on the controller, and none of its top-level options names a file."""
        if self._task.action.rpartition(".")[2] not in CONTENT_MODULES or self._task.async_val:
            return False
        return not any(name.endswith("path") and value is not None for name, value in self._task.args.items())

    def _run_on_controller(self, task_vars: dict[str, Any]) -> dict[str, Any] | None:
        """The result of the task; None if its host is needed after all."""
        # Imported here, because the import would slow down tasks that do not need it.
        from ansible_collections.natsops.security.plugins.plugin_utils import on_controller

        try:
            return on_controller.run(self._task, task_vars)
        except on_controller.NeedsHost:
            return None
