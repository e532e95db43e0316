# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The rules of the Go library's Validate() for accounts (account_claims.go, exports.go, imports.go, signingkeys.go)."""

from __future__ import annotations

import functools
import itertools
from typing import Any, Iterator, Sequence

from ..base.errors import NatsSecurityError
from ..base.excerpts import excerpt, quoted
from ..base.go_syntax import parse_url
from ..claims import (
    Account,
    Activation,
    Claims,
    Export,
    ExternalAuthorization,
    Import,
    JetStreamLimits,
    MessageTrace,
    OperatorLimits,
    ServiceLatency,
    SigningKey,
    WeightedMapping,
)
from ..claims.wire import zero_object
from ..keys.nkey import is_public_key
from ..token import codec
from .issues import Issue, blocks, key_problem, shown, warns
from .subject_index import SubjectIndex
from .subjects import (
    can_contain_others,
    has_wildcards,
    reference_number,
    subject_is_contained,
    subject_problems,
    without_references,
)

_error = functools.partial(blocks, "library")
_LONGEST_INFO = 8 * 1024
_NO_LIMIT = -1
#: The maximum number of overlaps that are reported. A JWT of 1 MiB may have millions.
_MOST_OVERLAPS = 1000
#: The maximum number of references to missing wildcards that are reported for one subject. A repeated reference is reported once.
_MOST_REFERENCES = 100
_A_TYPE = {"stream": "a stream", "service": "a service", "": "nothing"}


def account_issues(claims: Claims) -> Iterator[Issue]:
    """Issues of AccountClaims.Validate, except for times and default permissions."""
    account: Account = claims.body
    yield from _import_issues(account.imports, claims.subject)
    yield from _export_issues(account.exports)
    yield from _tier_issues(account.limits)
    for source, destinations in account.mappings.items():
        yield from _mapping_issues(source, destinations or [])
    yield from _authorization_issues(account.authorization)
    if account.trace is not None:
        yield from _trace_issues(account.trace)
    yield from _number_issues(account)
    yield from _signing_key_issues(account.signing_keys)
    yield from _info_issues("", account)
    if account.cluster_traffic not in ("", "system", "owner"):
        yield _error("cluster_traffic", f"{quoted(account.cluster_traffic)} is neither system nor owner.")
    if is_public_key(claims.issuer, "account") and not _are_empty(account.limits):
        yield warns(
            "library",
            "limits",
            "can be set only by an operator, and this account signs itself; omit them, or sign it with a key of the operator.",
        )


def _info_issues(path: str, described: Any) -> Iterator[Issue]:
    """Issues of Info.Validate. The path ends in a dot, or is empty."""
    if _is_too_long(described.description):
        yield _error(f"{path}description", "is longer than 8 KiB; shorten it, or put it behind info_url.")
    if not described.info_url:
        return
    if _is_too_long(described.info_url):
        yield _error(f"{path}info_url", "is longer than 8 KiB; shorten it.")
    try:
        url = parse_url(described.info_url)
        problem = "" if url.hostname and url.scheme else "it has no scheme or no host"
    except ValueError as error:
        problem = str(error)
    if problem:
        yield _error(
            f"{path}info_url", f"is not a URL of a page ({problem}); write one such as https://example.com/orders."
        )


def _is_too_long(text: str) -> bool:
    return len(text) > _LONGEST_INFO // 4 and len(text.encode("utf-8", "surrogatepass")) > _LONGEST_INFO


def _subject_issues(path: str, subject: str) -> Iterator[Issue]:
    for problem in subject_problems(subject):
        yield _error(path, problem)


def _key_issues(path: str, key: str, key_type: str) -> Iterator[Issue]:
    problem = key_problem(key, key_type)
    if problem:
        yield _error(path, problem)


# ---- limits


def _are_empty(limits: OperatorLimits) -> bool:
    """Whether the limits are empty (OperatorLimits.IsEmpty)."""
    empty: OperatorLimits = zero_object(OperatorLimits)
    return limits == empty


def _tier_issues(limits: OperatorLimits) -> Iterator[Issue]:
    """OperatorLimits.Validate"""
    if not limits.jetstream_tiers:
        return
    if limits.jetstream != JetStreamLimits():
        yield _error("limits.jetstream", "cannot be combined with jetstream_tiers; omit one of them.")
    if "" in limits.jetstream_tiers:
        yield _error("limits.jetstream_tiers", "have one without a name; name it by its replicas, such as R1 or R3.")


def _number_issues(account: Account) -> Iterator[Issue]:
    """The limits of imports and exports in Account.Validate. The Go library reports the limit of imports twice."""
    limits = account.limits
    if limits.imports != _NO_LIMIT and len(account.imports) > limits.imports:
        yield _error("imports", _too_many(len(account.imports), "imports", limits.imports))
    if limits.exports == _NO_LIMIT:
        return
    if len(account.exports) > limits.exports:
        yield _error("exports", _too_many(len(account.exports), "exports", limits.exports))
    if not limits.wildcard_exports:
        for index, export in enumerate(account.exports):
            if export is not None and has_wildcards(export.subject):
                yield _error(
                    f"exports[{index}].subject",
                    f"{quoted(export.subject)} has wildcards, which limits.wildcard_exports forbids; set that, or write a subject without.",
                )


def _too_many(count: int, name: str, limit: int) -> str:
    return f"are {count}, and limits.{name} is {limit}; raise the limit, or remove some."


# ---- exports (exports.go)


def _export_issues(exports: Sequence[Export | None]) -> Iterator[Issue]:
    for index, export in enumerate(exports):
        if export is None:
            yield _error(f"exports[{index}]", "is null; remove it.")
        else:
            yield from _one_export_issues(f"exports[{index}]", export)
    present = [(index, export) for index, export in enumerate(exports) if export is not None]
    yield from _overlap_issues([(index, export.subject) for index, export in present if export.type == "service"])
    yield from _overlap_issues([(index, export.subject) for index, export in present if export.type != "service"])


def _one_export_issues(path: str, export: Export) -> Iterator[Issue]:
    """Export.Validate"""
    is_service, is_stream = export.type == "service", export.type == "stream"
    if not is_service and not is_stream:
        yield _error(f"{path}.type", f"{quoted(export.type)} is neither stream nor service.")
    if is_service and export.response_type not in ("", "Singleton", "Stream", "Chunked"):
        yield _error(
            f"{path}.response_type", f"{quoted(export.response_type)} is not one of Singleton, Stream and Chunked."
        )
    if is_stream and export.response_type:
        yield _error(
            f"{path}.response_type",
            f"{quoted(export.response_type)} applies only to services; omit it.",
        )
    if is_stream and export.allow_trace:
        yield _error(f"{path}.allow_trace", "applies only to exports of services; omit it.")
    if export.latency is not None:
        if not is_service:
            yield _error(f"{path}.latency", "applies only to services; omit it.")
        yield from _latency_issues(f"{path}.latency", export.latency)
    if export.response_threshold < 0:
        yield _error(f"{path}.response_threshold", "is negative; write a duration such as 2s.")
    if export.response_threshold > 0 and not is_service:
        yield _error(f"{path}.response_threshold", "applies only to services; omit it.")
    yield from _subject_issues(f"{path}.subject", export.subject)
    problem = _position_problem(export.subject, export.account_token_position)
    if problem:
        yield _error(f"{path}.account_token_position", problem)
    yield from _info_issues(f"{path}.", export)


def _latency_issues(path: str, latency: ServiceLatency) -> Iterator[Issue]:
    """ServiceLatency.Validate"""
    if not 0 <= latency.sampling <= 100:
        yield _error(f"{path}.sampling", f"{latency.sampling} is not a percentage; write 1 to 100, or headers.")
    yield from _subject_issues(f"{path}.results", latency.results)
    if has_wildcards(latency.results):
        yield _error(
            f"{path}.results",
            f"{quoted(latency.results)} has wildcards, but messages are published to it; write a subject without.",
        )


def _position_problem(subject: str, position: int) -> str:
    if position <= 0:
        return ""
    if not has_wildcards(subject):
        return f"is {position}, and {quoted(subject)} has no * where the account's key could be; write one there."
    parts = subject.split(".")
    if position > len(parts):
        return f"is {position}, and {quoted(subject)} has {len(parts)} tokens only."
    if parts[position - 1] != "*":
        return f"is {position}, where {quoted(subject)} has {quoted(parts[position - 1])}; give the position of a *."
    return ""


def _overlap_issues(exports: list[tuple[int, str]]) -> Iterator[Issue]:
    """isContainedIn: one issue for each subject that contains another one of the same kind, or occurs twice."""
    containing: dict[str, tuple[int, str]] = {}
    first_by_subject: dict[str, int] = {}
    for index, subject in exports:
        if subject in first_by_subject:
            containing.setdefault(subject, (index, subject))
        first_by_subject.setdefault(subject, index)
    wide = [subject for subject in first_by_subject if can_contain_others(subject)]
    covering = SubjectIndex(wide, as_server=False)
    for index, subject in exports if wide else ():
        for numbers in covering.hits(subject):
            # Each containing subject is reported once, so it is removed from the index when it is found.
            for number in numbers:
                if wide[number] != subject:
                    containing.setdefault(wide[number], (index, subject))
            numbers[:] = [number for number in numbers if wide[number] == subject]
    for other, (index, subject) in containing.items():
        yield _error(
            f"exports[{index}].subject",
            f"{quoted(subject)} is already exported by exports[{first_by_subject[other]}] as {quoted(other)}; "
            "remove one, or give them subjects that do not overlap.",
        )


# ---- imports (imports.go)


def _import_issues(imports: Sequence[Import | None], importer: str) -> Iterator[Issue]:
    """Imports.Validate"""
    services: dict[str, list[tuple[int, str]]] = {}
    for index, item in enumerate(imports):
        if item is not None and item.type == "service":
            local = item.to or without_references(item.local_subject) or item.subject
            services.setdefault(item.account, []).append((index, local))
    overlaps: dict[int, list[Issue]] = {}
    for of_account in services.values():
        for index, issue in _local_overlap_issues(of_account):
            overlaps.setdefault(index, []).append(issue)
    for index, item in enumerate(imports):
        path = f"imports[{index}]"
        if item is None:
            yield _error(path, "is null; remove it.")
            continue
        yield from overlaps.get(index, ())
        yield from _one_import_issues(path, item)
        yield from import_token_issues(path, item, importer)


def _local_overlap_issues(imports: list[tuple[int, str]]) -> Iterator[tuple[int, Issue]]:
    """Service imports from one account whose local subjects overlap: the index of the later import of each pair, and the issue.

    At most _MOST_OVERLAPS pairs are reported.
    """
    first: dict[str, int] = {}
    for index, local in imports:
        first.setdefault(local, index)
    wide = [local for local in first if can_contain_others(local)]
    covering = SubjectIndex(wide, as_server=False)
    overlapping: dict[str, set[str]] = {}
    pairs = ((local, wide[number]) for local in first for numbers in covering.hits(local) for number in numbers)
    for local, other in itertools.islice(pairs, _MOST_OVERLAPS):
        overlapping.setdefault(local, set()).add(other)
        overlapping.setdefault(other, set()).add(local)
    found = (
        (index, local, other)
        for index, local in imports
        for other in sorted(overlapping.get(local, set()) | {local}, key=first.__getitem__)
        if first[other] < index
    )
    for index, local, other in itertools.islice(found, _MOST_OVERLAPS):
        path = f"imports[{index}]"
        if other == local:
            yield (
                index,
                _error(
                    path,
                    f"imports the service {quoted(local)} again, which imports[{first[local]}] already does; remove one.",
                ),
            )
        yield (
            index,
            _error(
                path,
                f"its requests to {quoted(local)} overlap with {quoted(other)} of imports[{first[other]}] from the same account; "
                "give one of them another local_subject.",
            ),
        )


def _one_import_issues(path: str, item: Import) -> Iterator[Issue]:
    """Issues of Import.Validate, except for the token."""
    if item.type not in ("service", "stream"):
        yield _error(f"{path}.type", f"{quoted(item.type)} is neither stream nor service.")
    if item.type == "service" and item.allow_trace:
        yield _error(f"{path}.allow_trace", "applies only to imports of streams; omit it.")
    if not item.account:
        yield _error(f"{path}.account", "is empty; write the public key of the exporting account.")
    if item.to:
        yield warns("library", f"{path}.to", "is deprecated; use local_subject instead.")
    yield from _subject_issues(f"{path}.subject", item.subject)
    if item.local_subject:
        for problem in renaming_problems(item.local_subject, item.subject):
            yield _error(f"{path}.local_subject", problem)
        if item.to:
            yield _error(f"{path}.local_subject", "cannot be combined with to, which it replaces; omit to.")
    if item.share and item.type != "service":
        yield _error(f"{path}.share", "applies only to imports of services; omit it.")


def renaming_problems(local: str, subject: str) -> Iterator[str]:
    """Problems of RenamingSubject.Validate. Other checks also report an empty subject, and spaces in the local subject."""
    yield from subject_problems(local)
    if _ends_open(local) != _ends_open(subject):
        yield f"{quoted(local)} and {quoted(subject)} have to end in > both, or neither."
    wildcards = subject.split(".").count("*")
    used = 0
    wrong: dict[str, None] = {}
    for part in local.split("."):
        number = reference_number(part)
        if part == "*" or (number is not None and number <= wildcards):
            used += 1
        elif number is not None:
            wrong[part] = None
    for part in itertools.islice(wrong, _MOST_REFERENCES):
        yield f"{excerpt(part)} refers to a wildcard that {quoted(subject)} does not have, which has {wildcards}."
    if len(wrong) > _MOST_REFERENCES:
        yield f"{len(wrong) - _MOST_REFERENCES} more references do so."
    if used != wildcards:
        yield (
            f"{quoted(local)} refers to {used} wildcards, and {quoted(subject)} has {wildcards}; write $1 for the first one, and so on."
        )


def _ends_open(subject: str) -> bool:
    return subject == ">" or subject.endswith(".>")


def import_token_issues(path: str, item: Import, importer: str) -> Iterator[Issue]:
    """What Import.Validate reports about the activation token of an import into an account, except for times."""
    path = f"{path}.token"
    if not item.token:
        return
    try:
        claims = read_activation(item.token)
    except NatsSecurityError as error:
        yield _error(path, f"cannot be read as an activation: {error}")
        return
    activation: Activation = claims.body
    if item.account not in (claims.issuer, activation.issuer_account):
        by = activation.issuer_account or claims.issuer
        yield _error(
            path,
            f"was issued by the account {shown(by)}, not by {shown(item.account) or 'none'}; get one from that account.",
        )
    if claims.subject != importer:
        yield _error(path, f"is for the account {shown(claims.subject)}, not for {importer}; get one for this account.")
    if activation.import_type != item.type:
        yield _error(
            path,
            f"is for {_A_TYPE.get(activation.import_type)}, not for {_A_TYPE.get(item.type, item.type)}; get one for that.",
        )
    for name, problem in activation_problems(activation):
        yield _error(path, f"has a wrong {name}: {problem}")
    subject = item.to if item.type == "service" and item.to else item.subject
    if not subject_is_contained(subject, activation.import_subject):
        yield _error(
            path,
            f"allows {quoted(activation.import_subject)}, which does not cover {quoted(item.subject)}; get one that does.",
        )


def read_activation(token: str) -> Claims:
    """The claims of an activation token. Raises NatsSecurityError for any other token."""
    claims = codec.decode(token)
    if not isinstance(claims.body, Activation):
        raise NatsSecurityError(f"It is a token of {claims.kind} claims.")
    return claims


def activation_problems(activation: Activation) -> Iterator[tuple[str, str]]:
    """What ActivationClaims.validateWithTimeChecks reports about an activation, except for times: pairs of field and problem."""
    if activation.import_type not in ("stream", "service"):
        yield "import_type", f"{quoted(activation.import_type)} is neither stream nor service."
    for problem in subject_problems(activation.import_subject):
        yield "import_subject", problem
    if activation.issuer_account:
        problem = key_problem(activation.issuer_account, "account")
        if problem:
            yield "issuer_account", problem


# ---- the rest


def _mapping_issues(source: str, destinations: list[WeightedMapping]) -> Iterator[Issue]:
    """Mapping.Validate"""
    path = f"mappings.{excerpt(source)}"
    yield from _subject_issues(path, source)
    totals: dict[str, int] = {}
    for index, destination in enumerate(destinations):
        weight = destination.weight or 100
        cluster = destination.cluster
        yield from _subject_issues(f"{path}[{index}].subject", destination.subject)
        if weight > 100:
            yield _error(f"{path}[{index}].weight", f"{weight} is more than 100 percent.")
        totals[cluster] = totals.get(cluster, 0) + weight
        if cluster and totals[cluster] > 100:
            yield _error(
                f"{path}[{index}].weight",
                f"brings the weights in the cluster {quoted(cluster)} to {totals[cluster]}, and the maximum is 100; "
                "an omitted weight counts as 100.",
            )
    if totals.get("", 0) > 100:
        yield _error(
            path, f"has weights of {totals['']} in total, and the maximum is 100; an omitted weight counts as 100."
        )


def _authorization_issues(authorization: ExternalAuthorization) -> Iterator[Issue]:
    """ExternalAuthorization.Validate"""
    allowed = authorization.allowed_accounts
    if allowed and not authorization.auth_users:
        yield _error(
            "authorization.auth_users", "are missing; name the users of the service that allowed_accounts is for."
        )
    for index, user in enumerate(authorization.auth_users):
        yield from _key_issues(f"authorization.auth_users[{index}]", user, "user")
    for index, account in enumerate(allowed):
        path = f"authorization.allowed_accounts[{index}]"
        if account != "*":
            yield from _key_issues(path, account, "account")
        elif len(allowed) > 1:
            yield _error(path, "is *, which means all accounts; remove it, or the others.")
    if authorization.xkey:
        yield from _key_issues("authorization.xkey", authorization.xkey, "curve")


def _trace_issues(trace: MessageTrace) -> Iterator[Issue]:
    for problem in subject_problems(trace.destination):
        yield _error("trace.destination", problem)
        break  # The Go library reports only the first problem.
    if has_wildcards(trace.destination):
        yield _error(
            "trace.destination",
            f"{quoted(trace.destination)} has wildcards, but messages are published to it; write a subject without.",
        )
    if not 0 <= trace.sampling <= 100:
        yield _error("trace.sampling", f"{trace.sampling} is not a percentage; write 1 to 100.")


def _signing_key_issues(signing_keys: list[SigningKey]) -> Iterator[Issue]:
    """SigningKeys.Validate. A decoded account never has a key twice, because decoding keeps the last entry."""
    seen: dict[str, int] = {}
    for index, signing_key in enumerate(signing_keys):
        path = f"signing_keys[{index}].key"
        yield from _key_issues(path, signing_key.key, "account")
        if signing_key.key in seen:
            yield _error(
                path, f"{shown(signing_key.key)} is signing_keys[{seen[signing_key.key]}] already; remove one."
            )
        seen[signing_key.key] = index
