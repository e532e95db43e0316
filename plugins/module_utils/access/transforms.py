# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""How nats-server turns one subject into another, for mappings and imports under a local subject (subject_transform.go). Pure.

Which transforms a server refuses is in rules.transforms. Here the transforms that it accepts are applied to subjects and to sets of subjects.
"""

from __future__ import annotations

from typing import NamedTuple

from ..rules.transforms import Placeholder, placeholder, renaming_problem, transform_problem, with_wildcards
from .subject_sets import ONE, REST, Pattern, Subjects, Term, common_pattern, difference, pattern, text, union, union_of

#: Up to this many random or hashed values are separate outcomes; more are shown as one `*`.
_MOST_VALUES = 16


class Transform(NamedTuple):
    """A transform that a server accepts: the source, and the tokens of the destination with their placeholders; None for a literal token."""

    source: Pattern
    destination: Pattern
    parts: tuple[Placeholder | None, ...]

    @property
    def is_renaming(self) -> bool:
        """Whether the destination has each wildcard of the source once and no other placeholder, so that it can be reversed without loss."""
        used = [number for part in self.parts if part is not None for number in part.wildcards]
        plain = all(part is None or part.function == "wildcard" for part in self.parts)
        return plain and sorted(used) == list(range(1, self.source.count(ONE) + 1))


def make_transform(source: str, destination: str) -> Transform:
    """The transform of NewSubjectTransform. ValueError with the reason if a server refuses it."""
    problem = transform_problem(source, destination)
    if problem:
        raise ValueError(problem)
    return _make(source, destination)


def make_renaming(source: str, destination: str) -> Transform:
    """The transform of NewSubjectTransformStrict, for imports. ValueError with the reason if a server refuses it."""
    problem = renaming_problem(source, destination)
    if problem:
        raise ValueError(problem)
    return _make(source, destination)


def _make(source: str, destination: str) -> Transform:
    tokens = pattern(destination)
    return Transform(pattern(source), tokens, tuple(map(placeholder, tokens)))


def reverse(transform: Transform) -> Transform:
    """The transform that a server uses as the reverse (subjectTransform.reverse).

    It numbers the references in the order of the destination. This is correct for two references and wrong for most orders of three or more: then
    the result is the same wrong transform as in the server. ValueError if the server has none.
    """
    references = [
        token
        for token, part in zip(transform.destination, transform.parts)
        if part is not None and _is_untokenized(token)
    ]
    destination = []
    for token in transform.source:
        if token == ONE:
            if not references:
                raise ValueError(f"{text(transform.destination)!r} has no references")
            token = references.pop(0)
        destination.append(token)
    return make_renaming(with_wildcards(text(transform.destination)), text(tuple(destination)))


def _is_untokenized(token: str) -> bool:
    return with_wildcards(token) == ONE != token


# ---- subjects


def apply(transform: Transform, subject: Pattern) -> list[str]:
    """What a subject of the source may become; several subjects if the outcome is random (TransformTokenizedSubject).

    A subject with wildcards is also transformed token by token, as the server does with subscriptions. A random or hashed number with too many values
    is returned as `*`.
    """
    outcomes = [""]
    last = len(transform.destination) - 1
    for index, (token, part) in enumerate(zip(transform.destination, transform.parts)):
        if part is None and token == REST:
            break
        values = [token] if part is None else _values(part, transform, subject)
        separator = "." if index < last else ""
        outcomes = [f"{start}{value}{separator}" for start in outcomes for value in values]
    if transform.destination[-1] == REST:
        rest = ".".join(subject[len(transform.source) - 1 :])
        outcomes = [start + rest for start in outcomes]
    return outcomes


def _values(part: Placeholder, transform: Transform, subject: Pattern) -> list[str]:
    positions = [index for index, token in enumerate(transform.source) if token == ONE]
    # A reference to a missing wildcard refers to the first token, because a Go map returns 0 for a missing key.
    indexes = [positions[number - 1] if 1 <= number <= len(positions) else 0 for number in part.wildcards]
    if part.function == "random":
        return _numbers(abs(part.number))
    if part.function == "partition":
        return _partitions(part, indexes, transform, subject)
    token = subject[indexes[0]] if indexes[0] < len(subject) else ""
    if part.function == "wildcard":
        return [token]
    return [_CUTS[part.function](token, part)]


def _numbers(count: int) -> list[str]:
    return [ONE] if count > _MOST_VALUES else [str(number) for number in range(max(count, 1))]


def _partitions(part: Placeholder, indexes: list[int], transform: Transform, subject: Pattern) -> list[str]:
    if part.number == 0:
        return ["0"]
    if indexes:
        return [_partition("".join(subject[index] for index in indexes), part.number)]
    whole = _partition(".".join(subject), part.number)
    if ONE in transform.source or transform.source[-1] == REST:
        return [whole]
    # selectMappedSubject does not always split a literal subject into tokens, and then hashes the empty string.
    return list(dict.fromkeys((_partition("", part.number), whole)))


def _partition(key: str, count: int) -> str:
    """The partition of a key, by 32-bit FNV-1a (getHashPartition)."""
    value = 2166136261
    for byte in key.encode("utf-8", "surrogatepass"):
        value = (value ^ byte) * 16777619 & 0xFFFFFFFF
    return str(value % (count & 0xFFFFFFFF))


def _split_from_left(token: str, part: Placeholder) -> str:
    return f"{token[: part.number]}.{token[part.number :]}" if 0 < part.number < len(token) else token


def _split_from_right(token: str, part: Placeholder) -> str:
    return f"{token[: -part.number]}.{token[-part.number :]}" if 0 < part.number < len(token) else token


def _slice_from_left(token: str, part: Placeholder) -> str:
    size = part.number
    if not 0 < size < len(token):
        return token
    return ".".join(token[start : start + size] for start in range(0, len(token), size))


def _slice_from_right(token: str, part: Placeholder) -> str:
    size = part.number
    if not 0 < size < len(token):
        return token
    first = len(token) % size
    return ".".join(
        ([token[:first]] if first else []) + [token[at : at + size] for at in range(first, len(token), size)]
    )


def _split(token: str, part: Placeholder) -> str:
    pieces = token.split(part.separator) if part.separator else list(token)
    found = ""
    for index, piece in enumerate(pieces):
        found += piece
        following = pieces[index + 1] if index + 1 < len(pieces) else ""
        if following and (index or piece):
            found += "."
    return found


def _left(token: str, part: Placeholder) -> str:
    return token[: part.number] if 0 < part.number < len(token) else token


def _right(token: str, part: Placeholder) -> str:
    return token[-part.number :] if 0 < part.number < len(token) else token


_CUTS = {
    "SplitFromLeft": _split_from_left,
    "SplitFromRight": _split_from_right,
    "SliceFromLeft": _slice_from_left,
    "SliceFromRight": _slice_from_right,
    "split": _split,
    "left": _left,
    "right": _right,
}


# ---- sets of subjects


class Image(NamedTuple):
    """What a set becomes. If it is not exact, it may have more subjects than the real image."""

    subjects: Subjects
    is_exact: bool


def image(transform: Transform, subjects: Subjects) -> Image:
    """What those subjects of a set become that match the source."""
    found: list[Term] = []
    is_exact = True
    for term in subjects:
        within = common_pattern(transform.source, term.pattern)
        if within is None:
            continue
        moved = _image_of(transform, within)
        if transform.is_renaming:
            holes = [common_pattern(transform.source, hole) for hole in term.without]
            found.append(Term(moved, tuple(_image_of(transform, hole) for hole in holes if hole is not None)))
        else:
            is_exact = is_exact and not term.without and _is_literal_enough(transform, within)
            found.append(Term(moved))
    return Image(_normalized(found), is_exact)


def _image_of(transform: Transform, within: Pattern) -> Pattern:
    """The narrowest pattern that contains everything that the subjects of a pattern within the source become."""
    positions = [index for index, token in enumerate(transform.source) if token == ONE]
    found: list[str] = []
    for token, part in zip(transform.destination, transform.parts):
        if part is None and token == REST:
            return (*found, *within[len(transform.source) - 1 :])
        if part is None:
            found.append(token)
        elif part.function == "wildcard":
            number = part.wildcards[0]
            found.append(within[positions[number - 1] if 1 <= number <= len(positions) else 0])
        elif part.function.lower().startswith(("split", "slice")):
            return (*found, REST)  # one token becomes any number of them
        else:
            found.append(ONE)
    return tuple(found)


def _is_literal_enough(transform: Transform, within: Pattern) -> bool:
    """Whether the image of a pattern is a pattern although the transform cannot be reversed: no open wildcard is used twice, and nothing is computed."""
    plain = all(part is None or part.function == "wildcard" for part in transform.parts)
    positions = [index for index, token in enumerate(transform.source) if token == ONE]
    used = [number for part in transform.parts if part is not None for number in part.wildcards]
    open_numbers = [
        number for number in used if not 1 <= number <= len(positions) or within[positions[number - 1]] == ONE
    ]
    return plain and len(set(open_numbers)) == len(open_numbers)


class Preimage(NamedTuple):
    """The subjects that certainly become one of a set, and those that possibly do. They differ if the transform has functions."""

    certain: Subjects
    possible: Subjects


def preimage(transform: Transform, subjects: Subjects) -> Preimage:
    """The subjects of the source that become one of a set."""
    source = union_of([transform.source])
    if not all(part is None or part.function == "wildcard" for part in transform.parts):
        moved = _image_of(transform, transform.source)
        reached = [term for term in subjects if common_pattern(term.pattern, moved) is not None]
        # A split may leave an empty token, and a subject with an empty token is not valid.
        splits = any(part is not None and part.function == "split" for part in transform.parts)
        is_whole = not splits and any(
            not term.without and common_pattern(term.pattern, moved) == moved for term in reached
        )
        return Preimage(source if is_whole else (), source if reached else ())
    found: list[Term] = []
    for term in subjects:
        whole = _preimage_of(transform, term.pattern)
        if whole is not None:
            holes = [_preimage_of(transform, hole) for hole in term.without]
            found.append(Term(whole, tuple(hole for hole in holes if hole is not None)))
    exact = _normalized(found)
    return Preimage(exact, exact)


def _preimage_of(transform: Transform, wanted: Pattern) -> Pattern | None:
    """The pattern of the subjects that become one of the wanted pattern; None if none does."""
    found = list(transform.source)
    positions = [index for index, token in enumerate(transform.source) if token == ONE]
    for index, (token, part) in enumerate(zip(transform.destination, transform.parts)):
        if part is None and token == REST:
            if _is_open(wanted, index + 1):
                return (*found[:-1], REST)
            return (*found[:-1], *wanted[index:]) if index < len(wanted) else None
        asked = _token_at(wanted, index)
        if asked is None:
            return None
        if part is None:
            if asked not in (ONE, token):
                return None
        elif asked != ONE:
            number = part.wildcards[0]
            position = positions[number - 1] if 1 <= number <= len(positions) else 0
            if found[position] not in (ONE, asked):
                return None
            found[position] = asked
    return (
        tuple(found)
        if len(wanted) == len(transform.destination) or _is_open(wanted, len(transform.destination))
        else None
    )


def _token_at(wanted: Pattern, index: int) -> str | None:
    """The token that a pattern requires at an index: `*` for any; None if the pattern ends before it."""
    if index < len(wanted) and wanted[index] != REST:
        return wanted[index]
    return ONE if wanted[-1] == REST and index >= len(wanted) - 1 else None


def _is_open(wanted: Pattern, length: int) -> bool:
    return wanted[-1] == REST and len(wanted) <= length


def _normalized(terms: list[Term]) -> Subjects:
    return union(*(difference((Term(term.pattern),), union_of(term.without)) for term in terms))
