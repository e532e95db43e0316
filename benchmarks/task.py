# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Tasks of nats_user against tasks of a module that does nothing, in whole runs of ansible-playbook, in wall-clock and CPU time.

The host is the controller, so tasks of nats_user run in Ansible's own process. With `environment`, they run in processes of their own, as on any other host.
"""

from __future__ import annotations

import itertools
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import workload
from measure import Row, interleaved

from ansible_collections.natsops.security.plugins.module_utils.claims import Account, Claims, SigningKey
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.token import codec

ITEMS = 20
ROUNDS = 5


def rows(scratch: Path) -> list[Row]:
    """New users, and users that are kept. The start of Ansible, which is measured by a loop without items, is subtracted.

    The aim is for the CPU time. Each time is the minimum of all rounds.
    """
    material = account_files(scratch)
    folders = (scratch / f"users-{number}" for number in itertools.count())
    folder = scratch

    def create() -> list[float]:
        nonlocal folder
        folder = next(folders)
        folder.mkdir()
        return keep()

    def create_in_processes() -> list[float]:
        nonlocal folder
        folder = next(folders)
        folder.mkdir()
        return keep_in_processes()

    def keep(**more: Any) -> list[float]:
        options = _nats_user(folder, material)
        return play(scratch, {"natsops.security.nats_user": options, **more}, ITEMS)

    def keep_in_processes() -> list[float]:
        return keep(environment={"ELSEWHERE": "yes"})

    contenders: dict[str, Callable[[], list[float]]] = {
        "start": lambda: play(scratch, {"empty": {}}, 0),
        "empty": lambda: play(scratch, {"empty": {}}, ITEMS),
        "created": create,
        "kept": keep,
        "created in a process": create_in_processes,
        "kept in a process": keep_in_processes,
    }
    whole = interleaved(contenders, ROUNDS, of=min)
    found = []
    for index, (watch, aim) in enumerate((("", None), (", CPU", 1.2))):
        each = {name: (spent[index] - whole["start"][index]) / ITEMS for name, spent in whole.items()}
        found += [
            Row(
                f"a task of nats_user, {name}{watch}",
                f"{each[name] * 1000:.0f} ms",
                f"empty module {each['empty'] * 1000:.0f} ms",
                each[name] / each["empty"],
                at_most=aim,
            )
            for name in contenders
            if name not in ("start", "empty")
        ]
    return found


def _nats_user(folder: Path, material: dict[str, str]) -> dict[str, Any]:
    return {
        "name": "user-{{ item }}",
        "key_path": f"{folder}/{{{{ item }}}}.nk",
        "jwt_path": f"{folder}/{{{{ item }}}}.jwt",
        "creds_path": f"{folder}/{{{{ item }}}}.creds",
        **material,
        "permissions": {
            "publish": {"allow": list(workload.PUBLISH)},
            "subscribe": {"allow": list(workload.SUBSCRIBE)},
        },
    }


def account_files(scratch: Path) -> dict[str, str]:
    """Write the files of an account with a signing key, and return the options that name them."""
    operator, account, signer = nkey.create("operator"), nkey.create("account"), nkey.create("account")
    body = Account(signing_keys=[SigningKey(signer.public_key)])
    files = {
        "account_jwt_path": codec.encode(Claims(name="app", subject=account.public_key, body=body), operator, 1),
        "signer_path": signer.seed,
    }
    for option, content in files.items():
        (scratch / option).write_text(content)
        (scratch / option).chmod(0o600)
    return {option: str(scratch / option) for option in files}


def play(scratch: Path, task: dict[str, Any], items: int) -> list[float]:
    """Run a task in a loop, and return the wall-clock and CPU seconds of the run, with all its processes."""
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "tasks": [{**task, "loop": list(range(items))}],
    }
    playbook = scratch / "playbook.json"
    playbook.write_text(json.dumps([play]))
    environment = {
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        "ANSIBLE_LIBRARY": str(Path(__file__).parent / "library"),
        **os.environ,
    }
    command = [Path(sys.executable).parent / "ansible-playbook", playbook]
    start, used = time.perf_counter(), _cpu_of_children()
    run = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if run.returncode:
        raise RuntimeError(f"ansible-playbook failed:\n{run.stdout[-2000:]}{run.stderr[-2000:]}")
    return [time.perf_counter() - start, _cpu_of_children() - used]


def _cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
