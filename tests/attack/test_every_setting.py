# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Every declared setting of nats-server with a value of each kind: this collection refuses exactly the values that the server refuses."""

from __future__ import annotations

import concurrent.futures
import pathlib
import re
import subprocess
from typing import Any

import pytest
from support.servers import SERVER

from ansible_collections.natsops.security.plugins.module_utils.server import language, settings

#: Values of a setting as they may be written in a task.
VALUES: tuple[Any, ...] = (
    "text",
    "5s",
    "5",
    "64M",
    "64MB",
    "-1K",
    "",
    5,
    1.5,
    True,
    ["a"],
    {},
    [{}],
)
#: Errors of the server about a value of the right kind.
OTHER = re.compile(
    r"not a valid subject|proxy URL|absolute size|missing '(key|cert)_file'|no such file|valid non-empty string|does not support tokens|converted to a duration"
)


def wrapped(block: str, members: dict[str, Any]) -> dict[str, Any]:
    """The members inside the block of a path such as `leafnodes.remotes[]`."""
    for name in reversed(block.split(".") if block else []):
        members = {name[:-2]: [members]} if name.endswith("[]") else {name: members}
    return members


def judge(config: pathlib.Path, members: dict[str, Any]) -> str:
    """The error of the server about the members; empty if it accepts them."""
    config.write_text(language.write(members))
    done = subprocess.run([SERVER, "-t", "-c", config], capture_output=True, text=True, check=False)
    return done.stderr.rpartition(".conf:")[2].strip() if done.returncode else ""


def declared() -> list[tuple[str, str, str]]:
    """A tuple of block, name and kind for each declared setting."""
    blocks = [block for block in settings.BLOCKS if block != "resolver"]
    blocks += ["tls", "cluster.authorization"]
    return [(block, name, kind) for block in blocks for name, kind in (settings.kinds_of(block) or {}).items()]


@pytest.mark.attack
@pytest.mark.server
def test_server_takes_what_is_declared_and_nothing_else(tmp_path: pathlib.Path) -> None:
    cases = [(block, name, value) for block, name, kind in declared() if kind != "any" for value in VALUES]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        judged = pool.map(
            lambda case: judge(tmp_path / f"{case[0]}.conf", wrapped(case[1][0], {case[1][1]: case[1][2]})),
            enumerate(cases),
        )
        wrong = []
        for (block, name, value), said in zip(cases, judged, strict=True):
            ours = list(settings.problems(wrapped(block, {name: value})))
            if bool(ours) != bool(said) and not (said and OTHER.search(said)):
                wrong.append((block, name, value, said, ours))
    assert wrong == []


@pytest.mark.attack
@pytest.mark.server
def test_server_knows_every_name_that_is_declared_and_no_other(tmp_path: pathlib.Path) -> None:
    for block, name, _kind in declared():
        assert "unknown field" not in judge(tmp_path / "known.conf", wrapped(block, {name: True})), (block, name)
    for block in {block for block, _name, _kind in declared()}:
        assert "unknown field" in judge(tmp_path / "other.conf", wrapped(block, {"not_there": True})), block
