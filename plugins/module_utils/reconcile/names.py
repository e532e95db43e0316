# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Finds the public keys of the operator, accounts and signing key roles by name. A name without a key gets the placeholder of a new one."""

from __future__ import annotations

import dataclasses
from typing import Sequence

from ..claims import Claims, SigningKey
from ..claims.declaration import copy_with
from ..claims.options import Problem
from ..keys.keyring import Keyring
from ..keys.new import NewKey
from .place import Found, Place
from .rotation import (
    NONE,
    AtHand,
    Generations,
    Slot,
    TurnedUser,
    join_record,
    record_of_curve_key,
    record_of_identity,
    record_of_users,
    split,
    turn,
    with_new_names,
)
from .wanted import ABSENT, EXISTING, Rotation, Wanted, WantedAccount, WantedKey, WantedOperator, join


@dataclasses.dataclass
class Names:
    """Public keys, or placeholders, by name; and the roles that have to be recorded."""

    operator: str = ""
    identity: Slot = Slot("")  # the operator's identity key, and the next or retiring one during a rotation
    replaced_operator: str = ""  # the identity key that is no longer the subject of the operator JWT after this run
    operator_roles: dict[str, str] = dataclasses.field(default_factory=dict)
    accounts: dict[str, str] = dataclasses.field(default_factory=dict)
    roles: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)  # by account
    record: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)  # all roles, by their owner's key
    #: The signing keys in rotation, by their owner's key.
    generations: dict[str, Generations] = dataclasses.field(default_factory=dict)
    #: The keys of users that are rotated, by account and user.
    turned: dict[tuple[str, str], TurnedUser] = dataclasses.field(default_factory=dict)
    curves: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)  # of auth callouts, by account and role
    unused: frozenset[str] = (
        frozenset()
    )  # signing keys that sign nothing in this run, because servers may not have them yet
    adopted: list[str] = dataclasses.field(default_factory=list)  # reasons: existing keys whose role is recorded now
    problems: list[Problem] = dataclasses.field(default_factory=list)

    def of(self, owner: str) -> Generations:
        """The signing keys of an owner that are in rotation."""
        return self.generations.get(owner, NONE)

    @property
    def following_operator(self) -> str:
        """The next identity key of the operator; empty for none. Until it takes over, the JWT lists it as a signing key, so that servers trust it."""
        return self.identity.next or (self.identity.current if self.identity.retiring else "")

    def that_sign(self, claims: Claims) -> Claims:
        """The claims of an operator or account with only the keys that sign at present, without next and retiring keys."""
        following = self.following_operator if claims.subject == self.operator else ""
        idle = self.of(claims.subject).idle | self.unused | {following} - {""}
        if not idle:
            return claims
        keys = [key for key in claims.body.signing_keys if getattr(key, "key", key) not in idle]
        subject = following if following and self.identity.retiring else claims.subject
        found: Claims = copy_with(claims, subject=subject, body=copy_with(claims.body, signing_keys=keys))
        return found


def name_keys(wanted: Wanted, place: Place, ring: Keyring) -> Names:
    """Find the keys of everything except users."""
    names = Names(record=dict(place.roles))
    operator = wanted.operator
    asked: dict[str, list[Rotation]] = {}
    for one in wanted.rotations:
        if not (one.user or one.is_of_operator):
            asked.setdefault(one.account, []).append(one)
    if operator is not None:
        recorded_under = _name_operator(
            names, (place, ring), operator, [one for one in wanted.rotations if one.is_of_operator]
        )
        old = place.operator.claims.body.signing_keys if place.operator is not None else []
        entries = [SigningKey(key=key) for key in old if key not in names.identity]
        roles = _Roles(place, ring, recorded_under, f"{operator.name}/signing_keys", "operator")
        names.operator_roles = _turned(
            names, names.operator, roles, (wanted_keys(operator), entries), asked.get("", ())
        )
    elif place.operator is not None:
        names.operator = place.operator.claims.subject
    for account in wanted.accounts:
        if account.state == ABSENT:
            continue
        found = place.accounts.get(account.name)
        new = "" if account.state == EXISTING else started_or_new(place, ring, NewKey("account", account.name))
        key = _key(account.key, found, new)
        names.accounts[account.name] = key
        names.problems += _key_problems(account.key, found, account.place)
        entries = list(found.claims.body.signing_keys) if found is not None else []
        roles = _Roles(place, ring, key, f"{account.name}/signing_keys", "account")
        rotations = [] if account.state == EXISTING else asked.pop(account.name, [])
        of_users = record_of_users(key)
        if of_users in names.record:
            before = {user.renamed_from: user.name for user in account.users if user.renamed_from}
            names.record[of_users] = with_new_names(names.record[of_users], before)
        if account.curve_role:
            curve = [one for one in rotations if one.role == account.curve_role]
            rotations = [one for one in rotations if one not in curve]
            _name_curve_key(names, (place, ring), account, curve)
        names.roles[account.name] = _turned(names, key, roles, (wanted_keys(account), entries), rotations)
    for owner, rotations in asked.items():
        if owner or operator is None or operator.state == EXISTING:
            names.problems += _not_managed(owner, rotations)
    names.problems += _shared_keys(wanted, place, names)
    return names


def _name_operator(
    names: Names, at_hand: tuple[Place, Keyring], operator: WantedOperator, rotations: Sequence[Rotation]
) -> str:
    """Set the identity key of the operator after its rotation. Returns the key under which its signing keys are recorded.

    A JWT has one subject. So the next identity key is among the signing keys until everything that the previous key signed is signed again. Then a JWT
    with the next key as its subject is issued. A run that was interrupted in between has already recorded the next key as the operator.
    """
    place, ring = at_hand
    found = place.operator
    pinned = place.trust.record.operator if place.trust is not None else ""
    new = "" if operator.state == EXISTING else started_or_new(place, ring, NewKey("operator", operator.name))
    key = _key(operator.key or pinned, found, new)
    names.operator, names.identity = key, Slot(key)
    if (
        found is not None
        and pinned != key
        and pinned in found.claims.body.signing_keys
        and operator.key in ("", pinned)
    ):
        names.operator, names.identity, names.replaced_operator = pinned, Slot(pinned), key
        return pinned
    names.problems += _key_problems(operator.key, found, operator.place)
    owner = record_of_identity(key)
    record = names.record.pop(owner, {})
    if operator.state == EXISTING:
        names.problems += _not_managed("", rotations)
        rotations = ()
    if operator.key:
        path = join(operator.place, "public_key")
        message = "the document names the identity key of the operator: remove this, then the key can be rotated."
        names.problems += [Problem(path, message) for _unused in rotations]
    turned = turn(
        {"": record.get("", key)},
        record,
        [key, *found.claims.body.signing_keys] if found is not None else (),
        rotations,
        AtHand(
            lambda _unused: started_or_new(place, ring, NewKey("operator", f"{operator.name} (next)")),
            lambda one: any(signer.public_key == one for signer in ring.signers),
            lambda one: _has_gone(place, one),
        ),
    )
    names.problems += turned.problems
    names.identity = Slot(
        turned.roles[""], turned.generations.next.get("", ""), turned.generations.retiring.get("", "")
    )
    if key in turned.generations.retired:
        names.operator, names.replaced_operator = names.identity.current, key
    elif names.following_operator:
        names.record[owner] = join_record(turned.roles, turned.generations)
    return key


def started_or_new(place: Place, ring: Keyring, new: NewKey) -> str:
    """The key that an interrupted run created for this purpose; otherwise the placeholder of a new key."""
    started = place.started.get(new.label, {}).get(new.type, "")
    return started if started and ring.is_stored(started) else new


def _key(given: str, found: Found | None, new: str) -> str:
    return found.claims.subject if found is not None else given or new


def _key_problems(given: str, found: Found | None, place: str) -> list[Problem]:
    if found is None or not given or given == found.claims.subject:
        return []
    return [Problem(join(place, "public_key") if place else "", other_subject(found.claims.subject, given))]


def other_subject(found: str, wanted: str) -> str:
    """The message that a token is not replaced by one with another subject."""
    return (
        f"the subject of the existing token is {found}, expected {wanted}: it is left unchanged. "
        "To replace its key, remove it first (state: absent)."
    )


def _shared_keys(wanted: Wanted, place: Place, names: Names) -> list[Problem]:
    found = {one.claims.subject: name for name, one in place.accounts.items()}
    problems = []
    for account in wanted.accounts:
        other = found.get(names.accounts.get(account.name, ""))
        if other is not None and other != account.name:
            problems.append(
                Problem(join(account.place, "public_key"), f"this is already the key of the account {other}.")
            )
    return problems


def wanted_keys(owner: WantedOperator | WantedAccount) -> Sequence[WantedKey] | None:
    """The wanted signing keys; None for an owner that is used as it is."""
    return None if owner.state == EXISTING else owner.signing_keys


def _not_managed(account: str, rotations: Sequence[Rotation]) -> list[Problem]:
    whose = f"the account {account}" if account else "the operator"
    return [
        Problem(one.place, f"{whose} is not managed by the document, so its keys are not rotated.") for one in rotations
    ]


def _no_rotation(owner: str, one: Rotation) -> str:
    """The message that an identity key is not rotated, with what to do instead."""
    if one.account:
        return (
            f"{owner} is the identity key of the account {one.account}, which identifies the account: streams, imports and users refer to it. It cannot be "
            "rotated. Sign everything with signing keys and keep its seed offline; if it is compromised, make a new account, move users and data "
            "to it, and remove this one (state: absent)."
        )
    return (
        f"{owner} is the identity key of the operator, not the key of a role. To rotate it, name the operator instead of a role "
        "(operator: NAME, or rotate_operator of the playbook natsops.security.rotate)."
    )


def _turned(
    names: Names,
    owner: str,
    roles: _Roles,
    keys: tuple[Sequence[WantedKey] | None, Sequence[SigningKey]],
    rotations: Sequence[Rotation],
) -> dict[str, str]:
    """The key of each role after its rotation. Also adds what has to be recorded, and problems, to `names`."""
    wanted, old = keys
    found = roles.as_found(old) if wanted is None else roles.resolve(wanted, old)
    pinned = {one.role for one in wanted or () if one.key}
    names.problems += [
        Problem(
            join(one.place, "role"),
            f"the document names the public_key of the role {one.role}: remove it there, then the key can be rotated.",
        )
        for one in rotations
        if one.role in pinned
    ]
    names.problems += [
        Problem(one.place, _no_rotation(owner, one)) for one in rotations if owner in (one.key, one.role)
    ]
    rotations = [one for one in rotations if owner not in (one.key, one.role)]
    in_token = (owner, *(key.key for key in old))
    turned = turn(found, roles.record, in_token, rotations, AtHand(roles.make, roles.is_elsewhere, roles.has_gone))
    names.problems += [*roles.problems, *turned.problems]
    names.adopted += roles.adopted
    names.generations[owner] = turned.generations
    known, _unused, _unused = split(roles.record)
    current = {**{role: key for role, key in known.items() if role not in found}, **turned.roles}
    names.record[owner] = join_record(current, turned.generations)
    return turned.roles


def _has_gone(place: Place, key: str) -> bool:
    return place.trust is not None and key in place.trust.record.removed


def _name_curve_key(
    names: Names, at_hand: tuple[Place, Keyring], account: WantedAccount, rotations: Sequence[Rotation]
) -> None:
    """Set the curve key of an auth callout after its rotation: the key that is recorded for its role, else the one in the JWT, else a new one.

    A JWT has one curve key, so the next and the retiring key are only on record.
    """
    place, ring = at_hand
    role, found = account.curve_role, place.accounts.get(account.name)
    owner = record_of_curve_key(names.accounts[account.name])
    record = place.roles.get(owner, {})
    label = f"{account.name}/authorization/{role}"
    in_token = found.claims.body.authorization.xkey if found is not None else ""
    if role in {one.role for one in account.signing_keys}:
        path = join(account.place, "authorization.xkey.role")
        names.problems.append(Problem(path, f"a signing key of the account has the role {role}: choose another name."))
    current = record.get(role) or in_token or started_or_new(place, ring, NewKey("curve", label))
    if in_token and not record.get(role):
        names.adopted.append(f"{in_token} is recorded as the key of the role {role}")
    present = [key for key in (current, *record.values()) if not isinstance(key, NewKey)]
    turned = turn(
        {role: current},
        record,
        present,
        rotations,
        AtHand(
            lambda _unused: started_or_new(place, ring, NewKey("curve", f"{label} (next)")),
            lambda key: not ring.has(key),
            lambda key: _has_gone(place, key),
        ),
    )
    names.problems += turned.problems
    names.generations[owner] = turned.generations
    names.record[owner] = join_record(turned.roles, turned.generations)
    names.curves[account.name] = turned.roles


class _Roles:
    """The keys of the roles of one operator or account."""

    def __init__(self, place: Place, ring: Keyring, owner: str, label: str, key_type: str) -> None:
        self.record = place.roles.get(owner, {})
        self.problems: list[Problem] = []
        self.adopted: list[str] = []
        self._place, self._ring, self._label, self._key_type = place, ring, label, key_type
        _unused, following, retiring = split(self.record)
        self._idle = {*following.values(), *retiring.values()}

    def make(self, role: str) -> str:
        """The next key for a role that already has a key."""
        return started_or_new(self._place, self._ring, NewKey(self._key_type, f"{self._label}/{role} (next)"))

    def is_elsewhere(self, key: str) -> bool:
        """Whether a key is held by a signer, not as a seed here."""
        return any(signer.public_key == key for signer in self._ring.signers)

    def has_gone(self, key: str) -> bool:
        """Whether an earlier run removed a key."""
        return _has_gone(self._place, key)

    def as_found(self, old: Sequence[SigningKey]) -> dict[str, str]:
        """The recorded keys by role that are in a token that is used as it is."""
        present = {key.key for key in old}
        return {role: key for role, key in split(self.record)[0].items() if key in present}

    def resolve(self, wanted: Sequence[WantedKey], old: Sequence[SigningKey]) -> dict[str, str]:
        """The key of each role: by its scope in the token, from the record, from an interrupted run, the only key without a role, or a new one."""
        roles = {one.role: one.key for one in wanted if one.role and one.key}
        claimed = {one.key for one in wanted if one.key}
        unnamed = []
        for one in wanted:
            found = None if one.key else self._known(one, old)
            if found is not None and found not in claimed:
                roles[one.role] = found
                claimed.add(found)
            elif not one.key:
                unnamed.append(one)
        bare = [key.key for key in old if key.template is None]
        for one in wanted:
            if one.role and one.key in bare and self.record.get(one.role) != one.key:
                self.adopted.append(f"the role {one.role} of {one.key} is recorded")
        plain = [key for key in bare if key not in claimed and key not in self.record.values()]
        return {**roles, **self._adopt(unnamed, plain)}

    def _known(self, wanted: WantedKey, old: Sequence[SigningKey]) -> str | None:
        scoped = [
            key.key for key in old if key.template is not None and key.role == wanted.role and key.key not in self._idle
        ]
        if len(scoped) > 1:
            keys = ", ".join(scoped)
            message = f"there are {len(scoped)} keys with the role {wanted.role}, {keys}: name one by public_key."
            self.problems.append(Problem(wanted.place, message))
        return scoped[0] if scoped else self.record.get(wanted.role)

    def _adopt(self, unnamed: Sequence[WantedKey], plain: Sequence[str]) -> dict[str, str]:
        adopting = [one for one in unnamed if not isinstance(one.options.get("template"), dict)]
        if plain and adopting and (len(plain) > 1 or len(adopting) > 1):
            message = (
                f"there are signing keys without a role already, {', '.join(plain)}: give each its role with role and public_key, "
                f"or list them by public_key to have a new one for {', '.join(one.role for one in adopting)}."
            )
            self.problems.append(Problem(adopting[0].place, message))
        roles = {}
        for one in unnamed:
            if plain and one in adopting:
                roles[one.role] = plain[0]
                self.adopted.append(f"{plain[0]} is recorded as the key of the role {one.role}")
            else:
                roles[one.role] = started_or_new(
                    self._place, self._ring, NewKey(self._key_type, f"{self._label}/{one.role}")
                )
        return roles
