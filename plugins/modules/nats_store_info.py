#!/usr/bin/python
# Copyright (c) 2026 NatsOps authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module: a store as a document for nats_store."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nats_store_info
version_added: 0.1.0
short_description: Read a store of NATS keys and JWTs as a document
description:
  - Reads a store in the layout of C(nsc), made by any tool, as a document for M(natsops.security.nats_store), and reports when its tokens expire,
    which seeds it has and what is wrong.
  - M(natsops.security.nats_store) accepts the document and finds nothing to change, unless there are blocking problems. So an existing operation
    can be put under version control.
  - A store does not contain when tokens are to be renewed, so the document has C(expires_at). Replace it with C(expires_in) and C(renew_before) to have them
    renewed.
  - A revoked user that still has a JWT in the store is omitted from the document, because the document would issue it again.
  - A JWT that is not signed by a key of its parent, or that is filed under another name, is among the problems and not in the document. If the keystore
    has a record of the store, which M(natsops.security.nats_store) writes, the document is made from the recorded JWT instead.
extends_documentation_fragment:
  - natsops.security.attributes.info
  - natsops.security.attributes.in_process
  - natsops.security.attributes.actiongroup_nats
  - natsops.security.store
attributes:
  action_group:
    membership:
      - natsops.security.nats
      - natsops.security.stores
      - natsops.security.keystores
author: NatsOps authors (@natsops)
requirements: [nkeys]
options:
  store:
    description:
      - The name of the store's folder in O(stores_dir). May be omitted if there is only one.
    type: str
  connections:
    description:
      - RV(natsops.security.nats_connections#module:connections) of a task with O(natsops.security.nats_connections#module:identity_keys), for
        RV(strict_mode.connections).
    type: list
    elements: dict
"""

EXAMPLES = r"""
- name: Read the store of an operation that was run with nsc
  natsops.security.nats_store_info:
    stores_dir: /etc/nats/stores
    keys_dir: /etc/nats/keys
    store: ACME
  register: acme

- name: Put it under version control
  ansible.builtin.copy:
    content: "{{ acme.definition | to_nice_yaml(sort_keys=false) }}"
    dest: /srv/nats/acme.yml
    mode: "0644"

- name: Find connections by JWTs that identity keys signed
  natsops.security.nats_connections:
    servers: [tls://n1.example.com:4222]
    creds_path: /etc/nats/sys.creds
    identity_keys: true
  register: connected

- name: Find out what strict_signing_key_usage would break, and for which connections
  natsops.security.nats_store_info:
    stores_dir: /etc/nats/stores
    store: ACME
    connections: "{{ connected.connections }}"

- name: Fail if something expires within two weeks
  ansible.builtin.assert:
    that:
      - acme.entities | selectattr('expires_in_seconds', 'defined') | rejectattr('expires_in_seconds', 'none')
        | selectattr('expires_in_seconds', 'lt', 14 * 86400) | length == 0
"""

RETURN = r"""
definition:
  description: The document, in the form of O(natsops.security.nats_store#module:definition). Fields with their default value are omitted.
  returned: success
  type: dict
  sample: {"operator": {"name": "ACME", "signing_keys": [{"role": "main"}]}, "accounts": [{"name": "APP", "users": [{"name": "orders"}]}]}
entities:
  description: The operator, the accounts, the users, the signing keys and the curve keys of auth callouts.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: V(operator), V(account), V(user), V(signing_key), V(curve_key), of an auth callout if its role is recorded, or V(identity_key), of the
        operator while it is rotated.
      type: str
      sample: user
    name:
      description: The name; the role of a signing key, if it is known.
      type: str
      sample: orders
    account:
      description: The account of a user or signing key.
      type: str
      sample: APP
    path:
      description: The place in RV(definition), or the path of the file for what is not in it. Not for signing keys.
      type: str
      sample: accounts[0].users[0]
    public_key:
      description: The public key.
      type: str
      sample: UDAUGD2567MCKGLKERIAYKLXZJK6QZVHWBOXB3L7I2ABPF3ZMYEWQDWK
    seed:
      description: Whether its seed is in the keystore, or in the creds file of the user.
      type: bool
      sample: true
    generation:
      description:
        - V(current) for the key that signs for its role; in a rotation, V(next) for the one that will sign, and V(retiring) for the one that signed before.
          Only for signing keys, curve keys of an auth callout, and identity keys of an operator in a rotation. RV(definition) has the current ones.
      type: str
      sample: current
    retiring:
      description: In a rotation of the key of a user, the key that it had before, which is not revoked yet. Only in a rotation.
      type: str
      sample: UDAUGD2567MCKGLKERIAYKLXZJK6QZVHWBOXB3L7I2ABPF3ZMYEWQDWK
    creds:
      description: Whether there is a creds file. Only for users.
      type: bool
      sample: true
    revoked:
      description: Whether the user is revoked. Omitted if it is not.
      type: bool
      sample: true
    issuer:
      description: The public key that signed the token. Not for signing keys.
      type: str
      sample: ACWZNPNPQNNE5BU6F5X5OXXKFALUADF7B2E376XAWLSJYJ46F5HOVS34
    issued_at:
      description: When the token was issued. Not for signing keys.
      type: str
      sample: "2026-11-24T12:00:00Z"
    expires:
      description: When the token expires; null if it never expires. Not for signing keys.
      type: str
      sample: "2027-02-22T12:00:00Z"
    expires_in_seconds:
      description: The seconds until then, negative if the token has expired; null if it never expires. Not for signing keys.
      type: int
      sample: 7776000
problems:
  description:
    - What is wrong, with the C(path) in RV(definition) or on disk, and C(message). If C(blocking) is true, NATS refuses it.
  returned: success
  type: list
  elements: dict
  sample: [{"path": "accounts[0].exports[1].latency", "message": "applies only to services; omit it.", "blocking": true}]
strict_mode:
  description:
    - The effect that C(strict_signing_key_usage) of the operator would have on the store. Null if there is no JWT of the operator.
    - Connections by JWTs that identity keys signed are known only to servers, see O(connections).
  returned: success
  type: dict
  contains:
    enabled:
      description: Whether it is on.
      type: bool
      sample: false
    ready:
      description: Whether servers would refuse nothing in the store and none of O(connections) with it. M(natsops.security.nats_store) requires the former.
      type: bool
      sample: false
    operator_signing_key:
      description: Whether the operator has a signing key.
      type: bool
      sample: true
    accounts:
      description: The accounts that the operator's identity key signed.
      type: list
      elements: str
      sample: [APP]
    users:
      description: The users that the identity keys of their accounts signed, as C(ACCOUNT/USER).
      type: list
      elements: str
      sample: [APP/orders]
    activations:
      description:
        - The importing C(account) and the C(subject) of the imports with an activation that the identity key of the exporting account signed. Servers accept
          one that does not name the account that it was signed for, so its C(refused) is false, and it does not affect RV(strict_mode.ready).
      type: list
      elements: dict
      sample: [{"account": "PARTNER", "subject": "orders.create", "refused": true}]
    system_account:
      description: The name of the system account, if it has no signing key; null otherwise.
      type: str
      sample: SYS
    connections:
      description:
        - The connections by JWTs that the identity keys of their accounts signed, with C(server), C(account), C(user), C(name) and C(issuer). Null without
          O(connections).
      type: list
      elements: dict
      sample: [{"server": "n1", "account": "ACNG...", "user": "UDAU...", "name": "orders", "issuer": "ACNG..."}]
managed:
  description: Whether the operator's key is elsewhere (a managed store in nsc), so that accounts are self-signed here and the operator signs them there.
  returned: success
  type: bool
  sample: false
store_path:
  description: The folder of the store.
  returned: success
  type: str
  sample: /etc/nats/stores/ACME
"""

import dataclasses
from typing import Any, Callable

from ansible_collections.natsops.security.plugins.module_utils.base.compile_once import compile_once

compile_once()

from ansible_collections.natsops.security.plugins.module_utils.keys.keyring import Keyring
from ansible_collections.natsops.security.plugins.module_utils.store import apply
from ansible_collections.natsops.security.plugins.module_utils.store.inventory import take_inventory
from ansible_collections.natsops.security.plugins.module_utils.store.layout import only_store
from ansible_collections.natsops.security.plugins.module_utils.tasks.running import read_connections
from ansible_collections.natsops.security.plugins.module_utils.tasks.store_options import store_spec
from ansible_collections.natsops.security.plugins.module_utils.tasks.stores import lock_timeout, named_store
from ansible_collections.natsops.security.plugins.module_utils.tasks.task import CarefulModule, now, run


def _task(module: CarefulModule) -> dict[str, Any]:
    where = named_store(module.params, only_store)
    with apply.lock(where, lock_timeout(module.params), create=False, shared=True):
        found = take_inventory(where, Keyring((), [where.keys_dir]), now())
    given = module.params["connections"]
    connected = [one for one in read_connections("connections", given) if one.is_by_identity_key]
    if found.strict_mode is not None:
        found.strict_mode["connections"] = None if given is None else [dataclasses.asdict(one) for one in connected]
        found.strict_mode["ready"] = found.strict_mode["ready"] and not connected
    return {
        "changed": False,
        "definition": found.definition,
        "entities": found.entities,
        "problems": found.problems,
        "managed": found.is_managed,
        "strict_mode": found.strict_mode,
        "store_path": where.root,
    }


def main(make: Callable[..., CarefulModule] | None = None) -> None:
    """Run the module. `make` creates it if the controller runs it in its own process."""
    run(
        _task,
        make=make,
        argument_spec={
            **store_spec(),
            "store": {"type": "str"},
            "connections": {"type": "list", "elements": "dict"},
        },
        if_missing={
            "definition": {},
            "entities": [],
            "problems": [],
            "managed": False,
            "strict_mode": None,
            "store_path": None,
        },
    )


if __name__ == "__main__":
    main()
