# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Whether a user that received a request can answer it, and whether the response comes back.

From addRespServiceImport and processServiceImportResponse in accounts.go, and responseAllowed in client.go: in the exporting account, a request through a
service has a reply subject that the server generates, and the mappings of each account on the way back apply to the response.
"""

from __future__ import annotations

from typing import NamedTuple

from .links import SERVICE
from .mappings import mapped, mappings_of
from .permissions import Access, can_respond, may_publish, publish_set
from .routes import Arrival, deliver, is_received
from .subject_sets import Pattern, common_pattern, contains, is_subset, pattern, text, union_of
from .transforms import Transform, apply
from .tree import Tree

#: The reply subject that servers generate for a request that goes through a service; with latency tracking it has two more tokens.
SERVICE_REPLY = pattern("_R_.*.*")
_TRACKED_REPLY = pattern("_R_.*.*.*.*")
#: Prefixes that clients cannot use for reply subjects (isReservedReply).
_RESERVED = ("_R_.", "$JS.ACK.", "_GR_.", "$GR.")

YES, NO, PERHAPS = "yes", "no", "perhaps"


class Reply(NamedTuple):
    """Whether a response comes back, why or why not, and under which conditions."""

    comes: str  # YES, NO or PERHAPS
    reason: str
    subject: str  # the subject that it has to be published to
    many: bool  # whether more than one response to a request comes back
    by_response_permission: bool = False


def reply_to(tree: Tree, responder: Access, arrival: Arrival, requestor: str, inbox: str) -> Reply:
    """Whether the response of a user that received a request comes back to an inbox in the account of the requestor, a public key."""
    services = [link for link in arrival.links if link.kind == SERVICE]
    if not services or arrival.kind != SERVICE:
        return _reply_within(tree, responder, arrival, requestor, inbox)
    tracked = any(link.export is not None and link.export.latency is not None for link in services)
    subjects = (SERVICE_REPLY, _TRACKED_REPLY) if tracked else (SERVICE_REPLY,)
    many = all(link.many_answers for link in services)
    worst = YES
    for subject in subjects:
        here = _unchanged(tree, arrival.account, subject)
        allowed = _may_answer(tree, responder, subject, here)
        comes = min((here, allowed[0]), key=(NO, PERHAPS, YES).index)
        if comes == NO:
            reason = (
                allowed[1]
                if allowed[0] == NO
                else f"mappings of {tree.account_title(arrival.account)} change {text(subject)}"
            )
            return Reply(NO, reason, text(subject), many)
        worst = PERHAPS if comes == PERHAPS else worst
    back = _way_back(tree, [link.importer for link in services], inbox)
    if back[0] == NO:
        return Reply(NO, back[1], text(SERVICE_REPLY), many)
    by_response = can_respond(responder) and not is_subset(union_of(subjects), publish_set(tree, responder))
    comes = PERHAPS if PERHAPS in (worst, back[0]) else YES
    return Reply(comes, allowed[1], text(SERVICE_REPLY), many, by_response)


def _reply_within(tree: Tree, responder: Access, arrival: Arrival, requestor: str, inbox: str) -> Reply:
    """The reply for a response that is published to the inbox itself, in the account of the responder."""
    verdicts = []
    by_response = False
    for outcome in mapped(tree, tree.accounts[arrival.account], inbox):
        if not outcome.subject:
            verdicts.append((False, "a mapping drops it"))
            continue
        verdict = may_publish(tree, responder, outcome.subject)
        if not verdict.allowed and can_respond(responder) and outcome.subject == inbox:
            by_response = True
        elif not verdict.allowed:
            verdicts.append((False, f"publishing to {outcome.subject}: {verdict.reason}"))
            continue
        arrivals = deliver(tree, arrival.account, outcome.subject)
        there = [one for one in arrivals if one.account == requestor and is_received(one, pattern(inbox))]
        if there:
            verdicts.append((True, "the response permission allows it" if by_response else verdict.reason))
        else:
            verdicts.append(
                (False, f"{outcome.subject} in {tree.account_title(arrival.account)} does not reach the requester")
            )
    comes = (
        YES if all(good for good, _reason in verdicts) else PERHAPS if any(good for good, _reason in verdicts) else NO
    )
    reason = next((reason for good, reason in verdicts if good == (comes == YES)), "")
    return Reply(comes, reason, inbox, True, by_response)


def _may_answer(tree: Tree, responder: Access, subject: Pattern, unchanged: str) -> tuple[str, str]:
    allowed = publish_set(tree, responder)
    wanted = union_of([subject])
    if is_subset(wanted, allowed):
        return YES, f"{text(subject)} may be published"
    if can_respond(responder) and unchanged != NO:
        return unchanged, "the response permission allows it"
    if any(common_pattern(subject, term.pattern) is not None for term in allowed):
        return PERHAPS, f"a part of {text(subject)} may be published"
    return NO, f"no permission allows publishing to {text(subject)}, where the answer goes"


def _unchanged(tree: Tree, account: str, subject: Pattern) -> str:
    """Whether mappings of an account keep the subjects of a pattern: YES, NO or PERHAPS."""
    found = YES
    for mapping in mappings_of(tree, tree.accounts[account]).installed:
        if common_pattern(mapping.source, subject) is None:
            continue
        keeps = [target.transform is not None and _is_identity(target.transform) for target in mapping.targets]
        if all(keeps):
            continue
        if contains(mapping.source, subject) and not any(keeps):
            return NO
        found = PERHAPS
    return found


def _is_identity(transform: Transform) -> bool:
    if not transform.is_renaming:
        return False
    sample = tuple(str(number) if token in ("*", ">") else token for number, token in enumerate(transform.source))
    return apply(transform, sample) == [text(sample)]


def _way_back(tree: Tree, importers: list[str], inbox: str) -> tuple[str, str]:
    """Whether mappings of the accounts on the way back keep reply subjects: YES, NO or PERHAPS, and the reason for NO. The first account is the requestor's."""
    found = YES
    for key in importers[1:]:
        here = _unchanged(tree, key, SERVICE_REPLY)
        if here == NO:
            return NO, f"mappings of {tree.account_title(key)} change {text(SERVICE_REPLY)}"
        found = PERHAPS if here == PERHAPS else found
    outcomes = [outcome.subject for outcome in mapped(tree, tree.accounts[importers[0]], inbox)]
    if inbox not in outcomes:
        return NO, f"mappings of {tree.account_title(importers[0])} change {inbox}"
    return (PERHAPS if len(outcomes) > 1 else found), ""


def is_reserved(reply: str) -> bool:
    """Whether servers refuse a request with this reply subject."""
    return reply.startswith(_RESERVED)
