# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Signers: something with a public key that signs bytes, alone or in a batch. The core takes one of these and never asks where the private key is.

A key pair whose seed is at hand is a signer. So is a program, a transit key in HashiCorp Vault or OpenBao, and a key in a PKCS#11 token or HSM;
each of these is a face, in a file of its own that imports what it needs only when it is used. `external.ExternalSigner` stands around every face:
it knows the public key and verifies each signature that comes back, so a face may be wrong, slow or cut off, and no token holds a signature that
a server would refuse.

`options.signer_of` makes a signer from a description that has the same words in every module, in the document of a store and in roles.
"""

from __future__ import annotations

from typing import Protocol, Sequence

from ..nkey import KeyPair

__all__ = ["Issuer", "KeyPair", "Signer"]


class Issuer(Protocol):
    """The public half of a signer: all that is needed to write what is to be signed."""

    @property
    def public_key(self) -> str:
        """The public key, 56 characters."""

    @property
    def type(self) -> str:
        """The type of the key, one of nkey.KEY_TYPES but curve."""


class Signer(Issuer, Protocol):
    """Something with a public key that signs bytes with Ed25519. Its signatures are genuine: they were made or verified here."""

    def sign(self, data: bytes) -> bytes:
        """The signature of the data, 64 bytes. NatsSecurityError where it cannot be had."""

    def sign_all(self, messages: Sequence[bytes]) -> list[bytes]:
        """The signature of each message, in order; all of them, or NatsSecurityError."""
