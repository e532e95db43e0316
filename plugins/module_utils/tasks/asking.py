# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The options of what is no module, a plugin on the controller or a source of events, for what reads those of a module: connections, keys and tokens are
made of them in one place."""

from __future__ import annotations

from typing import Any, cast

from ..disk.snapshot import Snapshot
from . import masking
from .task import CarefulModule


class Asking:
    """What of a CarefulModule is used to read options: `params` by name, the files read, and the secrets that were met."""

    check_mode = False

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params
        self.snapshot = Snapshot()
        self._kept = {*masking.secrets_given_in(params), *masking.passwords_given_in(params)}

    def keep_secret(self, secret: str) -> None:
        """Mask a secret that cannot be recognised by itself."""
        self._kept.add(secret)

    def hide(self, text: str) -> str:
        """The text without secrets."""
        return masking.hide(text, self._kept)

    def as_module(self) -> CarefulModule:
        """The same for functions that take a module and use no more of it than there is here."""
        return cast(CarefulModule, self)
