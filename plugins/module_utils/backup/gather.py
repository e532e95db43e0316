# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Reads the contents of a backup from a store and its keystore. The caller must hold the store's lock."""

from __future__ import annotations

import json
from typing import Iterator

from ..base.errors import Missing
from ..disk.files import is_file, is_folder, is_link, list_folder, read_content
from ..disk.writing import is_rest
from ..store.layout import Layout
from .contents import KEYS, STORES, Contents, glance, json_in


def gather(layout: Layout) -> Contents:
    """All files of a store including its archive, and from the keystore its journal and record, its creds, and the seeds of the keys in its tokens, its
    record and its journal.

    A keystore may be shared, so the seeds of other operators are not included. Its archive is not included either, because it does not show to which
    operator a seed belonged. NatsSecurityError if there is no store. FileError if a file cannot be read.
    """
    if not is_file(layout.marker):
        raise Missing(
            f"{layout.root} is not a store: it is the folder of one operator in nsc's layout, with a file .nsc."
        )
    files: dict[str, str] = {}
    for path in _walk(layout.root):
        if path != layout.lock:
            _take(files, path, f"{STORES}/{layout.name}{path[len(layout.root) :]}")
    for folder in (layout.state_of_keys, f"{layout.keys_dir}/creds/{layout.name}"):
        for path in _walk(folder):
            _take(files, path, f"{KEYS}{path[len(layout.keys_dir) :]}")
    contents = Contents(layout.name, files)
    keys = {
        *glance(contents).named_keys,
        *_recorded(files.get(contents.layout.recorded_roles, "")),
        *_journalled(files.get(contents.layout.journal, "")),
    }
    for key in sorted(key for key in keys if len(key) == 56):
        _take(files, layout.key(key), contents.layout.key(key))
    _take(files, layout.gitignore, contents.layout.gitignore)
    return contents


def _walk(folder: str) -> Iterator[str]:
    for name in list_folder(folder):
        path = f"{folder}/{name}"
        if is_folder(path) and not is_link(path):
            yield from _walk(path)
        elif not is_rest(name):
            yield path


def _take(files: dict[str, str], path: str, name: str) -> None:
    content = read_content(path, follow=False)
    if content is not None:
        files[name] = content.text


def _recorded(roles: str) -> Iterator[str]:
    """The keys on record. Among them are keys that are in no token during a rotation, such as the next curve key of an auth callout."""
    for keys in json_in(roles).values():
        yield from map(str, keys.values() if isinstance(keys, dict) else ())


def _journalled(journal: str) -> Iterator[str]:
    """The keys in the journal that an interrupted run began to create."""
    for line in journal.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue  # an incomplete line
        if isinstance(entry, dict) and entry.get("key"):
            yield str(entry["key"])
