# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The code that the tasks on a store share: finding the store, the timeout of its lock, reporting a plan, and what waits for keys elsewhere."""

from __future__ import annotations

import dataclasses
import os
from typing import Any, Callable, Mapping, Sequence

from ..base import units
from ..base.errors import NatsSecurityError
from ..claims.options import Problem, with_names
from ..keys import nkey
from ..store import apply, layout, report
from .task import CarefulModule
from .tokens import check_folder


def named_store(params: Mapping[str, Any], default: Callable[[str], str]) -> layout.Layout:
    """The store that the options `stores_dir`, `keys_dir` and `store` name. `default` returns its default name for a folder of stores.

    What it archives is sealed to `archive_key`. Raises NatsSecurityError if a path, the name or the key is invalid.
    """
    stores_dir = params["stores_dir"] or layout.default_stores_dir(os.environ)
    keys_dir = params.get("keys_dir") or layout.default_keys_dir(os.environ)
    where = layout.checked_layout(stores_dir, keys_dir, params["store"] or default(stores_dir))
    if params.get("archive_key") is None:
        return where
    try:
        key = nkey.from_public_key(params["archive_key"].strip(), "curve").public_key
    except NatsSecurityError as error:
        raise NatsSecurityError(f"archive_key: {error}") from None
    return dataclasses.replace(where, archive_key=key)


def lock_timeout(params: Mapping[str, Any]) -> float:
    """The option `lock_timeout`, in seconds. Raises NatsSecurityError if it is not a duration."""
    try:
        return units.parse_duration(params["lock_timeout"]) / units.NANOSECONDS
    except ValueError as error:
        raise NatsSecurityError(f"lock_timeout: {error}.") from None


def report_plan(
    module: CarefulModule,
    where: layout.Layout,
    problems: Sequence[Problem],
    outcome: apply.Outcome,
    options: Any,
    of: str = "",
) -> None:
    """Fail with all problems, those in `problems` first, or show the warnings of the plan. Their paths lead through `options`.

    `of` is the option with the document.
    """
    found = with_names(dict.fromkeys([*problems, *outcome.plan.problems]), options)
    if found:
        module.fail_json(msg=report.problem_message(found, where.root, of), problems=report.show_problems(found))
    for warning in with_names(outcome.plan.warnings, options):
        module.warn(str(warning))


def checked_unsigned_path(module: CarefulModule) -> str:
    """The option `unsigned_path`; empty if it is omitted. Raises NatsSecurityError if its folder does not exist."""
    path: str = module.params["unsigned_path"] or ""
    if path:
        check_folder(module, path, "unsigned_path")
    return path


def what_waits(outcome: apply.Outcome, path: str) -> dict[str, Any]:
    """The result `unsigned`. If the requests are the same as before, also `changed` and `diff` without changes.

    The plan is carried out when everything is signed.
    """
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
