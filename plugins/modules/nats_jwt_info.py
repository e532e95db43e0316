#!/usr/bin/python
# Copyright (c) 2026 NatsOps authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module: the claims of a token, and whether it is valid."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nats_jwt_info
version_added: 0.1.0
short_description: Decode a NATS JWT or creds file, and verify it
description:
  - Reads a token of any type, plain, decorated or in a creds file, and verifies its signature.
  - With the JWTs above it, verifies the whole chain, as a server does.
  - A token that cannot be decoded or is not signed by the issuer that it names is an error. Whether the token is valid is part of the result.
  - A token with a member of an object twice, in the same or another case, cannot be decoded. NATS's Go library merges such members, so readers could
    understand the token differently. This is stricter than NATS, and applies to all modules.
extends_documentation_fragment:
  - natsops.security.attributes.info
  - natsops.security.attributes.in_process
  - natsops.security.attributes.actiongroup_nats
author: NatsOps authors (@natsops)
requirements: [nkeys]
options:
  jwt_path:
    description:
      - The file of the token, or a creds file.
    type: path
  jwt:
    description:
      - The token itself.
    type: str
  parents:
    description:
      - The JWTs above the token, in any order. For a user these are its account's and its operator's, for an account its operator's.
      - The topmost one is trusted.
    type: list
    elements: dict
    suboptions:
      jwt_path:
        description:
          - The file of the JWT.
        type: path
      jwt:
        description:
          - The JWT itself. Exactly one of this and O(parents[].jwt_path) is needed.
        type: str
  valid_at:
    description:
      - Times at which to check the validity, in RFC 3339, or as a duration from now such as V(+14d).
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Decode a creds file and verify it up to the operator
  natsops.security.nats_jwt_info:
    jwt_path: /etc/nats/orders.creds
    parents:
      - jwt_path: /etc/nats/app.jwt
      - jwt_path: /etc/nats/acme.jwt
    valid_at: [+14d]
  register: orders

- name: Fail if the creds are not valid, or expire within two weeks
  ansible.builtin.assert:
    that:
      - orders.valid
      - orders.validity[0].valid
    fail_msg: "{{ orders.problems + orders.validity[0].problems }}"
"""

RETURN = r"""
type:
  description: The type of the claims.
  returned: success
  type: str
  sample: user
version:
  description: The version of the token, 1 or 2.
  returned: success
  type: int
  sample: 2
public_key:
  description: The subject of the token, a public key.
  returned: success
  type: str
  sample: UDAUGD2567MCKGLKERIAYKLXZJK6QZVHWBOXB3L7I2ABPF3ZMYEWQDWK
claims:
  description: The claims of the token, in the names of the options of the module that issues such tokens. Fields with their default value are omitted.
  returned: success
  type: dict
  sample: {"name": "orders", "subject": "UDAU...", "expires": "2027-01-31T12:00:00Z"}
payload:
  description: The payload of the token, unchanged, but without what a client sent to connect in an authorization request.
  returned: success
  type: dict
  sample: {"iat": 1795434363, "name": "orders", "nats": {"type": "user", "version": 2}}
unknown_fields:
  description: Members of the payload that this version of the collection does not support.
  returned: success
  type: list
  elements: str
  sample: []
has_seed:
  description: Whether the file also holds a seed, and is therefore secret.
  returned: success
  type: bool
  sample: true
valid:
  description: Whether the token is valid now, as far as it can be verified with O(parents).
  returned: success
  type: bool
  sample: true
problems:
  description: Why the token is not valid now.
  returned: success
  type: list
  elements: str
  sample: ["the user orders expired at 2027-01-31T12:00:00Z"]
expired:
  description: Whether the token itself has expired.
  returned: success
  type: bool
  sample: false
not_yet_valid:
  description: Whether the token itself is not valid yet.
  returned: success
  type: bool
  sample: false
verified:
  description: Whether the chain of issuers leads to the topmost of O(parents). Null without parents.
  returned: success
  type: bool
  sample: true
wrong_issuer:
  description: Whether the issuer is not a key of the account or operator that should have signed. Null if that is not among O(parents).
  returned: success
  type: bool
  sample: false
revoked:
  description: Whether the token is revoked by its account, or an activation by the export. Null if the account is not among O(parents).
  returned: success
  type: bool
  sample: false
role:
  description: The role of the scope that the user's permissions come from, if the account is among O(parents).
  returned: success
  type: str
  sample: reader
issues:
  description: The issues that the rules of NATS's Go library and of the server find in the claims.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: The place in the claims.
      type: str
    message:
      description: What is wrong.
      type: str
    source:
      description: The source of the rule, V(library) or V(server).
      type: str
    blocking:
      description: Whether the token is refused because of it.
      type: bool
  sample: []
validity:
  description: The validity at the times of O(valid_at).
  returned: success
  type: list
  elements: dict
  contains:
    at:
      description: The time.
      type: str
    valid:
      description: Whether the token is valid at that time.
      type: bool
    problems:
      description: Why it is not valid.
      type: list
      elements: str
  sample: [{"at": "2027-01-31T12:00:00Z", "valid": true, "problems": []}]
"""

from typing import Any, Callable

from ansible_collections.natsops.security.plugins.module_utils.base.compile_once import compile_once

compile_once()

from ansible_collections.natsops.security.plugins.module_utils.base.errors import Missing
from ansible_collections.natsops.security.plugins.module_utils.disk.files import read_text
from ansible_collections.natsops.security.plugins.module_utils.rules import validity
from ansible_collections.natsops.security.plugins.module_utils.tasks.task import CarefulModule, now, run


def _task(module: CarefulModule) -> dict[str, Any]:
    params = module.params
    read = _read(params, "")
    parents = [_read(parent, f"parents[{index}].").claims for index, parent in enumerate(params["parents"] or ())]
    times = [validity.parse_moment(value, "valid_at", now()) for value in params["valid_at"] or ()]
    return {"changed": False, **validity.report(read, parents, times, now())}


def _read(params: dict[str, Any], prefix: str) -> validity.Read:
    """The token of one pair of options."""
    path, text = params["jwt_path"], params["jwt"]
    where = f"{prefix}jwt"
    if path is not None:
        where = f"{prefix}jwt_path {path}"
        text = read_text(path, f"{prefix}jwt_path: the JWT")
        if text is None:
            raise Missing(f"{prefix}jwt_path: there is no file {path}.")
    return validity.read_text(text, where)


def main(make: Callable[..., CarefulModule] | None = None) -> None:
    """Run the module. `make` creates it if the controller runs it in its own process."""
    where: dict[str, Any] = {"jwt_path": {"type": "path"}, "jwt": {"type": "str"}}
    one: list[tuple[str, str]] = [("jwt_path", "jwt")]
    run(
        _task,
        make=make,
        argument_spec={
            "jwt_path": {"type": "path"},
            "jwt": {"type": "str", "no_log": True},  # the JWT of a bearer is a secret
            "parents": {
                "type": "list",
                "elements": "dict",
                "options": where,
                "required_one_of": one,
                "mutually_exclusive": one,
            },
            "valid_at": {"type": "list", "elements": "str"},
        },
        required_one_of=one,
        mutually_exclusive=one,
        if_missing={"claims": {}, "payload": {}, "problems": [], "issues": [], "validity": []},
    )


if __name__ == "__main__":
    main()
