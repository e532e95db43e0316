# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The guides of the documentation, followed literally from an empty folder: every file, every command, and the output of each command."""

from __future__ import annotations

import contextlib
import pathlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import yaml
from checkout import ROOT
from support.guides import FOLDER, IN_ORDER, Reader, blocks, new_user, tarball
from support.plays import cores

if TYPE_CHECKING:
    from support.plays import Play
    from support.sites import Site


@contextlib.contextmanager
def reading(folder: pathlib.Path, environment: dict[str, str], *built: dict[str, pathlib.Path]) -> Iterator[Reader]:
    """A reader in a new folder."""
    folder.mkdir()
    found = Reader(folder, environment, *built)
    try:
        yield found
    finally:
        found.leave()


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.playbook
def test_guides_run_as_they_are(tmp_path: pathlib.Path, play: Play) -> None:
    with reading(tmp_path / "guide", {**play.environment(), "HOME": str(tmp_path)}) as reader:
        for guide in IN_ORDER:
            reader.read(guide)
        assert reader.servers


@pytest.mark.attack
@pytest.mark.server
@pytest.mark.playbook
@pytest.mark.parametrize("binaries", cores(), ids=lambda path: path.parent.name)
def test_guides_run_from_the_tarball_in_an_empty_environment(tmp_path: pathlib.Path, binaries: pathlib.Path) -> None:
    environment = new_user(tmp_path, binaries)
    with reading(tmp_path / "guide", environment, {"natsops.security": tarball(tmp_path)}) as reader:
        for guide in IN_ORDER:
            reader.read(guide)
        pinned = pathlib.Path(environment["PIP_CONSTRAINT"]).read_text().strip().partition("==")[2]
        assert f"[core {pinned}]" in reader.run("ansible --version")
        assert str(tmp_path) in reader.run("ansible-galaxy collection list natsops.security")


def test_every_guide_is_in_the_table_of_contents_and_in_the_readme() -> None:
    listed = yaml.safe_load((FOLDER.parent / "extra-docs.yml").read_text())["sections"][0]["toctree"]
    assert sorted(listed) == sorted(path.stem for path in FOLDER.glob("*.rst"))
    assert [name for name in listed if name in IN_ORDER] == IN_ORDER
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in listed if f"docs/docsite/rst/{name}.rst" not in readme] == []


def document() -> str:
    """The document of the first guide."""
    return "\n".join(next(block.lines for block in blocks("guide_first_cluster") if block.caption == "acme.yml"))


#: How the document is changed for each mistake in the table of the first guide, in the order of the table.
MISTAKES = [
    ("APP\n    signing_keys: [main]", "APP\n    signing_key: main"),
    ("expires_in: 90d", "expires_in: 90 days"),
    ("publish: {allow: [orders.>]}", "publish: [orders.>]"),
    ("publish: {allow: [orders.>]}", "publish: {allow: [orders.*.]}"),
    ("name: billing", "name: orders"),
    ("system_account: SYS", "system_account: SYSTEM"),
    ("renew_before: 14d", "renew_before: 120d"),
    ("name: APP", "name: APP\n    limits: {connections: many}"),
    ("name: APP", "name:"),
    ("name: APP", "name: APP\n    imports: [{account: SHOP, subject: prices.>, type: stream}]"),
]


def messages() -> list[str]:
    """The messages in the table, in order."""
    text = (FOLDER / "guide_first_cluster.rst").read_text(encoding="utf-8")
    return re.findall(r"^     - ``((?:accounts|operator).*)``$", text, re.MULTILINE)


@pytest.mark.parametrize("number", range(len(MISTAKES)))
def test_mistakes_end_in_the_messages_of_the_first_guide(site: Site, number: int) -> None:
    assert len(messages()) == len(MISTAKES) == 10
    right, wrong = MISTAKES[number]
    assert right in document()
    message = site.refuse(
        "store",
        definition=yaml.safe_load(document().replace(right, wrong, 1)),
        stores_dir=site / "stores",
        keys_dir=site / "keys",
    )
    problem, listed = message.split("\n")
    assert problem.startswith("There is 1 problem in definition, so nothing was written")
    assert listed == messages()[number]
    assert not pathlib.Path(site / "stores").exists()
