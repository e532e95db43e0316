# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The option group of signers whose private keys are not on this host: the same words in every module, in documents and in roles."""

from __future__ import annotations


class ModuleDocFragment:
    """Fragment natsops.security.signers."""

    DOCUMENTATION = r"""
options:
  signers:
    description:
      - Keys whose seeds are not on this host, one entry for each key.
      - Every signature is verified before it is used. A signer that does not answer, or answers for another key, is an error, and nothing that it signed is
        used.
      - Each is asked once for everything that it signs in a task. Check mode contacts the signers that the task needs, but does not request signatures.
    type: list
    elements: dict
    suboptions:
      type:
        description:
          - What signs.
          - V(command) is a program. It reads what is to be signed from standard input and writes the signature to standard output, so any key
            management service can be put behind it.
          - V(transit) is an C(ed25519) key of the transit engine of HashiCorp Vault or OpenBao. Needs the Python library C(hvac).
          - V(pkcs11) is an Ed25519 key in a token or HSM that supports PKCS#11. Needs the Python library C(python-pkcs11).
        type: str
        choices: [command, transit, pkcs11]
        required: true
      public_key:
        description:
          - The public key that signs. The signer has to hold this key.
          - Required with V(command). If omitted, the signer is asked for it, even when nothing is to be signed.
        type: str
      key_type:
        description:
          - The type of the key, if O(signers[].public_key) is omitted. Defaults to V(operator).
        type: str
        choices: [operator, account]
      timeout:
        description:
          - How long to wait for the signer, such as V(10s). Defaults to V(30s).
          - With V(command) it is how long the program may neither read nor write anything, with V(transit) how long a request may take, with V(pkcs11) how
            long 20 signatures may take.
        type: str
      argv:
        description:
          - With V(command), the program and its arguments. They are not passed to a shell, and C({public_key}) in them is replaced by the public key.
          - The program gets C(NATS_SIGNER_PUBLIC_KEY) and C(NATS_SIGNER_FORM) (V(single) or V(batch)) in its environment.
          - It writes the 64 bytes of the signature, or base64 of them, and exits with 0.
        type: list
        elements: str
      batch:
        description:
          - With V(command), start the program once for all signatures. It then reads lines, each the base64 of what is to be signed, and writes for each,
            in order, a line with the base64 of the signature. Defaults to V(false), one start for each signature.
        type: bool
      address:
        description:
          - With V(transit), the URL of Vault or OpenBao. Defaults to C(BAO_ADDR) or C(VAULT_ADDR) in the environment of the task.
        type: str
      namespace:
        description:
          - With V(transit), the namespace. Defaults to C(BAO_NAMESPACE) or C(VAULT_NAMESPACE) in the environment.
        type: str
      mount:
        description:
          - With V(transit), the path that the engine is mounted at. Defaults to V(transit).
        type: str
      key:
        description:
          - With V(transit), the name of the key. Required there.
        type: str
      key_version:
        description:
          - With V(transit), the version of the key. Defaults to the newest.
        type: int
      token:
        description:
          - With V(transit), the token to log in with, for example from a vault. Its policies have to allow C(read) on MOUNT/keys/KEY and C(update) on
            MOUNT/sign/KEY.
          - If this and O(signers[].token_path) are omitted, C(BAO_TOKEN) or C(VAULT_TOKEN) in the environment.
        type: str
      token_path:
        description:
          - With V(transit), a file that holds the token.
        type: path
      ca_path:
        description:
          - With V(transit), the file of the certificates that vouch for the server. Defaults to C(BAO_CACERT) or C(VAULT_CACERT) in the environment, and
            then to those of the system.
        type: path
      library_path:
        description:
          - With V(pkcs11), the library of the token or HSM, such as V(/usr/lib/softhsm/libsofthsm2.so). Required there.
        type: path
      token_label:
        description:
          - With V(pkcs11), the label of the token. Required there.
        type: str
      key_label:
        description:
          - With V(pkcs11), the label of the key. One of this and O(signers[].key_id) is required there.
        type: str
      key_id:
        description:
          - With V(pkcs11), the id of the key in hexadecimal digits, such as V(01a2).
        type: str
      pin:
        description:
          - With V(pkcs11), the PIN, for example from a vault.
        type: str
      pin_path:
        description:
          - With V(pkcs11), a file that holds the PIN.
        type: path
      pin_variable:
        description:
          - With V(pkcs11), the variable in the environment of the task that holds the PIN. Defaults to V(PKCS11_PIN), if there is one.
        type: str
"""
