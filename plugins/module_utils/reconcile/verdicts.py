# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Applies the rules to the entities of a plan. Problems prevent the plan from being applied, warnings do not. All modules use the same verdicts."""

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
    """Problems and warnings, each with its place."""

    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()

    def __add__(self, other: Verdict) -> Verdict:
        """The problems and warnings of both verdicts."""
        if not (other.problems or other.warnings):
            return self
        return Verdict((*self.problems, *other.problems), (*self.warnings, *other.warnings))

    def at(self, place: str) -> Verdict:
        """The same verdict with its paths below a place."""
        if not self:
            return self
        problems = tuple(Problem(join(place, path), message) for path, message in self.problems)
        return Verdict(problems, tuple(Problem(join(place, path), message) for path, message in self.warnings))

    def beside(self, unread: Sequence[Problem]) -> Verdict:
        """The same verdict without entries about values that could not be read, because the rules saw a default in their place."""
        if not (self and unread):
            return self
        places = {path for path, _message in unread}
        problems = tuple(problem for problem in self.problems if problem.path not in places)
        return Verdict(problems, tuple(warning for warning in self.warnings if warning.path not in places))

    def __bool__(self) -> bool:
        """Whether there are problems or warnings."""
        return bool(self.problems or self.warnings)


#: The verdict without problems and warnings.
NOTHING = Verdict()


def of_claims(claims: Claims, place: str, now: int, being_made: Iterable[int] = ()) -> Verdict:
    """The verdict on the claims of a single entity. `being_made` are the indexes of imports whose activation token does not exist yet."""
    found = [*rules.library_issues(claims, now), *rules.server_issues(claims, now)]
    return _verdict(_without_pending(found, being_made), place)


def of_account(operator: Claims, account: Claims, place: str, self_signed: bool) -> Verdict:
    """The verdict on an account under its operator. `self_signed` accepts accounts that signed themselves, because the operator signs them elsewhere."""
    found = rules.issues_between(operator, account)
    return _verdict((issue for issue in found if not (self_signed and issue.path == "issuer")), place)


def of_user(account: Claims, user: Claims, place: str, now: int, strict: bool) -> Verdict:
    """The verdict on a user by itself and in its account. `strict` is whether the operator is strict."""
    return of_claims(user, place, now) + _verdict(rules.user_issues(account, user, now, strict), place)


def across(
    accounts: Mapping[str, Claims],
    places: Mapping[str, str],
    system_account: str,
    being_made: Mapping[str, Sequence[int]],
) -> Verdict:
    """The verdict on imports without an export and on import cycles. The mappings are by account name; `system_account` is a public key."""
    if not any(account.body.imports for account in accounts.values()):
        return NOTHING
    # Loaded only if an account has imports.
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
