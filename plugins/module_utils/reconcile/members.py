# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The users of an account before each is planned: the keys that the claims of the account name, and the users that are removed and revoked."""

from __future__ import annotations

from typing import NamedTuple

from ..claims import Account, Claims
from ..claims.comparison import describe
from ..claims.kinds import TimeOfRun
from ..claims.options import Problem
from ..keys.new import NewKey
from ..rules import revoked_until
from ..token import codec, decorated
from .creds import holder_of_creds
from .given import Findings, Given
from .names import other_subject, started_or_new
from .place import Found, Trust, UserFiles
from .plan import EXTRA, REMOVED, Entity, Removal
from .rotation import record_of_users, retiring_keys
from .trust import Said, UserFile, peek, user_fault
from .verdicts import Verdict
from .wanted import ABSENT, EXISTING, WantedAccount, WantedUser, join
from .wanted_claims import users_referred_to


class Members(NamedTuple):
    """The users that matter for the claims of an account, before each is planned.

    `named` has the keys of the users that the claims of the account name, `keys` these and the keys of users that are removed, both by name. `revoked` has
    the revocation times of removed users and keys, by public key. `retiring` has the previous keys of users that are still valid, by name.
    """

    named: dict[str, str]
    keys: dict[str, str]
    revoked: dict[str, int]
    files: UserFiles
    findings: Findings
    retiring: dict[str, str]


def find_members(given: Given, wanted: WantedAccount) -> Members:
    """Find the keys of users that the claims of the account name, and the users that are removed."""
    place, name = given.place, wanted.name
    recorded = given.names.record.get(record_of_users(given.names.accounts[name]), {})
    members = Members({}, {}, {}, place.user_files(name), Findings(), retiring_keys(recorded))
    if members.files.users and place.trust is not None:
        members = _without_unverified(given, place.trust, wanted, members)
    users = {user.name: user for user in wanted.users}
    present = {user.name for user in wanted.users if user.state != ABSENT}
    for referred in users_referred_to(wanted) | set(wanted.remove_revocations):
        if referred not in users:
            continue  # a public key, or an invalid text, which must not become part of a path
        subject = _found_subject(given, name, referred)
        if referred in present:
            has_creds = referred in members.files.creds
            key, problems = user_key(given, wanted, users[referred], subject, has_creds)
            members.named[referred] = members.keys[referred] = key
            members.findings.judge(Verdict(tuple(problems)))
        elif subject:
            members.keys[referred] = subject
    found = place.accounts.get(name)
    old = found.claims.body if found is not None else Account()
    for user in members.files.users:
        if user not in present:
            _plan_other(given, wanted, user, old, members)
    for (account, user), turned in given.names.turned.items():
        for key in turned.retired if account == name else ():
            _retire(given, wanted, user, key, members)
    return members


def _retire(given: Given, wanted: WantedAccount, user: str, key: str, members: Members) -> None:
    """Revoke a previous key of a user."""
    text = given.place.user_text(wanted.name, user)
    claims = codec.peek(decorated.token_in(text)) if text is not None else {}
    issued_at = claims.get("iat") if claims.get("sub") == key else None
    members.revoked[key] = TimeOfRun(max(given.how.now, issued_at if isinstance(issued_at, int) else 0))
    reason = ("it is no longer the key of the user",)
    members.findings.entities.append(Entity("user_key", user, wanted.name, REMOVED, reason, key, 0))
    members.findings.removals.append(Removal(wanted.name, user, [key], keeps_files=True))


def _without_unverified(given: Given, trust: Trust, wanted: WantedAccount, members: Members) -> Members:
    """The members, without the user files if these cannot be verified. That is a problem, unless their account is already reported as one."""
    users, name = [*members.files.users], wanted.name
    if name in trust.unverified:
        return members._replace(files=UserFiles())
    if not trust.account_keys[name]:
        shown = f"{', '.join(users[:5])}{', ...' if len(users) > 5 else ''}"
        message = (
            f"there is no JWT of the account, so the JWTs of its users cannot be verified ({shown}): restore "
            "it, name the key of the account in its public_key, or remove them."
        )
        members.findings.judge(Verdict((Problem(given.place.where(name), message),)))
        return members._replace(files=UserFiles())
    return members


def read_user(given: Given, account: str, user: str) -> Found | Problem | None:
    """The token of a user that the document does not want; a problem if its file has no JWT of this user; None if there is no file."""
    found, trust = given.place.read_user(account, user), given.place.trust
    if not isinstance(found, Found) or trust is None:
        return found
    claims = found.claims
    key = given.place.accounts[account].claims.subject if account in given.place.accounts else ""
    said = Said(claims.subject, claims.issuer, claims.body.issuer_account, claims.name)
    fault = user_fault(trust, UserFile(account, key, user, is_wanted=False), said, given.ring.has)
    return Problem(given.place.where(account, user), f"this is left unchanged: {fault}") if fault else found


def _plan_other(given: Given, wanted: WantedAccount, user: str, old: Account, members: Members) -> None:
    """Decide on an existing user that is not in the document or is to be absent."""
    is_named = any(one.name == user for one in wanted.users)
    if not is_named and wanted.state == EXISTING:
        return
    found = read_user(given, wanted.name, user)
    if not isinstance(found, Found):
        members.findings.judge(Verdict((found,)) if found is not None else Verdict())
        return
    claims = found.claims
    if not is_named and not given.how.prune:
        because = ("it is not in the document",)
        members.findings.entities.append(
            Entity("user", user, wanted.name, EXTRA, because, claims.subject, claims.expires)
        )
        return
    reason = "its state is absent" if is_named else "it is not in the document"
    members.findings.take(plan_user_that_goes(given, wanted.name, user, claims, reason))
    if wanted.state == EXISTING:
        message = (
            f"the user {user} is removed here but stays valid, because its account is not managed here "
            "(state: existing): the owner of the account has to revoke it."
        )
        members.findings.judge(Verdict(warnings=(Problem(wanted.place, message),)))
        return
    if revoked_until(old.revocations, claims.subject) < claims.issued_at:
        members.revoked[claims.subject] = TimeOfRun(max(given.how.now, claims.issued_at))
    if user in members.retiring:
        _retire(given, wanted, user, members.retiring[user], members)


def plan_user_that_goes(given: Given, account: str, user: str, claims: Claims, reason: str) -> Findings:
    """The findings for a user that is removed with its files."""
    findings = Findings(
        [Entity("user", user, account, REMOVED, (reason,), claims.subject, claims.expires)],
        [Removal(account, user, [claims.subject])],
    )
    if given.how.diff:
        findings.before[f"accounts.{account}.users.{user}"] = describe(claims)
    return findings


def _found_subject(given: Given, account: str, user: str) -> str:
    text = given.place.user_text(account, user)
    return peek(decorated.token_in(text)).subject if text is not None else ""


def user_key(
    given: Given, account: WantedAccount, user: WantedUser, subject: str, has_creds: bool
) -> tuple[str, list[Problem]]:
    """The key of a user, and the problems with it.

    It is the key that a rotation chose, the key of the existing token, the key in the document, the key that an interrupted run created, the key in the
    creds file, or the placeholder of a new key, in this order.
    """
    turned = given.names.turned.get((account.name, user.name))
    if turned is not None:
        return turned.current, []
    if not subject:
        label = NewKey("user", f"{account.name}/{user.name}")
        known = user.key or started_or_new(given.place, given.ring, label)
        return (_holder_of_creds(given, account, user) or label) if has_creds and known is label else known, []
    if user.key and user.key != subject:
        path = join(account.user_place(user), "public_key") if account.place else ""
        return subject, [Problem(path, other_subject(subject, user.key))]
    return subject, []


def _holder_of_creds(given: Given, account: WantedAccount, user: WantedUser) -> str:
    """The key in the creds file of a user whose JWT is missing; empty if there is no creds file or it has no user seed."""
    return holder_of_creds(given.place.creds_text(account.name, user.name) if user.creds else None)
