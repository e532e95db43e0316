#!/usr/bin/python
# Copyright (c) 2026 NatsOps authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module: a creds file from a JWT and a seed."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nats_creds
version_added: 0.1.0
short_description: Manage a creds file made of a JWT and a seed
description:
  - Combines the JWT of a user and its seed in the file that clients require. The JWT may come from another host, and the seed does not have to leave this one.
  - The file is replaced if the JWT is another one. If it holds content other than creds of this user, the task fails and the file is not changed.
  - With the JWT of the account, the task also fails if none of the account's keys signed the JWT of the user.
extends_documentation_fragment:
  - natsops.security.attributes
  - natsops.security.attributes.in_process
  - natsops.security.attributes.actiongroup_nats
  - ansible.builtin.files
attributes:
  action_group:
    membership:
      - natsops.security.nats
      - natsops.security.files
author: NatsOps authors (@natsops)
requirements: [nkeys]
options:
  path:
    description:
      - The creds file.
    type: path
    required: true
  jwt_path:
    description:
      - The file of the user's JWT.
    type: path
  jwt:
    description:
      - The user's JWT itself, such as RV(natsops.security.nats_user#module:jwt).
    type: str
  account_jwt_path:
    description:
      - The file of the JWT of the user's account.
    type: path
  account_jwt:
    description:
      - The JWT of the user's account.
    type: str
  key_path:
    description:
      - The file of the user's seed.
    type: path
  key_seed:
    description:
      - The user's seed itself, for example from a vault.
    type: str
  state:
    description:
      - Whether the creds file exists.
    type: str
    choices: [present, absent]
    default: present
  backup:
    description:
      - Keep a copy, with the time in its name, of a file that is replaced or removed.
    type: bool
    default: false
  mode:
    description:
      - The permissions of the creds file. Defaults to V(0600).
"""

EXAMPLES = r"""
- name: Combine the JWT from the signing host with the seed on this host
  natsops.security.nats_creds:
    path: /etc/nats/orders-client.creds
    jwt_path: /etc/nats/orders.jwt
    key_path: /etc/nats/orders.nk
"""

RETURN = r"""
public_key:
  description: The public key of the user.
  returned: success
  type: str
  sample: UDAUGD2567MCKGLKERIAYKLXZJK6QZVHWBOXB3L7I2ABPF3ZMYEWQDWK
claims:
  description: The claims of the JWT, in the names of the options of M(natsops.security.nats_user). Fields with their default value are omitted.
  returned: success
  type: dict
  sample: {"name": "orders", "subject": "UDAU..."}
backup_files:
  description: The copies of files that were replaced or removed.
  returned: when O(backup=true) and there was something to keep
  type: list
  elements: str
  sample: ["/etc/nats/orders-client.creds.4711.2027-01-31@12:00:00~"]
"""

from typing import Any, Callable

from ansible_collections.natsops.security.plugins.module_utils.base.compile_once import compile_once

compile_once()

from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.claims.comparison import describe, show_claims
from ansible_collections.natsops.security.plugins.module_utils.reconcile.place import Found
from ansible_collections.natsops.security.plugins.module_utils.reconcile.trust import account_fault, peek
from ansible_collections.natsops.security.plugins.module_utils.rules.trust import keys_of
from ansible_collections.natsops.security.plugins.module_utils.tasks.task import CarefulModule, parse_seed, run
from ansible_collections.natsops.security.plugins.module_utils.tasks.tokens import (
    Key,
    Source,
    absent,
    check_creds_file,
    parent,
    read_seed_file,
    read_token,
    refuse_missing,
    token_file,
    write_file,
)
from ansible_collections.natsops.security.plugins.module_utils.token.decorated import format_creds


def _task(module: CarefulModule) -> dict[str, Any]:
    params = module.params
    path = params["path"]
    if params["state"] == "absent":
        return absent(module, [Source("path", path)], "user")
    key = _key(module)
    found = read_token(module, "jwt", "user")
    if found is None or key.pair is None:
        return {"changed": True, "public_key": key.public_key, "claims": {}, "diff": {"before": {}, "after": {}}}
    token, claims = found
    _check_account(token, parent(module, "account"))
    check_creds_file(module, path, key, "path")
    creds = format_creds(token, key.pair)
    old = token_file(module, path, "path", "user")
    result: dict[str, Any] = {}
    changed = write_file(module, path, creds, params["mode"] or "0600", result)
    before = {} if old is None else show_claims(old[1])
    result.update(
        changed=changed,
        public_key=claims.subject,
        claims=describe(claims),
        diff={"before": before, "after": show_claims(claims)},
    )
    return result


def _check_account(token: str, account: Found | None) -> None:
    """NatsSecurityError for the JWT of a user of another account, where the account is known."""
    if account is None:
        return
    key, name = account.claims.subject, account.claims.name or account.claims.subject
    fault = account_fault(peek(token), name, key, keys_of(account.claims))
    if fault:
        raise NatsSecurityError(f"jwt: {fault}.")


def _key(module: CarefulModule) -> Key:
    if module.params["key_seed"] is not None:
        return Key("user", parse_seed(module.params["key_seed"], "key_seed", "user"))
    path = module.params["key_path"]
    pair = read_seed_file(module, path, "key_path", "user")
    if pair is None:
        refuse_missing(module, "key_path", path)
    return Key("user", pair, path, pair is None)


def main(make: Callable[..., CarefulModule] | None = None) -> None:
    """Run the module. `make` creates it if the controller runs it in its own process."""
    run(
        _task,
        make=make,
        argument_spec={
            "path": {"type": "path", "required": True},
            "jwt_path": {"type": "path"},
            "jwt": {"type": "str", "no_log": True},  # the JWT of a bearer is a secret
            "account_jwt_path": {"type": "path"},
            "account_jwt": {"type": "str"},
            "key_path": {"type": "path", "no_log": False},
            "key_seed": {"type": "str", "no_log": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "backup": {"type": "bool", "default": False},
        },
        required_if=[
            ("state", "present", ("jwt_path", "jwt"), True),
            ("state", "present", ("key_path", "key_seed"), True),
        ],
        mutually_exclusive=[("jwt_path", "jwt"), ("account_jwt_path", "account_jwt"), ("key_path", "key_seed")],
        writes=("path",),
        add_file_common_args=True,
    )


if __name__ == "__main__":
    main()
