# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Imports from a zip archive such as Ansible creates: the importer that compiles once finds the same modules at the same paths."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import zipfile

from ansible_collections.natsops.security.tests.checkout import ROOT

PROGRAM = """
import json, sys
sys.path.insert(0, sys.argv[1])
from col.compile_once import compile_once
compile_once()
import col.package.inner, col.plain
modules = (col.plain, col.package, col.package.inner)
print(json.dumps([[m.__name__, m.__file__, type(m.__spec__.loader).__name__, m.told] for m in modules]))
"""


def test_files_of_the_archive_are_found_where_they_are_and_compiled_once(tmp_path: pathlib.Path) -> None:
    archive = tmp_path / "task.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(ROOT / "plugins/module_utils/base/compile_once.py", "col/compile_once.py")
        for name in ("__init__", "plain", "package/__init__", "package/inner"):
            file.writestr(f"col/{name}.py", f"told = {name!r}\n")
    run = subprocess.run([sys.executable, "-c", PROGRAM, str(archive)], capture_output=True, text=True, check=True)
    assert json.loads(run.stdout) == [
        ["col.plain", f"{archive}/col/plain.py", "_Importer", "plain"],
        ["col.package", f"{archive}/col/package/__init__.py", "_Importer", "package/__init__"],
        ["col.package.inner", f"{archive}/col/package/inner.py", "_Importer", "package/inner"],
    ]


def test_nothing_changes_outside_of_an_archive() -> None:
    program = (
        "import sys; before = list(sys.path_hooks); from plugins.module_utils.base.compile_once import compile_once; "
        "compile_once(); assert sys.path_hooks == before"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
