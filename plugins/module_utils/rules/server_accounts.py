# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The rules of `server.py` for accounts: what nats-server refuses, ignores or reads differently."""

from __future__ import annotations

import functools
import re
from typing import Iterator

from ..base.excerpts import excerpt, quoted
from ..claims import Account, Claims, Export, Import, JetStreamLimits, OperatorLimits, ServiceLatency, WeightedMapping
from .access import (
    below_unlimited_issues,
    data_issues,
    literal_issues,
    permission_issues,
    subject_issues,
    tag_issues,
    why_invalid,
)
from .accounts import renaming_problems
from .issues import Issue, blocks, key_problem, shown, warns
from .scopes import signing_key_issues, taken_issues
from .subject_index import SubjectIndex
from .subjects import has_wildcards, is_valid_subject, subject_problems
from .transforms import (
    mapping_problem,
    odd_references,
    renaming_problem,
    unused_references,
    with_references,
    with_wildcards,
)

_refused = functools.partial(blocks, "server")
_odd = functools.partial(warns, "server")


def account_issues(claims: Claims) -> Iterator[Issue]:
    """Issues that a server has with an account."""
    account: Account = claims.body
    yield from tag_issues(account.tags)
    if claims.issuer != claims.subject:  # A self-signed account has no limits; the operator adds them.
        yield from _account_limit_issues(account.limits)
    yield from permission_issues("default_permissions", account.default_permissions)
    for index, signing_key in enumerate(account.signing_keys):
        yield from signing_key_issues(f"signing_keys[{index}]", signing_key, claims)
    yield from taken_issues(claims)
    services = sorted(export.subject for export in account.exports if export is not None and export.type == "service")
    covering = SubjectIndex(services, as_server=True)
    for index, export in enumerate(account.exports):
        if export is not None:
            yield from _export_issues(f"exports[{index}]", export, services, covering)
    for index, item in enumerate(account.imports):
        if item is not None:
            yield from _import_issues(f"imports[{index}]", item, claims.subject)
    yield from _repeated_stream_issues(account.imports)
    for source, destinations in account.mappings.items():
        yield from _mapping_issues(f"mappings.{excerpt(source)}", source, destinations or [])
    yield from _revocation_issues("revocations", account.revocations, "user")
    if account.authorization.xkey and not account.authorization.auth_users:  # HasExternalAuthorization
        yield _odd(
            "authorization.xkey",
            "has no effect without auth_users, which enable auth callout; add these, or omit it.",
        )
    if account.trace is not None:
        destination = account.trace.destination
        if not any(subject_problems(destination)) and not has_wildcards(destination):  # IsValidPublishSubject
            yield from subject_issues("trace.destination", destination, "servers trace nothing")


def _account_limit_issues(limits: OperatorLimits) -> Iterator[Issue]:
    # applyAccountLimits in client.go, MaxTotalConnectionsReached in accounts.go
    if limits.subscriptions == 0:
        yield _odd(
            "limits.subscriptions",
            "is 0, with which servers disconnect every client at once; write a number from 1, or unlimited.",
        )
    numbers = {
        "subscriptions": limits.subscriptions,
        "payload": limits.payload,
        "connections": limits.connections,
        "leaf_nodes": limits.leaf_nodes,
    }
    yield from below_unlimited_issues("limits", numbers)
    yield from data_issues("limits.data", limits.data)
    for name in limits.jetstream_tiers:
        if name and not re.fullmatch("R[1-5]", name):  # tierName in jetstream.go
            yield _odd(
                f"limits.jetstream_tiers.{name}",
                "is not a number of replicas, so no stream belongs to it; name it R1 to R5, such as R3.",
            )
    if limits.jetstream_tiers:
        has_storage = any(tier.memory_storage or tier.disk_storage for tier in limits.jetstream_tiers.values())
        if not has_storage:  # IsJSEnabled
            yield _odd(
                "limits.jetstream_tiers", "have no storage, so JetStream stays off; set memory_storage or disk_storage."
            )
    elif _limits_nothing(limits.jetstream):
        yield _odd(
            "limits.jetstream",
            "has limits without storage, so JetStream stays off; set memory_storage or disk_storage.",
        )


def _limits_nothing(limits: JetStreamLimits) -> bool:
    numbers = (
        limits.streams,
        limits.consumers,
        limits.max_ack_pending,
        limits.memory_max_stream_bytes,
        limits.disk_max_stream_bytes,
    )
    return not limits.memory_storage and not limits.disk_storage and max(numbers) > 0


def _revocation_issues(path: str, revocations: dict[str, int], key_type: str) -> Iterator[Issue]:
    """isRevoked in accounts.go"""
    for key in revocations:
        problem = "" if key == "*" else key_problem(key, key_type)
        if problem:
            yield _odd(f"{path}.{shown(key)}", f"revokes nothing: {problem}")


# ---- exports


def _export_issues(path: str, export: Export, services: list[str], covering: SubjectIndex) -> Iterator[Issue]:
    if not any(subject_problems(export.subject)):
        yield from _exported_subject_issues(f"{path}.subject", export.subject)
    if export.token_required and export.account_token_position:  # checkAuth
        yield _odd(
            f"{path}.token_required",
            "has no effect with account_token_position, as servers then require no token; omit one of them.",
        )
    if export.revocations and (not export.token_required or export.account_token_position):  # checkAuth
        yield _odd(
            f"{path}.revocations",
            "revoke nothing, importing this requires no token; set token_required, or omit them.",
        )
    yield from _revocation_issues(f"{path}.revocations", export.revocations, "account")
    if export.latency is not None and export.type == "service":
        number = covering.first(export.latency.results)
        # A server checks the exports up to this one, in the order of their subjects.
        other = services[number] if number is not None and services[number] <= export.subject else ""
        yield from _latency_issues(f"{path}.latency", export, export.latency, other)


def _exported_subject_issues(path: str, subject: str) -> Iterator[Issue]:
    """isSubsetMatch in sublist.go"""
    tokens = subject.split(".")
    if ">" in tokens[:-1]:
        wide = ".".join(tokens[: tokens.index(">") + 1])
        yield _odd(
            path,
            f"{quoted(subject)} has > before its end, and servers export {quoted(wide)} for it; write the subject that you mean.",
        )
    elif not is_valid_subject(subject):
        yield _refused(path, f"{quoted(subject)} has white space, so no account can import it.")
    yield from literal_issues(path, subject)


def _latency_issues(path: str, export: Export, latency: ServiceLatency, other: str) -> Iterator[Issue]:
    """TrackServiceExportWithSampling in accounts.go. `other` is the exported service that covers the subject of the results, if any."""
    results = latency.results
    if export.response_type in ("Stream", "Chunked"):
        yield _refused(
            path,
            f"is not measured of a service that answers as {export.response_type}; omit latency or response_type.",
        )
    if any(subject_problems(results)) or has_wildcards(results):
        return
    yield from subject_issues(f"{path}.results", results, "servers measure nothing")
    if other:
        yield _refused(
            f"{path}.results",
            f"{quoted(results)} is itself exported as the service {quoted(other)}; write a subject that is not.",
        )


# ---- imports


def _import_issues(path: str, item: Import, importer: str) -> Iterator[Issue]:
    if item.account and key_problem(item.account, "account"):  # fetchAccount
        yield _refused(f"{path}.account", key_problem(item.account, "account"))
    elif item.account == importer:
        yield _odd(
            f"{path}.account", "is this account itself, which has these subjects anyway; use mappings to rename them."
        )
    if any(subject_problems(item.subject)):
        return
    # checkStreamImportAuthorizedNoLock, addServiceImportWithClaim
    yield from subject_issues(f"{path}.subject", item.subject, "servers import nothing")
    if item.local_subject and is_valid_subject(item.subject):
        yield from _local_subject_issues(f"{path}.local_subject", item)


def _local_subject_issues(path: str, item: Import) -> Iterator[Issue]:
    """addMappedStreamImportWithClaim and addServiceImport in accounts.go"""
    if any(renaming_problems(item.local_subject, item.subject)):
        return
    if item.type == "service" and not is_valid_subject(item.local_subject):
        yield _refused(
            path, f"{quoted(item.local_subject)} {why_invalid(item.local_subject)}, so servers import nothing."
        )
        return
    yield from literal_issues(path, item.local_subject)
    if not has_wildcards(item.subject) or item.local_subject == item.subject:
        return
    source = with_wildcards(item.subject) if item.type == "service" else item.subject
    destination = with_references(item.local_subject)
    problem = renaming_problem(source, destination)
    if problem:
        yield _refused(path, f"servers import nothing: {problem}.")
        return
    odd = odd_references(source, destination)
    if odd:
        yield _odd(path, f"{odd}.")
        return
    unused = unused_references(source, destination)
    if unused:
        missing = excerpt(", ".join(f"${number}" for number in unused))
        yield _odd(
            path, f"{quoted(item.local_subject)} omits a part of {quoted(item.subject)}; {missing} is missing in it."
        )


def _repeated_stream_issues(imports: list[Import]) -> Iterator[Issue]:
    """isStreamImportDuplicate in accounts.go"""
    first: dict[tuple[str, str], int] = {}
    for index, item in enumerate(imports):
        if item is None or item.type != "stream":
            continue
        earlier = first.setdefault((item.account, item.subject), index)
        if earlier != index:
            yield _refused(
                f"imports[{index}].subject",
                f"{quoted(item.subject)} is imported from that account by imports[{earlier}] already; remove one.",
            )


# ---- mappings


def _mapping_issues(path: str, source: str, destinations: list[WeightedMapping]) -> Iterator[Issue]:
    """validateAccountClaimMappings and AddWeightedMappings in accounts.go"""
    if any(subject_problems(source)):
        return
    yield from subject_issues(path, source, "servers refuse the mapping")
    if not is_valid_subject(source):
        return
    first: dict[str, int] = {}
    for index, destination in enumerate(destinations):
        where = f"{path}[{index}].subject"
        earlier = first.setdefault(destination.subject, index)
        if earlier != index:
            yield _refused(
                where,
                f"{quoted(destination.subject)} is listed already, regardless of cluster; write each subject once.",
            )
        if any(subject_problems(destination.subject)):
            continue
        problem = mapping_problem(source, destination.subject)
        if problem:
            yield _refused(where, f"servers refuse the mapping: {problem}.")
            continue
        odd = odd_references(source, destination.subject)
        if odd:
            yield _odd(where, f"{odd}.")
        yield from literal_issues(where, destination.subject)
    if not destinations:
        yield _odd(path, "maps to nothing, so messages keep their subject; name a subject, or remove it.")
