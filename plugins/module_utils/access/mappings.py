# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""How an account's mappings change subjects, randomly if they have weights (AddWeightedMappings and selectMappedSubject in accounts.go).

A server maps the subject of a published message before it checks the client's permissions. It also maps the subjects of requests that arrive from other
accounts.
"""

from __future__ import annotations

from typing import Iterator, NamedTuple

from ..claims import WeightedMapping
from ..rules.subjects import is_valid_subject
from ..rules.transforms import mapping_problem, with_references
from . import transforms
from .permissions import Origin
from .subject_sets import Pattern, Subjects, contains, difference, intersection, pattern, union, union_of
from .transforms import Preimage, Transform
from .tree import Entry, Tree, account_body


class Target(NamedTuple):
    """One of the destinations of a mapping. Without a transform, the message is dropped."""

    transform: Transform | None
    percent: int


class Mapping(NamedTuple):
    """The mapping of one source, as servers of this cluster hold it."""

    source: Pattern
    targets: tuple[Target, ...]
    origin: Origin


class Mapped(NamedTuple):
    """What one subject may become; None if the message is dropped. `certain` is true if it is the only outcome."""

    subject: str | None
    mapping: Mapping | None
    certain: bool


class Mappings(NamedTuple):
    """The installed mappings of an account, and the refused ones with the reason."""

    installed: tuple[Mapping, ...]
    refused: tuple[tuple[Origin, str], ...]


def mappings_of(tree: Tree, account: Entry) -> Mappings:
    """The mappings of an account."""
    memory: dict[str, Mappings] = tree.memory.setdefault("mappings", {})
    if account.key not in memory:
        memory[account.key] = _mappings_of(tree, account)
    return memory[account.key]


def _mappings_of(tree: Tree, account: Entry) -> Mappings:
    installed, refused = [], []
    for source, destinations in account_body(account).mappings.items():
        origin = Origin(account, f"mappings.{source}")
        problem = _mapping_refusal(source, destinations or [])
        if problem:
            refused.append((origin, problem))
        else:
            chosen = _chosen(destinations or [], tree.servers.cluster)
            installed.append(Mapping(pattern(source), tuple(_targets(source, chosen, destinations or [])), origin))
    return Mappings(tuple(installed), tuple(refused))


def _mapping_refusal(source: str, destinations: list[WeightedMapping]) -> str:
    if not is_valid_subject(source):
        return f"{source!r} is not a subject"
    seen = set()
    for destination in destinations:
        if destination.subject in seen:
            return f"{destination.subject!r} is listed twice"
        seen.add(destination.subject)
        problem = mapping_problem(source, destination.subject)
        if problem:
            return problem
    return ""


def _chosen(destinations: list[WeightedMapping], cluster: str) -> list[WeightedMapping]:
    """The destinations of this cluster; if it has none, those without a cluster."""
    own = [one for one in destinations if one.cluster and one.cluster == cluster]
    return own or [one for one in destinations if not one.cluster]


def _targets(source: str, chosen: list[WeightedMapping], destinations: list[WeightedMapping]) -> Iterator[Target]:
    total = 0
    for destination in chosen:
        percent = destination.weight or 100
        total += percent
        yield Target(transforms.make_transform(source, destination.subject), percent)
    if total < 100:
        # The rest keeps its subject, unless the source is itself a destination: then the rest is dropped.
        keeps = all(destination.subject != source for destination in destinations)
        yield Target(transforms.make_transform(source, with_references(source)) if keeps else None, 100 - total)


# ---- one subject


def mapped(tree: Tree, account: Entry, subject: str) -> list[Mapped]:
    """What a subject may become in an account. If sources of mappings overlap, a server uses any of these mappings."""
    tokens = pattern(subject)
    found: dict[str | None, Mapping] = {}
    for mapping in mappings_of(tree, account).installed:
        if contains(mapping.source, tokens):
            for target in mapping.targets:
                outcomes = [None] if target.transform is None else transforms.apply(target.transform, tokens)
                for outcome in outcomes:
                    # A subject with an empty token matches no subscription and no permission.
                    whole = outcome is not None and "" not in outcome.split(".")
                    found.setdefault(outcome if whole else None, mapping)
    if not found:
        return [Mapped(subject, None, True)]
    return [Mapped(outcome, mapping, len(found) == 1) for outcome, mapping in found.items()]


# ---- sets of subjects


def mapped_set(tree: Tree, account: Entry, subjects: Subjects) -> transforms.Image:
    """What the subjects of a set may become in an account."""
    installed = mappings_of(tree, account).installed
    if not installed:
        return transforms.Image(subjects, True)
    kept = difference(subjects, union_of(mapping.source for mapping in installed))
    images = [
        transforms.image(target.transform, subjects)
        for mapping in installed
        for target in mapping.targets
        if target.transform is not None
    ]
    return transforms.Image(union(kept, *(image.subjects for image in images)), all(image.is_exact for image in images))


def unmapped_set(tree: Tree, account: Entry, subjects: Subjects, when_lost: bool = False) -> Preimage:
    """The subjects that mappings turn into a subject of a set, certainly and possibly. `when_lost` sets whether a dropped subject counts."""
    installed = mappings_of(tree, account).installed
    if not installed:
        return Preimage(subjects, subjects)
    kept = difference(subjects, union_of(mapping.source for mapping in installed))
    failing: Subjects = ()
    possible = kept
    for mapping in installed:
        source = union_of([mapping.source])
        certain = source
        for target in mapping.targets:
            if target.transform is None:
                back = Preimage(source, source) if when_lost else Preimage((), ())
            else:
                back = transforms.preimage(target.transform, subjects)
            certain = intersection(certain, back.certain)
            possible = union(possible, back.possible)
        failing = union(failing, difference(source, certain))
    sources = union_of(mapping.source for mapping in installed)
    return Preimage(union(kept, difference(sources, failing)), possible)
