# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The inventory plugin natsops.security.nats, run by ansible-inventory on three nats-servers, another cluster behind a gateway, and a leaf node."""

from __future__ import annotations

import json
import pathlib
import signal
import subprocess
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from support.fleets import FULL, Fleet, Node, Realm
from support.plays import BIN, checked_output
from support.ports import free_ports

from ansible_collections.natsops.security.plugins.module_utils.cluster import servers

if TYPE_CHECKING:
    from support.plays import Play

pytestmark = pytest.mark.server


class World:
    """Three servers of the cluster c, the server g1 of the cluster d, and a leaf node of an account that calls itself `n1; x`."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.realm = Realm()
        leafs, gateway, other, routes, *ports = free_ports(6)
        gateways = f"[{{ name: c, url: nats://127.0.0.1:{gateway} }}, {{ name: d, url: nats://127.0.0.1:{other} }}]"
        extra = 'server_tags: ["az:1", "rack-2"]\nserver_metadata: { zone: "east" }'
        self.fleet = Fleet(folder, self.realm, [FULL] * 3, extra)
        with self.fleet.nodes[0].config.open("a") as config:
            config.write(f"\nleafnodes {{ listen: 127.0.0.1:{leafs} }}\njetstream {{ store_dir: {folder}/js }}\n")
        for index, node in enumerate(self.fleet.nodes):
            port = gateway if index == 0 else free_ports(1)[0]
            with node.config.open("a") as config:
                config.write(f"\ngateway {{ name: c, listen: 127.0.0.1:{port}, gateways: {gateways} }}\n")
        account, jwt = self.realm.new_account("APP")
        (folder / "n1").mkdir()
        (folder / "n1" / f"{account.public_key}.jwt").write_text(jwt)
        (folder / "leaf.creds").write_text(self.realm.creds(account))
        self.account = account.public_key
        self.others = [self._remote(ports[0], other, routes, gateways), self._leafnode(ports[1], leafs)]

    def _remote(self, port: int, gateway: int, routes: int, gateways: str) -> Node:
        node = Node(self.folder / "g1.conf", port, name="g1")
        text = self.fleet.nodes[1].config.read_text().split("cluster {")[0]
        text = text.replace("server_name: n2", "server_name: g1").replace(str(self.fleet.nodes[1].port), str(port))
        text = text.replace(f"{self.folder}/n2", f"{self.folder}/g1")
        node.config.write_text(
            f"{text}\ncluster {{ name: d, listen: 127.0.0.1:{routes} }}\n"
            f"gateway {{ name: d, listen: 127.0.0.1:{gateway}, gateways: {gateways} }}\n"
        )
        return node

    def _leafnode(self, port: int, leafs: int) -> Node:
        node = Node(self.folder / "leaf.conf", port, name="leaf")
        node.config.write_text(
            f'server_name: "n1;x"\nlisten: 127.0.0.1:{port}\n'
            f'leafnodes {{ remotes: [{{ url: "nats-leaf://127.0.0.1:{leafs}", credentials: "{self.folder}/leaf.creds" }}] }}\n'
        )
        return node

    def start(self) -> World:
        """Start all of them, and wait until they know each other."""
        for node in (*self.fleet.nodes, *self.others):
            node.start()
        deadline = time.monotonic() + 60
        while len(self.fleet.do(servers.discover).servers) < len(self.fleet.nodes) + 1:
            assert time.monotonic() < deadline
        return self

    def stop(self) -> None:
        for node in (*self.fleet.nodes, *self.others):
            node.stop()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The running servers."""
    made = World(tmp_path_factory.mktemp("inventory"))
    try:
        yield made.start()
    finally:
        made.stop()


def plain(value: dict[str, Any]) -> Any:
    """The value without the mark that protects it from templating in ansible-core."""
    return value.get("__ansible_unsafe", value)


class Inventories:
    """Runs ansible-inventory."""

    def __init__(self, world: World, play: Play) -> None:
        self.world, self.play = world, play
        self.folder = play.folder
        self.creds = self.folder / "sys.creds"
        self.creds.write_text(world.realm.creds())

    def source(self, **options: Any) -> dict[str, Any]:
        """The options of an inventory source, with creds unless there is a seed of a signer."""
        said = {"plugin": "natsops.security.nats", "servers": self.world.fleet.urls, **options}
        return said if "system_signer_seed" in options else {"creds_path": str(self.creds), **said}

    def run(self, source: dict[str, Any], succeeds: bool = True, name: str = "nats.yml") -> tuple[Any, str]:
        """The inventory as ansible-inventory lists it, or None if that fails, and the text printed to stderr."""
        path = self.folder / name
        path.write_text(yaml.safe_dump(source))
        environment = self.play.environment(ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED="true")
        command = [str(BIN / "ansible-inventory"), "-i", str(path), "--list"]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        checked_output(done.stdout + done.stderr)
        assert (done.returncode == 0) is succeeds, done.stderr
        found = json.loads(done.stdout, object_hook=plain) if succeeds else None
        return found, " ".join(done.stderr.split())


@pytest.fixture
def inventories(world: World, play: Play) -> Inventories:
    """Runs of ansible-inventory on these servers."""
    return Inventories(world, play)


def members(found: Any, group: str) -> list[str]:
    return sorted(found.get(group, {}).get("hosts", []))


def test_servers_are_hosts_and_what_they_are_set_to_makes_groups(inventories: Inventories, world: World) -> None:
    source = inventories.source(
        expected_servers=["n1", "n2", "n3", "g1"],
        strict=True,
        keyed_groups=[{"key": "nats_metadata.zone", "prefix": "zone"}],
        groups={"new": "nats_version is version('2.15', '>=')"},
        compose={"ansible_port": "nats_port", "untrusted": "nats_name ~ '.example.com'"},
    )
    found, _unused = inventories.run(source)
    three = ["n1", "n2", "n3"]
    for group in ("nats_servers", "nats_cluster_c", "nats_tag_az_1", "nats_tag_rack_2", "nats_operator_ACME"):
        assert members(found, group) == three, group
    assert members(found, "zone_east") == members(found, "new") == members(found, "nats_resolver_full") == three
    assert members(found, "nats_jetstream") == ["n1"]
    variables = found["_meta"]["hostvars"]["n1"]
    node = world.fleet.nodes[0]
    assert variables["ansible_host"] == "127.0.0.1"
    assert variables["ansible_port"] == variables["nats_port"] == node.port
    assert variables["untrusted"] == "n1.example.com"
    assert variables["nats_tags"] == ["az:1", "rack-2"]
    assert variables["nats_system_account"] == world.realm.system.public_key
    assert [one["public_key"] for one in variables["nats_operators"]] == [world.realm.operator.public_key]
    assert variables["nats_cluster"] == "c"


def test_leaf_nodes_and_other_clusters_are_hosts_where_they_are_wanted(inventories: Inventories, world: World) -> None:
    signing = {"system_signer_seed": world.realm.system.seed}
    found, _unused = inventories.run(
        inventories.source(**signing, leafnodes=True, gateways=True, expected_servers=["g1"])
    )
    assert members(found, "nats_servers") == ["g1", "n1", "n2", "n3"]
    assert members(found, "nats_cluster_d") == ["g1"]
    # A leaf node named like a server is neither a server nor merged with its host.
    (leaf,) = members(found, "nats_leafnodes")
    assert leaf == "leafnode_n1_x"
    variables = found["_meta"]["hostvars"][leaf]
    assert variables["nats_name"] == "n1;x"
    assert variables["nats_leafnode_accounts"] == [world.account]
    assert variables["nats_leafnode_hubs"] == ["n1"]


def test_an_answer_is_kept_without_secrets_and_only_for_its_servers(inventories: Inventories, world: World) -> None:
    folder = inventories.folder / "cache"
    keep = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(folder)}
    first, _unused = inventories.run(inventories.source(**keep))
    (kept,) = folder.iterdir()
    text = kept.read_text()
    assert "eyJ" not in text
    assert world.realm.system.public_key in text
    # The servers refuse these creds, so the answer comes from the cache.
    inventories.creds.write_text(Realm("OTHER").creds())
    again, _unused = inventories.run(inventories.source(**keep))
    assert again == first
    _unused, said = inventories.run(inventories.source(**keep, gateways=True), succeeds=False)
    assert "authorization violation" in said


def test_half_a_cluster_is_a_warning_or_an_error(inventories: Inventories, world: World) -> None:
    silent = world.fleet.nodes[2]
    assert silent.process is not None
    source = inventories.source(servers=world.fleet.urls[:1], timeout="5s")
    silent.process.send_signal(signal.SIGSTOP)
    try:
        found, said = inventories.run(source)
        assert members(found, "nats_servers") == ["n1", "n2"]
        assert "The cluster has 4 servers" in said
        _unused, said = inventories.run({**source, "strict_cluster": True}, succeeds=False)
        assert "strict_cluster: The cluster has 4 servers" in said
    finally:
        silent.process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"servers": ["nats://127.0.0.1:1"]}, "No server could be connected to. nats://127.0.0.1:1"),
        ({"server": ["nats://127.0.0.1:1"]}, "server is not an option of natsops.security.nats, did you mean servers?"),
    ],
)
def test_what_is_wrong_is_named_with_its_source(inventories: Inventories, options: Any, message: str) -> None:
    _unused, said = inventories.run(inventories.source(**options), succeeds=False, name="production.nats.yaml")
    assert message in said
    assert "production.nats.yaml: " in said
