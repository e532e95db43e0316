# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The README's example of the core as a Python library works as described."""

from __future__ import annotations

import pathlib
import re
from typing import Any

import pytest

from ansible_collections.natsops.security.plugins.module_utils.token import codec, decorated

README = (pathlib.Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")


def example() -> str:
    """Return the first Python code block after the heading about Python."""
    found = re.search(r"^#+ [^\n]*Python[^\n]*\n.*?^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found.group(1)


def test_example_runs_and_prints_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    exec(compile(example(), "README.md", "exec"), names)
    told = re.findall(r"print\(.*\)  # (.*)", example())
    printed = capsys.readouterr().out
    assert told
    assert printed.startswith("\n".join(told) + "\n")
    assert names["operator_key"].seed not in printed
    assert decorated.find_seed(printed).public_key == names["user_key"].public_key

    user = codec.decode(decorated.find_token(printed[printed.index("-----") :]))
    account, operator = names["account"], names["operator"]
    assert (operator.name, account.name, user.name) == ("O", "A-renamed", "U")
    assert [operator.issuer, account.issuer] == [operator.subject] * 2
    assert user.issuer == account.subject
    assert [export.subject for export in account.body.exports] == ["time.>"]
