# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""A key rotation that is killed at any call, followed by a run that does not request the rotation: every file is valid, no key is forgotten, and the
rotation can be completed. test_kills.py tests that a run with the same rotation completes it.
"""

from __future__ import annotations

import pathlib
from collections import Counter

import pytest
from attack.test_kills import Trial, files_in, numbers, seeds_in
from support.faults import FaultyModules
from support.scenarios import SCENARIOS, callout_document, store
from support.sites import Site

from ansible_collections.natsops.security.plugins.module_utils.token import codec

NAMES = ["users rotated", "user retired", "signing keys rotated", "signing keys replaced", "signing keys retired"]


def assert_valid(site: Site) -> None:
    """Assert that every JWT is signed by a key of its parent, that no user is revoked, and that creds and seeds match the JWTs."""
    operator = site.claims("stores/ACME/ACME.jwt")
    for folder in sorted((site.folder / "stores/ACME/accounts").iterdir()):
        account = codec.decode((folder / f"{folder.name}.jwt").read_text())
        assert account.issuer in (operator.subject, *operator.body.signing_keys), folder.name
        signers = {account.subject, *(key.key for key in account.body.signing_keys)}
        for path in sorted(folder.glob("users/*.jwt")):
            user = codec.decode(path.read_text())
            assert user.issuer in signers, path.name
            assert account.body.revocations.get(user.subject, 0) < user.issued_at, path.name
            creds = f"keys/creds/ACME/{folder.name}/{path.stem}.creds"
            assert site.claims(creds) == user
            assert site.key(creds).public_key == user.subject
            if path.stem == "one":
                assert user.subject in account.body.authorization.auth_users
        xkey = account.body.authorization.xkey
        assert not xkey or site.key(f"keys/keys/X/{xkey[1:3]}/{xkey}.nk").public_key == xkey


def keys_of_users(site: Site) -> set[str]:
    return {codec.decode(path.read_text()).subject for path in (site.folder / "stores").rglob("users/*.jwt")}


def assert_known(trial: Trial, before: set[str]) -> None:
    """Assert that every former key of a user is still its key, is recorded as retiring, or is revoked."""
    options = {"stores_dir": trial.site / "stores", "keys_dir": trial.site / "keys", "store": "ACME"}
    info = trial.modules.run("store_info", options).result
    assert not info.get("failed"), info
    assert [problem for problem in info["problems"] if problem["blocking"]] == []
    retiring = {entity["retiring"] for entity in info["entities"] if entity.get("retiring")}
    revoked = set(trial.site.claims("stores/ACME/accounts/APP/APP.jwt").body.revocations)
    assert before <= keys_of_users(trial.site) | retiring | revoked


def assert_completes(trial: Trial, expected: list[str], hit: str) -> None:
    """Assert that the next run that requests the rotation completes it. Keys that the killed run created and that no JWT uses may stay in the keystore."""
    before = seeds_in(trial.site.folder)
    ended = trial.run()
    assert not ended.result.get("failed"), (hit, ended.result.get("msg"))
    assert trial.run(check=True).result["changed"] is False, hit
    found, wanted = Counter(files_in(trial.site.folder)), Counter(expected)
    assert not wanted - found, hit
    assert all(name.startswith("keys/keys/") for name in found - wanted), (hit, found - wanted)
    assert set(before) <= set(seeds_in(trial.site.folder)), hit


def try_all(name: str, acme: Site, memory: pathlib.Path, modules: FaultyModules, every: bool) -> None:
    """Kill the rotation at one call after the other, and run the task without the rotation after each kill."""
    trial = Trial(SCENARIOS[name], acme, memory, modules)
    clean = trial.run(kind="count", calls="changes")
    assert not clean.result.get("failed"), clean.result
    expected = files_in(trial.site.folder)
    tried = numbers("kill before", name, clean.calls, every)
    for number in tried if every else tried[::4]:
        trial.reset()
        before = keys_of_users(trial.site)
        trial.run(kind="kill before", at=number, calls="changes")
        hit = f"killed before {number} of {clean.calls}"
        plain = store(trial.site, callout_document())
        ended = modules.run("store", plain)
        assert not ended.result.get("failed"), (hit, ended.result.get("msg"))
        assert modules.run("store", plain, check=True).result["changed"] is False, hit
        assert_valid(trial.site)
        assert_known(trial, before)
        assert_completes(trial, expected, hit)
        assert_valid(trial.site)


@pytest.mark.parametrize("name", ["users rotated", "signing keys replaced"])
def test_some_calls(name: str, acme: Site, memory: pathlib.Path, modules_with_faults: FaultyModules) -> None:
    try_all(name, acme, memory, modules_with_faults, every=False)


@pytest.mark.attack
@pytest.mark.parametrize("name", NAMES)
def test_every_call(name: str, acme: Site, memory: pathlib.Path, modules_with_faults: FaultyModules) -> None:
    try_all(name, acme, memory, modules_with_faults, every=True)
