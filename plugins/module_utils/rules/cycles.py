# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Cycles of imports, which the server does not accept (checkServiceImportsForCycles and checkStreamImportsForCycles of nats-server's accounts.go)."""

from __future__ import annotations

from ..claims import Claims, Import
from .subjects import is_subset

#: How many accounts a server follows imports through (MaxAccountCycleSearchDepth).
_DEPTH = 1024


def forms_cycle(accounts: dict[str, Claims], importer: str, item: Import) -> bool:
    """Whether an import leads back to the account that has it, through other accounts, which are given by public key."""
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
