# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Plans the changes to the users of an account. There may be very many users, so what they have in common is determined once."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

from ..base.errors import NatsSecurityError
from ..claims import Account, Claims, SigningKey, User
from ..claims.declaration import copy_with
from ..claims.options import Problem
from ..decision.issue import Decision, Policy, decide
from ..keys.nkey import KeyPair
from ..rules import revoked_until
from ..token import codec, decorated
from . import verdicts, wanted_claims
from .creds import holder_of_creds, read_creds
from .given import Findings, Given, token_file_reasons
from .issuers import Issuers, Signing, account_roles, at_hand, choose, no_seed, scope_to_come, user_issuers
from .members import Members, user_key
from .place import CREDS_SURROUNDED, SURROUNDED
from .plan import CHANGED, CREATED, Entity, UserStep, Usual
from .rotation import TurnedUser
from .trust import NOTHING, Said, UserFile, peek, user_fault
from .verdicts import Verdict
from .wanted import ABSENT, WantedAccount, WantedUser, join

_NO_TOKEN = ("there is no token yet",)


class UsersPlan(NamedTuple):
    """The users whose files are written, the names of users that are kept, the keys of all users by name, the decisions by name, and the findings."""

    steps: list[UserStep]
    kept: list[str]
    keys: dict[str, str]
    details: dict[str, Decision]
    findings: Findings


class UserAccount(NamedTuple):
    """The account of the users: what is wanted, the claims that it will have, and whether its operator is strict."""

    wanted: WantedAccount
    claims: Claims
    strict: bool


def plan_users(given: Given, account: UserAccount, members: Members) -> UsersPlan:
    """Decide on every user of an account that is to be present."""
    common = _Common(given, account, members)
    for user in account.wanted.users:
        if user.state != ABSENT:
            common.plan(user)
    common.findings.judge(common.warnings())
    return UsersPlan(common.steps, common.kept, common.keys, common.details, common.findings)


class _Signers(NamedTuple):
    """The keys that sign the users with a given role, or without a role."""

    issuers: Issuers
    usual: str  # the key that signs users without a token
    can_sign: bool
    has_templates: bool  # whether the permissions of the scope depend on the user


class _Creds(NamedTuple):
    """What happens to the creds file of a user: the reasons to write or correct it, and whether it is written. The existing file `is_old` if it has a
    previous key, and is archived; it `is_usual` if it is exactly what would be written for the existing token."""

    reasons: tuple[str, ...] = ()
    writes: bool = False
    is_old: bool = False
    is_usual: bool = False


_NO_CREDS = _Creds()


class _Common:
    """What the users of an account have in common, and the results so far."""

    def __init__(self, given: Given, account: UserAccount, members: Members) -> None:
        self.given, self.wanted, self.account, self.strict = given, account.wanted, account.claims, account.strict
        self.body: Account = account.claims.body
        self._signing = given.names.that_sign(account.claims)
        self.files, self.retiring = members.files, members.retiring
        self.keys = dict(members.named)
        self.steps: list[UserStep] = []
        self.kept: list[str] = []
        self.details: dict[str, Decision] = {}
        self.findings = Findings()
        self._trust = given.place.trust
        self._roles = account_roles(account.claims, given.names.roles.get(account.wanted.name, {}))
        self._signers: dict[str, _Signers | None] = {}
        self._holders: dict[str, str] = {}
        self._warned: dict[tuple[str, str], list[str]] = {}
        self._written: tuple[User | None, str | None] = (None, None)  # the last body, and its JSON

    def signers(self, user: WantedUser, place: str) -> _Signers | None:
        """The signers for the role of a user; None, with a problem for each user, if no key can sign."""
        if user.role not in self._signers:
            self._signers[user.role] = self._find_signers(user.role)
        found = self._signers[user.role]
        if found is None:
            issuers = user_issuers(self._signing, user.role, self._roles, self.strict)
            path = join(place, issuers.path)
            verdict = (
                self.given.absent(path, issuers.problem)
                if issuers.may_come
                else Verdict((Problem(path, issuers.problem),))
            )
            self.findings.judge(verdict)
            if not verdict.problems:
                scope = {self.given.signer: scope_to_come(user.role)}
                return _Signers(Issuers([self.given.signer], scope), self.given.signer, True, False)
        return found

    def _find_signers(self, role: str) -> _Signers | None:
        issuers = user_issuers(self._signing, role, self._roles, self.strict)
        if issuers.problem and not (self.given.signer in issuers.scopes and not role):
            return None
        named = self.given.signer
        usual = named or next(filter(self.given.ring.has, issuers.allowed), issuers.allowed[0])
        can_sign = self.given.ring.has(usual) or self.given.ring.asks_elsewhere
        scope = issuers.scopes.get(usual)
        return _Signers(issuers, usual, can_sign, scope is not None and "{{" in repr(scope.template))

    def plan(self, user: WantedUser) -> None:
        """Decide on one user, and add the result."""
        given, wanted = self.given, self.wanted
        place = wanted.user_place(user)
        text = given.place.user_text(wanted.name, user.name) if user.name in self.files.users else None
        token = decorated.token_in(text) if text is not None else None
        said = peek(token) if token is not None else NOTHING
        file = given.place.where(wanted.name, user.name)
        if token is not None and not said.subject:
            self._problem(file, "this is left unchanged, it does not hold a JWT.")
            return
        if token is not None and self._trust is not None:
            filed = UserFile(wanted.name, self.account.subject, user.name, user.key, renamed_from=user.renamed_from)
            fault = user_fault(self._trust, filed, said, given.ring.has)
            if fault:
                self._problem(file, f"this is left unchanged: {fault}")
                return
        subject = self._key_of(user, place, said.subject)
        is_turned = token is not None and subject != said.subject and (wanted.name, user.name) in given.names.turned
        signers = self.signers(user, place)
        if signers is None:
            return
        one = _User(user, place, file, token, said, subject)
        made = self._decide(one, signers, is_turned)
        if made is None:
            return
        issuer, reasons, claims = made
        if reasons and not signers.can_sign:
            self._problem(place, no_seed(signers.issuers.allowed, given.ring))
            return
        file_reasons = token_file_reasons(given.place, file, "" if token == text else SURROUNDED)
        creds = self._plan_creds(one, bool(reasons))
        if not (reasons or file_reasons or creds.reasons or creds.writes or creds.is_old):
            self.kept.append(user.name)
            return
        if reasons or creds.writes or token != text or creds.is_old:
            new = claims if reasons else None
            writes = bool(reasons) or token != text
            has_creds = user.name in self.files.creds and not creds.is_old
            files = (writes, creds.writes, has_creds, creds.is_old)
            usual = Usual(token=token is not None and token == text, creds=creds.is_usual)
            self.steps.append(UserStep(user.name, subject, issuer, new, token, *files, usual))
        action = CREATED if token is None else CHANGED
        shown = (*file_reasons, *creds.reasons) if token is None else (*reasons, *file_reasons, *creds.reasons)
        expires = 0 if reasons else claims.expires
        self.findings.entities.append(Entity("user", user.name, wanted.name, action, shown, subject, expires))

    def _key_of(self, user: WantedUser, place: str, found: str) -> str:
        if user.name not in self.keys:
            has_creds = user.name in self.files.creds
            self.keys[user.name], problems = user_key(self.given, self.wanted, user, found, has_creds)
            if problems:
                self.findings.judge(Verdict(tuple(problems)))
        subject = self.keys[user.name]
        if subject in self._holders:
            self._problem(place, f"{self._holders[subject]} has the same key.")
        self._holders[subject] = user.name
        return subject

    def _decide(self, one: _User, signers: _Signers, is_turned: bool) -> tuple[str, tuple[str, ...], Claims] | None:
        """The signer of the user, the reasons to issue it (empty if it is kept) and its claims; None if there is a problem.

        A user whose key is rotated is always issued again.
        """
        given = self.given
        revoked = revoked_until(self.body.revocations, one.subject)
        problems: list[Problem] = []
        policy = wanted_claims.policy(one.user.options, one.place, problems, given.how.now, revoked)
        chosen = choose(signers.issuers, one.said.issuer, given.ring, given.signer)
        if isinstance(chosen, str):
            self._problem(one.place, chosen)
            return None
        issuer, scope = chosen
        wanted = self._claims(one, issuer, scope, signers.has_templates)
        if problems:
            self.findings.judge(Verdict(tuple(problems)))
        try:
            if is_turned:
                issuer, decision = self._turn(one, (issuer, wanted), signers, policy)
            elif one.token is None and not given.how.diff:
                decision = decide(wanted, None, issuer, policy, given.how.now)
            else:
                decision = self._compare(one, wanted, issuer, policy)
                if not decision.is_kept and not given.signer:
                    other = at_hand(signers.issuers, chosen, given.ring)
                    if not isinstance(other, str) and other.issuer != issuer:
                        issuer = other.issuer
                        wanted = self._claims(one, issuer, other.scope, signers.has_templates)
                        decision = self._compare(one, wanted, issuer, policy)
        except NatsSecurityError as error:
            self._problem(one.file, f"this is left unchanged: {error}")
            return None
        self._report(one, decision)
        if decision.is_kept:
            return issuer, (), decision.claims
        reasons = _NO_TOKEN if one.token is None else tuple(decision.reasons)
        return issuer, reasons, decision.claims

    def _turn(self, one: _User, chosen: tuple[str, Claims], signers: _Signers, policy: Policy) -> tuple[str, Decision]:
        """The signer of the JWT for the new key of a user, and the decision to issue it in place of the existing JWT.

        NatsSecurityError if the existing JWT cannot be read.
        """
        issuer, wanted = chosen
        if not self.given.signer and not self.given.ring.has(issuer):
            other = at_hand(signers.issuers, Signing(issuer, signers.issuers.scopes.get(issuer)), self.given.ring)
            if not isinstance(other, str):
                issuer = other.issuer
                wanted = self._claims(one, issuer, other.scope, signers.has_templates)
        decision = decide(wanted, None, issuer, policy, self.given.how.now)
        old = codec.decode(one.token or "")
        return issuer, decision._replace(old=old, reasons=[f"its key {one.said.subject} is replaced by a new one"])

    def _compare(self, one: _User, wanted: Claims, issuer: str, policy: Policy) -> Decision:
        if one.token is None:
            return decide(wanted, None, issuer, policy, self.given.how.now)
        # If the seed of its signer is available, the existing JWT is verified faster. Users with the same options share one body.
        signer: KeyPair | None = self.given.ring.find(one.said.issuer)
        return decide(wanted, one.token, issuer, policy, self.given.how.now, signer, self._json_of(wanted.body))

    def _json_of(self, body: User) -> str | None:
        if body is not self._written[0]:
            try:
                self._written = body, codec.body_json(body)
            except NatsSecurityError:  # reported where the claims are written
                self._written = body, None
        return self._written[1]

    def _report(self, one: _User, decision: Decision) -> None:
        for warning in decision.warnings:
            self._warned.setdefault(("", warning), []).append(one.place)
        if self.given.how.details:
            self.details[one.user.name] = decision
        if self.given.how.diff and not decision.is_kept:
            where = f"accounts.{self.wanted.name}.users.{one.user.name}"
            self.findings.before[where], self.findings.after[where] = decision.before, decision.after

    def _claims(self, one: _User, issuer: str, scope: SigningKey | None, has_templates: bool) -> Claims:
        problems: list[Problem] = []
        named = wanted_claims.issuer_account(self.account.subject, issuer, one.said.issuer_account)
        keys = wanted_claims.UserKeys(one.subject, named, scope is not None)
        wanted, checked = wanted_claims.user_claims(one.user, one.place, keys, problems)
        # Users with the same options have the same verdict, so it is computed once. With templates it depends on the user name.
        alike = (self.account.subject, issuer, wanted.not_before, one.user.name if has_templates else "")
        if alike not in checked:
            signed = copy_with(wanted, issuer=issuer)
            checked[alike] = verdicts.of_user(self.account, signed, "", self.given.how.now, self.strict)
        if checked[alike]:
            self.findings.judge(Verdict(checked[alike].at(one.place).beside(problems).problems))
            for path, message in checked[alike].warnings:
                self._warned.setdefault((path, message), []).append(join(one.place, path))
        if problems:
            self.findings.judge(Verdict(tuple(problems)))
        return wanted

    def warnings(self) -> Verdict:
        """The warnings of the rules. Of the users with the same warning, the first is named and the others are counted."""
        found = []
        for (_unused, message), places in self._warned.items():
            others = len(set(places)) - 1
            found.append(Problem(places[0], message if not others else f"{message} The same applies to {others} more."))
        return Verdict(warnings=tuple(found))

    def _problem(self, place: str, message: str) -> None:
        self.findings.judge(Verdict((Problem(place, message),)))

    def _plan_creds(self, one: _User, is_issued: bool) -> _Creds:
        """What happens to the creds file of a user."""
        text = self.given.place.creds_text(self.wanted.name, one.user.name) if self._may_be_old(one) else None
        holder = holder_of_creds(text) if text is not None else ""
        if not holder or holder == one.subject or holder not in self._old_keys(one):
            return self._creds_in_place(one, is_issued)
        return self._creds_of_old_key(one, holder, is_issued)

    def _creds_of_old_key(self, one: _User, holder: str, is_issued: bool) -> _Creds:
        """The same as `_plan_creds`, for a file with a previous key of the user."""
        reasons = () if is_issued else (f"the creds file has the key {holder}, which the user had before",)
        return _Creds(reasons, one.user.creds and self.given.ring.has(one.subject), is_old=True)

    def _may_be_old(self, one: _User) -> bool:
        """Whether the creds file of a user may have a previous key."""
        if one.user.name not in self.files.creds:
            return False
        key = (self.wanted.name, one.user.name)
        return key in self.given.names.turned or one.user.name in self.retiring

    def _old_keys(self, one: _User) -> set[str]:
        turned = self.given.names.turned.get((self.wanted.name, one.user.name), TurnedUser(""))
        keys = {turned.retiring, *turned.retired, self.retiring.get(one.user.name, ""), one.said.subject}
        return {key for key in keys if key} | set(self.body.revocations)

    def _creds_in_place(self, one: _User, is_issued: bool) -> _Creds:
        """The same as `_plan_creds`, if nothing suggests that the file has a previous key."""
        if not one.user.creds:
            return _NO_CREDS
        given, name = self.given, one.user.name
        file = given.place.where(self.wanted.name, name, creds=True)
        text = given.place.creds_text(self.wanted.name, name) if name in self.files.creds else None
        if text is None:
            if not given.ring.has(one.subject):
                return _NO_CREDS
            return _Creds(() if one.token is None else ("there is no creds file yet",), True)
        seed = given.ring.seed_text(one.subject)
        if seed and one.token is not None and text == decorated.creds_text(one.token, seed):
            return _Creds(given.place.file_reasons(file), is_issued, is_usual=True)
        creds = read_creds(text, one.subject, one.token)
        if creds.problem or creds.holder is None:
            holder = holder_of_creds(text)
            if holder in self.body.revocations:  # by a run that was interrupted before it wrote the file
                return self._creds_of_old_key(one, holder, is_issued)
            self._problem(file, creds.problem)
            return _NO_CREDS
        if not seed:
            # Only the creds file has the seed, so take it from there for rewriting the file.
            given.ring.add(creds.holder)
        if creds.is_same:
            return _Creds(given.place.file_reasons(file), is_issued)
        return _Creds(() if is_issued else (CREDS_SURROUNDED,), True)


@dataclasses.dataclass
class _User:
    """A user that is being planned: what is wanted, and what exists."""

    __slots__ = ("file", "place", "said", "subject", "token", "user")

    user: WantedUser
    place: str
    file: str
    token: str | None
    said: Said
    subject: str
