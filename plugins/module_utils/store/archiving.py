# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The archive of a store and of its keystore, for files that are removed or replaced. Nothing is deleted, and nsc ignores the archive."""

from __future__ import annotations

import contextlib
import os

from ..disk.batch import Write, make_folders, write_all
from ..disk.files import discard, is_file, is_there, read_content, reported, sync_folder
from ..disk.writing import Overtaken
from .layout import STATE, Layout


def put_away(layout: Layout, path: str, of_keys: bool, when: str) -> None:
    """Move a file or folder of the store, or of the keystore, to the archive folder of a time, if it exists. FileError."""
    if not is_there(path):
        return
    root = layout.keys_dir if of_keys else layout.root
    # Use another suffix: nsc takes a seed in any other place for an old keystore, and refuses to work.
    target = os.path.join(layout.archive(of_keys, when), os.path.relpath(path, root)) + ".archived"
    make_folders([os.path.dirname(target)])
    if of_keys:
        create_once(os.path.join(root, STATE, ".gitignore"), "*\n")
    count = 0
    while is_there(target):
        count += 1
        target = f"{target.rsplit('.archived', 1)[0]}.archived{count}"
    if of_keys and layout.archive_key and is_file(path):
        _seal(path, target, layout.archive_key, os.path.relpath(path, root))
    else:
        with reported(path, f"{path} cannot be moved to {target}"):
            os.rename(path, target)
    for folder in (os.path.dirname(target), os.path.dirname(path)):
        sync_folder(folder)
    if of_keys and path.endswith(".nk"):
        with contextlib.suppress(OSError):
            os.rmdir(os.path.dirname(path))


def _seal(path: str, target: str, archive_key: str, name: str) -> None:
    """Replace a file by one in the archive that only the curve key opens, in the format of a sealed backup. The file is removed last, so an interruption
    loses nothing, and the next run archives it again. FileError."""
    from ..keys.sealed import seal  # few tasks archive anything

    content = read_content(path)
    if content is not None:
        write_all([Write(target, seal(content.text.encode("utf-8"), [archive_key], {"archived": name}))])
        discard(path)


def create_once(path: str, text: str) -> None:
    """Create a file that several stores share, unless it exists. FileError."""
    if not is_there(path):
        with contextlib.suppress(Overtaken):
            write_all([Write(path, text)])
