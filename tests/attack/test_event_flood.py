# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""A flood of events, faster than a rulebook accepts them: memory is bounded, dropped events are counted, and no server waits."""

from __future__ import annotations

import asyncio
import json
import pathlib
import re
import subprocess
import sys

import pytest
from checkout import ROOT
from support.events import SOURCE
from support.fleets import FULL, Fleet, Realm, client

from ansible_collections.natsops.security.plugins.module_utils.keys import nkey

pytestmark = [pytest.mark.server, pytest.mark.attack]

COUNT = 200_000
#: How much memory a source may use in addition to its memory at start, in KiB, for queued events and for what it reads ahead.
ROOM = 40 * 1024

# A rulebook that needs a hundredth of a second for each event.
SLOW = """
import asyncio, json, os, runpy, sys

class Slow:
    taken = 0

    async def put(self, event):
        if event["type"] == "connect" and event["server"]["name"] == "n9":
            self.taken += 1
            print("taken", self.taken, flush=True)
        elif event["type"] != "connect":
            print(event["type"], event.get("total"), flush=True)
        await asyncio.sleep(0 if os.path.exists(sys.argv[2]) else 0.01)

main = runpy.run_path(sys.argv[1])["main"]
asyncio.run(main(Slow(), json.loads(sys.argv[3])))
"""


def memory(pid: int, what: str) -> int:
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    found = re.search(rf"{what}:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1])


def test_a_flood_is_counted_in_bounded_memory(tmp_path: pathlib.Path) -> None:
    realm = Realm()
    fleet = Fleet(tmp_path / "servers", realm, [FULL])
    over = tmp_path / "over"
    try:
        fleet.start()
        (tmp_path / "sys.creds").write_text(realm.creds())
        args = {"servers": fleet.urls, "creds_path": str(tmp_path / "sys.creds"), "events": ["connect"]}
        args.update(held_events=1000)
        command = [sys.executable, "-c", SLOW, str(SOURCE), str(over), json.dumps(args)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline().startswith("connected")
                before = memory(process.pid, "VmRSS")
                flood(fleet, tmp_path / "sys.creds")
                over.touch()
                taken = dropped = 0
                while taken + dropped < COUNT:
                    word, _unused, number = process.stdout.readline().partition(" ")
                    assert word in ("taken", "dropped"), number
                    taken, dropped = (int(number), dropped) if word == "taken" else (taken, int(number))
                assert taken + dropped == COUNT
                assert taken >= 1000
                assert memory(process.pid, "VmHWM") - before < ROOM
            finally:
                process.kill()
    finally:
        fleet.stop()


def flood(fleet: Fleet, creds: pathlib.Path) -> None:
    """Publish the events that servers publish when clients connect, as fast as a nats-py client can."""
    server = nkey.create("server").public_key
    said = {"id": "x", "server": {"id": server, "name": "n9"}, "client": {"acc": "APP", "name": "x" * 500}}
    payload = json.dumps(said).encode()

    async def publish() -> None:
        connected = await client(fleet.urls[0], creds.read_text())
        for number in range(COUNT):
            await connected.publish("$SYS.ACCOUNT.APP.CONNECT", payload)
            if number % 1000 == 0:
                await connected.flush(60)
        await connected.flush(60)
        await connected.close()

    asyncio.run(publish())
