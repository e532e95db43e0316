# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What a task asks for: an operator, accounts and users by name, with the options that describe their claims. Modules for a single entity use the
same types.

`place` is the position of an entity in the document, for messages: `accounts[1] (APP)`. It is empty in modules for a single entity.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Sequence

if TYPE_CHECKING:
    from ..rules.running import RunningCluster

PRESENT, ABSENT, EXISTING = "present", "absent", "existing"
#: The options of every token that are not in its body: its envelope, and its expiry and renewal.
ENVELOPE = ("audience", "not_before")
POLICY = ("expires_in", "expires_at", "renew_before", "renew_spread", "force")
#: The options of the document in addition to those of the claims, by kind of entity.
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
    """A user. Its claims are read only when needed, because there may be very many users."""

    __slots__ = ("creds", "index", "key", "name", "options", "renamed_from", "role", "state")

    index: int
    name: str
    key: str
    role: str
    state: str
    creds: bool
    options: dict[str, Any]
    renamed_from: str  # the previous name, empty for none


@dataclasses.dataclass(frozen=True)
class WantedRevocation:
    """A revocation of a user or, with `export`, of an importing account. `name` is a name, a public key or `*`; `at` is in unix seconds, or NOW."""

    place: str
    name: str
    at: int
    export: str = ""  # the name or the subject of the export; empty for users


@dataclasses.dataclass(frozen=True)
class RevocationChange:
    """The changes to the revocations of an account that is otherwise used as it is.

    With `absent`, the entries are removed. `longest_life` is the longest validity, in seconds, of any token that the account issued: entries that only
    cover tokens older than this are removed too. None keeps them.
    """

    entries: list[WantedRevocation]
    absent: bool = False
    longest_life: int | None = None


@dataclasses.dataclass
class WantedAccount:
    """An account with its signing keys and users. An account with state existing is used as it is; only its users and `change` are applied."""

    place: str
    name: str
    key: str
    role: str  # the role of the operator's key that signs the account
    state: str
    signing_keys: list[WantedKey]
    users: list[WantedUser]
    options: dict[str, Any]
    remove_signing_keys: list[str] = dataclasses.field(default_factory=list)
    remove_revocations: list[str] = dataclasses.field(default_factory=list)
    change: RevocationChange | None = None  # only with state existing
    renamed_from: str = ""  # the previous name, empty for none

    @property
    def curve_role(self) -> str:
        """The role of the curve key of the auth callout; empty if the document has a public key or nothing there."""
        authorization = self.options.get("authorization")
        xkey = authorization.get("xkey") if isinstance(authorization, dict) else None
        role = xkey.get("role") if isinstance(xkey, dict) and len(xkey) == 1 else None
        return role if isinstance(role, str) else ""

    @property
    def auth_users(self) -> list[str]:
        """The users of the service of the auth callout, by name or public key: a list, or one text."""
        authorization = self.options.get("authorization")
        found = authorization.get("auth_users") if isinstance(authorization, dict) else None
        listed = found if isinstance(found, list) else [found]
        return [one for one in listed if isinstance(one, str)]

    def user_place(self, user: WantedUser) -> str:
        """The place of a user in the document."""
        return f"{self.place}.users[{user.index}] ({user.name})" if self.place else ""


@dataclasses.dataclass
class WantedOperator:
    """The operator. An operator with state existing is used as it is."""

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
    """One phase of the rotation of a key.

    With `role` it is a signing key of the account, or of the operator if `account` is empty. With `user` it is the key of a user of the account. Without
    account, role and user it is the operator's identity key. `key` is the key to replace; it defaults to the current one. `following` is the next key, if
    its seed is elsewhere; if empty, the next key is created here.
    """

    place: str
    account: str
    role: str
    phase: str
    key: str = ""
    following: str = ""
    user: str = ""  # the name of the user, in place of a role
    compromised: bool = False  # whether to report what the key gave access to

    @property
    def is_of_operator(self) -> bool:
        """Whether the operator's identity key is rotated."""
        return not (self.account or self.role or self.user)

    @property
    def slot(self) -> str:
        """The name of the slot, for messages about signing keys and the operator's identity key."""
        return f"the role {self.role}" if self.role else "the operator's identity"


@dataclasses.dataclass
class WantedActivation:
    """A single activation for an export of an account. `importer` is the public key of the importing account, or its placeholder."""

    account: str
    importer: str
    name: str
    found: str | None  # the existing token
    options: dict[str, Any]


@dataclasses.dataclass
class Wanted:
    """Everything that a task asks for. Without `operator`, nothing is known about the operator of the accounts."""

    operator: WantedOperator | None
    accounts: list[WantedAccount]
    rotations: Sequence[Rotation] = ()
    running: RunningCluster | None = None  # what runs, as far as the task knows it
    strict_phase: str = ""  # the phase on the way to strict_signing_key_usage, see `strict_phases.py`; empty for none


@dataclasses.dataclass(frozen=True)
class How:
    """How a plan is made: `now` is the time in unix seconds, `prune` removes what the document does not name, `diff` describes claims before and after.

    `details` keeps the decision on each user in the plan. `cut_off` allows the removal of signing keys that signed JWTs in use.
    `may_come` is for single entities in check mode: something missing is only a warning, because an earlier task of the play may be about to create it.
    """

    now: int
    prune: bool = False
    diff: bool = False
    may_come: bool = False
    details: bool = False
    cut_off: bool = False


def join(place: str, path: str) -> str:
    """The place of a path within an entity."""
    return f"{place}.{path}" if place and path else place or path
