# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Documents of a part of an operator: existing accounts, keys of users that were created elsewhere, renewals that are spread over days."""

from __future__ import annotations

import pathlib
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from ansible_collections.natsops.security.plugins.module_utils.decision.issue import Policy
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey

if TYPE_CHECKING:
    from support.sites import Site

WHOLE: dict[str, Any] = {
    "operator": {"name": "ACME", "signing_keys": ["main"], "system_account": "SYS", "strict_signing_key_usage": True},
    "accounts": [
        {"name": "SYS", "signing_keys": ["main"], "users": [{"name": "sys"}]},
        {"name": "APP", "signing_keys": ["main"], "limits": {"connections": 5}, "users": [{"name": "old"}]},
    ],
}
PART: dict[str, Any] = {
    "operator": {"name": "ACME", "state": "existing"},
    "accounts": [{"name": "APP", "state": "existing", "users": [{"name": "new"}]}],
}


def apply(site: Site, definition: dict[str, Any], **options: Any) -> dict[str, Any]:
    """The result of nats_store."""
    return site.run("store", stores_dir=site / "stores", keys_dir=site / "keys", definition=definition, **options)


@pytest.fixture
def owned(site: Site) -> Site:
    """A store of which only the signing key of APP is available."""
    apply(site, WHOLE)
    app = site.claims("stores/ACME/accounts/APP/APP.jwt")
    (signing,) = app.body.signing_keys
    for path in (site.folder / "keys/keys").rglob("*.nk"):
        if path.stem != signing.key:
            path.unlink()
    shutil.rmtree(site.folder / "keys/creds")
    return site


def test_who_holds_a_signing_key_of_an_account_keeps_its_users(owned: Site) -> None:
    before = owned.text("stores/ACME/accounts/APP/APP.jwt")
    result = apply(owned, PART)
    assert result["created_users"] == {"APP": ["new"]}
    assert {entity["action"] for entity in result["entities"]} == {"kept"}
    assert owned.text("stores/ACME/accounts/APP/APP.jwt") == before
    assert (
        owned.claims("stores/ACME/accounts/APP/users/new.jwt").body.issuer_account
        == owned.claims("stores/ACME/accounts/APP/APP.jwt").subject
    )
    assert not apply(owned, PART)["changed"]
    assert not apply(owned, PART, prune=True)["changed"]
    assert (owned.folder / "stores/ACME/accounts/SYS/SYS.jwt").exists()


def test_what_is_taken_as_it_is_says_nothing_about_itself(owned: Site) -> None:
    said = {"operator": {**PART["operator"], "tags": ["x"]}, "accounts": [{**PART["accounts"][0], "limits": {}}]}
    message = owned.refuse("store", stores_dir=owned / "stores", keys_dir=owned / "keys", definition=said)
    assert "operator.tags: this is not managed here" in message
    assert "accounts[0] (APP).limits: this is not managed here" in message


def test_account_that_is_not_there_cannot_be_taken_as_it_is(owned: Site) -> None:
    other = {
        "operator": PART["operator"],
        "accounts": [{"name": "NONE", "state": "existing", "users": [{"name": "u"}]}],
    }
    message = owned.refuse("store", stores_dir=owned / "stores", keys_dir=owned / "keys", definition=other)
    assert "accounts[0] (NONE): there is no account NONE, and its state is existing; available: APP, SYS." in message


def test_user_whose_seed_was_born_elsewhere(owned: Site) -> None:
    pair = nkey.create("user")
    result = apply(owned, PART, user_public_keys={"APP/new": pair.public_key})
    assert result["created_users"] == {"APP": ["new"]}
    assert owned.claims("stores/ACME/accounts/APP/users/new.jwt").subject == pair.public_key
    assert not pathlib.Path(owned / "keys/creds").exists()
    assert not apply(owned, PART, user_public_keys={"APP/new": pair.public_key})["changed"]


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"APP/none": nkey.create("user").public_key}, "user_public_keys[APP/none]: the document has no such user"),
        ({"APP/new": nkey.create("account").public_key}, "user_public_keys[APP/new]"),
        ({"APP/new": "UABC"}, "user_public_keys[APP/new]"),
    ],
)
def test_map_of_keys_that_is_wrong(owned: Site, keys: dict[str, str], words: str) -> None:
    options = {"stores_dir": owned / "stores", "keys_dir": owned / "keys", "definition": PART}
    assert words in owned.refuse("store", **options, user_public_keys=keys)


def test_renewals_of_one_run_are_spread_and_every_run_agrees() -> None:
    day = 86400
    policy = Policy(expires_in=90 * day, renew_before=14 * day, renew_spread=10 * day)
    keys = [nkey.create("user").public_key for _unused in range(300)]
    windows = [policy.renewal_window(key) for key in keys]
    assert windows == [policy.renewal_window(key) for key in keys]
    assert all(14 * day <= window <= 24 * day for window in windows)
    by_day = [sum(14 + number <= window / day < 15 + number for window in windows) for number in range(10)]
    assert all(10 <= count <= 60 for count in by_day)
