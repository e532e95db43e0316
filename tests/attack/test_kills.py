# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""A task that is killed before or after any call that changes files, or in which any call fails: nothing is lost, and the next run completes the task.

`make test` tries some of the calls, `make attack` all of them.
"""

from __future__ import annotations

import dataclasses
import pathlib
import re
import shutil
from typing import Any

import pytest
from support.faults import Ended, FaultyModules
from support.scenarios import SCENARIOS, Scenario
from support.sites import SEED, Site

#: `make test` hits one call in this many, beginning with a different call in each scenario.
STEP = {"kill before": 61, "kill after": 83, "error": 251}
#: Scenarios that only `make attack` runs.
ONLY_ATTACK = ("signing keys rotated", "signing keys retired", "credentials key that follows")
#: Words of messages that report a fault of the collection instead of a file system error.
FAULTS_OF_OURS = ("Traceback", "This is a fault of natsops.security")


class Trial:
    """A scenario that can be run repeatedly from the same state."""

    def __init__(self, scenario: Scenario, acme: Site, memory: pathlib.Path, modules: FaultyModules) -> None:
        self.scenario, self.modules = scenario, modules
        self.site = dataclasses.replace(acme, folder=memory / "site")
        shutil.copytree(acme.folder, self.site.folder)
        self.site.make_key("acme-importer.nk", "account")
        for module, options in scenario.before:
            assert not self.modules.run(module, options(self.site)).result.get("failed")
        self.kept = memory / "kept"
        shutil.copytree(self.site.folder, self.kept, symlinks=True)
        self.before = seeds_in(self.site.folder)

    def reset(self) -> None:
        """Restore the state before the task."""
        shutil.rmtree(self.site.folder)
        shutil.copytree(self.kept, self.site.folder, symlinks=True)

    def run(self, **how: Any) -> Ended:
        """Run the task."""
        return self.modules.run(self.scenario.module, self.scenario.options(self.site), **how)


def seeds_in(folder: pathlib.Path) -> dict[str, set[str]]:
    """The files that contain each seed, by seed."""
    found: dict[str, set[str]] = {}
    for path in folder.rglob("*"):
        if path.is_file():
            for seed in SEED.findall(path.read_text()):
                found.setdefault(seed, set()).add(str(path.relative_to(folder)))
    return found


def files_in(folder: pathlib.Path) -> list[str]:
    """The names of all files except backups, with `*` for the parts that differ in each run: public keys and times."""
    names = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.name[-1] != "~"]
    return sorted(re.sub(r"[A-Z]./[OAUX][A-Z2-7]{55}|\d{4}-\d\d-\d\dT\d+Z", "*", name) for name in names)


def assert_completes(trial: Trial, expected: list[str], hit: str) -> None:
    """Assert that the next run completes the task, that the run after it has nothing to do, that no key is lost, and that no temporary file is left."""
    after = seeds_in(trial.site.folder)
    second = trial.run()
    assert not second.result.get("failed"), (hit, second.result["msg"])
    third = trial.run(check=True)
    assert third.result.get("changed") is False, (hit, third.result)
    rest = [path.name for path in trial.site.folder.rglob("*.tmp")]
    assert rest == [], hit
    assert files_in(trial.site.folder) == expected, hit
    final = seeds_in(trial.site.folder)
    made = set(after) - set(trial.before)
    assert made <= set(final), f"{hit}: a key that was made is gone"
    assert set(trial.before) <= set(final), f"{hit}: a key that was there is gone"


def numbers(kind: str, name: str, calls: int, every: bool) -> range:
    """The numbers of the calls to hit, from 1."""
    if every:
        return range(1, calls + 1)
    step = STEP[kind]
    return range(1 + sum(map(ord, name)) % step, calls + 1, step)


def try_all(name: str, kind: str, trial: Trial, every: bool) -> None:
    """Hit the calls of a scenario one after the other."""
    calls = "all" if kind == "error" else "changes"
    clean = trial.run(kind="count", calls=calls)
    assert not clean.result.get("failed"), clean.result
    assert clean.calls > 5
    expected = files_in(trial.site.folder)
    killed = 0
    tried = numbers(kind, name, clean.calls, every)
    for number in tried:
        trial.reset()
        ended = trial.run(kind=kind, at=number, calls=calls)
        hit = f"{kind} {number} of {clean.calls}: {ended.hit}"
        if kind == "error":
            assert_one_message(ended, hit)
        elif ended.is_killed:
            killed += 1
        else:  # keys are random: two that share a folder of the keystore need fewer calls than were counted
            assert ended.calls < number, hit
        assert_completes(trial, expected, hit)
    assert kind == "error" or killed or not tried


def assert_one_message(ended: Ended, hit: str) -> None:
    """Assert that the task succeeded, or failed with one message that names a path and the reason."""
    if not ended.result.get("failed"):
        return
    message = ended.result["msg"]
    assert not any(word in message + ended.errors for word in FAULTS_OF_OURS), f"{hit}: {message}"
    assert "exception" not in ended.result, hit
    assert "/" in message, f"{hit}: {message}"
    assert "Errno" not in message, f"{hit}: {message}"


@pytest.mark.parametrize("kind", list(STEP))
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.attack if name in ONLY_ATTACK else ()) for name in SCENARIOS]
)
def test_some_calls(name: str, kind: str, acme: Site, memory: pathlib.Path, modules_with_faults: FaultyModules) -> None:
    try_all(name, kind, Trial(SCENARIOS[name], acme, memory, modules_with_faults), every=False)


@pytest.mark.attack
@pytest.mark.parametrize("kind", list(STEP))
@pytest.mark.parametrize("name", list(SCENARIOS))
def test_every_call(name: str, kind: str, acme: Site, memory: pathlib.Path, modules_with_faults: FaultyModules) -> None:
    try_all(name, kind, Trial(SCENARIOS[name], acme, memory, modules_with_faults), every=True)
