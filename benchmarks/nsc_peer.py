# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""NATS's own nsc as a peer: found or built, and run in a home of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

#: Its versions can't be listed, so `go install` fails; as a dependency of a module it builds.
_MODULE = "module peer\n\ngo 1.24\n\nrequire github.com/nats-io/nsc/v2 v2.15.0\n"
_IMPORT = '//go:build tools\n\npackage peer\n\nimport _ "github.com/nats-io/nsc/v2"\n'


def build(scratch: Path) -> Path | str:
    """The nsc on the PATH, or one that is built once; where neither is possible, the reason for leaving it out."""
    found = shutil.which("nsc")
    if found is not None:
        return Path(found)
    program = scratch / "nsc"
    if program.exists():
        return program
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin:/usr/lib/go/bin")
    if go is None:
        return "skipped, there is no Go here"
    source = scratch / "nsc-source"
    source.mkdir(exist_ok=True)
    (source / "go.mod").write_text(_MODULE)
    (source / "tools.go").write_text(_IMPORT)
    for command in ([go, "mod", "tidy"], [go, "build", "-o", program, "github.com/nats-io/nsc/v2"]):
        done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
        if done.returncode:
            return f"skipped, {' '.join(map(str, command[1:3]))} failed: {' '.join(done.stderr.split())[:160]}"
    return program


def environment(home: Path) -> dict[str, str]:
    """Where nsc finds its store and its keys, and nobody else's: in `home/data/nats/nsc`."""
    names = {"HOME": "", "XDG_DATA_HOME": "data", "XDG_CONFIG_HOME": "config", "NKEYS_PATH": "data/nats/nsc/keys"}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("NSC_", "NKEYS_", "NATS_"))}
    return {**kept, **{name: str(home / folder) for name, folder in names.items()}}
