# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Stores that nsc created are returned as a document, and adopted unchanged. `tests/data/nsc-stores/make.sh` creates them."""

from __future__ import annotations

import os
import pathlib
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.token import codec

if TYPE_CHECKING:
    from support.sites import Site

DATA = pathlib.Path(__file__).parents[1] / "data" / "nsc-stores"
NAMES = ("plain", "full")


class Adopted:
    """A copy of a store that nsc created, with nsc's modes."""

    def __init__(self, site: Site, name: str) -> None:
        self.site, self.name = site, name.upper()
        for part in ("stores", "keys"):
            shutil.copytree(DATA / name / part, site.folder / part)
        (site.folder / "keys/gitignore").rename(site.folder / "keys/.gitignore")
        for path in site.folder.rglob("*"):
            path.chmod(0o700 if path.is_dir() else 0o600)
        self.options = {"stores_dir": site / "stores", "keys_dir": site / "keys", "store": self.name}

    def info(self) -> dict[str, Any]:
        """The result of nats_store_info."""
        return self.site.check("store_info", **self.options)

    def apply(self, definition: dict[str, Any], **options: Any) -> dict[str, Any]:
        """The result of a run."""
        return self.site.run("store", definition=definition, **self.options, **options)

    def keep(self, definition: dict[str, Any]) -> dict[str, Any]:
        """The result of a run that changes nothing."""
        return self.site.keep("store", definition=definition, **self.options)

    def adopt(self, definition: dict[str, Any]) -> dict[str, Any]:
        """The result of the first run, which records the operator of the store and changes no file of nsc. A second run changes nothing."""
        before = self.files
        result = self.apply(definition)
        (entity,) = [entity for entity in result["entities"] if entity["action"] == "changed"]
        operator = self.site.claims(f"stores/{self.name}/{self.name}.jwt").subject
        record = self.site / f"keys/.natsops/stores/{self.name}/record"
        assert (entity["kind"], len(entity["reasons"])) == ("store", 1)
        assert entity["reasons"][0].startswith(
            f"the operator's key {operator} is recorded in {record}, with the keys of"
        )
        assert self.files == before
        self.keep(definition)
        return result

    @property
    def files(self) -> dict[str, tuple[Any, ...]]:
        """The files of nsc by path, with their content and attributes."""
        return {
            path: known
            for path, known in self.site.snapshot().items()
            if ".natsops" not in path and pathlib.Path(path).is_file()
        }

    def account(self, definition: dict[str, Any], name: str) -> dict[str, Any]:
        """An account of a document."""
        return next(account for account in definition["accounts"] if account["name"] == name)


@pytest.fixture(params=NAMES)
def adopted(site: Site, request: pytest.FixtureRequest) -> Adopted:
    """Each of the stores."""
    return Adopted(site, request.param)


@pytest.fixture
def full(site: Site) -> Adopted:
    """The store that uses many features of nsc."""
    return Adopted(site, "full")


@pytest.fixture
def plain(site: Site) -> Adopted:
    """The store with few features."""
    return Adopted(site, "plain")


def test_document_of_a_store_changes_nothing_and_touches_nothing(adopted: Adopted) -> None:
    definition = adopted.info()["definition"]
    adopted.adopt(definition)
    assert {entity["action"] for entity in adopted.keep(definition)["entities"]} <= {"kept", "extra"}
    assert adopted.info()["definition"] == definition


def test_document_of_a_changed_store_is_the_changed_one(full: Adopted) -> None:
    definition = full.info()["definition"]
    app = full.account(definition, "APP")
    app["limits"]["connections"] = 5
    app["users"].append({"name": "added", "signing_key_role": "service", "tags": ["a:b"]})
    full.account(definition, "PARTNER")["imports"][0]["local_subject"] = "elsewhere.>"
    full.apply(definition)
    again = full.info()["definition"]
    app["users"].sort(key=lambda user: user["name"])
    assert again == definition
    full.keep(again)


def test_subjects_named_in_the_deprecated_way_are_told_as_options_name_them(full: Adopted) -> None:
    """`to` is the prefix of a stream in the importing account, and the subject of a service in the exporting account (Import.To of the Go library)."""
    path = "stores/FULL/accounts/PARTNER/PARTNER.jwt"
    claims = full.site.claims(path)
    stream, service = claims.body.imports[0], claims.body.imports[1]
    stream.to, stream.local_subject = "theirs", ""
    service.subject, service.to = "my.help", "help"
    seed = full.site.text(f"keys/keys/O/{claims.issuer[1:3]}/{claims.issuer}.nk").strip()
    full.site.write(path, codec.encode(claims, nkey.from_seed(seed), claims.issued_at + 1))
    (full.site.folder / path).chmod(0o600)

    definition = full.info()["definition"]
    told = full.account(definition, "PARTNER")["imports"]
    assert (told[0]["subject"], told[0]["local_subject"]) == ("events.>", "theirs.events.>")
    assert (told[1]["subject"], told[1]["local_subject"]) == ("help", "my.help")
    full.adopt(definition)
    told[1]["local_subject"] = "your.help"
    full.apply(definition)
    changed = full.site.claims(path).body.imports[1]
    assert (changed.subject, changed.to, changed.local_subject) == ("help", "", "your.help")


def test_every_token_of_a_store_means_the_same_when_made_anew(full: Adopted) -> None:
    """Applied to empty folders, the document creates a store with the same document, except for keys."""
    definition = full.info()["definition"]
    definition["operator"]["signing_keys"] = [{"role": "main"}]
    for account in definition["accounts"]:
        for key in account.get("signing_keys", []):
            if "public_key" in key:
                del key["public_key"]
                key["role"] = "main"
    options = {"stores_dir": full.site / "new/stores", "keys_dir": full.site / "new/keys"}
    full.site.run("store", definition=definition, **options)
    again = full.site.check("store_info", **options)["definition"]
    for account in [*definition["accounts"], *again["accounts"]]:
        account.get("signing_keys", []).sort(key=lambda key: key["role"])
        for user in account.get("users", []):
            # A user without a role is signed by the unscoped key, which has a role now.
            user.setdefault("signing_key_role", "main")
    assert again == definition


def test_what_nsc_changed_by_hand_is_drift(full: Adopted) -> None:
    definition = full.info()["definition"]
    full.adopt(definition)
    full.account(definition, "APP")["description"] = "Another one"
    full.account(definition, "APP")["users"][0]["tags"] = []
    result = full.apply(definition)
    changes = {entity["name"]: entity["reasons"] for entity in result["entities"] if entity["action"] == "changed"}
    assert changes == {
        "APP": ["description: The app -> Another one"],
        "open": ["tags: removed zone:eu"],
    }


def test_revoked_user_is_not_brought_back(plain: Adopted) -> None:
    told = plain.info()
    users = [user["name"] for user in plain.account(told["definition"], "APP")["users"]]
    assert "revoked" not in users
    assert any("this user is revoked" in problem["message"] for problem in told["problems"])
    (entity,) = (entity for entity in told["entities"] if entity.get("revoked"))
    assert entity["name"] == "revoked"
    plain.adopt(told["definition"])
    result = plain.apply(told["definition"], prune=True)
    assert [entity["name"] for entity in result["entities"] if entity["action"] == "removed"] == ["revoked"]
    assert [entity["name"] for entity in result["entities"] if entity["action"] == "changed"] == []


def test_user_without_a_seed_is_told_by_public_key(plain: Adopted) -> None:
    told = plain.info()
    (entity,) = (entity for entity in told["entities"] if entity["kind"] == "user" and not entity["seed"])
    assert plain.account(told["definition"], "KEYLESS")["users"] == [
        {"name": "keyless", "public_key": entity["public_key"]}
    ]


def test_activation_of_nsc_stays_and_a_new_one_is_like_it(full: Adopted) -> None:
    definition = full.info()["definition"]
    imports = full.account(definition, "PARTNER")["imports"]
    assert not any("token" in item for item in imports)
    imports.append({"account": "APP", "subject": "private.three", "type": "stream"})
    before = full.site.claims("stores/FULL/accounts/PARTNER/PARTNER.jwt")
    full.apply(definition)
    after = full.site.claims("stores/FULL/accounts/PARTNER/PARTNER.jwt")
    tokens = {item.subject: item.token for item in after.body.imports}
    for item in before.body.imports:
        assert tokens[item.subject] == item.token
    new, old = codec.decode(tokens["private.three"]), codec.decode(tokens["private.one"])
    assert (new.subject, new.body.issuer_account) == (old.subject, old.body.issuer_account)


def test_key_of_nsc_gets_a_role(full: Adopted) -> None:
    definition = full.info()["definition"]
    (key,) = definition["operator"]["signing_keys"]
    full.adopt(definition)
    definition["operator"]["signing_keys"] = ["main"]
    result = full.apply(definition)
    (entity,) = (entity for entity in result["entities"] if entity["action"] == "changed")
    assert entity["reasons"] == [f"{key['public_key']} is recorded as the key of the role main"]
    assert full.info()["definition"]["operator"]["signing_keys"] == [{"role": "main"}]
    full.keep(definition)


def test_seeds_that_are_gone_are_told_and_missed_only_when_needed(full: Adopted) -> None:
    definition = full.info()["definition"]
    operator = full.site.claims("stores/FULL/FULL.jwt")
    for key in (operator.subject, *operator.body.signing_keys):
        os.unlink(full.site / f"keys/keys/O/{key[1:3]}/{key}.nk")  # noqa: PTH108
    told = full.info()
    assert told["definition"]["operator"]["public_key"] == operator.subject
    assert [entity["seed"] for entity in told["entities"] if entity["public_key"].startswith("O")] == [False, False]
    full.adopt(definition)
    full.account(definition, "APP")["description"] = ""
    message = full.site.refuse("store", definition=definition, **full.options)
    assert "it has to be signed, and the seed of none of the allowed keys is available" in message
    assert operator.body.signing_keys[0] in message


def test_info_tells_what_is_wrong(full: Adopted) -> None:
    full.site.write("stores/FULL/accounts/APP/users/broken.jwt", "nonsense", 0o644)
    other = nkey.create("account")
    claims = full.site.claims("stores/FULL/accounts/APP/users/plain.jwt")
    full.site.write("stores/FULL/accounts/APP/users/plain.jwt", codec.encode(claims, other, 1), 0o600)
    told = full.info()
    found = {problem["path"]: problem["message"] for problem in told["problems"] if problem["blocking"]}
    assert "it does not hold a JWT" in found[full.site / "stores/FULL/accounts/APP/users/broken.jwt"]
    assert any(f"is {other.public_key}, which is not a key of the account APP" in message for message in found.values())


def test_info_without_a_store(site: Site, full: Adopted) -> None:
    assert "There is no store NONE" in site.refuse("store_info", **dict(full.options, store="NONE"))
    assert "There is no store in" in site.refuse("store_info", stores_dir=site / "keys", keys_dir=site / "keys")
    shutil.copytree(site.folder / "stores/FULL", site.folder / "stores/COPY")
    assert "name one of COPY, FULL" in site.refuse("store_info", stores_dir=site / "stores", keys_dir=site / "keys")
