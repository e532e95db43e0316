#!/usr/bin/python
# Copyright (c) 2026 NatsOps authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module: the JWT of an account."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nats_account
version_added: 0.1.0
short_description: Create, correct, renew or remove the JWT of a NATS account
description:
  - The options describe the whole of the account's claims. Options that are omitted have their defaults, except for signing keys and revocations,
    which are never dropped by omission.
  - The existing JWT is kept as long as it verifies, matches the options, is signed by the signer of the task and is not due for renewal. Otherwise
    a new one is issued, and the result has the reasons.
  - Servers use a changed account only after its JWT is pushed to their resolver.
extends_documentation_fragment:
  - natsops.security.attributes
  - natsops.security.attributes.actiongroup_nats
  - natsops.security.attributes.on_controller
  - natsops.security.claims.account
  - natsops.security.token
  - natsops.security.token.key
  - natsops.security.token.signer
  - natsops.security.token.unsigned
  - natsops.security.signers
  - natsops.security.token.operator_jwt
  - natsops.security.token.remove_signing_keys
  - natsops.security.token.remove_revocations
  - ansible.builtin.files
attributes:
  action_group:
    membership:
      - natsops.security.nats
      - natsops.security.signers
      - natsops.security.signing
      - natsops.security.tokens
      - natsops.security.files
author: NatsOps authors (@natsops)
requirements: [nkeys]
options:
  name:
    description:
      - The name of the account.
    type: str
  mode:
    description:
      - The permissions of the file of the JWT. Defaults to V(0644).
"""

EXAMPLES = r"""
- name: Create an account with JetStream, an export and a scoped signing key
  natsops.security.nats_account:
    name: APP
    key_path: /etc/nats/app.nk
    jwt_path: /etc/nats/app.jwt
    operator_jwt_path: /etc/nats/acme.jwt
    signer_path: /etc/nats/acme-signing.nk
    limits:
      connections: 100
      jetstream:
        disk_storage: 10GiB
        memory_storage: 512MiB
    exports:
      - subject: prices.>
        type: stream
      - subject: orders.create
        type: service
        token_required: true
    signing_keys:
      - path: /etc/nats/app-signing.nk
      - path: /etc/nats/app-reader.nk
        role: reader
        template:
          permissions:
            subscribe:
              allow:
                - prices.>
                - _INBOX.>
    expires_in: 180d
    renew_before: 30d

- name: Revoke a user
  natsops.security.nats_account:
    name: PARTNER
    key_path: /etc/nats/partner.nk
    jwt_path: /etc/nats/partner.jwt
    operator_jwt_path: /etc/nats/acme.jwt
    signer_path: /etc/nats/acme-signing.nk
    revocations:
      UDAUGD2567MCKGLKERIAYKLXZJK6QZVHWBOXB3L7I2ABPF3ZMYEWQDWK: now
"""

RETURN = r"""
public_key:
  description: The subject of the JWT, a public key. In check mode, a placeholder for a key that does not exist yet.
  returned: success
  type: str
  sample: ACNGDPHTAUYCSRSTT3LL3NOA6DXG2ZOJJD3KNRQTCTLZLCXW5WBGAF2O
jwt:
  description: The current JWT. Not in check mode if a new one would be issued.
  returned: when the state is present
  type: str
  sample: eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ.eyJqdGkiOiJTS...
claims:
  description:
    - The claims of the JWT, in the names of the options. Fields with their default value are omitted.
  returned: success
  type: dict
  sample: {"name": "APP", "subject": "ACNG...", "limits": {"connections": 100}}
reasons:
  description: The reasons why the JWT was issued again. Empty if it was kept.
  returned: success
  type: list
  elements: str
  sample: ["limits.connections: 10 -> 20", "expires in 6d, renewal window 14d"]
backup_files:
  description: The copies of files that were replaced or removed.
  returned: when O(backup=true) and there was something to keep
  type: list
  elements: str
  sample: ["/etc/nats/app.jwt.4711.2027-01-31@12:00:00~"]
signing_keys:
  description: The keys that sign for the account.
  returned: when the state is present
  type: list
  elements: dict
  contains:
    public_key:
      description: The public key.
      type: str
    role:
      description: The name of its scope. Empty if it has none.
      type: str
    scoped:
      description: Whether its users have the permissions of a template.
      type: bool
  sample: [{"public_key": "AATN2N2KTAJRTFU526CY5LMNDEROBFFN3US72FFVRO5VBZ4ORRA4A63W", "role": "reader", "scoped": true}]
unsigned:
  description:
    - The request that waits for a signature by a key elsewhere, with the C(path) and the C(checksum) of the file, its name in C(requests), and the public
      key of the signer in C(issuers). Null if there is none. In check mode, a request whose keys would be created has no checksum and no name.
  returned: with O(unsigned_path)
  type: dict
  sample: {"path": "/media/stick/request.json", "checksum": "0f2c5b...", "requests": ["account APP"], "issuers": ["OBXR..."]}
"""

from typing import Any, Callable

from ansible_collections.natsops.security.plugins.module_utils.base.compile_once import compile_once

compile_once()

from ansible_collections.natsops.security.plugins.module_utils.claims import Account, SigningKey
from ansible_collections.natsops.security.plugins.module_utils.claims.options import argument_spec
from ansible_collections.natsops.security.plugins.module_utils.reconcile.place import Found
from ansible_collections.natsops.security.plugins.module_utils.reconcile.wanted import PRESENT, Wanted, WantedAccount
from ansible_collections.natsops.security.plugins.module_utils.tasks import options
from ansible_collections.natsops.security.plugins.module_utils.tasks.single import (
    Single,
    decide,
    listed_keys,
    options_of,
    ours,
    parent_of,
    plan_of,
    put_in_place,
    result_of,
    sign,
)
from ansible_collections.natsops.security.plugins.module_utils.tasks.task import CarefulModule, run
from ansible_collections.natsops.security.plugins.module_utils.tasks.tokens import (
    absent,
    own_key,
    own_token,
    parent,
    require_jwt_for_folder,
    signer,
    sources,
)


def _task(module: CarefulModule) -> dict[str, Any]:
    params = module.params
    name = params["name"]
    (place_of_jwt,) = sources(module, "jwt_path")
    if params["state"] == "absent":
        return absent(module, [place_of_jwt], "account")
    key, listed = own_key(module, "account"), listed_keys(module, "account")
    keys = [key, *listed.keys]
    described = options_of(module, Account)
    del described["signing_keys"]
    wanted = WantedAccount(
        "",
        name,
        key.planned,
        "",
        PRESENT,
        listed.wanted,
        [],
        described,
        params["remove_signing_keys"] or [],
        params["remove_revocations"] or [],
    )
    signing = signer(module, "")
    operator = parent(module, "operator")
    require_jwt_for_folder(module, signing, operator)
    above = parent_of(module, "operator", operator, [signing.named])
    existing = ours(module, place_of_jwt, own_token(module, place_of_jwt, "account"), above, key.planned)
    place = Single(operator, {name: Found(*existing.found)} if existing.found else {})
    plan = decide(module, Wanted(None, [wanted]), place, signing)
    step = plan_of(plan, plan.accounts.get(name))
    signed = sign(module, step, keys, signing)
    shown = [
        {"public_key": one.key, "role": one.role, "scoped": one.template is not None}
        for one in signed.claims.body.signing_keys
    ]
    result = result_of(module, step.decision, signed, keys)
    result["reasons"] = existing.reasons(result["reasons"])
    result.update(public_key=key.public_key, signing_keys=shown)
    return put_in_place(module, keys, signed, result)


OPTIONS = (
    options.claims(Account, "account")
    + options.TOKEN
    + options.KEY
    + options.SIGNER
    + options.UNSIGNED
    + options.OPERATOR_JWT
    + options.named()
    + options.signing_keys(argument_spec(SigningKey))
    + options.Options(
        {
            "remove_revocations": {"type": "list", "elements": "str"},
        },
        fragments=("token.remove_revocations",),
    )
)


def main(make: Callable[..., CarefulModule] | None = None) -> None:
    """Run the module. `make` creates it if the controller runs it in its own process."""
    run(_task, **OPTIONS.arguments(), add_file_common_args=True, make=make)


if __name__ == "__main__":
    main()
