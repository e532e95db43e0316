# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Requirements of pytest for the names of test files."""

from __future__ import annotations

import collections
import pathlib

TESTS = pathlib.Path(__file__).parents[1]
#: The folders that one run of pytest collects; see norecursedirs in pyproject.toml.
TOGETHER = ("unit", "integration", "enforcement", "attack")


def test_no_two_files_of_one_run_have_the_same_name() -> None:
    names = collections.Counter(path.name for folder in TOGETHER for path in (TESTS / folder).glob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []
