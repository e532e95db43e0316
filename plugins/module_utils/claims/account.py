# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Account claims: limits, exports, imports, signing keys and scopes, mappings, authorization, trace."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

from ..base.errors import NatsSecurityError
from ..base.units import UNLIMITED
from . import kinds
from .declaration import declare, unknown_fields
from .go_json import valid_text, wrong_type
from .kinds import LARGEST_EXACT, Kind, WrittenZero
from .permissions import Permissions, ScopeTemplate, TemplateLimits
from .wire import (
    decode_object,
    encode_object,
    inline,
    map_of,
    map_of_lists,
    nested,
    optional,
    refuse_twins,
    sorted_list_of,
    zero_object,
)

_DESCRIPTION = ("A description, up to 8 KiB.",)
_INFO_URL = ("The URL of a page with more information.",)


@dataclasses.dataclass
class JetStreamLimits:
    """The JetStream limits of an account, or of one of its tiers."""

    memory_storage: int = declare("mem_storage", kinds.STORAGE, "Bytes in memory. 0 means none.")
    disk_storage: int = declare("disk_storage", kinds.STORAGE, "Bytes on disk. 0 means none.")
    streams: int = declare("streams", kinds.COUNT_FROM_1, "Streams.")
    consumers: int = declare("consumer", kinds.COUNT_FROM_1, "Consumers.")
    max_ack_pending: int = declare("max_ack_pending", kinds.COUNT_FROM_1, "Unacknowledged messages of a consumer.")
    memory_max_stream_bytes: int = declare(
        "mem_max_stream_bytes", kinds.SIZE_FROM_1, "Bytes of one stream that is kept in memory."
    )
    disk_max_stream_bytes: int = declare(
        "disk_max_stream_bytes", kinds.SIZE_FROM_1, "Bytes of one stream that is kept on disk."
    )
    max_bytes_required: bool = declare("max_bytes_required", kinds.BOOL, "Every stream must have a maximum size.")
    unknown: dict[str, Any] = unknown_fields()


@dataclasses.dataclass
class OperatorLimits:
    """The limits that the operator sets for an account."""

    subscriptions: int = declare("subs", kinds.COUNT, "Subscriptions of one connection.", default=UNLIMITED)
    data: int = declare("data", kinds.SIZE, "Total bytes.", default=UNLIMITED)
    payload: int = declare("payload", kinds.SIZE, "Bytes of one message.", default=UNLIMITED)
    imports: int = declare("imports", kinds.COUNT, "Imports.", default=UNLIMITED)
    exports: int = declare("exports", kinds.COUNT, "Exports.", default=UNLIMITED)
    wildcard_exports: bool = declare("wildcards", kinds.BOOL, "Exports may have wildcards.", default=True)
    disallow_bearer: bool = declare("disallow_bearer", kinds.BOOL, "Forbid bearer tokens.")
    connections: int = declare("conn", kinds.COUNT, "Connections of clients at the same time.", default=UNLIMITED)
    leaf_nodes: int = declare("leaf", kinds.COUNT, "Connections of leaf nodes at the same time.", default=UNLIMITED)
    jetstream: JetStreamLimits = declare(
        "", inline(JetStreamLimits), "JetStream, which is off unless memory_storage or disk_storage is set."
    )
    jetstream_tiers: dict[str, JetStreamLimits] = declare(
        "tiered_limits",
        map_of(JetStreamLimits, "tier"),
        "JetStream by the number of replicas, V(R1) and V(R3) and so on, instead of O(limits.jetstream).",
    )
    unknown: dict[str, Any] = unknown_fields()


@dataclasses.dataclass
class ServiceLatency:
    """How the latency of a service is measured."""

    sampling: int = declare(
        "sampling",
        kinds.SAMPLING,
        "The percentage of requests to measure, 1 to 100, or V(headers) to measure those that ask for it in a header.",
        always=True,
        default=100,
    )
    results: str = declare(
        "results",
        kinds.text("subject without wildcards"),
        "The subject that measurements are published to.",
        always=True,
        required=True,
    )
    unknown: dict[str, Any] = unknown_fields()


@dataclasses.dataclass
class Export:
    """A stream or service that other accounts may import."""

    name: str = declare("name", kinds.TEXT, "A descriptive name.")
    subject: str = declare("subject", kinds.text("exported subject"), "What is exported.", required=True)
    type: str = declare("type", kinds.EXPORT_TYPE, "Messages to receive, or requests to send.", required=True)
    token_required: bool = declare(
        "token_req",
        kinds.BOOL,
        "A private export: importing it requires an activation token, see M(natsops.security.nats_activation).",
    )
    revocations: dict[str, int] = declare(
        "revocations",
        kinds.REVOCATIONS,
        "Public account keys, or V(*) for all, with the time up to which their activation tokens are revoked.",
        "V(now) is the time of the first run with it. Omitting a revocation does not remove it, see O(remove_revocations).",
    )
    response_type: str = declare(
        "response_type",
        kinds.choice("Singleton", "Stream", "Chunked", same={"": "Singleton"}),
        "How a service answers: with one message, with many, or with one in chunks. One message if omitted.",
    )
    response_threshold: int = declare(
        "response_threshold",
        kinds.DURATION,
        "How long a service may take to answer, such as V(2s). 0 leaves it to the server.",
    )
    latency: ServiceLatency | None = declare(
        "service_latency", optional(ServiceLatency), "Measure the latency of a service."
    )
    account_token_position: int = declare(
        "account_token_position",
        kinds.integer(0, (1 << 64) - 1),
        "The position in the subject, from 1, of a V(*) that has to be the public key of the importing account.",
    )
    advertise: bool = declare("advertise", kinds.BOOL, "Tools may show the export to other accounts.")
    allow_trace: bool = declare(
        "allow_trace",
        kinds.BOOL,
        "Message traces continue into this account; for services only.",
        enforced_since=("2.11.0",),
    )
    description: str = declare("description", kinds.text("text up to 8 KiB"), *_DESCRIPTION)
    info_url: str = declare("info_url", kinds.text("URL of a page"), *_INFO_URL)
    unknown: dict[str, Any] = unknown_fields()


@dataclasses.dataclass
class Import:
    """A stream or service of another account."""

    name: str = declare("name", kinds.TEXT, "A descriptive name.")
    subject: str = declare(
        "subject", kinds.text("subject"), "The subject to import, as the exporting account names it.", required=True
    )
    account: str = declare("account", kinds.TEXT, "The public key of the exporting account.", required=True)
    token: str = declare(
        "token",
        kinds.TEXT,
        "The activation token, for a private export: RV(natsops.security.nats_activation#module:token).",
    )
    to: str = declare("to", kinds.TEXT, option=False, shown=True)
    local_subject: str = declare(
        "local_subject",
        kinds.text("local subject"),
        "The subject in this account. V($1) stands for the first V(*) of O(imports[].subject), and so on.",
    )
    type: str = declare("type", kinds.EXPORT_TYPE, "Messages to receive, or requests to send.", required=True)
    share: bool = declare(
        "share",
        kinds.BOOL,
        "Share the client information of requests with the exporting account, for measurements of latency; for services only.",
    )
    allow_trace: bool = declare(
        "allow_trace",
        kinds.BOOL,
        "Message traces of the exporting account continue into this one; for streams only.",
        enforced_since=("2.11.0",),
    )
    unknown: dict[str, Any] = unknown_fields()


@dataclasses.dataclass
class WeightedMapping:
    """One of the subjects that a subject is mapped to."""

    subject: str = declare(
        "subject", kinds.text("subject to map to"), "The subject to map to.", always=True, required=True
    )
    weight: int = declare(
        "weight",
        kinds.percentage(0, 255),
        "The percentage of messages that go there. 100 if omitted.",
    )
    cluster: str = declare("cluster", kinds.TEXT, "Only in the cluster of this name.")
    unknown: dict[str, Any] = unknown_fields()


@dataclasses.dataclass
class ExternalAuthorization:
    """Auth callout: a service of the account decides who may connect."""

    auth_users: list[str] = declare(
        "auth_users",
        kinds.TEXTS,
        "Public keys of the users of the service itself, which connect without being authorized by it.",
    )
    allowed_accounts: list[str] = declare(
        "allowed_accounts", kinds.TEXTS, "Public keys of accounts that the service may put users into, or V(*) for all."
    )
    xkey: str = declare("xkey", kinds.text("curve key"), "The public curve key that requests are encrypted for.")
    unknown: dict[str, Any] = unknown_fields()


@dataclasses.dataclass
class MessageTrace:
    """Distributed message tracing."""

    destination: str = declare(
        "dest", kinds.text("subject without wildcards"), "The subject that traces are sent to.", required=True
    )
    sampling: int = declare(
        "sampling",
        kinds.percentage(),
        "The percentage of the messages with a sampled C(traceparent) header to trace. 100 if omitted.",
    )
    unknown: dict[str, Any] = unknown_fields()


@dataclasses.dataclass
class SigningKey:
    """A key that signs users and activations on behalf of the account's own key; with a template it is scoped."""

    key: str = declare("key", kinds.TEXT, "The public key.", always=True)
    role: str = declare("role", kinds.TEXT, "A name for the scope, which tasks can use to refer to it.", always=True)
    template: ScopeTemplate | None = declare(
        "template",
        optional(ScopeTemplate),
        "Makes this a scoped key: its users have these permissions and limits, and none of their own.",
        "Subjects may refer to the user with V({{name(\\)}}), V({{subject(\\)}}), V({{account-name(\\)}}), V({{account-subject(\\)}}), "
        "V({{tag(x\\)}}) and V({{account-tag(x\\)}}).",
        "An empty dictionary is a scope without restrictions.",
    )
    description: str = declare("description", kinds.TEXT, "What the scope is for.", always=True)
    unknown: dict[str, Any] = unknown_fields()


_SCOPE_KIND = "user_scope"


def _encode_signing_keys(values: list[SigningKey]) -> str:
    last = {value.key: value for value in values}
    return "[" + ",".join(_encode_signing_key(last[key]) for key in sorted(last)) + "]"


def _encode_signing_key(value: SigningKey) -> str:
    if value.template is None:
        return kinds.TEXT.encode(value.key)
    return '{"kind":"' + _SCOPE_KIND + '",' + encode_object(value)[1:]


def through_float(raw: Any) -> Any:
    """The value with its numbers converted through float64, as Go does when it reads a scope into interface{} and writes it again."""
    if isinstance(raw, dict):
        return {name: through_float(member) for name, member in raw.items()}
    if isinstance(raw, list):
        return [through_float(member) for member in raw]
    if type(raw) in (int, float):
        try:
            number = float(raw)
        except OverflowError:
            raise NatsSecurityError(
                f"The token has a number of {len(str(raw))} digits, more than NATS can read."
            ) from None
        return int(number) if number.is_integer() and abs(number) < 1e21 else number
    return raw


def _decode_signing_keys(raw: Any, path: str) -> list[SigningKey]:
    if not isinstance(raw, list):
        raise wrong_type(path, "a list", raw)
    keys: dict[str, SigningKey] = {}
    for index, item in enumerate(raw):
        if isinstance(item, str):
            name = valid_text(item)
            keys[name] = SigningKey(key=name)
        elif isinstance(item, dict):
            where = f"{path}[{index}]"
            refuse_twins(item, where)
            if item.get("kind") != _SCOPE_KIND:
                raise NatsSecurityError(
                    "{} is a signing key with a scope of an unknown kind: {!r}.".format(where, item.get("kind"))
                )
            rest = {name: member for name, member in through_float(item).items() if name != "kind"}
            key: SigningKey = decode_object(SigningKey, rest, where)
            if key.template is None:
                key.template = zero_object(ScopeTemplate)
            keys[key.key] = key
    return list(keys.values())


_SIGNING_KEYS = Kind(
    _encode_signing_keys,
    _decode_signing_keys,
    [],
    list,
    list,
    {"type": "list"},
    SigningKey,
    "list",
)


@dataclasses.dataclass
class Account:
    """The content of an account JWT under `nats`, as in the Go library's account_claims.go."""

    KIND: ClassVar[str] = "account"
    SUBJECT_TYPE: ClassVar[str] = "account"
    ISSUER_TYPES: ClassVar[tuple[str, ...]] = ("account", "operator")

    imports: list[Import] = declare("imports", sorted_list_of(Import), "Streams and services of other accounts.")
    exports: list[Export] = declare(
        "exports", sorted_list_of(Export), "Streams and services that other accounts may import."
    )
    limits: OperatorLimits = declare("limits", nested(OperatorLimits), "What the operator grants the account.")
    signing_keys: list[SigningKey] = declare(
        "signing_keys", _SIGNING_KEYS, "Keys that sign users and activations on behalf of the account's own key."
    )
    revocations: dict[str, int] = declare(
        "revocations",
        kinds.REVOCATIONS,
        "Public user keys, or V(*) for all, with the time up to which their JWTs are revoked.",
        "V(now) is the time of the first run with it. Omitting a revocation does not remove it, see O(remove_revocations).",
    )
    default_permissions: Permissions = declare(
        "default_permissions", nested(Permissions), "The permissions of users that have none of their own."
    )
    mappings: dict[str, list[WeightedMapping]] = declare(
        "mappings",
        map_of_lists(WeightedMapping, "subject"),
        "Subjects, each with a list of subjects that messages published to it go to instead.",
    )
    authorization: ExternalAuthorization = declare(
        "authorization",
        nested(ExternalAuthorization),
        "Auth callout: a service of the account decides who may connect.",
    )
    trace: MessageTrace | None = declare(
        "trace", optional(MessageTrace), "Distributed message tracing.", enforced_since=("2.11.0",)
    )
    cluster_traffic: str = declare(
        "cluster_traffic",
        kinds.choice("system", "owner", same={"": "system"}),
        "The account that traffic of JetStream replication is sent in: the system account, or this one. The system account if omitted.",
        enforced_since=("2.11.0",),
    )
    description: str = declare("description", kinds.text("text up to 8 KiB"), *_DESCRIPTION)
    info_url: str = declare("info_url", kinds.text("URL of a page"), *_INFO_URL)
    tags: list[str] = declare("tags", kinds.TAGS, "Tags; they are made lower-case.")
    type: str = declare("type", kinds.TEXT, option=False)
    version: int = declare("version", kinds.INTEGER, option=False)
    unknown: dict[str, Any] = unknown_fields()


def check_scope_numbers(account: Account) -> None:
    """NatsSecurityError for a number in a template that servers would read as another number, or that makes the whole account undecodable."""
    for signing_key in account.signing_keys:
        if signing_key.template is None:
            continue
        for name, (number, problem) in scope_number_problems(signing_key.template).items():
            raise NatsSecurityError(
                f"The template of the signing key {signing_key.role or signing_key.key} has {name} = {number}: {problem}"
            )


def scope_number_problems(template: ScopeTemplate) -> dict[str, tuple[int, str]]:
    """The numbers of a template that servers would not read as they are: number and problem, by path (SigningKeys.UnmarshalJSON, NewUserScope)."""
    limits: TemplateLimits = template.limits
    response = template.permissions.response
    numbers = {
        "limits.subscriptions": limits.subscriptions,
        "limits.data": limits.data,
        "limits.payload": limits.payload,
    }
    problems = {
        name: (
            0,
            "NATS omits 0 from a scope, and servers then treat it as unlimited; use at least 1, or deny subjects.",
        )
        for name, number in numbers.items()
        if isinstance(number, WrittenZero)
    }
    if response is not None:
        numbers["permissions.response.max_messages"] = response.max_messages
        numbers["permissions.response.expires"] = response.expires
    for name, number in numbers.items():
        if abs(number) > LARGEST_EXACT:  # read through float64
            problems[name] = (
                number,
                f"numbers in a scope go up to 2^53-1 ({LARGEST_EXACT}), servers misread or reject larger ones. Use unlimited instead.",
            )
    return problems


def as_read_by_servers(account: Account) -> Account:
    """A copy of an account as servers read it: if it has tiers, they ignore the other JetStream limits, and a limit that a scope omits is unlimited.

    A decoded account is kept as it was written, so that encoding it gives the same bytes. This copy is for comparing and validating.
    """
    limits = account.limits
    if limits.jetstream_tiers:
        limits = dataclasses.replace(limits, jetstream=JetStreamLimits())
    signing_keys = []
    for key in account.signing_keys:
        template = key.template
        if template is not None:
            read = template.limits
            numbers = (read.subscriptions, read.data, read.payload)
            read = TemplateLimits(*map(kinds.as_read_in_scope, numbers))
            key = dataclasses.replace(key, template=dataclasses.replace(template, limits=read))
        signing_keys.append(key)
    return dataclasses.replace(account, limits=limits, signing_keys=signing_keys)
