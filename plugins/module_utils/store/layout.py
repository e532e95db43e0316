# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Where things are in nsc's layout (nsc/cmd/store/store.go and keys.go), and reading them. Writes nothing.

What nsc has no place for, the roles of signing keys without a scope, is in a folder `.natsops` of the store, which nsc passes over.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import functools
import json
import os
import stat
from typing import Any, Iterator, NamedTuple

from ..base.errors import NatsSecurityError
from ..base.quick_dataclass import dataclass
from ..claims import Claims, User
from ..claims.options import Problem
from ..disk.files import FILE_MODE, FOLDER_MODE, FileError, list_folder, read_content
from ..disk.writing import is_rest
from ..keys import nkey
from ..keys.nkey import KeyPair
from ..token import codec, decorated

STATE = ".natsops"
#: What nsc writes into its keystore, to the byte.
GITIGNORE = "# ignore all nk files \n**/*.nk\n\n# ignore all creds files\n**/*.creds\n"


@dataclasses.dataclass(frozen=True)
class Layout:
    """The paths of one store, and of the keystore that goes with it."""

    stores_dir: str
    keys_dir: str
    name: str

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
        """The operator's JWT. It has the name of the store, whatever the operator calls itself."""
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
        """The seed of a key."""
        return f"{self.keys_dir}/keys/{public_key[0]}/{public_key[1:3]}/{public_key}.nk"

    def creds_dir(self, account: str) -> str:
        """The folder of the creds files of an account's users."""
        return f"{self.keys_dir}/creds/{self.name}/{account}"

    def creds(self, account: str, user: str) -> str:
        """The creds file of a user."""
        return f"{self.keys_dir}/creds/{self.name}/{account}/{user}.creds"

    @property
    def gitignore(self) -> str:
        """What keeps seeds out of version control."""
        return f"{self.keys_dir}/.gitignore"

    @property
    def lock(self) -> str:
        """The file that a run holds locked."""
        return f"{self.root}/{STATE}/lock"

    @property
    def journal(self) -> str:
        """The keys that a run is about to make, by name: there only while it runs, or after it was killed."""
        return f"{self.root}/{STATE}/journal"

    @property
    def roles(self) -> str:
        """The roles of signing keys, which a JWT does not name unless they have a scope."""
        return f"{self.root}/{STATE}/roles.json"

    def archive(self, of_keys: bool, when: str) -> str:
        """Where what is removed at a time goes: of the keystore, or of the store."""
        return f"{self.keys_dir if of_keys else self.root}/{STATE}/archive/{when}"


def default_stores_dir(environment: Any) -> str:
    """Where nsc has its stores (nsc/home/home.go)."""
    return os.path.join(_data_home(environment), "nats", "nsc", "stores")


def default_keys_dir(environment: Any) -> str:
    """Where nsc has its keystore."""
    return environment.get("NKEYS_PATH") or os.path.join(_data_home(environment), "nats", "nsc", "keys")


def _data_home(environment: Any) -> str:
    return environment.get("XDG_DATA_HOME") or os.path.join(os.path.expanduser("~"), ".local", "share")


def stores_in(stores_dir: str) -> list[str]:
    """The names of the stores in a folder."""
    return [name for name in list_folder(stores_dir) if os.path.isfile(os.path.join(stores_dir, name, ".nsc"))]


def name_problem(name: str) -> str:
    """Why a name cannot be that of an operator, account or user in nsc's layout; empty where it can."""
    if not name:
        return "a name is wanted"
    if "/" in name or "\\" in name or "\0" in name or name in (".", ".."):
        return f"{name!r} cannot be a name: it becomes the name of a file, so it has no / and no \\"
    if name != name.strip():
        return f"{name!r} cannot be a name: it begins or ends with a space"
    if len(name.encode("utf-8", "surrogatepass")) > 240:
        return "this name is too long: it becomes the name of a file, so it has up to 240 bytes"
    return ""


@dataclass
class Stored:
    """A token as it is in the store."""

    token: str
    claims: Claims
    is_exact: bool  # without a newline or anything else around it


@dataclass
class Store:
    """What is in a store; users are read one account at a time."""

    layout: Layout
    exists: bool = False
    is_managed: bool = False  # made by nsc without the operator's key: accounts sign themselves
    operator: Stored | None = None
    accounts: dict[str, Stored] = dataclasses.field(default_factory=dict)
    roles: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)
    journal: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    problems: list[Problem] = dataclasses.field(default_factory=list)
    modes: dict[str, int] = dataclasses.field(default_factory=dict)  # of what is open to others, by path
    leftovers: list[str] = dataclasses.field(default_factory=list)

    def role_keys(self, owner: str) -> dict[str, str]:
        """The public keys by role that are on record for an operator or account, by its public key."""
        return self.roles.get(owner, {})


def read_store(layout: Layout) -> Store:
    """The operator and the accounts of a store. What cannot be read or does not verify is in its problems, with its path on disk."""
    store = Store(layout)
    if not os.path.isdir(layout.root):
        return store
    marker = _read_json(store, layout.marker)
    store.exists = marker is not None
    if isinstance(marker, dict):
        store.is_managed = bool(marker.get("managed"))
    roles = _read_json(store, layout.roles)
    if isinstance(roles, dict):
        store.roles = {
            str(owner): {str(role): str(key) for role, key in keys.items()}
            for owner, keys in roles.items()
            if isinstance(keys, dict)
        }
    store.journal = list(_read_journal(layout.journal))
    for folder in (layout.root, layout.accounts, os.path.dirname(layout.lock)):
        _note_mode(store, folder, FOLDER_MODE)
    _note_mode(store, layout.marker, FILE_MODE)
    store.operator = read_stored(store, layout.operator_jwt, "operator")
    _note_leftovers(store, layout.root)
    for name in list_folder(layout.accounts):
        path = layout.account_jwt(name)
        _note_leftovers(store, layout.account_dir(name))
        stored = read_stored(store, path, "account")
        if stored is not None:
            store.accounts[name] = stored
            _note_mode(store, layout.account_dir(name), FOLDER_MODE)
    return store


def read_stored(store: Store, path: str, kind: str) -> Stored | None:
    """The token in a file of the store, verified; None where there is none, or with a problem where it is something else."""
    text = read_file(store, path)
    if text is None:
        return None
    try:
        token = text if text.isascii() and not text.endswith("\n") else text.strip()
        claims = codec.decode(token)
    except NatsSecurityError as error:
        store.problems.append(Problem(path, f"this is left as it is, it does not hold a JWT: {error}"))
        return None
    if claims.kind != kind:
        store.problems.append(
            Problem(path, f"this holds a JWT of {claims.kind} claims, one of {kind} claims is wanted.")
        )
        return None
    return Stored(token, claims, token == text)


def read_file(store: Store, path: str) -> str | None:
    """The text of a file, its mode noted; None where there is none, or with a problem where it cannot be read."""
    try:
        content = read_content(path, follow=False)
    except FileError as error:
        if error.number != errno.ENOTDIR:
            store.problems.append(Problem(path, f"this cannot be read: {error.reason}."))
        return None
    if content is None:
        return None
    if content.mode != stat.S_IFREG | FILE_MODE:
        store.modes[path] = stat.S_IMODE(content.mode)
    return content.text


class UserFiles(NamedTuple):
    """The users of an account that have a JWT in the store, in order, and those that have a creds file."""

    users: dict[str, None] = {}
    creds: frozenset[str] = frozenset()


def user_files(store: Store, account: str) -> UserFiles:
    """Look what there is of the users of an account."""
    jwts, creds = store.layout.users_dir(account), store.layout.creds_dir(account)
    names = [_list_and_note(store, folder) for folder in (jwts, creds)]
    return UserFiles(
        {name[:-4]: None for name in names[0] if name.endswith(".jwt")},
        frozenset(name[:-6] for name in names[1] if name.endswith(".creds")),
    )


def _list_and_note(store: Store, folder: str) -> list[str]:
    _note_mode(store, folder, FOLDER_MODE)
    names = list_folder(folder)
    store.leftovers.extend(os.path.join(folder, name) for name in names if is_rest(name))
    return [name for name in names if not is_rest(name)]


def _note_leftovers(store: Store, folder: str) -> None:
    store.leftovers.extend(os.path.join(folder, name) for name in list_folder(folder) if is_rest(name))


def _note_mode(store: Store, path: str, mode: int) -> None:
    with contextlib.suppress(OSError):
        found = stat.S_IMODE(os.stat(path).st_mode)
        if found != mode:
            store.modes[path] = found


def _read_json(store: Store, path: str) -> Any:
    text = read_file(store, path)
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError:
        store.problems.append(Problem(path, "this is left as it is, it is not JSON."))
        return None


def _read_journal(path: str) -> Iterator[dict[str, Any]]:
    content = read_content(path, follow=False)
    for line in content.text.splitlines() if content is not None else ():
        # The last line may be torn; nothing was done on its strength then.
        with contextlib.suppress(ValueError):
            entry = json.loads(line)
            if isinstance(entry, dict):
                yield entry


class Keyring:
    """The seeds at hand: those in the keystore, and those that came with the task."""

    def __init__(self, layout: Layout, pairs: list[KeyPair]) -> None:
        self._layout = layout
        self._given = {pair.public_key: pair for pair in pairs}
        self._present: dict[str, bool] = {}
        self._found: dict[str, KeyPair | None] = {}

    def has(self, public_key: str) -> bool:
        """Whether the seed of a public key is at hand."""
        if public_key in self._given:
            return True
        if public_key not in self._present:
            self._present[public_key] = self.is_stored(public_key)
        return self._present[public_key]

    def is_stored(self, public_key: str) -> bool:
        """Whether the seed of a public key is in the keystore."""
        return len(public_key) == 56 and os.path.isfile(self._layout.key(public_key))

    def add(self, pair: KeyPair) -> None:
        """Have a new key at hand."""
        self._given[pair.public_key] = pair

    def pair(self, public_key: str) -> KeyPair:
        """The key pair of a public key. NatsSecurityError where its seed is not at hand, or the file holds something else."""
        if public_key not in self._given:
            path = self._layout.key(public_key)
            content = read_content(path, follow=False)
            if content is None:
                raise NatsSecurityError(f"The seed of {public_key} is not in the keystore {self._layout.keys_dir}.")
            try:
                pair = nkey.from_seed(content.text.strip())
            except NatsSecurityError as error:
                raise NatsSecurityError(f"{path} is left as it is, it does not hold a seed: {error}") from None
            if pair.public_key != public_key:
                raise NatsSecurityError(
                    f"{path} is left as it is, it holds the seed of another key, {pair.public_key}."
                )
            self._given[public_key] = pair
        return self._given[public_key]

    def find(self, public_key: str) -> KeyPair | None:
        """The key pair of a public key, looked for once; None where its seed is not at hand, or the file holds something else."""
        if public_key not in self._found:
            self._found[public_key] = None
            with contextlib.suppress(NatsSecurityError):
                self._found[public_key] = self.pair(public_key)
        return self._found[public_key]


# ---- tokens and creds at a glance


class Said(NamedTuple):
    """What a token that is not verified yet seems to be about."""

    subject: str
    issuer: str
    issuer_account: str


NOTHING = Said("", "", "")


def peek(token: str) -> Said:
    """What a token seems to be about; nothing where it is none."""
    data = codec.peek(token)
    nats = data.get("nats")
    account = nats.get("issuer_account") if isinstance(nats, dict) else None
    return Said(str(data.get("sub") or ""), str(data.get("iss") or ""), str(account or ""))


def creds_text(token: str, seed: str) -> str:
    """The creds file of a token and a seed that are known to belong together: what decorated.format_creds writes, without verifying both again."""
    before, between, after = _creds_template()
    return before + token + between + seed.strip() + after


@functools.lru_cache(maxsize=1)
def _creds_template() -> tuple[str, str, str]:
    account, user = nkey.from_raw_seed("account", bytes(32)), nkey.from_raw_seed("user", bytes(32))
    token = codec.encode(Claims(subject=user.public_key, body=User()), account, 1)
    before, rest = decorated.format_creds(token, user).split(token)
    between, after = rest.split(user.seed)
    return before, between, after
