# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Documentation, messages, docstrings and comments use the terms of Ansible's and NATS's documentation."""

from __future__ import annotations

import pathlib
import re

import pytest

TOP = pathlib.Path(__file__).parents[2]
#: Files that users and contributors read. Tests are not included.
READ = [
    "*.md",
    "Makefile",
    ".ci/*",
    ".github/**/*.md",
    ".github/ISSUE_TEMPLATE/*.yml",
    "docs/**/*.md",
    "docs/**/*.rst",
    "roles/**/*.md",
    "roles/**/*.yml",
    "playbooks/**/*.yml",
    "playbooks/**/*.py",
    "plugins/**/*.py",
    "plugins/**/*.yml",
    "schemas/*.py",
    "examples/**/*.yml",
    "examples/**/*.md",
    "extensions/**/*.py",
    "extensions/**/*.yml",
    "wheel/*.md",
    "wheel/**/*.py",
    "benchmarks/*.py",
    "benchmarks/*.md",
    "changelogs/fragments/*.yml",
]
#: Expressions to avoid, and their replacements.
INSTEAD = {
    r"(is|are|was|were) told": "is reported",
    r"tells": "reports, returns, shows",
    r"name: (tell|insist|bring|make .* say)": "show; check, require; reconcile, push, distribute",
    r"left out": "omitted; defaults to",
    r"held to the rules": "validated against",
    r"stand-ins?": "a placeholder",
    r"is no failure": "exits successfully",
    r"whom the \w+ is for": "intended audience",
    r"nobody's|(is|has|are) to be had|whatever else": "say what it is",
    r"(brings?|brought|bringing)\b[^.|]*\bin line|puts? right|mends?|mended": "reconcile, correct, fix",
    r"(comes?|came|coming) into force": "takes effect",
    r"wish(es)?|strangers?": "wanted; foreign",
    r"takes (Java|root|Go)": "requires",
    r"[,;] there are [^ ]*(known|names|join)": "; available: ...",
    r"exclude each other": "are mutually exclusive",
    r"; leave (it|them|out)": "omit it",
    r"(?<!there )is no (URL|JWT|subject|bearer)": "is not a URL",
    r"anew": "again; re-established",
    r"(is|are) wanted, not|is wanted\\.(?=\"\))": "expected a list, not ...; a name is required",
}
#: The same for documentation, roles and playbooks only.
INSTEAD_IN_DOCUMENTATION = {
    r"nobody|somebody|whoever": "no client, no user, an attacker: say who",
    r"go(es)? on with": "continue with, keep",
    r"whatever": "every, any, regardless of",
    r"(is|are) gone on with": "is continued",
    r"foretold|foretells?": "predict",
}
#: Programs, for which INSTEAD_IN_DOCUMENTATION does not apply: their comments and docstrings also refer to callers and clients in general.
PROGRAMS = ("plugins", "schemas", "wheel", "benchmarks", "extensions", "changelogs")
DOCUMENTATION = [pattern for pattern in READ if not pattern.startswith(PROGRAMS)]


@pytest.mark.parametrize(
    ("words", "patterns"),
    [*((words, READ) for words in INSTEAD), *((words, DOCUMENTATION) for words in INSTEAD_IN_DOCUMENTATION)],
)
def test_words_that_are_not_used(words: str, patterns: list[str]) -> None:
    found = re.compile(rf"\b({words})\b", re.IGNORECASE)
    read = [path for pattern in patterns for path in TOP.glob(pattern)]
    assert len(read) > 50
    places = [
        f"{path.relative_to(TOP)}:{number}: {line.strip()}"
        for path in read
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if found.search(line)
    ]
    assert not places, f"write {(INSTEAD | INSTEAD_IN_DOCUMENTATION)[words]!r} instead:\n" + "\n".join(places)
