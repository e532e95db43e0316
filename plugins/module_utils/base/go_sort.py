# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The order in which Go's sort.Sort leaves a list, version 1.19 and later (src/sort/zsortinterface.go).

It is not stable: from 13 elements on, elements with the same key may change places. The Go JWT library sorts exports and imports with it, so a token with
13 imports, two of which have the same subject, is byte for byte the same only with the same algorithm.
"""

from __future__ import annotations

from typing import Any, Callable, List, Sequence

_MOST_INSERTED = 12
_SHORTEST_NINTHER = 50
_SHORTEST_SHIFTED = 50
_MOST_STEPS = 5
_MOST_SWAPS = 12
_MASK = (1 << 64) - 1


def go_sorted(values: Sequence[Any], key: Callable[[Any], str]) -> list[Any]:
    """The values in the order in which sort.Sort leaves them, by a key that is a text."""
    keyed = [(key(value), value) for value in values]
    if len(keyed) <= _MOST_INSERTED or len({text for text, _value in keyed}) == len(keyed):
        # Go's order is stable for up to 12 elements, and distinct keys have only one order.
        return [value for _text, value in sorted(keyed, key=lambda item: item[0])]
    _sort(keyed, 0, len(keyed), len(keyed).bit_length())
    return [value for _text, value in keyed]


_Items = List[Any]


def _less(items: _Items, one: int, other: int) -> bool:
    return bool(items[one][0] < items[other][0])


def _swap(items: _Items, one: int, other: int) -> None:
    items[one], items[other] = items[other], items[one]


def _sort(items: _Items, a: int, b: int, limit: int) -> None:
    """pdqsort: a loop that calls itself for the smaller part."""
    was_balanced = was_partitioned = True
    while True:
        length = b - a
        if length <= _MOST_INSERTED:
            _insertion_sort(items, a, b)
            return
        if limit == 0:
            _heap_sort(items, a, b)
            return
        if not was_balanced:
            _break_patterns(items, a, b)
            limit -= 1
        pivot, swaps = _choose_pivot(items, a, b)
        if swaps == _MOST_SWAPS:  # probably descending
            items[a:b] = items[a:b][::-1]
            pivot = (b - 1) - (pivot - a)
            swaps = 0
        if was_balanced and was_partitioned and swaps == 0 and _partial_insertion_sort(items, a, b):
            return
        if a > 0 and not _less(items, a - 1, pivot):
            a = _partition_equal(items, a, b, pivot)
            continue
        middle, was_partitioned = _partition(items, a, b, pivot)
        left, right = middle - a, b - middle
        was_balanced = min(left, right) >= length // 8
        if left < right:
            _sort(items, a, middle, limit)
            a = middle + 1
        else:
            _sort(items, middle + 1, b, limit)
            b = middle


def _insertion_sort(items: _Items, a: int, b: int) -> None:
    for i in range(a + 1, b):
        j = i
        while j > a and _less(items, j, j - 1):
            _swap(items, j, j - 1)
            j -= 1


def _sift_down(items: _Items, root: int, high: int, first: int) -> None:
    while True:
        child = 2 * root + 1
        if child >= high:
            return
        if child + 1 < high and _less(items, first + child, first + child + 1):
            child += 1
        if not _less(items, first + root, first + child):
            return
        _swap(items, first + root, first + child)
        root = child


def _heap_sort(items: _Items, a: int, b: int) -> None:
    high = b - a
    for i in range((high - 1) // 2, -1, -1):
        _sift_down(items, i, high, a)
    for i in range(high - 1, -1, -1):
        _swap(items, a, a + i)
        _sift_down(items, 0, i, a)


def _partition(items: _Items, a: int, b: int, pivot: int) -> tuple[int, bool]:
    """Move the elements that are less than the pivot in front of it. The new position of the pivot, and whether they were there already."""
    _swap(items, a, pivot)
    i, j = a + 1, b - 1
    was_partitioned = True
    while True:
        while i <= j and _less(items, i, a):
            i += 1
        while i <= j and not _less(items, j, a):
            j -= 1
        if i > j:
            _swap(items, j, a)
            return j, was_partitioned
        was_partitioned = False
        _swap(items, i, j)
        i += 1
        j -= 1


def _partition_equal(items: _Items, a: int, b: int, pivot: int) -> int:
    _swap(items, a, pivot)
    i, j = a + 1, b - 1
    while True:
        while i <= j and not _less(items, a, i):
            i += 1
        while i <= j and _less(items, a, j):
            j -= 1
        if i > j:
            return i
        _swap(items, i, j)
        i += 1
        j -= 1


def _partial_insertion_sort(items: _Items, a: int, b: int) -> bool:
    """Move up to five elements to their places. Whether the part is sorted then."""
    i = a + 1
    for _unused in range(_MOST_STEPS):
        while i < b and not _less(items, i, i - 1):
            i += 1
        if i == b:
            return True
        if b - a < _SHORTEST_SHIFTED:
            return False
        _swap(items, i, i - 1)
        if i - a >= 2:
            for j in range(i - 1, 0, -1):
                if not _less(items, j, j - 1):
                    break
                _swap(items, j, j - 1)
        if b - i >= 2:
            for j in range(i + 1, b):
                if not _less(items, j, j - 1):
                    break
                _swap(items, j, j - 1)
    return False


def _break_patterns(items: _Items, a: int, b: int) -> None:
    length = b - a
    if length < 8:
        return
    random = length
    modulus = 1 << length.bit_length()
    middle = a + (length // 4) * 2
    for index in range(middle - 1, middle + 2):
        random ^= (random << 13) & _MASK
        random ^= random >> 7
        random ^= (random << 17) & _MASK
        other = random & (modulus - 1)
        _swap(items, index, a + (other - length if other >= length else other))


def _choose_pivot(items: _Items, a: int, b: int) -> tuple[int, int]:
    """The position of the pivot, and how many swaps were needed to find it."""
    length = b - a
    swaps = [0]
    i, j, k = (a + length // 4 * part for part in (1, 2, 3))
    if length >= 8:
        if length >= _SHORTEST_NINTHER:
            i, j, k = (_median(items, place - 1, place, place + 1, swaps) for place in (i, j, k))
        j = _median(items, i, j, k, swaps)
    return j, swaps[0]


def _median(items: _Items, a: int, b: int, c: int, swaps: list[int]) -> int:
    a, b = _in_order(items, a, b, swaps)
    b, c = _in_order(items, b, c, swaps)
    a, b = _in_order(items, a, b, swaps)
    return b


def _in_order(items: _Items, a: int, b: int, swaps: list[int]) -> tuple[int, int]:
    if _less(items, b, a):
        swaps[0] += 1
        return b, a
    return a, b
