# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Tokens issued at the last time that a token can hold: no unreadable token is issued after them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.token import codec

if TYPE_CHECKING:
    from support.sites import Site

LAST = 2**63 - 1


@pytest.fixture
def store(site: Site) -> dict[str, Any]:
    """The options of a store with an account and a user."""
    options = {
        "stores_dir": site / "stores",
        "keys_dir": site / "keys",
        "definition": {
            "operator": {"name": "O", "signing_keys": ["o"]},
            "accounts": [{"name": "A", "users": [{"name": "u"}]}],
        },
    }
    site.run("store", **options)
    return options


def _again(site: Site, name: str, kind: str, issued_at: int, changed: Any = None) -> str:
    """Sign a token of the store again with the same key, at another time, and record it as issued by this store. Return its subject."""
    path = site.folder / name
    claims = codec.decode(path.read_text().strip())
    if changed is not None:
        changed(claims.body)
    issuer = claims.issuer
    seed = (site.folder / f"keys/keys/{issuer[0]}/{issuer[1:3]}/{issuer}.nk").read_text().strip()
    token = codec.encode(claims, nkey.from_seed(seed), issued_at)
    path.write_text(token)
    recorded = site.folder / "keys/.natsops/stores/O/record"
    for file in recorded.rglob("*.jwt"):
        if codec.decode(file.read_text().strip()).subject == claims.subject:
            file.write_text(token)
    assert claims.kind == kind
    return claims.subject


@pytest.mark.parametrize("issued_at", [LAST - 1, LAST])
def test_account_at_the_last_time_is_issued_once_more_or_refused(
    site: Site, store: dict[str, Any], issued_at: int
) -> None:
    subject = _again(site, "stores/O/accounts/A/A.jwt", "account", issued_at)
    wanted = {**store["definition"], "accounts": [{"name": "A", "tags": ["t"], "users": [{"name": "u"}]}]}
    if issued_at < LAST:
        site.run("store", **{**store, "definition": wanted})
        assert codec.decode(site.text("stores/O/accounts/A/A.jwt").strip()).issued_at == LAST
        site.keep("store", **{**store, "definition": wanted})
    else:
        message = site.refuse("store", **{**store, "definition": wanted})
        assert (
            f"The existing token with the subject {subject} was issued at the latest time that a token can have"
            in message
        )


def test_user_of_an_account_that_revokes_all_for_ever_is_refused(site: Site, store: dict[str, Any]) -> None:
    _again(
        site, "stores/O/accounts/A/A.jwt", "account", 1_800_000_000, lambda body: body.revocations.update({"*": LAST})
    )
    wanted = {
        **store["definition"],
        "accounts": [{"name": "A", "users": [{"name": "u", "tags": ["t"]}, {"name": "v"}]}],
    }
    message = site.refuse("store", **{**store, "definition": wanted})
    assert message.count("It is revoked up to the latest time that a token can have") == 2
    account = site / "stores/O/accounts/A/A.jwt"
    key = codec.decode(site.text("stores/O/accounts/A/A.jwt").strip()).subject
    seed = site.folder / f"keys/keys/A/{key[1:3]}/{key}.nk"
    message = site.refuse(
        "user",
        name="w",
        jwt_path=site / "w.jwt",
        key_path=site / "w.nk",
        account_jwt_path=account,
        signer_path=str(seed),
    )
    assert "It is revoked up to the latest time that a token can have" in message
