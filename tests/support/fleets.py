# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Operators, and nats-servers on this machine that trust them: a single server or a cluster, with the tokens, users and certificates for tests."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import pathlib
import shutil
import subprocess
import time
from typing import Any

import nats
import pytest

from ansible_collections.natsops.security.plugins.module_utils.claims import (
    Account,
    Claims,
    Operator,
    SigningKey,
    User,
    UserAccess,
)
from ansible_collections.natsops.security.plugins.module_utils.cluster import (
    cluster_accounts,
    servers,
    system_connection,
)
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.token import codec, decorated

from .ports import free_ports
from .servers import Server

FULL = 'type: full, dir: "{dir}", interval: "1s", timeout: "1s"'


class Realm:
    """An operator with a signing key and a system account; signs account JWTs and creds."""

    def __init__(self, name: str = "ACME", **body: Any) -> None:
        self.operator, self.signing = nkey.create("operator"), nkey.create("operator")
        self.system = nkey.create("account")
        self.born = int(time.time()) - 100
        self.operator_claims = Claims(
            name=name,
            subject=self.operator.public_key,
            body=Operator(signing_keys=[self.signing.public_key], system_account=self.system.public_key, **body),
        )
        self.system_signing = nkey.create("account")
        self.operator_jwt = codec.encode(self.operator_claims, self.operator, self.born)
        signing = SigningKey(key=self.system_signing.public_key)
        self.system_jwt = self.account(self.system, "SYS", Account(signing_keys=[signing]))

    def account(
        self, key: Any, name: str, body: Account | None = None, *, age: int = 100, signer: Any = None, **times: int
    ) -> str:
        """Return the JWT of an account. `times` are `expires` and `not_before`."""
        claims = Claims(name=name, subject=key.public_key, body=body or Account(), **times)
        return codec.encode(claims, signer or self.signing, int(time.time()) - age)

    def new_account(self, name: str, body: Account | None = None, **how: Any) -> tuple[Any, str]:
        """Create an account; return its key and its JWT."""
        key = nkey.create("account")
        return key, self.account(key, name, body, **how)

    def creds(self, account: Any = None, access: UserAccess | None = None, expires: int = 0) -> str:
        """Create a user and return its creds. `account` is the key of its account; defaults to that of the system account."""
        key = nkey.create("user")
        claims = Claims(name="u", subject=key.public_key, body=User(access=access or UserAccess()), expires=expires)
        return decorated.format_creds(codec.encode(claims, account or self.system, int(time.time())), key)


@dataclasses.dataclass
class Node(Server):
    """One nats-server of a cluster."""

    name: str = ""

    def stored(self, account: Any) -> str | None:
        """Return the JWT of an account from the directory of the server's resolver, or None."""
        path = self.config.parent / self.name / f"{account.public_key}.jwt"
        return path.read_text() if path.exists() else None


class Fleet:
    """Servers of one operator on 127.0.0.1."""

    def __init__(self, folder: pathlib.Path, realm: Realm, resolvers: list[str], extra: str = "") -> None:
        self.realm = realm
        ports, routes = free_ports(len(resolvers)), free_ports(len(resolvers))
        names = [f"n{index + 1}" for index in range(len(ports))]
        self.nodes = [Node(folder / f"{name}.conf", port, name=name) for name, port in zip(names, ports, strict=True)]
        urls = ", ".join(f"nats://127.0.0.1:{port}" for port in routes)
        for node, route, resolver in zip(self.nodes, routes, resolvers, strict=True):
            folder.mkdir(parents=True, exist_ok=True)
            lines = [
                f"server_name: {node.name}",
                f"listen: 127.0.0.1:{node.port}",
                f"operator: {realm.operator_jwt}",
                f"system_account: {realm.system.public_key}",
                f"resolver: {resolver}" if resolver == "MEMORY" else f"resolver: {{ {resolver} }}",
                f"resolver_preload: {{ {realm.system.public_key}: {realm.system_jwt} }}",
                extra,
            ]
            if len(resolvers) > 1:
                lines.append(f"cluster {{ name: c, listen: 127.0.0.1:{route}, routes: [{urls}] }}")
            text = "\n".join(lines).replace("{dir}", str(folder / node.name)).replace("{folder}", str(folder))
            node.config.write_text(text)

    @property
    def urls(self) -> list[str]:
        return [node.url for node in self.nodes]

    def start(self) -> Fleet:
        """Start all servers and wait until they have formed a cluster."""
        for node in self.nodes:
            node.start()
        self.wait_until_whole()
        return self

    def wait_until_whole(self) -> None:
        """Wait until every server answers over one connection."""
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(Exception):
                if len(self.do(servers.discover).servers) == len(self.nodes):
                    return
            assert time.monotonic() < deadline, "the cluster did not come together"
            time.sleep(0.1)

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()

    def __enter__(self) -> Fleet:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def options(self, lifetime: int = 120, timeout: float = 10) -> system_connection.Options:
        """Return options to connect as a temporary user of the system account."""
        inbox = system_connection.new_inbox()
        system = self.realm.system
        subjects = cluster_accounts.SUBJECTS_OF["exact"]
        signer = self.realm.system_signing
        user = system_connection.TemporaryUser(signer, system.public_key, False, inbox, subjects, lifetime)
        return system_connection.Options(tuple(self.urls), user, inbox, timeout=timeout)

    def do(self, work: Any, **how: Any) -> Any:
        """Run `work` on a connection and return its result."""
        return system_connection.run(self.options(**how), work)

    def task(self, **more: Any) -> dict[str, Any]:
        """Return module options for a connection to these servers."""
        return {"servers": self.urls, "system_signer_seed": self.realm.system.seed, **more}


async def client(url: str | list[str], creds: str, **options: Any) -> Any:
    """Return a client of nats-py, connected as the user of these creds. The options are those of nats.connect."""
    pair, jwt = decorated.find_seed(creds), decorated.find_token(creds)

    async def silent(_unused: Exception) -> None:
        pass

    return await nats.connect(
        url,
        signature_cb=lambda nonce: base64.b64encode(pair.sign(nonce.encode())),
        **{
            "allow_reconnect": False,
            "connect_timeout": 60,
            "error_cb": silent,
            "user_jwt_cb": lambda: bytearray(jwt.encode()),
            **options,
        },
    )


def lets_in(url: str, creds: str) -> bool:
    """Return whether a server accepts the user of these creds. Errors other than a failed authentication are raised."""

    async def attempt() -> bool:
        try:
            connected = await client(url, creds)
        except Exception as error:
            if "authorization" not in str(error).lower() and "authentication" not in str(error).lower():
                raise
            return False
        await connected.close()
        return True

    return asyncio.run(attempt())


def make_certificates(folder: pathlib.Path, *names: str) -> pathlib.Path:
    """Create a CA (ca.pem) and its certificates for a server and a client with openssl. The names are subject alternative names such as `DNS:nats.test`."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl to make certificates with")
    folder.mkdir(exist_ok=True)

    def run(*arguments: str) -> None:
        subprocess.run([openssl, *arguments], cwd=folder, check=True, capture_output=True)

    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    run("req", "-x509", *new_key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=test")
    (folder / "names").write_text(f"subjectAltName={','.join(names)}")
    for name in ("server", "client"):
        run("req", *new_key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
        run("x509", "-req", "-in", f"{name}.csr", *signing, "-out", f"{name}.pem")
    return folder


def tls_config(certificates: pathlib.Path, *more: str) -> str:
    """Return the `tls` block of a server's configuration for these certificates."""
    files = {"cert_file": "server.pem", "key_file": "server.key", "ca_file": "ca.pem"}
    return "tls { " + ", ".join([*(f'{name}: "{certificates / file}"' for name, file in files.items()), *more]) + " }"
