# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Follows the guides of the documentation literally: writes every file, runs every command and checks its output."""

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
#: Each guide continues the previous one, with the same server and folder.
IN_ORDER = [
    "guide_concepts",
    "guide_first_cluster",
    "guide_creds_on_hosts",
    "guide_renewal",
    "guide_compromised_key",
    "guide_rotation",
    "guide_authorization_violation",
    "guide_team",
    "guide_tests",
    "guide_upgrades",
    "guide_recovery",
    "guide_adopt_nsc",
    "guide_keys",
]

#: Commands that install something. They are skipped, except for a reader who installs the tarball of the collection.
INSTALLS = ("python3 -m venv", "pip install", "ansible-galaxy collection install")
ACTIVATES = ". .venv/bin/activate"
ENVIRONMENT = f"python3 -m venv .venv && {ACTIVATES}"


@dataclasses.dataclass
class Block:
    """A code block of a guide: a file, with its name as caption, or commands."""

    language: str
    caption: str
    lines: list[str]


def blocks(guide: str) -> Iterator[Block]:
    """Yield the code blocks of a guide in order."""
    text = (FOLDER / f"{guide}.rst").read_text(encoding="utf-8")
    for found in re.finditer(r"^\.\. code-block:: (\w+)\n((?:   :.*\n)*)\n((?:(?:   .*)?\n)+)", text, re.MULTILINE):
        caption = re.search(r":caption: (\S+)", found[2])
        lines = [line[3:] for line in found[3].rstrip().splitlines()]
        yield Block(found[1], caption[1] if caption else "", lines)


def commands(block: Block) -> Iterator[tuple[str, list[str]]]:
    """Yield each command of a block with the lines that it prints."""
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
    """Build the collection from this checkout in a folder and return the path of the tarball."""
    build = [str(BIN / "ansible-galaxy"), "collection", "build", str(ROOT), "--output-path", str(folder)]
    subprocess.run(build, check=True, capture_output=True)
    (built,) = folder.glob("natsops-security-*.tar.gz")
    return built


def new_user(home: pathlib.Path, binaries: pathlib.Path) -> dict[str, str]:
    """Return the environment of a new user: the base Python of a virtual environment without its packages, and no Ansible settings. pip installs the
    version of ansible-core of the virtual environment."""
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
        "COLUMNS": "10000",  # before ansible-core 2.19, warnings are wrapped
    }


class Reader:
    """Follows a guide. Servers listen on free ports. With `built`, the files of what this checkout builds by name, the reader also runs the commands that
    install, and installs these files."""

    def __init__(
        self, folder: pathlib.Path, environment: dict[str, str], built: dict[str, pathlib.Path] | None = None
    ) -> None:
        self.folder, self.environment, self.built = folder, environment, built
        self.typed = set[str]()
        self.has_nsc = shutil.which("nsc", path=environment["PATH"]) is not None
        self.variables = ""
        self.servers: list[subprocess.Popen[bytes]] = []
        self.ports = dict(zip(("4222", "8222"), map(str, free_ports(2)), strict=True))

    def write(self, block: Block) -> None:
        """Write the file of a block."""
        text = "\n".join(block.lines) + "\n"
        # Write out the default ports of NATS so that they can be replaced.
        text = text.replace("listen: 127.0.0.1\n", "listen: 127.0.0.1\n        port: 4222\n")
        text = text.replace("monitoring: {host: 127.0.0.1}", "monitoring: {host: 127.0.0.1, port: 8222}")
        (self.folder / block.caption).write_text(self._ported(text))

    def _ported(self, text: str) -> str:
        for port, free in self.ports.items():
            text = text.replace(port, free)
        return text

    def type(self, command: str, printed: list[str]) -> None:
        """Run a command in a shell with the variables that earlier commands set. Assert that its output contains the lines in order."""
        self.typed.add(command)
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
            # Before ansible-core 2.19, warnings are wrapped at 79 columns.
            parts = (r"\s+".join(map(re.escape, part.split())) for part in self._ported(line).split(" ... "))
            wanted = r"\s+\S.*?".join(parts)
            found = re.compile(wanted.replace(r"\.\.\.", ".*?")).search(output, position)
            assert found is not None, f"{command}\nprints no {line!r} after {output[:position]!r}:\n{output[position:]}"
            position = found.end()

    def run(self, command: str) -> str:
        """Run a command and return its output."""
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
        """Run a command that installs something."""
        if self.built is None:
            return
        *others, last = command.split(" ")
        self.run(" ".join([*others, str(self.built.get(last, last))]))
        if command.endswith(ACTIVATES):
            self.variables += f"\n{ACTIVATES}"

    def _copy_store_for_nsc(self) -> None:
        """Copy the store of the other guides, which has nsc's layout, to the directories of nsc, without the records of the modules."""
        home = pathlib.Path(self.environment["HOME"]) / ".local/share/nats/nsc"
        for name in ("stores", "keys"):
            shutil.copytree(
                self.folder / name, home / name, ignore=shutil.ignore_patterns(".natsops"), dirs_exist_ok=True
            )

    def _start(self, command: str) -> None:
        for stopped in self.servers:
            stopped.wait()
        process = subprocess.Popen(
            ["bash", "-c", f"{self.variables}\nexec {command.rstrip('& ')}"], cwd=self.folder, env=self.environment
        )
        self.servers.append(process)
        server = Server(self.folder / "nats-server.conf", int(self.ports["4222"]), process)
        server.wait()

    def read(self, guide: str) -> None:
        """Follow a guide from beginning to end."""
        for block in blocks(guide):
            if block.caption:
                self.write(block)
            elif block.language == "console":
                for command, printed in commands(block):
                    self.type(command, printed)

    def leave(self) -> None:
        """Stop the servers."""
        for process in self.servers:
            process.send_signal(signal.SIGTERM)
            process.wait()
