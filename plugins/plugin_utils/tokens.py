# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Keys and tokens that templates pass to filters and tests. All errors are NatsSecurityError; the plugin converts them into its own error."""

from __future__ import annotations

from typing import Any

from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.base.excerpts import quoted
from ansible_collections.natsops.security.plugins.module_utils.claims import Claims
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.rules import validity
from ansible_collections.natsops.security.plugins.module_utils.token import codec, decorated
from ansible_collections.natsops.security.plugins.plugin_utils.refusals import text_of, texts_of


def read_token(value: Any) -> validity.Read:
    """The token in the input of a filter or test: a plain or decorated JWT, or creds."""
    return validity.read_text(text_of(value, "the input"), "the input")


def read_parents(value: Any) -> list[Claims]:
    """The claims of the JWTs above a token, from one string or a list of strings."""
    texts = texts_of(value, "parents")
    return [validity.read_text(text, f"parents[{index}]").claims for index, text in enumerate(texts)]


def moments_of(value: Any, option: str, now: int) -> list[int]:
    """Times in unix seconds, from one value or a list of values, each as `validity.parse_moment` accepts it."""
    given = [] if value is None else value if isinstance(value, (list, tuple)) else [value]
    return [validity.parse_moment(one, option, now) for one in given]


def key_type_of(value: Any) -> str | None:
    """The option `type`: a type of key, or None for any."""
    if value is None or value in nkey.KEY_TYPES:
        return None if value is None else str(value)
    raise NatsSecurityError(f"type: {quoted(value)} is not a type of key; available: {', '.join(nkey.KEY_TYPES)}.")


def public_key_of(text: str, key_type: str | None) -> str:
    """The public key of a seed, a seed file, a creds file or a JWT, or the public key itself, validated. With `key_type`, it must be of that type."""
    word = text.strip()
    if decorated.token_in(text).startswith("eyJ"):
        return _public_key_of_token(text, key_type)
    if "-----" in word or word.startswith("S"):
        return nkey.from_seed(decorated.seed_in(text).seed, key_type).public_key
    return nkey.from_public_key(word, key_type).public_key


def _public_key_of_token(text: str, key_type: str | None) -> str:
    token = decorated.token_in(text)
    found = nkey.from_public_key(codec.decode_any_kind(token).subject, key_type).public_key
    if "-----" in text and " SEED" in text.upper():
        held = decorated.seed_in(text).public_key
        if held != found:
            raise NatsSecurityError(
                f"the seed is that of {held}, the subject of the JWT is {found}: they do not belong together."
            )
    return found


def is_key(text: str, key_type: str | None) -> bool:
    """Whether a text is exactly one public key or seed. With `key_type`, it must be of that type."""
    read = nkey.from_seed if text.startswith("S") else nkey.from_public_key
    try:
        read(text, key_type)
    except NatsSecurityError:
        return False
    return text.isalnum()
