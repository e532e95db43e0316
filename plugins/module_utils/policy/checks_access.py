# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Checks based on the access layer: what users may effectively do, whether imports and exports work, and permissions without effect."""

from __future__ import annotations

from typing import Any, Iterator

from ..access import answers_who, permissions
from ..access.abilities import allowed, received
from ..access.answers_accounts import unused_of
from ..access.dead import find_dead
from ..access.links import links_into
from ..access.mappings import mapped_set
from ..access.permissions import Access, Origin, access_of
from ..access.questions import Question
from ..access.routes import Flow, destinations, sources
from ..access.show import permissions_origin
from ..access.subject_sets import ONE, REST, Pattern, Subjects, intersection, pattern, text, union_of
from ..access.tree import Entry, Tree
from ..base.errors import NatsSecurityError
from .findings import Fault, Rule, matches_any

#: Which wildcards a rule is about: those at the beginning of a subject, or all.
LEADING, ANY = "leading", "any"

# ---- wildcards


def wide_publish(tree: Tree, rule: Rule, users: list[Entry]) -> Iterator[Fault]:
    """Users that may publish to more than the rule allows."""
    for user, access in _ordinary(tree, rule, users):
        yield from _wide(user, access, (access.lists.publish_allow, allowed(tree, access)), rule, "publish to")


def wide_subscribe(tree: Tree, rule: Rule, users: list[Entry]) -> Iterator[Fault]:
    """Users that may subscribe to more than the rule allows."""
    for user, access in _ordinary(tree, rule, users):
        yield from _wide(user, access, (access.lists.subscribe_allow, received(tree, access)), rule, "subscribe to")


def _ordinary(tree: Tree, rule: Rule, users: list[Entry]) -> Iterator[tuple[Entry, Access]]:
    for user in users:
        access = access_of(tree, user)
        if access.account is not None and (access.account.key != tree.system_account or rule.values["system_account"]):
            yield user, access


def _wide(
    user: Entry, access: Access, lists: tuple[list[permissions.Rule] | None, Subjects], rule: Rule, verb: str
) -> Iterator[Fault]:
    allow, left = lists
    if not left:
        return
    if allow is None:
        message = f"may {verb} every subject that is not denied; allow the subjects that it needs."
        yield Fault(user, message, permissions_origin(access))
    for permission in allow or ():
        if _is_wide(permission.pattern, rule.values["wildcards"]) and intersection(
            union_of([permission.pattern]), left
        ):
            message = f"may {verb} {permission}; allow the subjects that it needs."
            yield Fault(user, message, permission.origin)


def _is_wide(tokens: Pattern, wildcards: str) -> bool:
    looked_at = tokens[:1] if wildcards == LEADING else tokens
    return ONE in looked_at or REST in looked_at


# ---- who may


def only(tree: Tree, rule: Rule, entries: list[Entry]) -> Iterator[Fault]:
    """Users that may do what the rule reserves for others, and accounts without known users that could have such users."""
    word, subject = _asked(rule)
    account = account_of(tree, rule)
    about: dict[str, Any] = {word: subject}
    if account is not None:
        about["account"] = account
    answer = answers_who.who_may(tree, Question("who_may", about, {}))
    found = {one["user"]: one for one in answer["users"]}
    what = f"{word} {subject}" + (f" in the account {account.title}" if account is not None else "")
    for entry in entries:
        said = None if entry.key in tree.accounts else found.get(tree.title_of(entry))
        if said is not None and not _is_allowed(tree, rule, entry):
            yield Fault(entry, _message(said, what, rule), permissions_origin(access_of(tree, entry)))
    if account is not None:
        yield from _ways_of_accounts(tree, rule, _flows(tree, account, word, subject), (what, entries))


#: The verbs of the rule, as in who_may.
WORDS = ("publish", "subscribe", "receive", "request")


def _asked(rule: Rule) -> tuple[str, str]:
    return next((word, str(rule.values[word])) for word in WORDS if rule.values[word] is not None)


def account_of(tree: Tree, rule: Rule) -> Entry | None:
    """The account that a rule names; None if it names none. NatsSecurityError if the account is not in the tree."""
    name = rule.values.get("account")
    try:
        return None if name is None else tree.find_account(name)
    except NatsSecurityError as error:
        raise NatsSecurityError(f"{rule.path}.account: {error}") from None


def _is_allowed(tree: Tree, rule: Rule, entry: Entry) -> bool:
    """Whether the rule allows an account, or a user by its own name or that of its account."""
    names = {entry.title, entry.key}
    if entry.key not in tree.accounts:
        account = tree.account_of(entry)
        names = {tree.title_of(entry), entry.key} | ({account.title, account.key} if account is not None else set())
    return matches_any(rule.values["allowed"], names)


def _message(said: dict[str, Any], what: str, rule: Rule) -> str:
    way = said["ways"][0]
    part = [str(one["subject"]) for one in way["part"]]
    some = "" if said["how_much"] == "all" else f" (of it {', '.join(part[:3])}{' and more' if len(part) > 3 else ''})"
    perhaps = "" if said["certain"] else "perhaps "
    by = "" if way["by"] == "own" else f", by an import of the {way['by']}"
    return f"may {perhaps}{what}{some}{by}; only {', '.join(rule.values['allowed'])} may."


def _flows(tree: Tree, account: Entry, word: str, subject: str) -> list[Flow]:
    wanted = union_of([pattern(subject)])
    if word == "receive":
        return list(destinations(tree, account.key, mapped_set(tree, account, wanted).subjects))
    return [] if word == "subscribe" else sources(tree, account.key, wanted)


def _ways_of_accounts(tree: Tree, rule: Rule, flows: list[Flow], about: tuple[str, list[Entry]]) -> Iterator[Fault]:
    what, entries = about
    selected = {entry.key for entry in entries}
    for flow in flows:
        entry = tree.accounts.get(flow.account)
        is_open = entry is not None and flow.links and not tree.users_of.get(flow.account)
        if entry is not None and is_open and flow.account in selected and not _is_allowed(tree, rule, entry):
            message = f"may have users who {what}, by its import; only {', '.join(rule.values['allowed'])} may."
            own = next((link.origin for link in flow.links if link.origin.entry.key == entry.key), None)
            yield Fault(entry, message, own)


# ---- imports and exports


def live_imports(tree: Tree, _rule: Rule, accounts: list[Entry]) -> Iterator[Fault]:
    """Imports that do not work, or may not work."""
    for account in accounts:
        for link in links_into(tree, account.key):
            if link.implicit or not link.problems:
                continue
            exporter = tree.account_title(link.exporter)
            verb = "may not work" if link.works else "does not work"
            reasons = "; ".join(problem.message for problem in link.problems)
            message = f"has an import of the {link.kind} {text(link.remote)} of {exporter} that {verb}: {reasons.rstrip('.')}."
            yield Fault(account, message, link.origin)


def unused_exports(tree: Tree, _rule: Rule, accounts: list[Entry]) -> Iterator[Fault]:
    """Exports without a working import."""
    for account in accounts:
        for path, export in unused_of(tree, account):
            message = f"exports the {export.type} {export.subject}, which no account imports; remove the export."
            yield Fault(account, message, Origin(account, path))


def dead_permissions(tree: Tree, _rule: Rule, users: list[Entry]) -> Iterator[Fault]:
    """Permissions without effect. A permission of a scope counts if it has no effect for all users of the scope, selected or not."""
    selected = {id(user) for user in users}
    for found in find_dead(tree, tree.users):
        for user in found.users:
            if id(user) in selected:
                message = f"has the permission {found.dead.subject} without effect: {found.dead.reason}."
                yield Fault(user, message, found.dead.origin)
