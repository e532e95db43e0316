# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The paths of nsc's layout, and the data that is read from its files without verification."""

from __future__ import annotations

import os
import pathlib

import pytest

from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.claims import Claims, User
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.keys.keyring import Keyring
from ansible_collections.natsops.security.plugins.module_utils.reconcile.trust import NOTHING, Said, peek
from ansible_collections.natsops.security.plugins.module_utils.store import layout
from ansible_collections.natsops.security.plugins.module_utils.store.layout import Layout
from ansible_collections.natsops.security.plugins.module_utils.token import codec, decorated


def test_folders_are_those_of_nsc() -> None:
    home = os.path.expanduser("~")  # noqa: PTH111
    assert layout.default_stores_dir({}) == f"{home}/.local/share/nats/nsc/stores"
    assert layout.default_stores_dir({"XDG_DATA_HOME": "/data"}) == "/data/nats/nsc/stores"
    assert layout.default_keys_dir({"XDG_DATA_HOME": "/data"}) == "/data/nats/nsc/keys"
    assert layout.default_keys_dir({"XDG_DATA_HOME": "/data", "NKEYS_PATH": "/keys"}) == "/keys"


@pytest.mark.parametrize("name", ["", "a/b", "a\\b", ".", "..", " a", "a ", "a\0b", "x" * 241])
def test_names_that_are_no_file_are_refused(name: str) -> None:
    assert layout.name_problem(name)


@pytest.mark.parametrize("name", ["a", "A b", "ünïcode", "x" * 240, ".hidden"])
def test_names_that_nsc_has_are_fine(name: str) -> None:
    assert layout.name_problem(name) == ""


def test_creds_are_those_of_the_library_without_reading_the_token() -> None:
    account, user = nkey.create("account"), nkey.create("user")
    jwt = codec.encode(Claims(name="u", subject=user.public_key, body=User()), account, 1)
    assert decorated.creds_text(jwt, user.seed) == decorated.format_creds(jwt, user)


def test_peek_tells_what_a_token_is_about() -> None:
    account, user = nkey.create("account"), nkey.create("user")
    body = User()
    body.issuer_account = account.public_key
    jwt = codec.encode(Claims(name="ü>", subject=user.public_key, body=body), account, 1)
    assert peek(jwt) == Said(user.public_key, account.public_key, account.public_key, "ü>")
    for text in ("", "a.b.c", "..", "a." + "W10" + ".c", "a.bnVsbA.c", "x"):
        assert peek(text) == NOTHING


def test_keyring_has_what_is_in_the_keystore_or_was_given(tmp_path: pathlib.Path) -> None:
    stored, given, absent = nkey.create("user"), nkey.create("account"), nkey.create("user")
    where = Layout(str(tmp_path / "stores"), str(tmp_path / "keys"), "ACME")
    path = pathlib.Path(where.key(stored.public_key))
    path.parent.mkdir(parents=True)
    path.write_text(stored.seed)
    ring = Keyring([given], [where.keys_dir])
    assert [ring.has(pair.public_key) for pair in (stored, given, absent)] == [True, True, False]
    assert ring.pair(stored.public_key).seed == stored.seed
    assert [found and found.seed for found in map(ring.find, (stored.public_key, absent.public_key))] == [
        stored.seed,
        None,
    ]
    path.write_text(absent.seed)
    with pytest.raises(NatsSecurityError, match="it holds the seed of another key") as caught:
        Keyring((), [where.keys_dir]).pair(stored.public_key)
    assert Keyring((), [where.keys_dir]).find(stored.public_key) is None
    assert absent.seed not in str(caught.value)
