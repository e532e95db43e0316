# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What ansible-doc prints of every plugin and role is text: no markup that it could not read is left in it."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys

import pytest
from checkout import ROOT

#: The kinds of plugins with documentation, and their folders.
KINDS = {kind: f"plugins/{kind}" for kind in ("filter", "test", "lookup", "inventory", "callback")} | {
    "module": "plugins/modules",
    "role": "roles",
}
#: A macro that was not closed or is unknown, one that ended at a parenthesis inside it, an escape, a reference that leads nowhere, and markup of others.
ODD = re.compile(
    r"\b(?:RV|RO|HORIZONTALLINE|[A-Z])\((?!\))|[(\\]'|\\[,)]|#(?:module|role|filter|test|lookup)\b|``|\*\*\w|\]\(|</?(?:p|br|code)>"
)


def names(kind: str) -> list[str]:
    """The plugins or roles of a kind."""
    found = {path.name.partition(".")[0] for path in (ROOT / KINDS[kind]).iterdir() if not path.name.startswith("_")}
    # Some filters and tests are documented in files of their own, whose names are theirs.
    named = {path.stem for path in (ROOT / KINDS[kind]).glob("*.yml")}
    return sorted(f"natsops.security.{name}" for name in named or found)


def without_examples(text: str) -> str:
    """What ansible-doc prints, without the sections that are YAML as it stands in a playbook."""
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
