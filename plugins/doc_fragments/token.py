# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The options that all modules of tokens share: keys, signers, the JWTs above, the life of a token, files."""

from __future__ import annotations


class ModuleDocFragment:
    """Fragments natsops.security.token and natsops.security.token.key, .signer and so on."""

    DOCUMENTATION = r"""
options:
  state:
    description:
      - Whether the JWT exists.
      - With V(absent), the files that this task names for the JWT are removed, if they hold such a JWT. Seed files are kept.
    type: str
    choices: [present, absent]
    default: present
  jwt_path:
    description:
      - The file of the JWT. It holds only the token, on one line; a file that holds anything other than such a JWT is an error and is not changed.
      - If omitted, the JWT is only returned, in RV(jwt), and O(jwt) is the current one.
    type: path
  jwt:
    description:
      - The current JWT, for a task that does not keep it in a file, for example from a vault. If this is omitted too, there is none yet.
      - Cannot be combined with a file that holds the JWT.
    type: str
  audience:
    description:
      - Intended audience of the JWT.
    type: str
  not_before:
    description:
      - When the JWT starts to be valid, in RFC 3339, such as V(2027-01-31T12:00:00Z).
    type: str
  expires_in:
    description:
      - How long after it is issued the JWT expires, such as V(90d) or V(12h). If omitted, it never expires, unless O(expires_at) is given.
      - A JWT that was issued for this long is kept until it expires, or until the time of O(renew_before).
    type: str
  expires_at:
    description:
      - When the JWT expires, in RFC 3339, such as V(2027-01-31T12:00:00Z).
    type: str
  renew_before:
    description:
      - How long before it expires the JWT is issued again, such as V(14d). If omitted, it is issued again only after it has expired.
      - Requires O(expires_in), and has to be shorter than that.
    type: str
  renew_spread:
    description:
      - Renew up to this much earlier than O(renew_before), such as V(10d), so that JWTs that are issued in one run are not all renewed on one day.
      - How much earlier is calculated from the subject of the JWT, so it is the same in every run.
      - Requires O(renew_before). Both together have to be shorter than O(expires_in).
    type: str
  force:
    description:
      - Issue the JWT again even if there is no reason to.
      - A JWT in the file that is signed neither by a key of the parent, as given in the task, nor by the signer of the task, is an error and is not changed.
        With V(true), it is replaced if it has the same subject, and nothing is taken over from it, neither signing keys nor revocations.
      - To replace a signing key without that, sign with the new one while the JWT of the parent still lists both.
    type: bool
    default: false
  backup:
    description:
      - Keep a copy, with the time in its name, of every file that is replaced or removed.
    type: bool
    default: false
"""

    KEY = r"""
options:
  key_path:
    description:
      - The seed file of the key that is the subject of the JWT. It is created when missing, and never replaced.
      - A creds file is read too.
    type: path
  key_seed:
    description:
      - The seed itself, for example from a vault. It is not written to any file.
    type: str
  public_key:
    description:
      - The public key, if the seed is on another host.
    type: str
"""

    SIGNER = r"""
options:
  signer_path:
    description:
      - The seed file of the key that signs the JWT.
      - A folder is searched for the seed of a key that may sign, as C(PUBLICKEY.nk) in it or where nsc keeps it in its keystore.
    type: path
  signer_seed:
    description:
      - The seed of the key that signs the JWT, for example from a vault.
      - One of this, O(signer_path) and O(signers) is required to sign. O(signer_path) can be combined with O(signers) if it is a folder.
    type: str
"""

    UNSIGNED = r"""
options:
  unsigned_path:
    description:
      - A file for the unsigned JWT if a key elsewhere is to sign it, such as that of an operator on a machine without a network. Without it, a key that
        is not available is an error.
      - If such a key has to sign, what is to be signed is written to this file, and RV(unsigned) has its checksum. New keys are created, and the current
        JWT is kept.
      - M(natsops.security.nats_sign) signs the file where the key is. When it is back, the next run takes the JWT from it. Until then, later runs change
        nothing if the task is the same.
      - Without O(signer_path), O(signer_seed) and O(signers), the key that signs is one that the JWT of the parent allows, or the operator's own key.
    type: path
"""

    OPERATOR_JWT = r"""
options:
  operator_jwt_path:
    description:
      - The file of the operator's JWT. With it, only keys that the operator allows are accepted as the signer.
    type: path
  operator_jwt:
    description:
      - The operator's JWT itself.
    type: str
"""

    ACCOUNT_JWT = r"""
options:
  account_jwt_path:
    description:
      - The file of the account's JWT, which lists the keys that sign for the account, their scopes, and what is revoked.
    type: path
  account_jwt:
    description:
      - The account's JWT itself.
    type: str
"""

    REMOVE_SIGNING_KEYS = r"""
options:
  remove_signing_keys:
    description:
      - Public keys of signing keys to remove. What they signed is no longer valid once servers have the new JWT.
    type: list
    elements: str
"""

    REMOVE_REVOCATIONS = r"""
options:
  remove_revocations:
    description:
      - Public keys, or V(*), whose revocations are removed, in the account and in its exports.
    type: list
    elements: str
"""
