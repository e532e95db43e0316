# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""nats_store continues with a store restored from its backup or from loose files: the same document changes nothing."""

from __future__ import annotations

import pathlib
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from ansible_collections.natsops.security.plugins.module_utils.backup.bundle import Keys, read_bundle, write_sealed
from ansible_collections.natsops.security.plugins.module_utils.backup.contents import Contents
from ansible_collections.natsops.security.plugins.module_utils.backup.gather import gather
from ansible_collections.natsops.security.plugins.module_utils.backup.rebuild import Source, rebuild
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.store.layout import Layout

if TYPE_CHECKING:
    from support.sites import Site

NOW = 1_800_000_000
DOCUMENT: dict[str, Any] = {
    "operator": {"name": "ACME", "signing_keys": ["main"], "system_account": "SYS", "strict_signing_key_usage": True},
    "accounts": [
        {"name": "SYS", "users": [{"name": "sys"}], "signing_keys": ["main"]},
        {
            "name": "APP",
            "signing_keys": [
                {"role": "main"},
                {"role": "reader", "template": {"permissions": {"subscribe": {"allow": ["prices.>"]}}}},
            ],
            "exports": [{"subject": "orders.*", "type": "service", "token_required": True}],
            "users": [{"name": "orders"}, {"name": "dashboard", "signing_key_role": "reader"}],
        },
        {
            "name": "PARTNER",
            "signing_keys": ["main"],
            "imports": [{"account": "APP", "subject": "orders.create", "type": "service"}],
            "users": [{"name": "shop"}],
        },
    ],
}


@pytest.fixture
def made(site: Site) -> dict[str, Any]:
    """The options of nats_store for a store that exists."""
    options = {"definition": DOCUMENT, "stores_dir": site / "stores", "keys_dir": site / "keys"}
    site.run("store", **options)
    return options


def taken(site: Site) -> Contents:
    return gather(Layout(site / "stores", site / "keys", "ACME"))


def put(site: Site, contents: Contents) -> None:
    """Replace all files of the store with these, as a restore does."""
    for name in ("stores", "keys"):
        shutil.rmtree(site / name)
    for path, text in contents.files.items():
        site.write(path, text, 0o600)
    for folder in (pathlib.Path(site / "stores"), pathlib.Path(site / "keys")):
        for path in (folder, *folder.rglob("*")):
            if path.is_dir():
                path.chmod(0o700)


def test_same_document_changes_nothing_in_a_store_from_its_backup(site: Site, made: dict[str, Any]) -> None:
    pair, before = nkey.create("curve"), taken(site)
    operator = site.claims("stores/ACME/ACME.jwt").subject
    found = read_bundle(write_sealed(before, [pair.public_key], NOW), Keys([pair]), operator)
    assert (found.held.problems, found.held.missing_seeds) == ([], {})
    put(site, found.contents)
    site.keep("store", **made)
    assert taken(site) == before


def test_store_from_its_jwts_and_seeds_is_adopted_without_a_new_jwt(site: Site, made: dict[str, Any]) -> None:
    before = taken(site)
    loose = [text for path, text in before.files.items() if path.endswith((".jwt", ".nk")) and "/record/" not in path]
    (store,) = rebuild(Source("somewhere", text) for text in reversed(loose)).stores
    assert store.missing_seeds == {}
    put(site, store.contents)
    result = site.run("store", **made)
    # A JWT does not name the role of a key without a scope; the document does, and each account has one such key.
    reissued = [
        entity
        for entity in result["entities"]
        if entity["kind"] in ("operator", "account", "user") and entity["action"] != "kept"
    ]
    assert reissued == []
    tokens = {path: text for path, text in before.files.items() if path.endswith((".jwt", ".nk", ".creds"))}
    assert {path: text for path, text in taken(site).files.items() if path in tokens} == tokens
    site.keep("store", **made)
