# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The task of nats_credentials: the creds files of one host, and the keys that are created there."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from ansible.module_utils.basic import missing_required_lib

from ..base.errors import NatsSecurityError
from ..credentials import files
from ..credentials.files import Account, Held
from ..credentials.requests import read_mode
from ..disk import foreseen
from ..disk.files import discard, is_folder, is_there, reported
from ..disk.writing import Overtaken, Owner
from ..keys import nkey
from ..keys.new import NewKey, read_new_key
from ..keys.nkey import KeyPair
from ..token.codec import peek
from ..token.decorated import (
    format_creds,
    is_same,
    seed_in,
    token_in,
)
from .task import CarefulModule, keep_secrets_of, warn_of_missing


class _User(NamedTuple):
    """A user in its current state: the contents of the creds file, the key that waits beside it, and the owner and mode that the file must have."""

    item: dict[str, Any]
    account: Account
    held: Held | None
    waiting: KeyPair | None
    owner: Owner
    mode: int

    @property
    def id(self) -> str:
        return f"{self.item['account']}/{self.item['name']}"

    @property
    def path(self) -> str:
        return str(self.item["path"])

    @property
    def is_off(self) -> bool:
        """Whether the existing file has another owner or mode."""
        return files.differs(self.path, self.owner, self.mode)

    @property
    def has_to_notify(self) -> bool:
        """Whether the handlers of an earlier change have not run yet."""
        return is_there(files.change_beside(self.path))


def credentials_task(module: CarefulModule) -> dict[str, Any]:
    """Create missing keys, write the creds files, or record that handlers have run, depending on `state`. Returns the result."""
    state = module.params["state"]
    users, problems = [], []
    for item in module.params["users"]:
        try:
            users.append(_find(module, item))
        except Overtaken:
            raise
        except NatsSecurityError as error:
            problems.append(f"{item['account']}/{item['name']}: {error}")
    if problems:
        raise NatsSecurityError("\n".join(problems))
    work = {"prepared": _prepare, "present": _write, "notified": _settle}[state]
    shown = [work(module, user) for user in users]
    states = [_states(user, told) for user, told in zip(users, shown)]
    return {
        "changed": any(told["changed"] for told in shown) and state != "notified",
        "users": shown,
        "diff": {
            "before": dict(before for before, _unused in states),
            "after": dict(after for _unused, after in states),
        },
    }


def _states(user: _User, told: dict[str, Any]) -> tuple[tuple[str, Any], tuple[str, Any]]:
    """A creds file before and after for the diff, which is the same in check mode."""
    before = "absent" if user.held is None else "there"
    after = told.pop("after", before)
    return (user.path, before), (user.path, after)


# ---- current state


def _find(module: CarefulModule, item: dict[str, Any]) -> _User:
    path = item["path"]
    account = Account(item["account"], item["account_public_key"] or "", module.params["operator"])
    names = [item["name"], *filter(None, [item["renamed_from"]])]
    held = files.read_creds(module.snapshot, path, names, account)
    if held is not None:
        keep_secrets_of(module, held.text)
    if item["state"] == "absent" or module.params["state"] == "notified":
        return _User(item, account, held, None, Owner(0, 0), 0)
    if not is_folder(os.path.dirname(path)):
        message = f"there is no folder {os.path.dirname(path)} for the creds file {path}."
        if not module.check_mode or not foreseen.is_reachable(path):
            raise NatsSecurityError(message)
        warn_of_missing(module, f"{item['account']}/{item['name']}: {message}")
    user = _User(item, account, held, None, _owner(module, item, path), read_mode(item["mode"]))
    if item["creds"] is not None:
        return _checked_delivery(module, user)
    # In check mode there may be no key and no JWT for it yet, so there is nothing to check.
    if module.check_mode and module.params["state"] == "present" and not _has_key(user):
        return user
    return _checked_birth(module, user)


def _has_key(user: _User) -> bool:
    return nkey.NKEYS_IMPORT_ERROR is None and (user.held is not None or is_there(files.key_beside(user.path)))


def _owner(module: CarefulModule, item: dict[str, Any], path: str) -> Owner:
    try:
        return files.owner_of(item, path)
    except files.NoSuchName as error:
        # An earlier task of the play may create the system user.
        if not module.check_mode:
            raise
        warn_of_missing(module, f"{item['account']}/{item['name']}: {error}")
        return Owner(os.geteuid(), os.getegid())


def _checked_delivery(module: CarefulModule, user: _User) -> _User:
    creds = user.item["creds"]
    keep_secrets_of(module, creds)
    key = str(peek(token_in(creds)).get("sub") or "")
    if not key:
        raise NatsSecurityError("creds: this is not the content of a creds file.")
    if user.held is not None and user.held.public_key not in (key, *user.item["earlier_keys"]):
        raise NatsSecurityError(
            f"{user.path} holds the creds of {user.held.public_key}, not of {key}, which is the key of this user. It is left unchanged."
        )
    return user


def _checked_birth(module: CarefulModule, user: _User) -> _User:
    if nkey.NKEYS_IMPORT_ERROR is not None:
        raise NatsSecurityError(
            f"{missing_required_lib('nkeys')}. It makes the key on this host; with born: delivered, the host requires only Python."
        )
    waiting = files.waiting_pair(module.snapshot, user.path)
    if waiting is not None:
        keep_secrets_of(module, waiting.seed)
    if user.held is not None:
        pair = files.pair_of(user.path, user.held)
        wanted = user.item["public_key"] or user.item["rotated_key"]
        if waiting is not None and pair.public_key not in (waiting.public_key, wanted, *user.item["earlier_keys"]):
            raise NatsSecurityError(
                f"{user.path} holds the creds of {pair.public_key}, and {files.key_beside(user.path)} holds the seed of "
                f"{waiting.public_key}. Remove the one that is not needed."
            )
    found = user._replace(waiting=waiting)
    _check_key(found)
    return found


def _check_key(user: _User) -> None:
    """Raise NatsSecurityError if the key on this host is not that of the user, or if several hosts would each create one."""
    key, wanted, hosts = _key_of(user), user.item["public_key"] or "", user.item["claimed_by"]
    is_known = wanted and read_new_key(wanted) is None
    if is_known and key and key != wanted:
        raise NatsSecurityError(f"this host has the key {key} for it ({user.path}), the signing host has {wanted}.")
    if is_known and not key:
        raise NatsSecurityError(
            f"it has the key {wanted}, whose seed is not on this host ({user.path} does not exist). Restore the creds file, or revoke the user and "
            "create it again (state: absent, revoke: true), or use born: delivered if the signing host has the seed."
        )
    if not key and len(hosts) > 1:
        raise NatsSecurityError(
            f"the hosts {', '.join(hosts)} ask for the same user, and each would make a key of its own. Give each a user, or use born: delivered."
        )


def _key_of(user: _User) -> str:
    held, waiting = user.held, user.waiting
    if held is None or _is_turned(user):
        return waiting.public_key if waiting is not None else ""
    return held.public_key


def _is_turned(user: _User) -> bool:
    """Whether a rotation is about to replace the creds: the signing host has signed for the waiting key, and lists the key of the creds as an earlier one."""
    held, waiting = user.held, user.waiting
    return (
        held is not None
        and waiting is not None
        and waiting.public_key == user.item["public_key"]
        and held.public_key in user.item["earlier_keys"]
    )


# ---- the steps


def _show(user: _User, **more: Any) -> dict[str, Any]:
    return {
        "id": user.id,
        "path": user.path,
        "public_key": _key_of(user) or None,
        "next_public_key": None,
        "expires": user.held.expires if user.held is not None else None,
        "digest": user.held.digest if user.held is not None else None,
        "changed": False,
        "due": False,
        "notify": user.item["notify"] and user.has_to_notify,
        **more,
    }


def _prepare(module: CarefulModule, user: _User) -> dict[str, Any]:
    if user.item["state"] == "absent":
        return _remove(module, user)
    if user.item["rotated_key"]:
        return _rotate(module, user)
    if _key_of(user):
        return _show(user, due=user.held is None or _replaces(user) or user.is_off)
    return _show(user, changed=True, due=True, public_key=_make_key(module, user, user.id))


def _replaces(user: _User) -> bool:
    """Whether the waiting key replaces that of the creds. The key of a rotation keeps waiting until its JWT is signed."""
    return user.waiting is not None and user.waiting.public_key == _key_of(user)


def _rotate(module: CarefulModule, user: _User) -> dict[str, Any]:
    """Create the next key in a rotation if the creds on this host have the key that is to be replaced."""
    if user.held is None or user.held.public_key != user.item["rotated_key"]:
        return _show(user)
    if user.waiting is not None:
        return _show(user, next_public_key=user.waiting.public_key)
    return _show(user, changed=True, next_public_key=_make_key(module, user, f"{user.id} (next)"))


def _make_key(module: CarefulModule, user: _User, label: str) -> str:
    """Create a key that waits for its JWT, and return its public key; in check mode its placeholder."""
    if module.check_mode:
        foreseen.write(files.key_beside(user.path))
        return str(NewKey("user", label))
    pair = nkey.create("user")
    keep_secrets_of(module, pair.seed)
    module.snapshot.put(files.key_beside(user.path), pair.seed + "\n", 0o600)
    return pair.public_key


def _remove(module: CarefulModule, user: _User) -> dict[str, Any]:
    """Remove the creds and a waiting key."""
    beside = files.key_beside(user.path)
    is_gone = user.held is not None or is_there(beside)
    if is_gone:
        _note_change(module, user)
        if user.held is not None:
            module.snapshot.remove(user.path)
        if not module.check_mode:
            discard(beside)
    has_to_notify = user.item["notify"] and (is_gone or user.has_to_notify)
    return _show(user, changed=is_gone, notify=has_to_notify, after="absent")


def _write(module: CarefulModule, user: _User) -> dict[str, Any]:
    if user.item["state"] == "absent":
        return _show(user)
    text = _creds(user)
    is_new = not _is_there(user, text)
    if is_new and (module.check_mode or text is not None):
        _note_change(module, user)
        module.snapshot.put(user.path, text or "", user.mode, user.owner)
    elif user.is_off and text is not None and not module.check_mode:
        with reported(user.path, f"The attributes of {user.path} cannot be set"):
            files.set_attributes(user.path, user.owner, user.mode)
    if text is not None and not module.check_mode and (user.waiting is None or _replaces(user)):
        discard(files.key_beside(user.path))
    told = _show(user if text is None else user._replace(held=files.held_in(text)))
    has_to_notify = user.item["notify"] and (is_new or user.has_to_notify)
    after = "as signed" if is_new else "there"
    return {**told, "changed": is_new or user.is_off, "notify": has_to_notify, "after": after}


def _is_there(user: _User, text: str | None) -> bool:
    if user.held is None:
        return False
    if text is None:
        return bool(user.held.jwt == user.item["jwt"])
    return user.held.text == text if user.item["creds"] is not None else is_same(user.held.text, token_in(text), "")


def _creds(user: _User) -> str | None:
    """The text of the creds file to write; None if check mode does not know it."""
    if user.item["creds"] is not None:
        return str(user.item["creds"])
    pair = user.waiting if user.held is None or _is_turned(user) else seed_in(user.held.text)
    if user.item["jwt"] is None or pair is None:
        return None
    return format_creds(user.item["jwt"], pair)


def _note_change(module: CarefulModule, user: _User) -> None:
    """Record that handlers have to run. This happens before the change, so that a run that is killed in between does not lose it."""
    if user.item["notify"]:
        path = files.change_beside(user.path)
        if module.check_mode:
            if not is_there(path):
                foreseen.write(path)
            return
        with reported(path, f"{path} cannot be written"):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))


def _settle(module: CarefulModule, user: _User) -> dict[str, Any]:
    changed = user.has_to_notify
    if changed and not module.check_mode:
        discard(files.change_beside(user.path))
    return _show(user, changed=changed, notify=False)
