# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The action plugin's part of the module nats_store with a vault: the vault is a file on the controller, the module runs on the host of the keystore.

On the controller, seeds only pass through this code, and never become part of a variable or a result:

1. The vault is read, and its seeds are passed to the module as an argument.
2. The module creates the store, and returns the seeds that belong in the vault, sealed for this task.
3. They are written to the vault, which is read back, decrypted and compared with them, key by key.
4. The module removes exactly these seeds from the keystore, if they are unchanged there.

If a run is killed at any point, the seeds are in the keystore, in the vault, or in both, and the next run continues from there.
"""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
from collections.abc import Iterator
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action.normal import ActionModule as NormalAction

from ansible_collections.natsops.security.plugins.module_utils.base.digests import digest
from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.base.recognition import hide
from ansible_collections.natsops.security.plugins.module_utils.base.units import NANOSECONDS, parse_duration
from ansible_collections.natsops.security.plugins.module_utils.disk import files
from ansible_collections.natsops.security.plugins.module_utils.disk.lock import lock_folders
from ansible_collections.natsops.security.plugins.module_utils.disk.writing import Overtaken
from ansible_collections.natsops.security.plugins.module_utils.keys.sealing import KEY_BYTES, NONCE_BYTES
from ansible_collections.natsops.security.plugins.plugin_utils.seed_vault import SeedVault, password

_ATTEMPTS = 5


class VaultAction(NormalAction):
    """Runs nats_store with a vault."""

    def run_with_vault(self, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The result of the task."""
        result: dict[str, Any] = {}
        try:
            vault = self._vault()
            with self._alone_with(vault):
                self._run_with(vault, task_vars or {}, result)
        except NatsSecurityError as error:
            result.update(failed=True, msg=hide(f"vault_file: {error}"))
        finally:
            result.pop("_sealed", None)
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return result

    def _vault(self) -> SeedVault:
        """The vault that the task names, with the secrets that decrypt it. NatsSecurityError for invalid options."""
        if self._task.async_val:
            raise NatsSecurityError("it cannot be combined with async.")
        path = str(self._task.args["vault_file"])
        problem = files.path_problem(path)
        if problem:
            raise NatsSecurityError(problem)
        given = self._task.args.get("vault_password")
        if given is None:
            known = self._vault_secrets()
            if known:
                return SeedVault(self._loader.path_dwim(path), known)
            raise NatsSecurityError("it needs vault_password, or a vault password of the play (--vault-id).")
        if not str(given):
            raise NatsSecurityError("vault_password is empty.")
        return SeedVault(self._loader.path_dwim(path), password(str(given)))

    def _vault_secrets(self) -> list[tuple[str, Any]]:
        """The vault secrets of the play. ansible-core before 2.19 keeps them in the file loader."""
        try:
            from ansible.parsing.vault import VaultSecretsContext
        except ImportError:
            return list(self._loader._vault.secrets or ())
        with contextlib.suppress(AnsibleError, LookupError, ReferenceError):
            return list(VaultSecretsContext.current().secrets)
        return []

    @contextlib.contextmanager
    def _alone_with(self, vault: SeedVault) -> Iterator[None]:
        """Hold the lock of the vault's folder, so that tasks change the vault one after the other. Without it, `put` would refuse to overwrite changes."""
        try:
            timeout = parse_duration(str(self._task.args.get("lock_timeout", "60s"))) / NANOSECONDS
        except ValueError:
            timeout = 0.0  # the module reports the error
        with lock_folders([os.path.dirname(os.path.realpath(vault.path))], timeout):
            yield

    def _run_with(self, vault: SeedVault, task_vars: dict[str, Any], result: dict[str, Any]) -> None:
        held = vault.read()
        transport_key = secrets.token_bytes(KEY_BYTES)
        option = {"file": vault.path, "exists": held.text is not None, "seeds": held.seeds}
        arguments = {
            name: value for name, value in self._task.args.items() if name not in ("vault_file", "vault_password")
        }
        arguments["_vault"] = {**option, "transport_key": transport_key.hex()}
        result.update(self._execute_module(module_args=arguments, task_vars=task_vars))
        if result.get("failed") or result.get("skipped"):
            return
        moved = result["vault"]["moved"]
        result["vault"] = {"path": hide(vault.path), "moved": moved}
        if moved and not self._task.check_mode:
            seeds = {key: _opened(sealed, transport_key, key) for key, sealed in result["_sealed"].items()}
            _add(vault, seeds)
            store_path, keys_path = result["store_path"], result["keys_path"]
            taken = self._execute_module(
                module_args={
                    "stores_dir": os.path.dirname(store_path),
                    "store": os.path.basename(store_path),
                    "keys_dir": keys_path,
                    "lock_timeout": arguments.get("lock_timeout", "60s"),
                    "_vault": {"file": vault.path, "digests": {key: digest(seed) for key, seed in seeds.items()}},
                },
                task_vars=task_vars,
            )
            if taken.get("failed"):
                result.update(failed=True, msg=taken.get("msg", "the seeds could not be taken out of the keystore."))
        result["changed"] = bool(result.get("changed") or moved)


def _add(vault: SeedVault, seeds: dict[str, str]) -> None:
    """Write seeds to the vault, and retry if it is changed at the same time. NatsSecurityError if it does not hold all of them afterwards."""
    for attempt in range(_ATTEMPTS):
        try:
            found = vault.add(seeds)
        except Overtaken:
            if attempt == _ATTEMPTS - 1:
                raise
            continue
        lost = [key for key, seed in seeds.items() if found.get(key) != seed]
        if lost:
            raise NatsSecurityError(
                f"{vault.path} was written, and read back it lacks the seeds of {', '.join(lost)}. All seeds stay in the keystore."
            )
        return


def _opened(sealed: str, key: bytes, public_key: str) -> str:
    """The seed that was sealed by `keys.sealing.seal`."""
    # Ansible Vault requires this library, so it is installed wherever a vault is used.
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    data = base64.b64decode(sealed)
    try:
        opened = ChaCha20Poly1305(key).decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], public_key.encode("ascii"))
    except InvalidTag:
        raise NatsSecurityError(f"the seed of {public_key} was changed on its way to the controller.") from None
    return opened.decode("ascii")
