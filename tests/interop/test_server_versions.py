# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Claims that servers enforce only since a version, on servers of both sides of it that are built with Go.

PyPI has no server before 2.10.25, and connections within a process exist only in a program that contains a server.
"""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import re
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
from support.fleets import FULL, Fleet, Realm, lets_in

from ansible_collections.natsops.security.plugins.module_utils.claims import (
    Account,
    Claims,
    ScopeTemplate,
    SigningKey,
    User,
    UserAccess,
)
from ansible_collections.natsops.security.plugins.module_utils.claims.declaration import fields_of
from ansible_collections.natsops.security.plugins.module_utils.claims.permissions import no_access
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.rules.server_versions import is_enforced, read_version
from ansible_collections.natsops.security.plugins.module_utils.token import codec, decorated

#: A server before all of these versions and one after, and the versions right before and after each.
VERSIONS = ["2.10.18", "2.15.2"]
LINES = ["2.10.19", "2.11.0", "2.14.7", "2.14.8", "2.15.0", "2.15.1"]
ACCESS = {
    "in-process": {"allowed_connection_types": ["IN_PROCESS"]},
    "standard": {"allowed_connection_types": ["STANDARD"]},
    "either": {"allowed_connection_types": ["STANDARD", "IN_PROCESS"]},
    "proxy": {"proxy_required": True},
}


@dataclasses.dataclass
class Login:
    """A user with some access, of its own or of the scope of its signing key."""

    name: str
    is_scoped: bool
    access: dict[str, Any]
    signing: nkey.KeyPair
    key: nkey.KeyPair = dataclasses.field(default_factory=lambda: nkey.create("user"))

    def jwt(self, account: nkey.KeyPair) -> str:
        """The JWT of the user."""
        body = User(access=no_access() if self.is_scoped else UserAccess(**self.access))
        body.issuer_account = account.public_key if self.is_scoped else ""
        claims = Claims(name=self.name, subject=self.key.public_key, body=body)
        return codec.encode(claims, self.signing if self.is_scoped else account, int(time.time()))

    def is_let_in(self, version: str) -> tuple[bool, bool]:
        """Whether a server lets the user in, within its process and over TCP, by the versions of the declarations."""

        def enforces(attribute: str, value: str = "") -> bool:
            declared = {field.attribute: field for field in fields_of(ScopeTemplate if self.is_scoped else UserAccess)}
            since = declared[attribute].values_since[value] if value else declared[attribute].enforced_since
            running = read_version(version)
            assert running is not None
            return not since or is_enforced(since, running)

        types = self.access.get("allowed_connection_types")
        if types is None:
            return (not enforces("proxy_required"),) * 2
        if not enforces("allowed_connection_types"):
            return True, True
        within = "IN_PROCESS" if enforces("allowed_connection_types", "IN_PROCESS") else "STANDARD"
        return within in types, "STANDARD" in types


@contextlib.contextmanager
def embedded(program: str, config: pathlib.Path, creds: list[pathlib.Path]) -> Iterator[list[str]]:
    """A server during the block, and what it answered to a connection with each of the creds in its process."""
    with (
        config.with_suffix(".log").open("wb") as log,
        subprocess.Popen(
            [program, config, *creds], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        ) as process,
    ):
        assert process.stdout is not None
        answers = [process.stdout.readline().strip() for _unused in creds]
        assert all(answers), config.with_suffix(".log").read_text()
        try:
            yield answers
        finally:
            process.communicate()


def built(version: str) -> str:
    """The path of the program with this version of nats-server."""
    build = pathlib.Path(__file__).parent / "embedded/build"
    done = subprocess.run([build, version], capture_output=True, text=True, check=False)
    if done.returncode == 3:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("version", [*VERSIONS, *(pytest.param(line, marks=pytest.mark.attack) for line in LINES)])
def test_claims_are_enforced_since_the_declared_version_and_a_push_warns_before(site: Any, version: str) -> None:
    fleet, account = Fleet(site.folder / "fleet", Realm(), [FULL]), nkey.create("account")
    scopes = {name: nkey.create("account") for name in ACCESS}
    logins = [Login(name, False, access, account) for name, access in ACCESS.items()]
    logins += [Login(f"{name}-by-scope", True, access, scopes[name]) for name, access in ACCESS.items()]
    keys = [
        SigningKey(key=scopes[name].public_key, role=name, template=ScopeTemplate(**access))
        for name, access in ACCESS.items()
    ]
    jwt = fleet.realm.account(account, "APP", Account(signing_keys=keys))
    site.write("fleet/n1/" + account.public_key + ".jwt", jwt)
    site.write("stores/ACME/.nsc", "{}")
    site.write("stores/ACME/ACME.jwt", fleet.realm.operator_jwt)
    site.write("stores/ACME/accounts/APP/APP.jwt", jwt)
    creds = [site.folder / f"{login.name}.creds" for login in logins]
    for login, path in zip(logins, creds, strict=True):
        token = login.jwt(account)
        site.write(f"stores/ACME/accounts/APP/users/{login.name}.jwt", token)
        path.write_text(decorated.format_creds(token, login.key))

    with embedded(built(version), fleet.nodes[0].config, creds) as answers:
        found = {
            login.name: (answer == "accepted", lets_in(fleet.urls[0], path.read_text()))
            for login, path, answer in zip(logins, creds, answers, strict=True)
        }
        warnings = site.check("resolver", **fleet.task(store_path=site / "stores/ACME")).get("warnings", [])
    refused = [answer for answer in answers if answer != "accepted"]
    # The server closes the pipe, and the client may notice that before it has read why.
    assert set(refused) <= {"nats: Authorization Violation", "io: read/write on closed pipe"}
    logged = re.findall(" pipe - cid:[0-9]+ - authentication error", fleet.nodes[0].log.read_text())
    assert len(logged) >= len(refused)
    assert found == {login.name: login.is_let_in(version) for login in logins}
    scope = "signing_keys[].template."
    running = read_version(version)
    assert running is not None
    expected = [
        f"{claim} is not enforced by n1 (nats-server {version})"
        for claim, since in (
            ("allowed_connection_types (IN_PROCESS) of user APP/either and user APP/in-process", ("2.11.0",)),
            ("proxy_required of user APP/proxy", ("2.12.0",)),
            (f"{scope}allowed_connection_types of account APP", ("2.10.19",)),
            (f"{scope}allowed_connection_types (IN_PROCESS) of account APP", ("2.11.0",)),
            (f"{scope}proxy_required of account APP", ("2.14.8", "2.15.1")),
        )
        if not is_enforced(since, running)
    ]
    said = [str(warning) for warning in warnings]
    assert len(said) == len(expected), said
    assert [text for text in expected if not any(text in one for one in said)] == []
