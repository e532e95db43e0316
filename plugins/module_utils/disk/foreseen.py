# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Checks, for check mode, whether a file could be written, copied or removed, and whether a folder could be created. Nothing is written, and even the
modification times of folders do not change.

A folder that does not exist yet passes, because an earlier task may create it. Each error is the one that writing would raise.
"""

from __future__ import annotations

import errno
import os
import stat

from .files import close, reported

_UNNAMED = os.O_WRONLY | os.O_CLOEXEC | getattr(os, "O_TMPFILE", 0)
#: The errors of open(2) on a file system without O_TMPFILE.
_NOT_SUPPORTED = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL)


def _enter(parent: str) -> None:
    """OSError if no file could be created in a folder. A folder that does not exist passes."""
    parent = parent or "."
    if hasattr(os, "O_TMPFILE"):
        try:
            close(os.open(parent, _UNNAMED, 0o600))
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno not in _NOT_SUPPORTED:
                raise
        else:
            return
    if os.path.isdir(parent) and not os.access(parent, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), parent)


def write(path: str) -> None:
    """FileError if `writing.put` could not create or replace a file."""
    path = os.path.realpath(path)
    _try(path, os.path.dirname(path), "cannot be written")


def copy(path: str, copy_path: str) -> None:
    """FileError if a file could not be copied to a path beside it."""
    with reported(path, f"{path} cannot be copied to {copy_path}"):
        _enter(os.path.dirname(copy_path))


def removal(path: str) -> None:
    """FileError if `files.remove` could not remove a file. A symbolic link is not followed, because the link itself is removed."""
    _try(path, os.path.dirname(path), "cannot be removed")


def folder(path: str) -> None:
    """FileError if `batch.make_folders` could not create a folder, or if nothing could be written into an existing one."""
    missing = ""
    while path and not os.path.isdir(path):
        missing, path = path, os.path.dirname(path)
    if missing:
        with reported(missing, f"The folder {missing} cannot be made"):
            if os.path.lexists(missing):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), missing)
            _enter(path)
    else:
        _try(path, path, "cannot be written")


def is_reachable(path: str) -> bool:
    """Whether the folder of a path exists or could be created, that is, whether no file is in the place of a folder."""
    path = os.path.dirname(os.path.realpath(path))
    while not os.path.lexists(path):
        path = os.path.dirname(path)
    return stat.S_ISDIR(os.stat(path).st_mode)


def _try(path: str, parent: str, what: str) -> None:
    with reported(path, f"{path} {what}"):
        _enter(parent)
