#!/usr/bin/python
# Copyright (c) 2026 NatsOps authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module: whether a NATS system follows a policy."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nats_policy
version_added: 0.1.0
short_description: Check a NATS system against rules as code
description:
  - Checks an operator, its accounts and its users against rules, from their JWTs, from a document that has not been issued yet, or from a live cluster.
  - A document needs no key, so a change can be checked before it is merged.
  - The rules are those of this collection, in two levels, each with a reason and a reference, and your own. Exceptions have an owner and an end date; one that
    has expired is a finding itself.
  - Findings are returned, and can be written as JUnit XML and as SARIF 2.1.0.
  - What cannot be read, such as a file without a JWT or a server that does not list its accounts, is a finding of the rule C(source-complete), because it
    cannot be checked.
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
      - natsops.security.servers
      - natsops.security.system_account
      - natsops.security.files
author: NatsOps authors (@natsops)
requirements: [nkeys, nats-py for servers]
options:
  level:
    description:
      - Which rules of this collection are checked, V(1) for those that every system should follow, V(2) for all, V(0) for only those in O(rules).
      - "Level 1: C(user-expiry), C(no-bearer-users), C(no-wildcard-publish), C(system-account), C(connection-limits), C(jetstream-limits), C(live-imports)."
      - "Level 2: C(no-wildcard-subscribe), C(scoped-signing-keys), C(no-identity-signatures), C(strict-signing-keys), C(bearer-forbidden), C(key-age),
        C(dead-permissions), C(unused-exports)."
      - C(source-complete) and C(expired-exception) are checked at every level.
    type: int
    choices: [0, 1, 2]
    default: 1
  rules:
    description:
      - Your own rules, each a dictionary with C(rule), the kind of the rule, and its parameters.
      - Each may have a C(level) (V(1) or V(2)), an C(id), which defaults to the kind, C(reason) and C(reference). A rule with the C(id) of a rule of this
        collection replaces it.
      - "C(applies_to) selects what a rule applies to, and C(leaves_out) what it does not apply to: C(accounts), C(users) and C(tags), lists of names or public
        keys with the wildcards of file names. Users are named C(ACCOUNT/USER), and have the tags of their account too. If several are given, all have to
        match."
      - "C({rule: user-expiry, within: 90d}): users expire within this time."
      - "C({rule: no-bearer-users}), C({rule: bearer-forbidden}): no user is a bearer; accounts forbid bearer tokens."
      - "C({rule: no-wildcard-publish, wildcards: leading}), and C(no-wildcard-subscribe): users may not publish, or subscribe, to everything or to subjects
        that begin with a wildcard; with C(wildcards: any), to no subject with wildcards. Subjects that are denied do not count."
      - "C({rule: scoped-signing-keys}), C({rule: no-identity-signatures}), C({rule: strict-signing-keys}): signing keys of accounts have a scope; no identity
        key signs; the operator does not allow identity keys to sign."
      - "C({rule: system-account}): the operator names a system account."
      - "C({rule: connection-limits, limits: [connections]}): limits of accounts are set, of C(connections), C(leaf_nodes), C(subscriptions), C(payload),
        C(imports), C(exports)."
      - "C({rule: jetstream-limits, limits: [memory_storage, disk_storage, streams, consumers]}): limits of JetStream are set where it is on."
      - "C({rule: live-imports}), C({rule: unused-exports}), C({rule: dead-permissions}): imports work, exports are imported, permissions have an effect."
      - "C({rule: key-age, older_than: 365d}): no key is older. The age of a key is that of the oldest JWT that names it or that it signed. Documents have no
        such time, so nothing is checked in them."
      - "C({rule: only, receive: billing.>, account: BILLING, allowed: [BILLING]}): only these accounts and users may C(publish), C(subscribe), C(receive) or
        C(request) a subject, as in C(who_may) of M(natsops.security.nats_access_info). Without C(account), each user is checked in its own account."
      - "C({rule: required-tags, tags: ['team:*'], of: [accounts]}): C(operator), C(accounts) or C(users) have these tags."
      - "C({rule: naming, pattern: '[A-Z]+', of: [accounts]}): names match a regular expression of Python, from beginning to end."
      - C(no-wildcard-publish), C(no-wildcard-subscribe), C(bearer-forbidden), C(connection-limits) and C(jetstream-limits) do not apply to the system account,
        unless C(system_account) is V(true).
      - "C({rule: source-complete, level: 2}): only the level of this rule can be set."
    type: list
    elements: dict
  exceptions:
    description:
      - "Findings that are accepted, each a dictionary with C(rule), the C(id) of the rule, C(owner), C(reason) and C(until), the last day, such as
        V(2027-01-31). C(applies_to) is as in O(rules); an exception without it covers all findings of the rule."
      - After its last day, in UTC, an exception no longer covers findings and is a finding of C(expired-exception), with the level of its rule.
    type: list
    elements: dict
  policy_path:
    description:
      - A YAML or JSON file with C(rules) and C(exceptions), in addition to O(rules) and O(exceptions).
    type: path
  fail_on:
    description:
      - Up to which level findings make the task fail. The reports are written, and all values are returned, even if it fails.
    type: str
    choices: [none, "1", "2"]
    default: "2"
  junit_path:
    description:
      - Where to write the findings as JUnit XML. An existing file with other content is an error and is not changed.
    type: path
  sarif_path:
    description:
      - Where to write the findings as SARIF 2.1.0. An existing file with other content is an error and is not changed.
    type: path
  return_reports:
    description:
      - The reports to return as text.
    type: list
    elements: str
    choices: [junit, sarif]
    default: []
  mode:
    description:
      - The permissions of the reports. Defaults to V(0644).
"""

EXAMPLES = r"""
- name: Check a document before it is merged, without any key
  natsops.security.nats_policy:
    src: acme.yml
    level: 2
    fail_on: 1
    junit_path: policy.xml
    sarif_path: policy.sarif

- name: Check a store against your own rules
  natsops.security.nats_policy:
    stores_dir: /etc/nats/stores
    rules:
      - rule: user-expiry
        within: 30d
      - id: billing-readers
        rule: only
        receive: "billing.>"
        account: BILLING
        allowed: [BILLING]
        reason: Invoices are personal data.
      - rule: required-tags
        tags: ["team:*"]
    exceptions:
      - rule: user-expiry
        owner: jana@example.com
        reason: The old scanners cannot renew their creds, ticket OPS-12.
        until: "2027-01-31"
        applies_to: {users: ["SHOP/scanner-*"]}

- name: Report on a live cluster without failing
  natsops.security.nats_policy:
    servers: [tls://n1.example.com:4222]
    creds_path: /etc/nats/sys.creds
    policy_path: policy.yml
    fail_on: none
  register: policy

- name: Show what was found
  ansible.builtin.debug:
    msg: "{{ policy.findings | map(attribute='message') }}"
"""

RETURN = r"""
passed:
  description: Whether there is no finding of a level that makes the task fail, see O(fail_on).
  returned: always, unless the policy or the source is refused
  type: bool
  sample: false
findings:
  description:
    - Violations of rules that are not covered by an exception.
    - Each has the C(rule) by its id, its C(kind) and C(level), a C(message), the C(claim) and the C(path) in it if there is one, in the names of the
      options, the file or document (C(place)), the names of all entities that it is C(about), and the C(reason) and C(reference) of the rule.
  returned: always, unless the policy or the source is refused
  type: list
  elements: dict
  sample:
    - rule: user-expiry
      kind: user-expiry
      level: 1
      message: "user APP/orders: never expires; it has to expire within 90d."
      claim: user APP/orders
      path: expires_at
      place: /etc/nats/stores/ACME/accounts/APP/users/orders.jwt
      about: [user APP/orders]
      reason: Creds that were copied work until their JWT expires. Where users expire, an unnoticed copy becomes useless by itself.
      reference: NIST SP 800-53 IA-5(1), AC-2(3)
excepted:
  description: The same for findings that an exception covers, each with its C(exception), which has C(owner), C(reason), C(until) and C(path).
  returned: always, unless the policy or the source is refused
  type: list
  elements: dict
  sample: []
rules:
  description:
    - The rules that were checked, each with how many operators, accounts and users it was applied to (C(checked)), and the numbers of its C(findings) and of
      those C(excepted).
  returned: always, unless the policy or the source is refused
  type: list
  elements: dict
  sample:
    - id: user-expiry
      rule: user-expiry
      title: Users expire in time
      level: 1
      checked: 12
      findings: 1
      excepted: 0
      reason: Creds that were copied work until their JWT expires. Where users expire, an unnoticed copy becomes useless by itself.
      reference: NIST SP 800-53 IA-5(1), AC-2(3)
problems:
  description: What could not be read or is not available, in sentences, as RV(natsops.security.nats_access_info#module:problems).
  returned: always, unless the policy or the source is refused
  type: list
  elements: str
  sample: []
notes:
  description: Observations about the policy, such as an exception that covers nothing or ends soon, and a selection that selects nothing; and
    claims that are not enforced by every server version that C(assert_server_version) of the operator allows.
  returned: always, unless the policy or the source is refused
  type: list
  elements: str
  sample: ["exceptions[0]: the exception of jana@example.com from user-expiry ends on 2027-01-31."]
junit:
  description: The findings as JUnit XML.
  returned: with V(junit) in O(return_reports)
  type: str
  sample: '<?xml version="1.0" encoding="UTF-8"?>'
sarif:
  description: The findings as SARIF 2.1.0.
  returned: with V(sarif) in O(return_reports)
  type: str
  sample: '{"version": "2.1.0"}'
"""

import gc

from ansible_collections.natsops.security.plugins.module_utils.base.compile_once import compile_once

compile_once()

from ansible_collections.natsops.security.plugins.module_utils.tasks import access_tasks
from ansible_collections.natsops.security.plugins.module_utils.tasks.policy import policy_spec, policy_task
from ansible_collections.natsops.security.plugins.module_utils.tasks.task import run


def main() -> None:
    """Run the module."""
    # No reference cycles are created here, and searching for them among many users takes half of the time.
    gc.disable()
    run(
        policy_task,
        argument_spec={**access_tasks.source_spec(), **policy_spec()},
        writes=("junit_path", "sarif_path"),
        required_one_of=access_tasks.ONE_OF,
        mutually_exclusive=access_tasks.EXCLUSIVE,
        required_together=access_tasks.TOGETHER,
        add_file_common_args=True,
        if_missing={"passed": True, "findings": [], "excepted": [], "rules": [], "problems": [], "notes": []},
    )


if __name__ == "__main__":
    main()
