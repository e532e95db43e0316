# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Imports that form a cycle, which a server does not install (checkServiceImportsForCycles and checkStreamImportsForCycles in accounts.go).

As in the server, a subject is followed from account to account, and an account that is visited twice is a cycle, even if two paths lead to it. Which
import of a cycle a server does not install depends on the order in which it loads accounts, so all of them are found.
"""

from __future__ import annotations

from typing import Iterator, Mapping, NamedTuple

from ..claims import Claims, Import
from .imports import import_subjects
from .issues import Issue, blocks
from .subject_index import SubjectIndex
from .subjects import is_subset
from .transforms import with_wildcards

#: The maximum number of accounts through which a server follows an import (MaxAccountCycleSearchDepth).
MOST_ACCOUNTS = 1024


class _Installed(NamedTuple):
    """An import as a server installs it: the exporting account, and the subjects in the importing and in the exporting account."""

    exporter: str
    here: str
    there: str


class _Node:
    """A node of a trie of subjects, keyed by their leading literal tokens."""

    __slots__ = ("literal", "numbers")

    def __init__(self) -> None:
        self.literal: dict[str, _Node] = {}
        self.numbers: list[int] = []  # the numbers of subjects that end here or continue with a wildcard

    def all_numbers(self) -> Iterator[int]:
        nodes = [self]
        while nodes:
            node = nodes.pop()
            yield from node.numbers
            nodes.extend(node.literal.values())


class _Imports:
    """The imports of one kind of an account, indexed so that those that collide with a subject are found quickly among thousands."""

    def __init__(self, installed: list[_Installed], kind: str) -> None:
        self._installed = installed
        # Compared are the subject of a service in the exporting account, and the subject of a stream in the importing account.
        self._subjects = [item.there if kind == "service" else item.here for item in installed]
        self._root = _Node()
        for number, subject in enumerate(self._subjects):
            node = self._root
            for token in subject.split("."):
                if token[:1] in ("*", ">"):
                    break
                node = node.literal.setdefault(token, _Node())
            node.numbers.append(number)

    def colliding(self, subject: str) -> list[_Installed]:
        """The imports that the subject collides with, in order."""
        numbers = sorted(self._candidates(subject.split(".")))
        return [self._installed[number] for number in numbers if subjects_collide(subject, self._subjects[number])]

    def _candidates(self, tokens: list[str]) -> Iterator[int]:
        node = self._root
        for token in tokens:
            if token[:1] in ("*", ">"):
                yield from node.all_numbers()
                return
            yield from node.numbers
            if token not in node.literal:
                return
            node = node.literal[token]
        yield from node.numbers


class Cycles:
    """Finds cycles among accounts, which are given by public key."""

    def __init__(self, accounts: Mapping[str, Claims]) -> None:
        self._accounts = accounts
        self._imports: dict[tuple[str, str], _Imports] = {}
        self._stream_exports: dict[str, SubjectIndex] = {}

    def issues(self, importer: Claims) -> Iterator[Issue]:
        """Issues for the imports of an account that a server does not install because of a cycle."""
        for index, item in enumerate(importer.body.imports):
            problem = "" if item is None else self._problem(importer.subject, item)
            if problem:
                yield blocks("server", f"imports[{index}]", problem)

    def _problem(self, importer: str, item: Import) -> str:
        if item.account not in self._accounts:
            return ""
        if item.type == "service":
            there, here = import_subjects(item)
            return self._follow(
                importer, item.account, "service", with_wildcards(here) if _has_wildcard(there) else here
            )
        subjects = dict.fromkeys((import_subjects(item).local, item.subject))
        return next(filter(None, (self._follow(importer, item.account, "stream", subject) for subject in subjects)), "")

    def _follow(self, importer: str, exporter: str, kind: str, subject: str) -> str:
        visited = {importer}
        # No recursion, because a chain of imports may have a thousand accounts. For each account in the chain: the steps that are left to follow.
        ways = [("", iter([(exporter, subject)]))]
        while ways:
            account, steps = ways[-1]
            step = next(steps, None)
            if step is None:
                ways.pop()
                continue
            following, subject = step
            if account and following in visited:
                return "this import forms a cycle with imports of other accounts, so servers do not install it."
            if account:
                visited.add(account)
            if following not in self._accounts:
                continue  # the account is not known here
            if len(visited) >= MOST_ACCOUNTS:
                return f"servers follow an import through {MOST_ACCOUNTS} accounts at most, so they do not install this one."
            ways.append((following, iter(self._steps(following, kind, subject))))
        return ""

    def _steps(self, account: str, kind: str, subject: str) -> list[tuple[str, str]]:
        """The accounts from which an account imports the subject, each with the subject to follow there."""
        if kind == "stream" and not self._exports_stream(account, subject):
            return []
        key = (account, kind)
        if key not in self._imports:
            self._imports[key] = _Imports(_installed(self._accounts[account], kind), kind)
        return [
            (item.exporter, item.here if is_subset(item.here, subject) else subject)
            for item in self._imports[key].colliding(subject)
        ]

    def _exports_stream(self, account: str, subject: str) -> bool:
        if account not in self._stream_exports:
            exports = self._accounts[account].body.exports
            subjects = [export.subject for export in exports if export is not None and export.type == "stream"]
            self._stream_exports[account] = SubjectIndex(subjects, as_server=True)
        return self._stream_exports[account].first(subject) is not None


def _installed(importer: Claims, kind: str) -> list[_Installed]:
    items = (item for item in importer.body.imports if item is not None and item.type == kind)
    return [_Installed(item.account, *_names(item)) for item in items]


def _names(item: Import) -> tuple[str, str]:
    """The subjects of an installed import in the importing and in the exporting account, with * for each reference to a wildcard."""
    there, here = import_subjects(item)
    # Without a wildcard in the exporting account, tokens such as $1 are not references.
    return (with_wildcards(here), with_wildcards(there)) if _has_wildcard(there) and here != there else (here, there)


def _has_wildcard(subject: str) -> bool:
    return not {"*", ">"}.isdisjoint(subject.split("."))


def subjects_collide(first: str, second: str) -> bool:
    """Whether both match a common subject (SubjectsCollide in sublist.go)."""
    one, two = first.split("."), second.split(".")
    one_is_wide, two_is_wide = ("*" in one or ">" in one), ("*" in two or ">" in two)
    if first == second or not (one_is_wide or two_is_wide):
        return first == second
    if not (one_is_wide and two_is_wide):
        return is_subset(second, first) if one_is_wide else is_subset(first, second)
    if len(one) != len(two):
        shorter = one if len(one) < len(two) else two
        if ">" not in shorter:
            return False
    return all(map(_can_match, one, two))


def _can_match(one: str, two: str) -> bool:
    if not one or not two:
        return False
    return one[0] in "*>" or two[0] in "*>" or one == two
