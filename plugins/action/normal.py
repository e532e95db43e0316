# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The action plugin of the modules of this collection that have no other one; meta/runtime.yml lists the modules. It runs the module like any other,
names the variables of a role in its messages, and leaves a note for the callback natsops.security.reasons.

Some tasks run on the controller, in the process of the task: those that only work on content, without files and signers of their host, and those on files if
their host is the controller, with the same user and Python. No module is packed, compiled and started for them.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from ansible import constants
from ansible.plugins.action.normal import ActionModule as NormalAction

from ansible_collections.natsops.security.plugins.plugin_utils import notes, role_variables

#: The modules that can work without files.
CONTENT_MODULES = frozenset({"nats_nkey", "nats_operator", "nats_account", "nats_user", "nats_activation"})
#: The modules that only use files of their host and the signers that these name, and no server.
FILE_MODULES = CONTENT_MODULES | {
    "nats_creds",
    "nats_jwt_info",
    "nats_revocation",
    "nats_sign",
    "nats_store",
    "nats_store_info",
}


class ActionModule(NormalAction):
    """The action plugin for Ansible."""

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task, leave a note, and return the result."""
        result = self.run_module(tmp, task_vars or {})
        role_variables.say_variables(result, self._task, (task_vars or {}).get("credentials_order"))
        notes.leave(result, self._task, (task_vars or {}).get("inventory_hostname", ""))
        return result

    def run_module(self, tmp: Any, task_vars: dict[str, Any]) -> dict[str, Any]:
        """Run the module, in this process if possible, and return its result."""
        result = self._run_in_this_process(task_vars)
        if result is None:
            result = super().run(tmp, task_vars)
        return result

    def _run_in_this_process(self, task_vars: dict[str, Any]) -> dict[str, Any] | None:
        """The result of the task; None if it has to run on its host."""
        name = self._task.action.rpartition(".")[2]
        is_here = name in FILE_MODULES and self._is_here(task_vars)
        if self._task.async_val or not (is_here or (name in CONTENT_MODULES and not self._names_a_file())):
            return None
        # Imported here, because the import would slow down tasks that do not need it.
        from ansible_collections.natsops.security.plugins.plugin_utils import on_controller

        try:
            return on_controller.run(self._task, task_vars, self._loader.get_basedir() if is_here else None)
        except on_controller.NeedsHost:
            return None

    def _names_a_file(self) -> bool:
        """Whether a top-level option names a file."""
        return any(name.endswith("path") and value is not None for name, value in self._task.args.items())

    def _is_here(self, task_vars: Mapping[str, Any]) -> bool:
        """Whether a process of the module would run here, as the same user, with this Python and in the same environment."""
        task, connection = self._task, self._connection
        if connection.transport != "local" or connection.become is not None or any(task.environment or ()):
            return False
        of_host = (
            task_vars.get("ansible_delegated_vars", {}).get(task.delegate_to, {}) if task.delegate_to else task_vars
        )
        python = constants.config.get_config_value("INTERPRETER_PYTHON", variables=of_host)
        return not constants.DEFAULT_KEEP_REMOTE_FILES and self._templar.template(python) == sys.executable
