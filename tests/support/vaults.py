# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The services behind signers, on this machine: an OpenBao server in memory, and a SoftHSM token. `make signers` installs their requirements."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from support.ports import free_ports
from support.servers import PATIENCE

BAO = pathlib.Path(sys.executable).with_name("bao")
ROOT_TOKEN = "root-of-a-test"
PIN = "4711-of-a-test"
SOFTHSM = next(
    (
        path
        for folder in ("softhsm", "*/softhsm", "*/pkcs11")
        for path in pathlib.Path("/usr/lib").glob(f"{folder}/libsofthsm2.so")
    ),
    None,
)
#: The OID id-Ed25519 (RFC 8410) in DER, the value of the attribute EC_PARAMS.
ED25519 = bytes.fromhex("06032b6570")


# ---- OpenBao


@dataclasses.dataclass
class Bao:
    """An unsealed OpenBao server in memory, with the transit engine at `transit`."""

    port: int
    process: subprocess.Popen[bytes]
    ca_path: str = ""  # the CA that signed the server's certificate; empty without TLS

    @property
    def address(self) -> str:
        """Return the URL of the server."""
        return f"{'https' if self.ca_path else 'http'}://127.0.0.1:{self.port}"

    def client(self, token: str = ROOT_TOKEN, namespace: str | None = None) -> Any:
        """Return an hvac client."""
        import hvac

        return hvac.Client(url=self.address, token=token, namespace=namespace, verify=self.ca_path or True)

    def signer(self, key: str, **options: Any) -> dict[str, Any]:
        """Return the description of a signer."""
        return {"type": "transit", "address": self.address, "key": key, "token": ROOT_TOKEN, **options}

    def import_key(self, name: str, raw_seed: bytes) -> None:
        """Create a transit key from the 32 bytes of a seed, as described in Vault's documentation (Bring your own key)."""
        from cryptography.hazmat.primitives import hashes, keywrap, serialization
        from cryptography.hazmat.primitives.asymmetric import padding
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        adapter = self.client().adapter
        wrapping = serialization.load_pem_public_key(
            adapter.get("/v1/transit/wrapping_key")["data"]["public_key"].encode()
        )
        target = Ed25519PrivateKey.from_private_bytes(raw_seed).private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        ephemeral = os.urandom(32)
        oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
        wrapped = wrapping.encrypt(ephemeral, oaep) + keywrap.aes_key_wrap_with_padding(ephemeral, target)
        body = {"ciphertext": base64.b64encode(wrapped).decode(), "type": "ed25519"}
        adapter.post(f"/v1/transit/keys/{name}/import", json=body)

    def token(self, policy: str, ttl: str = "1h") -> str:
        """Create a token with only this policy and return it."""
        client = self.client()
        name = f"test-{os.urandom(4).hex()}"
        client.sys.create_or_update_policy(name, policy)
        found: str = client.auth.token.create(policies=[name], no_default_policy=False, ttl=ttl)["auth"]["client_token"]
        return found

    def stop(self) -> None:
        """Kill the server."""
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait(PATIENCE)


@contextlib.contextmanager
def openbao(folder: pathlib.Path, tls: bool = False) -> Iterator[Bao]:
    """Run an OpenBao server during the block. With TLS it has a certificate of its own CA."""
    (port,) = free_ports(1)
    command = [str(BAO), "server", "-dev", "-dev-no-store-token", f"-dev-root-token-id={ROOT_TOKEN}"]
    command += ["-dev-tls", f"-dev-tls-cert-dir={folder}"] if tls else []
    with (folder / "bao.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, f"-dev-listen-address=127.0.0.1:{port}"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={"HOME": str(folder), "PATH": os.environ["PATH"]},
        )
    bao = Bao(port, process, str(folder / "vault-ca.pem") if tls else "")
    try:
        _wait_for(bao, folder / "bao.log")
        bao.client().sys.enable_secrets_engine("transit")
        yield bao
    finally:
        bao.stop()


def _wait_for(bao: Bao, log: pathlib.Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        with contextlib.suppress(Exception):
            if not bao.client().sys.is_sealed():
                return
        assert bao.process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


class Between:
    """A proxy between clients and a server on this machine. When the server has sent `after` bytes, it calls `then` and cuts every connection.

    With `answer`, there is no server: every client receives this answer.
    """

    def __init__(self, then: Callable[[], None], port: int = 0, after: int = 0, answer: bytes = b"") -> None:
        self._then, self._to, self._left, self._answer = then, port, after, answer
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._connections: list[socket.socket] = []
        self.port: int = self._listening.getsockname()[1]

    def __enter__(self) -> Between:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_unused: object) -> None:
        self._listening.close()
        self._cut()

    def _accept(self) -> None:
        while True:
            try:
                client = self._listening.accept()[0]
            except OSError:
                return
            self._connections.append(client)
            if self._answer:
                client.recv(65536)
                client.sendall(self._answer)
                client.close()
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                client.close()
                continue
            self._connections.append(server)
            threading.Thread(target=self._copy, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._copy, args=(server, client, True), daemon=True).start()

    def _copy(self, one: socket.socket, other: socket.socket, counts: bool) -> None:
        try:
            while data := one.recv(4096):
                other.sendall(data)
                self._left -= len(data) if counts else 0
                if counts and self._left <= 0:
                    self._then()
                    self._cut()
        except OSError:
            self._cut()

    def _cut(self) -> None:
        for connection in self._connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                connection.close()


# ---- SoftHSM


@dataclasses.dataclass
class Hsm:
    """A SoftHSM token with the label `nats`, in its own folder."""

    folder: pathlib.Path

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment variables with which a process finds the token."""
        return {"SOFTHSM2_CONF": str(self.folder / "softhsm2.conf")}

    def signer(self, label: str, **options: Any) -> dict[str, Any]:
        """Return the description of a signer."""
        where = {"library_path": str(SOFTHSM), "token_label": "nats", "key_label": label}
        return {"type": "pkcs11", **where, "pin": PIN, **options}

    def import_keys(self, keys: dict[str, tuple[bytes, bytes]]) -> None:
        """Create key objects from seeds and public keys of 32 bytes each, by label. Their IDs are 01, 02 and so on."""
        made = [[label, seed.hex(), public.hex()] for label, (seed, public) in keys.items()]
        self.run(_IMPORT, ED25519.hex(), repr(made))

    def run(self, code: str, *arguments: str) -> str:
        """Run Python code in a separate process, with the module pkcs11 and with a session of the token in `session`. Return its output."""
        start = _SESSION.format(library=str(SOFTHSM), pin=PIN)
        done = subprocess.run(
            [sys.executable, "-c", start + code, *arguments],
            capture_output=True,
            text=True,
            env={**os.environ, **self.environment},
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


_SESSION = """
import sys
import pkcs11
from pkcs11 import Attribute, KeyType, ObjectClass
session = pkcs11.lib({library!r}).get_token(token_label="nats").open(rw=True, user_pin={pin!r})
"""

_IMPORT = """
params = bytes.fromhex(sys.argv[1])
for number, (label, seed, public) in enumerate(eval(sys.argv[2]), 1):
    common = {
        Attribute.KEY_TYPE: KeyType.EC_EDWARDS, Attribute.EC_PARAMS: params, Attribute.LABEL: label, Attribute.ID: bytes([number]),
        Attribute.TOKEN: True,
    }
    private = {Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.VALUE: bytes.fromhex(seed), Attribute.PRIVATE: True, Attribute.SIGN: True}
    public = {Attribute.CLASS: ObjectClass.PUBLIC_KEY, Attribute.EC_POINT: b"\\x04\\x20" + bytes.fromhex(public), Attribute.VERIFY: True}
    session.create_object({**common, **private})
    session.create_object({**common, **public})
"""


def softhsm_is_missing() -> str:
    """Return the reason why SoftHSM cannot be used, or an empty string."""
    if SOFTHSM is None or shutil.which("softhsm2-util") is None:
        return "SoftHSM is not installed (Debian's softhsm2)"
    return ""


def softhsm(folder: pathlib.Path) -> Hsm:
    """Create a SoftHSM token."""
    (folder / "tokens").mkdir(parents=True)
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder}/tokens\nlog.level = ERROR\n")
    hsm = Hsm(folder)
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", "nats", "--so-pin", "so-pin-of-a-test", "--pin", PIN],
        check=True,
        capture_output=True,
        env={**os.environ, **hsm.environment},
    )
    return hsm
