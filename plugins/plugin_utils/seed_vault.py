# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""A file on the controller with seeds by public key, encrypted with Ansible Vault: `ansible-vault view` shows it, `ansible-vault edit` changes it.

The file is written as a whole, atomically, and only if it has not changed since it was read. This module does not interpret keys and seeds.
"""

from __future__ import annotations

import collections
import dataclasses
import json
from typing import Any

import yaml
from ansible import constants
from ansible.errors import AnsibleError
from ansible.parsing.vault import VaultLib, VaultSecret, match_encrypt_secret

from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.base.excerpts import quoted
from ansible_collections.natsops.security.plugins.module_utils.disk import files, writing

#: The maximum size of a vault. A hundred thousand encrypted seeds take half of it.
_MOST_BYTES = 128 * 1024 * 1024


@dataclasses.dataclass(frozen=True)
class Content:
    """The content of a vault when it was read: its encrypted text, or None if the file did not exist, and its seeds by public key."""

    text: str | None
    seeds: dict[str, str]


class SeedVault:
    """The vault at a path, and the vault secrets that decrypt it, each with its label."""

    def __init__(self, path: str, secrets: list[tuple[str, Any]]) -> None:
        self.path = path
        self._secrets = secrets

    def read(self) -> Content:
        """The current content. NatsSecurityError if the file cannot be read or decrypted, or is not a dictionary of seeds."""
        text = files.read_text(self.path, "The vault", _MOST_BYTES)
        return Content(text, {}) if text is None else Content(text, self._parse(self._decrypt(text)))

    def add(self, seeds: dict[str, str]) -> dict[str, str]:
        """Add these seeds durably, and return all seeds, as read back and decrypted.

        NatsSecurityError if the vault has another seed of one of the keys; it is then not changed. Overtaken if it is changed at the same time.
        """
        held = self.read()
        for public_key, seed in seeds.items():
            if held.seeds.get(public_key, seed) != seed:
                raise NatsSecurityError(f"{self.path} has another seed of {public_key} already. It is left unchanged.")
        # Converted to native types for YAML: before ansible-core 2.19, results of modules have types of Ansible.
        wanted = {**held.seeds, **json.loads(json.dumps(seeds))}
        if wanted != held.seeds:
            writing.put(self.path, self._encrypt(yaml.safe_dump(wanted)), files.FILE_MODE, held.text)
        return self.read().seeds

    def _decrypt(self, text: str) -> str:
        if not VaultLib.is_encrypted(text):
            raise NatsSecurityError(f"{self.path} is not encrypted with ansible-vault. It is left unchanged.")
        try:
            return bytes(VaultLib(self._secrets).decrypt(text)).decode("utf-8")
        except (AnsibleError, ValueError) as error:  # its message is about Ansible's own secrets, or repeats the text
            raise NatsSecurityError(
                f"{self.path} cannot be decrypted: the password is wrong, or the file was changed or truncated. It is left unchanged."
            ) from error

    def _parse(self, text: str) -> dict[str, str]:
        try:
            held, twice = _load(text)
        except yaml.YAMLError:
            held, twice = "", ""
        if twice:
            raise NatsSecurityError(
                f"{self.path} is left unchanged: decrypted, it has two seeds of {quoted(twice)}, and one of them would be lost."
            )
        if held is None:
            return {}
        if not isinstance(held, dict) or not all(isinstance(part, str) for pair in held.items() for part in pair):
            raise NatsSecurityError(
                f"{self.path} is left unchanged: decrypted, it is not a YAML dictionary of seeds by public key."
            )
        return {str(public_key): str(seed) for public_key, seed in held.items()}

    def _encrypt(self, text: str) -> str:
        label, secret = match_encrypt_secret(self._secrets, constants.DEFAULT_VAULT_ENCRYPT_IDENTITY)
        vault_id = label if label != constants.DEFAULT_VAULT_IDENTITY else None
        encrypted: str = VaultLib(self._secrets).encrypt(text, secret=secret, vault_id=vault_id).decode("ascii")
        return encrypted.rstrip("\n") + "\n"


def _load(text: str) -> tuple[Any, str]:
    """The parsed YAML, and a key that occurs twice; empty if there is none."""
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None, ""
        keys = [str(key.value) for key, _value in node.value] if isinstance(node, yaml.MappingNode) else []
        counted = collections.Counter(keys)
        return loader.construct_document(node), next((key for key, count in counted.items() if count > 1), "")
    finally:
        loader.dispose()


def password(text: str) -> list[tuple[str, Any]]:
    """A password in the form of Ansible's vault secrets."""
    return [(constants.DEFAULT_VAULT_IDENTITY, VaultSecret(text.encode("utf-8")))]
