# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Modules of one JWT with a key on an offline machine: a file takes the signing request there, and the next run applies the signed file."""

from __future__ import annotations

import json
import pathlib
from typing import TYPE_CHECKING, Any

import pytest
from support.elsewhere import Elsewhere, new_elsewhere

from ansible_collections.natsops.security.plugins.module_utils.keys import nkey

if TYPE_CHECKING:
    from support.sites import Site


@pytest.fixture
def elsewhere(tmp_path: pathlib.Path) -> Elsewhere:
    """The keys of an operator and an account on another machine."""
    return new_elsewhere(tmp_path / "elsewhere")


def options_of(site: Site, elsewhere: Elsewhere) -> dict[str, dict[str, Any]]:
    """The options of each module, in the order in which they are run."""
    operator, operator_signing, account, account_signing = elsewhere.pairs
    below = {"operator_jwt_path": site / "acme.jwt", "account_jwt_path": site / "app.jwt"}
    return {
        "operator": {
            "name": "ACME",
            "public_key": operator.public_key,
            "signing_keys": [{"public_key": operator_signing.public_key}],
            "strict_signing_key_usage": True,
            "jwt_path": site / "acme.jwt",
        },
        "account": {
            "name": "APP",
            "public_key": account.public_key,
            "signing_keys": [{"public_key": account_signing.public_key}],
            "exports": [{"subject": "orders.create", "type": "service", "token_required": True}],
            "operator_jwt_path": site / "acme.jwt",
            "jwt_path": site / "app.jwt",
        },
        "user": {
            "name": "u",
            "key_path": site / "u.nk",
            "jwt_path": site / "u.jwt",
            "creds_path": site / "u.creds",
            **below,
        },
        "revocation": {
            "revocations": [{"user": nkey.create("user").public_key}],
            "operator_jwt_path": site / "acme.jwt",
            "jwt_path": site / "app.jwt",
        },
        "activation": {
            "importer": nkey.create("account").public_key,
            "import_subject": "orders.create",
            "import_type": "service",
            "jwt_path": site / "activation.jwt",
            **below,
        },
    }


def sign(site: Site, elsewhere: Elsewhere, unsigned: dict[str, Any]) -> None:
    result = site.start(
        "sign", {"path": unsigned["path"], "checksum": unsigned["checksum"], "signer_path": str(elsewhere.folder)}
    )
    assert result.get("waiting") == [], result


def test_each_jwt_travels_there_and_back(site: Site, elsewhere: Elsewhere) -> None:
    for module, given in options_of(site, elsewhere).items():
        options = {**given, "unsigned_path": site / f"{module}.json"}
        asked = site.run(module, **options)
        assert asked["changed"]
        assert asked["jwt" if module != "activation" else "token"] is None
        if module == "revocation":
            assert site.claims("app.jwt").body.revocations == {}
        else:
            assert not pathlib.Path(given["jwt_path"]).exists()
        (what,) = asked["unsigned"]["requests"]
        assert what.startswith("account APP" if module == "revocation" else module)
        assert site.mode(f"{module}.json") == "0600"
        assert site.keep(module, **options)["unsigned"] == asked["unsigned"]
        sign(site, elsewhere, asked["unsigned"])
        done = site.run(module, **options)
        assert (done["reasons"], done["unsigned"]) == (["it was signed elsewhere"], None)
        claims = site.claims(pathlib.Path(given["jwt_path"]).name)
        (pair,) = [pair for pair in elsewhere.pairs if pair.public_key == claims.issuer]
        assert site.text(pathlib.Path(given["jwt_path"]).name) == site.core.codec.encode(claims, pair, claims.issued_at)
        site.keep(module, **options)
    assert site.claims("u.creds") == site.claims("u.jwt")
    assert len(site.claims("app.jwt").body.revocations) == 1


def test_change_is_asked_for_and_the_jwt_stays_meanwhile(site: Site, elsewhere: Elsewhere) -> None:
    operator = {**options_of(site, elsewhere)["operator"], "unsigned_path": site / "operator.json"}
    sign(site, elsewhere, site.run("operator", **operator)["unsigned"])
    site.run("operator", **operator)
    before = site.text("acme.jwt")
    operator["tags"] = ["new"]
    asked = site.run("operator", **operator)
    assert site.text("acme.jwt") == before
    assert json.loads(site.text("operator.json"))["requests"][0]["existing"] == before
    # If the options change before it is signed, there is another document of requests.
    operator["tags"] = ["newer"]
    again = site.run("operator", **operator)
    assert again["unsigned"]["checksum"] != asked["unsigned"]["checksum"]
    sign(site, elsewhere, again["unsigned"])
    site.run("operator", **operator)
    assert "newer" in site.claims("acme.jwt").body.tags
    signed = site.text("operator.json")
    # A new key is in the document by its public key instead of a placeholder with a long path, so the next run requests the same.
    folder = site.folder / ("long" * 30)
    folder.mkdir()
    new = {**operator, "signing_keys": [*operator["signing_keys"], {"path": str(folder / "new.nk")}]}
    asked = site.run("operator", **new)
    assert site.keep("operator", **new)["unsigned"] == asked["unsigned"]
    assert "(a new operator key" not in site.text("operator.json")
    # An earlier signed document does not replace a newer JWT.
    operator["tags"] = ["newest"]
    sign(site, elsewhere, site.run("operator", **operator)["unsigned"])
    site.run("operator", **operator)
    newest = site.text("acme.jwt")
    site.write("operator.json", signed, 0o600)
    site.keep("operator", **operator)
    assert site.text("acme.jwt") == newest


def test_key_at_hand_signs_at_once(site: Site, elsewhere: Elsewhere) -> None:
    options = options_of(site, elsewhere)["operator"]
    options.update(unsigned_path=site / "operator.json", signer_seed=elsewhere.operator.seed)
    assert site.run("operator", **options)["unsigned"] is None
    assert not (site.folder / "operator.json").exists()
    site.keep("operator", **options)


def test_file_that_is_something_else_is_refused(site: Site, elsewhere: Elsewhere) -> None:
    given = options_of(site, elsewhere)
    operator = {**given["operator"], "unsigned_path": site / "request.json"}
    unsigned = site.run("operator", **operator)["unsigned"]
    good = site.text("request.json")
    for text, message in (
        (good.replace("ACME", "EVIL", 1), "it was changed"),
        ("{}", "it is not a document of the format"),
        (good[:-9], "truncated"),
    ):
        site.write("request.json", text, 0o600)
        assert message in site.refuse("operator", **operator)
    site.write("request.json", good, 0o600)
    sign(site, elsewhere, unsigned)
    site.run("operator", **operator)
    account = {**given["account"], "unsigned_path": site / "request.json"}
    assert "it is the document of the operator ACME. Move it away." in site.refuse("account", **account)
    del account["operator_jwt_path"]
    assert "unsigned_path: no key is named, so the JWT with the keys that may sign is required" in site.refuse(
        "account", **account
    )
