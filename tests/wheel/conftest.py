# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures for the tests of the wheel `natsops-jwt`, installed without Ansible: `make wheel-test`."""

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
    """Runs `natsops-jwt explain`; has its output, its exit code and its error messages."""

    def __init__(self, *arguments: object, stdin: str = "") -> None:
        out, err = io.StringIO(), io.StringIO()
        given, sys.stdin = sys.stdin, io.TextIOWrapper(io.BytesIO(stdin.encode()))
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                self.code = program.main(["explain", *map(str, arguments)])
        except SystemExit as end:  # raised by argparse
            self.code = int(str(end.code))
        finally:
            sys.stdin = given
        self.text, self.errors = out.getvalue(), err.getvalue()

    def json(self) -> dict:
        """Return the output of --json."""
        return json.loads(self.text)

    def line(self, label: str) -> str:
        """Return the text of the only line with a label."""
        found = re.findall(f"^  {re.escape(label)} {{2,}}(.*)$", self.text, re.MULTILINE)
        assert len(found) == 1, self.text
        return str(found[0])


@pytest.fixture
def operator() -> Operator:
    return Operator.create("ACME")


@pytest.fixture
def account(operator: Operator) -> Account:
    return operator.account("APP")
