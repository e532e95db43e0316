# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Signers: objects with a public key that sign bytes, one message or a batch. The core uses a signer without knowing where its private key is stored.

A key pair whose seed is available is a signer. So are a program, a transit key in HashiCorp Vault or OpenBao, and a key in a PKCS#11 token or HSM. Each
of these is a `Face` in its own file, which imports its dependencies only when it is used. `external.ExternalSigner` wraps every face: it knows the public
key and verifies each signature that the face returns. So even if a face is wrong, slow or interrupted, no token holds a signature that a server would
refuse.

`options.signer_of` creates a signer from options that have the same names in every module, in the document of a store and in roles.
"""

from __future__ import annotations

from typing import Protocol, Sequence

from ..nkey import KeyPair

__all__ = ["Issuer", "KeyPair", "Signer"]


class Issuer(Protocol):
    """The public half of a signer, which is enough to write the text to be signed."""

    @property
    def public_key(self) -> str:
        """The public key, 56 characters."""

    @property
    def type(self) -> str:
        """The type of the key, one of nkey.KEY_TYPES except curve."""


class Signer(Issuer, Protocol):
    """An object with a public key that signs bytes with Ed25519. Its signatures are genuine: they were made or verified in this process."""

    def sign(self, data: bytes) -> bytes:
        """The signature of the data, 64 bytes. NatsSecurityError if it cannot be obtained."""

    def sign_all(self, messages: Sequence[bytes]) -> list[bytes]:
        """The signature of each message, in order. NatsSecurityError if one of them cannot be obtained."""
