# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The paths in nsc's layout (nsc/cmd/store/store.go and keys.go), and the rules for names in it. `reading.py` reads the files.

State that nsc has no place for is in folders named `.natsops`, which nsc ignores. In the store these are the roles of signing keys without a scope. In
the keystore it is the state that determines which tokens are trusted: the journal and the record (see `record`).
"""

from __future__ import annotations

import dataclasses
import os
from typing import Any

from ..base.errors import Missing, NatsSecurityError
from ..base.excerpts import quoted
from ..base.texts import is_text
from ..disk.files import is_file, is_folder, is_link, is_there, list_folder
from ..keys.keyring import sharded

STATE = ".natsops"
#: The same bytes that nsc writes to the .gitignore of its keystore.
GITIGNORE = "# ignore all nk files \n**/*.nk\n\n# ignore all creds files\n**/*.creds\n"


@dataclasses.dataclass(frozen=True)
class Layout:
    """The paths of one store, and of the keystore that goes with it."""

    stores_dir: str
    keys_dir: str
    name: str
    #: The public curve key that seeds and creds are sealed to when they are archived; empty to archive them as they are.
    archive_key: str = ""

    def __post_init__(self) -> None:
        for attribute in ("stores_dir", "keys_dir"):
            object.__setattr__(self, attribute, getattr(self, attribute).rstrip("/"))

    @property
    def root(self) -> str:
        """The folder of the store."""
        return f"{self.stores_dir}/{self.name}"

    @property
    def marker(self) -> str:
        """The file that makes a folder a store."""
        return f"{self.root}/.nsc"

    @property
    def operator_jwt(self) -> str:
        """The operator's JWT. Its file name is that of the store, independent of the name in the JWT."""
        return f"{self.root}/{self.name}.jwt"

    @property
    def accounts(self) -> str:
        """The folder of all accounts."""
        return f"{self.root}/accounts"

    def account_dir(self, account: str) -> str:
        """The folder of one account."""
        return f"{self.root}/accounts/{account}"

    def account_jwt(self, account: str) -> str:
        """The JWT of an account."""
        return f"{self.root}/accounts/{account}/{account}.jwt"

    def users_dir(self, account: str) -> str:
        """The folder of an account's users."""
        return f"{self.root}/accounts/{account}/users"

    def user_jwt(self, account: str, user: str) -> str:
        """The JWT of a user."""
        return f"{self.stores_dir}/{self.name}/accounts/{account}/users/{user}.jwt"

    def key(self, public_key: str) -> str:
        """The seed file of a key."""
        return sharded(self.keys_dir, public_key)

    def creds_dir(self, account: str) -> str:
        """The folder of the creds files of an account's users."""
        return f"{self.keys_dir}/creds/{self.name}/{account}"

    def creds(self, account: str, user: str) -> str:
        """The creds file of a user."""
        return f"{self.keys_dir}/creds/{self.name}/{account}/{user}.creds"

    @property
    def gitignore(self) -> str:
        """The file that keeps seeds out of version control."""
        return f"{self.keys_dir}/.gitignore"

    @property
    def lock(self) -> str:
        """The lock file of the store."""
        return f"{self.root}/{STATE}/lock"

    @property
    def roles(self) -> str:
        """The roles of signing keys. A JWT has a role only for keys with a scope."""
        return f"{self.root}/{STATE}/roles.json"

    @property
    def state_of_keys(self) -> str:
        """The folder in the keystore for the state of this store."""
        return f"{self.keys_dir}/{STATE}/stores/{self.name}"

    @property
    def journal(self) -> str:
        """The keys that a run is about to create, by name. The file exists only during a run, or after it was interrupted."""
        return f"{self.state_of_keys}/journal"

    @property
    def removed(self) -> str:
        """The public keys that were removed, of accounts, users, signing keys and curve keys, one a line."""
        return f"{self.state_of_keys}/removed"

    @property
    def revoked(self) -> str:
        """The keys that were revoked by name, with the name at that time, one JSON object a line."""
        return f"{self.state_of_keys}/revoked"

    @property
    def vaulted(self) -> str:
        """The seeds that were moved to a vault: a JSON object with the path of the vault by public key."""
        return f"{self.state_of_keys}/vaulted.json"

    @property
    def requests(self) -> str:
        """The latest signing requests for keys elsewhere, pending or completed."""
        return f"{self.state_of_keys}/requests.json"

    @property
    def requested(self) -> str:
        """The checksums of all signing requests that were ever written, one a line."""
        return f"{self.state_of_keys}/requested"

    @property
    def record(self) -> str:
        """The folder with the operator and accounts as the last run left them."""
        return f"{self.state_of_keys}/record"

    @property
    def recorded_store(self) -> str:
        """The recorded public key of the operator, and whether the store is managed."""
        return f"{self.record}/store.json"

    @property
    def recorded_roles(self) -> str:
        """The recorded roles of signing keys."""
        return f"{self.record}/roles.json"

    @property
    def recorded_accounts(self) -> str:
        """The folder of the recorded account JWTs."""
        return f"{self.record}/accounts"

    def recorded(self, account: str) -> str:
        """The recorded JWT of an account, or of the operator if the name is empty."""
        return f"{self.record}/accounts/{account}.jwt" if account else f"{self.record}/operator.jwt"

    def archive(self, of_keys: bool, when: str) -> str:
        """The archive folder of the keystore or of the store for files that are removed at a time."""
        return f"{self.keys_dir if of_keys else self.root}/{STATE}/archive/{when}"


def default_stores_dir(environment: Any) -> str:
    """The default folder of nsc's stores (nsc/home/home.go)."""
    return os.path.join(_data_home(environment), "nats", "nsc", "stores")


def default_keys_dir(environment: Any) -> str:
    """The default folder of nsc's keystore."""
    return environment.get("NKEYS_PATH") or os.path.join(_data_home(environment), "nats", "nsc", "keys")


def _data_home(environment: Any) -> str:
    return environment.get("XDG_DATA_HOME") or os.path.join(os.path.expanduser("~"), ".local", "share")


def stores_in(stores_dir: str) -> list[str]:
    """The names of the stores in a folder."""
    return [name for name in list_folder(stores_dir) if is_file(os.path.join(stores_dir, name, ".nsc"))]


def only_store(stores_dir: str) -> str:
    """The name of the only store in a folder. NatsSecurityError if there is none, or more than one."""
    names = stores_in(stores_dir)
    if len(names) == 1:
        return names[0]
    if not names:
        raise Missing(f"There is no store in {os.path.abspath(stores_dir)}.")
    raise NatsSecurityError(f"There are several stores in {stores_dir}: name one of {', '.join(names)}.")


def name_problem(name: str) -> str:
    """Why a name is not valid for an operator, account or user in nsc's layout; empty if it is."""
    if not name:
        return "a name is required"
    if "/" in name or "\\" in name or "\0" in name or name in (".", ".."):
        return f"{quoted(name)} cannot be a name: it becomes the name of a file, so it must not contain / or \\"
    if not is_text(name):
        return f"{name!a} cannot be a name: it contains half of a surrogate pair, which is not a character"
    if not name.isprintable():
        return (
            f"{quoted(name)} cannot be a name: it becomes the name of a file, so all its characters must be printable"
        )
    if name != name.strip():
        return f"{quoted(name)} cannot be a name: it begins or ends with a space"
    if len(name.encode("utf-8")) > 240:
        return "this name is too long: it becomes the name of a file, so the maximum is 240 bytes"
    return ""


def checked_layout(stores_dir: str, keys_dir: str, name: str) -> Layout:
    """The paths of a store that a task names. NatsSecurityError if its folder would be outside of `stores_dir`, or part of the keystore."""
    problem = name_problem(name)
    if problem:
        raise NatsSecurityError(f"store: {problem}.")
    for option, folder in (("stores_dir", stores_dir), ("keys_dir", keys_dir)):
        if is_there(folder) and not is_folder(folder):
            raise NatsSecurityError(f"{option}: {folder} is not a folder.")
    layout = Layout(stores_dir, keys_dir, name)
    for path in (layout.root, os.path.dirname(layout.lock)):
        if is_link(path):
            raise NatsSecurityError(
                f"{path} is a symbolic link, which is not followed in a store: give the folder that the store is in as stores_dir."
            )
    root, keys = os.path.realpath(layout.root), os.path.realpath(layout.keys_dir)
    for folder in (keys, *(os.path.join(keys, part) for part in ("keys", "creds", STATE))):
        if root == folder or (folder != keys and root.startswith(folder + "/")):
            raise NatsSecurityError(f"store: the folder {layout.root} is part of the keystore, {layout.keys_dir}.")
    return layout
