# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Claims of the accounts and users of a plan that servers may ignore, given the operator's assert_server_version. Few operators set it."""

from __future__ import annotations

from typing import Iterator, Mapping

from ..claims import Claims, User
from ..claims.options import Problem, read_options
from ..rules.server_versions import newer_options, not_enforced_by_all
from .verdicts import Verdict
from .wanted import ABSENT, EXISTING, Wanted, WantedAccount, join


def check_asserted_version(wanted: Wanted, operator: Claims, accounts: Mapping[str, Claims]) -> Verdict:
    """Warnings for claims that not every permitted server version enforces, in the accounts that are issued (by name) and in the wanted users."""
    titles = [*((f"account {name}", claims) for name, claims in accounts.items()), *_users(wanted.accounts)]
    found = not_enforced_by_all(titles, operator.body.assert_server_version)
    own = wanted.operator
    if own is not None and own.state != EXISTING:
        return Verdict(warnings=tuple(Problem(join(own.place, "assert_server_version"), text) for text in found))
    whose = f"assert_server_version of the operator {operator.name or operator.subject}"
    return Verdict(warnings=tuple(Problem("", f"{whose} {text}") for text in found))


def _users(accounts: list[WantedAccount]) -> Iterator[tuple[str, Claims]]:
    """The wanted users that set one of the newer options. Only these options are read; their errors are reported elsewhere."""
    names = newer_options()
    for account in accounts:
        for user in account.users:
            said = (
                {word: value for word, value in user.options.items() if word in names} if user.state != ABSENT else {}
            )
            if any(said.values()):
                yield f"user {account.name}/{user.name}", Claims(name=user.name, body=read_options(User, said, "", []))
