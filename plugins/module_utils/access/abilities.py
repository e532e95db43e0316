# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What users may publish and receive, as sets that are computed once for all users with the same permissions."""

from __future__ import annotations

from typing import Any

from .mappings import unmapped_set
from .permissions import Access, access_of, publish_set, receive_set
from .subject_sets import Subjects, is_subset
from .transforms import Preimage
from .tree import Tree

ALL, SOME, NONE = "all", "some", "none"


def account_key(access: Access) -> str:
    """The public key of the user's account."""
    return access.account.key if access.account is not None else ""


def how_much(wanted: Subjects, found: Subjects) -> str:
    """Whether all, some or none of the wanted subjects are found: ALL, SOME or NONE."""
    if not found:
        return NONE
    return ALL if is_subset(wanted, found) else SOME


def published(tree: Tree, access: Access) -> Preimage:
    """The subjects that a user may publish to, before mappings of its account apply."""
    allowed_ones = allowed(tree, access)
    if access.account is None:
        return Preimage(allowed_ones, allowed_ones)
    memory: dict[Any, Preimage] = tree.memory.setdefault("published", {})
    key = (access.account.key, access.lists.publish_allow is None, allowed_ones)
    if key not in memory:
        memory[key] = unmapped_set(tree, access.account, allowed_ones, access.lists.publish_allow is None)
    return memory[key]


def allowed(tree: Tree, access: Access) -> Subjects:
    """publish_set(), computed once for all users with the same permissions."""
    memory: dict[Any, Subjects] = tree.memory.setdefault("allowed", {})
    lists = access.lists
    allow = None if lists.publish_allow is None else tuple(rule.subject for rule in lists.publish_allow)
    key = (allow, tuple(rule.subject for rule in lists.publish_deny), account_key(access) == tree.system_account)
    if key not in memory:
        memory[key] = publish_set(tree, access)
    return memory[key]


def received(tree: Tree, access: Access) -> Subjects:
    """receive_set(), computed once for all users with the same permissions."""
    memory: dict[Any, Subjects] = tree.memory.setdefault("received", {})
    lists = access.lists
    allow = None if lists.subscribe_allow is None else tuple(map(str, lists.subscribe_allow))
    key = (allow, tuple(map(str, lists.subscribe_deny)))
    if key not in memory:
        memory[key] = receive_set(access)
    return memory[key]


def members(tree: Tree) -> list[tuple[Preimage, list[Access]]]:
    """The users that can connect, grouped by what they may publish."""
    if "members" not in tree.memory:
        found: dict[Preimage, list[Access]] = {}
        for user in tree.users:
            access = access_of(tree, user)
            if not access.refusals:
                found.setdefault(published(tree, access), []).append(access)
        tree.memory["members"] = list(found.items())
    by_set: list[tuple[Preimage, list[Access]]] = tree.memory["members"]
    return by_set


def accesses(tree: Tree, account: str) -> list[Access]:
    """The access of each user of an account."""
    return [access_of(tree, user) for user in tree.users_of.get(account, ())]
