#!/usr/bin/python
# Copyright (c) 2026 NatsOps authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module: whether servers let the users of creds files in."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nats_creds_info
version_added: 0.1.0
short_description: Connect with creds files, and return what each server answers
description:
  - Connects to every server with every creds file, and disconnects.
  - A server gives no reason when it refuses a user. Where the JWT itself or that of the account shows why, the result has it. For what only the servers
    know, ask them with M(natsops.security.nats_resolver_info); the role P(natsops.security.credentials#role) does so.
extends_documentation_fragment:
  - natsops.security.attributes.info
  - natsops.security.attributes.actiongroup_nats
author: NatsOps authors (@natsops)
requirements: [nkeys, "nats-py >= 2.16"]
options:
  paths:
    description:
      - The creds files.
    type: list
    elements: path
    required: true
  servers:
    description:
      - The URLs of servers, such as V(tls://n1.example.com:4222). Each one is connected to.
    type: list
    elements: str
    required: true
  account_jwts:
    description:
      - JWTs of the accounts of these users, to see what they have against them.
    type: list
    elements: str
    default: []
  tls_ca_path:
    description:
      - The file of the certificates that vouch for those of the servers. The default is those of the system.
    type: path
  tls_certificate_path:
    description:
      - The file of a certificate to show to servers that verify clients.
    type: path
  tls_key_path:
    description:
      - The file of the private key of O(tls_certificate_path), without a passphrase.
    type: path
  tls_server_name:
    description:
      - The name that the certificate of the servers has to be for. The default is the host in the URL.
    type: str
  tls_handshake_first:
    description:
      - Begin with the TLS handshake, for servers that are set so (C(handshake_first)).
    type: bool
    default: false
  connect_timeout:
    description:
      - How long one attempt to connect to a server may take.
    type: str
    default: 5s
"""

EXAMPLES = r"""
- name: Insist on creds that work on every server
  natsops.security.nats_creds_info:
    paths: [/etc/orders/nats.creds]
    servers: [tls://n1.example.com:4222, tls://n2.example.com:4222]
  register: tried
  failed_when: not tried.connected
"""

RETURN = r"""
connected:
  description: Whether every server lets every user in.
  returned: success
  type: bool
users:
  description: The users, in the order of O(paths).
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: The creds file.
      type: str
    name:
      description: The name of the user.
      type: str
    public_key:
      description: Its public key.
      type: str
    account:
      description: The public key of its account.
      type: str
    issuer:
      description: The key that signed its JWT.
      type: str
    issued_at:
      description: When its JWT was issued, in unix seconds.
      type: int
    connected:
      description: Whether every server lets it in.
      type: bool
    reason:
      description:
        - V(connected), or what is in the way, V(expired), V(not_yet_valid), V(revoked), V(unknown_signer), V(refused) where a server refuses it for a
          reason of its own, or V(unreachable).
      type: str
    message:
      description: The same in words, for each server where there is more than one answer.
      type: str
  sample: [{"path": "/etc/orders/nats.creds", "name": "orders", "connected": false, "reason": "expired", "message": "its JWT expired at 2026-01-31T12:00:00Z"}]
"""

from typing import Any

from ansible_collections.natsops.security.plugins.module_utils.base.compile_once import compile_once

compile_once()

from ansible.module_utils.basic import missing_required_lib

from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.claims import Claims
from ansible_collections.natsops.security.plugins.module_utils.cluster import trying
from ansible_collections.natsops.security.plugins.module_utils.cluster.connection import (
    NATS_IMPORT_ERROR,
    Login,
    Options,
    nats_problem,
    new_inbox,
)
from ansible_collections.natsops.security.plugins.module_utils.keys.nkey import KeyPair
from ansible_collections.natsops.security.plugins.module_utils.tasks import cluster_options as options
from ansible_collections.natsops.security.plugins.module_utils.tasks.task import (
    CarefulModule,
    keep_secrets_of,
    now,
    run,
)
from ansible_collections.natsops.security.plugins.module_utils.token import codec, decorated


def _task(module: CarefulModule) -> dict[str, Any]:
    if NATS_IMPORT_ERROR is not None:
        module.fail_json(msg=missing_required_lib("nats-py>=2.16"), exception=NATS_IMPORT_ERROR)
    if nats_problem():
        raise NatsSecurityError(nats_problem())
    accounts = [_account(jwt, index) for index, jwt in enumerate(module.params["account_jwts"])]
    known = {account.subject: account for account in accounts}
    users = [_try(module, path, index, known) for index, path in enumerate(module.params["paths"])]
    return {"changed": False, "users": users, "connected": all(user["connected"] for user in users)}


def _account(jwt: str, index: int) -> Claims:
    claims = codec.decode(jwt)
    if claims.kind != "account":
        raise NatsSecurityError(
            f"account_jwts[{index}]: this is the JWT of another thing than an account, {claims.kind}."
        )
    return claims


def _try(module: CarefulModule, path: str, index: int, accounts: dict[str, Claims]) -> dict[str, Any]:
    claims, pair, jwt = _creds(module, path, f"paths[{index}]")
    account = claims.body.issuer_account or claims.issuer
    fault = trying.fault_of(claims, accounts.get(account), now())
    answers = [fault] if fault is not None else trying.try_servers(_options(module, Login(jwt, pair)))
    wrong = [answer for answer in answers if answer.reason != trying.CONNECTED]
    return {
        "path": path,
        "name": claims.name,
        "public_key": claims.subject,
        "account": account,
        "issuer": claims.issuer,
        "issued_at": claims.issued_at,
        "connected": not wrong,
        "reason": wrong[0].reason if wrong else trying.CONNECTED,
        "message": "; ".join(answer.message for answer in (wrong or answers)),
    }


def _creds(module: CarefulModule, path: str, option: str) -> tuple[Claims, KeyPair, str]:
    text = module.snapshot.read(path, f"{option}: the creds")
    if text is None:
        raise NatsSecurityError(f"{option}: there is no file {path}.")
    keep_secrets_of(module, text)
    try:
        pair, jwt = decorated.seed_in(text), decorated.token_in(text)
        claims = codec.decode(jwt)
    except NatsSecurityError as error:
        raise NatsSecurityError(f"{option}: {path} does not hold the creds of a user. {error}") from None
    if claims.kind != "user" or claims.subject != pair.public_key:
        raise NatsSecurityError(f"{option}: JWT and seed in {path} do not belong together.")
    return claims, pair, jwt


def _options(module: CarefulModule, login: Login) -> Options:
    params = module.params
    return Options(
        servers=tuple(params["servers"]),
        login=lambda: login,
        inbox=new_inbox(),
        connect_timeout=options.seconds(module, "connect_timeout"),
        tls=options.tls_context(module),
        tls_server_name=params["tls_server_name"],
        tls_handshake_first=params["tls_handshake_first"],
    )


def main() -> None:
    """Run the module."""
    run(
        _task,
        argument_spec={
            "paths": {"type": "list", "elements": "path", "required": True},
            "servers": {"type": "list", "elements": "str", "required": True},
            "account_jwts": {"type": "list", "elements": "str", "default": []},
            "tls_ca_path": {"type": "path"},
            "tls_certificate_path": {"type": "path"},
            "tls_key_path": {"type": "path", "no_log": False},
            "tls_server_name": {"type": "str"},
            "tls_handshake_first": {"type": "bool", "default": False},
            "connect_timeout": {"type": "str", "default": "5s"},
        },
        required_together=[("tls_certificate_path", "tls_key_path")],
    )


if __name__ == "__main__":
    main()
