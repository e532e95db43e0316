# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Find the connections of an account on all servers of a cluster, and close connections until none is left.

A client chooses its name, and can send a user name or a key in addition to its JWT, which the server then shows as its user. So nothing that a client
sends about itself is used to select connections: all connections of the account are read, and the JWT that the server accepted identifies the user.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
import time
from typing import Any, Iterable, Mapping, Sequence

from ..base import units
from ..claims import Claims
from ..rules.running import Connected, say_clients
from ..rules.trust import keys_of
from ..token import codec
from .answers import Answer, Part, Unreadable, one_line, read_each
from .looking import CONNZ
from .permitted import require_permission
from .servers import SUBJECTS, Cluster, Server, discover
from .system_connection import TEMPORARY_NAME, Connection, NotPermitted

KICK = "$SYS.REQ.SERVER.{}.KICK"
#: The subjects that a user must be allowed to publish to, to find connections and to close them.
LOOKING = (*SUBJECTS, CONNZ.format("*"))
CLOSING = (*LOOKING, KICK.format("*"))
#: ConnState of nats-server: open connections only, or also closed ones, of which a server remembers a limited number.
_OPEN, _ALL = 0, 2
#: How many connections are requested from a server at a time. Each has a JWT.
_PAGE = 1000
#: The pause before servers are asked again, in seconds: the first one, and the longest one.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0
#: The reasons why a server closes connections of users that it no longer accepts (ClosedState of nats-server). "" if it no longer knows the connection.
_CUT_OFF = ("Credentials Revoked", "Authentication Failure", "Authentication Expired", "Missing Account", "Kicked", "")
_FRACTION = re.compile(r"\.([0-9]{1,9})")


@dataclasses.dataclass(frozen=True)
class Sought:
    """The connections to select, of one account or of all accounts.

    `users` has public keys of users, or `*` for every user, with the latest time of issue of their JWTs, in unix seconds; None selects all their JWTs.
    Connections are also selected if one of `issuers` signed the JWT, and with `by_identity_keys` if the identity key of the account did.
    """

    account: str  # "" for all accounts
    users: Mapping[str, int | None]
    issuers: frozenset[str] = frozenset()
    by_identity_keys: bool = False


@dataclasses.dataclass(frozen=True)
class Client:
    """A connection as its server describes it. Times are in unix seconds, with a fraction; `issued_at` is 0 if the server does not show the JWT."""

    server: Server
    cid: int
    user: str
    name: str
    issuer: str
    issued_at: int
    client: str
    kind: str
    address: str
    started: float
    stopped: float
    reason: str
    account: str = ""

    @property
    def identity(self) -> tuple[str, int]:
        """The server id and the connection id, which are unique together."""
        return self.server.id, self.cid

    def was_cut_off(self, since: float) -> bool:
        """Whether the server, and not the client, closed it at or after a time in unix seconds."""
        return self.stopped >= max(since, 1) and self.reason in _CUT_OFF

    @property
    def is_by_identity_key(self) -> bool:
        """Whether the identity key of its account signed its JWT. False for the temporary users of tasks, because they end with their task."""
        return self.issuer == self.account != "" and self.name != TEMPORARY_NAME

    def is_of(self, sought: Sought) -> bool:
        """Whether it is selected. A JWT that is not shown, such as that of a bearer, is taken as issued when the connection was made."""
        if self.issuer in sought.issuers or (sought.by_identity_keys and self.is_by_identity_key):
            return True
        issued_at = self.issued_at or int(self.started)
        return any(
            until is None or issued_at <= until
            for until in (sought.users[key] for key in ("*", self.user) if key in sought.users)
        )


@dataclasses.dataclass
class Found:
    """The servers that answered, with the open and the closed connections. `missing` are expected servers that did not answer, `problems` are messages."""

    cluster: Cluster
    open: list[Client] = dataclasses.field(default_factory=list)
    closed: list[Client] = dataclasses.field(default_factory=list)
    kicked: set[tuple[str, int]] = dataclasses.field(default_factory=set)
    missing: list[str] = dataclasses.field(default_factory=list)
    problems: list[str] = dataclasses.field(default_factory=list)


async def look_for(connection: Connection, sought: Sought, expected: Sequence[str]) -> Found:
    """The selected connections on all servers that answer, including closed ones that servers remember."""
    found = Found(await discover(connection))
    names = {name for server in found.cluster.servers for name in (server.name, server.id)}
    found.missing = [name for name in expected if name not in names]
    await _read(connection, sought, found, _ALL)
    return found


async def connected(connection: Connection, cluster: Cluster, sought: Sought) -> Found:
    """The selected open connections on the servers of a cluster."""
    found = Found(cluster)
    await _read(connection, sought, found, _OPEN)
    return found


async def who_loses_a_key(connection: Connection, cluster: Cluster, old: Claims, new: Claims) -> list[str]:
    """A message for each signing key that the new JWT of an account lacks while clients are connected by it: servers close these connections."""
    leaving = keys_of(old) - keys_of(new)
    if not leaving:
        return []
    try:
        found = (await connected(connection, cluster, Sought(new.subject, {}, leaving))).open
    except NotPermitted as error:
        return [f"It is not known who is connected by keys that the account {new.name} no longer has: {error}"]
    by_key: dict[str, list[Connected]] = {}
    for one in found:
        by_key.setdefault(one.issuer, []).append(
            Connected(one.server.name, one.account, one.user, one.name, one.issuer)
        )
    return [
        f"The account {new.name} ({new.subject}) no longer has the signing key {key}: {say_clients(clients)} by JWTs that it signed. Servers close these "
        "connections, and refuse the clients until they have current creds."
        for key, clients in sorted(by_key.items())
    ]


async def foresee_closing(connection: Connection, sought: Sought, expected: Sequence[str]) -> Found:
    """The connections that servers would close. NatsSecurityError if the user has no permission to close them."""
    found = await look_for(connection, sought, expected)
    await require_permission(connection, [KICK.format(client.server.id) for client in found.open])
    return found


async def close_all(connection: Connection, sought: Sought, expected: Sequence[str], patience: float) -> Found:
    """Close the selected connections until none is left or the time is up. The result has the connections that are still open."""
    found = await foresee_closing(connection, sought, expected)
    until, pause = time.monotonic() + patience, _FIRST_PAUSE
    seen = {client.identity: client for client in found.open}
    while found.open:
        requests = [
            (KICK.format(client.server.id), json.dumps({"cid": client.cid}).encode("ascii")) for client in found.open
        ]
        # For a connection that has ended meanwhile, the server returns an error. It is ignored: the next read shows which ones are left.
        await connection.ask_servers(requests, lambda _unused, answers: bool(answers), connection.timeout)
        found.kicked.update(client.identity for client in found.open)
        await _read(connection, sought, found, _OPEN)
        seen.update((client.identity, client) for client in found.open)
        if time.monotonic() >= until:
            break
        if found.open:
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
    if seen:
        left, kicked = found.open, found.kicked
        await _read(connection, sought, found, _ALL)
        found.kicked = kicked
        known = {client.identity for client in (*found.open, *found.closed)}
        now = time.time()
        found.closed += [
            dataclasses.replace(client, stopped=now)
            for identity, client in seen.items()
            if identity not in known and client not in left
        ]
    return found


async def _read(connection: Connection, sought: Sought, found: Found, state: int) -> None:
    """Read the connections of the account from every server, page by page, into `found`."""
    clients: list[Client] = []
    found.problems = []
    offsets = {server.id: 0 for server in found.cluster.servers}
    servers = {server.id: server for server in found.cluster.servers}
    while offsets:
        asked = list(offsets)
        requests = [(CONNZ.format(id_), _question(sought.account, state, offsets[id_])) for id_ in asked]
        answers = await connection.ask_servers(requests, lambda _unused, found: bool(found), connection.timeout)
        for id_, given in zip(asked, answers):
            read = read_each((answer for answer in given if answer.server in (id_, "")), _read_page)
            page = read.found.get(id_)
            if page is None:
                found.problems.append(
                    f"The server {servers[id_].name} did not list its connections{read.why_not(id_)}."
                )
                del offsets[id_]
                continue
            clients += [_client(servers[id_], part) for part in page]
            offsets[id_] += len(page)
            if len(page) < _PAGE:
                del offsets[id_]
    # When a connection ends while pages are read, others move to an earlier page. Duplicates count once.
    # The connection that reads ends with the task.
    others = (client for client in clients if client.user != connection.temporary_key)
    meant = {client.identity: client for client in others if client.is_of(sought)}
    found.open = [client for client in meant.values() if not client.stopped]
    if state == _ALL:
        found.closed = [client for client in meant.values() if client.stopped]


def _question(account: str, state: int, offset: int) -> bytes:
    return json.dumps({"acc": account, "auth": True, "state": state, "limit": _PAGE, "offset": offset}).encode("ascii")


def _read_page(answer: Answer) -> list[Part]:
    if answer.error:
        raise Unreadable(answer.error)
    page = answer.data["connections"].items()
    for part in page:
        # Validate the fields by which connections are selected.
        part["cid"].number()
        part["jwt"].text()
        part["issuer_key"].text()
        part["authorized_user"].text()
        moment(part["start"].text())
        moment(part["stop"].text())
    return page


def _client(server: Server, part: Part) -> Client:
    """Parse one connection. Texts that the client chooses are reduced to one line."""
    said = codec.peek(part["jwt"].text()) if part["jwt"] else {}
    issued_at = said.get("iat")
    version = f"{_shown(part['lang'])} {_shown(part['version'])}".strip()
    return Client(
        server=server,
        cid=part["cid"].number(),
        user=str(said.get("sub") or one_line(part["authorized_user"].text())),
        name=one_line(str(said.get("name") or "")),
        issuer=str(said.get("iss") or part["issuer_key"].text()),
        issued_at=issued_at if isinstance(issued_at, int) else 0,
        client=" ".join(filter(None, [_shown(part["name"]), f"({version})" if version else ""])),
        kind=_shown(part["type"]) or _shown(part["kind"]),
        address=f"{_shown(part['ip'])}:{_shown(part['port'])}",
        started=moment(part["start"].text()),
        stopped=moment(part["stop"].text()),
        reason=_shown(part["reason"]),
        account=_shown(part["account"]),
    )


def _shown(part: Part) -> str:
    return one_line(str(part.value)) if part else ""


def moment(text: str) -> float:
    """Parse a time of nats-server into unix seconds with a fraction; 0 for an empty text. Unreadable for anything else."""
    if not text:
        return 0.0
    fraction = _FRACTION.search(text)
    try:
        return units.parse_time(text) + (float(f"0.{fraction.group(1)}") if fraction else 0.0)
    except ValueError:
        raise Unreadable(f"{one_line(text)} is not a time") from None


def describe(found: Found, since: float) -> dict[str, Any]:
    """The result of a task: all connections, the open ones first, and how many seconds after `since` a server closed the last one."""
    closed = sorted(found.closed, key=lambda client: client.stopped, reverse=True)
    ended = [client.stopped for client in closed if client.was_cut_off(since)]
    return {
        "connections": [_describe(client, found.kicked) for client in (*found.open, *closed)],
        "open": len(found.open),
        "closed_since": len(ended),
        "seconds": round(max(ended) - since, 3) if ended else 0.0,
        "servers": [server.name for server in found.cluster.servers],
        "missing_servers": found.missing,
    }


def difference(found: Found, since: float | None) -> dict[str, Any]:
    """The diff of a task: the connections that it closed, or that servers closed since a time, as before and after."""
    ended = {client.identity: client for client in (*found.open, *found.closed) if client.identity in found.kicked}
    ended.update(
        (client.identity, client) for client in found.closed if since is not None and client.was_cut_off(since)
    )
    before = sorted(f"{one.server.name}: {one.name or one.user} from {one.address}" for one in ended.values())
    return {"before": {"connections": before}, "after": {"connections": []}} if before else {"before": {}, "after": {}}


def _describe(client: Client, kicked: Iterable[tuple[str, int]]) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "server": client.server.name,
        "id": client.cid,
        "account": client.account,
        "user": client.user,
        "name": client.name,
        "address": client.address,
        "client": client.client,
        "kind": client.kind,
        "connected_at": units.show_time(int(client.started)),
        "issuer": client.issuer,
        "kicked": client.identity in kicked,
    }
    if client.issued_at:
        shown["issued_at"] = units.show_time(client.issued_at)
    if client.stopped:
        shown.update(closed_at=units.show_time(int(client.stopped)), reason=client.reason)
    return shown
