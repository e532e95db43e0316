# Copyright (c) 2026 NatsOps authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventory: the servers of a live cluster, as the system account sees them."""

from __future__ import annotations

DOCUMENTATION = r"""
name: nats
version_added: 0.1.0
short_description: The servers of a live NATS cluster as an inventory
description:
  - Asks the servers of a cluster through its system account which servers there are, and makes each one a host with its name, version, cluster, tags,
    JetStream, trusted operators and addresses.
  - The source is a file whose name ends in V(nats.yml) or V(nats.yaml).
  - Every server is in the group C(nats_servers), those with JetStream in C(nats_jetstream). Further groups are made from the settings of servers, such as
    C(nats_cluster_east), C(nats_version_2_15_1), C(nats_tag_az_1), C(nats_operator_ACME) and C(nats_resolver_full). O(keyed_groups) and O(groups) make more.
  - The host is named like the server. Characters other than letters, digits, C(_), C(.) and C(-) become C(_), and a digest is added where the name would be
    that of another host, of a group, or C(localhost) or C(all).
  - The variable C(ansible_host) is the address where the server listens. For one that listens on all addresses it is the address under which other servers
    see it, and the host of the URL for the one that is connected to. It is not set if none of these is known. O(compose) can replace it.
  - The other variables are those of RV(natsops.security.nats_resolver_info#module:servers), with C(nats_) before their names, and C(nats_host), C(nats_port),
    C(nats_domain), C(nats_tags), C(nats_metadata), C(nats_connect_urls), C(nats_tls_required) and C(nats_leafnode).
author: NatsOps authors (@natsops)
requirements: [nkeys, "nats-py >= 2.16"]
extends_documentation_fragment:
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
  - natsops.security.connection
  - natsops.security.connection.tls
notes:
  - Clients do not connect to an account server, so O(account_server_url) is an error here.
  - The cache holds the variables above, but no creds, seed or JWT. It depends on the servers and options of a source, so the servers are asked again if these
    change.
options:
  plugin:
    description:
      - Marks the file as a source for this plugin.
    type: str
    required: true
    choices: [natsops.security.nats]
  strict_cluster:
    description:
      - Whether it is an error if something is missing, such as a server that does not answer although others are connected to it. If V(false), it is a warning,
        and the inventory has the servers that answer.
    type: bool
    default: false
  leafnodes:
    description:
      - Whether leaf nodes are hosts too, in the group C(nats_leafnodes).
      - A leaf node chooses its own name, and any client with creds of an account may connect one. So its host is named C(leafnode_) and that
        name. Its variables are C(nats_name), C(nats_leafnode_accounts), C(nats_leafnode_hubs) with the names of the servers it connects to, and
        C(ansible_host) with the address that these see.
      - A leaf node that shares the system account answers for itself, and has the same variables as other servers.
    type: bool
    default: false
  gateways:
    description:
      - Whether the servers of other clusters, which gateways connect to the one in O(servers), are hosts too.
    type: bool
    default: false
  store_path:
    description:
      - The folder of one operator in nsc's layout, as nsc keeps it. With O(system_signer_path), it determines which account is the system account and which
        keys sign for it.
    type: path
  operator_jwt_path:
    description:
      - The file of the operator's JWT, which names the system account.
    type: path
  operator_jwt:
    description:
      - The operator's JWT itself.
    type: str
"""

EXAMPLES = r"""
# The servers of a cluster, for example in production.nats.yml. See what is found with
#   ansible-inventory -i production.nats.yml --graph --vars
plugin: natsops.security.nats
servers: [tls://n1.example.com:4222, tls://n2.example.com:4222]
creds_path: /etc/nats/sys.creds
---
# Groups by zone, and the address from a tag; what cannot be computed is an error.
plugin: natsops.security.nats
servers: [tls://n1.example.com:4222]
creds_path: /etc/nats/sys.creds
strict: true
keyed_groups:
  - key: nats_metadata.zone
    prefix: zone
groups:
  outdated: nats_version is version('2.15.0', '<')
compose:
  ansible_host: nats_name ~ '.example.com'
---
# With a signing key of the system account instead of creds, every server or none, leaf nodes too, and an answer that is kept for ten minutes.
plugin: natsops.security.nats
servers: [tls://n1.example.com:4222]
store_path: ~/.local/share/nats/nsc/stores/ACME
system_signer_path: ~/.local/share/nats/nsc/keys
expected_servers: [n1, n2, n3]
strict_cluster: true
leafnodes: true
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: /var/cache/ansible/nats
cache_timeout: 600
"""

import difflib
import hashlib
import json
from collections.abc import Iterable
from typing import Any

from ansible.errors import AnsibleError, AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable

from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.base.recognition import hide
from ansible_collections.natsops.security.plugins.module_utils.cluster import fleet, system_connection
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.tasks import cluster_options
from ansible_collections.natsops.security.plugins.module_utils.tasks.asking import Asking

#: The options that distinguish the caches of sources.
_CACHED_BY = ("servers", "expected_servers", "leafnodes", "gateways", "tls_server_name")


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    """The inventory plugin for Ansible."""

    NAME = "natsops.security.nats"

    def verify_file(self, path: str) -> bool:
        """Whether the file is a source for this plugin, by its name."""
        return bool(super().verify_file(path)) and path.endswith(("nats.yml", "nats.yaml"))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Add the servers to the inventory."""
        super().parse(inventory, loader, path, cache)
        try:
            config = self._read_config_data(path)
        except AnsibleError as error:
            raise AnsibleParserError(hide(str(error))) from None
        asking = Asking({name: _plain(self.get_option(name)) for name in self._options})
        try:
            _refuse_unknown(config, self._options)
            found = self._cached(path, cache, asking)
            if self.get_option("strict_cluster"):
                fleet.refuse_silent_servers(found["warnings"])
        except (NatsSecurityError, OSError) as error:
            raise AnsibleParserError(f"{path}: {asking.hide(str(error))}") from None
        for warning in found["warnings"]:
            self.display.warning(f"{path}: {asking.hide(warning)}")
        for host in found["hosts"]:
            self._add(host)

    def _cached(self, path: str, cache: bool, asking: Asking) -> dict[str, Any]:
        """The hosts and warnings of the cluster, from the cache if it is enabled and has them."""
        if not self.get_option("cache"):
            return _look(asking)
        about = json.dumps([asking.params[name] for name in _CACHED_BY]).encode()
        key = f"{self.get_cache_key(path)}_{hashlib.sha256(about).hexdigest()[:12]}"
        if cache and key in self._cache:
            found: dict[str, Any] = self._cache[key]
        else:
            found = self._cache[key] = _look(asking)
        return found

    def _add(self, host: dict[str, Any]) -> None:
        name, strict = host["name"], self.get_option("strict")
        self.inventory.add_host(name)
        for group in host["groups"]:
            self.inventory.add_child(self.inventory.add_group(group), name)
        for variable, value in host["variables"].items():
            self.inventory.set_variable(name, variable, value)
        variables = self.inventory.get_host(name).get_vars()
        self._set_composite_vars(self.get_option("compose"), variables, name, strict=strict)
        variables = self.inventory.get_host(name).get_vars()
        self._add_host_to_composed_groups(self.get_option("groups"), variables, name, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, name, strict=strict)


def _plain(value: Any) -> Any:
    """An option as a module receives it: strings are decrypted, and lose the tags in which Ansible keeps their origin."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, (bool, int, dict)) else str(value)


def _refuse_unknown(config: Iterable[str], known: Iterable[str]) -> None:
    for name in config:
        if name not in known:
            near = difflib.get_close_matches(str(name), list(known), 1)
            raise NatsSecurityError(
                f"{hide(str(name))} is not an option of natsops.security.nats"
                + (f", did you mean {near[0]}?" if near else ".")
            )


def _look(asking: Asking) -> dict[str, Any]:
    """Connect and read the hosts of the cluster. NatsSecurityError for problems with the options or the cluster."""
    params = asking.params
    problem = system_connection.nats_problem() or (
        "The Python library nkeys is missing: `pip install nkeys`." if nkey.NKEYS_IMPORT_ERROR is not None else ""
    )
    if problem:
        raise NatsSecurityError(problem)
    if params["account_server_url"] is not None:
        raise NatsSecurityError("account_server_url: an account server cannot list servers; set servers.")
    if not params["servers"]:
        raise NatsSecurityError("servers: the URL of at least one server is needed.")
    _check_together(params)
    module = asking.as_module()
    layout = cluster_options.store_layout(module)
    operator = cluster_options.read_operator(module, layout)
    params.update(jwts=[], jwt_paths=[])
    accounts = cluster_options.read_accounts(module, layout)
    how = cluster_options.connection_options(module, accounts, operator, fleet.LOOKING)
    scope = fleet.Scope(params["expected_servers"], params["leafnodes"], params["gateways"])
    return system_connection.run(how, lambda connection: fleet.look_at_fleet(connection, scope))


def _check_together(params: dict[str, Any]) -> None:
    """NatsSecurityError for options that cannot be combined, or are needed together, by the same rules as for modules."""
    for group in cluster_options.EXCLUSIVE:
        given = [name for name in group if params.get(name) is not None]
        if len(given) > 1:
            raise NatsSecurityError(f"{' and '.join(given)} cannot be combined: one of them is enough.")
    for group in cluster_options.TOGETHER:
        given = [name for name in group if params.get(name) is not None]
        if given and len(given) < len(group):
            raise NatsSecurityError(f"{' and '.join(group)} are needed together.")
