# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Work that is not repeated in a store of many users: signing and writing. The tests count operations instead of measuring time."""

from __future__ import annotations

import copy
import pathlib
from typing import Any

import pytest

from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.keys.keyring import Keyring
from ansible_collections.natsops.security.plugins.module_utils.reconcile.wanted import How
from ansible_collections.natsops.security.plugins.module_utils.store import apply, layout
from ansible_collections.natsops.security.plugins.module_utils.store.document import read_document

NOW = 1_800_000_000
ACCOUNTS, USERS = 5, 50
DEFINITION: dict[str, Any] = {
    "operator": {"name": "ACME", "signing_keys": ["main"]},
    "accounts": [
        {
            "name": f"APP{account}",
            "signing_keys": ["main", {"role": "scoped", "template": {}}],
            "users": [
                {"name": f"u{user}", "signing_key_role": "scoped"}
                if user % 10 == 9
                else {"name": f"u{user}", "permissions": {"publish": {"allow": [f"orders.{user % 7}.>"]}}}
                for user in range(USERS)
            ],
        }
        for account in range(ACCOUNTS)
    ],
}


def run(folder: pathlib.Path, definition: dict[str, Any], now: int) -> apply.Outcome:
    """Apply a document and return the outcome."""
    wanted, problems = read_document(definition)
    where = layout.Layout(str(folder / "stores"), str(folder / "keys"), "ACME")
    outcome = apply.run(wanted, where, lambda: Keyring((), [where.keys_dir]), How(now), apply.Run(False, 5, "a test"))
    assert problems + outcome.plan.problems == []
    return outcome


def snapshot(folder: pathlib.Path) -> dict[str, tuple[int, int]]:
    """Return the inode and the modification time of every file except the lock, by path."""
    return {
        path.relative_to(folder).as_posix(): (status.st_ino, status.st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file() and path.name != "lock" and (status := path.stat())
    }


@pytest.fixture
def made(tmp_path: pathlib.Path) -> pathlib.Path:
    """Create a store of many users and return its folder."""
    outcome = run(tmp_path, DEFINITION, NOW)
    assert outcome.plan.summary()["created"] == 2 + ACCOUNTS + ACCOUNTS * USERS
    return tmp_path


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Count the keys and the signatures that are created from now on."""
    counted = {"keys": 0, "signatures": 0}
    create, sign = nkey.create, nkey.KeyPair.sign

    def counting_create(key_type: str) -> nkey.KeyPair:
        counted["keys"] += 1
        return create(key_type)

    def counting_sign(pair: nkey.KeyPair, data: bytes) -> bytes:
        counted["signatures"] += 1
        return sign(pair, data)

    monkeypatch.setattr(nkey, "create", counting_create)
    monkeypatch.setattr(nkey.KeyPair, "sign", counting_sign)
    return counted


def test_run_that_changes_nothing_signs_and_writes_nothing(made: pathlib.Path, work: dict[str, int]) -> None:
    before = snapshot(made)
    plan = run(made, DEFINITION, NOW + 1).plan
    assert not plan.changes
    assert plan.summary()["kept"] == 2 + ACCOUNTS + ACCOUNTS * USERS
    assert sum(map(len, plan.kept_users.values())) == ACCOUNTS * USERS
    assert snapshot(made) == before
    assert work == {"keys": 0, "signatures": 0}


def test_change_of_one_user_costs_one_signature_and_two_files(made: pathlib.Path, work: dict[str, int]) -> None:
    before = snapshot(made)
    definition = copy.deepcopy(DEFINITION)
    definition["accounts"][4]["users"][42]["permissions"]["publish"]["allow"] = ["changed.>"]
    plan = run(made, definition, NOW + 1).plan
    assert [(entity.name, entity.action) for entity in plan.entities if entity.kind == "user"] == [("u42", "changed")]
    after = snapshot(made)
    assert {path for path in after if after[path] != before.get(path)} == {
        "stores/ACME/accounts/APP4/users/u42.jwt",
        "keys/creds/ACME/APP4/u42.creds",
    }
    assert set(after) == set(before)
    assert work == {"keys": 0, "signatures": 1}


def test_one_more_user_costs_one_key_one_signature_and_three_files(made: pathlib.Path, work: dict[str, int]) -> None:
    before = snapshot(made)
    definition = copy.deepcopy(DEFINITION)
    definition["accounts"][0]["users"].append({"name": "more"})
    run(made, definition, NOW + 1)
    after = snapshot(made)
    changed = sorted(path for path in after if after[path] != before.get(path))
    assert changed[0] == "keys/creds/ACME/APP0/more.creds"
    assert changed[1].startswith("keys/keys/U/")
    assert changed[2:] == ["stores/ACME/accounts/APP0/users/more.jwt"]
    assert work == {"keys": 1, "signatures": 1}


@pytest.mark.parametrize("position", [5, 60, -3])
def test_token_that_was_changed_is_still_found(made: pathlib.Path, position: int) -> None:
    path = made / "stores/ACME/accounts/APP3/users/u33.jwt"
    text = path.read_text()
    header, payload, signature = text.split(".")
    chunk = signature if position < 0 else payload
    changed = chunk[:position] + ("A" if chunk[position] != "A" else "B") + chunk[position:][1:]
    path.write_text(".".join((header, payload, changed) if position < 0 else (header, changed, signature)))
    wanted, _unused = read_document(DEFINITION)
    where = layout.Layout(str(made / "stores"), str(made / "keys"), "ACME")
    outcome = apply.run(wanted, where, lambda: Keyring((), [where.keys_dir]), How(NOW), apply.Run(False, 5, "a test"))
    assert [problem.path for problem in outcome.plan.problems] == [str(path)]
