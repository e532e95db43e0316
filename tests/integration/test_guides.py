# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The guides of the documentation, typed from an empty folder as they are: every file, every command, and what each command prints."""

from __future__ import annotations

import dataclasses
import pathlib
import re
import signal
import subprocess
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import yaml
from checkout import ROOT
from support.plays import checked_output
from support.ports import free_ports
from support.servers import Server

if TYPE_CHECKING:
    from support.plays import Play
    from support.sites import Site

FOLDER = ROOT / "docs/docsite/rst"
#: In the order in which they go on from each other.
TOLD_IN_ORDER = ["guide_first_cluster", "guide_day_two", "guide_authorization_violation", "guide_recovery"]
#: What a reader installs is there already.
INSTALLS = ("python3 -m venv", "pip install", "ansible-galaxy collection install")


@dataclasses.dataclass
class Block:
    """A block of a guide: a file with its name, or commands."""

    language: str
    caption: str
    lines: list[str]


def blocks(guide: str) -> Iterator[Block]:
    """The blocks of a guide, in their order."""
    text = (FOLDER / f"{guide}.rst").read_text(encoding="utf-8")
    for found in re.finditer(r"^\.\. code-block:: (\w+)\n((?:   :.*\n)*)\n((?:(?:   .*)?\n)+)", text, re.MULTILINE):
        caption = re.search(r":caption: (\S+)", found[2])
        lines = [line[3:] for line in found[3].rstrip().splitlines()]
        yield Block(found[1], caption[1] if caption else "", lines)


def commands(block: Block) -> Iterator[tuple[str, list[str]]]:
    """Each command of a block, with the lines that it prints."""
    command, printed = "", list[str]()
    for line in block.lines:
        if line.startswith("$ "):
            if command:
                yield command, printed
            command, printed = line[2:], []
        elif line.strip() != "...":
            printed.append(line)
    yield command, printed


class Reader:
    """Somebody who types a guide. Servers listen where this machine has room."""

    def __init__(self, folder: pathlib.Path, environment: dict[str, str]) -> None:
        self.folder, self.environment = folder, environment
        self.variables = ""
        self.servers: list[subprocess.Popen[bytes]] = []
        self.ports = dict(zip(("4222", "8222"), map(str, free_ports(2)), strict=True))

    def write(self, block: Block) -> None:
        """Write a file."""
        text = "\n".join(block.lines) + "\n"
        # The ports that NATS has by default.
        text = text.replace("listen: 127.0.0.1\n", "listen: 127.0.0.1\n        port: 4222\n")
        text = text.replace("monitoring: {host: 127.0.0.1}", "monitoring: {host: 127.0.0.1, port: 8222}")
        (self.folder / block.caption).write_text(self._ported(text))

    def _ported(self, text: str) -> str:
        for port, free in self.ports.items():
            text = text.replace(port, free)
        return text

    def type(self, command: str, printed: list[str]) -> None:
        """Run a command in a shell that has the variables of earlier ones; what it prints has the lines, in their order."""
        if command.startswith(INSTALLS):
            return
        if command.endswith("&"):
            self._start(command)
            return
        script = f"{self.variables}\n{self._ported(command)}"
        if re.match(r"[A-Z]+=", command):
            self.variables = script
            return
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        output = checked_output(done.stdout + done.stderr)
        position = 0
        for line in printed:
            wanted = r"\s+\S.*?".join(re.escape(part.strip()) for part in self._ported(line).split(" ... "))
            found = re.compile(wanted.replace(r"\.\.\.", ".*?")).search(output, position)
            assert found is not None, f"{command}\nprints no {line!r} after {output[:position]!r}:\n{output[position:]}"
            position = found.end()

    def _start(self, command: str) -> None:
        process = subprocess.Popen(
            ["bash", "-c", "exec " + command.rstrip("& ")], cwd=self.folder, env=self.environment
        )
        self.servers.append(process)
        server = Server(self.folder / "nats-server.conf", int(self.ports["4222"]), process)
        server.wait()

    def leave(self) -> None:
        """End the servers."""
        for process in self.servers:
            process.send_signal(signal.SIGTERM)
            process.wait()


@pytest.fixture
def reader(tmp_path: pathlib.Path, play: Play) -> Iterator[Reader]:
    """Somebody with an empty folder."""
    folder = tmp_path / "guide"
    folder.mkdir()
    found = Reader(folder, {**play.environment(), "HOME": str(tmp_path)})
    try:
        yield found
    finally:
        found.leave()


@pytest.mark.server
@pytest.mark.playbook
def test_guides_run_as_they_are(reader: Reader) -> None:
    for guide in TOLD_IN_ORDER:
        for block in blocks(guide):
            if block.caption:
                reader.write(block)
            elif block.language == "console":
                for command, printed in commands(block):
                    reader.type(command, printed)
    assert reader.servers


def test_every_guide_is_in_the_table_of_contents() -> None:
    listed = yaml.safe_load((FOLDER.parent / "extra-docs.yml").read_text())["sections"][0]["toctree"]
    assert sorted(listed) == sorted(path.stem for path in FOLDER.glob("*.rst"))
    assert [name for name in listed if name in TOLD_IN_ORDER] == TOLD_IN_ORDER


def document() -> str:
    """The document of the first guide."""
    return "\n".join(next(block.lines for block in blocks("guide_first_cluster") if block.caption == "acme.yml"))


#: The mistakes of the table in the first guide: how the document is changed, and the place in the message that the table has for it.
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
]


def places() -> list[str]:
    """The places in messages that the table has, in its order."""
    text = (FOLDER / "guide_first_cluster.rst").read_text(encoding="utf-8")
    return re.findall(r"^     - ((?:accounts|operator)\S*(?: \(\w+\)\S*)*)$", text, re.MULTILINE)


@pytest.mark.parametrize("number", range(len(MISTAKES)))
def test_mistakes_end_in_the_messages_of_the_first_guide(site: Site, number: int) -> None:
    assert len(places()) == len(MISTAKES)
    right, wrong = MISTAKES[number]
    assert right in document()
    message = site.refuse(
        "store",
        definition=yaml.safe_load(document().replace(right, wrong, 1)),
        stores_dir=site / "stores",
        keys_dir=site / "keys",
    )
    assert places()[number] in message
    assert not pathlib.Path(site / "stores").exists()
