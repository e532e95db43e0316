# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Permissions without effect: those that servers ignore, those that other permissions deny completely, and denials of what is not allowed anyway."""

from __future__ import annotations

from typing import Any, Iterator, NamedTuple

from .mappings import mapped_set, mappings_of
from .permissions import Access, Origin, Rule, access_of, covers_subscription, queue_matches, reserved_subjects
from .show import claim_name
from .subject_sets import EVERYTHING, Subjects, common_pattern, difference, intersection, pattern, union_of
from .tree import Entry, Tree


class Dead(NamedTuple):
    """A permission without effect, and why."""

    subject: str
    reason: str
    origin: Origin


class Found(NamedTuple):
    """A dead permission with its place, and the users for whom it is dead."""

    dead: Dead
    users: list[Entry]


def find_dead(tree: Tree, users: list[Entry]) -> list[Found]:
    """The dead permissions of the users, each once by its place. A permission of a scope, or of an account's defaults, has to be dead for all of its users."""
    found: dict[tuple[str, str], Found] = {}
    holders: dict[tuple[str, str], int] = {}
    for user in users:
        access = access_of(tree, user)
        said = {(one.origin.entry.key, one.origin.path): one for one in _dead_of(tree, access)}
        for place in {*said, *_places(access)}:
            holders[place] = holders.get(place, 0) + 1
        for place, one in said.items():
            found.setdefault(place, Found(one, [])).users.append(user)
    return [one for place, one in found.items() if len(one.users) == holders[place]]


def dead_permissions(tree: Tree, users: list[Entry]) -> list[dict[str, Any]]:
    """The result of find_dead() as dictionaries."""
    return [_shown(tree, one) for one in find_dead(tree, users)]


def _places(access: Access) -> Iterator[tuple[str, str]]:
    lists = access.lists
    for listed in (lists.publish_allow, lists.publish_deny, lists.subscribe_allow, lists.subscribe_deny):
        for rule in listed or ():
            yield rule.origin.entry.key, rule.origin.path


def _shown(tree: Tree, found: Found) -> dict[str, Any]:
    one = found.dead
    return {
        "claim": claim_name(tree, one.origin.entry),
        "path": one.origin.entry.at(one.origin.path),
        "place": one.origin.entry.place,
        "subject": one.subject,
        "reason": one.reason,
        "users": [tree.title_of(user) for user in found.users],
    }


def _dead_of(tree: Tree, access: Access) -> Iterator[Dead]:
    for ignored in access.ignored:
        yield Dead(ignored.subject, f"servers ignore it: {ignored.reason}", ignored.origin)
    yield from _dead_publish(tree, access)
    yield from _dead_subscribe(access)


def _dead_publish(tree: Tree, access: Access) -> Iterator[Dead]:
    lists = access.lists
    denied = union_of([*(rule.pattern for rule in lists.publish_deny), *reserved_subjects(tree, access)])
    for rule in lists.publish_allow or ():
        own = union_of([rule.pattern])
        if not difference(own, denied):
            yield Dead(str(rule), f"{_who_denies(rule, lists.publish_deny)} denies all of it", rule.origin)
        elif not intersection(own, _publishable(tree, access)):
            yield Dead(str(rule), "mappings change every subject that it allows to another one", rule.origin)
    if lists.publish_allow is not None:
        allowed = union_of(rule.pattern for rule in lists.publish_allow)
        for rule in lists.publish_deny:
            if not intersection(allowed, union_of([rule.pattern])):
                yield Dead(str(rule), "it denies only subjects that are not allowed", rule.origin)


def _publishable(tree: Tree, access: Access) -> Subjects:
    """The subjects that servers compare with permissions: all except those that mappings always change."""
    account = access.account
    if account is None or not mappings_of(tree, account).installed:
        return EVERYTHING
    memory: dict[str, Subjects] = tree.memory.setdefault("publishable", {})
    if account.key not in memory:
        memory[account.key] = mapped_set(tree, account, EVERYTHING).subjects
    return memory[account.key]


def _who_denies(rule: Rule, denied: list[Rule]) -> str:
    found = [str(other) for other in denied if common_pattern(other.pattern, rule.pattern) is not None]
    return " and ".join(found) or "the server"


def _dead_subscribe(access: Access) -> Iterator[Dead]:
    lists = access.lists
    for rule in lists.subscribe_allow or ():
        denying = [
            other
            for other in lists.subscribe_deny
            if not other.queue or (rule.queue and queue_matches(rule.queue, other.queue))
        ]
        if not difference(union_of([rule.pattern]), union_of(other.pattern for other in denying)):
            yield Dead(str(rule), f"{_who_denies(rule, denying)} denies all of it", rule.origin)
    if lists.subscribe_allow is not None:
        for rule in lists.subscribe_deny:
            if not any(_meets(allowed, rule) for allowed in lists.subscribe_allow):
                yield Dead(str(rule), "it denies only subjects that are not allowed", rule.origin)


def _meets(allowed: Rule, denied: Rule) -> bool:
    wide = (*allowed.pattern[:-1], ">") if allowed.pattern[-1] == "*" else allowed.pattern
    return common_pattern(wide, denied.pattern) is not None or covers_subscription(
        denied.pattern, pattern(allowed.subject)
    )
