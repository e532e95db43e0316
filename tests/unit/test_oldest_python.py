# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Differences of the oldest supported versions of Python and ansible-core that no compiler reports."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from checkout import ROOT

#: Folders whose files also run on older Python versions.
FOLDERS = ("plugins", "playbooks", "extensions", "tests")


def caught(tree: ast.AST) -> Iterator[ast.expr]:
    """Yield the exceptions that are caught or suppressed."""
    for node in ast.walk(tree):
        given: list[ast.expr] = []
        if isinstance(node, ast.ExceptHandler) and node.type is not None:
            given = [node.type]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "suppress":
            given = node.args
        for one in given:
            yield from one.elts if isinstance(one, ast.Tuple) else [one]


def test_timeouts_of_asyncio_are_caught_by_their_own_name() -> None:
    """Before Python 3.11, asyncio.TimeoutError is not the built-in TimeoutError."""
    paths = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    found = [
        f"{path.relative_to(ROOT)}:{one.lineno}"
        for path, text in ((path, path.read_text(encoding="utf-8")) for path in paths)
        if "TimeoutError" in text
        for one in caught(ast.parse(text))
        if isinstance(one, ast.Name) and one.id == "TimeoutError"
    ]
    assert found == []


def test_packages_that_say_what_they_are_for_are_known_to_old_sanity_tests() -> None:
    """Before ansible-core 2.18, `ansible-test sanity` requires an empty __init__.py in module_utils."""
    packages = ROOT.glob("plugins/module_utils/**/__init__.py")
    documented = {str(path.relative_to(ROOT)) for path in packages if path.stat().st_size}
    for version in ("2.16", "2.17"):
        lines = (ROOT / f"tests/sanity/ignore-{version}.txt").read_text(encoding="utf-8").splitlines()
        assert {line.split()[0] for line in lines if line.split()[1] == "empty-init"} == documented
