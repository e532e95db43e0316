# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The wheel is typed: mypy in strict mode accepts it and a program that uses it, and reports a wrong use."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

pytest.importorskip("mypy")
USER = pathlib.Path(__file__).with_name("typed.py")


def mypy(folder: pathlib.Path, *arguments: object) -> str:
    config = folder / "mypy.ini"
    config.write_text(
        "[mypy]\nstrict = True\nwarn_unreachable = True\ndisallow_untyped_calls = False\n"
        "[mypy-nkeys.*,hvac.*,pkcs11.*,requests.*]\nignore_missing_imports = True\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "mypy", "--config-file", config, "--cache-dir", folder / "cache", *arguments]
    done = subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_the_package_is_strictly_typed_and_so_are_those_who_use_it(tmp_path: pathlib.Path) -> None:
    assert "Success" in mypy(tmp_path, "-p", "natsops_jwt")
    assert "Success" in mypy(tmp_path, USER)
    wrong = tmp_path / "wrong.py"
    wrong.write_text("from natsops_jwt import Operator\nnumber: int = Operator.create('A').jwt\n", encoding="utf-8")
    assert "Incompatible types" in mypy(tmp_path, wrong)
