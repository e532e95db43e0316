# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the interop tests: nsc and nats at pinned versions, and a home folder in which they and the modules work on one store."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import pathlib
import subprocess
from typing import Any

import pytest
from support.sites import changed

HERE = pathlib.Path(__file__).parent


def payload(token: str) -> dict[str, Any]:
    """The payload of a token, parsed as JSON."""
    chunk = token.split(".")[1]
    told: dict[str, Any] = json.loads(base64.urlsafe_b64decode(chunk + "=" * (-len(chunk) % 4)))
    return told


@dataclasses.dataclass
class Home:
    """A separate home folder for nsc, nats and the modules, with one operator."""

    site: Any
    peers: pathlib.Path
    operator: str = "ACME"

    @property
    def folder(self) -> pathlib.Path:
        """The home folder."""
        path: pathlib.Path = self.site.folder
        return path

    @property
    def stores(self) -> pathlib.Path:
        """The folder in which nsc and nats look for stores by default."""
        return self.folder / "data/nats/nsc/stores"

    @property
    def keys(self) -> pathlib.Path:
        """The keystore that nsc and nats use by default."""
        return self.folder / "data/nats/nsc/keys"

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables with which nsc and nats use this home folder only."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("NSC_", "NKEYS_", "NATS_"))}
        folders = {
            "HOME": self.folder,
            "XDG_DATA_HOME": self.folder / "data",
            "XDG_CONFIG_HOME": self.folder / "config",
            "XDG_CACHE_HOME": self.folder / "cache",
            "NKEYS_PATH": self.keys,
        }
        return {**kept, **{name: str(path) for name, path in folders.items()}}

    # ---- the tools of NATS

    def _run(self, program: str, arguments: tuple[Any, ...], may_fail: bool = False) -> tuple[str, str]:
        done = subprocess.run(
            [self.peers / program, *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            env=self.environment,
            cwd=self.folder,
            timeout=60,
        )
        told = f"{program} {' '.join(map(str, arguments))}\n{done.stdout}{done.stderr}"
        assert may_fail or done.returncode == 0, told
        return done.stdout, told

    def nsc(self, *arguments: Any) -> str:
        """Run nsc. Return the command line with all its output."""
        return self._run("nsc", arguments)[1]

    def nsc_json(self, *arguments: Any) -> Any:
        """The JSON output of nsc."""
        return json.loads(self._run("nsc", (*arguments, "--json"))[0])

    def nats(self, *arguments: Any) -> str:
        """Run `nats auth`. Return the command line with all its output."""
        return self._run("nats", ("auth", *arguments))[1]

    def nats_json(self, *arguments: Any) -> Any:
        """The JSON output of `nats auth`."""
        return json.loads(self._run("nats", ("auth", *arguments, "--json"))[0])

    def select(self) -> None:
        """Select this operator in nsc, which does not know a store that the modules created."""
        self.nsc("select", "operator", self.operator)

    def objections(self) -> str:
        """The output of nsc validate for the whole store, which may report errors."""
        self.select()
        return self._run("nsc", ("validate", "-A"), may_fail=True)[1]

    def validate(self) -> str:
        """The output of nsc validate for the whole store, which must succeed."""
        self.select()
        return self.nsc("validate", "-A")

    # ---- the modules

    @property
    def options(self) -> dict[str, str]:
        """The module options that locate the store."""
        return {"stores_dir": str(self.stores), "keys_dir": str(self.keys), "store": self.operator}

    def apply(self, definition: dict[str, Any], **options: Any) -> dict[str, Any]:
        """The result of nats_store, which check mode has predicted."""
        told: dict[str, Any] = self.site.run("store", definition=definition, **self.options, **options)
        return told

    def keep(self, definition: dict[str, Any]) -> dict[str, Any]:
        """The result of nats_store, which must change nothing."""
        told: dict[str, Any] = self.site.keep("store", definition=definition, **self.options)
        return told

    def adopt(self, definition: dict[str, Any]) -> None:
        """Run nats_store on a store of another tool: the first run records the operator and changes no file of the store, the second run changes nothing."""
        before = self.files()
        ((name, (action, reasons)),) = [
            item for item in changed(self.apply(definition)).items() if item[1][0] != "extra"
        ]
        assert (name, action, len(reasons)) == (f"store/{self.operator}", "changed", 1)
        assert f"the operator's key {self.public_key()} is recorded in" in reasons[0]
        assert self.files() == before
        self.keep(definition)

    def files(self) -> dict[str, tuple[Any, ...]]:
        """The files of the home folder except those in .natsops, with the details of a snapshot, by path."""
        known = self.site.snapshot().items()
        return {path: about for path, about in known if ".natsops" not in path and pathlib.Path(path).is_file()}

    def info(self) -> dict[str, Any]:
        """The result of nats_store_info."""
        told: dict[str, Any] = self.site.check("store_info", **self.options)
        return told

    # ---- the store

    def token(self, account: str = "", user: str = "") -> str:
        """The token of the operator, of an account or of a user."""
        root = self.stores / self.operator
        if not account:
            return (root / f"{self.operator}.jwt").read_text()
        folder = root / "accounts" / account
        return (folder / "users" / f"{user}.jwt" if user else folder / f"{account}.jwt").read_text()

    def public_key(self, account: str = "", user: str = "") -> str:
        """The public key of the operator, of an account or of a user."""
        key: str = payload(self.token(account, user))["sub"]
        return key

    def tokens(self) -> dict[str, bytes]:
        """All JWTs of the store, by path."""
        root = self.stores / self.operator
        return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*.jwt"))}

    def creds(self, account: str, user: str) -> pathlib.Path:
        """The creds file of a user."""
        return self.keys / "creds" / self.operator / account / f"{user}.creds"


@pytest.fixture(scope="session")
def peers() -> pathlib.Path:
    """The folder with nsc and nats."""
    built = subprocess.run([HERE / "peers" / "build"], capture_output=True, text=True, check=False)
    if built.returncode == 3:
        pytest.skip(built.stderr.strip())
    assert built.returncode == 0, built.stderr
    return pathlib.Path(built.stdout.strip())


@pytest.fixture
def home(site: Any, peers: pathlib.Path) -> Home:
    """An empty home folder."""
    return Home(site, peers)
