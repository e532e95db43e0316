# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The arguments with which each module creates its AnsibleModule."""

from __future__ import annotations

import copy
import importlib
from typing import Any
from unittest import mock

from ansible.module_utils.basic import FILE_COMMON_ARGUMENTS
from checkout import ROOT

MODULES = sorted(path.stem for path in (ROOT / "plugins/modules").glob("nats_*.py"))


class Declared(Exception):
    """Raised in place of creating an AnsibleModule; carries the arguments."""


def declared(name: str) -> dict[str, Any]:
    """Return the arguments with which a module creates its AnsibleModule. They are a copy, because validation fills in defaults."""
    collection = "ansible_collections.natsops.security.plugins."
    module = importlib.import_module(f"{collection}modules.{name}")
    task = importlib.import_module(f"{collection}module_utils.tasks.task")

    def stop(**arguments: Any) -> None:
        raise Declared(arguments)

    with mock.patch.object(task, "CarefulModule", stop):
        try:
            module.main()
        except Declared as caught:
            arguments: dict[str, Any] = copy.deepcopy(caught.args[0])
            return arguments
    raise AssertionError(f"{name} makes no module")


def options_of(name: str) -> dict[str, Any]:
    """Return the argument spec of a module, including the options that Ansible adds."""
    arguments = declared(name)
    common = FILE_COMMON_ARGUMENTS if arguments.get("add_file_common_args") else {}
    return {**common, **arguments["argument_spec"]}
