#!/usr/bin/python
# Copyright (c) 2026 NatsOps authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module: a nats-server that runs under systemd."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nats_server
version_added: 0.1.0
short_description: Start, reload or restart a nats-server under systemd
description:
  - Makes sure that a server runs with the configuration, the program, the unit and the TLS files that are on disk, see M(natsops.security.nats_server_config).
  - The running server is asked over its monitoring port, and no state is kept between runs. So a run that was interrupted between writing and reloading is
    completed by the next one, and a certificate that another program renewed is loaded.
  - What NATS can reload is reloaded. For the rest, RV(restart_needed) is true, so that a play restarts its servers one after the other.
  - It requires only Python and systemd on the host, and root.
extends_documentation_fragment:
  - natsops.security.attributes
  - natsops.security.attributes.actiongroup_nats
author: NatsOps authors (@natsops)
attributes:
  diff_mode:
    details: The action on the server, with the reasons.
  idempotent:
    support: partial
    details: With O(state=restarted) the server is restarted each time.
  safe_file_operations:
    support: N/A
    details: It changes no files.
options:
  state:
    description:
      - With V(current), a server that does not run is started, and one that does not run with what is on disk is reloaded if that is sufficient.
      - With V(restarted), it is restarted, or started if it does not run.
      - With V(healthy), the task waits until it is healthy, current in JetStream, and connected to O(peers) other servers.
    type: str
    choices: [current, restarted, healthy]
    default: current
  rolling:
    description:
      - With O(state=restarted), wait until the server is healthy again, current in JetStream and connected to the same servers as before.
    type: bool
    default: false
  service:
    description:
      - The name of the service.
    type: str
    default: nats-server
  config_path:
    description:
      - The configuration file that the service uses.
    type: path
    default: /etc/nats/nats-server.conf
  binary_path:
    description:
      - The program that the service runs.
    type: path
    required: true
  service_user:
    description:
      - The user of the system that the server runs as, for reading its configuration. Defaults to the user of the task.
    type: str
  monitoring_url:
    description:
      - The URL of the server's monitoring port, see RV(natsops.security.nats_server_config#module:monitoring_url).
    type: str
    default: http://127.0.0.1:8222
  started_path:
    description:
      - The file to which the unit writes, at each start, the digests of the files that the server reads. The default is C(/run/SERVICE/started), as in the
        unit of the role P(natsops.security.server#role).
    type: path
  peers:
    description:
      - How many other servers of the cluster have to be connected before the server is considered healthy.
    type: int
    default: 0
  start_timeout:
    description:
      - How long a server may take until it answers.
    type: str
    default: 30s
  healthy_timeout:
    description:
      - How long a server may take until it is healthy, connected and current in JetStream.
    type: str
    default: 3m
"""

EXAMPLES = r"""
- name: Run with what is on disk
  natsops.security.nats_server:
    binary_path: /usr/local/bin/nats-server
    service_user: nats
  register: server

- name: Restart if NATS cannot reload the change, one host after the other
  natsops.security.nats_server:
    state: restarted
    rolling: true
    binary_path: /usr/local/bin/nats-server
    service_user: nats
    peers: 2
  when: server.restart_needed
  throttle: 1
"""

RETURN = r"""
action:
  description: What was done, V(none), V(started), V(reloaded) or V(restarted); in check mode what would be done.
  returned: success
  type: str
  sample: reloaded
reasons:
  description: Why it was done, or why a restart is needed.
  returned: success
  type: list
  elements: str
  sample: ["the configuration was changed"]
restart_needed:
  description: Whether a restart is still needed.
  returned: success
  type: bool
cannot_rejoin:
  description: Whether the user or password of the cluster is new, so that restarted servers cannot connect to those that are not restarted yet.
  returned: success
  type: bool
answers:
  description: Whether the server answers at O(monitoring_url). The task does not wait for a server that does not answer before it restarts it.
  returned: success
  type: bool
"""

from ansible_collections.natsops.security.plugins.module_utils.base.compile_once import compile_once

compile_once()

from ansible_collections.natsops.security.plugins.module_utils.tasks.server import direct_service
from ansible_collections.natsops.security.plugins.module_utils.tasks.task import run


def main() -> None:
    """Run the module."""
    run(
        direct_service,
        argument_spec={
            "state": {"type": "str", "choices": ["current", "restarted", "healthy"], "default": "current"},
            "rolling": {"type": "bool", "default": False},
            "service": {"type": "str", "default": "nats-server"},
            "config_path": {"type": "path", "default": "/etc/nats/nats-server.conf"},
            "binary_path": {"type": "path", "required": True},
            "service_user": {"type": "str"},
            "monitoring_url": {"type": "str", "default": "http://127.0.0.1:8222"},
            "started_path": {"type": "path"},
            "peers": {"type": "int", "default": 0},
            "start_timeout": {"type": "str", "default": "30s"},
            "healthy_timeout": {"type": "str", "default": "3m"},
        },
        needs_nkeys=False,
    )


if __name__ == "__main__":
    main()
