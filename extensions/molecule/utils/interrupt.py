# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Rotates a key with the playbook rotate, interrupted before one task after the other: interrupt.py INVENTORY SLOT VARIABLES < PLAN

VARIABLES are extra variables of the playbook as JSON. PLAN is a list of tasks as JSON, each with `before`, the name of the task (`NAME:2` for the second task
with it). Each run continues where the one before it was killed. If a task has `down`, the host with this name loses its power there: the next run has to fail,
name the host and keep the old key, before the host starts again. A run without an interruption completes the rotation. Prints numbers as JSON.

PYTHONPATH has to contain tests/.
"""

import base64
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from typing import Any

from support.kills import KILLED, killing, tasks_of

LAB, CONTROL = pathlib.Path("/run/natsops-lab"), "natsops-control"
PROGRAMS = pathlib.Path(__file__).parent
PATIENCE = 120.0  # seconds until a host must be healthy


class Rotation:
    """A rotation of the key of one slot. `old` is the key to replace."""

    def __init__(self, inventory: str, slot: str, variables: dict[str, Any]) -> None:
        self.inventory, self.slot = inventory, slot
        self.variables = {"rotate_slot": slot, **variables}
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="interrupted"))
        (self.old,) = self.present()
        self.variables["rotate_key"] = self.old

    def present(self) -> list[str]:
        """The signing keys in the JWT of the account or the operator, without those of scopes."""
        account = self.slot.rpartition("/")[0]
        path = f"accounts/{account}/{account}.jwt" if account else "LAB.jwt"
        payload = (LAB / "store/stores/LAB" / path).read_text().split(".")[1]
        nats = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["nats"]
        return [key for key in nats["signing_keys"] if isinstance(key, str)]

    def run(self, before: str = "") -> tuple[int, str]:
        """The status and the output of a run that is killed before a task."""
        done = subprocess.run(
            [
                "ansible-playbook",
                "-i",
                self.inventory,
                "natsops.security.rotate",
                "-e",
                json.dumps(self.variables),
            ],
            env={**os.environ, **killing(self.folder, before or 0)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, " ".join(done.stdout.split())

    def without(self, host: str) -> None:
        """A run while a host has no power."""
        _lab("cut", host)
        status, output = self.run()
        require(status != 0, f"the run ended well without {host}", output)
        names_it = f"{host} did not answer" in output or f"[{host}]: UNREACHABLE!" in output
        require(names_it, f"the run does not name {host}", output)
        require(self.old in self.present(), f"the old key is gone without {host}", output)
        _lab("boot", host)
        self.wait_for(host)

    def wait_for(self, host: str) -> None:
        """Wait until the server of a host is healthy."""
        asked = [
            "ansible",
            host,
            "-i",
            self.inventory,
            "-m",
            "ansible.builtin.uri",
            "-a",
            "url=http://127.0.0.1:8222/healthz",
        ]
        deadline = time.monotonic() + PATIENCE
        while subprocess.run(asked, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode:
            require(time.monotonic() < deadline, f"{host} is not healthy", "")
            time.sleep(1)


def _lab(command: str, host: str) -> None:
    subprocess.run([PROGRAMS / "lab.sh", command, LAB, CONTROL, host], check=True)


def require(holds: bool, problem: str, output: str) -> None:
    """End with the problem and the last part of an output, if something does not hold."""
    if not holds:
        raise SystemExit(f"{problem}: {output[-3000:]}")


def main(inventory: str, slot: str, variables: str) -> dict[str, Any]:
    """Rotate the key. Return how often it was interrupted."""
    rotation = Rotation(inventory, slot, json.loads(variables))
    plan = json.load(sys.stdin)
    for one in plan:
        status, output = rotation.run(one["before"])
        require(status == KILLED, f"no task {one['before']} was reached", output)
        if "down" in one:
            rotation.without(one["down"])
    status, output = rotation.run()
    require(status == 0, "the last run failed", output)
    require(rotation.old not in rotation.present(), "the old key is there", output)
    downs = sum("down" in one for one in plan)
    return {"slot": slot, "kills": len(plan), "downs": downs, "tasks": tasks_of(rotation.folder), "old": rotation.old}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(*sys.argv[1:])) + "\n")
