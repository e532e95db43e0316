# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The findings of a diagnosis: a cause for programs, a message, advice, and the basis."""

from __future__ import annotations

from typing import NamedTuple

#: The basis of a finding: the creds, what the server answers or holds, what only the store shows, or nothing but the refusal.
CREDS, SERVER, STORE, NOTHING = "creds", "server", "store", "none"

CONNECTED = "connected"

#: The creds themselves.
MALFORMED_TOKEN, NOT_A_USER, MALFORMED_SEED, WRONG_SEED = (
    "malformed_token",
    "not_a_user",
    "malformed_seed",
    "wrong_seed",
)
OF_SEEDS = (MALFORMED_SEED, WRONG_SEED)
#: The JWT and the seed are valid, but clients do not find them in the file.
MALFORMED_CREDS = "malformed_creds"
EXPIRED, NOT_YET_VALID, INVALID_CLAIMS = "expired", "not_yet_valid", "invalid_claims"
#: The account of the user, and the signers of both.
UNKNOWN_ACCOUNT, ACCOUNT_OUTDATED, ACCOUNT_NOT_LOADED = "unknown_account", "account_outdated", "account_not_loaded"
ACCOUNT_EXPIRED, ACCOUNT_NOT_YET_VALID, ACCOUNT_INVALID = "account_expired", "account_not_yet_valid", "account_invalid"
UNTRUSTED_OPERATOR_KEY, OTHER_OPERATOR = "untrusted_operator_key", "other_operator"
UNKNOWN_SIGNER, STRICT_MODE, SCOPE_CONFLICT = "unknown_signer", "strict_mode", "scope_conflict"
REVOKED, BEARER_FORBIDDEN, AUTH_CALLOUT = "revoked", "bearer_forbidden", "auth_callout"
#: How, from where and when the user connects.
CONNECTION_TYPE, SOURCE_NETWORK, HOURS, PROXY_REQUIRED = "connection_type", "source_network", "hours", "proxy_required"
MQTT_NEEDS_BEARER = "mqtt_needs_bearer"
#: Limits.
ACCOUNT_CONNECTION_LIMIT, SERVER_CONNECTION_LIMIT = "account_connection_limit", "server_connection_limit"
SUBSCRIPTION_LIMIT, TOKEN_TOO_LONG = "subscription_limit", "token_too_long"
#: Network.
UNRESOLVABLE, CLOSED_PORT, UNREACHABLE, NO_ANSWER = "unresolvable", "closed_port", "unreachable", "no_answer"
WRONG_PORT, NOT_NATS, NOT_OPERATOR_MODE, PROTOCOL = "wrong_port", "not_nats", "not_operator_mode", "protocol"
TLS_FIRST, TLS_NOT_FIRST, TLS_NOT_OFFERED = "tls_first", "tls_not_first", "tls_not_offered"
TLS_UNTRUSTED, TLS_NAME, TLS_CLIENT_CERTIFICATE, TLS_FAILED = (
    "tls_untrusted",
    "tls_name",
    "tls_client_certificate",
    "tls_failed",
)
#: The user is connected, and may not do an action of the task.
PERMISSION_MISSING, JETSTREAM_DISABLED = "permission_missing", "jetstream_disabled"
#: The user is refused for an unknown reason.
REFUSED = "refused"


class Finding(NamedTuple):
    """Why one server refuses the user, or that it does not. `message` and `advice` are sentences."""

    cause: str
    message: str
    advice: str = ""
    basis: str = SERVER
