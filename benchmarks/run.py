# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Runs all benchmarks, or those named as arguments, and prints one table. Each benchmark is a file here whose `rows(scratch)` returns its rows."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from pathlib import Path

BENCHMARKS = (
    "issue",
    "decode",
    "task",
    "memory",
    "resolver",
    "store",
    "signers",
    "backup",
    "access",
    "revoke",
    "credentials",
    "diagnose",
    "content",
)
COLLECTIONS = Path(__file__).resolve().parents[1] / ".venv" / "collections"


def main() -> None:
    """Run the benchmarks."""
    names = sys.argv[1:] or BENCHMARKS
    for name in names:
        if name not in BENCHMARKS:
            sys.exit(f"There is no benchmark {name!r}; there are {', '.join(BENCHMARKS)}.")
    # Processes that benchmarks start have to find the collection too.
    os.environ["PYTHONPATH"] = os.environ["ANSIBLE_COLLECTIONS_PATH"] = str(COLLECTIONS)
    sys.path.insert(1, str(COLLECTIONS))
    table = [("", "ours", "peer", "ratio", "aim")]
    with tempfile.TemporaryDirectory(prefix="natsops-bench-") as scratch:
        for name in names:
            print(f"{name} ...", file=sys.stderr, flush=True)
            for row in importlib.import_module(name).rows(Path(scratch)):
                ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
                table.append((row.what, row.ours, row.peer, ratio, row.aim))
    widths = [max(len(line[column]) for line in table) for column in range(5)]
    for line in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    print("\nRatio: how many times as fast as the peer; where the aim is `at most`, how many times as much as it.")


if __name__ == "__main__":
    main()
