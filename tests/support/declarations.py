# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The arguments with which each module creates its AnsibleModule."""

from __future__ import annotations

import copy
import importlib
from typing import Any
from unittest import mock

from ansible.module_utils.basic import FILE_COMMON_ARGUMENTS
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
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


def refusals(spec: dict[str, Any], given: dict[str, Any], **rules: Any) -> list[str]:
    """Return why Ansible refuses values of an argument spec, which is not changed. `rules` are those between options."""
    return list(ArgumentSpecValidator(without_no_log(spec), **rules).validate(copy.deepcopy(given)).error_messages)


def without_no_log(spec: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of an argument spec whose options, at any depth, have no `no_log`.

    Since ansible-core 2.22, a value of an option with `no_log` is masked in everything that the process prints or returns from then on, including the results
    of later tests. Whether a value is refused does not depend on `no_log`.
    """
    found = {}
    for name, option in spec.items():
        inner = {"options": without_no_log(option["options"])} if option.get("options") else {}
        found[name] = {
            **copy.deepcopy({word: one for word, one in option.items() if word != "options"}),
            **inner,
            "no_log": False,
        }
    return found
