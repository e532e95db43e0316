# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""NATS key pairs of every type: generated, parsed with their checksum, and used to sign, verify, seal and open.

The Python library `nkeys` does not verify checksums and has no curve keys. This file adds both and calls PyNaCl, on which nkeys is based, directly.
"""

from __future__ import annotations

import binascii
import functools
import os
import traceback
from typing import Sequence

from ..base.errors import NatsSecurityError
from .new import NewKey

NKEYS_IMPORT_ERROR: str | None = None
try:
    import nacl.bindings
    import nacl.exceptions
    import nkeys
except ImportError:
    NKEYS_IMPORT_ERROR = traceback.format_exc()
else:
    #: The leading byte of a public key, as in nkeys' strkey.go; nkeys for Python has no curve keys.
    PREFIXES = {
        "operator": nkeys.PREFIX_BYTE_OPERATOR,
        "account": nkeys.PREFIX_BYTE_ACCOUNT,
        "user": nkeys.PREFIX_BYTE_USER,
        "server": nkeys.PREFIX_BYTE_SERVER,
        "cluster": nkeys.PREFIX_BYTE_CLUSTER,
        "curve": 23 << 3,
    }
    _TYPE_OF_PREFIX = {prefix: key_type for key_type, prefix in PREFIXES.items()}

KEY_TYPES = ("operator", "account", "user", "server", "cluster", "curve")

_SEED_BYTE = 18 << 3
_PRIVATE_BYTE = 15 << 3
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
# base32() spreads 64 digits of 5 bits over 64 bytes: the upper half moves away from the lower half, then the same within each half, down to
# single digits. For each step: the bits that move, and the factor. Adding the product of both moves the bits.
_SPREAD = []
for _digits in (32, 16, 8, 4, 2, 1):
    _upper_half = ((1 << 5 * _digits) - 1) << 5 * _digits
    _SPREAD.append((sum(_upper_half << 8 * at for at in range(0, 64, 2 * _digits)), (1 << 3 * _digits) - 1))
_CHARACTERS = _ALPHABET.encode("ascii").ljust(256)
# int() reads base 32 with the digits 0-9a-v: a faster decoder than base64.b32decode. Every other character becomes one that int() refuses.
_DIGITS = bytes(
    b"0123456789abcdefghijklmnopqrstuv"[_ALPHABET.index(chr(code))] if chr(code) in _ALPHABET else 0x21
    for code in range(256)
)
_BOX_VERSION = b"xkv1"
_NONCE_BYTES = 24
# Signatures can be forged for points of small order, which are refused as in nkeys' decodePublicKey. The highest bit is ignored.
_SMALL_ORDER = frozenset(
    bytes.fromhex(point)
    for point in (
        "00" * 32,
        "01" + "00" * 31,
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ec" + "ff" * 30 + "7f",
        "ed" + "ff" * 30 + "7f",
        "ee" + "ff" * 30 + "7f",
    )
)


class KeyPair:
    """A key pair, or its public half alone. Its `repr` shows the public key only."""

    __slots__ = ("_private", "_public", "_raw_seed", "public_key", "type")

    def __init__(
        self, key_type: str, public: bytes, raw_seed: bytes | None = None, private: bytes = b"", public_key: str = ""
    ) -> None:
        self.type = key_type
        self.public_key = public_key or _encode_bytes(bytes((PREFIXES[key_type],)) + public)
        self._public = public
        self._raw_seed = raw_seed
        self._private = private

    def __repr__(self) -> str:
        return f"KeyPair({self.type} {self.public_key}{'' if self._raw_seed else ', public half only'})"

    def __reduce__(self) -> str:
        raise TypeError("a KeyPair is not pickled: it may hold private material")

    @property
    def has_seed(self) -> bool:
        """Whether the private half is available, so that the pair can sign or open."""
        return self._raw_seed is not None

    @property
    def seed(self) -> str:
        """The seed, which begins with `S` and the letter of the type. NatsSecurityError if only the public half is available."""
        prefix = PREFIXES[self.type]
        return _encode_bytes(bytes((_SEED_BYTE | prefix >> 5, (prefix & 31) << 3)) + self._secret("return its seed"))

    @property
    def private_key(self) -> str:
        """The private key, which begins with `P`, as `nk` of the NATS tools prints it. NatsSecurityError if only the public half is available."""
        raw = self._secret("return its private key")
        return _encode_bytes(bytes((_PRIVATE_BYTE,)) + (raw if self.type == "curve" else self._private))

    def sign(self, data: bytes) -> bytes:
        """The Ed25519 signature of the data, 64 bytes. NatsSecurityError for a curve key, or without the private half."""
        self._refuse_curve("sign")
        self._secret("sign")
        return nacl.bindings.crypto_sign(data, self._private)[:64]

    def sign_all(self, messages: Sequence[bytes]) -> list[bytes]:
        """The signature of each message, in order. Errors as in `sign`."""
        return [self.sign(message) for message in messages]

    def verify(self, data: bytes, signature: bytes) -> bool:
        """Whether the signature was made with this key for exactly this data. NatsSecurityError for a curve key."""
        self._refuse_curve("verify")
        if len(signature) != 64:
            return False
        try:
            nacl.bindings.crypto_sign_open(signature + data, self._public)
        except nacl.exceptions.BadSignatureError:
            return False
        return True

    def has_signed(self, data: bytes, signature: bytes) -> bool:
        """Whether the signature is the one that `sign` makes of this data, and so genuine. Also False if only the public half is available.

        Signatures are deterministic (RFC 8032), and signing again takes 21 us, while verifying takes 55 us.
        """
        if self._raw_seed is None or self.type == "curve":
            return False
        return nacl.bindings.crypto_sign(data, self._private)[:64] == signature

    def seal(self, data: bytes, recipient: str, nonce: bytes | None = None) -> bytes:
        """The data in a box that only the recipient's curve key opens, in the form of nkeys' xkeys.go.

        The nonce is for tests; omit it to get 24 random bytes. NatsSecurityError if either key is not a curve key.
        """
        raw = self._curve_secret("seal")
        nonce = os.urandom(_NONCE_BYTES) if nonce is None else nonce
        if len(nonce) != _NONCE_BYTES:
            raise NatsSecurityError(f"A nonce has {_NONCE_BYTES} bytes, this one has {len(nonce)}.")
        public = from_public_key(recipient, "curve")._public
        try:
            return _BOX_VERSION + nonce + nacl.bindings.crypto_box(data, nonce, public, raw)
        except nacl.exceptions.CryptoError as error:
            raise NatsSecurityError(f"Nothing can be sealed for {recipient}.") from error

    def open(self, data: bytes, sender: str) -> bytes:
        """The data that the sender sealed for this key. NatsSecurityError if it was not sealed by that sender for this key, or was changed."""
        raw = self._curve_secret("open")
        public = from_public_key(sender, "curve")._public
        start = len(_BOX_VERSION) + _NONCE_BYTES
        if len(data) <= start or not data.startswith(_BOX_VERSION):
            raise NatsSecurityError("Not a sealed box: it does not begin with xkv1 and a nonce.")
        try:
            return nacl.bindings.crypto_box_open(data[start:], data[len(_BOX_VERSION) : start], public, raw)
        except nacl.exceptions.CryptoError as error:
            raise NatsSecurityError(
                f"The box does not open: it was not sealed by {sender} for {self.public_key}, or was changed."
            ) from error

    def _secret(self, what: str) -> bytes:
        if self._raw_seed is None:
            raise NatsSecurityError(
                f"The {self.type} key {self.public_key} cannot {what}: only its public key is available."
            )
        return self._raw_seed

    def _refuse_curve(self, what: str) -> None:
        if self.type == "curve":
            raise NatsSecurityError(f"The curve key {self.public_key} cannot {what}: it seals and opens.")

    def _curve_secret(self, what: str) -> bytes:
        if self.type != "curve":
            raise NatsSecurityError(f"The {self.type} key {self.public_key} cannot {what}: it signs and verifies.")
        return self._secret(what)


def create(key_type: str) -> KeyPair:
    """A new key pair of one of KEY_TYPES, from the system's source of random bytes."""
    return from_raw_seed(key_type, os.urandom(32))


def from_raw_seed(key_type: str, raw: bytes) -> KeyPair:
    """The key pair of a type, derived from 32 raw bytes. NatsSecurityError for an unknown type or another length."""
    require_nkeys()
    if key_type not in PREFIXES:
        raise NatsSecurityError("There is no key type {!r}; available: {}.".format(key_type, ", ".join(KEY_TYPES)))
    if len(raw) != 32:
        raise NatsSecurityError(f"A raw seed has 32 bytes, this one has {len(raw)}.")
    if key_type == "curve":
        return KeyPair(key_type, nacl.bindings.crypto_scalarmult_base(raw), raw)
    public, private = nacl.bindings.crypto_sign_seed_keypair(raw)
    return KeyPair(key_type, public, raw, private)


def from_seed(seed: str, key_type: str | None = None) -> KeyPair:
    """The key pair of a seed, checked as in nkeys' DecodeSeed, and for its type if one is given.

    This is stricter in one respect: the two unused bits of the last character must be 0, so that any mistyped character is an error.
    NatsSecurityError, which never shows the seed, if it is not valid.
    """
    require_nkeys()
    text = _without_newlines(seed)
    if not text.startswith("S"):
        raise NatsSecurityError(
            "Not a seed: seeds begin with S and the letter of their type, SO, SA, SU, SN, SC or SX."
        )
    if len(text) != 58:
        raise NatsSecurityError(f"Not a whole seed: it has {len(text)} characters instead of 58.")
    raw = _decode(text)
    prefix = (raw[0] & 7) << 5 | raw[1] >> 3
    found = _TYPE_OF_PREFIX.get(prefix)
    if raw[0] & 248 != _SEED_BYTE or raw[1] & 7 or found is None:
        raise NatsSecurityError("Not a seed of a NATS key type: SO, SA, SU, SN, SC or SX.")
    if key_type is not None and found != key_type:
        raise NatsSecurityError(f"This is the seed of {_a(found)} key, expected {_a(key_type)} key.")
    return from_raw_seed(found, raw[2:])


def from_public_key(public_key: str, key_type: str | None = None) -> KeyPair:
    """The public half of a key pair, checked as in nkeys' decodePublicKey, and for its type if one is given. NatsSecurityError if it is not valid."""
    return _public_half(public_key, key_type)


# Many tokens have the same issuers, and reading a key takes 4 us. Errors are not cached.
@functools.lru_cache(maxsize=1024)
def _public_half(public_key: str, key_type: str | None) -> KeyPair:
    require_nkeys()
    text = _without_newlines(public_key)
    if len(text) != 56:
        what = f"it has {len(text)} characters instead of 56."
        if len(text) == 58 and text.startswith("S"):
            what = "it is a seed, which is secret. Give the public key that belongs to it."
        raise NatsSecurityError(f"{_shown(public_key)} is not a public key: {what}")
    raw = _decode(text, public_key)
    found = _TYPE_OF_PREFIX.get(raw[0])
    if found is None:
        raise NatsSecurityError(
            f"{_shown(public_key)} is not a public key: those of NATS begin with O, A, U, N, C or X."
        )
    if key_type is not None and found != key_type:
        raise NatsSecurityError(f"{text} is {_a(found)} public key, expected {_a(key_type)} public key.")
    if found != "curve" and raw[1:32] + bytes((raw[32] & 127,)) in _SMALL_ORDER:
        raise NatsSecurityError(
            f"{text} is not a public key: signatures for it can be forged (a point of small order)."
        )
    return KeyPair(found, raw[1:], public_key=text)


def is_public_key(text: str, key_type: str) -> bool:
    """Whether the text is a valid public key of the type, as in nkeys' IsValidPublicUserKey and similar functions, or the placeholder of a new key."""
    if isinstance(text, NewKey):
        return text.type == key_type
    try:
        from_public_key(text, key_type)
    except NatsSecurityError:
        return False
    return True


def require_nkeys() -> None:
    """NatsSecurityError if `nkeys`, and so PyNaCl, is not installed for the Python in use."""
    if NKEYS_IMPORT_ERROR is not None:
        raise NatsSecurityError("The Python library nkeys is missing: `pip install nkeys`.")


def _a(key_type: str) -> str:
    return ("an " if key_type in ("operator", "account") else "a ") + key_type


def _shown(public_key: str) -> str:
    # A seed or private key pasted in the wrong place must not appear in a message, even if its first character is wrong or missing.
    word = _without_newlines(public_key).strip()
    is_shown = not word or (len(word) <= 56 and word[0] in "OAUNCXoauncx" and not word.split()[1:])
    return repr(public_key) if is_shown else "this"


def _without_newlines(text: str) -> str:
    # Go's base32 decoder ignores newlines, so every NATS tool accepts a key that contains one.
    return text.replace("\n", "").replace("\r", "")


def _encode_bytes(data: bytes) -> str:
    return base32(data + binascii.crc_hqx(data, 0).to_bytes(2, "little"))


def base32(data: bytes) -> str:
    """The data in base32 without padding (RFC 4648), as in keys and in a token's jti."""
    # 1.2 us for a key; base64.b32encode and a loop over the digits take 3.2.
    text = b""
    for start in range(0, len(data), 40):
        number = int.from_bytes(data[start : start + 40].ljust(40, b"\0"), "big")
        for moved, factor in _SPREAD:
            number += (number & moved) * factor
        text += number.to_bytes(64, "big").translate(_CHARACTERS)
    return text[: -(-len(data) * 8 // 5)].decode("ascii")


def _decode(text: str, public_key: str | None = None) -> bytes:
    """The decoded bytes without the checksum. The text has 56 or 58 characters. Errors show the public key, if one is given."""
    try:
        number = int(text.encode("ascii").translate(_DIGITS), 32)
    except ValueError:
        raise NatsSecurityError(
            f"{_sentence_start(public_key)} has a character that keys do not have: A to Z and 2 to 7 only."
        ) from None
    spare = len(text) * 5 % 8
    data = (number >> spare).to_bytes(len(text) * 5 // 8, "big")
    if number & ((1 << spare) - 1) or binascii.crc_hqx(data[:-2], 0) != data[-2] | data[-1] << 8:
        raise NatsSecurityError(f"{_sentence_start(public_key)} is mistyped: its checksum is wrong.")
    return data[:-2]


def _sentence_start(public_key: str | None) -> str:
    if public_key is None:
        return "The seed"
    shown = _shown(public_key)
    return shown[0].upper() + shown[1:]
