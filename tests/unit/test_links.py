# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Links between the Markdown files of the repository resolve: the file exists, and so does the heading."""

from __future__ import annotations

import pathlib
import re

import pytest

TOP = pathlib.Path(__file__).parents[2]
FOLDERS = ("", ".github/**/", "benchmarks/**/", "docs/**/", "examples/**/", "roles/**/", "wheel/")
PAGES = [path for folder in FOLDERS for path in sorted(TOP.glob(f"{folder}*.md"))]


def anchors(path: pathlib.Path) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(TOP)))
def test_links_resolve(page: pathlib.Path) -> None:
    text = re.sub(r"^ *```.*?^ *```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if ":" in link:
            continue  # a URL
        name, _unused, anchor = link.partition("#")
        target = (page.parent / name) if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_pages_are_found() -> None:
    assert {"README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/backup.md", "roles/server/README.md"} <= {
        str(path.relative_to(TOP)) for path in PAGES
    }
