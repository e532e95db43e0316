# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Subjects as the Go library and as nats-server read them; the two differ. Works on text only, not on claims."""

from __future__ import annotations

import functools
import re
from typing import Iterator

from ..base.excerpts import quoted

# ---- the Go library (types.go)


def is_plain(subject: str) -> bool:
    """Whether subject_problems() finds nothing. For speed."""
    return subject != "" and " " not in subject and ".." not in subject and subject[0] != "." and subject[-1] != "."


def subject_problems(subject: str) -> Iterator[str]:
    """What Subject.Validate reports about a subject, as messages."""
    if not subject:
        yield "a subject is empty; write one, such as orders.new."
        return
    if " " in subject:
        yield f"{quoted(subject)} has a space; a subject has none."
    if subject[0] == "." or subject[-1] == ".":
        yield f"{quoted(subject)} begins or ends with a dot; remove it."
    if ".." in subject:
        yield f"{quoted(subject)} has nothing between two dots; write a token there, or one dot."


def has_wildcards(subject: str) -> bool:
    """Whether the Go library sees * or > as a token of the subject (HasWildCards)."""
    return subject in ("*", ">") or subject.endswith((".>", ".*")) or subject.startswith("*.") or ".*." in subject


def subject_is_contained(subject: str, other: str) -> bool:
    """Whether the other subject covers every subject that this one does, as the Go library decides (IsContainedIn)."""
    mine, others = subject.split("."), other.split(".")
    if len(mine) < len(others) or (len(mine) > len(others) and others[-1] != ">"):
        return False
    last = len(others) - 1
    for index, part in enumerate(others):
        if index == last and part == ">":
            return True
        if part not in ("*", mine[index]):
            return False
    return True


def can_contain_others(subject: str) -> bool:
    """Whether the subject may cover subjects other than itself."""
    return subject == ">" or subject.endswith(".>") or "*" in subject.split(".")


@functools.lru_cache(maxsize=1024)
def reference_number(token: str) -> int | None:
    """The number of a reference such as $1 to a wildcard of another subject; None for any other token."""
    if len(token) < 2 or token[0] != "$":
        return None
    from ..base.go_syntax import atoi

    try:
        return atoi(token[1:])
    except ValueError:
        return None


def without_references(subject: str) -> str:
    """The subject with * in place of references (RenamingSubject.ToSubject)."""
    if "$" not in subject:
        return subject
    return ".".join("*" if reference_number(token) is not None else token for token in subject.split("."))


# ---- nats-server (sublist.go)

_WHITE_SPACE = re.compile(r"[\t\n\f\r ]")


def is_valid_subject(subject: str) -> bool:
    """IsValidSubject: no empty token, no white space, nothing after >."""
    tokens = subject.split(".")
    return "" not in tokens and ">" not in tokens[:-1] and not _WHITE_SPACE.search(subject)


def is_subset(subject: str, other: str) -> bool:
    """Whether the other subject matches all that this one matches (subjectIsSubsetMatch). Tokens after > in the other subject are ignored."""
    mine, others = subject.split("."), other.split(".")
    for index, part in enumerate(others):
        if index >= len(mine) or not part:
            return False
        if part == ">":
            return True
        own = mine[index]
        if own in ("", ">") or (own == "*" and part != "*"):
            return False
        # As in the server, a token that begins with * counts as * here.
        if part[0] != "*" and own != part:
            return False
    return len(mine) == len(others)


def literal_wildcards(subject: str) -> list[str]:
    """The tokens that have * or > among other characters, where both are literal."""
    return [token for token in subject.split(".") if len(token) > 1 and ("*" in token or ">" in token)]


#: What Go's unicode.IsSpace accepts. Python's str.split() also splits at the separators U+001C to U+001F.
_GO_SPACES = re.compile("[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")


def fields(subject: str) -> list[str]:
    """The parts between white space, as Go's strings.Fields returns them: a subject and its queue group."""
    return [part for part in _GO_SPACES.split(subject) if part]
