# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""A whole operator in one task of nats_store, against nsc, a loop of nats_user, and the Go library, which writes the same files. Runs whole playbooks.

Files are in memory (/dev/shm) if possible. On a disk, most of the time is spent on syncs, which nsc does not do; one row is for a disk.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import go_peer
import nsc_peer
import workload
from measure import Row, interleaved

ROUNDS = 3
#: How many users the loop of nats_user creates.
LOOP = 50
#: The numbers of accounts with 100 users each for which time and memory are measured.
GROWTH = (10, 100, 1000)
_PERMISSIONS = {"publish": {"allow": list(workload.PUBLISH)}, "subscribe": {"allow": list(workload.SUBSCRIBE)}}


def rows(scratch: Path) -> list[Row]:
    """1,000 users, new and unchanged; 10,000 users; 10,000 users after a rotation; and the growth of time and memory up to 100,000 users."""
    nsc, go = nsc_peer.build(scratch), go_peer.build(scratch)
    with _memory(scratch) as folder:
        found = [
            *_thousand(folder, nsc),
            *_ten_thousand(folder, nsc, go),
            *_rotation(folder),
            *_growth(folder),
        ]
    return [*found, *_disk(scratch, go)]


@contextlib.contextmanager
def _memory(scratch: Path) -> Iterator[Path]:
    place = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="natsops-", dir=place if os.access(place, os.W_OK) else scratch) as name:
        yield Path(name)


# ---- against nsc and a loop


def _thousand(folder: Path, nsc: Path | str) -> list[Row]:
    site = _Site(folder / "thousand", 20, 50)
    contenders: dict[str, Callable[[], list[float]]] = {
        "start": site.start,
        "created": site.created,
        "kept": site.kept,
        "work created": lambda: _work_of(folder, 20, 50, "created"),
        "work kept": lambda: _work_of(folder, 20, 50, "kept"),
        "loop": site.loop,
    }
    if isinstance(nsc, Path):
        contenders["nsc"] = functools.partial(_nsc, nsc, folder, 20, 50)
    medians = interleaved(contenders, ROUNDS)
    start, created, kept = medians["start"], medians["created"], medians["kept"]
    what, again = "20 accounts with 50 users each", "the same again"
    loop = start[0] + (medians["loop"][0] - start[0]) * 1000 / LOOP
    found = [
        *_against_nsc(what, created[0], nsc, medians.get("nsc"), 0, 6),
        Row(what, f"{created[0]:.2f} s", f"nats_user in a loop {loop:.0f} s", loop / created[0], at_least=100),
        Row(again, f"{kept[0]:.2f} s", f"from nothing {created[0]:.2f} s", kept[0] / created[0]),
    ]
    # "The task alone" is the time that it adds to a playbook with a task that does nothing. "Its work alone" is measured in a separate process, without
    # Ansible.
    for index, watch in enumerate(("", ", CPU")):
        for label, first, second in (
            ("the task alone", created[index] - start[index], kept[index] - start[index]),
            ("its work alone", medians["work created"][index], medians["work kept"][index]),
        ):
            found += [
                *_against_nsc(f"{what}, {label}{watch}", first, nsc, medians.get("nsc"), index, 30),
                Row(
                    f"{again}, {label}{watch}",
                    f"{second:.2f} s",
                    f"from nothing {first:.2f} s",
                    second / first,
                ),
            ]
    return found


def _against_nsc(
    what: str, ours: float, nsc: Path | str, theirs: list[float] | None, index: int, aim: float, times: int = 1
) -> list[Row]:
    if theirs is None:
        return [Row(what, f"{ours:.2f} s", f"nsc {nsc}")]
    seconds = theirs[index] * times
    return [Row(what, f"{ours:.2f} s", f"nsc {seconds:.1f} s", seconds / ours, at_least=aim)]


# ---- against Go


def _ten_thousand(folder: Path, nsc: Path | str, go: Path | str) -> list[Row]:
    site = _Site(folder / "ten-thousand", 100, 100)
    contenders: dict[str, Callable[[], list[float]]] = {
        "start": site.start,
        "created": site.created,
        "kept": site.kept,
        "changed": site.one_changed,
    }
    if isinstance(go, Path):
        contenders["go"] = functools.partial(_go, go, folder, 100, 100)
    if isinstance(nsc, Path):
        contenders["nsc"] = functools.partial(_nsc, nsc, folder, 10, 100)
    medians = interleaved(contenders, ROUNDS)
    seconds = {name: median[0] for name, median in medians.items()}
    created = seconds["created"]
    what = "10,000 users in 100 accounts"
    work = _in_process(folder, 100, 100, "created")
    print(
        f"store: {what}, {created:.2f} s: Ansible's start {seconds['start']:.2f} s; by themselves, "
        f"keys and signatures {work['signing']:.2f} s, files {work['files']:.2f} s, all else of the work {work['rest']:.2f} s; "
        f"again {seconds['kept']:.2f} s, with one user changed {seconds['changed']:.2f} s"
    )
    return [
        *_against_nsc(f"{what}, CPU", medians["created"][1], nsc, medians.get("nsc"), 1, 40, times=10),
        *_against_go(what, created, go, seconds.get("go")),
    ]


def _rotation(folder: Path, users: int = 10_000) -> list[Row]:
    """Signing the users of one account again after the rotation of a signing key, against signing them for the first time."""
    site = _Site(folder / "rotation", 1, users)
    medians = interleaved({"created": site.created, "signed again": site.signed_anew}, ROUNDS)
    created, again = medians["created"], medians["signed again"]
    return [
        Row(
            f"{users:,} users signed again by the next key{watch}",
            f"{again[index]:.2f} s",
            f"from nothing {created[index]:.2f} s",
            again[index] / created[index],
            at_most=1.2,
        )
        for index, watch in enumerate(("", ", CPU"))
    ]


def _disk(scratch: Path, go: Path | str) -> list[Row]:
    site = _Site(scratch / "disk", 100, 100)
    contenders: dict[str, Callable[[], list[float]]] = {"created": site.created}
    if isinstance(go, Path):
        contenders["go"] = functools.partial(_go, go, scratch, 100, 100)
    seconds = {name: median[0] for name, median in interleaved(contenders, 1).items()}
    return _against_go("10,000 users in 100 accounts on a disk", seconds["created"], go, seconds.get("go"))


def _against_go(what: str, ours: float, go: Path | str, theirs: float | None) -> list[Row]:
    if theirs is None:
        return [Row(what, f"{ours:.2f} s", f"Go program {go}")]
    return [Row(what, f"{ours:.2f} s", f"Go program {theirs:.2f} s", ours / theirs, at_most=2)]


# ---- growth


def _growth(folder: Path) -> list[Row]:
    found = []
    for how in ("created", "kept"):
        measured = [_in_process(folder, accounts, 100, how) for accounts in GROWTH]
        each = [work["cpu"] / (accounts * 100) for work, accounts in zip(measured, GROWTH, strict=True)]
        print(
            f"store: {how}, for "
            + "; ".join(
                f"{accounts * 100:,} users {seconds * 1e6:.0f} us of the CPU each, {work['peak']:.0f} MB"
                for work, accounts, seconds in zip(measured, GROWTH, each, strict=True)
            )
        )
        if how == "kept":
            each_kept = each[1]
            found.append(
                Row("a user of 10,000 kept, CPU", f"{each_kept * 1e6:.0f} us", "150 us", each_kept / 150e-6, at_most=1)
            )
        found += [
            Row(
                f"a user of 100,000 {how}, CPU",
                f"{each[-1] * 1e6:.0f} us",
                f"of 1,000 {each[0] * 1e6:.0f} us",
                each[-1] / each[0],
                at_most=1.25,
            ),
            Row(
                f"peak memory, 100,000 users {how}",
                f"{measured[-1]['peak']:.0f} MB",
                "600 MB",
                measured[-1]["peak"] / 600,
                at_most=1,
            ),
        ]
    return found


def _in_process(folder: Path, accounts: int, users: int, how: str) -> dict[str, float]:
    """The time and memory of the work of a task, in a separate process in which nothing else has run."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        Path(name, "definition.json").write_text(json.dumps(_definition(accounts, users)))
        for _run in range(2 if how == "kept" else 1):
            done = subprocess.run([sys.executable, __file__, name], capture_output=True, text=True, check=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def _work_of(folder: Path, accounts: int, users: int, how: str) -> list[float]:
    """The wall-clock and CPU seconds of the work."""
    work = _in_process(folder, accounts, users, how)
    return [work["signing"] + work["files"] + work["rest"], work["cpu"]]


def _work(folder: str) -> dict[str, float]:
    from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
    from ansible_collections.natsops.security.plugins.module_utils.keys.keyring import Keyring
    from ansible_collections.natsops.security.plugins.module_utils.reconcile.wanted import How
    from ansible_collections.natsops.security.plugins.module_utils.store import apply, document, layout, report
    from ansible_collections.natsops.security.plugins.module_utils.store.source import parse_source, read_source

    # These are usually imported on demand. Their import is not part of the measured work.
    for name in ("relations", "server_accounts", "operators"):
        importlib.import_module(f"ansible_collections.natsops.security.plugins.module_utils.rules.{name}")
    gc.disable()  # as the module does
    spent = {"signing": 0.0, "files": 0.0}

    def timed(part: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            start = time.perf_counter()
            try:
                return real(*arguments)
            finally:
                spent[part] += time.perf_counter() - start

        return call

    apply.write_all = timed("files", apply.write_all)
    nkey.create = timed("signing", nkey.create)
    nkey.KeyPair.sign = timed("signing", nkey.KeyPair.sign)
    source = f"{folder}/definition.json"
    start, cpu = time.perf_counter(), time.process_time()
    wanted, problems = document.read_document(parse_source(source, read_source(source)))
    where = layout.Layout(f"{folder}/stores", f"{folder}/keys", "O")
    outcome = apply.run(
        wanted, where, lambda: Keyring((), [where.keys_dir]), How(int(time.time())), apply.Run(False, 60, "a benchmark")
    )
    assert not problems + outcome.plan.problems
    json.dumps(report.show_outcome(wanted, outcome, False))
    seconds = time.perf_counter() - start
    return {
        **spent,
        "rest": seconds - sum(spent.values()),
        "cpu": time.process_time() - cpu,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


# ---- the contenders


def _definition(accounts: int, users: int) -> dict[str, Any]:
    """The document, as in go/store.go: an operator and accounts with one signing key each."""
    return {
        "operator": {"name": "O", "signing_keys": ["main"]},
        "accounts": [
            {
                "name": f"account-{account}",
                "signing_keys": ["main"],
                "users": [{"name": f"user-{user}", "permissions": _PERMISSIONS} for user in range(users)],
            }
            for account in range(accounts)
        ],
    }


class _Site:
    """Stores of one document, created by playbooks one after the other. Each method returns the wall-clock and CPU seconds of a run."""

    def __init__(self, folder: Path, accounts: int, users: int) -> None:
        folder.mkdir()
        self.folder, self.definition = folder, _definition(accounts, users)
        self.numbers = itertools.count()
        self.store = folder

    def start(self) -> list[float]:
        """The time of Ansible itself: a task that does nothing, in the process of Ansible as well."""
        return self._play({"ansible.builtin.debug": {"msg": "nothing"}})

    def created(self) -> list[float]:
        """A new store."""
        self.store = self.folder / str(next(self.numbers))
        return self._apply(self.definition)

    def kept(self) -> list[float]:
        """The last store, unchanged."""
        return self._apply(self.definition)

    def one_changed(self) -> list[float]:
        """The last store with one user changed."""
        changed = json.loads(json.dumps(self.definition))
        changed["accounts"][-1]["users"][-1]["permissions"] = {"publish": {"allow": ["changed.>"]}}
        return self._apply(changed)

    def signed_anew(self) -> list[float]:
        """The last store with a new signing key in the role of its first account, which signs all its users again."""
        rotation = {"account": "account-0", "role": "main", "phase": "resign"}
        return self._apply(self.definition, rotations=[rotation])

    def loop(self) -> list[float]:
        """Users of the last store, with one task of nats_user for each, in processes of their own as on any host but the controller."""
        users = Path(tempfile.mkdtemp(dir=self.folder))
        options = {
            "name": "user-{{ item }}",
            "key_path": f"{users}/{{{{ item }}}}.nk",
            "jwt_path": f"{users}/{{{{ item }}}}.jwt",
            "creds_path": f"{users}/{{{{ item }}}}.creds",
            "account_jwt_path": f"{self.store}/stores/O/accounts/account-0/account-0.jwt",
            "signer_path": f"{self.store}/keys",
            "permissions": _PERMISSIONS,
        }
        elsewhere = {"environment": {"ELSEWHERE": "yes"}}
        return self._play({"natsops.security.nats_user": options, "loop": list(range(LOOP)), **elsewhere})

    def _apply(self, definition: dict[str, Any], **more: Any) -> list[float]:
        source = self.folder / "definition.json"
        source.write_text(json.dumps(definition))
        options = {"src": str(source), "stores_dir": f"{self.store}/stores", "keys_dir": f"{self.store}/keys"}
        return self._play({"natsops.security.nats_store": {**options, **more}})

    def _play(self, task: dict[str, Any]) -> list[float]:
        play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task]}
        playbook = self.folder / "playbook.json"
        playbook.write_text(json.dumps([play]))
        environment = {"ANSIBLE_PYTHON_INTERPRETER": sys.executable, **os.environ}
        return _seconds([Path(sys.executable).parent / "ansible-playbook", playbook], environment)


def _nsc(nsc: Path, folder: Path, accounts: int, users: int) -> list[float]:
    """The same store by nsc, with one command for each entity and each signing key."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        environment = nsc_peer.environment(Path(name))
        permissions = [
            "--allow-pub",
            ",".join(workload.PUBLISH),
            "--allow-sub",
            ",".join(workload.SUBSCRIBE),
        ]
        commands = [["add", "operator", "-n", "O"], ["edit", "operator", "--sk", "generate"]]
        for account in (f"account-{number}" for number in range(accounts)):
            commands.append(["add", "account", "-n", account])
            commands.append(["edit", "account", "-n", account, "--sk", "generate"])
            commands += [["add", "user", "-a", account, "-n", f"user-{user}", *permissions] for user in range(users)]
        seconds = [_seconds([nsc, *command], environment) for command in commands]
        return list(map(sum, zip(*seconds, strict=True)))


def _go(program: Path, folder: Path, accounts: int, users: int) -> list[float]:
    with tempfile.TemporaryDirectory(dir=folder) as name:
        return _seconds([program, "store", name, str(accounts), str(users)], dict(os.environ))


def _seconds(command: list[Any], environment: dict[str, str]) -> list[float]:
    """Run a command, and return its wall-clock and CPU seconds."""
    start, used = time.perf_counter(), _cpu_of_children()
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command[:3]))} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return [time.perf_counter() - start, _cpu_of_children() - used]


def _cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    print(json.dumps(_work(sys.argv[1])))
