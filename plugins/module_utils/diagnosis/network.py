# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Connection problems between this host and a server, before a user is named: names, ports, and TLS. Pure."""

from __future__ import annotations

import errno
import os
import re
import socket
import ssl

from ..cluster import channels
from ..cluster.channels import Refused
from . import attempts, findings
from .attempts import CLIENT, LEAFNODE, Attempt
from .findings import Finding

#: The names of the ways to connect, for messages.
_WAYS = {CLIENT: "clients", LEAFNODE: "leaf nodes", attempts.MQTT: "MQTT"}
#: TLS alerts for a missing or rejected client certificate (RFC 8446, section 6).
_WANTS_CERTIFICATE = re.compile(
    r"certificate required|bad certificate|unknown ca|certificate unknown|handshake failure", re.IGNORECASE
)


def why_not_reached(attempt: Attempt, tls: channels.Tls) -> Finding | None:
    """Why the server could not be reached, or that its port is not one for this way to connect; None if neither is the case."""
    if attempt.outcome == attempts.FAILED:
        return _failure(attempt, tls)
    info = attempt.info
    if info is None or attempt.outcome != attempts.HELD_BACK:
        return None
    wanted = {CLIENT: channels.CLIENT_PORT, LEAFNODE: channels.LEAFNODE_PORT}.get(attempt.way, info.port)
    return None if info.port == wanted else _wrong_port(attempt, _WHAT_PORT[info.port])


_WHAT_PORT = {
    channels.CLIENT_PORT: "clients",
    channels.LEAFNODE_PORT: "leaf nodes",
    channels.ROUTE_PORT: "routes, from servers of its own cluster",
}


def _wrong_port(attempt: Attempt, what: str) -> Finding:
    return Finding(
        findings.WRONG_PORT,
        f"{attempt.shown} is the port of a NATS server for {what}, expected the one for {_ways(attempt)}.",
        f"Use the port that the server has for {_ways(attempt)}, {_where(attempt)}.",
    )


def _ways(attempt: Attempt) -> str:
    return "websockets" if attempt.address.is_websocket else _WAYS[attempt.way]


def _where(attempt: Attempt) -> str:
    if attempt.address.is_websocket:
        return "websocket.port in its configuration"
    return {
        CLIENT: "port in its configuration, 4222 by default",
        LEAFNODE: "leafnodes.port in its configuration, 7422 by default",
    }.get(attempt.way, "mqtt.port in its configuration, 1883 by default")


def _failure(attempt: Attempt, tls: channels.Tls) -> Finding:
    error, shown = attempt.error, attempt.shown
    if isinstance(error, socket.gaierror):
        return Finding(
            findings.UNRESOLVABLE,
            f"The name {attempt.address.host} of {shown} cannot be resolved: {error.strerror or error}.",
            "Correct the name in the URL, or the name service of this host.",
        )
    if isinstance(error, ConnectionRefusedError):
        return Finding(
            findings.CLOSED_PORT,
            f"Nothing listens on {shown}: the connection is refused.",
            f"Start the server, or use the port that it listens on for {_ways(attempt)}, {_where(attempt)}.",
        )
    if isinstance(error, ssl.SSLError):
        return _tls_failure(attempt, error, tls)
    if isinstance(error, Refused) and error.kind != channels.NO_NATS:
        return _refused(attempt, error)
    spoken = _by_what_speaks(attempt, tls)
    if spoken is not None:
        return spoken
    if isinstance(error, OSError) and error.errno and not isinstance(error, ConnectionError):
        return Finding(
            findings.UNREACHABLE,
            f"{shown} cannot be reached: {os.strerror(error.errno) if error.errno in errno.errorcode else error}.",
            "Check the routes and firewalls between this host and the server.",
        )
    if isinstance(error, ConnectionError):
        return Finding(
            findings.PROTOCOL,
            f"{shown} closes the connection without sending anything.",
            "Check that a NATS server listens there, and that nothing between this host and it closes connections.",
        )
    if isinstance(error, Refused):
        return Finding(findings.NOT_NATS, f"{shown}: {error}.".replace("..", "."), "Use the URL of a NATS server.")
    return Finding(
        findings.NO_ANSWER,
        f"{shown} does not answer in time.",
        "Check the address, the firewalls in between and the server; a slow network needs a longer connect_timeout.",
    )


def _refused(attempt: Attempt, error: Refused) -> Finding:
    shown = attempt.shown
    if error.kind == channels.NO_TLS:
        return Finding(
            findings.TLS_NOT_OFFERED,
            f"{shown} offers no TLS, and the URL or an option that begins with tls asks for it; nothing was sent to it.",
            "Set up tls in the server's configuration; or use a nats:// URL without those options, if the network is trusted.",
        )
    if error.kind == channels.NO_NONCE:
        return Finding(
            findings.NOT_OPERATOR_MODE,
            f"{shown} requests no signature: the server is not in operator mode, or accepts every client.",
            "Configure operator, system_account and resolver in the server, with nats_server_config or the role server.",
        )
    if error.kind == channels.NO_CLIENTS:
        return _wrong_port(attempt, "gateways, from servers of other clusters")
    return Finding(
        findings.WRONG_PORT,
        f"{shown} is not a websocket: {error}.",
        "Use the port that the server has for websockets, websocket.port in its configuration; or a nats:// URL for the port for clients.",
    )


def _by_what_speaks(attempt: Attempt, tls: channels.Tls) -> Finding | None:
    """The finding for what listens on the port; None if it explains nothing."""
    shown, speaks = attempt.shown, attempt.speaks
    if speaks == attempts.SPEAKS_MONITORING:
        return _wrong_port(attempt, "monitoring, over HTTP")
    if speaks == attempts.SPEAKS_WEBSOCKET:
        return _wrong_port(attempt, "websockets")
    if speaks == attempts.SPEAKS_HTTP:
        return Finding(findings.WRONG_PORT, f"{shown} speaks HTTP, not NATS.", f"Use the port for {_ways(attempt)}.")
    if speaks == attempts.SPEAKS_TLS and not tls.first:
        return Finding(
            findings.TLS_FIRST,
            f"{shown} waits for the TLS handshake before its INFO (handshake_first), or is the port of another service with TLS.",
            "Set tls_handshake_first, and tls_ca_path if the certificate is not of an authority that this host knows; "
            "or use the port for clients.",
        )
    if speaks == attempts.SPEAKS_NATS and (attempt.way == attempts.MQTT or attempt.address.is_websocket):
        return _wrong_port(attempt, "clients, leaf nodes or routes")
    if speaks == attempts.SPEAKS_NATS and tls.first:
        return _not_first(attempt)
    return None


def _not_first(attempt: Attempt) -> Finding:
    return Finding(
        findings.TLS_NOT_FIRST,
        f"{attempt.shown} begins with its INFO, and this connection with a TLS handshake (tls_handshake_first).",
        "Unset tls_handshake_first, or set handshake_first: true in tls of the server's configuration.",
    )


def _tls_failure(attempt: Attempt, error: ssl.SSLError, tls: channels.Tls) -> Finding:
    shown = attempt.shown
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = error.verify_message or str(error)
        if error.verify_code in (62, 64):  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
            return Finding(
                findings.TLS_NAME,
                f"The certificate of {shown} is not one for {tls.server_name or attempt.address.host}: {reason.rstrip('.')}.",
                "Connect by a name that the certificate has, or name one in tls_server_name; or issue the certificate with this name.",
            )
        return Finding(
            findings.TLS_UNTRUSTED,
            f"The certificate of {shown} cannot be verified: {reason.rstrip('.')}.",
            "Name the certificates that vouch for it in tls_ca_path; one that has expired needs to be renewed on the server.",
        )
    if attempt.speaks == attempts.SPEAKS_NATS and "WRONG_VERSION_NUMBER" in str(error).upper().replace(" ", "_"):
        return _not_first(attempt)
    if attempt.speaks == attempts.SPEAKS_NATS and tls.first:
        return _not_first(attempt)
    if _WANTS_CERTIFICATE.search(str(error)):
        return client_certificate(attempt, str(error.reason or error))
    return Finding(
        findings.TLS_FAILED,
        f"TLS with {shown} fails: {error.reason or error}.",
        "Check tls in the server's configuration, and that its versions and ciphers suit this host.",
    )


def client_certificate(attempt: Attempt, words: str) -> Finding:
    """The finding for a server that requires a client certificate. `words` is the error."""
    return Finding(
        findings.TLS_CLIENT_CERTIFICATE,
        f"{attempt.shown} verifies clients, and rejects the certificate of this client, or a client without one ({words}).",
        "Name a certificate that the server's ca_file vouches for in tls_certificate_path, and its key in tls_key_path.",
    )
