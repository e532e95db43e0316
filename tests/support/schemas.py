# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The script that makes the JSON Schemas, and the schema that a YAML file names for editors."""

from __future__ import annotations

import importlib.util
import pathlib

from checkout import ROOT

_spec = importlib.util.spec_from_file_location("make_schema", ROOT / "schemas" / "make.py")
assert _spec is not None
assert _spec.loader is not None
make = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(make)

_PUBLISHED = "https://raw.githubusercontent.com/natsops/security/main/"


def named_schema(path: pathlib.Path) -> pathlib.Path:
    """Return the file in this checkout that a YAML file names as its schema, by the published address or relative to itself."""
    before, _word, named = path.read_text().splitlines()[0].partition("# yaml-language-server: $schema=")
    assert not before, path
    return ROOT / named.removeprefix(_PUBLISHED) if named.startswith(_PUBLISHED) else (path.parent / named).resolve()
