# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The keys at hand: those that came with the task, and those in folders under the names of their public keys."""

from __future__ import annotations

import contextlib
from typing import Iterable, Sequence

from ..base.errors import NatsSecurityError
from ..disk.files import is_file, read_text
from .new import NewKey
from .nkey import KeyPair
from .seed_files import seed_in


def sharded(folder: str, public_key: str) -> str:
    """Where nsc keeps the seed of a key in a keystore (nsc/cmd/store/keys.go)."""
    return f"{folder}/keys/{public_key[0]}/{public_key[1:3]}/{public_key}.nk"


class Keyring:
    """Key pairs by public key. `given` came with the task; `folders` are looked in as nsc's keystore, `flat` ones also for PUBLICKEY.nk."""

    def __init__(self, given: Iterable[KeyPair] = (), folders: Sequence[str] = (), flat: Sequence[str] = ()) -> None:
        self.given = {pair.public_key: pair for pair in given}
        self._folders = [*folders, *flat]
        self._flat = flat
        self._paths: dict[str, str] = {}
        self._found: dict[str, KeyPair | None] = {}

    @property
    def where(self) -> str:
        """Where keys are looked for, for messages."""
        return ", ".join([*self._folders, *(f"the given {pair.type} key {key}" for key, pair in self.given.items())])

    def has(self, public_key: str) -> bool:
        """Whether the key pair is at hand, or is going to be made here."""
        return isinstance(public_key, NewKey) or public_key in self.given or self.is_stored(public_key)

    def is_stored(self, public_key: str) -> bool:
        """Whether the seed of a public key is in one of the folders."""
        return bool(self._path(public_key))

    def add(self, pair: KeyPair) -> None:
        """Have a key pair at hand."""
        self.given[pair.public_key] = pair
        self._found.pop(pair.public_key, None)

    def pair(self, public_key: str) -> KeyPair:
        """The key pair of a public key. NatsSecurityError where its seed is not at hand, or the file holds something else."""
        if public_key not in self.given:
            path = self._path(public_key)
            text = read_text(path, "The seed") if path else None
            if text is None:
                raise NatsSecurityError(f"The seed of {public_key} is not at hand, which is {self.where or 'none'}.")
            self.given[public_key] = _read_pair(path, text, public_key)
        return self.given[public_key]

    def find(self, public_key: str) -> KeyPair | None:
        """The key pair of a public key, looked for once; None where its seed is not at hand, or the file holds something else."""
        if public_key not in self._found:
            self._found[public_key] = None
            with contextlib.suppress(NatsSecurityError):
                self._found[public_key] = self.pair(public_key)
        return self._found[public_key]

    def seed_text(self, public_key: str) -> str:
        """What the seed file of a public key holds; empty where there is none in the folders."""
        path = self._path(public_key)
        return (read_text(path, "The seed") or "") if path else ""

    def _path(self, public_key: str) -> str:
        if len(public_key) != 56:
            return ""
        found = self._paths.get(public_key)
        if found is None:
            paths = [sharded(folder, public_key) for folder in self._folders]
            paths += [f"{folder}/{public_key}.nk" for folder in self._flat]
            found = self._paths[public_key] = next((path for path in paths if is_file(path)), "")
        return found


def _read_pair(path: str, text: str, public_key: str) -> KeyPair:
    try:
        pair = seed_in(text)
    except NatsSecurityError as error:
        raise NatsSecurityError(f"{path} is left as it is, it does not hold a seed: {error}") from None
    if pair.public_key != public_key:
        raise NatsSecurityError(f"{path} is left as it is, it holds the seed of another key, {pair.public_key}.")
    return pair
