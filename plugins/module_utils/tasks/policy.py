# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The task of nats_policy: check a document, a store, tokens or a cluster against a policy, and write reports."""

from __future__ import annotations

import json
from typing import Any, Callable, NamedTuple

from ..policy.builtin import EXPIRED
from ..policy.checking import check, show_checked, show_finding
from ..policy.findings import Finding, Policy, Results
from ..policy.reading import Part, part_of, read_policy
from ..store.source import parse_source, read_source
from . import access_tasks
from .access_sources import Source
from .report_files import ReportFile, write_reports
from .task import CarefulModule, keep_secrets_of, refuse_secrets

#: The levels that a task may choose. Level 0 has only the built-in rules about the source and the policy.
LEVELS = [0, 1, 2]
#: The highest level whose findings make the task fail, by the value of `fail_on`.
FAIL_ON = {"none": 0, "1": 1, "2": 2}
JUNIT, SARIF = "junit", "sarif"
#: The maximum number of findings in the message of a task that fails.
_IN_MESSAGE = 20


def rules_spec() -> dict[str, Any]:
    """The options for the rules."""
    return {
        "level": {"type": "int", "choices": LEVELS, "default": 1},
        "rules": {"type": "list", "elements": "dict"},
        "exceptions": {"type": "list", "elements": "dict"},
        "policy_path": {"type": "path"},
    }


def policy_spec() -> dict[str, Any]:
    """The options in addition to those of the source."""
    return {
        **rules_spec(),
        "fail_on": {"type": "str", "choices": [*FAIL_ON], "default": "2"},
        "junit_path": {"type": "path"},
        "sarif_path": {"type": "path"},
        "return_reports": {"type": "list", "elements": "str", "choices": [JUNIT, SARIF], "default": []},
    }


def policy_task(module: CarefulModule) -> dict[str, Any]:
    """Check the source, write the reports, and return a result that fails if there are findings up to the level of `fail_on`."""
    policy = policy_of(module)
    source = access_tasks.read_source_of(module)
    results = check(source.tree(access_tasks.servers_of(module)), policy)
    _make_readable(source, results)
    fail_on = FAIL_ON[module.params["fail_on"]]
    failing = [finding for finding in results.findings if finding.level <= fail_on]
    result = _shown(module, results, bool(failing))
    result.update(_reports(module, results, fail_on))
    for text in (*results.problems, *_expired(results)):
        module.warn(text)
    if failing:
        result.update(failed=True, msg=_message(failing))
    return result


def policy_of(module: CarefulModule) -> Policy:
    """The policy of a task, from its options and its file. Raises NatsSecurityError with everything that is wrong with it."""
    return read_policy(_parts(module), module.params["level"])


def _parts(module: CarefulModule) -> list[Part]:
    params = module.params
    parts = [Part("", params["rules"], params["exceptions"])]
    path = params["policy_path"]
    if path is not None:
        text = read_source(path, "policy_path", "the policy")
        keep_secrets_of(module, text)
        document = parse_source(path, text, "policy_path")
        refuse_secrets(document, f"policy_path {path}")
        parts.append(part_of(path, document))
    return parts


def _make_readable(source: Source, results: Results) -> None:
    """Replace keys that do not exist yet with text, in everything that the results show."""
    if not source.words:
        return
    findings = [*results.findings, *results.excepted]
    shown = source.readable([[one.text, one.claim, one.path, one.about] for one in findings])
    for finding, (text, claim, path, about) in zip(findings, shown):
        finding.text, finding.claim, finding.path, finding.about = text, claim, path, about
    results.problems = source.readable(results.problems)
    results.notes = source.readable(results.notes)


def _shown(module: CarefulModule, results: Results, has_failed: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "passed": not has_failed,
        "findings": [show_finding(finding) for finding in results.findings],
        "excepted": [show_finding(finding) for finding in results.excepted],
        "rules": [show_checked(checked) for checked in results.checked],
        "problems": results.problems,
        "notes": results.notes,
    }
    if module.params["definition"] is not None:
        # Otherwise Ansible returns the whole document, which -vvv shows again.
        shown["invocation"] = {"module_args": {**module.params, "definition": "(as in the task)"}}
    return shown


def _expired(results: Results) -> list[str]:
    return [finding.message for finding in results.findings if finding.rule == EXPIRED]


def _message(failing: list[Finding]) -> str:
    count = len(failing)
    listed = [_sentence(finding) for finding in failing[:_IN_MESSAGE]]
    more = [f"and {count - _IN_MESSAGE} more, in findings"] if count > _IN_MESSAGE else []
    return "\n".join([f"The policy has {count} finding{'s' if count > 1 else ''}:", *listed, *more])


def _sentence(finding: Finding) -> str:
    """The finding with its place, in the format of a compiler message."""
    place = [part for part in (finding.place, finding.path) if part]
    return ": ".join([*place, f"{finding.message} ({finding.rule}, level {finding.level})"])


# ---- reports


class _Report(NamedTuple):
    """A kind of report: its name, a function that creates it, and one that recognises it."""

    name: str
    make: Callable[[Results, int], str]
    is_one: Callable[[str], bool]


def _make_junit(results: Results, fail_on: int) -> str:
    from ..policy.junit import junit

    return junit(results, fail_on)


def _make_sarif(results: Results, _fail_on: int) -> str:
    from ..policy.sarif import sarif

    return sarif(results)


def _is_junit(text: str) -> bool:
    return "<testsuite" in text[:1000]


def _is_sarif(text: str) -> bool:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and "runs" in found


_REPORTS = (_Report(JUNIT, _make_junit, _is_junit), _Report(SARIF, _make_sarif, _is_sarif))


def _reports(module: CarefulModule, results: Results, fail_on: int) -> dict[str, Any]:
    """Write the reports, and return those that are requested together with `changed` and `diff`."""
    returned: dict[str, Any] = {}
    files = []
    for report in _REPORTS:
        option = f"{report.name}_path"
        is_returned = report.name in module.params["return_reports"]
        if module.params[option] is None and not is_returned:
            continue
        # Names in claims may be arbitrary text, and Ansible does not mask secrets in files.
        text = module.hide_secrets(report.make(results, fail_on))
        if is_returned:
            returned[report.name] = text
        files.append(ReportFile(option, text, report.is_one))
    return {**returned, **write_reports(module, files)}
