# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Rotation of signing keys. A role is a slot: the key that signs for it is current, beside it there may be the next one, and one that is retiring.

What is known of a slot is the JWT, which has all of its keys, and the roles on record. So a run that was killed is gone on with by the next.
"""

from __future__ import annotations

import dataclasses
from typing import Callable, Iterable, Iterator, Mapping, NamedTuple, Sequence

from ..claims.options import Problem
from ..keys.new import read_new_key
from .wanted import Rotation, WantedKey, join

#: What a rotation does: make the next key; let it sign what the one before signed; take the one before out of the JWT; or all of it at once.
ADD, RESIGN, RETIRE, REPLACE = ("add", "resign", "retire", "replace")
_NEXT, _RETIRING = " (next)", " (retiring)"
#: What the retiring keys of an account's users are recorded under, after the key of the account.
_USERS = "/users"
#: The same of the curve key of its auth callout.
_CURVE = "/curve"
#: The same of the operator's identity key, in the place of a role without a name.
_IDENTITY = "/identity"


class Slot(NamedTuple):
    """The keys of a role: who signs, who is going to, and who has signed until now."""

    current: str
    next: str = ""
    retiring: str = ""


@dataclasses.dataclass(frozen=True)
class Generations:
    """The keys of an operator or account that are in its JWT and sign nothing by now, by role; and those that leave it, by role."""

    next: Mapping[str, str] = dataclasses.field(default_factory=dict)
    retiring: Mapping[str, str] = dataclasses.field(default_factory=dict)
    leaving: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def retired(self) -> frozenset[str]:
        """The keys that leave the JWT."""
        return frozenset(self.leaving.values())

    @property
    def idle(self) -> frozenset[str]:
        """The keys that sign nothing."""
        return frozenset([*self.next.values(), *self.retiring.values(), *self.retired])

    @property
    def kept(self) -> list[tuple[str, str]]:
        """The roles and keys that are in the JWT beside those that sign."""
        return [*self.next.items(), *self.retiring.items()]


NONE = Generations()


def split(record: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """The roles on record: the current keys, the next ones, and those that are retiring, by role."""
    current, following, retiring = {}, {}, {}
    for name, key in record.items():
        if name.endswith(_NEXT):
            following[name[: -len(_NEXT)]] = key
        elif name.endswith(_RETIRING):
            retiring[name[: -len(_RETIRING)]] = key
        else:
            current[name] = key
    return current, following, retiring


def join_record(current: Mapping[str, str], generations: Generations) -> dict[str, str]:
    """The roles as they are recorded."""
    return {
        **current,
        **{role + _NEXT: key for role, key in generations.next.items()},
        **{role + _RETIRING: key for role, key in generations.retiring.items()},
    }


def role_of(record: Mapping[str, str], key: str) -> tuple[str, str]:
    """The role that a key has on record, empty for none, and its generation: `current`, `next` or `retiring`."""
    name = next((name for name, known in record.items() if known == key), "")
    for ending, generation in ((_NEXT, "next"), (_RETIRING, "retiring")):
        if name.endswith(ending):
            return name[: -len(ending)], generation
    return name, "current"


class AtHand(NamedTuple):
    """What is asked about keys: a new one, or its placeholder, for a role; whether a signer holds one elsewhere; and whether one was a key here and went."""

    make: Callable[[str], str]
    is_elsewhere: Callable[[str], bool]
    has_gone: Callable[[str], bool]


class Turned(NamedTuple):
    """The keys of roles after their rotations."""

    roles: dict[str, str]
    generations: Generations
    problems: list[Problem]


def turn(
    roles: Mapping[str, str],
    record: Mapping[str, str],
    in_token: Iterable[str],
    rotations: Sequence[Rotation],
    at_hand: AtHand,
) -> Turned:
    """Rotate the roles of one operator or account that are asked for, and keep the generations of the others.

    `roles` are the keys of the roles that are wanted. A key that a signer holds elsewhere is not followed by one whose seed is made here.
    """
    present = set(in_token)
    _unused, following, retiring = split(record)
    slots = {
        role: _slot(key, _in(following.get(role), present, key), _in(retiring.get(role), present, key), present)
        for role, key in roles.items()
    }
    leaving: dict[str, str] = {}
    problems = []
    for one in rotations:
        slot = slots.get(one.role)
        if slot is None:
            known = ", ".join(sorted(roles)) or "none"
            problems.append(Problem(join(one.place, "role"), f"there is no role {one.role} here; available: {known}."))
            continue
        found = _turn_slot(slot, one, present, at_hand)
        if isinstance(found, str):
            problems.append(Problem(one.place, found))
            continue
        if one.phase in (RETIRE, REPLACE):
            for key in set(slot) & present - set(found):
                leaving[one.role] = key
        slots[one.role] = found
    generations = Generations(
        {role: slot.next for role, slot in slots.items() if slot.next},
        {role: slot.retiring for role, slot in slots.items() if slot.retiring},
        leaving,
    )
    return Turned({role: slot.current for role, slot in slots.items()}, generations, problems)


def _slot(current: str, following: str, retiring: str, present: set[str]) -> Slot:
    """The slot of a role. A JWT that came back signed may have the next key in place of the one on record: it has come, then."""
    return Slot(following) if following and current not in present else Slot(current, following, retiring)


def while_waiting(
    known: Mapping[str, Mapping[str, str]], planned: Mapping[str, Mapping[str, str]]
) -> dict[str, dict[str, str]]:
    """The record while JWTs wait for their signatures: as it is, with new roles, and with the new key of a known role as its next one."""
    record = {owner: dict(roles) for owner, roles in known.items()}
    for owner, roles in planned.items():
        mine = record.setdefault(owner, {})
        before = dict(mine)
        for name, key in roles.items():
            if name.endswith(_RETIRING):
                continue  # it signs as long as the JWT is not there
            if name not in before:
                mine[name] = key
            elif before[name] != key and not name.endswith(_NEXT):
                mine[name + _NEXT] = key
    return record


def _in(key: str | None, present: set[str], current: str) -> str:
    return key if key and key in present and key != current else ""


def _turn_slot(slot: Slot, asked: Rotation, present: set[str], at_hand: AtHand) -> Slot | str:
    """The slot after a phase, or why that cannot be."""
    current, following, retiring = slot
    key = asked.key or retiring or current
    # A run that was killed has put the key that follows on record, and not into the JWT.
    is_begun = bool(retiring) and current not in present
    if current not in present and not is_begun:
        return f"{asked.slot} has no key yet: there is nothing to rotate."
    if key not in slot:
        if key in present:
            return f"{key} is a signing key here, and not one of {asked.slot}, which has {current}."
        if at_hand.has_gone(key):
            return slot
        return f"{key} is not a key of {asked.slot}, and none that it had before: it has {current}."
    if key == following:
        return f"{key} is the key that is to follow in {asked.slot}: it cannot go before it has come."
    if key == current and retiring:
        return (
            f"another rotation of {asked.slot} is under way: {retiring} is retiring still. "
            "Complete that first (phase: retire)."
        )
    if asked.following and asked.following not in (following, current) and (following or key == retiring):
        return f"{following or current} is the key that follows in {asked.slot} already, not {asked.following}."
    if asked.phase != RETIRE and key == current and not following:
        if asked.following in present:
            return f"{asked.following} is a key here already: it cannot follow in {asked.slot}."
        if not asked.following and at_hand.is_elsewhere(current):
            return f"{current} is held by a signer elsewhere. Make the key that follows there, and name it: next_public_key."
        following = asked.following or at_hand.make(asked.role)
    if asked.phase == ADD:
        return slot if key == retiring else Slot(current, following)
    if asked.phase == RESIGN:
        return slot if key == retiring else Slot(following, "", current)
    if asked.phase == RETIRE and (key == current or is_begun):
        return f"{key} still signs for {asked.slot}: first sign again what it signed (phase: resign)."
    return Slot(current if key == retiring else following)


def with_generations(wanted: Sequence[WantedKey], generations: Generations) -> Iterator[WantedKey]:
    """The signing keys that an account has beside those that sign: with what the document says of their roles."""
    by_role = {one.role: one for one in wanted if one.role}
    for role, key in generations.kept:
        yield dataclasses.replace(by_role[role], key=key)


# ---- the keys of users


class TurnedUser(NamedTuple):
    """The key of a user after a phase, the one that is retiring, and those that are revoked now."""

    current: str
    retiring: str = ""
    retired: tuple[str, ...] = ()


def record_of_users(account_key: str) -> str:
    """What the retiring keys of an account's users are recorded under."""
    return account_key + _USERS


def record_of_curve_key(account_key: str) -> str:
    """What the curve key of an account's auth callout is recorded under, by its role."""
    return account_key + _CURVE


def record_of_identity(operator_key: str) -> str:
    """What the identity keys of an operator are recorded under while they are rotated."""
    return operator_key + _IDENTITY


def with_owner(recorded: str, key_of: Callable[[str], str]) -> str:
    """The same with the key that was made for an account in the place of its placeholder."""
    owner, slash, what = recorded.rpartition("/")
    new = read_new_key(owner) if slash else None
    return recorded if new is None else key_of(new) + slash + what


def owner_of(recorded: str) -> str:
    """The public key of the operator or account that something is recorded of."""
    return recorded.partition("/")[0]


def retiring_keys(record: Mapping[str, str]) -> dict[str, str]:
    """The keys that users had before and that are not revoked yet, by the names of the users."""
    return split(record)[2]


def with_retiring(record: Mapping[str, str], user: str, key: str) -> dict[str, str]:
    """The same record with another retiring key of a user, or without one."""
    rest = {name: known for name, known in record.items() if name != user + _RETIRING}
    return {**rest, user + _RETIRING: key} if key else rest


def with_new_names(record: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    """The same record, of users that have other names now, by the names of before."""
    return {names.get(user, user) + _RETIRING: key for user, key in retiring_keys(record).items()}


def until_written(
    before: Mapping[str, Mapping[str, str]],
    after: Mapping[str, Mapping[str, str]],
    generations: Mapping[str, Generations],
) -> dict[str, dict[str, str]]:
    """The record as it is written before the tokens are: with the keys of users that retire, until their revocation is in the JWT of the account, and with
    the keys of roles that leave, which are in a JWT until it is written. So a run that is killed in between leaves what the next one needs."""
    kept = {owner: dict(keys) for owner, keys in before.items() if owner.endswith(_USERS)}
    for owner, found in generations.items():
        if found.leaving:
            kept[owner] = {role + _RETIRING: key for role, key in found.leaving.items()}
    return {owner: {**kept.get(owner, {}), **after.get(owner, {})} for owner in [*after, *(kept.keys() - after.keys())]}
