# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Two tasks on the same files at the same time: both report and use the one key that exists afterwards.

Some tests start both tasks at the same time, many times over. In others, the first task pauses before one of its calls while the second one runs, until
that has ended or waits for the first. Both are also tested without file locks: then the exclusive creation of files and the comparison immediately before
a file is replaced prevent lost changes.
"""

from __future__ import annotations

import pathlib
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from support.faults import Ended, FaultyModules, faulty
from support.scenarios import SCENARIOS, creds
from support.sites import Site

from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.token import codec

PAIRED = ("operator", "account", "user", "activation", "nkey", "creds")
#: `make test` pauses the first task before one call in this many.
STEP = 9


@pytest.fixture(scope="module")
def other(collections_path: pathlib.Path) -> Iterator[FaultyModules]:
    """A second process that runs modules, besides that of modules_with_faults."""
    with faulty(collections_path) as started:
        yield started


class Pair:
    """Two processes that run the same task."""

    def __init__(self, name: str, site: Site, first: FaultyModules, second: FaultyModules) -> None:
        self.scenario, self.site, self.first, self.second = SCENARIOS[name], site, first, second
        site.make_key("acme-importer.nk", "account")
        for module, options in self.scenario.before:
            assert not first.run(module, options(site)).result.get("failed")
        self.kept = site.folder.parent / "kept"
        shutil.copytree(site.folder, self.kept)
        self.signals = site.folder.parent / "signals"

    def reset(self) -> None:
        """Restore the state before the tasks."""
        for folder in (self.site.folder, self.signals):
            shutil.rmtree(folder, ignore_errors=True)
        self.signals.mkdir()
        shutil.copytree(self.kept, self.site.folder)

    def begin(self, modules: FaultyModules, **how: Any) -> None:
        """Start the task."""
        modules.begin(self.scenario.module, self.scenario.options(self.site), how)

    def signal(self, name: str) -> str:
        """The path of a file with which a process and this one wait for each other."""
        return str(self.signals / name)

    def wait_for(self, name: str) -> None:
        """Wait until such a file exists."""
        while not (self.signals / name).exists():
            assert self.first.process.poll() is None

    def assert_agree(self, *ended: Ended) -> None:
        """Assert that both tasks succeeded with the same key and token, and that a third run has nothing to do."""
        for one in ended:
            assert not one.result.get("failed"), one.result["msg"]
        keys = {one.result["public_key"] for one in ended}
        assert len(keys) == 1
        assert any(one.result["changed"] for one in ended)
        third = self.first.run(self.scenario.module, self.scenario.options(self.site), check=True)
        assert third.result["changed"] is False
        assert third.result["public_key"] in keys
        assert len({one.result.get("jwt") for one in (*ended, third)}) == 1


@pytest.fixture
def pair(request: pytest.FixtureRequest, acme: Site, modules_with_faults: FaultyModules, other: FaultyModules) -> Pair:
    """The two processes and the task that a test names."""
    return Pair(request.param, acme, modules_with_faults, other)


def meet(pair: Pair, rounds: int, lacks: list[str]) -> None:
    """Start both tasks at the same time, `rounds` times."""
    for _unused in range(rounds):
        pair.reset()
        for modules, name in ((pair.first, "ready1"), (pair.second, "ready2")):
            pair.begin(modules, ready=pair.signal(name), go=pair.signal("go"), lacks=lacks, calls="changes")
        pair.wait_for("ready1")
        pair.wait_for("ready2")
        (pair.signals / "go").touch()
        pair.assert_agree(pair.first.end(), pair.second.end())


def wait_at_each_call(pair: Pair, lacks: list[str], step: int) -> None:
    """Run the second task between any two changes that the first one makes."""
    pair.reset()
    pair.begin(pair.first, kind="count", calls="changes", lacks=lacks)
    calls = pair.first.end().calls
    for number in range(1, calls + 1, step):
        pair.reset()
        signals = {"paused": pair.signal("paused"), "resume": pair.signal("resume")}
        pair.begin(pair.first, kind="pause", at=number, calls="changes", lacks=lacks, **signals)
        while not (pair.signals / "paused").exists() and not pair.first.has_ended(0.01):
            pass  # it ends without a pause if its new key shares a folder of the keystore, which saves a call
        pair.begin(pair.second, lacks=lacks, calls="changes")
        pair.second.has_ended(0.1)
        (pair.signals / "resume").touch()
        pair.assert_agree(pair.first.end(), pair.second.end())


@pytest.mark.parametrize("lacks", [[], ["locks"], ["unnamed", "links"]], ids=["", "no-locks", "no-links"])
@pytest.mark.parametrize("pair", PAIRED, indirect=True)
def test_tasks_that_begin_at_once_agree(pair: Pair, lacks: list[str]) -> None:
    meet(pair, 2, lacks)


@pytest.mark.parametrize("lacks", [[], ["locks"]], ids=["", "no-locks"])
@pytest.mark.parametrize("pair", ["user", "account", "nkey"], indirect=True)
def test_task_that_comes_in_between_agrees(pair: Pair, lacks: list[str]) -> None:
    wait_at_each_call(pair, lacks, STEP)


@pytest.mark.attack
@pytest.mark.parametrize("lacks", [[], ["locks"], ["unnamed", "links"]], ids=["", "no-locks", "no-links"])
@pytest.mark.parametrize("pair", PAIRED, indirect=True)
def test_many_pairs_agree(pair: Pair, lacks: list[str]) -> None:
    meet(pair, 50, lacks)
    if lacks != ["unnamed", "links"]:
        wait_at_each_call(pair, lacks, 1)


# ---- tasks of different modules


def _keys(site: Site, kind: str) -> dict[str, Any]:
    return {"path": site / ("u.nk" if kind == "user" else "new.nk"), "type": kind}


def _user_changed(site: Site) -> dict[str, Any]:
    return SCENARIOS["user changed"].options(site)


#: Two tasks that write one file, and the tasks that run before them, each as a module and its options.
MIXED: dict[str, tuple[tuple[str, Any], tuple[str, Any], tuple[tuple[str, Any], ...]]] = {
    "nkey and user": (("nkey", lambda site: _keys(site, "user")), ("user", SCENARIOS["user"].options), ()),
    "nkey and account": (("nkey", lambda site: _keys(site, "account")), ("account", SCENARIOS["account"].options), ()),
    "nkey and operator": (
        ("nkey", lambda site: _keys(site, "operator")),
        ("operator", SCENARIOS["operator"].options),
        (),
    ),
    "creds and user": (
        ("creds", lambda site: creds(site, path=site / "u.creds")),
        ("user", _user_changed),
        (("user", SCENARIOS["user"].options),),
    ),
}


@pytest.mark.parametrize("name", MIXED)
@pytest.mark.parametrize(
    ("step", "lacks"),
    [(STEP, ["locks"]), *(pytest.param(1, lacks, marks=pytest.mark.attack) for lacks in ([], ["locks"]))],
    ids=["some-no-locks", "all", "all-no-locks"],
)
def test_tasks_of_different_modules_on_one_file_agree(
    step: int, acme: Site, modules_with_faults: FaultyModules, other: FaultyModules, name: str, lacks: list[str]
) -> None:
    one, two, before = MIXED[name]
    for module, options in before:
        assert not modules_with_faults.run(module, options(acme)).result.get("failed")
    kept, signals = acme.folder.parent / "kept", acme.folder.parent / "signals"
    shutil.copytree(acme.folder, kept)
    calls = modules_with_faults.run(one[0], one[1](acme), kind="count", calls="changes").calls
    for number in range(3, calls + 1, step):
        for folder in (acme.folder, signals):
            shutil.rmtree(folder, ignore_errors=True)
        signals.mkdir()
        shutil.copytree(kept, acme.folder)
        paused, resume = str(signals / "paused"), str(signals / "resume")
        how = {"kind": "pause", "at": number, "calls": "changes", "paused": paused, "resume": resume, "lacks": lacks}
        modules_with_faults.begin(one[0], one[1](acme), how)
        while not pathlib.Path(paused).exists() and not modules_with_faults.has_ended(0.01):
            pass
        other.begin(two[0], two[1](acme), {"lacks": lacks, "calls": "changes"})
        other.has_ended(0.1)
        pathlib.Path(resume).touch()
        ended = [modules_with_faults.end(), other.end()]
        for result in (one.result for one in ended):
            # A task that the other one overtook fails with this message and does not replace the file.
            assert not result.get("failed") or "something else" in result["msg"], (number, result["msg"])
        for module, options in (one, two):
            assert not other.run(module, options(acme)).result.get("failed"), number
        keys = {other.run(module, options(acme), check=True).result["public_key"] for module, options in (one, two)}
        assert len(keys) == 1
        assert keys == {one.result["public_key"] for one in ended if not one.result.get("failed")}
        for module, options in (two, one):
            assert other.run(module, options(acme), check=True).result["changed"] is False, number


# ---- programs that use no lock, such as nsc


def _revoke(folder: pathlib.Path, user: str, name: str) -> str:
    """Add a revocation to an account's JWT as nsc does: read it, sign it with the same key, write it in place. Return the path of the JWT."""
    path = folder / f"stores/ACME/accounts/{name}/{name}.jwt"
    claims = codec.decode(path.read_text())
    claims.body.revocations[user] = claims.issued_at
    (seed,) = (folder / "keys/keys").rglob(f"{claims.issuer}.nk")
    token = codec.encode(claims, nkey.from_seed(seed.read_text()), claims.issued_at + 1)
    path.write_text(token)
    return str(path)


def _revoke_meanwhile(acme: Site, modules: FaultyModules, step: int) -> None:
    """Revoke a user between any two calls of a task that issues its account again. A revocation can be lost only between the comparison and the replacement."""
    scenario = SCENARIOS["store changed"]
    for module, options in scenario.before:
        assert not modules.run(module, options(acme)).result.get("failed")
    kept, signals, user = acme.folder.parent / "kept", acme.folder.parent / "signals", nkey.create("user").public_key
    shutil.copytree(acme.folder, kept)
    calls = modules.run("store", scenario.options(acme), kind="count").calls
    for number in range(1, calls + 1, step):
        for folder in (acme.folder, signals):
            shutil.rmtree(folder, ignore_errors=True)
        signals.mkdir()
        shutil.copytree(kept, acme.folder)
        paused, resume = str(signals / "paused"), str(signals / "resume")
        modules.begin(
            "store", scenario.options(acme), {"kind": "pause", "at": number, "paused": paused, "resume": resume}
        )
        while not pathlib.Path(paused).exists() and not modules.has_ended(0.01):
            pass
        path = _revoke(acme.folder, user, "APP")
        pathlib.Path(resume).touch()
        ended = modules.end()
        # The calls between the comparison and the replacement.
        if ended.hit.startswith(("read(", "close(")) or (ended.hit.startswith("replace(") and path in ended.hit):
            continue
        assert not ended.result.get("failed"), (ended.hit, ended.result["msg"])
        assert user in acme.claims("stores/ACME/accounts/APP/APP.jwt").body.revocations, ended.hit
        after = modules.run("store", scenario.options(acme))
        assert not after.result.get("failed"), (ended.hit, after.result["msg"])
        assert user in acme.claims("stores/ACME/accounts/APP/APP.jwt").body.revocations, ended.hit
        assert acme.claims("stores/ACME/accounts/APP/APP.jwt").body.signing_keys


def test_revocation_that_another_program_makes_meanwhile_is_not_lost(
    acme: Site, modules_with_faults: FaultyModules
) -> None:
    _revoke_meanwhile(acme, modules_with_faults, 61)


@pytest.mark.attack
def test_no_revocation_that_another_program_makes_meanwhile_is_lost(
    acme: Site, modules_with_faults: FaultyModules
) -> None:
    _revoke_meanwhile(acme, modules_with_faults, 1)
