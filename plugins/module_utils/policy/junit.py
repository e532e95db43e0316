# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Results as JUnit XML: a suite for each rule with a case for each finding, or one case if there are none. The same results produce the same text."""

from __future__ import annotations

import re
from typing import Iterator
from xml.sax.saxutils import escape, quoteattr

from .findings import Checked, Finding, Results

#: Characters that XML 1.0 cannot represent.
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(results: Results, fail_on: int) -> str:
    """The report. A finding of a level up to `fail_on` is a failure. Other findings, and those that exceptions cover, are skipped cases with their reason."""
    suites = [line for checked in results.checked for line in _suite(checked, fail_on)]
    counts = [_counts(checked, fail_on) for checked in results.checked]
    total = "".join(f' {name}="{sum(count[name] for count in counts)}"' for name in ("tests", "failures", "skipped"))
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuites name="nats_policy"{total} errors="0">',
        *suites,
        "</testsuites>",
    ]
    return "\n".join(lines) + "\n"


def _counts(checked: Checked, fail_on: int) -> dict[str, int]:
    failures = sum(finding.level <= fail_on for finding in checked.findings)
    cases = len(checked.findings) + len(checked.excepted)
    is_skipped = not cases and not checked.count
    return {"tests": max(cases, 1), "failures": failures, "skipped": 1 if is_skipped else cases - failures}


def _suite(checked: Checked, fail_on: int) -> Iterator[str]:
    counts = "".join(f' {name}="{count}"' for name, count in _counts(checked, fail_on).items())
    yield f'  <testsuite name={_attribute(checked.rule.id)}{counts} errors="0">'
    for finding in (*checked.findings, *checked.excepted):
        yield from _case(finding, fail_on)
    if not checked.findings and not checked.excepted:
        yield from _clean(checked)
    yield "  </testsuite>"


def _clean(checked: Checked) -> Iterator[str]:
    start = f"    <testcase classname={_attribute(checked.rule.id)} name={_attribute(checked.rule.kind.title)}"
    if checked.count:
        yield start + "/>"
    else:
        yield start + '><skipped message="The rule applies to nothing that was checked."/></testcase>'


def _case(finding: Finding, fail_on: int) -> Iterator[str]:
    name = " ".join(part for part in (finding.claim, finding.path) if part) or finding.message
    yield f"    <testcase classname={_attribute(finding.rule)} name={_attribute(name)}>"
    waiver = finding.waiver
    if waiver is not None:
        said = f"Excepted until {waiver.until.day} by {waiver.owner}: {waiver.reason}"
        yield f"      <skipped message={_attribute(said)}>{_text(finding.message)}</skipped>"
    elif finding.level <= fail_on:
        kind = f"level {finding.level}"
        details = "\n".join(
            part for part in (finding.message, finding.place, finding.reason, finding.reference) if part
        )
        yield f"      <failure type={_attribute(kind)} message={_attribute(finding.message)}>{_text(details)}</failure>"
    else:
        said = f"Level {finding.level}, which does not fail: {finding.message}"
        yield f"      <skipped message={_attribute(said)}/>"
    yield "    </testcase>"


def _clean_text(value: str) -> str:
    return _NO_XML.sub("\ufffd", value)


def _attribute(value: str) -> str:
    return quoteattr(_clean_text(value))


def _text(value: str) -> str:
    return escape(_clean_text(value))
