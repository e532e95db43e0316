# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The option group of modules that work on a store. Its documentation is in doc_fragments/store.py."""

from __future__ import annotations

from typing import Any


def store_spec() -> dict[str, Any]:
    """The options for the folders of stores and keys, and for the timeout of the lock."""
    return {
        "stores_dir": {"type": "path"},
        "keys_dir": {"type": "path", "no_log": False},
        "lock_timeout": {"type": "str", "default": "60s"},
    }


def archive_spec() -> dict[str, Any]:
    """The option of modules that archive seeds and creds."""
    return {"archive_key": {"type": "str", "no_log": False}}
