# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The results of a plan are the same in check mode and in the real run, regardless of the time of each."""

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
    """Apply a document and return the account's claims from the diff; empty if nothing changes."""
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


# ---- claims that servers allowed by assert_server_version may not enforce


def _warnings(folder: pathlib.Path, asserted: str, check: bool = False) -> list[str]:
    proxied = {"role": "proxied", "template": {"proxy_required": True}}
    users = [
        {"name": "behind", "proxy_required": True},
        {"name": "open", "proxy_required": False},
        {"name": "gone", "proxy_required": True, "state": "absent"},
    ]
    accounts = [
        *({"name": f"TRACED{number}", "trace": {"destination": "traces"}} for number in range(9)),
        {"name": "APP", "signing_keys": ["main", proxied], "users": users},
    ]
    definition = {"operator": {"name": "ACME", "assert_server_version": asserted}, "accounts": accounts}
    wanted, problems = read_document(definition)
    where = layout.Layout(str(folder / "stores"), str(folder / "keys"), "ACME")
    outcome = apply.run(wanted, where, lambda: Keyring((), [where.keys_dir]), How(NOW), apply.Run(check, 5, "a test"))
    assert problems + outcome.plan.problems == []
    return [str(warning) for warning in outcome.plan.warnings]


def test_claims_that_servers_of_the_asserted_version_ignore_are_warned_of_each_time(tmp_path: pathlib.Path) -> None:
    predicted = _warnings(tmp_path, "2.10.0", check=True)
    assert [text.split(":")[0] for text in predicted] == ["operator.assert_server_version"] * 3
    traced, scoped, user = sorted(predicted, key=lambda text: ("TRACED" not in text, "APP/behind" in text))
    assert (
        "do not enforce trace of account TRACED0, account TRACED1, account TRACED2, account TRACED3, account TRACED4 and 4 more:"
        in traced
    )
    assert "do not enforce signing_keys[].template.proxy_required of account APP:" in scoped
    assert "do not enforce proxy_required of user APP/behind:" in user
    assert "Set it to 2.12.0 or later" in user
    assert _warnings(tmp_path, "2.10.0") == predicted == _warnings(tmp_path, "2.10.0")


@pytest.mark.parametrize(("asserted", "count"), [("", 0), ("2.10.26", 3), ("2.11.0", 2), ("2.12.0", 1), ("2.15.1", 0)])
def test_asserted_version_that_is_high_enough_is_not_warned_of(
    tmp_path: pathlib.Path, asserted: str, count: int
) -> None:
    assert len(_warnings(tmp_path, asserted)) == count
