# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What is found, wherever it lies: the engine knows no path but those that it is given for messages.

A place has of its operator and accounts only what `trust.verify` left: what is ours.
"""

from __future__ import annotations

import dataclasses
from typing import Mapping, NamedTuple, Protocol

from ..claims import Claims
from ..claims.options import Problem

#: The fault of a file that holds a token and more.
SURROUNDED = "its file has something around the JWT"


@dataclasses.dataclass
class Found:
    """A token that is there, its signature verified."""

    token: str
    claims: Claims
    fault: str = ""  # why its file does not hold the token and nothing else; empty where it does
    #: What the file has in the place of a newer token on record. Ours as well: another program may have issued it at the same time.
    older: Claims | None = None


class Revoked(NamedTuple):
    """The key of a user, or of a signing key, that was revoked by its name in an account."""

    key: str
    account: str
    user: str = ""
    role: str = ""


@dataclasses.dataclass
class Record:
    """What an earlier run left, recorded where only who has the keys can write. Without an operator's public key nothing is on record."""

    operator: str = ""
    is_managed: bool = False
    operator_token: str = ""
    accounts: dict[str, str] = dataclasses.field(default_factory=dict)  # tokens, by the names of accounts
    roles: dict[str, dict[str, str]] | None = None
    removed: frozenset[str] = frozenset()  # the public keys that were removed
    revoked: frozenset[Revoked] = frozenset()  # what was revoked by name
    removed_names: Mapping[str, str] = dataclasses.field(default_factory=dict)  # of those keys, ACCOUNT or ACCOUNT/USER


@dataclasses.dataclass
class Trust:
    """What of a place is ours, and the keys that prove it of what is below. `trust.verify` makes it."""

    record: Record
    operator: Found | None = None
    accounts: dict[str, Found] = dataclasses.field(default_factory=dict)
    operator_keys: frozenset[str] = frozenset()
    account_keys: dict[str, frozenset[str]] = dataclasses.field(default_factory=dict)
    unverified: set[str] = dataclasses.field(
        default_factory=set
    )  # accounts of which nothing can be said, users included
    is_first: bool = False  # nothing has ever been on record
    replaced: str = ""  # the operator on record, where the document names another one
    is_managed: bool = False
    roles: dict[str, dict[str, str]] = dataclasses.field(
        default_factory=dict
    )  # of signing keys, by the public key of their owner
    roles_fault: str = ""  # why the file of roles is written again
    problems: list[Problem] = dataclasses.field(default_factory=list)

    def problem(self, path: str, message: str) -> None:
        """Note what is wrong."""
        self.problems.append(Problem(path, message))


class UserFiles(NamedTuple):
    """The users of an account that have a JWT, in order, and those that have a creds file."""

    users: Mapping[str, None] = {}
    creds: frozenset[str] = frozenset()


class Place(Protocol):
    """Where tokens and creds are, and what is known beside them."""

    operator: Found | None
    accounts: dict[str, Found]
    #: The keys of roles without a scope, which JWTs do not name, by the public key of their owner.
    roles: dict[str, dict[str, str]]
    #: nsc made it without the operator's key: accounts sign themselves, for the operator to sign them elsewhere.
    is_managed: bool
    problems: list[Problem]
    #: Whose the tokens are; None where that is not verified.
    trust: Trust | None

    @property
    def started(self) -> dict[str, dict[str, str]]:
        """The keys that a killed run had begun to make: by the label of their placeholder, and by type."""

    def user_files(self, account: str) -> UserFiles:
        """The users of an account of which there is something."""

    def user_text(self, account: str, user: str) -> str | None:
        """What the file of a user's JWT holds; None where there is none."""

    def read_user(self, account: str, user: str) -> Found | Problem | None:
        """The token of a user, verified; a problem where its file holds something else; None where there is none."""

    def creds_text(self, account: str, user: str) -> str | None:
        """What a creds file holds; None where there is none."""

    def where(self, account: str = "", user: str = "", creds: bool = False) -> str:
        """The file of the operator's, an account's or a user's JWT, or of a user's creds."""

    def file_reasons(self, path: str) -> tuple[str, ...]:
        """Why the mode of a file or folder is to be corrected."""
