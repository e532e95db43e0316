# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""nats_sign signs a document of signing requests on the machine that has the keys, with a seed, a folder of seeds or a program."""

from __future__ import annotations

import json
import pathlib
import sys
from typing import TYPE_CHECKING, Any

import pytest
from support.scenarios import request_of

from ansible_collections.natsops.security.plugins.module_utils.claims import Account, Claims, Operator, User
from ansible_collections.natsops.security.plugins.module_utils.decision.issue import Policy, decide
from ansible_collections.natsops.security.plugins.module_utils.decision.unsigned import (
    Requests,
    read_requests,
    write_requests,
)
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.token import codec

if TYPE_CHECKING:
    from support.sites import Site

NOW = 1_800_000_000
PROGRAM = str(pathlib.Path(__file__).parents[1] / "support" / "sign_program.py")


@pytest.fixture
def offline(site: Site) -> Site:
    """A folder with a document of requests: the operator signs itself and an account, and the account signs a user."""
    operator, account = site.make_key("operator.nk", "operator"), site.make_key("account.nk", "account")
    site.make_key("other.nk", "operator")
    wanted = [
        ("operator ACME", Claims(name="ACME", subject=operator.public_key, body=Operator()), None, operator),
        (
            "account APP",
            Claims(name="APP", subject=account.public_key, body=Account()),
            codec.encode(Claims(name="OLD", subject=account.public_key, body=Account()), operator, NOW - 1000),
            operator,
        ),
        ("user APP/u", Claims(name="u", subject=nkey.create("user").public_key, body=User()), None, account),
    ]
    document = Requests(
        NOW,
        tuple(
            request_of(what, decide(claims, existing, signer.public_key, Policy(), NOW), existing)
            for what, claims, existing, signer in wanted
        ),
    )
    site.write("requests.json", write_requests(document), 0o600)
    return site


def read(site: Site, name: str = "requests.json") -> Requests:
    return read_requests(site.text(name))


def test_requests_are_signed_by_their_key_and_the_rest_waits(offline: Site) -> None:
    before = read(offline)
    result = offline.run("sign", path=offline / "requests.json", signer_path=offline / "operator.nk")
    assert result["signed"] == ["operator ACME", "account APP"]
    assert result["waiting"] == ["user APP/u"]
    assert result["checksum"] == before.checksum == read(offline).checksum
    assert [request["what"] for request in result["requests"]] == ["operator ACME", "account APP", "user APP/u"]
    assert result["requests"][1]["reasons"] == ["name: OLD -> APP"]
    assert result["diff"]["before"]["account APP"]["name"] == "OLD"
    assert result["diff"]["after"]["account APP"]["name"] == "APP"
    assert "user APP/u" not in result["diff"]["after"]
    tokens = read(offline).tokens
    for request in before.requests[:2]:
        assert tokens[request.what] == codec.encode(request.claims, offline.key("operator.nk"), NOW)
    offline.write("mine.nk", offline.text("account.nk"))
    rest = offline.run("sign", path=offline / "requests.json", signer_path=offline / "mine.nk")
    assert (rest["signed"], rest["waiting"]) == (["user APP/u"], [])
    offline.keep("sign", path=offline / "requests.json", signer_path=offline / "operator.nk")


def test_document_that_was_read_stays_as_it_is_beside_the_signed_one(offline: Site) -> None:
    text = offline.text("requests.json")
    paths = {"path": offline / "requests.json", "signed_path": offline / "signed.json"}
    assert offline.run("sign", **paths, signer_path=offline / "operator.nk")["changed"]
    assert offline.text("requests.json") == text
    assert offline.mode("signed.json") == "0600"
    second = offline.run("sign", **paths, signer_path=offline / "account.nk")
    assert (second["signed"], second["waiting"]) == (["user APP/u"], [])
    assert read(offline, "signed.json").waiting == ()
    offline.keep("sign", **paths, signer_path=offline / "account.nk")


@pytest.mark.parametrize("nested", [False, True])
def test_folder_has_the_seeds_of_all_keys_that_are_asked_for(offline: Site, nested: bool) -> None:
    for name in ("operator.nk", "account.nk"):
        key = offline.key(name).public_key
        offline.write(f"keys/{f'keys/{key[0]}/{key[1:3]}/' if nested else ''}{key}.nk", offline.text(name), 0o600)
    result = offline.run("sign", path=offline / "requests.json", signer_path=offline / "keys")
    assert result["waiting"] == []
    assert len(read(offline).tokens) == 3


def program(site: Site, name: str, **options: Any) -> dict[str, Any]:
    argv = [sys.executable, PROGRAM, site / name]
    return {"type": "command", "argv": argv, "public_key": site.key(name).public_key, **options}


def test_seed_and_program_sign_together(offline: Site) -> None:
    result = offline.run(
        "sign",
        path=offline / "requests.json",
        signer_seed=offline.text("operator.nk").strip(),
        signers=[program(offline, "account.nk", batch=True)],
    )
    assert result["waiting"] == []


def test_program_that_fails_leaves_the_document_as_it_is(offline: Site) -> None:
    broken = program(offline, "operator.nk")
    broken["argv"] = ["false"]
    before = offline.snapshot()
    result = offline.start("sign", {"path": offline / "requests.json", "signers": [broken]})
    assert "signers[0] (the command false), for the key O" in result["msg"]
    assert "exited with 1" in result["msg"]
    assert offline.snapshot() == before
    gone = dict(broken, argv=["/nonexistent/sign"])
    message = offline.refuse("sign", {"check": True}, path=offline / "requests.json", signers=[gone])
    assert "there is no program /nonexistent/sign" in message


def test_another_document_than_the_one_that_was_read_out_is_refused(offline: Site) -> None:
    message = offline.refuse(
        "sign", path=offline / "requests.json", checksum="0" * 64, signer_path=offline / "operator.nk"
    )
    assert "it is another document" in message
    assert message.startswith(f"path {offline / 'requests.json'} is left unchanged.")
    grouped = " ".join(read(offline).checksum.upper()[start : start + 4] for start in range(0, 64, 4))
    offline.run("sign", path=offline / "requests.json", checksum=grouped, signer_path=offline / "operator.nk")


def test_document_that_shows_something_else_is_refused(offline: Site) -> None:
    whole = json.loads(offline.text("requests.json"))
    whole["requests"][1]["after"]["name"] = "nothing changes"
    offline.write("requests.json", json.dumps(whole))
    message = offline.refuse("sign", path=offline / "requests.json", signer_path=offline / "operator.nk")
    assert "requests[1] ('account APP'): after does not match the bytes to sign" in message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"signer_path": "{other.nk}"}, "No request can be signed: the document requires O"),
        ({"signer_path": "{empty}"}, "available: none of the keys."),
        ({"signer_path": "{missing.nk}"}, "signer_path: there is no file"),
        ({"signer_path": "{operator.nk}", "path": "{missing.json}"}, "path: there is no file"),
        ({"signer_path": "{operator.nk}", "path": "{operator.nk}"}, "it is not JSON, or is truncated"),
        ({"signer_path": "{operator.nk}", "signed_path": "{operator.nk}"}, "it is not JSON, or is truncated"),
        ({"signer_path": "{operator.nk}", "signed_path": "{missing}/a.json"}, "signed_path: the folder of"),
        ({"signer_path": "{requests.json}"}, "is not a seed file"),
        ({}, "one of the following is required: signer_path, signer_seed, signers"),
        ({"signers": [{"type": "command"}]}, "signers[0]: a signer of type command needs argv."),
        (
            {"signers": [{"type": "transit", "key": "k", "pin": "pin-of-a-test"}]},
            "signers[0].pin belongs to a signer of type pkcs11",
        ),
    ],
)
def test_what_cannot_be_signed_gets_one_message(offline: Site, options: dict[str, Any], message: str) -> None:
    (offline.folder / "empty").mkdir()

    def filled(value: Any) -> Any:
        return value.replace("{", f"{offline.folder}/").replace("}", "") if isinstance(value, str) else value

    given = {"path": offline / "requests.json", **{name: filled(value) for name, value in options.items()}}
    assert message in offline.refuse("sign", **given)


def test_pin_and_token_of_a_signer_are_shown_nowhere(offline: Site) -> None:
    for described, secret in (
        (
            {"type": "transit", "key": "k", "token": "s.token-of-a-test", "address": "http://127.0.0.1:9"},
            "token-of-a-test",
        ),
        (
            {"type": "pkcs11", "library_path": "/x", "token_label": "t", "key_id": "01", "pin": "pin-of-a-test"},
            "pin-of-a-test",
        ),
    ):
        result = offline.start("sign", {"path": offline / "requests.json", "signers": [described]})
        assert result["failed"]
        assert secret not in json.dumps(result)
