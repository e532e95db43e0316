# Copyright (c) 2026 NatsOps authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lookup: creds files of users, from a store."""

from __future__ import annotations

DOCUMENTATION = r"""
name: nats_creds
version_added: 0.1.0
short_description: The creds file of a user, from a store on the controller
description:
  - Returns the text of creds files in the keystore of a store in the layout of C(nsc), as M(natsops.security.nats_store) and C(nsc) keep it.
  - The file has to hold the JWT that the store has for the user, with its seed. The JWT has to be signed by the account, and that of the account by the
    operator. A user that the account has revoked is an error.
  - The text holds the private key of the user. Set C(no_log=true) on tasks that use it.
  - In check mode, an earlier task may not have created the user yet. In that case the text is empty, with a warning.
  - Whether the creds expire soon is not checked, see P(natsops.security.valid_for#test).
author: NatsOps authors (@natsops)
extends_documentation_fragment:
  - natsops.security.store
options:
  _terms:
    description: The users, each as C(OPERATOR/ACCOUNT/USER); the operator is the name of the store.
    type: list
    elements: str
    required: true
seealso:
  - plugin: natsops.security.nats_jwt
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: Put the creds of the orders service onto its hosts
  ansible.builtin.copy:
    content: "{{ lookup('natsops.security.nats_creds', 'ACME/APP/orders', stores_dir='/etc/nats/stores', keys_dir='/etc/nats/keys') }}"
    dest: /etc/nats/orders.creds
    mode: "0600"
  no_log: true
"""

RETURN = r"""
_raw:
  description: The text of each creds file.
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
        """The creds file of each user."""
        self.set_options(var_options=variables, direct=options)
        try:
            return look_up(terms, variables, self.get_options(), _creds)
        except NatsSecurityError as error:
            raise lookup_refusal(f"nats_creds: {error}") from None


def _creds(entries: Entries, name: Name) -> str:
    if not name.user:
        raise NatsSecurityError(f"{'/'.join(filter(None, name))} is not a user: write OPERATOR/ACCOUNT/USER.")
    return entries.creds(name.account, name.user)
