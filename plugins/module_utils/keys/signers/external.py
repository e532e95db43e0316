# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The only place where external signatures are received: what a face returns is verified before it is used."""

from __future__ import annotations

import contextlib
import re
from typing import Generator, Protocol, Sequence

from ...base.errors import NatsSecurityError
from ...base.recognition import MASK, hide
from .. import nkey
from ..nkey import KeyPair

_SIGNATURE_BYTES = 64


class Face(Protocol):
    """The interface of a kind of external signer. All errors are NatsSecurityErrors without the signer's name."""

    def public_bytes(self) -> bytes | None:
        """The 32 bytes of the signer's public key, as the signer reports it; None if it cannot report it."""

    def sign_all(self, messages: Sequence[bytes]) -> Generator[bytes, None, None]:
        """The signatures of the messages, in order, as they arrive."""


class ExternalSigner:
    """A signer outside of this process. `name` is for messages, such as `signers[0] (the transit key operator)`.

    Without `public_key`, the face is asked for it at once. With `public_key`, the face is contacted before the first signature, and has to hold
    that key.
    """

    __slots__ = ("_face", "_is_checked", "_public", "name", "public_key", "type")

    def __init__(self, name: str, face: Face, key_type: str, public_key: str | None) -> None:
        self.name = name
        self._face = face
        self._is_checked = public_key is None
        self._public = self._asked(key_type) if public_key is None else nkey.from_public_key(public_key, key_type)
        self.public_key = self._public.public_key
        self.type = key_type

    def __repr__(self) -> str:
        return f"ExternalSigner({self.name}, {self.type} {self.public_key})"

    def check(self) -> None:
        """Contact the signer without signing anything. NatsSecurityError if it does not answer, or holds another key."""
        if self._is_checked:
            return
        found = self._public_bytes()
        if found is not None:
            held = KeyPair(self.type, found).public_key
            if held != self.public_key:
                raise self._error(f"it holds the key {held}, and {self.public_key} is configured.")
        self._is_checked = True

    def sign(self, data: bytes) -> bytes:
        """The signature of the data, verified."""
        return self.sign_all([data])[0]

    def sign_all(self, messages: Sequence[bytes]) -> list[bytes]:
        """The signature of each message, in order, each verified. NatsSecurityError if one of them is missing or wrong."""
        if not messages:
            return []
        self.check()
        signatures: list[bytes] = []
        try:
            with contextlib.closing(self._face.sign_all(messages)) as answers:
                for signature in answers:
                    self._verify(messages, len(signatures), signature)
                    signatures.append(signature)
        except NatsSecurityError as error:
            raise self._error(str(error), len(signatures), len(messages)) from error
        if len(signatures) != len(messages):
            raise self._error("no more signatures were returned.", len(signatures), len(messages))
        return signatures

    def _verify(self, messages: Sequence[bytes], number: int, signature: bytes) -> None:
        if number == len(messages):
            raise NatsSecurityError("more signatures were returned than requested.")
        if len(signature) != _SIGNATURE_BYTES:
            raise NatsSecurityError(f"a signature has {_SIGNATURE_BYTES} bytes, and {len(signature)} were returned.")
        if not self._public.verify(messages[number], signature):
            raise NatsSecurityError(
                f"the answer is not the signature of {self.public_key}: another key made it, or other data was signed."
            )

    def _asked(self, key_type: str) -> KeyPair:
        found = self._public_bytes()
        if found is None:
            raise NatsSecurityError(
                f"{self.name}: public_key is required, because this type of signer cannot report it."
            )
        try:
            # Parsed from its text, so that it is checked like any public key.
            return nkey.from_public_key(KeyPair(key_type, found).public_key)
        except NatsSecurityError as error:
            raise NatsSecurityError(f"{self.name}: {error}") from None

    def _public_bytes(self) -> bytes | None:
        try:
            found = self._face.public_bytes()
        except NatsSecurityError as error:
            raise NatsSecurityError(f"{self.name}: {error}") from error
        if found is not None and len(found) != 32:
            raise NatsSecurityError(f"{self.name}: an Ed25519 public key has 32 bytes, and {len(found)} were returned.")
        return found

    def _error(self, what: str, came: int = 0, asked: int = 0) -> NatsSecurityError:
        count = f" after {came} of {asked} signatures" if asked > 1 else ""
        return NatsSecurityError(
            f"{self.name}, for the key {self.public_key}{count}: {what} No signature of it is used."
        )


# A token of Vault or OpenBao, a JWT, and a private key in PEM.
_SECRETS = re.compile(
    r"\b(?:hv[sbr]|[sbr])\.[A-Za-z0-9_-]{20,}"
    r"|\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_.-]+"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    re.DOTALL,
)


def shown(text: str, secrets: Sequence[str] = ()) -> str:
    """The message of an external signer, for an error: its last 400 characters, on one line, with secrets masked."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, MASK)
    return " ".join(_SECRETS.sub(MASK, hide(text)).split())[-400:]
