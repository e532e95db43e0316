# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Locks on lock files and on folders. The system releases a lock when the process that holds it ends, so none is left behind.

A folder is locked directly, without a lock file. This leaves nothing in it, and the permission to read the folder is enough to wait for its lock.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import stat
import time
from typing import Iterable, Iterator

from .files import FILE_MODE, FileError, close, no_file, reason_of, reported

_POLL_SECONDS = 0.02
# The errors of flock(2) on a file system without such locks, or on NFS for a file that is open for reading only.
_NO_LOCKS = (errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)


@contextlib.contextmanager
def lock_file(path: str, what: str, timeout: float, create: bool, shared: bool) -> Iterator[int | None]:
    """Hold the lock of a file. Yields its descriptor, or None if the file does not exist and `create` is false. Its folder has to exist.

    FileError, which names the holder, if the lock is not released within `timeout` seconds. `what` is what the file locks: "The store".
    """
    descriptor = _open_lock(path, create)
    if descriptor is None:
        yield None
        return
    try:
        if create:
            with contextlib.suppress(OSError):
                if os.fstat(descriptor).st_mode & 0o7777 != FILE_MODE:
                    os.fchmod(descriptor, FILE_MODE)
        _wait_for(descriptor, path, what, timeout, shared)
        try:
            yield descriptor
        finally:
            if not shared:
                with contextlib.suppress(OSError):
                    if os.fstat(descriptor).st_size:
                        os.ftruncate(descriptor, 0)
    finally:
        close(descriptor)


@contextlib.contextmanager
def lock_folders(folders: Iterable[str], timeout: float) -> Iterator[None]:
    """Hold the locks of those folders that exist, each once even if it has several paths. FileError if one is not released within `timeout` seconds."""
    held: dict[tuple[int, int], tuple[int, str]] = {}
    try:
        for folder in folders:
            with reported(folder, f"The folder {folder} cannot be locked"):
                try:
                    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
                except (FileNotFoundError, NotADirectoryError):
                    continue
                try:
                    status = os.fstat(descriptor)
                except OSError:
                    close(descriptor)
                    raise
            if (status.st_dev, status.st_ino) in held:
                close(descriptor)
            else:
                held[status.st_dev, status.st_ino] = descriptor, folder
        # Always in the same order, so that two tasks never wait for each other.
        for identity in sorted(held):
            descriptor, folder = held[identity]
            _wait_for(descriptor, folder, f"The folder {folder}", timeout, False)
        yield
    finally:
        for descriptor, _unused in held.values():
            close(descriptor)


def _open_lock(path: str, create: bool) -> int | None:
    flags = os.O_RDWR | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    what = f"The lock {path} cannot be opened"
    try:
        descriptor = os.open(path, flags | (os.O_CREAT if create else 0), FILE_MODE)
    except (FileNotFoundError, NotADirectoryError):
        if create:
            raise FileError(path, what, "its folder was removed") from None
        return None
    except OSError as error:
        if create or error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise FileError(path, what, reason_of(error), error.errno or 0) from error
        # Waiting for the lock does not need the permission to write.
        with reported(path, what):
            descriptor = os.open(path, flags & ~os.O_RDWR | os.O_RDONLY)
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError as error:
        close(descriptor)
        raise FileError(path, what, reason_of(error), error.errno or 0) from error
    if not stat.S_ISREG(mode):
        close(descriptor)
        raise FileError(path, what, no_file(mode))
    return descriptor


def _wait_for(descriptor: int, path: str, what: str, timeout: float, shared: bool) -> None:
    deadline = time.monotonic() + timeout
    while True:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            return
        except OSError as error:
            if error.errno in _NO_LOCKS:
                return
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES, errno.EINTR):
                raise FileError(
                    path, f"{what} cannot be locked at {path}", reason_of(error), error.errno or 0
                ) from error
        if time.monotonic() >= deadline:
            raise FileError(
                path,
                f"{what} is locked by {_holder(descriptor)}, which did not end within {timeout:g} s",
                f"the lock is {path}",
                errno.EWOULDBLOCK,
            )
        time.sleep(_POLL_SECONDS)


def _holder(descriptor: int) -> str:
    """The holder of a lock: what it wrote into the file, or what the system reports if it only reads or has not written anything yet."""
    with contextlib.suppress(OSError):
        written = os.pread(descriptor, 4096, 0).decode("utf-8", "replace").strip()
        if written:
            return written
    with contextlib.suppress(OSError, ValueError, IndexError), open("/proc/locks", encoding="ascii") as locks:
        inode = os.fstat(descriptor).st_ino
        for line in locks:
            fields = line.split()
            if fields[1] == "FLOCK" and fields[5].endswith(f":{inode}"):
                return f"process {int(fields[4])} on {socket.gethostname()}"
    return "another process"


def write_holder(descriptor: int, text: str) -> None:
    """Write the holder into a lock file. Errors are ignored, because the next write reports them."""
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text.encode("utf-8", "replace"), 0)
