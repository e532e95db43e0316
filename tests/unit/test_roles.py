# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Conventions for the tasks of every role."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROLES = ROOT / "roles"
FILES = sorted(ROLES.glob("*/tasks/*.yml"))
PLAYBOOKS = sorted((ROOT / "playbooks").glob("*.yml"))


def _tasks(tasks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for task in tasks:
        yield task
        for part in ("block", "rescue", "always"):
            yield from _tasks(task.get(part, []))


_INCLUDES = ("ansible.builtin.include_role", "ansible.builtin.include_tasks")


class _Loader(yaml.SafeLoader):
    """Reads values with Ansible's tags, such as `!unsafe`, as plain text."""


_Loader.add_multi_constructor("!", lambda loader, _suffix, node: loader.construct_scalar(node))


def _tasks_of_file(file: pathlib.Path) -> list[dict[str, Any]]:
    found = yaml.load(file.read_text(), _Loader)
    parts = (
        found
        if file in FILES
        else [task for play in found for task in (*play.get("tasks", []), *play.get("handlers", []))]
    )
    return list(_tasks(parts))


@pytest.mark.parametrize("file", [*FILES, *PLAYBOOKS], ids=lambda file: str(file.relative_to(ROOT)))
def test_delegated_tasks_say_whether_they_become_root(file: pathlib.Path) -> None:
    """The `become` of a play is for its hosts; it must not apply to the controller or the signing host."""
    delegated = [task for task in _tasks_of_file(file) if "delegate_to" in task]
    assert [task["name"] for task in delegated if "become" not in task] == []
    assert [task["name"] for task in delegated if task["delegate_to"] == "localhost" and task["become"]] == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_task_has_the_tag_of_its_role(file: pathlib.Path) -> None:
    tag = f"nats_{file.parents[1].name}"
    assert [task["name"] for task in yaml.safe_load(file.read_text()) if task.get("tags") != tag] == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_what_a_task_includes_runs_whichever_tag_it_runs_with(file: pathlib.Path) -> None:
    """The tags of an include apply only to the include itself. Without `apply`, a run with the tag of a role would skip the included tasks."""
    included = [task[word] for task in _tasks_of_file(file) for word in _INCLUDES if word in task]
    assert [
        include for include in included if not isinstance(include, dict) or include.get("apply") != {"tags": "always"}
    ] == []


@pytest.mark.parametrize("role", sorted(ROLES.iterdir()), ids=lambda role: role.name)
def test_no_task_hides_a_variable_of_its_role(role: pathlib.Path) -> None:
    parts = [role / part / "main.yml" for part in ("defaults", "vars")]
    known = {name for path in parts if path.exists() for name in yaml.load(path.read_text(), _Loader)}
    tasks = [task for file in FILES if file.parents[1] == role for task in _tasks_of_file(file)]
    assert [task["name"] for task in tasks if known & set(task.get("vars", {}))] == []
