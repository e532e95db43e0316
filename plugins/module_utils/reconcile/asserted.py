# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What the assert_server_version of an operator lets servers ignore in the accounts and users of a plan. Few operators have one."""

from __future__ import annotations

from typing import Iterator, Mapping

from ..claims import Claims, User
from ..claims.options import Problem, read_options
from ..rules.server_versions import newer_options, not_enforced_by_all
from .verdict import Verdict
from .wanted import ABSENT, EXISTING, Wanted, WantedAccount, join


def check_asserted_version(wanted: Wanted, operator: Claims, accounts: Mapping[str, Claims]) -> Verdict:
    """Which claims not every server that may run enforces: those of the accounts that are issued here, by name, and of wanted users."""
    titles = [*((f"account {name}", claims) for name, claims in accounts.items()), *_users(wanted.accounts)]
    found = not_enforced_by_all(titles, operator.body.assert_server_version)
    own = wanted.operator
    if own is not None and own.state != EXISTING:
        return Verdict(warnings=tuple(Problem(join(own.place, "assert_server_version"), text) for text in found))
    whose = f"assert_server_version of the operator {operator.name or operator.subject}"
    return Verdict(warnings=tuple(Problem("", f"{whose} {text}") for text in found))


def _users(accounts: list[WantedAccount]) -> Iterator[tuple[str, Claims]]:
    """The users that say something newer, by their options: no more of them is read. What is wrong in it is reported elsewhere."""
    names = newer_options()
    for account in accounts:
        for user in account.users:
            said = (
                {word: value for word, value in user.options.items() if word in names} if user.state != ABSENT else {}
            )
            if any(said.values()):
                yield f"user {account.name}/{user.name}", Claims(name=user.name, body=read_options(User, said, "", []))
