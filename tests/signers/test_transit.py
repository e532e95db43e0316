# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Keys of the transit engine on a real OpenBao server."""

from __future__ import annotations

import pathlib
import signal
import time
from typing import Any

import pytest
from support.ports import free_ports
from support.vaults import ROOT_TOKEN, Bao, Between, openbao

from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.keys.signers.options import signer_of, signers_of
from ansible_collections.natsops.security.plugins.module_utils.keys.signers.transit import SLICE
from ansible_collections.natsops.security.tests.unit.raw_tokens import key

MESSAGES = [f"message {number}".encode() * 30 for number in range(5 * SLICE + 7)]


def imported(bao: Bao, key_type: str = "operator") -> tuple[str, nkey.KeyPair]:
    """Import a new seed as a transit key. Return the name of the key, and the key pair."""
    pair = nkey.create(key_type)
    bao.import_key(pair.public_key, pair._raw_seed or b"")
    return pair.public_key, pair


def test_transit_key_signs_what_a_seed_signs(bao: Bao) -> None:
    name, pair = imported(bao)
    signer = signer_of(bao.signer(name))
    assert (signer.public_key, signer.type) == (pair.public_key, "operator")
    assert signer.sign_all(MESSAGES) == pair.sign_all(MESSAGES)
    assert [signer.sign(data) for data in (b"", bytes(range(256)))] == pair.sign_all([b"", bytes(range(256))])


def test_key_that_was_made_there_signs_as_an_account(bao: Bao) -> None:
    bao.client().secrets.transit.create_key("made-there", key_type="ed25519")
    signer = signer_of(bao.signer("made-there", key_type="account"))
    assert signer.public_key.startswith("A")
    assert nkey.from_public_key(signer.public_key).verify(b"data", signer.sign(b"data"))
    again = signer_of(bao.signer("made-there", public_key=signer.public_key))
    assert again.sign(b"data") == signer.sign(b"data")


def test_another_key_than_the_configured_one_is_refused(bao: Bao) -> None:
    name, pair = imported(bao)
    other = nkey.create("operator").public_key
    with pytest.raises(NatsSecurityError, match=f"it holds the key {pair.public_key}, and {other} is configured"):
        signer_of(bao.signer(name, public_key=other)).sign(b"data")
    # For NATS, the same bytes as an account key are a different key.
    with pytest.raises(NatsSecurityError, match="expected an account public key"):
        signer_of(bao.signer(name, public_key=pair.public_key, key_type="account"))


def test_key_that_is_rotated_goes_on_with_the_version_that_signs(bao: Bao) -> None:
    transit = bao.client().secrets.transit
    transit.create_key("rotated", key_type="ed25519")
    first = signer_of(bao.signer("rotated"))
    assert first.sign(b"data")
    transit.rotate_key("rotated")
    assert first.sign(b"data") == signer_of(bao.signer("rotated", key_version=1)).sign(b"data")
    second = signer_of(bao.signer("rotated"))
    assert second.public_key != first.public_key
    with pytest.raises(NatsSecurityError, match="it holds the key"):
        signer_of(bao.signer("rotated", public_key=first.public_key)).sign(b"data")
    with pytest.raises(NatsSecurityError, match="the key has no version 3; available: 1, 2"):
        signer_of(bao.signer("rotated", key_version=3))


def test_token_comes_from_a_file_or_the_environment(
    bao: Bao, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, pair = imported(bao)
    without = {option: value for option, value in bao.signer(name).items() if option not in ("token", "address")}
    (tmp_path / "token").write_text(ROOT_TOKEN + "\n")
    from_file = {**without, "token_path": str(tmp_path / "token"), "address": bao.address}
    assert signer_of(from_file).public_key == pair.public_key
    for tool in ("BAO", "VAULT"):
        with monkeypatch.context() as environment:
            environment.setenv(f"{tool}_TOKEN", ROOT_TOKEN)
            environment.setenv(f"{tool}_ADDR", bao.address + "/")
            assert signer_of(without).sign(b"data") == pair.sign(b"data")


def test_key_of_a_namespace_and_a_mount_of_another_path_signs(bao: Bao, monkeypatch: pytest.MonkeyPatch) -> None:
    bao.client().adapter.post("/v1/sys/namespaces/team", json={})
    client = bao.client(namespace="team")
    client.sys.enable_secrets_engine("transit", path="keys/nats")
    client.secrets.transit.create_key("op", key_type="ed25519", mount_point="keys/nats")
    signer = signer_of(bao.signer("op", namespace="team", mount="keys/nats", key_version=1))
    assert nkey.from_public_key(signer.public_key).verify(b"data", signer.sign(b"data"))
    for mount, namespace in (("transit", "team"), ("keys/nats", None)):
        with pytest.raises(NatsSecurityError, match=r"there is no transit key .*: are mount, key and namespace right"):
            signer_of(bao.signer("op", mount=mount, namespace=namespace))
    monkeypatch.setenv("BAO_NAMESPACE", "team")
    assert signer_of(bao.signer("op", mount="keys/nats")).public_key == signer.public_key


def test_server_with_a_certificate_of_an_own_ca(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with openbao(tmp_path, tls=True) as server:
        server.client().secrets.transit.create_key("op", key_type="ed25519")
        with pytest.raises(NatsSecurityError, match=r"no TLS connection can be made: .*certificate verify failed"):
            signer_of(server.signer("op"))
        signer = signer_of(server.signer("op", ca_path=server.ca_path))
        assert nkey.from_public_key(signer.public_key).verify(b"data", signer.sign(b"data"))
        monkeypatch.setenv("VAULT_CACERT", server.ca_path)
        assert signer_of(server.signer("op")).public_key == signer.public_key
        with pytest.raises(NatsSecurityError, match="ca_path"):
            signer_of(server.signer("op", ca_path=str(tmp_path / "nowhere.pem")))


READ = 'path "transit/keys/*" { capabilities = ["read"] }\n'
SIGN = 'path "transit/sign/*" { capabilities = ["update"] }\n'


def test_token_needs_no_more_than_the_documented_policy(bao: Bao) -> None:
    name, pair = imported(bao)
    assert signer_of(bao.signer(name, token=bao.token(READ + SIGN))).sign(b"data") == pair.sign(b"data")
    for policy in (READ, SIGN):
        with pytest.raises(NatsSecurityError, match=f"permission denied: .* read on transit/keys/{name} and update on"):
            signer_of(bao.signer(name, token=bao.token(policy))).sign(b"data")


def test_expired_or_unknown_token_is_named_as_such(bao: Bao) -> None:
    name, pair = imported(bao)
    token = bao.token(READ + SIGN)
    signer = signer_of(bao.signer(name, token=token))
    assert signer.sign(b"data") == pair.sign(b"data")
    bao.client().auth.token.revoke(token)
    with pytest.raises(NatsSecurityError, match="the token is unknown, has expired, or was revoked") as caught:
        signer.sign(b"data")
    assert token not in str(caught.value)
    short = bao.token(READ + SIGN, ttl="1s")
    time.sleep(1.5)
    with pytest.raises(NatsSecurityError, match="the token is unknown, has expired, or was revoked"):
        signer_of(bao.signer(name, token=short))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"key": "nowhere"}, "there is no transit key transit/nowhere: are mount, key and namespace right"),
        ({"key": "nowhere", "mount": "nowhere"}, "there is no transit key nowhere/nowhere .*no handler for route"),
        ({"key": "nowhere", "namespace": "nowhere"}, "there is no transit key .*namespace not found"),
        ({"key": "aes"}, "the key is of type aes256-gcm96, and NATS signs with ed25519"),
        ({"key": "rsa"}, "the key is of type rsa-2048, and NATS signs with ed25519"),
        ({"key": "derived"}, "the key is a derived one"),
        ({"key": "aes", "address": "https://127.0.0.1:{port}"}, "no TLS connection can be made"),
        ({"key": "aes", "address": "nonsense"}, "it cannot be reached: .*Invalid URL"),
    ],
)
def test_key_that_cannot_sign_is_refused(bao: Bao, options: dict[str, Any], message: str) -> None:
    transit = bao.client().secrets.transit
    transit.create_key("aes")
    transit.create_key("rsa", key_type="rsa-2048")
    transit.create_key("derived", key_type="ed25519", derived=True)
    filled = {
        name: value.replace("{port}", str(bao.port)) if name == "address" else value for name, value in options.items()
    }
    with pytest.raises(NatsSecurityError, match=rf"^signers\[0\] \(the transit key .*: {message}"):
        signer_of(bao.signer(**filled))


def test_sealed_server_is_named_as_such(own_bao: Bao) -> None:
    name, pair = imported(own_bao)
    signer = signer_of(own_bao.signer(name))
    assert signer.sign(b"data") == pair.sign(b"data")
    own_bao.client().sys.seal()
    with pytest.raises(NatsSecurityError, match="it is sealed or not available"):
        signer.sign(b"data")


def test_what_is_not_vault_is_named_as_such() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"
    with Between(lambda: None, answer=answer) as other:
        options = {"type": "transit", "address": f"http://127.0.0.1:{other.port}", "key": "op", "token": "t"}
        with pytest.raises(NatsSecurityError, match="the answer is not one of Vault or OpenBao"):
            signer_of(options)


def test_server_that_is_killed_in_the_middle(own_bao: Bao) -> None:
    name, pair = imported(own_bao)
    with Between(own_bao.stop, own_bao.port, after=40_000) as between:
        signer = signer_of(own_bao.signer(name, address=f"http://127.0.0.1:{between.port}"))
        with pytest.raises(NatsSecurityError, match=rf"after [1-9][0-9]* of {len(MESSAGES)} signatures: it cannot be"):
            signer.sign_all(MESSAGES)
        with pytest.raises(NatsSecurityError, match="it cannot be reached"):
            signer.sign(b"data")
    assert pair.public_key in repr(signer)


def test_connection_that_is_cut_in_the_middle(bao: Bao) -> None:
    name, pair = imported(bao)
    with Between(lambda: None, bao.port, after=40_000) as between:
        signer = signer_of(bao.signer(name, address=f"http://127.0.0.1:{between.port}"))
        with pytest.raises(NatsSecurityError, match=rf"after [1-9][0-9]* of {len(MESSAGES)} signatures: it cannot be"):
            signer.sign_all(MESSAGES)
    # The next run succeeds.
    assert signer_of(bao.signer(name)).sign_all(MESSAGES) == pair.sign_all(MESSAGES)


def test_server_that_hangs(own_bao: Bao) -> None:
    name, pair = imported(own_bao)
    signer = signer_of(own_bao.signer(name, timeout="1s"))
    assert signer.sign(b"data") == pair.sign(b"data")
    own_bao.process.send_signal(signal.SIGSTOP)
    with pytest.raises(NatsSecurityError, match="it did not answer for 1 s"):
        signer.sign_all(MESSAGES)
    own_bao.process.send_signal(signal.SIGCONT)
    assert signer.sign(b"data") == pair.sign(b"data")


def test_server_that_is_not_there() -> None:
    (port,) = free_ports(1)
    described = {"type": "transit", "address": f"http://127.0.0.1:{port}", "key": "op", "token": "t"}
    with pytest.raises(NatsSecurityError, match="it cannot be reached"):
        signer_of(described)
    # If the public key is configured, the server is not contacted before the first signature.
    (signer,) = signers_of([{**described, "public_key": key("operator", 1).public_key}])
    with pytest.raises(NatsSecurityError, match="it cannot be reached"):
        signer.check()
