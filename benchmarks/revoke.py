# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The time from the start of the playbook `revoke` until no connection of the user is left on three servers, in an account of 10,000 users.

In wall-clock time, including the start of Ansible.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any

from measure import Row

from ansible_collections.natsops.security.tests.support.fleets import client
from ansible_collections.natsops.security.tests.support.inventories import NAMES, Cluster, definition
from ansible_collections.natsops.security.tests.support.plays import Play

USERS = 10_000
#: How many of the other users are connected to each server.
OTHERS = 300
AIM = 10.0


def rows(scratch: Path) -> list[Row]:
    """The time until all revoked connections are closed, until the run is over, and of a second run."""
    folder = scratch / "revoke"
    folder.mkdir()
    document = definition("APP")
    document["accounts"][1]["users"] = [{"name": f"u{number}"} for number in range(USERS)]
    document["accounts"][1]["limits"] = {"connections": -1}
    source = folder / "document.json"
    source.write_text(json.dumps(document))
    environment = Play(folder, Path(os.environ["ANSIBLE_COLLECTIONS_PATH"])).environment()
    cluster = Cluster(folder / "cluster", environment)
    cluster.run(playbook="natsops.security.operator", operator_hosts="nats", operator_src=str(source))
    cluster.start()
    try:
        cluster.run(operator_src=str(source))
        closed, whole, again = asyncio.run(_measure(cluster))
    finally:
        cluster.stop()
    what = f"a user of {USERS:,} revoked on three servers"
    aim = f"aim {AIM:g} s"
    return [
        Row(f"{what}, until no connection is left", f"{closed:.2f} s", aim, closed / AIM, at_most=1),
        Row(f"{what}, until the run has seen that", f"{whole:.2f} s", aim, whole / AIM, at_most=1),
        Row(f"{what}, a second run", f"{again:.2f} s", ""),
    ]


async def _measure(cluster: Cluster) -> tuple[float, float, float]:
    def creds(number: int) -> str:
        return (cluster.folder / f"keys/creds/ACME/APP/u{number}.creds").read_text()

    urls = [f"nats://127.0.0.1:{port}" for port in cluster.ports[: len(NAMES)]]
    revoked = [await client(url, creds(0)) for url in urls]
    others = [await client(urls[number % len(urls)], creds(number)) for number in range(1, OTHERS * len(urls) + 1)]
    start = time.perf_counter()
    run = asyncio.create_task(_revoke(cluster))
    while not all(one.is_closed for one in revoked):
        await asyncio.sleep(0.01)
    closed = time.perf_counter() - start
    report: dict[str, Any] = await run
    whole = time.perf_counter() - start
    if report["open"] or not all(one.is_connected for one in others):
        raise RuntimeError(f"the run left connections, or closed those of others: {report}")
    start = time.perf_counter()
    await _revoke(cluster)
    again = time.perf_counter() - start
    for one in others:
        await one.close()
    return closed, whole, again


async def _revoke(cluster: Cluster) -> Any:
    path = cluster.folder / "report.json"
    given = {"revoke_store": "ACME", "revoke_user": "APP/u0", "revoke_report_path": str(path)}
    await asyncio.to_thread(cluster.run, playbook="natsops.security.revoke", **given)
    return json.loads(path.read_text())
