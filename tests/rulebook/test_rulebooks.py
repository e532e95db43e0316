# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The rulebooks of the collection, run by ansible-rulebook. `make rulebook` runs these tests; they require Java 17."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from support.aging import age
from support.fleets import lets_in
from support.plays import BIN, checked_output, run_playbook
from support.ports import free_ports
from support.servers import Server, running

from ansible_collections.natsops.security.plugins.module_utils.token import codec, decorated

if TYPE_CHECKING:
    from support.plays import Play
    from support.sites import Site

pytestmark = [pytest.mark.server, pytest.mark.playbook]

#: Timeout in seconds for ansible-rulebook, which starts a Java process, and a playbook that it runs.
PATIENCE = 240
DOCUMENT: dict[str, Any] = {
    "operator": {"name": "ACME", "signing_keys": ["main"], "system_account": "SYS", "strict_signing_key_usage": True},
    "accounts": [
        {"name": "SYS", "signing_keys": [{"role": "main"}]},
        {"name": "APP", "signing_keys": [{"role": "main"}], "users": [{"name": "orders"}]},
    ],
}


@dataclasses.dataclass
class Rulebooks:
    """A store, an inventory, and ansible-rulebook."""

    site: Site
    environment: dict[str, str]

    def __post_init__(self) -> None:
        result = self.site.run("store", definition=DOCUMENT, **self.folders)
        assert result["changed"], result
        self.folder = self.site.folder.parent
        self.inventory = self.folder / "inventory.yml"

    @property
    def folders(self) -> dict[str, str]:
        return {"stores_dir": self.site / "stores", "keys_dir": self.site / "keys"}

    @property
    def store(self) -> pathlib.Path:
        return self.site.folder / "stores/ACME"

    def hosts(self, **variables: Any) -> None:
        """Write an inventory whose only host is this machine."""
        host = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "credentials_operator": "ACME",
            "credentials_stores_dir": self.site / "stores",
            "credentials_keys_dir": self.site / "keys",
            **variables,
        }
        self.inventory.write_text(yaml.safe_dump({"nats_clients": {"hosts": {"localhost": host}}}))

    @contextlib.contextmanager
    def running(self, name: str, **variables: Any) -> Iterator[Callable[[Callable[[], Any]], Any]]:
        """Run a rulebook during the block. The block gets a function that waits until a condition is true."""
        path = self.folder / "variables.yml"
        path.write_text(yaml.safe_dump({"store_path": str(self.store), **variables}))
        log = self.folder / f"{name}.log"
        command = [BIN / "ansible-rulebook", "--rulebook", f"natsops.security.{name}", "-i", self.inventory]
        with (
            log.open("w") as output,
            subprocess.Popen(
                [*command, "--vars", path],
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                env=self.environment,
                cwd=self.folder,
            ) as process,
        ):

            def wait(is_true: Callable[[], Any]) -> Any:
                deadline = time.monotonic() + PATIENCE
                while not (found := is_true()):
                    assert process.poll() is None, log.read_text()
                    assert time.monotonic() < deadline, log.read_text()
                    time.sleep(0.5)
                return found

            try:
                yield wait
            finally:
                process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(30)
                process.kill()
        checked_output(log.read_text())


def java() -> str:
    """Return the home directory of a Java 17 installation; skip the test if there is none."""
    known = [os.environ.get("JAVA_HOME", ""), *map(str, sorted(pathlib.Path("/usr/lib/jvm").glob("*17*")))]
    for home in known:
        release = pathlib.Path(home) / "release"
        if home and release.exists() and 'JAVA_VERSION="17' in release.read_text():
            return home
    pytest.skip("there is no Java 17, which ansible-rulebook takes")


@pytest.fixture
def rulebooks(site: Site, play: Play) -> Rulebooks:
    """Return a store with a user, and ansible-rulebook to run on it."""
    return Rulebooks(site, play.environment(JAVA_HOME=java()))


@pytest.fixture
def server(rulebooks: Rulebooks) -> Iterator[Server]:
    """Run a server of the operator that does not have the user's account."""
    (port,) = free_ports(1)
    system = rulebooks.store / "accounts/SYS/SYS.jwt"
    config = rulebooks.folder / "server.conf"
    config.write_text(
        f"server_name: n1\nlisten: 127.0.0.1:{port}\noperator: {rulebooks.store / 'ACME.jwt'}\n"
        f'resolver {{ type: full, dir: "{rulebooks.folder}/accounts" }}\n'
        f"resolver_preload: {{ {codec.decode(system.read_text()).subject}: {system.read_text()} }}\n"
    )
    with running(config, port) as started:
        yield started


def test_a_burst_of_refused_connections_ends_in_a_diagnosis(rulebooks: Rulebooks, server: Server) -> None:
    rulebooks.hosts()
    report = rulebooks.folder / "report.json"
    creds = (rulebooks.site.folder / "keys/creds/ACME/APP/orders.creds").read_text()
    keys = rulebooks.site / "keys"
    with rulebooks.running("diagnose", servers=[server.url], keys_dir=keys, report_path=str(report)) as wait:

        def is_refused_and_diagnosed() -> bool:
            assert not lets_in(server.url, creds)
            return report.exists() and report.read_text().endswith("}")

        wait(is_refused_and_diagnosed)
    found = json.loads(report.read_text())
    assert found["user"] == codec.decode(decorated.find_token(creds)).subject
    assert found["cause"] == "unknown_account"
    assert "APP" in found["message"]


def test_a_user_that_comes_into_its_renewal_window_gets_new_creds(rulebooks: Rulebooks) -> None:
    path = rulebooks.site.folder / "shop.creds"
    claims = {"expires_in": "40d", "renew_before": "14d"}
    user = {"account": "APP", "name": "shop", "path": str(path), "claims": claims}
    rulebooks.hosts(credentials_users=[user])
    status, output = run_playbook(
        "natsops.security.renew", inventory=rulebooks.inventory, variables={}, environment=rulebooks.environment
    )
    assert status == 0, output

    def ends() -> int:
        return int(codec.decode(decorated.find_token(path.read_text())).expires)

    first = ends()
    with rulebooks.running("renew", look_every="1s") as wait:
        age(rulebooks.site, 30 * 86400, only_users=True)
        assert ends() == first - 30 * 86400
        wait(lambda: ends() >= first)
    text = path.read_text()
    assert codec.decode(decorated.find_token(text)).subject == decorated.find_seed(text).public_key
