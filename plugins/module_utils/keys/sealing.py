# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Seeds on their way from a module to the controller. A connection may print what a module prints, so they are sealed for this way.

The key is one that the controller made for this task. ChaCha20-Poly1305 (RFC 8439) is what PyNaCl here and `cryptography` there have in common.
"""

from __future__ import annotations

import base64
import os

from . import nkey

KEY_BYTES, NONCE_BYTES = 32, 12


def seal(seed: str, key: bytes, public_key: str) -> str:
    """The seed of a public key in base64: the nonce, and what only the key opens, as that of this public key."""
    nkey.require_nkeys()
    import nacl.bindings

    nonce = os.urandom(NONCE_BYTES)
    sealed = nacl.bindings.crypto_aead_chacha20poly1305_ietf_encrypt(
        seed.encode("ascii"), public_key.encode("ascii"), nonce, key
    )
    return base64.b64encode(nonce + sealed).decode("ascii")
