# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""A store survives runs that are killed at any moment, simultaneous runs, and a full disk."""

from __future__ import annotations

import fcntl
import json
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.scenarios import changed_document

from ansible_collections.natsops.security.plugins.module_utils import rules
from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.claims import Claims
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.keys.keyring import Keyring
from ansible_collections.natsops.security.plugins.module_utils.reconcile.wanted import How
from ansible_collections.natsops.security.plugins.module_utils.store import apply, document, layout
from ansible_collections.natsops.security.plugins.module_utils.token import codec

NOW = 1_800_000_000
FIRST: dict[str, Any] = {
    "operator": {"name": "ACME", "signing_keys": ["main"], "system_account": "SYS"},
    "accounts": [
        {"name": "SYS", "users": [{"name": "sys"}]},
        {
            "name": "APP",
            "signing_keys": [{"role": "main"}, {"role": "reader", "template": {}}],
            "exports": [{"subject": "a", "type": "service", "token_required": True}],
            "users": [{"name": "one"}, {"name": "two", "signing_key_role": "reader"}],
        },
        {"name": "PARTNER", "imports": [{"account": "APP", "subject": "a", "type": "service"}]},
    ],
}


def run(folder: pathlib.Path, definition: dict[str, Any], now: int = NOW, **options: Any) -> apply.Outcome:
    """Apply a document with prune, as the module does."""
    wanted, problems = document.read_document(definition)
    assert problems == []
    where = layout.Layout(str(folder / "stores"), str(folder / "keys"), "ACME")
    timeout = options.get("timeout", 5)
    how = How(now, prune=True, cut_off=True)
    outcome = apply.run(
        wanted,
        where,
        lambda: Keyring((), [where.keys_dir]),
        how,
        apply.Run(options.get("check", False), timeout, "a test"),
    )
    assert outcome.plan.problems == []
    return outcome


def in_child(work: Callable[[], None]) -> int:
    """Run `work` in a child process. Returns its status as os.waitpid reports it."""
    child = os.fork()
    if not child:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1]


def kill_at(step: int) -> None:
    """End this process with SIGKILL before its change number `step` of the file system."""
    left = [step]

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **named)

        return call

    for name in (
        "mkdir",
        "replace",
        "rename",
        "link",
        "unlink",
        "write",
        "ftruncate",
        "pwrite",
        "rmdir",
        "fsync",
        "chmod",
    ):
        setattr(os, name, counted(getattr(os, name)))


def seeds_in(folder: pathlib.Path) -> set[str]:
    """The public keys of the seeds in the keystore, each under its own name."""
    found = set()
    for path in (folder / "keys" / "keys").rglob("*.nk"):
        assert nkey.from_seed(path.read_text()).public_key == path.stem
        found.add(path.stem)
    return found


def assert_nsc_reads(folder: pathlib.Path) -> list[Claims]:
    """Check what nsc requires: every token is complete and signed by a key of its parent, and the seeds are in place. Returns all claims."""
    root = folder / "stores" / "ACME"
    if not (root / ".nsc").exists():
        assert not list(root.glob("accounts/*/*.jwt"))
        return []
    assert json.loads((root / ".nsc").read_text())["name"] == "ACME"
    operator = codec.decode((root / "ACME.jwt").read_text())
    seeds = seeds_in(folder)
    found = [operator]
    for path in root.glob("accounts/*/*.jwt"):
        account = codec.decode(path.read_text())
        assert account.name == path.stem == path.parent.name
        found.append(account)
        for file in path.parent.glob("users/*.jwt"):
            user = codec.decode(file.read_text())
            assert user.name == file.stem
            assert rules.did_sign(account, user) or user.issuer not in [key.key for key in account.body.signing_keys]
            found.append(user)
    for claims in found:
        # A key that is already in the archive belongs to a token that is about to be archived.
        archived = list((folder / "keys" / ".natsops").rglob(f"{claims.subject}.nk.archived"))
        assert claims.subject in seeds or archived
    return found


def assert_complete(folder: pathlib.Path, definition: dict[str, Any]) -> None:
    """Check that the next run changes nothing, and that no unused key, temporary file or journal is left."""
    assert not run(folder, definition, NOW + 20).plan.changes
    found = assert_nsc_reads(folder)
    keys = {claims.subject for claims in found}
    for claims in found:
        for key in getattr(claims.body, "signing_keys", []):
            keys.add(getattr(key, "key", key))
    assert seeds_in(folder) == keys
    rest = [path for path in folder.rglob("*") if path.name.endswith(".tmp")]
    assert rest == []
    assert not (folder / "stores/ACME/.natsops/journal").exists()


def copy_of(folder: pathlib.Path, target: pathlib.Path) -> pathlib.Path:
    """Copy a folder. Returns the path of the copy."""
    subprocess.run(["cp", "-a", str(folder), str(target)], check=True)
    return target


@pytest.fixture
def memory() -> Iterator[pathlib.Path]:
    """An empty folder, in memory if possible, because hundreds of runs would take minutes on a disk."""
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=place) as folder:
        yield pathlib.Path(folder)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A store of the first document."""
    folder = tmp_path_factory.mktemp("first") / "site"
    run(folder, FIRST)
    return folder


def killed(folder: pathlib.Path, definition: dict[str, Any], step: int, now: int = NOW + 5) -> bool:
    """Whether a run that is to be killed at this step was killed before it ended."""

    def work() -> None:
        kill_at(step)
        run(folder, definition, now)

    status = in_child(work)
    assert status in (0, signal.SIGKILL), f"the run failed at step {step}"
    return status != 0


@pytest.mark.parametrize("name", ["from nothing", "from another document"])
def test_kill_at_any_moment_loses_no_key_and_makes_none_twice(
    name: str, first: pathlib.Path, memory: pathlib.Path
) -> None:
    start = memory / "start"
    if name == "from nothing":
        start.mkdir()
        wanted = FIRST
    else:
        copy_of(first, start)
        wanted = changed_document(FIRST)
    before = seeds_in(start) if name != "from nothing" else set()
    step = 0
    folder = copy_of(start, memory / "at0")
    while killed(folder, wanted, step := step + 1):
        assert_nsc_reads(folder)
        made = seeds_in(folder) - before
        run(folder, wanted, NOW + 10)
        # Keys that were created before the kill are used, not created again.
        archived = {path.name.split(".")[0] for path in folder.rglob("*.nk.archived")}
        assert made <= seeds_in(folder) | archived
        assert_complete(folder, wanted)
        shutil.rmtree(folder)
        folder = copy_of(start, memory / f"at{step}")
    assert step > 60
    assert_complete(folder, wanted)


def test_kill_and_kill_again(memory: pathlib.Path) -> None:
    folder = memory / "site"
    folder.mkdir()
    for step in (5, 30, 9, 45, 17, 70, 25, 90):
        killed(folder, FIRST, step)
        assert_nsc_reads(folder)
    run(folder, FIRST, NOW + 10)
    assert_complete(folder, FIRST)


# ---- simultaneous runs


_RUN = """
import sys
sys.path[:0] = {path!r}
import json, os, pathlib, runpy, time
from ansible_collections.natsops.security.plugins.module_utils.keys.keyring import Keyring
from ansible_collections.natsops.security.plugins.module_utils.reconcile.wanted import How
from ansible_collections.natsops.security.plugins.module_utils.store import apply, document, layout

wanted, problems = document.read_document(json.loads(sys.argv[2]))
where = layout.Layout(sys.argv[1] + "/stores", sys.argv[1] + "/keys", "ACME")
outcome = apply.run(wanted, where, lambda: Keyring((), [where.keys_dir]), How(int(time.time())), apply.Run(False, 60, "a test"))
assert not outcome.plan.problems, outcome.plan.problems
print(outcome.plan.changes)
"""


def start(folder: pathlib.Path, definition: dict[str, Any], collections: pathlib.Path) -> subprocess.Popen[str]:
    """Start a run in its own process."""
    code = _RUN.format(path=[str(collections)])
    arguments = [sys.executable, "-c", code, str(folder), json.dumps(definition)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("repetition", range(3))
def test_runs_at_once_take_turns(tmp_path: pathlib.Path, collections_path: pathlib.Path, repetition: int) -> None:
    del repetition
    users = [{"name": f"u{index}"} for index in range(100)]
    wanted = {"operator": {"name": "ACME"}, "accounts": [{"name": "APP", "users": users}]}
    runs = [start(tmp_path, wanted, collections_path) for _unused in range(4)]
    told = [process.communicate(timeout=60)[0].strip() for process in runs]
    assert [process.returncode for process in runs] == [0] * 4
    assert sorted(told) == ["False"] * 3 + ["True"]
    assert len(seeds_in(tmp_path)) == 102
    assert not run(tmp_path, wanted, int(time.time())).plan.changes


def test_wait_for_the_lock_ends_with_who_holds_it(first: pathlib.Path, tmp_path: pathlib.Path) -> None:
    folder = copy_of(first, tmp_path / "site")
    where = layout.Layout(str(folder / "stores"), str(folder / "keys"), "ACME")
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        with apply.lock(where, 1, create=False, shared=False) as held:
            assert held is not None
            apply._say_who(held, "nats_store")
            os.write(writer, b"x")
            time.sleep(60)
        os._exit(0)
    try:
        os.read(reader, 1)
        for check in (False, True):
            began = time.monotonic()
            with pytest.raises(
                NatsSecurityError, match=rf"locked by process {child} on .* \(nats_store, since 2.*0\.2 s"
            ):
                run(folder, FIRST, timeout=0.2, check=check)
            assert time.monotonic() - began >= 0.2
            assert os.waitpid(child, os.WNOHANG) == (0, 0), "it waited until the lock was given back"
        # The process is found even if its name is not in the lock file.
        (folder / "stores/ACME/.natsops/lock").write_text("")
        with pytest.raises(NatsSecurityError, match=f"locked by process {child}"):
            run(folder, FIRST, timeout=0)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert not run(folder, FIRST, NOW + 1).plan.changes


def test_readers_do_not_wait_for_each_other(first: pathlib.Path) -> None:
    with (first / "stores/ACME/.natsops/lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        assert not run(first, FIRST, timeout=0, check=True).plan.changes


# ---- no space


def test_full_disk_is_one_clear_error_and_the_next_run_completes(tmp_path: pathlib.Path) -> None:
    # With a limit on the size of files, writing fails as on a full disk. Seeds fit, tokens do not.
    def work() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (500, resource.RLIM_INFINITY))
        with pytest.raises(
            NatsSecurityError, match=r"could not be written .*File too large.*the next run completes it"
        ):
            run(tmp_path, small)

    small = {"operator": {"name": "ACME", "tags": ["x" * 300]}, "accounts": [{"name": "APP", "users": [{"name": "u"}]}]}
    assert in_child(work) == 0
    made = seeds_in(tmp_path)
    assert len(made) == 3
    assert not list(tmp_path.rglob("*.tmp"))
    run(tmp_path, small)
    assert seeds_in(tmp_path) == made
    assert_complete(tmp_path, small)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts; the test above is the same with a limit")
def test_full_file_system_is_one_clear_error_and_the_next_run_completes(tmp_path: pathlib.Path) -> None:
    users = [{"name": f"u{index}"} for index in range(60)]
    wanted = {"operator": {"name": "ACME"}, "accounts": [{"name": "APP", "users": users}]}
    for size in (40, 120, 300, 480):
        folder = tmp_path / f"disk{size}"
        folder.mkdir()
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", str(folder)], check=False, capture_output=True
        )
        if mounted.returncode:
            return
        try:
            with pytest.raises(NatsSecurityError, match="No space left on device"):
                run(folder, wanted)
            assert_nsc_reads(folder)
            made = seeds_in(folder)
            subprocess.run(["mount", "-o", "remount,size=10m", str(folder)], check=True)
            run(folder, wanted, NOW + 10)
            assert made <= seeds_in(folder)
            assert_complete(folder, wanted)
        finally:
            subprocess.run(["umount", str(folder)], check=True)
