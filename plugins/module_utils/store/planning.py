# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What a plan consists of, and what those that make it share: how it is decided who signs, and how people are told."""

from __future__ import annotations

import dataclasses
import re
from typing import Any, Callable, NamedTuple

from ..base import units
from ..base.errors import NatsSecurityError
from ..base.quick_dataclass import dataclass
from ..claims import Claims, Operator
from ..claims.options import Problem
from ..decision.issue import Decision, Policy, decide
from ..disk.files import FILE_MODE, FOLDER_MODE
from .document import AccountWish, Document, Keys, UserWish
from .layout import Keyring, Layout, Store, Stored, UserFiles

CREATED, CHANGED, KEPT, EXTRA, REMOVED = "created", "changed", "kept", "extra", "removed"
_KEY = re.compile(r"[OAU][A-Z2-7]{55}")


class Entity(NamedTuple):
    """What happens to one thing, as people are told it."""

    kind: str  # operator, account, user, signing_key, activation or store
    name: str
    account: str
    action: str
    reasons: tuple[str, ...]
    public_key: str
    expires: int


class UserPlan(NamedTuple):
    """A user whose files are written."""

    wish: UserWish
    issuer: str
    issued_after: int
    is_scoped: bool
    is_new: bool
    is_issued: bool
    writes_token: bool
    writes_creds: bool
    found: int  # the hash of the text of its JWT file, to see whether it is still the same
    has_creds: bool


@dataclass
class Removal:
    """What goes to the archive: a user of an account, or a whole account, or the seed of a signing key."""

    account: str
    user: str = ""
    keys: list[str] = dataclasses.field(default_factory=list)
    is_account: bool = False


@dataclass
class ActivationPlan:
    """An activation token that an import needs and does not have yet."""

    index: int
    exporter: str
    wanted: Claims
    existing: str | None
    issuer: str
    policy: Policy


@dataclass
class AccountPlan:
    """An account of the document."""

    wish: AccountWish
    stored: Stored | None
    files: UserFiles = dataclasses.field(default_factory=UserFiles)  # only while its users are planned
    is_issued: bool = False
    writes_token: bool = False
    issuer: str = ""
    policy: Policy = dataclasses.field(default_factory=Policy)
    revoked: dict[str, int] = dataclasses.field(default_factory=dict)
    tokens: dict[int, str] = dataclasses.field(default_factory=dict)  # activation tokens that stay, by import
    activations: list[ActivationPlan] = dataclasses.field(default_factory=list)
    users: list[UserPlan] = dataclasses.field(default_factory=list)


@dataclass
class Plan:
    """Everything that is to be done, and what people are told of it."""

    document: Document
    store: Store
    now: int
    keys: Keys = dataclasses.field(default_factory=Keys)
    operator_is_issued: bool = False
    operator_writes_token: bool = False
    operator_issuer: str = ""
    operator_policy: Policy = dataclasses.field(default_factory=Policy)
    accounts: list[AccountPlan] = dataclasses.field(default_factory=list)
    removals: list[Removal] = dataclasses.field(default_factory=list)
    roles: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)
    modes: list[str] = dataclasses.field(default_factory=list)
    entities: list[Entity] = dataclasses.field(default_factory=list)
    kept_users: dict[str, list[str]] = dataclasses.field(default_factory=dict)  # by account; all others are entities
    problems: list[Problem] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)
    before: dict[str, Any] = dataclasses.field(default_factory=dict)
    after: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def changes(self) -> bool:
        """Whether anything is to be done."""
        return any(entity.action not in (KEPT, EXTRA) for entity in self.entities)

    def summary(self) -> dict[str, int]:
        """How many of each action."""
        counted = dict.fromkeys((CREATED, CHANGED, KEPT, EXTRA, REMOVED), 0)
        for entity in self.entities:
            counted[entity.action] += 1
        counted[KEPT] += sum(map(len, self.kept_users.values()))
        return counted


class Wishes(NamedTuple):
    """How a document is to be applied."""

    prune: bool = False
    diff: bool = False


class Planning:
    """A plan in the making: what there is, what is known by now, and how things are told."""

    def __init__(self, document: Document, store: Store, ring: Keyring, wishes: Wishes, now: int) -> None:
        self.document, self.store, self.ring, self.wishes, self.now = document, store, ring, wishes, now
        self.layout: Layout = store.layout
        self.now_shown = units.show_time(now)
        self.plan = Plan(document, store, now)
        self.keys = self.plan.keys
        self.problems = self.plan.problems
        self.journal = {str(entry.get("for")): str(entry.get("key")) for entry in store.journal}
        self.operator: Operator = Operator()
        self.finals: dict[str, Claims] = {}  # the accounts as they will be
        self.names: dict[str, str] = {}  # of accounts, by key
        self.exporters: dict[str, AccountPlan] = {}
        self.adopted: list[str] = []  # what is put on record of the roles of keys that were there
        self.drafts: dict[str, Claims] = {}  # the accounts without their activations: what others need of them

    def problem(self, path: str, message: str) -> None:
        """Tell what is wrong."""
        self.problems.append(Problem(path, message))

    def add_entity(self, entity: Entity) -> None:
        """Tell what happens."""
        self.plan.entities.append(entity)

    def key_for(self, key_type: str, label: str) -> str:
        """The key of something that has no token: from a run that was killed, or a stand-in for a new one."""
        started = self.journal.get(label)
        if started is not None and self.ring.is_stored(started):
            return started
        return self.keys.stand_in(key_type, label)

    @staticmethod
    def is_exact(stored: Stored | None) -> bool:
        """Whether a file holds a token and nothing else."""
        return stored is not None and stored.is_exact

    def no_seed(self, allowed: list[str]) -> str:
        """Why something cannot be signed."""
        keys = " or ".join(self.keys.described(key) for key in allowed)
        return f"it has to be signed, and the seed of none of the keys that may is here: {keys}."

    def issuer(self, allowed: list[str], stored: Stored | None) -> str:
        """Who is to sign: whoever did, as long as it may."""
        if stored is not None and stored.claims.issuer in allowed:
            return stored.claims.issuer
        return next(
            (key for key in allowed if key in self.keys.new or self.ring.has(key)), allowed[0] if allowed else ""
        )

    def decide(
        self, path: str, file: str, wanted: Claims, stored: Stored | None, allowed: list[str], policy: Policy
    ) -> tuple[Decision, str] | None:
        """The decision, with the key that signs; None with a problem where no key that may sign is at hand."""
        if not allowed:
            self.problem(
                path, "no key may sign it: the operator is strict (strict_signing_key_usage) and has no signing key."
            )
            return None
        issuer = self.issuer(allowed, stored)
        existing = stored.token if stored is not None else None
        try:
            decision = decide(wanted, existing, issuer, policy, self.now)
            if not decision.is_kept and issuer not in self.keys.new and not self.ring.has(issuer):
                at_hand = [key for key in allowed if key in self.keys.new or self.ring.has(key)]
                if not at_hand:
                    self.problem(
                        path, self.no_seed(allowed) + " " + "; ".join(self.readable(tuple(decision.reasons))) + "."
                    )
                    return None
                issuer = at_hand[0]
                decision = decide(wanted, existing, issuer, policy, self.now)
        except NatsSecurityError as error:
            self.problem(file, str(error))
            return None
        self.plan.warnings.extend(f"{path}: {warning}" for warning in decision.warnings)
        return decision, issuer

    def tell(
        self, kind: str, name: str, account: str, decision: Decision, stored: Stored | None, file: str, where: str
    ) -> None:
        """Tell of a decision."""
        reasons = self.readable(tuple(decision.reasons))
        files = self.token_file_reasons(file, stored is None or stored.is_exact)
        action = CREATED if stored is None else CHANGED if reasons or files else KEPT
        expires = 0 if reasons else decision.claims.expires
        self.add_entity(Entity(kind, name, account, action, (*reasons, *files), decision.claims.subject, expires))
        if reasons and self.wishes.diff:
            self.diff(where, decision)

    def diff(self, where: str, decision: Decision) -> None:
        """Show the claims before and after."""
        before = decision.before
        # A time that stands there already is not that of this run, even in the same second.
        words = self.key_words if self.now_shown in str(before) else self.words
        self.plan.before[where] = before
        self.plan.after[where] = self.rename(decision.after, words)

    def readable(self, reasons: tuple[str, ...]) -> tuple[str, ...]:
        """Reasons with words in place of stand-ins and of the time of this run, so that check mode has the same."""
        return tuple(map(self.words, reasons))

    def words(self, text: str) -> str:
        """The text in words that are the same in check mode."""
        return self.key_words(text.replace(self.now_shown, "now"))

    def key_words(self, text: str) -> str:
        """The text with words in place of stand-ins."""
        return _KEY.sub(lambda match: self.keys.described(match.group()), text) if self.keys.new else text

    def rename(self, value: Any, words: Callable[[str], str]) -> Any:
        """The same in what is shown of claims."""
        if isinstance(value, str):
            return words(value) if len(value) in (20, 56) else value
        if isinstance(value, list):
            return [self.rename(item, words) for item in value]
        if isinstance(value, dict):
            return {self.rename(key, words): self.rename(item, words) for key, item in value.items()}
        return value

    def token_file_reasons(self, path: str, is_exact: bool) -> tuple[str, ...]:
        """Why the file of a token is put right though the token stays."""
        return self.file_reasons(path) + (() if is_exact else ("its file has something around the JWT",))

    def file_reasons(self, path: str) -> tuple[str, ...]:
        """Why the mode of a file or folder is put right."""
        mode = self.store.modes.get(path)
        if mode is None:
            return ()
        right = FILE_MODE if path.endswith((".jwt", ".creds", ".nk", ".nsc")) else FOLDER_MODE
        return (
            f"mode of {path[len(self.layout.stores_dir) + 1 :] if path.startswith(self.layout.stores_dir) else path}: {mode:04o} -> {right:04o}",
        )
