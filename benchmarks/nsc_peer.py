# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""NATS's own nsc as a peer: found or built, and run in a separate home directory."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

#: `go install` fails because the versions of nsc cannot be listed. As a dependency of a module, nsc can be built.
_MODULE = "module peer\n\ngo 1.24\n\nrequire github.com/nats-io/nsc/v2 v2.15.0\n"
_IMPORT = '//go:build tools\n\npackage peer\n\nimport _ "github.com/nats-io/nsc/v2"\n'


def build(scratch: Path) -> Path | str:
    """The path of the nsc on the PATH, or of one that is built once; if neither is possible, the reason as text."""
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
    """The environment in which nsc uses only the store and the keys in `home/data/nats/nsc`."""
    names = {"HOME": "", "XDG_DATA_HOME": "data", "XDG_CONFIG_HOME": "config", "NKEYS_PATH": "data/nats/nsc/keys"}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("NSC_", "NKEYS_", "NATS_"))}
    return {**kept, **{name: str(home / folder) for name, folder in names.items()}}
