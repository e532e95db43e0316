# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The guide to adopting a store of nsc, run from its first command with the real nsc."""

from __future__ import annotations

import os
import pathlib
from typing import TYPE_CHECKING, Any

from support.guides import Reader

if TYPE_CHECKING:
    from support.plays import Play


def test_guide_to_adopting_a_store_of_nsc(home: Any, play: Play, tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "guide"
    folder.mkdir()
    kept = {
        name: value for name, value in play.environment().items() if not name.startswith(("NKEYS_", "NSC_", "XDG_"))
    }
    path = os.pathsep.join([str(home.peers), kept["PATH"]])
    reader = Reader(folder, {**kept, "HOME": str(tmp_path), "PATH": path})
    assert reader.has_nsc
    reader.read("guide_adopt_nsc")
