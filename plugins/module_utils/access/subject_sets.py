# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Sets of subjects: exact unions, intersections and differences of patterns with `*` and `>`. Pure.

A set is a tuple of terms, each a pattern without some other patterns. This form is closed under all three operations, because two patterns have at most one
pattern in common. Whether a term is empty is easy to decide, because there are infinitely many tokens: a subject with unused tokens in place of every `*`
of a pattern is in no other pattern than one that contains the whole of it.

A token that has a wildcard among other characters, such as `a*`, is a token like any other, as in nats-server.
"""

from __future__ import annotations

from typing import Callable, Iterable, Iterator, NamedTuple, Tuple

#: A subject with or without wildcards, by its tokens.
Pattern = Tuple[str, ...]

#: The wildcards: any one token, and one or more tokens at the end.
ONE = "*"
REST = ">"


class Term(NamedTuple):
    """All subjects of a pattern except those of some other patterns. The exceptions lie within the pattern."""

    pattern: Pattern
    without: tuple[Pattern, ...] = ()


#: A union of terms, none of them empty.
Subjects = Tuple[Term, ...]

NOTHING: Subjects = ()
EVERYTHING: Subjects = (Term((REST,)),)

# ---- patterns


def pattern(subject: str) -> Pattern:
    """The tokens of a subject. It is not validated here: rules.subjects.is_valid_subject does that."""
    return tuple(subject.split("."))


def text(tokens: Pattern) -> str:
    """The pattern as text."""
    return ".".join(tokens)


def is_literal(tokens: Pattern) -> bool:
    """Whether the pattern is one subject."""
    return ONE not in tokens and tokens[-1] != REST


def common_pattern(one: Pattern, other: Pattern) -> Pattern | None:
    """The pattern of all subjects that match both; None if there is none."""
    if one == other:
        return one
    found: list[str] = []
    for index in range(min(len(one), len(other))):
        left, right = one[index], other[index]
        if left == REST:
            return (*found, *other[index:])
        if right == REST:
            return (*found, *one[index:])
        if left == right or right == ONE:
            found.append(left)
        elif left == ONE:
            found.append(right)
        else:
            return None
    return tuple(found) if len(one) == len(other) else None


def contains(wide: Pattern, narrow: Pattern) -> bool:
    """Whether every subject of the narrow pattern matches the wide one. A subject is a pattern too."""
    for index, token in enumerate(wide):
        if index >= len(narrow):
            return False
        if token == REST:
            return True
        if narrow[index] == REST or token not in (ONE, narrow[index]):
            return False
    return len(wide) == len(narrow)


# ---- sets


def union_of(patterns: Iterable[Pattern]) -> Subjects:
    """The subjects that match any of the patterns."""
    return tuple(Term(one) for one in _widest(patterns))


def union(*sets: Subjects) -> Subjects:
    """The subjects that are in any of the sets."""
    return tuple(term for one in sets for term in one)


def intersection(one: Subjects, other: Subjects) -> Subjects:
    """The subjects that are in both."""
    found = []
    for left in one:
        for right in other:
            shared = common_pattern(left.pattern, right.pattern)
            if shared is not None:
                found.append(_term(shared, (*left.without, *right.without)))
    return tuple(term for term in found if term is not None)


def difference(one: Subjects, other: Subjects) -> Subjects:
    """The subjects that are in the first set only."""
    for right in other:
        one = tuple(part for left in one for part in _minus(left, right))
        if not one:
            break
    return one


def _minus(left: Term, right: Term) -> Iterator[Term]:
    """The subjects of one term that are not in another: those outside of its pattern, and its exceptions."""
    shared = common_pattern(left.pattern, right.pattern)
    if shared is None:
        yield left
        return
    outside = _term(left.pattern, (*left.without, shared))
    if outside is not None:
        yield outside
    for hole in right.without:
        within = common_pattern(shared, hole)
        kept = None if within is None else _term(within, left.without)
        if kept is not None:
            yield kept


def _term(whole: Pattern, holes: Iterable[Pattern]) -> Term | None:
    """The term in its shortest form; None if it is empty."""
    without = _widest(shared for shared in (common_pattern(whole, hole) for hole in holes) if shared is not None)
    if _is_covered(whole, without):
        return None
    if whole[-1] == REST and (*whole[:-1], ONE) in without:  # a.> but not a.* is a.*.>
        return _term((*whole[:-1], ONE, REST), without)
    return Term(whole, without)


def _widest(patterns: Iterable[Pattern]) -> tuple[Pattern, ...]:
    """The patterns without those that another pattern contains."""
    found = list(dict.fromkeys(patterns))
    if len(found) < 2:
        return tuple(found)
    return tuple(one for one in found if not any(other is not one and contains(other, one) for other in found))


def _is_covered(whole: Pattern, holes: tuple[Pattern, ...]) -> bool:
    """Whether every subject of a pattern is in one of the others."""
    if not holes:
        return False
    if whole[-1] != REST:
        return any(contains(hole, whole) for hole in holes)
    # Subjects of different lengths may be in different patterns. Beyond the longest pattern, only > matters.
    start = whole[:-1]
    longest = max(len(hole) for hole in holes)
    return all(
        any(contains(hole, (*start, *(ONE,) * count)) for hole in holes)
        for count in range(1, max(longest - len(start), 0) + 2)
    )


def is_in(subject: Pattern, subjects: Subjects) -> bool:
    """Whether one subject, without wildcards, is in the set."""
    return any(
        contains(term.pattern, subject) and not any(contains(hole, subject) for hole in term.without)
        for term in subjects
    )


def is_subset(one: Subjects, other: Subjects) -> bool:
    """Whether every subject of the first set is in the other."""
    return not difference(one, other)


def is_same(one: Subjects, other: Subjects) -> bool:
    """Whether the sets have the same subjects."""
    return is_subset(one, other) and is_subset(other, one)  # pylint: disable=arguments-out-of-order


def simplified(subjects: Subjects) -> Subjects:
    """The same set in fewer terms, sorted: without terms that others cover, and with `a.*` and `a.*.>` as `a.>`."""
    terms = _merged(sorted(map(_filled(subjects), set(subjects)), key=lambda term: (len(term.without), term.pattern)))
    for term in sorted(terms, key=lambda term: (-len(term.pattern), -len(term.without))):
        others = tuple(other for other in terms if other is not term)
        if is_subset((term,), others):
            terms = list(others)
    return tuple(sorted(terms))


def _filled(subjects: Subjects) -> Callable[[Term], Term]:
    """A function that removes from a term the holes that other terms of the set fill."""

    def filled(term: Term) -> Term:
        others = tuple(other for other in subjects if other != term)
        return Term(term.pattern, tuple(hole for hole in term.without if not is_subset((Term(hole),), others)))

    return filled if len(subjects) > 1 else lambda term: term


def _merged(terms: list[Term]) -> list[Term]:
    found = list(terms)
    for term in terms:
        if term.pattern[-2:] == (ONE, REST):
            shorter = Term(term.pattern[:-1])
            merged = Term((*term.pattern[:-2], REST), term.without)
            if shorter in found:
                found = [other for other in found if other not in (term, shorter)]
                return _merged([*found, merged])
    return found


def show(subjects: Subjects) -> list[dict[str, object]]:
    """The set as dictionaries: patterns, each with its exceptions."""
    return [
        {"subject": text(term.pattern), "except": sorted(text(hole) for hole in term.without)}
        for term in simplified(subjects)
    ]


def describe(subjects: Subjects) -> str:
    """The set in words: `orders.> but not orders.secret, and prices.*`."""
    shown = [
        text(term.pattern) + (f" but not {' or '.join(sorted(map(text, term.without)))}" if term.without else "")
        for term in simplified(subjects)
    ]
    return ", and ".join(shown) or "nothing"
