# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The URLs of servers and account servers: parsed, validated, and shown without user and password."""

from __future__ import annotations

import dataclasses
import re
import socket
import urllib.parse

from ..base.errors import NatsSecurityError
from ..base.urls import without_credentials

#: The schemes of NATS servers with their default ports, as in nats.go.
SERVER_PORTS = {"nats": 4222, "tls": 4222, "ws": 80, "wss": 443}
#: The schemes of account servers with their default ports.
ACCOUNT_SERVER_PORTS = {"http": 80, "https": 443}
#: The schemes that always use TLS, and those that never do. With `nats`, the INFO of the server decides.
_ENCRYPTED = ("tls", "wss", "https")
_PLAIN = ("ws", "http")

_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://"
    r"(?:(?P<user>[^/?#]*)@)?"
    r"(?P<host>\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._-]+)?\]|[A-Za-z0-9._-]*)"
    r"(?::(?P<port>[0-9]*))?"
    r"(?P<target>(?:/[^?#]*)?(?:\?[^#]*)?)(?P<fragment>#.*)?"
)
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")


@dataclasses.dataclass(frozen=True)
class Address:
    """The parsed URL of a server. `target` is path and query, `credentials` is `user:password` of an account server, `shown` is the URL for messages."""

    scheme: str
    host: str
    port: int
    target: str
    shown: str
    credentials: str = dataclasses.field(default="", repr=False)

    @property
    def is_websocket(self) -> bool:
        """Whether the NATS protocol is carried over WebSocket."""
        return self.scheme in ("ws", "wss")

    @property
    def wants_tls(self) -> bool:
        """Whether the scheme requires TLS."""
        return self.scheme in _ENCRYPTED

    @property
    def is_plain(self) -> bool:
        """Whether the scheme excludes TLS."""
        return self.scheme in _PLAIN


def server_address(url: str, place: str) -> Address:
    """Parse the URL of a NATS server, or `host:port`. NatsSecurityError, which names `place`, for anything else."""
    address = _address(url if "://" in url else f"nats://{url}", place, SERVER_PORTS)
    if address.credentials:
        raise NatsSecurityError(
            f"{place}: {address.shown} has a user or password, but a server in operator mode requires creds or a signer: remove what is before the @."
        )
    if not address.is_websocket and address.target not in ("", "/"):
        raise NatsSecurityError(
            f"{place}: {address.shown} has a path, which is not supported in {address.scheme} URLs."
        )
    return address


def account_server_address(url: str, place: str) -> Address:
    """Parse the URL of an account server. NatsSecurityError, which names `place`, for anything else."""
    address = _address(url, place, ACCOUNT_SERVER_PORTS)
    if "?" in address.target:
        raise NatsSecurityError(
            f"{place}: {address.shown} has a query; give only the path that account JWTs are under."
        )
    return address


def _address(url: str, place: str, ports: dict[str, int]) -> Address:
    shown = without_credentials(url)
    wanted = f"such as {next(reversed(ports))}://host:{max(ports.values())}"
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise NatsSecurityError(
            f"{place}: {shown!r} has a space, or a character outside of printable ASCII, which a URL has to escape as %20."
        )
    scheme = url.partition("://")[0].lower() if "://" in url else ""
    if scheme not in ports:
        raise NatsSecurityError(
            f"{place}: {shown} is not a URL that begins with {' or '.join(f'{one}://' for one in ports)}."
        )
    parts = _URL.fullmatch(url)
    if parts is None or "@" in parts["target"] or _BAD_ESCAPE.search((parts["user"] or "") + parts["target"]):
        raise NatsSecurityError(
            f"{place}: {shown} is not a URL, {wanted}: an IPv6 address is written in brackets, and /, ?, # or @ in a password is written %2F, %3F, %23 or %40."
        )
    if parts["fragment"] is not None:
        raise NatsSecurityError(f"{place}: {shown} has a fragment (#), which is not sent to servers.")
    host, port = parts["host"], int((parts["port"] or "")[:9] or ports[scheme])
    if not _is_host(host):
        raise NatsSecurityError(f"{place}: {shown} has no valid host, {wanted}.")
    if not 1 <= port <= 65535:
        raise NatsSecurityError(f"{place}: {shown} has a port that is not a number from 1 to 65535.")
    credentials = urllib.parse.unquote(parts["user"] or "")
    return Address(scheme, host.strip("[]").replace("%25", "%"), port, parts["target"], shown, credentials)


def _is_host(host: str) -> bool:
    if host.startswith("["):
        try:
            socket.inet_pton(socket.AF_INET6, host[1:-1].partition("%")[0])
        except OSError:
            return False
        return True
    labels = host[:-1].split(".") if host.endswith(".") else host.split(".")
    return len(host) <= 253 and all(map(_LABEL.fullmatch, labels))
