#!/usr/bin/python
# Copyright (c) 2026 NatsOps authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module: the connections of an account on every server of a live cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nats_connections
version_added: 0.1.0
short_description: List and close connections of the users of an account on every server of a live NATS cluster
description:
  - Asks every server for the connections of an account, including leaf node, MQTT and websocket connections, and returns those of the users that the
    task names, with their addresses, clients and start times. Connections that servers remember as closed are returned too.
  - The user of a connection is identified by the JWT that the server accepted, never by a name that the client sends.
  - Closing a connection does not prevent the client from connecting again. Use M(natsops.security.nats_revocation) to revoke its user.
extends_documentation_fragment:
  - natsops.security.attributes
  - natsops.security.attributes.actiongroup_nats
  - natsops.security.connection
  - natsops.security.connection.tls
  - natsops.security.connection.accounts
author: NatsOps authors (@natsops)
requirements: [nkeys, "nats-py >= 2.16"]
attributes:
  action_group:
    membership:
      - natsops.security.nats
      - natsops.security.servers
      - natsops.security.system_account
  diff_mode:
    details: The connections that are closed.
  safe_file_operations:
    support: N/A
    details: It changes no files.
notes:
  - An account server has no connections, so O(account_server_url) is an error here.
options:
  state:
    description:
      - With V(listed), the connections are returned and stay open. With V(absent), they are closed, and servers are asked again until none is left.
      - With V(absent), the task fails if one is left after O(timeout), or if a server does not list its connections.
    type: str
    choices: [listed, absent]
    default: listed
  account:
    description:
      - The public key of the account. It may be omitted with O(identity_keys), for all accounts, if O(users), O(revoked) and O(issuers) are omitted too.
    type: str
  users:
    description:
      - The public keys of users, or V(*) for all of the account. The default, if O(revoked), O(issuers) and O(identity_keys) are omitted too, is all.
    type: list
    elements: str
  revoked:
    description:
      - Public keys of users, or V(*), with the time up to which their JWTs are revoked. Only connections with such a JWT are selected, not those of a user
        with a JWT that was issued later.
    type: dict
  issuers:
    description:
      - Public keys of signing keys. Connections with a JWT that one of them signed are selected, except that of the task itself if it connects as a
        temporary user.
    type: list
    elements: str
  identity_keys:
    description:
      - Connections with a JWT that the identity key of their account signed are selected. With C(strict_signing_key_usage) of the operator, servers refuse
        these JWTs. Temporary users of tasks are not selected, but the user of O(creds_path) is. To close connections, use another user.
    type: bool
    default: false
  since:
    description:
      - The time from which RV(closed_since) and RV(seconds) count, in unix seconds or RFC 3339. The default is when the task starts.
      - With O(state=absent), connections that servers closed since then because their users were revoked count as changed too.
    type: str
  expected_servers:
    description:
      - The names of the servers that have to answer. The task does its work on those that answer, and then fails if one of these did not.
"""

EXAMPLES = r"""
- name: List the connections that servers of a strict operator would refuse
  natsops.security.nats_connections:
    servers: [tls://n1.example.com:4222]
    creds_path: /etc/nats/sys.creds
    identity_keys: true

- name: List the connections of the account
  natsops.security.nats_connections:
    servers: [tls://n1.example.com:4222]
    creds_path: /etc/nats/sys.creds
    account: ACNGDPHTAUYCSRSTT3LL3NOA6DXG2ZOJJD3KNRQTCTLZLCXW5WBGAF2O

- name: Close the connections of a user that was revoked, and require all three servers
  natsops.security.nats_connections:
    servers: [tls://n1.example.com:4222]
    expected_servers: [n1, n2, n3]
    store_path: /etc/nats/stores/ACME
    system_signer_path: /etc/nats/keys
    account: ACNGDPHTAUYCSRSTT3LL3NOA6DXG2ZOJJD3KNRQTCTLZLCXW5WBGAF2O
    revoked:
      UDAUGD2567MCKGLKERIAYKLXZJK6QZVHWBOXB3L7I2ABPF3ZMYEWQDWK: "2027-01-31T12:00:00Z"
    state: absent
"""

RETURN = r"""
connections:
  description: The connections. Open ones are first, then those that servers remember as closed, the last one first.
  returned: success, and failure once servers have answered
  type: list
  elements: dict
  contains:
    server:
      description: The name of the server.
      type: str
    id:
      description: The number of the connection on that server.
      type: int
    account:
      description: The public key of its account.
      type: str
    user:
      description: The public key of the user.
      type: str
    name:
      description: The name in its JWT.
      type: str
    address:
      description: Where it comes from.
      type: str
    client:
      description: The name, language and version that the client reports.
      type: str
    kind:
      description: V(nats), V(mqtt), V(websocket) or V(Leafnode).
      type: str
    connected_at:
      description: Since when.
      type: str
    issuer:
      description: The key that signed its JWT.
      type: str
    issued_at:
      description: When its JWT was issued. Omitted for bearer tokens, which servers do not show.
      type: str
    kicked:
      description: Whether the task made the server close it, or would in check mode.
      type: bool
    closed_at:
      description: When it was closed. Only if it is.
      type: str
    reason:
      description: Why it was closed, in the server's words, such as V(Credentials Revoked).
      type: str
  sample: [{"server": "n1", "id": 12, "name": "dashboard", "address": "192.0.2.7:51820", "connected_at": "2027-01-31T11:00:00Z"}]
open:
  description: How many connections are open.
  returned: success, and failure once servers have answered
  type: int
  sample: 0
closed_since:
  description: How many connections servers closed since O(since), without those that clients closed themselves.
  returned: success, and failure once servers have answered
  type: int
  sample: 2
seconds:
  description: How many seconds after O(since) the last of these was closed, by the clock of its server.
  returned: success, and failure once servers have answered
  type: float
  sample: 0.731
servers:
  description: The names of the servers that answered.
  returned: success, and failure once servers have answered
  type: list
  elements: str
  sample: [n1, n2]
missing_servers:
  description: The names of O(expected_servers) that did not answer.
  returned: success, and failure once servers have answered
  type: list
  elements: str
  sample: [n3]
"""

from ansible_collections.natsops.security.plugins.module_utils.base.compile_once import compile_once

compile_once()

from ansible_collections.natsops.security.plugins.module_utils.tasks import cluster_options
from ansible_collections.natsops.security.plugins.module_utils.tasks.connections import connections_task
from ansible_collections.natsops.security.plugins.module_utils.tasks.task import run


def main() -> None:
    """Run the module."""
    accounts = {name: spec for name, spec in cluster_options.accounts_spec().items() if name != "public_keys"}
    run(
        connections_task,
        argument_spec=dict(
            **cluster_options.connection_spec(),
            **accounts,
            state={"type": "str", "choices": ["listed", "absent"], "default": "listed"},
            account={"type": "str"},
            users={"type": "list", "elements": "str"},
            revoked={"type": "dict"},
            issuers={"type": "list", "elements": "str", "no_log": False},
            identity_keys={"type": "bool", "default": False, "no_log": False},
            since={"type": "str"},
        ),
        required_one_of=cluster_options.ONE_OF,
        mutually_exclusive=cluster_options.EXCLUSIVE,
        required_together=cluster_options.TOGETHER,
        if_missing={
            "connections": [],
            "open": 0,
            "closed_since": 0,
            "seconds": 0.0,
            "servers": [],
            "missing_servers": [],
        },
    )


if __name__ == "__main__":
    main()
