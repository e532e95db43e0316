# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Where a message goes through mappings, streams and services: to which accounts, under which subjects. Also where the messages of an account come from.

From processInboundClientMsg, processMsgResults and processServiceImport in client.go. A message of a stream passes to the next account only, and only if it
was published in the exporting account itself. A request passes through any number of services, and through each export once.
"""

from __future__ import annotations

from typing import Iterator, NamedTuple

from . import transforms
from .links import SERVICE, STREAM, Link, links_into, links_out_of, local_subjects, remote_subjects, shadow_of
from .mappings import Mapped, Mapping, mapped, mapped_set, unmapped_set
from .subject_sets import Pattern, Subjects, contains, intersection, is_in, pattern, union_of
from .tree import Tree

OWN = "own"

#: Requests to JetStream that servers do not pass on to the system account: streams and consumers listen in the account itself.
_LOCAL_JETSTREAM = (pattern("$JS.API.DIRECT.GET.>"), pattern("$JS.API.CONSUMER.MSG.NEXT.>"))


class Hop(NamedTuple):
    """One step of a message, by an import or by a mapping of the account. `subject` is the subject of the message after the step."""

    account: str
    subject: str
    link: Link | None = None
    mapping: Mapping | None = None


class Arrival(NamedTuple):
    """A message in an account."""

    account: str  # public key
    subject: str
    kind: str  # OWN, STREAM or SERVICE
    hops: tuple[Hop, ...]
    certain: bool  # False if the outcome is random, or something is not known
    published: str = ""  # the subject of a message of a stream in the exporting account

    @property
    def links(self) -> tuple[Link, ...]:
        """The imports on the way."""
        return tuple(hop.link for hop in self.hops if hop.link is not None)


def mapped_hops(tree: Tree, account: str, subject: str) -> list[tuple[Mapped, tuple[Hop, ...]]]:
    """What the mappings of an account may turn a subject into, each with the hop, if a mapping applies."""
    found: list[tuple[Mapped, tuple[Hop, ...]]] = []
    for outcome in mapped(tree, tree.accounts[account], subject):
        changed = outcome.mapping is not None and outcome.subject is not None
        hops = (Hop(account, str(outcome.subject), mapping=outcome.mapping),) if changed else ()
        found.append((outcome, hops))
    return found


def deliver(tree: Tree, account: str, subject: str, hops: tuple[Hop, ...] = (), certain: bool = True) -> list[Arrival]:
    """The arrivals of a message that was published in an account, after its mappings."""
    return list(_deliver(tree, Arrival(account, subject, OWN, hops, certain), frozenset()))


def _deliver(tree: Tree, arrival: Arrival, passed: frozenset[tuple[str, str]]) -> Iterator[Arrival]:
    yield arrival
    tokens = pattern(arrival.subject)
    if arrival.kind == OWN:
        for link in links_out_of(tree, arrival.account):
            if link.kind == STREAM and link.works and contains(link.remote, tokens):
                for subject in local_subjects(link, tokens):
                    hop = Hop(link.importer, subject, link)
                    certain = arrival.certain and link.is_certain
                    yield Arrival(link.importer, subject, STREAM, (*arrival.hops, hop), certain, arrival.subject)
    for link in links_into(tree, arrival.account):
        if link.kind == SERVICE and link.works and contains(link.local, tokens) and not _stays(link, tokens):
            yield from _request(tree, arrival, link, passed)


def _stays(link: Link, tokens: Pattern) -> bool:
    return link.implicit and any(contains(local, tokens) for local in _LOCAL_JETSTREAM)


def _export_of(link: Link) -> tuple[str, str]:
    return link.exporter, link.export.subject if link.export is not None else ""


def _request(tree: Tree, arrival: Arrival, link: Link, passed: frozenset[tuple[str, str]]) -> Iterator[Arrival]:
    export = _export_of(link)
    if export in passed or link.exporter not in tree.accounts:
        return
    remotes = [remote for remote in remote_subjects(link, pattern(arrival.subject)) if "" not in remote.split(".")]
    for remote in remotes:
        hops = (*arrival.hops, Hop(link.exporter, remote, link))
        for outcome, more in mapped_hops(tree, link.exporter, remote):
            if outcome.subject:
                certain = arrival.certain and link.is_certain and outcome.certain and len(remotes) == 1
                there = Arrival(link.exporter, outcome.subject, SERVICE, (*hops, *more), certain)
                yield from _deliver(tree, there, passed | {export})


def is_received(arrival: Arrival, subscription: Pattern) -> bool:
    """Whether a message that arrives in an account belongs to a subscription there."""
    tokens = pattern(arrival.subject)
    link = arrival.hops[-1].link if arrival.kind == STREAM else None
    if link is None:
        return contains(subscription, tokens)
    shadow = shadow_of(link, subscription)
    return shadow is not None and contains(shadow, pattern(arrival.published))


# ---- sets of subjects


class Flow(NamedTuple):
    """Messages between two accounts: their subjects in `account`, and the imports in the order from the publisher.

    If it is not exact, the real set may have fewer subjects.
    """

    account: str
    subjects: Subjects
    kind: str
    links: tuple[Link, ...]
    exact: bool


def sources(tree: Tree, account: str, wanted: Subjects) -> list[Flow]:
    """What has to be published in which account, after the mappings of that account, to arrive in `account` as one of a set of subjects."""
    found = [Flow(account, wanted, OWN, (), True), *_requests_to(tree, account, wanted, ())]
    for link in links_into(tree, account):
        if link.kind == STREAM and link.works:
            back = _before(link, wanted)
            if back.possible:
                found.append(
                    Flow(
                        link.exporter, back.possible, STREAM, (link,), back.certain == back.possible and link.is_certain
                    )
                )
    return found


def _requests_to(tree: Tree, account: str, wanted: Subjects, links: tuple[Link, ...]) -> Iterator[Flow]:
    if account not in tree.accounts:
        return
    before = unmapped_set(tree, tree.accounts[account], wanted)
    for link in links_out_of(tree, account):
        if link.kind != SERVICE or not link.works or _export_of(link) in map(_export_of, links):
            continue
        back = _before(link, before.possible)
        if back.possible:
            exact = back.certain == back.possible and before.certain == before.possible and link.is_certain
            path = (link, *links)
            yield Flow(link.importer, back.possible, SERVICE, path, exact)
            for further in _requests_to(tree, link.importer, back.possible, path):
                yield further._replace(exact=further.exact and exact)


def _before(link: Link, wanted: Subjects) -> transforms.Preimage:
    """What has to be sent at one end of a link to arrive at the other end as wanted: the exporter sends streams, the importer sends requests."""
    sent, received = (link.remote, link.local) if link.kind == STREAM else (link.local, link.remote)
    if link.is_same:
        same = intersection(wanted, union_of([sent]))
        return transforms.Preimage(same, same)
    if link.transform is not None:
        return transforms.preimage(link.transform, wanted)
    all_or_none = union_of([sent]) if is_in(received, wanted) else ()
    return transforms.Preimage(all_or_none, all_or_none)


def destinations(tree: Tree, account: str, published: Subjects) -> list[Flow]:
    """Where messages go that were published in an account with one of a set of subjects, after its mappings."""
    found = [Flow(account, published, OWN, (), True)]
    for link in links_out_of(tree, account):
        if link.kind == STREAM and link.works:
            moved = _local_of_stream(link, published)
            if moved.subjects:
                found.append(Flow(link.importer, moved.subjects, STREAM, (link,), moved.is_exact and link.is_certain))
    return [*found, *_requests_from(tree, account, published, ())]


def _requests_from(tree: Tree, account: str, published: Subjects, links: tuple[Link, ...]) -> Iterator[Flow]:
    for link in links_into(tree, account):
        if (
            link.kind != SERVICE
            or not link.works
            or link.exporter not in tree.accounts
            or _export_of(link) in map(_export_of, links)
        ):
            continue
        moved = _remote_of_service(link, published)
        if not moved.subjects:
            continue
        after = mapped_set(tree, tree.accounts[link.exporter], moved.subjects)
        exact = moved.is_exact and after.is_exact and link.is_certain
        path = (*links, link)
        yield Flow(link.exporter, after.subjects, SERVICE, path, exact)
        for further in _requests_from(tree, link.exporter, after.subjects, path):
            yield further._replace(exact=further.exact and exact)


def _local_of_stream(link: Link, published: Subjects) -> transforms.Image:
    here = intersection(published, union_of([link.remote]))
    if link.is_same or not here:
        return transforms.Image(here, True)
    if link.transform is not None:
        return transforms.image(link.transform, here)
    return transforms.Image(union_of([link.local]), True)


def _remote_of_service(link: Link, published: Subjects) -> transforms.Image:
    here = intersection(published, union_of([link.local]))
    if link.is_same or not here:
        return transforms.Image(here, True)
    if link.transform is not None:
        return transforms.image(link.transform, here)
    return transforms.Image(union_of([link.remote]), True)


def follow(tree: Tree, links: tuple[Link, ...], published: Subjects) -> transforms.Image:
    """The subjects of messages, published with one of a set of subjects, after they passed through these imports."""
    exact = True
    for link in links:
        moved = _local_of_stream(link, published) if link.kind == STREAM else _remote_of_service(link, published)
        published, exact = moved.subjects, exact and moved.is_exact
        if link.kind == SERVICE:
            after = mapped_set(tree, tree.accounts[link.exporter], published)
            published, exact = after.subjects, exact and after.is_exact
    return transforms.Image(published, exact)
