# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Notes that pass the changes of tasks to the callback `natsops.security.reasons`, even if `no_log` hides the results of the tasks from callbacks.

A task runs in its own process, and Ansible censors its result before a callback receives it. So the action plugin of the task leaves a note, which the
callback collects: a file in a folder of this run of Ansible, which only its user can open and which Ansible removes at the end of the run.
A note has names and reasons. It is created from the module's result, in which the module has already masked secrets.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping
from typing import Any

from ansible import constants

from ansible_collections.natsops.security.plugins.plugin_utils.reasons import Change, Told, changes_of, summary_of
from ansible_collections.natsops.security.plugins.plugin_utils.task_warnings import lists_of_warnings

try:
    from ansible.utils.vars import transform_to_native_types  # as Ansible does for results that it passes to callbacks
except ImportError:  # ansible-core before 2.19, in which results have native types

    def transform_to_native_types(value: Any) -> Any:
        """The value, unchanged."""
        return value


def _folder() -> str:
    return os.path.join(constants.DEFAULT_LOCAL_TMP, "natsops_security_reasons")


def expect() -> None:
    """Create the folder of notes, so that tasks leave notes from now on."""
    os.makedirs(_folder(), mode=0o700, exist_ok=True)


def leave(result: Mapping[str, Any], task: Any, host: str) -> None:
    """Leave a note about the result of a task, if `expect` was called in this run."""
    folder = _folder()
    if not os.path.isdir(folder):
        return
    plain: dict[str, Any] = transform_to_native_types(dict(result))
    module = task.action.rpartition(".")[2]
    named = task.args.get("name") or task.args.get("account") or task.args.get("path") or ""
    note = {
        "host": host,
        "task": task.get_name(),
        "module": module,
        "is_check": bool(task.check_mode),
        "changed": bool(plain.get("changed")),
        "failed": bool(plain.get("failed")),
        "changes": changes_of(plain, module, str(named)),
        "summary": summary_of(plain),
        "prepared": str(plain.get("prepared", "")),
        "error": str(plain.get("msg", "")) if plain.get("failed") and not task.no_log else "",
        "warnings": [str(_text_of(warning)) for found in lists_of_warnings(result) for warning in found],
    }
    path = os.path.join(folder, uuid.uuid4().hex)
    with open(path + ".part", "x", encoding="utf-8") as file:
        json.dump(note, file)
    os.rename(path + ".part", path)


def _text_of(warning: Any) -> Any:
    return getattr(getattr(warning, "event", None), "msg", warning)


def collect() -> list[Told]:
    """The notes that were left since the last call. Those of the same task are in no order."""
    found = []
    folder = _folder()
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
        if name.endswith(".part"):
            continue
        path = os.path.join(folder, name)
        with open(path, encoding="utf-8") as file:
            note = json.load(file)
        os.unlink(path)
        note["changes"] = tuple(Change(name, action, tuple(because)) for name, action, because in note["changes"])
        note["warnings"] = tuple(note["warnings"])
        found.append(Told(**note))
    return found
