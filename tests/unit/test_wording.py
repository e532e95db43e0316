# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Documentation, messages, docstrings and comments use the terms of Ansible's and NATS's documentation. `make lint-spelling` checks single words."""

from __future__ import annotations

import ast
import functools
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
    r"(brings?|brought|bringing)\b[^.|]*\bin line|puts? right": "reconcile, correct, fix",
    r"(comes?|came|coming) into force": "takes effect",
    r"wish(es)?": "wanted",
    r"takes (Java|root|Go)": "requires",
    r"[,;] there are [^ ]*(known|names|join)": "; available: ...",
    r"exclude each other": "are mutually exclusive",
    r"; leave (it|them|out)": "omit it",
    r"(?<!there )is no (URL|JWT|subject|bearer)": "is not a URL",
    r"(is|are) wanted, not|is wanted\\.(?=\"\))": "expected a list, not ...; a name is required",
    r"there is no such (option|word)": "unsupported option",
    r"stands? (beside|at an?)": "cannot be combined with; applies only to",
    r"say which": "name one of, name the key",
    r"(the same|that) (goes|holds) for": "the same applies to, this also applies to",
    r"wants it absent": "its state is absent",
    r"where (one|an?|the) [^.,\"]{1,40} is expected": "expected",
    r"is no (percentage|version|network|compression|origin|unit|JSON|Unicode|document)": "is not a",
    r"whoever": "a user that, every client that: say who",
}
#: The same for documentation, roles and playbooks only.
INSTEAD_IN_DOCUMENTATION = {
    r"nobody|somebody": "no client, no user, an attacker: say who",
    r"go(es)? on with": "continue with, keep",
    r"whatever": "every, any, regardless of",
    r"(is|are) gone on with": "is continued",
    r"foretold|foretells?": "predict",
}
#: The same for the messages of the plugins only.
INSTEAD_IN_MESSAGES = {
    r"at hand": "available",
    r"told|tells?|says?|said": "reports, returns, states; or name what does not match",
    r"nobody|anybody|everybody|somebody": "no client, every client: say who",
    r"in place of": "instead of, replaces",
    r"whatever": "regardless of",
    r"takes? (no|for|creds|an?)": "requires, accepts, supports; treats as",
    r"(does|do) not (take|let)": "does not accept, refuses; allows",
    r"stands?(?! for\b)": "is",
    r"left as (it is|they are)": "left unchanged",
    r"(JWTs?|tokens?) (is |are )?about": "the subject of the JWT is",
    r"on record|put back": "recorded, restored",
    r"(is|are) (not )?here": "is not available",
    r"all the same": "anyway",
}
#: Programs, for which INSTEAD_IN_DOCUMENTATION does not apply: their comments and docstrings also refer to callers and clients in general.
PROGRAMS = ("plugins", "schemas", "wheel", "benchmarks", "extensions", "changelogs")
DOCUMENTATION = [pattern for pattern in READ if not pattern.startswith(PROGRAMS)]


@functools.cache
def lines(*patterns: str) -> list[tuple[str, str]]:
    """The lines of the files, each with its place."""
    read = [path for pattern in patterns for path in TOP.glob(pattern)]
    assert len(read) > 50
    return [
        (f"{path.relative_to(TOP)}:{number}", line.strip())
        for path in read
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
    ]


@pytest.mark.parametrize(
    ("words", "patterns"),
    [*((words, READ) for words in INSTEAD), *((words, DOCUMENTATION) for words in INSTEAD_IN_DOCUMENTATION)],
)
def test_words_that_are_not_used(words: str, patterns: list[str]) -> None:
    found = re.compile(rf"\b({words})\b", re.IGNORECASE)
    places = [f"{place}: {line}" for place, line in lines(*patterns) if found.search(line)]
    assert not places, f"write {(INSTEAD | INSTEAD_IN_DOCUMENTATION)[words]!r} instead:\n" + "\n".join(places)


@functools.cache
def messages() -> list[tuple[str, str]]:
    """The texts of the plugins of three words and more, each with its place. Docstrings and module documentation are not included."""
    found = []
    for path in (TOP / "plugins").rglob("*.py"):
        if path.name == "page_sources.py" or path.parent.name == "doc_fragments":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        others = {
            id(node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Expr) or (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).isupper())
        }
        for node in ast.walk(tree):
            if (
                id(node) not in others
                and isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and len(node.value.split()) > 2
            ):
                found.append((f"{path.relative_to(TOP)}:{node.lineno}", node.value))
    return found


@pytest.mark.parametrize("words", INSTEAD_IN_MESSAGES)
def test_words_that_are_not_used_in_messages(words: str) -> None:
    assert len(messages()) > 1000
    found = re.compile(rf"\b({words})\b", re.IGNORECASE)
    places = [f"{place}: {text}" for place, text in messages() if found.search(text)]
    assert not places, f"write {INSTEAD_IN_MESSAGES[words]!r} instead:\n" + "\n".join(places)
