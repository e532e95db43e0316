# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Rotation of the keys of users. The key of a user is the subject of its JWT, so a new key needs a new JWT. The account does not have to know it first.

The JWT of the previous key stays valid until that key is revoked in the account. It is no longer in a file, so the key is recorded as retiring until
then.
"""

from __future__ import annotations

from typing import Callable

from ..base.excerpts import excerpt
from ..base.units import show_time
from ..claims import Account
from ..claims.options import Problem
from ..keys.new import NewKey
from ..rules import revoked_until
from ..token import decorated
from .creds import holder_of_creds
from .given import Given
from .members import read_user
from .names import started_or_new
from .place import Found
from .rotation import ADD, REPLACE, RESIGN, RETIRE, TurnedUser, record_of_users, retiring_keys, role_of, with_retiring
from .trust import peek
from .wanted import PRESENT, Rotation, WantedAccount, WantedUser, join
from .wanted_claims import describe_user


def turn_users(given: Given) -> list[Problem]:
    """Apply the requested rotations of users. Adds the resulting keys to the names, and returns the problems."""
    problems: list[Problem] = []
    names = given.names
    accounts = {account.name: account for account in given.wanted.accounts}
    for one in given.wanted.rotations:
        account = accounts.get(one.account) if one.user else None
        if account is None:
            continue
        described = next((user for user in account.users if user.name == one.user), None)
        user = described or _as_found(given, account, one)
        if isinstance(user, Problem):
            problems.append(user)
            continue
        turned = turn_user(given, account, user, one)
        if isinstance(turned, Problem):
            problems.append(turned)
            continue
        if described is None:
            account.users.append(user)
        names.turned[account.name, user.name] = turned
        owner = record_of_users(names.accounts[account.name])
        names.record[owner] = with_retiring(names.record.get(owner, {}), user.name, turned.retiring)
    return problems


def _as_found(given: Given, account: WantedAccount, asked: Rotation) -> WantedUser | Problem:
    """A user that is not in the document, with the options from its JWT: only its key will change. A problem if it cannot be rotated."""
    place = join(asked.place, "user")
    named = f"{excerpt(asked.user)} in the account {account.name}"
    found = read_user(given, account.name, asked.user)
    if not isinstance(found, Found):
        return found or Problem(place, f"neither the document nor the store has a user {named}.")
    if given.how.prune:
        return Problem(place, f"the document has no user {named}, and what it does not have is removed (prune).")
    claims, stored = found.claims, given.place.accounts[account.name].claims
    if revoked_until(stored.body.revocations, claims.subject) >= claims.issued_at:
        return Problem(
            place, f"{asked.user} is revoked, and the document does not have it: a new key would give it access again."
        )
    signer = next((key for key in stored.body.signing_keys if key.key == claims.issuer), None)
    role = signer.role if signer else ""
    role = role or role_of(given.names.record.get(stored.subject, {}), claims.issuer)[0]
    options = describe_user(claims, signer is not None and signer.template is not None)
    if claims.expires:
        options["expires_at"] = show_time(claims.expires)
    has_creds = asked.user in given.place.user_files(account.name).creds
    return WantedUser(len(account.users), asked.user, "", role, PRESENT, has_creds, options, "")


def turn_user(given: Given, account: WantedAccount, user: WantedUser, asked: Rotation) -> TurnedUser | Problem:
    """Apply one phase of the rotation of a user's key. Returns the keys of the user, or a problem if the phase is not possible."""
    owner = given.names.accounts[account.name]
    text = given.place.user_text(account.name, user.name)
    current = peek(decorated.token_in(text)).subject if text is not None else ""
    if not current:
        return Problem(asked.place, f"the user {account.name}/{user.name} has no JWT yet: there is nothing to rotate.")
    retiring = retiring_keys(given.names.record.get(record_of_users(owner), {})).get(user.name, "")
    slot = TurnedUser(current, retiring if retiring != current else "")
    found = _turn(slot, asked, lambda key: _has_gone(given, account.name, key), given.ring.is_stored)
    if isinstance(found, str):
        return Problem(asked.place, found)
    if found.current:
        return found
    following = _following(given, account, user, asked, current)
    return following if isinstance(following, Problem) else found._replace(current=following)


def _turn(
    slot: TurnedUser, asked: Rotation, has_gone: Callable[[str], bool], is_stored: Callable[[str], bool]
) -> TurnedUser | str:
    """The keys of a user after a phase, or why the phase is not possible. `current` is empty if a new key has to follow."""
    current, retiring, _unused = slot
    key = asked.key or retiring or current
    if asked.phase == ADD:
        return "the key of a user is the subject of its JWT, so a user cannot have a second key. Begin with the phase resign."
    if key == retiring:
        return slot if asked.phase == RESIGN else TurnedUser(current, "", (retiring,))
    if key != current:
        if has_gone(key):
            # An interrupted run may have left the seed of this key and of the key before it.
            is_left = asked.phase != RESIGN and is_stored(key)
            return TurnedUser(current, "", tuple(filter(None, (key, retiring)))) if is_left else slot
        return f"{key} is not a key of the user {asked.account}/{asked.user}, which has {current}."
    if asked.phase == RETIRE:
        return f"{key} is the key that the user {asked.account}/{asked.user} has: give it another one first (phase: resign)."
    if asked.phase == REPLACE:
        return TurnedUser("", "", tuple(filter(None, (current, retiring))))
    if retiring:
        return (
            f"another rotation of the user {asked.account}/{asked.user} is under way: {retiring} is not retired yet. "
            "Complete that first (phase: retire)."
        )
    return TurnedUser("", current)


def _has_gone(given: Given, account: str, key: str) -> bool:
    """Whether a key was removed or revoked as the key of a user."""
    trust, found = given.place.trust, given.place.accounts.get(account)
    body: Account = found.claims.body if found is not None else Account()
    return key in body.revocations or (trust is not None and key in trust.record.removed)


def _following(given: Given, account: WantedAccount, user: WantedUser, asked: Rotation, current: str) -> str | Problem:
    """The next key: the key that the task or the document names, the key that an interrupted run created, or the placeholder of a new key."""
    named = asked.following or (user.key if user.key != current else "")
    if user.key and user.key != named:
        path = join(account.user_place(user), "public_key")
        return Problem(
            path, f"the document names the key to replace, {user.key}: remove it there, then the key can be rotated."
        )
    if current in account.auth_users:
        path = join(account.place, "authorization.auth_users")
        return Problem(path, f"this names the key to replace, {current}: write the name of the user, {user.name}.")
    if named == current:
        return Problem(join(asked.place, "next_public_key"), "this is the key to replace.")
    if named:
        if _has_gone(given, account.name, named):
            return Problem(
                join(asked.place, "next_public_key"), f"{named} was a key of a user already: make a new one."
            )
        return named
    creds = given.place.creds_text(account.name, user.name)
    if not given.ring.has(current) and holder_of_creds(creds) != current:
        return Problem(
            asked.place,
            f"the seed of {current} is not available here, because it was made elsewhere. Create the next key there, and set next_public_key. The playbook "
            "natsops.security.rotate does so on the host that has the user in credentials_users, if the creds there are of this key. "
            "If it was stolen and that host is unreachable, revoke the user first (playbook natsops.security.revoke).",
        )
    return started_or_new(given.place, given.ring, NewKey("user", f"{account.name}/{user.name} (next)"))
