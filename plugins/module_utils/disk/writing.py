# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Files that appear complete: created, replaced, copied. A file is written without a name, synced, and only then gets the name.

Where the file system has no files without a name (O_TMPFILE), and on the way to replace a file, it has a name that follows from that of the file, so
that the next run knows and removes what a killed run left.
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
# What the system answers where a file system has no hard links.
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


class Overtaken(FileError):
    """A file is not any more what it was when the caller read it, so it is left as it is: something else changes it at the same time."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, f"{path} is left as it is", f"{reason}. Run the task again")


# ---- one file


class Owner(NamedTuple):
    """Who a file belongs to, by numbers."""

    uid: int
    gid: int


def put(path: str, text: str, mode: int, old: str | None, owner: Owner | None = None) -> None:
    """Create a file, or replace the one that holds `old`, atomically and durably. A symbolic link stays, its target is created or replaced.

    The file has its mode and owner when it appears. Without an owner given, a file that is replaced keeps its own. Overtaken where the file does not
    hold `old`, or with None where there is one. FileError where it cannot be written. In both cases what is there stays.
    """
    path = os.path.realpath(path)
    with reported(path, f"{path} cannot be written"):
        _put(path, text, mode, old, owner or (_owner_of(path) if old is not None else None))


def back_up(path: str, mask: int = FILE_MODE) -> str:
    """Copy a file beside itself, under a name like those of Ansible's own backups; the path of the copy. FileError where that fails.

    The copy has the owner of the file, and of its mode what `mask` allows. It is complete and synced when it gets its name, and nothing that has
    this name is replaced or followed.
    """
    copy = copy_beside(path)
    with reported(path, f"{path} cannot be copied to {copy}"):
        content = read_content(path)
        if content is None:
            raise Overtaken(path, "something else removed it at the same time")
        _put(copy, content.text, stat.S_IMODE(content.mode) & mask, None, _owner_of(path))
    return copy


def copy_beside(path: str) -> str:
    """The path of a copy of a file that this process makes now."""
    return f"{path}.{os.getpid()}.{time.strftime('%Y-%m-%d@%H:%M:%S~')}"


def _put(path: str, text: str, mode: int, old: str | None, owner: Owner | None) -> None:
    draft = write_draft(path, text)
    try:
        if owner is not None:
            # Only root may give files away; the task's own owner and group are set afterwards in any case.
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
    """Remove what a killed run left beside a file, and whether there was something."""
    return discard(rest_of(os.path.realpath(path)))


# ---- files on their way


class Draft(NamedTuple):
    """A file that is written and not in its place yet. `named` is empty for a file without a name."""

    descriptor: int
    named: str
    path: str


def rest_of(path: str) -> str:
    """The path of the incomplete file that a killed run may leave on the way to a file."""
    folder, slash, name = path.rpartition("/")
    if len(os.fsencode(name)) > MAX_NAME - len(_BEFORE) - len(_AFTER):
        name = hashlib.sha256(os.fsencode(name)).hexdigest()
    return f"{folder}{slash}{_BEFORE}{name}{_AFTER}"


def is_rest(name: str) -> bool:
    """Whether a name is that of an incomplete file."""
    return name.startswith(_BEFORE) and name.endswith(_AFTER)


def write_draft(path: str, text: str) -> Draft:
    """A file with a text in it on the way to a path, which only its owner can read; not synced. OSError where that fails."""
    data = text.encode("utf-8")
    draft = _open_draft(path)
    try:
        os.fchmod(draft.descriptor, FILE_MODE)  # whatever the umask is
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
            # EOPNOTSUPP and EISDIR are those of open(2) for a file system or kernel without; EINVAL is that of some in user space.
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
    """The folder by way of which files without a name get one, for `publish`. OSError where it cannot be opened."""
    if not _has_unnamed():
        yield -1
        return
    folder = os.open(_DESCRIPTORS, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield folder
    finally:
        close(folder)


def publish(draft: Draft, old: str | None, folder: int) -> None:
    """Give a draft its place: that of no file, or of the file that holds `old`. Overtaken where something else is there; OSError.

    `folder` is that of `names`.
    """
    if old is not None:
        _publish_in_place(draft, old, folder)
        return
    try:
        if draft.named:
            _rename_to_new(draft.named, draft.path)
        else:
            # With a folder given, os.link follows the link that stands for the file.
            os.link(str(draft.descriptor), draft.path, src_dir_fd=folder)
    except FileExistsError:
        raise Overtaken(draft.path, "something else created it at the same time") from None


def _rename_to_new(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # Of tasks of this collection, only the one that holds the lock comes here.
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target) from None
        os.rename(source, target)
    else:
        os.unlink(source)


def _publish_in_place(draft: Draft, old: str, folder: int) -> None:
    named = draft.named
    if not named:
        named = rest_of(draft.path)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(named)
        os.link(str(draft.descriptor), named, src_dir_fd=folder)
    try:
        # As late as can be: nsc, for one, takes no lock.
        content = read_content(draft.path, limit=max(MAX_BYTES, 4 * len(old)))
        if content is None or content.text != old:
            raise Overtaken(draft.path, "something else changed it at the same time")
        os.replace(named, draft.path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(named)
        raise


def drop(draft: Draft) -> None:
    """Forget a draft that does not get its place."""
    close(draft.descriptor)
    if draft.named:
        with contextlib.suppress(OSError):
            os.unlink(draft.named)
