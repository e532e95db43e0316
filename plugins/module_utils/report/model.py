# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The model: everything that a report shows, as one JSON document."""

from __future__ import annotations

import json
from typing import Any, Mapping, NamedTuple

from ..access.tree import Tree
from ..base.errors import NatsSecurityError
from ..policy.checking import show_checked
from ..policy.findings import Finding, Results
from . import found_entities
from .found_entities import SigningKeys

#: The version of the format of the model. It changes with the format, so that other versions of the collection can refuse the model.
FORM = 1
NAME = "natsops_report"
_FORM: dict[str, Any] = {
    "operator": (dict, type(None)),
    "comparison": (dict, type(None)),
    **dict.fromkeys(("accounts", "links", "users", "permissions", "refusals", "rules", "findings"), list),
}


class Beside(NamedTuple):
    """What is known besides the claims: signing keys in the store, and what servers hold."""

    signing_keys: SigningKeys = {}
    comparison: dict[str, Any] | None = None


def make_model(tree: Tree, results: Results, beside: Beside) -> dict[str, Any]:
    """The model of a tree and of the results of a policy for it."""
    found = found_entities.entities(tree, beside.signing_keys)
    names = found_entities.names_of(found)
    operator = [] if found.operator is None else [found.operator]
    return {
        NAME: FORM,
        "newest": found_entities.newest([*operator, *found.accounts, *found.users]),
        "operator": found.operator,
        "accounts": found.accounts,
        "links": found.links,
        "users": found.users,
        "permissions": found.permissions,
        "refusals": found.refusals,
        "rules": [_rule(show_checked(checked)) for checked in results.checked],
        "findings": _grouped(results.findings, names),
        "excepted": _grouped(results.excepted, names),
        "problems": list(results.problems),
        "notes": list(results.notes),
        "comparison": beside.comparison,
    }


def _rule(said: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: said[name] for name in ("id", "title", "level", "checked", "findings", "excepted", "reason", "reference")
    }


def _grouped(findings: list[Finding], names: Mapping[str, tuple[str, int]]) -> list[dict[str, Any]]:
    """The findings. Those of one rule with the same text are merged into one, with the numbers of all entities that they are about."""
    groups: dict[Any, dict[str, Any]] = {}
    for finding in findings:
        waiver = finding.waiver
        known_by = (finding.rule, finding.text, None if waiver is None else waiver.path)
        group = groups.get(known_by)
        if group is None:
            group = groups[known_by] = {
                "rule": finding.rule,
                "level": finding.level,
                "text": finding.text,
                "count": 0,
            }
            if waiver is not None:
                group["exception"] = {"owner": waiver.owner, "reason": waiver.reason, "until": waiver.until.day}
        group["count"] += 1
        for name in finding.about:
            kind, number = names.get(name, ("others", name))
            group.setdefault(kind, []).append(number)
    return list(groups.values())


def to_json(model: Mapping[str, Any]) -> str:
    """The model as text: one line for each member or list item, so that a diff of two files is readable."""
    lines = []
    for name, value in model.items():
        if isinstance(value, list) and value:
            items = ",\n  ".join(_compact(item) for item in value)
            lines.append(f" {json.dumps(name)}: [\n  {items}\n ]")
        else:
            lines.append(f" {json.dumps(name)}: {_compact(value)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def read_model(text: str, place: str) -> dict[str, Any]:
    """A model that was written earlier. NatsSecurityError if the text is not a model."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or NAME not in found:
        raise NatsSecurityError(f"{place}: this is not a report of nats_report in JSON.")
    if found[NAME] != FORM:
        raise NatsSecurityError(
            f"{place}: the report has the form {found[NAME]!r}, and this version of the collection reads {FORM}; write it again."
        )
    fault = next((name for name, kind in _FORM.items() if not isinstance(found.get(name), kind)), None)
    if fault is not None:
        raise NatsSecurityError(f"{place}: {fault} of the report is missing or of another type; write it again.")
    return found


def is_model(text: str) -> bool:
    """Whether a text is a model, of any version. A report may overwrite it then."""
    return f'"{NAME}"' in text[:200]
