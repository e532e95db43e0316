# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Tests of the wheel `natsops-jwt`, as it is installed where there is no Ansible: `make wheel-test`."""

from __future__ import annotations

import contextlib
import io
import json
import pathlib
import re
import sys

import pytest

import natsops_jwt
from natsops_jwt import Account, Operator
from natsops_jwt import __main__ as program

VECTORS = pathlib.Path(__file__).resolve().parents[1] / "vectors"

if "site-packages" not in natsops_jwt.__file__:
    raise pytest.UsageError("These tests are for the installed wheel: make wheel-test.")


class Explained:
    """What the program printed, its exit code, and its complaint."""

    def __init__(self, *arguments: object, stdin: str = "") -> None:
        out, err = io.StringIO(), io.StringIO()
        given, sys.stdin = sys.stdin, io.TextIOWrapper(io.BytesIO(stdin.encode()))
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                self.code = program.main(["explain", *map(str, arguments)])
        except SystemExit as end:  # of argparse
            self.code = int(str(end.code))
        finally:
            sys.stdin = given
        self.text, self.errors = out.getvalue(), err.getvalue()

    def json(self) -> dict:
        """What was printed with --json."""
        return json.loads(self.text)

    def line(self, label: str) -> str:
        """The text of the line with a label, of which there has to be one."""
        found = re.findall(f"^  {re.escape(label)} {{2,}}(.*)$", self.text, re.MULTILINE)
        assert len(found) == 1, self.text
        return str(found[0])


@pytest.fixture
def operator() -> Operator:
    return Operator.create("ACME")


@pytest.fixture
def account(operator: Operator) -> Account:
    return operator.account("APP")
