# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The outcome of a task for each account, also if the task fails half-way."""

from __future__ import annotations

import dataclasses
from typing import Any, Iterable

from ..base.errors import NatsSecurityError
from . import plan
from .servers import Cluster, describe_server


@dataclasses.dataclass
class Account:
    """The outcome for one account. `action` is `unchanged`, `pushed`, `removed`, `absent` or `extra`, in check mode what would be done.

    After a failure, it can also be `not pushed`, `not removed`, or `unknown` if servers did not answer the request. `servers` has the state of the
    account by server name.
    """

    public_key: str
    name: str
    action: str
    reasons: list[str]
    servers: dict[str, str]


@dataclasses.dataclass
class Outcome:
    """The outcome for all accounts. `before` and `after` are the claims of those that changed, by public key."""

    cluster: Cluster
    accounts: list[Account] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)
    before: dict[str, Any] = dataclasses.field(default_factory=dict)
    after: dict[str, Any] = dataclasses.field(default_factory=dict)

    def add_warnings(self, warnings: Iterable[str]) -> None:
        """Add warnings that are not there yet."""
        self.warnings += [warning for warning in dict.fromkeys(warnings) if warning not in self.warnings]

    @property
    def changed(self) -> bool:
        """Whether anything was or would be changed."""
        return any(account.action in ("pushed", "removed") for account in self.accounts)


def describe_outcome(outcome: Outcome) -> dict[str, Any]:
    """The outcome as the result of a module."""
    return {
        "changed": outcome.changed,
        "accounts": [dataclasses.asdict(account) for account in outcome.accounts],
        "servers": [describe_server(server) for server in outcome.cluster.servers],
    }


class ClusterError(NatsSecurityError):
    """A change was not applied by every server. `outcome` has the state of all accounts so far."""

    def __init__(self, message: str, outcome: Outcome) -> None:
        super().__init__(message)
        self.outcome = outcome


def say_progress(outcome: Outcome) -> str:
    """The progress of the changes, as a sentence for a message."""
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
    return f"Of {sum(count.values())} accounts to change, {', '.join(told)}; still to be done: {plan.shortened(names)}."


def title_of(public_key: str, name: str) -> str:
    """The account's name and public key for a message."""
    return f"{name} ({public_key})" if name else public_key


def shorten(problems: list[str]) -> list[str]:
    """The first ten problems without duplicates, and a sentence with the number of the others."""
    told = list(dict.fromkeys(problems))
    return told[:10] + ([f"The same applies to {len(told) - 10} more."] if len(told) > 10 else [])
