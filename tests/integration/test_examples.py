# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The EXAMPLES of the modules for single tokens run unchanged, as one playbook, except that a folder of the test replaces /etc/nats."""

from __future__ import annotations

import importlib
import pathlib
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from support.plays import cores

if TYPE_CHECKING:
    from support.plays import Play

# In order of their dependencies.
MODULES = ("nkey", "operator", "account", "user", "activation", "creds", "jwt_info")
PARTNER = {
    "name": "Make the key of the account that the examples call partner",
    "natsops.security.nats_nkey": {"path": "/etc/nats/partner.nk", "type": "account"},
    "register": "partner",
}


def examples() -> dict[str, list[dict[str, Any]]]:
    """The tasks in the EXAMPLES of these modules."""
    found = {}
    for module in MODULES:
        source = importlib.import_module(f"ansible_collections.natsops.security.plugins.modules.nats_{module}")
        found[module] = yaml.safe_load(source.EXAMPLES)
    return found


def with_check_mode_in_mind(tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The tasks. Those that read what earlier tasks create are skipped in check mode."""
    reads = "natsops.security.nats_jwt_info", "ansible.builtin.assert"
    return [
        {**task, "when": "not ansible_check_mode"} if any(name in task for name in reads) else task for task in tasks
    ]


def without_names(value: Any) -> Any:
    """A diff without public keys and times: check mode shows a placeholder for a new key, and `now` is later in the real run."""
    if isinstance(value, dict):
        return {without_names(name): without_names(item) for name, item in value.items()}
    if isinstance(value, list):
        return sorted(map(without_names, value), key=str)
    return re.sub(r"\(a new [^)]*\)|\b[OAU][A-Z2-7]{55}\b|20[0-9T:-]+Z", "?", str(value))


def test_every_module_has_an_example_of_itself() -> None:
    for module, tasks in examples().items():
        assert any(f"natsops.security.nats_{module}" in task for task in tasks), module
        assert all(task.get("name") for task in tasks)


@pytest.mark.parametrize("binaries", cores(), ids=lambda path: path.parent.name)
def test_examples_run_change_nothing_the_second_time_and_are_predicted(play: Play, binaries: pathlib.Path) -> None:
    folder = play.folder / "nats"
    folder.mkdir(mode=0o700)
    text = yaml.safe_dump([PARTNER, *(task for tasks in examples().values() for task in tasks)], sort_keys=False)
    tasks = with_check_mode_in_mind(yaml.safe_load(text.replace("/etc/nats", str(folder))))

    predicted = play(tasks, "--check", "--diff", binaries=binaries)
    assert predicted.returncode == 0, predicted.output
    assert list(folder.iterdir()) == []

    first = play(tasks, "--diff", binaries=binaries)
    assert first.returncode == 0, first.output
    wrote = {
        name for name, result in first.tasks.items() if "_nats_" in result["module"] and "info" not in result["module"]
    }
    removed = {name for name in wrote if name.startswith("Remove")}
    assert {name for name, changed in first.changed.items() if changed} == wrote - removed
    assert {name: predicted.changed[name] for name in wrote} == {name: first.changed[name] for name in wrote}
    for name in wrote:
        if first.tasks[name]["module"].endswith("_creds"):
            continue  # in check mode, earlier tasks have not created the JWT that this one reads
        assert without_names(predicted.tasks[name]["diff"]) == without_names(first.tasks[name]["diff"]), name

    second = play(tasks, "--diff", binaries=binaries)
    assert second.returncode == 0, second.output
    assert [name for name, changed in second.changed.items() if changed] == []
    assert second.tasks["Show why it was signed again"]["msg"] == []
    assert "changed=0" in second.output
