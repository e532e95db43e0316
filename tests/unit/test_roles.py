# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What holds for the tasks of every role."""

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


class _Loader(yaml.SafeLoader):
    """Reads what Ansible marks, such as `!unsafe`, as the text that it is."""


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
    """What a play says about its hosts is not meant for the controller or the signing host."""
    delegated = [task for task in _tasks_of_file(file) if "delegate_to" in task]
    assert [task["name"] for task in delegated if "become" not in task] == []
    assert [task["name"] for task in delegated if task["delegate_to"] == "localhost" and task["become"]] == []
