# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The playbook quickstart, run as users run it: twice, in check mode, with a missing permission, killed, and from the built tarball."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from support.plays import checked_output

if TYPE_CHECKING:
    from support.plays import Play

pytestmark = [pytest.mark.playbook, pytest.mark.server]

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(sys.executable).parent
SEED = re.compile(r"S[OAUNCX][A-Z2-7]{56}")

#: The environment variable by which all processes of a run are found.
MARK = "NATSOPS_QUICKSTART_RUN"


@dataclasses.dataclass
class Run:
    """The outcome of one run of ansible-playbook."""

    output: str
    command_lines: set[str]
    left_behind: list[str]

    @property
    def recap(self) -> dict[str, int]:
        """The counts of the last line."""
        line = self.output[self.output.rindex("PLAY RECAP") :]
        return {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", line)}

    @property
    def changed_tasks(self) -> list[str]:
        """The names of the tasks that changed something."""
        tasks = re.split(r"^TASK \[(.*)\] \**$", self.output, flags=re.MULTILINE)
        return [
            name
            for name, text in zip(tasks[1::2], tasks[2::2], strict=False)
            if re.search(r"^changed: ", text, re.MULTILINE)
        ]


@dataclasses.dataclass
class Quickstart:
    """The playbook in a folder of its own."""

    folder: pathlib.Path
    environment: dict[str, str]

    @property
    def demo(self) -> pathlib.Path:
        """Where the playbook puts everything by default."""
        return self.folder / ".demo"

    def run(self, *arguments: str, kill_when: Callable[[], bool] | None = None) -> Run:
        """Run the playbook. Kill all its processes except the server as soon as the condition holds."""
        mark = uuid.uuid4().hex
        log = self.folder / f"{mark}.log"
        command_lines: set[str] = set()
        with log.open("wb") as output:
            process = subprocess.Popen(
                [str(BIN / "ansible-playbook"), "natsops.security.quickstart", *arguments],
                cwd=self.folder,
                env={**self.environment, MARK: mark},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            deadline = time.monotonic() + 300
            while process.poll() is None and time.monotonic() < deadline:
                command_lines.update(marked(mark).values())
                if kill_when is not None and kill_when():
                    kill_all_but_the_server(mark, process)
                time.sleep(0.1)
        if process.returncode is None:
            kill_all_but_the_server(mark, process)
        text = log.read_text()
        assert process.returncode is not None, text
        checked_output(text)
        return Run(text, command_lines, list(marked(mark).values()))


def marked(mark: str) -> dict[int, str]:
    """The command lines of the processes of one run, by process id."""
    found = {}
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"{MARK}={mark}".encode() in (path / "environ").read_bytes().split(b"\0"):
                found[int(path.name)] = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


def kill_all_but_the_server(mark: str, process: subprocess.Popen[bytes]) -> None:
    """End a run as a crash of the machine does, except that its server keeps running."""
    process.kill()
    process.wait()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        others = [pid for pid, command in marked(mark).items() if "nats-server --config" not in command]
        if not others:
            return
        for pid in others:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


@pytest.fixture
def quickstart(tmp_path: pathlib.Path, play: Play) -> Quickstart:
    """The playbook of this checkout, and an empty folder to run it in."""
    if not pathlib.Path("/proc/self/environ").exists():
        pytest.skip("the processes of a run are looked up in /proc")
    folder = tmp_path / "here"
    folder.mkdir()
    return Quickstart(folder, play.environment())


def modes(folder: pathlib.Path) -> set[str]:
    """The permissions of the files in a folder."""
    return {f"{path.stat().st_mode & 0o7777:04o}" for path in folder.iterdir()}


#: What a first run creates on disk, in order.
CREATING = [
    "Create the folders",
    "Copy the document, unless there is one",
    "natsops.security.operator : Reconcile the store with the document",
    "Write the configuration of a server that trusts the operator",
]
PUSH = "natsops.security.resolver : Reconcile the accounts of the servers with the store"


def connects(url: str) -> bool:
    """Whether a program listens at the URL."""
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", int(url.rsplit(":", 1)[1]))) == 0


def test_quickstart_tries_everything_for_real_and_changes_nothing_when_run_again(quickstart: Quickstart) -> None:
    first = quickstart.run("-vvv", "--diff")
    assert first.recap["failed"] == 0, first.output
    assert first.changed_tasks == [*CREATING, PUSH]
    assert "account APP: pushed, quickstart does not have it" in first.output
    for tried in (
        "shop published to prices.tea, dashboard and buyer received it",
        "buyer sent a request to shop.orders.create, shop answered it on orders.create",
        "shop stored a message in the stream PRICES and read it back",
        "shop was refused to publish to prices.internal.tea: permissions violation",
        "dashboard published to status.dashboard, shop received it",
        "dashboard was refused to publish to status.shop and to subscribe to orders.>: permissions violation",
        "kiosk was accepted with its JWT alone",
        "shop was refused with its JWT alone: authorization violation",
        "former was refused: authorization violation",
    ):
        assert tried in first.output[first.output.index("TASK [Show what happened]") :]
    for shown in ("limits.connections: 100 -> 200", "-        connections: 100", "+        connections: 200"):
        assert shown in first.output[first.output.index("TASK [Show what twice the connections of APP would change]") :]
    assert "acme.yml, then run this again with --check --diff" in first.output

    demo = quickstart.demo
    assert modes(demo / "keys" / "creds" / "ACME" / "APP") == {"0600"}
    assert (demo.stat().st_mode & 0o777, (demo / "keys").stat().st_mode & 0o777) == (0o700, 0o700)

    assert first.left_behind == []
    assert not connects(re.findall(r"the server listened on (nats://127\.0\.0\.1:\d+)", first.output)[0])

    assert any("nats-server --config" in command for command in first.command_lines)
    secrets = [path.read_text().strip() for path in (demo / "keys" / "keys").rglob("*.nk")]
    secrets.append((demo / "keys" / "creds" / "ACME" / "APP" / "kiosk.creds").read_text().splitlines()[1])
    assert len(secrets) == 15
    printed = "\n".join([first.output, *first.command_lines])
    assert [secret for secret in secrets if secret in printed] == []
    assert SEED.findall(printed) == []

    before = {path: path.read_bytes() for path in demo.rglob("*") if path.suffix in (".nk", ".jwt", ".creds", ".conf")}
    second = quickstart.run("-e", "quickstart_keep=true")
    assert (second.recap["failed"], second.recap["changed"]) == (0, 0), second.output
    kept = re.findall(
        r"the server is still running on (\S+); stop it with: (kill .*?)\"?,?$", second.output, re.MULTILINE
    )
    assert connects(kept[0][0])
    assert any("nats-server" in command for command in second.left_behind)
    subprocess.run(["bash", "-c", kept[0][1]], check=True)
    deadline = time.monotonic() + 60
    while connects(kept[0][0]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not connects(kept[0][0])

    check = quickstart.run("--check", "--diff")
    assert (check.recap["failed"], check.recap["changed"]) == (0, 0), check.output
    assert "Check mode starts no server" in check.output
    assert not any("nats-server" in command for command in check.command_lines)
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.attack
def test_missing_permission_fails_the_play_and_stops_the_server(quickstart: Quickstart) -> None:
    quickstart.run()
    document = quickstart.demo / "acme.yml"
    right = document.read_text()
    assert "            deny: [prices.internal.>]\n" in right
    document.write_text(right.replace("            deny: [prices.internal.>]\n", ""))
    broken = quickstart.run()
    assert broken.recap["failed"] == 1
    assert "shop is not refused publish to prices.internal.tea" in broken.output
    assert any("nats-server --config" in command for command in broken.command_lines)
    assert broken.left_behind == []

    document.write_text(right)
    check = quickstart.run("--check")
    corrected = quickstart.run()
    assert (check.recap["failed"], corrected.recap["failed"]) == (0, 0), corrected.output
    assert check.changed_tasks == corrected.changed_tasks == [CREATING[2]]


@pytest.mark.attack
def test_killed_run_is_finished_by_the_next_one(quickstart: Quickstart) -> None:
    demo = quickstart.demo
    pid_file = demo / "server" / "nats-server.pid"
    quickstart.run(kill_when=(demo / "keys").exists)
    assert not (demo / "server" / "nats-server.conf").exists()

    killed = quickstart.run(kill_when=lambda: pid_file.exists() and pid_file.read_text() != "")
    assert any("nats-server" in command for command in killed.left_behind)
    server = int(pid_file.read_text())

    finished = quickstart.run()
    assert finished.recap["failed"] == 0, finished.output
    assert finished.left_behind == []
    assert not pathlib.Path(f"/proc/{server}/environ").exists()


def test_first_run_of_the_built_tarball_says_in_check_mode_what_it_would_create(quickstart: Quickstart) -> None:
    built, installed = quickstart.folder / "built", quickstart.folder / "installed"
    quickstart.environment["ANSIBLE_COLLECTIONS_PATH"] = str(installed)
    galaxy = [str(BIN / "ansible-galaxy"), "collection"]
    subprocess.run([*galaxy, "build", str(ROOT), "--output-path", str(built)], check=True, env=quickstart.environment)
    (tarball,) = built.iterdir()
    subprocess.run([*galaxy, "install", str(tarball)], check=True, env=quickstart.environment)

    playbooks = installed / "ansible_collections" / "natsops" / "security" / "playbooks"
    shipped = {
        str(path.relative_to(ROOT)) for path in (ROOT / "playbooks").rglob("*") if path.suffix in (".py", ".yml", ".j2")
    }
    assert {str(path.relative_to(playbooks.parent)) for path in playbooks.rglob("*") if path.is_file()} >= shipped

    check = quickstart.run("--check")
    assert check.recap["failed"] == 0, check.output
    assert check.changed_tasks == CREATING
    assert "Check mode starts no server" in check.output
    assert not any("nats-server" in command for command in check.command_lines)
    assert not quickstart.demo.exists()
