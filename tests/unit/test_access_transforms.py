# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Transforms of subjects and of sets of subjects. tests/enforcement verifies that servers do the same."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ansible_collections.natsops.security.plugins.module_utils.access import transforms
from ansible_collections.natsops.security.plugins.module_utils.access.subject_sets import (
    Pattern,
    contains,
    is_in,
    pattern,
    union_of,
)
from ansible_collections.natsops.security.plugins.module_utils.access.transforms import Transform

SUBJECTS = [tokens for length in range(1, 5) for tokens in itertools.product(("a", "b", "cd"), repeat=length)]
FUNCTIONS = (
    "$1",
    "$2",
    "{{wildcard(1)}}",
    "{{partition(2,1)}}",
    "{{left(1,1)}}",
    "{{splitfromleft(1,1)}}",
    "{{split(1,d)}}",
)


@st.composite
def made(draw: st.DrawFn) -> Transform:
    source = [*draw(st.lists(st.sampled_from("ab*"), min_size=1, max_size=2)), *draw(st.sampled_from([[], [">"]]))]
    parts = draw(st.lists(st.sampled_from(("a", "b", *FUNCTIONS)), min_size=1, max_size=3))
    destination = [*parts, *([">"] if source[-1] == ">" else [])]
    try:
        return transforms.make_transform(".".join(source), ".".join(destination))
    except ValueError:
        assume(False)
        raise


tokens = st.lists(st.sampled_from("ab*"), min_size=1, max_size=3).map(tuple)
sets = st.lists(st.one_of(tokens, tokens.map(lambda one: (*one[:2], ">"))), max_size=3).map(union_of)


def outcomes(transform: Transform, subject: Pattern) -> list[Pattern]:
    """Return the results of transforming a subject, without those that are not valid subjects."""
    return [pattern(text) for text in transforms.apply(transform, subject) if "" not in text.split(".")]


@settings(deadline=None)  # a busy machine must not fail the test
@given(made(), sets)
def test_the_image_has_what_subjects_become(transform: Transform, subjects: transforms.Subjects) -> None:
    image = transforms.image(transform, subjects)
    there = [subject for subject in SUBJECTS if is_in(subject, subjects) and contains(transform.source, subject)]
    reached = {outcome for subject in there for outcome in outcomes(transform, subject)}
    assert all(is_in(outcome, image.subjects) for outcome in reached)
    if image.is_exact:
        # A short subject may also be the result of a subject that is longer than those in SUBJECTS.
        most = 4 - len(transform.source) + len(transform.destination)
        expected = {subject for subject in SUBJECTS if is_in(subject, image.subjects) and len(subject) <= min(most, 4)}
        assert expected <= reached


@settings(deadline=None)  # a busy machine must not fail the test
@given(made(), sets)
def test_the_preimage_has_what_becomes_one_of_a_set(transform: Transform, subjects: transforms.Subjects) -> None:
    back = transforms.preimage(transform, subjects)
    for subject in SUBJECTS:
        if contains(transform.source, subject):
            found = [is_in(outcome, subjects) for outcome in outcomes(transform, subject)]
            assert not is_in(subject, back.certain) or (found and all(found))
            assert is_in(subject, back.possible) or not any(found)
        else:
            assert not is_in(subject, back.possible)


@settings(deadline=None)  # a busy machine must not fail the test
@given(made(), sets)
def test_a_preimage_is_exact_where_nothing_is_computed(transform: Transform, subjects: transforms.Subjects) -> None:
    back = transforms.preimage(transform, subjects)
    if all(part is None or part.function == "wildcard" for part in transform.parts):
        assert back.certain == back.possible


@pytest.mark.parametrize(
    ("function", "subject", "becomes"),
    [
        ("{{partition(10,1)}}", "orders", {"0"}),
        ("{{left(1,2)}}", "orders", {"or"}),
        ("{{left(1,9)}}", "orders", {"orders"}),
        ("{{right(1,2)}}", "orders", {"rs"}),
        ("{{splitfromleft(1,2)}}", "orders", {"or.ders"}),
        ("{{splitfromright(1,2)}}", "orders", {"orde.rs"}),
        ("{{slicefromleft(1,4)}}", "orders", {"orde.rs"}),
        ("{{slicefromright(1,4)}}", "orders", {"or.ders"}),
        ("{{split(1,-)}}", "a-b--c", {"a.b.c"}),
        ("{{split(1,-)}}", "-a", {"a"}),
        ("{{random(3)}}", "orders", {"0", "1", "2"}),
        ("{{random(1000)}}", "orders", {"*"}),
    ],
)
def test_functions_compute_tokens(function: str, subject: str, becomes: set[str]) -> None:
    assert set(transforms.apply(transforms.make_transform("*", function), (subject,))) == becomes


def test_a_server_reverses_two_parts_and_not_three() -> None:
    two = transforms.make_renaming("a.*.*", "b.$2.$1")
    assert transforms.apply(transforms.reverse(two), pattern("b.y.x")) == ["a.x.y"]
    three = transforms.make_renaming("a.*.*.*", "b.$2.$3.$1")
    assert transforms.apply(three, pattern("a.x.y.z")) == ["b.y.z.x"]
    assert transforms.apply(transforms.reverse(three), pattern("b.y.z.x")) == ["a.z.x.y"]
