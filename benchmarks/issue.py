# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""New users: a key pair, its seed as text, claims and a signed token."""

from __future__ import annotations

from pathlib import Path

import go_peer
import workload
from measure import Row, cpu_seconds_each, interleaved, rate

WHAT = "user key + claims + token"


def rows(scratch: Path) -> list[Row]:
    """Against the Go library and nats-jwt."""
    count, few = workload.COUNT, workload.NATS_JWT_COUNT
    peer = go_peer.build(scratch)
    contenders = {
        "ours": lambda: cpu_seconds_each(workload.new_user, range(count)),
        "nats-jwt": lambda: cpu_seconds_each(workload.nats_jwt_new_user, range(few)),
    }
    if isinstance(peer, Path):
        contenders["go"] = lambda: go_peer.cpu_seconds_each(peer, "issue", count)
    each = {name: least[0] for name, least in interleaved(contenders, 15, of=min).items()}
    ours = rate(each["ours"])
    return [
        Row(WHAT, ours, f"Go library {rate(each['go'])}", each["go"] / each["ours"], at_least=1.5)
        if "go" in each
        else Row(WHAT, ours, f"Go library {peer}"),
        Row(WHAT, ours, f"nats-jwt {rate(each['nats-jwt'])}", each["nats-jwt"] / each["ours"]),
    ]
