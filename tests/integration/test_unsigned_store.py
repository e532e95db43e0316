# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""nats_store with keys on an offline machine: one file travels there and back, and nothing is partly signed meanwhile."""

from __future__ import annotations

import json
import pathlib
from typing import TYPE_CHECKING, Any

import pytest
from support.elsewhere import new_elsewhere
from support.faults import killed_run

from ansible_collections.natsops.security.plugins.module_utils.keys import nkey

if TYPE_CHECKING:
    from support.sites import Site


class Offline:
    """A store whose operator's keys are on another machine, and the file that travels."""

    def __init__(self, site: Site, folder: pathlib.Path) -> None:
        self.site, self.elsewhere = site, new_elsewhere(folder)
        self.file = folder / "requests.json"
        self.document = self.elsewhere.document(3)
        self.options: dict[str, Any] = {
            "stores_dir": site / "stores",
            "keys_dir": site / "keys",
            "seeds": [self.elsewhere.account.seed, self.elsewhere.account_signing.seed],
            "unsigned_path": str(self.file),
        }

    @property
    def store(self) -> dict[str, Any]:
        """The options of nats_store."""
        return {"definition": self.document, **self.options}

    def revocation(self, **options: Any) -> dict[str, Any]:
        """The options of nats_revocation for the account APP."""
        return {"store": "ACME", "account": "APP", **self.options, **options}

    def sign(self, checksum: str) -> dict[str, Any]:
        """What nats_sign returns on the machine with the keys."""
        result = self.site.start(
            "sign", {"path": str(self.file), "checksum": checksum, "signer_path": str(self.elsewhere.folder)}
        )
        assert not result.get("failed"), result["msg"]
        return result

    def make(self) -> dict[str, Any]:
        """Request signatures, sign, and apply what was signed. Returns the result of the last run."""
        asked = self.site.run("store", **self.store)
        self.sign(asked["unsigned"]["checksum"])
        return self.site.run("store", **self.store)

    @property
    def tokens(self) -> dict[str, str]:
        """The JWTs of the store by path."""
        return {str(path): path.read_text() for path in self.site.folder.rglob("stores/**/*.jwt")}


@pytest.fixture
def offline(site: Site, tmp_path: pathlib.Path) -> Offline:
    """A store that does not exist yet."""
    return Offline(site, tmp_path / "elsewhere")


def test_run_with_another_document_keeps_the_keys_of_what_waits(offline: Offline) -> None:
    offline.make()
    offline.document["accounts"].append({"name": "NEW"})
    asked = offline.site.run("store", **offline.store)
    users = [{"name": "more"}]
    part = {
        "operator": {"name": "ACME", "state": "existing"},
        "accounts": [{"name": "APP", "state": "existing", "users": users}],
    }
    offline.site.run("store", **{**offline.store, "definition": part, "unsigned_path": None})
    again = offline.site.run("store", **offline.store)
    assert again["unsigned"]["checksum"] == asked["unsigned"]["checksum"]
    offline.sign(asked["unsigned"]["checksum"])
    offline.site.run("store", **offline.store)
    assert not list((offline.site.folder / "keys/.natsops").rglob("journal"))


def test_file_travels_there_and_back(offline: Offline) -> None:
    site = offline.site
    asked = site.run("store", **offline.store)
    unsigned = asked["unsigned"]
    assert unsigned["requests"] == ["operator", "account APP", "account PARTNER"]
    assert unsigned["issuers"] == sorted(
        [offline.elsewhere.operator.public_key, offline.elsewhere.operator_signing.public_key]
    )
    assert offline.file.stat().st_mode & 0o777 == 0o600
    assert offline.tokens == {}
    made = sorted(path.name for path in site.folder.rglob("*.nk"))
    assert len(made) == 4
    # While signatures are missing, nothing changes.
    again = site.keep("store", **offline.store)
    assert again["unsigned"] == unsigned
    signed = offline.sign(unsigned["checksum"])
    assert signed["waiting"] == []
    done = site.run("store", **offline.store)
    assert (done["changed"], done["unsigned"]) == (True, None)
    assert sorted(path.name for path in site.folder.rglob("*.nk")) == made
    offline.elsewhere.assert_signed_as_by_seeds(site.folder / "stores", 6)
    assert len(list(site.folder.rglob("*.creds"))) == 3
    site.keep("store", **offline.store)
    # Without the file, and without the option, nothing changes either.
    offline.file.unlink()
    site.keep("store", **offline.store)
    del offline.options["unsigned_path"]
    site.keep("store", **offline.store)


def test_users_are_signed_elsewhere_too(offline: Offline) -> None:
    offline.document = {**offline.document, "accounts": offline.document["accounts"][:1]}
    del offline.options["seeds"]
    asked = offline.site.run("store", **offline.store)
    assert asked["unsigned"]["requests"] == ["operator", "account APP", *(f"user APP/u{number}" for number in range(3))]
    offline.sign(asked["unsigned"]["checksum"])
    result = offline.site.run("store", **offline.store)
    assert result["unsigned"] is None
    offline.elsewhere.assert_signed_as_by_seeds(offline.site.folder / "stores", 5)
    assert len(list(offline.site.folder.rglob("*.creds"))) == 3
    offline.site.keep("store", **offline.store)


def test_account_is_renamed_when_its_jwt_came_back(offline: Offline) -> None:
    offline.make()
    account = next(one for one in offline.document["accounts"] if one.get("users"))
    old = account["name"]
    key = offline.site.claims(f"stores/{offline.document['operator']['name']}/accounts/{old}/{old}.jwt").subject
    account.update(name="NEW", renamed_from=old)
    offline.document["accounts"][1]["imports"][0]["account"] = "NEW"
    before = offline.tokens
    asked = offline.site.run("store", **offline.store)
    assert asked["unsigned"]["requests"] == ["account NEW"]
    assert offline.tokens == before
    offline.sign(asked["unsigned"]["checksum"])
    offline.site.run("store", **offline.store)
    claims = offline.site.claims(f"stores/{offline.document['operator']['name']}/accounts/NEW/NEW.jwt")
    assert (claims.subject, claims.name) == (key, "NEW")
    assert not any(f"/{old}/" in path for path in offline.tokens)
    offline.site.keep("store", **offline.store)


def test_half_of_the_signatures_change_nothing(offline: Offline) -> None:
    site = offline.site
    asked = site.run("store", **offline.store)
    own = {"path": str(offline.file), "signer_seed": offline.elsewhere.operator.seed}
    assert site.start("sign", own)["waiting"] == ["account APP", "account PARTNER"]
    site.keep("store", **offline.store)
    assert offline.tokens == {}
    offline.sign(asked["unsigned"]["checksum"])
    assert site.run("store", **offline.store)["unsigned"] is None


def test_revoked_user_stays_until_the_account_is_signed(offline: Offline) -> None:
    site = offline.site
    offline.make()
    before = offline.tokens
    user = site.claims("stores/ACME/accounts/APP/users/u1.jwt").subject
    offline.document["accounts"][0]["users"][1]["state"] = "absent"
    asked = site.run("store", **offline.store)
    assert asked["unsigned"]["requests"] == ["account APP"]
    assert "revocations" in offline.file.read_text()
    assert offline.tokens == before
    site.keep("store", **offline.store)
    offline.sign(asked["unsigned"]["checksum"])
    site.run("store", **offline.store)
    assert user in site.claims("stores/ACME/accounts/APP/APP.jwt").body.revocations
    assert not (site.folder / "stores/ACME/accounts/APP/users/u1.jwt").exists()
    site.keep("store", **offline.store)


def test_revocation_travels_there_and_back(offline: Offline) -> None:
    site = offline.site
    offline.make()
    before = offline.tokens
    user = site.claims("stores/ACME/accounts/APP/users/u1.jwt").subject
    revocation = offline.revocation(revocations=[{"user": "u1"}])
    asked = site.run("revocation", **revocation)
    assert (asked["unsigned"]["requests"], asked["jwt"]) == (["account APP"], None)
    assert asked["unsigned"]["issuers"] == [offline.elsewhere.operator_signing.public_key]
    assert offline.tokens == before
    again = site.keep("revocation", **revocation)
    assert (again["unsigned"], again["revoked"]) == (asked["unsigned"], asked["revoked"])
    assert "unsigned" not in site.keep("revocation", **{**revocation, "revocations": None, "state": "listed"})
    offline.sign(asked["unsigned"]["checksum"])
    done = site.run("revocation", **revocation)
    assert (done["unsigned"], done["revoked"], done["reasons"]) == (None, asked["revoked"], ["it was signed elsewhere"])
    claims = site.claims("stores/ACME/accounts/APP/APP.jwt")
    assert list(claims.body.revocations) == [user]
    assert claims.issuer == offline.elsewhere.operator_signing.public_key
    site.keep("revocation", **revocation)


@pytest.mark.parametrize("is_run_in_between", [pytest.param(False, marks=pytest.mark.attack), True])
def test_signing_key_goes_when_the_account_came_back(offline: Offline, is_run_in_between: bool) -> None:
    site = offline.site
    own = {"name": "OWN", "signing_keys": [{"role": "main"}], "users": [{"name": "u"}]}
    offline.document = {**offline.document, "accounts": [own]}
    offline.make()
    before = offline.tokens
    (stolen,) = (key.key for key in site.claims("stores/ACME/accounts/OWN/OWN.jwt").body.signing_keys)
    (seed,) = site.folder.rglob(f"{stolen}.nk")
    revocation = {**offline.revocation(remove_signing_keys=["main"]), "account": "OWN"}
    asked = site.run("revocation", **revocation)
    assert asked["unsigned"]["requests"] == ["account OWN"]
    assert (asked["removed_signing_keys"], asked["users_to_issue"]) == ([stolen], ["u"])
    if is_run_in_between:
        assert site.keep("store", **offline.store)["unsigned"] is None
    assert offline.tokens == before
    assert seed.exists()
    offline.sign(asked["unsigned"]["checksum"])
    assert site.run("revocation", **revocation)["users_to_issue"] == ["u"]
    assert site.claims("stores/ACME/accounts/OWN/OWN.jwt").body.signing_keys == []
    assert not seed.exists()
    assert not list(site.folder.rglob("stores/ACME/accounts/OWN/users/*.jwt"))
    site.keep("revocation", **revocation)
    # The role gets a new key, which signs the user's JWT.
    offline.make()
    (new,) = (key.key for key in site.claims("stores/ACME/accounts/OWN/OWN.jwt").body.signing_keys)
    assert new != stolen
    assert site.claims("stores/ACME/accounts/OWN/users/u.jwt").issuer == new
    site.keep("revocation", **revocation)


@pytest.mark.attack
@pytest.mark.parametrize("is_compromised", [False, True])
def test_signing_keys_are_rotated_with_the_operator_elsewhere(offline: Offline, is_compromised: bool) -> None:
    site = offline.site
    own = {"name": "OWN", "signing_keys": [{"role": "main"}], "users": [{"name": "u"}]}
    offline.document = {**offline.document, "accounts": [own]}
    offline.make()

    def keys() -> list[str]:
        return [key.key for key in site.claims("stores/ACME/accounts/OWN/OWN.jwt").body.signing_keys]

    def phase(name: str) -> dict[str, Any]:
        rotation = {"account": "OWN", "role": "main", "phase": name, "public_key": old}
        options = {**offline.store, "rotations": [rotation]}
        asked = site.run("store", **options)["unsigned"]
        assert asked["requests"] == ["account OWN"]
        before = offline.tokens
        site.keep("store", **options)
        assert offline.tokens == before
        offline.sign(asked["checksum"])
        done = site.run("store", **options)
        assert done["unsigned"] is None
        site.keep("store", **options)
        return done

    (old,) = keys()
    (seed,) = site.folder.rglob(f"{old}.nk")
    phase("replace" if is_compromised else "resign")
    new = site.claims("stores/ACME/accounts/OWN/users/u.jwt").issuer
    if not is_compromised:
        assert set(keys()) == {old, new}
        assert seed.exists()
        phase("retire")
    assert new != old
    assert keys() == [new]
    assert not seed.exists()
    site.keep("store", **offline.store)


def test_another_document_is_asked_for_anew_and_earlier_signatures_are_not_used(offline: Offline) -> None:
    site = offline.site
    first = site.run("store", **offline.store)["unsigned"]
    offline.sign(first["checksum"])
    signed = offline.file.read_text()
    offline.document["accounts"][0]["limits"] = {"connections": 7}
    # Signed JWTs that match the document, of the operator and PARTNER, are applied. A signature of APP is requested again.
    second = site.run("store", **offline.store)["unsigned"]
    assert second["requests"] == ["account APP"]
    assert second["checksum"] != first["checksum"]
    offline.file.write_text(signed)
    third = site.run("store", **offline.store)["unsigned"]
    assert third == second
    offline.sign(second["checksum"])
    assert site.run("store", **offline.store)["unsigned"] is None
    assert "7" in str(site.run("jwt_info", jwt_path=site / "stores/ACME/accounts/APP/APP.jwt")["claims"]["limits"])
    site.keep("store", **offline.store)


def test_file_that_is_gone_is_written_again(offline: Offline) -> None:
    unsigned = offline.site.run("store", **offline.store)["unsigned"]
    offline.file.unlink()
    again = offline.site.run("store", **offline.store)
    assert (again["changed"], again["unsigned"]) == (True, unsigned)
    offline.sign(unsigned["checksum"])
    assert offline.site.run("store", **offline.store)["unsigned"] is None


def test_account_that_changed_meanwhile_is_not_replaced_by_what_comes_back(offline: Offline) -> None:
    site = offline.site
    offline.make()
    offline.document["accounts"][0]["limits"] = {"connections": 7}
    asked = site.run("store", **offline.store)["unsigned"]
    offline.sign(asked["checksum"])
    # The holder of the key has changed the account meanwhile.
    path = "stores/ACME/accounts/APP/APP.jwt"
    claims = site.claims(path)
    user = nkey.create("user").public_key
    claims.body.revocations = {user: claims.issued_at}
    newer = site.core.codec.encode(claims, offline.elsewhere.operator_signing, claims.issued_at + 1)
    site.write(path, newer, 0o600)
    result = site.run("store", **offline.store)
    assert result["unsigned"]["requests"] == ["account APP"]
    assert site.text(path) == newer
    offline.sign(result["unsigned"]["checksum"])
    site.run("store", **offline.store)
    assert user in site.claims(path).body.revocations


def test_file_that_is_not_what_was_asked_is_refused(offline: Offline) -> None:
    site = offline.site
    site.run("store", **offline.store)
    good = offline.file.read_text()
    whole = json.loads(good)
    for text, message in (
        (good.replace("APP", "XXX", 1), "it was changed"),
        (good[:-20], "it is not JSON, or is truncated"),
        (offline.elsewhere.operator.seed, "it is not JSON, or is truncated"),
        ("[]", "it is not a document of the format"),
        (json.dumps({**whole, "checksum": "0" * 64}), "it was changed"),
    ):
        offline.file.write_text(text)
        found = site.refuse("store", **offline.store)
        assert f"unsigned_path: {offline.file} is left unchanged" in found
        assert message in found
        assert offline.file.read_text() == text
    offline.file.write_text(good)
    site.keep("store", **offline.store)


def test_document_of_another_store_is_refused(offline: Offline, tmp_path: pathlib.Path) -> None:
    other = Offline(offline.site, tmp_path / "other")
    offline.site.run("store", **offline.store)
    other.options.update(
        stores_dir=offline.site / "other/stores", keys_dir=offline.site / "other/keys", unsigned_path=str(offline.file)
    )
    found = offline.site.refuse("store", **other.store)
    assert "it is a document of requests that are not from this store" in found


def test_activation_of_a_key_elsewhere_is_refused_with_the_way_to_sign_it(offline: Offline) -> None:
    del offline.options["seeds"]
    found = offline.site.refuse("store", **offline.store)
    assert "create it with nats_activation where the key is" in found


def test_without_the_option_a_key_that_is_not_at_hand_is_a_problem(offline: Offline) -> None:
    del offline.options["unsigned_path"]
    assert "the seed of none of the allowed keys is available" in offline.site.refuse("store", **offline.store)
    offline.options["unsigned_path"] = "/nonexistent/requests.json"
    assert "unsigned_path: the folder of" in offline.site.refuse("store", **offline.store)


@pytest.mark.parametrize("at", [9, 30])
@pytest.mark.parametrize("phase", ["ask", "take"])
def test_run_that_is_killed_is_completed_by_the_next(offline: Offline, phase: str, at: int) -> None:
    site = offline.site
    if phase == "take":
        offline.sign(site.run("store", **offline.store)["unsigned"]["checksum"])
    done = killed_run("nats_store", offline.store, at, site.collections)
    if done is not None:
        assert done["unsigned"] is None or phase == "ask"
    if phase == "ask":
        assert offline.tokens == {}
        offline.sign(site.start("store", offline.store)["unsigned"]["checksum"])
    site.start("store", offline.store)
    offline.elsewhere.assert_signed_as_by_seeds(site.folder / "stores", 6)
    assert len(list(site.folder.rglob("*.nk"))) == 4
    assert len(list(site.folder.rglob("*.creds"))) == 3
    site.keep("store", **offline.store)
