#!/usr/bin/python
# Copyright (c) 2026 NatsOps authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module: why servers refuse a user."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nats_diagnose
version_added: 0.1.0
short_description: Find out why NATS servers refuse a user, and what to do
description:
  - Connects to every server as the user, and disconnects. A server that refuses a user answers C(Authorization Violation) for any reason.
    This module returns the reason and an advice for each server, and how servers differ.
  - Reasons in the creds themselves are found without further options. With a store (O(store_path)) or the JWT of the account (O(jwts)), reasons in the account
    are found too. With access to the system account (such as O(creds_path) or O(system_signer_path)), the module also reads which JWT of the account each
    server holds, which operator it trusts and what time it has.
  - Creds that cannot be correct, such as those with the seed of another key, are not sent to any server.
  - It changes nothing.
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
      - natsops.security.keystores
      - natsops.security.servers
      - natsops.security.system_account
author: NatsOps authors (@natsops)
requirements: [nkeys, "nats-py >= 2.16 (with access to the system account)"]
notes:
  - Clients do not connect to an account server, so O(account_server_url) is an error here.
  - Access to the system account is optional here. The options for it are those of M(natsops.security.nats_resolver_info).
  - To check the times of a user in a named time zone, this host needs its time zone data and Python 3.9 or later.
options:
  user_creds_path:
    description:
      - The creds file of the user that is refused. One of this, O(user_creds) and O(user) is needed.
    type: path
  user_creds:
    description:
      - The creds of the user themselves.
    type: str
  user:
    description:
      - The user in the store O(store_path), as V(ACCOUNT/USER) or by its public key. It connects with its creds in O(keys_dir), or if there are none, with its
        JWT in the store and its seed in O(keys_dir).
    type: str
  keys_dir:
    description:
      - The folder of the keystore, for O(user). Defaults to that of C(nsc), C($NKEYS_PATH) or C($XDG_DATA_HOME/nats/nsc/keys).
    type: path
  connect_as:
    description:
      - How the user connects. With V(leafnode), O(servers) are URLs of ports for leaf nodes; with V(mqtt), of ports for MQTT, whose clients send the JWT as
        their password. Websockets are chosen by the URL, V(ws) or V(wss).
    type: str
    choices: [client, leafnode, mqtt]
    default: client
  actions:
    description:
      - What the user has to be able to do once it is connected. If it lacks a permission for it, the cause is V(permission_missing). Nothing is published to
        find out; the claims that the server holds are checked, or the permissions that it reports to the user.
      - Each has one of C(publish), C(subscribe), C(request), C(stream), C(kv) and C(object_store).
    type: list
    elements: dict
    default: []
    suboptions:
      publish:
        description:
          - A subject to publish to. With wildcards, all subjects that they cover.
        type: str
      subscribe:
        description:
          - A subject to subscribe to.
        type: str
      queue:
        description:
          - The queue group of the subscription.
        type: str
      request:
        description:
          - A subject to send requests to, whose answers have to arrive as well.
        type: str
      inbox:
        description:
          - Where answers arrive. The default is V(_INBOX.>); set another one for clients that have an inbox prefix of their own.
        type: str
      stream:
        description:
          - A JetStream stream to read from. To publish into it, use C(publish).
        type: str
      kv:
        description:
          - A bucket of the key-value store.
        type: str
      object_store:
        description:
          - A bucket of the object store.
        type: str
      access:
        description:
          - The access to it, V(read) or V(manage) a stream, V(read), V(write) or V(watch) a key-value bucket, V(read) or V(write) an object store. All if
            omitted.
        type: list
        elements: str
        choices: [read, write, watch, manage]
  fail_if_refused:
    description:
      - Fail if a server refuses the user, or does not allow one of O(actions). Otherwise the task succeeds and the result shows it.
    type: bool
    default: false
  expected_servers:
    description:
      - The names of servers that have to answer. RV(missing_servers) has those that were neither connected to nor answered the system account.
"""

EXAMPLES = r"""
- name: Find out why the application cannot connect
  natsops.security.nats_diagnose:
    user_creds_path: /etc/orders/nats.creds
    servers: [tls://n1.example.com:4222, tls://n2.example.com:4222]
  register: orders

- name: Find out which permissions the user lacks to read its configuration and to receive orders
  natsops.security.nats_diagnose:
    user_creds_path: /etc/orders/nats.creds
    servers: [tls://n1.example.com:4222]
    actions:
      - {kv: config, access: [read, watch]}
      - {subscribe: orders.new, queue: workers}
      - {request: prices.get}

- name: Ask the servers too, and fail if one refuses the user
  natsops.security.nats_diagnose:
    user: APP/orders
    store_path: /etc/nats/stores/ACME
    keys_dir: /etc/nats/keys
    system_signer_path: /etc/nats/keys
    servers: [tls://n1.example.com:4222, tls://n2.example.com:4222]
    fail_if_refused: true
"""

RETURN = r"""
connected:
  description: Whether every server accepts the user.
  returned: success, and failure of O(fail_if_refused)
  type: bool
cause:
  description:
    - V(connected), or the cause of the first server that refuses the user. RV(servers[].cause) lists the values.
  returned: success, and failure of O(fail_if_refused)
  type: str
  sample: revoked
message:
  description: What is wrong and what to do, for all servers.
  returned: success, and failure of O(fail_if_refused)
  type: str
  sample: The JWT of the user orders expired at 2027-01-31T12:00:00Z; it is 2027-02-01T08:00:00Z there. Issue the user again with a later expiry.
servers:
  description: The result of each server, in the order of O(servers).
  returned: success, and failure of O(fail_if_refused)
  type: list
  elements: dict
  contains:
    url:
      description: The URL, without credentials.
      type: str
    name:
      description: The name of the server; empty if it did not report it.
      type: str
    version:
      description: Its version.
      type: str
    connected:
      description: Whether it accepts the user.
      type: bool
    cause:
      description:
        - V(connected), or the cause.
        - "In the creds: V(malformed_token), V(not_a_user), V(malformed_seed), V(wrong_seed), V(malformed_creds) if clients cannot
          parse them, V(expired), V(not_yet_valid), V(invalid_claims)."
        - "In the account and the operator: V(unknown_account), V(account_outdated), V(account_not_loaded), V(account_expired), V(account_not_yet_valid),
          V(account_invalid), V(untrusted_operator_key), V(other_operator), V(unknown_signer), V(strict_mode), V(scope_conflict), V(revoked),
          V(bearer_forbidden), V(auth_callout)."
        - "In the way, place or time of connecting: V(connection_type), V(mqtt_needs_bearer), V(source_network), V(hours), V(proxy_required)."
        - "Limits: V(account_connection_limit), V(server_connection_limit), V(subscription_limit), V(token_too_long)."
        - "On the network: V(unresolvable), V(closed_port), V(unreachable), V(no_answer), V(wrong_port), V(not_nats), V(not_operator_mode),
          V(protocol), V(tls_first), V(tls_not_first), V(tls_not_offered), V(tls_untrusted), V(tls_name), V(tls_client_certificate), V(tls_failed)."
        - V(permission_missing) and V(jetstream_disabled) if it is connected, but may not do one of O(actions).
        - V(refused) if nothing that is known explains it.
      type: str
    message:
      description: The same in a sentence.
      type: str
    advice:
      description: What to do.
      type: str
    basis:
      description:
        - The source of the cause, V(creds), V(server) (what it holds or answers), V(store) (the store shows it, and the server was not asked), or V(none).
      type: str
    notes:
      description:
        - Other observations, such as a clock that is wrong, an account that is older than that in the store, or claims of the user and its account that
          the server is too old to enforce.
      type: list
      elements: str
    clock_difference:
      description: How many seconds the clock of the server is ahead of that of this host. Not known without access to the system account.
      type: float
    account_issued_at:
      description: When the JWT of the account on the server was issued. Not known without access to the system account.
      type: str
    actions:
      description:
        - For each of O(actions), if the user is connected, whether it is C(allowed) (null if that is not known), and what is C(missing), each with the subject
          as C(publish) or C(subscribe), and with C(reason). C(basis) is as for the cause.
      type: list
      elements: dict
    error:
      description: The answer of the server, or the error of the network.
      type: str
  sample:
    - url: nats://n1.example.com:4222
      name: n1
      connected: false
      cause: account_outdated
      message: The server n1 holds the JWT of the account APP issued at 2027-01-31T12:00:00Z, the store has one issued at 2027-02-01T08:00:00Z.
      advice: Push the account, with nats_resolver or the role resolver.
differences:
  description: How servers differ, such as in the cause, or in the JWT of the account that they hold.
  returned: success, and failure of O(fail_if_refused)
  type: list
  elements: str
  sample: ["n1: connected; n2: unknown_account"]
missing_servers:
  description: The names of O(expected_servers) that were neither connected to nor answered the system account.
  returned: success, and failure of O(fail_if_refused)
  type: list
  elements: str
  sample: [n3]
user:
  description: The user in the JWT; null if that cannot be read.
  returned: success, and failure of O(fail_if_refused)
  type: dict
  contains:
    name:
      description: Its name.
      type: str
    public_key:
      description: Its public key.
      type: str
    account:
      description: The public key of the account that servers look up for it.
      type: str
    issuer:
      description: The key that signed its JWT.
      type: str
    issued_at:
      description: When the JWT was issued.
      type: str
    expires:
      description: When the JWT expires; empty if it does not.
      type: str
  sample: {"name": "orders", "issued_at": "2027-01-31T12:00:00Z", "expires": ""}
"""

from ansible_collections.natsops.security.plugins.module_utils.base.compile_once import compile_once

compile_once()

from ansible_collections.natsops.security.plugins.module_utils.tasks import cluster_options
from ansible_collections.natsops.security.plugins.module_utils.tasks.diagnose import diagnose_task
from ansible_collections.natsops.security.plugins.module_utils.tasks.task import run


def main() -> None:
    """Run the module."""
    accounts = {name: spec for name, spec in cluster_options.accounts_spec().items() if name != "public_keys"}
    run(
        diagnose_task,
        argument_spec=dict(
            **cluster_options.connection_spec(),
            **accounts,
            user_creds_path={"type": "path"},
            user_creds={"type": "str", "no_log": True},
            user={"type": "str"},
            keys_dir={"type": "path", "no_log": False},
            connect_as={"type": "str", "choices": ["client", "leafnode", "mqtt"], "default": "client"},
            actions={
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    **{
                        name: {"type": "str"}
                        for name in (
                            "publish",
                            "subscribe",
                            "queue",
                            "request",
                            "inbox",
                            "stream",
                            "kv",
                            "object_store",
                        )
                    },
                    "access": {"type": "list", "elements": "str", "choices": ["read", "write", "watch", "manage"]},
                },
            },
            fail_if_refused={"type": "bool", "default": False},
        ),
        required_one_of=[*cluster_options.ONE_OF, ("user_creds_path", "user_creds", "user")],
        mutually_exclusive=[*cluster_options.EXCLUSIVE, ("user_creds_path", "user_creds", "user")],
        required_together=cluster_options.TOGETHER,
        required_by={"user": ["store_path"]},
        if_missing={
            "connected": None,
            "cause": None,
            "message": "",
            "servers": [],
            "differences": [],
            "missing_servers": [],
            "user": None,
        },
    )


if __name__ == "__main__":
    main()
