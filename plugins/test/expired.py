# Copyright (c) 2026 NatsOps authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests: whether a token has expired or is valid long enough, and whether a text is an NKey."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ansible_collections.natsops.security.plugins.module_utils.base import units
from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.rules import validity
from ansible_collections.natsops.security.plugins.module_utils.rules.chain import chain_of, problems_at
from ansible_collections.natsops.security.plugins.plugin_utils.refusals import refusal, text_of
from ansible_collections.natsops.security.plugins.plugin_utils.tokens import (
    is_key,
    key_type_of,
    read_parents,
    read_token,
)


def expired(token: Any, at: Any = None) -> bool:
    """Whether a token has expired, now or at another time."""
    now = int(time.time())
    try:
        claims = read_token(token).claims
        return validity.is_expired(claims, now if at is None else validity.parse_moment(at, "at", now))
    except NatsSecurityError as error:
        raise refusal(f"expired: {error}") from None


def valid_for(token: Any, duration: Any, parents: Any = None) -> bool:
    """Whether a token is valid now and until the end of this duration, together with the JWTs above it."""
    now = int(time.time())
    try:
        chain = chain_of(read_token(token).claims, read_parents(parents))
        seconds = _seconds(duration)
    except NatsSecurityError as error:
        raise refusal(f"valid_for: {error}") from None
    return not problems_at(chain, now) and not problems_at(chain, now + seconds)


def _seconds(duration: Any) -> int:
    try:
        return units.parse_seconds(duration)
    except ValueError as error:
        raise NatsSecurityError(f"duration: {error}.") from None


def nats_nkey(key: Any, type: str | None = None) -> bool:  # noqa: A002 - the option of the module nats_nkey
    """Whether a text is a public key or a seed. With `type`, it must be of that type."""
    try:
        key_type = key_type_of(type)
        text = text_of(key, "the input")
    except NatsSecurityError as error:
        raise refusal(f"nats_nkey: {error}") from None
    return is_key(text, key_type)


class TestModule:
    """The tests for Ansible."""

    def tests(self) -> dict[str, Callable[..., bool]]:
        """The tests by name."""
        return {"expired": expired, "valid_for": valid_for, "nats_nkey": nats_nkey}
