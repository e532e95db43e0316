# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Tasks of every module that writes files, with the tasks that run before them."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

from ansible_collections.natsops.security.plugins.module_utils.decision.issue import Decision
from ansible_collections.natsops.security.plugins.module_utils.decision.unsigned import Request, request_for
from ansible_collections.natsops.security.plugins.module_utils.token import codec
from support.sites import Site

DOCUMENT: dict[str, Any] = {
    "operator": {"name": "ACME", "signing_keys": ["main", "a/b"], "system_account": "ACME"},
    "accounts": [
        {"name": "ACME", "signing_keys": ["main", "a/b"], "users": [{"name": "ACME"}]},
        {
            "name": "APP",
            "signing_keys": [{"role": "main"}, {"role": "reader", "template": {}}],
            "exports": [{"subject": "a", "type": "service", "token_required": True}],
            "users": [{"name": "one"}, {"name": "two", "signing_key_role": "reader"}],
        },
        {"name": "PARTNER", "imports": [{"account": "APP", "subject": "a", "type": "service"}]},
    ],
}


def request_of(what: str, decision: Decision, existing: str | None) -> Request:
    """Return the request for the token of a decision."""
    return request_for(what, decision.claims, decision.reasons, existing)


def changed_document(document: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a copy of the document with additions, changes and removals. Its second account is APP."""
    wanted = copy.deepcopy(DOCUMENT if document is None else document)
    wanted["operator"]["signing_keys"] = ["new"]
    wanted["operator"]["remove_signing_keys"] = ["main"]
    app = wanted["accounts"][1]
    app["users"] = [{"name": "two", "signing_key_role": "writer"}, {"name": "three"}]
    app["signing_keys"] = [{"role": "main"}, {"role": "writer", "template": {}}]
    wanted["accounts"][2:] = [{"name": "MORE", "signing_keys": ["k"], "users": [{"name": "x"}]}]
    return wanted


def renaming_document() -> dict[str, Any]:
    """Return DOCUMENT with an account and one of its users renamed."""
    wanted = copy.deepcopy(DOCUMENT)
    app, partner = wanted["accounts"][1:]
    app.update(name="SHOP", renamed_from="APP")
    app["users"][0] = {"name": "first", "renamed_from": "one"}
    partner["imports"][0]["account"] = "SHOP"
    return wanted


@dataclasses.dataclass(frozen=True)
class Scenario:
    """A task, and the tasks that prepare the folder for it."""

    module: str
    options: Callable[[Site], dict[str, Any]]
    before: tuple[tuple[str, Callable[[Site], dict[str, Any]]], ...] = ()


def operator(site: Site, **more: Any) -> dict[str, Any]:
    return {
        "name": "NEW",
        "key_path": site / "new.nk",
        "jwt_path": site / "new.jwt",
        "signing_keys": [{"path": site / "new-signing.nk"}],
        **more,
    }


def account(site: Site, **more: Any) -> dict[str, Any]:
    return {
        "name": "NEW",
        "key_path": site / "new.nk",
        "jwt_path": site / "new.jwt",
        "signing_keys": [{"path": site / "new-1.nk"}, {"path": site / "new-2.nk", "role": "r", "template": {}}],
        "operator_jwt_path": site / "acme.jwt",
        "signer_path": site / "acme-signing.nk",
        **more,
    }


def user(site: Site, **more: Any) -> dict[str, Any]:
    return {
        "name": "u",
        "key_path": site / "u.nk",
        "jwt_path": site / "u.jwt",
        "creds_path": site / "u.creds",
        "account_jwt_path": site / "app.jwt",
        "signer_path": site / "app-signing.nk",
        **more,
    }


def activation(site: Site) -> dict[str, Any]:
    return {
        "importer": site.key("acme-importer.nk").public_key,
        "import_subject": "orders.create",
        "import_type": "service",
        "jwt_path": site / "activation.jwt",
        "account_jwt_path": site / "app.jwt",
        "signer_path": site / "app-signing.nk",
    }


def creds(site: Site, **more: Any) -> dict[str, Any]:
    return {"path": site / "copy.creds", "jwt_path": site / "u.jwt", "key_path": site / "u.nk", **more}


def credentials(site: Site, state: str, **more: Any) -> dict[str, Any]:
    entry = {"account": "APP", "name": "u", "path": site / "host.creds", "notify": True, **more}
    return {"state": state, "users": [entry]}


def _signed(site: Site) -> dict[str, Any]:
    """Return the options of the user whose key is pending on its host or already in its creds file."""
    paths = [site.folder / name for name in (".host.creds.natsops-key", "host.creds")]
    pair = site.core.decorated.seed_in(next(path for path in paths if path.exists()).read_text())
    options = {**user(site), "public_key": pair.public_key}
    return {name: value for name, value in options.items() if name not in ("key_path", "creds_path")}


def _held(site: Site) -> str:
    """Return the public key of the creds on the host before the rotation."""
    path = site.folder / "old-born"
    if not path.exists():
        site.write(path.name, site.claims("host.creds").subject)
    return path.read_text()


def store(site: Site, document: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"definition": document, "stores_dir": site / "stores", "keys_dir": site / "keys", **more}


def with_old_keys(site: Site) -> dict[str, Any]:
    """Return the options of a store with a curve key, and write the public keys of its users before the rotation to files."""
    for name in ("one", "two"):
        jwt = site.folder / f"stores/ACME/accounts/APP/users/{name}.jwt"
        site.write(f"old-{name}", codec.decode(jwt.read_text()).subject)
    return store(site, callout_document())


def callout_document() -> dict[str, Any]:
    """Return DOCUMENT with an auth callout."""
    wanted = copy.deepcopy(DOCUMENT)
    wanted["accounts"][1]["authorization"] = {"auth_users": ["one"], "xkey": {"role": "callout"}}
    return wanted


def rotated(site: Site, **phases: str) -> dict[str, Any]:
    """Return the options of a store with rotations of the curve key and of the keys of users; `phases` are by user name."""
    callout = phases.pop("callout", "")
    if not (site.folder / "old-callout").exists():
        account = codec.decode(site.text("stores/ACME/accounts/APP/APP.jwt"))
        site.write("old-callout", account.body.authorization.xkey)
    rotations = [
        {"account": "APP", "user": name, "phase": phase, "public_key": site.text(f"old-{name}")}
        for name, phase in phases.items()
    ]
    curve = [{"account": "APP", "role": "callout", "phase": callout, "public_key": site.text("old-callout")}]
    return store(site, callout_document(), rotations=[*rotations, *(curve if callout else [])])


def signing_keys_rotated(site: Site, phase: str) -> dict[str, Any]:
    """Return the options of a store with the same rotation phase of an operator's signing key and of two account signing keys, one of them scoped."""
    path = site.folder / "old-signing-keys"
    if not path.exists():
        account = codec.decode(site.text("stores/ACME/accounts/APP/APP.jwt"))
        one, two = (codec.decode(site.text(f"stores/ACME/accounts/APP/users/{user}.jwt")) for user in ("one", "two"))
        site.write(path.name, " ".join((account.issuer, one.issuer, two.issuer)))
    slots = ({"role": "main"}, {"account": "APP", "role": "main"}, {"account": "APP", "role": "reader"})
    keys = path.read_text().split()
    rotations = [{**slot, "phase": phase, "public_key": key} for slot, key in zip(slots, keys, strict=True)]
    return store(site, callout_document(), rotations=rotations)


def revocation(site: Site) -> dict[str, Any]:
    return {
        "jwt_path": site / "app.jwt",
        "operator_jwt_path": site / "acme.jwt",
        "signer_path": site / "acme-signing.nk",
        "revocations": [{"user": "*"}, {"export": "orders.create", "account": "*"}],
        "backup": True,
    }


def revocation_in_store(site: Site) -> dict[str, Any]:
    return {
        "stores_dir": site / "stores",
        "keys_dir": site / "keys",
        "store": "ACME",
        "account": "APP",
        "revocations": [{"user": "two"}, {"export": "a", "account": "PARTNER"}],
        "remove_signing_keys": ["main"],
    }


_ON_HOST = (
    ("credentials", lambda site: credentials(site, "prepared")),
    ("user", _signed),
    ("credentials", lambda site: credentials(site, "present", jwt=site.text("u.jwt"))),
)
_BEFORE_ROTATION = (("store", lambda site: store(site, DOCUMENT)), ("store", with_old_keys))
_CHANGED = {"permissions": {"publish": {"allow": ["a"]}}}
SCENARIOS = {
    "revocation": Scenario("revocation", revocation),
    "revocation in a store": Scenario(
        "revocation", revocation_in_store, (("store", lambda site: store(site, DOCUMENT)),)
    ),
    "operator": Scenario("operator", operator),
    "operator changed": Scenario(
        "operator", lambda site: operator(site, tags=["x"], backup=True), (("operator", operator),)
    ),
    "account": Scenario("account", account),
    "user": Scenario("user", user),
    "user changed": Scenario("user", lambda site: user(site, **_CHANGED, backup=True), (("user", user),)),
    "user absent": Scenario("user", lambda site: user(site, state="absent", backup=True), (("user", user),)),
    "activation": Scenario("activation", activation),
    "creds": Scenario("creds", creds, (("user", user),)),
    "creds changed": Scenario(
        "creds",
        lambda site: creds(site, backup=True),
        (("user", user), ("creds", creds), ("user", lambda site: user(site, **_CHANGED))),
    ),
    "credentials prepared": Scenario("credentials", lambda site: credentials(site, "prepared")),
    "credentials": Scenario(
        "credentials",
        lambda site: credentials(site, "present", jwt=site.text("u.jwt")),
        (("credentials", lambda site: credentials(site, "prepared")), ("user", _signed)),
    ),
    "credentials renewed": Scenario(
        "credentials",
        lambda site: credentials(site, "present", jwt=site.text("u.jwt"), mode="0640"),
        (
            ("credentials", lambda site: credentials(site, "prepared")),
            ("user", _signed),
            ("credentials", lambda site: credentials(site, "present", jwt=site.text("u.jwt"))),
            ("user", lambda site: {**_signed(site), **_CHANGED}),
        ),
    ),
    "credentials key that follows": Scenario(
        "credentials", lambda site: credentials(site, "prepared", rotated_key=_held(site)), _ON_HOST
    ),
    "nkey": Scenario(
        "nkey", lambda site: {"path": site / "k.nk", "type": "user", "public_key_path": site / "k.pub", "mode": "u=rw"}
    ),
    "nkey replaced": Scenario(
        "nkey",
        lambda site: {
            "path": site / "k.nk",
            "type": "account",
            "seed": site.text("app.nk").strip(),
            "regenerate": True,
            "backup": True,
        },
        (("nkey", lambda site: {"path": site / "k.nk", "type": "user"}),),
    ),
    "nkey absent": Scenario(
        "nkey",
        lambda site: {"path": site / "k.nk", "type": "user", "state": "absent", "backup": True},
        (("nkey", lambda site: {"path": site / "k.nk", "type": "user"}),),
    ),
    "store": Scenario("store", lambda site: store(site, DOCUMENT)),
    "store renamed": Scenario(
        "store", lambda site: store(site, renaming_document()), (("store", lambda site: store(site, DOCUMENT)),)
    ),
    "users rotated": Scenario(
        "store", lambda site: rotated(site, one="replace", two="resign", callout="add"), _BEFORE_ROTATION
    ),
    "user retired": Scenario(
        "store",
        lambda site: rotated(site, one="retire", callout="retire"),
        (*_BEFORE_ROTATION, ("store", lambda site: rotated(site, one="resign", callout="resign"))),
    ),
    "signing keys rotated": Scenario("store", lambda site: signing_keys_rotated(site, "resign"), _BEFORE_ROTATION),
    "signing keys replaced": Scenario("store", lambda site: signing_keys_rotated(site, "replace"), _BEFORE_ROTATION),
    "signing keys retired": Scenario(
        "store",
        lambda site: signing_keys_rotated(site, "retire"),
        (*_BEFORE_ROTATION, ("store", lambda site: signing_keys_rotated(site, "resign"))),
    ),
    "store changed": Scenario(
        "store",
        lambda site: store(site, changed_document(), prune=True, cut_off=True),
        (("store", lambda site: store(site, DOCUMENT)),),
    ),
}
