# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Run tasks on the controller: the module's own code runs in the process of the task, without a connection.

So no module is packed, copied and started, which takes 0.3 seconds. Tasks without files and external signers do not depend on a host, and their seeds do not
leave the controller; the host of others is the controller. The module is an AnsibleModule as usual, of a class that takes its arguments from the task and keeps
its result.
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import importlib
import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

from ansible import constants
from ansible.errors import AnsibleError
from ansible.module_utils.common.parameters import remove_values

from ansible_collections.natsops.security.plugins.module_utils.tasks import paths
from ansible_collections.natsops.security.plugins.module_utils.tasks.task import MASKS_OUTPUT, CarefulModule
from ansible_collections.natsops.security.plugins.plugin_utils.refusals import as_data

_MODULES = "ansible_collections.natsops.security.plugins.modules."


class NeedsHost(Exception):
    """The task uses a file or a signer of its host."""


def run(task: Any, task_vars: dict[str, Any], folder: str | None = None) -> dict[str, Any]:
    """Run the module of a task, and return its result. The `main` of the module receives the function that creates the AnsibleModule.

    With `folder`, in which a process of the module would run, the task may use files and signers. Without it, NeedsHost, before anything is done, if it does.
    """
    name = task.action.rpartition(".")[2]
    result: dict[str, Any] = {}
    settings = {"module_name": task.action, "check_mode": bool(task.check_mode), "diff": bool(task.diff)}
    internal = {f"_ansible_{setting}": value for setting, value in settings.items()}
    make = functools.partial(ModuleOnController, {**plain(task.args), **internal}, result, folder is not None)
    try:
        with _inside(folder):
            importlib.import_module(_MODULES + name).main(make)
    except SystemExit:  # every AnsibleModule ends with it
        if not _shows_invocation(task_vars):
            result.pop("invocation", None)
        # As from a process: native types only. Ansible could not pass others, such as the placeholder of a new key, on to its main process.
        return as_data(json.loads(json.dumps(plain(result))))
    raise AssertionError(f"{name} did not exit.")


@contextlib.contextmanager
def _inside(folder: str | None) -> Iterator[None]:
    """Work in a folder, if there is one."""
    if folder is None:
        yield
        return
    before = os.open(".", getattr(os, "O_PATH", os.O_RDONLY))  # the current folder may not be readable
    try:
        os.chdir(folder)
        yield
    finally:
        with contextlib.suppress(OSError):  # nor may it be entered again
            os.fchdir(before)
        os.close(before)


def _shows_invocation(task_vars: dict[str, Any]) -> bool:
    """Whether results include the arguments of the module, which is a setting since ansible-core 2.21."""
    try:
        return bool(constants.config.get_config_value("INJECT_INVOCATION", variables=task_vars))
    except AnsibleError:  # the setting does not exist
        return True


class ModuleOnController(CarefulModule):
    """A module that takes its arguments from a task, and writes its result into a dictionary. NeedsHost if the arguments name a file or a signer, unless
    it `may_use_files`."""

    def __init__(self, arguments: dict[str, Any], result: dict[str, Any], may_use_files: bool, **declared: Any) -> None:
        self._arguments = arguments
        self._result = result
        self._warnings: dict[str, None] = {}
        super().__init__(**declared)
        if not may_use_files and needs_host(self.argument_spec, self.params):
            raise NeedsHost

    def _load_params(self) -> None:
        self.params = self._arguments
        self._guard_params()

    def _log_invocation(self) -> None:
        """Log nothing: hosts log the modules that run on them, and this one runs in Ansible itself."""

    def _set_cwd(self) -> None:
        """Stay in the current folder of Ansible."""

    def warn(self, warning: str, **_how: Any) -> None:
        """Add a warning without secrets. AnsibleModule keeps warnings for the whole process, so they would be repeated in each item of a loop."""
        self._warnings[self.hide_secrets(warning)] = None

    def _leave_with(self, result: dict[str, Any]) -> None:
        tracker = getattr(self, "_new_secrets", None)
        if tracker is not None:  # since ansible-core 2.22, which has another one for the task
            tracker.unregister()
        if self._warnings:
            result["warnings"] = list(self._warnings)
        self._result.update(result if MASKS_OUTPUT else self._without_no_log(result))

    def _without_no_log(self, result: dict[str, Any]) -> dict[str, Any]:
        """The result without values of no_log options, as AnsibleModule returns it before ansible-core 2.22. Later versions mask the output instead."""
        kept = {name: value for name, value in result.items() if value is None or isinstance(value, bool)}
        return {**remove_values(result, self.no_log_values), **kept}


def needs_host(spec: dict[str, Any], params: dict[str, Any]) -> bool:
    """Whether the options of a task name a file or an external signer, which is a program, a service or a device that its host can access."""
    return bool(params.get("signers")) or next(paths.path_options(spec, params), None) is not None


def plain(value: Any) -> Any:
    """A value with native Python types, as a module on a host receives it: strings lose the tags by which Ansible decides whether they are templates."""
    if isinstance(value, str):
        return str.__str__(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Mapping):
        return {plain(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(item) for item in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    return str.__str__(str(value))  # a value from a vault, decrypted
