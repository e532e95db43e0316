#!/usr/bin/python
# Copyright (c) 2026 NatsOps authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module: a NATS system as a page, as JSON and as metrics."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nats_report
version_added: 0.1.0
short_description: Show a NATS system as a page with a map, and as metrics
description:
  - Writes a report about an operator, its accounts and its users, from their JWTs, a document that has not been issued yet, or a live cluster.
  - The page is one HTML file that needs no network. It has a map of accounts with their exports and imports, a timeline of what expires, the findings of a
    policy, differences between servers, and an answer to who may do what with a subject.
  - The JSON has the same content, for programs and for a later report to compare with.
  - The metrics are for the textfile collector of C(node_exporter).
  - None of them has a seed or a JWT in it. They contain names, subjects and public keys, so do not publish them if these are confidential.
  - The files do not contain the time of the run. They change only if their content changes.
extends_documentation_fragment:
  - natsops.security.attributes
  - natsops.security.attributes.actiongroup_nats
  - natsops.security.access
  - natsops.security.connection
  - natsops.security.connection.tls
  - ansible.builtin.files
attributes:
  action_group:
    membership:
      - natsops.security.nats
      - natsops.security.stores
      - natsops.security.keystores
      - natsops.security.servers
      - natsops.security.system_account
      - natsops.security.files
author: NatsOps authors (@natsops)
requirements: [nkeys, nats-py for servers]
options:
  html_path:
    description:
      - Where to write the page. An existing file that is not such a page is an error and is not changed.
      - One of this, O(json_path) and O(metrics_path) is needed.
    type: path
  json_path:
    description:
      - Where to write the report as JSON. An existing file that is not such a report is an error and is not changed.
      - Without O(previous_path), RV(changes) has the changes since the report in this file.
    type: path
  metrics_path:
    description:
      - Where to write metrics in the text format of Prometheus, such as V(/var/lib/node_exporter/nats.prom). The file is replaced in one step.
      - An existing file with other content is an error and is not changed.
    type: path
  previous_path:
    description:
      - An earlier report, written to O(json_path) of another task. The page then shows the changes since.
    type: path
  comparison:
    description:
      - What servers hold and how it differs, as returned by a task of M(natsops.security.nats_resolver_info).
    type: dict
  keys_dir:
    description:
      - The keystore of the store, with O(stores_dir) or O(store). The report then shows for which signing keys seeds are available, and which are the next
        and the retiring ones of a rotation.
    type: path
  level:
    description:
      - Which rules are checked, as O(natsops.security.nats_policy#module:level).
    type: int
    choices: [0, 1, 2]
    default: 1
  rules:
    description:
      - Your own rules, as O(natsops.security.nats_policy#module:rules).
    type: list
    elements: dict
  exceptions:
    description:
      - Exceptions from rules, as O(natsops.security.nats_policy#module:exceptions).
    type: list
    elements: dict
  policy_path:
    description:
      - A file with rules and exceptions, as O(natsops.security.nats_policy#module:policy_path).
    type: path
  mode:
    description:
      - The permissions of the files. Defaults to V(0644).
"""

EXAMPLES = r"""
- name: Show a store as a page, with metrics for alerts
  natsops.security.nats_report:
    stores_dir: /etc/nats/stores
    keys_dir: /etc/nats/keys
    html_path: /srv/www/nats.html
    metrics_path: /var/lib/node_exporter/nats.prom

- name: Read what the servers hold
  natsops.security.nats_resolver_info:
    servers: [tls://n1.example.com:4222]
    creds_path: /etc/nats/sys.creds
    store_path: /etc/nats/stores/ACME
    all_accounts: true
  register: held

- name: Show how the servers differ from the store, and what changed since last week
  natsops.security.nats_report:
    stores_dir: /etc/nats/stores
    comparison: "{{ held }}"
    previous_path: /srv/reports/last-week.json
    html_path: /srv/www/nats.html
    json_path: /srv/reports/this-week.json

- name: Draw a document before it is issued
  natsops.security.nats_report:
    src: acme.yml
    html_path: acme.html
"""

RETURN = r"""
accounts:
  description: How many accounts there are.
  returned: success
  type: int
  sample: 5
users:
  description: How many users there are.
  returned: success
  type: int
  sample: 41
findings:
  description: How many findings of the policy are not covered by an exception.
  returned: success
  type: int
  sample: 2
differences:
  description: How many differences O(comparison) has; null without it.
  returned: success
  type: int
  sample: 0
changes:
  description:
    - What changed since the report in O(previous_path), or else since the one that was in O(json_path). Empty if there is none.
    - Each has the C(kind), V(added), V(removed) or V(changed), the entity that it is C(about), and a C(text) that continues the sentence.
  returned: success
  type: list
  elements: dict
  sample:
    - {kind: changed, about: user APP/orders, text: "expires 2027-02-22T12:00:00Z, before 2026-11-24T12:00:00Z"}
problems:
  description: What could not be read or is not available, in sentences, as RV(natsops.security.nats_access_info#module:problems).
  returned: success
  type: list
  elements: str
  sample: []
"""

import gc

from ansible_collections.natsops.security.plugins.module_utils.base.compile_once import compile_once

compile_once()

from ansible_collections.natsops.security.plugins.module_utils.tasks import access_tasks
from ansible_collections.natsops.security.plugins.module_utils.tasks.report import WRITES, report_spec, report_task
from ansible_collections.natsops.security.plugins.module_utils.tasks.task import run


def main() -> None:
    """Run the module."""
    # No reference cycles are created here, and searching for them among many users takes half of the time.
    gc.disable()
    run(
        report_task,
        argument_spec={**access_tasks.source_spec(), **report_spec()},
        writes=WRITES,
        required_one_of=[*access_tasks.ONE_OF, WRITES],
        mutually_exclusive=access_tasks.EXCLUSIVE,
        required_together=access_tasks.TOGETHER,
        add_file_common_args=True,
        if_missing={"accounts": 0, "users": 0, "findings": 0, "differences": None, "changes": [], "problems": []},
    )


if __name__ == "__main__":
    main()
