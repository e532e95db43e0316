# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Messages of modules that the roles of this collection run: whoever uses a role knows its variables, and none of the module's options."""

from __future__ import annotations

import dataclasses
import pathlib
import re
from typing import Any

import yaml

_ROLES = "natsops.security."
_ABOUT_SEVERAL = ("parameters are mutually exclusive: ", "one of the following is required: ", "One of ")


def say_variables(result: dict[str, Any], task: Any) -> None:
    """Have the message of a task that failed name the variables of the role of this collection that runs it, in the place of options."""
    if not result.get("failed"):
        return
    variables = _variables(task)
    if isinstance(result.get("msg"), str):
        result["msg"] = with_variables(result["msg"], variables)
    # From ansible-core 2.19 on, what is printed of a failure is this, as the module returns it.
    summary: Any = result.get("exception")
    event: Any = getattr(summary, "event", None)
    if hasattr(event, "__dataclass_fields__") and isinstance(getattr(event, "msg", None), str):
        changed = dataclasses.replace(event, msg=with_variables(event.msg, variables))
        result["exception"] = dataclasses.replace(summary, event=changed)


def _variables(task: Any) -> dict[str, str]:
    role = task._role.get_name(include_role_fqcn=True) if task._role is not None else ""
    if not role.startswith(_ROLES):
        return {}
    given = (task.get_ds() or {}).get(task.action) or {}
    specs = yaml.safe_load((pathlib.Path(task._role._role_path) / "meta/argument_specs.yml").read_text("utf-8"))
    documented = {name for entry in specs["argument_specs"].values() for name in entry.get("options") or ()}
    return variables_of(given, documented, role.rpartition(".")[2] + "_")


def variables_of(given: dict[str, Any], documented: set[str], prefix: str) -> dict[str, str]:
    """The documented variable that each option of a task is given by, where there is just one, or one that is called like the option."""
    found = {}
    for option, value in given.items():
        names = documented.intersection(re.findall(r"\w+", value)) if isinstance(value, str) else set()
        alike = {prefix + option} & names or names
        if len(alike) == 1:
            found[option] = alike.pop()
    return found


def with_variables(message: str, variables: dict[str, str]) -> str:
    """The message with variables for the options that lines of it begin with, or that it lists."""
    if message.startswith(_ABOUT_SEVERAL):
        message = message.replace(", _vault", "")  # between nats_store and its action plugin
    if not variables:
        return message
    options = "|".join(map(re.escape, sorted(variables, key=len, reverse=True)))

    def name(found: re.Match[str]) -> str:
        return variables[found[0]]

    if message.startswith(_ABOUT_SEVERAL):
        return re.sub(rf"\b(?:{options})\b", name, message)
    return re.sub(rf"(?m)^(?:{options})(?=[\[.: ])", name, message)
