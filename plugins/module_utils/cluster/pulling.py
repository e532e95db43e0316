# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Read from servers what a store can be rebuilt from: the JWTs of operators and accounts, and the connected users. Changes nothing.

Servers do not store users: they only know those that are connected, and accept every user whose JWT verifies.
"""

from __future__ import annotations

import dataclasses
from typing import Sequence

from ..base.errors import NatsSecurityError
from . import plan
from .answers import Answer, read_each
from .connections import Client, Sought, connected
from .looking import look_up, who_holds
from .servers import VARZ, answered_by, discover, with_accounts
from .system_connection import TEMPORARY_NAME, Connection


@dataclasses.dataclass
class Pulled:
    """The result of `pull`: `tokens` are pairs of the place and the JWT, `unreadable` are messages about what servers hold that is not a valid JWT."""

    tokens: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    connected: list[Client] = dataclasses.field(default_factory=list)
    unreadable: list[str] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)


async def pull(connection: Connection, expected_servers: Sequence[str]) -> Pulled:
    """The JWTs of all accounts that servers hold, and of the operators that they trust. NatsSecurityError if no server has a full resolver."""
    cluster = await discover(connection, expected_servers)
    if not cluster.full:
        kinds = ", ".join(f"{server.name}: {server.resolver}" for server in cluster.servers)
        raise NatsSecurityError(
            f"servers: none of the servers has a full resolver, which keeps all accounts ({kinds}). A memory resolver reads its accounts from "
            "the server's configuration: name that file in paths."
        )
    cluster = await with_accounts(connection, cluster)
    pulled = Pulled(warnings=list(cluster.warnings))
    names = {server.id: server.name for server in cluster.servers}
    trusted = await connection.ask(VARZ, b"", answered_by(len(cluster.servers)), connection.timeout)
    for id_, tokens in read_each(trusted, _read_operators).found.items():
        pulled.tokens += [(f"the configuration of the server {names.get(id_, id_)}", token) for token in tokens]
    keys = sorted(cluster.listed)
    answers = await look_up(connection, keys, len(cluster.full))
    for key, held in (await who_holds(connection, cluster, answers)).items():
        for token in held.distinct:
            where = f"the resolver of {plan.holders(held, token)}"
            found = plan.read_held(key, token)
            if isinstance(found, str):
                pulled.unreadable.append(f"{where}: what it holds of the account {key} is {found}")
            else:
                pulled.tokens.append((where, token))
        if not held.distinct:
            pulled.unreadable.append(
                f"No server answered with the JWT of the account {key}, which is in its directory."
            )
    clients = await connected(connection, cluster, Sought("", {"*": None}))
    pulled.connected = [client for client in clients.open if client.name != TEMPORARY_NAME]
    pulled.warnings += clients.problems
    return pulled


def _read_operators(answer: Answer) -> list[str]:
    return [part.text() for part in answer.data["trusted_operators_jwt"].items() if part.text().strip()]
