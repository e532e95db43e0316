# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What holds for the tasks of every role."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

ROLES = pathlib.Path(__file__).resolve().parents[2] / "roles"
FILES = sorted(ROLES.glob("*/tasks/*.yml"))


def _tasks(tasks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for task in tasks:
        yield task
        for part in ("block", "rescue", "always"):
            yield from _tasks(task.get(part, []))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROLES)))
def test_delegated_tasks_say_whether_they_become_root(file: pathlib.Path) -> None:
    """What a play says about its hosts is not meant for the controller or the signing host."""
    delegated = [task for task in _tasks(yaml.safe_load(file.read_text())) if "delegate_to" in task]
    assert [task["name"] for task in delegated if "become" not in task] == []
    assert [task["name"] for task in delegated if task["delegate_to"] == "localhost" and task["become"]] == []
