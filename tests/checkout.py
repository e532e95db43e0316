# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Maps the package ansible_collections.natsops.security to this checkout, wherever it lies."""

from __future__ import annotations

import importlib
import pathlib
import sys
import types

ROOT = pathlib.Path(__file__).resolve().parents[1]


def make_importable() -> None:
    """Make `ansible_collections.natsops.security` this checkout, unless something else has made it importable before."""
    try:
        importlib.import_module("ansible_collections.natsops.security")
    except ImportError:
        for name, path in (
            ("ansible_collections", []),
            ("ansible_collections.natsops", []),
            ("ansible_collections.natsops.security", [str(ROOT)]),
        ):
            sys.modules.setdefault(name, types.ModuleType(name)).__path__ = path
