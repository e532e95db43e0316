# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Three nats-servers on this machine, an inventory that describes them, and playbooks run on it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import pathlib
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any

import yaml

from ansible_collections.natsops.security.plugins.module_utils.token import codec, decorated

from .fleets import client, lets_in
from .plays import Play, run_playbook
from .ports import free_ports
from .servers import SERVER

NAMES = ("n1", "n2", "n3")


def definition(*accounts: str, connections: int = 10) -> dict[str, Any]:
    """Return a document with a system account and these accounts."""
    limits = {"connections": connections}
    common: dict[str, Any] = {"signing_keys": [{"role": "main"}], "users": [{"name": "u"}]}
    return {
        "operator": {
            "name": "ACME",
            "signing_keys": ["main"],
            "system_account": "SYS",
            "strict_signing_key_usage": True,
        },
        "accounts": [{"name": "SYS", **common}, *({"name": name, "limits": limits, **common} for name in accounts)],
    }


@dataclasses.dataclass
class Cluster:
    """Three servers on this machine, their inventory, and the operator that they trust."""

    folder: pathlib.Path
    environment: dict[str, str]
    ports: list[int] = dataclasses.field(default_factory=lambda: free_ports(6))
    processes: dict[str, subprocess.Popen[bytes]] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Write the inventory and the playbooks."""
        self.folder.mkdir()
        hosts = {
            f"host-{name}": {"ansible_host": "127.0.0.1", "server_name": name, "server_port": port}
            for name, port in zip(NAMES, self.ports, strict=False)
        }
        # The name of the server defaults to the name of the host.
        hosts["n1"] = hosts.pop("host-n1")
        del hosts["n1"]["server_name"]
        (self.folder / "inventory.yml").write_text(yaml.safe_dump({"nats": {"hosts": hosts}}))
        roles = [{"role": "natsops.security.operator"}, {"role": "natsops.security.resolver"}]
        plays = [{"hosts": "nats", "gather_facts": False, "roles": roles}]
        (self.folder / "both.yml").write_text(yaml.safe_dump(plays))
        plays[0]["roles"] = roles[1:]
        (self.folder / "resolver.yml").write_text(yaml.safe_dump(plays))

    @property
    def urls(self) -> list[str]:
        return [f"nats://127.0.0.1:{port}" for port in self.ports[:3]]

    def run(self, *arguments: str, playbook: str = "both.yml", succeeds: bool = True, **variables: Any) -> str:
        """Run a playbook and return its output."""
        status, output = self.attempt(*arguments, playbook=playbook, **variables)
        assert (status == 0) is succeeds, output
        return output

    def attempt(
        self, *arguments: str, playbook: str, environment: dict[str, str] | None = None, **variables: Any
    ) -> tuple[int, str]:
        """Run a playbook, with more variables of the environment. Return its exit status and its output."""
        everything = {
            "operator_stores_dir": str(self.folder / "stores"),
            "operator_keys_dir": str(self.folder / "keys"),
            "resolver_timeout": "5s",
            **variables,
        }
        name = playbook if playbook.startswith("natsops.") else str(self.folder / playbook)
        return run_playbook(
            name,
            *arguments,
            inventory=self.folder / "inventory.yml",
            variables=everything,
            environment={**self.environment, **(environment or {})},
        )

    def start(self, *names: str) -> None:
        """Start these servers, or all if none is named."""
        store = self.folder / "stores/ACME"
        system = codec.decode((store / "accounts/SYS/SYS.jwt").read_text())
        routes = ", ".join(f"nats://127.0.0.1:{port}" for port in self.ports[3:])
        for index, name in enumerate(NAMES):
            if names and name not in names:
                continue
            config = self.folder / f"{name}.conf"
            config.write_text(
                f"server_name: {name}\nlisten: 127.0.0.1:{self.ports[index]}\n"
                f"cluster {{ name: c, listen: 127.0.0.1:{self.ports[3 + index]}, routes: [{routes}] }}\n"
                f"operator: {store / 'ACME.jwt'}\nsystem_account: {system.subject}\nauthorization {{ timeout: 30 }}\n"
                f'resolver {{ type: full, dir: "{self.folder / name}", allow_delete: true, interval: "1s" }}\n'
                f"resolver_preload: {{ {system.subject}: {(store / 'accounts/SYS/SYS.jwt').read_text()} }}\n"
            )
            with (self.folder / f"{name}.log").open("ab") as log:
                self.processes[name] = subprocess.Popen([SERVER, "-c", config], stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        for index, name in enumerate(NAMES):
            while name in self.processes:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.ports[index]), 1):
                    break
                assert time.monotonic() < deadline
                time.sleep(0.05)

    def stop(self, *names: str) -> None:
        """Stop these servers, or all if none is named."""
        for name in names or tuple(self.processes):
            process = self.processes.pop(name)
            process.terminate()
            process.wait(60)

    def snapshot(self) -> dict[str, str]:
        """The texts of the files of the store and the keystore, by path."""
        return {
            str(path): path.read_text()
            for folder in ("stores", "keys")
            for path in sorted((self.folder / folder).rglob("*"))
            if path.is_file() and path.name != "lock"
        }

    def held(self, name: str) -> dict[str, int]:
        """Return the maximum number of connections of each account that a server has, by account name."""
        found = map(codec.decode, (path.read_text() for path in (self.folder / name).glob("*.jwt")))
        return {claims.name: claims.body.limits.connections for claims in found}


def changed_tasks(output: str) -> list[str]:
    """Return the names of the tasks that reported a change."""
    parts = re.split(r"^TASK \[(.*)\] \**$", output, flags=re.MULTILINE)
    return [
        name for name, text in zip(parts[1::2], parts[2::2], strict=True) if re.search("^changed: ", text, re.MULTILINE)
    ]


# ---- revoked users

ROLE = "natsops.security.resolver : "
CHANGED = [
    ROLE + "Revoke in the store",
    ROLE + "Push the account to every server that answers",
    ROLE + "Close what is connected still, until no connection is left on any server",
]
USERS = ["app", "guest", "thief", *(f"u{number}" for number in range(1, 13))]


def account_of_users() -> dict[str, Any]:
    """Return the document with an account that has USERS."""
    found = definition("APP")
    found["accounts"][1].update(users=[{"name": name} for name in USERS], limits={"connections": 1000})
    return found


class Clients:
    """Connected clients of users of the account APP."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.connected: list[Any] = []

    def do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def creds(self, user: str) -> str:
        return (self.cluster.folder / f"keys/creds/ACME/APP/{user}.creds").read_text()

    def connect(self, user: str, *names: str, creds: str = "") -> list[Any]:
        """Connect as a user to these servers, or to all if none is named. Return the clients."""
        ports = [self.cluster.ports[NAMES.index(name)] for name in names or NAMES]
        made = [self.do(client(f"nats://127.0.0.1:{port}", creds or self.creds(user))) for port in ports]
        self.connected += made
        return made

    def notice_the_end(self, connected: list[Any]) -> None:
        """Wait until these clients have noticed that a server closed their connections."""
        deadline = time.monotonic() + 60
        while not all(one.is_closed for one in connected):
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def close(self) -> None:
        for one in self.connected:
            self.do(one.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()


class Program:
    """A client that reconnects to any of the servers, with the JWT that its creds file has then, and records errors."""

    def __init__(self, clients: Clients, path: pathlib.Path) -> None:
        self.clients, self.path, self.errors = clients, path, list[str]()

        async def note(error: Exception) -> None:
            self.errors.append(str(error))

        self.connection = clients.do(
            client(
                clients.cluster.urls,
                self.creds,
                allow_reconnect=True,
                max_reconnect_attempts=-1,
                reconnect_time_wait=0.1,
                error_cb=note,
                user_jwt_cb=lambda: bytearray(decorated.find_token(self.creds).encode()),
            )
        )
        clients.connected.append(self.connection)

    @property
    def creds(self) -> str:
        return self.path.read_text()

    def works(self) -> None:
        """Wait until it is connected, and check that no server has refused it."""
        deadline = time.monotonic() + 60
        while not self.connection.is_connected:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        self.clients.do(self.connection.flush())
        assert not [error for error in self.errors if "auth" in error.lower()]


def restart(cluster: Cluster, program: Program) -> None:
    """Restart the servers one after another. After each restart, every server accepts the user."""
    for name in NAMES:
        cluster.stop(name)
        cluster.start(name)
        program.works()
        assert all(lets_in(url, program.creds) for url in cluster.urls)


def revoke(cluster: Cluster, *arguments: str, **variables: Any) -> tuple[str, dict[str, Any]]:
    """Run the playbook revoke and return its output and its report (empty if it wrote none)."""
    path = cluster.folder / "report.json"
    path.unlink(missing_ok=True)
    given = {"revoke_store": "ACME", "revoke_report_path": str(path), **variables}
    output = cluster.run(*arguments, playbook="natsops.security.revoke", **given)
    return output, json.loads(path.read_text()) if path.exists() else {}


def key_of_user(cluster: Cluster, user: str) -> str:
    return str(codec.decode((cluster.folder / f"stores/ACME/accounts/APP/users/{user}.jwt").read_text()).subject)


@contextlib.contextmanager
def cluster_of(folder: pathlib.Path, collections: pathlib.Path, document: dict[str, Any]) -> Iterator[Cluster]:
    """Run three servers during the block that have the accounts of a document."""
    found = Cluster(folder / "cluster", Play(folder, collections).environment())
    found.run(playbook="natsops.security.operator", operator_hosts="nats", operator_definition=document)
    found.start()
    try:
        found.run(operator_definition=document)
        yield found
    finally:
        found.stop()
