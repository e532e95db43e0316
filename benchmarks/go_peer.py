# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The official Go library as a peer. Builds and runs the program in go/."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).parent / "go"


def build(scratch: Path) -> Path | str:
    """The path of the program, built once; if it cannot be built, the reason as text."""
    program = scratch / "go-peer"
    if not program.exists():
        go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin:/usr/lib/go/bin")
        if go is None:
            return "skipped, there is no Go here"
        built = subprocess.run(
            [go, "build", "-o", program, "."], cwd=SOURCE, capture_output=True, text=True, check=False
        )
        if built.returncode:
            return f"skipped, go build failed: {' '.join(built.stderr.split())[:160]}"
    return program


def cpu_seconds_each(program: Path, *arguments: object) -> list[float]:
    """Run one benchmark of the program, on one thread, and return the CPU seconds of each counted item."""
    output = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=True).stdout
    result = json.loads(output)
    return [float(result["cpu_seconds"]) / int(result["count"])]
