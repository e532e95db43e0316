# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The ansible-doc output of every plugin and role contains no unresolved markup."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys

import pytest
from checkout import ROOT

#: The kinds of documented plugins, and their folders.
KINDS = {kind: f"plugins/{kind}" for kind in ("filter", "test", "lookup", "inventory", "callback")} | {
    "module": "plugins/modules",
    "role": "roles",
}
#: Macros that are unclosed, unknown or cut at an inner parenthesis, escapes, unresolved references, and markup of other languages.
ODD = re.compile(
    r"\b(?:RV|RO|HORIZONTALLINE|[A-Z])\((?!\))|[(\\]'|\\[,)]|#(?:module|role|filter|test|lookup)\b|``|\*\*\w|\]\(|</?(?:p|br|code)>"
)


def names(kind: str) -> list[str]:
    """Return the full names of the plugins or roles of a kind."""
    found = {path.name.partition(".")[0] for path in (ROOT / KINDS[kind]).iterdir() if not path.name.startswith("_")}
    # Filters and tests are documented in YAML files that are named after them.
    named = {path.stem for path in (ROOT / KINDS[kind]).glob("*.yml")}
    return sorted(f"natsops.security.{name}" for name in named or found)


def without_examples(text: str) -> str:
    """Return the output of ansible-doc without the EXAMPLES sections, which are YAML."""
    return re.sub(r"(?ms)^EXAMPLES:\n.*?(?=^RETURN VALUES:|^> |\Z)", "", text)


@pytest.mark.parametrize("kind", KINDS)
def test_ansible_doc_shows_no_odd_markup(kind: str, tmp_path: pathlib.Path, collections_path: pathlib.Path) -> None:
    command = [str(pathlib.Path(sys.executable).parent / "ansible-doc"), "-t", kind, *names(kind)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env=dict(
            os.environ,
            ANSIBLE_COLLECTIONS_PATH=str(collections_path),
            ANSIBLE_HOME=str(tmp_path),
            ANSIBLE_NOCOLOR="true",
        ),
    )
    assert done.returncode == 0, done.stderr
    assert "not found" not in done.stderr
    for name in names(kind):
        assert name.upper() in done.stdout.upper(), name
    shown = without_examples(done.stdout).splitlines()
    assert len(shown) > 10 * len(names(kind))
    assert [line for line in shown if ODD.search(line)] == []
