# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""NATS's configuration language against a real server: `nats-server -t` prints the digest of what it read."""

from __future__ import annotations

import pathlib
import random
import re
import subprocess
from typing import Any

import pytest
from support.servers import SERVER

from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.server import language, reading

pytestmark = pytest.mark.server

CHARACTERS = "a$b\"c\\d{}[];:,=#/' \t\n\ré\u2028<>&\x01\x7f@.-0123()"
WORDS = [
    *("a", "b: 1", "c = x", "d {", "}", "[", "]", '"q\\n"', "'s'", "\n", " ", ",", ";", "#c\n", "//d\n", "1k", "1kib"),
    *(
        "-5",
        "1.5",
        "1.2.3.4:5",
        "30s",
        "5m",
        "true",
        "off",
        "$b",
        "\\t",
        "e:",
        "(\nblock\n)\n",
        '"k":',
        "nats://u:p@h:1",
        "=",
    ),
]


def digest(folder: pathlib.Path, text: str) -> str | None:
    """The digest that a server computes of a configuration, or None if invalid. `system` may be anything, because `system_account` precedes it."""
    (folder / "c.conf").write_bytes(text.encode())
    done = subprocess.run([SERVER, "-t", "-c", folder / "c.conf"], capture_output=True, text=True, check=False)
    match = re.search(r"is valid \((\S+)\)", done.stderr)
    return match.group(1) if match else None


def _text(chance: random.Random) -> str:
    return "".join(chance.choice(CHARACTERS) for _unused in range(chance.randint(0, 8)))


def _value(chance: random.Random, depth: int = 0) -> Any:
    kind = chance.random() if depth < 4 else 1.0
    if kind < 0.3:
        return {_text(chance): _value(chance, depth + 1) for _unused in range(chance.randint(1, 5))}
    if kind < 0.6:
        return [_value(chance, depth + 1) for _unused in range(chance.randint(0, 5))]
    numbers = [chance.randint(-5, 5), (1 << 63) - 1, -(1 << 63), chance.random() * 10.0 ** chance.randint(-9, 18)]
    return chance.choice([_text(chance), _text(chance), chance.choice(numbers), True, False])


def test_server_reads_what_was_written(tmp_path: pathlib.Path) -> None:
    chance = random.Random(20260131)
    tried = 0
    while tried < 60:
        data = {"system_account": "A", "system": _value(chance)}
        try:
            text = language.write(data)
        except NatsSecurityError:  # a name with both kinds of quotes
            continue
        assert reading.read(text, "c.conf", lambda _path: None).data == data
        assert digest(tmp_path, text) == language.digest(data), text
        tried += 1


def test_what_is_read_is_what_the_server_reads(tmp_path: pathlib.Path) -> None:
    chance = random.Random(20260201)
    alike = 0
    for _unused in range(250):
        words = " ".join(chance.choice(WORDS) for _word in range(chance.randint(1, 9)))
        text = f"system_account: A\nsystem: {{ {words} }}\n"
        read = digest(tmp_path, text)
        try:
            mine = language.digest(reading.read(text, "c.conf", lambda _path: None).data)
        except (NatsSecurityError, TypeError):  # undefined variables
            continue
        # The server may reject text that is read here without an error.
        assert read in (None, mine), text
        alike += read is not None
    assert alike > 10
