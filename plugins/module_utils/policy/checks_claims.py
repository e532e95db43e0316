# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Checks of individual claims: expiry, bearer tokens, signatures, limits, tags, names, and the age of keys."""

from __future__ import annotations

from typing import Any, Iterator

from ..access.permissions import Origin, access_of
from ..access.tree import Entry, Tree, account_body, account_key_of
from ..base import units
from ..base.errors import NatsSecurityError
from ..claims import Account, JetStreamLimits, Operator, User
from ..rules.accounts import read_activation
from .findings import Fault, Rule, has_tag

# ---- users


def expiry(tree: Tree, rule: Rule, users: list[Entry]) -> Iterator[Fault]:
    """Users that never expire, or expire too late."""
    within = rule.values["within"]
    span = units.show_seconds(within)
    for user in users:
        expires = user.claims.expires
        if not expires:
            yield Fault(user, f"never expires; it has to expire within {span}.", Origin(user, "expires_at"))
        elif expires > tree.servers.now + within:
            lifetime = tree.lifetimes.get(user.key)
            when = (
                f"at {units.show_time(expires)}"
                if lifetime is None
                else f"{units.show_seconds(lifetime)} after it is issued"
            )
            message = f"expires {when}; it has to expire within {span}."
            yield Fault(user, message, Origin(user, "expires_at"))


def bearer(tree: Tree, _rule: Rule, entries: list[Entry]) -> Iterator[Fault]:
    """Users that are bearers, and scopes that make them bearers."""
    for entry in entries:
        if isinstance(entry.claims.body, Account):
            for number, key in enumerate(account_body(entry).signing_keys):
                if key.template is not None and key.template.bearer_token:
                    yield Fault(entry, _BEARER, Origin(entry, f"signing_keys[{number}].template.bearer_token"))
        elif access_of(tree, entry).granted.bearer_token:
            yield Fault(entry, _BEARER, _bearer_origin(tree, entry))


_BEARER = "allows bearer tokens, so the JWT alone is enough to connect; set bearer_token to false."


def _bearer_origin(tree: Tree, user: Entry) -> Origin:
    account = tree.account_of(user)
    if access_of(tree, user).scope and account is not None:
        for number, key in enumerate(account_body(account).signing_keys):
            if key.key == user.claims.issuer:
                return Origin(account, f"signing_keys[{number}].template.bearer_token")
    return Origin(user, "bearer_token")


# ---- signatures


def identity_signatures(tree: Tree, _rule: Rule, entries: list[Entry]) -> Iterator[Fault]:
    """Accounts, users and activations that an identity key signed instead of a signing key."""
    for entry in entries:
        issuer = entry.claims.issuer
        if isinstance(entry.claims.body, User):
            if issuer and issuer == account_key_of(entry):
                yield Fault(entry, _signed_by("account", tree.account_title(issuer)), Origin(entry, ""))
            continue
        if tree.operator is not None and issuer == tree.operator.key:
            yield Fault(entry, _signed_by("operator", tree.operator.title), Origin(entry, ""))
        yield from _activation_signatures(tree, entry)


def _signed_by(kind: str, name: str) -> str:
    return f"is signed by the identity key of the {kind} {name}; sign it with a signing key."


def _activation_signatures(tree: Tree, account: Entry) -> Iterator[Fault]:
    for number, item in enumerate(account_body(account).imports):
        if item is None or not item.token:
            continue
        try:
            issuer = read_activation(item.token).issuer
        except NatsSecurityError:
            continue  # the rule live-imports reports imports that do not work
        if issuer == item.account:
            message = (
                f"imports {item.subject} with an activation that {_signed_by('account', tree.account_title(issuer))}"
            )
            yield Fault(account, message, Origin(account, f"imports[{number}].token"))


def scoped_keys(_tree: Tree, _rule: Rule, accounts: list[Entry]) -> Iterator[Fault]:
    """Signing keys that may sign users with any permissions."""
    for account in accounts:
        for number, key in enumerate(account_body(account).signing_keys):
            if key.template is None:
                message = f"has the signing key {key.role or key.key} without a scope; give it a template."
                yield Fault(account, message, Origin(account, f"signing_keys[{number}]"))


def strict(_tree: Tree, _rule: Rule, operators: list[Entry]) -> Iterator[Fault]:
    """Operators that allow identity keys to sign."""
    for operator in operators:
        if not operator.claims.body.strict_signing_key_usage:
            message = "allows identity keys to sign; set strict_signing_key_usage to true."
            yield Fault(operator, message, Origin(operator, "strict_signing_key_usage"))


def system_account(_tree: Tree, _rule: Rule, operators: list[Entry]) -> Iterator[Fault]:
    """Operators without a system account."""
    for operator in operators:
        if not operator.claims.body.system_account:
            yield Fault(operator, "names no system account; set system_account.", Origin(operator, "system_account"))


# ---- limits


def bearer_forbidden(tree: Tree, rule: Rule, accounts: list[Entry]) -> Iterator[Fault]:
    """Accounts that do not forbid bearer tokens."""
    for account in counted(tree, rule, accounts):
        if not account_body(account).limits.disallow_bearer:
            message = "does not forbid bearer tokens; set limits.disallow_bearer to true."
            yield Fault(account, message, Origin(account, "limits.disallow_bearer"))


def connection_limits(tree: Tree, rule: Rule, accounts: list[Entry]) -> Iterator[Fault]:
    """Accounts with limits that are not set."""
    for account in counted(tree, rule, accounts):
        yield from _unlimited(account, account_body(account).limits, rule.values["limits"], "limits")


def jetstream_limits(tree: Tree, rule: Rule, accounts: list[Entry]) -> Iterator[Fault]:
    """Accounts that may use JetStream, with limits that are not set."""
    for account in counted(tree, rule, accounts):
        limits = account_body(account).limits
        tiers = {f"limits.jetstream_tiers.{name}": tier for name, tier in limits.jetstream_tiers.items()}
        for path, found in (tiers or {"limits.jetstream": limits.jetstream}).items():
            if _is_on(found):
                yield from _unlimited(account, found, rule.values["limits"], path)


def _is_on(limits: JetStreamLimits | None) -> bool:
    return limits is not None and bool(limits.memory_storage or limits.disk_storage)


#: JetStream limits for which 0 means none. Servers read 0 as unlimited for the other JetStream limits.
_ZERO_IS_A_LIMIT = ("memory_storage", "disk_storage")


def _unlimited(account: Entry, limits: Any, wanted: tuple[str, ...], path: str) -> Iterator[Fault]:
    for name in wanted:
        value = getattr(limits, name)
        is_from_1 = isinstance(limits, JetStreamLimits) and name not in _ZERO_IS_A_LIMIT
        if value < (1 if is_from_1 else 0):
            yield Fault(account, f"has no limit {path}.{name}; set it.", Origin(account, f"{path}.{name}"))


def counted(tree: Tree, rule: Rule, accounts: list[Entry]) -> Iterator[Entry]:
    """The accounts that the rule applies to: without the system account, unless the rule includes it."""
    return (account for account in accounts if account.key != tree.system_account or rule.values["system_account"])


# ---- tags and names


def tags(_tree: Tree, rule: Rule, entries: list[Entry]) -> Iterator[Fault]:
    """Entries without a required tag."""
    for entry in entries:
        for pattern in rule.values["tags"]:
            if not has_tag((pattern,), (entry,)):
                yield Fault(entry, f"has no tag {pattern}.", Origin(entry, "tags"))


def naming(_tree: Tree, rule: Rule, entries: list[Entry]) -> Iterator[Fault]:
    """Entries whose name does not match the pattern of the rule."""
    pattern = rule.values["pattern"]
    for entry in entries:
        if not pattern.fullmatch(entry.title):
            yield Fault(entry, f"has a name that does not match {pattern.pattern}.", Origin(entry, "name"))


# ---- the age of keys


def key_age(tree: Tree, rule: Rule, entries: list[Entry]) -> Iterator[Fault]:
    """Keys that are older than the rule allows. The age is that of the oldest JWT that names the key or that it signed."""
    longest = rule.values["older_than"]
    known = _first_uses(tree)
    for entry in entries:
        for key, what, path in _keys_of(entry):
            first = known.get(key)
            if first is not None and first < tree.servers.now - longest:
                since = units.show_time(first)
                message = f"has {what} {key} in use since {since}, more than {units.show_seconds(longest)}; replace it."
                yield Fault(entry, message, Origin(entry, path))


def has_known_age(entry: Entry) -> bool:
    """Whether the entry has an issue time; claims of a document have none."""
    return bool(entry.claims.issued_at)


def _keys_of(entry: Entry) -> Iterator[tuple[str, str, str]]:
    yield entry.key, "the identity key", ""
    body = entry.claims.body
    if isinstance(body, Operator):
        for number, key in enumerate(body.signing_keys):
            yield key, "the signing key", f"signing_keys[{number}]"
    elif isinstance(body, Account):
        for number, scoped in enumerate(body.signing_keys):
            yield scoped.key, "the signing key", f"signing_keys[{number}]"


def _first_uses(tree: Tree) -> dict[str, int]:
    """The issue time, in Unix seconds, of the oldest JWT in the tree that names a key or that the key signed, by public key."""
    found: dict[str, int] | None = tree.memory.get("first uses")
    if found is None:
        found = tree.memory["first uses"] = {}
        operators = [tree.operator] if tree.operator is not None else []
        for entry in (*operators, *tree.accounts.values(), *tree.users):
            issued_at = entry.claims.issued_at
            for key in {entry.claims.issuer, *(key for key, _what, _path in _keys_of(entry))} if issued_at else ():
                found[key] = min(issued_at, found.get(key, issued_at))
    return found
