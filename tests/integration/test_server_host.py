# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Options for which the host lacks something are refused before anything is written. A real server does not start with them."""

from __future__ import annotations

import contextlib
import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from support.server_cases import ALONE, Kit, Options
from support.servers import SERVER
from support.sites import Site
from test_server_startup import runs, written

#: Reserved for documentation (RFC 5737), so no host has it.
_ELSEWHERE = "192.0.2.1"


class Case(NamedTuple):
    """Options with which a server does not start on this host, words of the message, and options with which it starts."""

    bad: Callable[[Site], Options]
    place: str
    words: str
    good: Callable[[Site], Options]


def _site_config(text: str) -> Callable[[Site], Options]:
    return lambda site: {"site_config": text.replace("SITE", str(site.folder))}


CASES = {
    "folder of the pid file": Case(
        _site_config("pid_file: 'SITE/none/pid'"),
        "site_config line 1: pid_file",
        "there is no folder",
        _site_config("pid_file: 'SITE/pid'"),
    ),
    "folder of the log": Case(
        _site_config("logfile: 'SITE/none/log'"),
        "site_config line 1: logfile",
        "there is no folder",
        _site_config("max_payload: 1MB"),
    ),
    "log that is a folder": Case(
        _site_config("log_file: 'SITE'"),
        "site_config line 1: log_file",
        "it is a folder",
        _site_config("pid_file: relative-pid"),
    ),
    "store in a file": Case(
        lambda site: {"jetstream": {"store_dir": site.write("file", "") + "/store"}},
        "jetstream.store_dir",
        "file is not a folder",
        lambda site: {"jetstream": {"store_dir": site / "new/store"}},
    ),
    "accounts in a file": Case(
        lambda site: {"resolver": {"type": "full", "dir": site.write("file", "")}},
        "resolver.dir",
        "file is not a folder",
        lambda site: {"resolver": {"type": "full", "dir": site / "new/accounts"}},
    ),
    "address of another host": Case(
        lambda _site: {"listen": _ELSEWHERE},
        "listen",
        f"{_ELSEWHERE} is not an address of this host",
        lambda _site: {"listen": "127.0.0.2"},
    ),
    "name of no host": Case(
        lambda _site: {"cluster": {"name": "C", "host": "none.invalid", "port": -1}},
        "cluster",
        "none.invalid has no address",
        lambda _site: {"cluster": {"name": "C", "host": "localhost", "port": -1}},
    ),
    "name with an empty label": Case(
        lambda _site: {"cluster": {"name": "C", "host": "host..invalid", "port": -1}},
        "cluster",
        "host..invalid is not the name of a host",
        lambda _site: {"cluster": {"name": "C", "host": "localhost", "port": -1}},
    ),
    "monitoring on another host": Case(
        lambda _site: {"monitoring": {"host": _ELSEWHERE, "port": -1}},
        "monitoring",
        "is not an address of this host",
        lambda _site: {"monitoring": {"host": "::1", "port": -1}},
    ),
    "leaf nodes on another host": Case(
        lambda _site: {"leafnodes": {"listen": f"{_ELSEWHERE}:-1"}},
        "leafnodes.listen",
        "is not an address of this host",
        lambda _site: {"leafnodes": {"listen": ALONE}},
    ),
    "port that is none": Case(
        lambda _site: {"port": 70000}, "listen", "70000 is not a port", lambda _site: {"name": "tab\tname"}
    ),
}


@pytest.fixture
def kit(site: Site) -> Kit:
    (site.folder / "etc").mkdir()
    return Kit(site)


def options(kit: Kit, **more: Any) -> Options:
    return kit.options(
        **{"config_dir": kit.site / "etc", "binary_path": str(SERVER), "operator": kit.operator(), **more}
    )


@pytest.mark.server
@pytest.mark.parametrize("name", CASES)
def test_what_the_host_lacks_is_refused_and_the_server_does_not_start(
    kit: Kit, tmp_path: pathlib.Path, name: str
) -> None:
    case = CASES[name]
    bad = case.bad(kit.site)
    message = kit.site.start("server_config", options(kit, **bad))["msg"]
    assert message.startswith(case.place), message
    assert case.words in message
    assert list((kit.site.folder / "etc").iterdir()) == []
    running, output = runs(
        written(tmp_path / "bad", kit.options(**{"operator": kit.operator(), **bad})), expected=False
    )
    assert not running, output
    good = case.good(kit.site)
    result = kit.site.start("server_config", options(kit, **good))
    assert result.get("validated"), result
    running, output = runs(
        written(tmp_path / "good", kit.options(**{"operator": kit.operator(), **good})), expected=True
    )
    assert running, output


@pytest.mark.server
@pytest.mark.parametrize("bad", [{"key": "two"}, {"prev_key": "two", "key": "three"}, {}])
def test_key_of_what_jetstream_stores_is_not_lost(kit: Kit, bad: Options) -> None:
    """With another key, a server starts, and logs a warning for each stream that it leaves out."""
    operator = kit.operator()

    def wanted(**jetstream: Any) -> Options:
        return options(kit, operator=operator, jetstream={"store_dir": kit.site / "js", **jetstream})

    kit.site.run("server_config", **wanted(key="one"))
    assert kit.site.check("server_config", **wanted(**bad))["changed"]  # nothing is stored yet
    (kit.site.folder / "js/jetstream").mkdir(parents=True)
    message = kit.site.refuse("server_config", None, **wanted(**bad))
    assert message.startswith(f"jetstream.key: what is in {kit.site / 'js/jetstream'} is encrypted with another key")
    assert kit.site.refuse("server_config", {"check": True}, **wanted(**bad)) == message
    for good in ({"key": "two", "prev_key": "one"}, {"key": "one", "cipher": "aes"}, {"store_dir": kit.site / "new"}):
        assert kit.site.check("server_config", **wanted(**good))["validated"]


@contextlib.contextmanager
def _listening() -> Iterator[int]:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
        yield listener.getsockname()[1]


@pytest.mark.server
def test_port_of_another_program_is_refused_with_its_name(kit: Kit, tmp_path: pathlib.Path) -> None:
    with _listening() as port:
        wanted = {"listen": "127.0.0.1", "port": port}
        message = kit.site.refuse("server_config", None, **options(kit, **wanted))
        assert f"listen: port {port} is in use by " in message
        assert f"(process {os.getpid()})" in message
        assert kit.site.refuse("server_config", {"check": True}, **options(kit, **wanted)) == message
        running, output = runs(
            written(tmp_path / "bad", kit.options(operator=kit.operator(), **wanted)), expected=False
        )
        assert not running, output
    assert kit.site.run("server_config", **options(kit, **wanted))["validated"]


@pytest.mark.server
@pytest.mark.skipif(os.getuid() != 0, reason="takes root to run a server as another user")
def test_folder_that_the_service_may_not_write_is_refused(kit: Kit) -> None:
    user = pwd.getpwuid(65534).pw_name
    folder = pathlib.Path(tempfile.mkdtemp(dir="/var/tmp"))
    try:
        folder.chmod(0o755)
        wanted = options(kit, service_user=user, data_dir=str(folder), site_config=f"pid_file: '{folder}/pid'")
        message = kit.site.refuse("server_config", None, **wanted)
        assert (
            f"resolver.dir: the server could not write to {folder}/accounts: {user} may not write to {folder}."
            in message
        )
        assert f"pid_file: the server could not write {folder}/pid: {user} may not write to {folder}." in message
        told = kit.site.start("server_config", wanted, check=True)  # an earlier task may create it
        assert f"{user} may not write to {folder}. Unless an earlier task makes it, the real run fails." in str(
            told["warnings"]
        )
        shutil.chown(folder, user)
        assert kit.site.start("server_config", wanted)["validated"]
        done = subprocess.run(["runuser", "-u", user, "--", "test", "-w", str(folder)], check=False)
        assert done.returncode == 0
    finally:
        shutil.rmtree(folder)
