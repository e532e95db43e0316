# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""nats_store: an operator with everything below it is created, corrected, renewed and removed from one document; check mode; what is refused."""

from __future__ import annotations

import copy
import json
import re
import time
from typing import TYPE_CHECKING, Any

import pytest
from support.sites import changed

from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.token import codec, decorated

if TYPE_CHECKING:
    from support.plays import Play
    from support.sites import Site

DEFINITION: dict[str, Any] = {
    "operator": {
        "name": "ACME",
        "signing_keys": ["main"],
        "system_account": "SYS",
        "strict_signing_key_usage": True,
        "operator_service_urls": ["nats://localhost:4222"],
    },
    "accounts": [
        {"name": "SYS", "signing_keys": ["main"], "users": [{"name": "sys"}]},
        {
            "name": "APP",
            "limits": {"connections": 100},
            "signing_keys": [
                {"role": "main"},
                {"role": "reader", "template": {"permissions": {"subscribe": {"allow": ["prices.>"]}}}},
            ],
            "exports": [{"subject": "orders.*", "type": "service", "token_required": True}],
            "users": [
                {"name": "orders", "permissions": {"publish": {"allow": ["orders.>"]}}},
                {"name": "dashboard", "signing_key_role": "reader"},
                {"name": "renewed", "expires_in": "90d", "renew_before": "14d"},
            ],
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
def definition() -> dict[str, Any]:
    """A copy of a document with many kinds of claims, which a test may change."""
    return copy.deepcopy(DEFINITION)


class Store:
    """A store in a folder, and the modules run on it."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.options = {"stores_dir": site / "stores", "keys_dir": site / "keys"}

    def apply(self, definition: dict[str, Any], **options: Any) -> dict[str, Any]:
        """The result of a run, which check mode has predicted."""
        told = self.site.check("store", definition=definition, **self.options, **options)
        result = self.site.run("store", definition=definition, **self.options, **options)
        for name in ("summary", "diff", "changed", "created_users", "kept_users"):
            assert told[name] == result[name]
        for name in ("kind", "name", "account", "action", "reasons"):
            assert [entity.get(name) for entity in told["entities"]] == [
                entity.get(name) for entity in result["entities"]
            ]
        return result

    def keep(self, definition: dict[str, Any], **options: Any) -> dict[str, Any]:
        """The result of a run that changes nothing."""
        return self.site.keep("store", definition=definition, **self.options, **options)

    def refuse(self, definition: dict[str, Any], how: dict[str, Any] | None = None, **options: Any) -> str:
        """The message of a run that changes nothing."""
        return self.site.refuse("store", how, definition=definition, **self.options, **options)

    def info(self) -> dict[str, Any]:
        """The result of nats_store_info."""
        return self.site.check("store_info", **self.options)

    def account(self, name: str) -> Any:
        """The claims of an account."""
        return self.site.claims(f"stores/ACME/accounts/{name}/{name}.jwt")

    def user(self, account: str, name: str) -> Any:
        """The claims of a user."""
        return self.site.claims(f"stores/ACME/accounts/{account}/users/{name}.jwt")

    @property
    def files(self) -> list[str]:
        """The paths of the store and keystore, except those that nsc does not know."""
        found = [path.relative_to(self.site.folder).as_posix() for path in self.site.folder.rglob("*")]
        return sorted(path for path in found if ".natsops" not in path)


@pytest.fixture
def store(site: Site) -> Store:
    """A folder without a store."""
    return Store(site)


@pytest.fixture
def made(store: Store, definition: dict[str, Any]) -> Store:
    """A store that was created from the document."""
    store.apply(definition)
    return store


# ---- created


def test_store_is_created_and_then_kept(store: Store, definition: dict[str, Any]) -> None:
    result = store.apply(definition)
    assert result["summary"] == {"created": 11, "changed": 0, "kept": 0, "extra": 0, "removed": 0}
    assert store.account("APP").body.limits.connections == 100
    again = store.keep(definition)
    assert again["summary"]["kept"] == 11
    assert again["accounts"] == result["accounts"]
    assert result["operator"]["jwt"] == store.site.text("stores/ACME/ACME.jwt")
    assert result["system_account"]["public_key"] == store.account("SYS").subject


def test_layout_is_that_of_nsc(made: Store) -> None:
    keys = r"keys/keys/([OAU])/(..)/(\1\2[A-Z2-7]{53})\.nk"
    assert [path for path in made.files if not re.match("keys/keys/", path)] == [
        "keys",
        "keys/.gitignore",
        "keys/creds",
        "keys/creds/ACME",
        *(
            f"keys/creds/ACME/{path}"
            for path in (
                "APP",
                "APP/dashboard.creds",
                "APP/orders.creds",
                "APP/renewed.creds",
                "PARTNER",
                "PARTNER/shop.creds",
                "SYS",
                "SYS/sys.creds",
            )
        ),
        "keys/keys",
        "stores",
        "stores/ACME",
        "stores/ACME/.nsc",
        "stores/ACME/ACME.jwt",
        "stores/ACME/accounts",
        "stores/ACME/accounts/APP",
        "stores/ACME/accounts/APP/APP.jwt",
        "stores/ACME/accounts/APP/users",
        "stores/ACME/accounts/APP/users/dashboard.jwt",
        "stores/ACME/accounts/APP/users/orders.jwt",
        "stores/ACME/accounts/APP/users/renewed.jwt",
        "stores/ACME/accounts/PARTNER",
        "stores/ACME/accounts/PARTNER/PARTNER.jwt",
        "stores/ACME/accounts/PARTNER/users",
        "stores/ACME/accounts/PARTNER/users/shop.jwt",
        "stores/ACME/accounts/SYS",
        "stores/ACME/accounts/SYS/SYS.jwt",
        "stores/ACME/accounts/SYS/users",
        "stores/ACME/accounts/SYS/users/sys.jwt",
    ]
    seeds = [re.fullmatch(keys, path) for path in made.files if path.endswith(".nk")]
    assert len(seeds) == 1 + 1 + 3 + 4 + 5
    for match in seeds:
        assert match is not None
        assert nkey.from_seed(made.site.text(match.group())).public_key == match.group(3)
    assert made.site.text("stores/ACME/.nsc") == '{"managed":false,"name":"ACME","kind":"operator","version":"1"}'
    assert made.site.text("keys/.gitignore") == (
        "# ignore all nk files \n**/*.nk\n\n# ignore all creds files\n**/*.creds\n"
    )
    for path in made.site.folder.rglob("*"):
        assert f"{path.stat().st_mode & 0o7777:04o}" == ("0700" if path.is_dir() else "0600"), path


def test_creds_are_those_of_the_library(made: Store) -> None:
    claims = made.user("APP", "orders")
    seed = nkey.from_seed(made.site.text(f"keys/keys/U/{claims.subject[1:3]}/{claims.subject}.nk"))
    jwt = made.site.text("stores/ACME/accounts/APP/users/orders.jwt")
    assert made.site.text("keys/creds/ACME/APP/orders.creds") == decorated.format_creds(jwt, seed)


def test_everything_is_signed_by_the_key_that_it_should_be(made: Store) -> None:
    operator = made.site.claims("stores/ACME/ACME.jwt")
    app = made.account("APP")
    (main,) = (key.key for key in app.body.signing_keys if key.template is None)
    (reader,) = (key.key for key in app.body.signing_keys if key.role == "reader")
    assert app.issuer == operator.body.signing_keys[0]
    assert (made.user("APP", "orders").issuer, made.user("APP", "dashboard").issuer) == (main, reader)
    assert made.user("APP", "dashboard").body.is_scoped
    (item,) = made.account("PARTNER").body.imports
    activation = codec.decode(item.token)
    assert (activation.subject, activation.issuer) == (made.account("PARTNER").subject, main)
    assert activation.body.issuer_account == item.account == app.subject


def test_umask_does_not_matter(store: Store, definition: dict[str, Any]) -> None:
    store.site.start("store", {"definition": definition, **store.options}, umask=0o777)
    for path in store.site.folder.rglob("*"):
        assert f"{path.stat().st_mode & 0o7777:04o}" == ("0700" if path.is_dir() else "0600"), path
    store.keep(definition)


# ---- corrected


def test_only_what_changed_is_signed_and_written(made: Store, definition: dict[str, Any]) -> None:
    before = made.site.snapshot()
    definition["accounts"][1]["users"][0]["permissions"]["publish"]["allow"].append("more.>")
    result = made.apply(definition)
    assert changed(result) == {"user/APP/orders": ("changed", ["permissions.publish.allow: added more.>"])}
    after = made.site.snapshot()
    touched = {
        path
        for path in after
        if after[path] != before.get(path)
        and (made.site.folder / path).is_file()
        and not path.endswith(".natsops/lock")
    }
    assert touched == {
        made.site / "stores/ACME/accounts/APP/users/orders.jwt",
        made.site / "keys/creds/ACME/APP/orders.creds",
    }
    made.keep(definition)


def test_diff_has_the_claims_of_what_changes(made: Store, definition: dict[str, Any]) -> None:
    definition["accounts"][1]["limits"]["connections"] = 200
    diff = made.apply(definition)["diff"]
    assert list(diff["before"]) == list(diff["after"]) == ["accounts.APP"]
    assert diff["before"]["accounts.APP"]["limits"] == {"connections": 100}
    assert diff["after"]["accounts.APP"]["limits"] == {"connections": 200}


def test_diff_is_one_that_people_can_read(made: Store, definition: dict[str, Any]) -> None:
    definition["accounts"][1]["limits"]["connections"] = 200
    definition["accounts"][1]["users"][0]["tags"] = ["new"]
    partner = made.account("PARTNER")
    definition["accounts"][2]["limits"] = {"connections": 5}
    diff = made.apply(definition)["diff"]
    text = json.dumps([diff["before"], diff["after"]])
    app = made.account("APP").subject
    assert diff["after"]["accounts.APP"]["subject"] == f"APP ({app})"
    assert diff["after"]["accounts.PARTNER"]["subject"] == f"PARTNER ({partner.subject})"
    assert "eyJ" not in text, "tokens are named by their identifiers"
    # The name of its entity precedes each key.
    assert re.findall(r'"[OAU][A-Z2-7]{55}"', text) == []
    user = definition["accounts"][1]["users"][0]["name"]
    lines = diff["prepared"].splitlines()
    assert lines[0] == "tokens to sign: 3"
    assert sum(int(line.split()[0]) for line in lines[1:-1]) == 3
    assert all(" by ACME" in line or " by APP" in line for line in lines[1:-1])
    assert lines[-1] == f"creds to write: APP/{user}"
    assert "prepared" not in made.apply(definition)["diff"]


def test_diff_of_a_new_store_names_no_key_that_is_not_made_yet(store: Store, definition: dict[str, Any]) -> None:
    diff = store.apply(definition)["diff"]
    assert diff["before"] == {name: {} for name in diff["before"]}
    assert not re.search(r"\b[OAU][A-Z2-7]{55}\b", json.dumps(diff))
    assert diff["after"]["operator"]["system_account"] == "(a new account key: SYS)"


def test_new_signing_key_gets_its_users_and_leaves_the_others(made: Store, definition: dict[str, Any]) -> None:
    definition["accounts"][1]["signing_keys"].append({"role": "writer", "template": {}})
    definition["accounts"][1]["users"][1]["signing_key_role"] = "writer"
    result = made.apply(definition)
    assert list(changed(result)) == ["account/APP", "user/APP/dashboard"]
    assert changed(result)["account/APP"][1] == ["signing_keys[(a new account key: APP/signing_keys/writer)]: added"]
    made.keep(definition)


def test_signing_key_that_goes_has_its_users_signed_anew(made: Store, definition: dict[str, Any]) -> None:
    old = made.user("APP", "orders").issuer
    definition["accounts"][1]["signing_keys"][0]["role"] = "2027"
    definition["accounts"][1]["remove_signing_keys"] = ["main"]
    result = made.apply(definition, cut_off=True)
    assert changed(result)["signing_key/APP/main"] == ("removed", ["remove_signing_keys names it"])
    assert {"account/APP", "user/APP/orders", "user/APP/renewed"} <= set(changed(result))
    assert "user/APP/dashboard" not in changed(result)
    assert made.user("APP", "orders").issuer != old
    assert f"keys/keys/A/{old[1:3]}/{old}.nk" not in made.files
    (archived,) = (made.site.folder / "keys/.natsops/archive").rglob(f"{old}.nk.archived")
    assert nkey.from_seed(archived.read_text()).public_key == old
    activation = codec.decode(made.account("PARTNER").body.imports[0].token)
    assert activation.issuer == made.user("APP", "orders").issuer
    made.keep(definition)


def test_operator_signing_key_is_rotated(made: Store, definition: dict[str, Any]) -> None:
    definition["operator"]["signing_keys"] = ["2027"]
    result = made.apply(definition)
    assert changed(result)["signing_key/main"] == ("extra", ["it is not in the document"])
    assert [name for name in changed(result) if name.startswith("account")] == []
    definition["operator"]["remove_signing_keys"] = ["main"]
    result = made.apply(definition, cut_off=True)
    assert {"account/SYS", "account/APP", "account/PARTNER"} <= set(changed(result))
    (issuer,) = {made.account(name).issuer for name in ("SYS", "APP", "PARTNER")}
    assert made.site.claims("stores/ACME/ACME.jwt").body.signing_keys == [issuer]
    made.keep(definition)


def test_account_is_signed_by_the_role_that_it_names(made: Store, definition: dict[str, Any]) -> None:
    definition["operator"]["signing_keys"].append("2027")
    definition["accounts"][1]["signing_key_role"] = "2027"
    assert [name for name in changed(made.apply(definition)) if name.startswith("account")] == ["account/APP"]
    made.keep(definition)


def test_expiring_users_are_renewed(made: Store, definition: dict[str, Any]) -> None:
    claims = made.user("APP", "renewed")
    issued_at = int(time.time()) - 80 * 86400
    claims.expires = issued_at + 90 * 86400
    account = made.account("APP")
    pair = nkey.from_seed(made.site.text(f"keys/keys/A/{claims.issuer[1:3]}/{claims.issuer}.nk"))
    made.site.write("stores/ACME/accounts/APP/users/renewed.jwt", codec.encode(claims, pair, issued_at), 0o600)
    assert account.subject == claims.body.issuer_account
    result = made.apply(definition)
    action, reasons = changed(result)["user/APP/renewed"]
    assert action == "changed"
    assert reasons == ["expires in 10d, renewal window 14d"]
    made.keep(definition)


def test_modes_are_put_right_without_signing(made: Store, definition: dict[str, Any]) -> None:
    before = made.site.text("stores/ACME/accounts/APP/users/orders.jwt")
    for path, mode in (
        ("stores/ACME/accounts/APP/users/orders.jwt", 0o644),
        ("keys/creds/ACME/APP/orders.creds", 0o640),
        ("stores/ACME/accounts", 0o755),
    ):
        (made.site.folder / path).chmod(mode)
    result = made.apply(definition)
    assert set(changed(result)) == {"store/ACME", "user/APP/orders"}
    assert made.site.text("stores/ACME/accounts/APP/users/orders.jwt") == before
    made.keep(definition)


def test_newline_after_a_token_is_removed_without_signing(made: Store, definition: dict[str, Any]) -> None:
    before = made.site.text("stores/ACME/accounts/APP/users/orders.jwt")
    for path in ("accounts/APP/users/orders.jwt", "accounts/APP/APP.jwt", "ACME.jwt"):
        made.site.write(f"stores/ACME/{path}", made.site.text(f"stores/ACME/{path}") + "\n", 0o600)
    result = made.apply(definition)
    assert set(changed(result)) == {"operator/ACME", "account/APP", "user/APP/orders"}
    assert made.site.text("stores/ACME/accounts/APP/users/orders.jwt") == before
    made.keep(definition)


def test_creds_that_are_lost_are_written_again(made: Store, definition: dict[str, Any]) -> None:
    (made.site.folder / "keys/creds/ACME/APP/orders.creds").unlink()
    assert changed(made.apply(definition)) == {"user/APP/orders": ("changed", ["there is no creds file yet"])}
    made.keep(definition)


def test_seed_that_only_the_creds_have_is_used(made: Store, definition: dict[str, Any]) -> None:
    key = made.user("APP", "orders").subject
    (made.site.folder / f"keys/keys/U/{key[1:3]}/{key}.nk").unlink()
    made.keep(definition)
    definition["accounts"][1]["users"][0]["tags"] = ["x:y"]
    made.apply(definition)
    assert made.user("APP", "orders").subject == key
    assert decorated.find_seed(made.site.text("keys/creds/ACME/APP/orders.creds")).public_key == key
    made.keep(definition)


def test_user_without_creds(store: Store, definition: dict[str, Any]) -> None:
    definition["accounts"][1]["users"][0]["creds"] = False
    store.apply(definition)
    assert "keys/creds/ACME/APP/orders.creds" not in store.files
    store.keep(definition)


def test_user_whose_key_is_elsewhere(store: Store, definition: dict[str, Any]) -> None:
    key = nkey.create("user").public_key
    definition["accounts"][1]["users"][0]["public_key"] = key
    store.apply(definition)
    assert store.user("APP", "orders").subject == key
    assert "keys/creds/ACME/APP/orders.creds" not in store.files
    store.keep(definition)
    assert "accounts[0].users[1]" in [
        entity["path"] for entity in store.info()["entities"] if entity.get("public_key") == key
    ]


def test_seeds_from_elsewhere_sign_and_are_written_nowhere(store: Store, definition: dict[str, Any]) -> None:
    identity, signing = nkey.create("operator"), nkey.create("operator")
    definition["operator"]["public_key"] = identity.public_key
    definition["operator"]["signing_keys"] = [{"role": "main", "public_key": signing.public_key}]
    assert "seed of none of the allowed keys" in store.refuse(definition)
    store.apply(definition, seeds=[identity.seed, signing.seed])
    assert not [path for path in store.files if path.startswith("keys/keys/O")]
    store.keep(definition)
    definition["accounts"][0]["tags"] = ["x"]
    assert "accounts[0] (SYS): it has to be signed" in store.refuse(definition)
    store.apply(definition, seeds=[signing.seed])


def test_operator_can_be_offline(made: Store, definition: dict[str, Any]) -> None:
    key = made.site.claims("stores/ACME/ACME.jwt").subject
    (made.site.folder / f"keys/keys/O/{key[1:3]}/{key}.nk").unlink()
    definition["accounts"][1]["limits"]["connections"] = 5
    made.apply(definition)
    made.keep(definition)


def test_names_stand_for_keys(store: Store, definition: dict[str, Any]) -> None:
    app, partner = definition["accounts"][1], definition["accounts"][2]
    app["exports"].append({"subject": "tenant.*.get", "type": "service", "account_token_position": 2})
    partner["imports"].append({"account": "APP", "subject": "tenant.{{account-subject()}}.get", "type": "service"})
    partner["authorization"] = {"auth_users": ["shop"], "allowed_accounts": ["APP"]}
    store.apply(definition)
    claims = store.account("PARTNER")
    assert claims.body.authorization.auth_users == [store.user("PARTNER", "shop").subject]
    assert claims.body.authorization.allowed_accounts == [store.account("APP").subject]
    assert f"tenant.{claims.subject}.get" in [item.subject for item in claims.body.imports]
    store.keep(definition)


def test_revoked_users_and_importers_get_tokens_from_after_that(made: Store, definition: dict[str, Any]) -> None:
    definition["accounts"][1]["revocations"] = {"orders": "now"}
    definition["accounts"][1]["exports"][0]["revocations"] = {"PARTNER": "now"}
    result = made.apply(definition)
    assert {"account/APP", "user/APP/orders", "account/PARTNER"} <= set(changed(result))
    revoked = f"APP/orders ({made.user('APP', 'orders').subject})"
    assert result["diff"]["after"]["accounts.APP"]["revocations"] == {revoked: "now"}
    at = made.account("APP").body.revocations[made.user("APP", "orders").subject]
    assert made.user("APP", "orders").issued_at > at
    made.keep(definition)


def test_activation_is_renewed_as_the_document_says(made: Store, definition: dict[str, Any]) -> None:
    definition["accounts"][2]["imports"][0]["activation"] = {"expires_in": "30d", "renew_before": "5d"}
    result = made.apply(definition)
    assert changed(result)["activation/PARTNER/service orders.create of APP"][0] == "changed"
    item = made.account("PARTNER").body.imports[0]
    activation = codec.decode(item.token)
    assert activation.expires == activation.issued_at + 30 * 86400
    made.keep(definition)


# ---- removed


def test_what_is_not_in_the_document_is_told_and_stays(made: Store, definition: dict[str, Any]) -> None:
    del definition["accounts"][1]["users"][0]
    del definition["accounts"][2]
    before = made.files
    result = made.keep(definition)
    assert {name: action for name, (action, _unused) in changed(result).items()} == {
        "user/APP/orders": "extra",
        "account/PARTNER": "extra",
        "user/PARTNER/shop": "extra",
    }
    assert made.files == before


def test_prune_revokes_and_archives(made: Store, definition: dict[str, Any]) -> None:
    user, partner, shop = made.user("APP", "orders"), made.account("PARTNER"), made.user("PARTNER", "shop")
    del definition["accounts"][1]["users"][0]
    del definition["accounts"][2]
    del definition["accounts"][1]["signing_keys"][1], definition["accounts"][1]["users"][0]
    result = made.apply(definition, prune=True)
    assert {name: action for name, (action, _unused) in changed(result).items()} == {
        "account/APP": "changed",
        "signing_key/APP/reader": "removed",
        "user/APP/orders": "removed",
        "user/APP/dashboard": "removed",
        "account/PARTNER": "removed",
        "user/PARTNER/shop": "removed",
    }
    assert made.account("APP").body.revocations[user.subject] >= user.issued_at
    assert not [path for path in made.files if "PARTNER" in path or "orders" in path]
    archived = {path.name for path in made.site.folder.rglob("*.archived")}
    assert {"orders.jwt.archived", "orders.creds.archived", "PARTNER.jwt.archived"} <= archived
    for key in (user.subject, partner.subject, shop.subject):
        assert f"{key}.nk.archived" in archived
    assert not [path for path in made.files if path.endswith((f"{user.subject}.nk", f"{partner.subject}.nk"))]
    made.keep(definition, prune=True)
    # The revocation stays, and a new user of the same name gets another key.
    definition["accounts"][1]["users"].append({"name": "orders"})
    made.apply(definition, prune=True)
    assert made.user("APP", "orders").subject != user.subject
    assert user.subject in made.account("APP").body.revocations


def test_state_absent_removes_without_prune(made: Store, definition: dict[str, Any]) -> None:
    user = made.user("APP", "orders")
    definition["accounts"][1]["users"][0] = {"name": "orders", "state": "absent"}
    definition["accounts"][2]["state"] = "absent"
    result = made.apply(definition)
    assert changed(result)["user/APP/orders"] == ("removed", ["its state is absent"])
    assert changed(result)["account/PARTNER"] == ("removed", ["its state is absent"])
    assert user.subject in made.account("APP").body.revocations
    made.keep(definition)


# ---- refused


def test_with_a_problem_nothing_is_written(store: Store, definition: dict[str, Any]) -> None:
    definition["accounts"][1]["users"][0]["permissions"]["publish"]["allow"] = ["two words"]
    definition["accounts"][2]["imports"][0].update(name="orders", subject="other")
    message = store.refuse(definition)
    assert message.startswith("There are 2 problems in definition, so nothing was written")
    assert "accounts[1] (APP).users[0] (orders).permissions.publish.allow[0]: " in message
    assert "accounts[2] (PARTNER).imports[0] (orders).subject: " in message
    result = store.site.start("store", {"definition": definition, **store.options})
    assert [problem["path"] for problem in result["problems"]] == [
        "accounts[2] (PARTNER).imports[0] (orders).subject",
        "accounts[1] (APP).users[0] (orders).permissions.publish.allow[0]",
    ]


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("ACME.jwt", "nonsense"),
        ("accounts/APP/APP.jwt", "{}"),
        ("accounts/APP/users/orders.jwt", ""),
        (".nsc", "nonsense"),
    ],
)
def test_foreign_file_is_left_as_it_is(made: Store, definition: dict[str, Any], path: str, content: str) -> None:
    made.site.write(f"stores/ACME/{path}", content, 0o600)
    assert made.site / f"stores/ACME/{path}" in made.refuse(definition)


def test_foreign_creds_are_left_as_they_are(made: Store, definition: dict[str, Any]) -> None:
    made.site.write("keys/creds/ACME/APP/orders.creds", made.site.text("keys/creds/ACME/SYS/sys.creds"), 0o600)
    assert "It is left unchanged" in made.refuse(definition)


def test_mistyped_seed_is_an_error(made: Store, definition: dict[str, Any]) -> None:
    key = made.account("APP").issuer
    path = f"keys/keys/O/{key[1:3]}/{key}.nk"
    seed = made.site.text(path)
    made.site.write(path, seed[:-1] + ("A" if seed[-1] != "A" else "B"), 0o600)
    definition["accounts"][1]["limits"]["connections"] = 5
    result = made.site.start("store", {"definition": definition, **made.options})
    assert result["failed"]
    assert seed[:20] not in json.dumps(result)


def test_token_of_another_key_is_an_error(made: Store, definition: dict[str, Any]) -> None:
    definition["accounts"][1]["users"][0]["public_key"] = nkey.create("user").public_key
    assert "accounts[1] (APP).users[0] (orders).public_key: the subject of the existing token is" in made.refuse(
        definition
    )


def test_plain_signing_keys_of_which_nobody_knows_the_role_are_asked_about(
    made: Store, definition: dict[str, Any]
) -> None:
    (made.site.folder / "stores/ACME/.natsops/roles.json").unlink()
    result = made.apply(definition)
    assert list(changed(result)) == ["store/ACME"]
    (made.site.folder / "stores/ACME/.natsops/roles.json").unlink()
    definition["accounts"][1]["signing_keys"].append({"role": "spare"})
    assert "give each its role with role and public_key" in made.refuse(definition)


def test_definition_or_src(store: Store, definition: dict[str, Any]) -> None:
    path = store.site.write("acme.json", json.dumps(definition))
    assert "one of the following is required: definition, src" in store.site.refuse("store", **store.options)
    result = store.site.run("store", src=path, **store.options)
    assert result["changed"]
    store.keep(definition)
    store.site.write("acme.yml", "operator: [")
    assert "acme.yml is not YAML" in store.site.refuse("store", src=store.site / "acme.yml", **store.options)


def test_read_only_folder_is_one_clear_error(made: Store, definition: dict[str, Any]) -> None:
    users = made.site.folder / "stores/ACME/accounts/APP/users"
    definition["accounts"][1]["users"].append({"name": "more"})
    definition["accounts"][1]["users"][0]["tags"] = ["x"]
    users.chmod(0o500)
    result = made.site.start("store", {"definition": definition, **made.options}, rootless=True)
    assert result["failed"]
    assert f"could not be written {users}" in result["msg"]
    assert "Permission denied" in result["msg"]
    users.chmod(0o700)
    result = made.apply(definition)
    assert {"user/APP/more", "user/APP/orders"} <= set(changed(result))
    made.keep(definition)
    assert len([path for path in made.files if re.match("keys/keys/U/../", path)]) == 6


# ---- through Ansible


@pytest.mark.playbook
def test_task_in_a_playbook(store: Store, definition: dict[str, Any], play: Play) -> None:
    tasks = [
        {
            "name": "make",
            "natsops.security.nats_store": {"definition": "{{ acme }}", **store.options},
            "register": "made",
        },
        {"name": "read", "natsops.security.nats_store_info": store.options, "register": "read"},
        {"name": "again", "natsops.security.nats_store": {"definition": "{{ read.definition }}", **store.options}},
    ]
    played = play(tasks, "-vvv", "--diff", acme=definition)
    assert played.returncode == 0, played.output
    assert played.changed == {"make": True, "read": False, "again": False}
    for path in store.site.folder.rglob("*.nk"):
        assert path.read_text() not in played.output


def test_bearer_token_is_in_no_result(store: Store, definition: dict[str, Any]) -> None:
    definition["accounts"][1]["users"][0]["bearer_token"] = True
    result = store.apply(definition)
    assert store.site.text("stores/ACME/accounts/APP/users/orders.jwt") not in json.dumps(result)


def test_scoped_user_has_no_permissions_of_its_own(store: Store, definition: dict[str, Any]) -> None:
    definition["accounts"][1]["users"][1]["permissions"] = {"publish": {"allow": ["a"]}}
    assert "accounts[1] (APP).users[1] (dashboard).permissions: the role reader has a scope" in store.refuse(definition)
