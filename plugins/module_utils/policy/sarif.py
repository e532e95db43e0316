# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Results as SARIF 2.1.0 (OASIS), for viewers of static analysis results. The same results produce the same text."""

from __future__ import annotations

import hashlib
import json
import re
import urllib.parse
from typing import Any

from .findings import Checked, Finding, Results

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_TOOL = "natsops.security.nats_policy"
#: Level 1 is an error and level 2 a warning.
_LEVELS = {1: "error", 2: "warning"}
_URL = re.compile(r"https://\S+")


def sarif(results: Results) -> str:
    """The report as text."""
    numbers = {checked.rule.id: number for number, checked in enumerate(results.checked)}
    run = {
        "tool": {
            "driver": {
                "name": _TOOL,
                "informationUri": "https://github.com/natsops/security",
                "rules": [_rule(checked) for checked in results.checked],
            }
        },
        "invocations": [
            {
                "executionSuccessful": True,
                "toolExecutionNotifications": [
                    {"level": "warning", "message": {"text": text}} for text in (*results.problems, *results.notes)
                ],
            }
        ],
        "results": [_result(finding, numbers) for finding in (*results.findings, *results.excepted)],
        "columnKind": "unicodeCodePoints",
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _rule(checked: Checked) -> dict[str, Any]:
    rule = checked.rule
    shown: dict[str, Any] = {
        "id": rule.id,
        "shortDescription": {"text": rule.kind.title},
        "defaultConfiguration": {"level": _LEVELS[rule.level]},
        "properties": {"level": rule.level, "checked": checked.count, "tags": ["security", "nats"]},
    }
    if rule.reason:
        shown["fullDescription"] = {"text": rule.reason}
    if rule.reference:
        shown["help"] = {"text": rule.reference}
        url = _URL.search(rule.reference)
        if url is not None and _is_uri(url.group()):
            shown["helpUri"] = url.group()
    return shown


def _is_uri(text: str) -> bool:
    return text.isascii() and re.fullmatch(r"[A-Za-z0-9:/?#\[\]@!$&'()*+,;=._~%-]+", text) is not None


def _result(finding: Finding, numbers: dict[str, int]) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": numbers[finding.rule],
        "level": _LEVELS[finding.level],
        "message": {"text": finding.message},
        "partialFingerprints": {"finding/v1": _fingerprint(finding)},
    }
    location = _location(finding)
    if location:
        shown["locations"] = [location]
    waiver = finding.waiver
    if waiver is not None:
        justification = f"{waiver.reason} ({waiver.owner}, until {waiver.until.day})"
        shown["suppressions"] = [{"kind": "external", "status": "accepted", "justification": justification}]
    return shown


def _location(finding: Finding) -> dict[str, Any]:
    location: dict[str, Any] = {}
    if _is_file(finding.place):
        location["physicalLocation"] = {"artifactLocation": {"uri": _uri(finding.place)}}
    name = " ".join(part for part in (finding.claim, finding.path) if part)
    if name:
        location["logicalLocations"] = [{"fullyQualifiedName": name}]
    return location


def _is_file(place: str) -> bool:
    """Whether the place is the path of a file, and not a word such as `definition`, `jwts[0]` or `servers n1, n2`."""
    return ("/" in place and "://" not in place) or place.endswith((".yml", ".yaml", ".json", ".jwt", ".creds"))


def _uri(path: str) -> str:
    """A path as a URI; a relative one stays relative."""
    quoted = urllib.parse.quote(path.encode("utf-8", "surrogateescape"))
    return f"file://{quoted}" if path.startswith("/") else quoted


def _fingerprint(finding: Finding) -> str:
    """The fingerprint that stays the same between runs, so that a viewer recognizes a finding."""
    parts = "\0".join((finding.rule, finding.claim, finding.path, finding.text))
    return hashlib.sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()
