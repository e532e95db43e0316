# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Enabling strict_signing_key_usage: nats_store_info reports what servers would refuse, and nats_store enables it only if that is nothing."""

from __future__ import annotations

import copy
import json
import pathlib
from typing import Any

import pytest
from support.fleets import lets_in
from support.ports import free_ports
from support.servers import running
from support.sites import Site

from ansible_collections.natsops.security.plugins.module_utils.token import codec

DOCUMENT: dict[str, Any] = {
    "operator": {"name": "ACME", "system_account": "SYS"},
    "accounts": [
        {"name": "SYS", "users": [{"name": "sys"}]},
        {
            "name": "APP",
            "exports": [{"name": "orders", "subject": "orders", "type": "service", "token_required": True}],
            "users": [{"name": "orders"}, {"name": "dashboard"}],
        },
        {"name": "PARTNER", "imports": [{"name": "orders", "account": "APP", "subject": "orders", "type": "service"}]},
    ],
}
KEYS = {"signing_keys": ["main"]}


class Store:
    """A store in which identity keys sign."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.folders = {"stores_dir": site / "stores", "keys_dir": site / "keys"}
        self.document = copy.deepcopy(DOCUMENT)
        self.run()

    def run(self, **options: Any) -> dict[str, Any]:
        return self.site.run("store", definition=self.document, **self.folders, **options)

    def refused(self, **options: Any) -> str:
        return self.site.refuse("store", definition=self.document, **self.folders, **options)

    @property
    def mode(self) -> dict[str, Any]:
        """The report of nats_store_info about strict mode."""
        found: dict[str, Any] = self.site.run("store_info", **self.folders)["strict_mode"]
        return found

    def give_signing_keys(self) -> None:
        """Add signing keys for the operator and all accounts to the document, and enable strict mode."""
        self.document["operator"].update(KEYS, strict_signing_key_usage=True)
        for account in self.document["accounts"]:
            account.update(KEYS)


@pytest.fixture
def store(site: Site) -> Store:
    return Store(site)


def test_report_names_all_that_would_be_refused(store: Store) -> None:
    assert store.mode == {
        "enabled": False,
        "ready": False,
        "operator_signing_key": False,
        "accounts": ["APP", "PARTNER", "SYS"],
        "users": ["APP/dashboard", "APP/orders", "SYS/sys"],
        "activations": [{"account": "PARTNER", "subject": "orders", "refused": False}],
        "system_account": "SYS",
        "connections": None,
    }


def test_switch_that_signs_all_anew_is_made_with_a_warning(store: Store) -> None:
    store.give_signing_keys()
    result = store.run()
    (warning,) = [text for text in map(json.dumps, result["warnings"]) if "strict_signing_key_usage" in text]
    assert all(user in warning for user in ("APP/orders", "APP/dashboard", "SYS/sys"))
    assert store.mode == {
        "enabled": True,
        "ready": True,
        "operator_signing_key": True,
        "accounts": [],
        "users": [],
        "activations": [],
        "system_account": None,
        "connections": None,
    }
    assert not store.run()["changed"]


def test_what_the_document_lacks_keeps_it_off(store: Store) -> None:
    store.give_signing_keys()
    del store.document["accounts"][2]
    store.document["accounts"][1]["users"].pop()
    message = store.refused()
    assert (
        "operator.strict_signing_key_usage: it stays off, because servers would refuse the accounts PARTNER, which"
        in message
    )
    assert "the users APP/dashboard, which the identity keys of their accounts signed" in message
    store.run(prune=True)
    assert store.mode["ready"]


def test_account_that_is_taken_as_it_is_keeps_it_off(store: Store) -> None:
    store.give_signing_keys()
    store.document["accounts"][0] = {"name": "SYS", "state": "existing"}
    message = store.refused()
    assert "the accounts SYS, which the operator's identity key signed; the users SYS/sys, which" in message
    assert "every user of the system account SYS, which has no signing key" in message


def test_signing_keys_come_first_and_the_switch_afterwards(store: Store) -> None:
    store.give_signing_keys()
    store.document["operator"]["strict_signing_key_usage"] = False
    for account in store.document["accounts"]:
        account["signing_key_role"] = "main"
        for user in account.get("users", ()):
            user["signing_key_role"] = "main"
    store.run()
    # An activation has no role of a signing key, so it is signed again when strict mode is enabled.
    assert len(store.mode["activations"]) == 1
    assert (store.mode["accounts"], store.mode["users"], store.mode["enabled"]) == ([], [], False)
    store.document["operator"]["strict_signing_key_usage"] = True
    assert "strict" not in json.dumps(store.run().get("warnings", ()))
    assert store.mode["ready"]


def test_activation_that_servers_refuse_keeps_it_off(store: Store) -> None:
    app = store.site.claims("stores/ACME/accounts/APP/APP.jwt").subject
    partner = store.site.claims("stores/ACME/accounts/PARTNER/PARTNER.jwt").subject
    (path,) = (store.site.folder / "keys/keys").rglob(f"{app}.nk")
    signer = store.site.core.decorated.seed_in(path.read_text())
    # nats_activation and nsc omit issuer_account if the account's identity key signs. Other tools set it, and servers then refuse the activation.
    given = {"import_subject": "orders", "import_type": "service", "issuer_account": app}
    token = store.site.make_jwt("activation.jwt", "activation", partner, signer, given)
    store.give_signing_keys()
    store.document["accounts"][1] = {"name": "APP", "state": "existing"}
    store.document["accounts"][2]["imports"][0].update(account=app, token=token)
    message = store.refused()
    assert "the activations of PARTNER for orders, which the identity key of the exporting account signed" in message


@pytest.mark.server
def test_server_refuses_what_is_reported_and_takes_what_is_signed_anew(store: Store, tmp_path: pathlib.Path) -> None:
    site = store.site
    names = ("APP/orders", "SYS/sys")
    old = {name: site.text(f"keys/creds/ACME/{name}.creds") for name in names}
    account = site.text("stores/ACME/accounts/PARTNER/PARTNER.jwt")
    store.give_signing_keys()
    store.run()
    tokens = {name: site.text(f"stores/ACME/accounts/{name}/{name}.jwt") for name in ("SYS", "APP")}
    system = codec.decode(tokens["SYS"]).subject
    # One account is as it was before, signed by the operator's identity key.
    preload = {codec.decode(token).subject: token for token in (*tokens.values(), account)}
    port = free_ports(1)[0]
    config = tmp_path / "server.conf"
    config.write_text(
        f"listen: 127.0.0.1:{port}\noperator: {site / 'stores/ACME/ACME.jwt'}\nsystem_account: {system}\nresolver: MEMORY\n"
        "resolver_preload: {\n" + "".join(f"  {key}: {token}\n" for key, token in preload.items()) + "}\n"
    )
    with running(config, port) as server:
        for name in names:
            assert lets_in(server.url, site.text(f"keys/creds/ACME/{name}.creds"))
            assert not lets_in(server.url, old[name])
        site.run(
            "store",
            definition={
                "operator": {"name": "ACME", "state": "existing"},
                "accounts": [{"name": "PARTNER", "state": "existing", "users": [{"name": "shop"}]}],
            },
            **store.folders,
        )
        assert not lets_in(server.url, site.text("keys/creds/ACME/PARTNER/shop.creds"))


# ---- the phases


def phase(name: str, **more: Any) -> dict[str, Any]:
    return {"rotations": [{"strict_mode": True, "phase": name, **more}]}


def issuers(store: Store) -> dict[str, str]:
    """Who signed the accounts and users of the store, by the path of the JWT: `identity` or `signing key`."""
    found = {}
    operator = store.site.claims("stores/ACME/ACME.jwt").subject
    for path in sorted((store.site.folder / "stores/ACME/accounts").rglob("*.jwt")):
        claims = codec.decode(path.read_text())
        account = (
            codec.decode((path.parents[1] / f"{path.parents[1].name}.jwt").read_text()).subject
            if "users" in path.parts
            else ""
        )
        found[path.stem] = "identity" if claims.issuer in (operator, account) else "signing key"
    return found


@pytest.mark.parametrize("names_roles", [False, True])
def test_phases_add_keys_have_them_sign_and_make_the_operator_strict(store: Store, names_roles: bool) -> None:
    before = store.site.text("keys/creds/ACME/APP/orders.creds")
    store.give_signing_keys()
    if names_roles:
        for account in store.document["accounts"]:
            account["signing_key_role"] = "main"
            for user in account.get("users", ()):
                user["signing_key_role"] = "main"
    names = ("SYS", "APP", "PARTNER", "sys", "orders", "dashboard")

    store.run(**phase("add"))
    for path in ("ACME", "accounts/SYS/SYS", "accounts/APP/APP", "accounts/PARTNER/PARTNER"):
        assert len(store.site.claims(f"stores/ACME/{path}.jwt").body.signing_keys) == 1
    assert issuers(store) == dict.fromkeys(names, "identity")
    assert store.site.text("keys/creds/ACME/APP/orders.creds") == before
    assert not store.mode["enabled"]
    assert not store.run(**phase("add"))["changed"]

    assert "warnings" not in store.run(**phase("resign"))
    assert issuers(store) == dict.fromkeys(names, "signing key")
    assert (store.mode["ready"], store.mode["enabled"]) == (True, False)
    keys = store.site.claims("stores/ACME/accounts/APP/APP.jwt").body.signing_keys
    assert store.site.claims("keys/creds/ACME/APP/orders.creds").issuer == keys[0].key
    # A later run begins again with the first phase.
    assert not store.run(**phase("add"))["changed"]
    assert not store.run(**phase("resign"))["changed"]

    assert store.run(**phase("retire"))["summary"]["changed"] == 1
    assert store.mode["enabled"]
    for name in ("add", "resign", "retire"):
        assert not store.run(**phase(name))["changed"]
    assert not store.run()["changed"]


def test_what_the_document_has_to_list_is_named_in_one_message(store: Store) -> None:
    store.document["operator"]["strict_signing_key_usage"] = True
    message = store.refused(**phase("add"))
    assert "There is 1 problem" in message
    assert (
        "rotations[0]: strict mode needs signing keys of the operator, the account SYS, the account APP, as servers then refuse what identity keys "
        "signed. List them in the document (signing_keys: [main])."
    ) in message
    assert "PARTNER" not in message  # it has no users


@pytest.mark.parametrize("name", ["add", "resign", "retire"])
def test_what_keeps_it_off_is_refused_in_every_phase(store: Store, name: str) -> None:
    store.give_signing_keys()
    store.document["accounts"][1]["users"].pop()
    before = store.site.text("stores/ACME/ACME.jwt")
    assert "servers would refuse the users APP/dashboard, which" in store.refused(**phase(name))
    assert store.site.text("stores/ACME/ACME.jwt") == before


def test_phases_lead_to_what_the_document_says(store: Store) -> None:
    store.give_signing_keys()
    store.document["operator"]["strict_signing_key_usage"] = False
    assert "set strict_signing_key_usage: true there" in store.refused(**phase("add"))
    store.document["operator"]["strict_signing_key_usage"] = True
    assert "use add, resign and retire" in store.refused(**phase("replace"))
    assert "strict_mode can be combined only with phase" in store.refused(**phase("add", role="main"))


def test_first_phase_makes_no_key_for_a_user_that_the_account_names(store: Store) -> None:
    store.give_signing_keys()
    account = store.document["accounts"][1]
    account["users"].append({"name": "callout"})
    account["authorization"] = {"auth_users": ["callout"]}
    message = store.refused(**phase("add"))
    assert "accounts[1] (APP): the claims of the account name the user callout, which does not exist yet" in message


def test_new_operator_has_no_phases(site: Site) -> None:
    document = copy.deepcopy(DOCUMENT)
    document["operator"].update(KEYS, strict_signing_key_usage=True)
    for account in document["accounts"]:
        account.update(KEYS)
    site.run("store", definition=document, stores_dir=site / "stores", keys_dir=site / "keys", **phase("add"))
    assert site.claims("stores/ACME/ACME.jwt").body.strict_signing_key_usage
