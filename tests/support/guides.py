# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Guides of the documentation, and a reader who types them as they are: every file, every command, and what each command prints."""

from __future__ import annotations

import dataclasses
import pathlib
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator

from checkout import ROOT

from support.plays import BIN, checked_output
from support.ports import free_ports
from support.servers import Server

FOLDER = ROOT / "docs/docsite/rst"
#: What a reader installs. It is there already, except for a reader who begins with the tarball of the collection.
INSTALLS = ("python3 -m venv", "pip install", "ansible-galaxy collection install")
ACTIVATES = ". .venv/bin/activate"
ENVIRONMENT = f"python3 -m venv .venv && {ACTIVATES}"


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


def tarball(folder: pathlib.Path) -> pathlib.Path:
    """The tarball of the collection, built from this checkout in a folder."""
    build = [str(BIN / "ansible-galaxy"), "collection", "build", str(ROOT), "--output-path", str(folder)]
    subprocess.run(build, check=True, capture_output=True)
    (built,) = folder.glob("natsops-security-*.tar.gz")
    return built


def new_user(home: pathlib.Path, binaries: pathlib.Path) -> dict[str, str]:
    """The environment of a new user: the Python of a virtual environment without what is installed there, and no settings of Ansible. pip installs the
    version of ansible-core that is there."""
    program = "import ansible.release, sys; print(sys.base_prefix, ansible.release.__version__)"
    shown = subprocess.run([str(binaries / "python"), "-c", program], check=True, capture_output=True, text=True)
    prefix, version = shown.stdout.split()
    constraint = home / "constraints.txt"
    constraint.write_text(f"ansible-core=={version}\n")
    return {
        "PATH": f"{prefix}/bin:/usr/bin:/bin",
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "PIP_CONSTRAINT": str(constraint),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "ANSIBLE_NOCOLOR": "true",
        "COLUMNS": "10000",  # before ansible-core 2.19 warnings are broken into lines
    }


class Reader:
    """Types a guide. Servers listen where this machine has room. With a tarball the reader installs everything, and has the collection from it."""

    def __init__(
        self, folder: pathlib.Path, environment: dict[str, str], installs_from: pathlib.Path | None = None
    ) -> None:
        self.folder, self.environment, self.installs_from = folder, environment, installs_from
        self.has_nsc = shutil.which("nsc", path=environment["PATH"]) is not None
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
            self._install(command)
            return
        if command.startswith("nsc ") and not self.has_nsc:
            self._copy_store_for_nsc()
            return
        if command.endswith("&"):
            self._start(command)
            return
        if re.match(r"[A-Z]+=", command):
            self.variables += f"\n{self._ported(command)}"
            return
        output = self.run(self._ported(command))
        position = 0
        for line in printed:
            # Before ansible-core 2.19 warnings are broken into lines of 79 columns.
            parts = (r"\s+".join(map(re.escape, part.split())) for part in self._ported(line).split(" ... "))
            wanted = r"\s+\S.*?".join(parts)
            found = re.compile(wanted.replace(r"\.\.\.", ".*?")).search(output, position)
            assert found is not None, f"{command}\nprints no {line!r} after {output[:position]!r}:\n{output[position:]}"
            position = found.end()

    def run(self, command: str) -> str:
        """What a command prints."""
        done = subprocess.run(
            ["bash", "-c", f"{self.variables}\n{command}"],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return checked_output(done.stdout + done.stderr)

    def _install(self, command: str) -> None:
        """Install what a command names, the collection from the tarball."""
        if self.installs_from is None:
            return
        command = re.sub(r"\bnatsops\.security$", str(self.installs_from), command)
        self.run(command)
        if command.endswith(ACTIVATES):
            self.variables += f"\n{ACTIVATES}"

    def _copy_store_for_nsc(self) -> None:
        """Put the store of the other guides, which has nsc's layout, where nsc has its own. What the modules record stays behind."""
        home = pathlib.Path(self.environment["HOME"]) / ".local/share/nats/nsc"
        for name in ("stores", "keys"):
            shutil.copytree(
                self.folder / name, home / name, ignore=shutil.ignore_patterns(".natsops"), dirs_exist_ok=True
            )

    def _start(self, command: str) -> None:
        process = subprocess.Popen(
            ["bash", "-c", f"{self.variables}\nexec {command.rstrip('& ')}"], cwd=self.folder, env=self.environment
        )
        self.servers.append(process)
        server = Server(self.folder / "nats-server.conf", int(self.ports["4222"]), process)
        server.wait()

    def read(self, guide: str) -> None:
        """Do what a guide says, from its beginning to its end."""
        for block in blocks(guide):
            if block.caption:
                self.write(block)
            elif block.language == "console":
                for command, printed in commands(block):
                    self.type(command, printed)

    def leave(self) -> None:
        """End the servers."""
        for process in self.servers:
            process.send_signal(signal.SIGTERM)
            process.wait()
