# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Answers that name users: who may publish, subscribe, receive or ask, and who may use the JetStream API of an account."""

from __future__ import annotations

from typing import Any, Callable, Iterator

from . import show, subject_sets
from .abilities import ALL, SOME, accesses, account_key, allowed, how_much, members, received
from .answers_users import publish_notes
from .mappings import mapped_set, unmapped_set
from .permissions import Access, access_of
from .questions import INBOX, Question
from .routes import OWN, Flow, destinations, follow, sources
from .show import ALLOWS
from .subject_sets import Subjects, difference, intersection, is_subset, pattern, union_of
from .tree import Tree, account_body

#: What the JetStream API is used for, by the subjects of the requests.
JETSTREAM_RIGHTS = {
    "account information": ("$JS.API.INFO",),
    "list streams and consumers": (
        "$JS.API.STREAM.NAMES",
        "$JS.API.STREAM.LIST",
        "$JS.API.STREAM.INFO.*",
        "$JS.API.CONSUMER.NAMES.*",
        "$JS.API.CONSUMER.LIST.*",
        "$JS.API.CONSUMER.INFO.*.*",
    ),
    "read messages": ("$JS.API.STREAM.MSG.GET.*", "$JS.API.DIRECT.GET.>", "$JS.API.CONSUMER.MSG.NEXT.*.*"),
    "create consumers": ("$JS.API.CONSUMER.CREATE.>", "$JS.API.CONSUMER.DURABLE.CREATE.*.*"),
    "create and change streams": ("$JS.API.STREAM.CREATE.*", "$JS.API.STREAM.UPDATE.*", "$JS.API.STREAM.RESTORE.*"),
    "delete": (
        "$JS.API.STREAM.DELETE.*",
        "$JS.API.STREAM.PURGE.*",
        "$JS.API.STREAM.MSG.DELETE.*",
        "$JS.API.CONSUMER.DELETE.*.*",
    ),
}


# ---- who may


def who_may(tree: Tree, question: Question) -> dict[str, Any]:
    """The users that may do something with some or all of a set of subjects, and by which ways."""
    word = question.chosen("publish", "subscribe", "receive", "request")
    wanted = union_of([pattern(question.about[word])])
    ways = _WAYS[word](tree, question, wanted)
    users: dict[str, list[dict[str, Any]]] = {}
    for access, way in ways:
        users.setdefault(tree.title_of(access.user), []).append(way)
    listed = [
        {
            "user": user,
            "how_much": ALL if any(way["how_much"] == ALL for way in found) else SOME,
            "certain": any(way["certain"] for way in found),
            "ways": found,
        }
        for user, found in sorted(users.items())
    ]
    return {
        "users": listed,
        "all": [one["user"] for one in listed if one["how_much"] == ALL],
        "some": [one["user"] for one in listed],
    }


_Ways = Iterator["tuple[Access, dict[str, Any]]"]


def _ways_to_publish(tree: Tree, question: Question, wanted: Subjects) -> _Ways:
    account = question.account
    if account is None:
        for access, possible, certain in _groups(tree, wanted):
            yield access, _way(tree, access, wanted, possible, certain)
        return
    for flow in sources(tree, account.key, wanted):
        yield from ways_of_flow(tree, flow, wanted)


def _groups(tree: Tree, wanted: Subjects) -> Iterator[tuple[Access, Subjects, Subjects]]:
    """Every user that may publish some of the subjects, with the possible and the certain subjects. Computed once for all users with the same permissions."""
    for may, found in members(tree):
        possible = intersection(wanted, may.possible)
        if possible:
            certain = intersection(wanted, may.certain)
            for access in found:
                yield access, possible, certain


def _way(tree: Tree, access: Access, wanted: Subjects, possible: Subjects, certain: Subjects) -> dict[str, Any]:
    return {
        "account": access.account.title if access.account is not None else "",
        "by": OWN,
        "how_much": how_much(wanted, possible),
        "part": show.part(possible),
        "certain": is_subset(possible, certain),
        "steps": [
            show.step(
                tree, show.permissions_origin(access), ALLOWS, f"it may publish {subject_sets.describe(possible)}"
            )
        ],
        "notes": publish_notes(access),
    }


def ways_of_flow(tree: Tree, flow: Flow, wanted: Subjects) -> _Ways:
    """The users that may publish what arrives in the account by one flow."""
    links = [shown for link in flow.links for shown in show.link_steps(tree, link)]
    notes = [note for link in flow.links for note in show.link_notes(link)]
    for access in accesses(tree, flow.account):
        if access.refusals or access.account is None:
            continue
        mapped_ones = intersection(flow.subjects, allowed(tree, access))
        before = unmapped_set(tree, access.account, mapped_ones)
        if not before.possible:
            continue
        arriving = follow(tree, flow.links, mapped_ones).subjects
        way = _way(tree, access, wanted, before.possible, before.certain)
        way.update(
            by=flow.kind,
            how_much=ALL if flow.exact and is_subset(wanted, arriving) else SOME,
            arrives_as=show.part(intersection(arriving, wanted)),
            certain=way["certain"] and flow.exact,
            steps=[*way["steps"], *links],
            notes=[*way["notes"], *notes],
        )
        yield access, way


def _ways_to_request(tree: Tree, question: Question, wanted: Subjects) -> _Ways:
    inbox = pattern(question.about.get("inbox", INBOX))
    for access, way in _ways_to_publish(tree, question, wanted):
        way["answers"] = bool(intersection(received(tree, access), union_of([inbox])))
        yield access, way


def _ways_to_subscribe(tree: Tree, question: Question, wanted: Subjects) -> _Ways:
    account = question.account
    for user in tree.users if account is None else tree.users_of.get(account.key, ()):
        access = access_of(tree, user)
        if not access.refusals:
            yield from _way_to_receive(tree, access, wanted, Flow(account_key(access), wanted, OWN, (), True))


def _ways_to_receive(tree: Tree, question: Question, wanted: Subjects) -> _Ways:
    account = question.account
    if account is None:
        yield from _ways_to_subscribe(tree, question, wanted)
        return
    published = mapped_set(tree, account, wanted)
    for flow in destinations(tree, account.key, published.subjects):
        for access in accesses(tree, flow.account):
            if not access.refusals:
                yield from _way_to_receive(
                    tree, access, flow.subjects, flow._replace(exact=flow.exact and published.is_exact)
                )


def _way_to_receive(tree: Tree, access: Access, wanted: Subjects, flow: Flow) -> _Ways:
    found = intersection(wanted, received(tree, access))
    if found:
        yield (
            access,
            {
                "account": tree.account_title(flow.account),
                "by": flow.kind,
                "how_much": how_much(wanted, found),
                "part": show.part(found),
                "certain": flow.exact,
                "steps": [
                    *(shown for link in flow.links for shown in show.link_steps(tree, link)),
                    show.step(
                        tree, show.permissions_origin(access), ALLOWS, f"it may receive {subject_sets.describe(found)}"
                    ),
                ],
                "notes": [
                    *access.notes,
                    *(note for link in flow.links for note in show.link_notes(link)),
                    *_wide_notes(access, found),
                ],
            },
        )


def _wide_notes(access: Access, found: Subjects) -> Iterator[str]:
    """A note if servers deliver more than the permissions state."""
    allow = access.lists.subscribe_allow
    if allow is not None:
        more = difference(found, union_of(rule.pattern for rule in allow))
        if more:
            yield f"Servers treat * at the end of a permission to subscribe as > too, which adds {subject_sets.describe(more)}."


_WAYS: dict[str, Callable[[Tree, Question, Subjects], _Ways]] = {
    "publish": _ways_to_publish,
    "request": _ways_to_request,
    "subscribe": _ways_to_subscribe,
    "receive": _ways_to_receive,
}


def jetstream(tree: Tree, question: Question) -> dict[str, Any]:
    """The users, of any account, that may use the JetStream API of an account, and for which operations."""
    account = question.about["account"]
    users: dict[str, dict[str, Any]] = {}
    for right, subjects in JETSTREAM_RIGHTS.items():
        wanted = union_of(map(pattern, subjects))
        for flow in sources(tree, account.key, wanted):
            for access, way in ways_of_flow(tree, flow, wanted):
                name = tree.title_of(access.user)
                user = users.setdefault(name, {"user": name, "rights": {}, "by": way["by"], "steps": way["steps"]})
                arrives: list[Any] = user["rights"].setdefault(right, [])
                arrives += [one for one in way["arrives_as"] if one not in arrives]
    limits = show.shown_jetstream(account_body(account))
    notes = [] if limits else [f"JetStream is off for {account.title}: servers refuse these requests."]
    return {"limits": limits, "users": list(users.values()), "notes": notes}
