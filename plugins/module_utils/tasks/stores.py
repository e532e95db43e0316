# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What the tasks on a store share: which store it is, how long to wait for its lock, and what came of a plan."""

from __future__ import annotations

import os
from typing import Any, Callable, Mapping, Sequence

from ..base import units
from ..base.errors import NatsSecurityError
from ..claims.options import Problem
from ..store import apply, layout, report
from .task import CarefulModule


def named_store(params: Mapping[str, Any], default: Callable[[str], str]) -> layout.Layout:
    """The store that the options `stores_dir`, `keys_dir` and `store` name; `default` gives its name by the folder of stores. NatsSecurityError."""
    stores_dir = params["stores_dir"] or layout.default_stores_dir(os.environ)
    keys_dir = params.get("keys_dir") or layout.default_keys_dir(os.environ)
    return layout.checked_layout(stores_dir, keys_dir, params["store"] or default(stores_dir))


def lock_timeout(params: Mapping[str, Any]) -> float:
    """The option `lock_timeout`, in seconds. NatsSecurityError."""
    try:
        return units.parse_duration(params["lock_timeout"]) / units.NANOSECONDS
    except ValueError as error:
        raise NatsSecurityError(f"lock_timeout: {error}.") from None


def report_plan(
    module: CarefulModule, where: layout.Layout, problems: Sequence[Problem], outcome: apply.Outcome
) -> None:
    """Fail with everything that is wrong, `problems` first, and warn of what a plan warns of."""
    found = list(dict.fromkeys([*problems, *outcome.plan.problems]))
    if found:
        module.fail_json(msg=report.problem_message(found, where.root), problems=report.show_problems(found))
    for warning in outcome.plan.warnings:
        module.warn(str(warning))
