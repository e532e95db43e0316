# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Every module, role, playbook, option and document key that the page for nsc users names exists."""

from __future__ import annotations

import json
import pathlib
import re
from typing import Any

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/from-nsc.md").read_text()
ROWS = dict(re.findall(r"^\| `nsc ([^`]+)` \| (.+) \|$", PAGE, re.MULTILINE))


def code(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def is_there(word: str) -> bool:
    """Return whether a word is the short or full name of a module, role, playbook or filter of this collection."""
    name = word.rpartition(".")[2] if word.startswith("natsops.security.") else word
    places = ("plugins/modules/*.py", "plugins/filter/*.py", "playbooks/*.yml", "roles/*")
    return any(path.stem == name for place in places for path in ROOT.glob(place))


def test_every_row_stands_for_one_command() -> None:
    assert len(ROWS) == PAGE.count("\n| `nsc ") >= 60
    assert all(text for text in ROWS.values())


@pytest.mark.parametrize(
    "word", sorted({word for text in [PAGE] for word in code(text) if re.match(r"nats_|natsops\.", word)})
)
def test_what_is_named_is_there(word: str) -> None:
    assert is_there(word.split()[0]), word


def _holds(schema: Any, steps: list[str]) -> bool:
    if not steps:
        return True
    parts = [schema, *schema.get("anyOf", ())]
    items = [part["items"] for part in parts if isinstance(part.get("items"), dict)]
    parts += items + [inner for item in items for inner in item.get("anyOf", ())]
    return any(
        _holds(part["properties"][steps[0]], steps[1:]) for part in parts if steps[0] in part.get("properties", {})
    )


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:accounts|operator)[.\[\]a-z_]*)`", PAGE))))
def test_keys_of_the_document_are_there(path: str) -> None:
    schema = json.loads((ROOT / "schemas/document.schema.json").read_text())
    assert _holds(schema, path.replace("[]", "").split(".")), path


@pytest.mark.parametrize(
    ("module", "option"),
    [
        ("nats_store", "prune"),
        ("nats_store", "src"),
        ("nats_store", "seeds"),
        ("nats_store", "stores_dir"),
        ("nats_store", "keys_dir"),
        ("nats_resolver", "state"),
        ("nats_revocation", "state"),
        ("nats_revocation", "remove_signing_keys"),
    ],
)
def test_options_that_the_page_names_are_there(module: str, option: str) -> None:
    text = (ROOT / f"plugins/modules/{module}.py").read_text()
    store = (ROOT / "plugins/doc_fragments/store.py").read_text()
    assert f"`{option}" in PAGE
    assert re.search(rf"^  {option}:$", text + store, re.MULTILINE)
