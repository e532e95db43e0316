# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""docs/from-nsc.md has a row for every command of nsc, and no others. Its way to take over a store changes nothing."""

from __future__ import annotations

import pathlib
import re
from typing import Any

PAGE = (pathlib.Path(__file__).resolve().parents[2] / "docs/from-nsc.md").read_text()
#: Commands that work and that nsc does not list.
HIDDEN = {"fix", "migrate"}


def commands(home: Any, *path: str) -> set[str]:
    """The commands at a path, without those that only hold others."""
    text = home._run("nsc", (*path, "--help"))[0]
    listed = text.partition("Available Commands:\n")[2].partition("\n\n")[0]
    names = re.findall(r"^  ([a-z_-]+) ", listed, re.MULTILINE)
    if path[-1:] in (("completion",), ("help",)) or not names:
        return {" ".join(path)}
    return set().union(*(commands(home, *path, name) for name in names))


def test_every_command_of_nsc_has_a_row(home: Any) -> None:
    rows = set(re.findall(r"^\| `nsc ([^`]+)` ", PAGE, re.MULTILINE))
    assert rows == commands(home) | HIDDEN
