# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Rotation of keys. A role is a slot: its current key signs. In addition it may have a next key and a retiring key.

The state of a slot is in the JWT, which has all of its keys, and in the recorded roles. So the next run continues a run that was interrupted.
"""

from __future__ import annotations

import dataclasses
from typing import Callable, Iterable, Iterator, Mapping, NamedTuple, Sequence

from ..claims.options import Problem
from .wanted import Rotation, WantedKey, join

#: The phases of a rotation: create the next key; sign with it what the previous key signed; remove the previous key from the JWT; or all at once.
ADD, RESIGN, RETIRE, REPLACE = ("add", "resign", "retire", "replace")
_NEXT, _RETIRING = " (next)", " (retiring)"
#: The retiring keys of an account's users are recorded under the key of the account with this suffix.
_USERS = "/users"
#: The suffix for the curve keys of an account's auth callout.
_CURVE = "/curve"
#: The suffix for the operator's identity keys, which are recorded with an empty role name.
_IDENTITY = "/identity"


class Slot(NamedTuple):
    """The keys of a role: the key that signs, the key that will sign, and the key that signed before."""

    current: str
    next: str = ""
    retiring: str = ""


@dataclasses.dataclass(frozen=True)
class Generations:
    """The keys of an operator or account that are in its JWT but do not sign, and the keys that are removed from the JWT, each by role."""

    next: Mapping[str, str] = dataclasses.field(default_factory=dict)
    retiring: Mapping[str, str] = dataclasses.field(default_factory=dict)
    leaving: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def retired(self) -> frozenset[str]:
        """The keys that are removed from the JWT."""
        return frozenset(self.leaving.values())

    @property
    def idle(self) -> frozenset[str]:
        """The keys that do not sign."""
        return frozenset([*self.next.values(), *self.retiring.values(), *self.retired])

    @property
    def kept(self) -> list[tuple[str, str]]:
        """The roles and keys that are in the JWT in addition to the keys that sign."""
        return [*self.next.items(), *self.retiring.items()]


NONE = Generations()


def split(record: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """The recorded keys: the current, the next and the retiring ones, each by role."""
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
    """The keys by role and generation, as they are recorded. The inverse of `split`."""
    return {
        **current,
        **{role + _NEXT: key for role, key in generations.next.items()},
        **{role + _RETIRING: key for role, key in generations.retiring.items()},
    }


def role_of(record: Mapping[str, str], key: str) -> tuple[str, str]:
    """The recorded role of a key, empty for none, and its generation: `current`, `next` or `retiring`."""
    name = next((name for name, known in record.items() if known == key), "")
    for ending, generation in ((_NEXT, "next"), (_RETIRING, "retiring")):
        if name.endswith(ending):
            return name[: -len(ending)], generation
    return name, "current"


class AtHand(NamedTuple):
    """Callbacks about keys: `make` returns a new key, or its placeholder, for a role; `is_elsewhere` is whether a signer holds a key elsewhere;
    `has_gone` is whether a key was removed by an earlier run."""

    make: Callable[[str], str]
    is_elsewhere: Callable[[str], bool]
    has_gone: Callable[[str], bool]


class Turned(NamedTuple):
    """The current keys of roles after their rotations, the other keys of the roles, and the problems."""

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
    """Apply rotations to the roles of one operator or account, and keep the generations of the other roles.

    `roles` are the current keys of the wanted roles. If a signer holds a key elsewhere, no next key with a seed is created here.
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
            problems.append(Problem(join(one.place, "role"), f"there is no role {one.role}; available: {known}."))
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
    """The slot of a role. A JWT that was signed elsewhere may have the next key in place of the recorded current key. Then the next key is current."""
    return Slot(following) if following and current not in present else Slot(current, following, retiring)


def while_waiting(
    known: Mapping[str, Mapping[str, str]], planned: Mapping[str, Mapping[str, str]]
) -> dict[str, dict[str, str]]:
    """The record while JWTs wait for their signatures: the existing record, with new roles, and with the new key of a known role as its next key."""
    record = {owner: dict(roles) for owner, roles in known.items()}
    for owner, roles in planned.items():
        mine = record.setdefault(owner, {})
        before = dict(mine)
        for name, key in roles.items():
            if name.endswith(_RETIRING):
                continue  # it signs until the new JWT is in place
            if name not in before:
                mine[name] = key
            elif before[name] != key and not name.endswith(_NEXT):
                mine[name + _NEXT] = key
    return record


def _in(key: str | None, present: set[str], current: str) -> str:
    return key if key and key in present and key != current else ""


def _turn_slot(slot: Slot, asked: Rotation, present: set[str], at_hand: AtHand) -> Slot | str:
    """The slot after a phase, or why the phase is not possible."""
    current, following, retiring = slot
    key = asked.key or retiring or current
    # An interrupted run has recorded the next key as current, but the JWT does not have it yet.
    is_begun = bool(retiring) and current not in present
    if current not in present and not is_begun:
        return f"{asked.slot} has no key yet: there is nothing to rotate."
    if key not in slot:
        if key in present:
            return f"{key} is another signing key, not one of {asked.slot}, which has {current}."
        if at_hand.has_gone(key):
            return slot
        return f"{key} is not a key of {asked.slot}, nor a previous key of it. Its current key is {current}."
    if key == following:
        return f"{key} is the next key of {asked.slot}: it cannot be retired before it is in use."
    if key == current and retiring:
        return (
            f"another rotation of {asked.slot} is under way: {retiring} is not retired yet. "
            "Complete that first (phase: retire)."
        )
    if asked.following and asked.following not in (following, current) and (following or key == retiring):
        return f"{following or current} is already the next key of {asked.slot}, not {asked.following}."
    if asked.phase != RETIRE and key == current and not following:
        if asked.following in present:
            return f"{asked.following} is already in use: it cannot be the next key of {asked.slot}."
        if not asked.following and at_hand.is_elsewhere(current):
            return f"{current} is held by a signer elsewhere. Create the next key there, and set next_public_key."
        following = asked.following or at_hand.make(asked.role)
    if asked.phase == ADD:
        return slot if key == retiring else Slot(current, following)
    if asked.phase == RESIGN:
        return slot if key == retiring else Slot(following, "", current)
    if asked.phase == RETIRE and (key == current or is_begun):
        return f"{key} still signs for {asked.slot}: first sign again what it signed (phase: resign)."
    return Slot(current if key == retiring else following)


def with_generations(wanted: Sequence[WantedKey], generations: Generations) -> Iterator[WantedKey]:
    """The next and retiring signing keys of an account, each with the options that the document has for its role."""
    by_role = {one.role: one for one in wanted if one.role}
    for role, key in generations.kept:
        yield dataclasses.replace(by_role[role], key=key)


# ---- the keys of users


class TurnedUser(NamedTuple):
    """The current and the retiring key of a user after a phase, and the keys that are revoked now."""

    current: str
    retiring: str = ""
    retired: tuple[str, ...] = ()


class _RecordName(str):
    """The name of a record, with the key that owns it, which may be the placeholder of a new key."""

    __slots__ = ("owner", "part")
    owner: str
    part: str

    def __new__(cls, owner: str, part: str) -> _RecordName:
        """The name of the record `part` of an operator or account."""
        name = str.__new__(cls, owner + part)
        name.owner, name.part = owner, part
        return name


def record_of_users(account_key: str) -> str:
    """The name under which the retiring keys of an account's users are recorded."""
    return _RecordName(account_key, _USERS)


def record_of_curve_key(account_key: str) -> str:
    """The name under which the curve keys of an account's auth callout are recorded, by role."""
    return _RecordName(account_key, _CURVE)


def record_of_identity(operator_key: str) -> str:
    """The name under which the identity keys of an operator are recorded during a rotation."""
    return _RecordName(operator_key, _IDENTITY)


def with_owner(recorded: str, key_of: Callable[[str], str]) -> str:
    """The name of a record with the key that was created for its owner in place of the placeholder."""
    return key_of(recorded.owner) + recorded.part if isinstance(recorded, _RecordName) else recorded


def owner_of(recorded: str) -> str:
    """The public key of the operator or account from the name of a record."""
    return recorded.partition("/")[0]


def retiring_keys(record: Mapping[str, str]) -> dict[str, str]:
    """The previous keys of users that are not revoked yet, by user name."""
    return split(record)[2]


def with_retiring(record: Mapping[str, str], user: str, key: str) -> dict[str, str]:
    """The record with a new retiring key of a user, or without one if `key` is empty."""
    rest = {name: known for name, known in record.items() if name != user + _RETIRING}
    return {**rest, user + _RETIRING: key} if key else rest


def with_new_names(record: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    """The record of renamed users. `names` has the new names by the previous names."""
    return {names.get(user, user) + _RETIRING: key for user, key in retiring_keys(record).items()}


def until_written(
    before: Mapping[str, Mapping[str, str]],
    after: Mapping[str, Mapping[str, str]],
    generations: Mapping[str, Generations],
) -> dict[str, dict[str, str]]:
    """The record that is written before the tokens.

    It keeps the retiring keys of users until their revocation is in the account JWT, and the removed keys of roles, which are in a JWT until the new one
    is written. So if a run is interrupted in between, the record has what the next run needs.
    """
    kept = {owner: dict(keys) for owner, keys in before.items() if owner.endswith(_USERS)}
    for owner, found in generations.items():
        if found.leaving:
            kept[owner] = {role + _RETIRING: key for role, key in found.leaving.items()}
    return {owner: {**kept.get(owner, {}), **after.get(owner, {})} for owner in [*after, *(kept.keys() - after.keys())]}
