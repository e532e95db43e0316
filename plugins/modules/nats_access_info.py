#!/usr/bin/python
# Copyright (c) 2026 NatsOps authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module: who may do what, and by which claim."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nats_access_info
version_added: 0.1.0
short_description: Find out who may publish, subscribe and request what in a NATS system
description:
  - Answers questions about an operator, its accounts and its users from their JWTs, from a document that has not been issued yet, or from a live cluster.
  - An answer describes what a nats-server does, with each step and the claim that allows or denies it. If it depends on chance, or a claim is not available,
    C(certain) is V(false). If a server does something that a reader of the claims would not expect, that is among the C(oddities).
  - Sets of subjects are exact. A part of V(orders.>) is given as patterns, each with the patterns that it does not include.
  - Running clients are not asked, and JWTs do not contain what JetStream streams store. For leaf nodes, gateways and MQTT sessions, only permissions are known.
extends_documentation_fragment:
  - natsops.security.attributes.info
  - natsops.security.attributes.actiongroup_nats
  - natsops.security.access
  - natsops.security.connection
  - natsops.security.connection.tls
attributes:
  action_group:
    membership:
      - natsops.security.nats
      - natsops.security.stores
      - natsops.security.servers
      - natsops.security.system_account
author: NatsOps authors (@natsops)
requirements: [nkeys, nats-py for servers]
options:
  questions:
    description:
      - The questions, each a dictionary with one of the keys below, and optionally a V(name) for the answer.
      - "C({may: {user: APP/orders, publish: orders.new}}): whether a user may C(connect) (V(true)), C(publish), C(subscribe) (with a C(queue) or without) or
        C(request). With wildcards, C(publish) asks about all subjects that match."
      - "C({path: {user: APP/orders, publish: orders.new}}): where a message goes, in which account it arrives under which subject, and who may receive it
        there. With C(request) instead of C(publish), who may answer and whether the answer comes back to C(inbox), which defaults to V(_INBOX.>)."
      - "C({who_may: {publish: orders.>}}): all users who may C(publish), C(subscribe), C(receive) or C(request) some of these subjects, each in its own
        account. With C(account), those of all accounts whose messages arrive in that account as one of these subjects, or who receive what is published there."
      - "C({reaches: {account: BILLING}}): what reaches an account from outside."
      - "C({effective: {user: APP/orders}}), with C(account) instead of C(user), or V(true) for all: what is in effect for users."
      - "C({unused_exports: true}), or with C(account): exports that no account imports in a way that works."
      - "C({dead_permissions: true}), or with C(account) or C(user): permissions that have no effect for any subject."
      - "C({jetstream: {account: APP}}): who may use the JetStream API of an account, and what for."
      - Users are named C(ACCOUNT/USER), as the store or the document calls them, or by public key, and accounts by name or public key.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Ask a document before it is issued
  natsops.security.nats_access_info:
    src: acme.yml
    questions:
      - may: {user: APP/orders, publish: orders.new}
      - who_may: {publish: "orders.>"}
      - path: {user: APP/orders, request: billing.invoice}
  register: access

- name: Find who receives what is published in an account
  natsops.security.nats_access_info:
    stores_dir: /etc/nats/stores
    questions:
      - who_may: {receive: "invoices.>", account: BILLING}
  register: readers

- name: Fail where users of another account are among them
  ansible.builtin.assert:
    that: readers.answers[0].some | reject('match', '^BILLING/') | length == 0

- name: Show what reaches an account of a live cluster from outside, and which exports are unused
  natsops.security.nats_access_info:
    servers: [tls://n1.example.com:4222]
    creds_path: /etc/nats/sys.creds
    questions:
      - reaches: {account: BILLING}
      - unused_exports: true

- name: Show what is in effect for one account, from files
  natsops.security.nats_access_info:
    jwt_paths: [/etc/nats/acme.jwt, /etc/nats/app.jwt, /etc/nats/orders.creds]
    questions:
      - effective: {account: APP}
"""

RETURN = r"""
answers:
  description:
    - The answers, in the order of the questions.
    - Each has C(question), and C(name) where the question has one. The other keys depend on the question.
  returned: success
  type: list
  elements: dict
  contains:
    allowed:
      description:
        - Of C(may) and C(path), whether it is allowed, even if only in some cases. With wildcards, whether all of it is allowed in all cases.
      type: bool
    certain:
      description: Whether the answer is certain. It is not if mappings with weights decide, or if something is not available.
      type: bool
    reason:
      description: The answer in a sentence.
      type: str
    steps:
      description:
        - The steps that lead to the answer. C(claim) is the claim of the step, C(path) the place in it, in the names of the options, and C(place) the file or
          document. C(effect) is V(allows), V(denies) or V(forwards), and C(text) describes it.
      type: list
      elements: dict
    oddities:
      description: What a server does there that a reader of the claims would not expect.
      type: list
      elements: str
    how_much:
      description: Of C(may) with wildcards, V(all), V(some) or V(none).
      type: str
    part:
      description: Of C(may) with wildcards, the subjects that are allowed, a list of C(subject) with what it does not include (C(except)).
      type: list
      elements: dict
    receives:
      description: Of C(may) with C(subscribe), the subjects of messages that are delivered.
      type: list
      elements: dict
    arrivals:
      description:
        - Of C(path), the accounts that the message arrives in. Each has C(account), C(subject), C(by) (V(own), V(stream) or V(service)), C(certain), C(steps),
          the users who can get it if they subscribe (C(receivers)), and of a request whose answers come back (C(responders)). C(servers) is true if servers
          themselves listen there.
      type: list
      elements: dict
    closed:
      description: Imports that would forward it but do not work, with the C(reasons).
      type: list
      elements: dict
    users:
      description:
        - Of C(who_may), the users with C(how_much), and the C(ways) by which they may. Of C(effective), what is in effect for each. Of C(jetstream), the users
          with their C(rights).
      type: list
      elements: dict
    all:
      description: Of C(who_may), the names of the users who may do it with all of the subjects.
      type: list
      elements: str
    some:
      description: Of C(who_may), the names of the users who may do it with any of the subjects.
      type: list
      elements: str
    ways:
      description:
        - Of C(reaches), one for each way into the account. C(kind) is V(stream), V(request) or V(answer), C(from) the account that it is from, C(there) the
          subjects in that account and C(here) those in this one, C(users) those who may publish some of it.
      type: list
      elements: dict
    exports:
      description: Of C(unused_exports), the exports.
      type: list
      elements: dict
    permissions:
      description: Of C(dead_permissions), the permissions, each with the C(reason) and the C(users) that have it.
      type: list
      elements: dict
  sample:
    - question: {may: {user: APP/orders, publish: orders.new}}
      allowed: true
      certain: true
      reason: "APP/orders may publish orders.new: orders.> is allowed"
      steps:
        - claim: user APP/orders
          path: permissions.publish.allow[0]
          place: /etc/nats/stores/ACME/accounts/APP/users/orders.jwt
          effect: allows
          text: "publish orders.new: orders.> is allowed"
      oddities: []
problems:
  description:
    - What could not be used for the answers, or is not available, in sentences. For example, a file that holds no JWT, an account that others import from
      and that is missing, or a server that holds another JWT than the others.
  returned: success
  type: list
  elements: str
  sample: ["The account ACNGDPHTAUYCSRSTT3LL3NOA6DXG2ZOJJD3KNRQTCTLZLCXW5WBGAF2O is not available, so what its users orders may do is unknown."]
"""

import gc
from typing import Any

from ansible_collections.natsops.security.plugins.module_utils.base.compile_once import compile_once

compile_once()

from ansible_collections.natsops.security.plugins.module_utils.access.answers import answers
from ansible_collections.natsops.security.plugins.module_utils.access.questions import read_questions
from ansible_collections.natsops.security.plugins.module_utils.tasks import access_tasks
from ansible_collections.natsops.security.plugins.module_utils.tasks.task import CarefulModule, run


def _task(module: CarefulModule) -> dict[str, Any]:
    source = access_tasks.read_source_of(module)
    tree = source.tree(access_tasks.servers_of(module))
    questions = read_questions(tree, module.params["questions"])
    result = {"changed": False, "answers": answers(tree, questions), "problems": tree.problems}
    if module.params["definition"] is not None:
        # Otherwise Ansible returns the whole document, which -vvv shows again.
        result["invocation"] = {"module_args": {**module.params, "definition": "(as in the task)"}}
    shown: dict[str, Any] = source.readable(result)
    return shown


def main() -> None:
    """Run the module."""
    # No reference cycles are created here, and searching for them among many users takes half of the time.
    gc.disable()
    run(
        _task,
        argument_spec={
            **access_tasks.source_spec(),
            "questions": {"type": "list", "elements": "dict", "required": True},
        },
        required_one_of=access_tasks.ONE_OF,
        mutually_exclusive=access_tasks.EXCLUSIVE,
        required_together=access_tasks.TOGETHER,
        if_missing={"answers": [], "problems": []},
    )


if __name__ == "__main__":
    main()
