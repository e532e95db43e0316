# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Masks what a task must not show: secrets in its arguments, in files that it reads, and in its result."""

from __future__ import annotations

import json
import re
from typing import Any, Collection

from ..base.recognition import MASK, questionable_in, secrets_in, user_tokens_in
from ..base.urls import passwords_in, secrets_of

#: The replacement for a name in a dictionary that is a secret.
HIDDEN_NAME = "(a seed)"

#: Options that are URLs or lists of URLs. The text before an @ in them is secret even if the URL is malformed.
_URL_OPTIONS = ("servers", "account_server_url", "service_urls")

_IS_BEARER = re.compile(rb'(?i)"bearer_token"\s*:\s*true')


def secrets_shown(text: str) -> list[str]:
    """The texts to mask in a text that a task shows: secrets, and the JWTs of users with bearer_token."""
    return [*secrets_in(text), *(token for token, payload in user_tokens_in(text) if _IS_BEARER.search(payload))]


def secrets_given_in(value: Any) -> set[str]:
    """The texts to mask in the strings of a JSON value, including names, each also in lower case, as claims have tags."""
    if isinstance(value, str):
        found = questionable_in(value)
        return {*found, *(text.lower() for text in found)}
    if not isinstance(value, (dict, list)) or not questionable_in(_as_one_text(value)):
        return set()
    items = value if isinstance(value, list) else [*value, *value.values()]
    return set().union(*map(secrets_given_in, items))


def passwords_given_in(params: dict[str, Any]) -> set[str]:
    """The passwords in URLs among the arguments of a task, and the user names with them."""
    found = set(passwords_in(_as_one_text(params)))
    for name in _URL_OPTIONS:
        for text in re.split(r'[",]', _as_one_text(params.get(name))):  # Ansible makes a list of a text with commas
            found.update(secrets_of(text))
    return found


def _as_one_text(value: Any) -> str:
    """The value as JSON text, to search all of its strings at once. That takes a fraction of the time of searching each string."""
    return json.dumps(value, ensure_ascii=False, default=str)


def hide(text: str, known: Collection[str]) -> str:
    """The text with MASK in place of the known secrets and of all others that are recognised in it."""
    for secret in sorted({*known, *secrets_shown(text)}, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def hide_in(value: Any, known: Collection[str], asked_for: Collection[str]) -> Any:
    """The same for all strings of a value, including names. Strings that the task requested are left unchanged."""
    text = _as_one_text(value)
    if not any(secret in text for secret in known) and not secrets_shown(text):
        return value
    return _hide_in(value, known, asked_for)


def _hide_in(value: Any, known: Collection[str], asked_for: Collection[str]) -> Any:
    if isinstance(value, str):
        return value if value in asked_for else hide(value, known)
    if isinstance(value, dict):
        return {
            hide(name, known) if isinstance(name, str) else name: _hide_in(item, known, asked_for)
            for name, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_hide_in(item, known, asked_for) for item in value]
    return value


def without_secret_names(value: Any) -> Any:
    """The value with HIDDEN_NAME in place of names that are secrets. Before ansible-core 2.22, Ansible masks only values."""
    if isinstance(value, list):
        return [without_secret_names(item) for item in value]
    if not isinstance(value, dict) or not secrets_in(_as_one_text(value)):
        return value
    return {
        HIDDEN_NAME if isinstance(name, str) and secrets_in(name) else name: without_secret_names(item)
        for name, item in value.items()
    }


def place_of_secret(value: Any, path: str) -> str | None:
    """The path of the first seed or private key among the strings and names of a value; None if there is none."""
    if isinstance(value, str):
        return path if secrets_in(value) else None
    if not isinstance(value, (dict, list)):
        return None
    text = _as_one_text(value)
    if HIDDEN_NAME not in text and not secrets_in(text):
        return None
    if isinstance(value, list):
        found = (place_of_secret(item, f"{path}[{index}]") for index, item in enumerate(value))
    else:
        if any(name == HIDDEN_NAME or (isinstance(name, str) and secrets_in(name)) for name in value):
            return f"{path}[{HIDDEN_NAME}]"
        found = (place_of_secret(item, f"{path}.{name}" if path else str(name)) for name, item in value.items())
    return next((place for place in found if place is not None), None)
