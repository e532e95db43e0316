# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Writes backups in each format, and reads a backup of any format."""

from __future__ import annotations

import hashlib
import json
from typing import NamedTuple, Sequence

from ..base import units
from ..base.errors import NatsSecurityError
from ..base.excerpts import quoted
from ..keys.nkey import KeyPair
from ..keys.sealed import open_sealed, read_sealed, seal
from . import natscli, vault
from .archive import Archive, read_archive, write_archive
from .contents import Contents, look_into


class Keys(NamedTuple):
    """The keys to open a backup: curve key pairs, and a password."""

    pairs: Sequence[KeyPair] = ()
    password: str | None = None


def write_sealed(contents: Contents, recipients: Sequence[str], created: int) -> str:
    """The backup, sealed to curve keys. The name of the store, the time and a digest of the contents are not encrypted."""
    about = {"created": units.show_time(created), "store": contents.name, "sha256": digest(contents)}
    return seal(write_archive(contents, created), recipients, about)


def write_encrypted(contents: Contents, password: str, created: int) -> str:
    """The backup, encrypted in the format of ansible-vault."""
    return vault.encrypt(write_archive(contents, created), password)


def write_for_nats(contents: Contents, pair: KeyPair) -> str:
    """The backup for `nats auth operator restore --key`, sealed with a curve key. NatsSecurityError as from `write_natscli`."""
    return natscli.seal_natscli(natscli.write_natscli(contents), pair)


def is_current_for_nats(text: str, contents: Contents, pair: KeyPair) -> bool:
    """The same as `is_current`, for a backup for nats. NatsSecurityError for anything except a backup of this store that the key opens."""
    opened = natscli.open_natscli(text, pair)
    _require_store(natscli.read_natscli(opened).name, contents)
    return opened == natscli.write_natscli(contents)


def _require_store(store: object, contents: Contents) -> None:
    if store != contents.name:
        raise NatsSecurityError(f"It is a backup of the store {quoted(store)}, not of {contents.name}.")


def digest(contents: Contents) -> str:
    """The SHA-256 digest of the contents of a backup, in hexadecimal digits. It does not depend on the time and the recipients."""
    whole = json.dumps([contents.name, sorted(contents.files.items())], separators=(",", ":"))
    return hashlib.sha256(whole.encode("ascii")).hexdigest()


def is_current(text: str, contents: Contents, recipients: Sequence[str], password: str | None) -> bool:
    """Whether an existing file is a backup of the same contents for the same recipients, or with the same password, so that no new one is needed.

    NatsSecurityError for anything except a backup of this store, which must not be replaced.
    """
    if password is not None:
        return read_bundle(text, Keys(password=password)).contents == contents
    sealed = read_sealed(text)
    _require_store(sealed.about.get("store"), contents)
    return sealed.about.get("sha256") == digest(contents) and set(sealed.recipients) == set(recipients)


def read_bundle(text: str, keys: Keys, operator: str | None = None) -> Archive:
    """Read a backup of any format. NatsSecurityError if it cannot be opened, was changed, or has another operator than the expected one.

    Files that do not verify up to the operator are in `held.problems` of the result.
    """
    if not text.strip():
        raise NatsSecurityError("The backup cannot be opened: the file is empty.")
    if text.startswith(vault.HEADER):
        if keys.password is None:
            raise NatsSecurityError("The backup cannot be opened: it is encrypted with a password, and none is given.")
        return read_archive(vault.decrypt(text, keys.password), operator)
    if text.lstrip().startswith("{"):
        return _from_natscli(text, operator) if _is_natscli(text) else _from_sealed(text, keys, operator)
    if not keys.pairs:
        raise NatsSecurityError(
            "The backup cannot be opened: it is not a backup, or it is sealed by nats and no curve key is given."
        )
    for pair in keys.pairs[:-1]:
        try:
            return _from_natscli(natscli.open_natscli(text, pair), operator)
        except NatsSecurityError:
            continue
    return _from_natscli(natscli.open_natscli(text, keys.pairs[-1]), operator)


def _is_natscli(text: str) -> bool:
    try:
        return natscli.is_natscli(json.loads(text))
    except (ValueError, RecursionError):
        return False


def _from_sealed(text: str, keys: Keys, operator: str | None) -> Archive:
    sealed = read_sealed(text)
    if "archived" in sealed.about:
        raise NatsSecurityError(
            "It is not a backup: it is one file from the archive of a keystore, sealed in the same way."
        )
    archive = read_archive(open_sealed(sealed, keys.pairs), operator)
    inside = {**{name: archive.manifest[name] for name in ("created", "store")}, "sha256": digest(archive.contents)}
    if any(sealed.about.get(name) != value for name, value in inside.items()):
        raise NatsSecurityError("The backup does not match its header: it was changed.")
    return archive


def _from_natscli(text: str, operator: str | None) -> Archive:
    contents = natscli.read_natscli(text)
    held = look_into(contents, operator)
    if operator is not None and (held.operator is None or held.operator.subject != operator):
        raise NatsSecurityError(f"The backup belongs to another operator: {held.problems[-1]}")
    created = held.operator.issued_at if held.operator is not None else 0
    return Archive(contents, held, created, {})
