# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The tasks in EXAMPLES of plugins and in YAML blocks of the documentation name options that exist, with values that these options accept."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.task import Task
from checkout import ROOT
from jsonschema import Draft202012Validator
from support.declarations import MODULES, declared, options_of, refusals
from support.guides import FOLDER, IN_ORDER, blocks

PREFIX = "natsops.security."
VARIABLES = Draft202012Validator(json.loads((ROOT / "schemas/variables.schema.json").read_text()))
RULES = ("mutually_exclusive", "required_together", "required_one_of", "required_if", "required_by")
_BLOCKS = {
    ".md": re.compile(r"(?ms)^```yaml\n(.*?)^```$"),
    ".py": re.compile(r'(?ms)^EXAMPLES = r?"""\n(.*?)^"""$'),
    ".yml": re.compile(r"(?ms)^EXAMPLES: \|\n(.*?)(?=^\S|\Z)"),
}


def documented() -> dict[str, list[Any]]:
    """Return the YAML of each file with documentation."""
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "roles").glob("*/README.md")]
    plugins = [path for path in (ROOT / "plugins").rglob("*") if path.suffix in (".py", ".yml")]
    texts = {path: _BLOCKS[path.suffix].findall(path.read_text()) for path in sorted([*pages, *plugins])}
    for guide in IN_ORDER:
        texts[FOLDER / guide] = ["\n".join(block.lines) for block in blocks(guide) if block.language == "yaml"]
    parts = {path: [part for text in found for part in re.split(r"(?m)^---$", text)] for path, found in texts.items()}
    return {str(path.relative_to(ROOT)): list(map(DataLoader().load, found)) for path, found in parts.items() if found}


DOCUMENTED = documented()


def mappings(value: Any) -> Iterator[dict[str, Any]]:
    """Yield all dictionaries, at any depth."""
    if isinstance(value, dict):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from mappings(item)


def tasks(value: Any) -> Iterator[dict[str, Any]]:
    """Yield the tasks of this collection's modules."""
    for mapping in mappings(value):
        if "name" in mapping and any(f"{PREFIX}{module}" in mapping for module in MODULES):
            yield mapping


def problems(task: dict[str, Any]) -> list[str]:
    """Return what is wrong in a task."""
    (module,) = set(task) - set(Task.fattributes)
    name, given = module.removeprefix(PREFIX), task[module] or {}
    spec = {option: with_templates(one, given.get(option)) for option, one in options_of(name).items()}
    if is_template(given):
        return []
    rules = {rule: declared(name).get(rule) for rule in RULES}
    found = refusals(spec, given, **rules)
    found += [error.message for error in VARIABLES.iter_errors({"operator_definition": given.get("definition")})]
    return found


def is_template(value: Any) -> bool:
    return isinstance(value, str) and "{{" in value


def with_templates(option: dict[str, Any], value: Any) -> dict[str, Any]:
    """Return the spec of an option that also accepts the templates of a value."""
    if is_template(value):
        return {"type": "raw"}
    if isinstance(value, list):
        if any(map(is_template, value)):
            return {"type": "list"}
        for item in value:
            option = with_templates(option, item) if isinstance(item, dict) else option
    elif isinstance(value, dict) and option.get("options"):
        inner = {name: with_templates(one, value.get(name)) for name, one in option["options"].items()}
        return {**option, "options": inner}
    return option


@pytest.mark.parametrize("place", DOCUMENTED)
def test_documented_tasks_are_those_that_modules_accept(place: str) -> None:
    for task in tasks(DOCUMENTED[place]):
        assert problems(task) == [], task.get("name")


@pytest.mark.parametrize("place", DOCUMENTED)
def test_documented_variables_are_those_that_roles_accept(place: str) -> None:
    for mapping in mappings(DOCUMENTED[place]):
        assert [f"{error.json_path}: {error.message}" for error in VARIABLES.iter_errors(mapping)] == []


def test_every_module_is_documented_by_a_task() -> None:
    used = {word.removeprefix(PREFIX) for task in tasks(list(DOCUMENTED.values())) for word in task}
    assert used >= set(MODULES)
