# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Stores rebuilt from loose files: files are assigned by their signatures, the newest trusted JWT is used, and missing parts are reported."""

from __future__ import annotations

import json
import pathlib
import random

from ansible_collections.natsops.security.plugins.module_utils.backup.contents import Contents, look_into
from ansible_collections.natsops.security.plugins.module_utils.backup.gather import gather
from ansible_collections.natsops.security.plugins.module_utils.backup.rebuild import (
    Rebuild,
    Rebuilt,
    Sought,
    Source,
    rebuild,
    roles_of,
)
from ansible_collections.natsops.security.plugins.module_utils.claims import (
    Account,
    Claims,
    Operator,
    SigningKey,
    User,
    UserAccess,
)
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.store.layout import Layout
from ansible_collections.natsops.security.plugins.module_utils.token import codec, decorated
from ansible_collections.natsops.security.tests.unit.raw_tokens import key

STORES = pathlib.Path(__file__).parents[1] / "data" / "nsc-stores"
NOW = 1_800_000_000
OPERATOR, OLD_SIGNING, SIGNING = key("operator", 61), key("operator", 62), key("operator", 63)
ACCOUNT, ACCOUNT_SIGNING, OTHER = key("account", 64), key("account", 65), key("account", 66)
USER, USER_2 = key("user", 67), key("user", 68)


def operator(name: str = "ACME", pair: nkey.KeyPair = OPERATOR, at: int = NOW, **body: object) -> str:
    return codec.encode(Claims(name=name, subject=pair.public_key, body=Operator(**body)), pair, at)


def account(
    name: str = "APP", pair: nkey.KeyPair = ACCOUNT, signer: nkey.KeyPair = OPERATOR, at: int = NOW, **body: object
) -> str:
    return codec.encode(Claims(name=name, subject=pair.public_key, body=Account(**body)), signer, at)


def user(
    name: str = "u", pair: nkey.KeyPair = USER, signer: nkey.KeyPair = ACCOUNT, at: int = NOW, account: str = ""
) -> str:
    return codec.encode(Claims(name=name, subject=pair.public_key, body=User(issuer_account=account)), signer, at)


def found(*texts: str) -> Rebuild:
    return rebuild(Source(f"file {number}", text) for number, text in enumerate(texts))


def only_store(*texts: str) -> Rebuilt:
    (store,) = found(*texts).stores
    return store


def test_store_of_nsc_is_rebuilt_from_its_files_in_any_order_and_place() -> None:
    for name in ("full", "plain"):
        contents = gather(Layout(str(STORES / name / "stores"), str(STORES / name / "keys"), name.upper()))
        texts = list(contents.files.values())
        random.Random(4711).shuffle(texts)
        result = found(*texts, *texts)
        (store,) = result.stores
        added = {path for path in store.contents.files if path not in contents.files}
        # nsc deleted the user `gone` but left its creds.
        assert all(path.endswith((".gitignore", "gone.jwt", ".nk")) for path in added)
        assert {path: store.contents.files.get(path) for path in contents.files} == contents.files
        assert look_into(store.contents).problems == []
        assert (result.unreadable, result.orphans, result.unused_seeds) == ([], [], {})


def test_tokens_and_seeds_are_found_in_creds_configurations_and_json() -> None:
    store = only_store(
        f"operator: {operator()}\nresolver_preload: {{ {ACCOUNT.public_key}: {account()} }}",
        json.dumps({"creds": decorated.format_creds(user(), USER), "keys": [OPERATOR.seed]}),
        decorated.decorate_seed(ACCOUNT.seed),
    )
    assert store.counts == {"accounts": 1, "users": 1, "seeds": 3, "creds": 1}
    assert store.contents.files["keys/creds/ACME/APP/u.creds"] == decorated.format_creds(user(), USER)
    assert store.missing_seeds == {}


def test_newest_token_counts_and_the_others_are_in_the_report() -> None:
    store = only_store(operator(), account("OLD", at=NOW - 10), account("NEW"), account("OLDER", at=NOW - 20))
    assert list(store.contents.files) == [
        "stores/ACME/ACME.jwt",
        "stores/ACME/accounts/NEW/NEW.jwt",
        "stores/ACME/.nsc",
        "keys/.gitignore",
    ]
    assert [line.partition(" of ")[0] for line in store.superseded] == [
        f"account OLD {ACCOUNT.public_key}",
        f"account OLDER {ACCOUNT.public_key}",
    ]
    assert all("there is a newer one in file 2." in line for line in store.superseded)


def test_newer_token_by_a_key_that_may_not_sign_any_more_does_not_count() -> None:
    store = only_store(
        operator(signing_keys=[SIGNING.public_key]),
        operator(signing_keys=[OLD_SIGNING.public_key, SIGNING.public_key], at=NOW - 100),
        account("TRUSTED", signer=SIGNING, at=NOW - 10),
        account("FORGED", signer=OLD_SIGNING),
    )
    assert "stores/ACME/accounts/TRUSTED/TRUSTED.jwt" in store.contents.files
    assert any("it is newer than the one in file 2, but it is signed by" in line for line in store.superseded)


def test_what_a_token_says_of_its_account_does_not_count_without_a_signature() -> None:
    forged = user("admin", signer=OTHER, account=ACCOUNT.public_key)
    result = found(operator(), account(), account("B", pair=OTHER), forged)
    (store,) = result.stores
    assert store.counts["users"] == 0
    assert len(result.orphans) == 1
    assert (
        f"its account {ACCOUNT.public_key} was not found, or does not have the key {OTHER.public_key}"
        in result.orphans[0]
    )


def test_users_of_signing_keys_are_filed_under_their_account() -> None:
    app = account(signing_keys=[SigningKey(key=ACCOUNT_SIGNING.public_key)])
    store = only_store(operator(), app, user(signer=ACCOUNT_SIGNING, account=ACCOUNT.public_key))
    assert "stores/ACME/accounts/APP/users/u.jwt" in store.contents.files
    assert store.missing_seeds == {
        OPERATOR.public_key: "operator ACME",
        ACCOUNT.public_key: "account APP",
        ACCOUNT_SIGNING.public_key: "signing key of the account APP",
        USER.public_key: "user APP/u",
    }
    assert store.users_without_creds == ["APP/u"]


def test_user_of_two_accounts_is_in_both() -> None:
    store = only_store(
        operator(), account(), account("B", pair=OTHER), user(), user(signer=OTHER, at=NOW - 5), USER.seed
    )
    assert store.counts == {"accounts": 2, "users": 2, "seeds": 1, "creds": 2}
    assert store.superseded == []


def test_revoked_users_are_named() -> None:
    store = only_store(operator(), account(revocations={USER.public_key: NOW}), user(), user("v", USER_2))
    assert store.revoked == ["APP/u"]


def test_names_that_are_taken_or_no_names_of_files_are_replaced() -> None:
    store = only_store(
        operator("a/b"),
        account("APP"),
        account("app", pair=OTHER, at=NOW - 5),
        user("../u"),
        user("", pair=USER_2),
    )
    names = [path for path in store.contents.files if path.endswith(".jwt")]
    assert names == [
        f"stores/a_b-{OPERATOR.public_key[:8]}/a_b-{OPERATOR.public_key[:8]}.jwt",
        f"stores/{store.contents.name}/accounts/APP/APP.jwt",
        f"stores/{store.contents.name}/accounts/APP/users/{USER_2.public_key[:8]}.jwt",
        f"stores/{store.contents.name}/accounts/APP/users/_u-{USER.public_key[:8]}.jwt",
        "stores/{0}/accounts/app-{1}/app-{1}.jwt".format(store.contents.name, OTHER.public_key[:8]),
    ]
    assert len(store.renamed) == 4
    assert look_into(store.contents).problems == []


def test_every_operator_has_a_store_of_its_own() -> None:
    second = key("operator", 70)
    result = found(
        operator(),
        operator("acme", pair=second, at=NOW - 5),
        account(),
        account("B", pair=OTHER, signer=second),
        OTHER.seed,
        key("account", 71).seed,
    )
    assert [(store.contents.name, store.operator) for store in result.stores] == [
        ("ACME", OPERATOR.public_key),
        (f"acme-{second.public_key[:8]}", second.public_key),
    ]
    assert [store.counts["accounts"] for store in result.stores] == [1, 1]
    assert result.unused_seeds == {key("account", 71).public_key: "file 5"}
    assert all(look_into(store.contents, store.operator).problems == [] for store in result.stores)


def test_what_belongs_nowhere_is_in_the_report() -> None:
    result = found(
        operator(),
        operator()[:-6] + "AAAAAA",
        account("X", signer=key("operator", 72)),
        codec.encode(Claims(name="F", subject=OPERATOR.public_key, body=Operator()), key("operator", 73), NOW),
        "nothing here",
        "",
    )
    assert [line.partition(":")[0] for line in result.unreadable] == ["file 1"]
    assert len(result.orphans) == 1
    assert "no operator that was found has the key" in result.orphans[0]
    assert result.stores[0].superseded[0].startswith("operator F ")
    assert found("nothing") == Rebuild([], [], [], {}, [])
    assert (
        "it is signed by"
        in found(codec.encode(Claims(name="F", subject=OPERATOR.public_key, body=Operator()), SIGNING, NOW)).orphans[0]
    )


def test_contents_are_those_of_a_backup() -> None:
    store = only_store(operator(), account(), user(), OPERATOR.seed, ACCOUNT.seed, USER.seed)
    assert isinstance(store.contents, Contents)
    assert json.loads(store.contents.files["stores/ACME/.nsc"])["managed"] is False
    # Accounts of a managed store may be self-signed. Accounts of a rebuilt store never are, with or without the operator's key.
    assert json.loads(only_store(operator()).contents.files["stores/ACME/.nsc"])["managed"] is False


def test_store_that_is_sought_comes_first_and_has_the_name_that_is_given() -> None:
    second = key("operator", 70)
    sources = [Source("a", operator()), Source("b", operator("B", pair=second))]
    stores = rebuild(sources, Sought(second.public_key, "mine")).stores
    assert [(store.contents.name, store.operator) for store in stores] == [
        ("mine", second.public_key),
        ("ACME", OPERATOR.public_key),
    ]
    assert "stores/mine/mine.jwt" in stores[0].contents.files


def test_seeds_of_a_keystore_are_used_for_the_keys_that_jwts_name() -> None:
    pairs = {pair.public_key: pair for pair in (OPERATOR, USER, OTHER)}
    texts = (operator(), account(), user())
    (store,) = rebuild([Source("a", text) for text in texts], Sought(keystore=pairs.get)).stores
    assert store.counts == {"accounts": 1, "users": 1, "seeds": 2, "creds": 1}
    assert list(store.missing_seeds) == [ACCOUNT.public_key]


def test_role_of_a_signing_key_is_that_of_its_scope() -> None:
    scoped = SigningKey(key=ACCOUNT_SIGNING.public_key, role="reader", template=UserAccess())
    app = account(signing_keys=[scoped, SigningKey(key=OTHER.public_key)])
    store = only_store(operator(signing_keys=[SIGNING.public_key]), app)
    assert store.without_role == {
        SIGNING.public_key: "signing key of the operator ACME",
        OTHER.public_key: "signing key of the account APP",
    }
    assert roles_of([codec.decode(app)]) == {ACCOUNT.public_key: {"reader": ACCOUNT_SIGNING.public_key}}
    repeated = [scoped, SigningKey(key=OTHER.public_key, role="reader", template=UserAccess())]
    assert roles_of([codec.decode(account(signing_keys=repeated))]) == {}


def test_damaged_files_are_named() -> None:
    seed, token = USER.seed, account()
    mistyped = seed[:20] + ("B" if seed[20] == "A" else "A") + seed[21:]
    sources = {
        "cut.jwt": token[: len(token) // 2],
        "tampered.jwt": token[:-6] + "AAAAAA",
        "empty.jwt": "",
        "cut.nk": seed[:-4],
        "mistyped.nk": mistyped,
        "notes.txt": f"the seed of u is {mistyped}",
        "half.creds": token,
        "whole.creds": decorated.format_creds(user(), USER),
        "anything.txt": "eyJ is how JWTs begin",
    }
    result = rebuild([Source("o.jwt", operator()), *(Source(name, text) for name, text in sources.items())])
    named = sorted(line.partition(":")[0] for line in result.unreadable)
    assert named == sorted(set(sources) - {"whole.creds", "anything.txt"})
    assert not any(mistyped[10:40] in line or seed[10:40] in line for line in result.unreadable)


def test_same_jwt_in_several_files_is_named_but_for_creds() -> None:
    result = found(operator(), account(), account(), decorated.format_creds(user(), USER), user())
    assert [line.rpartition(": ")[2] for line in result.duplicates] == ["it is in file 2 too."]
