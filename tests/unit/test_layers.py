# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Imports in `plugins/module_utils/`: a file imports only from its own layer or from lower ones. The table in CONTRIBUTING.md defines their order."""

from __future__ import annotations

import ast
import graphlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UTILS = ROOT / "plugins" / "module_utils"
FILES = sorted(UTILS.rglob("*.py"))


def _layers() -> list[str]:
    """Return the names of the layers from top to bottom."""
    table = (ROOT / "CONTRIBUTING.md").read_text().partition("\nElsewhere:")[0]
    return re.findall(r"^\| `(\w+)/` \|", table, flags=re.MULTILINE)


def _imports(file: Path) -> Iterator[Path]:
    """Yield the files in `module_utils` that a file imports, including imports in functions and imports for type checkers."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            package = file.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            yield from (_file(package, name.name) for name in node.names)


def _file(package: Path, name: str) -> Path:
    """Return the file from which a name is imported. The name is that of a file, of a folder, or of an object in either."""
    places = (package / name).with_suffix(".py"), package / name / "__init__.py", package.with_suffix(".py")
    return next((file for file in places if file.is_file()), package / "__init__.py")


@pytest.fixture(scope="module")
def imports() -> dict[Path, set[Path]]:
    """Return the files that each file imports, by file."""
    return {file: set(_imports(file)) for file in FILES}


def test_each_folder_is_a_layer() -> None:
    assert sorted(_layers()) == sorted(path.parent.name for path in UTILS.glob("*/__init__.py"))


def test_no_layer_imports_from_one_above(imports: dict[Path, set[Path]]) -> None:
    height = {layer: -index for index, layer in enumerate(_layers())}
    wrong = [
        f"{file.relative_to(UTILS)} imports {one.relative_to(UTILS)}"
        for file, found in imports.items()
        for one in found
        if len(file.relative_to(UTILS).parts) > 1
        and height[one.relative_to(UTILS).parts[0]] > height[file.relative_to(UTILS).parts[0]]
    ]
    assert not wrong


def test_no_circle_of_imports(imports: dict[Path, set[Path]]) -> None:
    try:
        graphlib.TopologicalSorter(imports).prepare()
    except graphlib.CycleError as error:
        pytest.fail(" -> ".join(str(one.relative_to(UTILS)) for one in error.args[1]))


def test_names_of_this_collection_need_no_alias() -> None:
    aliases = [
        f"{file.relative_to(ROOT)}: {name.name} as {name.asname}"
        for file in sorted((ROOT / "plugins").rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ImportFrom)
        and (node.level or (node.module or "").startswith("ansible_collections.natsops."))
        for name in node.names
        if name.asname
    ]
    assert not aliases
