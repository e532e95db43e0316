# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Makes ansible_collections.natsops.security importable and playable from a checkout that lies anywhere."""

from __future__ import annotations

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from checkout import ROOT, make_importable


@pytest.hookimpl(trylast=True)
def pytest_configure() -> None:
    """Map the collection's package to the checkout, unless pytest-ansible or ansible-test did it before this hook."""
    make_importable()


@pytest.fixture(scope="session")
def collections_path(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The value of ANSIBLE_COLLECTIONS_PATH with which an ansible-playbook started by a test finds this checkout."""
    path = tmp_path_factory.mktemp("collections")
    namespace = path / "ansible_collections" / "natsops"
    namespace.mkdir(parents=True)
    (namespace / "security").symlink_to(ROOT, target_is_directory=True)
    return path
