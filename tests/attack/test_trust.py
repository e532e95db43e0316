# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""An attacker who can write the JWT files of a store, but not its keystore, gets nothing signed by its keys: each exchanged file is reported and unchanged."""

from __future__ import annotations

import copy
import dataclasses
import json
import pathlib
import shutil
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from ansible_collections.natsops.security.plugins.module_utils.claims import Account, Claims, Operator, SigningKey, User
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.keys.nkey import KeyPair
from ansible_collections.natsops.security.plugins.module_utils.token import codec, decorated

if TYPE_CHECKING:
    from support.sites import Site

DEFINITION: dict[str, Any] = {
    "operator": {"name": "ACME", "signing_keys": ["main"], "system_account": "SYS"},
    "accounts": [
        {"name": "SYS", "signing_keys": ["main"], "users": [{"name": "sys"}]},
        {
            "name": "APP",
            "signing_keys": ["main", {"role": "reader", "template": {}}],
            "exports": [{"subject": "orders.*", "type": "service", "token_required": True}],
            "users": [
                {"name": "one"},
                {"name": "two"},
                {"name": "bare", "creds": False},
                {"name": "other", "creds": False},
                {"name": "read", "signing_key_role": "reader", "creds": False},
            ],
        },
        {
            "name": "PARTNER",
            "signing_keys": ["main"],
            "imports": [{"account": "APP", "subject": "orders.new", "type": "service"}],
            "users": [{"name": "one"}, {"name": "bare", "creds": False}],
        },
    ],
}

OPERATOR = "stores/ACME/ACME.jwt"
ROLES = "stores/ACME/.natsops/roles.json"


def account_file(name: str) -> str:
    """The file of an account's JWT."""
    return f"stores/ACME/accounts/{name}/{name}.jwt"


def user_file(account: str, name: str) -> str:
    """The file of a user's JWT."""
    return f"stores/ACME/accounts/{account}/users/{name}.jwt"


@dataclasses.dataclass
class Store:
    """A store, the document it was made from, and the keys of an attacker who can write its JWTs."""

    site: Site
    definition: dict[str, Any]
    mallory: dict[str, KeyPair] = dataclasses.field(default_factory=dict)

    @property
    def options(self) -> dict[str, Any]:
        """The options that locate the store."""
        return {"stores_dir": self.site / "stores", "keys_dir": self.site / "keys"}

    def account(self, name: str) -> dict[str, Any]:
        """An account of the document."""
        return next(account for account in self.definition["accounts"] if account["name"] == name)

    def user(self, account: str, name: str) -> dict[str, Any]:
        """A user of the document."""
        return next(user for user in self.account(account)["users"] if user["name"] == name)

    def apply(self, **options: Any) -> dict[str, Any]:
        """The result of a run with the document."""
        return self.site.run("store", definition=self.definition, **self.options, **options)

    def keep(self) -> None:
        """Run with the document, and assert that nothing changes."""
        self.site.keep("store", definition=self.definition, **self.options)

    def refuse(self, *words: str, **options: Any) -> str:
        """The message of a run that fails and writes nothing. Asserts that it contains the words."""
        message = self.site.refuse("store", definition=self.definition, **self.options, **options)
        for word in words:
            assert word in message, message
        return message

    def info(self) -> dict[str, Any]:
        """The result of nats_store_info."""
        return self.site.check("store_info", **self.options)

    def claims(self, file: str) -> Claims:
        """The claims in a file."""
        found: Claims = self.site.claims(file)
        return found

    def key(self, kind: str) -> KeyPair:
        """A key of the attacker."""
        return self.mallory.setdefault(kind, nkey.create(kind))

    def put(self, file: str, claims: Claims, signer: KeyPair) -> str:
        """Replace the token in a file by a newer one. Return the path of the file."""
        issued_at = max(int(time.time()), claims.issued_at) + 1
        return self.site.write(file, codec.encode(claims, signer, issued_at), 0o600)

    def changed(self, file: str, **members: Any) -> Claims:
        """The claims in a file, with other values of members of the claims or of their body."""
        claims = copy.deepcopy(self.claims(file))
        for name, value in members.items():
            setattr(claims if hasattr(claims, name) else claims.body, name, value)
        return claims

    def swap(self, one: str, other: str) -> tuple[str, str]:
        """Swap two files. Return their paths."""
        texts = self.site.text(one), self.site.text(other)
        return self.site.write(one, texts[1], 0o600), self.site.write(other, texts[0], 0o600)

    def seeds(self) -> set[str]:
        """The public keys of the seeds in the keystore."""
        return {path.stem for path in (self.site.folder / "keys/keys").rglob("*.nk")}


@pytest.fixture(scope="module")
def _made(
    tmp_path_factory: pytest.TempPathFactory, collections_path: pathlib.Path, core: Any, modules: Any
) -> pathlib.Path:
    from support.sites import Site

    site = Site(tmp_path_factory.mktemp("made"), collections_path, core, modules)
    Store(site, copy.deepcopy(DEFINITION)).apply()
    return site.folder


@pytest.fixture
def store(_made: pathlib.Path, site: Site) -> Store:
    """A store created by a run."""
    shutil.copytree(_made, site.folder, dirs_exist_ok=True)
    return Store(site, copy.deepcopy(DEFINITION))


# ---- accounts


def self_signed(store: Store, name: str) -> tuple[Claims, KeyPair]:
    """An account of the attacker that lists the key of the genuine account as a signing key."""
    pair = store.key("account")
    ours = store.claims(account_file(name)).subject
    return Claims(name=name, subject=pair.public_key, body=Account(signing_keys=[SigningKey(key=ours)])), pair


def signed_by_another_operator(store: Store, name: str) -> tuple[Claims, KeyPair]:
    """The genuine account with an additional signing key, signed by the attacker's operator."""
    keys = [*store.claims(account_file(name)).body.signing_keys, SigningKey(key=store.key("account").public_key)]
    return store.changed(account_file(name), signing_keys=keys), store.key("operator")


def signed_by_another_account(store: Store, name: str) -> tuple[Claims, KeyPair]:
    """The genuine account, signed by an account."""
    return store.changed(account_file(name)), store.key("account")


FORGED_ACCOUNTS = [self_signed, signed_by_another_operator, signed_by_another_account]


@pytest.mark.parametrize(("forge", "name"), [*((forge, "APP") for forge in FORGED_ACCOUNTS), (self_signed, "SYS")])
def test_account_that_no_key_of_the_operator_signed(
    store: Store, forge: Callable[[Store, str], tuple[Claims, KeyPair]], name: str
) -> None:
    genuine = store.info()["definition"]
    operator = store.claims(OPERATOR)
    claims, signer = forge(store, name)
    path = store.put(account_file(name), claims, signer)
    signed_by = "itself" if signer.public_key == claims.subject else signer.public_key
    words = (
        path,
        claims.subject,
        f"its signer is {signed_by}, which is not a key of the operator ACME",
        operator.subject,
    )
    message = store.refuse(*words)
    assert message == store.site.refuse("store", {"check": True}, definition=store.definition, **store.options)
    # The run fails regardless of what the document requests for the account.
    store.account(name)["limits"] = {"connections": 7}
    store.refuse(*words, prune=True)
    store.account(name).update(state="absent")
    store.definition["operator"].pop("system_account")
    store.refuse(path, claims.subject)
    told = store.info()
    assert told["definition"] == genuine
    assert any(problem["path"] == path and problem["blocking"] for problem in told["problems"])


@pytest.mark.parametrize("forge", FORGED_ACCOUNTS)
def test_forged_account_that_the_document_does_not_have(
    store: Store, forge: Callable[[Store, str], tuple[Claims, KeyPair]]
) -> None:
    claims, signer = forge(store, "APP")
    claims.name = "MORE"
    path = store.put(account_file("MORE"), claims, signer)
    before = store.seeds()
    store.refuse(path, claims.subject, prune=True)
    store.definition["accounts"].append({"name": "MORE"})
    store.refuse(path, claims.subject)
    assert store.seeds() == before
    assert all(account["name"] != "MORE" for account in store.info()["definition"]["accounts"])


def test_forged_account_in_a_store_that_is_not_on_record(store: Store) -> None:
    shutil.rmtree(store.site.folder / "keys/.natsops")
    claims, signer = signed_by_another_operator(store, "APP")
    path = store.put(account_file("APP"), claims, signer)
    message = store.refuse(path, claims.subject, "name its key in its public_key and remove the file")
    assert message.count("\n") == 1, "its users are no problem of their own"
    assert all(account["name"] != "APP" for account in store.info()["definition"]["accounts"])


def test_accounts_swapped(store: Store) -> None:
    app, partner = store.claims(account_file("APP")).subject, store.claims(account_file("PARTNER")).subject
    for path in store.swap(account_file("APP"), account_file("PARTNER")):
        store.refuse(path, app, partner)


def test_accounts_swapped_in_a_store_that_is_not_on_record(store: Store) -> None:
    shutil.rmtree(store.site.folder / "keys/.natsops")
    app, partner = store.claims(account_file("APP")).subject, store.claims(account_file("PARTNER")).subject
    one, other = store.swap(account_file("APP"), account_file("SYS"))
    store.refuse(one, other, app, "for the account SYS, not for APP", "for the account APP, not for SYS")
    assert partner not in store.info()["problems"]


def test_account_of_another_name_under_a_new_one(store: Store) -> None:
    text = store.site.text(account_file("SYS"))
    path = store.site.write(account_file("MORE"), text, 0o600)
    store.definition["accounts"].append({"name": "MORE"})
    store.refuse(path, "for the account SYS, not for MORE")


def test_account_that_was_removed_comes_back(store: Store) -> None:
    removed = store.site.text(account_file("PARTNER"))
    key = store.claims(account_file("PARTNER")).subject
    partner = store.account("PARTNER")
    store.definition["accounts"].remove(partner)
    store.apply(prune=True)
    path = store.site.write(account_file("PARTNER"), removed, 0o600)
    store.definition["accounts"].append(partner)
    store.refuse(path, key, "that account was removed")
    # With a new key it is a different account.
    (store.site.folder / account_file("PARTNER")).unlink()
    store.apply()
    store.site.write(account_file("PARTNER"), removed, 0o600)
    store.refuse(path, key, store.claims("keys/.natsops/stores/ACME/record/accounts/PARTNER.jwt").subject)


@pytest.mark.parametrize("file", [account_file("APP"), OPERATOR])
def test_older_jwt_brings_nothing_back(store: Store, file: str) -> None:
    old = store.site.text(file)
    gone = {subject.key if hasattr(subject, "key") else subject for subject in store.claims(file).body.signing_keys}
    user = store.claims(user_file("APP", "one")).subject
    store.account("APP").update(revocations={user: "now"}, signing_keys=["new"])
    store.account("APP")["users"] = [{"name": "two", "signing_key_role": "new"}]
    if file == OPERATOR:
        store.definition["operator"]["signing_keys"] = ["new"]
    store.apply(prune=True, cut_off=True)
    store.account("APP").pop("revocations")
    store.apply()
    new = store.site.text(file)
    store.site.write(file, old, 0o600)
    store.apply()
    assert store.site.text(file) == new
    assert user in store.claims(account_file("APP")).body.revocations
    keys = {getattr(key, "key", key) for key in store.claims(file).body.signing_keys}
    assert not keys & gone
    store.keep()


def test_revocation_that_another_program_made_at_the_same_time_stays(store: Store) -> None:
    """The other program uses no lock, so its JWT may be based on an older one. Only its revocations are adopted."""
    file, revoked = account_file("APP"), nkey.create("user").public_key
    other = store.claims(file)
    store.account("APP")["description"] = "ours"
    store.apply()
    other.body.revocations[revoked] = other.issued_at
    other.body.description = "theirs"
    seed = store.site.text(f"keys/keys/O/{other.issuer[1:3]}/{other.issuer}.nk").strip()
    store.site.write(file, codec.encode(other, nkey.from_seed(seed), other.issued_at), 0o600)
    store.apply()
    assert store.claims(file).body.revocations[revoked] == other.issued_at
    assert store.claims(file).body.description == "ours"
    store.keep()


@pytest.mark.parametrize("file", [account_file("APP"), OPERATOR])
def test_jwt_that_is_gone_is_put_back(store: Store, file: str) -> None:
    before = store.site.text(file)
    (store.site.folder / file).unlink()
    result = store.apply()
    assert store.site.text(file) == before
    assert [entity["reasons"] for entity in result["entities"] if entity["action"] == "changed"] == [
        ["its file is missing, the recorded JWT is used"]
    ]
    store.keep()


def test_accounts_without_any_jwt_of_the_operator(store: Store) -> None:
    shutil.rmtree(store.site.folder / "keys/.natsops")
    (store.site.folder / OPERATOR).unlink()
    store.refuse(store.site / OPERATOR, "the accounts cannot be verified")


def test_marker_does_not_let_accounts_sign_themselves(store: Store) -> None:
    claims, signer = self_signed(store, "APP")
    path = store.put(account_file("APP"), claims, signer)
    marker = json.loads(store.site.text("stores/ACME/.nsc"))
    store.site.write("stores/ACME/.nsc", json.dumps({**marker, "managed": True}), 0o600)
    store.refuse(path, claims.subject, "which is not a key of the operator ACME")
    assert store.info()["managed"] is False


# ---- the operator


def another_operator(store: Store) -> tuple[Claims, KeyPair]:
    """The attacker's operator, which lists the keys of the genuine operator as its signing keys."""
    pair, ours = store.key("operator"), store.claims(OPERATOR)
    body = dataclasses.replace(ours.body, signing_keys=[ours.subject, *ours.body.signing_keys])
    return Claims(name="ACME", subject=pair.public_key, body=body), pair


def our_operator_signed_by_a_key_that_it_lists(store: Store) -> tuple[Claims, KeyPair]:
    """The genuine operator with a signing key of the attacker, signed by that key."""
    pair, ours = store.key("operator"), store.claims(OPERATOR)
    return store.changed(OPERATOR, signing_keys=[*ours.body.signing_keys, pair.public_key]), pair


def our_operator_signed_by_another(store: Store) -> tuple[Claims, KeyPair]:
    """The genuine operator, signed by another one."""
    return store.changed(OPERATOR), store.key("operator")


FORGED_OPERATORS = [another_operator, our_operator_signed_by_a_key_that_it_lists, our_operator_signed_by_another]


@pytest.mark.parametrize("forge", FORGED_OPERATORS)
def test_operator_jwt_of_somebody_else(store: Store, forge: Callable[[Store], tuple[Claims, KeyPair]]) -> None:
    genuine = store.info()["definition"]
    ours = store.claims(OPERATOR).subject
    claims, signer = forge(store)
    path = store.put(OPERATOR, claims, signer)
    signed_by = "itself" if signer.public_key == claims.subject else signer.public_key
    message = store.refuse(path, claims.subject, signed_by, ours)
    assert message.count("\n") == 1, "what is below is no problem of its own"
    store.definition["operator"]["strict_signing_key_usage"] = True
    store.refuse(path)
    told = store.info()
    assert told["definition"] == genuine
    assert any(problem["path"] == path and problem["blocking"] for problem in told["problems"])


@pytest.mark.parametrize("forge", FORGED_OPERATORS[1:])
def test_operator_jwt_of_somebody_else_where_only_the_document_names_the_operator(
    store: Store, forge: Callable[[Store], tuple[Claims, KeyPair]]
) -> None:
    store.definition["operator"]["public_key"] = store.claims(OPERATOR).subject
    shutil.rmtree(store.site.folder / "keys/.natsops")
    claims, signer = forge(store)
    path = store.put(OPERATOR, claims, signer)
    assert store.refuse(path, claims.subject, signer.public_key).count("\n") == 1


def test_operator_and_everything_below_swapped(store: Store) -> None:
    """The whole store is replaced by another one that is consistent in itself."""
    theirs = store.site.folder / "theirs"
    options = {"stores_dir": str(theirs / "stores"), "keys_dir": str(theirs / "keys")}
    store.site.run("store", definition=DEFINITION, **options)
    shutil.rmtree(store.site.folder / "stores")
    shutil.copytree(theirs / "stores", store.site.folder / "stores")
    message = store.refuse(store.site / OPERATOR)
    for name in ("SYS", "APP", "PARTNER"):
        assert store.site / account_file(name) in message


def test_document_names_the_new_key_of_the_operator(store: Store) -> None:
    """As after nsc reissue operator: a new key, and everything below it is signed again."""
    old, pair = store.claims(OPERATOR), nkey.create("operator")
    store.put(OPERATOR, store.changed(OPERATOR, subject=pair.public_key), pair)
    store.site.write(f"keys/keys/O/{pair.public_key[1:3]}/{pair.public_key}.nk", pair.seed, 0o600)
    store.refuse("name that in operator.public_key", old.subject, pair.public_key)
    store.definition["operator"]["public_key"] = pair.public_key
    result = store.apply()
    reason = result["entities"][0]["reasons"][-1]
    assert reason == (
        f"the operator's key {pair.public_key} is recorded in {store.site / 'keys/.natsops/stores/ACME/record'}, replacing {old.subject}"
    )
    store.keep()
    del store.definition["operator"]["public_key"]
    store.keep()


def test_operator_without_jwt_and_seed(store: Store) -> None:
    shutil.rmtree(store.site.folder / "stores")
    (store.site.folder / "keys/.natsops/stores/ACME/record/operator.jwt").unlink()
    key = json.loads(store.site.text("keys/.natsops/stores/ACME/record/store.json"))["operator"]
    seed = store.site.folder / f"keys/keys/O/{key[1:3]}/{key}.nk"
    text = seed.read_text()
    seed.unlink()
    store.refuse(key, "neither its JWT nor its seed is available")
    seed.write_text(text)
    seed.chmod(0o600)
    store.apply()
    assert store.claims(OPERATOR).subject == key


def test_store_that_is_gone_comes_back_from_the_record(store: Store) -> None:
    before = {path: store.site.text(path) for path in (OPERATOR, account_file("APP"), account_file("SYS"))}
    shutil.rmtree(store.site.folder / "stores")
    store.apply()
    assert {path: store.site.text(path) for path in before} == before


# ---- users


def user_of_somebody_else(store: Store) -> tuple[Claims, KeyPair]:
    """A user signed by the attacker's account."""
    return Claims(name="bare", subject=store.key("user").public_key, body=User()), store.key("account")


def user_in_the_name_of_ours(store: Store) -> tuple[Claims, KeyPair]:
    """The same user, with the genuine account as its issuer account."""
    claims, signer = user_of_somebody_else(store)
    claims.body.issuer_account = store.claims(account_file("APP")).subject
    return claims, signer


def our_user_with_more(store: Store) -> tuple[Claims, KeyPair]:
    """The genuine user, signed by the attacker's account."""
    return store.changed(user_file("APP", "bare")), store.key("account")


@pytest.mark.parametrize(
    ("forge", "name"),
    [
        (user_of_somebody_else, "bare"),
        (user_in_the_name_of_ours, "read"),
        (user_in_the_name_of_ours, "one"),
        (our_user_with_more, "bare"),
    ],
)
def test_user_that_no_key_of_the_account_signed(
    store: Store, forge: Callable[[Store], tuple[Claims, KeyPair]], name: str
) -> None:
    claims, signer = forge(store)
    claims.name = name
    path = store.put(user_file("APP", name), claims, signer)
    before = store.seeds()
    words = (path, claims.subject, f"its signer is {signer.public_key}, which is not a key of the account APP")
    store.user("APP", name)["tags"] = ["x"]
    store.refuse(*words)
    store.user("APP", name)["state"] = "absent"
    store.refuse(*words)
    store.account("APP")["users"].remove(store.user("APP", name))
    store.refuse(*words, prune=True)
    assert store.seeds() == before
    told = store.info()
    assert any(problem["path"] == path and problem["blocking"] for problem in told["problems"])
    (app,) = (account for account in told["definition"]["accounts"] if account["name"] == "APP")
    assert name not in [user["name"] for user in app["users"]]


def test_forged_user_that_the_account_itself_refers_to(store: Store) -> None:
    """The account lists the user of its auth callout by its key, which nats_store looks up in the user's JWT."""
    store.account("APP")["authorization"] = {"auth_users": ["bare"]}
    claims, signer = user_in_the_name_of_ours(store)
    path = store.put(user_file("APP", "bare"), claims, signer)
    store.refuse(path, claims.subject)


def test_users_swapped(store: Store) -> None:
    bare, other = store.claims(user_file("APP", "bare")).subject, store.claims(user_file("APP", "other")).subject
    paths = store.swap(user_file("APP", "bare"), user_file("APP", "other"))
    store.refuse(*paths, bare, other, "for the user other, not for bare")
    # They are accepted if the document has these keys.
    store.user("APP", "bare")["public_key"], store.user("APP", "other")["public_key"] = other, bare
    store.apply()
    assert store.claims(user_file("APP", "bare")).subject == other


def test_users_of_one_name_swapped_between_accounts(store: Store) -> None:
    for path in store.swap(user_file("APP", "bare"), user_file("PARTNER", "bare")):
        store.refuse(path)


def test_user_of_another_account_that_has_the_same_signing_key(store: Store) -> None:
    shared = store.claims(user_file("APP", "bare")).issuer
    keys = [*store.claims(account_file("PARTNER")).body.signing_keys, SigningKey(key=shared)]
    operator = store.site.folder / "keys/keys/O"
    signer = store.claims(account_file("PARTNER")).issuer
    pair = nkey.from_seed((operator / signer[1:3] / f"{signer}.nk").read_text())
    store.put(account_file("PARTNER"), store.changed(account_file("PARTNER"), signing_keys=keys), pair)
    path = store.site.write(user_file("PARTNER", "bare"), store.site.text(user_file("APP", "bare")), 0o600)
    store.refuse(path, store.claims(account_file("APP")).subject)


def test_user_that_was_removed_comes_back(store: Store) -> None:
    removed, key = store.site.text(user_file("APP", "bare")), store.claims(user_file("APP", "bare")).subject
    user = store.user("APP", "bare")
    user["state"] = "absent"
    store.apply()
    user["state"] = "present"
    store.apply()
    assert store.claims(user_file("APP", "bare")).subject != key
    path = store.site.write(user_file("APP", "bare"), removed, 0o600)
    store.refuse(path, key, "that user was removed")
    user["public_key"] = key
    store.apply()
    assert store.claims(user_file("APP", "bare")).subject == key


def test_user_without_jwt_keeps_the_key_of_its_creds(store: Store) -> None:
    key = store.claims(user_file("APP", "one")).subject
    (store.site.folder / user_file("APP", "one")).unlink()
    store.apply()
    assert store.claims(user_file("APP", "one")).subject == key
    assert decorated.find_seed(store.site.text("keys/creds/ACME/APP/one.creds")).public_key == key


def test_users_without_any_jwt_of_their_account(store: Store) -> None:
    shutil.rmtree(store.site.folder / "keys/.natsops")
    (store.site.folder / account_file("APP")).unlink()
    message = store.refuse(store.site / account_file("APP"), "the JWTs of its users cannot be verified")
    assert message.count("\n") == 1


# ---- roles, the journal


@pytest.mark.parametrize(
    ("owner", "role", "recorded"),
    [("operator", "main", True), ("operator", "extra", False), ("APP", "extra", True), ("APP", "main", False)],
)
def test_role_does_not_make_a_key_a_signing_key(store: Store, owner: str, role: str, recorded: bool) -> None:
    file = OPERATOR if owner == "operator" else account_file(owner)
    kind = "operator" if owner == "operator" else "account"
    if not recorded:
        shutil.rmtree(store.site.folder / "keys/.natsops")
    roles = json.loads(store.site.text(ROLES))
    roles[store.claims(file).subject][role] = store.key(kind).public_key
    path = store.site.write(ROLES, json.dumps(roles), 0o600)
    keys = (store.definition["operator"] if owner == "operator" else store.account(owner))["signing_keys"]
    if role not in keys:
        keys.append(role)
    if recorded:
        result = store.apply()
        assert f"{path} is not what the last run wrote" in result["entities"][0]["reasons"][0]
        store.keep()
    else:
        store.refuse(path, role, store.key(kind).public_key, "is not a key of the")
    found = {getattr(key, "key", key) for key in store.claims(file).body.signing_keys}
    assert store.key(kind).public_key not in found


def test_roles_swapped_do_not_remove_the_wrong_key(store: Store) -> None:
    store.definition["operator"]["signing_keys"].append("old")
    store.apply()
    key = store.claims(OPERATOR).subject
    roles = json.loads(store.site.text(ROLES))
    old = roles[key]["old"]
    roles[key] = {"main": old, "old": roles[key]["main"]}
    store.site.write(ROLES, json.dumps(roles), 0o600)
    store.definition["operator"].update(signing_keys=["main"], remove_signing_keys=["old"])
    store.apply()
    assert old not in store.claims(OPERATOR).body.signing_keys


def test_role_of_an_account_that_is_to_be_made(store: Store) -> None:
    """A placeholder stands for the key of an account until the key is created."""
    roles = json.loads(store.site.text(ROLES))
    evil = store.key("account").public_key
    roles["(a new account key: MORE)"] = {"main": evil}
    store.site.write(ROLES, json.dumps(roles), 0o600)
    store.definition["accounts"].append({"name": "MORE", "signing_keys": ["main"]})
    store.apply()
    assert evil not in store.site.text(ROLES)
    assert [key.key for key in store.claims(account_file("MORE")).body.signing_keys] != [evil]


def test_journal_beside_the_jwts_names_no_keys(store: Store) -> None:
    system = store.claims(account_file("SYS")).subject
    labels = ("MORE", "account MORE", "account/MORE", "accounts/MORE")
    lines = [json.dumps({"for": label, "key": system}) for label in labels]
    lines += [json.dumps({"removes": key, "account": "APP"}) for key in store.seeds()]
    store.site.write("stores/ACME/.natsops/journal", "\n".join(lines) + "\n", 0o600)
    before = store.seeds()
    store.definition["accounts"].append({"name": "MORE"})
    store.apply()
    assert store.claims(account_file("MORE")).subject != system
    assert before < store.seeds()


# ---- activations


def test_activation_that_the_exporter_did_not_sign_is_not_signed_anew(store: Store) -> None:
    """The importer may have put a forged activation into its JWT, which the operator signs."""
    claims = copy.deepcopy(store.claims(account_file("PARTNER")))
    (item,) = claims.body.imports
    activation = codec.decode(item.token)
    activation.body.import_subject = "orders.*"
    item.token = codec.encode(activation, store.key("account"), int(time.time()))
    signer = claims.issuer
    pair = nkey.from_seed(store.site.text(f"keys/keys/O/{signer[1:3]}/{signer}.nk"))
    store.put(account_file("PARTNER"), claims, pair)
    result = store.apply()
    (entity,) = (entity for entity in result["entities"] if entity["kind"] == "activation")
    assert store.key("account").public_key in entity["reasons"][0]
    (item,) = store.claims(account_file("PARTNER")).body.imports
    assert codec.decode(item.token).body.import_subject == "orders.new"


# ---- legitimate changes


def test_keys_that_the_document_removes(store: Store) -> None:
    """The tokens signed by the removed keys are signed again in the same run."""
    store.definition["operator"].update(
        signing_keys=["new"], remove_signing_keys=["main"], strict_signing_key_usage=True
    )
    store.account("APP").update(signing_keys=["new", {"role": "reader", "template": {}}], remove_signing_keys=["main"])
    store.apply(cut_off=True)
    (key,) = store.claims(OPERATOR).body.signing_keys
    assert store.claims(account_file("SYS")).issuer == key
    assert store.claims(user_file("APP", "bare")).issuer in {
        key.key for key in store.claims(account_file("APP")).body.signing_keys
    }
    assert store.site.run("store", definition=store.definition, **store.options)["changed"] is False


def test_keys_that_another_tool_removed(store: Store) -> None:
    """As after nsc edit operator --rm-sk, and nsc edit account --rm-sk: tokens signed by these keys are accepted if the last run recorded the keys."""
    operator = store.claims(OPERATOR)
    pair = nkey.from_seed(store.site.text(f"keys/keys/O/{operator.subject[1:3]}/{operator.subject}.nk"))
    store.put(OPERATOR, store.changed(OPERATOR, signing_keys=[]), pair)
    app = store.changed(account_file("APP"), signing_keys=[])
    store.put(account_file("APP"), app, pair)
    store.account("APP")["signing_keys"] = [{"role": "reader", "template": {}}]
    store.definition["operator"]["signing_keys"] = []
    store.apply()
    assert store.claims(account_file("SYS")).issuer == operator.subject
    assert store.claims(user_file("APP", "bare")).issuer == app.subject
    store.keep()


def test_what_another_tool_issued_is_recorded(store: Store) -> None:
    """It is recorded so that it cannot be rolled back either."""
    claims = store.claims(account_file("APP"))
    pair = nkey.from_seed(store.site.text(f"keys/keys/O/{claims.issuer[1:3]}/{claims.issuer}.nk"))
    old, revoked = store.site.text(account_file("APP")), nkey.create("user").public_key
    store.put(account_file("APP"), store.changed(account_file("APP"), revocations={revoked: 1}), pair)
    result = store.apply()
    assert result["entities"][0]["reasons"] == ["JWTs that the last run did not write are recorded, those of APP"]
    store.keep()
    store.site.write(account_file("APP"), old, 0o600)
    store.apply()
    assert revoked in store.claims(account_file("APP")).body.revocations


def test_store_is_recorded_when_it_is_adopted(store: Store) -> None:
    """The first run on a store without a record creates the record and changes no other file."""
    shutil.rmtree(store.site.folder / "keys/.natsops")
    operator = store.claims(OPERATOR)
    result = store.apply()
    (entity,) = (entity for entity in result["entities"] if entity["action"] == "changed")
    record = store.site / "keys/.natsops/stores/ACME/record"
    assert entity["kind"] == "store"
    assert entity["reasons"] == [
        f"the operator's key {operator.subject} is recorded in {record}, with the keys of 3 accounts"
    ]
    store.keep()
    claims, signer = another_operator(store)
    store.put(OPERATOR, claims, signer)
    store.refuse(operator.subject, claims.subject)
    # nsc refuses a keystore with such files in unexpected places.
    assert not [path for path in (store.site.folder / "keys/.natsops").rglob("*") if path.suffix in (".nk", ".creds")]
    for path in (store.site.folder / "keys/.natsops").rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600)


# ---- managed stores: the operator's keys are elsewhere, and accounts are self-signed


@pytest.fixture
def managed(site: Site) -> Store:
    """A store that nsc made from an operator's JWT without the operator's keys, adopted."""
    operator, account, user = nkey.create("operator"), nkey.create("account"), nkey.create("user")
    now = int(time.time()) - 10
    site.write(
        "stores/ACME/.nsc", json.dumps({"managed": True, "name": "ACME", "kind": "operator", "version": "1"}), 0o600
    )
    jwt = codec.encode(Claims(name="ACME", subject=operator.public_key, body=Operator()), operator, now)
    site.write(OPERATOR, jwt, 0o600)
    jwt = codec.encode(Claims(name="APP", subject=account.public_key, body=Account()), account, now)
    site.write(account_file("APP"), jwt, 0o600)
    jwt = codec.encode(Claims(name="one", subject=user.public_key, body=User()), account, now)
    site.write(user_file("APP", "one"), jwt, 0o600)
    for pair in (account, user):
        site.write(f"keys/keys/{pair.public_key[0]}/{pair.public_key[1:3]}/{pair.public_key}.nk", pair.seed, 0o600)
    for path in site.folder.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    store = Store(site, {})
    store.definition = store.info()["definition"]
    store.apply()
    return store


def test_managed_store_is_kept(managed: Store) -> None:
    assert managed.info()["managed"] is True
    managed.keep()


def test_account_of_somebody_else_in_a_managed_store(managed: Store) -> None:
    claims, signer = self_signed(managed, "APP")
    path = managed.put(account_file("APP"), claims, signer)
    managed.refuse(path, claims.subject, "its signer is itself, which is not a key of the operator ACME")


def test_account_that_another_tool_adds_to_a_managed_store(managed: Store) -> None:
    pair = nkey.create("account")
    managed.put(account_file("MORE"), Claims(name="MORE", subject=pair.public_key, body=Account()), pair)
    managed.definition["accounts"].append({"name": "MORE"})
    managed.refuse(managed.site / account_file("MORE"), "which is not a key of the operator")
    managed.site.write(f"keys/keys/A/{pair.public_key[1:3]}/{pair.public_key}.nk", pair.seed, 0o600)
    managed.apply()
    assert managed.claims(account_file("MORE")).subject == pair.public_key


# ---- the modules for one token: the keys of the parent are those given in the task


@dataclasses.dataclass
class Case:
    """A module, its options, and the files that contain its token."""

    module: str
    options: dict[str, Any]
    files: list[str]


def case_of(acme: Site, module: str) -> Case:
    """A module that has created its token."""
    above = {"operator_jwt_path": acme / "acme.jwt"}
    account = {"account_jwt_path": acme / "app.jwt", "signer_path": acme / "app-signing.nk"}
    own = {"name": module, "key_path": acme / f"{module}-own.nk", "jwt_path": acme / f"{module}-own.jwt"}
    if module == "operator":
        options = {**own, "signing_keys": [{"path": acme / "own-signing.nk"}]}
    elif module == "account":
        options = {**own, **above, "signer_path": acme / "acme-signing.nk"}
    elif module == "user":
        options = {**own, **account, "creds_path": acme / "user-own.creds"}
    else:
        importer = {"importer": acme.make_key("importer.nk", "account").public_key}
        what = {"import_subject": "orders.create", "import_type": "service"}
        options = {**account, **importer, **what, "jwt_path": acme / "activation-own.jwt"}
    case = Case(module, options, [f"{module}-own.jwt"] + (["user-own.creds"] if module == "user" else []))
    acme.run(module, **options)
    return case


def exchanged(acme: Site, case: Case, file: str) -> tuple[Claims, KeyPair]:
    """Replace the token in a file by a forged one about the same key with additional content. Return the forged claims and their signer."""
    claims = copy.deepcopy(acme.claims(file))
    signer = nkey.create("operator" if case.module in ("operator", "account") else "account")
    if case.module == "operator":
        claims.body.signing_keys.append(signer.public_key)
    if case.module == "account":
        claims.body.signing_keys.append(SigningKey(key=nkey.create("account").public_key))
        claims.body.revocations["*"] = 1
    claims.unknown["smuggled"] = "x"
    claims.body.unknown["smuggled"] = "x"
    token = codec.encode(claims, signer, int(time.time()) + 1000)
    text = acme.text(file)
    acme.write(file, text.replace(decorated.find_token(text), token), 0o600)
    return claims, signer


@pytest.mark.parametrize("module", ["operator", "account", "user", "activation"])
def test_module_takes_nothing_from_a_foreign_token(acme: Site, module: str) -> None:
    case = case_of(acme, module)
    for file in case.files:
        genuine = acme.text(file)
        claims, signer = exchanged(acme, case, file)
        message = acme.refuse(module, **case.options)
        assert message == acme.refuse(module, {"check": True}, **case.options)
        option = "creds_path" if file.endswith(".creds") else "jwt_path"
        assert message.startswith(
            f"{option}: {acme / file} is left unchanged: its JWT has the subject {claims.subject}"
        )
        assert f"its signer is {signer.public_key}, which is not a key of the" in message
        result = acme.run(module, **case.options, force=True)
        assert signer.public_key in result["reasons"][0]
        made = acme.claims(file)
        assert made.issuer != signer.public_key
        assert "smuggled" not in made.unknown
        assert "smuggled" not in made.body.unknown
        assert made.body == codec.decode(decorated.find_token(genuine)).body
        if module == "account":
            assert claims.body.signing_keys[0].key in json.dumps(result["warnings"])


@pytest.mark.parametrize("module", ["operator", "account", "user", "activation"])
def test_module_does_not_replace_what_is_about_another_key(acme: Site, module: str) -> None:
    case = case_of(acme, module)
    kind = {"activation": "account"}.get(module, module)
    claims = copy.deepcopy(acme.claims(case.files[0]))
    claims.subject = nkey.create(kind).public_key
    signer = nkey.create("operator" if module in ("operator", "account") else "account")
    acme.write(case.files[0], codec.encode(claims, signer, int(time.time())), 0o600)
    for options in ({}, {"force": True}):
        assert claims.subject in acme.refuse(module, **case.options, **options)


def test_operator_does_not_vouch_for_its_own_signer(acme: Site) -> None:
    """A JWT about the operator's key that lists the key that signed it does not make that key trusted."""
    case = case_of(acme, "operator")
    claims, signer = exchanged(acme, case, case.files[0])
    assert signer.public_key in claims.body.signing_keys
    assert "its signer is" in acme.refuse("operator", **case.options)
    acme.write("named.nk", signer.seed, 0o600)
    named = [*case.options["signing_keys"], {"path": acme / "named.nk"}]
    assert acme.run("operator", **{**case.options, "signing_keys": named})["changed"]


def test_account_that_signed_itself_under_an_operator(acme: Site) -> None:
    case = case_of(acme, "account")
    claims = copy.deepcopy(acme.claims(case.files[0]))
    claims.body.signing_keys.append(SigningKey(key=nkey.create("account").public_key))
    acme.write(case.files[0], codec.encode(claims, acme.key("account-own.nk"), int(time.time())), 0o600)
    assert "its signer is itself, which is not a key of the operator ACME" in acme.refuse("account", **case.options)


def test_creds_of_a_user_that_no_key_of_the_account_signed(acme: Site) -> None:
    case_of(acme, "user")
    options = {"path": acme / "client.creds", "jwt_path": acme / "user-own.jwt", "key_path": acme / "user-own.nk"}
    above = {"account_jwt_path": acme / "app.jwt"}
    acme.run("creds", **options, **above)
    genuine = acme.claims("user-own.jwt")
    other = nkey.create("account")
    acme.write("user-own.jwt", codec.encode(copy.deepcopy(genuine), other, int(time.time())), 0o600)
    assert f"its signer is {other.public_key}, which is not a key of the account APP" in acme.refuse(
        "creds", **options, **above
    )
    claims = copy.deepcopy(genuine)
    claims.body.issuer_account = other.public_key
    acme.write("user-own.jwt", codec.encode(claims, acme.key("app-signing.nk"), int(time.time())), 0o600)
    assert f"the account {other.public_key}, not of APP" in acme.refuse("creds", **options, **above)
