# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Lets code that reads the options of a module also read those of a plugin on the controller or of an event source.

Connections, keys and tokens are thus created from options in one place.
"""

from __future__ import annotations

from typing import Any, cast

from ..disk.snapshot import Snapshot
from . import masking
from .task import CarefulModule


class Asking:
    """The part of a CarefulModule that is used to read options: `params` by name, the files that were read, and the secrets that were found."""

    check_mode = False

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params
        self.snapshot = Snapshot()
        self._kept = {*masking.secrets_given_in(params), *masking.passwords_given_in(params)}

    def keep_secret(self, secret: str) -> None:
        """Mask a secret that cannot be recognised by its form."""
        self._kept.add(secret)

    def hide(self, text: str) -> str:
        """The text without secrets."""
        return masking.hide(text, self._kept)

    def as_module(self) -> CarefulModule:
        """This object, typed as a module for functions that use only the part that exists here."""
        return cast(CarefulModule, self)
