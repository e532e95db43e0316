# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Accounts in layers: each importing account is in a higher layer than the accounts that it imports from."""

from __future__ import annotations

from typing import Iterable, Sequence, Tuple

#: An import: the numbers of the exporting and of the importing account.
Edge = Tuple[int, int]


def layers(count: int, edges: Iterable[Edge]) -> list[int | None]:
    """The layer of each account: 0 if it only exports, or else one more than the highest layer that it imports from. None for accounts without links.

    Accounts that import from each other in a cycle are in one layer.
    """
    exporters: list[set[int]] = [set() for _number in range(count)]
    is_linked = [False] * count
    for exporter, importer in edges:
        is_linked[exporter] = is_linked[importer] = True
        if exporter != importer:
            exporters[importer].add(exporter)
    found: list[int] = [0] * count
    for circle in _circles([sorted(group) for group in exporters]):
        members = set(circle)
        below = [found[other] for number in circle for other in exporters[number] if other not in members]
        for number in circle:
            found[number] = max(below, default=-1) + 1
    return [layer if linked else None for layer, linked in zip(found, is_linked)]


def _circles(following: Sequence[Sequence[int]]) -> list[list[int]]:
    """Groups of numbers that reach each other, each after the groups that it reaches (Tarjan's algorithm, without recursion because chains may be long)."""
    order: dict[int, int] = {}
    lowest: dict[int, int] = {}
    stack: list[int] = []
    on_stack: set[int] = set()
    groups: list[list[int]] = []
    for start in range(len(following)):
        if start in order:
            continue
        work = [(start, 0)]
        while work:
            number, position = work.pop()
            if position == 0:
                order[number] = lowest[number] = len(order)
                stack.append(number)
                on_stack.add(number)
            else:
                lowest[number] = min(lowest[number], lowest[following[number][position - 1]])
            for index in range(position, len(following[number])):
                other = following[number][index]
                if other not in order:
                    work += [(number, index + 1), (other, 0)]
                    break
                if other in on_stack:
                    lowest[number] = min(lowest[number], order[other])
            else:
                if lowest[number] == order[number]:
                    groups.append(_pop_group(stack, on_stack, number))
    return groups


def _pop_group(stack: list[int], on_stack: set[int], first: int) -> list[int]:
    group = []
    while True:
        number = stack.pop()
        on_stack.discard(number)
        group.append(number)
        if number == first:
            return group
