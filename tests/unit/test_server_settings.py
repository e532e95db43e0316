# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The values that server settings accept. tests/attack/test_every_setting.py compares them with a real server."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.natsops.security.plugins.module_utils.server import settings


@pytest.mark.parametrize(
    ("block", "written", "taken"),
    [
        ("jetstream", {"max_mem": "64MiB"}, 64 * 1024**2),
        ("jetstream", {"max_file_store": "2 gib"}, 2 * 1024**3),
        ("jetstream", {"max_mem": "64M"}, "64M"),
        ("jetstream", {"max_mem": "64MB"}, "64MB"),
        ("jetstream", {"MAX_MEM": "1024"}, 1024),
        ("jetstream", {"strict": "True"}, True),
        ("jetstream", {"sync": 5}, "5s"),
        ("jetstream", {"domain": "5"}, "5"),
        ("mqtt", {"max_ack_pending": "100"}, 100),
        ("mqtt", {"authorization": {"password": "5"}}, {"password": "5"}),
        ("leafnodes", {"remotes": [{"hub": "no", "account": "no"}]}, [{"hub": False, "account": "no"}]),
        ("gateway", {"tls": {"timeout": "2", "verify": "yes"}}, {"timeout": 2, "verify": True}),
    ],
)
def test_value_is_written_in_the_form_that_the_server_takes(block: str, written: dict[str, Any], taken: Any) -> None:
    assert list(settings.as_taken(written, block).values()) == [taken]


def test_names_that_the_server_does_not_know_are_found_in_blocks_of_blocks() -> None:
    blocks = {
        "jetstream": {"max_memroy_store": 1, "limits": {"batch": {"max_msg": 1}}},
        "leafnodes": {"remotes": [{"urls": [], "user": "a", "tls": {"cert": "x"}}], "no_advertise": None, "gone": None},
        "headers": {"anything": 1},
    }
    found = {".".join(map(str, path)): message for path, message in settings.unknown(blocks, "", ())}
    assert list(found) == [
        "jetstream.max_memroy_store",
        "jetstream.limits.batch.max_msg",
        "leafnodes.remotes.0.user",
        "leafnodes.remotes.0.tls.cert",
    ]
    assert found["jetstream.limits.batch.max_msg"] == (
        "nats-server has no such setting here; it has max_inflight_per_stream, max_inflight_total, max_msgs, timeout."
    )


def test_value_of_a_password_is_not_shown() -> None:
    block = {"leafnodes": {"authorization": {"password": 12345}, "remotes": [{"url": ["nats://a:12345@[::1"]}]}}
    found = list(settings.problems(block))
    assert len(found) == 2
    assert "12345" not in str([message for _path, message in found])
