# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The rules of `validation.py` held to every entity of a document, and the server's rule on cycles of imports. What blocks becomes a problem."""

from __future__ import annotations

from typing import Iterable, Iterator

from .. import rules
from ..claims import Claims, Import
from ..claims.options import Problem
from ..rules import Issue
from ..rules.subjects import is_subset

#: How many accounts a server follows imports through (MaxAccountCycleSearchDepth).
_DEPTH = 1024


def claims(wanted: Claims, path: str, now: int, being_made: Iterable[int] = ()) -> Iterator[Problem]:
    """What is wrong with the claims of an operator, account or user by themselves. Imports whose activation is being made have no token yet."""
    pending = tuple(f"imports[{index}].token" for index in being_made)
    found = [*rules.library_issues(wanted, now), *rules.server_issues(wanted)]
    return _problems((issue for issue in found if not (pending and issue.path.startswith(pending))), path)


def user(account: Claims, wanted: Claims, path: str, now: int, strict: bool) -> Iterator[Problem]:
    """What is wrong with a user, by itself and in its account, under an operator that may be strict."""
    yield from claims(wanted, path, now)
    yield from _problems(rules.user_issues(account, wanted, now, strict), path)


def between(operator: Claims, account: Claims, path: str, is_managed: bool) -> Iterator[Problem]:
    """What is wrong with an account under its operator. In a managed store accounts sign themselves, for the operator to sign them elsewhere."""
    found = rules.issues_between(operator, account)
    return _problems((issue for issue in found if not (is_managed and issue.path == "issuer")), path)


def across(accounts: dict[str, Claims], paths: dict[str, str], being_made: dict[str, list[int]]) -> Iterator[Problem]:
    """What is wrong with imports: those without an export, and those that form a cycle. By names of accounts."""
    by_key = {account.subject: account for account in accounts.values()}
    for name, importer in accounts.items():
        pending = tuple(f"imports[{index}].token" for index in being_made.get(name, ()))
        for key in dict.fromkeys(item.account for item in importer.body.imports if item is not None):
            exporter = by_key.get(key)
            if exporter is not None:
                found = rules.import_issues(importer, exporter)
                yield from _problems(
                    (issue for issue in found if not (pending and issue.path.startswith(pending))), paths[name]
                )
        for index, item in enumerate(importer.body.imports):
            if item is not None and _forms_cycle(by_key, importer.subject, item):
                yield Problem(
                    f"{paths[name]}.imports[{index}]",
                    "this import forms a cycle with imports of other accounts: the server does not accept it.",
                )


def _problems(issues: Iterable[Issue], path: str) -> Iterator[Problem]:
    for issue in issues:
        if issue.blocking and not issue.time_check:
            yield Problem(f"{path}.{issue.path}" if issue.path else path, issue.message)


# ---- cycles of imports (checkServiceImportsForCycles and checkStreamImportsForCycles of nats-server's accounts.go)


def _forms_cycle(accounts: dict[str, Claims], importer: str, item: Import) -> bool:
    exporter = accounts.get(item.account)
    if exporter is None:
        return False
    local = _untokenized(item.local_subject or item.to or item.subject)
    if item.type == "service":
        return _reaches(accounts, exporter, "service", local, {importer})
    return any(
        _reaches(accounts, exporter, "stream", subject, {importer}) for subject in dict.fromkeys((local, item.subject))
    )


def _reaches(accounts: dict[str, Claims], account: Claims, kind: str, subject: str, visited: set[str]) -> bool:
    if len(visited) >= _DEPTH:
        return True
    body = account.body
    if kind == "stream" and not any(
        export.type == kind and is_subset(subject, export.subject) for export in body.exports if export is not None
    ):
        return False
    for item in body.imports:
        if item is None or item.type != kind:
            continue
        # A server compares with what a service is called over there, and with what a stream is called here.
        local = _untokenized(item.local_subject or item.to or item.subject)
        compared, narrowed = (item.subject, local) if kind == "service" else (local, local)
        if subjects_collide(subject, compared):
            if item.account in visited:
                return True
            visited.add(account.subject)
            following = accounts.get(item.account)
            if following is not None and _reaches(
                accounts, following, kind, narrowed if is_subset(narrowed, subject) else subject, visited
            ):
                return True
    return False


def _untokenized(subject: str) -> str:
    """A local subject with `*` for each `$1` or `{{wildcard(1)}}`."""
    return ".".join("*" if part.startswith(("$", "{{")) else part for part in subject.split("."))


def subjects_collide(first: str, second: str) -> bool:
    """Whether some subject is matched by both (SubjectsCollide of nats-server's sublist.go)."""
    one, two = first.split("."), second.split(".")
    for left, right in zip(one, two):
        if ">" in (left, right):
            return True
        if left != right and "*" not in (left, right):
            return False
    return len(one) == len(two)
