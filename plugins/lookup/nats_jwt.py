# Copyright (c) 2026 NatsOps authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lookup: JWTs of an operator, accounts and users, from a store."""

from __future__ import annotations

DOCUMENTATION = r"""
name: nats_jwt
version_added: 0.1.0
short_description: The JWT of an operator, an account or a user, from a store on the controller
description:
  - Returns JWTs of a store in the layout of C(nsc), as M(natsops.security.nats_store) and C(nsc) keep it.
  - The JWT of a user has to be signed by its account, that of an account by the operator.
  - The JWT of a bearer, a user with O(natsops.security.nats_user#module:bearer_token), is a secret. Set C(no_log=true) on tasks that use it.
  - In check mode, an earlier task may not have created what is looked up yet. In that case the text is empty, with a warning.
author: NatsOps authors (@natsops)
extends_documentation_fragment:
  - natsops.security.store
options:
  _terms:
    description: What to look up, each as C(OPERATOR), C(OPERATOR/ACCOUNT) or C(OPERATOR/ACCOUNT/USER); the operator is the name of the store.
    type: list
    elements: str
    required: true
seealso:
  - plugin: natsops.security.nats_creds
    plugin_type: lookup
  - plugin: natsops.security.nats_jwt
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show when the account APP expires
  ansible.builtin.debug:
    msg: "{{ lookup('natsops.security.nats_jwt', 'ACME/APP', stores_dir='/etc/nats/stores', keys_dir='/etc/nats/keys') | natsops.security.nats_expiry }}"
"""

RETURN = r"""
_raw:
  description: Each JWT.
  type: list
  elements: str
"""

from typing import Any

from ansible.plugins.lookup import LookupBase

from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.store.entry import Entries, Name
from ansible_collections.natsops.security.plugins.plugin_utils.looking_up import look_up
from ansible_collections.natsops.security.plugins.plugin_utils.refusals import lookup_refusal


class LookupModule(LookupBase):
    """The lookup for Ansible."""

    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **options: Any) -> list[str]:
        """The JWT of each name."""
        self.set_options(var_options=variables, direct=options)
        try:
            return look_up(terms, variables, self.get_options(), _token)
        except NatsSecurityError as error:
            raise lookup_refusal(f"nats_jwt: {error}") from None


def _token(entries: Entries, name: Name) -> str:
    return entries.token(name.account, name.user)
