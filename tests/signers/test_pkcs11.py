# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Keys in a PKCS#11 token of SoftHSM. A library and its logins belong to a process, so each case runs in a separate one."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from typing import Any

import pytest
from support.vaults import PIN, SOFTHSM, Hsm

from ansible_collections.natsops.security.plugins.module_utils.keys.nkey import KeyPair
from ansible_collections.natsops.security.tests.unit.raw_tokens import key

COUNT = 250
OPERATOR = key("operator", 4)
ACCOUNT = key("account", 5)

# Reads lists of signer descriptions from standard input. The process has all signers of a list at once; the result has the public key of the last one.
_CHILD = """
import json, sys
from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.keys.signers.options import signers_of
messages = [b"message %d" % number * 50 for number in range(int(sys.argv[1]))]
for described in json.load(sys.stdin):
    try:
        signers = signers_of(described)
        signed = [[signature.hex() for signature in signer.sign_all(messages)] for signer in signers]
        print(json.dumps([signers[-1].public_key, signed]))
    except NatsSecurityError as error:
        print(json.dumps(str(error)))
"""


def signed(
    hsm: Hsm, collections: pathlib.Path, described: list[list[dict[str, Any]]], child: str = _CHILD, **environment: str
) -> list[Any]:
    """The result of each list of descriptions, in a separate process: a message, or the public key and the signatures."""
    done = subprocess.run(
        [sys.executable, "-c", child, str(COUNT)],
        input=json.dumps(described),
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, **hsm.environment, "PYTHONPATH": str(collections), **environment},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def by_seed(pair: KeyPair) -> list[str]:
    return [signature.hex() for signature in pair.sign_all([b"message %d" % number * 50 for number in range(COUNT)])]


@pytest.fixture
def filled(hsm: Hsm) -> Hsm:
    """A token with the keys `operator` and `account`."""
    pairs = {"operator": OPERATOR, "account": ACCOUNT}
    hsm.import_keys({label: (pair._raw_seed or b"", pair._public) for label, pair in pairs.items()})
    return hsm


def test_key_in_a_token_signs_what_a_seed_signs(filled: Hsm, collections_path: pathlib.Path) -> None:
    operator = filled.signer("operator")
    by_id = {name: value for name, value in filled.signer("", key_id="02", key_type="account").items() if value}
    both = [operator, filled.signer("account", public_key=ACCOUNT.public_key)]
    found = signed(filled, collections_path, [[operator], [by_id], both])
    assert found == [
        [OPERATOR.public_key, [by_seed(OPERATOR)]],
        [ACCOUNT.public_key, [by_seed(ACCOUNT)]],
        [ACCOUNT.public_key, [by_seed(OPERATOR), by_seed(ACCOUNT)]],
    ]


def test_key_that_was_made_there_signs(hsm: Hsm, collections_path: pathlib.Path) -> None:
    hsm.run(
        """
params = session.create_domain_parameters(KeyType.EC_EDWARDS, {Attribute.EC_PARAMS: bytes.fromhex("06032b6570")}, local=True)
params.generate_keypair(mechanism=pkcs11.Mechanism.EC_EDWARDS_KEY_PAIR_GEN, store=True, label="made")
"""
    )
    ((public_key, signatures),) = signed(hsm, collections_path, [[hsm.signer("made")]])
    pair = KeyPair("operator", b"", public_key=public_key)
    assert public_key.startswith("O")
    assert len(signatures[0]) == COUNT
    assert pair.public_key == public_key


def test_pin_comes_from_a_file_or_the_environment(
    filled: Hsm, collections_path: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "pin").write_text(PIN + "\n")
    without = {name: value for name, value in filled.signer("operator").items() if name != "pin"}
    expected = [[OPERATOR.public_key, [by_seed(OPERATOR)]]]
    assert signed(filled, collections_path, [[{**without, "pin_path": str(tmp_path / "pin")}]]) == expected
    assert signed(filled, collections_path, [[without]], PKCS11_PIN=PIN) == expected
    assert signed(filled, collections_path, [[{**without, "pin_variable": "MY_PIN"}]], MY_PIN=PIN) == expected
    (message,) = signed(filled, collections_path, [[without]])
    assert "the key requires a login" in message or "has no" in message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pin": "wrong-pin"}, "the PIN is wrong. Correct it (pin, pin_path, pin_variable)"),
        ({"pin": "1"}, "the PIN is wrong. Correct it (pin, pin_path, pin_variable)"),
        ({"token_label": "nowhere"}, f"there is no token nowhere in {SOFTHSM}; available: nats."),
        ({"key_label": "nowhere"}, "the token nats has no public key nowhere"),
        ({"key_label": "operator", "key_id": "02"}, "the token nats has no public key operator"),
        ({"key_label": "twice"}, "the token nats has more than one public key twice: give both key_label and key_id."),
        ({"key_label": "curve"}, "an Ed25519 public key has 32 bytes, and 67 were returned."),
        ({"key_label": "half"}, "the token nats has no private key half"),
        ({"library_path": "/nonexistent.so"}, "the library /nonexistent.so cannot be loaded"),
        ({"library_path": "/etc/passwd"}, "the library /etc/passwd cannot be loaded"),
    ],
)
def test_what_cannot_sign_is_refused(
    filled: Hsm, collections_path: pathlib.Path, options: dict[str, Any], message: str
) -> None:
    filled.run(
        """
edwards = session.create_domain_parameters(KeyType.EC_EDWARDS, {Attribute.EC_PARAMS: bytes.fromhex("06032b6570")}, local=True)
for label in ("twice", "twice", "half"):
    public, private = edwards.generate_keypair(mechanism=pkcs11.Mechanism.EC_EDWARDS_KEY_PAIR_GEN, store=True, label=label)
private.destroy()
prime = session.create_domain_parameters(KeyType.EC, {Attribute.EC_PARAMS: pkcs11.util.ec.encode_named_curve_parameters("secp256r1")}, local=True)
prime.generate_keypair(store=True, label="curve")
"""
    )
    (found,) = signed(filled, collections_path, [[{**filled.signer("operator"), **options}]])
    assert message in found
    assert found.startswith("signers[0] (the key ")
    assert str(options.get("pin", PIN)) not in found or options.get("pin") == "1"


def test_wrong_pin_is_tried_once_however_many_keys_the_token_has(filled: Hsm, collections_path: pathlib.Path) -> None:
    # The token is removed after the first attempt, so a second attempt would fail with another message.
    gone = f"import shutil; shutil.rmtree({str(filled.folder / 'tokens')!r}, ignore_errors=True)"
    said = "print(json.dumps(str(error)))"
    wrong = [filled.signer(label, pin="wrong-pin") for label in ("operator", "account", "operator")]
    messages = signed(filled, collections_path, [[one] for one in wrong], child=_CHILD.replace(said, f"{said}; {gone}"))
    assert len(messages) == 3
    assert all("the PIN is wrong" in message for message in messages), messages


def test_another_key_than_the_configured_one_is_refused(filled: Hsm, collections_path: pathlib.Path) -> None:
    (found,) = signed(filled, collections_path, [[filled.signer("account", public_key=OPERATOR.public_key)]])
    assert f"and {OPERATOR.public_key} is configured" in found


def test_token_that_goes_away_in_the_middle(filled: Hsm, collections_path: pathlib.Path) -> None:
    removing = """
import shutil
from ansible_collections.natsops.security.plugins.module_utils.keys.signers.external import ExternalSigner
verify = ExternalSigner._verify
def verify_and_remove(self, messages, number, signature):
    if number == 100:
        shutil.rmtree(sys.argv[2])
    verify(self, messages, number, signature)
ExternalSigner._verify = verify_and_remove
messages = ["""
    code = _CHILD.replace("messages = [", removing)
    done = subprocess.run(
        [sys.executable, "-c", code, "20000", str(filled.folder / "tokens")],
        input=json.dumps([[filled.signer("operator")]]),
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, **filled.environment, "PYTHONPATH": str(collections_path)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "of 20000 signatures: " in done.stdout
    assert "No signature of it is used." in done.stdout
