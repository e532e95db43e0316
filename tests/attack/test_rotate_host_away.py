# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""A host of applications that did not get its new creds: servers accept its creds until a run has reached it, for each kind of key that signs users."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest
from support.fleets import lets_in
from support.inventories import account_of_users, cluster_of
from support.rotations import Rotating, foreseen, identity_document
from test_rotate_kills import KINDS, TO_RESTART

pytestmark = [pytest.mark.playbook, pytest.mark.server, pytest.mark.attack]


@pytest.mark.parametrize("kind", ["signing key", "user", "strict mode"])
def test_unreachable_host_delays_the_end_of_the_rotation(
    tmp_path: pathlib.Path, collections_path: pathlib.Path, kind: str
) -> None:
    asked = KINDS[kind]
    document = asked.document() if asked.by_identity_keys else account_of_users()
    first = identity_document() if asked.by_identity_keys else document
    with cluster_of(tmp_path, collections_path, first) as servers:
        world = Rotating(servers)
        old, creds = asked.current(world), world.creds.read_text()
        given = {"operator_definition": document, "resolver_trust_retries": 0, "rotate_drain_timeout": 1}
        given |= asked.variables | ({"rotate_key": old} if asked.names_key else {})

        def ends_early(*options: str, **more: Any) -> str:
            """The output of a run that fails, after the restarts that strict mode requires."""
            status, output = world.attempt({}, *options, **given, **more)
            if any(text in " ".join(output.split()) for text in TO_RESTART):
                world.restart()
                status, output = world.attempt({}, *options, **given, **more)
            assert status != 0, output
            assert all(lets_in(url, creds) for url in servers.urls)
            return " ".join(output.split())

        world.describe_hosts("app0", "app2")
        assert "as hosts did not get their new creds: app0, app2." in ends_early()
        assert "as hosts did not get their new creds: app0, app1, app2." in ends_early("--limit", "nats")
        assert "app1" in foreseen(world.attempt({}, "--check", "--limit", "nats", **given)[1])["left"]["distribute"]
        assert "[app0]: UNREACHABLE!" in ends_early(rotate_clients="app0")

        world.describe_hosts()
        status, _output = world.attempt({}, **given)
        assert (status == 0) is (kind != "strict mode")  # which ends before the restart
        world.restart()
        assert world.accepts() == ["n1", "n2", "n3"]
        assert not any(lets_in(url, creds) for url in servers.urls)
        assert asked.current(world) != old
