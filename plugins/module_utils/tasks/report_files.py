# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Writes the report files of tasks: atomically, only if they differ, and never over a file that is not an earlier report."""

from __future__ import annotations

from typing import Any, Callable, NamedTuple

from ..base.errors import NatsSecurityError
from .attributes import set_attributes
from .task import CarefulModule
from .tokens import check_folder

#: The largest report that is read, in bytes. A report of 10,000 findings has about 10 MB.
MAX_REPORT = 512 * 1024 * 1024


class ReportFile(NamedTuple):
    """A report for the file that an option names. `is_one` returns whether an existing text is such a report and may be replaced."""

    option: str
    text: str
    is_one: Callable[[str], bool]
    #: The text of the diff. If it is empty, the diff has both texts.
    difference: str = ""


def write_reports(module: CarefulModule, reports: list[ReportFile]) -> dict[str, Any]:
    """Write the reports whose options are set, and return `changed` and `diff`. All existing files are checked before the first is written."""
    wanted = [
        (module.params[report.option], report, _old(module, report))
        for report in reports
        if module.params[report.option] is not None
    ]
    changed = False
    diffs = []
    for path, report, old in wanted:
        if old != report.text:
            changed = True
            diffs.append(_diff(path, report, old))
            module.snapshot.put(path, report.text, 0o600)
        changed |= set_attributes(module, path, module.params["mode"] or "0644", written=old != report.text)
    return {"changed": changed, "diff": diffs}


def _diff(path: str, report: ReportFile, old: str | None) -> dict[str, str]:
    headers = {"before_header": path, "after_header": path}
    if report.difference:
        return {**headers, "prepared": report.difference}
    return {"before": old or "", "after": report.text, **headers}


def _old(module: CarefulModule, report: ReportFile) -> str | None:
    path = module.params[report.option]
    check_folder(module, path, report.option)
    old = module.snapshot.read(path, f"{report.option}: what is there", MAX_REPORT)
    if old is not None and old.strip() and not report.is_one(old):
        raise NatsSecurityError(
            f"{report.option}: {path} is left unchanged: it holds content other than a report; move it away."
        )
    return old
