# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""User tokens, decoded into claims and verified."""

from __future__ import annotations

from pathlib import Path

import go_peer
import workload
from measure import Row, cpu_seconds_each, interleaved, rate

from ansible_collections.natsops.security.plugins.module_utils.token.codec import decode

WHAT = "token decoded + verified"


def rows(scratch: Path) -> list[Row]:
    """Against the Go library and nats-jwt."""
    tokens = [workload.new_user(number)[1] for number in range(workload.COUNT)]
    few = tokens[: workload.NATS_JWT_COUNT]
    peer = go_peer.build(scratch)
    contenders = {
        "ours": lambda: cpu_seconds_each(decode, tokens),
        "nats-jwt": lambda: cpu_seconds_each(workload.nats_jwt_read, few),
    }
    if isinstance(peer, Path):
        contenders["go"] = lambda: go_peer.cpu_seconds_each(peer, "decode", len(tokens))
    each = {name: least[0] for name, least in interleaved(contenders, 15, of=min).items()}
    ours = rate(each["ours"])
    return [
        Row(WHAT, ours, f"Go library {rate(each['go'])}", each["go"] / each["ours"], at_least=0.8)
        if "go" in each
        else Row(WHAT, ours, f"Go library {peer}"),
        Row(WHAT, ours, f"nats-jwt {rate(each['nats-jwt'])}", each["nats-jwt"] / each["ours"]),
    ]
