#!/usr/bin/python
# Copyright (c) 2026 NatsOps authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module: the creds files of one host, with keys that are created there."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nats_credentials
version_added: 0.1.0
short_description: Manage the creds files of one host, with keys that are created on it
description:
  - Works on all creds files of a host at once, in two steps before and after the task that signs. With O(state=prepared), every user gets a key pair
    on this host, and the public keys are returned. With O(state=present), the JWTs that were signed for these keys are written into the creds files.
  - Until the JWT exists, the seed of a new key is in a file beside the creds file that only its owner can read. It is in no result, and in no other file.
  - Creds files are created complete, with their owner and mode. A run that is killed at any moment leaves the existing files unchanged, and the
    next run completes it.
  - A file that holds content other than creds of this user is an error and is not changed. All users are checked before anything is written.
  - The role natsops.security.credentials runs it on the hosts of applications, with M(natsops.security.nats_store) in between.
extends_documentation_fragment:
  - natsops.security.attributes
  - natsops.security.attributes.actiongroup_nats
author: NatsOps authors (@natsops)
requirements:
  - nkeys, for keys that are created on the host. Creds that are delivered, and their removal, require only Python.
options:
  state:
    description:
      - V(prepared) creates the keys that are missing, and removes the files of users with C(state=absent).
      - V(present) writes creds files.
      - V(notified) records that the handlers of changed files have run.
    type: str
    choices: [prepared, present, notified]
    default: present
  users:
    description:
      - The users with creds on this host.
    type: list
    elements: dict
    required: true
    suboptions:
      account:
        description: The name of the account.
        type: str
        required: true
      name:
        description: The name of the user.
        type: str
        required: true
      renamed_from:
        description: The name that the user had before. A creds file with that name in its JWT is accepted too.
        type: str
      path:
        description: The creds file. Its folder has to exist.
        type: path
        required: true
      owner:
        description: The user of this host that the file belongs to. If omitted, the file keeps its owner, and a new one belongs to the user that runs the task.
        type: str
      group:
        description: The group of the file. Defaults to the current one, or to that of the user that runs the task.
        type: str
      mode:
        description: The permissions of the file.
        type: str
        default: "0600"
      state:
        description: Whether the file exists.
        type: str
        choices: [present, absent]
        default: present
      account_public_key:
        description: The public key of the account. Creds of another one are an error.
        type: str
      public_key:
        description:
          - The key of the user on the signing host. If this host has another key, or none, the task fails, unless a rotation made that key here with
            O(users[].rotated_key), and the creds have one of O(users[].earlier_keys).
        type: str
      claimed_by:
        description: Hosts that ask for the same user, including this one. If there are several, no key is created, because each would create a different one.
        type: list
        elements: str
        default: []
      jwt:
        description: The JWT for the key on this host. Null for a JWT that check mode does not sign.
        type: str
      creds:
        description: The content of a creds file that was made elsewhere.
        type: str
      earlier_keys:
        description:
          - Public keys that the user had before a rotation. Creds of one of them at O(users[].path) are replaced by O(users[].creds), or by those of the key
            that a rotation made on this host.
        type: list
        elements: str
        default: []
      rotated_key:
        description:
          - With O(state=prepared), the public key that a rotation replaces. If the creds have this key, a new key is created beside them, which the creds get
            as soon as its JWT exists, and nothing else is created.
        type: str
      notify:
        description: Whether handlers have to run when the file changes. Until O(state=notified), this is recorded by an empty file beside it.
        type: bool
        default: false
  operator:
    description:
      - The name of the operator, for messages.
    type: str
    default: the operator
"""

EXAMPLES = r"""
- name: Make the keys that are missing
  natsops.security.nats_credentials:
    state: prepared
    users:
      - {account: APP, name: orders, path: /etc/orders/nats.creds, owner: orders}
  register: prepared

- name: Sign for them
  natsops.security.nats_store:
    definition:
      operator: {name: ACME, state: existing}
      accounts:
        - {name: APP, state: existing, users: [{name: orders, expires_in: 90d, renew_before: 30d}]}
    user_public_keys:
      APP/orders: "{{ prepared.users[0].public_key }}"
    return_users: [APP/orders]
  delegate_to: signing-host
  register: signed

- name: Write the creds files
  natsops.security.nats_credentials:
    users:
      - {account: APP, name: orders, path: /etc/orders/nats.creds, owner: orders, jwt: "{{ signed.users['APP/orders'].jwt }}"}
"""

RETURN = r"""
users:
  description: The users, in the order of the option.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: The user, as C(ACCOUNT/USER).
      type: str
    path:
      description: The creds file.
      type: str
    public_key:
      description: The key of the user on this host. In check mode, a placeholder for a key that would be created. Null if there is none.
      type: str
    next_public_key:
      description: The next key in a rotation, created on this host. In check mode, a placeholder for a key that would be created. Null if there is none.
      type: str
    expires:
      description: When the JWT in the file expires. Null if it never expires or does not exist.
      type: str
    digest:
      description: The SHA-256 of the JWT in the file, to compare it with the one that was signed. Null without a file.
      type: str
    changed:
      description: Whether this task changed a file of the user.
      type: bool
    due:
      description: Whether the file has to be written or corrected regardless of its JWT.
      type: bool
    notify:
      description: Whether handlers have to run.
      type: bool
  sample: [{"id": "APP/orders", "path": "/etc/orders/nats.creds", "public_key": "UDAU...", "expires": "2027-01-31T12:00:00Z", "changed": true}]
"""

from ansible_collections.natsops.security.plugins.module_utils.base.compile_once import compile_once

compile_once()

from ansible_collections.natsops.security.plugins.module_utils.tasks.credentials import credentials_task
from ansible_collections.natsops.security.plugins.module_utils.tasks.task import run


def main() -> None:
    """Run the module."""
    run(
        credentials_task,
        argument_spec={
            "state": {"type": "str", "choices": ["prepared", "present", "notified"], "default": "present"},
            "operator": {"type": "str", "default": "the operator"},
            "users": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "mutually_exclusive": [("jwt", "creds")],
                "options": {
                    "account": {"type": "str", "required": True},
                    "name": {"type": "str", "required": True},
                    "renamed_from": {"type": "str"},
                    "path": {"type": "path", "required": True},
                    "owner": {"type": "str"},
                    "group": {"type": "str"},
                    "mode": {"type": "str", "default": "0600"},
                    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
                    "account_public_key": {"type": "str", "no_log": False},
                    "public_key": {"type": "str", "no_log": False},
                    "earlier_keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
                    "rotated_key": {"type": "str", "no_log": False},
                    "claimed_by": {"type": "list", "elements": "str", "default": []},
                    "jwt": {"type": "str", "no_log": True},  # the JWT of a bearer is a secret
                    "creds": {"type": "str", "no_log": True},
                    "notify": {"type": "bool", "default": False},
                },
            },
        },
        writes=("users.path",),
        needs_nkeys=False,
    )


if __name__ == "__main__":
    main()
