# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The mode and owner of files, as Ansible sets them.

Check mode reports the errors of the real run, even if a file does not exist yet or this process may not set its attributes.
"""

from __future__ import annotations

import contextlib
import errno
import grp
import os
import pwd
import sys
from typing import Any, Callable, Iterator, Mapping

from ..base.errors import NatsSecurityError
from ..disk.files import reported
from .task import CarefulModule, warn_of_missing

#: The path that Ansible's functions check if there is no file yet. In check mode they change nothing.
_STAND_IN = os.devnull
_CAP_CHOWN = 0  # linux/capability.h


def set_attributes(module: CarefulModule, path: str, mode: Any, written: bool = False) -> bool:
    """Correct the mode and owner of a file. Returns whether anything changed.

    `written` says whether the task has written the file or, in check mode, would write it.
    """
    # The task writes the target of a link, so the attributes are those of the target.
    path = os.path.realpath(path)
    wanted = dict(module.params, mode=mode)
    if module.check_mode:
        is_there = os.path.exists(path)
        with _as_errors(module, path):
            for missing in _foresee(module, wanted, path, written):
                warn_of_missing(module, _not_set(path, missing))
        if not is_there:
            return False
    with _as_errors(module, path), reported(path, f"The attributes of {path} cannot be set"):
        arguments = module.load_file_common_arguments(wanted, path=path)
        return bool(module.set_fs_attributes_if_different(arguments, False))


def _not_set(path: str, why: str) -> str:
    return f"The attributes of {path} cannot be set: {why}."


@contextlib.contextmanager
def _as_errors(module: CarefulModule, file: str) -> Iterator[None]:
    """Raise NatsSecurityError, with the path and the reason in its message, instead of failing as Ansible does.

    Depending on the version and the attribute, Ansible has the reason in the message, in the details, or only in the exception that it handles.
    """

    def fail(msg: str, details: str = "", **_unused: Any) -> None:
        error = sys.exc_info()[1]
        if isinstance(error, OSError) and error.strerror:
            msg, details = msg.partition(":")[0], error.strerror
        raise NatsSecurityError(_not_set(file, f"{msg}{f': {details}' if details else ''}"))

    module.fail_json = fail
    try:
        yield
    finally:
        del module.fail_json


def _foresee(module: CarefulModule, wanted: Mapping[str, Any], path: str, written: bool) -> Iterator[str]:
    """Fail like the real run if a file cannot get these attributes. Returns messages about what is missing and may be created by an earlier task.

    `written` says whether the task replaces the file and therefore owns it.
    """
    if not os.path.exists(path):
        stand_in = dict(wanted, owner=None, group=None)
        module.set_fs_attributes_if_different(module.load_file_common_arguments(stand_in, path=_STAND_IN), False)
    ids: list[int | None] = []
    for name, number_of, kind in (("owner", _uid, "user"), ("group", _gid, "group")):
        ids.append(None)
        with contextlib.suppress(KeyError):
            ids[-1] = number_of(wanted.get(name))
            continue
        failed = f"{'chown' if kind == 'user' else 'chgrp'} failed: failed to look up {kind} {wanted[name]}"
        if os.path.exists(path):
            module.fail_json(path=path, msg=failed)
        yield failed
    uid, gid = ids
    if not _may_give_away():
        status = os.stat(path) if os.path.exists(path) and not written else None
        if uid is not None and uid != (os.geteuid() if status is None else status.st_uid):
            module.fail_json(path=path, msg="chown failed", details=os.strerror(errno.EPERM))
        if gid is not None and gid not in _own_groups() and (status is None or gid != status.st_gid):
            module.fail_json(path=path, msg="chgrp failed", details=os.strerror(errno.EPERM))


def _uid(owner: Any) -> int | None:
    return _number(owner, lambda name: pwd.getpwnam(name).pw_uid)


def _gid(group: Any) -> int | None:
    return _number(group, lambda name: grp.getgrnam(name).gr_gid)


def _number(name: Any, look_up: Callable[[str], int]) -> int | None:
    """The ID of a user or group, by ID or name; None for None. Raises KeyError for a name that does not exist."""
    if name is None:
        return None
    try:
        return int(name)
    except ValueError:
        return look_up(name)


def _own_groups() -> set[int]:
    return {os.getegid(), *os.getgroups()}


def _may_give_away() -> bool:
    """Whether this process may change the owner of files (CAP_CHOWN)."""
    with contextlib.suppress(OSError, ValueError), open(
        "/proc/self/status", encoding="ascii", errors="replace"
    ) as file:
        for line in file:
            if line.startswith("CapEff:"):
                return bool(int(line.split()[1], 16) >> _CAP_CHOWN & 1)
    return os.geteuid() == 0
