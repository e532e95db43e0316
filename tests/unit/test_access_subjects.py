# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Sets of subjects, tested against every subject of up to four tokens from an alphabet with one token that the patterns do not use."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.natsops.security.plugins.module_utils.access import subject_sets
from ansible_collections.natsops.security.plugins.module_utils.access.subject_sets import (
    EVERYTHING,
    NOTHING,
    Pattern,
    Subjects,
    common_pattern,
    contains,
    difference,
    intersection,
    is_in,
    is_same,
    is_subset,
    pattern,
    simplified,
    union,
    union_of,
)

# The patterns use a and b and have up to three tokens. c represents all tokens that no pattern uses, and a fourth token represents all longer subjects.
ALL = [tokens for length in range(1, 5) for tokens in itertools.product("abc", repeat=length)]

tokens = st.lists(st.sampled_from("ab*"), min_size=1, max_size=3)
patterns = st.tuples(tokens, st.booleans()).map(
    lambda drawn: tuple(drawn[0][: 2 if drawn[1] else 3]) + (">",) * drawn[1]
)
any_pattern = st.one_of(patterns, st.just((">",)))
base_sets = st.lists(any_pattern, max_size=3).map(union_of)
any_set = st.recursive(
    base_sets,
    lambda inner: st.tuples(st.sampled_from([union, intersection, difference]), inner, inner).map(
        lambda drawn: drawn[0](drawn[1], drawn[2])
    ),
    max_leaves=5,
)


def matches(wide: Pattern, subject: Pattern) -> bool:
    """Return whether a subject matches a pattern by the rules of NATS's documentation, implemented differently from the collection's code."""
    if wide == (">",):
        return True
    if wide[-1] == ">":
        return len(subject) >= len(wide) and matches(wide[:-1], subject[: len(wide) - 1])
    return len(wide) == len(subject) and all(left in ("*", right) for left, right in zip(wide, subject, strict=True))


def members(subjects: Subjects) -> set[Pattern]:
    """Return the subjects of ALL that at least one term of the set contains."""
    return {
        subject
        for subject in ALL
        if any(
            matches(term.pattern, subject) and not any(matches(hole, subject) for hole in term.without)
            for term in subjects
        )
    }


@given(any_pattern, any_pattern)
def test_two_patterns_have_one_pattern_in_common(one: Pattern, other: Pattern) -> None:
    shared = common_pattern(one, other)
    both = {subject for subject in ALL if matches(one, subject) and matches(other, subject)}
    assert ({subject for subject in ALL if matches(shared, subject)} if shared else set()) == both


@given(any_pattern, any_pattern)
def test_a_pattern_contains_another_when_it_matches_all_of_its_subjects(one: Pattern, other: Pattern) -> None:
    assert contains(one, other) == all(matches(one, subject) for subject in ALL if matches(other, subject))


@given(any_set, any_set)
def test_operations_are_those_of_sets(one: Subjects, other: Subjects) -> None:
    assert members(union(one, other)) == members(one) | members(other)
    assert members(intersection(one, other)) == members(one) & members(other)
    assert members(difference(one, other)) == members(one) - members(other)


@given(any_set, any_set)
def test_comparisons_are_those_of_sets(one: Subjects, other: Subjects) -> None:
    assert is_subset(one, other) == (members(one) <= members(other))
    assert is_same(one, other) == (members(one) == members(other))


@given(any_set)
def test_only_the_empty_set_has_no_terms(one: Subjects) -> None:
    assert (one == NOTHING) == (members(one) == set())


@given(any_set)
def test_a_set_is_simplified_to_the_same_set(one: Subjects) -> None:
    short = simplified(one)
    assert members(short) == members(one)
    assert len(short) <= len(one)
    assert simplified(short) == short
    assert all(not is_subset((term,), tuple(other for other in short if other is not term)) for term in short)


@given(any_set, st.sampled_from(ALL))
def test_a_subject_is_in_a_set_or_not(one: Subjects, subject: Pattern) -> None:
    assert is_in(subject, one) == (subject in members(one))


@pytest.mark.parametrize(
    ("subjects", "shown"),
    [
        (NOTHING, "nothing"),
        (EVERYTHING, ">"),
        (union_of([pattern("a.b"), pattern("a.*")]), "a.*"),
        (difference(union_of([pattern("a.>")]), union_of([pattern("a.b"), pattern("c")])), "a.> but not a.b"),
        (union_of([pattern("a.*"), pattern("a.*.>")]), "a.>"),
        (difference(union_of([pattern("a.>")]), union_of([pattern("a.*")])), "a.*.>"),
        (difference(union_of([pattern("a.>")]), union_of([pattern("a.*"), pattern("a.*.>")])), "nothing"),
        (intersection(union_of([pattern("*.b")]), union_of([pattern("a.>")])), "a.b"),
        (union_of([pattern("a*"), pattern("*b.>")]), "*b.>, and a*"),
    ],
)
def test_sets_are_shown_short(subjects: Subjects, shown: str) -> None:
    assert subject_sets.describe(subjects) == shown


def test_a_set_is_shown_with_what_it_leaves_out() -> None:
    subjects = difference(union_of([pattern("orders.>")]), union_of([pattern("orders.secret"), pattern("*.private")]))
    assert subject_sets.show(subjects) == [{"subject": "orders.>", "except": ["orders.private", "orders.secret"]}]
