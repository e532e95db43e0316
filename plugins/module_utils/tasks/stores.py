# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What the tasks on a store share: which store it is, how long to wait for its lock, what came of a plan, and what of it waits for keys elsewhere."""

from __future__ import annotations

import os
from typing import Any, Callable, Mapping, Sequence

from ..base import units
from ..base.errors import NatsSecurityError
from ..claims.options import Problem
from ..store import apply, layout, report
from .task import CarefulModule
from .tokens import check_folder


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


def checked_unsigned_path(module: CarefulModule) -> str:
    """The option `unsigned_path`, whose folder is there; empty if it is not given. NatsSecurityError."""
    path: str = module.params["unsigned_path"] or ""
    if path:
        check_folder(module, path, "unsigned_path")
    return path


def what_waits(outcome: apply.Outcome, path: str) -> dict[str, Any]:
    """The results `unsigned` and, where the same is asked for as before, `changed` and `diff`: the plan is carried out when all is signed."""
    document = outcome.unsigned
    if not outcome.is_waiting:
        return {"unsigned": None}
    known = document.requests if document is not None else ()
    shown = {
        "path": path,
        "checksum": document.checksum if document is not None else None,
        "requests": [request.what for request in known],
        "issuers": sorted({request.claims.issuer for request in known}),
    }
    unchanged = {"changed": False, "diff": {"before": {}, "after": {}}} if outcome.is_asked else {}
    return {"unsigned": shown, **unchanged}
