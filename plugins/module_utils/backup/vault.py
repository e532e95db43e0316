# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Encrypts bytes with a password in the format of ansible-vault (1.1, AES256). `ansible-vault decrypt` opens the result.

The code of Ansible that does this is not available to modules. Needs `cryptography`, as Ansible does.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from binascii import hexlify, unhexlify

from ..base.errors import NatsSecurityError

CRYPTOGRAPHY_IMPORT_ERROR: str | None = None
try:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
except ImportError as _error:
    CRYPTOGRAPHY_IMPORT_ERROR = str(_error)

HEADER = "$ANSIBLE_VAULT;"
#: As in ansible.parsing.vault.VaultAES256: one derivation returns the cipher key, the HMAC key, and the initial counter.
_ITERATIONS, _SALT, _KEY, _COUNTER = 10_000, 32, 32, 16
_LINE = 80


def encrypt(content: bytes, password: str) -> str:
    """The text that `ansible-vault decrypt` opens with this password."""
    _require()
    if not password:
        raise NatsSecurityError("The password of a backup must not be empty.")
    salt = os.urandom(_SALT)
    key, check, counter = _derive(password, salt)
    padding = 16 - len(content) % 16
    encryptor = Cipher(algorithms.AES(key), modes.CTR(counter)).encryptor()
    hidden = encryptor.update(content + bytes((padding,)) * padding) + encryptor.finalize()
    sum_ = hmac.new(check, hidden, hashlib.sha256).digest()
    text = hexlify(b"\n".join(map(hexlify, (salt, sum_, hidden)))).decode("ascii")
    lines = [text[start : start + _LINE] for start in range(0, len(text), _LINE)]
    return "\n".join([f"{HEADER}1.1;AES256", *lines, ""])


def decrypt(text: str, password: str) -> bytes:
    """The content of a text from ansible-vault or `encrypt`. NatsSecurityError for another format, another password or a changed text."""
    _require()
    header, _unused, body = text.partition("\n")
    fields = header.strip().split(";")
    if len(fields) < 3 or fields[1] not in ("1.1", "1.2") or fields[2] != "AES256":
        raise NatsSecurityError(
            "The backup cannot be opened: it is not in the format of ansible-vault (1.1 or 1.2, AES256)."
        )
    try:
        salt, sum_, hidden = map(unhexlify, unhexlify("".join(body.split())).split(b"\n"))
    except ValueError:
        raise NatsSecurityError("The backup cannot be opened: its text is truncated or was changed.") from None
    key, check, counter = _derive(password, salt)
    if not hmac.compare_digest(sum_, hmac.new(check, hidden, hashlib.sha256).digest()):
        raise NatsSecurityError("The backup cannot be opened: the password is wrong, or the text was changed.")
    decryptor = Cipher(algorithms.AES(key), modes.CTR(counter)).decryptor()
    padded = decryptor.update(hidden) + decryptor.finalize()
    return padded[: -padded[-1]] if padded else b""


def _derive(password: str, salt: bytes) -> tuple[bytes, bytes, bytes]:
    length = 2 * _KEY + _COUNTER
    derived = hashlib.pbkdf2_hmac("sha256", password.encode("utf-8"), salt, _ITERATIONS, length)
    return derived[:_KEY], derived[_KEY : 2 * _KEY], derived[2 * _KEY :]


def _require() -> None:
    if CRYPTOGRAPHY_IMPORT_ERROR is not None:
        raise NatsSecurityError(
            "The Python library cryptography is missing, for a backup with a password: `pip install cryptography`."
        )
