# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The example of a user's repository is copied from the built tarball, and its tests run there as users run them. Also checks the example for AWX."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest
import yaml
from support.guides import new_user
from support.plays import BIN
from support.ports import free_ports

ROOT = pathlib.Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.playbook


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The folder of collections in which this one is installed from its tarball."""
    folder = tmp_path_factory.mktemp("installed")
    # Copy only what belongs in the tarball, in particular no virtual environments.
    (folder / "tree").mkdir()
    for name in (
        "galaxy.yml",
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        "meta",
        "plugins",
        "roles",
        "playbooks",
        "schemas",
        "examples",
        "extensions",
    ):
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, folder / "tree" / name, ignore=shutil.ignore_patterns("__pycache__", "molecule.log"))
        elif path.exists():
            shutil.copy(path, folder / "tree" / name)
    galaxy = str(BIN / "ansible-galaxy")
    # ansible-galaxy does not install a collection that it finds elsewhere.
    environment = {
        **os.environ,
        "ANSIBLE_HOME": str(folder / "home"),
        "ANSIBLE_COLLECTIONS_PATH": str(folder / "collections"),
    }
    build = [galaxy, "collection", "build", str(folder / "tree"), "--output-path", str(folder)]
    subprocess.run(build, check=True, capture_output=True, env=environment)
    (tarball,) = folder.glob("natsops-security-*.tar.gz")
    install = [galaxy, "collection", "install", "--offline", str(tarball), "-p", str(folder / "collections")]
    subprocess.run(install, check=True, capture_output=True, env=environment)
    return folder / "collections"


def run_its_tests(project: pathlib.Path, collections: pathlib.Path) -> subprocess.CompletedProcess[str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PYTEST_", "PYTHONPATH"))
    }
    environment = {
        **kept,
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "ANSIBLE_COLLECTIONS_PATH": str(collections),
        "ANSIBLE_HOME": str(project / "home"),
        "ANSIBLE_PYTHON_INTERPRETER": str(BIN / "python"),
    }
    command = [str(BIN / "python"), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "tests"]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False, env=environment)


def test_project_passes_its_own_tests_and_these_can_fail(installed: pathlib.Path, tmp_path: pathlib.Path) -> None:
    project = tmp_path / "acme"
    shutil.copytree(installed / "ansible_collections/natsops/security/examples/project", project)
    assert (project / "molecule/default/molecule.yml").exists()
    done = run_its_tests(project, installed)
    assert done.returncode == 0, done.stdout + done.stderr
    document = (project / "acme.yml").read_text()
    (project / "acme.yml").write_text(document.replace("allow: [_INBOX.>]", "allow: [_INBOX.>, 'shop.>']"))
    done = run_its_tests(project, installed)
    assert done.returncode == 1
    assert "PARTNER/buyer subscribe shop.>: " in done.stdout


@pytest.mark.attack
@pytest.mark.server
def test_commands_of_the_project_run_in_an_empty_environment(installed: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """Those of its README, `molecule test` among them; then molecule with a document that names a key that does not exist."""
    project = tmp_path / "acme"
    shutil.copytree(installed / "ansible_collections/natsops/security/examples/project", project)
    (port,) = free_ports(1)
    environment = {**new_user(tmp_path, BIN), "ANSIBLE_COLLECTIONS_PATH": str(installed), "NATS_PORT": str(port)}

    def run(*commands: str) -> subprocess.CompletedProcess[str]:
        script = " && ".join([". .venv/bin/activate", *commands])
        return subprocess.run(
            ["bash", "-c", script], cwd=project, env=environment, capture_output=True, text=True, check=False
        )

    (block,) = re.findall(r"```console\n(.*?)```", (project / "README.md").read_text(), re.DOTALL)
    begin, *commands = [line.partition("#")[0].strip() for line in block.splitlines() if line]
    subprocess.run(["bash", "-c", begin], cwd=project, env=environment, check=True)
    commands.remove("ansible-galaxy collection install -r requirements.yml")  # it is installed from the tarball
    assert commands.pop() == "ansible-playbook playbooks/nats.yml"  # it requires the servers of the inventory
    assert "molecule test" in commands
    done = run(*commands)
    assert done.returncode == 0, done.stdout + done.stderr
    document = (project / "acme.yml").read_text()
    (project / "acme.yml").write_text(document.replace("system_account: ", "system_acount: "))
    assert run("molecule test").returncode != 0


def test_awx_runs_playbooks_that_the_project_has() -> None:
    (play,) = yaml.safe_load((ROOT / "examples/awx/configure.yml").read_text())
    tasks = {next(word for word in task if word.startswith("awx.awx.")): task for task in play["tasks"]}
    templates = {item["name"]: item for item in tasks["awx.awx.job_template"]["vars"]["job_templates"]}
    for template in templates.values():
        assert (ROOT / "examples/project/playbooks" / template["playbook"]).exists()
    assert {item["template"] for item in tasks["awx.awx.schedule"]["loop"]} <= set(templates)
    survey = json.loads((ROOT / "examples/awx" / templates["NATS revoke"]["survey"]).read_text())
    playbook = (ROOT / "playbooks/revoke.yml").read_text()
    assert all(f"{question['variable']} | default" in playbook for question in survey["spec"])


def test_execution_environment_has_an_ansible_core_that_the_collection_supports() -> None:
    environment = yaml.safe_load((ROOT / "examples/awx/execution-environment.yml").read_text())
    oldest, newest = re.findall(r"ansible-core 2\.(\d+) to 2\.(\d+)", (ROOT / "README.md").read_text())[0]
    assert yaml.safe_load((ROOT / "meta/runtime.yml").read_text())["requires_ansible"] == f">=2.{oldest}.0"
    wanted = environment["dependencies"]["ansible_core"]["package_pip"]
    assert wanted == f"ansible-core>=2.{oldest},<2.{int(newest) + 1}"


def test_key_that_is_in_variables_twice_is_an_error_in_the_project(tmp_path: pathlib.Path) -> None:
    project = tmp_path / "acme"
    shutil.copytree(ROOT / "examples/project", project)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}

    def look() -> tuple[bool, str]:
        command = [str(BIN / "ansible-inventory"), "--list"]
        done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False, env=kept)
        return done.returncode == 0, done.stdout + done.stderr

    assert look()[0], look()[1]
    text = "definition:\n  accounts:\n    - name: A\n      users: [{name: first}]\n      users: [{name: second}]\n"
    (project / "inventory/group_vars/all/twice.yml").write_text(text)
    is_read, output = look()
    assert not is_read
    assert "duplicate" in output
    assert "users" in output
