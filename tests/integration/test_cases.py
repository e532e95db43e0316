# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Regression tests: nats_store and the modules of single entities give the right verdict on the documents in tests/data/cases."""

from __future__ import annotations

import json
import pathlib
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import yaml

if TYPE_CHECKING:
    from support.sites import Site

CASES: dict[str, dict[str, Any]] = {
    case["name"]: case
    for case in yaml.safe_load((pathlib.Path(__file__).parents[1] / "data/cases/documents.yml").read_text())
}


class Answer(NamedTuple):
    """The verdict of one or several modules."""

    failed: bool
    problems: str
    warnings: str
    text: str


def answer(*results: dict[str, Any]) -> Answer:
    """The combined verdict of these results."""
    warnings = [
        one["event"]["msg"] if isinstance(one, dict) else one
        for result in results
        for one in result.get("warnings") or ()
    ]
    problems = [f"{one['path']}: {one['message']}" for result in results for one in result.get("problems") or ()] + [
        result["msg"] for result in results if result.get("failed")
    ]
    return Answer(
        any(result.get("failed") for result in results), "\n".join(problems), "\n".join(warnings), json.dumps(results)
    )


def check(case: dict[str, Any], found: Answer, words: list[str]) -> None:
    """Check a verdict against the expected one."""
    if case["expect"] == "refused":
        assert found.failed, found
        assert all(word in found.problems for word in words), found
        return
    assert not found.failed, found
    if case["expect"] == "warned":
        assert all(word in found.warnings for word in words), found
    else:
        assert not found.warnings, found


@pytest.mark.parametrize("name", CASES)
def test_document(site: Site, name: str) -> None:
    case = CASES[name]
    folders = {"stores_dir": site / "stores", "keys_dir": site / "keys"}
    options: dict[str, Any] = {"definition": case.get("document")}
    if "text" in case:
        options = {"src": site.write("document.yml", case["text"])}
    if "then" in case:
        check({**case, "expect": "accepted"}, answer(site.start("store", {**options, **folders})), [])
        options = {"definition": case["then"]}
    before = site.snapshot()
    predicted = site.start("store", {**options, **folders}, check=True)
    assert site.snapshot() == before
    check(case, answer(predicted), case.get("words", []))
    result = site.start("store", {**options, **folders})
    found = answer(result)
    check(case, found, case.get("words", []))
    assert all(words in found.text for words in case.get("result_words", [])), found
    assert (predicted.get("changed"), predicted.get("summary")) == (result.get("changed"), result.get("summary"))
    if found.failed:
        assert site.snapshot() == before
    else:
        again = site.start("store", {**options, **folders})
        assert not again["changed"], again


# ---- the same with the modules of single entities


class _Single:
    """Creates the operator, accounts and users of a document with one module each. Public keys replace names where the modules need them."""

    def __init__(self, site: Site, document: dict[str, Any]) -> None:
        self.site, self.document = site, document
        names = [account["name"] for account in document["accounts"]]
        self.keys = {name: site.make_key(f"{name}.nk", "account").public_key for name in names}
        site.make_key("o.nk", "operator")

    def results(self) -> list[dict[str, Any]]:
        """What each module returns, up to the first one that fails."""
        found = [self.start("operator", self.operator())]
        for account in self.document["accounts"]:
            found.append(self.start("account", self.account(account)))
            for user in account.get("users", []) if not found[-1].get("failed") else []:
                found.append(self.start("user", self.user(account, user)))
            for user in account.get("users", []) if "revocations" in account and not found[-1].get("failed") else []:
                revoked = {**account, "revocations": {self.site.key(f"{user['name']}.nk").public_key: "now"}}
                found += [self.start("account", self.account(revoked)), self.start("user", self.user(account, user))]
        return found

    def start(self, module: str, options: dict[str, Any]) -> dict[str, Any]:
        return self.site.start(module, options)

    def operator(self) -> dict[str, Any]:
        options = {**self.document["operator"], "key_path": self.site / "o.nk", "jwt_path": self.site / "o.jwt"}
        options["system_account"] = self.keys.get(options.get("system_account", ""), "")
        return options

    def account(self, account: dict[str, Any]) -> dict[str, Any]:
        options = {word: value for word, value in account.items() if word not in ("users", "signing_keys")}
        options["revocations"] = {key: at for key, at in account.get("revocations", {}).items() if len(key) > 50}
        options["imports"] = [{**item, "account": self.keys[item["account"]]} for item in account.get("imports", [])]
        options["signing_keys"] = [
            {**key, "public_key": self.site.make_key(f"{key['role']}.nk", "account").public_key}
            for key in account.get("signing_keys", [])
        ]
        name = account["name"]
        paths = {"key_path": self.site / f"{name}.nk", "jwt_path": self.site / f"{name}.jwt"}
        others = {"signer_path": self.site / "o.nk", "operator_jwt_path": self.site / "o.jwt"}
        return {**options, **paths, **others}

    def user(self, account: dict[str, Any], user: dict[str, Any]) -> dict[str, Any]:
        options = {word: value for word, value in user.items() if word != "signing_key_role"}
        signer = user.get("signing_key_role", account["name"])
        name = "u" if user["name"] == "*" else user["name"]
        paths = {"key_path": self.site / f"{name}.nk", "jwt_path": self.site / f"{name}.jwt"}
        others = {
            "signer_path": self.site / f"{signer}.nk",
            "account_jwt_path": self.site / f"{account['name']}.jwt",
            "operator_jwt_path": self.site / "o.jwt",
        }
        return {**options, **paths, **others}


#: Cases that depend on names or on several entities, and so do not apply to the modules of single entities.
_OF_DOCUMENTS = {
    "a key that stands twice in src",
    "one name where a list is expected is that name, as everywhere in Ansible",
    "YAML reads NO as false",
    "no advice names a key that does not exist",
}


@pytest.mark.parametrize("name", [name for name in CASES if name not in _OF_DOCUMENTS])
def test_single_modules(site: Site, name: str) -> None:
    case = CASES[name]
    document = case.get("document") or yaml.safe_load(case["text"])
    check(case, answer(*_Single(site, document).results()), case.get("words", []))


# ---- imports that older tools wrote with `to`


def test_imports_with_to_are_read_as_servers_read_them(site: Site) -> None:
    imports = [
        {"account": "B", "subject": "remote.*", "local_subject": "local.$1", "type": "service"},
        {"account": "B", "subject": "s.*", "local_subject": "pre.s.$1", "type": "stream"},
    ]
    exports = [{"subject": "remote.*", "type": "service"}, {"subject": "s.*", "type": "stream"}]
    definition = {
        "operator": {"name": "O", "system_account": "SYS"},
        "accounts": [
            {"name": "SYS", "users": [{"name": "sys"}]},
            {"name": "A", "imports": imports, "users": [{"name": "a"}]},
            {"name": "B", "exports": exports, "users": [{"name": "b"}]},
        ],
    }
    options = {"definition": definition, "stores_dir": site / "stores", "keys_dir": site / "keys"}
    assert not site.start("store", options).get("failed")
    file = "stores/O/accounts/A/A.jwt"
    old = site.claims(file)
    service, stream = sorted(old.body.imports, key=lambda item: item.type)
    # Import.To of the Go library: for a service the subject in the exporting account, for a stream a prefix in the importing account.
    service.subject, service.to, service.local_subject = "local.*", "remote.*", ""
    stream.to, stream.local_subject = "pre", ""
    keys = [path for path in pathlib.Path(site / "keys").rglob("O*.nk") if old.issuer == path.stem]
    signer = site.core.decorated.seed_in(keys[0].read_text())
    site.write(file, site.core.codec.encode(old, signer, old.issued_at + 1))

    told = site.start("store_info", {"stores_dir": site / "stores", "keys_dir": site / "keys"})
    shown = next(account for account in told["definition"]["accounts"] if account["name"] == "A")["imports"]
    assert sorted(map(json.dumps, shown)) == sorted(
        json.dumps({**item, "account": "B"}) for item in [{word: item[word] for word in shown[0]} for item in imports]
    )
    account = {
        "name": "A",
        "public_key": old.subject,
        "imports": [{**item, "account": stream.account} for item in imports],
        "signer_path": str(keys[0]),
        "jwt_path": site / file,
    }
    again = site.start("account", account)
    assert not again.get("failed"), again
    assert not again["changed"], again
    assert site.claims(file).body.imports == old.body.imports
    account["imports"][0]["local_subject"] = "elsewhere.$1"
    changed = site.start("account", account)
    assert changed["changed"], changed
    service, stream = sorted(site.claims(file).body.imports, key=lambda item: item.type)
    assert (service.subject, service.to, service.local_subject) == ("remote.*", "", "elsewhere.$1")
    assert (stream.subject, stream.to, stream.local_subject) == ("s.*", "pre", "")
