# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Checks of paths. A failed check is an error; it does not count as a missing file."""

from __future__ import annotations

import pathlib

import pytest

from ansible_collections.natsops.security.plugins.module_utils.disk import files
from ansible_collections.natsops.security.plugins.module_utils.keys.keyring import Keyring
from ansible_collections.natsops.security.plugins.module_utils.store.layout import Layout
from ansible_collections.natsops.security.plugins.module_utils.store.reading import Store

KEY = "U" + "A" * 55


@pytest.fixture
def loop(tmp_path: pathlib.Path) -> pathlib.Path:
    """Return a path that cannot be examined, not even by root: a symbolic link to itself."""
    path = tmp_path / "loop"
    path.symlink_to("loop")
    return path


def test_kinds_of_what_is_there(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "to-file").symlink_to("file")
    (tmp_path / "to-nothing").symlink_to("nothing")
    told = {
        name: [ask(str(tmp_path / name)) for ask in (files.is_there, files.is_link, files.is_file, files.is_folder)]
        for name in (".", "file", "to-file", "to-nothing", "nothing", "file/below")
    }
    assert told == {
        ".": [True, False, False, True],
        "file": [True, False, True, False],
        "to-file": [True, True, True, False],
        "to-nothing": [True, True, False, False],
        "nothing": [False, False, False, False],
        "file/below": [False, False, False, False],
    }


@pytest.mark.parametrize("ask", [files.is_there, files.is_link, files.is_file, files.is_folder, files.discard])
def test_system_that_does_not_tell_is_an_error(ask: object, loop: pathlib.Path) -> None:
    assert callable(ask)
    with pytest.raises(files.FileError, match="cannot be read: Too many levels of symbolic links"):
        ask(str(loop / "seed"))


def test_key_of_which_the_system_does_not_tell_is_not_one_that_is_missing(loop: pathlib.Path) -> None:
    with pytest.raises(files.FileError, match="cannot be read"):
        Store(Layout(str(loop), str(loop), "ACME")).has_seed(KEY)
    with pytest.raises(files.FileError, match="cannot be read"):
        Keyring(folders=[str(loop)]).has(KEY)
