# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Encrypts seeds that a module returns to the controller, because a connection plugin may print the output of a module.

The controller generates the key for this task. ChaCha20-Poly1305 (RFC 8439) is supported by both PyNaCl here and `cryptography` on the controller.
"""

from __future__ import annotations

import base64
import os

from . import nkey

KEY_BYTES, NONCE_BYTES = 32, 12


def seal(seed: str, key: bytes, public_key: str) -> str:
    """The encrypted seed of a public key, in base64: the nonce, followed by the ciphertext, which is authenticated together with the public key."""
    nkey.require_nkeys()
    import nacl.bindings

    nonce = os.urandom(NONCE_BYTES)
    sealed = nacl.bindings.crypto_aead_chacha20poly1305_ietf_encrypt(
        seed.encode("ascii"), public_key.encode("ascii"), nonce, key
    )
    return base64.b64encode(nonce + sealed).decode("ascii")
