# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Authorization requests and responses: the claims that a server and an auth callout service exchange."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from . import kinds
from .declaration import declare, unknown_fields
from .go_json import decode_strings, encode_strings, wrong_type
from .kinds import Kind
from .wire import nested, optional

_UINT64 = kinds.integer(0, (1 << 64) - 1)


def _encode_chains(value: list[list[str] | None]) -> str:
    return "[" + ",".join("null" if chain is None else encode_strings(chain) for chain in value) + "]"


def _decode_chains(raw: Any, path: str) -> list[list[str] | None]:
    if not isinstance(raw, list):
        raise wrong_type(path, "a list", raw)
    return [None if chain is None else decode_strings(chain, path) for chain in raw]


_CHAINS = Kind(_encode_chains, _decode_chains, [], list, list, {"type": "list", "elements": "list"})


@dataclass
class ServerID:
    """The server that sends the request."""

    name: str = declare("name", kinds.TEXT, always=True)
    host: str = declare("host", kinds.TEXT, always=True)
    id: str = declare("id", kinds.TEXT, always=True)
    version: str = declare("version", kinds.TEXT)
    cluster: str = declare("cluster", kinds.TEXT)
    tags: list[str] = declare("tags", kinds.TAGS)
    xkey: str = declare("xkey", kinds.TEXT)
    unknown: dict[str, Any] = unknown_fields()


@dataclass
class ClientInformation:
    """The client that wants to connect."""

    host: str = declare("host", kinds.TEXT)
    id: int = declare("id", _UINT64)
    user: str = declare("user", kinds.TEXT)
    name: str = declare("name", kinds.TEXT)
    tags: list[str] = declare("tags", kinds.TAGS)
    name_tag: str = declare("name_tag", kinds.TEXT)
    kind: str = declare("kind", kinds.TEXT)
    type: str = declare("type", kinds.TEXT)
    mqtt_id: str = declare("mqtt_id", kinds.TEXT)
    nonce: str = declare("nonce", kinds.TEXT)
    unknown: dict[str, Any] = unknown_fields()


@dataclass
class ConnectOptions:
    """The options that the client sent to connect. They contain secrets."""

    jwt: str = declare("jwt", kinds.TEXT)
    nkey: str = declare("nkey", kinds.TEXT)
    signature: str = declare("sig", kinds.TEXT)
    auth_token: str = declare("auth_token", kinds.TEXT)
    user: str = declare("user", kinds.TEXT)
    password: str = declare("pass", kinds.TEXT)
    name: str = declare("name", kinds.TEXT)
    language: str = declare("lang", kinds.TEXT)
    version: str = declare("version", kinds.TEXT)
    protocol: int = declare("protocol", kinds.INTEGER, always=True)
    unknown: dict[str, Any] = unknown_fields()


@dataclass
class ClientTLS:
    """The client's TLS connection, with certificates in PEM."""

    version: str = declare("version", kinds.TEXT)
    cipher: str = declare("cipher", kinds.TEXT)
    certificates: list[str] = declare("certs", kinds.TEXTS)
    verified_chains: list[list[str] | None] = declare("verified_chains", _CHAINS)
    unknown: dict[str, Any] = unknown_fields()


@dataclass
class AuthorizationRequest:
    """The request of a server to an auth callout service, as in the Go library's authorization_claims.go."""

    KIND: ClassVar[str] = "authorization_request"
    SUBJECT_TYPE: ClassVar[str] = ""
    ISSUER_TYPES: ClassVar[tuple[str, ...]] = ("server",)

    server: ServerID = declare("server_id", nested(ServerID))
    user_nkey: str = declare("user_nkey", kinds.TEXT, always=True)
    client: ClientInformation = declare("client_info", nested(ClientInformation))
    connect_options: ConnectOptions = declare("connect_opts", nested(ConnectOptions))
    tls: ClientTLS | None = declare("client_tls", optional(ClientTLS))
    request_nonce: str = declare("request_nonce", kinds.TEXT)
    tags: list[str] = declare("tags", kinds.TAGS)
    type: str = declare("type", kinds.TEXT, option=False)
    version: int = declare("version", kinds.INTEGER, option=False)
    unknown: dict[str, Any] = unknown_fields()


@dataclass
class AuthorizationResponse:
    """The response of an auth callout service: a user JWT, or an error."""

    KIND: ClassVar[str] = "authorization_response"
    SUBJECT_TYPE: ClassVar[str] = ""
    ISSUER_TYPES: ClassVar[tuple[str, ...]] = ("account",)

    jwt: str = declare("jwt", kinds.TEXT)
    error: str = declare("error", kinds.TEXT)
    issuer_account: str = declare("issuer_account", kinds.TEXT)
    tags: list[str] = declare("tags", kinds.TAGS)
    type: str = declare("type", kinds.TEXT, option=False)
    version: int = declare("version", kinds.INTEGER, option=False)
    unknown: dict[str, Any] = unknown_fields()
