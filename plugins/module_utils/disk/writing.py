# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Creates, replaces and copies files so that they appear complete. A file is written without a name, synced, and only then gets its name.

If the file system has no files without a name (O_TMPFILE), or to replace a file, a temporary name is used. It is derived from the name of the file, so that
the next run finds and removes what a killed run left.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import os
import stat
import time
from typing import Iterator, NamedTuple

from .files import FILE_MODE, MAX_BYTES, MAX_NAME, FileError, close, discard, read_content, reported, sync_folder

_UNNAMED = os.O_WRONLY | os.O_CLOEXEC | getattr(os, "O_TMPFILE", 0)
_NAMED = os.O_WRONLY | os.O_CLOEXEC | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
_DESCRIPTORS = "/proc/self/fd"
_BEFORE, _AFTER = ".natsops-", ".tmp"
# The errors of link(2) on a file system without hard links.
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


class Overtaken(FileError):
    """A file is no longer as the caller read it, because something else changed it at the same time. It is left unchanged."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, f"{path} is left unchanged", f"{reason}. Run the task again")


# ---- one file


class Owner(NamedTuple):
    """The numeric owner and group of a file."""

    uid: int
    gid: int


def put(path: str, text: str, mode: int, old: str | None, owner: Owner | None = None) -> None:
    """Create a file, or replace the one that holds `old`, atomically and durably. A symbolic link is kept, and its target is created or replaced.

    The file has its mode and owner when it appears. Without `owner`, a file that is replaced keeps its owner. Overtaken if the file does not hold `old`,
    or if `old` is None and there is a file. FileError if it cannot be written. In both cases an existing file is left unchanged.
    """
    path = os.path.realpath(path)
    with reported(path, f"{path} cannot be written"):
        _put(path, text, mode, old, owner or (_owner_of(path) if old is not None else None))


def back_up(path: str, mask: int = FILE_MODE) -> str:
    """Copy a file beside itself, under a name like those of Ansible's own backups. The path of the copy. FileError if that fails.

    The copy has the owner of the file, and the bits of its mode that `mask` allows. It is complete and synced when it gets its name. A file that already
    has this name is not replaced, and a symbolic link is not followed.
    """
    copy = copy_beside(path)
    with reported(path, f"{path} cannot be copied to {copy}"):
        content = read_content(path)
        if content is None:
            raise Overtaken(path, "something else removed it at the same time")
        _put(copy, content.text, stat.S_IMODE(content.mode) & mask, None, _owner_of(path))
    return copy


def copy_beside(path: str) -> str:
    """The path of a copy of a file if this process makes it now."""
    return f"{path}.{os.getpid()}.{time.strftime('%Y-%m-%d@%H:%M:%S~')}"


def _put(path: str, text: str, mode: int, old: str | None, owner: Owner | None) -> None:
    draft = write_draft(path, text)
    try:
        if owner is not None:
            # Only root may change the owner of a file; the owner and group of the task's options are set afterwards in any case.
            with contextlib.suppress(PermissionError):
                os.fchown(draft.descriptor, *owner)
        os.fchmod(draft.descriptor, mode)
        os.fsync(draft.descriptor)
        with names() as folder:
            publish(draft, old, folder)
    except BaseException:
        drop(draft)
        raise
    close(draft.descriptor)
    sync_folder(os.path.dirname(path))


def _owner_of(path: str) -> Owner | None:
    with contextlib.suppress(FileNotFoundError):
        status = os.stat(path)
        if stat.S_ISREG(status.st_mode):
            return Owner(status.st_uid, status.st_gid)
    return None


def discard_rest(path: str) -> bool:
    """Remove the incomplete file that a killed run left beside a file; True if there was one. FileError if that fails."""
    return discard(rest_of(os.path.realpath(path)))


# ---- drafts


class Draft(NamedTuple):
    """A file that is written but not in its place yet. `named` is its temporary path, empty for a file without a name."""

    descriptor: int
    named: str
    path: str


def rest_of(path: str) -> str:
    """The temporary path of a file, where a killed run may leave an incomplete file."""
    folder, slash, name = path.rpartition("/")
    if len(os.fsencode(name)) > MAX_NAME - len(_BEFORE) - len(_AFTER):
        name = hashlib.sha256(os.fsencode(name)).hexdigest()
    return f"{folder}{slash}{_BEFORE}{name}{_AFTER}"


def is_rest(name: str) -> bool:
    """Whether a name is that of an incomplete file."""
    return name.startswith(_BEFORE) and name.endswith(_AFTER)


def write_draft(path: str, text: str) -> Draft:
    """A draft with a text for a path, which only its owner can read. It is not synced yet. OSError if that fails."""
    data = text.encode("utf-8")
    draft = _open_draft(path)
    try:
        os.fchmod(draft.descriptor, FILE_MODE)  # regardless of the umask
        written = os.write(draft.descriptor, data)
        while written < len(data):
            written += os.write(draft.descriptor, data[written:])
    except BaseException:
        drop(draft)
        raise
    return draft


def _open_draft(path: str) -> Draft:
    if _has_unnamed():
        folder, slash, _unused = path.rpartition("/")
        try:
            return Draft(os.open(folder or slash or ".", _UNNAMED, FILE_MODE), "", path)
        except OSError as error:
            # Without O_TMPFILE, open(2) fails with EOPNOTSUPP or EISDIR, and some file systems in user space with EINVAL.
            if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
                raise
    named = rest_of(path)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(named)
    return Draft(os.open(named, _NAMED, FILE_MODE), named, path)


@functools.lru_cache(maxsize=1)
def _has_unnamed() -> bool:
    return hasattr(os, "O_TMPFILE") and os.path.isdir(_DESCRIPTORS)


@contextlib.contextmanager
def names() -> Iterator[int]:
    """The descriptor of the folder through which `publish` names files without a name; -1 if there are none. OSError if it cannot be opened."""
    if not _has_unnamed():
        yield -1
        return
    folder = os.open(_DESCRIPTORS, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield folder
    finally:
        close(folder)


def publish(draft: Draft, old: str | None, folder: int) -> None:
    """Put a draft in its place, where there is no file, or where a file holds `old`. Overtaken if something else is there; OSError if that fails.

    `folder` is the descriptor from `names`.
    """
    if old is not None:
        _publish_in_place(draft, old, folder)
        return
    try:
        if draft.named:
            _rename_to_new(draft.named, draft.path)
        else:
            # With src_dir_fd, os.link follows the symbolic link that stands for the file.
            os.link(str(draft.descriptor), draft.path, src_dir_fd=folder)
    except FileExistsError:
        raise Overtaken(draft.path, "something else created it at the same time") from None


def _rename_to_new(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # Among the tasks of this collection, only the one that holds the lock gets here.
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target) from None
        os.rename(source, target)
    else:
        os.unlink(source)


def _publish_in_place(draft: Draft, old: str, folder: int) -> None:
    named = draft.named
    if not named:
        named = rest_of(draft.path)
        try:
            os.link(str(draft.descriptor), named, src_dir_fd=folder)
        except FileExistsError:
            os.unlink(named)
            os.link(str(draft.descriptor), named, src_dir_fd=folder)
    try:
        # Read as late as possible, because other tools, such as nsc, take no lock.
        content = read_content(draft.path, limit=max(MAX_BYTES, 4 * len(old)))
        if content is None or content.text != old:
            raise Overtaken(draft.path, "something else changed it at the same time")
        os.replace(named, draft.path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(named)
        raise


def drop(draft: Draft) -> None:
    """Discard a draft that is not published."""
    close(draft.descriptor)
    if draft.named:
        with contextlib.suppress(OSError):
            os.unlink(draft.named)
