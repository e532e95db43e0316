# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Action groups consist of modules with shared options: every module of a group accepts defaults for the group's options."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from checkout import ROOT
from support.declarations import MODULES, options_of

GROUPS = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())["action_groups"]
PAGE = (ROOT / "docs/module-defaults.md").read_text()
ROWS = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE, re.MULTILINE))
#: Options that have the same name but apply to a different file in each module.
PARTICULAR = {"mode"}


def documented(group: str) -> tuple[list[str], list[str]]:
    """Return the options and the modules of a group from the page."""
    options, modules = ROWS[group].split(" | ")
    return re.findall(r"`(\w+)`", options), re.findall(r"`(\w+)`", modules)


def taking(options: list[str]) -> set[str]:
    """Return the modules that have all of the options."""
    return {name for name in MODULES if set(options) <= set(options_of(name))}


def test_every_group_is_on_the_page() -> None:
    assert set(ROWS) == set(GROUPS)
    assert set(GROUPS["nats"]) == set(MODULES)


@pytest.mark.parametrize("group", [group for group in GROUPS if group != "nats"])
def test_a_group_has_the_modules_that_take_its_options(group: str) -> None:
    options, modules = documented(group)
    assert set(modules) == set(GROUPS[group]) == taking(options)
    assert len(modules) == len(set(modules))


@pytest.mark.parametrize("group", [group for group in GROUPS if group != "nats"])
def test_a_group_has_every_option_that_just_its_modules_share(group: str) -> None:
    options, modules = documented(group)
    shared: set[str] = set.intersection(*(set(options_of(name)) for name in modules))
    alone = {option for option in shared if taking([option]) == set(modules)}
    assert alone - PARTICULAR <= set(options)


def test_shared_options_are_of_one_type() -> None:
    for group in GROUPS:
        options = documented(group)[0] if group != "nats" else []
        for option in options:
            specs: list[Any] = [options_of(name)[option] for name in GROUPS[group]]
            assert len({(spec.get("type", "str"), spec.get("elements")) for spec in specs}) == 1, option
