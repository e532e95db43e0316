# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Messages of modules that run in roles of this collection: they name the variables of the role, because users of a role do not know module options."""

from __future__ import annotations

import dataclasses
import pathlib
import re
from typing import Any

import yaml

_ROLES = "natsops.security."
_ABOUT_SEVERAL = ("parameters are mutually exclusive: ", "one of the following is required: ", "One of ")


def say_variables(result: dict[str, Any], task: Any) -> None:
    """Replace module options by the variables of the role in the warnings and the message of a task, if a role of this collection runs it."""
    has_failed = result.get("failed")
    if not has_failed and not result.get("warnings"):
        return
    variables = _variables(task)
    if result.get("warnings"):
        result["warnings"] = [_summary_with_variables(warning, variables) for warning in result["warnings"]]
    if has_failed and isinstance(result.get("msg"), str):
        result["msg"] = with_variables(result["msg"], variables)
    # Since ansible-core 2.19, Ansible prints this event for a failure, as the module returns it.
    if has_failed and not isinstance(result.get("exception"), (str, type(None))):
        result["exception"] = _summary_with_variables(result["exception"], variables)


def _summary_with_variables(summary: Any, variables: dict[str, str]) -> Any:
    """A text, or since ansible-core 2.19 the summary of an event, as `with_variables` returns it. Other values are returned as they are."""
    if isinstance(summary, str):
        return with_variables(summary, variables)
    event: Any = getattr(summary, "event", None)
    if not hasattr(event, "__dataclass_fields__") or not isinstance(getattr(event, "msg", None), str):
        return summary
    return dataclasses.replace(summary, event=dataclasses.replace(event, msg=with_variables(event.msg, variables)))


def _variables(task: Any) -> dict[str, str]:
    role = task._role.get_name(include_role_fqcn=True) if task._role is not None else ""
    if not role.startswith(_ROLES):
        return {}
    given = (task.get_ds() or {}).get(task.action) or {}
    specs = yaml.safe_load((pathlib.Path(task._role._role_path) / "meta/argument_specs.yml").read_text("utf-8"))
    documented = {name for entry in specs["argument_specs"].values() for name in entry.get("options") or ()}
    return variables_of(given, documented, role.rpartition(".")[2] + "_")


def variables_of(given: dict[str, Any], documented: set[str], prefix: str) -> dict[str, str]:
    """The documented variable in the value of each option, by option. If there are several, it is the one with the name of the option, or none."""
    found = {}
    for option, value in given.items():
        names = documented.intersection(re.findall(r"\w+", value)) if isinstance(value, str) else set()
        alike = {prefix + option} & names or names
        if len(alike) == 1:
            found[option] = alike.pop()
    return found


def with_variables(message: str, variables: dict[str, str]) -> str:
    """The message with options replaced by variables, at the beginning of lines and in lists of options."""
    if message.startswith(_ABOUT_SEVERAL):
        message = message.replace(", _vault", "")  # an internal option of nats_store and its action plugin
    if not variables:
        return message
    options = "|".join(map(re.escape, sorted(variables, key=len, reverse=True)))

    def name(found: re.Match[str]) -> str:
        return variables[found[0]]

    if message.startswith(_ABOUT_SEVERAL):
        return re.sub(rf"\b(?:{options})\b", name, message)
    return re.sub(rf"(?m)^(?:{options})(?=[\[.: ])", name, message)
