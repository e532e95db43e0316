# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""An operator with 1,000 users, signed by each kind of signer: the tokens are identical to those signed by seeds."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from collections.abc import Mapping, Sequence

import pytest
from support.scenarios import request_of
from support.vaults import Bao, Hsm

from ansible_collections.natsops.security.plugins.module_utils.claims import Account, Claims, Operator, User
from ansible_collections.natsops.security.plugins.module_utils.decision.issue import Policy, decide
from ansible_collections.natsops.security.plugins.module_utils.decision.unsigned import (
    Requests,
    read_requests,
    sign_requests,
    write_requests,
)
from ansible_collections.natsops.security.plugins.module_utils.keys.nkey import KeyPair
from ansible_collections.natsops.security.plugins.module_utils.keys.signers import Signer
from ansible_collections.natsops.security.plugins.module_utils.keys.signers.options import signers_of
from ansible_collections.natsops.security.plugins.module_utils.token import codec
from ansible_collections.natsops.security.tests.unit.raw_tokens import key

NOW = 1_800_000_000
OPERATOR = key("operator", 11)
ACCOUNTS = [key("account", 20 + number) for number in range(5)]
SIGNING = [OPERATOR, *ACCOUNTS]
USERS_EACH = 200


def claims_of_operator() -> list[tuple[Claims, KeyPair]]:
    """The claims of the operator, its accounts and their users, each with the key that signs."""
    items = [(Claims(name="ACME", subject=OPERATOR.public_key, body=Operator()), OPERATOR)]
    for number, account in enumerate(ACCOUNTS):
        items.append((Claims(name=f"A{number}", subject=account.public_key, body=Account()), OPERATOR))
        for index in range(USERS_EACH):
            subject = key("user", 1000 + number * USERS_EACH + index).public_key
            items.append((Claims(name=f"u{index}", subject=subject, body=User()), account))
    return items


@pytest.fixture(scope="module")
def wanted() -> tuple[list[tuple[Claims, KeyPair]], list[str]]:
    """The claims, and their tokens signed by seeds."""
    items = claims_of_operator()
    return items, codec.encode_all([(claims, pair, NOW) for claims, pair in items])


def signed_by(signers: Sequence[Signer], items: Sequence[tuple[Claims, KeyPair]]) -> list[str]:
    by_key: Mapping[str, Signer] = {signer.public_key: signer for signer in signers}
    return codec.encode_all([(claims, by_key[pair.public_key], NOW) for claims, pair in items])


def test_by_openbao(wanted: tuple[list[tuple[Claims, KeyPair]], list[str]], bao: Bao) -> None:
    for pair in SIGNING:
        bao.import_key(f"op-{pair.public_key}", pair._raw_seed or b"")
    signers = signers_of([bao.signer(f"op-{pair.public_key}", public_key=pair.public_key) for pair in SIGNING])
    assert signed_by(signers, wanted[0]) == wanted[1]


def test_by_softhsm(wanted: tuple[list[tuple[Claims, KeyPair]], list[str]], hsm: Hsm, tmp_path: pathlib.Path) -> None:
    hsm.import_keys({pair.public_key: (pair._raw_seed or b"", pair._public) for pair in SIGNING})
    child = f"""
import sys
sys.path[:0] = {sys.path!r}
from checkout import make_importable
make_importable()
from ansible_collections.natsops.security.plugins.module_utils.keys.signers.options import signers_of
from ansible_collections.natsops.security.tests.signers import test_operator
signers = signers_of({[hsm.signer(pair.public_key, public_key=pair.public_key) for pair in SIGNING]!r})
open({str(tmp_path / "tokens")!r}, "w").write("\\n".join(test_operator.signed_by(signers, test_operator.claims_of_operator())))
"""
    # The library reads the location of its tokens only once in a process.
    subprocess.run([sys.executable, "-c", child], check=True, timeout=600, env={**os.environ, **hsm.environment})
    assert (tmp_path / "tokens").read_text().split("\n") == wanted[1]


def test_by_a_command(wanted: tuple[list[tuple[Claims, KeyPair]], list[str]], tmp_path: pathlib.Path) -> None:
    program = pathlib.Path(__file__).parents[1] / "support" / "sign_program.py"
    for pair in SIGNING:
        (tmp_path / f"{pair.public_key}.nk").write_text(pair.seed)
    argv = [sys.executable, str(program), str(tmp_path / "{public_key}.nk")]
    described = [
        {"type": "command", "argv": argv, "batch": True, "public_key": pair.public_key, "timeout": "300s"}
        for pair in SIGNING
    ]
    assert signed_by(signers_of(described), wanted[0]) == wanted[1]


def test_by_a_document_that_travels(wanted: tuple[list[tuple[Claims, KeyPair]], list[str]]) -> None:
    requests = Requests(
        NOW,
        tuple(
            request_of(f"{claims.kind} {claims.subject}", decide(claims, None, pair.public_key, Policy(), NOW), None)
            for claims, pair in wanted[0]
        ),
    )
    there = read_requests(write_requests(requests))
    back = read_requests(write_requests(sign_requests(there, SIGNING)), requests.checksum)
    assert list(back.tokens.values()) == wanted[1]
