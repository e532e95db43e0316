# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Whether the files on disk require a reload or a restart of a running server. The scenarios in extensions/molecule start, reload and restart servers."""

from __future__ import annotations

import pathlib
import re
from typing import Any

import pytest

from ansible_collections.natsops.security.plugins.module_utils.server import reading, running, secrets
from ansible_collections.natsops.security.plugins.module_utils.server.configuration import RESTART_FILES
from ansible_collections.natsops.security.plugins.module_utils.server.running import Running, Wanted, needed

UNIT = pathlib.Path(__file__).resolve().parents[2] / "roles/server/templates/nats-server.service.j2"
AT_NOON = running.parse_time("2026-01-31T12:00:00Z")
NOW = Running("/bin/nats-server", "sha256:1", "2", "3", AT_NOON + 0.5, AT_NOON + 600.1)
ON_DISK = Wanted(NOW, AT_NOON, AT_NOON, {"/tls.pem": AT_NOON + 60})


def test_time_is_read_as_nats_writes_it() -> None:
    assert running.parse_time("2026-01-31T12:10:00.123456789Z") == pytest.approx(1769861400.123456789)
    assert AT_NOON == 1769860800.0


@pytest.mark.parametrize(
    ("now", "wanted", "disk", "need"),
    [
        ({}, {}, {}, "nothing"),
        ({}, {"digest": "sha256:3"}, {}, "reload"),
        ({}, {"digest": "sha256:3", "restart_digest": "4"}, {}, "restart"),
        ({}, {"restart_digest": "4"}, {}, "nothing"),  # only a comment changed
        ({}, {}, {"tls_files": {"/tls.pem": AT_NOON + 601}}, "reload"),
        ({}, {}, {"unit_changed": AT_NOON + 1}, "restart"),
        ({"program": "/bin/nats-server (deleted)"}, {}, {}, "restart"),
        # Servers before 2.11 report no digest.
        ({"digest": ""}, {"digest": ""}, {}, "nothing"),
        ({"digest": ""}, {"digest": ""}, {"files_changed": AT_NOON + 601}, "reload"),
        ({"digest": ""}, {"digest": "sha256:1"}, {"files_changed": AT_NOON + 601}, "reload"),
    ],
)
def test_need_follows_from_what_runs_and_what_is_on_disk(
    now: dict[str, Any], wanted: dict[str, Any], disk: dict[str, Any], need: str
) -> None:
    there = ON_DISK._replace(running=NOW._replace(**wanted), **disk)
    assert needed(NOW._replace(**now), there)[0] == need


def test_files_of_tls_are_found_wherever_they_stand() -> None:
    text = (
        'tls { cert_file: "/a.pem", Key_File = "/b.key" }\nleafnodes { remotes: [ { tls { ca_file /c.pem } } ] }\n'
        "mqtt { tls { certs: [ { cert_file: /d.pem } ] } }"
    )
    data = reading.read(text, "c.conf", lambda _path: None).data
    assert sorted(running.tls_files(data)) == ["/a.pem", "/b.key", "/c.pem", "/d.pem"]


def test_unit_notes_what_is_compared() -> None:
    text = UNIT.read_text()
    (command,) = re.findall(r'ExecStartPre=.*"cat (.*) 2>', text)
    assert command.split() == list(RESTART_FILES)
    (word,) = re.findall(r'ExecStartPre=.*"grep (\S+) server-secrets.conf', text)
    _shown, variables = secrets.split(
        {"cluster": {"authorization": {"user": "a", "password": "b"}, "routes": ["nats://a:b@h"]}}
    )
    assert [name for name in variables if word in name] == [f"{word}user", f"{word}password"]
    assert word.encode() == running._LOGIN
