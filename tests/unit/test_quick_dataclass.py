# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Quick dataclasses behave as dataclasses do."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ansible_collections.natsops.security.plugins.module_utils.base.quick_dataclass import dataclass


@dataclass
class Quick:
    """A point."""

    x: int = 0
    names: list[str] = dataclasses.field(default_factory=list)
    hidden: str = dataclasses.field(default="", repr=False)


@dataclasses.dataclass
class Plain:
    """The same point."""

    x: int = 0
    names: list[str] = dataclasses.field(default_factory=list)
    hidden: str = dataclasses.field(default="", repr=False)


@pytest.mark.parametrize(
    "values", [{}, {"x": 1}, {"names": ["a"]}, {"hidden": "b"}, {"x": 1, "names": [], "hidden": "b"}]
)
def test_quick_dataclass_compares_and_shows_as_a_dataclass(values: dict[str, Any]) -> None:
    quick, plain = Quick(**values), Plain(**values)
    assert repr(quick) == repr(plain).replace("Plain", "Quick")
    for others in ({}, {"x": 1}, {"names": ["a"]}, {"hidden": "b"}):
        assert (quick == Quick(**others)) == (plain == Plain(**others))
        assert (quick != Quick(**others)) == (plain != Plain(**others))
    assert quick != plain
    assert quick != values
    assert dataclasses.replace(quick, x=7) == Quick(**{**values, "x": 7})


def test_quick_dataclass_is_not_hashable() -> None:
    for point in (Quick(), Plain()):
        with pytest.raises(TypeError, match="unhashable"):
            hash(point)
