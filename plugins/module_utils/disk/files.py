# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Files on the host: read with a clear error, written whole or not at all. Knows nothing of what stands in them."""

from __future__ import annotations

import contextlib
import errno
import os
import stat

from ..base.errors import NatsSecurityError

#: No file of this collection is larger: a token has up to 1 MiB.
MAX_BYTES = 4 * 1024 * 1024


def read_text(path: str, what: str) -> str | None:
    """The text of a file; None where there is none. NatsSecurityError, with what the file is, where it cannot be read."""
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise NatsSecurityError(f"{what} cannot be read from {path}: {_reason(error)}.") from error
    if len(data) > MAX_BYTES:
        raise NatsSecurityError(f"{what} cannot be read from {path}: it is larger than 4 MiB.")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise NatsSecurityError(f"{what} cannot be read from {path}: it is not a text file.") from None


def write_text(path: str, text: str, mode: int) -> None:
    """Put a text in place of what is there, atomically and durably.

    It is written to a new file in the same folder, which has mode 0600 before it has any content, gets the mode and the owner of the file
    that it replaces, is synced, and then renamed. A symbolic link stays, its target is replaced. NatsSecurityError where that fails; what
    was there before is then untouched.
    """
    path = os.path.realpath(path)
    folder = os.path.dirname(path)
    temporary = os.path.join(folder, f".{os.path.basename(path)}.{os.urandom(6).hex()}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(text.encode("utf-8"))
                file.flush()
                _take_owner_of(path, file.fileno())
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        sync_folder(folder)
    except OSError as error:
        raise NatsSecurityError(f"{path} cannot be written: {_reason(error)}.") from error


def remove(path: str) -> None:
    """Remove a file durably. NatsSecurityError where that fails."""
    try:
        os.unlink(path)
        sync_folder(os.path.dirname(os.path.realpath(path)))
    except OSError as error:
        raise NatsSecurityError(f"{path} cannot be removed: {_reason(error)}.") from error


def sync_folder(folder: str) -> None:
    """Make the names in a folder durable; folders that cannot be synced are let be."""
    descriptor = os.open(folder or ".", os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EROFS, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def _take_owner_of(path: str, descriptor: int) -> None:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return
    if stat.S_ISREG(status.st_mode):
        # Only root may give files away; the task's own owner and group are set afterwards in any case.
        with contextlib.suppress(PermissionError):
            os.fchown(descriptor, status.st_uid, status.st_gid)


def _reason(error: OSError) -> str:
    if error.errno == errno.ENOENT:
        return "its folder does not exist"
    return error.strerror or str(error)
