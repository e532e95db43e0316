#!/usr/bin/python
# Copyright (c) 2026 NatsOps authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module: the accounts that a live cluster has."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nats_resolver
version_added: 0.1.0
short_description: Reconcile the accounts of a live NATS cluster
description:
  - Pushes account JWTs to all servers with a full resolver, or deletes accounts from them, over one connection.
  - Everything is checked before the first change. Accounts that all servers hold already are not pushed again, and the task fails without a change if
    a JWT has expired, is signed by a key that the running servers do not trust, breaks a rule of the server, or is older than what a server holds.
  - An answer of a server is not relied on. After a change, every account is looked up again until all servers hold the same JWT; otherwise the
    task fails and names server and account. In a cluster, servers are made to load accounts that were pushed, up to 1,000 in a task, to check that they can.
  - An account that a server has loaded as expired although its JWT has not expired, so that its users are refused until another JWT is pushed, is found and
    loaded again; so is one whose file the server lost while it ran. The task warns of imports that servers will drop because no account exports
    them or because they form a cycle, and of claims that servers refuse although they store the JWT, such as an expiry more than 292 years from now.
  - The task warns of claims that the version of a server does not enforce, by claim, account and server, with O(store_path) also those
    of users. The collection has a list of them in C(docs/server-versions.md).
  - Accounts pushed to a server with a memory or URL resolver would be lost when it restarts, so that is an error. A cache resolver fetches accounts on
    demand from servers with a full one.
  - If the new JWT of an account lacks a signing key, or revokes a user, servers close the connections of these users. The task warns of clients that are
    connected by JWTs of such a signing key, and pushes, because a push that removes a stolen key must not wait for clients.
    M(natsops.security.nats_store) refuses this before it signs the JWT, see O(natsops.security.nats_store#module:cluster) and
    O(natsops.security.nats_store#module:cut_off).
  - Servers do not record deletions. A server that is down during a deletion restores the account when it is up again; see O(expected_servers).
extends_documentation_fragment:
  - natsops.security.attributes
  - natsops.security.attributes.actiongroup_nats
  - natsops.security.connection
  - natsops.security.connection.tls
  - natsops.security.connection.accounts
  - natsops.security.signers
author: NatsOps authors (@natsops)
requirements: [nkeys, "nats-py >= 2.16"]
attributes:
  action_group:
    membership:
      - natsops.security.nats
      - natsops.security.servers
      - natsops.security.system_account
      - natsops.security.signers
      - natsops.security.signing
  diff_mode:
    details: The claims of the accounts that change, by their public keys.
  safe_file_operations:
    support: N/A
    details: It changes no files.
options:
  state:
    description:
      - With V(present), the accounts of the task are on every server, and others are not changed.
      - With V(absent), they are on no server.
      - With V(exact), they are on every server, and all others except for the system account are removed.
      - Removing accounts requires O(signer_path), O(signer_seed) or O(signers), and C(allow_delete) in the configuration of the resolvers.
    type: str
    choices: [present, absent, exact]
    default: present
  public_keys:
    description:
      - The public keys of accounts, with O(state=absent), if their JWTs are not available.
    type: list
    elements: str
    default: []
  absent_public_keys:
    description:
      - The public keys of accounts to ignore in O(store_path), O(jwts) and O(jwt_paths), such as those that
        M(natsops.security.nats_store) would remove in check mode.
    type: list
    elements: str
    default: []
  report_extra:
    description:
      - With O(state=present), look for accounts on servers that are not accounts of the task. They are kept, returned with the action V(extra), and named in a
        warning.
      - Servers then verify every JWT that they hold, which takes about 2.5 seconds for 10,000 accounts.
    type: bool
    default: false
  signer_path:
    description:
      - The seed file of the operator's key, or of one of its signing keys, that signs deletions. A strict operator requires a signing key.
      - A folder is searched for the seed of a key that the servers trust, as C(PUBLICKEY.nk) in it or where nsc keeps it in its keystore.
    type: path
  signer_seed:
    description:
      - The seed of the key that signs deletions, for example from a vault.
    type: str
  force:
    description:
      - Also remove accounts that have connections or JetStream data. Their clients are disconnected.
      - It never removes the system account, and never pushes an older JWT over a newer one.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Push all accounts of a store, and wait until every server has them
  natsops.security.nats_resolver:
    servers: [tls://n1.example.com:4222, tls://n2.example.com:4222]
    expected_servers: [n1, n2, n3]
    store_path: /etc/nats/stores/ACME
    system_signer_path: /etc/nats/keys
    tls_ca_path: /etc/nats/ca.pem

- name: Push one account
  natsops.security.nats_resolver:
    servers: [nats://localhost:4222]
    creds_path: /etc/nats/sys.creds
    jwts: ["{{ app.jwt }}"]

- name: Remove accounts that are no longer in the store
  natsops.security.nats_resolver:
    servers: [nats://localhost:4222]
    store_path: /etc/nats/stores/ACME
    system_signer_path: /etc/nats/keys
    signer_path: /etc/nats/keys
    state: exact

- name: Remove one account, even while clients are connected
  natsops.security.nats_resolver:
    servers: [nats://localhost:4222]
    creds_path: /etc/nats/sys.creds
    public_keys: [ACNGDPHTAUYCSRSTT3LL3NOA6DXG2ZOJJD3KNRQTCTLZLCXW5WBGAF2O]
    signer_path: /etc/nats/acme.nk
    state: absent
    force: true

- name: Push to an account server
  natsops.security.nats_resolver:
    account_server_url: http://localhost:9090/jwt/v1
    jwt_paths: [/etc/nats/app.jwt]
"""

RETURN = r"""
accounts:
  description: What was done with each account, even if the task fails after the first change; in check mode, what would be done.
  returned: success, and failure after the first change
  type: list
  elements: dict
  contains:
    public_key:
      description: The account.
      type: str
    name:
      description: Its name, if it is known.
      type: str
    action:
      description:
        - One of V(unchanged), V(pushed), V(removed), V(absent) for one that was on no server, and V(extra) for one that is kept, see O(report_extra).
        - After a failure also V(not pushed) and V(not removed), and V(unknown) if servers were asked for the change and did not answer. The next run checks
          the servers again.
      type: str
    reasons:
      description: Why it was pushed or removed.
      type: list
      elements: str
    servers:
      description:
        - What each server holds afterwards, by the server's name. V(held) if it had the same before, V(updated), V(removed), V(absent), V(on demand) for a
          cache resolver, V(no answer), V(not sent), or what the server answered when it refused.
      type: dict
  sample:
    - public_key: ACNGDPHTAUYCSRSTT3LL3NOA6DXG2ZOJJD3KNRQTCTLZLCXW5WBGAF2O
      name: app
      action: pushed
      reasons: ["limits.connections: 10 -> 20"]
      servers: {"n1": "updated", "n2": "updated", "n3": "updated"}
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
    account_count:
      description: How many accounts it holds, if they were listed.
      type: int
  sample: [{"name": "n1", "version": "2.15.1", "resolver": "full"}]
"""

from typing import Any

from ansible_collections.natsops.security.plugins.module_utils.base.compile_once import compile_once

compile_once()

from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.cluster import (
    account_server,
    cluster_accounts,
    system_connection,
)
from ansible_collections.natsops.security.plugins.module_utils.cluster.cluster_accounts import (
    ClusterError,
    Outcome,
    Task,
)
from ansible_collections.natsops.security.plugins.module_utils.keys.signers import Signer
from ansible_collections.natsops.security.plugins.module_utils.tasks import cluster_options
from ansible_collections.natsops.security.plugins.module_utils.tasks.options import SIGNER
from ansible_collections.natsops.security.plugins.module_utils.tasks.task import CarefulModule, run
from ansible_collections.natsops.security.plugins.module_utils.tasks.tokens import signer_among


def _task(module: CarefulModule) -> dict[str, Any]:
    params = module.params
    state = params["state"]
    cluster_options.require_nats(module)
    layout = cluster_options.store_layout(module)
    operator = cluster_options.read_operator(module, layout)
    accounts = cluster_options.read_accounts(module, layout)
    wanted = cluster_options.without_absent(module, accounts)
    if params["account_server_url"] is not None:
        server = cluster_options.account_server(module)
        try:
            return account_server.bring_in_line(server, wanted, operator, module.check_mode)
        except account_server.PartlyDone as error:
            module.fail_json(msg=str(error), **error.result)
    task = Task(
        state=state,
        wanted=[] if state == "absent" else wanted,
        absent=cluster_options.read_public_keys(module, accounts) if state == "absent" else [],
        operator=operator,
        signer=_signer(module),
        force=params["force"],
        check=module.check_mode,
        expected_servers=params["expected_servers"],
        with_claims=module._diff,
        users=lambda: cluster_options.read_users(module, layout, wanted if state != "absent" else ()),
        report_extra=params["report_extra"],
    )
    subjects = cluster_accounts.SUBJECTS_OF[state]
    how = cluster_options.connection_options(module, accounts, operator, subjects)
    try:
        outcome = system_connection.run(how, lambda connection: cluster_accounts.bring_in_line(connection, task))
    except ClusterError as error:
        module.fail_json(msg=str(error), **_result(module, error.outcome))
    return _result(module, outcome)


def _signer(module: CarefulModule) -> Any:
    if not any(module.params[option] for option in SIGNER.spec):
        return None

    def find(allowed: list[str]) -> Signer | None:
        return signer_among(module, "operator", allowed)

    return find


def _result(module: CarefulModule, outcome: Outcome) -> dict[str, Any]:
    for warning in outcome.warnings:
        module.warn(warning)
    result = cluster_accounts.describe_outcome(outcome)
    if module._diff:
        result["diff"] = {"before": outcome.before, "after": outcome.after}
    return result


def main() -> None:
    """Run the module."""
    run(
        _checked,
        argument_spec=dict(
            **cluster_options.connection_spec(),
            **cluster_options.accounts_spec(),
            **SIGNER.spec,
            state={"type": "str", "choices": ["present", "absent", "exact"], "default": "present"},
            force={"type": "bool", "default": False},
            absent_public_keys={"type": "list", "elements": "str", "default": [], "no_log": False},
            report_extra={"type": "bool", "default": False},
        ),
        required_one_of=cluster_options.ONE_OF,
        mutually_exclusive=[*cluster_options.EXCLUSIVE, *SIGNER.exclusive],
        required_together=cluster_options.TOGETHER,
        if_missing={"changed": True, "servers": [], "accounts": []},
    )


def _checked(module: CarefulModule) -> dict[str, Any]:
    params = module.params
    if params["account_server_url"] is not None and params["state"] != "present":
        raise NatsSecurityError(
            f"state: an account server can't remove accounts, so {params['state']} is not possible."
        )
    if params["public_keys"] and params["state"] != "absent":
        raise NatsSecurityError(
            "public_keys is supported only with state=absent; give the JWTs of the accounts to push."
        )
    if params["absent_public_keys"] and params["state"] == "absent":
        raise NatsSecurityError(
            "absent_public_keys is supported only with state=present and state=exact; with state=absent, use public_keys."
        )
    return _task(module)


if __name__ == "__main__":
    main()
