# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Rules with what they apply to, exceptions from them, and findings."""

from __future__ import annotations

import dataclasses
from fnmatch import fnmatchcase
from typing import Any, Callable, Iterable, Iterator, NamedTuple

from ..access.permissions import Origin
from ..access.tree import Entry, Tree
from ..claims import Account, Operator
from .parameters import Parameter

#: What rules are about, in words of a policy.
OPERATOR, ACCOUNTS, USERS = "operator", "accounts", "users"
#: So many names stand in a message.
NAMED = 5


class Fault(NamedTuple):
    """That one operator, account or user breaks a rule: in words that follow its name, and the place where that is said; None for none."""

    about: Entry | None
    message: str
    origin: Origin | None = None


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of rules. `check` is called with what the rule applies to."""

    name: str
    title: str  # what holds where the rule is kept
    about: tuple[str, ...]
    check: Callable[[Tree, Rule, list[Entry]], Iterator[Fault]]
    parameters: dict[str, Parameter]
    #: Parameters of which exactly one is required.
    choice: tuple[str, ...] = ()


class Selection(NamedTuple):
    """What a rule or an exception applies to: patterns for names and public keys, and for tags. All that are given have to match."""

    accounts: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    @property
    def is_everything(self) -> bool:
        """Whether nothing is selected by anything."""
        return not any(self)

    @property
    def in_order(self) -> tuple[tuple[str, ...], ...]:
        """The same for selections that differ in the order of their patterns only."""
        return tuple(tuple(sorted(patterns)) for patterns in self)

    def matches(self, tree: Tree, entry: Entry | None) -> bool:
        """Whether an operator, account or user is selected. The operator is selected only where nothing else is asked for."""
        if self.is_everything:
            return True
        body = entry.claims.body if entry is not None else None
        if entry is None or isinstance(body, Operator):
            return False
        if isinstance(body, Account):
            account: Entry | None = entry
            if self.users:
                return False
        else:
            account = tree.account_of(entry)
            if self.users and not matches_any(self.users, (tree.title_of(entry), entry.key)):
                return False
        if self.accounts and not (account is not None and matches_any(self.accounts, (account.title, account.key))):
            return False
        return not self.tags or has_tag(self.tags, (entry, account))


def matches_any(patterns: Iterable[str], names: Iterable[str]) -> bool:
    """Whether a name matches a pattern with the wildcards `*`, `?` and `[...]` of file names."""
    known = tuple(names)
    return any(fnmatchcase(name, pattern) for pattern in patterns for name in known)


def has_tag(patterns: Iterable[str], entries: Iterable[Entry | None]) -> bool:
    """Whether a tag matches a pattern, in any case."""
    tags = [tag.lower() for entry in entries if entry is not None for tag in entry.claims.body.tags]
    return matches_any((pattern.lower() for pattern in patterns), tags)


@dataclasses.dataclass(frozen=True)
class Rule:
    """One rule of a policy."""

    id: str
    kind: Kind
    level: int
    values: dict[str, Any]
    applies_to: Selection = Selection()
    leaves_out: Selection | None = None
    reason: str = ""
    reference: str = ""
    path: str = ""  # in the policy; empty for a built-in rule

    def selects(self, tree: Tree, entry: Entry) -> bool:
        """Whether the rule applies."""
        if self.leaves_out is not None and self.leaves_out.matches(tree, entry):
            return False
        return self.applies_to.matches(tree, entry)


class Ending(NamedTuple):
    """The last day of an exception, and the unix seconds at which it is over: the end of that day in UTC."""

    day: str
    seconds: int


@dataclasses.dataclass(frozen=True)
class Waiver:
    """An exception: findings of a rule that somebody answers for, until a date."""

    rule: str
    owner: str
    reason: str
    until: Ending
    applies_to: Selection = Selection()
    path: str = ""

    def has_expired(self, now: int) -> bool:
        """Whether the last day is over."""
        return now >= self.until.seconds


@dataclasses.dataclass(frozen=True)
class Policy:
    """What is checked: rules up to a level, and exceptions."""

    rules: list[Rule]
    waivers: list[Waiver]
    #: The levels of rules that are known, checked or not, by their id.
    levels: dict[str, int]


@dataclasses.dataclass
class Finding:
    """What breaks a rule at one place; `about` are the operator, accounts and users that it concerns, by their names."""

    rule: str
    kind: str
    level: int
    text: str  # without the names
    claim: str = ""
    path: str = ""
    place: str = ""
    about: list[str] = dataclasses.field(default_factory=list)
    reason: str = ""
    reference: str = ""
    waiver: Waiver | None = None

    @property
    def message(self) -> str:
        """The finding in a sentence, with the names of those that it is about; only the first ones where they are many."""
        if not self.about:
            return self.text
        more = f" and {len(self.about) - NAMED} more" if len(self.about) > NAMED else ""
        return f"{', '.join(self.about[:NAMED])}{more}: {self.text}"


@dataclasses.dataclass(frozen=True)
class Checked:
    """A rule with how many operators, accounts or users it was applied to, and what came of it."""

    rule: Rule
    count: int
    findings: list[Finding]  # those that no exception covers
    excepted: list[Finding]


@dataclasses.dataclass
class Results:
    """What came of a whole policy."""

    checked: list[Checked]
    problems: list[str]
    notes: list[str] = dataclasses.field(default_factory=list)

    @property
    def findings(self) -> list[Finding]:
        """All that no exception covers."""
        return [finding for checked in self.checked for finding in checked.findings]

    @property
    def excepted(self) -> list[Finding]:
        """All that an exception covers."""
        return [finding for checked in self.checked for finding in checked.excepted]
