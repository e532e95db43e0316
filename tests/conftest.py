# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Makes ansible_collections.natsops.security importable and playable from a checkout that lies anywhere."""

from __future__ import annotations

import importlib
import pathlib
import sys
import types

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]


@pytest.hookimpl(trylast=True)
def pytest_configure() -> None:
    """Map the collection's package to the checkout, unless pytest-ansible or ansible-test did it before this hook."""
    try:
        importlib.import_module("ansible_collections.natsops.security")
    except ImportError:
        for name, path in (
            ("ansible_collections", []),
            ("ansible_collections.natsops", []),
            ("ansible_collections.natsops.security", [str(ROOT)]),
        ):
            sys.modules.setdefault(name, types.ModuleType(name)).__path__ = path


@pytest.fixture(scope="session")
def collections_path(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The value of ANSIBLE_COLLECTIONS_PATH with which an ansible-playbook started by a test finds this checkout."""
    path = tmp_path_factory.mktemp("collections")
    namespace = path / "ansible_collections" / "natsops"
    namespace.mkdir(parents=True)
    (namespace / "security").symlink_to(ROOT, target_is_directory=True)
    return path
