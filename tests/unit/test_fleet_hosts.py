# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Inventory names of hosts and groups, made from the names that servers and leaf nodes report."""

from __future__ import annotations

import re

import pytest

from ansible_collections.natsops.security.plugins.module_utils.cluster import fleet
from ansible_collections.natsops.security.plugins.module_utils.cluster.servers import Server


def hosts(*names: str, **more: str) -> list[dict[str, object]]:
    servers = [Server(f"N{index}", name, **more) for index, name in enumerate(names)]
    return fleet.server_hosts([(server, False) for server in servers], {}, {})


@pytest.mark.parametrize("name", ["n1", "n1.example.com", "N-2", "_x"])
def test_a_safe_name_is_kept(name: str) -> None:
    assert [host["name"] for host in hosts(name)] == [name]


@pytest.mark.parametrize(
    "name",
    [
        *("localhost", "all", "ungrouped", "nats_servers", "nats_leafnodes", "nats_jetstream", "nats_cluster_c"),
        *("../etc", "..", "-i", "!n1", "~.*", "n[1:9]", "a:b", "{{ x }}", "a b", "", "é", "@file"),
    ],
)
def test_no_name_means_anything_else_to_ansible(name: str) -> None:
    (host,) = hosts(name, cluster="c")
    made = str(host["name"])
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", made)
    assert made not in {"all", "localhost", "ungrouped", *host["groups"]}  # type: ignore[misc]
    assert hosts(name, cluster="c") == [host]


def test_different_servers_and_values_stay_apart() -> None:
    assert len({str(host["name"]) for host in hosts("a b", "a_b", "a:b")}) == 3
    details = {
        key: fleet.Details("", 0, "", (tag,), {}, (), False, "") for key, tag in (("N0", "az:1"), ("N1", "az.1"))
    }
    servers = [(Server("N0", "n1"), False), (Server("N1", "n2"), False)]
    tags = [
        {group for group in host["groups"] if group.startswith("nats_tag")}
        for host in fleet.server_hosts(servers, details, {})
    ]
    assert not tags[0] & tags[1]


def test_a_leaf_node_is_no_other_host_whatever_it_calls_itself() -> None:
    leaf = fleet.Leafnode("n1", "A", "192.0.2.1", "N0")
    other = fleet.Leafnode("n1", "A", "192.0.2.2", "N0")
    made = fleet.leafnode_hosts([(leaf, {}), (other, {})], ["leafnode_n1", "n1"])
    names = {host["name"] for host in made}
    assert len(names) == 2
    assert all(name.startswith("leafnode_n1_") for name in names)


@pytest.mark.parametrize(
    ("listens", "seen", "expected"),
    [
        ("192.0.2.7", "10.0.0.7", "192.0.2.7"),
        ("n1.example.com", "", "n1.example.com"),
        ("0.0.0.0", "10.0.0.7", "10.0.0.7"),
        ("::", "2001:db8::7", "2001:db8::7"),
        ("0.0.0.0", "", None),
    ],
)
def test_a_host_is_where_its_server_listens_or_others_see_it(listens: str, seen: str, expected: str | None) -> None:
    details = {"N0": fleet.Details(listens, 4222, "", (), {}, (), False, "")}
    (host,) = fleet.server_hosts([(Server("N0", "n1"), False)], details, {"N0": seen})
    assert host["variables"].get("ansible_host") == expected
