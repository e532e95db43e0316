# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Renames accounts and users: their files move, and nothing else changes. Seeds and JetStream data belong to public keys, not to names.

Until a plan is applied, the store is read as if the files had already moved; `Moves.files` has their current paths. Files move one at a time, the
account's own JWT last. So if a run is interrupted in between, the next run moves the remaining files.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from typing import Callable, Iterator, Mapping, Sequence

from ..base.errors import NatsSecurityError
from ..base.texts import is_text
from ..claims.options import Problem
from ..disk.batch import make_folders
from ..disk.files import FileError, is_link, is_there, list_folder, read_content, reported, sync_folder
from ..disk.writing import Overtaken, is_rest
from ..reconcile.place import Revoked
from ..reconcile.trust import peek
from ..reconcile.wanted import ABSENT, Wanted, WantedAccount, WantedUser
from ..token import decorated
from .archiving import put_away
from .layout import Layout

_LINK = "this is a symbolic link, which is not followed in a store."


@dataclasses.dataclass
class Moves:
    """The files to move: `files` has the current paths by the new paths.

    `spare` are files with the same key as a file that is already in the new place; they are archived. `names` has the previous names of renamed entities by
    the paths of their JWTs, `accounts` and `users` have them by new name. `folders` are the folders that become empty.
    """

    files: dict[str, str] = dataclasses.field(default_factory=dict)
    spare: list[str] = dataclasses.field(default_factory=list)
    names: dict[str, str] = dataclasses.field(default_factory=dict)
    accounts: dict[str, str] = dataclasses.field(default_factory=dict)
    users: dict[tuple[str, str], str] = dataclasses.field(default_factory=dict)
    folders: list[str] = dataclasses.field(default_factory=list)
    problems: list[Problem] = dataclasses.field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.files or self.spare)

    def names_in(self, folder: str, names: Sequence[str]) -> list[str]:
        """The names in a folder after all moves. `names` are the current ones."""
        if not self:
            return [*names]
        gone = {*self.files.values(), *self.spare, *self.folders}
        left = [name for name in names if f"{folder}/{name}" not in gone]
        come = [path[len(folder) + 1 :].partition("/")[0] for path in self.files if path.startswith(folder + "/")]
        return [*dict.fromkeys([*left, *come])]

    def notes(self, revoked: Sequence[Revoked]) -> Iterator[Revoked]:
        """The records of keys that were revoked by name, for the new names. Records without a change are not returned."""
        accounts = {before: name for name, before in self.accounts.items()}
        users = {(account, before): user for (account, user), before in self.users.items()}
        for one in revoked:
            account = accounts.get(one.account, one.account)
            new = one._replace(account=account, user=users.get((account, one.user), one.user))
            if new != one:
                yield new


def find_moves(layout: Layout, wanted: Wanted) -> Moves:
    """The files of a store to move for the renames in a document, and the problems."""
    moves = Moves()
    for account in wanted.accounts:
        if account.state != ABSENT and (account.renamed_from or any(user.renamed_from for user in account.users)):
            _find_account(moves, layout, account)
    return moves


def _find_account(moves: Moves, layout: Layout, account: WantedAccount) -> None:
    name, before = account.name, account.renamed_from
    is_here = bool(before) and (is_there(layout.account_jwt(before)) or is_there(layout.recorded(before)))
    renamed = {user.renamed_from: user for user in account.users if user.renamed_from and user.state != ABSENT}
    there = _find_users(moves, layout, account, renamed, [name, before] if is_here else [name])
    if is_here:
        pairs = ((one(name), one(before)) for one in (layout.account_jwt, layout.recorded))
        for new, old in pairs:
            _settle(moves, (new, [*filter(is_there, (new, old))]), f"{account.place}.renamed_from", _of_jwt)
        moves.names[layout.account_jwt(name)] = moves.accounts[name] = before
        moves.folders += [layout.users_dir(before), layout.account_dir(before), layout.creds_dir(before)]
    if not is_there(layout.marker) and not is_there(layout.recorded_store):
        return  # there is no store yet, so everything in the document is new
    if before and not (is_here or is_there(layout.account_jwt(name)) or is_there(layout.recorded(name))):
        moves.problems.append(_nothing(f"{account.place}.renamed_from", "account", before, name))
    for old_name, user in renamed.items():
        if old_name not in there and user.name not in there:
            place = f"{account.user_place(user)}.renamed_from"
            moves.problems.append(_nothing(place, "user", f"{name}/{old_name}", f"{name}/{user.name}"))


def _find_users(
    moves: Moves, layout: Layout, account: WantedAccount, renamed: Mapping[str, WantedUser], names: Sequence[str]
) -> set[str]:
    """Add the user files of an account to the moves. `names` are the account names to search. Returns the user names that have files."""
    there: set[str] = set()
    by_name = {user.name: user for user in renamed.values()}
    for folder_of, ending, subject_of in (
        (layout.users_dir, ".jwt", _of_jwt),
        (layout.creds_dir, ".creds", _of_creds),
    ):
        found: dict[str, list[str]] = {}
        for folder in map(folder_of, names):
            for stem in _stems(moves, folder, ending):
                name = renamed[stem].name if stem in renamed else stem
                found.setdefault(name, []).append(f"{folder}/{stem}{ending}")
                there.add(stem)
        for name, paths in found.items():
            user = by_name.get(name)
            place = f"{account.user_place(user) if user is not None else account.place}.renamed_from"
            moved = _settle(moves, (f"{folder_of(account.name)}/{name}{ending}", paths), place, subject_of)
            if moved and user is not None:
                moves.names[layout.user_jwt(account.name, name)] = user.renamed_from
                moves.users[account.name, name] = user.renamed_from
    return there


def _nothing(place: str, kind: str, before: str, name: str) -> Problem:
    return Problem(
        place,
        f"there is no {kind} {before} in the store, and no {name}, so there is nothing to rename. Correct the name, or remove renamed_from to have "
        f"{name} made with a new key.",
    )


def _stems(moves: Moves, folder: str, ending: str) -> list[str]:
    """The names of users that have a file in a folder."""
    if is_link(folder):
        moves.problems.append(Problem(folder, _LINK))
        return []
    names = [name for name in list_folder(folder) if is_text(name) and not is_rest(name)]
    return [name[: -len(ending)] for name in names if name.endswith(ending)]


def _settle(moves: Moves, files: tuple[str, list[str]], place: str, subject_of: Callable[[str], str]) -> bool:
    """Choose the file that moves to a new path, from the existing candidates. Returns whether anything has to be done."""
    new, there = files
    there = sorted(there, key=lambda path: path != new)
    if not there or there == [new]:
        return False
    subjects = [subject_of(path) for path in there] if len(there) > 1 else []
    if len(set(subjects)) > 1 or "" in subjects:
        keys = " and ".join(f"{path} ({subject or 'unreadable'})" for path, subject in zip(there, subjects))
        moves.problems.append(
            Problem(
                place,
                f"the new name is taken: there are {keys}, and nothing is replaced. Remove one of them first, or, if the rename is done, remove renamed_from.",
            )
        )
        return False
    if there[0] != new:
        moves.files[new] = there[0]
    moves.spare += there[1:]
    return True


def _of_jwt(path: str) -> str:
    return peek(decorated.token_in(_text_of(path))).subject


def _of_creds(path: str) -> str:
    with contextlib.suppress(NatsSecurityError):
        return decorated.seed_in(_text_of(path)).public_key
    return ""


def _text_of(path: str) -> str:
    with contextlib.suppress(FileError):
        content = read_content(path, follow=False)
        return content.text if content is not None else ""
    return ""


def move_files(moves: Moves, layout: Layout, when: str) -> None:
    """Move the files of renamed entities. Overtaken if another program created a file at a new path in the meantime; FileError."""
    for path in moves.spare:
        put_away(layout, path, not path.startswith(layout.root + "/"), when)
    folders = dict.fromkeys(os.path.dirname(path) for pair in moves.files.items() for path in pair)
    make_folders(list(dict.fromkeys(map(os.path.dirname, moves.files))))
    for new, old in moves.files.items():
        if is_there(new):
            raise Overtaken(new, "something else made it at the same time")
        with reported(old, f"{old} cannot be moved to {new}"):
            os.rename(old, new)
    for folder in folders:
        sync_folder(folder)
    for folder in moves.folders:
        with contextlib.suppress(OSError):
            os.rmdir(folder)
