# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What a plan tells: the same in check mode and in the real run, whenever each of them is."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest

from ansible_collections.natsops.security.plugins.module_utils.base import units
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.keys.keyring import Keyring
from ansible_collections.natsops.security.plugins.module_utils.reconcile.wanted import How
from ansible_collections.natsops.security.plugins.module_utils.store import apply, layout
from ansible_collections.natsops.security.plugins.module_utils.store.document import read_document

NOW = 1_800_000_000
USER = nkey.create("user").public_key


def run(folder: pathlib.Path, now: int, check: bool, **account: Any) -> dict[str, Any]:
    """The account's claims after applying a document, as the diff shows them; empty where nothing changes."""
    definition = {"operator": {"name": "ACME"}, "accounts": [{"name": "APP", **account}]}
    wanted, problems = read_document(definition)
    where = layout.Layout(str(folder / "stores"), str(folder / "keys"), "ACME")
    outcome = apply.run(
        wanted, where, lambda: Keyring((), [where.keys_dir]), How(now, diff=True), apply.Run(check, 5, "a test")
    )
    assert problems + outcome.plan.problems == []
    found = [shown for shown in outcome.plan.after.values() if shown.get("name") == "APP"]
    return found[0] if found else {}


def test_revocation_of_this_run_is_shown_as_now_in_both_modes(tmp_path: pathlib.Path) -> None:
    run(tmp_path, NOW - 10, False)
    predicted = run(tmp_path, NOW, True, revocations={USER: "now"})
    assert predicted["revocations"] == {USER: "now"}
    assert run(tmp_path, NOW + 1, False, revocations={USER: "now"}) == predicted


@pytest.mark.parametrize("later", [0, 1, 60])
def test_revocation_that_stands_there_is_shown_with_its_time_even_in_the_same_second(
    tmp_path: pathlib.Path, later: int
) -> None:
    run(tmp_path, NOW, False, revocations={USER: "now"})
    shown = run(tmp_path, NOW + later, True, tags=["changed"])
    assert shown["revocations"] == {USER: units.show_time(NOW)}


def test_a_scope_may_use_keys_that_do_not_exist_yet(tmp_path: pathlib.Path) -> None:
    template = {"permissions": {"publish": {"allow": ["{{subject()}}.{{account-subject()}}"]}}}
    account = {
        "signing_keys": [{"role": "own", "template": template}],
        "users": [{"name": "roof", "signing_key_role": "own"}],
    }
    assert run(tmp_path, NOW, True, **account)["signing_keys"][0]["role"] == "own"
