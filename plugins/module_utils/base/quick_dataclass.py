# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Dataclasses that are made in half the time. A task makes up to fifty when it starts, and they are compared and shown by hardly any.

`dataclasses` writes source for the methods of each class and compiles it: 0.4 ms for a class of nine fields, half of it for `__eq__` and `__repr__`.
Those here do the same and are shared. A task of nats_user takes more than the 1.3 times of an empty one that are its aim
(make bench BENCHMARKS=task), and without this its import takes 46 ms of CPU time besides compiling, where it takes 38.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(cls: type) -> type:
        """Make a dataclass of a class without options or slots."""
        cls.__eq__, cls.__repr__, cls.__hash__ = _equals, _show, None
        return dataclasses.dataclass(cls, eq=False, repr=False)


def _equals(self: Any, other: Any) -> Any:
    return self.__dict__ == other.__dict__ if other.__class__ is self.__class__ else NotImplemented


def _show(self: Any) -> str:
    shown = (f"{field.name}={getattr(self, field.name)!r}" for field in dataclasses.fields(self) if field.repr)
    return f"{self.__class__.__qualname__}({', '.join(shown)})"
