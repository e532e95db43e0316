# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Writes the files of the report page to page_sources.py: Ansible copies only Python files to the host of a module. Run by `make report-page`."""

from __future__ import annotations

import pathlib

HERE = pathlib.Path(__file__).resolve().parents[1] / "plugins" / "module_utils" / "report" / "web"
TARGET = HERE.parent / "page_sources.py"

#: The scripts, in their order in the page.
SCRIPTS = (
    "subjects.js",
    "dom.js",
    "model.js",
    "summary.js",
    "layout.js",
    "map.js",
    "detail.js",
    "timeline.js",
    "findings.js",
    "servers.js",
    "who.js",
    "changes.js",
    "main.js",
)

_HEADER = '''# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The files of web/ as text, made from them by `make report-page`: change them there."""

from __future__ import annotations
'''


def sources() -> str:
    """The text of page_sources.py."""
    script = '"use strict";\n' + "".join((HERE / name).read_text("utf-8") for name in SCRIPTS)
    parts = {
        "PAGE": (HERE / "page.html").read_text("utf-8"),
        "STYLE": (HERE / "style.css").read_text("utf-8"),
        "SCRIPT": script,
    }
    return _HEADER + "".join(f"\n{name} = {_literal(text)}\n" for name, text in parts.items())


def _literal(text: str) -> str:
    """The source of a raw string with this text, which looks the same as in its file."""
    if '"""' in text or text.endswith(("\\", '"')):
        raise ValueError("A file of the page has three quotes in a row, or ends with one.")
    return f'r"""{text}"""'


if __name__ == "__main__":
    TARGET.write_text(sources(), "utf-8")
