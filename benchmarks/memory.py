# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The peak memory of a process that issues and decodes 100,000 tokens, after each 10,000."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

from measure import Row

STEP = 10_000
STEPS = 10


def rows(scratch: Path) -> list[Row]:
    """Measured in a separate process in which nothing else has run."""
    output = subprocess.run([sys.executable, __file__], capture_output=True, text=True, check=True, cwd=scratch).stdout
    peaks = [int(line) for line in output.split()]
    print("memory: peak MB after each 10,000 tokens:", *(f"{peak / 1024:.1f}" for peak in peaks))
    return [
        Row(
            "peak memory, 100,000 tokens",
            f"{peaks[-1] / 1024:.1f} MB",
            f"after the first 10,000 {peaks[0] / 1024:.1f} MB",
            peaks[-1] / peaks[0],
            at_most=1.02,
        )
    ]


def _measure() -> None:
    import workload

    from ansible_collections.natsops.security.plugins.module_utils.token.codec import decode

    for _unused in range(STEPS):
        for number in range(STEP):
            decode(workload.new_user(number)[1])
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, flush=True)


if __name__ == "__main__":
    _measure()
