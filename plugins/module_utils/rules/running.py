# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What runs: the operators that servers trust, the accounts that they hold, and who is connected; and which signers of accounts servers refuse."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Iterable, NamedTuple, Sequence

from ..base.excerpts import first_of
from ..base.units import show_time
from .trust import allowed_issuers_of_operator

if TYPE_CHECKING:
    from ..claims import Claims

#: How many users one message names; the rest are counted.
_MOST_NAMED = 5


class Running(NamedTuple):
    """Servers that trust the same operators: their names, the JWTs of the operators as they were at their start, and the keys that may sign accounts."""

    servers: tuple[str, ...]
    operators: tuple[Claims, ...]
    issuers: frozenset[str]


def grouped(servers: Iterable[tuple[str, tuple[Claims, ...]]]) -> list[Running]:
    """Servers, each with its name and the operators that it trusts, by the JWTs of these operators."""
    found: dict[tuple[frozenset[str], tuple[int, ...]], Running] = {}
    for name, operators in servers:
        issuers = frozenset(key for operator in operators for key in allowed_issuers_of_operator(operator))
        same = issuers, tuple(operator.issued_at for operator in operators)
        before = found.get(same, Running((), operators, issuers))
        found[same] = before._replace(servers=(*before.servers, name))
    return list(found.values())


def names_of(operators: Iterable[Claims]) -> str:
    """The names and public keys of operators, for messages."""
    return " and ".join(f"{operator.name} ({operator.subject})" for operator in operators) or "no operator"


def why_refused(issuer: str, account: str, running: Iterable[Running]) -> str:
    """The key that signs an account, and why running servers would store its JWT, but not load the account; empty if all would load it."""
    for one in running:
        if issuer not in one.issuers:
            return f"{issuer}, {_why_not_trusted(issuer, account, one)}"
    return ""


def _why_not_trusted(issuer: str, account: str, running: Running) -> str:
    several = len(running.servers) > 1
    servers = f"the server{'s' if several else ''} {', '.join(running.servers)}"
    named = names_of(running.operators)
    if issuer == account:
        return f"its own key; {servers} {'require' if several else 'requires'} a key of the operator {named}."
    operator = next((operator for operator in running.operators if issuer == operator.subject), None)
    if operator is not None:
        return f"the identity key of the operator {operator.name}, which is strict: sign with a signing key of it."
    issued = " and ".join(show_time(operator.issued_at) for operator in running.operators)
    return (
        f"which {servers} {'do' if several else 'does'} not trust: {'they run' if several else 'it runs'} with the JWT of the operator {named} "
        f"issued at {issued}. If the key is a new one of that operator, {'they need' if several else 'the server needs'} the new operator JWT, "
        "and a restart, first."
    )


@dataclasses.dataclass(frozen=True)
class Holding:
    """An account that servers hold: the key that signed the JWT that most of them have, the servers that have it, and those that have another one."""

    name: str
    public_key: str
    issuer: str
    servers: tuple[str, ...]
    servers_with_another: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Its name and public key, for messages."""
        return f"{self.name} {self.public_key}".strip()


@dataclasses.dataclass(frozen=True)
class Connected:
    """A connection: its server, its account and user by public key, the name in its JWT, and the key that signed this JWT."""

    server: str
    account: str
    user: str
    name: str
    issuer: str

    @property
    def is_by_identity_key(self) -> bool:
        """Whether the identity key of the account signed its JWT. Servers of a strict operator refuse it."""
        return self.issuer == self.account


def say_clients(found: Sequence[Connected]) -> str:
    """Who is connected, how often and where, for messages."""
    names = sorted({one.name or one.user for one in found})
    servers = sorted({one.server for one in found})
    count = f"{len(found)} connection{'s' if len(found) != 1 else ''}"
    verb = "are" if len(names) > 1 else "is"
    return f"{first_of(names, _MOST_NAMED)} {verb} connected ({count} on {', '.join(servers)})"


@dataclasses.dataclass(frozen=True)
class RunningCluster:
    """What runs. Each part may be empty, if it is not known."""

    servers: Sequence[Running] = ()
    accounts: Sequence[Holding] = ()
    connections: Sequence[Connected] = ()
