#!/usr/bin/python
# Copyright (c) 2026 NatsOps authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module: the JWT of an operator."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nats_operator
version_added: 0.1.0
short_description: Create, correct, renew or remove the JWT of a NATS operator
description:
  - The options describe the whole of the operator's claims. Options that are omitted have their defaults, except for signing keys, which are never dropped by
    omission.
  - The existing JWT is kept as long as it verifies, matches the options and is not due for renewal. Otherwise a new one is issued, and the result has
    the reasons.
  - The operator signs its own JWT with its own key, unless a signer is given.
  - Servers have to be restarted to use a changed operator JWT.
extends_documentation_fragment:
  - natsops.security.attributes
  - natsops.security.attributes.actiongroup_nats
  - natsops.security.attributes.on_controller
  - natsops.security.claims.operator
  - natsops.security.token
  - natsops.security.token.key
  - natsops.security.token.signer
  - natsops.security.token.unsigned
  - natsops.security.signers
  - natsops.security.token.remove_signing_keys
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
      - The name of the operator.
    type: str
  mode:
    description:
      - The permissions of the file of the JWT. Defaults to V(0644).
"""

EXAMPLES = r"""
- name: Create an operator with a signing key
  natsops.security.nats_operator:
    name: ACME
    key_path: /etc/nats/acme.nk
    jwt_path: /etc/nats/acme.jwt
    signing_keys:
      - path: /etc/nats/acme-signing.nk
    strict_signing_key_usage: true
    operator_service_urls:
      - tls://nats.example.com:4222
  register: operator

- name: Show why it was signed again
  ansible.builtin.debug:
    msg: "{{ operator.reasons }}"
"""

RETURN = r"""
public_key:
  description: The subject of the JWT, a public key. In check mode, a placeholder for a key that does not exist yet.
  returned: success
  type: str
  sample: OBXRLALQTO33D3YDBUQQ3MMOHMF2DR3W7OTF3DG2VUCUCUKC2GE7R7EL
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
  sample: {"name": "ACME", "subject": "OBXR...", "strict_signing_key_usage": true}
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
  description: The keys that sign for the operator, those that the task lists first.
  returned: when the state is present
  type: list
  elements: str
  sample: ["OCRP7HHMMYJYOJ73YYUNVNTHPKAW2FYQWF6SI6SISML662ALA4NMDEGK"]
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

from ansible_collections.natsops.security.plugins.module_utils.claims import Operator
from ansible_collections.natsops.security.plugins.module_utils.reconcile.place import Found
from ansible_collections.natsops.security.plugins.module_utils.reconcile.wanted import PRESENT, Wanted, WantedOperator
from ansible_collections.natsops.security.plugins.module_utils.tasks import options
from ansible_collections.natsops.security.plugins.module_utils.tasks.single import (
    Existing,
    Parent,
    Single,
    decide,
    listed_keys,
    options_of,
    ours,
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
    signer,
    sources,
)


def _task(module: CarefulModule) -> dict[str, Any]:
    params = module.params
    (place_of_jwt,) = sources(module, "jwt_path")
    if params["state"] == "absent":
        return absent(module, [place_of_jwt], "operator")
    key, listed = own_key(module, "operator"), listed_keys(module, "operator")
    keys = [key, *listed.keys]
    described = options_of(module, Operator)
    del described["signing_keys"]
    wanted = WantedOperator(
        "",
        params["name"],
        key.planned,
        PRESENT,
        described.pop("system_account") or "",
        listed.wanted,
        described,
        params["remove_signing_keys"] or [],
    )
    signing = signer(module, "operator", key)
    existing = Existing(own_token(module, place_of_jwt, "operator"))
    known = existing.found[1].body.signing_keys if existing.found else []
    # Any other signer is a separate problem. That a JWT lists its own signer proves nothing, so these keys are not accepted for that.
    if signing.named in (*(one.planned for one in keys), *known):
        above = Parent(f"operator {params['name']}", frozenset([signing.named, *(one.planned for one in keys)]))
        existing = ours(module, place_of_jwt, existing.found, above, key.planned)
    plan = decide(module, Wanted(wanted, []), Single(existing.found and Found(*existing.found)), signing)
    step = plan_of(plan, plan.operator)
    signed = sign(module, step, keys, signing)
    result = result_of(module, step.decision, signed, keys)
    result["reasons"] = existing.reasons(result["reasons"])
    result.update(public_key=key.public_key, signing_keys=signed.claims.body.signing_keys)
    return put_in_place(module, keys, signed, result)


OPTIONS = (
    options.claims(Operator, "operator")
    + options.TOKEN
    + options.KEY
    + options.SIGNER
    + options.UNSIGNED
    + options.named()
    + options.signing_keys({})
)


def main(make: Callable[..., CarefulModule] | None = None) -> None:
    """Run the module. `make` creates it if the controller runs it in its own process."""
    run(_task, **OPTIONS.arguments(), add_file_common_args=True, make=make)


if __name__ == "__main__":
    main()
