#!/usr/bin/python
# Copyright (c) 2026 NatsOps authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module: the configuration of a nats-server in operator mode."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nats_server_config
version_added: 0.1.0
short_description: Write the configuration of a nats-server in operator mode
description:
  - Makes the configuration files of a nats-server that trusts an operator, and replaces only what changes.
  - A configuration with which the server would not start is refused before anything is written, even if C(nats-server -t) accepts it. If
    O(binary_path) names a server, that server also validates the new configuration, by reading it and by starting with it up to the point where it would
    listen. The task warns of claims of accounts in O(operator.resolver_preload) that its version does not enforce; the collection has a list of them in
    C(docs/server-versions.md).
  - Passwords, tokens, keys and URLs with a login are written to files of their own (C(*-secrets.conf)), and are never shown in a result, a difference or a log.
  - Options that are named like blocks of NATS's configuration accept the settings of these blocks, under NATS's names. Durations are written as C(90s) or
    C(1h30m); sizes as a number of bytes, as C(64M), which is 64 MiB, or as C(64MiB). A value that nats-server would refuse is refused here. A name that
    nats-server 2.15 does not support is refused too, unless O(binary_path) names a server, which then decides.
  - Without O(config_dir) nothing is written. The options are validated, and with O(return_content=true) the result has the configuration for a container,
    a Helm chart or a file.
  - It requires only Python on the host.
extends_documentation_fragment:
  - natsops.security.attributes
  - natsops.security.attributes.actiongroup_nats
  - ansible.builtin.files
author: NatsOps authors (@natsops)
attributes:
  action_group:
    membership:
      - natsops.security.nats
      - natsops.security.files
  diff_mode:
    details: The files as they are and will be, without secrets.
  safe_file_operations:
    details: Each file is replaced whole or not at all.
options:
  config_dir:
    description:
      - The folder of the configuration, which has to exist. The server is started with C(nats-server.conf) in it.
      - If omitted, nothing is written.
    type: path
  return_content:
    description:
      - Return the whole configuration as one text in RV(content), secrets included. Use C(no_log) on the task.
    type: bool
    default: false
  variable_prefix:
    description:
      - A prefix for the names of options in messages, such as C(server_) in a role whose variables have this prefix.
    type: str
    default: ''
  binary_path:
    description:
      - The nats-server that has to accept the configuration. In check mode, it may be missing.
      - The configuration also has to suit the host. It is refused if the server could not write its pid file, its log, its accounts or JetStream's store as
        O(service_user), if an address is not one of the host, or if another program than a nats-server listens on a port. In check mode, a file or folder
        that could not be written is only a warning, because an earlier task may create it.
      - Without O(config_dir) the configuration is for another host, so it only has to pass C(nats-server -t). That reads certificates and included files, which
        have to exist on this host too.
      - If omitted, only the rules of this module are applied.
    type: path
  service_user:
    description:
      - The user of the system that the server runs as, for this validation. Defaults to the user of the task.
    type: str
  name:
    description:
      - The name of the server, unique among all connected servers.
    type: str
    required: true
  operator:
    description:
      - The operator that the server trusts, in the form of the fact C(operator_material) of the role P(natsops.security.operator#role).
    type: dict
    required: true
    suboptions:
      jwt:
        description:
          - The operator's JWT. In check mode, it may be null if an earlier task would issue it.
        type: str
      system_account:
        description: The public key of the system account.
        type: str
      resolver_preload:
        description: The JWTs of accounts by their public keys. O(preload) selects those that are written.
        type: dict
        default: {}
      name:
        description: Ignored, like the following members, which are part of the fact.
        type: str
      public_key:
        description: Ignored.
        type: str
      store_path:
        description: Ignored.
        type: str
      keys_path:
        description: Ignored.
        type: str
      creds_path:
        description: Ignored.
        type: str
  trusted_operators:
    description:
      - JWTs of operators that the server trusts in addition to O(operator), while accounts move from one to another. A JWT of that operator itself is ignored,
        so the list may be the same before and after the move.
      - The configuration then has a system account, which at least one of the operators names. Deletions of accounts are accepted from O(operator) only.
    type: list
    elements: str
    default: []
  resolver:
    description:
      - Where the server gets accounts from.
    type: dict
    default: {}
    suboptions:
      type:
        description:
          - V(full) keeps all accounts on disk and exchanges them with the other servers, V(cache) keeps those that were requested, V(memory) has those in the
            configuration, V(url) reads them from an account server.
        type: str
        choices: [full, cache, memory, url]
        default: full
      dir:
        description: The folder of the accounts. The default is C(accounts) in O(data_dir).
        type: path
      allow_delete:
        description: With V(full), accept requests to delete accounts.
        type: bool
      hard_delete:
        description: With V(full), delete files instead of renaming them.
        type: bool
      interval:
        description: With V(full), how often servers compare their accounts.
        type: str
      timeout:
        description: How long to wait for an answer of another server.
        type: str
      limit:
        description: The maximum number of accounts on disk.
        type: int
      ttl:
        description: With V(cache), how long an account is kept.
        type: str
      url:
        description: With V(url), the URL of the account server; the public key of an account is appended.
        type: str
  resolver_tls:
    description:
      - The block C(resolver_tls), TLS with the account server.
    type: dict
  preload:
    description:
      - Which accounts of O(operator.resolver_preload) are part of the configuration. The default is V(all) with a resolver of the type V(memory), V(none)
        with V(url), otherwise V(system), the system account alone.
    type: str
    choices: [all, system, none]
  pinned_accounts:
    description:
      - The public keys of accounts. If not empty, only users of these and of the system account may connect.
    type: list
    elements: str
    default: []
  default_sentinel:
    description:
      - The JWT of the bearer user for clients that have no JWT.
    type: str
  listen:
    description:
      - The address to listen on for clients.
    type: str
    default: 0.0.0.0
  port:
    description:
      - The port for clients.
    type: int
    default: 4222
  tls:
    description:
      - The block C(tls), TLS with clients.
    type: dict
  cluster:
    description:
      - The block C(cluster). If omitted, the server is not part of a cluster.
    type: dict
    suboptions:
      name:
        description: The name of the cluster.
        type: str
        required: true
      host:
        description: The address to listen on.
        type: str
        default: 0.0.0.0
      port:
        description: The port to listen on.
        type: int
        default: 6222
      routes:
        description: The URLs of the other servers. The default is made of O(cluster_addresses).
        type: list
        elements: str
      authorization:
        description: The user and password that the servers of the cluster share.
        type: dict
        suboptions:
          user:
            description: The user.
            type: str
            required: true
          password:
            description: The password.
            type: str
            required: true
          timeout:
            description: How many seconds authentication may take.
            type: float
      tls:
        description: The block C(tls).
        type: dict
      advertise:
        description: The address that is advertised to other servers.
        type: str
      no_advertise:
        description: Do not advertise addresses of other servers to clients.
        type: bool
      connect_retries:
        description: How often to try again to connect to a server that was not configured.
        type: int
      connect_backoff:
        description: Wait longer after each try.
        type: bool
      pool_size:
        description: The number of connections between two servers; all servers need the same.
        type: int
      accounts:
        description: The public keys of accounts that get a connection of their own between servers.
        type: list
        elements: str
      compression:
        description: The compression between servers, for example V(s2_auto), or a block.
        type: raw
      permissions:
        description: The block C(permissions).
        type: dict
      ping_interval:
        description: How often servers ping each other.
        type: str
      ping_max:
        description: After how many pings without an answer a connection is closed.
        type: int
      write_deadline:
        description: How long a write may take.
        type: str
      write_timeout:
        description: What happens after that.
        type: str
  cluster_addresses:
    description:
      - The addresses of all servers of the cluster, from which O(cluster.routes) are made. The server's own may be among them.
    type: list
    elements: str
    default: []
  gateway:
    description:
      - The block C(gateway), which connects clusters.
    type: dict
  leafnodes:
    description:
      - The block C(leafnodes).
    type: dict
  websocket:
    description:
      - The block C(websocket).
    type: dict
  mqtt:
    description:
      - The block C(mqtt).
    type: dict
  jetstream:
    description:
      - The block C(jetstream). If omitted, the server has no JetStream. C(store_dir) defaults to C(jetstream) in O(data_dir).
      - A new C(key) requires the previous one as C(prev_key) if there is stored data. Without it, a server would start without its streams, so that is refused.
    type: dict
  monitoring:
    description:
      - The address of the server's monitoring over HTTP.
    type: dict
    default: {}
    suboptions:
      host:
        description: The address to listen on.
        type: str
        default: 127.0.0.1
      port:
        description: The port to listen on.
        type: int
        default: 8222
      tls:
        description: Use TLS, with O(tls).
        type: bool
        default: false
      base_path:
        description: The start of all paths, for example V(/nats).
        type: str
  lame_duck_duration:
    description:
      - Over how long clients are disconnected before the server ends, V(30s) or more.
    type: str
    default: 2m
  lame_duck_grace_period:
    description:
      - How long the server waits before it disconnects the first client.
    type: str
    default: 10s
  data_dir:
    description:
      - The folder for the data that the server stores.
    type: path
    default: /var/lib/nats
  site_config:
    description:
      - The text of C(site.conf), in NATS's configuration language. The configuration includes it last, so its settings take precedence.
      - If omitted, an existing file is kept; if there is none, an empty one is created.
    type: str
  mode:
    description:
      - The mode of the files. Some of them hold secrets.
    default: '0640'
"""

EXAMPLES = r"""
- name: Write the configuration of a server
  natsops.security.nats_server_config:
    config_dir: /etc/nats
    owner: root
    group: nats
    binary_path: /usr/local/bin/nats-server
    service_user: nats
    name: n1
    operator: "{{ operator_material }}"
    cluster:
      name: ACME
      authorization: {user: route, password: "{{ vault_route_password }}"}
    cluster_addresses: [n1.example.com, n2.example.com, n3.example.com]
    jetstream: {max_mem: 1G, max_file: 100G}

- name: Make the configuration for a container
  natsops.security.nats_server_config:
    name: nats-0
    operator: "{{ operator_material }}"
    resolver: {type: memory}
    monitoring: {host: 0.0.0.0}
    binary_path: /usr/local/bin/nats-server
    return_content: true
  register: configuration
  no_log: true
"""

RETURN = r"""
files:
  description: The files of the configuration, and what happens to each.
  returned: success with O(config_dir)
  type: list
  elements: dict
  contains:
    name:
      description: The name in O(config_dir).
      type: str
    action:
      description: V(unchanged), V(created), V(changed) or V(removed).
      type: str
  sample: [{"name": "restart.conf", "action": "unchanged"}, {"name": "server.conf", "action": "changed"}]
needs:
  description:
    - What a server that runs with the previous configuration needs for these changes, V(nothing), V(reload) or V(restart). A restart is needed if NATS
      refuses to reload, and for secrets, which it would write to its log.
    - M(natsops.security.nats_server) asks the running server, and does it.
  returned: success with O(config_dir)
  type: str
  sample: reload
validated:
  description: Whether the server at O(binary_path) accepted the configuration. With O(config_dir), it validates only changes.
  returned: success with O(config_dir) or O(binary_path)
  type: bool
digest:
  description: The digest of the configuration, as C(nats-server -t) prints it; null if this module cannot read the additions of the site.
  returned: success
  type: str
  sample: sha256:935e5f2e0619f7eaa11dcf37be4805227a73f18992c4554068528962cea62ead
content:
  description: The whole configuration as one text, secrets included.
  returned: success with O(return_content=true)
  type: str
  sample: 'server_name: "nats-0"'
folders:
  description: The folders that the server writes to.
  returned: success
  type: list
  elements: str
  sample: ["/var/lib/nats", "/var/lib/nats/jetstream", "/var/lib/nats/accounts"]
monitoring_url:
  description: The URL of the server's monitoring for programs on the same host.
  returned: success
  type: str
  sample: http://127.0.0.1:8222
lame_duck_seconds:
  description: How long the server may take to disconnect its clients before it ends.
  returned: success
  type: int
  sample: 120
"""

from ansible_collections.natsops.security.plugins.module_utils.base.compile_once import compile_once

compile_once()

from ansible_collections.natsops.security.plugins.module_utils.server.configuration import OPTIONS
from ansible_collections.natsops.security.plugins.module_utils.tasks.server import hide_secrets, write_configuration
from ansible_collections.natsops.security.plugins.module_utils.tasks.task import run


def main() -> None:
    """Run the module."""
    run(
        write_configuration,
        argument_spec={
            **OPTIONS,
            "config_dir": {"type": "path"},
            "return_content": {"type": "bool", "default": False},
            "variable_prefix": {"type": "str", "default": ""},
            "binary_path": {"type": "path"},
            "service_user": {"type": "str"},
            "mode": {"type": "raw", "default": "0640"},
        },
        add_file_common_args=True,
        needs_nkeys=False,
        hide=hide_secrets,
    )


if __name__ == "__main__":
    main()
