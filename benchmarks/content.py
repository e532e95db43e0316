# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""1,000 users in one loop of nats_user without a file, which runs on the controller, against the module with files in a process of its own.

The module's time is extrapolated from fewer users, because a thousand take minutes. The aim, in seconds, is for the whole run of ansible-playbook.
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
AIM = 15.0


def rows(scratch: Path) -> list[Row]:
    """For all users, from the start of ansible-playbook to its end."""
    files = account_files(scratch)
    seed = nkey.create("user").seed
    content = {
        "account_jwt": Path(files["account_jwt_path"]).read_text(),
        "signer_seed": Path(files["signer_path"]).read_text(),
        "key_seed": seed,
    }
    (scratch / "users").mkdir()
    with_files = {**files, "key_seed": seed, "jwt_path": f"{scratch}/users/{{{{ item }}}}.jwt"}
    start = play(scratch, _task(content), 0)
    ours = play(scratch, _task(content), USERS)
    some = play(scratch, {**_task(with_files), "environment": {"ELSEWHERE": "yes"}}, MODULE_USERS)
    found = []
    for index, watch in enumerate(("", ", CPU")):
        peer = (some[index] - start[index]) * USERS / MODULE_USERS + start[index]
        what = f"{USERS} users in a loop without a file{watch}"
        found.append(Row(what, f"{ours[index]:.1f} s", f"module with files {peer:.0f} s", peer / ours[index]))
    found.append(Row("seconds from start to end", f"{ours[0]:.1f} s", f"{AIM:g} s", ours[0] / AIM, at_most=1.0))
    return found


def _task(options: dict[str, Any]) -> dict[str, Any]:
    permissions = {"publish": {"allow": list(workload.PUBLISH)}, "subscribe": {"allow": list(workload.SUBSCRIBE)}}
    return {"natsops.security.nats_user": {"name": "user-{{ item }}", **options, "permissions": permissions}}
