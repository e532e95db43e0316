# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Shared code of the lookups in a store: each store is read once for all names of a lookup, with a lock that keeps other runs from writing to it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.keys.keyring import Keyring
from ansible_collections.natsops.security.plugins.module_utils.store import apply
from ansible_collections.natsops.security.plugins.module_utils.store.entry import Entries, Name, parse_name
from ansible_collections.natsops.security.plugins.module_utils.tasks.stores import lock_timeout, named_store
from ansible_collections.natsops.security.plugins.plugin_utils.refusals import text_of


def look_up(terms: list[Any], options: dict[str, Any], find: Callable[[Entries, Name], str]) -> list[str]:
    """The result of `find` for each name. `options` are those of the documentation fragment `store`. NatsSecurityError if a name cannot be found."""
    nkey.require_nkeys()
    names = [parse_name(text_of(term, f"the name {index + 1}")) for index, term in enumerate(terms)]
    found: dict[str, Entries] = {}
    with contextlib.ExitStack() as locks:
        for operator in dict.fromkeys(name.operator for name in names):
            where = named_store({**options, "store": operator}, str)
            locks.enter_context(apply.lock(where, lock_timeout(options), create=False, shared=True))
            found[operator] = Entries(where, Keyring((), [where.keys_dir]).has)
        return [find(found[name.operator], name) for name in names]
