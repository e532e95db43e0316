#!/usr/bin/python
# Copyright (c) 2026 NatsOps authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module: signatures for a document of signing requests, on the machine that has the key."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nats_sign
version_added: 0.1.0
short_description: Sign NATS JWTs that another machine asks for in a document
description:
  - Signs the requests of a document that another machine wrote, on a machine that has the key and needs no network.
  - Before it signs, everything that the document shows is compared with the bytes to be signed. If they differ, the document is refused.
  - Run it with C(--check --diff) first to see the claims of each JWT before and after.
  - Requests for other keys are not changed, so that a document can be signed on several machines.
extends_documentation_fragment:
  - natsops.security.attributes
  - natsops.security.attributes.in_process
  - natsops.security.attributes.actiongroup_nats
  - natsops.security.signers
  - ansible.builtin.files
attributes:
  action_group:
    membership:
      - natsops.security.nats
      - natsops.security.signers
      - natsops.security.signing
      - natsops.security.files
author: NatsOps authors (@natsops)
requirements: [nkeys]
options:
  path:
    description:
      - The document of signing requests.
    type: path
    required: true
  signed_path:
    description:
      - Where to write the document with its signatures. Defaults to O(path).
      - A file that holds anything other than this document is an error and is not changed; signatures in it are kept.
    type: path
  checksum:
    description:
      - The checksum that the other machine returned with the document. If the document has a different checksum, nothing is signed.
      - It covers everything but the signatures. Spaces in it do not matter.
    type: str
  signer_path:
    description:
      - The seed file of the key that signs.
      - A folder is searched for the seeds of the requested keys, as C(PUBLICKEY.nk) in it or where nsc keeps them in its keystore.
      - One of this, O(signer_seed) and O(signers) is required.
    type: path
  signer_seed:
    description:
      - The seed of the key that signs, for example from a vault.
    type: str
  mode:
    description:
      - The permissions of the signed document. Defaults to V(0600), because it may hold the JWT of a bearer.
"""

EXAMPLES = r"""
- name: Sign what the online machine asks for
  natsops.security.nats_sign:
    path: /media/stick/requests.json
    checksum: "{{ checksum_read_out_by_the_other_side }}"
    signer_path: /srv/nats/keys
  register: signed

- name: Require that no request is left
  ansible.builtin.assert:
    that: signed.waiting == []

- name: Sign with a key in a smart card
  natsops.security.nats_sign:
    path: /media/stick/requests.json
    signers:
      - type: pkcs11
        library_path: /usr/lib/x86_64-linux-gnu/opensc-pkcs11.so
        token_label: acme
        key_label: operator
        pin_path: /run/secrets/pin
"""

RETURN = r"""
checksum:
  description: The checksum of the document, which signatures do not change.
  returned: success
  type: str
  sample: 0f2c5b...
requests:
  description: The requests, in the order of the document.
  returned: success
  type: list
  elements: dict
  contains:
    what:
      description: The name of the request.
      returned: success
      type: str
      sample: account APP
    kind:
      description: The type of the claims.
      returned: success
      type: str
      sample: account
    subject:
      description: The subject of the JWT, a public key.
      returned: success
      type: str
      sample: ACJJG6FO2FYZW5H62ZV5KRWRUIXJIZKW4PU3NVHPEXG3F4KLOF44RYSA
    issuer:
      description: The public key that signs.
      returned: success
      type: str
      sample: OC2ZCGVEPFMFUKLAHSC4SMCTJPX3472FHX6MNPITPKIDA4KYMGRD5T7Y
    reasons:
      description: Why the JWT is issued.
      returned: success
      type: list
      elements: str
      sample: ["limits.connections: 10 -> 20"]
signed:
  description: The names of the requests that this task signed.
  returned: success
  type: list
  elements: str
  sample: [account APP]
waiting:
  description: The names of the requests that have no signature yet.
  returned: success
  type: list
  elements: str
  sample: []
"""

import os
from typing import Any, Callable, Sequence

from ansible_collections.natsops.security.plugins.module_utils.base.compile_once import compile_once

compile_once()

from ansible_collections.natsops.security.plugins.module_utils.base.errors import Missing, NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.decision.unsigned import (
    MAX_BYTES,
    Request,
    Requests,
    read_requests,
    sign_requests,
    write_requests,
)
from ansible_collections.natsops.security.plugins.module_utils.disk.files import FILE_MODE
from ansible_collections.natsops.security.plugins.module_utils.keys.keyring import Keyring
from ansible_collections.natsops.security.plugins.module_utils.keys.signers import Signer
from ansible_collections.natsops.security.plugins.module_utils.tasks.attributes import set_attributes
from ansible_collections.natsops.security.plugins.module_utils.tasks.signer_options import (
    external_signers,
    signers_spec,
)
from ansible_collections.natsops.security.plugins.module_utils.tasks.task import CarefulModule, parse_seed, run
from ansible_collections.natsops.security.plugins.module_utils.tasks.tokens import (
    check_folder,
    read_seed_file,
)


def _task(module: CarefulModule) -> dict[str, Any]:
    params = module.params
    path, target = params["path"], params["signed_path"] or params["path"]
    text = module.snapshot.read(path, "path: the document", MAX_BYTES)
    if text is None:
        raise Missing(f"path: there is no file {path}.")
    document = _read(text, f"path {path}", params["checksum"])
    old: str | None = text
    if params["signed_path"] is not None:
        check_folder(module, target, "signed_path")
        old = module.snapshot.read(target, "signed_path: the document", MAX_BYTES)
        if old is not None:
            document = _with_signatures_of(document, _read(old, f"signed_path {target}", document.checksum))
    signers = _signers(module, document)
    keys = {signer.public_key for signer in signers}
    asked = [request for request in document.waiting if request.claims.issuer in keys]
    if document.waiting and not asked:
        raise NatsSecurityError(_no_key(document.waiting, signers))
    if not module.check_mode:
        document = sign_requests(document, signers)
    changed = _write(module, target, old, bool(asked), document)
    names = [request.what for request in asked]
    return {
        "changed": changed,
        "checksum": document.checksum,
        "requests": [_shown(request) for request in document.requests],
        "signed": names,
        "waiting": [request.what for request in document.waiting if request.what not in names],
        "diff": {
            "before": {request.what: request.before for request in asked},
            "after": {request.what: request.after for request in asked},
        },
    }


def _read(text: str, where: str, checksum: str | None) -> Requests:
    try:
        return read_requests(text, checksum)
    except NatsSecurityError as error:
        raise NatsSecurityError(f"{where} is left unchanged. {error}") from None


def _with_signatures_of(document: Requests, other: Requests) -> Requests:
    """The document with the signatures that the other document with the same checksum already has."""
    signed = {request.what: request.signature for request in other.requests if request.signature is not None}
    return document._replace(
        requests=tuple(
            request._replace(signature=request.signature or signed.get(request.what)) for request in document.requests
        )
    )


def _signers(module: CarefulModule, document: Requests) -> Sequence[Signer]:
    """The available keys. External signers are contacted only if something is to be signed, also in check mode."""
    path, seed = module.params["signer_path"], module.params["signer_seed"]
    signers: list[Signer] = []
    if seed is not None:
        signers.append(parse_seed(seed, "signer_seed", ""))
    elif path is not None and os.path.isdir(path):
        keyring = Keyring(flat=[path])
        pairs = map(keyring.find, dict.fromkeys(request.claims.issuer for request in document.waiting))
        signers.extend(pair for pair in pairs if pair is not None)
    elif path is not None:
        pair = read_seed_file(module, path, "signer_path", "")
        if pair is None:
            raise Missing(f"signer_path: there is no file {path}.")
        signers.append(pair)
    asked = {request.claims.issuer for request in document.waiting}
    for external in external_signers(module):
        if external.public_key in asked:
            external.check()
        signers.append(external)
    return signers


def _no_key(waiting: Sequence[Request], signers: Sequence[Signer]) -> str:
    names: dict[str, list[str]] = {}
    for request in waiting:
        names.setdefault(request.claims.issuer, []).append(request.what)
    keys = "; ".join(f"{key} for {', '.join(whats[:5])}" for key, whats in names.items())
    at_hand = ", ".join(signer.public_key for signer in signers) or "none of the keys"
    return f"No request can be signed: the document requires {keys}; available: {at_hand}."


def _shown(request: Request) -> dict[str, Any]:
    claims = request.claims
    return {
        "what": request.what,
        "kind": claims.kind,
        "subject": claims.subject,
        "issuer": claims.issuer,
        "reasons": list(request.reasons),
    }


def _write(module: CarefulModule, path: str, old: str | None, is_signed: bool, document: Requests) -> bool:
    text = write_requests(document)
    changed = is_signed or old is None or read_requests(old) != document
    if changed:
        module.snapshot.put(path, text, FILE_MODE)
    return changed | set_attributes(module, path, module.params["mode"] or "0600", written=changed)


def main(make: Callable[..., CarefulModule] | None = None) -> None:
    """Run the module. `make` creates it if the controller runs it in its own process."""
    run(
        _task,
        make=make,
        argument_spec={
            "path": {"type": "path", "required": True},
            "signed_path": {"type": "path"},
            "checksum": {"type": "str"},
            "signer_path": {"type": "path"},
            "signer_seed": {"type": "str", "no_log": True},
            **signers_spec(),
        },
        required_one_of=[("signer_path", "signer_seed", "signers")],
        mutually_exclusive=[("signer_path", "signer_seed")],
        writes=("path", "signed_path"),
        add_file_common_args=True,
        if_missing={"checksum": None, "requests": [], "signed": [], "waiting": []},
    )


if __name__ == "__main__":
    main()
