# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The creds files of one host: the file at a path, the key that waits beside it, and whether handlers still have to run.

Beside `orders.creds` there may be `.orders.creds.natsops-key`, the seed of a new key whose JWT is not issued yet, and `.orders.creds.natsops-changed`, an
empty file that means that the handlers of a change have not run yet. With these files the next run completes one that was killed at any point.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from typing import Any, NamedTuple, Sequence

from ..base import units
from ..base.digests import digest
from ..base.errors import NatsSecurityError
from ..disk.files import is_link, status_of
from ..disk.snapshot import Snapshot
from ..disk.writing import Owner
from ..keys.nkey import KeyPair
from ..token import codec, decorated


class NoSuchName(NatsSecurityError):
    """A user or group that this host does not have."""


class Account(NamedTuple):
    """The account to which a user must belong, and the name of its operator for messages. `key` is empty if the account's public key is unknown."""

    name: str
    key: str
    operator: str


class Held(NamedTuple):
    """The contents of a creds file: the text, its JWT, and the public key and expiry in the JWT. Only the form is validated, not the signature."""

    text: str
    jwt: str
    public_key: str
    expires: str | None

    @property
    def digest(self) -> str:
        """The digest of the JWT, for comparison where the JWT itself is not available."""
        return digest(self.jwt)


def key_beside(path: str) -> str:
    """The path of the seed of a new key that waits for its JWT."""
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name}.natsops-key")


def change_beside(path: str) -> str:
    """The path of the file that exists while handlers have to run."""
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name}.natsops-changed")


def read_creds(snapshot: Snapshot, path: str, names: Sequence[str], account: Account) -> Held | None:
    """The creds at a path, of a user with one of the names, of which the first is the current one; None if there is no file.

    Raises NatsSecurityError if the file is not a creds file, or belongs to another user or account.
    """
    if is_link(path):
        raise NatsSecurityError(f"{path} is a symbolic link. It is left unchanged: name the file itself.")
    text = snapshot.read(path, "The creds file")
    if text is None:
        return None
    jwt = decorated.token_in(text)
    payload = codec.peek(jwt)
    nats = payload.get("nats")
    if not isinstance(nats, dict) or nats.get("type") != "user" or not payload.get("sub"):
        raise NatsSecurityError(f"{path} does not hold the creds of a user. It is left unchanged.")
    issuer = str(nats.get("issuer_account") or payload.get("iss") or "")
    name, key = str(payload.get("name") or ""), str(payload["sub"])
    if account.key and issuer != account.key:
        raise NatsSecurityError(
            f"{path} holds the creds of {name or key}, a user of the account {issuer}, which is not {account.name} of {account.operator} ({account.key}). "
            "It is left unchanged."
        )
    if name not in names:
        raise NatsSecurityError(
            f"{path} holds the creds of another user of {account.name}, {name or key}, not of {names[0]}. It is left unchanged."
        )
    return held_in(text)


def held_in(text: str) -> Held:
    """The contents of a creds file, from its text."""
    jwt = decorated.token_in(text)
    payload = codec.peek(jwt)
    end = payload.get("exp")
    shown = units.show_time(end) if isinstance(end, int) and end else None
    return Held(text, jwt, str(payload.get("sub") or ""), shown)


def pair_of(path: str, held: Held) -> KeyPair:
    """The key pair of creds. Raises NatsSecurityError if the seed does not belong to the JWT."""
    try:
        pair = decorated.seed_in(held.text)
    except NatsSecurityError as error:
        raise NatsSecurityError(f"{path} does not hold the creds of a user. It is left unchanged. {error}") from None
    if pair.public_key != held.public_key:
        raise NatsSecurityError(
            f"{path} has the seed of {pair.public_key} and a JWT with the subject {held.public_key}. It is left unchanged."
        )
    return pair


def waiting_pair(snapshot: Snapshot, path: str) -> KeyPair | None:
    """The key pair that waits beside a path; None if there is none. Raises NatsSecurityError if the file is not the seed of a user."""
    beside = key_beside(path)
    if is_link(beside):
        raise NatsSecurityError(
            f"{beside} is a symbolic link, where the seed of a new key is kept. It is left unchanged."
        )
    text = snapshot.read(beside, "The key that waits for its JWT")
    if text is None:
        return None
    try:
        pair = decorated.seed_in(text)
    except NatsSecurityError as error:
        raise NatsSecurityError(f"{beside} is not a seed file. It is left unchanged. {error}") from None
    if pair.type != "user":
        raise NatsSecurityError(f"{beside} holds the seed of the {pair.type} key {pair.public_key}, not of a user.")
    return pair


# ---- owners and modes


def owner_of(item: dict[str, Any], path: str) -> Owner:
    """The owner and group that a creds file must have: those that the entry names, else the current ones of the file, else those of this process.

    Raises NatsSecurityError if the names do not exist or this process may not set the owner.
    """
    found = status_of(path)
    uid, gid = (os.geteuid(), os.getegid()) if found is None else (found.st_uid, found.st_gid)
    wanted = Owner(_number(item, "owner", uid), _number(item, "group", gid))
    me = os.geteuid()
    if me != 0 and (uid != me or wanted.uid != me):
        other = uid if uid != me else wanted.uid
        raise NatsSecurityError(
            f"{path} belongs to {_name_of(other)} or is to be given to it, and this task runs as {_name_of(me)}: "
            "only root can change the owner (become: true). It is left unchanged."
        )
    return wanted


def _number(item: dict[str, Any], word: str, default: int) -> int:
    name = item[word]
    if name is None:
        return default
    if str(name).isdigit():
        return int(name)
    try:
        return pwd.getpwnam(name).pw_uid if word == "owner" else grp.getgrnam(name).gr_gid
    except KeyError:
        raise NoSuchName(f"{word}: there is no {'user' if word == 'owner' else 'group'} {name} on this host.") from None


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def differs(path: str, owner: Owner, mode: int) -> bool:
    """Whether an existing file has another owner or mode."""
    status = status_of(path)
    return status is not None and (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) != (*owner, mode)


def set_attributes(path: str, owner: Owner, mode: int) -> None:
    """Set the owner and mode of a file, and restrict its access before its owner changes. Raises OSError."""
    os.chmod(path, stat.S_IMODE(os.lstat(path).st_mode) & mode)
    if (os.lstat(path).st_uid, os.lstat(path).st_gid) != tuple(owner):
        os.chown(path, *owner)
    os.chmod(path, mode)
