# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What a task asks for: an operator, accounts and users by name, with the options that describe their claims. A single entity is one of these alone.

`place` is where an entity stands in the document, for messages: `accounts[1] (APP)`, empty for the entity of a module of its own.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Sequence

PRESENT, ABSENT, EXISTING = "present", "absent", "existing"
#: The options of every token beside its claims: its envelope, and when it ends and is renewed.
ENVELOPE = ("audience", "not_before")
POLICY = ("expires_in", "expires_at", "renew_before", "renew_spread", "force")
#: The words of the document beside those of the claims, by what they are said of.
OPERATOR_WORDS = (
    "name",
    "public_key",
    "state",
    "signing_keys",
    "system_account",
    "remove_signing_keys",
    *ENVELOPE,
    *POLICY[:4],
)
ACCOUNT_WORDS = (
    "name",
    "public_key",
    "state",
    "renamed_from",
    "signing_key_role",
    "signing_keys",
    "users",
    "remove_signing_keys",
    "remove_revocations",
    *ENVELOPE,
    *POLICY[:4],
)
USER_WORDS = ("name", "public_key", "state", "renamed_from", "signing_key_role", "creds", *ENVELOPE, *POLICY[:4])
SIGNING_KEY_WORDS = ("role", "public_key")


@dataclasses.dataclass
class WantedKey:
    """A signing key: by role, by public key (or the placeholder of a new one), or both."""

    place: str
    role: str
    key: str
    options: dict[str, Any]  # template and description


@dataclasses.dataclass
class WantedUser:
    """A user. Its claims are read when they are needed: there may be very many."""

    __slots__ = ("creds", "index", "key", "name", "options", "renamed_from", "role", "state")

    index: int
    name: str
    key: str
    role: str
    state: str
    creds: bool
    options: dict[str, Any]
    renamed_from: str  # the name that it had before, empty for none


@dataclasses.dataclass(frozen=True)
class WantedRevocation:
    """An entry of a list of revocations: of a user or, with an export, of an importing account. By name, public key or `*`; `at` in unix seconds, or NOW."""

    place: str
    name: str
    at: int
    export: str = ""  # the name or the subject of the export; empty for users


@dataclasses.dataclass(frozen=True)
class RevocationChange:
    """What changes in the revocations of an account that is otherwise taken as it is found.

    With `absent` the entries are removed. `longest_life` is the longest time, in seconds, that a token of the account was ever issued for: entries that
    cover nothing younger are removed too; None removes none.
    """

    entries: list[WantedRevocation]
    absent: bool = False
    longest_life: int | None = None


@dataclasses.dataclass
class WantedAccount:
    """An account with its signing keys and users. An existing one is taken as it is found; only its users are managed, and what `change` says."""

    place: str
    name: str
    key: str
    role: str  # that of the operator's key that signs it
    state: str
    signing_keys: list[WantedKey]
    users: list[WantedUser]
    options: dict[str, Any]
    remove_signing_keys: list[str] = dataclasses.field(default_factory=list)
    remove_revocations: list[str] = dataclasses.field(default_factory=list)
    change: RevocationChange | None = None  # of an existing account
    renamed_from: str = ""  # the name that it had before

    @property
    def curve_role(self) -> str:
        """The role of the curve key of the auth callout, where the document names one in place of a public key."""
        authorization = self.options.get("authorization")
        xkey = authorization.get("xkey") if isinstance(authorization, dict) else None
        role = xkey.get("role") if isinstance(xkey, dict) and len(xkey) == 1 else None
        return role if isinstance(role, str) else ""

    def user_place(self, user: WantedUser) -> str:
        """Where a user stands in the document."""
        return f"{self.place}.users[{user.index}] ({user.name})" if self.place else ""


@dataclasses.dataclass
class WantedOperator:
    """The operator. An existing one is taken as it is found."""

    place: str
    name: str
    key: str
    state: str
    system_account: str
    signing_keys: list[WantedKey]
    options: dict[str, Any]
    remove_signing_keys: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Rotation:
    """A phase of the rotation of a signing key, of an account, or with an empty name of the operator; or of the key of a user of an account; or, without
    role and user, of the operator's identity key.

    Without `key` it is the one that signs, or that the user has, now. `following` is the key that comes, where its seed is elsewhere; otherwise it is made.
    """

    place: str
    account: str
    role: str
    phase: str
    key: str = ""
    following: str = ""
    user: str = ""  # of a user, in place of a role

    @property
    def is_of_operator(self) -> bool:
        """Whether it is of the operator's identity key."""
        return not (self.account or self.role or self.user)

    @property
    def slot(self) -> str:
        """What has the key, for messages about signing keys and the operator's identity key."""
        return f"the role {self.role}" if self.role else "the operator's identity"


@dataclasses.dataclass
class WantedActivation:
    """An activation of an export of an account, alone: for the importing account's key, or its placeholder."""

    account: str
    importer: str
    name: str
    found: str | None  # the token that is there
    options: dict[str, Any]


@dataclasses.dataclass
class Wanted:
    """Everything that a task asks for. Without an operator the accounts are under one of which nothing is known."""

    operator: WantedOperator | None
    accounts: list[WantedAccount]
    rotations: Sequence[Rotation] = ()


@dataclasses.dataclass(frozen=True)
class How:
    """How a plan is made: `prune` removes what the document does not name, `diff` describes claims before and after.

    `details` keeps the decision for each user in the plan. `cut_off` lets signing keys go though users have JWTs of them.
    `may_come` is for single entities in check mode, where an earlier task of the play may be about to make what is missing: then that is a warning.
    """

    now: int
    prune: bool = False
    diff: bool = False
    may_come: bool = False
    details: bool = False
    cut_off: bool = False


def join(place: str, path: str) -> str:
    """The place of what is at a path within an entity."""
    return f"{place}.{path}" if place and path else place or path
