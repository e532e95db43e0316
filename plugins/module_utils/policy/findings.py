# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Rules, the selections that they apply to, exceptions, and findings."""

from __future__ import annotations

import dataclasses
from fnmatch import fnmatchcase
from typing import Any, Callable, Iterable, Iterator, NamedTuple

from ..access.permissions import Origin
from ..access.tree import Entry, Tree
from ..base.excerpts import first_of
from ..claims import Account, Operator
from .parameters import Parameter

#: The kinds of entities that rules are about, as named in a policy.
OPERATOR, ACCOUNTS, USERS = "operator", "accounts", "users"
#: How many names a message lists at most.
NAMED = 5


class Fault(NamedTuple):
    """One operator, account or user that breaks a rule: a message that follows its name, and the place in the claims. `about` is None for no entity."""

    about: Entry | None
    message: str
    origin: Origin | None = None


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of rules. `check` is called with the entries that the rule applies to."""

    name: str
    title: str  # the statement that is true if no entity breaks the rule
    about: tuple[str, ...]
    check: Callable[[Tree, Rule, list[Entry]], Iterator[Fault]]
    parameters: dict[str, Parameter]
    #: Parameters of which exactly one is required.
    choice: tuple[str, ...] = ()


class Selection(NamedTuple):
    """What a rule or an exception applies to: patterns for names and public keys, and for tags. All given criteria have to match."""

    accounts: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    @property
    def is_everything(self) -> bool:
        """Whether there are no criteria, so that everything is selected."""
        return not any(self)

    @property
    def in_order(self) -> tuple[tuple[str, ...], ...]:
        """The selection with sorted patterns, to compare selections regardless of order."""
        return tuple(tuple(sorted(patterns)) for patterns in self)

    def matches(self, tree: Tree, entry: Entry | None) -> bool:
        """Whether an operator, account or user is selected. The operator is selected only if there are no criteria."""
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
    """Whether one of the names matches one of the patterns, with the wildcards `*`, `?` and `[...]` of file names."""
    known = tuple(names)
    return any(fnmatchcase(name, pattern) for pattern in patterns for name in known)


def has_tag(patterns: Iterable[str], entries: Iterable[Entry | None]) -> bool:
    """Whether a tag of the entries matches one of the patterns. The case is ignored."""
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
        """Whether the rule applies to an entry."""
        if self.leaves_out is not None and self.leaves_out.matches(tree, entry):
            return False
        return self.applies_to.matches(tree, entry)


class Ending(NamedTuple):
    """The last day of an exception, and the end of that day in UTC as Unix seconds."""

    day: str
    seconds: int


@dataclasses.dataclass(frozen=True)
class Waiver:
    """An exception: findings of a rule that its owner accepts until a date."""

    rule: str
    owner: str
    reason: str
    until: Ending
    applies_to: Selection = Selection()
    path: str = ""

    def has_expired(self, now: int) -> bool:
        """Whether its last day is over; `now` is in Unix seconds."""
        return now >= self.until.seconds


@dataclasses.dataclass(frozen=True)
class Policy:
    """The rules up to a level, and the exceptions."""

    rules: list[Rule]
    waivers: list[Waiver]
    #: The levels of all known rules, checked or not, by ID.
    levels: dict[str, int]


@dataclasses.dataclass
class Finding:
    """A violation of a rule at one place; `about` has the names of the operator, accounts and users that it concerns."""

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
        """The finding as a sentence, with the names of the entities that it is about. If there are many, only the first names."""
        if not self.about:
            return self.text
        return f"{first_of(self.about, NAMED)}: {self.text}"


@dataclasses.dataclass(frozen=True)
class Checked:
    """A rule, the number of operators, accounts or users that it was applied to, and its findings."""

    rule: Rule
    count: int
    findings: list[Finding]  # those that no exception covers
    excepted: list[Finding]


@dataclasses.dataclass
class Results:
    """The results of a whole policy."""

    checked: list[Checked]
    problems: list[str]
    notes: list[str] = dataclasses.field(default_factory=list)

    @property
    def findings(self) -> list[Finding]:
        """All findings that no exception covers."""
        return [finding for checked in self.checked for finding in checked.findings]

    @property
    def excepted(self) -> list[Finding]:
        """All findings that an exception covers."""
        return [finding for checked in self.checked for finding in checked.excepted]
