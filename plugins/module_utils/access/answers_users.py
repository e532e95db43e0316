# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Answers about one user, or every user: what it may do, which access is in effect, and where its messages go."""

from __future__ import annotations

from typing import Any, Iterator

from . import replies, show, subject_sets
from .abilities import ALL, SOME, accesses, account_key, how_much, published, received
from .links import SERVICE, STREAM, links_into, links_out_of
from .mappings import Mapped
from .permissions import Access, Verdict, access_of, may_publish, may_subscribe, subscribe_oddity
from .questions import INBOX, Question, require_literal
from .routes import Arrival, deliver, mapped_hops
from .show import ALLOWS, DENIES
from .subject_sets import contains, difference, intersection, is_literal, is_subset, pattern, union_of
from .tree import Entry, Tree

# ---- may


def may(tree: Tree, question: Question) -> dict[str, Any]:
    """Whether a user may do something."""
    access = access_of(tree, question.user)
    if access.refusals:
        return _may_not_connect(tree, access)
    word = question.chosen("connect", "publish", "subscribe", "request")
    if word == "connect":
        return _said(True, True, f"{tree.title_of(access.user)} may connect", [])
    if word == "subscribe":
        return _may_subscribe(tree, access, question.about["subscribe"], question.about.get("queue", ""))
    found = _may_publish(tree, access, question.about[word])
    if word == "request":
        _add_inbox(tree, access, found, question.about.get("inbox", INBOX))
    return found


def _said(allowed: bool, certain: bool, reason: str, steps: list[dict[str, str]], **more: Any) -> dict[str, Any]:
    return {"allowed": allowed, "certain": certain, "reason": reason, "steps": steps, "oddities": [], **more}


def _may_not_connect(tree: Tree, access: Access) -> dict[str, Any]:
    reason = f"{tree.title_of(access.user)} cannot connect: {'; '.join(access.refusals)}"
    return _said(False, True, reason, show.refusal_steps(tree, access))


def _may_publish(tree: Tree, access: Access, subject: str) -> dict[str, Any]:
    tokens = pattern(subject)
    found = _may_publish_one(tree, access, subject) if is_literal(tokens) else _may_publish_all(tree, access, tokens)
    found["notes"] = publish_notes(access)
    return found


def publish_notes(access: Access) -> list[str]:
    """Notes on what a user may publish."""
    notes = list(access.notes)
    if access.lists.response is not None:
        notes.append("Its response permission also allows it to answer requests that it receives.")
    return notes


def _may_publish_one(tree: Tree, access: Access, subject: str) -> dict[str, Any]:
    outcomes = [
        (outcome, hops, _verdict(tree, access, outcome))
        for outcome, hops in mapped_hops(tree, account_key(access), subject)
    ]
    allowed = any(verdict.allowed for _outcome, _hops, verdict in outcomes)
    certain = len({verdict.allowed for _outcome, _hops, verdict in outcomes}) == 1
    steps, oddities = [], []
    for outcome, hops, verdict in outcomes:
        steps += [shown for hop in hops for shown in show.hop_steps(tree, hop)]
        steps.append(show.verdict_step(tree, access, verdict, f"publish {outcome.subject or 'a dropped message'}"))
        if outcome.subject not in (None, subject) and may_publish(tree, access, subject).allowed != verdict.allowed:
            oddities.append(
                f"servers map {subject} to {outcome.subject} before they check permissions, so permissions for {subject} have no effect"
            )
    chosen = next(verdict for _outcome, _hops, verdict in outcomes if verdict.allowed == allowed)
    reason = f"{tree.title_of(access.user)} {_modal(allowed, certain)} publish {subject}: {chosen.reason}"
    return dict(_said(allowed, certain, reason, steps), oddities=oddities)


def _modal(allowed: bool, certain: bool) -> str:
    return ("may" if certain else "may in some cases") if allowed else "may not"


def _verdict(tree: Tree, access: Access, outcome: Mapped) -> Verdict:
    if outcome.subject is not None:
        return may_publish(tree, access, outcome.subject)
    # For a dropped message, a server looks for a permission for the empty subject (selectMappedSubject).
    allowed = access.lists.publish_allow is None
    return Verdict(allowed, "a mapping drops the message" + ("" if allowed else ", and no permission allows that"))


def _may_publish_all(tree: Tree, access: Access, tokens: subject_sets.Pattern) -> dict[str, Any]:
    wanted = union_of([tokens])
    sets_ = published(tree, access)
    certain, possible = intersection(wanted, sets_.certain), intersection(wanted, sets_.possible)
    extent = how_much(wanted, possible)
    reason = f"{tree.title_of(access.user)} may publish {extent} of {subject_sets.text(tokens)}"
    if extent == SOME:
        reason += f": {subject_sets.describe(possible)}"
    is_certain = is_subset(possible, certain)
    steps = [
        show.step(tree, rule.origin, effect, f"publish {rule}: {words}")
        for listed, effect, words in (
            (access.lists.publish_allow or (), ALLOWS, "it is allowed"),
            (access.lists.publish_deny, DENIES, "it is denied"),
        )
        for rule in listed
        if subject_sets.common_pattern(rule.pattern, tokens) is not None
    ]
    return _said(extent == ALL and is_certain, is_certain, reason, steps, how_much=extent, part=show.part(possible))


def _may_subscribe(tree: Tree, access: Access, subject: str, queue: str) -> dict[str, Any]:
    verdict = may_subscribe(access, subject, queue)
    what = f"subscribe to {subject}" + (f" in the queue group {queue}" if queue else "")
    reason = f"{tree.title_of(access.user)} {'may' if verdict.allowed else 'may not'} {what}: {verdict.reason}"
    found = _said(verdict.allowed, True, reason, [show.verdict_step(tree, access, verdict, what)])
    found["notes"] = list(access.notes)
    tokens = pattern(subject)
    if verdict.allowed:
        denied = union_of(rule.pattern for rule in access.lists.subscribe_deny if not rule.queue or queue)
        delivered = difference(union_of([tokens]), denied)
        found["receives"] = show.part(delivered)
        if verdict.rule is not None and not contains(verdict.rule.pattern, tokens):
            found["oddities"] = [
                f"servers allow a user that may subscribe to {verdict.rule.subject} to subscribe to {subject}"
            ]
    return found


def _add_inbox(tree: Tree, access: Access, found: dict[str, Any], inbox: str) -> None:
    """Add whether the user may receive the response to its request, because a request is of no use without it."""
    verdict = may_subscribe(access, inbox)
    found["steps"].append(show.verdict_step(tree, access, verdict, f"subscribe to {inbox} for the answer"))
    found["inbox"] = inbox
    if found["allowed"] and replies.is_reserved(inbox):
        found.update(
            allowed=False,
            reason=f"servers refuse requests whose reply subject is {inbox}, which is reserved",
        )
    elif found["allowed"] and not verdict.allowed:
        found.update(
            allowed=False, reason=f"the answer does not reach {tree.title_of(access.user)} at {inbox}: {verdict.reason}"
        )


# ---- path


def path(tree: Tree, question: Question) -> dict[str, Any]:
    """Where a message of a user goes, and which users may receive it."""
    word = question.chosen("publish", "request")
    subject = require_literal(question, word)
    access = access_of(tree, question.user)
    if access.refusals:
        return dict(_may_not_connect(tree, access), arrivals=[])
    found = _may_publish(tree, access, subject)
    inbox = question.about.get("inbox", INBOX)
    if word == "request":
        _add_inbox(tree, access, found, inbox)
    arrivals = [] if not found["allowed"] else list(_arrivals(tree, access, subject))
    found["arrivals"] = [dict(show.arrival(tree, there), **_receivers(tree, there)) for there in arrivals]
    if word == "request":
        for shown, there in zip(found["arrivals"], arrivals):
            shown["responders"] = list(_responders(tree, access, there, inbox))
    found["oddities"] += [oddity for there in arrivals for oddity in _arrival_oddities(there)]
    found["closed"] = list(_closed_ways(tree, account_key(access), subject))
    return found


def _arrivals(tree: Tree, access: Access, subject: str) -> Iterator[Arrival]:
    for outcome, hops in mapped_hops(tree, account_key(access), subject):
        if outcome.subject is not None and _verdict(tree, access, outcome).allowed:
            yield from deliver(tree, account_key(access), outcome.subject, hops, outcome.certain)


def _receivers(tree: Tree, there: Arrival) -> dict[str, Any]:
    """The users that receive the message if they subscribe, and whether servers themselves receive it (in the system account)."""
    tokens = pattern(there.subject)
    wanted = union_of([tokens])
    names, oddities = [], []
    for access in accesses(tree, there.account):
        if not access.refusals and intersection(received(tree, access), wanted):
            names.append(tree.title_of(access.user))
            oddity = subscribe_oddity(access, tokens)
            if oddity:
                oddities.append(f"{tree.title_of(access.user)}: {oddity}")
    return {
        "receivers": names,
        "oddities": oddities,
        "servers": there.account == tree.system_account and tokens[0] in ("$SYS", "$JS"),
    }


def _responders(tree: Tree, requestor: Access, there: Arrival, inbox: str) -> Iterator[dict[str, Any]]:
    example = inbox.replace("*", "x").replace(">", "x")
    for access in accesses(tree, there.account):
        if access.refusals or not intersection(received(tree, access), union_of([pattern(there.subject)])):
            continue
        reply = replies.reply_to(tree, access, there, account_key(requestor), example)
        yield {
            "user": tree.title_of(access.user),
            "answers": reply.comes,
            "reason": reply.reason,
            "at": reply.subject if there.kind == SERVICE else inbox,
            "many": reply.many,
            "by_response_permission": reply.by_response_permission,
        }


def _arrival_oddities(there: Arrival) -> Iterator[str]:
    for link in there.links:
        if link.oddity:
            yield f"the import {link.origin.entry.at(link.origin.path)}: {link.oddity}"


def _closed_ways(tree: Tree, account: str, subject: str) -> Iterator[dict[str, Any]]:
    """Imports that match the message but do not work, and why."""
    outcomes = [pattern(outcome.subject) for outcome, _hops in mapped_hops(tree, account, subject) if outcome.subject]
    for link in (*links_into(tree, account), *links_out_of(tree, account)):
        mine, kind = (link.local, SERVICE) if link.importer == account else (link.remote, STREAM)
        if link.kind == kind and not link.works and any(contains(mine, tokens) for tokens in outcomes):
            yield show.closed(tree, link)


def effective(tree: Tree, question: Question) -> dict[str, Any]:
    """The effective access of users."""
    return {"users": [show.effective(tree, access_of(tree, user)) for user in users_of(tree, question)]}


def users_of(tree: Tree, question: Question) -> list[Entry]:
    """The users that a question is about: one, those of an account, or all."""
    if "user" in question.about:
        return [question.user]
    account = question.account
    return tree.users if account is None else tree.users_of.get(account.key, [])
