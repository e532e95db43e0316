# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the attacks on files."""

from __future__ import annotations

import pathlib
import tempfile
from collections.abc import Iterator

import pytest
from support.faults import FaultyModules, faulty


@pytest.fixture(scope="module")
def modules_with_faults(collections_path: pathlib.Path) -> Iterator[FaultyModules]:
    """A process that runs modules with injected faults."""
    with faulty(collections_path) as started:
        yield started


@pytest.fixture
def memory() -> Iterator[pathlib.Path]:
    """An empty folder, in memory if the system has /dev/shm: on a disk, thousands of runs would take too long."""
    place = "/dev/shm" if pathlib.Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=place) as folder:
        yield pathlib.Path(folder)
