# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Messages of modules that run in roles of this collection: they name the variables of the role, because users of a role do not know module options."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.natsops.security.plugins.plugin_utils.task_warnings import lists_of_warnings

_ROLES = "natsops.security."
#: Has the documented variables of all roles. Some roles also use variables of others.
_SCHEMA = pathlib.Path(__file__).resolve().parents[2] / "schemas/variables.schema.json"
_REQUIRED = "one of the following is required: "
#: Where sentences name an option without an underscore: the beginning of such a message, and the option in it. The first two are of Ansible itself.
_IN_SENTENCES = (
    ("^Unsupported parameters for ", r"(?:(?<= module: )|(?<=, ))(?:{})(?=\.\w)"),
    (" found in '?\\w", r"(?:(?<= found in )|(?<= found in '))(?:{})(?![\w-])"),
    (r"^There (?:is|are) \d+ problems? in ", r"(?:(?<=problem in )|(?<=problems in ))(?:{})(?=[ ,])"),
)
_ABOUT_SEVERAL = ("parameters are mutually exclusive: ", _REQUIRED, "One of ")


def say_variables(result: dict[str, Any], task: Any, order: Any = None) -> None:
    """Replace module options by the variables of the role in the warnings and the message of a task, if a role of this collection runs it. `order` is the
    request of the role credentials, which knows the entries of its variables in the document."""
    has_failed, warnings = result.get("failed"), lists_of_warnings(result)
    if not has_failed and not warnings:
        return
    variables = _variables(task)
    if variables and isinstance(order, Mapping) and task._role.get_name(include_role_fqcn=False) == "credentials":
        variables |= order["places"]
    for found in warnings:
        found[:] = [_summary_with_variables(warning, variables) for warning in found]
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
    try:
        documented = json.loads(_SCHEMA.read_text("utf-8"))["properties"]
    except OSError:
        return {}  # a copy of the collection without this folder names options
    return variables_of(_given(task), set(documented), role.rpartition(".")[2] + "_")


def _given(task: Any) -> dict[str, Any]:
    """The options of a task as its role has them, before templating. Those in its `module_defaults` may be a variable of the role."""
    written = task.get_ds() or {}
    defaults = (written.get("module_defaults") or {}).get(task.action) or {}
    if isinstance(defaults, str):
        defaults = task._role.get_vars().get(defaults.strip("{} ")) or {}
    return {**defaults, **(written.get(task.action) or {})}


def variables_of(given: dict[str, Any], documented: set[str], prefix: str) -> dict[str, str]:
    """The documented variable in the value of each option, by option. If there are several, it is the one with the name of the option, or none. A variable
    that a template only tests, before `ternary`, does not count."""
    found = {}
    for option, value in given.items():
        taken = value.rpartition("ternary(")[2] if isinstance(value, str) else ""
        names = documented.intersection(re.findall(r"\w+", taken))
        alike = {prefix + option} & names or names
        if len(alike) == 1:
            found[option] = alike.pop()
    return found


def with_variables(message: str, variables: dict[str, str]) -> str:
    """The message with options replaced by variables: at the beginning of lines and in lists of options. Within sentences, only options with an underscore are
    replaced, because the others are words too."""
    about_several = message.startswith(_ABOUT_SEVERAL)
    if about_several:
        message = message.replace(", _vault", "")  # an internal option of nats_store and its action plugin
    required = re.fullmatch(_REQUIRED + r"(\w+(?:, \w+)*)", message)
    known = [option for option in required[1].split(", ") if option in variables] if required else []
    if known:  # the role cannot set the others
        message = _REQUIRED + ", ".join(known)
    options = sorted(variables, key=len, reverse=True)
    unmistakable = [option for option in options if about_several or "_" in option]
    patterns = [(r"^(?:{})(?=[\[.: ])", options), (r"(?<![\w./'-])(?:{})(?![\w/'-]|\.\w)", unmistakable)]
    patterns += [(pattern, options) for start, pattern in _IN_SENTENCES if re.search(start, message)]
    for pattern, replaced in patterns:
        if replaced:
            message = re.sub(
                "(?m)" + pattern.format("|".join(map(re.escape, replaced))), lambda found: variables[found[0]], message
            )
    return message
