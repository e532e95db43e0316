# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Go's unstable sort, compared with the results of Go in go_sort_cases.json (tests/vectors/generator/sorts)."""

from __future__ import annotations

import json
import pathlib

import pytest

from ansible_collections.natsops.security.plugins.module_utils.base.go_sort import go_sorted
from ansible_collections.natsops.security.plugins.module_utils.claims import Account, Import
from ansible_collections.natsops.security.plugins.module_utils.claims.wire import encode_object

CASES = json.loads((pathlib.Path(__file__).parent / "go_sort_cases.json").read_text())


@pytest.mark.parametrize("case", range(len(CASES)))
def test_order_is_that_of_go(case: int) -> None:
    keys, order = CASES[case]
    assert go_sorted(range(len(keys)), lambda index: keys[index]) == order


def test_most_cases_are_ones_that_a_stable_sort_orders_differently() -> None:
    stable = [sorted(range(len(keys)), key=keys.__getitem__) for keys, _order in CASES]
    assert sum(one != order for one, (_keys, order) in zip(stable, CASES, strict=True)) > len(CASES) // 2


def test_imports_of_one_subject_are_written_in_the_order_of_go() -> None:
    keys, order = next((keys, order) for keys, order in CASES if len(keys) > 12 and order != sorted(order))
    account = Account(imports=[Import(subject=key, name=str(index)) for index, key in enumerate(keys)])
    written = json.loads(encode_object(account))["imports"]
    assert [int(item["name"]) for item in written] == order
