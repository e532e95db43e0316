# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Checks paths, reads and removes files, and reports what is at a path."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import Iterator, NamedTuple

from ..base.errors import NatsSecurityError
from ..base.texts import is_text

#: The modes of files and folders that only their owner may read.
FILE_MODE, FOLDER_MODE = 0o600, 0o700
#: No token, seed or creds file is larger: a token has up to 1 MiB.
MAX_BYTES = 4 * 1024 * 1024
#: The longest name of a file in bytes (NAME_MAX), and the longest path (PATH_MAX without the NUL at its end).
MAX_NAME, MAX_PATH = 255, 4095

_FLAGS = os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_KINDS = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a character device"),
    (stat.S_ISBLK, "a block device"),
)


class FileError(NatsSecurityError):
    """An operation on a file that failed. `reason` and `number` (an errno, or 0) are for callers that word the message themselves."""

    def __init__(self, path: str, what: str, reason: str, number: int = 0) -> None:
        super().__init__(f"{what}: {reason}.")
        self.path, self.reason, self.number = path, reason, number


class Content(NamedTuple):
    """The text of a file, and its type and mode as in st_mode."""

    text: str
    mode: int


@contextlib.contextmanager
def reported(path: str, what: str) -> Iterator[None]:
    """Raise FileError in place of every OSError. `what` describes the failure, with the path: "/etc/nats/a.jwt cannot be written"."""
    try:
        yield
    except OSError as error:
        raise FileError(path, what, reason_of(error), error.errno or 0) from error


def reason_of(error: OSError) -> str:
    """The reason of a system error, as a phrase."""
    if error.errno == errno.ENOENT:
        return "its folder does not exist"
    return error.strerror or str(error)


def no_file(mode: int) -> str:
    """Why something with this st_mode cannot be read as a file, as a phrase."""
    if stat.S_ISDIR(mode):
        return os.strerror(errno.EISDIR)
    return next((f"it is {kind}, not a file" for is_kind, kind in _KINDS if is_kind(mode)), "it is not a file")


def path_problem(path: str) -> str:
    """Why a text cannot be a path, as a phrase; empty if it can."""
    if not path:
        return "it is empty"
    if "\0" in path:
        return "it contains a NUL character, which no path can"
    if not is_text(path):
        return "it contains half of a surrogate pair, which is not a character"
    encoded = path.encode("utf-8")
    if len(encoded) > MAX_PATH:
        return f"it has {len(encoded)} bytes, a path has up to {MAX_PATH}"
    longest = max(map(len, encoded.split(b"/")))
    if longest > MAX_NAME:
        return f"it contains a name of {longest} bytes, a name has up to {MAX_NAME}"
    return ""


def identity(path: str) -> tuple[int | str, ...]:
    """An identity that all paths of a file share, also by way of symbolic links, hard links and `..`: device and inode. For a missing file, those of its
    folder and its name."""
    path = os.path.realpath(path)
    folder, name = os.path.split(path)
    for found, rest in ((path, ()), (folder, (name,))):
        with contextlib.suppress(OSError):
            status = os.stat(found)
            return (status.st_dev, status.st_ino, *rest)
    return (path,)


# ---- reading


def read_text(path: str, what: str, limit: int = MAX_BYTES, is_regular: bool = False) -> str | None:
    """The text of a regular file, following symbolic links; None if there is no file. FileError, which names the file as `what`, if it cannot be read.

    With `is_regular`, the caller has checked already that it is a regular file.
    """
    try:
        if not is_regular:
            check_regular(path, "")
        content = read_content(path, limit=limit)
    except FileError as error:
        raise FileError(path, f"{what} cannot be read from {path}", error.reason, error.number) from error  # pylint: disable=bad-exception-cause
    return None if content is None else content.text


def check_regular(path: str, what: str) -> bool:
    """Whether there is a file. Checked before it is opened, because opening a device can have side effects. FileError if it is not a regular file."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return False
    except OSError as error:
        raise FileError(path, f"{what} cannot be read from {path}", reason_of(error), error.errno or 0) from error
    if not stat.S_ISREG(mode):
        raise FileError(path, f"{what} cannot be read from {path}", no_file(mode))
    return True


def read_content(path: str, follow: bool = True, limit: int = MAX_BYTES) -> Content | None:
    """The content of a regular file; None if there is no file. Without `follow`, a symbolic link is an error. Never blocks, for example on a pipe.

    FileError if it cannot be read.
    """
    try:
        descriptor = os.open(path, _FLAGS if follow else _FLAGS | _NOFOLLOW)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FileError(path, f"{path} cannot be read", _why_not_opened(path, error), error.errno or 0) from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise FileError(path, f"{path} cannot be read", no_file(status.st_mode))
        data = _read_all(descriptor, status.st_size, limit)
    except OSError as error:
        raise FileError(path, f"{path} cannot be read", reason_of(error), error.errno or 0) from error
    finally:
        close(descriptor)
    if len(data) > limit:
        raise FileError(path, f"{path} cannot be read", f"it is larger than {limit >> 20} MiB")
    try:
        return Content(data.decode("utf-8"), status.st_mode)
    except UnicodeDecodeError:
        raise FileError(path, f"{path} cannot be read", "it is not a text file (UTF-8)") from None


def _why_not_opened(path: str, error: OSError) -> str:
    with contextlib.suppress(OSError):
        mode = os.lstat(path).st_mode
        # ELOOP is caused by O_NOFOLLOW, ENXIO by a socket.
        if (error.errno == errno.ELOOP and stat.S_ISLNK(mode)) or error.errno == errno.ENXIO:
            return no_file(mode)
    return reason_of(error)


def _read_all(descriptor: int, size: int, limit: int) -> bytes:
    """The rest of a file, but no more than one byte over the limit. Reading a file of `size` bytes takes a single call."""
    data = os.read(descriptor, min(size, limit) + 1)
    if len(data) == size:
        return data
    parts = [data]
    total = len(data)
    while data and total <= limit:
        data = os.read(descriptor, min(limit + 1 - total, 1 << 20))
        parts.append(data)
        total += len(data)
    return b"".join(parts)


def list_folder(folder: str) -> list[str]:
    """The sorted names in a folder; empty if there is no folder. FileError if it cannot be read."""
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise FileError(folder, f"The folder {folder} cannot be read", reason_of(error), error.errno or 0) from error


def status_of(path: str, follow: bool = False) -> os.stat_result | None:
    """The status of a path; None if nothing is there. FileError if the system does not report it, which os.path would treat as if nothing were there."""
    try:
        return os.stat(path) if follow else os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise FileError(path, f"{path} cannot be read", reason_of(error), error.errno or 0) from error


def _kind(path: str, follow: bool = False) -> int:
    """The st_mode of what is at a path; 0 if nothing is there."""
    status = status_of(path, follow)
    return 0 if status is None else status.st_mode


def is_there(path: str) -> bool:
    """Whether something is at a path, including a symbolic link to nothing. FileError if the system does not report it."""
    return _kind(path) != 0


def is_link(path: str) -> bool:
    """Whether a symbolic link is at a path. FileError if the system does not report it."""
    return stat.S_ISLNK(_kind(path))


def is_file(path: str) -> bool:
    """Whether a regular file is at a path, or a link to one. FileError if the system does not report it."""
    return stat.S_ISREG(_kind(path, follow=True))


def is_folder(path: str) -> bool:
    """Whether a folder is at a path, or a link to one. FileError if the system does not report it."""
    return stat.S_ISDIR(_kind(path, follow=True))


# ---- changing what is there


def set_mode(path: str) -> None:
    """Let only its owner read a file or folder, if it exists. The target of a symbolic link is not changed. FileError if that fails."""
    with reported(path, f"The mode of {path} cannot be set"), contextlib.suppress(FileNotFoundError):
        mode = os.lstat(path).st_mode
        if not stat.S_ISLNK(mode):
            os.chmod(path, FOLDER_MODE if stat.S_ISDIR(mode) else FILE_MODE)


def remove(path: str) -> None:
    """Remove a file durably. FileError if that fails."""
    with reported(path, f"{path} cannot be removed"):
        os.unlink(path)
        sync_folder(os.path.dirname(path))


def discard(path: str) -> bool:
    """Remove a file durably if it exists; True if it did. FileError if that fails."""
    # On a read-only file system, removing a missing file is an error other than ENOENT.
    if not is_there(path):
        return False
    remove(path)
    return True


def sync_folder(folder: str) -> None:
    """Make the names in a folder durable. Does nothing if the file system cannot sync folders. FileError if that fails."""
    with reported(folder, f"The folder {folder} cannot be synced"):
        descriptor = os.open(folder or ".", os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EROFS, errno.ENOTSUP):
                raise
        finally:
            close(descriptor)


def close(descriptor: int) -> None:
    """Close a file that was read, or written and synced. Errors are ignored, because nothing depends on them then."""
    try:  # noqa: SIM105 (contextlib.suppress takes as long as the closing, and a store has thousands of files)
        os.close(descriptor)
    except OSError:
        pass
