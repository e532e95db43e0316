# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The servers of a live cluster as hosts of an inventory: their names, variables and groups.

What a server reports about itself is only used as text: names are made safe and unique, and a leaf node, which any user of an account can connect, is
never mistaken for a server of the cluster or for another host.
"""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import ipaddress
import re
from typing import Any, Callable, Iterable, Mapping, Sequence

from ..base.errors import NatsSecurityError
from .answers import Answer, Part, Read, Unreadable, read_each
from .servers import SUBJECTS, VARZ, Cluster, Server, answered_by, describe_server, discover
from .system_connection import Connection

ROUTEZ = "$SYS.REQ.SERVER.PING.ROUTEZ"
LEAFZ = "$SYS.REQ.SERVER.PING.LEAFZ"
#: The subjects that a user must be allowed to publish to, to read all servers.
LOOKING = (*SUBJECTS, ROUTEZ, LEAFZ)

#: The group of all servers, and the group of all leaf nodes.
SERVERS, LEAFNODES = "nats_servers", "nats_leafnodes"
_LEAFNODE = "leafnode_"
_UNSAFE_IN_HOST = re.compile(r"[^A-Za-z0-9_.-]")
_UNSAFE_IN_GROUP = re.compile(r"[^A-Za-z0-9_]")
#: Names with a meaning in Ansible.
_RESERVED = ("all", "localhost", "ungrouped")


@dataclasses.dataclass(frozen=True)
class Scope:
    """Which servers to include: the names of servers that must answer, and whether to include leaf nodes and the clusters behind gateways."""

    expected: Sequence[str] = ()
    leafnodes: bool = False
    gateways: bool = False


@dataclasses.dataclass(frozen=True)
class Details:
    """What a server reports about itself in addition to discovery. `host` is the address that it listens on, or a wildcard."""

    host: str
    port: int
    domain: str
    tags: tuple[str, ...]
    metadata: Mapping[str, str]
    connect_urls: tuple[str, ...]
    tls_required: bool
    gateway: str


@dataclasses.dataclass(frozen=True)
class Leafnode:
    """A leaf node as the server that it connects to sees it. The leaf node chooses its `name`."""

    name: str
    account: str
    ip: str
    hub: str


async def look_at_fleet(connection: Connection, scope: Scope) -> dict[str, Any]:
    """The hosts of an inventory as plain data: `hosts` and `warnings`. NatsSecurityError if no server answers, or an expected one does not."""
    cluster = await discover(connection, scope.expected)
    count = len(cluster.servers)
    details = await _ask(connection, VARZ, count, _read_details)
    routes = await _ask(connection, ROUTEZ, count, _read_routes)
    leafs = await _ask(connection, LEAFZ, count, _read_leafnodes) if scope.leafnodes else Read({}, {})
    warnings = list(cluster.warnings)
    for read, what in ((details, "its settings"), (routes, "its routes"), (leafs, "its leaf nodes")):
        silent = [server for server in cluster.servers if server.id not in read.found]
        if read is not leafs or scope.leafnodes:
            warnings += [f"The server {one.name} did not report {what}{read.why_not(one.id)}." for one in silent]
    own = (connection.server_id, connection.host)
    servers = _wanted(cluster, details.found, connection.server_id, scope)
    hosts = server_hosts(servers, details.found, _addresses(routes.found.values(), own))
    found = _distinct(leafs.found, {server.id: server for server in cluster.servers})
    hosts += leafnode_hosts(found, [host["name"] for host in hosts])
    return {"hosts": hosts, "warnings": warnings}


async def _ask(connection: Connection, subject: str, count: int, read: Callable[[Answer], Any]) -> Read[Any]:
    return read_each(await connection.ask(subject, b"", answered_by(count), connection.timeout), read)


# ---- answers


def _read_details(answer: Answer) -> Details:
    if answer.error:
        raise Unreadable(answer.error)
    data, about = answer.data, answer.about
    metadata = about["metadata"].value or {}
    if not isinstance(metadata, dict):
        about["metadata"].refuse("an object")
    return Details(
        host=data["host"].label(),
        port=data["port"].number(),
        domain=about["domain"].label(),
        tags=tuple(part.label() for part in about["tags"].items()),
        metadata={Part(name, "metadata").label(): about["metadata"][name].label() for name in metadata},
        connect_urls=tuple(part.label() for part in data["connect_urls"].items()),
        tls_required=data["tls_required"].flag(),
        gateway=data["gateway"]["name"].label(),
    )


def _read_routes(answer: Answer) -> dict[str, str]:
    """The addresses under which a server sees other servers, by server id."""
    if answer.error:
        raise Unreadable(answer.error)
    routes = answer.data["routes"].items()
    return {part["remote_id"].key("server"): _ip(part["ip"]) for part in routes}


def _read_leafnodes(answer: Answer) -> list[Leafnode]:
    """The leaf nodes that connect to a server. If the server is a leaf node itself, its hub is not among them."""
    if answer.error:
        raise Unreadable(answer.error)
    parts = [part for part in answer.data["leafs"].items() if not part["is_spoke"].flag()]
    return [Leafnode(part["name"].label(), part["account"].label(), _ip(part["ip"]), answer.server) for part in parts]


def _ip(part: Part) -> str:
    text = part.label()
    if text and not _is_ip(text):
        part.refuse("an IP address")
    return text


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


# ---- selection


def _wanted(
    cluster: Cluster, details: Mapping[str, Details], connected: str, scope: Scope
) -> list[tuple[Server, bool]]:
    """The servers to include, each with whether it is a leaf node, which is a server of another cluster without a gateway."""
    own = next((server.cluster for server in cluster.servers if server.id == connected), "")
    found = []
    for server in cluster.servers:
        is_other = server.cluster != own
        is_remote = is_other and bool(details[server.id].gateway if server.id in details else "")
        if not is_other or (scope.gateways if is_remote else scope.leafnodes):
            found.append((server, is_other and not is_remote))
    return found


def _addresses(routes: Iterable[Mapping[str, str]], own: tuple[str, str]) -> dict[str, str]:
    """The address of each server as others see it, by server id. `own` is the id of the connected server with the host of its URL."""
    seen: dict[str, str] = {}
    for one in routes:
        seen.update({id_: ip for id_, ip in one.items() if id_ and ip})
    return {**seen, own[0]: own[1]}


def _distinct(
    leafs: Mapping[str, Sequence[Leafnode]], servers: Mapping[str, Server]
) -> list[tuple[Leafnode, dict[str, Any]]]:
    """Each leaf node once, with its accounts and the servers that it connects to as variables.

    A leaf node that bridges the system account is omitted: it answers requests itself, so it is among the servers.
    """
    found: dict[tuple[str, str], list[Leafnode]] = collections.defaultdict(list)
    for hub in sorted(leafs):
        for leaf in leafs[hub]:
            found[leaf.name, leaf.ip].append(leaf)
    names = {server.name for server in servers.values()}
    systems = {server.system_account for server in servers.values()} - {""}
    return [
        (
            links[0],
            {
                "nats_leafnode_accounts": sorted({leaf.account for leaf in links}),
                "nats_leafnode_hubs": sorted({servers[leaf.hub].name for leaf in links if leaf.hub in servers}),
            },
        )
        for (name, _unused), links in sorted(found.items())
        if not (name in names and systems & {leaf.account for leaf in links})
    ]


# ---- names


def distinct_names(wanted: Sequence[tuple[str, str]], unsafe: re.Pattern[str], taken: Iterable[str] = ()) -> list[str]:
    """A safe and unique name for each pair of a text and a text that distinguishes it. Characters that match `unsafe` are replaced.

    A name that would be used twice, or is in `taken`, has a digest of the pair as suffix. A safe text that is unique is its own name.
    """
    plain = [_safe(text, unsafe) for text, _unused in wanted]
    used = collections.Counter([*plain, *taken])
    return [
        name if used[name] == 1 else f"{name}_{hashlib.sha256(f'{text} {other}'.encode()).hexdigest()[:8]}"
        for name, (text, other) in zip(plain, wanted)
    ]


def _safe(text: str, unsafe: re.Pattern[str]) -> str:
    name = unsafe.sub("_", text)
    return name if re.match("[A-Za-z0-9_]", name) else f"_{name}"


def _group_names(values: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """The name of the group for each pair of kind and value, such as (`tag`, `az:1`)."""
    ordered = sorted(set(values))
    names = distinct_names([(f"nats_{kind}_{value}", value) for kind, value in ordered], _UNSAFE_IN_GROUP)
    return dict(zip(ordered, names))


# ---- hosts


def server_hosts(
    servers: Sequence[tuple[Server, bool]], details: Mapping[str, Details], addresses: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Each server with its name in the inventory, its variables and its groups. Servers with the same name get different names."""
    kinds = {server.id: _kinds(server, details.get(server.id)) for server, _unused in servers}
    groups = _group_names(pair for pairs in kinds.values() for pair in pairs)
    taken = {*_RESERVED, SERVERS, LEAFNODES, "nats_jetstream", *groups.values()}
    names = distinct_names([(server.name, "") for server, _unused in servers], _UNSAFE_IN_HOST, taken)
    hosts = []
    for name, (server, is_leafnode) in sorted(zip(names, servers), key=lambda pair: pair[0]):
        member = [SERVERS, *(groups[pair] for pair in kinds[server.id])]
        member += ["nats_jetstream"] * server.jetstream + [LEAFNODES] * is_leafnode
        variables = _variables(server, details.get(server.id), addresses.get(server.id, ""))
        hosts.append({"name": name, "variables": {**variables, "nats_leafnode": is_leafnode}, "groups": sorted(member)})
    return hosts


def _kinds(server: Server, details: Details | None) -> list[tuple[str, str]]:
    found = [("version", server.version), ("cluster", server.cluster), ("resolver", server.resolver)]
    found += [("operator", operator.name or operator.subject) for operator in server.operators]
    found += [("tag", tag) for tag in (details.tags if details is not None else ())]
    return [(kind, value) for kind, value in found if value]


def _variables(server: Server, details: Details | None, seen_as: str) -> dict[str, Any]:
    said = describe_server(server)
    del said["account_count"]
    found = {f"nats_{word}": value for word, value in said.items()}
    address = seen_as
    if details is not None:
        found.update(
            nats_host=details.host or server.host,
            nats_port=details.port,
            nats_domain=details.domain,
            nats_tags=list(details.tags),
            nats_metadata=dict(details.metadata),
            nats_connect_urls=list(details.connect_urls),
            nats_tls_required=details.tls_required,
        )
        address = address if _is_anywhere(details.host) else details.host
    if address:
        found["ansible_host"] = address
    return found


def _is_anywhere(host: str) -> bool:
    """Whether a server listens on all addresses of its host, or does not report its address."""
    return not host or (_is_ip(host) and ipaddress.ip_address(host).is_unspecified)


def leafnode_hosts(leafnodes: Sequence[tuple[Leafnode, dict[str, Any]]], taken: Sequence[str]) -> list[dict[str, Any]]:
    """The leaf nodes as hosts. Their names in the inventory always begin with `leafnode_`."""
    wanted = [(_LEAFNODE + (leaf.name or leaf.ip), leaf.ip) for leaf, _unused in leafnodes]
    names = distinct_names(wanted, _UNSAFE_IN_HOST, taken)
    hosts = []
    for name, (leaf, links) in zip(names, leafnodes):
        variables: dict[str, Any] = {"nats_name": leaf.name, "nats_leafnode": True, **links}
        if leaf.ip:
            variables["ansible_host"] = leaf.ip
        hosts.append({"name": name, "variables": variables, "groups": [LEAFNODES]})
    return hosts


def refuse_silent_servers(warnings: Sequence[str]) -> None:
    """NatsSecurityError with the warnings, if there are any, for the option `strict_cluster`."""
    if warnings:
        raise NatsSecurityError("strict_cluster: " + " ".join(warnings))
