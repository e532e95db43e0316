# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The available keys: those given to the task, those in folders under the names of their public keys, and those that an external signer holds."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Iterable, Sequence

from ..base.errors import NatsSecurityError
from ..disk.files import is_file, read_text
from .new import NewKey
from .nkey import KeyPair
from .seed_files import seed_in

if TYPE_CHECKING:
    from .signers import Signer
    from .signers.external import ExternalSigner


def sharded(folder: str, public_key: str) -> str:
    """Where nsc keeps the seed of a key in a keystore (nsc/cmd/store/keys.go)."""
    return f"{folder}/keys/{public_key[0]}/{public_key[1:3]}/{public_key}.nk"


class Keyring:
    """Keys by public key. `given` are those of the task; `folders` are searched in the layout of nsc's keystore, `flat` ones also for PUBLICKEY.nk.

    `signers` sign without their seeds being available here, and are preferred to a seed of the same key. With `asks_elsewhere`, a token whose key is not
    available may wait until it is signed elsewhere.
    """

    def __init__(
        self,
        given: Iterable[KeyPair] = (),
        folders: Sequence[str] = (),
        flat: Sequence[str] = (),
        signers: Iterable[ExternalSigner] = (),
        asks_elsewhere: bool = False,
    ) -> None:
        self.asks_elsewhere = asks_elsewhere
        self.given = {pair.public_key: pair for pair in given}
        self._signers = {signer.public_key: signer for signer in signers}
        self._folders = [*folders, *flat]
        self._flat = flat
        self._paths: dict[str, str] = {}
        self._seeds: dict[str, str] = {}
        self._found: dict[str, KeyPair | None] = {}

    @property
    def where(self) -> str:
        """The places that are searched for keys, for messages."""
        given = (f"the given {pair.type} key {key}" for key, pair in self.given.items())
        signers = (f"{signer.name} for the key {key}" for key, signer in self._signers.items())
        return ", ".join([*self._folders, *given, *signers])

    @property
    def signers(self) -> list[ExternalSigner]:
        """The external signers."""
        return list(self._signers.values())

    def has(self, public_key: str) -> bool:
        """Whether the key can sign: its seed is available or will be generated here, or a signer holds it."""
        return (
            isinstance(public_key, NewKey)
            or public_key in self.given
            or public_key in self._signers
            or self.is_stored(public_key)
        )

    def is_stored(self, public_key: str) -> bool:
        """Whether the seed of a public key is in one of the folders."""
        return bool(self._path(public_key))

    def add(self, pair: KeyPair) -> None:
        """Make a key pair available."""
        self.given[pair.public_key] = pair
        self._found.pop(pair.public_key, None)

    def signer(self, public_key: str) -> Signer:
        """The signer that holds a public key, otherwise its key pair. NatsSecurityError as in `pair`."""
        found = self._signers.get(public_key)
        return found if found is not None else self.pair(public_key)

    def contact_signers(self, public_keys: Iterable[str]) -> list[str]:
        """Contact the signers of these keys without requesting a signature. The errors of those that fail. Keys without a signer are skipped."""
        faults = []
        for key in dict.fromkeys(public_keys):
            if key in self._signers:
                try:
                    self._signers[key].check()
                except NatsSecurityError as error:
                    faults.append(str(error))
        return faults

    def pair(self, public_key: str) -> KeyPair:
        """The key pair of a public key. NatsSecurityError if its seed is not available, or if the file holds something else."""
        if public_key not in self.given:
            path = self._path(public_key)
            text = _read_seed(path) if path else None
            if text is None:
                raise NatsSecurityError(
                    f"The seed of {public_key} is not available; available: {self.where or 'none'}."
                )
            self.given[public_key] = _read_pair(path, text, public_key)
        return self.given[public_key]

    def find(self, public_key: str) -> KeyPair | None:
        """The key pair of a public key, searched for only once; None if its seed is not available, or if the file holds something else."""
        if public_key not in self._found:
            self._found[public_key] = None
            with contextlib.suppress(NatsSecurityError):
                self._found[public_key] = self.pair(public_key)
        return self._found[public_key]

    def seed_text(self, public_key: str) -> str:
        """The content of the seed file of a public key, which is read only once; empty if there is none in the folders."""
        found = self._seeds.get(public_key)
        if found is None:
            path = self._path(public_key)
            found = self._seeds[public_key] = (_read_seed(path) or "") if path else ""
        return found

    def _path(self, public_key: str) -> str:
        if len(public_key) != 56:
            return ""
        found = self._paths.get(public_key)
        if found is None:
            paths = [sharded(folder, public_key) for folder in self._folders]
            paths += [f"{folder}/{public_key}.nk" for folder in self._flat]
            found = self._paths[public_key] = next((path for path in paths if is_file(path)), "")
        return found


def _read_seed(path: str) -> str | None:
    return read_text(path, "The seed", is_regular=True)  # as found by Keyring._path


def _read_pair(path: str, text: str, public_key: str) -> KeyPair:
    try:
        pair = seed_in(text)
    except NatsSecurityError as error:
        raise NatsSecurityError(f"{path} is left unchanged, it does not hold a seed: {error}") from None
    if pair.public_key != public_key:
        raise NatsSecurityError(f"{path} is left unchanged, it holds the seed of another key, {pair.public_key}.")
    return pair
