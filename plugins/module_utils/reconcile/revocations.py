# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Changes the revocations of an account, and removes signing keys from it. Everything else in the account stays as it is.

An entry covers tokens that were issued up to its time. Its time can only move later. `now` applies once: an existing entry is kept, so that repeating
the same task does not revoke a user that was issued again in the meantime. The key of a name may change, so the revoked key is recorded with the name.
"""

from __future__ import annotations

import copy
import dataclasses
from typing import Any, Iterable, Iterator, NamedTuple

from ..base import units
from ..base.excerpts import excerpt
from ..claims import Account, Claims, Export
from ..claims.declaration import copy_with
from ..claims.kinds import NOW, TimeOfRun
from ..claims.options import Problem
from ..decision.issue import CLOCK_TOLERANCE, Decision, Policy
from ..rules import subject_is_contained
from ..rules.imports import import_subjects
from ..rules.issues import key_problem
from ..token import codec, decorated
from . import verdicts
from .given import Findings, Given, Subject, decided, findings_of
from .issuers import account_issuers
from .members import read_user
from .operators import Owner, removed_signing_keys
from .place import Found, Revoked
from .plan import CHANGED, Entity, Removal, Revocation, Step
from .rotation import record_of_users, retiring_keys
from .trust import peek
from .verdicts import Verdict
from .wanted import RevocationChange, WantedAccount, WantedRevocation, join
from .wanted_claims import add_revocations, looks_like_key

ADDED, MOVED, STAYS, TAKEN_BACK, EXPIRED, NOT_THERE = "added", "moved", "kept", "removed", "expired", "absent"
#: The maximum number of names in a message.
_LISTED = 12


class RevocationsPlan(NamedTuple):
    """The step for the account, None if it cannot be decided; what happens to each entry; and the keys to record as revoked by name."""

    step: Step | None
    entries: list[Revocation]
    notes: list[Revoked]
    findings: Findings
    lost_signing_keys: tuple[str, ...] = ()


class _Token(NamedTuple):
    """A token that an entry may cover. Times are in unix seconds; 0 means never or not known."""

    key: str
    name: str
    issued_at: int
    expires: int
    issuer: str


class _Target(NamedTuple):
    """A requested entry: its list, its key, its name, and the existing token of the key."""

    wanted: WantedRevocation
    export: int | None  # the index of the export; None for users
    key: str
    name: str
    token: _Token | None
    earlier: tuple[str, ...] = ()  # previous keys of the name that were revoked by it


def plan_revocations(given: Given, operator: Claims | None, wanted: WantedAccount) -> RevocationsPlan:
    """Decide on the revocations of an account and on the signing keys that are removed from it. Everything else in the account stays."""
    found, change = given.place.accounts.get(wanted.name), wanted.change
    if found is None or change is None:
        return RevocationsPlan(None, [], [], Findings())  # the missing account is reported elsewhere
    known = _Known(given, wanted, found)
    targets, problems = known.targets(change)
    findings = Findings(verdict=Verdict(tuple(problems)))
    lists = _Lists(known)
    act = lists.take_back if change.absent else lists.revoke
    asked = [act(target)._replace(is_asked=True) for target in targets]
    entries = lists.drop_expired(change.longest_life, asked)
    findings.judge(Verdict(warnings=tuple(_warnings(given.how.now, change, targets, asked))))
    notes = [] if change.absent else list(_notes(wanted.name, targets, asked))
    removal = _signing_keys(known, findings, notes)
    made = _decide(given, operator, wanted, _changed_body(found.claims.body, lists.by_export), removal)
    if isinstance(made, Verdict):
        return RevocationsPlan(None, entries, [], findings.judge(made))
    step, subject = made
    names = {entry.public_key: f"{entry.name} ({entry.public_key})" for entry in entries if entry.name}
    findings.take(_with_names(findings_of(given, subject, step.decision, found), names))
    findings.judge(_new_verdict(given, found.claims, step.claims, wanted.place))
    return RevocationsPlan(step, entries, notes, findings, tuple(sorted(removal.keys)))


# ---- names, keys and tokens


class _Known:
    """The users of the account and the importers of its exports, as the store has them. Users are read only when needed, because there may be many."""

    def __init__(self, given: Given, wanted: WantedAccount, found: Found) -> None:
        self.given, self.wanted, self.claims = given, wanted, found.claims
        self.body: Account = found.claims.body
        if found.older is not None:
            self.body = copy_with(self.body)
            add_revocations(self.body, found.older.body)
        self.files = given.place.user_files(wanted.name).users
        trust = given.place.trust
        self.revoked = trust.record.revoked if trust is not None else frozenset()
        self.retiring = retiring_keys(given.names.record.get(record_of_users(self.claims.subject), {}))
        self._by_key: dict[str, _Token] | None = None

    @property
    def users(self) -> dict[str, _Token]:
        """The existing tokens of users, by public key. They are not verified; their names are only for display, and are checked elsewhere."""
        if self._by_key is None:
            tokens = (self._peek(self.wanted.name, name) for name in self.files)
            self._by_key = {token.key: token for token in tokens if token is not None}
        return self._by_key

    def _peek(self, account: str, user: str) -> _Token | None:
        text = self.given.place.user_text(account, user)
        data = codec.peek(decorated.token_in(text)) if text is not None else {}
        if not isinstance(data.get("sub"), str):
            return None
        return _Token(data["sub"], user, _time(data, "iat"), _time(data, "exp"), str(data.get("iss") or ""))

    def importers(self, export: Export) -> dict[str, _Token]:
        """The newest activation token of an export for each account in the store, by the public key of the account."""
        tokens: dict[str, _Token] = {}
        for name, found in self.given.place.accounts.items():
            body, key = found.claims.body, found.claims.subject
            tokens[key] = _Token(key, name, 0, 0, "")
            for item in body.imports:
                if item is None or item.account != self.claims.subject or item.type != export.type or not item.token:
                    continue
                data = codec.peek(item.token)
                issued_at = _time(data, "iat")
                if (
                    subject_is_contained(import_subjects(item).remote, export.subject)
                    and issued_at > tokens[key].issued_at
                ):
                    tokens[key] = _Token(key, name, issued_at, _time(data, "exp"), "")
        return tokens

    def targets(self, change: RevocationChange) -> tuple[list[_Target], list[Problem]]:
        """The requested entries, and their problems."""
        targets: list[_Target] = []
        problems: list[Problem] = []
        seen: dict[tuple[int | None, str], WantedRevocation] = {}
        for wanted in change.entries:
            target = self._target(wanted)
            if isinstance(target, Problem):
                problems.append(target)
                continue
            other = seen.setdefault((target.export, target.key), wanted)
            if other is not wanted:
                problems.append(Problem(wanted.place, _said_twice(target, other)))
                continue
            targets.append(target)
            retiring = self.retiring.get(target.name, "") if target.name == wanted.name else ""
            if retiring and target.export is None and retiring not in {one.name for one in change.entries}:
                # During a rotation a user has two keys; its name stands for both.
                targets.append(_Target(wanted, None, retiring, target.name, None))
        return targets, problems

    def _target(self, wanted: WantedRevocation) -> _Target | Problem:
        if not wanted.export:
            return self._user(wanted)
        index = self._export(wanted)
        return index if isinstance(index, Problem) else self._importer(wanted, index)

    def _user(self, wanted: WantedRevocation) -> _Target | Problem:
        name = wanted.name
        place = join(wanted.place, "user")
        if name == "*":
            newest = max(self.users.values(), key=lambda token: token.issued_at, default=None)
            return _Target(wanted, None, "*", "", newest)
        if looks_like_key(name):
            return self._user_by_key(wanted, place)
        earlier = tuple(
            note.key for note in self.revoked if (note.account, note.user) == (self.wanted.name, name) and note.user
        )
        if name in self.files:
            found = read_user(self.given, self.wanted.name, name)
            if isinstance(found, Problem):
                return found
            if found is not None:
                claims = found.claims
                token = _Token(claims.subject, name, claims.issued_at, claims.expires, claims.issuer)
                return _Target(wanted, None, token.key, name, token, tuple(key for key in earlier if key != token.key))
        known = [key for key in earlier if key in self.body.revocations]
        if known:
            return _Target(wanted, None, known[-1], name, None)
        return Problem(place, self._no_such_user(name))

    def _user_by_key(self, wanted: WantedRevocation, place: str) -> _Target | Problem:
        key = wanted.name
        fault = key_problem(key, "user")
        if fault:
            return Problem(place, fault)
        token = self.users.get(key)
        owner = self._owner_elsewhere(key) if token is None else ""
        if owner:
            return Problem(
                place, f"{key} is the key of {owner}, which is not a user of the account {self.wanted.name}."
            )
        return _Target(wanted, None, key, token.name if token is not None else self.noted_name(key), token)

    def noted_name(self, key: str) -> str:
        """The name by which a key was revoked; empty if it is not known."""
        return next((note.user for note in self.revoked if note.key == key and note.user), "")

    def _owner_elsewhere(self, key: str) -> str:
        place = self.given.place
        for account in place.accounts:
            if account == self.wanted.name:
                continue
            for user in place.user_files(account).users:
                text = place.user_text(account, user)
                if text is not None and peek(decorated.token_in(text)).subject == key:
                    return f"{account}/{user}"
        return ""

    def _no_such_user(self, name: str) -> str:
        if self.given.place.trust is None:
            return f"{excerpt(name)} is not a public key; users have names only in a store, so write the public key of the user, or *."
        return (
            f"there is no user {excerpt(name)} in the account {self.wanted.name}; available: {_some(self.files)}; "
            "name a removed user by its public key."
        )

    def _export(self, wanted: WantedRevocation) -> int | Problem:
        named = [
            index
            for index, export in enumerate(self.body.exports)
            if export is not None and wanted.export in (export.name, export.subject)
        ]
        exact = [index for index in named if self.body.exports[index].subject == wanted.export]
        if len(named) == 1 or len(exact) == 1:
            return (exact or named)[0]
        place = join(wanted.place, "export")
        shown = [f"{export.subject} ({export.type})" for export in self.body.exports if export is not None]
        if named:
            return Problem(
                place, f"several exports are called {excerpt(wanted.export)}, name one by its subject: {_some(shown)}."
            )
        return Problem(
            place, f"the account {self.wanted.name} has no export {excerpt(wanted.export)}; available: {_some(shown)}."
        )

    def _importer(self, wanted: WantedRevocation, index: int) -> _Target | Problem:
        name, place = wanted.name, join(wanted.place, "account")
        tokens = self.importers(self.body.exports[index])
        if name == "*":
            return _Target(wanted, index, "*", "", max(tokens.values(), key=lambda one: one.issued_at, default=None))
        found = self.given.place.accounts.get(name)
        if found is None and looks_like_key(name):
            fault = key_problem(name, "account")
            if fault:
                return Problem(place, fault)
            key = name
        elif found is not None and self.given.place.trust is not None:
            key = found.claims.subject
        else:
            return Problem(place, self._no_such_account(name))
        if key == self.claims.subject:
            return Problem(place, f"{excerpt(name)} is the exporting account itself, which needs no activation.")
        token = tokens.get(key)
        called = token.name if token is not None else ""
        return _Target(wanted, index, key, called, token if token is not None and token.issued_at else None)

    def _no_such_account(self, name: str) -> str:
        if self.given.place.trust is None:
            return f"{excerpt(name)} is not a public key; accounts have names only in a store, so write the public key of the account, or *."
        return (
            f"there is no account {excerpt(name)}; available: {_some(self.given.place.accounts)}. "
            "Name an account that is not in the document by its public key."
        )


def _time(data: dict[str, Any], word: str) -> int:
    value = data.get(word)
    return value if isinstance(value, int) else 0


def _said_twice(target: _Target, other: WantedRevocation) -> str:
    what = target.key if target.key == "*" else f"the key {target.key}"
    if other.at == target.wanted.at:
        return f"{what} is already listed at {other.place}; remove one."
    return (
        f"{what} is to be revoked up to {_say(target.wanted.at)} here and up to {_say(other.at)} at {other.place}: "
        "an entry has one time, remove one."
    )


def _say(at: int) -> str:
    return "now" if at == NOW else units.show_time(at)


def _some(names: Iterable[str]) -> str:
    listed = sorted(names)
    return (
        (", ".join(listed) or "none") if len(listed) <= _LISTED else f"{len(listed)}, such as {', '.join(listed[:3])}"
    )


# ---- the lists


class _Lists:
    """The revocation lists to write: the list of users under None, the lists of exports by their index."""

    def __init__(self, known: _Known) -> None:
        self.known, self.now = known, known.given.how.now
        self.by_export: dict[int | None, dict[str, int]] = {None: dict(known.body.revocations)}
        self.by_export.update(
            (index, dict(item.revocations)) for index, item in enumerate(known.body.exports) if item is not None
        )

    def called(self, index: int | None) -> str:
        """The subject of an export; empty for users."""
        return "" if index is None else str(self.known.body.exports[index].subject)

    def revoke(self, target: _Target) -> Revocation:
        """Add or move an entry, unless an existing entry already covers it. Returns what happens to the entry."""
        list_, key, at = self.by_export[target.export], target.key, target.wanted.at
        before = list_.get(key)
        issued_at = target.token.issued_at if target.token is not None else 0
        held = self._held(target, list_, issued_at)
        if held is not None:
            return held._replace(export=self.called(target.export))
        if at == NOW:
            # A token that was issued twice within a second has a time slightly ahead of the clock.
            at = TimeOfRun(max(self.now, issued_at) if issued_at <= self.now + CLOCK_TOLERANCE else self.now)
        list_[key] = at
        action = ADDED if before is None else MOVED
        reissued = issued_at if issued_at > at else 0
        return Revocation(self.called(target.export), key, target.name, action, at, before, reissued)

    def _held(self, target: _Target, list_: dict[str, int], issued_at: int) -> Revocation | None:
        """The existing entry that already covers the request; None if there is none."""
        key, at = target.key, target.wanted.at
        before, everyone = list_.get(key), list_.get("*", -1)
        if at != NOW:
            until = max(everyone, before if before is not None else -1)
            return _kept(target, key, until, issued_at) if until >= at else None
        if before is not None:
            return _kept(target, key, before, issued_at)
        earlier = [one for one in target.earlier if one in list_]
        last = max(earlier, key=lambda one: list_[one], default="")
        if last and issued_at >= list_[last]:
            # The name got another key after the revocation, possibly within the same second.
            return _kept(target, last, list_[last], issued_at)._replace(reissued=issued_at)
        return _kept(target, key, everyone, issued_at) if 0 < issued_at <= everyone else None

    def take_back(self, target: _Target) -> Revocation:
        """Remove an entry, or the entry of an earlier key of the name. Returns what happens to the entry."""
        list_, key = self.by_export[target.export], target.key
        if key not in list_:
            key = next((one for one in target.earlier if one in list_), key)
        before = list_.pop(key, None)
        action = NOT_THERE if before is None else TAKEN_BACK
        return Revocation(self.called(target.export), key, target.name, action, None, before)

    def drop_expired(self, longest: int | None, asked: list[Revocation]) -> list[Revocation]:
        """Remove entries that no longer cover anything. Returns what happens to every entry, the requested ones first."""
        entries = {(entry.export, entry.public_key): entry for entry in asked}
        for index, list_ in self.by_export.items():
            if not list_:
                continue
            tokens = self.known.users if index is None else self.known.importers(self.known.body.exports[index])
            expired = _expired(list_, tokens, longest, self.now)
            for key in sorted(list_):
                name = tokens[key].name if key in tokens else self.known.noted_name(key)
                held = Revocation(self.called(index), key, name, STAYS, list_[key], list_[key])
                entry = entries.setdefault((held.export, key), held)
                if key in expired:
                    entries[held.export, key] = entry._replace(action=EXPIRED, at=None)
                    del list_[key]
        return list(entries.values())


def _kept(target: _Target, key: str, until: int, issued_at: int) -> Revocation:
    return Revocation("", key, target.name, STAYS, until, until, issued_at if issued_at > until else 0)


def _expired(list_: dict[str, int], tokens: dict[str, _Token], longest: int | None, now: int) -> set[str]:
    """The keys of the entries that no longer cover anything. `longest` is the longest validity of tokens in seconds, None to keep all entries.

    An entry is expired if every token that it covers must have expired and no existing token shows otherwise. It is also expired if the entry for `*`,
    which stays, covers the same tokens (MaybeCompact in the Go library).
    """
    if longest is None:
        return set()
    valid = [token for token in tokens.values() if token.issued_at and (not token.expires or token.expires >= now)]

    def is_over(key: str, at: int) -> bool:
        covers = any(token.issued_at <= at and key in ("*", token.key) for token in valid)
        return at + longest < now and not covers

    over = {key for key, at in list_.items() if is_over(key, at)}
    everyone = -1 if "*" in over else list_.get("*", -1)
    return over | {key for key, at in list_.items() if key != "*" and at <= everyone}


def _warnings(
    now: int, change: RevocationChange, targets: list[_Target], entries: list[Revocation]
) -> Iterator[Problem]:
    for target, entry in zip(targets, entries):
        called = _title(target)
        if not change.absent and target.wanted.at != NOW and target.wanted.at > now + CLOCK_TOLERANCE:
            yield Problem(
                target.wanted.place,
                f"{units.show_time(target.wanted.at)} is in the future: what is issued for {called} until then is revoked too.",
            )
        if entry.reissued and entry.action == STAYS:
            at = units.show_time(entry.at or 0)
            yield Problem(
                target.wanted.place,
                f"{called} was issued again at {units.show_time(entry.reissued)}, after it was revoked up to {at}: that JWT stays valid. "
                f"To revoke it too, give a time instead of now: at: {units.show_time(max(entry.reissued, 0))} or later.",
            )
        elif entry.reissued and not change.absent:
            yield Problem(
                target.wanted.place,
                f"the JWT of {called} that is there was issued at {units.show_time(entry.reissued)}, after that time: it stays valid.",
            )


def _title(target: _Target) -> str:
    if target.key == "*":
        name = target.token.name if target.token is not None else ""
        return f"* (the last one {name})" if name else "*"
    return target.name or target.key


def _notes(account: str, targets: list[_Target], entries: list[Revocation]) -> Iterator[Revoked]:
    for target, entry in zip(targets, entries):
        if target.export is None and target.wanted.name == target.name and entry.action in (ADDED, MOVED):
            yield Revoked(target.key, account, target.name)


# ---- signing keys


class _Removal(NamedTuple):
    keys: frozenset[str]


def _signing_keys(known: _Known, findings: Findings, notes: list[Revoked]) -> _Removal:
    """The signing keys that are removed. The JWTs that they signed are removed from the store too, because they can no longer be verified."""
    wanted, given = known.wanted, known.given
    listed: list[str] = []
    for index, name in enumerate(wanted.remove_signing_keys):
        keys = _named_signing_keys(known, name)
        if isinstance(keys, str):
            place = join(wanted.place, f"remove_signing_keys[{index}]")
            findings.judge(Verdict((Problem(place, keys),)))
            continue
        listed += keys
        findings.judge(Verdict(warnings=tuple(_newer_key(known, name, keys, index))))
        notes += [Revoked(key, wanted.name, role=name) for key in keys if name != key]
    if not listed:
        return _Removal(frozenset())
    owner = Owner(known.claims.subject, wanted.place, wanted.name, known.body.signing_keys, [])
    alone = given._replace(how=dataclasses.replace(given.how, prune=False))
    removal = removed_signing_keys(alone, owner, listed, "account")
    findings.entities += [one for one in removal.findings.entities if one.public_key in removal.keys]
    findings.removals += removal.findings.removals
    findings.judge(removal.findings.verdict)
    reason = "the key that signed it is removed, so it is to be issued again"
    for token in known.users.values():
        if token.issuer in removal.keys:
            findings.entities.append(Entity("user", token.name, wanted.name, CHANGED, (reason,), token.key, 0))
            findings.removals.append(Removal(wanted.name, token.name, ()))
    return _Removal(removal.keys)


def _newer_key(known: _Known, role: str, keys: list[str], index: int) -> Iterator[Problem]:
    """A warning if a role now has a different key from the one that was removed."""
    record = known.given.names.record.get(known.claims.subject, {})
    current = [key.key for key in known.body.signing_keys if role in (key.role, key.key) or record.get(role) == key.key]
    if current and not set(current) & set(keys):
        yield Problem(
            f"remove_signing_keys[{index}]",
            f"the key of the role {role} was removed, and the role has a new one since, {current[0]}, which stays. To remove that too, name it.",
        )


def _named_signing_keys(known: _Known, name: str) -> list[str] | str:
    """The signing keys for a public key or role, including keys that are already removed; otherwise the problem with the name."""
    account, body = known.wanted.name, known.body
    record = known.given.names.record.get(known.claims.subject, {})
    if name == known.claims.subject:
        return (
            "this is the key of the account itself, which cannot be removed: make a new account, and remove this one."
        )
    keys = [key.key for key in body.signing_keys if name in (key.key, key.role)]
    keys += [record[name]] if name in record and record[name] not in keys else []
    noted = [note.key for note in known.revoked if note.account == account and note.role == name]
    if noted and not set(noted) & set(keys):
        return noted  # the role got a new key after the removal
    if keys:
        return keys
    if looks_like_key(name):
        return key_problem(name, "account") or [name]
    roles = sorted({*record, *(key.role for key in body.signing_keys if key.role)})
    return f"the account {account} has no signing key with the role {excerpt(name)}; its roles are {_some(roles)}."


# ---- the account


def _changed_body(body: Account, lists: dict[int | None, dict[str, int]]) -> Account:
    exports = [
        item if item is None else copy_with(item, revocations=lists[index]) for index, item in enumerate(body.exports)
    ]
    changed: Account = copy_with(body, revocations=lists[None], exports=exports)
    return changed


def _decide(
    given: Given, operator: Claims | None, wanted: WantedAccount, body: Account, removal: _Removal
) -> tuple[Step, Subject] | Verdict:
    found: Found = given.place.accounts[wanted.name]
    claims, where = found.claims, given.place.where(wanted.name)
    subject = Subject("account", wanted.name, "", wanted.place, where, f"accounts.{wanted.name}")
    loses = [key for key in claims.body.signing_keys if key.key in removal.keys]
    lists = (body.revocations, [item.revocations for item in body.exports if item is not None])
    if not loses and lists == (
        claims.body.revocations,
        [item.revocations for item in claims.body.exports if item is not None],
    ):
        # Other differences, for example in the signer, are left to the task that manages the account.
        kept = Decision(claims, [], [], claims, claims, Policy(expires_at=claims.expires or None), given.how.now)
        return Step(found, kept, claims.issuer, bool(found.fault)), subject
    signing = given.names.that_sign(operator) if operator is not None else None
    issuers = account_issuers(signing, given.names.operator_roles, wanted, claims.subject, given.place.is_managed)
    if operator is None and given.signer:
        issuers = issuers._replace(allowed=[given.signer, *issuers.allowed])
    policy = Policy(expires_at=claims.expires or None, exact_revocations=True, remove_signing_keys=removal.keys)
    asked = copy_with(claims, body=copy.copy(body))
    made = decided(given, subject, asked, found, issuers, policy)
    if isinstance(made, Verdict):
        return made
    return Step(found, made.decision, made.signing.issuer, True), subject


def _new_verdict(given: Given, old: Claims, new: Claims, place: str) -> Verdict:
    """The problems and warnings that the change causes. Problems that the account already had do not prevent a revocation."""
    if new is old:
        return Verdict()
    before = verdicts.of_claims(old, place, given.how.now)
    after = verdicts.of_claims(new, place, given.how.now)
    return Verdict(
        tuple(problem for problem in after.problems if problem not in before.problems),
        tuple(problem for problem in after.warnings if problem not in before.warnings),
    )


def _with_names(findings: Findings, names: dict[str, str]) -> Findings:
    """The findings with names next to public keys."""
    for side in (findings.before, findings.after):
        for where, shown in side.items():
            side[where] = _renamed(shown, names)
    findings.entities = [
        entity._replace(reasons=tuple(_said_with(reason, names) for reason in entity.reasons))
        for entity in findings.entities
    ]
    return findings


def _renamed(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {names.get(key, key): _renamed(item, names) for key, item in value.items()}
    return [_renamed(item, names) for item in value] if isinstance(value, list) else value


def _said_with(reason: str, names: dict[str, str]) -> str:
    for key, name in names.items():
        reason = reason.replace(key, name)
    return reason
