# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What the rules say of every entity of a plan: problems, which keep it from being applied, and warnings. One verdict for every module."""

from __future__ import annotations

import dataclasses
import functools
from typing import Iterable, Mapping, Sequence

from .. import rules
from ..claims import Claims
from ..claims.options import Problem
from ..rules import Issue
from ..rules.relations import Exporter, issues_of_imports
from .wanted import join


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What is wrong, and what is questionable, each with its place."""

    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()

    def __add__(self, other: Verdict) -> Verdict:
        """Both."""
        if not (other.problems or other.warnings):
            return self
        return Verdict((*self.problems, *other.problems), (*self.warnings, *other.warnings))

    def at(self, place: str) -> Verdict:
        """The same of an entity at a place, for what was said of one without a place."""
        if not self:
            return self
        problems = tuple(Problem(join(place, path), message) for path, message in self.problems)
        return Verdict(problems, tuple(Problem(join(place, path), message) for path, message in self.warnings))

    def beside(self, unread: Sequence[Problem]) -> Verdict:
        """The same without what is said of values that could not be read: rules see a default in their place."""
        if not (self and unread):
            return self
        places = {path for path, _message in unread}
        problems = tuple(problem for problem in self.problems if problem.path not in places)
        return Verdict(problems, tuple(warning for warning in self.warnings if warning.path not in places))

    def __bool__(self) -> bool:
        """Whether anything is said."""
        return bool(self.problems or self.warnings)


#: Where nothing is wrong.
NOTHING = Verdict()


def of_claims(claims: Claims, place: str, now: int, being_made: Iterable[int] = ()) -> Verdict:
    """What the rules say of the claims of one entity by itself. Imports whose activation is being made have no token yet."""
    found = [*rules.library_issues(claims, now), *rules.server_issues(claims, now)]
    return _verdict(_without_pending(found, being_made), place)


def of_account(operator: Claims, account: Claims, place: str, self_signed: bool) -> Verdict:
    """What the rules say of an account under its operator. Where accounts sign themselves, the operator signs them elsewhere."""
    found = rules.issues_between(operator, account)
    return _verdict((issue for issue in found if not (self_signed and issue.path == "issuer")), place)


def of_user(account: Claims, user: Claims, place: str, now: int, strict: bool) -> Verdict:
    """What the rules say of a user by itself and in its account, under an operator that may be strict."""
    return of_claims(user, place, now) + _verdict(rules.user_issues(account, user, now, strict), place)


def across(
    accounts: Mapping[str, Claims],
    places: Mapping[str, str],
    system_account: str,
    being_made: Mapping[str, Sequence[int]],
) -> Verdict:
    """What the rules say of imports: of those without an export, and of those that form a cycle. By names of accounts; the system account by key."""
    if not any(account.body.imports for account in accounts.values()):
        return NOTHING
    # A task of an account without imports does not pay for the import of these rules.
    from ..rules.cycles import Cycles

    by_key = {account.subject: account for account in accounts.values()}
    cycles = Cycles(by_key)

    @functools.lru_cache(maxsize=None)
    def exporter(key: str) -> Exporter | None:
        return Exporter(by_key[key], key == system_account) if key in by_key else None

    problems: list[Problem] = []
    warnings: list[Problem] = []
    for name, importer in accounts.items():
        found = _without_pending(issues_of_imports(importer, exporter), being_made.get(name, ()))
        of_imports = _verdict([*found, *cycles.issues(importer)], places[name])
        problems += of_imports.problems
        warnings += of_imports.warnings
    return Verdict(tuple(problems), tuple(warnings))


def _without_pending(found: Iterable[Issue], being_made: Iterable[int]) -> list[Issue]:
    pending = {f"imports[{index}].token" for index in being_made}
    return [issue for issue in found if issue.path not in pending]


def _verdict(issues: Iterable[Issue], place: str) -> Verdict:
    found = [issue for issue in issues if not issue.time_check]
    blocking = [Problem(join(place, issue.path), issue.message) for issue in found if issue.blocking]
    rest = [Problem(join(place, issue.path), issue.message) for issue in found if not issue.blocking]
    return Verdict(tuple(dict.fromkeys(blocking)), tuple(dict.fromkeys(rest)))
