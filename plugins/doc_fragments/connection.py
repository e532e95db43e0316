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
      - The URLs of servers, such as V(tls://n1.example.com:4222). The first one that lets the user in is connected to; it reaches all others.
      - For websockets, C(ws) and C(wss), C(aiohttp) is needed too.
      - One of this and O(account_server_url) is needed.
    type: list
    elements: str
  expected_servers:
    description:
      - The names of the servers that have to be there. The task fails when one of them does not answer.
      - When left out, these are the servers that answer. One that is away then gets new accounts when it is back.
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
      - The seed file of the system account, or of one of its signing keys. With it a user is made for this task, in memory only, that may do no more
        than the task has to and is valid for two minutes. It is replaced in time when the task takes longer.
      - A folder is searched for the seed, as C(PUBLICKEY.nk) in it or where nsc keeps it in its keystore.
    type: path
  system_signer_seed:
    description:
      - The seed of the system account or of one of its signing keys, for example from a vault.
    type: str
  system_account_jwt_path:
    description:
      - The file of the JWT of the system account. It tells which keys sign for it, and their scopes.
      - Needed where a signing key signs, and that JWT is not among the accounts of the task.
    type: path
  system_account_jwt:
    description:
      - The JWT of the system account itself.
    type: str
  tls_ca_path:
    description:
      - The file of the certificates that vouch for those of the servers. Those of the system when left out.
    type: path
  tls_certificate_path:
    description:
      - The file of a certificate to show to servers that verify clients, with those in between.
    type: path
  tls_key_path:
    description:
      - The file of the private key of O(tls_certificate_path), without a passphrase.
    type: path
  tls_server_name:
    description:
      - The name that the certificate of the servers has to be for. The host in the URL when left out.
    type: str
  tls_handshake_first:
    description:
      - Begin with the TLS handshake, for servers that are set so (C(handshake_first)).
    type: bool
    default: false
  connect_timeout:
    description:
      - How long to try to connect to each of O(servers).
    type: str
    default: 5s
  timeout:
    description:
      - How long to wait for servers that do not answer, and for all to hold the same after a change.
    type: str
    default: 10s
  account_server_url:
    description:
      - The URL of an account server that keeps accounts for servers with URL resolvers, such as V(https://accounts.example.com/jwt/v1).
      - It is read and pushed to over HTTP. It can neither list nor delete accounts.
    type: str
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
      - The folder of one operator in nsc's layout, as nsc keeps it, such as V(~/.local/share/nats/nsc/stores/ACME). All accounts in it are taken.
      - The operator's JWT in it is taken when neither O(operator_jwt_path) nor O(operator_jwt) is given.
    type: path
  operator_jwt_path:
    description:
      - The file of the operator's JWT. With it servers have to trust this operator.
    type: path
  operator_jwt:
    description:
      - The operator's JWT itself.
    type: str
"""
