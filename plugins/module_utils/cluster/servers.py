# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Which servers a cluster has, what kind of resolver each one has, which operators it trusts and which accounts it holds."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, Sequence

from ..base.errors import NatsSecurityError
from ..base.units import show_time
from ..claims import Claims
from ..rules import allowed_issuers_of_operator
from ..token import codec
from .connection import Connection

PING = "$SYS.REQ.SERVER.PING"
VARZ = "$SYS.REQ.SERVER.PING.VARZ"
SUBSZ = "$SYS.REQ.SERVER.PING.SUBSZ"
LIST = "$SYS.REQ.CLAIMS.LIST"
PACK = "$SYS.REQ.CLAIMS.PACK"
#: What discovery needs to publish to.
SUBJECTS = (PING, VARZ, SUBSZ, LIST)

#: Longer than a network needs to bring the answers of servers that nobody counted on, in seconds.
_LINGER = 0.1
#: For servers that others know of, but that may have died: how long to wait for them, in seconds.
_PATIENCE = 2.0

#: How long at least servers are given to list their accounts, in seconds.
_LISTING = 30.0

FULL, CACHE, OTHER, NONE = "full", "cache", "memory or url", "none"


@dataclasses.dataclass(frozen=True)
class Server:
    """A server that answered. Its resolver is FULL, CACHE, OTHER (a MEMORY or URL resolver), or NONE: not in operator mode."""

    id: str
    name: str
    host: str = ""
    version: str = ""
    cluster: str = ""
    jetstream: bool = False
    resolver: str = NONE
    system_account: str = ""
    operators: tuple[Claims, ...] = ()
    accounts: frozenset[str] | None = None  # those in its directory, where they were listed

    @property
    def issuers(self) -> frozenset[str]:
        """The keys that may sign accounts on this server."""
        return frozenset(key for operator in self.operators for key in allowed_issuers_of_operator(operator))


@dataclasses.dataclass(frozen=True)
class Cluster:
    """All servers that answered, those with a full resolver first."""

    servers: tuple[Server, ...]
    warnings: tuple[str, ...] = ()

    @property
    def full(self) -> tuple[Server, ...]:
        """The servers that hold every account."""
        return tuple(server for server in self.servers if server.resolver == FULL)

    @property
    def listening(self) -> int:
        """How many servers answer when an account is pushed."""
        return sum(server.resolver != NONE for server in self.servers)

    @property
    def listing(self) -> int:
        """How many servers answer when accounts are listed or deleted."""
        return sum(server.resolver in (FULL, CACHE) for server in self.servers)

    @property
    def system_accounts(self) -> frozenset[str]:
        """The public key of the system account."""
        return frozenset(server.system_account for server in self.servers if server.system_account)

    @property
    def listed(self) -> frozenset[str]:
        """The accounts that at least one server has in its directory, where they were listed."""
        return frozenset(account for server in self.servers for account in server.accounts or ())


def read_answers(answers: Sequence[bytes]) -> dict[str, dict[str, Any]]:
    """The answers of servers by their ids. What is no answer of a server is passed over."""
    found = {}
    for answer in answers:
        try:
            data = json.loads(answer)
            found[data["server"]["id"]] = data
        except (ValueError, KeyError, TypeError):
            continue
    return found


async def discover(connection: Connection, expected: Sequence[str] = ()) -> Cluster:
    """The servers that answer now. NatsSecurityError where none does, or one of the expected, by name or id, is missing."""
    pings = await _ping(connection, expected)
    if not pings:
        raise NatsSecurityError(
            "No server answered a request to the system: is the user one of the system account, and does it have permission?"
        )
    warnings = list(_check_presence(pings, expected))
    all_of_them = _answered_by(len(pings))
    varz = read_answers(await connection.ask(VARZ, b"", all_of_them, connection.timeout))
    full = await _listeners(connection, PACK, varz, len(pings))
    listing = full | await _listeners(connection, LIST, varz, len(pings))
    names = _names(pings)
    servers = [_server(ping, names, varz.get(id_, {}), id_ in full, id_ in listing) for id_, ping in pings.items()]
    order = [FULL, CACHE, OTHER, NONE]
    servers.sort(key=lambda server: (order.index(server.resolver), server.name))
    for server in servers:
        if server.id not in varz:
            warnings.append(f"The server {server.name} did not tell which operator it trusts.")
    return Cluster(tuple(servers), tuple(warnings))


async def _listeners(connection: Connection, subject: str, varz: dict[str, dict[str, Any]], count: int) -> set[str]:
    """The ids of the servers that answer requests on a subject themselves."""
    found: set[str] = set()
    for account in sorted({data.get("data", {}).get("system_account", "") for data in varz.values()} - {""}):
        test = json.dumps({"subscriptions": True, "test": subject, "account": account, "limit": 1}).encode("ascii")
        answers = read_answers(await connection.ask(SUBSZ, test, _answered_by(count), connection.timeout))
        found |= {server for server, data in answers.items() if data.get("data", {}).get("total")}
    return found


async def with_accounts(connection: Connection, cluster: Cluster) -> Cluster:
    """The cluster with the accounts in the directories of its servers.

    That is slow for the servers, which verify every token for it. NatsSecurityError where one with a full resolver does not answer.
    """
    answers: list[bytes] = []
    if cluster.listing:
        answers = await connection.ask(LIST, b"", _answered_by(cluster.listing), max(connection.timeout, _LISTING))
    lists = {
        id_: frozenset(str(account) for account in data["data"])
        for id_, data in read_answers(answers).items()
        if isinstance(data.get("data"), list)
    }
    silent = [server.name for server in cluster.full if server.id not in lists]
    if silent:
        raise NatsSecurityError(f"{', '.join(silent)} did not list the accounts.")
    servers = (dataclasses.replace(server, accounts=lists.get(server.id)) for server in cluster.servers)
    return dataclasses.replace(cluster, servers=tuple(servers))


async def missing_servers(connection: Connection, cluster: Cluster) -> list[str]:
    """The names of the servers with a full resolver that do not answer any more."""
    ids = {server.id for server in cluster.full}
    answers = await connection.ask(PING, b"", lambda found: ids <= set(read_answers(found)), _PATIENCE)
    found = read_answers(answers)
    return [server.name for server in cluster.full if server.id not in found]


def _answered_by(count: int) -> Any:
    return lambda answers: len(answers) >= count


async def _ping(connection: Connection, expected: Sequence[str]) -> dict[str, dict[str, Any]]:
    wanted = set(expected)

    def enough(answers: list[bytes]) -> bool:
        found = read_answers(answers)
        known = max((_active_servers(data) for data in found.values()), default=1)
        seen = {name for data in found.values() for name in (data["server"]["id"], data["server"].get("name"))}
        return len(found) >= known and wanted <= seen

    timeout = connection.timeout if expected else min(_PATIENCE, connection.timeout)
    return read_answers(await connection.ask(PING, b"", enough, timeout, _LINGER))


def _active_servers(data: dict[str, Any]) -> int:
    return int((data.get("statsz") or {}).get("active_servers") or 1)


def _check_presence(pings: dict[str, dict[str, Any]], expected: Sequence[str]) -> list[str]:
    """What to warn of. NatsSecurityError where one of the expected servers is missing."""
    seen = {name for data in pings.values() for name in (data["server"]["id"], data["server"].get("name"))}
    here = ", ".join(sorted(str(data["server"].get("name")) for data in pings.values()))
    missing = [name for name in expected if name not in seen]
    if missing:
        raise NatsSecurityError(f"expected_servers: {', '.join(missing)} did not answer; {here} did.")
    known = max(map(_active_servers, pings.values()))
    if known <= len(pings) or expected:
        return []
    warning = (
        f"The cluster knows of {known} servers, {len(pings)} answered ({here}). One that was away gets new accounts when it is back, "
        "and brings back those that are deleted meanwhile. Name the servers in expected_servers to insist on them."
    )
    return [warning]


def _names(pings: dict[str, dict[str, Any]]) -> dict[str, str]:
    names = {id_: str(data["server"].get("name") or id_) for id_, data in pings.items()}
    several = [name for name in names.values() if list(names.values()).count(name) > 1]
    return {id_: f"{name} ({id_})" if name in several else name for id_, name in names.items()}


def _server(
    ping: dict[str, Any], names: dict[str, str], varz: dict[str, Any], is_full: bool, is_listing: bool
) -> Server:
    info, variables = ping["server"], varz.get("data") or {}
    operators = tuple(
        codec.decode(operator) for operator in variables.get("trusted_operators_jwt") or () if operator.strip()
    )
    resolver = FULL if is_full else CACHE if is_listing else OTHER if operators else NONE
    return Server(
        id=info["id"],
        name=names[info["id"]],
        host=str(info.get("host", "")),
        version=str(info.get("ver", "")),
        cluster=str(info.get("cluster", "")),
        jetstream=bool(info.get("jetstream")),
        resolver=resolver,
        system_account=str(variables.get("system_account", "")),
        operators=operators,
    )


def describe_server(server: Server) -> dict[str, Any]:
    """A server as a result."""
    return {
        "id": server.id,
        "name": server.name,
        "host": server.host,
        "version": server.version,
        "cluster": server.cluster,
        "jetstream": server.jetstream,
        "resolver": server.resolver,
        "system_account": server.system_account,
        "operators": [
            {
                "public_key": operator.subject,
                "name": operator.name,
                "issued_at": show_time(operator.issued_at),
                "signing_keys": sorted(operator.body.signing_keys),
                "strict_signing_key_usage": operator.body.strict_signing_key_usage,
            }
            for operator in server.operators
        ],
        "account_count": None if server.accounts is None else len(server.accounts),
    }
