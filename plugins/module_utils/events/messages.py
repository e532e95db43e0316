# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Convert messages of servers to the system account into events: plain data without secrets, with the same names for the same things. Pure.

The formats are those of nats-server's events.go. A client chooses its name and, if it is refused, the JWT that it presents; such values are not trusted.
"""

from __future__ import annotations

import dataclasses
import re
import time
from typing import Any, Callable, Mapping

from ..base import units
from ..base.errors import NatsSecurityError
from ..base.recognition import hide
from ..cluster.answers import Part, Unreadable, parse
from ..cluster.connections import moment
from ..keys import nkey
from ..token import codec

AUTH_ERROR, CONNECT, DISCONNECT = "auth_error", "connect", "disconnect"
ACCOUNT_UPDATE, ACCOUNT_DELETE = "account_update", "account_delete"
SERVER_START, SERVER_SHUTDOWN, LAME_DUCK = "server_start", "server_shutdown", "lame_duck"
#: The types of events that servers publish, with their subjects.
SUBJECTS: dict[str, tuple[str, ...]] = {
    AUTH_ERROR: ("$SYS.SERVER.*.CLIENT.AUTH.ERR",),
    CONNECT: ("$SYS.ACCOUNT.*.CONNECT",),
    DISCONNECT: ("$SYS.ACCOUNT.*.DISCONNECT",),
    ACCOUNT_UPDATE: (
        "$SYS.REQ.CLAIMS.UPDATE",
        "$SYS.REQ.ACCOUNT.*.CLAIMS.UPDATE",
        "$SYS.ACCOUNT.*.CLAIMS.UPDATE",
    ),
    ACCOUNT_DELETE: ("$SYS.REQ.CLAIMS.DELETE",),
    SERVER_START: ("$SYS.SERVER.*.STATSZ",),
    SERVER_SHUTDOWN: ("$SYS.SERVER.*.SHUTDOWN",),
    LAME_DUCK: ("$SYS.SERVER.*.LAMEDUCK",),
}
#: The events of the source itself. They are always reported, because the others are incomplete without them.
CONNECTED, DISCONNECTED, DROPPED, UNREADABLE, EXPIRING = (
    "connected",
    "disconnected",
    "dropped",
    "unreadable",
    "expiring",
)

#: The value in a message of Unreadable. It may be a part of a bearer token.
_VALUE = re.compile(r" is .*, expected ", re.DOTALL)
_TEMPLATE = re.compile(r"\{(?=[{%#])")
#: A shorter text cannot contain a seed or a JWT.
_LONG = 40
#: The maximum number of accounts of a request that an event lists.
_SHOWN = 100


@dataclasses.dataclass(frozen=True)
class Wanted:
    """The wanted types of events, and the accounts and users by public key or name. Without accounts or users, events of all of them are wanted."""

    types: frozenset[str]
    accounts: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset()

    @property
    def subjects(self) -> list[tuple[str, str]]:
        """What to subscribe to, as pairs of type and subject."""
        return [(kind, subject) for kind, subjects in SUBJECTS.items() if kind in self.types for subject in subjects]

    def takes(self, event: Mapping[str, Any]) -> bool:
        """Whether an event is wanted. Accounts and users only filter events that are about one."""
        client = event.get("client")
        if self.users and client is not None and not self.users & {client["user"], client["user_name"]}:
            return False
        about = client or event.get("claims")
        return not (
            self.accounts and about is not None and not self.accounts & {about["account"], about["account_name"]}
        )


def read_message(kind: str, subject: str, payload: bytes) -> dict[str, Any]:
    """The event for a message. Unreadable, without the text of the message, if it has an unexpected form."""
    found = _read_server(subject) if kind in (SERVER_SHUTDOWN, LAME_DUCK) else _READERS[kind](payload)
    return {"type": kind, "subject": subject, **found}


def event(kind: str, **more: Any) -> dict[str, Any]:
    """An event of the source itself, with the current time."""
    return {"type": kind, "time": units.show_time(int(time.time())), **more}


def unreadable(where: str, problem: str) -> dict[str, Any]:
    """The event for something that cannot be read: a message, given by its subject, or a file. Secrets are masked, and the value is omitted."""
    return event(UNREADABLE, where=hide(where), problem=hide(_VALUE.sub(" is something else, expected ", problem)))


def without_templates(value: Any) -> Any:
    """The value without anything that Ansible would template. A rulebook passes events to playbooks as extra variables, which Ansible templates, and a
    client chooses its own name."""
    if isinstance(value, str):
        return _TEMPLATE.sub("{ ", value)
    if isinstance(value, list):
        return [without_templates(item) for item in value]
    if isinstance(value, dict):
        return {name: without_templates(item) for name, item in value.items()}
    return value


# ---- servers


@dataclasses.dataclass(frozen=True)
class Presence:
    """A server that reports its presence. `started` is in unix seconds, `uptime` in seconds by the server's own clock."""

    about: dict[str, Any]
    started: float
    uptime: float


def read_presence(payload: bytes) -> Presence:
    """Parse what a server reports about itself in STATSZ, or in its answer to a ping. Unreadable if it has an unexpected form."""
    whole = _parse(payload)
    about = whole["server"]
    started, current = moment(whole["statsz"]["start"].text()), moment(about["time"].text())
    return Presence(_server(about), started, max(0.0, current - started) if started else float("inf"))


def server_start(presence: Presence) -> dict[str, Any]:
    """The event for a server that has started."""
    started = units.show_time(int(presence.started))
    return event(SERVER_START, server=presence.about, started_at=started)


def _server(part: Part) -> dict[str, Any]:
    key = part["id"].key("server")
    if not key:
        part["id"].refuse("the public key of a server")
    return {
        "id": key,
        "name": part["name"].label(),
        "host": part["host"].label(),
        "cluster": part["cluster"].label(),
        "version": part["ver"].label(),
        "tags": [tag.label() for tag in part["tags"].items()],
    }


def _read_server(subject: str) -> dict[str, Any]:
    """A server that shuts down. The message is empty; the subject has the server's id."""
    key = _key(subject.split(".")[2], "server")
    if not key:
        raise Unreadable("the third token of the subject is not the public key of a server")
    return {"time": units.show_time(int(time.time())), "server": {"id": key, "name": ""}}


# ---- clients


def _read_client(payload: bytes) -> dict[str, Any]:
    whole = _parse(payload)
    found = {
        "time": whole["timestamp"].label(),
        "id": whole["id"].label(),
        "server": _server(whole["server"]),
        "client": _client(whole["client"]),
    }
    if whole["reason"]:
        found["reason"] = whole["reason"].label()
    return found


def _client(part: Part) -> dict[str, Any]:
    """A client as plain data. Unknown values are "". For a refused client, user and account are those of the JWT that it presented."""
    said = codec.peek(part["jwt"].text()) if part["jwt"] else {}
    nats = said.get("nats")
    issuer_account = nats.get("issuer_account") if isinstance(nats, dict) else ""
    issuer = _key(said.get("iss"), "account")
    user, account = part["user"].text(), part["acc"].text()
    issued_at = said.get("iat")
    return {
        "user": _key(user, "user") or _key(said.get("sub"), "user"),
        "user_name": _shown(said.get("name")),
        "account": _key(account, "account") or _key(issuer_account, "account") or issuer or _shown(account),
        "account_name": _shown(part["name_tag"].value),
        "issuer": issuer,
        "issued_at": units.show_time(issued_at) if isinstance(issued_at, int) and issued_at > 0 else "",
        "name": _shown(part["name"].value),
        "host": _shown(part["host"].value),
        "connection": part["id"].number(),
        "kind": _shown(part["kind"].value),
        "protocol": _shown(part["client_type"].value),
        "library": f"{_shown(part['lang'].value)} {_shown(part['ver'].value)}".strip(),
    }


def _key(value: Any, key_type: str) -> str:
    return value if isinstance(value, str) and len(value) == 56 and nkey.is_public_key(value, key_type) else ""


def _shown(value: Any) -> str:
    """A text of a client as one line of limited length, with secrets masked; "" if it is not a string."""
    if not isinstance(value, str):
        return ""
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in value[:256]).split())
    return hide(line) if len(line) >= _LONG else line


# ---- accounts


def _read_update(payload: bytes) -> dict[str, Any]:
    claims = _decode(payload)
    if claims.kind != "account":
        raise Unreadable(f"the message is a JWT of {claims.kind} claims, expected one of account claims")
    return {
        "time": units.show_time(int(time.time())),
        "claims": {
            "account": claims.subject,
            "account_name": _shown(claims.name),
            "issuer": claims.issuer,
            "issued_at": units.show_time(claims.issued_at),
            "expires": units.show_time(claims.expires) if claims.expires else "",
        },
    }


def _read_delete(payload: bytes) -> dict[str, Any]:
    claims = _decode(payload)
    data = codec.peek(payload.decode("ascii")).get("nats")
    accounts = data.get("accounts") if isinstance(data, dict) else None
    keys = [_key(one, "account") for one in accounts] if isinstance(accounts, list) else []
    return {
        "time": units.show_time(int(time.time())),
        "issuer": claims.issuer,
        "accounts": [key for key in keys if key][:_SHOWN],
        "count": len(keys),
    }


def _decode(payload: bytes) -> Any:
    try:
        return codec.decode(payload.decode("ascii").strip())
    except (UnicodeDecodeError, NatsSecurityError):
        raise Unreadable("the message is not a JWT that verifies") from None


def _parse(payload: bytes) -> Part:
    try:
        return parse(payload, "the message")
    except Unreadable as error:
        # The text after the colon is omitted: it may be a truncated bearer token.
        raise Unreadable(str(error).partition(": ")[0]) from None


_READERS: dict[str, Callable[[bytes], dict[str, Any]]] = {
    AUTH_ERROR: _read_client,
    CONNECT: _read_client,
    DISCONNECT: _read_client,
    ACCOUNT_UPDATE: _read_update,
    ACCOUNT_DELETE: _read_delete,
}
