# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""A key in a token or HSM that supports PKCS#11 and EdDSA, through the library `python-pkcs11`. The private key never leaves the device."""

from __future__ import annotations

import contextlib
from typing import Any, Callable, Generator, NamedTuple, Sequence, TypeVar

from ...base.errors import NatsSecurityError
from .ahead import ahead
from .external import shown

PKCS11_IMPORT_ERROR: str | None = None
try:
    import pkcs11
    import pkcs11.exceptions
except ImportError as _error:
    PKCS11_IMPORT_ERROR = str(_error)

T = TypeVar("T")
R = TypeVar("R")

#: How many signatures are made in one step.
_SLICE = 20

#: PINs that a token refused in this process. A token locks its PIN after a few wrong ones, and a task may have several keys in one token.
_refused: set[tuple[str, str, str]] = set()


class Object(NamedTuple):
    """Where a key is: the library of the device, the label of its token, and the label or id of the key, or both."""

    library_path: str
    token_label: str
    key_label: str | None = None
    key_id: bytes | None = None


class Pkcs11:
    """The face of one key. A session is opened at first use. The timeout is in seconds, for each step.

    A library that hangs cannot be interrupted. It is left in a separate thread, which ends with the process.
    """

    def __init__(self, where: Object, pin: str | None, timeout: float) -> None:
        if PKCS11_IMPORT_ERROR is not None:
            raise NatsSecurityError("the Python library python-pkcs11 is missing: `pip install python-pkcs11`.")
        self._where = where
        self._pin = pin
        self._timeout = timeout
        self._session: Any = None

    def public_bytes(self) -> bytes:
        """The public key, from the EC_POINT of the public key object: 32 bytes, in an OCTET STRING."""
        (point,) = self._do(lambda kind: self._key(kind)[pkcs11.Attribute.EC_POINT], [pkcs11.ObjectClass.PUBLIC_KEY])
        return bytes(point[2:] if point[:2] == b"\x04\x20" else point)

    def sign_all(self, messages: Sequence[bytes]) -> Generator[bytes, None, None]:
        """The signatures of the messages, one after the other."""
        (key,) = self._do(self._key, [pkcs11.ObjectClass.PRIVATE_KEY])

        def sign(some: Sequence[bytes]) -> list[bytes]:
            return [bytes(key.sign(message, mechanism=pkcs11.Mechanism.EDDSA)) for message in some]

        slices = [messages[start : start + _SLICE] for start in range(0, len(messages), _SLICE)]
        with contextlib.closing(self._do(sign, slices)) as answers:
            for signatures in answers:
                yield from signatures

    def _do(self, step: Callable[[T], R], items: Sequence[T]) -> Generator[R, None, None]:
        try:
            yield from ahead(step, items, self._timeout)
        except pkcs11.exceptions.PKCS11Error as error:
            raise self._explained(error) from None

    def _key(self, kind: Any) -> Any:
        if self._session is None:
            self._session = self._open()
        what = "private" if kind == pkcs11.ObjectClass.PRIVATE_KEY else "public"
        name = self._where.key_label or f"id {(self._where.key_id or b'').hex()}"
        try:
            return self._session.get_key(object_class=kind, label=self._where.key_label, id=self._where.key_id)
        except pkcs11.exceptions.NoSuchKey:
            raise NatsSecurityError(
                f"the token {self._where.token_label} has no {what} key {name} that is visible with this PIN."
            ) from None
        except pkcs11.exceptions.MultipleObjectsReturned:
            raise NatsSecurityError(
                f"the token {self._where.token_label} has more than one {what} key {name}: give both key_label and key_id."
            ) from None

    def _open(self) -> Any:
        login = (self._where.library_path, self._where.token_label, self._pin or "")
        if login in _refused:
            raise pkcs11.exceptions.PinIncorrect
        try:
            library = pkcs11.lib(self._where.library_path)
        except (RuntimeError, OSError) as error:
            raise NatsSecurityError(
                f"the library {self._where.library_path} cannot be loaded: {self._shown(error)}."
            ) from None
        try:
            token = library.get_token(token_label=self._where.token_label)
        except pkcs11.exceptions.NoSuchToken:
            labels = ", ".join(sorted({token.label for token in library.get_tokens() if token.label})) or "none"
            raise NatsSecurityError(
                f"there is no token {self._where.token_label} in {self._where.library_path}; available: {labels}."
            ) from None
        except pkcs11.exceptions.MultipleTokensReturned:
            raise NatsSecurityError(f"there is more than one token {self._where.token_label}.") from None
        try:
            return token.open(user_pin=self._pin)
        except pkcs11.exceptions.PinIncorrect:
            _refused.add(login)
            raise
        except pkcs11.exceptions.UserAlreadyLoggedIn:
            # A login applies to the whole process: another key in the same token has already logged in.
            return token.open()

    def _explained(self, error: Exception) -> NatsSecurityError:
        names = {
            "PinIncorrect": "the PIN is wrong. Correct it (pin, pin_path, pin_variable) before the next run: a token locks its PIN after a few wrong ones.",
            "PinInvalid": "the PIN has characters that the token does not accept.",
            "PinLenRange": "the PIN is too short or too long for the token.",
            "PinLocked": "the PIN is locked, after too many wrong ones: set a new one with the PIN of the token's security officer.",
            "PinExpired": "the PIN has expired: set a new one.",
            "UserPinNotInitialized": "the token has no PIN of a user yet: set one with the PIN of its security officer.",
            "UserNotLoggedIn": "the key requires a login: set a PIN.",
            "MechanismInvalid": "the token does not sign with EdDSA (CKM_EDDSA), so no key in it can sign for NATS.",
            "KeyTypeInconsistent": "the key does not sign with EdDSA: it is not an Ed25519 key.",
            "TokenNotPresent": "the token was removed.",
            "DeviceRemoved": "the device was removed.",
            "SessionHandleInvalid": "the session was ended.",
            "SessionClosed": "the session was ended.",
        }
        name = type(error).__name__
        said = self._shown(error)
        return NatsSecurityError(names.get(name, f"the device answered {name}{f' ({said})' if said else ''}."))

    def _shown(self, error: BaseException) -> str:
        return shown(str(error), [self._pin or ""]).rstrip(".")
