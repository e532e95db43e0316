# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks share: a row of the table, and rounds of one contender after the other.

On a machine with other work to do, compare the least CPU time of several rounds: others can only add to it, by caches and cores that are shared, and
medians of the same code have differed by a tenth from run to run. Time by the clock is for rows of a quiet machine.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Row:
    """One comparison. The ratio says how many times as fast as the peer we are; with `at_most`, how many times as long we take."""

    what: str
    ours: str
    peer: str
    ratio: float | None = None
    at_least: float | None = None
    at_most: float | None = None

    @property
    def aim(self) -> str:
        """The aim, and whether it is reached; empty where there is none."""
        if self.ratio is None or (self.at_least is None and self.at_most is None):
            return ""
        if self.at_most is not None:
            return f"at most {self.at_most:g}: {'reached' if self.ratio <= self.at_most else 'MISSED'}"
        return f"at least {self.at_least:g}: {'reached' if self.ratio >= (self.at_least or 0) else 'MISSED'}"


def interleaved(
    contenders: Mapping[str, Callable[[], Sequence[float]]],
    rounds: int,
    of: Callable[[Sequence[float]], float] = statistics.median,
) -> dict[str, list[float]]:
    """The medians of the numbers that each contender returns, or what `of` makes of them.

    Each contender is called once in a round, so that noise of the machine meets all alike.
    """
    results: dict[str, list[Sequence[float]]] = {name: [] for name in contenders}
    for _unused in range(rounds):
        for name, run in contenders.items():
            results[name].append(run())
    return {name: list(map(of, zip(*values, strict=True))) for name, values in results.items()}


def cpu_seconds_each(run: Callable[[T], object], items: Sequence[T]) -> list[float]:
    """What a call for one of the items takes of the CPU: on a machine with other work to do, that is steadier than the clock."""
    start = time.process_time()
    for item in items:
        run(item)
    return [(time.process_time() - start) / len(items)]


def rate(seconds_each: float) -> str:
    """For the table: how many in a second."""
    return f"{1 / seconds_each:,.0f}/s"
