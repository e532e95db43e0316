# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What a task must not show: secrets found in its arguments, in files that it reads, and in what it is about to return."""

from __future__ import annotations

import json
import re
from typing import Any, Collection

from ..base.recognition import MASK, questionable_in, secrets_in, user_tokens_in
from ..base.urls import passwords_in, secrets_of

#: What a name in a dictionary becomes that is a secret.
HIDDEN_NAME = "(a seed)"

#: Options that are URLs, or lists of them: what stands before an @ there is secret also where the URL is malformed.
_URL_OPTIONS = ("servers", "account_server_url", "service_urls")

_IS_BEARER = re.compile(rb'(?i)"bearer_token"\s*:\s*true')


def secrets_shown(text: str) -> list[str]:
    """What to mask of a text that a task shows: secrets, and the JWTs of users that are bearers by what they say themselves."""
    return [*secrets_in(text), *(token for token, payload in user_tokens_in(text) if _IS_BEARER.search(payload))]


def secrets_given_in(value: Any) -> set[str]:
    """What to mask of the strings of a value as JSON has it, names too."""
    if isinstance(value, str):
        return set(questionable_in(value))
    if not isinstance(value, (dict, list)) or not questionable_in(_as_one_text(value)):
        return set()
    items = value if isinstance(value, list) else [*value, *value.values()]
    return set().union(*map(secrets_given_in, items))


def passwords_given_in(params: dict[str, Any]) -> set[str]:
    """The passwords in URLs among the arguments of a task, with their users."""
    found = set(passwords_in(_as_one_text(params)))
    for name in _URL_OPTIONS:
        for text in re.split(r'[",]', _as_one_text(params.get(name))):  # Ansible makes a list of a text with commas
            found.update(secrets_of(text))
    return found


def _as_one_text(value: Any) -> str:
    """The value as JSON, to look at all of its strings at once: that takes a fraction of the time that it takes to look at each."""
    return json.dumps(value, ensure_ascii=False, default=str)


def hide(text: str, known: Collection[str]) -> str:
    """The text with MASK in the place of secrets, those that are known and those that it has besides."""
    for secret in sorted({*known, *secrets_shown(text)}, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def hide_in(value: Any, known: Collection[str], asked_for: Collection[str]) -> Any:
    """The same for all strings of a value, names too. Strings that are what the task asked for stay."""
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
    """The value with HIDDEN_NAME for names that are secrets: Ansible masks values, and names only from 2.22 on."""
    if isinstance(value, list):
        return [without_secret_names(item) for item in value]
    if not isinstance(value, dict) or not secrets_in(_as_one_text(value)):
        return value
    return {
        HIDDEN_NAME if isinstance(name, str) and secrets_in(name) else name: without_secret_names(item)
        for name, item in value.items()
    }


def place_of_secret(value: Any, path: str) -> str | None:
    """The path of the first seed or private key in a value, among its strings or names; None where there is none."""
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
