# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""A task killed before or after any call that changes files, or refused any call at all: nothing is lost, and the next run completes it.

`make test` takes some of the calls, `make attack` every one of them.
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

#: In `make test` one call in so many is hit, another one for each scenario.
STEP = {"kill before": 17, "kill after": 23, "error": 61}
#: Scenarios that `make attack` alone hits.
ONLY_ATTACK = ("signing keys rotated", "signing keys retired", "credentials key that follows")
#: What a message says of a fault in our code, and not of the file system.
FAULTS_OF_OURS = ("Traceback", "This is a fault of natsops.security")


class Trial:
    """A scenario, again and again from the same state."""

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
        """Back to the state before the task."""
        shutil.rmtree(self.site.folder)
        shutil.copytree(self.kept, self.site.folder, symlinks=True)

    def run(self, **how: Any) -> Ended:
        """Do the task."""
        return self.modules.run(self.scenario.module, self.scenario.options(self.site), **how)


def seeds_in(folder: pathlib.Path) -> dict[str, set[str]]:
    """The files that hold each seed, by seed."""
    found: dict[str, set[str]] = {}
    for path in folder.rglob("*"):
        if path.is_file():
            for seed in SEED.findall(path.read_text()):
                found.setdefault(seed, set()).add(str(path.relative_to(folder)))
    return found


def files_in(folder: pathlib.Path) -> list[str]:
    """The names of files but for backups, without what is different in each run: the keys in the keystore, and times."""
    names = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.name[-1] != "~"]
    return sorted(re.sub(r"[A-Z]./[OAUX][A-Z2-7]{55}|\d{4}-\d\d-\d\dT\d+Z", "*", name) for name in names)


def assert_completes(trial: Trial, expected: list[str], hit: str) -> None:
    """The next run completes the task, the one after finds nothing to do, no key is lost, and nothing is left over."""
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
    """The calls to hit."""
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
        else:  # keys are random: two that share a folder of the keystore take fewer calls than were counted
            assert ended.calls < number, hit
        assert_completes(trial, expected, hit)
    assert kind == "error" or killed or not tried


def assert_one_message(ended: Ended, hit: str) -> None:
    """A success, or one message that names a path and the reason."""
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
