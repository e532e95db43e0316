# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Which claims a version of nats-server enforces. Pure: takes claims and versions, returns findings and sentences.

The declaration of a field has the version that first enforces it (`enforced_since`, see claims/declaration.py). An older server decodes the token, ignores
the member, and stores the token unchanged, so the claim takes effect when the server is upgraded.
"""

from __future__ import annotations

import base64
import functools
import re
from typing import Any, Iterable, Iterator, Mapping, NamedTuple, Tuple

from ..base.errors import NatsSecurityError
from ..claims import Account, Claims, Permissions, ScopeTemplate, User, UserAccess
from ..claims.declaration import Field, fields_of, versions_in_words
from ..token import codec

#: The three numbers of a version.
Version = Tuple[int, int, int]
#: The first versions that enforce something: one for each minor version that received it in a patch release.
Since = Tuple[str, ...]

#: The maximum number of names in a sentence. The rest are counted.
_NAMED = 5

# ---- claims that depend on the value of a field, not on the field alone

#: Templates within a token of a subject, beside other text (mustacheRE in auth.go). Earlier versions read a template that is not a whole token as literal
#: text.
TEMPLATES_IN_TOKENS: Since = ("2.11.0",)
#: Denied subjects with wildcards, for a wildcard subscription that overlaps them without covering them (canSubscribe in client.go). In earlier versions such
#: a subscription received denied messages: with `*.secret` denied, `orders.*` received `orders.secret`.
DENIED_IN_OVERLAPPING: Since = ("2.11.16", "2.12.7")
#: The number of streams in a tier, for a stream that is created without num_replicas (isSameTier in jetstream.go). Earlier versions do not count it.
STREAMS_WITHOUT_REPLICAS: Since = ("2.12.5",)

_TEMPLATE = re.compile(r"\{\{[^}]+\}\}")


class NewerClaim(NamedTuple):
    """A claim that not every version of nats-server enforces. The path has the names of options, without indexes: `exports[].allow_trace`."""

    path: str
    since: Since


def read_version(text: str) -> Version | None:
    """The numbers of a version such as `2.12.8` or `v2.15.0-RC.1`, which counts as 2.15.0; None if the text is not a version."""
    found = re.match(r"v?([0-9]{1,9})\.([0-9]{1,9})\.([0-9]{1,9})(?![0-9.])", text)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def is_enforced(since: Since, version: Version) -> bool:
    """Whether a version enforces what these versions introduced. With ("2.14.8", "2.15.1"), 2.14.9 does and 2.15.0 does not."""
    firsts = [_known(text) for text in since]
    return version >= firsts[-1] or any(version[:2] == first[:2] and version >= first for first in firsts)


def _known(text: str) -> Version:
    major, minor, patch = map(int, text.split("."))
    return major, minor, patch


def newer_claims(claims: Claims) -> list[NewerClaim]:
    """The claims that not every version of nats-server enforces, without duplicates."""
    return list(dict.fromkeys((*_newer_in(claims.body, ""), *_newer_by_value(claims.body))))


def _newer_in(value: Any, path: str) -> Iterator[NewerClaim]:
    cls: type = value.__class__
    for field, is_deep in _newer_fields(cls):
        held = getattr(value, field.attribute)
        at = path if field.flat else f"{path}.{field.attribute}" if path else field.attribute
        if field.enforced_since and _is_set(field, held):
            yield NewerClaim(at, field.enforced_since)
        for name, since in field.values_since.items():
            if any(name == one.upper() for one in held):
                yield NewerClaim(f"{at} ({name})", since)
        if is_deep:
            for inner, where in _objects(held, at):
                yield from _newer_in(inner, where)


def _is_set(field: Field, held: Any) -> bool:
    if field.kind.of is not None:
        return bool(held)
    # Two values may have the same meaning, such as an omitted cluster_traffic and `system`.
    return bool(field.kind.show(held) != field.kind.show(field.kind.zero))


def _objects(held: Any, path: str) -> Iterator[tuple[Any, str]]:
    """The objects in the value of a field, each with its path. The value is an object, a list, a map, or a map of lists."""
    if isinstance(held, list):
        for one in held:
            yield from _objects(one, path if path.endswith("[]") else f"{path}[]")
    elif isinstance(held, dict):
        for one in held.values():
            yield from _objects(one, f"{path}.NAME")
    elif held is not None:
        yield held, path


@functools.lru_cache(maxsize=None)
def _newer_fields(cls: type) -> tuple[tuple[Field, bool], ...]:
    """The fields that not every version enforces or that contain such fields, each with whether it contains some."""
    found = []
    for field in fields_of(cls):
        is_deep = field.kind.of is not None and bool(_newer_fields(field.kind.of))
        if field.enforced_since or field.values_since or is_deep:
            found.append((field, is_deep))
    return tuple(found)


def _newer_by_value(body: Any) -> Iterator[NewerClaim]:
    for path, permissions in _permissions(body):
        if any(map(_may_be_overlapped, permissions.subscribe.deny)):
            yield NewerClaim(f"{path}.subscribe.deny (for subscriptions that overlap it)", DENIED_IN_OVERLAPPING)
    if isinstance(body, Account):
        for key in body.signing_keys:
            yield from _newer_templates(key.template)
        if any(tier.streams > 0 for tier in body.limits.jetstream_tiers.values()):
            path = "limits.jetstream_tiers.NAME.streams (for streams without num_replicas)"
            yield NewerClaim(path, STREAMS_WITHOUT_REPLICAS)


def _permissions(body: Any) -> Iterator[tuple[str, Permissions]]:
    if isinstance(body, User):
        yield "permissions", body.access.permissions
    elif isinstance(body, Account):
        yield "default_permissions", body.default_permissions
        for key in body.signing_keys:
            if key.template is not None:
                yield "signing_keys[].template.permissions", key.template.permissions


def _may_be_overlapped(denied: str) -> bool:
    """Whether a subscription can overlap the denied subject so that neither covers the other."""
    subject = denied.partition(" ")[0]
    return subject not in ("*", ">") and bool({"*", ">"}.intersection(subject.split(".")))


def _newer_templates(template: ScopeTemplate | None) -> Iterator[NewerClaim]:
    if template is None:
        return
    for name, permission in (("publish", template.permissions.publish), ("subscribe", template.permissions.subscribe)):
        for which, subjects in (("allow", permission.allow), ("deny", permission.deny)):
            if any(map(_is_within_a_token, subjects)):
                path = f"signing_keys[].template.permissions.{name}.{which} (for templates within a token)"
                yield NewerClaim(path, TEMPLATES_IN_TOKENS)


def _is_within_a_token(subject: str) -> bool:
    if "{{" not in subject:
        return False
    tokens = subject.replace(" ", ".").split(".")
    return any(_TEMPLATE.search(token) and not _TEMPLATE.fullmatch(token) for token in tokens)


@functools.lru_cache(maxsize=None)
def newest_version() -> Version:
    """The first version that enforces every claim. For this and later versions no claims need to be checked."""
    of_values = (TEMPLATES_IN_TOKENS, DENIED_IN_OVERLAPPING, STREAMS_WITHOUT_REPLICAS)
    return max(*(_known(since[-1]) for since in of_values), *_last_versions(Account), *_last_versions(User))


def may_be_newer(payload: bytes) -> bool:
    """Whether the JSON of a token may have a claim that not every version enforces. It is false for most tokens, which then need not be decoded."""
    return any(name in payload for name in _newer_names())


@functools.lru_cache(maxsize=None)
def _newer_names() -> tuple[bytes, ...]:
    by_value = ("tiered_limits", "deny")
    names = {*by_value, *_json_names(Account), *_json_names(User)}
    return (b"{{", *(f'"{name}"'.encode("ascii") for name in sorted(names)))


def _json_names(cls: type) -> Iterator[str]:
    for field, is_deep in _newer_fields(cls):
        if field.enforced_since or field.values_since:
            yield field.json
        if is_deep and field.kind.of is not None:
            yield from _json_names(field.kind.of)


def newer_options() -> frozenset[str]:
    """The names of a user's options whose claims not every version enforces."""
    return frozenset(("permissions", *(field.attribute for field, _is_deep in _newer_fields(UserAccess))))


def _last_versions(cls: type) -> Iterator[Version]:
    for field, is_deep in _newer_fields(cls):
        for since in (field.enforced_since, *field.values_since.values()):
            if since:
                yield _known(since[-1])
        if is_deep and field.kind.of is not None:
            yield from _last_versions(field.kind.of)


def newer_tokens(tokens: Iterable[tuple[str, str]]) -> Iterator[tuple[str, Claims]]:
    """The tokens that may have claims that not every version enforces, decoded, each with its title.

    `tokens` are pairs of title and token. Signatures are not verified; a text that is not a token is ignored.
    """
    for title, token in tokens:
        try:
            payload = token.split(".")[1]
            if may_be_newer(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))):
                yield title, codec.decode_unverified(token)
        except (NatsSecurityError, ValueError, IndexError):
            continue


# ---- sentences


def not_enforced(titles: Iterable[tuple[str, Claims]], servers: Mapping[str, str]) -> list[str]:
    """What some of the servers do not enforce, in one sentence for each claim.

    `titles` are pairs of title, such as `account APP`, and claims. `servers` has the version of each server by name. A server of unknown version is omitted.
    """
    versions = {name: read_version(text) for name, text in servers.items()}
    sentences = []
    for claim, names in _by_claim(titles).items():
        behind = [name for name, version in versions.items() if version and not is_enforced(claim.since, version)]
        if behind:
            running = _running({name: servers[name] for name in behind})
            which = "that server" if len(behind) == 1 else "those servers"
            sentences.append(
                f"{claim.path} of {_several(names)} is not enforced by {running}: {_enforced_since(claim)} Upgrade {which}, or do not rely on it."
            )
    return sentences


def not_enforced_by_all(titles: Iterable[tuple[str, Claims]], asserted: str) -> list[str]:
    """What the oldest server that an operator allows does not enforce, in one sentence for each claim. `asserted` is its assert_server_version."""
    lowest = read_version(asserted)
    if lowest is None:
        return []
    return [
        f"is {asserted}, which allows servers that do not enforce {claim.path} of {_several(names)}: {_enforced_since(claim)} "
        f"Set it to {claim.since[-1]} or later, or do not rely on that claim."
        for claim, names in _by_claim(titles).items()
        if lowest < _known(claim.since[-1])
    ]


def _enforced_since(claim: NewerClaim) -> str:
    return f"servers enforce it since nats-server {versions_in_words(claim.since)}."


def _by_claim(titles: Iterable[tuple[str, Claims]]) -> dict[NewerClaim, list[str]]:
    found: dict[NewerClaim, list[str]] = {}
    for title, claims in titles:
        for claim in newer_claims(claims):
            found.setdefault(claim, []).append(title)
    return found


def _several(names: list[str]) -> str:
    names = list(dict.fromkeys(names))
    shown = names if len(names) <= _NAMED + 1 else [*names[:_NAMED], f"{len(names) - _NAMED:,} more"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _running(servers: Mapping[str, str]) -> str:
    """Servers with their versions: `n1 and n2 (nats-server 2.10.26)`."""
    by_version: dict[str, list[str]] = {}
    for name, version in servers.items():
        by_version.setdefault(version, []).append(name)
    return " and ".join(f"{_several(names)} (nats-server {version})" for version, names in by_version.items())
