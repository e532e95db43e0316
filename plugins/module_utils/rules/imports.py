# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Which subjects an import connects. The deprecated member `to` means one thing in a stream and another in a service: it is read here only."""

from __future__ import annotations

from typing import NamedTuple

from ..claims import Import


class ImportSubjects(NamedTuple):
    """What an import is called in the exporting account, and in the importing one; nothing is checked."""

    remote: str
    local: str


def import_subjects(item: Import) -> ImportSubjects:
    """The subjects of an import as servers install it (updateAccountClaimsWithRefresh in accounts.go).

    `to` is a prefix of the local subject of a stream, and the remote subject of a service; local_subject takes its place.
    """
    if item.local_subject:
        return ImportSubjects(item.subject, item.local_subject)
    if item.to and item.type == "service":
        return ImportSubjects(item.to, item.subject)
    if item.to:
        return ImportSubjects(item.subject, f"{item.to}{'' if item.to.endswith('.') else '.'}{item.subject}")
    return ImportSubjects(item.subject, item.subject)


def without_to(item: Import) -> ImportSubjects:
    """The values of `subject` and `local_subject` with which an import without `to` does the same. `local` is empty where there is nothing to rename."""
    if item.local_subject or not item.to:
        return ImportSubjects(item.subject, item.local_subject)
    from .transforms import with_references  # which few imports need

    remote, local = import_subjects(item)
    return ImportSubjects(remote, "" if local == remote else with_references(local))


def import_meaning(item: Import) -> ImportSubjects:
    """The subjects with `$1`, `$2` and so on for the wildcards of the local one: equal for imports that servers take for the same."""
    from .transforms import with_references

    remote, local = import_subjects(item)
    return ImportSubjects(remote, with_references(local))
