# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Documents that people reported as read wrong, each with what is right, in tests/data/cases/documents.yml.

A case has a `name`, a `document` or the `text` of a file, perhaps the document of a second run (`then`), and what is right: `expect` is accepted, warned
or refused, `words` are those of the message or warning, `result_words` those of the result. `why` has the fact behind it.
"""

from __future__ import annotations

import json
import pathlib
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from support.sites import Site

CASES = yaml.safe_load((pathlib.Path(__file__).parents[1] / "data/cases/documents.yml").read_text())


def _options(site: Site, case: dict[str, Any]) -> dict[str, Any]:
    store = {"stores_dir": site / "stores", "keys_dir": site / "keys"}
    if "text" in case:
        return {**store, "src": site.write("document.yml", case["text"])}
    return {**store, "definition": case["document"]}


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["name"]))
def test_case_that_was_reported_is_right(site: Site, case: dict[str, Any]) -> None:
    options = _options(site, case)
    if case["expect"] == "refused":
        said = site.refuse("store", **options)
    else:
        result = site.run("store", **options)
        if "then" in case:
            options = {**_options(site, {"document": case["then"]})}
            result = site.run("store", **options)
        site.keep("store", **options)
        warnings = result.get("warnings", [])
        assert bool(warnings) == (case["expect"] == "warned"), warnings
        said = json.dumps(warnings)
        for word in case.get("result_words", []):
            assert word in json.dumps(result)
    for word in case.get("words", []):
        assert word in said
