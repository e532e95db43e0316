# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The operator, the accounts, their users and imports, as in the model. What users share is stored once and referenced by its number."""

from __future__ import annotations

import dataclasses
from typing import Any, Iterable, Iterator, Mapping, Sequence

from ..access.abilities import published, received
from ..access.links import Link, links_into
from ..access.mappings import mappings_of
from ..access.permissions import Access, access_of, account_refusals
from ..access.subject_sets import Subjects, Term, simplified, text
from ..access.tree import Entry, Tree, account_body, account_key_of
from ..claims import Operator, User
from .layers import layers

#: What nats_store_info returns for signing keys, such as the generation and whether the seed is available, by public key.
SigningKeys = Mapping[str, Mapping[str, Any]]


class Numbered:
    """Values that are in the model once, each referenced by its number."""

    def __init__(self) -> None:
        self.listed: list[Any] = []
        self._numbers: dict[Any, int] = {}

    def number(self, known_by: Any, value: Any) -> int:
        """The number of a value; `known_by` is its hashable identifier."""
        found = self._numbers.get(known_by)
        if found is None:
            found = self._numbers[known_by] = len(self.listed)
            self.listed.append(value)
        return found


@dataclasses.dataclass
class Entities:
    """The parts of the model that come from claims."""

    operator: dict[str, Any] | None
    accounts: list[dict[str, Any]]
    users: list[dict[str, Any]]
    links: list[dict[str, Any]]
    permissions: list[dict[str, Any]]
    refusals: list[str]


def entities(tree: Tree, signing_keys: SigningKeys) -> Entities:
    """The entities of a tree. Accounts are sorted by name, and users by account and name."""
    accounts = sorted(tree.accounts.values(), key=lambda entry: (entry.title, entry.key))
    numbers = {entry.key: number for number, entry in enumerate(accounts)}
    refusals, permissions = Numbered(), Numbered()
    links = [_link(link, numbers) for entry in accounts for link in links_into(tree, entry.key) if not link.implicit]
    edges = [(link["from"], link["to"]) for link in links if link["from"] is not None]
    shown = [_account(tree, entry, signing_keys) for entry in accounts]
    for account, layer in zip(shown, layers(len(accounts), edges)):
        account["layer"] = layer
    ordered = sorted(
        enumerate(tree.users), key=lambda one: (_place_of(one[1], numbers), one[1].title, one[1].key, one[0])
    )
    users = [_user(tree, entry, (numbers, permissions, refusals)) for _number, entry in ordered]
    return Entities(
        None if tree.operator is None else _operator(tree, tree.operator, numbers, signing_keys),
        shown,
        users,
        links,
        permissions.listed,
        refusals.listed,
    )


def _place_of(user: Entry, numbers: Mapping[str, int]) -> tuple[int, str]:
    key = account_key_of(user)
    return numbers.get(key, len(numbers)), key


# ---- the operator and accounts


def _times(tree: Tree, entry: Entry) -> dict[str, Any]:
    """The issue and expiry times of the token, in Unix seconds; for a document, the lifetime in seconds. Values that do not exist are omitted."""
    lifetime = tree.lifetimes.get(entry.key)
    found = {
        "issued": entry.claims.issued_at,
        "expires": entry.claims.expires if lifetime is None else 0,
        "expires_in": lifetime or 0,
    }
    return {name: value for name, value in found.items() if value}


def _signing_key(key: str, known: SigningKeys, more: Mapping[str, Any]) -> dict[str, Any]:
    said = known.get(key, {})
    found = {"key": key, **more}
    if said.get("generation", "current") != "current":
        found["generation"] = said["generation"]
    if "seed" in said:
        found["seed"] = said["seed"]
    if said.get("name") and not found.get("role"):
        found["role"] = said["name"]
    return found


def _operator(tree: Tree, entry: Entry, numbers: Mapping[str, int], known: SigningKeys) -> dict[str, Any]:
    body: Operator = entry.claims.body
    return {
        "name": entry.title,
        "key": entry.key,
        **_times(tree, entry),
        "strict": body.strict_signing_key_usage,
        "system_account": numbers.get(body.system_account),
        "signing_keys": [_signing_key(key, known, {}) for key in sorted(body.signing_keys)],
        "tags": list(body.tags),
    }


def _account(tree: Tree, entry: Entry, known: SigningKeys) -> dict[str, Any]:
    body = account_body(entry)
    limits = body.limits
    has_jetstream = any(
        tier.memory_storage or tier.disk_storage for tier in (limits.jetstream, *limits.jetstream_tiers.values())
    )
    found = {
        "name": entry.title,
        "key": entry.key,
        **_times(tree, entry),
        "signed_by": entry.claims.issuer,
        "signing_keys": [
            _signing_key(key.key, known, {"role": key.role, "scoped": key.template is not None})
            for key in sorted(body.signing_keys, key=lambda one: (one.role, one.key))
        ],
        "exports": [_export(item) for item in body.exports if item is not None],
        "tags": list(body.tags),
        "connections": limits.connections,
        "jetstream": has_jetstream,
        "mappings": sorted(text(mapping.source) for mapping in mappings_of(tree, entry).installed),
        "revoked": len(body.revocations),
        "refused": account_refusals(tree, entry),
        "description": body.description,
        "system": entry.key == tree.system_account,
    }
    return {name: value for name, value in found.items() if value not in ("", [], False, 0) or name == "connections"}


def _export(item: Any) -> dict[str, Any]:
    found = {"type": item.type, "subject": item.subject}
    if item.token_required:
        found["private"] = True
    if item.account_token_position:
        found["account_position"] = item.account_token_position
    return found


def _link(link: Link, numbers: Mapping[str, int]) -> dict[str, Any]:
    """An import; `from` is null if the exporting account is not in the tree."""
    found: dict[str, Any] = {
        "type": link.kind,
        "from": numbers.get(link.exporter),
        "to": numbers[link.importer],
        "subject": text(link.remote),
    }
    if link.local != link.remote:
        found["local"] = text(link.local)
    if found["from"] is None:
        found["from_key"] = link.exporter
    if link.problems:
        found["works"] = None if link.works else False
        found["problems"] = list(dict.fromkeys(problem.message for problem in link.problems))
    return found


# ---- users


def _user(tree: Tree, entry: Entry, shared: tuple[Mapping[str, int], Numbered, Numbered]) -> dict[str, Any]:
    numbers, permissions, refusals = shared
    access = access_of(tree, entry)
    body: User = entry.claims.body
    key = account_key_of(entry)
    found: dict[str, Any] = {
        "name": entry.title,
        "key": entry.key,
        "account": numbers.get(key),
        **_times(tree, entry),
    }
    if found["account"] is None:
        found["account_key"] = key
    if access.scope:
        found["scope"] = access.scope
    if access.granted.bearer_token:
        found["bearer"] = True
    if body.tags:
        found["tags"] = list(body.tags)
    if access.refusals:
        found["refused"] = [refusals.number(reason, reason) for reason in access.refusals]
    if access.account is not None:
        found["permissions"] = _permissions(tree, access, permissions)
    return found


def _permissions(tree: Tree, access: Access, permissions: Numbered) -> int:
    may_publish, may_receive = published(tree, access), received(tree, access)
    lists = access.lists
    response = (lists.response is not None, lists.response_messages, lists.response_expires)
    known_by = (may_publish.possible, may_publish.certain, may_receive, access.source, response, tuple(access.notes))
    number = permissions.number(known_by, None)
    if permissions.listed[number] is None:
        found: dict[str, Any] = {
            "publish": shown(may_publish.possible),
            "receive": shown(may_receive),
            "from": access.source,
        }
        if may_publish.certain != may_publish.possible:
            found["publish_surely"] = shown(may_publish.certain)
        if response[0]:
            found["response"] = {"max_messages": response[1], "expires": response[2]}
        if access.notes:
            found["notes"] = list(access.notes)
        permissions.listed[number] = found
    return number


def shown(subjects: Subjects) -> list[str | list[str]]:
    """A set of subjects: for each pattern a text, or a list of the pattern and its exceptions if it has exceptions."""
    return [_term(term) for term in simplified(subjects)]


def _term(term: Term) -> str | list[str]:
    if not term.without:
        return text(term.pattern)
    return [text(term.pattern), *sorted(map(text, term.without))]


def names_of(found: Entities) -> dict[str, tuple[str, int]]:
    """The kind and the number of the operator, accounts and users, by their names in findings. A name of more than one entity is omitted."""
    names: dict[str, tuple[str, int]] = {}
    repeated: set[str] = set()
    for name, known in _names(found):
        if names.setdefault(name, known) is not known:
            repeated.add(name)
    return {name: known for name, known in names.items() if name not in repeated}


def _names(found: Entities) -> Iterator[tuple[str, tuple[str, int]]]:
    if found.operator is not None:
        yield f"operator {found.operator['name']}", ("operator", 0)
    for number, account in enumerate(found.accounts):
        yield f"account {account['name']}", ("accounts", number)
    for number, user in enumerate(found.users):
        yield f"user {title_of(found.accounts, user)}", ("users", number)


def title_of(accounts: Sequence[Mapping[str, Any]], user: Mapping[str, Any]) -> str:
    """ACCOUNT/USER."""
    number = user["account"]
    return f"{user['account_key'] if number is None else accounts[number]['name']}/{user['name']}"


def newest(entries: Iterable[Mapping[str, Any]]) -> int:
    """The latest issue time of the tokens, in Unix seconds; 0 if there are none."""
    return max((entry.get("issued", 0) for entry in entries), default=0)
