# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Filter: who may do what, for assertions in a play."""

from __future__ import annotations

DOCUMENTATION = r"""
name: nats_access
version_added: 0.1.0
short_description: Find out who may publish, subscribe and request what in a NATS system
description:
  - Answers the questions of M(natsops.security.nats_access_info) about a document or about JWTs, on the controller, for assertions in a play.
author: NatsOps authors (@natsops)
positional: questions
options:
  _input:
    description:
      - A document as for M(natsops.security.nats_store), a result with it as RV(natsops.security.nats_store_info#module:definition), or a list of JWTs of
        an operator, accounts and users.
    type: raw
    required: true
  questions:
    description:
      - One question as O(natsops.security.nats_access_info#module:questions) has it, or a list of them.
    type: raw
    required: true
  cluster_name:
    description: As O(natsops.security.nats_access_info#module:cluster_name).
    type: str
    default: ""
  jetstream:
    description: As O(natsops.security.nats_access_info#module:jetstream).
    type: bool
    default: true
  at:
    description: As O(natsops.security.nats_access_info#module:at).
    type: str
"""

EXAMPLES = r"""
- name: The web shop may create orders, and cannot read invoices
  ansible.builtin.assert:
    that:
      - "(acme | natsops.security.nats_access({'may': {'user': 'SHOP/web', 'publish': 'orders.new'}})).allowed"
      - "not (acme | natsops.security.nats_access({'may': {'user': 'SHOP/web', 'subscribe': 'invoices.>'}})).allowed"
  vars:
    acme: "{{ lookup('ansible.builtin.file', 'acme.yml') | from_yaml }}"

- name: Nothing reaches the account VAULT from outside
  ansible.builtin.assert:
    that: "(acme | natsops.security.nats_access({'reaches': {'account': 'VAULT'}})).ways | rejectattr('implicit') | length == 0"
  vars:
    acme: "{{ lookup('ansible.builtin.file', 'acme.yml') | from_yaml }}"
"""

RETURN = r"""
_value:
  description:
    - The answer to the question, or a list of answers, as RV(natsops.security.nats_access_info#module:answers) has them.
  type: raw
"""

import json
import time
from collections.abc import Callable
from typing import Any

from ansible_collections.natsops.security.plugins.module_utils.access.answers import answers
from ansible_collections.natsops.security.plugins.module_utils.access.questions import read_questions
from ansible_collections.natsops.security.plugins.module_utils.access.tree import Servers
from ansible_collections.natsops.security.plugins.module_utils.base import units
from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.tasks import access_sources
from ansible_collections.natsops.security.plugins.module_utils.tasks.access_sources import Source
from ansible_collections.natsops.security.plugins.plugin_utils.refusals import as_data, refusal


def nats_access(
    source: Any, questions: Any, cluster_name: str = "", jetstream: bool = True, at: str | None = None
) -> Any:
    """The answers to questions about a document or about JWTs."""
    try:
        # Convert Ansible's own types of strings and dictionaries to native ones, because some checks distinguish them.
        source, questions = json.loads(json.dumps([source, questions]))
        found = _read(source)
        when = int(time.time()) if at is None else units.parse_time(at)
        tree = found.tree(Servers(when, str(cluster_name), bool(jetstream)))
        asked = read_questions(tree, questions if isinstance(questions, list) else [questions])
        answered = found.readable(answers(tree, asked))
    except (NatsSecurityError, ValueError, TypeError) as error:
        raise refusal(f"nats_access: {error}") from None
    return as_data(answered if isinstance(questions, list) else answered[0])


def _read(source: Any) -> Source:
    if isinstance(source, list) and all(isinstance(item, str) for item in source):
        return access_sources.of_tokens((token, f"JWT {number}") for number, token in enumerate(source))
    if isinstance(source, dict):
        definition = source["definition"] if isinstance(source.get("definition"), dict) else source
        return access_sources.of_document(definition, "definition")
    raise NatsSecurityError(f"expected a document or a list of JWTs, not {type(source).__name__}.")


class FilterModule:
    """The filters for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters by name."""
        return {"nats_access": nats_access}
