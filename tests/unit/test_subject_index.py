# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The index of subjects gives the same results as a comparison with each subject, but its time does not grow with the number of pairs."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.natsops.security.plugins.module_utils.rules.subject_index import SubjectIndex
from ansible_collections.natsops.security.plugins.module_utils.rules.subjects import is_subset, subject_is_contained

tokens = st.sampled_from(["a", "b", "*", ">", "", "*a", "a*"])
subjects = st.lists(tokens, min_size=1, max_size=4).map(".".join)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(others=st.lists(subjects, max_size=8), asked=st.lists(subjects, min_size=1, max_size=4))
def test_index_finds_what_a_comparison_with_each_finds(others: list[str], asked: list[str]) -> None:
    for as_server, covers in ((True, is_subset), (False, subject_is_contained)):
        index = SubjectIndex(others, as_server)
        for subject in asked:
            wanted = [number for number, other in enumerate(others) if covers(subject, other)]
            assert sorted(number for numbers in index.hits(subject) for number in numbers) == wanted
            assert index.first(subject) == (wanted[0] if wanted else None)


def test_what_is_taken_out_of_an_answer_does_not_come_again() -> None:
    index = SubjectIndex(["a.>", "a.*", "b"], as_server=False)
    for numbers in index.hits("a.x"):
        numbers.clear()
    assert [list(numbers) for numbers in index.hits("a.x") if numbers] == []
