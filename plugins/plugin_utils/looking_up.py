# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Shared code of the lookups in a store: each store is read once for all names of a lookup, with a lock that keeps other runs from writing to it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from ansible.utils.display import Display

from ansible_collections.natsops.security.plugins.module_utils.base.errors import Missing, unless_made
from ansible_collections.natsops.security.plugins.module_utils.base.recognition import hide
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.keys.keyring import Keyring
from ansible_collections.natsops.security.plugins.module_utils.store import apply
from ansible_collections.natsops.security.plugins.module_utils.store.entry import Entries, Name, parse_name
from ansible_collections.natsops.security.plugins.module_utils.tasks.stores import lock_timeout, named_store
from ansible_collections.natsops.security.plugins.plugin_utils.refusals import text_of


def look_up(
    terms: list[Any], variables: dict[str, Any] | None, options: dict[str, Any], find: Callable[[Entries, Name], str]
) -> list[str]:
    """The result of `find` for each name. `options` are those of the documentation fragment `store`. NatsSecurityError if a name cannot be found.

    In check mode, an earlier task may create what is missing, so it is an empty text, with a warning.
    """
    nkey.require_nkeys()
    names = [parse_name(text_of(term, f"the name {index + 1}")) for index, term in enumerate(terms)]
    found: dict[str, Entries] = {}
    with contextlib.ExitStack() as locks:

        def text_for(name: Name) -> str:
            if name.operator not in found:
                where = named_store({**options, "store": name.operator}, str)
                locks.enter_context(apply.lock(where, lock_timeout(options), create=False, shared=True))
                found[name.operator] = Entries(where, Keyring((), [where.keys_dir]).has)
            return find(found[name.operator], name)

        return [_unless_missing(text_for, name, variables or {}) for name in names]


def _unless_missing(text_for: Callable[[Name], str], name: Name, variables: dict[str, Any]) -> str:
    try:
        return text_for(name)
    except Missing as error:
        if not variables.get("ansible_check_mode"):
            raise
        Display().warning(hide(unless_made(str(error))))
        return ""
