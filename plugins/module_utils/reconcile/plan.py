# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The plan: the claims and the signer of every token, what is written, what is removed, and why. It is the same in check mode."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple, Sequence

from ..claims import Claims
from ..claims.options import Problem
from ..decision.issue import Decision
from ..keys.new import NewKey, NewToken
from .names import Names
from .place import Found, Revoked
from .verdicts import Verdict

CREATED, CHANGED, KEPT, EXTRA, REMOVED = "created", "changed", "kept", "extra", "removed"


class Entity(NamedTuple):
    """What happens to one entity."""

    kind: str  # operator, account, user, signing_key, identity_key, curve_key, user_key, activation or store
    name: str
    account: str
    action: str
    reasons: tuple[str, ...]
    public_key: str
    expires: int


@dataclasses.dataclass
class Step:
    """What happens to the token of an operator or an account, or to the single user or activation of a module."""

    found: Found | None
    decision: Decision
    issuer: str
    writes_token: bool
    #: The activations that are signed for the imports, by their placeholders.
    activations: dict[NewToken, ActivationStep] = dataclasses.field(default_factory=dict)

    @property
    def is_issued(self) -> bool:
        """Whether a new token is signed."""
        return not self.decision.is_kept

    @property
    def claims(self) -> Claims:
        """The claims of the token that is kept or issued."""
        return self.decision.claims


class ActivationStep(NamedTuple):
    """An activation token that is signed together with the account that imports with it."""

    claims: Claims
    issuer: str


class Usual(NamedTuple):
    """Which files of a user have no other text than this collection writes, so that they need not be read again before they are replaced."""

    token: bool = False
    creds: bool = False


class UserStep(NamedTuple):
    """A user whose files are written. `claims` are those of a new token, None if the existing token is kept."""

    name: str
    subject: str
    issuer: str
    claims: Claims | None
    token: str | None
    writes_token: bool
    writes_creds: bool
    has_creds: bool
    #: Whether the existing creds file, which has a previous key of the user, is archived.
    archives_creds: bool = False
    #: The existing files that are exactly as this collection writes them, for `token` and for the seed in the keystore.
    is_usual: Usual = Usual()


class Removal(NamedTuple):
    """What is removed: a user of an account, a whole account, or the seed of a signing key. Without `keys`, only the JWT of a user is removed.

    With `keeps_files`, only the seed of a previous key of the user is removed; the JWT and creds of the user stay.
    """

    account: str
    user: str
    keys: Sequence[str]
    is_account: bool = False
    keeps_files: bool = False


class Exposed(NamedTuple):
    """What a compromised key gave access to: users and accounts by name, and activations as IMPORTER/SUBJECT.

    `since` is the issue time of the oldest JWT that the key has signed, or that names it, in unix seconds, 0 if there is none. `oldest` is this JWT.
    """

    key: str
    users: list[str]
    activations: list[str]
    accounts: list[str]
    since: int
    oldest: str


class Revocation(NamedTuple):
    """What happens to one revocation: `added`, `moved`, `kept`, `removed`, `expired` (removed because it no longer covers anything) or `absent`.

    `at` and `before` are in unix seconds, None if there is no entry. `reissued` is the time of issue of a token that the entry does not cover, 0 for none.
    """

    export: str
    public_key: str
    name: str
    action: str
    at: int | None
    before: int | None
    reissued: int = 0
    is_asked: bool = False  # whether the task names the entry


@dataclasses.dataclass
class Plan:
    """All changes to make, with the reasons. A plan with problems is not applied."""

    now: int
    names: Names
    operator: Step | None = None
    accounts: dict[str, Step] = dataclasses.field(default_factory=dict)
    users: dict[str, list[UserStep]] = dataclasses.field(default_factory=dict)  # by account
    user_keys: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)
    kept_users: dict[str, list[str]] = dataclasses.field(default_factory=dict)  # by account; other users have an entity
    details: dict[tuple[str, str], Decision] = dataclasses.field(
        default_factory=dict
    )  # by account and user, if requested by `How.details`
    activation: Step | None = None  # of a module that issues a single activation
    removals: list[Removal] = dataclasses.field(default_factory=list)
    revocations: list[Revocation] = dataclasses.field(default_factory=list)  # of accounts of which only these change
    lost_signing_keys: list[str] = dataclasses.field(
        default_factory=list
    )  # of the same accounts, including keys that are already removed
    exposed: dict[str, Exposed] = dataclasses.field(default_factory=dict)  # by the place of the rotation
    #: The keys that are revoked by name, recorded so that a later run knows which key a name had.
    notes: list[Revoked] = dataclasses.field(default_factory=list)
    entities: list[Entity] = dataclasses.field(default_factory=list)
    problems: list[Problem] = dataclasses.field(default_factory=list)
    warnings: list[Problem] = dataclasses.field(default_factory=list)
    before: dict[str, Any] = dataclasses.field(default_factory=dict)
    after: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def changes(self) -> bool:
        """Whether the plan changes anything."""
        return any(entity.action not in (KEPT, EXTRA) for entity in self.entities)

    def summary(self) -> dict[str, int]:
        """The number of entities by action."""
        counted = dict.fromkeys((CREATED, CHANGED, KEPT, EXTRA, REMOVED), 0)
        for entity in self.entities:
            counted[entity.action] += 1
        counted[KEPT] += sum(map(len, self.kept_users.values()))
        return counted

    def new_keys(self) -> list[NewKey]:
        """The placeholders of the keys that have to be created, each once."""
        return list(dict.fromkeys(key for key in self.named_keys() if isinstance(key, NewKey)))

    def named_keys(self) -> list[str]:
        """The keys of everything that the plan is about, and the placeholders of those that have to be created."""
        named = [
            self.names.operator,
            self.names.following_operator,
            *self.names.operator_roles.values(),
            *self.names.accounts.values(),
        ]
        following = [generations.next for generations in self.names.generations.values()]
        curves = self.names.curves.values()
        for keys in (*self.names.roles.values(), *following, *curves, *self.user_keys.values()):
            named.extend(keys.values())
        return named

    def issuers(self) -> list[str]:
        """The keys that sign the new tokens, each once. Keys that do not exist yet are placeholders."""
        steps = [step for step in (self.operator, *self.accounts.values(), self.activation) if step is not None]
        issued = [step for step in steps if step.is_issued]
        keys = [step.issuer for step in issued]
        keys += [activation.issuer for step in issued for activation in step.activations.values()]
        keys += [user.issuer for users in self.users.values() for user in users if user.claims is not None]
        return list(dict.fromkeys(keys))

    def add(self, verdict: Verdict) -> None:
        """Add the problems and warnings of a verdict."""
        self.problems += verdict.problems
        self.warnings += verdict.warnings
