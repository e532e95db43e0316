# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Which subjects an import connects. The meaning of the deprecated member `to` differs between streams and services, so only this file reads it."""

from __future__ import annotations

from typing import NamedTuple

from ..claims import Import


class ImportSubjects(NamedTuple):
    """The subjects of an import in the exporting and in the importing account. They are not validated."""

    remote: str
    local: str


def import_subjects(item: Import) -> ImportSubjects:
    """The subjects of an import as servers install it (updateAccountClaimsWithRefresh in accounts.go).

    `to` is a prefix of the local subject of a stream, and the remote subject of a service. If local_subject is set, `to` is ignored.
    """
    if item.local_subject:
        return ImportSubjects(item.subject, item.local_subject)
    if item.to and item.type == "service":
        return ImportSubjects(item.to, item.subject)
    if item.to:
        return ImportSubjects(item.subject, f"{item.to}{'' if item.to.endswith('.') else '.'}{item.subject}")
    return ImportSubjects(item.subject, item.subject)


def without_to(item: Import) -> ImportSubjects:
    """The values of `subject` and `local_subject` for an equivalent import without `to`. `local` is empty if the subject is not renamed."""
    if item.local_subject or not item.to:
        return ImportSubjects(item.subject, item.local_subject)
    from .transforms import with_references  # few imports need it

    remote, local = import_subjects(item)
    return ImportSubjects(remote, "" if local == remote else with_references(local))


def import_meaning(item: Import) -> ImportSubjects:
    """The subjects with `$1`, `$2` and so on in place of the wildcards of the local one. They are equal for imports that servers treat as equal."""
    from .transforms import with_references

    remote, local = import_subjects(item)
    return ImportSubjects(remote, with_references(local))
