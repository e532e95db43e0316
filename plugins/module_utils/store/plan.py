# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What is to be done to a store so that it says what a document says: pure but for reading users' files. No key is made and nothing signed here."""

from __future__ import annotations

import dataclasses
import re
from typing import Any, NamedTuple

from .. import token as tokens
from .. import units
from ..claims import Account, Activation, Claims, Export, Import, Operator, SigningKey
from ..claims.comparison import describe
from ..claims.declaration import NOW
from ..claims.options import Problem
from ..errors import NatsSecurityError
from ..issue import Decision, Policy, decide
from ..validation import subject_is_contained
from . import check
from . import document as documents
from . import layout as layouts
from .document import AccountWish, Document, Keys, SigningKeyWish, UserWish
from .layout import Keyring, Layout, Store, Stored

CREATED, CHANGED, KEPT, EXTRA, REMOVED = "created", "changed", "kept", "extra", "removed"
_NO_TOKEN = ("there is no token yet",)
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
    is_issued: bool
    writes_token: bool
    writes_creds: bool


@dataclasses.dataclass
class Removal:
    """What goes to the archive: a user of an account, or a whole account, or the seed of a signing key."""

    account: str
    user: str = ""
    keys: list[str] = dataclasses.field(default_factory=list)
    is_account: bool = False


@dataclasses.dataclass
class ActivationPlan:
    """An activation token that an import needs and does not have yet."""

    index: int
    exporter: str
    wanted: Claims
    existing: str | None
    issuer: str
    policy: Policy


@dataclasses.dataclass
class AccountPlan:
    """An account of the document."""

    wish: AccountWish
    stored: Stored | None
    is_issued: bool = False
    writes_token: bool = False
    issuer: str = ""
    policy: Policy = dataclasses.field(default_factory=Policy)
    revoked: dict[str, int] = dataclasses.field(default_factory=dict)
    tokens: dict[int, str] = dataclasses.field(default_factory=dict)  # activation tokens that stay, by import
    activations: list[ActivationPlan] = dataclasses.field(default_factory=list)
    users: list[UserPlan] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
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
        return counted


@dataclasses.dataclass(frozen=True)
class Wishes:
    """How a document is to be applied."""

    prune: bool = False
    diff: bool = False


def make_plan(document: Document, store: Store, ring: Keyring, wishes: Wishes, now: int) -> Plan:
    """Decide for every entity. All problems are in the plan; with any of them it is not to be applied."""
    return _Planner(document, store, ring, wishes, now).plan_all()


def wanted_operator(plan: Plan, keys: Keys, problems: list[Problem]) -> Claims:
    """The operator's claims that the document asks for, under these keys."""
    return documents.operator_claims(plan.document, keys, problems)


def wanted_account(plan: AccountPlan, keys: Keys, granted: dict[int, str], problems: list[Problem]) -> Claims:
    """An account's claims that the document asks for, under these keys, with activation tokens by import, and removed users revoked."""
    users = keys.users.get(plan.wish.name, {})
    claims = documents.account_claims(plan.wish, keys, lambda name: users.get(name, ""), problems)
    body: Account = claims.body
    for index, token in granted.items():
        body.imports[index].token = token
    old = plan.stored.claims.body if plan.stored is not None else None
    if old is not None:
        _keep_spelling(body, old)
    body.revocations.update(plan.revoked)
    return claims


def _keep_spelling(body: Account, old: Account) -> None:
    """An old token may say where a stream goes in the deprecated way; that it does is no reason to sign it anew."""
    earlier = {_import_id(item): item for item in old.imports if item is not None and item.to}
    for item in body.imports:
        before = earlier.get(_import_id(item))
        if before is not None and not before.local_subject and item.local_subject == local_subject_of(before):
            item.to, item.local_subject = before.to, ""


def _import_id(item: Import) -> tuple[str, str, str]:
    return item.type, item.account, item.subject


def local_subject_of(item: Import) -> str:
    """What an import is called in its account as `local_subject` says it, also where a deprecated `to` says it."""
    if item.local_subject or not item.to:
        return item.local_subject
    if item.type == "service":
        return item.to
    count = 0
    parts = []
    for part in item.subject.split("."):
        if part == "*":
            count += 1
            part = f"${count}"
        parts.append(part)
    return ".".join([item.to.rstrip("."), *parts])


def issuer_account(account_key: str, issuer: str, existing: dict[str, str]) -> str:
    """What a token says of the account that it was signed for: nothing where the account's own key signs.

    There it may be said all the same and means nothing else, so what an existing token does is kept.
    """
    if issuer == account_key and existing.get("issuer_account") != account_key:
        return ""
    return account_key


class _Planner:
    """The work of make_plan, a step a method."""

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

    def plan_all(self) -> Plan:
        self.problems.extend(self.store.problems)
        self.name_keys()
        self.plan_operator()
        self.plan.accounts = [
            AccountPlan(wish, self.store.accounts.get(wish.name))
            for wish in self.document.accounts
            if not wish.is_absent
        ]
        for account in self.plan.accounts:
            self.resolve_users(account)
        self.drafts = {account.wish.name: wanted_account(account, self.keys, {}, []) for account in self.plan.accounts}
        self.names = {key: name for name, key in self.keys.accounts.items()}
        self.exporters = {account.wish.name: account for account in self.plan.accounts}
        for account in self.plan.accounts:
            self.plan_policy(account)
        for account in self.plan.accounts:
            self.plan_account(account)
        paths = {account.wish.name: account.wish.path for account in self.plan.accounts}
        being_made = {
            account.wish.name: [activation.index for activation in account.activations]
            for account in self.plan.accounts
        }
        self.problems.extend(check.across(self.finals, paths, being_made))
        for account in self.plan.accounts:
            self.plan_users(account)
        self.plan_removed_accounts()
        self.plan_unfinished_removals()
        self.plan_store()
        return self._told()

    # ---- keys

    def key_for(self, key_type: str, label: str) -> str:
        """The key of something that has no token: from a run that was killed, or a stand-in for a new one."""
        started = self.journal.get(label)
        if started is not None and self.ring.is_stored(started):
            return started
        return self.keys.stand_in(key_type, label)

    def name_keys(self) -> None:
        stored = self.store.operator
        self.keys.operator = self.existing_or(
            stored, self.document.public_key, "operator", self.document.name, "operator"
        )
        old = stored.claims.body.signing_keys if stored is not None else []
        entries = [SigningKey(key=key) for key in old]
        self.keys.operator_roles = self.resolve_roles(
            self.document.signing_keys, entries, self.keys.operator, "operator", self.document.name
        )
        for wish in self.document.accounts:
            if wish.is_absent:
                continue
            account = self.store.accounts.get(wish.name)
            self.keys.accounts[wish.name] = self.existing_or(account, wish.public_key, "account", wish.name, wish.path)
            entries = list(account.claims.body.signing_keys) if account is not None else []
            self.keys.roles[wish.name] = self.resolve_roles(
                wish.signing_keys, entries, self.keys.accounts[wish.name], "account", wish.name
            )
        self.check_keys_once()

    def check_keys_once(self) -> None:
        named = {stored.claims.subject: name for name, stored in self.store.accounts.items()}
        for wish in self.document.accounts:
            key = self.keys.accounts.get(wish.name)
            other = named.get(key) if key is not None else None
            if other is not None and other != wish.name:
                self.problem(wish.path + ".public_key", f"this is the key of the account {other} in the store.")

    def existing_or(self, stored: Stored | None, public_key: str, key_type: str, label: str, path: str) -> str:
        if stored is None:
            return public_key or self.key_for(key_type, label)
        if public_key and public_key != stored.claims.subject:
            self.problem(
                path + ".public_key",
                f"there is a token about {stored.claims.subject} under this name. Remove it first (state: absent) if its key is to be replaced.",
            )
        return stored.claims.subject

    def resolve_roles(
        self, wishes: list[SigningKeyWish], old: list[SigningKey], owner: str, key_type: str, name: str
    ) -> dict[str, str]:
        """The key of each role: by scope in the token, on record, from a killed run; a lone one that nobody named; or a new one."""
        record = self.store.role_keys(owner)
        roles: dict[str, str] = {wish.role: wish.public_key for wish in wishes if wish.role and wish.public_key}
        claimed = {wish.public_key for wish in wishes if wish.public_key}
        unnamed = []
        for wish in wishes:
            if wish.public_key:
                continue
            scoped = [key.key for key in old if key.template is not None and key.role == wish.role]
            if len(scoped) > 1:
                self.problem(
                    wish.path,
                    f"there are {len(scoped)} keys with the role {wish.role}, {', '.join(scoped)}: say which by public_key.",
                )
            found = scoped[0] if scoped else record.get(wish.role)
            if found is not None and found not in claimed:
                roles[wish.role] = found
                claimed.add(found)
            else:
                unnamed.append(wish)
        bare = [key.key for key in old if key.template is None]
        plain = [key for key in bare if key not in claimed and key not in record.values()]
        adopting = [wish for wish in unnamed if not isinstance(wish.options.get("template"), dict)]
        if plain and adopting and (len(plain) > 1 or len(adopting) > 1):
            self.problem(
                adopting[0].path,
                f"there are signing keys without a role already, {', '.join(plain)}: say with role and public_key together which is which, "
                f"or list them by public_key to have a new one for {', '.join(wish.role for wish in adopting)}.",
            )
        for wish in wishes:
            if wish.role and wish.public_key and record.get(wish.role) != wish.public_key and wish.public_key in bare:
                self.adopted.append(f"the role {wish.role} of {wish.public_key} is put on record")
        for wish in unnamed:
            if plain and wish in adopting:
                roles[wish.role] = plain[0]
                self.adopted.append(f"{plain[0]} is taken for the role {wish.role}, which is put on record")
            else:
                roles[wish.role] = self.key_for(key_type, f"{name}/signing_keys/{wish.role}")
        known = {role: key for role, key in record.items() if role not in roles}
        self.plan.roles[owner] = {**known, **roles}
        return roles

    # ---- operator

    def plan_operator(self) -> None:
        removed = self.removed_signing_keys(
            self.document.options,
            "operator",
            self.keys.operator,
            [SigningKey(key=key) for key in self.old_operator().signing_keys],
            [wish.public_key or self.keys.operator_roles.get(wish.role, "") for wish in self.document.signing_keys],
            "",
        )
        wanted = wanted_operator(self.plan, self.keys, self.problems)
        policy = documents.policy(self.document.options, "operator", self.problems, remove_signing_keys=removed)
        self.plan.operator_policy = policy
        self.operator = wanted.body
        final = [*wanted.body.signing_keys, *(key for key in self.old_operator().signing_keys if key not in removed)]
        allowed = list(dict.fromkeys([self.keys.operator, *final]))
        made = self.decide("operator", self.layout.operator_jwt, wanted, self.store.operator, allowed, policy)
        if made is None:
            return
        decision, self.plan.operator_issuer = made
        self.plan.operator_is_issued = not decision.is_kept
        self.plan.operator_writes_token = not decision.is_kept or not self.is_exact(self.store.operator)
        self.operator = dataclasses.replace(wanted.body, signing_keys=final)
        self.problems.extend(check.claims(dataclasses.replace(wanted, body=self.operator), "operator", self.now))
        self.tell(
            "operator", self.document.name, "", decision, self.store.operator, self.layout.operator_jwt, "operator"
        )

    def old_operator(self) -> Operator:
        stored = self.store.operator
        return stored.claims.body if stored is not None else Operator()

    def removed_signing_keys(
        self, options: dict[str, Any], path: str, owner: str, old: list[SigningKey], wished: list[str], account: str
    ) -> frozenset[str]:
        """The signing keys that go, because the document says so or, with prune, because it does not name them."""
        record = self.store.role_keys(owner)
        named = set()
        for index, name in enumerate(options.get("remove_signing_keys") or ()):
            found = [key.key for key in old if name == key.key or (key.role and name == key.role)]
            found += [record[name]] if name in record else []
            named.update(found)
            if any(key in wished for key in found):
                self.problem(f"{path}.remove_signing_keys[{index}]", f"{name} is among signing_keys too.")
        removed = set(named)
        for signing_key in old:
            key = signing_key.key
            if key in wished:
                continue
            reason = "remove_signing_keys names it" if key in named else "it is not in the document"
            goes = key in named or self.wishes.prune
            role = self.role_name(signing_key, record)
            self.add_entity(Entity("signing_key", role, account, REMOVED if goes else EXTRA, (reason,), key, 0))
            if goes:
                removed.add(key)
                self.plan.removals.append(Removal(account, keys=[key]))
        if removed:
            roles = self.plan.roles.get(owner, {})
            self.plan.roles[owner] = {role: key for role, key in roles.items() if key not in removed}
        return frozenset(removed)

    @staticmethod
    def role_name(key: SigningKey, record: dict[str, str]) -> str:
        return key.role or next((role for role, known in record.items() if known == key.key), "")

    # ---- accounts

    def resolve_users(self, account: AccountPlan) -> None:
        """The keys of the users that the account's own claims name, and the revocations of those that go."""
        wish = account.wish
        name = wish.name
        users = self.keys.users.setdefault(name, {})
        wanted = {user.name: user for user in wish.users}
        present = set(layouts.users_of(self.store, name))
        for referred in documents.users_referred_to(wish):
            user = wanted.get(referred)
            if user is not None and not user.is_absent:
                users[referred] = self.user_key(account, user, self.stored_subject(name, referred))
        old = account.stored.claims.body.revocations if account.stored is not None else {}
        for gone in sorted(present):
            user = wanted.get(gone)
            if user is not None and not user.is_absent:
                continue
            claims = self.read_user_claims(name, gone)
            if claims is None:
                continue
            if user is None and not self.wishes.prune:
                self.add_entity(
                    Entity("user", gone, name, EXTRA, ("it is not in the document",), claims.subject, claims.expires)
                )
                continue
            reason = "the document wants it absent" if user is not None else "it is not in the document"
            self.remove_user(name, gone, claims, reason)
            at = max(old.get(claims.subject, 0), old.get("*", 0))
            if at < claims.issued_at:
                account.revoked[claims.subject] = max(self.now, claims.issued_at)

    def remove_user(self, account: str, user: str, claims: Claims, reason: str) -> None:
        self.add_entity(Entity("user", user, account, REMOVED, (reason,), claims.subject, claims.expires))
        self.plan.removals.append(Removal(account, user, [claims.subject]))
        if self.wishes.diff:
            self.plan.before[f"accounts.{account}.users.{user}"] = describe(claims)

    def stored_subject(self, account: str, user: str) -> str | None:
        """What the token of a user is about, not verified yet; None where there is none."""
        text = layouts.read_file(self.store, self.layout.user_jwt(account, user))
        return layouts.peek(text.strip()).get("sub", "") if text is not None else None

    def read_user_claims(self, account: str, user: str) -> Claims | None:
        before = len(self.store.problems)
        stored = layouts.read_stored(self.store, self.layout.user_jwt(account, user), "user")
        self.problems.extend(self.store.problems[before:])
        return stored.claims if stored is not None else None

    def user_key(self, account: AccountPlan, user: UserWish, subject: str | None) -> str:
        """The key of a user: that of its token, if there is one."""
        if subject is None:
            return user.public_key or self.key_for("user", f"{account.wish.name}/users/{user.name}")
        if user.public_key and user.public_key != subject:
            self.problem(
                account.wish.user_path(user) + ".public_key",
                f"there is a token about {subject} under this name. Remove it first (state: absent) if its key is to be replaced.",
            )
        return subject

    def plan_policy(self, account: AccountPlan) -> None:
        """When the account is renewed, and what it loses."""
        wish = account.wish
        old: Account = account.stored.claims.body if account.stored is not None else Account()
        self.problems.extend(documents.activation_problems(wish))
        wished = [key.public_key or self.keys.roles[wish.name].get(key.role, "") for key in wish.signing_keys]
        removed = self.removed_signing_keys(
            wish.options, wish.path, self.keys.accounts[wish.name], old.signing_keys, wished, wish.name
        )
        account.policy = documents.policy(
            wish.options,
            wish.path,
            self.problems,
            remove_signing_keys=removed,
            remove_revocations=frozenset(
                self.revocation_key(wish, str(name)) for name in wish.options.get("remove_revocations") or ()
            ),
        )

    def plan_account(self, account: AccountPlan) -> None:
        wish = account.wish
        old: Account = account.stored.claims.body if account.stored is not None else Account()
        granted = self.plan_activations(account)
        wanted = wanted_account(account, self.keys, granted, self.problems)
        made = self.decide(
            wish.path,
            self.layout.account_jwt(wish.name),
            wanted,
            account.stored,
            self.account_issuers(account),
            account.policy,
        )
        if made is None:
            self.finals[wish.name] = wanted
            return
        decision, account.issuer = made
        account.is_issued = not decision.is_kept
        account.writes_token = not decision.is_kept or not self.is_exact(account.stored)
        # Rules are held to what the document says, in its own order, and to what the account keeps beside that.
        final = dataclasses.replace(wanted, issuer=account.issuer, body=dataclasses.replace(wanted.body))
        final.body.revocations = decision.claims.body.revocations
        listed = {key.key for key in wanted.body.signing_keys}
        final.body.signing_keys = [
            *wanted.body.signing_keys,
            *(key for key in old.signing_keys if key.key not in listed | account.policy.remove_signing_keys),
        ]
        self.finals[wish.name] = final
        being_made = [activation.index for activation in account.activations]
        self.problems.extend(check.claims(final, wish.path, self.now, being_made))
        self.problems.extend(check.between(self.operator_claims(), final, wish.path, self.store.is_managed))
        self.tell(
            "account",
            wish.name,
            "",
            decision,
            account.stored,
            self.layout.account_jwt(wish.name),
            f"accounts.{wish.name}",
        )

    def operator_claims(self) -> Claims:
        return Claims(name=self.document.name, subject=self.keys.operator, body=self.operator)

    def revocation_key(self, wish: AccountWish, name: str) -> str:
        found = self.keys.users[wish.name].get(name)
        if found is None and any(user.name == name for user in wish.users):
            found = self.stored_subject(wish.name, name)
        return found or name

    def account_issuers(self, account: AccountPlan) -> list[str]:
        """The keys that may sign the account, those first that are to be preferred for a new token."""
        wish = account.wish
        if wish.role:
            key = self.keys.operator_roles.get(wish.role) or (
                wish.role if wish.role in (*self.operator.signing_keys, self.keys.operator) else ""
            )
            if not key:
                roles = ", ".join(sorted(self.keys.operator_roles)) or "none"
                self.problem(
                    wish.path + ".signing_key_role",
                    f"the operator has no signing key with the role {wish.role}, there are {roles}.",
                )
            return [key] if key else []
        own = [] if self.operator.strict_signing_key_usage else [self.keys.operator]
        self_signed = [self.keys.accounts[wish.name]] if self.store.is_managed else []
        return list(dict.fromkeys([*self.operator.signing_keys, *own, *self_signed]))

    # ---- activations

    def plan_activations(self, account: AccountPlan) -> dict[int, str]:
        """Activation tokens by import: those that stay, and words for those that are to be made."""
        granted: dict[int, str] = {}
        own = self.keys.accounts[account.wish.name]
        old = {
            _import_id(item): item.token
            for item in (account.stored.claims.body.imports if account.stored is not None else ())
            if item is not None and item.token
        }
        for index, item in enumerate(self.drafts[account.wish.name].body.imports):
            exporter = self.names.get(item.account)
            if exporter is None or item.token:
                continue
            export = covering_export(self.drafts[exporter].body.exports, item)
            if export is None or not export.token_required:
                continue
            path = f"{account.wish.path}.imports[{index}]"
            existing = old.get(_import_id(item))
            made = self.plan_activation(
                account, index, item, export, exporter, own, existing, path, self.drafts[exporter].body
            )
            if made is not None:
                granted[index] = made
        return granted

    def plan_activation(
        self,
        account: AccountPlan,
        index: int,
        item: Import,
        export: Export,
        exporter: str,
        own: str,
        existing: str | None,
        path: str,
        body: Account,
    ) -> str | None:
        stored, said = activation_at_hand(existing, own, item)
        wanted = Claims(
            name=item.subject, subject=own, body=Activation(import_subject=item.subject, import_type=item.type)
        )
        if stored is not None:
            # Whatever it says beyond what the import needs is no reason to make another one.
            wanted = dataclasses.replace(stored.claims, body=dataclasses.replace(stored.claims.body))
        key = self.keys.accounts[exporter]
        exporter_plan = self.exporters[exporter]
        plain, scoped = self.signing_keys_of(exporter_plan, body)
        revoked_at = self.revoked_at(exporter_plan, export, own)
        policy = documents.policy(
            documents.activation_options(account.wish, index),
            path + ".activation",
            self.problems,
            issued_after=revoked_at,
        )
        allowed = [*plain, key, *scoped]
        issuer = self.issuer(allowed, stored)
        said_account = {} if stored is None else {"issuer_account": stored.claims.body.issuer_account}
        wanted.body.issuer_account = issuer_account(key, issuer, said_account)
        try:
            made = self.decide(path + ".activation", path, wanted, stored, allowed, policy)
        except NatsSecurityError as error:
            self.problem(path, str(error))
            return None
        if made is None:
            return None
        decision, issuer = made
        name = f"{item.type} {item.subject} of {exporter}"
        reasons = tuple(decision.reasons) if stored is not None or not said else (said,)
        action = KEPT if decision.is_kept else CREATED if not existing else CHANGED
        self.add_entity(
            Entity("activation", name, account.wish.name, action, self.readable(reasons), own, decision.claims.expires)
        )
        if decision.is_kept and stored is not None:
            account.tokens[index] = stored.token
            return stored.token
        account.activations.append(
            ActivationPlan(index, exporter, wanted, stored.token if stored is not None else None, issuer, policy)
        )
        return f"(a new activation token from {exporter})"

    def signing_keys_of(self, account: AccountPlan, body: Account) -> tuple[list[str], list[str]]:
        """The signing keys that the account will have: those without and those with a scope."""
        old = account.stored.claims.body.signing_keys if account.stored is not None else []
        removed = account.policy.remove_signing_keys
        keys = {key.key: key for key in [*old, *body.signing_keys] if key.key not in removed}
        order = dict.fromkeys([*(key.key for key in body.signing_keys), *keys])
        plain = [key for key in order if key in keys and keys[key].template is None]
        return plain, [key for key in order if key in keys and keys[key].template is not None]

    def revoked_at(self, exporter: AccountPlan, export: Export, own: str) -> int:
        old: dict[str, int] = {}
        for item in exporter.stored.claims.body.exports if exporter.stored is not None else ():
            if item is not None and (item.type, item.subject) == (export.type, export.subject):
                old = item.revocations
        wanted = {key: old.get(key, self.now) if at == NOW else at for key, at in export.revocations.items()}
        return max(old.get(own, 0), old.get("*", 0), wanted.get(own, 0), wanted.get("*", 0))

    # ---- users

    def plan_users(self, account: AccountPlan) -> None:
        wish = account.wish
        body: Account = self.finals[wish.name].body
        plain, _ = self.signing_keys_of(account, body)
        own = [] if self.operator.strict_signing_key_usage else [self.keys.accounts[wish.name]]
        present = set(layouts.users_of(self.store, wish.name))
        creds = set(layouts.list_folder(self.layout.creds_dir(wish.name)))
        before = len(self.store.problems)
        seen: dict[str, str] = {}
        users = self.keys.users[wish.name]
        for user in wish.users:
            if user.is_absent:
                continue
            path = wish.user_path(user)
            file = self.layout.user_jwt(wish.name, user.name)
            text = layouts.read_file(self.store, file) if user.name in present else None
            existing = layouts.peek(text.strip()) if text is not None else {}
            if text is not None and not existing.get("sub"):
                self.problem(file, "this is left as it is, it does not hold a JWT.")
                continue
            if user.name not in users:
                users[user.name] = self.user_key(account, user, existing.get("sub"))
            subject = users[user.name]
            if subject in seen:
                self.problem(path, f"{seen[subject]} has the same key.")
            seen[subject] = user.name
            found = self.user_signers(account, user, path, body, [*plain, *own])
            if found is not None:
                self.plan_user(account, user, path, text, existing, subject, *found, body, creds)
        self.problems.extend(self.store.problems[before:])

    def user_signers(
        self, account: AccountPlan, user: UserWish, path: str, body: Account, unscoped: list[str]
    ) -> tuple[list[str], SigningKey | None] | None:
        """The keys that may sign a user, and their scope; None with a problem where there is none."""
        name = account.wish.name
        if not user.role:
            if not unscoped:
                self.problem(
                    path + ".signing_key_role",
                    "the operator is strict (strict_signing_key_usage), so users are signed with signing keys: "
                    f"name a role, or give {name} a signing key without a template.",
                )
            return (unscoped, None) if unscoped else None
        roles = {**{key.role: key.key for key in body.signing_keys if key.role}, **self.keys.roles[name]}
        wanted = roles.get(user.role, user.role)
        for key in body.signing_keys:
            if key.key == wanted:
                return [wanted], key if key.template is not None else None
        known = ", ".join(sorted(roles)) or "none"
        self.problem(
            path + ".signing_key_role", f"{name} has no signing key with the role {user.role}, there are {known}."
        )
        return None

    def plan_user(
        self,
        account: AccountPlan,
        user: UserWish,
        path: str,
        text: str | None,
        existing: dict[str, str],
        subject: str,
        allowed: list[str],
        scope: SigningKey | None,
        body: Account,
        creds: set[str],
    ) -> None:
        name = account.wish.name
        account_key = self.keys.accounts[name]
        token = text.strip() if text is not None else None
        issued_after = max(body.revocations.get(subject, 0), body.revocations.get("*", 0)) if body.revocations else 0
        policy = documents.policy(user.options, path, self.problems, issued_after)
        present = [key for key in allowed if key in self.keys.new or self.ring.has(key)]
        issuer = existing["iss"] if existing.get("iss") in allowed else (present or allowed)[0]
        wanted = self.wanted_user(account, user, path, subject, issuer, existing, scope)
        reasons: tuple[str, ...] = _NO_TOKEN
        expires = 0
        if token is not None or self.wishes.diff:
            try:
                decision = decide(wanted, token, issuer, policy, self.now)
                if not decision.is_kept and issuer not in present and present:
                    issuer = present[0]
                    wanted.body = dataclasses.replace(
                        wanted.body, issuer_account=issuer_account(account_key, issuer, existing)
                    )
                    decision = decide(wanted, token, issuer, policy, self.now)
            except NatsSecurityError as error:
                self.problem(self.layout.user_jwt(name, user.name), f"this is left as it is: {error}")
                return
            reasons = self.readable(tuple(decision.reasons))
            expires = decision.claims.expires
            self.plan.warnings.extend(f"{path}: {warning}" for warning in decision.warnings)
            if reasons and self.wishes.diff:
                self.diff(f"accounts.{name}.users.{user.name}", decision)
        is_issued = bool(reasons)
        if is_issued and not present:
            self.problem(path, self.no_seed(allowed))
            return
        file_reasons = self.token_file_reasons(self.layout.user_jwt(name, user.name), token == text)
        creds_reasons, writes_creds = self.plan_creds(account, user, token, subject, is_issued, creds)
        if is_issued or writes_creds or file_reasons:
            writes_token = is_issued or token != text
            account.users.append(
                UserPlan(user, issuer, issued_after, scope is not None, is_issued, writes_token, writes_creds)
            )
        reasons = (*reasons, *file_reasons, *creds_reasons)
        action = CREATED if token is None else CHANGED if reasons else KEPT
        self.add_entity(Entity("user", user.name, name, action, reasons, subject, 0 if is_issued else expires))

    def wanted_user(
        self,
        account: AccountPlan,
        user: UserWish,
        path: str,
        subject: str,
        issuer: str,
        existing: dict[str, str],
        scope: SigningKey | None,
    ) -> Claims:
        name = account.wish.name
        said = issuer_account(self.keys.accounts[name], issuer, existing)
        wanted, checked = documents.user_claims(account.wish, user, subject, said, scope is not None, self.problems)
        # Users that are alike have the same faults: they are looked for once, unless there are some. Templates make of each user another one.
        rules = f"{name} {issuer}" + (f" {user.name}" if scope is not None and "{{" in repr(scope.template) else "")
        if rules not in checked:
            claims = dataclasses.replace(wanted, issuer=issuer)
            found = list(check.user(self.finals[name], claims, path, self.now, self.operator.strict_signing_key_usage))
            self.problems.extend(found)
            if not found:
                checked.add(rules)
        return wanted

    def plan_creds(
        self, account: AccountPlan, user: UserWish, token: str | None, subject: str, is_issued: bool, creds: set[str]
    ) -> tuple[tuple[str, ...], bool]:
        """Why the creds file is written or put right, and whether it is written."""
        if not user.creds:
            return (), False
        file = self.layout.creds(account.wish.name, user.name)
        text = layouts.read_file(self.store, file) if user.name + ".creds" in creds else None
        if text is None:
            if subject not in self.keys.new and not self.ring.has(subject):
                return (), False
            return (() if token is None else ("there is no creds file yet",)), True
        seed = layouts.read_file(self.store, self.layout.key(subject)) or ""
        if seed and token is not None and text == layouts.creds_text(token, seed):
            return self.file_reasons(file), is_issued
        try:
            holder = tokens.find_seed(text)
        except NatsSecurityError:
            holder = None
        if holder is None or holder.public_key != subject:
            self.problem(file, "this is left as it is, it does not hold the creds of this user.")
            return (), False
        if not seed:
            # The creds file alone has the seed, so it is where it comes from when the file is written anew.
            self.ring.add(holder)
            if token is not None and text == layouts.creds_text(token, holder.seed):
                return self.file_reasons(file), is_issued
        return (() if is_issued else ("the creds file holds something else than the JWT and the seed",)), True

    # ---- what is not in the document

    def plan_removed_accounts(self) -> None:
        wanted = {wish.name: wish for wish in self.document.accounts}
        for name, stored in self.store.accounts.items():
            wish = wanted.get(name)
            if wish is not None and not wish.is_absent:
                continue
            subject = stored.claims.subject
            users = layouts.users_of(self.store, name)
            if wish is None and not self.wishes.prune:
                reason = "it is not in the document"
                self.add_entity(Entity("account", name, "", EXTRA, (reason,), subject, stored.claims.expires))
                for user in users:
                    claims = self.read_user_claims(name, user)
                    if claims is not None:
                        self.add_entity(
                            Entity(
                                "user",
                                user,
                                name,
                                EXTRA,
                                ("its account is not in the document",),
                                claims.subject,
                                claims.expires,
                            )
                        )
                continue
            reason = "the document wants it absent" if wish is not None else "it is not in the document"
            for user in users:
                claims = self.read_user_claims(name, user)
                if claims is not None:
                    self.remove_user(name, user, claims, "its account goes")
            self.add_entity(Entity("account", name, "", REMOVED, (reason,), subject, stored.claims.expires))
            keys = [subject, *(key.key for key in stored.claims.body.signing_keys)]
            self.plan.removals.append(Removal(name, keys=keys, is_account=True))
            self.plan.roles.pop(subject, None)
            if self.wishes.diff:
                self.plan.before[f"accounts.{name}"] = describe(stored.claims)

    # ---- the store itself

    def plan_unfinished_removals(self) -> None:
        """Signing keys that a killed run had taken out of a token already, and not put away yet."""
        used = {*self.operator.signing_keys, *(key for removal in self.plan.removals for key in removal.keys)}
        for claims in self.finals.values():
            used.update(key.key for key in claims.body.signing_keys)
        for entry in self.store.journal:
            key = str(entry.get("removes") or "")
            if key and key not in used and self.ring.is_stored(key):
                used.add(key)
                account = str(entry.get("account") or "")
                reason = "a run that did not end had begun to remove it"
                self.add_entity(Entity("signing_key", "", account, REMOVED, (reason,), key, 0))
                self.plan.removals.append(Removal(account, keys=[key]))

    def plan_store(self) -> None:
        reasons = list(self.adopted)
        if not self.store.exists:
            reasons.append("there is no store yet")
        self.plan.modes = sorted(self.store.modes)
        for folder in (self.layout.root, self.layout.accounts, self.layout.marker):
            reasons.extend(self.file_reasons(folder))
        for account in self.store.accounts:
            for folder in (
                self.layout.account_dir(account),
                self.layout.users_dir(account),
                self.layout.creds_dir(account),
            ):
                reasons.extend(self.file_reasons(folder))
        action = CREATED if not self.store.exists else CHANGED if reasons else KEPT
        self.plan.entities.insert(0, Entity("store", self.layout.name, "", action, tuple(reasons), "", 0))
        for owner, roles in self.store.roles.items():
            self.plan.roles.setdefault(owner, roles)
        self.plan.roles = {owner: roles for owner, roles in self.plan.roles.items() if roles}

    def token_file_reasons(self, path: str, is_exact: bool) -> tuple[str, ...]:
        """Why the file of a token is put right though the token stays."""
        return self.file_reasons(path) + (() if is_exact else ("its file has something around the JWT",))

    def file_reasons(self, path: str) -> tuple[str, ...]:
        """Why the mode of a file or folder is put right."""
        mode = self.store.modes.get(path)
        if mode is None:
            return ()
        right = layouts.FILE_MODE if path.endswith((".jwt", ".creds", ".nk", ".nsc")) else layouts.FOLDER_MODE
        return (
            f"mode of {path[len(self.layout.stores_dir) + 1 :] if path.startswith(self.layout.stores_dir) else path}: {mode:04o} -> {right:04o}",
        )

    # ---- common

    def problem(self, path: str, message: str) -> None:
        self.problems.append(Problem(path, message))

    @staticmethod
    def is_exact(stored: Stored | None) -> bool:
        return stored is not None and stored.is_exact

    def no_seed(self, allowed: list[str]) -> str:
        keys = " or ".join(self.keys.described(key) for key in allowed)
        return f"it has to be signed, and the seed of none of the keys that may is here: {keys}."

    def issuer(self, allowed: list[str], stored: Stored | None) -> str:
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
        reasons = self.readable(tuple(decision.reasons))
        files = self.token_file_reasons(file, stored is None or stored.is_exact)
        action = CREATED if stored is None else CHANGED if reasons or files else KEPT
        expires = 0 if reasons else decision.claims.expires
        self.add_entity(Entity(kind, name, account, action, (*reasons, *files), decision.claims.subject, expires))
        if reasons and self.wishes.diff:
            self.diff(where, decision)

    def diff(self, where: str, decision: Decision) -> None:
        self.plan.before[where] = decision.before
        self.plan.after[where] = self.rename(decision.after)

    def readable(self, reasons: tuple[str, ...]) -> tuple[str, ...]:
        """Reasons with words in place of stand-ins and of the time of this run, so that check mode has the same."""
        return tuple(map(self.words, reasons))

    def words(self, text: str) -> str:
        text = text.replace(self.now_shown, "now")
        return _KEY.sub(lambda match: self.keys.described(match.group()), text) if self.keys.new else text

    def rename(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.words(value) if len(value) in (20, 56) else value
        if isinstance(value, list):
            return [self.rename(item) for item in value]
        if isinstance(value, dict):
            return {self.rename(key): self.rename(item) for key, item in value.items()}
        return value

    def add_entity(self, entity: Entity) -> None:
        self.plan.entities.append(entity)

    def _told(self) -> Plan:
        self.plan.problems[:] = list(dict.fromkeys(self.plan.problems))
        return self.plan


def covering_export(exports: list[Export], item: Import) -> Export | None:
    """The export that an import is of."""
    for export in exports:
        if export.type == item.type and subject_is_contained(item.subject, export.subject):
            return export
    return None


def activation_at_hand(existing: str | None, own: str, item: Import) -> tuple[Stored | None, str]:
    """The activation token that an import has, where it is good for it; otherwise why not."""
    if not existing:
        return None, ""
    try:
        claims = tokens.decode(existing.strip())
    except NatsSecurityError as error:
        return None, f"the activation token is not one: {error}"
    body = claims.body
    if not isinstance(body, Activation) or claims.subject != own or body.import_type != item.type:
        return None, "the activation token is for another account, or of another type"
    if not subject_is_contained(item.subject, body.import_subject):
        return None, f"the activation token is for {body.import_subject}"
    return Stored(existing.strip(), claims, True), ""
