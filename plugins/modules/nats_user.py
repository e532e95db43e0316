#!/usr/bin/python
# Copyright (c) 2026 NatsOps authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module: the JWT and the creds file of a user."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nats_user
version_added: 0.1.0
short_description: Create, correct, renew or remove the JWT and creds of a NATS user
description:
  - The options describe the whole of the user's claims. Options that are omitted have their defaults.
  - The existing JWT is kept as long as it verifies, matches the options, is signed by the signer of the task and is not due for renewal. Otherwise
    a new one is issued, and the result has the reasons.
  - The account that the user belongs to, and the scope of the signer, are read from the JWT of the account. A user of a scoped signing key has no
    permissions and limits of its own.
  - A user that its account has revoked gets a JWT that is issued after the revocation, and is therefore valid again. To exclude a user, do not issue its JWT.
  - One task manages one user. In a loop, each user takes about 0.3 seconds with files, and 0.01 seconds without files.
extends_documentation_fragment:
  - natsops.security.attributes
  - natsops.security.attributes.actiongroup_nats
  - natsops.security.attributes.on_controller
  - natsops.security.claims.user
  - natsops.security.token
  - natsops.security.token.key
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
      - The name of the user.
    type: str
  jwt_path:
    description:
      - The file of the JWT. If this and O(creds_path) are omitted, the JWT is only returned, in RV(jwt), and O(jwt) is the current one.
  creds_path:
    description:
      - The creds file of the user, with JWT and seed, as clients require it. It requires the user's seed, from O(key_path) or O(key_seed).
      - A file that holds anything other than creds of this user is an error and is not changed.
    type: path
  creds_mode:
    description:
      - The permissions of the creds file. Defaults to V(0600).
    type: raw
  account:
    description:
      - The public key of the account, if a signing key signs and the account's JWT is not available. Scopes are not known in that case.
    type: str
  signing_key_role:
    description:
      - The role of the signing key that signs, as in the account's JWT. A signer with another role is an error, and a folder in O(signer_path)
        is searched for the seed of this role.
    type: str
  return_secrets:
    description:
      - Return secrets, RV(creds) and the JWT of a bearer. Use C(no_log=true) on such a task, and do not write its registered result to a file.
      - Required for a bearer whose JWT is not kept in a file.
    type: bool
    default: false
  mode:
    description:
      - The permissions of the file of the JWT. Defaults to V(0644), and to V(0600) for a bearer token, which is a secret.
"""

EXAMPLES = r"""
- name: Create a user and its creds
  natsops.security.nats_user:
    name: orders
    key_path: /etc/nats/orders.nk
    jwt_path: /etc/nats/orders.jwt
    creds_path: /etc/nats/orders.creds
    account_jwt_path: /etc/nats/app.jwt
    signer_path: /etc/nats/app-signing.nk
    permissions:
      publish:
        allow: [orders.>, prices.>]
      subscribe:
        allow: [_INBOX.>]
    expires_in: 90d
    renew_before: 14d

- name: Create a user with the permissions of a role
  natsops.security.nats_user:
    name: dashboard
    key_path: /etc/nats/dashboard.nk
    creds_path: /etc/nats/dashboard.creds
    account_jwt_path: /etc/nats/app.jwt
    signer_path: /etc/nats/app-reader.nk
    signing_key_role: reader

- name: Remove a user's JWT and creds; revoke it in its account to cut it off
  natsops.security.nats_user:
    jwt_path: /etc/nats/former.jwt
    creds_path: /etc/nats/former.creds
    state: absent
"""

RETURN = r"""
public_key:
  description: The subject of the JWT, a public key. In check mode, a placeholder for a key that does not exist yet.
  returned: success
  type: str
  sample: UDAUGD2567MCKGLKERIAYKLXZJK6QZVHWBOXB3L7I2ABPF3ZMYEWQDWK
jwt:
  description:
    - The current JWT. Not for a bearer, whose JWT is a secret, unless O(return_secrets=true), and not in check mode if a new one would be issued.
  returned: when the state is present
  type: str
  sample: eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ.eyJqdGkiOiJTS...
creds:
  description: The text of a creds file. Null without the user's seed, and in check mode if a new JWT would be issued.
  returned: when O(return_secrets=true) and the state is present
  type: str
  sample: "-----BEGIN NATS USER JWT-----..."
claims:
  description:
    - The claims of the JWT, in the names of the options. Fields with their default value are omitted.
  returned: success
  type: dict
  sample: {"name": "orders", "subject": "UDAU...", "permissions": {"publish": {"allow": ["orders.>"]}}}
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
issuer_account:
  description: The public key of the account.
  returned: when the state is present
  type: str
  sample: ACNGDPHTAUYCSRSTT3LL3NOA6DXG2ZOJJD3KNRQTCTLZLCXW5WBGAF2O
role:
  description: The role of the scope that the user's permissions come from. Empty if they are its own.
  returned: when the state is present
  type: str
  sample: reader
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

from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.claims import Claims, User
from ansible_collections.natsops.security.plugins.module_utils.reconcile.wanted import PRESENT, Wanted, WantedUser
from ansible_collections.natsops.security.plugins.module_utils.rules.trust import signing_key
from ansible_collections.natsops.security.plugins.module_utils.tasks import options
from ansible_collections.natsops.security.plugins.module_utils.tasks.single import (
    Single,
    account_above,
    decide,
    existing_account,
    is_other,
    note_return,
    options_of,
    ours,
    parent_of,
    result_of,
    sign,
    unsigned_result,
    user_step,
)
from ansible_collections.natsops.security.plugins.module_utils.tasks.task import (
    CarefulModule,
    keep_secret,
    return_secret,
    run,
)
from ansible_collections.natsops.security.plugins.module_utils.tasks.tokens import (
    Key,
    absent,
    check_creds_file,
    own_key,
    own_token,
    parent,
    signer,
    sources,
    write_file,
    write_key,
)
from ansible_collections.natsops.security.plugins.module_utils.token.decorated import format_creds


def _task(module: CarefulModule) -> dict[str, Any]:
    params = module.params
    name = params["name"]
    places = sources(module, "jwt_path", "creds_path")
    if params["state"] == "absent":
        return absent(module, places, "user")
    key = own_key(module, "user")
    if params["creds_path"] is not None:
        check_creds_file(module, params["creds_path"], key)
    above = account_above(module, parent(module, "account"), signer(module, "account"))
    account = parent_of(module, "account", above.found, [above.signer.named])
    found = [ours(module, place, own_token(module, place, "user"), account, key.planned) for place in places]
    existing = next((one.found for one in found if one.found), None)
    user = WantedUser(
        0, name, key.planned, params["signing_key_role"] or "", PRESENT, False, options_of(module, User), ""
    )
    place = Single(parent(module, "operator"), {above.name: above.found}, {name: existing[0]} if existing else {})
    plan = decide(module, Wanted(None, [existing_account(above, [user])]), place, above.signer)
    step = user_step(plan, above.name, name, existing)
    is_bearer = _is_bearer(above.found.claims, step.claims)
    if is_bearer and places[0].path is None and not params["return_secrets"]:
        raise NatsSecurityError(
            "return_secrets: the JWT of a bearer is a secret; set return_secrets to true to return it, or jwt_path to keep it in a file."
        )
    signed = sign(module, step, [key], above.signer)
    result = result_of(module, step.decision, signed, [key])
    result["reasons"] = next((one for one in found if one.replaces), found[0]).reasons(result["reasons"])
    scope = signing_key(above.found.claims.body, step.issuer)
    result.update(
        public_key=key.public_key,
        jwt=None if is_bearer and not params["return_secrets"] else signed.token,
        issuer_account=above.found.claims.subject,
        role=scope.role if scope is not None and scope.template is not None else "",
    )
    creds = (
        format_creds(signed.token, key.pair) if signed.token and key.pair is not None and key.pair.has_seed else None
    )
    if params["return_secrets"]:
        result["creds"] = creds
    _return_secrets(module, key, result, is_bearer)
    if unsigned_result(module, signed, [key], result):
        return result
    note_return(module, signed, [place.path for place in places], result)
    changed = (not signed.is_kept) | write_key(module, key)
    if places[0].path is None:
        changed |= is_other(module, signed)
    if params["jwt_path"] is not None:
        mode = params["mode"] or ("0600" if is_bearer else "0644")
        changed |= write_file(module, params["jwt_path"], signed.token or "", mode, result)
    if params["creds_path"] is not None:
        changed |= write_file(module, params["creds_path"], creds, params["creds_mode"] or "0600", result)
    return dict(result, changed=changed)


def _return_secrets(module: CarefulModule, key: Key, result: dict[str, Any], is_bearer: bool) -> None:
    """Leave the JWT and the creds in the result unmasked; their parts stay masked elsewhere."""
    token, creds = result["jwt"], result.get("creds")
    for secret in (token if is_bearer else None, creds):
        if secret is not None:
            keep_secret(module, secret)
    if token is not None:
        return_secret(module, token)  # masked in the option `jwt`, because any user may be a bearer
    if creds is not None and key.pair is not None:
        return_secret(module, creds, key.pair.seed, *filter(None, [token]))


def _is_bearer(account: Claims, user: Claims) -> bool:
    """Whether the user needs no seed to connect: by itself, or by the scope of the key that signs it."""
    scope = signing_key(account.body, user.issuer)
    template = scope.template if scope is not None else None
    return bool(user.body.access.bearer_token or (template is not None and template.bearer_token))


OPTIONS = (
    options.claims(User, "user")
    + options.TOKEN
    + options.KEY
    + options.SIGNER
    + options.UNSIGNED
    + options.ACCOUNT_JWT
    + options.OPERATOR_JWT
    + options.named()
    + options.Options(
        {
            "creds_path": {"type": "path"},
            "creds_mode": {"type": "raw"},
            "signing_key_role": {"type": "str", "no_log": False},
            "return_secrets": {"type": "bool", "default": False, "no_log": False},
        },
        writes=("creds_path",),
    )
)


def main(make: Callable[..., CarefulModule] | None = None) -> None:
    """Run the module. `make` creates it if the controller runs it in its own process."""
    run(_task, **OPTIONS.arguments(), add_file_common_args=True, make=make)


if __name__ == "__main__":
    main()
