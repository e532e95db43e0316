#!/usr/bin/python
# Copyright (c) 2026 NatsOps authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module: the revocations of an account."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nats_revocation
version_added: 0.1.0
short_description: Revoke users and activations of a NATS account
description:
  - Changes only the revocations of one account, in its JWT at a path or in a store of M(natsops.security.nats_store). The account is signed again only
    if an entry changes.
  - An entry revokes JWTs that were issued up to its time. A user is cut off only after servers have the new JWT of the account,
    see M(natsops.security.nats_resolver); M(natsops.security.nats_connections) shows the users that are still connected. The playbook
    C(natsops.security.revoke) does all of this.
  - The time of an entry is only ever moved later. Entries are removed only with O(state=absent) or O(prune_expired), and documents keep them.
  - A later run of M(natsops.security.nats_store) with a document that still has the user issues its JWT again. Remove the user from the document, or if
    its seed was stolen, give it a new key.
extends_documentation_fragment:
  - natsops.security.attributes
  - natsops.security.attributes.in_process
  - natsops.security.attributes.actiongroup_nats
  - natsops.security.store
  - natsops.security.store.archive
  - natsops.security.token.signer
  - natsops.security.signers
  - natsops.security.token.unsigned
  - natsops.security.token.operator_jwt
  - ansible.builtin.files
attributes:
  action_group:
    membership:
      - natsops.security.nats
      - natsops.security.stores
      - natsops.security.keystores
      - natsops.security.signers
      - natsops.security.signing
      - natsops.security.files
author: NatsOps authors (@natsops)
requirements: [nkeys]
options:
  state:
    description:
      - With V(present), the entries exist, with V(absent), they do not. V(listed) returns all entries and changes nothing.
    type: str
    choices: [present, absent, listed]
    default: present
  revocations:
    description:
      - The entries, each of a user, or of an account that imports an export.
    type: list
    elements: dict
    suboptions:
      user:
        description:
          - The name of a user in a store, its public key, or V(*) for all users of the account.
        type: str
      export:
        description:
          - The subject or the name of an export. The entry then revokes activation tokens for it.
        type: str
      account:
        description:
          - The account whose activation token is revoked, by its name in a store or by its public key, or V(*) for all.
        type: str
      at:
        description:
          - The time up to which JWTs that were issued are revoked, in RFC 3339, or V(now), the default with O(state=present).
          - V(now) is the time of the first run. An existing entry is not changed, so that a second run does not revoke a user that was issued again in
            between, with the same key or, in a store, with a new one. A warning names such a user, and the time to set to revoke it once
            more.
          - With a time, an existing entry that is earlier is moved to it.
        type: str
  remove_signing_keys:
    description:
      - Signing keys of the account that were stolen, by public key or, in a store, by role. What they signed is no longer valid.
      - In a store, their seeds and the JWTs of the users that they signed are moved to the archive, and RV(users_to_issue) names these users.
        The next run of M(natsops.security.nats_store) with the document makes a new key for the role and issues them again.
    type: list
    elements: str
  prune_expired:
    description:
      - Remove entries that no longer have an effect, because all JWTs that they cover have expired or an entry for V(*) covers them too. Requires
        O(longest_life). Every entry that is removed is in RV(revocations) with the action V(expired).
    type: bool
    default: false
  longest_life:
    description:
      - The longest time that a JWT of a user, or an activation token, of the account was ever issued for, such as V(90d). An entry is removed once it
        is older than that. In a store, an entry is kept if it covers an existing JWT that has not expired.
    type: str
  jwt_path:
    description:
      - The file of the JWT of the account. Exactly one of this and O(store) is needed.
    type: path
  store:
    description:
      - The name of the store's folder in O(stores_dir).
    type: str
  account:
    description:
      - The name of the account in O(store).
    type: str
  seeds:
    description:
      - Seeds that are not in the keystore, for example from a vault, such as that of an operator's signing key. They are used to sign, and are not written to
        any file.
    type: list
    elements: str
  mode:
    description:
      - The permissions of the file of the JWT. Defaults to V(0644).
  backup:
    description:
      - Keep a copy of the file of the JWT, with the time in its name, if it is replaced.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Revoke a user of a store
  natsops.security.nats_revocation:
    store: ACME
    account: APP
    revocations:
      - user: dashboard

- name: Revoke everything that was issued for any user before an incident
  natsops.security.nats_revocation:
    store: ACME
    account: APP
    revocations:
      - user: "*"
        at: "2027-01-31T12:00:00Z"

- name: Revoke the activation that a partner has for an export
  natsops.security.nats_revocation:
    jwt_path: /etc/nats/app.jwt
    operator_jwt_path: /etc/nats/acme.jwt
    signer_path: /etc/nats/acme-signing.nk
    revocations:
      - export: orders.create
        account: ACNGDPHTAUYCSRSTT3LL3NOA6DXG2ZOJJD3KNRQTCTLZLCXW5WBGAF2O

- name: Revoke a user if the operator's key is on a machine without a network
  natsops.security.nats_revocation:
    store: ACME
    account: APP
    revocations:
      - user: dashboard
    unsigned_path: /media/stick/request.json

- name: Remove the entries that no longer have an effect
  natsops.security.nats_revocation:
    store: ACME
    account: APP
    prune_expired: true
    longest_life: 90d
"""

RETURN = r"""
revocations:
  description: The entries of the account and of its exports, those that the task names first.
  returned: success
  type: list
  elements: dict
  contains:
    public_key:
      description: The public key, or V(*).
      type: str
    name:
      description: Its name in the store. Empty if none is known.
      type: str
    export:
      description: The subject of the export. Only for activations.
      type: str
    action:
      description:
        - One of V(added), V(moved), V(kept), V(removed), V(absent) for one that was not there, and V(expired) for one that O(prune_expired) removed.
      type: str
    until:
      description: The time up to which JWTs that were issued are revoked. Not for entries that were removed.
      type: str
    before:
      description: The time that the entry had before. Only if it changed.
      type: str
    issued_again_at:
      description: When a later JWT was issued that the entry does not cover, if there is one.
      type: str
  sample: [{"public_key": "UDAUGD2567MCKGLKERIAYKLXZJK6QZVHWBOXB3L7I2ABPF3ZMYEWQDWK", "name": "dashboard", "action": "added", "until": "2027-01-31T12:00:00Z"}]
revoked:
  description:
    - The users that the task names, with the time up to which their JWTs are revoked, in the form of
      O(natsops.security.nats_connections#module:revoked).
  returned: success
  type: dict
  sample: {"UDAUGD2567MCKGLKERIAYKLXZJK6QZVHWBOXB3L7I2ABPF3ZMYEWQDWK": "2027-01-31T12:00:00Z"}
operator_jwt_path:
  description: The file of the operator's JWT.
  returned: with O(store)
  type: str
  sample: /etc/nats/stores/ACME/ACME.jwt
system_account_jwt_path:
  description: The file of the JWT of the system account. Null if the store has none.
  returned: with O(store)
  type: str
  sample: /etc/nats/stores/ACME/accounts/SYS/SYS.jwt
keys_path:
  description: The folder of the keystore.
  returned: with O(store)
  type: str
  sample: /etc/nats/keys
removed_signing_keys:
  description: The public keys of the signing keys that the task names, which the account no longer has.
  returned: success
  type: list
  elements: str
  sample: ["AATN2N2KTAJRTFU526CY5LMNDEROBFFN3US72FFVRO5VBZ4ORRA4A63W"]
users_to_issue:
  description: The users whose JWTs a removed signing key had signed.
  returned: with O(store)
  type: list
  elements: str
  sample: ["dashboard"]
public_key:
  description: The public key of the account.
  returned: success
  type: str
  sample: ACNGDPHTAUYCSRSTT3LL3NOA6DXG2ZOJJD3KNRQTCTLZLCXW5WBGAF2O
jwt:
  description: The current JWT of the account. Null in check mode if a new one would be issued, and while a new one waits for its signature.
  returned: success
  type: str
  sample: eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ.eyJqdGkiOiJTS...
jwt_path:
  description: The file of that JWT.
  returned: success
  type: str
  sample: /etc/nats/stores/ACME/accounts/APP/APP.jwt
claims:
  description: The claims of the JWT, in the names of the options of M(natsops.security.nats_account).
  returned: with O(jwt_path)
  type: dict
  sample: {"name": "APP", "subject": "ACNG..."}
unsigned:
  description:
    - What waits for a key elsewhere, with the C(path) and the C(checksum) of the file, the name of the one of C(requests), and the public key of the one of
      C(issuers). Null if nothing does. While it waits, no user is revoked yet, and RV(revocations), RV(revoked) and RV(users_to_issue) describe the requested
      state.
  returned: with O(unsigned_path), unless O(state=listed)
  type: dict
  sample: {"path": "/media/stick/request.json", "checksum": "0f2c5b...", "requests": ["account APP"], "issuers": ["OBXR..."]}
reasons:
  description: Why the account was signed again. Empty if it was not.
  returned: success
  type: list
  elements: str
  sample: ["revocations[dashboard (UDAU...)]: none -> now"]
backup_files:
  description: The copies of files that were replaced.
  returned: when O(backup=true) and there was something to keep
  type: list
  elements: str
  sample: ["/etc/nats/app.jwt.4711.2027-01-31@12:00:00~"]
problems:
  description: What is wrong with the task or the store, with C(path) and C(message). The message of the error has them too.
  returned: when there is any, with O(store)
  type: list
  elements: dict
  sample: [{"path": "revocations[0].user", "message": "there is no user gust in the account APP; available: app, guest."}]
"""

from typing import Callable

from ansible_collections.natsops.security.plugins.module_utils.base.compile_once import compile_once

compile_once()

from ansible_collections.natsops.security.plugins.module_utils.tasks import options
from ansible_collections.natsops.security.plugins.module_utils.tasks.revocations import (
    foreseen_revocations,
    revocations_task,
)
from ansible_collections.natsops.security.plugins.module_utils.tasks.store_options import archive_spec, store_spec
from ansible_collections.natsops.security.plugins.module_utils.tasks.task import CarefulModule, run

_ENTRY = {
    "type": "list",
    "elements": "dict",
    "options": {
        "user": {"type": "str"},
        "export": {"type": "str"},
        "account": {"type": "str"},
        "at": {"type": "str"},
    },
    "mutually_exclusive": [("user", "account")],
    "required_one_of": [("user", "account")],
    "required_together": [("account", "export")],
}
OPTIONS = (
    options.SIGNER
    + options.UNSIGNED
    + options.OPERATOR_JWT
    + options.Options(
        {
            "state": {"type": "str", "choices": ["present", "absent", "listed"], "default": "present"},
            "revocations": _ENTRY,
            "remove_signing_keys": {"type": "list", "elements": "str", "no_log": False},
            "prune_expired": {"type": "bool", "default": False},
            "longest_life": {"type": "str"},
            "jwt_path": {"type": "path"},
            "store": {"type": "str"},
            "account": {"type": "str"},
            **store_spec(),
            **archive_spec(),
            "seeds": {"type": "list", "elements": "str", "no_log": True},
            "backup": {"type": "bool", "default": False},
        },
        exclusive=(("jwt_path", "store"),),
        one_of=(("jwt_path", "store"),),
        required_if=(("prune_expired", True, ("longest_life",)),),
        writes=("jwt_path",),
    )
)


def main(make: Callable[..., CarefulModule] | None = None) -> None:
    """Run the module. `make` creates it if the controller runs it in its own process."""
    run(
        revocations_task,
        make=make,
        **OPTIONS.arguments(),
        required_by={
            "store": ["account"],
            "account": ["store"],
            "stores_dir": ["store"],
            "keys_dir": ["store"],
            "archive_key": ["store"],
            "seeds": ["store"],
        },
        add_file_common_args=True,
        if_missing=foreseen_revocations,
    )


if __name__ == "__main__":
    main()
