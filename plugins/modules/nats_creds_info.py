#!/usr/bin/python
# Copyright (c) 2026 NatsOps authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module: whether servers accept the users of creds files."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nats_creds_info
version_added: 0.1.0
short_description: Connect with creds files, and return what each server answers
description:
  - Connects to every server with every creds file, and disconnects.
  - A server gives no reason when it refuses a user. If the JWT itself or that of the account shows the reason, it is in the result. For other reasons,
    ask the servers with M(natsops.security.nats_resolver_info), as the role P(natsops.security.credentials#role) does.
extends_documentation_fragment:
  - natsops.security.attributes.info
  - natsops.security.attributes.actiongroup_nats
  - natsops.security.connection.tls
attributes:
  action_group:
    membership:
      - natsops.security.nats
      - natsops.security.servers
author: NatsOps authors (@natsops)
requirements: [nkeys, "nats-py >= 2.16"]
options:
  paths:
    description:
      - The creds files. An empty list is an error.
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
      - JWTs of the accounts of these users, to find the reason for a refusal in them.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Check that the creds work on every server
  natsops.security.nats_creds_info:
    paths: [/etc/orders/nats.creds]
    servers: [tls://n1.example.com:4222, tls://n2.example.com:4222]
  register: tried
  failed_when: not tried.connected
"""

RETURN = r"""
connected:
  description: Whether every server accepts every user.
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
      description: Whether every server accepts it.
      type: bool
    reason:
      description:
        - V(connected), or the reason why not, V(expired), V(not_yet_valid), V(revoked), V(unknown_signer), V(refused) if a server refuses it for another
          reason, or V(unreachable).
      type: str
    message:
      description: The same as a sentence, for each server if their answers differ.
      type: str
  sample: [{"path": "/etc/orders/nats.creds", "name": "orders", "connected": false, "reason": "expired", "message": "its JWT expired at 2026-01-31T12:00:00Z"}]
"""

from ansible_collections.natsops.security.plugins.module_utils.base.compile_once import compile_once

compile_once()

from ansible_collections.natsops.security.plugins.module_utils.tasks import cluster_options
from ansible_collections.natsops.security.plugins.module_utils.tasks.creds_info import creds_info_task
from ansible_collections.natsops.security.plugins.module_utils.tasks.task import run


def main() -> None:
    """Run the module."""
    run(
        creds_info_task,
        argument_spec={
            "paths": {"type": "list", "elements": "path", "required": True},
            "servers": {"type": "list", "elements": "str", "required": True},
            "account_jwts": {"type": "list", "elements": "str", "default": []},
            **cluster_options.tls_spec(),
        },
        required_together=cluster_options.TOGETHER,
        if_missing={"connected": None, "users": []},
    )


if __name__ == "__main__":
    main()
