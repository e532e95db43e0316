# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Finds texts that are not valid: JSON and YAML can express half of a surrogate pair, which no file, name or JWT can hold."""

from __future__ import annotations

import json
from typing import Any


def is_text(text: str) -> bool:
    """Whether a text has no half of a surrogate pair. Python also uses such halves for bytes of file names that are not UTF-8."""
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def place_of_half(value: Any) -> str:
    """The path of the first invalid text in nested lists and dictionaries, such as `accounts[0].name`; empty if all are valid."""
    # One pass in C first, because there may be very many texts.
    if is_text(json.dumps(value, ensure_ascii=False, skipkeys=True, default=str)):
        return ""
    return _place(value, "")


def _place(value: Any, path: str) -> str:
    if isinstance(value, str):
        return "" if is_text(value) else path or "the text"
    if isinstance(value, dict):
        for name, item in value.items():
            if isinstance(name, str) and not is_text(name):
                return f"{path or 'the dictionary'}: the name {name!a}"
            found = _place(item, f"{path}.{name}" if path else str(name))
            if found:
                return found
    if isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            found = _place(item, f"{path}[{index}]")
            if found:
                return found
    return ""


def without_halves(value: Any) -> Any:
    """The value with halves of surrogate pairs replaced by escapes, such as `\\ud800`."""
    if isinstance(value, str):
        return value if is_text(value) else value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {without_halves(name): without_halves(item) for name, item in value.items()}
    return [without_halves(item) for item in value] if isinstance(value, list) else value
