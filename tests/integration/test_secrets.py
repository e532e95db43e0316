# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""No seed, creds file or bearer token leaves the files that hold it: not in output at -vvv --diff, logs, arguments of processes, or temporary files.

Runs on the ansible-core in use, or on all versions in NATSOPS_ANSIBLE_CORES; see .ci/cores.
"""

from __future__ import annotations

import pathlib
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from support.plays import cores
from support.sites import SEED

from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.token import decorated

if TYPE_CHECKING:
    from support.plays import Play
    from support.sites import Site

CORES = cores()


def version(binaries: pathlib.Path) -> tuple[int, int]:
    """The version of ansible-core in a virtual environment."""
    command = [str(binaries / "python"), "-c", "import ansible.release as r; print(r.__version__)"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split(".")
    return int(told[0]), int(told[1])


class Processes:
    """The command lines of all processes on this machine while it runs."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Processes:
        self._thread.start()
        return self

    def __exit__(self, *_unused: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.01):
            for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self.seen.add(path.read_bytes())
                except OSError:
                    continue


def task(name: str, module: str, options: dict[str, Any], **keywords: Any) -> dict[str, Any]:
    return {"name": name, f"natsops.security.nats_{module}": options, "ignore_errors": True, **keywords}


def tasks() -> list[dict[str, Any]]:
    """Tasks of all modules, with seeds that are generated, in files and in variables, then tasks with every kind of mistake."""
    account = {
        "name": "APP",
        "jwt_path": "{{ d }}/app.jwt",
        "operator_jwt_path": "{{ d }}/acme.jwt",
        "signer_path": "{{ d }}/acme.nk",
        "exports": [{"subject": "a", "type": "stream", "token_required": True}],
        "signing_keys": [
            {"path": "{{ d }}/app-signing.nk"},
            {"path": "{{ d }}/app-bearer.nk", "role": "bearer", "template": {"bearer_token": True}},
        ],
    }
    user = {"name": "u", "account_jwt_path": "{{ d }}/app.jwt", "signer_seed": "{{ seeds.signer }}"}
    creds = {"path": "{{ d }}/copy.creds", "key_seed": "{{ seeds.user }}"}
    return [
        task("operator", "operator", {"name": "ACME", "key_path": "{{ d }}/acme.nk", "jwt_path": "{{ d }}/acme.jwt"}),
        task("key", "nkey", {"path": "{{ d }}/k.nk", "type": "user", "public_key_path": "{{ d }}/k.pub"}),
        task("given key", "nkey", {"path": "{{ d }}/given.nk", "type": "user", "seed": "{{ seeds.user }}"}),
        task("signer", "nkey", {"path": "{{ d }}/app-signing.nk", "type": "account", "seed": "{{ seeds.signer }}"}),
        task("account", "account", {**account, "key_seed": "{{ seeds.account }}"}),
        task(
            "user",
            "user",
            {**user, "key_path": "{{ d }}/u.nk", "jwt_path": "{{ d }}/u.jwt", "creds_path": "{{ d }}/u.creds"},
        ),
        task(
            "user by content",
            "user",
            {
                **user,
                "key_seed": "{{ seeds.user }}",
                "jwt_path": "{{ d }}/given.jwt",
                "creds_path": "{{ d }}/given.creds",
            },
        ),
        task(
            "bearer",
            "user",
            {
                **user,
                "key_path": "{{ d }}/b.nk",
                "jwt_path": "{{ d }}/bearer.jwt",
                "creds_path": "{{ d }}/bearer.creds",
                "bearer_token": True,
            },
        ),
        task(
            "bearer by scope",
            "user",
            {
                "name": "s",
                "account_jwt_path": "{{ d }}/app.jwt",
                "signer_path": "{{ d }}/app-bearer.nk",
                "key_path": "{{ d }}/s.nk",
                "jwt_path": "{{ d }}/bearer-by-scope.jwt",
            },
        ),
        task(
            "changed bearer",
            "user",
            {
                **user,
                "key_path": "{{ d }}/b.nk",
                "jwt_path": "{{ d }}/bearer.jwt",
                "creds_path": "{{ d }}/bearer.creds",
                "bearer_token": True,
                "tags": ["a"],
                "backup": True,
            },
        ),
        task("creds", "creds", {**creds, "jwt_path": "{{ d }}/given.jwt"}),
        task(
            "creds of a bearer by content",
            "creds",
            {
                "path": "{{ d }}/copy-bearer.creds",
                "jwt": "{{ lookup('ansible.builtin.file', d + '/bearer.jwt') }}",
                "key_path": "{{ d }}/b.nk",
            },
        ),
        task(
            "activation",
            "activation",
            {
                "jwt_path": "{{ d }}/a.jwt",
                "signer_seed": "{{ seeds.signer }}",
                "account_jwt_path": "{{ d }}/app.jwt",
                "importer": "{{ importer }}",
                "import_subject": "a",
                "import_type": "stream",
            },
        ),
        task(
            "info of creds", "jwt_info", {"jwt_path": "{{ d }}/u.creds", "parents": [{"jwt_path": "{{ d }}/app.jwt"}]}
        ),
        task("info of creds by content", "jwt_info", {"jwt": "{{ lookup('ansible.builtin.file', d + '/u.creds') }}"}),
        task(
            "info of a bearer by content",
            "jwt_info",
            {"jwt": "{{ lookup('ansible.builtin.file', d + '/bearer-by-scope.jwt') }}"},
        ),
        # Mistakes.
        task("seed as a path", "nkey", {"path": "{{ seeds.user }}", "type": "user"}),
        task("seed as a signer's path", "user", {**user, "key_path": "{{ seeds.user }}", "jwt_path": "{{ d }}/x.jwt"}),
        task("seed as a public key", "user", {**user, "public_key": "{{ seeds.user }}", "jwt_path": "{{ d }}/x.jwt"}),
        task("seed as a type", "nkey", {"path": "{{ d }}/x.nk", "type": "{{ seeds.user }}"}),
        task(
            "seed in an unknown option", "nkey", {"path": "{{ d }}/x.nk", "type": "user", "private": "{{ seeds.user }}"}
        ),
        task(
            "seed as a name",
            "account",
            {**account, "key_seed": "{{ seeds.account }}", "revocations": "{{ {seeds.user: 'now'} }}"},
        ),
        task("seed of another", "nkey", {"path": "{{ d }}/k.nk", "type": "user", "seed": "{{ seeds.user }}"}),
        task("seed of the wrong type", "account", {**account, "key_seed": "{{ seeds.user }}"}),
        task("mistyped seed", "account", {**account, "key_seed": "{{ seeds.mistyped }}"}),
        task("foreign file", "account", {**account, "key_path": "{{ d }}/u.creds"}),
        task(
            "creds in the place of a jwt",
            "account",
            {**account, "key_seed": "{{ seeds.account }}", "jwt_path": "{{ d }}/u.creds"},
        ),
        task("seed in the place of a jwt", "jwt_info", {"jwt_path": "{{ d }}/u.nk"}),
        task("seed as a jwt", "creds", {**creds, "jwt": "{{ seeds.user }}"}),
        task(
            "bearer of another",
            "creds",
            {"path": "{{ d }}/x.creds", "jwt_path": "{{ d }}/bearer.jwt", "key_path": "{{ d }}/u.nk"},
        ),
        task(
            "bearer as an account",
            "user",
            {**user, "account_jwt_path": "{{ d }}/bearer.jwt", "key_path": "{{ d }}/x.nk", "jwt_path": "{{ d }}/x.jwt"},
        ),
    ]


def mistakes() -> list[str]:
    names = [item["name"] for item in tasks()]
    return names[names.index("seed as a path") :]


def files_with(folder: pathlib.Path, secrets: set[str]) -> list[pathlib.Path]:
    """The files under a folder that hold one of the secrets."""
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and any(secret.encode() in path.read_bytes() for secret in secrets)
    ]


@pytest.fixture
def temporary() -> Iterator[pathlib.Path]:
    """A folder for temporary files with a short path: ansible-core 2.21 creates a Unix socket in it, whose path is limited to 107 characters."""
    with tempfile.TemporaryDirectory(prefix="nats-") as folder:
        yield pathlib.Path(folder)


@pytest.mark.slow
@pytest.mark.parametrize("binaries", CORES, ids=lambda path: path.parent.name)
def test_no_secret_is_anywhere_but_in_its_file(
    play: Play, tmp_path: pathlib.Path, temporary: pathlib.Path, binaries: pathlib.Path
) -> None:
    folder = tmp_path / "realm"
    folder.mkdir(mode=0o700)
    user, account, signer = nkey.create("user"), nkey.create("account"), nkey.create("account")
    mistyped = nkey.create("account").seed
    mistyped = mistyped[:30] + ("A" if mistyped[30] != "A" else "B") + mistyped[31:]
    seeds = {"user": user.seed, "account": account.seed, "signer": signer.seed, "mistyped": mistyped}
    inputs = play.folder / "variables.yml"
    inputs.write_text(yaml.safe_dump({"d": str(folder), "importer": nkey.create("account").public_key, "seeds": seeds}))
    log = play.folder / "ansible.log"
    where = {
        "TMPDIR": str(temporary),
        "ANSIBLE_LOCAL_TEMP": str(temporary),
        "ANSIBLE_REMOTE_TEMP": str(temporary / "remote"),
    }

    with Processes() as processes:
        for extra in ([], ["--check"]) if binaries == CORES[0] else ([],):
            played = play(
                tasks(),
                "-vvv",
                "--diff",
                "-e",
                f"@{inputs}",
                *extra,
                binaries=binaries,
                ANSIBLE_LOG_PATH=str(log),
                **where,
            )
            assert played.returncode == 0, played.output

            failed = [name for name, result in played.tasks.items() if result.get("failed")]
            assert failed == mistakes()
            secrets = set(seeds.values())
            for path in [*folder.rglob("*.nk"), *folder.rglob("*.creds"), *folder.rglob("*~")]:
                secrets.update(SEED.findall(path.read_text()))
            for path in folder.rglob("bearer*.jwt"):
                secrets.add(decorated.find_token(path.read_text()))
            assert len(secrets) >= 4 + 6 + 2
            for text in (played.output, log.read_text()):
                assert [secret for secret in secrets if secret in text] == []
            if version(binaries) < (2, 22):
                results = str(played.tasks)
                assert [secret for secret in secrets if secret in results] == []

    assert any(b"ansible-playbook" in line for line in processes.seen)
    assert [line for line in processes.seen if any(secret.encode() in line for secret in secrets)] == []
    assert files_with(temporary, secrets) == []
    assert files_with(play.folder, secrets) == [inputs]
    holders = {path.name for path in files_with(folder, secrets)}
    assert all(name.endswith((".nk", ".creds", "~")) or name.startswith("bearer") for name in holders)


@pytest.mark.parametrize("binaries", CORES, ids=lambda path: path.parent.name)
def test_seed_is_returned_when_asked_for_and_a_task_with_no_log_shows_none(play: Play, binaries: pathlib.Path) -> None:
    path = play.folder / "k.nk"
    given = nkey.create("user").seed
    asked = {"path": str(path), "type": "user", "return_seed": True}
    played = play(
        [
            {"name": "made", "natsops.security.nats_nkey": asked, "register": "made", "no_log": True},
            {"name": "kept", "natsops.security.nats_nkey": asked, "register": "kept", "no_log": True},
            {
                "name": "given",
                "natsops.security.nats_nkey": {**asked, "path": f"{path}.2", "seed": given},
                "register": "given",
                "no_log": True,
            },
            {
                "name": "use",
                "ansible.builtin.copy": {
                    "content": "{{ made.seed }} {{ kept.seed }} {{ given.seed }}",
                    "dest": f"{path}.copy",
                    "mode": "0600",
                },
                "no_log": True,
            },
        ],
        "-vvv",
        "--diff",
        binaries=binaries,
        given="none",
    )
    assert played.returncode == 0, played.output
    seed = path.read_text().strip()
    assert pathlib.Path(f"{path}.copy").read_text() == f"{seed} {seed} {given}"
    assert seed not in played.output


# ---- what AnsibleModule logs and returns is checked in every test that uses `site`; see Site.start


def test_creds_and_seeds_are_told_of_by_their_public_keys(acme: Site) -> None:
    options = {
        "name": "u",
        "key_path": acme / "u.nk",
        "creds_path": acme / "u.creds",
        "account_jwt_path": acme / "app.jwt",
        "signer_path": acme / "app-signing.nk",
    }
    result = acme.run("user", **options)
    assert acme.key("u.nk").public_key == result["public_key"]
    assert SEED.findall(str(result)) == []
