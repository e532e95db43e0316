# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Values of options with suboptions that are no dictionary or list of dictionaries.

Ansible searches these options for secrets before it validates their types. For a wrong value, it then fails with an error that names no option.
"""

from __future__ import annotations

from typing import Any, Iterator

from ansible.module_utils.common.validation import check_type_dict

from ..base.excerpts import expected, quoted


def shape_problems(spec: dict[str, Any], params: dict[str, Any], path: str = "") -> Iterator[str]:
    """A message for each value that Ansible cannot convert to the dictionaries that an option with suboptions consists of."""
    for name, option in spec.items():
        value = params.get(name)
        if value is None or "options" not in option:
            continue
        if option["type"] == "list":
            yield from _problems_of_list(option["options"], value, path + name)
        else:
            yield from _problems_of(option["options"], value, path + name)


def _problems_of_list(options: dict[str, Any], value: Any, path: str) -> Iterator[str]:
    items = value
    if isinstance(value, str):
        # Ansible reads the whole text as a dictionary, and then as the elements of a list.
        items = value.split(",")
        items = items if all(_as_dictionary(text) is not None for text in (value, *items)) else None
    if not isinstance(items, list):
        yield f"{path}: " + expected("a list of dictionaries", options, _shown(options, value))
        return
    for index, item in enumerate(items):
        yield from _problems_of(options, item, f"{path}[{index}]")


def _problems_of(options: dict[str, Any], value: Any, path: str) -> Iterator[str]:
    members = _as_dictionary(value)
    if members is None:
        yield f"{path}: " + expected("a dictionary", options, _shown(options, value))
    else:
        yield from shape_problems(options, members, f"{path}.")


def _as_dictionary(value: Any) -> dict[str, Any] | None:
    """The dictionary that Ansible makes of a value; None if it makes none."""
    try:
        members: dict[str, Any] = check_type_dict(value)
    except (TypeError, ValueError):  # ansible-core 2.16 lets the latter through
        return None
    return members


def _shown(options: dict[str, Any], value: Any) -> str:
    """The value in a message; only its type where a secret may be part of it."""
    if not _has_secrets(options):
        return quoted(value)
    return "a text" if isinstance(value, str) else f"a value of type {type(value).__name__}"


def _has_secrets(options: dict[str, Any]) -> bool:
    return any(
        option.get("no_log") or name == "password" or _has_secrets(option.get("options") or {})
        for name, option in options.items()
    )
