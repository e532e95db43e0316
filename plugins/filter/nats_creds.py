# Copyright (c) 2026 NatsOps authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters: the public key of a key, a JWT or creds, and the creds file for a JWT and a seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.token import decorated
from ansible_collections.natsops.security.plugins.plugin_utils.refusals import refusal, text_of
from ansible_collections.natsops.security.plugins.plugin_utils.tokens import key_type_of, public_key_of, read_token


def nats_public_key(key: Any, type: str | None = None) -> str:  # noqa: A002 - the option of nats_nkey
    """The public key of a seed, a JWT or creds, or the public key itself, validated."""
    try:
        return public_key_of(text_of(key, "the input"), key_type_of(type))
    except NatsSecurityError as error:
        raise refusal(f"nats_public_key: {error}") from None


def nats_creds(token: Any, seed: Any) -> str:
    """The text of the creds file for the JWT and the seed of a user."""
    try:
        read, given = read_token(token), text_of(seed, "seed")
        try:
            pair = decorated.seed_in(given)
        except NatsSecurityError as error:
            raise NatsSecurityError(f"seed: {error}") from None
        return decorated.format_creds(read.token, pair)
    except NatsSecurityError as error:
        raise refusal(f"nats_creds: {error}") from None


class FilterModule:
    """The filters for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters by name."""
        return {"nats_public_key": nats_public_key, "nats_creds": nats_creds}
