# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Keys that are not stored on the host: the option `signers` of every module that signs, here with a program. tests/signers covers the other signers."""

from __future__ import annotations

import pathlib
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from support.elsewhere import Elsewhere, new_elsewhere
from support.ports import free_ports
from support.servers import running

from ansible_collections.natsops.security.plugins.module_utils.keys import nkey

if TYPE_CHECKING:
    from support.plays import Play
    from support.sites import Site


@pytest.fixture
def elsewhere(tmp_path: pathlib.Path) -> Elsewhere:
    """The keys of an operator, outside the folder of the tasks."""
    return new_elsewhere(tmp_path / "elsewhere")


def store(site: Site, document: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {"definition": document, "stores_dir": site / "stores", "keys_dir": site / "keys", **options}


def tokens(site: Site) -> list[str]:
    return [path.name for path in site.folder.rglob("*.jwt")]


def seeds(site: Site) -> list[str]:
    return sorted(path.name for path in site.folder.rglob("*.nk"))


def test_store_has_the_tokens_that_seeds_sign_and_no_seed_but_of_users(site: Site, elsewhere: Elsewhere) -> None:
    options = store(site, elsewhere.document(20), signers=elsewhere.commands())
    created = site.run("store", **options)["created_users"]
    assert created["APP"] == [f"u{number}" for number in range(20)]
    elsewhere.assert_signed_as_by_seeds(site.folder / "stores", 23)
    # The seeds of the users and of PARTNER, for which the document has no key.
    assert len(seeds(site)) == 21
    assert not {f"{pair.public_key}.nk" for pair in elsewhere.pairs} & set(seeds(site))
    site.keep("store", **options)
    # If nothing changes, no signer is needed.
    site.keep("store", **{**options, "signers": None})
    options["definition"]["accounts"][0]["users"].append({"name": "late"})
    message = site.refuse("store", **{**options, "signers": None})
    assert "the seed of none of the allowed keys is available" in message
    assert site.run("store", **options)["summary"]["created"] == 1


def test_server_accepts_what_a_program_signed(site: Site, elsewhere: Elsewhere) -> None:
    result = site.run("store", **store(site, elsewhere.document(1), signers=elsewhere.commands()))
    (port,) = free_ports(1)
    preload = "\n".join(f"{one['public_key']}: {one['jwt']}" for one in result["accounts"].values())
    site.write(
        "nats.conf",
        f"listen: 127.0.0.1:{port}\noperator: {result['operator']['jwt']}\nresolver: MEMORY\nresolver_preload: {{\n{preload}\n}}\n",
    )
    client = f"""
import asyncio, nats
async def connect():
    creds = {site / "keys/creds/ACME/APP/u0.creds"!r}
    client = await nats.connect("nats://127.0.0.1:{port}", user_credentials=creds, allow_reconnect=False, connect_timeout=60)
    await client.flush()
    await client.close()
asyncio.run(connect())
"""
    with running(site.folder / "nats.conf", port):
        subprocess.run([sys.executable, "-c", client], check=True, timeout=60)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("dies", "after 5 of 30 signatures: the program was ended by signal 9"),
        ("fails", "after 5 of 30 signatures: the program exited with 1: no access to the seed"),
        ("stops", "after 5 of 30 signatures: no more signatures were returned"),
        ("more", "more signatures were returned than requested"),
        ("other data", "other data was signed"),
    ],
)
def test_signer_that_fails_in_the_middle_leaves_no_token_and_the_next_run_goes_on(
    site: Site, elsewhere: Elsewhere, fault: str, message: str
) -> None:
    options = store(site, elsewhere.document(30), signers=elsewhere.commands(fault))
    failed = site.start("store", options)
    assert failed["failed"]
    assert message in failed["msg"]
    assert failed["msg"].startswith("signers[3] (the command ")
    assert tokens(site) == []
    made = seeds(site)
    site.run("store", **{**options, "signers": elsewhere.commands()})
    assert seeds(site) == made
    elsewhere.assert_signed_as_by_seeds(site.folder / "stores", 33)
    site.keep("store", **options)


def test_signer_that_fails_in_a_later_run_changes_no_token(site: Site, elsewhere: Elsewhere) -> None:
    options = store(site, elsewhere.document(5), signers=elsewhere.commands())
    site.run("store", **options)
    before = {path.name: path.read_text() for path in site.folder.rglob("*.jwt")}
    for user in options["definition"]["accounts"][0]["users"]:
        user["tags"] = ["changed"]
    options["definition"]["accounts"][0]["limits"] = {"connections": 7}
    options["definition"]["accounts"][0]["users"] += [{"name": "new"}, {"name": "newer"}]
    failed = site.start("store", {**options, "signers": elsewhere.commands("dies")})
    assert "after 5 of 7 signatures" in failed["msg"]
    assert {path.name: path.read_text() for path in site.folder.rglob("*.jwt")} == before
    assert site.run("store", **options)["summary"]["changed"] == 6


def test_check_mode_asks_for_no_signature_and_misses_a_signer_that_is_not_there(
    site: Site, elsewhere: Elsewhere, tmp_path: pathlib.Path
) -> None:
    asked = tmp_path / "asked"
    touch = [sys.executable, "-c", f"open({str(asked)!r}, 'w')"]
    signers = elsewhere.commands(argv=touch)
    options = store(site, elsewhere.document(1), signers=signers)
    assert site.check("store", **options)["summary"]["created"] == 6
    assert not asked.exists()
    site.start("store", options)
    assert asked.exists()
    signers = elsewhere.commands(argv=["/nonexistent/sign"])
    message = site.refuse("store", {"check": True}, **{**options, "signers": signers})
    for number in (0, 1, 3):
        assert f"signers[{number}] (the command /nonexistent/sign): there is no program" in message
    assert "signers[2]" not in message  # the account's identity signs nothing here


def test_signer_of_an_operator_that_the_document_does_not_name(site: Site, elsewhere: Elsewhere) -> None:
    document = {"operator": {"name": "ACME"}, "accounts": []}
    message = site.refuse("store", **store(site, document, signers=elsewhere.commands()[:1]))
    assert "the operator would get a new one: name the key as public_key of the operator" in message
    other = {**elsewhere.commands()[0], "public_key": nkey.create("operator").public_key}
    document["operator"]["public_key"] = elsewhere.operator.public_key
    result = site.run("store", **store(site, document, signers=[*elsewhere.commands()[:1], other]))
    assert "It is not used." in str(result["warnings"]), result


def test_each_module_of_one_token_signs_with_the_signer_that_may(site: Site, elsewhere: Elsewhere) -> None:
    signers = elsewhere.commands(batch=False)
    operator, operator_signing, account, account_signing = elsewhere.pairs
    acme = {
        "name": "ACME",
        "public_key": operator.public_key,
        "signing_keys": [{"public_key": operator_signing.public_key}],
        "strict_signing_key_usage": True,
        "jwt_path": site / "acme.jwt",
        "signers": signers,
    }
    app = {
        "name": "APP",
        "public_key": account.public_key,
        "signing_keys": [{"public_key": account_signing.public_key}],
        "exports": [{"subject": "orders.create", "type": "service", "token_required": True}],
        "operator_jwt_path": site / "acme.jwt",
        "jwt_path": site / "app.jwt",
        "signers": signers,
    }
    below = {
        "operator_jwt_path": site / "acme.jwt",
        "account_jwt_path": site / "app.jwt",
        "signers": signers,
    }
    user = {"name": "u", "key_path": site / "u.nk", "creds_path": site / "u.creds", **below}
    activation = {
        "importer": nkey.create("account").public_key,
        "import_subject": "orders.create",
        "import_type": "service",
        "jwt_path": site / "activation.jwt",
        **below,
    }
    expected = {
        "operator": operator,
        "account": operator_signing,
        "user": account_signing,
        "activation": account_signing,
    }
    for module, options in (("operator", acme), ("account", app), ("user", user), ("activation", activation)):
        # Check mode calls no signer. Without the JWT above it, a task with several keys would be refused.
        silent = [{**one, "argv": ["/bin/false"]} for one in signers]
        assert site.check(module, **{**options, "signers": silent})["changed"]
        message = site.refuse(module, **{**options, "signers": silent})
        assert "the program exited with 1" in message
        site.run(module, **options)
        site.keep(module, **{**options, "signers": silent})
        name = {"operator": "acme.jwt", "account": "app.jwt", "user": "u.creds"}.get(module, "activation.jwt")
        claims = site.claims(name)
        assert claims.issuer == expected[module].public_key
        token = site.core.codec.encode(claims, expected[module], claims.issued_at)
        assert token in site.text(name)
    revoked = {
        "jwt_path": site / "app.jwt",
        "operator_jwt_path": site / "acme.jwt",
        "revocations": [{"user": site.key("u.nk").public_key}],
        "signers": signers,
    }
    assert site.run("revocation", **revoked)["changed"]
    assert site.claims("app.jwt").issuer == operator_signing.public_key
    site.keep("revocation", **revoked)


def test_revocation_in_a_store_is_signed_elsewhere(site: Site, elsewhere: Elsewhere) -> None:
    options = store(site, elsewhere.document(2), signers=elsewhere.commands())
    site.run("store", **options)
    revoked = {
        **{name: options[name] for name in ("stores_dir", "keys_dir", "signers")},
        "store": "ACME",
        "account": "APP",
        "revocations": [{"user": "u1"}],
    }
    assert site.run("revocation", **revoked)["changed"]
    site.keep("revocation", **revoked)


@pytest.mark.parametrize(
    ("module", "options", "message"),
    [
        ("user", {"signers": [2], "signer_seed": "x"}, "signers: cannot be combined with a seed"),
        ("user", {"signers": [0]}, "signers: an account key has to sign, and there is none: signers[0] (the command"),
        (
            "user",
            {"signers": [0, 2, 3]},
            "signers: there are several keys, so the JWT with the keys that may sign is required",
        ),
        ("operator", {"signers": [2]}, "signers: an operator key has to sign, and there is none"),
        ("operator", {"signers": [0, 0]}, "is already used by signers[0]; give each key only one signer"),
    ],
)
def test_signers_that_do_not_fit_are_refused(
    site: Site, elsewhere: Elsewhere, module: str, options: dict[str, Any], message: str
) -> None:
    signers = elsewhere.commands()
    given = {**options, "signers": [signers[number] for number in options["signers"]]}
    key = elsewhere.operator.public_key if module == "operator" else nkey.create("user").public_key
    assert message in site.refuse(module, name="x", public_key=key, jwt_path=site / "x.jwt", **given)


def test_roles_hand_signers_on(site: Site, elsewhere: Elsewhere, play: Play) -> None:
    (site.folder / "app").mkdir()
    wanted = {"account": "APP", "name": "born", "path": site / "app/born.creds"}
    variables = {
        "operator_definition": elsewhere.document(1),
        "operator_stores_dir": site / "stores",
        "operator_keys_dir": site / "keys",
        "operator_signers": elsewhere.commands(),
        "credentials_users": [wanted],
    }
    tasks = [
        {"ansible.builtin.include_role": {"name": f"natsops.security.{role}"}} for role in ("operator", "credentials")
    ]
    done = play(tasks, **variables)
    assert done.returncode == 0, done.output
    elsewhere.assert_signed_as_by_seeds(site.folder / "stores", 5)
    assert site.claims("app/born.creds").issuer == elsewhere.account_signing.public_key
    # If nothing has to be signed, no signer is called.
    variables["operator_signers"] = elsewhere.commands(argv=["/bin/false"])
    again = play(tasks, **variables)
    assert (again.returncode, [name for name, changed in again.changed.items() if changed]) == (0, []), again.output
