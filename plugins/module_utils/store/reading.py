# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Reads a store in nsc's layout: its content, the files that cannot be read, and wrong modes. Writes nothing."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import os
import stat
from typing import TYPE_CHECKING, Any, Iterator, Mapping

from ..base.each_once import SaidTwiceError, each_once
from ..base.errors import Missing, NatsSecurityError
from ..base.texts import is_text
from ..claims.options import Problem
from ..disk.files import FILE_MODE, FOLDER_MODE, FileError, is_file, is_folder, is_link, list_folder, read_content
from ..disk.writing import is_rest
from ..reconcile.place import SURROUNDED, Found, Trust, UserFiles
from ..token import codec, decorated
from .layout import STATE, Layout, stores_in

if TYPE_CHECKING:
    from .renaming import Moves


@dataclasses.dataclass
class Store:
    """The content of a store, as a place for the engine. Users are read one at a time."""

    layout: Layout
    exists: bool = False
    is_managed: bool = False  # created by nsc without the operator's key: accounts are self-signed
    operator: Found | None = None
    accounts: dict[str, Found] = dataclasses.field(default_factory=dict)
    roles: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)
    trust: Trust | None = None
    #: The tokens and roles in the files, before verification. Roles are None if there is no file.
    read: dict[str, Found] = dataclasses.field(default_factory=dict)  # by path
    read_roles: dict[str, dict[str, str]] | None = None
    unread: set[str] = dataclasses.field(default_factory=set)  # accounts, "" the operator, whose files have no such JWT
    journal: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    problems: list[Problem] = dataclasses.field(default_factory=list)
    #: The future content of files, by path, which check mode reads in place of the current content.
    to_come: Mapping[str, str] = dataclasses.field(default_factory=dict)
    #: The files that move because the document renames accounts and users. They are read as if they had moved. None if nothing is renamed.
    moves: Moves | None = None
    modes: dict[str, int] = dataclasses.field(default_factory=dict)  # wrong modes, by path
    leftovers: list[str] = dataclasses.field(default_factory=list)

    @property
    def started(self) -> dict[str, dict[str, str]]:
        """The keys that an interrupted run began to create: by label, then by type."""
        found: dict[str, dict[str, str]] = {}
        for entry in self.journal:
            label, key = str(entry.get("for") or ""), str(entry.get("key") or "")
            if label and key:
                found.setdefault(label, {})[_TYPES.get(key[0], "")] = key
        return found

    def role_keys(self, owner: str) -> dict[str, str]:
        """The recorded keys by role of an operator or account, which is given by its public key."""
        return self.roles.get(owner, {})

    def has_seed(self, public_key: str) -> bool:
        """Whether the keystore has the seed of a key."""
        return len(public_key) == 56 and is_file(self.layout.key(public_key))

    def user_files(self, account: str) -> UserFiles:
        """The users of an account that have files."""
        jwts, creds = self.layout.users_dir(account), self.layout.creds_dir(account)
        names = [_list_and_note(self, folder) for folder in (jwts, creds)]
        return UserFiles(
            {name[:-4]: None for name in names[0] if name.endswith(".jwt")},
            frozenset(name[:-6] for name in names[1] if name.endswith(".creds")),
        )

    def user_text(self, account: str, user: str) -> str | None:
        """The text of a user's JWT file; None if there is no file."""
        return read_file(self, self.layout.user_jwt(account, user))

    def read_user(self, account: str, user: str) -> Found | Problem | None:
        """The verified token of a user; a problem if its file has something else; None if there is no file."""
        return read_token(self, self.layout.user_jwt(account, user), "user")

    def creds_text(self, account: str, user: str) -> str | None:
        """The text of a creds file; None if there is no file."""
        return read_file(self, self.layout.creds(account, user))

    def where(self, account: str = "", user: str = "", creds: bool = False) -> str:
        """The path of the JWT of the operator, an account or a user, or of the creds of a user."""
        if creds:
            return self.layout.creds(account, user)
        if user:
            return self.layout.user_jwt(account, user)
        return self.layout.account_jwt(account) if account else self.layout.operator_jwt

    def file_reasons(self, path: str) -> tuple[str, ...]:
        """The reasons to move a file, or to correct the mode of a file or folder."""
        before = self.moves.names.get(path) if self.moves is not None else None
        renamed = (f"renamed from {before}",) if before else ()
        mode = self.modes.get(path)
        if mode is None:
            return renamed
        is_a_file = path.endswith((".jwt", ".creds", ".nk", ".nsc", ".json")) or path in (
            self.layout.removed,
            self.layout.revoked,
        )
        right = FILE_MODE if is_a_file else FOLDER_MODE
        stores = self.layout.stores_dir
        shown = path[len(stores) + 1 :] if path.startswith(stores) else path
        return (*renamed, f"mode of {shown}: {mode:04o} -> {right:04o}")


_TYPES = {"O": "operator", "A": "account", "U": "user", "X": "curve"}


def read_store(layout: Layout, to_come: Mapping[str, str] | None = None, moves: Moves | None = None) -> Store:
    """The operator and the accounts of a store, from its files or their future content. Files that cannot be read are in the problems, with their paths."""
    store = Store(layout, to_come=to_come or {}, moves=moves)
    store.problems += moves.problems if moves is not None else ()
    store.journal = list(_read_journal(layout.journal))
    note_mode(store, layout.state_of_keys, FOLDER_MODE)
    _note_links_of_keystore(store)
    if not is_folder(layout.root) and not to_come:
        return store
    marker = read_json(store, layout.marker)
    store.exists = marker is not None
    if isinstance(marker, dict):
        store.is_managed = bool(marker.get("managed"))
    store.read_roles = read_roles(store, layout.roles)
    for folder in (layout.root, os.path.dirname(layout.lock)):
        note_mode(store, folder, FOLDER_MODE)
    _note_link(store, layout.archive(False, "").rstrip("/"))
    note_mode(store, layout.marker, FILE_MODE)
    store.operator = _read_or_note(store, "")
    for folder in (layout.root, os.path.dirname(layout.lock), layout.keys_dir, layout.state_of_keys):
        note_leftovers(store, folder)
    for name in _list_and_note(store, layout.accounts):
        folder = layout.account_dir(name)
        if is_link(folder):
            note_mode(store, folder, FOLDER_MODE)
            continue
        note_leftovers(store, folder)
        found = _read_or_note(store, name)
        if found is not None:
            store.accounts[name] = found
            note_mode(store, folder, FOLDER_MODE)
    return store


def existing_store(layout: Layout) -> Store:
    """The content of a store, not verified yet. NatsSecurityError if the store does not exist."""
    store = read_store(layout)
    if not store.exists:
        if store.problems:
            raise NatsSecurityError(str(store.problems[0]))
        names = stores_in(layout.stores_dir)
        raise Missing(
            f"There is no store {layout.name} in {layout.stores_dir}; available: {', '.join(names) or 'none'}."
        )
    return store


def _note_links_of_keystore(store: Store) -> None:
    """Add a problem for each folder of the keystore that is a symbolic link, because files are written to these folders and moved out of them."""
    layout = store.layout
    keys, state = layout.keys_dir, layout.state_of_keys
    folders = [f"{keys}/keys", f"{keys}/creds", layout.creds_dir("").rstrip("/")]
    folders += [f"{keys}/{STATE}", os.path.dirname(state), state, layout.record, layout.recorded_accounts]
    folders.append(layout.archive(True, "").rstrip("/"))
    for kind in "OAUX":
        shards = f"{keys}/keys/{kind}"
        folders.append(shards)
        with contextlib.suppress(OSError), os.scandir(shards) as found:
            folders += [entry.path for entry in found if entry.is_symlink()]
    for folder in folders:
        _note_link(store, folder)


def _note_link(store: Store, path: str) -> None:
    if is_link(path):
        store.problems.append(Problem(path, _LINK))


def read_roles(store: Store, path: str) -> dict[str, dict[str, str]] | None:
    """The public keys in a roles file, by the public key of their owner and by role; None if there is no such file."""
    roles = read_json(store, path)
    if not isinstance(roles, dict):
        return None
    return {
        str(owner): {str(role): str(key) for role, key in keys.items()}
        for owner, keys in roles.items()
        if isinstance(keys, dict)
    }


def read_token(store: Store, path: str, kind: str) -> Found | Problem | None:
    """The token in a file of the store, with its signature by its issuer verified; a problem if the file has something else; None if there is no file."""
    text = read_file(store, path)
    if text is None:
        return None
    try:
        token = decorated.token_in(text)
        claims = codec.decode(token)
    except NatsSecurityError as error:
        return Problem(path, f"this is left unchanged, it does not hold a JWT: {error}")
    if claims.kind != kind:
        return Problem(path, f"this holds a JWT of {claims.kind} claims, expected one of {kind} claims.")
    return Found(token, claims, "" if token == text else SURROUNDED)


def _read_or_note(store: Store, account: str) -> Found | None:
    """The JWT of an account, or of the operator if the name is empty; None, with a problem in the store, if it cannot be read."""
    path = store.where(account)
    before = len(store.problems)
    found = read_token(store, path, "account" if account else "operator")
    if isinstance(found, Problem):
        store.problems.append(found)
    if len(store.problems) > before:
        store.unread.add(account)
    if not isinstance(found, Found):
        return None
    store.read[path] = found
    return found


def read_file(store: Store, path: str) -> str | None:
    """The text of a file; None if there is no file. Notes a wrong mode. A file that cannot be read adds a problem and returns None."""
    if path in store.to_come:
        return store.to_come[path]
    actual = store.moves.files.get(path, path) if store.moves is not None else path
    try:
        content = read_content(actual, follow=False)
    except FileError as error:
        if error.number != errno.ENOTDIR:
            store.problems.append(Problem(actual, f"this cannot be read: {error.reason}."))
        return None
    if content is None:
        return None
    if content.mode != stat.S_IFREG | FILE_MODE:
        store.modes[path] = stat.S_IMODE(content.mode)
    return content.text


#: Links are refused because an attacker who can create a link in a store could redirect writes and mode changes to other files.
_LINK = "this is a symbolic link, which is not followed in a store."


def _list_and_note(store: Store, folder: str) -> list[str]:
    note_mode(store, folder, FOLDER_MODE)
    if is_link(folder):
        return []
    names = []
    for name in list_folder(folder):
        if is_text(name):
            names.append(name)
        else:
            store.problems.append(Problem(folder, f"the name {name!a} in it is not UTF-8."))
    store.leftovers.extend(os.path.join(folder, name) for name in names if is_rest(name))
    below = (path[len(folder) + 1 :].partition("/")[0] for path in store.to_come if path.startswith(folder + "/"))
    found = list(dict.fromkeys([*(name for name in names if not is_rest(name)), *below]))
    return store.moves.names_in(folder, found) if store.moves is not None else found


def note_leftovers(store: Store, folder: str) -> None:
    """Note the incomplete files of an interrupted run in a folder."""
    store.leftovers.extend(os.path.join(folder, name) for name in list_folder(folder) if is_rest(name))


def note_mode(store: Store, path: str, mode: int) -> None:
    """Note the mode of a file or folder if it differs from the expected mode. A symbolic link adds a problem."""
    with contextlib.suppress(OSError):
        found = os.lstat(path).st_mode
        if stat.S_ISLNK(found):
            store.problems.append(Problem(path, _LINK))
        elif stat.S_IMODE(found) != mode:
            store.modes[path] = stat.S_IMODE(found)


def read_json(store: Store, path: str) -> Any:
    """The value in a JSON file; None if there is no file. A file that is not valid JSON adds a problem and returns None."""
    text = read_file(store, path)
    if text is None:
        return None
    try:
        return json.loads(text, object_pairs_hook=each_once)
    except SaidTwiceError as error:
        store.problems.append(Problem(path, f"this is left unchanged, {error}."))
        return None
    except ValueError:
        store.problems.append(Problem(path, "this is left unchanged, it is not JSON."))
        return None


def _read_journal(path: str) -> Iterator[dict[str, Any]]:
    content = read_content(path, follow=False)
    for line in content.text.splitlines() if content is not None else ():
        # The last line may be incomplete. In that case nothing that it announces was done.
        with contextlib.suppress(ValueError):
            entry = json.loads(line)
            if isinstance(entry, dict):
                yield entry
