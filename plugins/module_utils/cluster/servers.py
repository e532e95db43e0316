# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The servers of a cluster, with the resolver of each one, the operators that it trusts and the accounts that it holds."""

from __future__ import annotations

import dataclasses
import functools
import json
from typing import Any, Callable, Sequence

from ..base.errors import NatsSecurityError
from ..base.units import show_time
from ..claims import Claims
from ..rules import allowed_issuers_of_operator
from ..rules.trust import keys_of
from ..token import codec
from .answers import Answer, Part, Read, Unreadable, count_servers, read_each
from .system_connection import Connection

PING = "$SYS.REQ.SERVER.PING"
VARZ = "$SYS.REQ.SERVER.PING.VARZ"
SUBSZ = "$SYS.REQ.SERVER.PING.SUBSZ"
LIST = "$SYS.REQ.CLAIMS.LIST"
PACK = "$SYS.REQ.CLAIMS.PACK"
#: The subjects that a user must be allowed to publish to, for discovery.
SUBJECTS = (PING, VARZ, SUBSZ, LIST)

#: How long to wait for answers of further, unknown servers, in seconds. It is longer than the latency of a network.
_LINGER = 0.1
#: How long to wait for servers that other servers know, but that may be down, in seconds.
_PATIENCE = 2.0

#: The minimum timeout for the list of accounts, in seconds.
_LISTING = 30.0

FULL, CACHE, OTHER, NONE, UNKNOWN = "full", "cache", "memory or url", "none", "unknown"


@dataclasses.dataclass(frozen=True)
class Server:
    """A server that answered. Its resolver is FULL, CACHE, OTHER (a MEMORY or URL resolver), NONE (not in operator mode), or UNKNOWN.

    `unclear` is a text about what it did not report, and why.
    """

    id: str
    name: str
    host: str = ""
    version: str = ""
    cluster: str = ""
    jetstream: bool = False
    resolver: str = NONE
    system_account: str = ""
    operators: tuple[Claims, ...] = ()
    accounts: frozenset[str] | None = None  # the accounts in its directory; None if they were not listed
    unclear: str = ""

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
        """The number of servers that answer a push."""
        return sum(server.resolver != NONE for server in self.servers)

    @property
    def listing(self) -> int:
        """The number of servers that answer requests to list or delete accounts."""
        return sum(server.resolver in (FULL, CACHE) for server in self.servers)

    @property
    def system_accounts(self) -> frozenset[str]:
        """The public keys of the system accounts of the servers."""
        return frozenset(server.system_account for server in self.servers if server.system_account)

    @property
    def listed(self) -> frozenset[str]:
        """The accounts that at least one server has in its directory; empty if they were not listed."""
        return frozenset(account for server in self.servers for account in server.accounts or ())


@dataclasses.dataclass(frozen=True)
class _Ping:
    """How a server describes itself, and the number of servers that it knows."""

    name: str
    host: str
    version: str
    cluster: str
    jetstream: bool
    known: int


def _read_ping(answer: Answer) -> _Ping:
    if answer.error:
        raise Unreadable(answer.error)
    about = answer.about
    return _Ping(
        name=answer.name,
        host=about["host"].label(),
        version=about["ver"].label(),
        cluster=about["cluster"].label(),
        jetstream=about["jetstream"].flag(),
        known=max(1, Part(answer.whole["statsz"].value, "statsz")["active_servers"].number()),
    )


def _read_varz(answer: Answer) -> tuple[str, tuple[Claims, ...]]:
    """The system account of a server, and the operators that it trusts."""
    if answer.error:
        raise Unreadable(answer.error)
    operators = [_read_operator(part) for part in answer.data["trusted_operators_jwt"].items() if part.text().strip()]
    return answer.data["system_account"].key("account"), tuple(operators)


def _read_operator(part: Part) -> Claims:
    try:
        claims = codec.decode(part.text())
    except NatsSecurityError as error:
        raise Unreadable(f"{part.place} is not a JWT: {error}") from None
    if claims.kind != "operator":
        raise Unreadable(f"{part.place} is a JWT of {claims.kind} claims, expected one of operator claims")
    if claims.issuer not in keys_of(claims):
        raise Unreadable(
            f"{part.place} is signed by {claims.issuer}, which is not a key of the operator {claims.subject}"
        )
    return claims


def _read_total(answer: Answer) -> int:
    if answer.error:
        raise Unreadable(answer.error)
    return answer.data["total"].number()


def _read_list(answer: Answer) -> frozenset[str]:
    """The accounts in the directory of a server."""
    if answer.error:
        raise Unreadable(answer.error)
    if not answer.data:
        answer.data.refuse("an array")
    keys = [(part, part.key("account")) for part in answer.data.items()]
    for part, key in keys:
        if not key:
            part.refuse("the public key of an account")
    return frozenset(key for _unused, key in keys)


async def discover(connection: Connection, expected: Sequence[str] = ()) -> Cluster:
    """The servers that answer now. NatsSecurityError if none answers, or if an expected server, given by name or id, is missing."""
    pings = await _ping(connection, expected)
    if not pings.found:
        raise NatsSecurityError(_say_silence(connection, pings))
    warnings = list(_check_presence(pings.found, expected))
    warnings += [
        f"{f'The server {id_}' if id_ else 'A server'} answers {PING}, but its answer cannot be read: {problem}."
        for id_, problem in pings.problems.items()
    ]
    count = len(pings.found)
    varz = await _ask_each(connection, VARZ, b"", count, _read_varz)
    full, unclear = await _listeners(connection, PACK, varz, count)
    listing, unclear_too = await _listeners(connection, LIST, varz, count)
    resolvers = _Resolvers(full, full | listing, {**unclear_too, **unclear})
    names = _names(pings.found)
    servers = [_server(id_, names[id_], ping, varz, resolvers) for id_, ping in pings.found.items()]
    order = [FULL, CACHE, OTHER, NONE, UNKNOWN]
    servers.sort(key=lambda server: (order.index(server.resolver), server.name))
    warnings += [f"The server {server.name} {server.unclear}." for server in servers if server.unclear]
    return Cluster(tuple(servers), tuple(warnings))


def _say_silence(connection: Connection, pings: Read[_Ping]) -> str:
    for id_, problem in pings.problems.items():
        return f"{f'The server {id_}' if id_ else 'A server'} answers {PING}, but its answer cannot be read: {problem}."
    if connection.nobody_listens:
        return (
            "No server answered a request to the system account: there are no responders for "
            f"{PING}, because the user belongs to another account, {connection.account}. Use creds or a system signer of the system account."
        )
    return "No server answered a request to the system account: does the user belong to the system account, and does it have permission?"


async def _ask_each(
    connection: Connection, subject: str, payload: bytes, count: int, read: Callable[[Answer], Any]
) -> Read[Any]:
    return read_each(await connection.ask(subject, payload, answered_by(count), connection.timeout), read)


@dataclasses.dataclass(frozen=True)
class _Resolvers:
    """The ids of servers with a full resolver, and of those with a full or cache resolver. `unclear` is why this is unknown of others."""

    full: set[str]
    keeping: set[str]
    unclear: dict[str, str]


async def _listeners(
    connection: Connection, subject: str, varz: Read[tuple[str, tuple[Claims, ...]]], count: int
) -> tuple[set[str], dict[str, str]]:
    """The ids of the servers that subscribe to a subject in their system account, and the reasons why this is unknown of others."""
    found: set[str] = set()
    unclear: dict[str, str] = {}
    for account in sorted({system_account for system_account, _unused in varz.found.values()} - {""}):
        test = json.dumps({"subscriptions": True, "test": subject, "account": account, "limit": 1}).encode("ascii")
        totals = await _ask_each(connection, SUBSZ, test, count, _read_total)
        found |= {server for server, total in totals.found.items() if total}
        unclear.update((id_, totals.why_not(id_)) for id_ in varz.found if id_ not in totals.found)
    return found, unclear


async def with_accounts(connection: Connection, cluster: Cluster) -> Cluster:
    """The cluster with the accounts in the directories of its servers.

    The request is slow, because servers verify every token for it. NatsSecurityError if a server with a full resolver does not answer.
    """
    answers: list[Answer] = []
    if cluster.listing:
        answers = await connection.ask(LIST, b"", answered_by(cluster.listing), max(connection.timeout, _LISTING))
    lists = read_each(answers, _read_list)
    silent = [server.name + lists.why_not(server.id) for server in cluster.full if server.id not in lists.found]
    if silent:
        raise NatsSecurityError(f"The accounts of {', '.join(silent)} could not be listed.")
    servers = (dataclasses.replace(server, accounts=lists.found.get(server.id)) for server in cluster.servers)
    return dataclasses.replace(cluster, servers=tuple(servers))


async def missing_servers(connection: Connection, cluster: Cluster) -> list[str]:
    """The names of the servers with a full resolver that no longer answer."""
    ids = {server.id for server in cluster.full}
    answers = await connection.ask(
        PING, b"", lambda found: ids <= {answer.server for answer in found}, min(_PATIENCE, connection.timeout)
    )
    found = {answer.server for answer in answers}
    return [server.name for server in cluster.full if server.id not in found]


def answered_by(count: int) -> Callable[[Sequence[Answer]], bool]:
    """A function that returns whether `count` servers have answered."""
    return lambda answers: count_servers(answers) >= count


async def _ping(connection: Connection, expected: Sequence[str]) -> Read[_Ping]:
    wanted = set(expected)
    read = functools.lru_cache(maxsize=None)(_known_by)  # parses each answer only once, even if answers do not end

    def enough(answers: list[Answer]) -> bool:
        readable = [answer for answer in answers if read(answer)]
        names = {name for answer in readable for name in (answer.server, answer.name)}
        known = max(map(read, readable), default=1)
        return len({answer.server for answer in readable}) >= known and wanted <= names

    timeout = connection.timeout if expected else min(_PATIENCE, connection.timeout)
    return read_each(await connection.ask(PING, b"", enough, timeout, _LINGER), _read_ping)


def _known_by(answer: Answer) -> int:
    """The number of servers that a server knows; 0 if its answer cannot be read."""
    ping = read_each([answer], _read_ping).found.get(answer.server)
    return ping.known if ping is not None else 0


def _check_presence(pings: dict[str, _Ping], expected: Sequence[str]) -> list[str]:
    """Returns a warning if known servers did not answer. NatsSecurityError if an expected server is missing."""
    seen = {*pings, *(ping.name for ping in pings.values())}
    here = ", ".join(sorted(ping.name for ping in pings.values()))
    missing = [name for name in expected if name not in seen]
    if missing:
        raise NatsSecurityError(f"expected_servers: {', '.join(missing)} did not answer; {here} did.")
    known = max(ping.known for ping in pings.values())
    if known <= len(pings) or expected:
        return []
    warning = (
        f"The cluster has {known} servers, {len(pings)} answered ({here}). A server that was down gets new accounts when it is up again, "
        "and restores those that were deleted meanwhile. Name the servers in expected_servers to require them."
    )
    return [warning]


def _names(pings: dict[str, _Ping]) -> dict[str, str]:
    names = {id_: ping.name for id_, ping in pings.items()}
    several = [name for name in names.values() if list(names.values()).count(name) > 1]
    return {id_: f"{name} ({id_})" if name in several else name for id_, name in names.items()}


def _server(
    id_: str,
    name: str,
    ping: _Ping,
    varz: Read[tuple[str, tuple[Claims, ...]]],
    resolvers: _Resolvers,
) -> Server:
    system_account, operators = varz.found.get(id_, ("", ()))
    kind = FULL if id_ in resolvers.full else CACHE if id_ in resolvers.keeping else OTHER if operators else NONE
    unclear = ""
    if id_ not in varz.found:
        unclear = f"did not report which operator it trusts{varz.why_not(id_)}"
    elif kind == OTHER and id_ in resolvers.unclear:
        unclear = f"did not report its resolver{resolvers.unclear[id_]}"
    return Server(
        id=id_,
        name=name,
        host=ping.host,
        version=ping.version,
        cluster=ping.cluster,
        jetstream=ping.jetstream,
        resolver=UNKNOWN if unclear and kind in (OTHER, NONE) else kind,
        system_account=system_account,
        operators=operators,
        unclear=unclear,
    )


def describe_server(server: Server) -> dict[str, Any]:
    """A server as plain data for the result of a module."""
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
