# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Filters, tests and lookups of keys, tokens and stores: the unchanged EXAMPLES of each, and what they return, in one playbook."""

from __future__ import annotations

import importlib
import pathlib
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from checkout import ROOT
from support.plays import cores

if TYPE_CHECKING:
    from support.plays import Play
    from support.sites import Site

DESCRIBED = {
    "filter": ["nats_jwt", "nats_expiry", "nats_public_key", "nats_creds", "nats_subject_matches"],
    "test": ["expired", "valid_for", "nats_nkey"],
}
LOOKUPS = ["nats_creds", "nats_jwt"]

#: Further assertions. `store` has the options that locate the store.
ASSERTED = """
  - creds == from_store
  - (creds | natsops.security.nats_jwt).claims.name == 'orders'
  - (creds | natsops.security.nats_jwt(parents=above)).verified
  - not (creds | natsops.security.nats_jwt(parents=above, valid_at='+91d')).validity[0].valid
  - creds | natsops.security.nats_public_key == orders_seed | natsops.security.nats_public_key
  - orders_jwt | natsops.security.nats_public_key('user') is natsops.security.nats_nkey('user')
  - orders_seed is natsops.security.nats_nkey
  - orders_jwt | natsops.security.nats_creds(orders_seed) == creds
  - (creds | natsops.security.nats_expiry(parents=above, remaining=true)) is gt(89 * 86400)
  - above[0] | natsops.security.nats_expiry is none
  - creds is not natsops.security.expired
  - creds is natsops.security.expired(at='+91d')
  - creds is natsops.security.valid_for('89d', parents=above)
  - creds is not natsops.security.valid_for('91d', parents=above)
  - "'orders.eu.new' | natsops.security.nats_subject_matches(['a', 'orders.>'])"
  - not 'orders.>' | natsops.security.nats_subject_matches('orders.*')
"""


#: Expressions that are refused, with words of their messages.
REFUSED = {
    "orders_jwt | natsops.security.nats_creds(other_seed)": "they do not belong together",
    "orders_seed | natsops.security.nats_jwt": "nats_jwt: the input:",
    "(orders_seed ~ 'A') | natsops.security.nats_public_key": "nats_public_key: Not a whole seed",
    "{'a': orders_seed} | natsops.security.nats_public_key": "the input: expected a text, not a dictionary.",
    "orders_seed is natsops.security.valid_for('1d')": "valid_for: the input:",
    "orders_seed is natsops.security.expired": "expired: the input:",
    "lookup('natsops.security.nats_creds', 'ACME/APP/' ~ orders_seed, **store)": "There is no user",
    "lookup('natsops.security.nats_creds', 'ACME/APP', **store)": "ACME/APP is not a user: write OPERATOR/ACCOUNT/USER",
    "lookup('natsops.security.nats_jwt', 'ACME/OTHER', **store)": "There is no account 'OTHER' in the store",
    "lookup('natsops.security.nats_jwt', 'ACME/../APP', **store)": "'..' cannot be a name",
    "lookup('natsops.security.nats_jwt', 'OTHER', **store)": "There is no store OTHER",
    "lookup('natsops.security.nats_jwt', 'ACME', lock_timeout='soon', **store)": "lock_timeout: 'soon' is not a duration",
}


def examples() -> list[dict[str, Any]]:
    """The tasks in the EXAMPLES of these plugins; a plugin without one is a KeyError."""
    texts = [
        yaml.safe_load((ROOT / "plugins" / kind / f"{name}.yml").read_text())["EXAMPLES"]
        for kind, names in DESCRIBED.items()
        for name in names
    ]
    for name in LOOKUPS:
        texts.append(importlib.import_module(f"ansible_collections.natsops.security.plugins.lookup.{name}").EXAMPLES)
    return [task for text in texts for task in yaml.safe_load(text)]


def tasks(folder: str, token_path: str) -> list[dict[str, Any]]:
    """The examples with this folder in place of /etc/nats, the further assertions, and the refused expressions."""
    kept = {
        "decoded": "{{ lookup('ansible.builtin.file', '" + token_path + "') | natsops.security.nats_jwt }}",
        "tokens": "{{ query('natsops.security.nats_jwt', 'ACME', 'ACME/APP', 'ACME/APP/orders', **store) }}",
        "from_store": "{{ lookup('natsops.security.nats_creds', 'ACME/APP/orders', **store) }}",
    }
    return [
        *yaml.safe_load(yaml.safe_dump(examples()).replace("/etc/nats", folder)),
        {"name": "Keep", "ansible.builtin.set_fact": kept},
        {"name": "Show what others wrote", "ansible.builtin.debug": {"msg": "{{ [decoded.claims.name] + tokens }}"}},
        {"name": "Compare", "ansible.builtin.assert": {"that": yaml.safe_load(ASSERTED)}},
        *(
            {"name": expression, "ansible.builtin.debug": {"msg": "{{ " + expression + " }}"}, "ignore_errors": True}
            for expression in REFUSED
        ),
    ]


def named(site: Site, name: str) -> str:
    """The JWT of an operator with this name."""
    key, claims = site.make_key("named.nk", "operator"), site.core.claims
    token: str = site.core.codec.encode(
        claims.Claims(name=name, subject=key.public_key, body=claims.Operator()), key, 1
    )
    return token


@pytest.mark.parametrize("binaries", cores(), ids=lambda path: path.parent.name)
def test_examples_run_and_plugins_answer(site: Site, play: Play, binaries: pathlib.Path) -> None:
    store = {"stores_dir": site / "stores", "keys_dir": site / "keys"}
    user = {"name": "orders", "expires_in": "90d", "permissions": {"publish": {"allow": ["orders.>"]}}}
    site.run(
        "store", **store, definition={"operator": {"name": "ACME"}, "accounts": [{"name": "APP", "users": [user]}]}
    )
    above = [site.text("stores/ACME/ACME.jwt"), site.text("stores/ACME/accounts/APP/APP.jwt")]
    creds = site.text("keys/creds/ACME/APP/orders.creds")
    for name, text in (("acme.jwt", above[0]), ("app.jwt", above[1]), ("orders.creds", creds)):
        site.write(name, text, 0o600)
    injected = "{{ lookup('pipe', 'touch " + (site / "owned") + "') }}"
    orders_jwt = site.text("stores/ACME/accounts/APP/users/orders.jwt")

    played = play(
        tasks(str(site.folder), site.write("token", named(site, injected))),
        binaries=binaries,
        creds=creds,
        orders_jwt=orders_jwt,
        orders_seed=site.key("orders.creds").seed,
        other_seed=site.core.nkey.create("user").seed,
        above=above,
        store=store,
    )

    assert played.returncode == 0, played.output
    assert played.tasks["Show what others wrote"]["msg"] == [injected, *above, orders_jwt]
    assert not (site.folder / "owned").exists()
    for expression, words in REFUSED.items():
        result = played.tasks[expression]
        assert result.get("failed"), expression
        assert words in result["msg"], result["msg"]


def test_examples_of_filters_for_documents_run(site: Site, play: Play) -> None:
    """The document that nats_document writes is the one that nats_access is asked about."""
    shop = {"name": "web", "permissions": {"publish": {"allow": ["orders.new"]}, "subscribe": {"allow": ["_INBOX.>"]}}}
    accounts = [{"name": "SHOP", "users": [shop]}, {"name": "VAULT"}]
    place = {"stores_dir": site / "stores", "keys_dir": site / "keys"}
    definition = {"operator": {"name": "ACME"}, "accounts": accounts}
    access = importlib.import_module("ansible_collections.natsops.security.plugins.filter.nats_access").EXAMPLES
    tasks = [
        {"name": "Create", "natsops.security.nats_store": {"definition": definition, **place}, "register": "store"},
        *examples_of("nats_reasons"),
        {"name": "Read", "natsops.security.nats_store_info": {"store": "ACME", **place}, "register": "found"},
        *examples_of("nats_document"),
        *yaml.safe_load(access),
    ]
    played = play(tasks)
    assert played.returncode == 0, played.output
    assert "SHOP/web: created" in played.tasks["Show what changed and why"]["msg"]
    assert (play.folder / "acme.yml").read_text().count("Taken from the store ACME.") == 1


#: The filters of roles, in the order of their steps.
OF_ROLES = [
    *(f"nats_credentials_{step}" for step in ("order", "items", "due", "facts", "notified", "problems")),
    *("nats_renewal_summary", "nats_rotation", "nats_rotation_report", "nats_rotation_left", "nats_rotation_receivers"),
]


def test_examples_of_filters_for_roles_run(site: Site, play: Play) -> None:
    accounts = [{"name": "APP", "signing_keys": ["main"], "users": [{"name": "guest"}]}, {"name": "BILLING"}]
    document = {"operator": {"name": "ACME", "signing_keys": ["main"]}, "accounts": accounts}
    (site.folder / "acme.yml").write_text(yaml.safe_dump(document))
    (site.folder / "orders").mkdir()
    place = {"stores_dir": site / "stores", "keys_dir": site / "keys"}
    tasks = [task for name in OF_ROLES for task in examples_of(name)]
    here = {"/srv/": f"{site.folder}/", "/etc/orders": f"{site.folder}/orders", "localhost:4222": "127.0.0.1:1"}
    text = yaml.safe_dump(tasks)
    for found, replaced in here.items():
        assert found in text
        text = text.replace(found, replaced)
    create = {"name": "Create the store", "natsops.security.nats_store": {"definition": document}}
    modules = {f"natsops.security.{name}": place for name in ("nats_store", "nats_store_info")}
    played = play([{"block": [create, *yaml.safe_load(text)], "module_defaults": modules}])
    assert played.returncode == 0, played.output
    shown = {task["name"]: played.tasks[task["name"]].get("msg") for task in tasks}
    assert (site.folder / "orders/orders.creds").read_text().startswith("-----BEGIN NATS USER JWT-----")
    assert shown["Show which handlers of app1 have to run"] == ["restart orders"]
    assert "cannot connect: nats://127.0.0.1:1: Connection refused." in shown["Show why users cannot connect"][0]
    assert shown["Show what was renewed, and what expires within a week"]["ok"]
    assert shown["Show what is left in each phase, without the servers and their connections"]["phase"] == "resign"
    assert shown["Show which hosts get new creds"] == ["app1"]


def test_examples_of_every_filter_run() -> None:
    # test_server_config.py runs those of nats_server_config.
    run = {*OF_ROLES, *DESCRIBED["filter"], "nats_reasons", "nats_document", "nats_access", "nats_server_config"}
    documented = {path.stem for path in (ROOT / "plugins/filter").glob("*.yml")}
    assert run == documented | {"nats_access"}  # that has its documentation in the plugin


def examples_of(name: str) -> list[dict[str, Any]]:
    """The tasks in the EXAMPLES of a filter."""
    found: list[dict[str, Any]] = yaml.safe_load(
        yaml.safe_load((ROOT / f"plugins/filter/{name}.yml").read_text())["EXAMPLES"]
    )
    return found
