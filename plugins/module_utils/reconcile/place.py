# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The existing tokens, independent of where they are stored. The engine knows paths only for messages.

A place has only the operator and accounts that `trust.verify` accepted as ours.
"""

from __future__ import annotations

import dataclasses
from typing import Mapping, NamedTuple, Protocol

from ..claims import Claims
from ..claims.options import Problem

#: The fault of a file that has other text around its token.
SURROUNDED = "its file has content other than the JWT"
CREDS_SURROUNDED = "the creds file holds content other than the JWT and the seed"


@dataclasses.dataclass
class Found:
    """An existing token with a verified signature."""

    token: str
    claims: Claims
    fault: str = ""  # why the file has to be corrected; empty if it has exactly this token
    #: The claims in the file, if the token on record is newer. They are ours too: another program may have issued them at the same time.
    older: Claims | None = None


class Revoked(NamedTuple):
    """The key of a user, or a signing key, that was revoked by its name in an account."""

    key: str
    account: str
    user: str = ""
    role: str = ""


@dataclasses.dataclass
class Record:
    """The state that an earlier run recorded in the keystore, where only those with access to the keys can write.

    If `operator` is empty, nothing is on record.
    """

    operator: str = ""
    is_managed: bool = False
    operator_token: str = ""
    accounts: dict[str, str] = dataclasses.field(default_factory=dict)  # tokens by account name
    roles: dict[str, dict[str, str]] | None = None
    removed: frozenset[str] = frozenset()  # the public keys that were removed
    revoked: frozenset[Revoked] = frozenset()  # keys that were revoked by name
    removed_names: Mapping[str, str] = dataclasses.field(default_factory=dict)  # ACCOUNT or ACCOUNT/USER by removed key


@dataclasses.dataclass
class Trust:
    """The verified tokens of a place, and the keys that verify the tokens below them. Returned by `trust.verify`."""

    record: Record
    operator: Found | None = None
    accounts: dict[str, Found] = dataclasses.field(default_factory=dict)
    operator_keys: frozenset[str] = frozenset()
    account_keys: dict[str, frozenset[str]] = dataclasses.field(default_factory=dict)
    unverified: set[str] = dataclasses.field(
        default_factory=set
    )  # accounts that cannot be verified, together with their users
    is_first: bool = False  # nothing has ever been on record
    replaced: str = ""  # the operator on record, if the document names another one
    is_managed: bool = False
    roles: dict[str, dict[str, str]] = dataclasses.field(
        default_factory=dict
    )  # signing keys by role, by the public key of their owner
    roles_fault: str = ""  # why the roles file is rewritten
    problems: list[Problem] = dataclasses.field(default_factory=list)

    def problem(self, path: str, message: str) -> None:
        """Add a problem."""
        self.problems.append(Problem(path, message))


class UserFiles(NamedTuple):
    """The names of an account's users that have a JWT, in order, and of those that have a creds file."""

    users: Mapping[str, None] = {}
    creds: frozenset[str] = frozenset()


class Place(Protocol):
    """A source of tokens and creds, with the recorded state."""

    operator: Found | None
    accounts: dict[str, Found]
    #: The keys of roles without a scope, which JWTs do not contain, by the public key of their owner.
    roles: dict[str, dict[str, str]]
    #: A managed store, created by nsc without the operator's key: accounts are self-signed until the operator signs them elsewhere.
    is_managed: bool
    problems: list[Problem]
    #: The result of the verification; None if the tokens are not verified.
    trust: Trust | None

    @property
    def started(self) -> dict[str, dict[str, str]]:
        """The keys that an interrupted run began to create: by the label of their placeholder, then by type."""

    def user_files(self, account: str) -> UserFiles:
        """The users of an account that have files."""

    def user_text(self, account: str, user: str) -> str | None:
        """The text of a user's JWT file; None if there is no file."""

    def read_user(self, account: str, user: str) -> Found | Problem | None:
        """The verified token of a user; a problem if its file has something else; None if there is no file."""

    def creds_text(self, account: str, user: str) -> str | None:
        """The text of a creds file; None if there is no file."""

    def where(self, account: str = "", user: str = "", creds: bool = False) -> str:
        """The path of the JWT of the operator, an account or a user, or of the creds of a user."""

    def file_reasons(self, path: str) -> tuple[str, ...]:
        """The reasons to correct the mode of a file or folder."""
