# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The option `cluster`: what tasks for servers have returned about the servers that run, the accounts that they hold, and who is connected."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from ..base.errors import NatsSecurityError
from ..base.excerpts import quoted
from ..base.units import parse_time
from ..claims import Claims, Operator
from ..rules.running import Connected, Holding, RunningCluster, grouped

#: What a result has in place of the time of a JWT where a server has no JWT.
_NO_JWT = ("absent", "unknown")


def running_spec() -> dict[str, Any]:
    """The argument spec of the option."""
    parts = {
        name: {"type": "list", "elements": "dict", "default": []} for name in ("servers", "accounts", "connections")
    }
    return {"cluster": {"type": "dict", "options": parts}}


def read_running(option: Mapping[str, Sequence[Mapping[str, Any]]] | None) -> RunningCluster | None:
    """What runs; None without the option. NatsSecurityError, which names the place, for what no task returns."""
    if option is None:
        return None
    parts = {name: _parts(f"cluster.{name}", found) for name, found in option.items()}
    # A server that is not in operator mode has no accounts of an operator.
    servers = [one for one in parts["servers"] if one.items("operators") or one.text("resolver") != "none"]
    return RunningCluster(
        grouped((one.text("name"), tuple(map(_operator, one.items("operators")))) for one in servers),
        [_holding(one) for one in parts["accounts"] if one.value.get("claims")],
        read_connections("cluster.connections", option["connections"]),
    )


def read_connections(place: str, found: Sequence[Mapping[str, Any]] | None) -> list[Connected]:
    """The connections that nats_connections has returned and that are open. NatsSecurityError, which names the place, for anything else."""
    return [
        Connected(*map(one.text, ("server", "account", "user", "name", "issuer")))
        for one in _parts(place, found)
        if "closed_at" not in one.value
    ]


def _parts(place: str, found: Sequence[Mapping[str, Any]] | None) -> list[_Part]:
    return [_Part(f"{place}[{index}]", one) for index, one in enumerate(found or ())]


class _Part:
    """A dictionary of a result, with its place for messages."""

    def __init__(self, place: str, value: Any) -> None:
        self.place, self.value = place, value
        if not isinstance(value, dict):
            raise NatsSecurityError(
                f"{place} is {quoted(value)}, expected a dictionary as a task for servers returns it."
            )

    def text(self, name: str) -> str:
        """A text that the dictionary has."""
        return str(self._read(name, str, "a text"))

    def flag(self, name: str) -> bool:
        """A boolean that the dictionary has."""
        return bool(self._read(name, bool, "a boolean"))

    def items(self, name: str) -> list[_Part]:
        """The dictionaries in a list."""
        found = self._read(name, list, "a list")
        return [_Part(f"{self.place}.{name}[{index}]", one) for index, one in enumerate(found)]

    def texts(self, name: str) -> list[str]:
        """The texts in a list."""
        return [str(one) for one in self._read(name, list, "a list")]

    def part(self, name: str) -> _Part:
        """A dictionary in the dictionary."""
        return _Part(f"{self.place}.{name}", self.value.get(name))

    def _read(self, name: str, kind: type, expected: str) -> Any:
        found = self.value.get(name)
        if not isinstance(found, kind):
            raise NatsSecurityError(
                f"{self.place}.{name} is {quoted(found)}, expected {expected} as a task for servers returns it."
            )
        return found


def _operator(one: _Part) -> Claims:
    """An operator that a server trusts, as far as the result has its claims."""
    try:
        issued_at = parse_time(one.text("issued_at"))
    except ValueError as error:
        raise NatsSecurityError(f"{one.place}.issued_at: {error}.") from None
    body = Operator(
        signing_keys=one.texts("signing_keys"), strict_signing_key_usage=one.flag("strict_signing_key_usage")
    )
    return Claims(body=body, subject=one.text("public_key"), name=one.text("name"), issued_at=issued_at)


def _holding(one: _Part) -> Holding:
    claims, servers = one.part("claims"), one.part("servers")
    times = {name: servers.text(name) for name in servers.value}
    issued_at = claims.text("issued_at")
    return Holding(
        one.text("name"),
        one.text("public_key"),
        claims.text("issuer"),
        tuple(name for name, time in times.items() if time == issued_at),
        tuple(name for name, time in times.items() if time not in (issued_at, *_NO_JWT)),
    )
