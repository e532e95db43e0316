# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""A document read from a YAML or JSON file. YAML needs PyYAML, which is there wherever ansible-core is."""

from __future__ import annotations

import json
from typing import Any

from ..base.errors import NatsSecurityError


def read_source(path: str) -> str:
    """The text of a file. NatsSecurityError where it cannot be read."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not a text file"
        raise NatsSecurityError(f"src: {path} cannot be read: {reason}.") from None


def parse_source(path: str, text: str) -> Any:
    """What the text of a file says. NatsSecurityError where it is neither YAML nor JSON."""
    # JSON is tried first whatever the file is called: it is read faster, and needs no library.
    if text.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(text)
        except ValueError as error:
            if path.endswith(".json"):
                raise NatsSecurityError(f"src: {path} is not JSON: {error}.") from None
    return _read_yaml(path, text)


def _read_yaml(path: str, text: str) -> Any:
    # To import it takes 15 ms, which JSON does without.
    try:
        import yaml
    except ImportError:
        raise NatsSecurityError(
            f"src: {path} is YAML, which takes the Python library PyYAML on this host: install it, or write JSON."
        ) from None
    try:
        return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or "it cannot be read"
        raise NatsSecurityError(f"src: {path} is not YAML{where}: {problem}.") from None
