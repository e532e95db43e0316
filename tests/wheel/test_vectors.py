# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The golden vectors of NATS's Go library hold for the installed wheel and for its public names."""

from __future__ import annotations

import json
import pathlib
import types

import pytest
from conftest import VECTORS

from natsops_jwt import NatsSecurityError, creds, nkey, verify

MISC = json.loads((VECTORS / "misc.json").read_text(encoding="utf-8"))
# Of Go's time.Duration: servers treat a token that ends later as expired, though the library reads it.
LONGEST_SECONDS = 2**63 // 10**9
CLAIMS = [json.loads(line) for line in (VECTORS / "claims.jsonl").read_text(encoding="utf-8").strip().split("\n")]


def test_every_vector_holds() -> None:
    # These are the checks of the collection's own tests, with imports changed to the packages of the wheel.
    source = (VECTORS / "check.py").read_text(encoding="utf-8")
    check = types.ModuleType("check")
    layers = source.replace("ansible_collections.natsops.security.plugins.module_utils", "natsops_jwt.core")
    assert "ansible" not in layers
    exec(compile(layers, "check.py", "exec"), check.__dict__)
    vectors = [*check.claims_vectors(VECTORS / "claims.jsonl"), *check.misc_vectors(VECTORS / "misc.json")]
    assert len(vectors) > 500
    assert {vector.name: check.failures(vector) for vector in vectors if check.failures(vector)} == {}


def test_verify_reads_what_the_library_wrote() -> None:
    kinds = set()
    for record in CLAIMS:
        payload = record["payload"]
        at = max(payload["iat"], payload.get("nbf", 0))
        if payload.get("exp", at) < at:
            continue
        if payload.get("exp", at) - at > LONGEST_SECONDS and record["kind"] != "operator":
            with pytest.raises(NatsSecurityError, match="more than 292 years from now"):
                verify(record["token"], at=at)
            continue
        claims = verify(record["token"], at=at)
        assert (claims.kind, claims.subject, claims.id) == (record["kind"], payload["sub"], payload["jti"])
        kinds.add(claims.kind)
    assert {"operator", "account", "user", "activation"} <= kinds


@pytest.mark.parametrize("record", MISC["refused_tokens"], ids=lambda record: record["why"])
def test_verify_refuses_what_the_library_refuses(record: dict) -> None:
    with pytest.raises(NatsSecurityError):
        verify(record["token"])


def test_creds_are_those_of_the_library() -> None:
    for record in MISC["creds"]:
        assert creds(record["token"], record["seed"]) == record["creds"]


def test_keys_are_those_of_the_library() -> None:
    for record in MISC["keys"]:
        assert nkey.from_seed(record["seed"]).public_key == record["public_key"]


def test_there_is_no_ansible_here() -> None:
    with pytest.raises(ImportError):
        __import__("ansible")
    files = pathlib.Path(nkey.__file__).parents[2].rglob("*.py")
    assert not [str(file) for file in files if "import ansible" in file.read_text(encoding="utf-8")]
