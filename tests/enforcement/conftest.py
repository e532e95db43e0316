# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The servers that the enforcement tests connect to, and the store of operator.yml that they trust.

Without options, as in `make test`, nats_store creates the store, one nats-server is started on loopback, and nats_resolver pushes the accounts.

To run every test on each server of an existing cluster:

    python -m pytest tests/enforcement -p no:xdist \\
        --nats-servers nats://192.0.2.11:4222,nats://192.0.2.12:4222,nats://192.0.2.13:4222 \\
        --nats-store STORES/ENFORCEMENT --nats-keys KEYS --nats-proxy-key FILE \\
        --nats-websocket-port 8080 --nats-mqtt-port 1883 --nats-leafnode-port 7422

- The store is that of operator.yml: the folder of the operator, and its keystore with creds and the seed of the operator's signing key, as nats_store
  creates them. Pass the file as `src`, or as `operator_src` to the role operator: its templates are not Ansible's. All accounts are pushed.
- The servers have a full resolver with `allow_delete: true`: some tests push an additional account and delete it again.
- They have JetStream, with 64 MB of memory and disk or more, and listen for clients, leaf nodes, websocket (`no_tls: true`) and MQTT, each on the same port
  of every server, without TLS. MQTT requires a `server_name`.
- They trust the proxy whose seed is in FILE, for example a user seed: `proxies { trusted: [ { key: "U..." } ] }`. Servers before 2.12 do not support proxies.
- They have time zone data: Debian's package tzdata.
- --nats-servers lists all servers of the cluster, three or more, and clients connect to them from 127.0.0.0/8 or 192.0.2.0/24.
- The tests share accounts and their limits, so one process runs them one after another. They leave only the streams that MQTT creates, and can be run
  again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from clients import Client, Login, Node, attempt, version_of
from support.ports import free_ports
from support.servers import SERVER, server_version

HERE = pathlib.Path(__file__).resolve().parent
BIN = pathlib.Path(sys.executable).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options for running servers."""
    group = parser.getgroup("enforcement", "servers that enforce what tests/enforcement/operator.yml says")
    group.addoption("--nats-servers", help="URLs of servers that run already, with commas between them")
    group.addoption("--nats-store", type=pathlib.Path, help="the folder of the operator ENFORCEMENT in a store")
    group.addoption("--nats-keys", type=pathlib.Path, help="the keystore of it")
    group.addoption("--nats-proxy-key", type=pathlib.Path, help="the seed file of a proxy that the servers trust")
    group.addoption("--nats-websocket-port", type=int, default=8080, help="their port for websocket")
    group.addoption("--nats-mqtt-port", type=int, default=1883, help="their port for MQTT")
    group.addoption("--nats-leafnode-port", type=int, default=7422, help="their port for leaf nodes")


def _urls(config: pytest.Config) -> list[str]:
    # The option does not exist in a run whose arguments do not name this folder, as in `make test`.
    return [url for url in (config.getoption("--nats-servers", None) or "").split(",") if url]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test on every server."""
    if "node" in metafunc.fixturenames:
        names = [str(urllib.parse.urlsplit(url).hostname) for url in _urls(metafunc.config)] or ["loopback"]
        metafunc.parametrize("node_index", range(len(names)), ids=names, scope="session")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests of this folder: each of them connects to a server."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.server)


@dataclasses.dataclass(frozen=True)
class Store:
    """The operator ENFORCEMENT and its keystore, in nsc's layout."""

    folder: pathlib.Path
    keys: pathlib.Path

    def login(self, path: str) -> Login:
        """The JWT and key in the creds of ACCOUNT/USER."""
        from ansible_collections.natsops.security.plugins.module_utils.token import decorated

        creds = (self.keys / "creds" / self.folder.name / f"{path}.creds").read_text()
        return Login(decorated.find_token(creds), decorated.find_seed(creds))

    def claims(self, account: str) -> Any:
        """The claims of an account."""
        from ansible_collections.natsops.security.plugins.module_utils.token import codec

        return codec.decode((self.folder / "accounts" / account / f"{account}.jwt").read_text())

    def signing_key(self, account: str = "", role: str = "") -> Any:
        """The signing key of the operator, or that of an account with this role, or without one."""
        from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
        from ansible_collections.natsops.security.plugins.module_utils.token import codec

        if account:
            (public,) = [key.key for key in self.claims(account).body.signing_keys if key.role == role]
        else:
            (public,) = codec.decode((self.folder / f"{self.folder.name}.jwt").read_text()).body.signing_keys
        return nkey.from_seed((self.keys / "keys" / public[0] / public[1:3] / f"{public}.nk").read_text())


@dataclasses.dataclass(frozen=True)
class Deployment:
    """What the tests use: servers, the store that they trust, and the key of a proxy."""

    nodes: list[Node]
    store: Store
    proxy: Any


def _play(folder: pathlib.Path, collections: pathlib.Path, task: dict[str, Any]) -> None:
    """Run one task on localhost, without the Ansible settings of the user who runs the tests."""
    (folder / "ansible.cfg").write_text("[defaults]\n")
    (folder / "playbook.yml").write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [task]}]))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PYTEST_"))}
    done = subprocess.run(
        [BIN / "ansible-playbook", folder / "playbook.yml"],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env=dict(
            kept,
            PATH=f"{BIN}{os.pathsep}{os.environ['PATH']}",
            ANSIBLE_CONFIG=str(folder / "ansible.cfg"),
            ANSIBLE_HOME=str(folder / "home"),
            ANSIBLE_COLLECTIONS_PATH=str(collections),
            ANSIBLE_PYTHON_INTERPRETER=str(BIN / "python"),
        ),
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _make_store(folder: pathlib.Path, collections: pathlib.Path) -> Store:
    options = {
        "src": str(HERE / "operator.yml"),
        "stores_dir": str(folder / "stores"),
        "keys_dir": str(folder / "keys"),
    }
    _play(folder, collections, {"natsops.security.nats_store": options})
    return Store(folder / "stores" / "ENFORCEMENT", folder / "keys")


def _push(folder: pathlib.Path, collections: pathlib.Path, store: Store, node: Node) -> None:
    options = {"servers": [node.url], "store_path": str(store.folder), "system_signer_path": str(store.keys)}
    _play(folder, collections, {"natsops.security.nats_resolver": options})


@contextlib.contextmanager
def _running(folder: pathlib.Path, store: Store, proxy: Any) -> Iterator[Node]:
    """A nats-server that trusts the operator of the store."""
    node = Node("127.0.0.1", *free_ports(4))
    system = store.folder / "accounts" / "SYS" / "SYS.jwt"
    (folder / "server.conf").write_text(f"""
server_name: loopback
listen: 127.0.0.1:{node.port}
operator: "{store.folder / "ENFORCEMENT.jwt"}"
system_account: {store.claims("SYS").subject}
resolver {{ type: full, dir: "{folder / "resolver"}", allow_delete: true }}
resolver_preload {{ {store.claims("SYS").subject}: {system.read_text()} }}
jetstream {{ store_dir: "{folder / "jetstream"}", max_memory_store: 64MB, max_file_store: 64MB }}
websocket {{ listen: "127.0.0.1:{node.websocket_port}", no_tls: true }}
mqtt {{ listen: "127.0.0.1:{node.mqtt_port}" }}
leafnodes {{ listen: "127.0.0.1:{node.leafnode_port}" }}
{f'proxies {{ trusted: [ {{ key: "{proxy.public_key}" }} ] }}' if server_version() >= (2, 12, 0) else ""}
""")
    log = folder / "server.log"
    with log.open("ab") as output:
        server = subprocess.Popen(
            [SERVER, "-c", folder / "server.conf"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=dict(os.environ, TZ="UTC"),
        )
    try:
        deadline = time.monotonic() + 60
        while "Server is ready" not in log.read_text():
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        yield node
    finally:
        server.terminate()
        server.wait(60)


def _running_already(config: pytest.Config, urls: list[str]) -> Deployment:
    from ansible_collections.natsops.security.plugins.module_utils.keys import nkey

    paths = {name: config.getoption(name) for name in ("--nats-store", "--nats-keys", "--nats-proxy-key")}
    missing = [name for name, path in paths.items() if path is None]
    if missing:
        pytest.exit(f"--nats-servers needs {', '.join(missing)} too.", returncode=pytest.ExitCode.USAGE_ERROR)
    ports = [config.getoption(f"--nats-{name}-port") for name in ("websocket", "mqtt", "leafnode")]
    addresses = [urllib.parse.urlsplit(url) for url in urls]
    return Deployment(
        [Node(str(address.hostname), address.port or 4222, *ports) for address in addresses],
        Store(paths["--nats-store"], paths["--nats-keys"]),
        nkey.from_seed(paths["--nats-proxy-key"].read_text()),
    )


@pytest.fixture(scope="session")
def deployment(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, collections_path: pathlib.Path
) -> Iterator[Deployment]:
    """The servers named by the options, or one that is started here."""
    from ansible_collections.natsops.security.plugins.module_utils.keys import nkey

    urls = _urls(request.config)
    if urls:
        yield _running_already(request.config, urls)
        return
    folder, proxy = tmp_path_factory.mktemp("enforcement"), nkey.create("user")
    store = _make_store(folder, collections_path)
    with _running(folder, store, proxy) as node:
        _push(folder, collections_path, store, node)
        yield Deployment([node], store, proxy)


@pytest.fixture
def store(deployment: Deployment) -> Store:
    """The store that the servers trust."""
    return deployment.store


@pytest.fixture
def node(deployment: Deployment, node_index: int) -> Node:
    """The server that the test connects to."""
    return deployment.nodes[node_index]


@pytest.fixture
def enforces(node: Node) -> Callable[..., bool]:
    """A function that returns whether the server of the test enforces something: `enforces("2.11.0")`, `enforces(UserAccess, "proxy_required")`.

    Tests also run on servers that do not, and check that these do not enforce it, as the declarations of claims state.
    """
    from ansible_collections.natsops.security.plugins.module_utils.rules.server_versions import (
        is_enforced,
        read_version,
    )

    version = read_version(version_of(node))
    assert version is not None

    def enforces_since(*since: Any) -> bool:
        return is_enforced(since if isinstance(since[0], str) else since_of(*since), version)

    return enforces_since


def since_of(cls: type, attribute: str) -> tuple[str, ...]:
    """The versions since which servers enforce a field, from its declaration."""
    from ansible_collections.natsops.security.plugins.module_utils.claims.declaration import fields_of

    (found,) = [field.enforced_since for field in fields_of(cls) if field.attribute == attribute]
    assert found, f"every server enforces {attribute}"
    return found


@pytest.fixture
def connect(node: Node, store: Store) -> Iterator[Callable[..., Client]]:
    """A function that connects as ACCOUNT/USER, or with a login, until the test ends: `connect("ACCESS/anybody")`."""
    with contextlib.ExitStack() as stack:

        def connect_as(user: str | Login, how: str = "standard", proxy: Any = None) -> Client:
            login = store.login(user) if isinstance(user, str) else user
            return stack.enter_context(Client(node, login, how, proxy))

        yield connect_as


@pytest.fixture
def answer(node: Node, store: Store) -> Callable[..., str]:
    """A function that returns the server's answer to a connection as ACCOUNT/USER, or with a login: LET_IN, or the error."""

    def answer_to(user: str | Login, how: str = "standard", proxy: Any = None) -> str:
        return attempt(node, store.login(user) if isinstance(user, str) else user, how, proxy)

    return answer_to
