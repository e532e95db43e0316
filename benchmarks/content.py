# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""1,000 users in one loop of nats_user without a file, which the controller does itself, against the module with files, by the clock.

The module's time is that of fewer users, times what is missing: a thousand take minutes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import workload
from measure import Row
from task import account_files, play

from ansible_collections.natsops.security.plugins.module_utils.keys import nkey

USERS = 1000
MODULE_USERS = 50
#: In seconds, on two cores with nothing else to do.
AIM = 15.0


def rows(scratch: Path) -> list[Row]:
    """One row: all users from the start of ansible-playbook to its end, and a user by the module."""
    files = account_files(scratch)
    seed = nkey.create("user").seed
    content = {
        "account_jwt": Path(files["account_jwt_path"]).read_text(),
        "signer_seed": Path(files["signer_path"]).read_text(),
        "key_seed": seed,
    }
    (scratch / "users").mkdir()
    with_files = {**files, "key_seed": seed, "jwt_path": f"{scratch}/users/{{{{ item }}}}.jwt"}
    start = play(scratch, _task(content), 0)[0]
    ours = play(scratch, _task(content), USERS)[0]
    peer = (play(scratch, _task(with_files), MODULE_USERS)[0] - start) * USERS / MODULE_USERS + start
    what = f"{USERS} users in a loop without a file"
    return [
        Row(what, f"{ours:.1f} s", f"module with files {peer:.0f} s", peer / ours),
        Row(f"{what}, seconds", f"{ours:.1f} s", f"aim {AIM:g} s", ours / AIM, at_most=1.0),
    ]


def _task(options: dict[str, Any]) -> dict[str, Any]:
    permissions = {"publish": {"allow": list(workload.PUBLISH)}, "subscribe": {"allow": list(workload.SUBSCRIBE)}}
    return {"natsops.security.nats_user": {"name": "user-{{ item }}", **options, "permissions": permissions}}
