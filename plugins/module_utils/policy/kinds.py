# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""All kinds of rules: the entities that each is about, its parameters and its check. The documentation of nats_policy has the same list."""

from __future__ import annotations

from . import checks_access, checks_claims, parameters
from .findings import ACCOUNTS, OPERATOR, USERS, Kind
from .parameters import Parameter

_ACCOUNT_LIMITS = ("connections", "leaf_nodes", "subscriptions", "payload", "imports", "exports")
_JETSTREAM_LIMITS = (
    "memory_storage",
    "disk_storage",
    "streams",
    "consumers",
    "max_ack_pending",
    "memory_max_stream_bytes",
    "disk_max_stream_bytes",
)
_SYSTEM_ACCOUNT = {"system_account": Parameter(parameters.flag, False)}
_WILDCARDS = {
    "wildcards": Parameter(parameters.one_of(checks_access.LEADING, checks_access.ANY), checks_access.LEADING),
    **_SYSTEM_ACCOUNT,
}
_DAY = 86400


def _of(*default: str) -> Parameter:
    return Parameter(parameters.some_of((OPERATOR, ACCOUNTS, USERS)), default)


_ALL = (
    Kind(
        "user-expiry",
        "Users expire in time",
        (USERS,),
        checks_claims.expiry,
        {"within": Parameter(parameters.duration, 90 * _DAY)},
    ),
    Kind("no-bearer-users", "Users prove that they have their key", (ACCOUNTS, USERS), checks_claims.bearer, {}),
    Kind(
        "no-wildcard-publish",
        "Users do not publish to wildcard subjects",
        (USERS,),
        checks_access.wide_publish,
        _WILDCARDS,
    ),
    Kind(
        "no-wildcard-subscribe",
        "Users do not subscribe to wildcard subjects",
        (USERS,),
        checks_access.wide_subscribe,
        _WILDCARDS,
    ),
    Kind("scoped-signing-keys", "Signing keys of accounts have a scope", (ACCOUNTS,), checks_claims.scoped_keys, {}),
    Kind(
        "no-identity-signatures",
        "Only signing keys sign, not identity keys",
        (ACCOUNTS, USERS),
        checks_claims.identity_signatures,
        {},
    ),
    Kind("strict-signing-keys", "Servers refuse what identity keys sign", (OPERATOR,), checks_claims.strict, {}),
    Kind("system-account", "There is a system account", (OPERATOR,), checks_claims.system_account, {}),
    Kind(
        "bearer-forbidden",
        "Accounts forbid bearer tokens",
        (ACCOUNTS,),
        checks_claims.bearer_forbidden,
        _SYSTEM_ACCOUNT,
    ),
    Kind(
        "connection-limits",
        "Limits of accounts are set",
        (ACCOUNTS,),
        checks_claims.connection_limits,
        {"limits": Parameter(parameters.some_of(_ACCOUNT_LIMITS), ("connections",)), **_SYSTEM_ACCOUNT},
    ),
    Kind(
        "jetstream-limits",
        "Limits of JetStream are set",
        (ACCOUNTS,),
        checks_claims.jetstream_limits,
        {"limits": Parameter(parameters.some_of(_JETSTREAM_LIMITS), _JETSTREAM_LIMITS[:4]), **_SYSTEM_ACCOUNT},
    ),
    Kind("live-imports", "Every import has an export that works", (ACCOUNTS,), checks_access.live_imports, {}),
    Kind("unused-exports", "Every export is imported", (ACCOUNTS,), checks_access.unused_exports, {}),
    Kind("dead-permissions", "Every permission has an effect", (USERS,), checks_access.dead_permissions, {}),
    Kind(
        "key-age",
        "Keys are replaced in time",
        (OPERATOR, ACCOUNTS, USERS),
        checks_claims.key_age,
        {"older_than": Parameter(parameters.duration, 365 * _DAY)},
    ),
    Kind(
        "only",
        "Only allowed accounts and users have access",
        (ACCOUNTS, USERS),
        checks_access.only,
        {
            **{word: Parameter(parameters.subject) for word in checks_access.WORDS},
            "account": Parameter(parameters.text),
            "allowed": Parameter(parameters.texts, required=True),
        },
        checks_access.WORDS,
    ),
    Kind(
        "required-tags",
        "Required tags are present",
        (OPERATOR, ACCOUNTS, USERS),
        checks_claims.tags,
        {"tags": Parameter(parameters.texts, required=True), "of": _of(ACCOUNTS)},
    ),
    Kind(
        "naming",
        "Names follow a pattern",
        (OPERATOR, ACCOUNTS, USERS),
        checks_claims.naming,
        {"pattern": Parameter(parameters.expression, required=True), "of": _of(ACCOUNTS)},
    ),
)

KINDS: dict[str, Kind] = {kind.name: kind for kind in _ALL}
