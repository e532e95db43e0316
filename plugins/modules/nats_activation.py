#!/usr/bin/python
# Copyright (c) 2026 NatsOps authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module: the activation token that allows an account to import from another."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nats_activation
version_added: 0.1.0
short_description: Create, correct, renew or remove an activation token
description:
  - With an activation token, an account allows another account to import a stream or service that it exports privately. The importing account has the
    token in its own JWT.
  - The existing token is kept as long as it verifies, matches the options, is signed by the signer of the task and is not due for renewal. Otherwise
    a new one is issued, and the result has the reasons.
  - If the JWT of the exporting account is given, the task fails if the account has no such export.
extends_documentation_fragment:
  - natsops.security.attributes
  - natsops.security.attributes.actiongroup_nats
  - natsops.security.attributes.on_controller
  - natsops.security.claims.activation
  - natsops.security.token
  - natsops.security.token.signer
  - natsops.security.token.unsigned
  - natsops.security.signers
  - natsops.security.token.account_jwt
  - natsops.security.token.operator_jwt
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
      - A descriptive name.
    type: str
  jwt_path:
    description:
      - The file of the activation token. If omitted, the token is only returned, in RV(jwt), and O(jwt) is the current one.
  importer:
    description:
      - The public key of the account that may import.
    type: str
  import_subject:
    required: false
  import_type:
    required: false
  account:
    description:
      - The public key of the exporting account, if a signing key signs and the account's JWT is not available.
    type: str
  mode:
    description:
      - The permissions of the file of the token. Defaults to V(0644).
"""

EXAMPLES = r"""
- name: Let the account PARTNER import the orders of APP
  natsops.security.nats_activation:
    jwt_path: /etc/nats/orders-for-partner.jwt
    account_jwt_path: /etc/nats/app.jwt
    signer_path: /etc/nats/app-signing.nk
    importer: "{{ partner.public_key }}"
    import_subject: orders.create
    import_type: service
  register: activation
"""

RETURN = r"""
jwt:
  description: The current activation token. Not in check mode if a new one would be issued.
  returned: when the state is present
  type: str
  sample: eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ.eyJqdGkiOiJSTF...
token:
  description: The same as RV(jwt), under the name that it has in the imports of M(natsops.security.nats_account).
  returned: when the state is present
  type: str
  sample: eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ.eyJqdGkiOiJSTF...
public_key:
  description: The public key of the account that may import.
  returned: success
  type: str
  sample: ACNGDPHTAUYCSRSTT3LL3NOA6DXG2ZOJJD3KNRQTCTLZLCXW5WBGAF2O
issuer_account:
  description: The public key of the exporting account.
  returned: when the state is present
  type: str
  sample: ACWZNPNPQNNE5BU6F5X5OXXKFALUADF7B2E376XAWLSJYJ46F5HOVS34
hash_id:
  description: The name under which NATS's tools file the activation.
  returned: when the state is present
  type: str
  sample: 5EYQFR4K4X6BH4S62CXUS3EVSD5UTRRFNV5ZBCCQXEGE6CSVGTJA====
claims:
  description: The claims of the token, in the names of the options. Fields with their default value are omitted.
  returned: success
  type: dict
  sample: {"subject": "ACNG...", "import_subject": "orders.create", "import_type": "service"}
reasons:
  description: The reasons why the token was issued again. Empty if it was kept.
  returned: success
  type: list
  elements: str
  sample: ["import_subject: orders.create -> orders.>"]
backup_files:
  description: The copies of files that were replaced or removed.
  returned: when O(backup=true) and there was something to keep
  type: list
  elements: str
  sample: ["/etc/nats/orders-for-partner.jwt.4711.2027-01-31@12:00:00~"]
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

from ansible_collections.natsops.security.plugins.module_utils.claims import Activation, activation_hash_id
from ansible_collections.natsops.security.plugins.module_utils.claims.options import argument_spec
from ansible_collections.natsops.security.plugins.module_utils.reconcile.engine import reconcile_activation
from ansible_collections.natsops.security.plugins.module_utils.reconcile.plan import Plan
from ansible_collections.natsops.security.plugins.module_utils.reconcile.wanted import How, WantedActivation
from ansible_collections.natsops.security.plugins.module_utils.tasks import options
from ansible_collections.natsops.security.plugins.module_utils.tasks.single import (
    Single,
    account_above,
    options_of,
    ours,
    parent_of,
    plan_in_time,
    plan_of,
    put_in_place,
    report,
    result_of,
    sign,
)
from ansible_collections.natsops.security.plugins.module_utils.tasks.task import CarefulModule, run
from ansible_collections.natsops.security.plugins.module_utils.tasks.tokens import (
    absent,
    own_token,
    parent,
    parse_public_key,
    signer,
    sources,
)


def _task(module: CarefulModule) -> dict[str, Any]:
    params = module.params
    (place_of_jwt,) = sources(module, "jwt_path")
    if params["state"] == "absent":
        return absent(module, [place_of_jwt], "activation")
    importer = parse_public_key(module, params["importer"], "importer", "account").planned
    above = account_above(module, parent(module, "account"), signer(module, "account"))
    account = parent_of(module, "account", above.found, [above.signer.named])
    existing = ours(module, place_of_jwt, own_token(module, place_of_jwt, "activation"), account, importer)
    place = Single(parent(module, "operator"), {above.name: above.found})
    found = existing.found[0] if existing.found is not None else None
    wanted = WantedActivation(above.name, importer, params["name"] or "", found, options_of(module, Activation))

    def plan_at(time: int) -> Plan:
        how = How(time, may_come=module.check_mode)
        return reconcile_activation(wanted, place, above.signer.ring, how, above.signer.named)

    plan = plan_in_time(module, above.signer, plan_at)
    report(module, plan.problems, plan.warnings)
    step = plan_of(plan, plan.activation)
    signed = sign(module, step, [], above.signer)
    claims = signed.claims
    result = result_of(module, step.decision, signed, [])
    result["reasons"] = existing.reasons(result["reasons"])
    result = put_in_place(module, [], signed, result)
    result.update(
        public_key=importer,
        token=signed.token,
        issuer_account=above.found.claims.subject,
        hash_id=activation_hash_id(claims.issuer, claims.subject, claims.body.import_subject),
    )
    return result


OPTIONS = (
    options.Options(
        {
            name: {word: value for word, value in spec.items() if word != "required"}
            for name, spec in argument_spec(Activation).items()
        },
        fragments=("claims.activation",),
    )
    + options.TOKEN
    + options.SIGNER
    + options.UNSIGNED
    + options.ACCOUNT_JWT
    + options.OPERATOR_JWT
    + options.Options(
        {"name": {"type": "str"}, "importer": {"type": "str"}},
        required_if=(("state", "present", ("importer", "import_subject", "import_type")),),
    )
)


def main(make: Callable[..., CarefulModule] | None = None) -> None:
    """Run the module. `make` creates it if the controller runs it in its own process."""
    run(_task, **OPTIONS.arguments(), add_file_common_args=True, make=make)


if __name__ == "__main__":
    main()
