# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""This collection refuses options with which a server would not start. A real server confirms each case."""

from __future__ import annotations

import copy
import pathlib
import subprocess
import time
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from support.declarations import without_no_log
from support.server_cases import ACCEPTED, REFUSED, Kit, Options
from support.servers import PATIENCE, SERVER
from support.sites import Site

from ansible_collections.natsops.security.plugins.filter.nats_server_config import nats_server_config
from ansible_collections.natsops.security.plugins.module_utils.server import startup
from ansible_collections.natsops.security.plugins.module_utils.server.configuration import (
    OPTIONS,
    Configuration,
    configuration_problems,
    server_configuration,
)


@pytest.fixture
def kit(site: Site) -> Kit:
    return Kit(site)


def complete(options: Options) -> Options:
    """The options with their defaults, as a module gets them."""
    validated = ArgumentSpecValidator(without_no_log(OPTIONS)).validate(options)
    assert validated.error_messages == []
    found: Options = validated.validated_parameters
    return found


def test_specification_stays_as_it_is_for_the_next_task_of_a_process() -> None:
    before = copy.deepcopy(OPTIONS)
    with pytest.raises(Exception, match="operator"):
        nats_server_config({"operator": "x", "system_account": "y"})
    assert before == OPTIONS


def problems(options: Options, configuration: Configuration, check: bool = False) -> list[Any]:
    host = startup.Host(int(time.time()), "2.15.1", foretold=check)
    return configuration_problems(options, configuration, "", lambda _path: "", host)


#: Cases whose missing JWT an earlier task may make.
FORETOLD = {"memory resolver without the system account"}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_server_would_not_start_with_is_refused(kit: Kit, name: str) -> None:
    case = REFUSED[name]
    options = complete(kit.options(**case.options(kit)))
    found = problems(options, server_configuration(options))
    assert [problem for problem in found if problem.path.startswith(case.place) and case.words in problem.message], (
        found
    )
    assert len(found) == 1, found
    # Check mode refuses the same, except for a JWT that an earlier task may make.
    foreseen = problems(options, server_configuration(options), check=True)
    assert foreseen == ([] if name in FORETOLD else found)


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_a_server_starts_with_is_accepted(kit: Kit, name: str) -> None:
    options = complete(kit.options(**ACCEPTED[name](kit)))
    assert problems(options, server_configuration(options)) == []


# ---- a real server


def written(folder: pathlib.Path, options: Options) -> pathlib.Path:
    """Write a configuration without checking it. Returns the path of its main file."""
    folder.mkdir()
    # Each configuration has its own folder, because a resolver does not replace an account with one of the same age.
    files = {"site.conf": "", **server_configuration(complete({**options, "data_dir": str(folder)})).files}
    for file, text in files.items():
        (folder / file).write_text(text)
    return folder / "nats-server.conf"


def runs(config: pathlib.Path, expected: bool) -> tuple[bool, str]:
    """Whether a server runs with a configuration, and its log. Waits up to PATIENCE seconds for the expected outcome."""
    log = config.parent / "server.log"
    with log.open("w") as output:
        process = subprocess.Popen([SERVER, "-c", config], stdout=output, stderr=output, cwd=config.parent)
    try:
        deadline = time.monotonic() + PATIENCE
        # Some errors stop the server only after it is ready.
        while process.poll() is None and not (expected and "Server is ready" in log.read_text()):
            if time.monotonic() > deadline:
                break
            time.sleep(0.01)
        return process.poll() is None, log.read_text()
    finally:
        process.kill()
        process.wait()


@pytest.mark.server
def test_table_says_what_a_real_server_does(kit: Kit, tmp_path: pathlib.Path) -> None:
    wrong = {}
    for number, (name, case) in enumerate(REFUSED.items()):
        config = written(tmp_path / str(number), kit.options(**case.options(kit)))
        read = subprocess.run([SERVER, "-t", "-c", config], capture_output=True, text=True, check=False)
        running, output = runs(config, expected=False)
        if (read.returncode != 0) is not case.checked_by_t or running:
            wrong[name] = read.stderr + output
    for number, (name, options) in enumerate(ACCEPTED.items(), len(REFUSED)):
        running, output = runs(written(tmp_path / str(number), kit.options(**options(kit))), expected=True)
        if not running:
            wrong[name] = output
    assert wrong == {}
