# Copyright (c) 2026 NatsOps authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Event source for ansible-rulebook: events of a NATS cluster, and JWTs that expire soon."""

from __future__ import annotations

import asyncio
import importlib
import pathlib
import sys
import types
from typing import Any

DOCUMENTATION = r"""
module: nats_events
short_description: Receive events of a NATS cluster, and of JWTs that expire soon
description:
  - Subscribes to the events that servers publish to the system account, and checks regularly what expires soon in a store or among creds files.
  - Every event has a O(type), and C(time) in RFC 3339. docs/events.md of the collection lists the other fields of each type.
  - A lost connection is re-established. An event V(disconnected) has the reason, and V(connected) the duration of the interruption; events in between are lost.
  - Events wait for the rulebook in a queue of limited size. Events that do not fit are counted, and an event V(dropped) has the counts.
  - A message that cannot be read is an event V(unreadable).
  - No event has a seed, a creds file or a JWT in it.
requirements: [ansible-core, nkeys]
options:
  servers:
    description: The URLs of servers, as in natsops.security.nats_resolver_info. The first one that accepts the user is used; it reaches all others.
    type: list
    elements: str
  creds_path:
    description:
      - The creds file of a user of the system account, read again for each connection. One of this, O(creds), O(system_signer_path) and O(system_signer_seed)
        is needed with O(servers).
    type: path
  creds:
    description: The creds themselves.
    type: str
  system_signer_path:
    description:
      - The seed file of the system account or of one of its signing keys, or a folder of them. With it, users are created, in memory only, that are valid for
        an hour and may subscribe only to what is needed. They replace each other without missing a message.
    type: path
  system_signer_seed:
    description: The seed itself.
    type: str
  system_account_jwt_path:
    description: The file of the JWT of the system account, required if a signing key signs and there is no O(store_path).
    type: path
  system_account_jwt:
    description: The JWT of the system account itself.
    type: str
  operator_jwt_path:
    description: The file of the operator's JWT, which names the system account.
    type: path
  operator_jwt:
    description: The operator's JWT itself.
    type: str
  tls_ca_path:
    description: The file of the certificates that vouch for those of the servers. This and the following options are as in natsops.security.nats_resolver_info.
    type: path
  tls_certificate_path:
    description: The file of a client certificate for servers that verify clients.
    type: path
  tls_key_path:
    description: The file of its private key.
    type: path
  tls_server_name:
    description: The host name that the certificate of the servers must have.
    type: str
  tls_handshake_first:
    description: Begin with the TLS handshake.
    type: bool
    default: false
  inbox_prefix:
    description: The subject that answers arrive under.
    type: str
    default: _INBOX
  connect_timeout:
    description: How long one attempt to connect may take.
    type: str
    default: 5s
  timeout:
    description: How long to try to connect at the start, unless a server refuses the user, before that is an error.
    type: str
    default: 10s
  events:
    description: The types of events to send. V(connect) and V(disconnect) are only sent if they are named here.
    type: list
    elements: str
    choices: [auth_error, connect, disconnect, account_update, account_delete, server_start, server_shutdown, lame_duck]
    default: [auth_error, account_update, account_delete, server_start, server_shutdown, lame_duck]
  accounts:
    description: The public keys or names of accounts. Events about another account are omitted; those that are not about an account are kept.
    type: list
    elements: str
    default: []
  users:
    description: The public keys or names of users. Events about another client are omitted.
    type: list
    elements: str
    default: []
  expires_within:
    description: Check what expires within this time, such as V(7d), in O(store_path) and O(watched_creds_paths).
    type: str
  store_path:
    description: The folder of one operator in nsc's layout. It also determines the system account.
    type: path
  watched_creds_paths:
    description: Creds files, and folders with files that end in C(.creds).
    type: list
    elements: path
    default: []
  look_every:
    description: How long to wait between checks. What expires soon is reported at every check, until it is renewed.
    type: str
    default: 1h
  held_events:
    description: The maximum number of events that wait for the rulebook.
    type: int
    default: 10000
"""

EXAMPLES = r"""
- name: React to refused connections, and renew in time
  hosts: all
  sources:
    - name: nats
      natsops.security.nats_events:
        servers: [tls://n1.example.com:4222, tls://n2.example.com:4222]
        creds_path: /etc/nats/sys.creds
        store_path: /etc/nats/stores/ACME
        expires_within: 14d
  rules:
    - name: Report who is refused
      condition: event.type == "auth_error"
      action:
        print_event:
          pretty: true
"""

_COLLECTION = "ansible_collections.natsops.security"


def _map_collection() -> None:
    """Make this collection importable: ansible-rulebook runs this file by its path, without Ansible's import of collections."""
    for name in ("ansible_collections", "ansible_collections.natsops"):
        try:
            importlib.import_module(name)
        except ImportError:
            sys.modules[name] = types.ModuleType(name)
            sys.modules[name].__path__ = []
    if _COLLECTION not in sys.modules:
        sys.modules[_COLLECTION] = types.ModuleType(_COLLECTION)
        sys.modules[_COLLECTION].__path__ = [str(pathlib.Path(__file__).resolve().parents[4])]


async def main(queue: asyncio.Queue[Any], args: dict[str, Any]) -> None:
    """Put events into the queue until the task is cancelled."""
    _map_collection()
    try:
        tasks = importlib.import_module(f"{_COLLECTION}.plugins.module_utils.tasks.events")
        source = importlib.import_module(f"{_COLLECTION}.plugins.module_utils.events.source")
    except ModuleNotFoundError as error:
        raise RuntimeError(
            f"The Python of ansible-rulebook, {sys.executable}, lacks {error.name}: it needs ansible-core and nkeys."
        ) from None
    await source.run(tasks.read_source(args), queue.put)
