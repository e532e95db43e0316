# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""A model as one self-contained HTML page: its Content Security Policy allows no requests, and only the script and style whose hashes it names."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from typing import Any, Mapping

from .page_sources import PAGE, SCRIPT, STYLE

#: The ID of the element that holds the model, by which a report is recognized.
MARK = 'id="natsops-report"'

_SLOT = re.compile(r"\{\{ (\w+) \}\}")
# JSON allows these characters to be escaped. The first three could end the element or begin another; the last two end lines in JavaScript.
_ESCAPES = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


def page(model: Mapping[str, Any], changed: list[dict[str, str]] | None) -> str:
    """The page. `changed` has the changes since an earlier report; None if there is no earlier report."""
    name = model["operator"]["name"] if model["operator"] is not None else "NATS"
    slots = {
        "title": html.escape(f"{name}: trust and access"),
        "policy": html.escape(_policy()),
        "style": STYLE,
        "model": in_script({**model, "changes": changed}),
        "script": SCRIPT,
    }
    return _SLOT.sub(lambda slot: slots[slot.group(1)], PAGE)


def in_script(value: Any) -> str:
    """A value as JSON for a script element. No value can end the element."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).translate(_ESCAPES)


def _policy() -> str:
    return f"default-src 'none'; style-src '{_hash(STYLE)}'; script-src '{_hash(SCRIPT)}'; img-src data:; base-uri 'none'; form-action 'none'"


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def is_page(text: str) -> bool:
    """Whether a text is a page of this module."""
    return MARK in text
