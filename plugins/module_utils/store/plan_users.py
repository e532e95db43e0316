# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""What is to be done to the users of an account. There may be very many: what they have in common is looked at once."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

from ..base.errors import NatsSecurityError
from ..base.quick_dataclass import dataclass
from ..claims import Account, Claims, SigningKey
from ..claims.comparison import describe
from ..claims.declaration import copy_with
from ..decision.issue import Policy, decide
from ..token import decorated
from . import check
from . import document as documents
from . import layout as layouts
from .document import UserWish
from .layout import Said, UserFiles
from .planning import CHANGED, CREATED, EXTRA, REMOVED, AccountPlan, Entity, Planning, Removal, UserPlan
from .wanted import issuer_account, signing_keys_of

_NO_TOKEN = ("there is no token yet",)

# ---- keys, and users that go


def resolve_users(planning: Planning, account: AccountPlan) -> None:
    """The keys of the users that the account's own claims name, and the revocations of those that go."""
    wish = account.wish
    name = wish.name
    users = planning.keys.users.setdefault(name, {})
    wanted = {user.name: user for user in wish.users}
    account.files = layouts.user_files(planning.store, name)
    for referred in documents.users_referred_to(wish):
        user = wanted.get(referred)
        if user is not None and not user.is_absent:
            users[referred] = _user_key(planning, account, user, stored_subject(planning, name, referred))
    old = account.stored.claims.body.revocations if account.stored is not None else {}
    for gone in account.files.users:
        user = wanted.get(gone)
        if user is not None and not user.is_absent:
            continue
        claims = read_user_claims(planning, name, gone)
        if claims is None:
            continue
        if user is None and not planning.wishes.prune:
            planning.add_entity(
                Entity("user", gone, name, EXTRA, ("it is not in the document",), claims.subject, claims.expires)
            )
            continue
        reason = "the document wants it absent" if user is not None else "it is not in the document"
        remove_user(planning, name, gone, claims, reason)
        at = max(old.get(claims.subject, 0), old.get("*", 0))
        if at < claims.issued_at:
            account.revoked[claims.subject] = max(planning.now, claims.issued_at)


def remove_user(planning: Planning, account: str, user: str, claims: Claims, reason: str) -> None:
    """Have a user go, with its files."""
    planning.add_entity(Entity("user", user, account, REMOVED, (reason,), claims.subject, claims.expires))
    planning.plan.removals.append(Removal(account, user, [claims.subject]))
    if planning.wishes.diff:
        planning.plan.before[f"accounts.{account}.users.{user}"] = describe(claims)


def stored_subject(planning: Planning, account: str, user: str) -> str | None:
    """What the token of a user is about, not verified yet; None where there is none."""
    text = layouts.read_file(planning.store, planning.layout.user_jwt(account, user))
    return layouts.peek(text.strip()).subject if text is not None else None


def read_user_claims(planning: Planning, account: str, user: str) -> Claims | None:
    """What the token of a user says; None with a problem where it is none."""
    before = len(planning.store.problems)
    stored = layouts.read_stored(planning.store, planning.layout.user_jwt(account, user), "user")
    planning.problems.extend(planning.store.problems[before:])
    return stored.claims if stored is not None else None


def _user_key(planning: Planning, account: AccountPlan, user: UserWish, subject: str | None) -> str:
    """The key of a user: that of its token, if there is one."""
    if subject is None:
        return user.public_key or planning.key_for("user", f"{account.wish.name}/users/{user.name}")
    if user.public_key and user.public_key != subject:
        planning.problem(
            account.wish.user_path(user) + ".public_key",
            f"there is a token about {subject} under this name. Remove it first (state: absent) if its key is to be replaced.",
        )
    return subject


# ---- who signs


class _Signers(NamedTuple):
    """Who may sign the users that name a role."""

    allowed: list[str]
    at_hand: list[str]  # those of them that can
    scope: SigningKey | None
    has_templates: bool  # so that no two users of the scope have the same permissions


@dataclass
class _Common:
    """What the users of an account have in common."""

    planning: Planning
    account: AccountPlan
    key: str
    claims: Claims
    body: Account
    files: UserFiles
    unscoped: list[str]
    signers: dict[str, _Signers | None] = dataclasses.field(default_factory=dict)
    holders: dict[str, str] = dataclasses.field(default_factory=dict)  # the users by key

    def signers_of(self, role: str) -> _Signers | None:
        """Who may sign the users that name a role, or none; None where nobody may."""
        if role not in self.signers:
            self.signers[role] = self._find_signers(role)
        return self.signers[role]

    def _find_signers(self, role: str) -> _Signers | None:
        if not role:
            return self._signers(self.unscoped, None) if self.unscoped else None
        wanted = self.roles.get(role, role)
        for key in self.body.signing_keys:
            if key.key == wanted:
                return self._signers([wanted], key if key.template is not None else None)
        return None

    def _signers(self, allowed: list[str], scope: SigningKey | None) -> _Signers:
        at_hand = [key for key in allowed if key in self.planning.keys.new or self.planning.ring.has(key)]
        return _Signers(allowed, at_hand, scope, scope is not None and "{{" in repr(scope.template))

    @property
    def roles(self) -> dict[str, str]:
        """The signing keys by role."""
        named = {key.role: key.key for key in self.body.signing_keys if key.role}
        return {**named, **self.planning.keys.roles[self.account.wish.name]}

    def no_signers(self, role: str) -> str:
        """Why nobody may sign the users that name a role, or none."""
        name = self.account.wish.name
        if role:
            known = ", ".join(sorted(self.roles)) or "none"
            return f"{name} has no signing key with the role {role}, there are {known}."
        return (
            "the operator is strict (strict_signing_key_usage), so users are signed with signing keys: "
            f"name a role, or give {name} a signing key without a template."
        )


# ---- users


def plan_users(planning: Planning, account: AccountPlan) -> None:
    """Decide for every user of an account that is to be there."""
    wish = account.wish
    claims = planning.finals[wish.name]
    key = planning.keys.accounts[wish.name]
    plain, _unused = signing_keys_of(account, claims.body)
    own = [] if planning.operator.strict_signing_key_usage else [key]
    common = _Common(planning, account, key, claims, claims.body, account.files, [*plain, *own])
    before = len(planning.store.problems)
    for user in wish.users:
        if not user.is_absent:
            _plan_user(planning, common, user)
    planning.problems.extend(planning.store.problems[before:])
    account.files = UserFiles()


def _plan_user(planning: Planning, common: _Common, user: UserWish) -> None:
    account = common.account
    path = account.wish.user_path(user)
    name = account.wish.name
    file = planning.layout.user_jwt(name, user.name)
    text = layouts.read_file(planning.store, file) if user.name in common.files.users else None
    token = text.strip() if text is not None else None
    said = layouts.peek(token) if token is not None else layouts.NOTHING
    if token is not None and not said.subject:
        planning.problem(file, "this is left as it is, it does not hold a JWT.")
        return
    users = planning.keys.users[name]
    if user.name not in users:
        users[user.name] = _user_key(planning, account, user, said.subject if token is not None else None)
    subject = users[user.name]
    if subject in common.holders:
        planning.problem(path, f"{common.holders[subject]} has the same key.")
    common.holders[subject] = user.name
    signers = common.signers_of(user.role)
    if signers is None:
        planning.problem(path + ".signing_key_role", common.no_signers(user.role))
        return
    revocations = common.body.revocations
    issued_after = max(revocations.get(subject, 0), revocations.get("*", 0)) if revocations else 0
    policy = documents.policy(user.options, path, planning.problems, issued_after)
    issuer = said.issuer if said.issuer in signers.allowed else (signers.at_hand or signers.allowed)[0]
    wanted = _wanted_user(planning, common, user, path, subject, issuer, said, signers)
    reasons: tuple[str, ...] = _NO_TOKEN
    expires = 0
    if token is not None or planning.wishes.diff:
        try:
            issuer, reasons, expires = _decide(
                planning, common, user, path, wanted, token, issuer, said, signers, policy
            )
        except NatsSecurityError as error:
            planning.problem(file, f"this is left as it is: {error}")
            return
    is_issued = bool(reasons)
    if is_issued and not signers.at_hand:
        planning.problem(path, planning.no_seed(signers.allowed))
        return
    file_reasons = planning.token_file_reasons(file, token == text)
    creds_reasons, writes_creds = _plan_creds(planning, common, user, token, subject, is_issued)
    if is_issued or writes_creds or file_reasons:
        account.users.append(
            UserPlan(
                user,
                issuer,
                issued_after,
                signers.scope is not None,
                token is None,
                is_issued,
                is_issued or token != text,
                writes_creds,
                hash(text),
                user.name in common.files.creds,
            )
        )
    if token is None:
        planning.add_entity(Entity("user", user.name, name, CREATED, (*file_reasons, *creds_reasons), subject, 0))
    elif is_issued or file_reasons or creds_reasons:
        reasons = (*reasons, *file_reasons, *creds_reasons)
        planning.add_entity(Entity("user", user.name, name, CHANGED, reasons, subject, 0 if is_issued else expires))
    else:
        planning.plan.kept_users.setdefault(name, []).append(user.name)


def _decide(
    planning: Planning,
    common: _Common,
    user: UserWish,
    path: str,
    wanted: Claims,
    token: str | None,
    issuer: str,
    said: Said,
    signers: _Signers,
    policy: Policy,
) -> tuple[str, tuple[str, ...], int]:
    """Who signs the user, why, if it is to be, and when what is kept expires."""
    # Whoever signed it, where that key may, is the issuer: with its seed, a user that is as it should be costs less.
    signer = planning.ring.find(issuer) if token is not None else None
    decision = decide(wanted, token, issuer, policy, planning.now, signer)
    if not decision.is_kept and signers.at_hand and issuer not in signers.at_hand:
        issuer = signers.at_hand[0]
        body = copy_with(wanted.body, issuer_account=issuer_account(common.key, issuer, said.issuer_account))
        decision = decide(copy_with(wanted, body=body), token, issuer, policy, planning.now)
    if decision.warnings:
        planning.plan.warnings.extend(f"{path}: {warning}" for warning in decision.warnings)
    if decision.is_kept:
        return issuer, (), decision.claims.expires
    if planning.wishes.diff:
        planning.diff(f"accounts.{common.account.wish.name}.users.{user.name}", decision)
    return issuer, planning.readable(tuple(decision.reasons)), decision.claims.expires


def _wanted_user(
    planning: Planning,
    common: _Common,
    user: UserWish,
    path: str,
    subject: str,
    issuer: str,
    said: Said,
    signers: _Signers,
) -> Claims:
    named = issuer_account(common.key, issuer, said.issuer_account)
    is_scoped = signers.scope is not None
    wanted, checked = documents.user_claims(user, path, subject, named, is_scoped, planning.problems)
    # Users that are alike have the same faults: they are looked for once, unless there are some. Templates make of each user another one.
    rules = (common.key, issuer, user.name if signers.has_templates else "")
    if rules not in checked:
        claims = copy_with(wanted, issuer=issuer)
        strict = planning.operator.strict_signing_key_usage
        found = list(check.user(common.claims, claims, path, planning.now, strict))
        planning.problems.extend(found)
        if not found:
            checked.add(rules)
    return wanted


def _plan_creds(
    planning: Planning, common: _Common, user: UserWish, token: str | None, subject: str, is_issued: bool
) -> tuple[tuple[str, ...], bool]:
    """Why the creds file is written or put right, and whether it is written."""
    if not user.creds:
        return (), False
    file = planning.layout.creds(common.account.wish.name, user.name)
    text = layouts.read_file(planning.store, file) if user.name in common.files.creds else None
    if text is None:
        if subject not in planning.keys.new and not planning.ring.has(subject):
            return (), False
        return (() if token is None else ("there is no creds file yet",)), True
    seed = layouts.read_file(planning.store, planning.layout.key(subject)) or ""
    if seed and token is not None and text == layouts.creds_text(token, seed):
        return planning.file_reasons(file), is_issued
    try:
        holder = decorated.find_seed(text)
    except NatsSecurityError:
        holder = None
    if holder is None or holder.public_key != subject:
        planning.problem(file, "this is left as it is, it does not hold the creds of this user.")
        return (), False
    if not seed:
        # The creds file alone has the seed, so it is where it comes from when the file is written anew.
        planning.ring.add(holder)
        if token is not None and text == layouts.creds_text(token, holder.seed):
            return planning.file_reasons(file), is_issued
    return (() if is_issued else ("the creds file holds something else than the JWT and the seed",)), True
