# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What became of the accounts of a task, also where it fails half-way."""

from __future__ import annotations

import dataclasses
from typing import Any, Iterable

from ..base.errors import NatsSecurityError
from . import plan
from .servers import Cluster, describe_server


@dataclasses.dataclass
class Account:
    """What became of one account: `unchanged`, `pushed`, `removed`, `absent` or `extra`; in check mode what would become of it.

    After a failure also `not pushed` and `not removed`, and `unknown` where servers were asked for it and did not answer.
    """

    public_key: str
    name: str
    action: str
    reasons: list[str]
    servers: dict[str, str]


@dataclasses.dataclass
class Outcome:
    """What became of all accounts; `before` and `after` are the claims of those that changed."""

    cluster: Cluster
    accounts: list[Account] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)
    before: dict[str, Any] = dataclasses.field(default_factory=dict)
    after: dict[str, Any] = dataclasses.field(default_factory=dict)

    def add_warnings(self, warnings: Iterable[str]) -> None:
        """Warn of these, of each once."""
        self.warnings += [warning for warning in dict.fromkeys(warnings) if warning not in self.warnings]

    @property
    def changed(self) -> bool:
        """Whether anything was or would be changed."""
        return any(account.action in ("pushed", "removed") for account in self.accounts)


def describe_outcome(outcome: Outcome) -> dict[str, Any]:
    """An outcome as a result."""
    return {
        "changed": outcome.changed,
        "accounts": [dataclasses.asdict(account) for account in outcome.accounts],
        "servers": [describe_server(server) for server in outcome.cluster.servers],
    }


class ClusterError(NatsSecurityError):
    """A change that not every server took; with what became of all accounts as far as it was tried."""

    def __init__(self, message: str, outcome: Outcome) -> None:
        super().__init__(message)
        self.outcome = outcome


def say_progress(outcome: Outcome) -> str:
    """How far the changes have come, in words."""
    count = dict.fromkeys(("pushed", "removed", "unknown", "not pushed", "not removed"), 0)
    for account in outcome.accounts:
        if account.action in count:
            count[account.action] += 1
    told = [
        f"{number} {'of unknown state' if action == 'unknown' else action}"
        for action, number in count.items()
        if number
    ]
    left = [account for account in outcome.accounts if account.action in ("unknown", "not pushed", "not removed")]
    names = [title_of(account.public_key, account.name) for account in left]
    return f"Of {sum(count.values())} accounts to change, {', '.join(told)}; to be done again: {plan.shortened(names)}."


def title_of(public_key: str, name: str) -> str:
    """What to call an account in a message."""
    return f"{name} ({public_key})" if name else public_key


def shorten(problems: list[str]) -> list[str]:
    """The first of many problems."""
    told = list(dict.fromkeys(problems))
    return told[:10] + ([f"The same holds for {len(told) - 10} more."] if len(told) > 10 else [])
