# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""docs/from-nsc.md has a row for every command of nsc, and no others. The adoption that it describes changes nothing in a store."""

from __future__ import annotations

import pathlib
import re
from typing import TYPE_CHECKING, Any

from support.plays import run_playbook

if TYPE_CHECKING:
    from support.plays import Play

PAGE = (pathlib.Path(__file__).resolve().parents[2] / "docs/from-nsc.md").read_text()
#: Commands, and groups of them, that nsc has but does not list.
HIDDEN = {"fix", "migrate", "pub", "rename", "reply", "req", "rtt", "sub", "test", "upgrade-jwt"}


def commands(home: Any, *path: str) -> set[str]:
    """The commands below a path, without those that only group others."""
    text = home._run("nsc", (*path, "--help"))[0]
    listed = text.partition("Available Commands:\n")[2].partition("\n\n")[0]
    names = re.findall(r"^  ([a-z_-]+) ", listed, re.MULTILINE)
    if path[-1:] in (("completion",), ("help",)) or not names:
        return {" ".join(path)}
    return set().union(*(commands(home, *path, name) for name in names))


def test_every_command_of_nsc_has_a_row(home: Any) -> None:
    rows = set(re.findall(r"^\| `nsc ([^`]+)` ", PAGE, re.MULTILINE))
    assert rows == commands(home).union(*(commands(home, name) for name in HIDDEN))


def test_a_store_of_nsc_is_adopted_and_nothing_changes(home: Any, play: Play) -> None:
    home.nsc("add", "operator", "--name", "ACME", "--sys", "--generate-signing-key")
    home.nsc("add", "account", "--name", "APP")
    home.nsc("edit", "account", "--name", "APP", "--js-disk-storage", "10GiB", "--conns", "20", "--sk", "generate")
    allow = ("--allow-pub", "svc.{{name()}}.>")
    home.nsc("edit", "signing-key", "--account", "APP", "--sk", "generate", "--role", "service", *allow)
    home.nsc("add", "user", "--account", "APP", "--name", "worker", "-K", "service")
    before = home.tokens()
    document = home.folder / "acme.yml"
    inventory = home.folder / "inventory"
    inventory.write_text("localhost ansible_connection=local\n")
    status, output = run_playbook(
        "natsops.security.adopt",
        inventory=inventory,
        variables={
            "adopt_store": "ACME",
            "adopt_path": str(document),
            "adopt_stores_dir": str(home.stores),
            "adopt_keys_dir": str(home.keys),
        },
        environment=play.environment(),
    )
    assert status == 0, output
    assert output.count("\nchanged: ") == 2  # the document and the record of keys
    text = document.read_text()
    assert "disk_storage: 10GiB" in text
    assert "!unsafe 'svc.{{name()}}.>'" in text
    assert home.tokens() == before
