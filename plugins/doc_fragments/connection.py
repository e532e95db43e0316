# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The options of modules that talk to servers: where and how to connect, as whom, and which accounts they are about."""

from __future__ import annotations


class ModuleDocFragment:
    """Fragments natsops.security.connection and natsops.security.connection.accounts."""

    DOCUMENTATION = r"""
options:
  servers:
    description:
      - The URLs of servers, such as V(tls://n1.example.com:4222). The first one that accepts the user is used; it reaches all others.
      - The schemes are V(nats), V(tls), and V(ws) and V(wss) for websockets. A URL without a scheme is a V(nats) URL.
      - If one of the URLs is a V(tls) or V(wss) URL, or an option that begins with C(tls_) is set, the user logs in over TLS only, on every server of the
        list and on every new connection. Nothing is sent to a server that does not offer TLS. With V(nats) URLs alone, TLS is used if a server requires
        it, which an attacker on the network can prevent.
      - No further addresses are learned from servers. A user or password in a URL is an error.
      - One of this and O(account_server_url) is needed.
    type: list
    elements: str
  expected_servers:
    description:
      - The names of the servers that have to answer. The task fails if one of them does not.
      - Defaults to the servers that answer. A server that does not answer gets new accounts when it is back.
    type: list
    elements: str
    default: []
  creds_path:
    description:
      - The creds file of a user of the system account. One of this, O(creds), O(system_signer_path) and O(system_signer_seed) is needed with O(servers).
    type: path
  creds:
    description:
      - The creds themselves, for example from a vault.
    type: str
  system_signer_path:
    description:
      - The seed file of the system account, or of one of its signing keys. With it, a user is created for this task, in memory only, which is valid
        for two minutes and has no more permissions than the task needs. It is replaced in time if the task takes longer.
      - A folder is searched for the seed, as C(PUBLICKEY.nk) in it or where nsc keeps it in its keystore. If it has the seeds of several keys, and servers
        refuse the user of one of them, because they have an earlier JWT of the system account, another one is used.
    type: path
  system_signer_seed:
    description:
      - The seed of the system account or of one of its signing keys, for example from a vault.
    type: str
  system_account_jwt_path:
    description:
      - The file of the JWT of the system account, which lists the keys that sign for it, and their scopes.
      - Needed if a signing key signs and that JWT is not among the accounts of the task.
    type: path
  system_account_jwt:
    description:
      - The JWT of the system account itself.
    type: str
  inbox_prefix:
    description:
      - The subject that answers arrive under; a random token is added to it. Set it for creds that may only subscribe under a prefix of their own, such as
        V(_INBOX_sys) if their permissions have C(_INBOX_sys.>).
    type: str
    default: _INBOX
  timeout:
    description:
      - How long to wait for the answers to a request, for a lost connection to be re-established, and for all servers to hold the same after a change.
      - With O(account_server_url), how long one request to it may take, from looking up its name to the last byte of the answer.
    type: str
    default: 10s
  account_server_url:
    description:
      - The URL of an account server that keeps accounts for servers with URL resolvers, such as V(https://accounts.example.com/jwt/v1).
      - It is read and pushed to over HTTP. It can neither list nor delete accounts.
      - A user and password in the URL are sent as basic authentication. They are masked in results, errors and logs.
      - With an option that begins with C(tls_), an V(http) URL is an error.
    type: str
"""

    TLS = r"""
options:
  tls_ca_path:
    description:
      - The file of the certificates that vouch for those of the servers. The default is those of the system.
      - TLS 1.2 or later is used, and the host name is verified on every connection.
    type: path
  tls_certificate_path:
    description:
      - The file of a client certificate for servers that verify clients, with its intermediate certificates.
    type: path
  tls_key_path:
    description:
      - The file of the private key of O(tls_certificate_path), without a passphrase.
    type: path
  tls_server_name:
    description:
      - The host name that the certificate of the servers must have. The default is the host in the URL.
    type: str
  tls_handshake_first:
    description:
      - Begin with the TLS handshake, for servers that are configured with C(handshake_first).
    type: bool
    default: false
  connect_timeout:
    description:
      - How long one attempt to connect to one of O(servers) may take, from looking up its name to logging in.
    type: str
    default: 5s
"""

    ACCOUNTS = r"""
options:
  jwts:
    description:
      - JWTs of accounts.
    type: list
    elements: str
    default: []
  jwt_paths:
    description:
      - Files of JWTs of accounts.
    type: list
    elements: path
    default: []
  store_path:
    description:
      - The folder of one operator in nsc's layout, as nsc keeps it, such as V(~/.local/share/nats/nsc/stores/ACME). All accounts in it are used.
      - The operator's JWT in it is used if neither O(operator_jwt_path) nor O(operator_jwt) is given.
    type: path
  operator_jwt_path:
    description:
      - The file of the operator's JWT. If given, the servers have to trust this operator.
    type: path
  operator_jwt:
    description:
      - The operator's JWT itself.
    type: str
"""
