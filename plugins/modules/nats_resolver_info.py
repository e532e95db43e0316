#!/usr/bin/python
# Copyright (c) 2026 NatsOps authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module: which servers a live cluster has, and which accounts they hold."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nats_resolver_info
version_added: 0.1.0
short_description: List and look up the accounts of a live NATS cluster
description:
  - Reports which servers answer, with their versions, resolvers and the operators that they trust, and which JWT each one holds for every account.
  - Compares the servers with each other, and with JWTs, files or a store if these are given.
  - The JWTs that servers hold are read and verified. One that does not verify is part of the result, not an error.
extends_documentation_fragment:
  - natsops.security.attributes.info
  - natsops.security.attributes.actiongroup_nats
  - natsops.security.connection
  - natsops.security.connection.tls
  - natsops.security.connection.accounts
attributes:
  action_group:
    membership:
      - natsops.security.nats
      - natsops.security.servers
      - natsops.security.system_account
author: NatsOps authors (@natsops)
requirements: [nkeys, "nats-py >= 2.16"]
options:
  public_keys:
    description:
      - The public keys of accounts to look up. Without these, JWTs, files or a store, all accounts are looked up.
      - An account server can't list its accounts, so these or JWTs are needed with O(account_server_url).
    type: list
    elements: str
    default: []
  all_accounts:
    description:
      - Look up all accounts that servers hold, even if the task names some. Accounts that the task does not name are then differences too.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Read what every server holds
  natsops.security.nats_resolver_info:
    servers: [nats://localhost:4222]
    creds_path: /etc/nats/sys.creds
  register: cluster

- name: Fail if the cluster differs from the store
  natsops.security.nats_resolver_info:
    servers: [nats://localhost:4222]
    store_path: /etc/nats/stores/ACME
    system_signer_path: /etc/nats/keys
    all_accounts: true
  register: compared
  failed_when: compared.differences | length > 0
"""

RETURN = r"""
servers:
  description: The servers that answered.
  returned: success with O(servers)
  type: list
  elements: dict
  contains:
    id:
      description: The public key of the server, which is new at every start.
      type: str
    name:
      description: Its name, with the id if several servers have the same name.
      type: str
    host:
      description: Where it listens.
      type: str
    version:
      description: The version of nats-server.
      type: str
    cluster:
      description: The cluster that it is part of.
      type: str
    jetstream:
      description: Whether it has JetStream.
      type: bool
    resolver:
      description:
        - One of V(full), V(cache), V(memory or url), and V(none) for a server that is not in operator mode. V(unknown) if the server does not answer,
          or its answer cannot be read.
      type: str
    system_account:
      description: The public key of its system account.
      type: str
    operators:
      description: The operators that the running server trusts.
      type: list
      elements: dict
      contains:
        public_key:
          description: The operator.
          type: str
        name:
          description: Its name.
          type: str
        issued_at:
          description: When the JWT that the running server uses was issued.
          type: str
        signing_keys:
          description: Its signing keys.
          type: list
          elements: str
        strict_signing_key_usage:
          description: Whether accounts have to be signed by a signing key.
          type: bool
    account_count:
      description: How many accounts it holds. Null if it has no directory of accounts.
      type: int
  sample: [{"name": "n1", "version": "2.15.1", "resolver": "full", "account_count": 12}]
accounts:
  description: The accounts, in the order of their public keys.
  returned: success
  type: list
  elements: dict
  contains:
    public_key:
      description: The account.
      type: str
    name:
      description: Its name.
      type: str
    jwt:
      description: The JWT that most servers hold. Null if no server has a JWT of this account that verifies.
      type: str
    claims:
      description: The claims of that JWT, as in RV(natsops.security.nats_jwt_info#module:claims). Null if there is none.
      type: dict
    servers:
      description:
        - When the JWT that a server holds was issued, by the server's name. V(absent) if it has none, V(no JWT of it) if what it has does not verify or is
          another JWT, V(unknown) if that is not known.
      type: dict
    differences:
      description: How servers differ from each other, and from the JWT of the task, as sentences.
      type: list
      elements: str
  sample:
    - public_key: ACNGDPHTAUYCSRSTT3LL3NOA6DXG2ZOJJD3KNRQTCTLZLCXW5WBGAF2O
      name: app
      claims: {"name": "app"}
      servers: {"n1": "2026-11-24T12:00:00Z", "n2": "absent"}
      differences: ["n2 does not have it"]
differences:
  description: The differences of all accounts.
  returned: success
  type: list
  elements: str
  sample: ["account app (ACNG...): n2 does not have it"]
"""

from typing import Any

from ansible_collections.natsops.security.plugins.module_utils.base.compile_once import compile_once

compile_once()

from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.claims.comparison import show_claims
from ansible_collections.natsops.security.plugins.module_utils.cluster import cluster_accounts, info, system_connection
from ansible_collections.natsops.security.plugins.module_utils.cluster.account_server import read_account
from ansible_collections.natsops.security.plugins.module_utils.tasks import cluster_options
from ansible_collections.natsops.security.plugins.module_utils.tasks.task import CarefulModule, run


def _task(module: CarefulModule) -> dict[str, Any]:
    params = module.params
    cluster_options.require_nats(module)
    layout = cluster_options.store_layout(module)
    operator = cluster_options.read_operator(module, layout)
    accounts = cluster_options.read_accounts(module, layout)
    keys = cluster_options.read_public_keys(module, accounts)
    url = params["account_server_url"]
    if url is not None:
        if not keys or params["all_accounts"]:
            raise NatsSecurityError(
                "An account server can't list its accounts: name them by public_keys, jwts, jwt_paths or store_path."
            )
        server = cluster_options.account_server(module)
        found = {key: read_account(server, key) for key in keys}
        return _show(info.compare_account_server(server.shown, found, accounts))
    how = cluster_options.connection_options(module, accounts, operator, cluster_accounts.READING)
    everything = params["all_accounts"] or not keys
    expected = params["expected_servers"]
    return _show(
        system_connection.run(
            how, lambda connection: info.look_at(connection, keys, accounts, operator, expected, everything)
        )
    )


def _show(result: dict[str, Any]) -> dict[str, Any]:
    for account in result["accounts"]:
        account["claims"] = show_claims(account["claims"]) if account["claims"] is not None else None
    return result


def main() -> None:
    """Run the module."""
    run(
        _task,
        argument_spec=dict(
            **cluster_options.connection_spec(),
            **cluster_options.accounts_spec(),
            all_accounts={"type": "bool", "default": False},
        ),
        required_one_of=cluster_options.ONE_OF,
        mutually_exclusive=cluster_options.EXCLUSIVE,
        required_together=cluster_options.TOGETHER,
        if_missing={"servers": [], "accounts": [], "differences": []},
    )


if __name__ == "__main__":
    main()
