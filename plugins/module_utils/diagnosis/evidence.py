# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What servers hold of an account, which operators they trust and which time their clocks show, over the system account. Changes nothing."""

from __future__ import annotations

import dataclasses
import re
import time

from ..base import units
from ..claims import Claims
from ..cluster import plan
from ..cluster.answers import Answer, Unreadable, read_each
from ..cluster.looking import INFO, LOOKUP, ask_all, look_up, read_memory, who_holds
from ..cluster.servers import FULL, LIST, PING, SUBJECTS, Cluster, Server, answered_by, discover
from ..cluster.system_connection import Connection, NotPermitted

#: The subjects that a lookup of an account publishes to.
LOOKING = (*SUBJECTS, LIST, LOOKUP.format("*"), INFO.format("*"))
_FRACTION = re.compile(r"\.([0-9]{1,9})")


@dataclasses.dataclass(frozen=True)
class Seen:
    """One server: the operators that it trusts, how far its clock is ahead of this host's in seconds (None: not known), and the tokens of the account that it
    holds in its directory and in memory ("": none, None: not known). `stuck`: it has the account in memory as expired."""

    server: Server
    ahead: float | None = None
    held: str | None = None
    loaded: str | None = None
    stuck: bool = False

    @property
    def token(self) -> str | None:
        """The token that it checks users against: that in memory, or else that in its directory. A server without a directory has only what it loaded."""
        return self.loaded or (self.loaded if self.held is None else self.held)


@dataclasses.dataclass(frozen=True)
class Evidence:
    """What the servers that answer hold, by server ID. `refusal` is why the system account's user was refused; `warnings` is what could not be read."""

    seen: dict[str, Seen] = dataclasses.field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    is_known: bool = False
    refusal: str = ""

    def of(self, server_id: str) -> Seen | None:
        """What is known about a server; None if it did not answer."""
        return self.seen.get(server_id)


async def gather(connection: Connection, account: str) -> Evidence:
    """What servers hold of an account."""
    cluster = await discover(connection)
    ahead = await _clocks(connection, len(cluster.servers))
    warnings = list(cluster.warnings)
    held: dict[str, str | None] = {}
    loaded: dict[str, tuple[str, bool]] = {}
    try:
        held = await _directories(connection, cluster, account)
        loaded = await _memories(connection, cluster, account)
    except NotPermitted as error:
        warnings.append(f"It is not known what servers hold of the account {account}: {error}")
    seen = {
        server.id: Seen(
            server,
            ahead.get(server.id),
            held.get(server.name) if server.resolver == FULL else None,
            loaded[server.id][0] if server.id in loaded else None,
            loaded.get(server.id, ("", False))[1],
        )
        for server in cluster.servers
    }
    return Evidence(seen, tuple(warnings), True)


async def _directories(connection: Connection, cluster: Cluster, account: str) -> dict[str, str | None]:
    """The tokens in the directories of servers with a full resolver, by server name."""
    if not cluster.full:
        return {}
    found = await look_up(connection, [account], len(cluster.full))
    held = await who_holds(connection, cluster, found)
    return dict(held[account].by_server)


async def _memories(connection: Connection, cluster: Cluster, account: str) -> dict[str, tuple[str, bool]]:
    """The tokens of the account in the memory of servers ("" if not loaded), and whether they have it as expired, by server ID."""
    answers = await ask_all(connection, [(INFO.format(account), b"")], len(cluster.servers))
    return read_each(answers[0], read_memory).found


async def _clocks(connection: Connection, count: int) -> dict[str, float]:
    """How far the clocks of servers are ahead of this host's, in seconds, by server ID. The error is up to half of the round-trip time."""
    asked = time.time()
    heard: dict[str, float] = {}

    def read(answer: Answer) -> float:
        text = answer.about["time"].text()
        fraction = _FRACTION.search(text)
        try:
            return units.parse_time(text) + (float(f"0.{fraction.group(1)}") if fraction else 0.0)
        except ValueError:
            raise Unreadable("server.time is not a time") from None

    answers = await connection.ask(PING, b"", answered_by(count), connection.timeout)
    arrived = time.time()
    heard.update(read_each(answers, read).found)
    return {id_: moment - (asked + arrived) / 2 for id_, moment in heard.items()}


def read_account(account: str, token: str | None) -> Claims | str | None:
    """The claims of the account in a token of a server; "" for no token, None if it is not known, or a description of what the token is instead."""
    if not token:
        return token
    return plan.read_held(account, token)
