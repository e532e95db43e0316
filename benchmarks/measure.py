# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Shared by the benchmarks: a row of the table, and rounds that run one contender after the other.

On a busy machine, compare the minimum CPU time of several rounds. Other processes can only increase it, because caches and cores are shared, and medians of
the same code have differed by a tenth from run to run. Use wall-clock time on an idle machine only.
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
    """One comparison. The ratio is how many times as fast as the peer we are; with `at_most`, it is how many times as long we take."""

    what: str
    ours: str
    peer: str
    ratio: float | None = None
    at_least: float | None = None
    at_most: float | None = None

    @property
    def aim(self) -> str:
        """The aim, and whether it is reached; empty if there is none."""
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
    """The medians of the numbers that each contender returns, or the results of `of` instead of the median.

    Each contender is called once in each round, so that other load on the machine affects all equally.
    """
    results: dict[str, list[Sequence[float]]] = {name: [] for name in contenders}
    for _unused in range(rounds):
        for name, run in contenders.items():
            results[name].append(run())
    return {name: list(map(of, zip(*values, strict=True))) for name, values in results.items()}


def cpu_seconds_each(run: Callable[[T], object], items: Sequence[T]) -> list[float]:
    """The CPU seconds of a call for one item. On a busy machine, CPU time is more stable than wall-clock time."""
    start = time.process_time()
    for item in items:
        run(item)
    return [(time.process_time() - start) / len(items)]


def rate(seconds_each: float) -> str:
    """The number of items per second, for the table."""
    return f"{1 / seconds_each:,.0f}/s"
