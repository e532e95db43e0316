# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What is found, wherever it lies: the engine knows no path but those that it is given for messages."""

from __future__ import annotations

import dataclasses
from typing import Mapping, NamedTuple, Protocol

from ..claims import Claims
from ..claims.options import Problem


@dataclasses.dataclass
class Found:
    """A token that is there, its signature verified."""

    token: str
    claims: Claims
    is_exact: bool = True  # its file holds the token and nothing else


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
