# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Applies a plan to a store: takes the lock, creates keys, signs tokens, and writes files in an order that survives an interruption at any moment.

The order:

1. The journal records which keys are about to be created. The keys are created, and the identity of the operator and the roles are recorded.
2. All tokens are signed, so that a failing signer leaves no token behind.
3. The files of renamed entities are moved.
4. The operator is written, then the accounts, then the users with their creds.
5. Removed files are archived, the tokens of the operator and the accounts are recorded, and the journal is deleted.

So the key that a token names always exists, and every token that nsc reads has its parent. The next run after an interruption finds the created keys in
the journal, and in the record the keys that signed the tokens that were not written again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import socket
import time
from typing import TYPE_CHECKING, Callable, Iterator, Mapping, NamedTuple, Sequence

from ..base import units
from ..base.errors import NatsSecurityError
from ..claims.options import Problem
from ..disk import foreseen
from ..disk.batch import Write, append, make_folders, write_all
from ..disk.files import FileError, discard, is_there, list_folder, read_content, set_mode
from ..disk.lock import lock_file, write_holder
from ..disk.writing import Overtaken, is_rest
from ..keys import nkey
from ..keys.keyring import Keyring
from ..keys.new import NewKey, Placeholder, resolve
from ..reconcile.engine import reconcile
from ..reconcile.place import Found, Record
from ..reconcile.plan import EXTRA, KEPT, REMOVED, Plan, UserStep
from ..reconcile.rotation import until_written, while_waiting, with_owner
from ..reconcile.signing import Made, Tokens, key_of, sign_plan, unsigned_of
from ..reconcile.trust import named_keys
from ..reconcile.wanted import How, Wanted
from ..rules.trust import keys_of
from ..token import decorated
from . import reading
from .archiving import create_once, put_away
from .layout import GITIGNORE, Layout
from .reading import Store
from .record import differing, identity_text, revoked_text, verified
from .unfinished import complete, journal_text, leaves_record, removal_entry, write_journal

if TYPE_CHECKING:
    from ..decision.unsigned import Requests

#: How many times a store is planned if a program that does not take the lock changes it at the same time.
_ATTEMPTS = 5
#: How many files of users are prepared before they are written.
_FILES_AT_ONCE = 2000


@dataclasses.dataclass
class Outcome:
    """The outcome of applying a document: the plan, and the keys and tokens that exist now. In check mode only the existing tokens are included."""

    plan: Plan
    store: Store
    made: Made = dataclasses.field(default_factory=dict)
    operator_token: str | None = None
    account_tokens: dict[str, str] = dataclasses.field(default_factory=dict)
    user_tokens: dict[tuple[str, str], str] = dataclasses.field(default_factory=dict)  # those that were written
    #: The signing requests for keys elsewhere; None if there are none, or in check mode if they are not written yet.
    unsigned: Requests | None = None
    is_waiting: bool = False  # whether signatures from keys elsewhere are missing, so that the plan is not applied yet
    is_asked: bool = False  # whether the same signing requests were already written before


class Run(NamedTuple):
    """How a document is applied: `check_mode` writes nothing, `lock_timeout` is in seconds, `purpose` describes the holder of the lock.

    `unsigned_path` is the file with the signing requests for keys elsewhere, to which the signed requests are also returned; empty if it is not used.
    """

    check_mode: bool
    lock_timeout: float
    purpose: str
    unsigned_path: str = ""


def run(wanted: Wanted, layout: Layout, ring: Callable[[], Keyring], how: How, run: Run) -> Outcome:
    """Reconcile a store with a document, under the store's lock. If the plan has problems, or in check mode, nothing is written."""

    def plan(is_locked: bool = True) -> _Planned:
        return _plan(wanted, layout, ring(), how, _Trip(run.unsigned_path, run.check_mode, is_locked))

    with lock(layout, run.lock_timeout, create=False, shared=run.check_mode) as held:
        planned = plan(held is not None)
        if run.check_mode and planned.plan.changes and not planned.plan.problems:
            foresee(layout, bool(planned.plan.new_keys()))
        if held is not None or run.check_mode or planned.plan.problems or not planned.plan.changes:
            return _apply(planned, plan, run, held)
    # No run has locked this store before, so the plan was made without a lock. The lock file is created only now that there is something to write.
    with lock(layout, run.lock_timeout, create=True, shared=False) as held:
        store = planned.store
        if store.exists or is_there(layout.marker) or is_there(layout.journal):
            planned = plan()
        return _apply(planned, plan, run, held)


class _Planned(NamedTuple):
    plan: Plan
    store: Store
    ring: Keyring
    unrecorded: list[str]  # accounts that are removed from the record
    asked: Requests | None = None  # the pending signing requests, if the plan asks for the same


class _Trip(NamedTuple):
    """The exchange of signing requests with keys elsewhere: the path of the requests, empty for none, and whether files may be written."""

    path: str
    check_mode: bool
    is_locked: bool


def _plan(wanted: Wanted, layout: Layout, ring: Keyring, how: How, trip: _Trip) -> _Planned:
    store = _read(wanted, layout, ring)
    if not trip.path:
        return _planned(wanted, store, ring, how)
    from . import waiting_jwts  # few tasks have keys elsewhere

    waiting = waiting_jwts.read_waiting(layout, trip.path)
    came = waiting_jwts.files_of(waiting, store) if trip.check_mode or trip.is_locked else {}
    if waiting.returned is not None and not trip.check_mode and trip.is_locked:
        with _errors_told():
            waiting_jwts.put_in_files(waiting, layout, came)
    if came:
        store = _read(wanted, layout, ring, came if trip.check_mode else None)
        store.journal += waiting_jwts.removed_by(waiting, came) if trip.check_mode else []
    elif waiting.returned is None and waiting.asked is not None:
        # With the time of the requests, the same plan results in identical requests.
        planned = _planned(wanted, store, ring, dataclasses.replace(how, now=waiting.asked.created))
        if _is_same(planned, waiting.asked):
            return planned._replace(asked=waiting.asked)
    planned = _planned(wanted, store, ring, how)
    waiting_jwts.mark(planned.plan, store, list(came))
    return planned


def _read(wanted: Wanted, layout: Layout, ring: Keyring, to_come: Mapping[str, str] | None = None) -> Store:
    moves = None
    if any(one.renamed_from or any(user.renamed_from for user in one.users) for one in wanted.accounts):
        from .renaming import find_moves  # few documents rename anything

        moves = find_moves(layout, wanted)
    return verified(reading.read_store(layout, to_come, moves), named_keys(wanted), ring.has)


def _is_same(planned: _Planned, asked: Requests) -> bool:
    """Whether a plan results in the same signing requests as those that are pending."""
    plan = planned.plan
    if plan.problems or plan.new_keys():
        return False
    requests = unsigned_of(plan, planned.ring, {})
    return tuple(requests) == tuple(request._replace(signature=None) for request in asked.requests)


def _planned(wanted: Wanted, store: Store, ring: Keyring, how: How) -> _Planned:
    plan = reconcile(wanted, store, ring, how)
    # User files are read one at a time during planning, which adds problems to the store.
    plan.problems = list(dict.fromkeys([*plan.problems, *store.problems]))
    if store.moves is not None:
        files = store.moves.files
        plan.problems = [one._replace(path=files.get(one.path, one.path)) for one in plan.problems]
        if store.trust is not None:
            plan.notes += store.moves.notes(sorted(store.trust.record.revoked))
    unrecorded = leaves_record(store, wanted, how)
    complete(plan, store, unrecorded)
    _look_at_signers(plan, store, ring)
    return _Planned(plan, store, ring, unrecorded)


def _look_at_signers(plan: Plan, store: Store, ring: Keyring) -> None:
    """Add problems with the signers that a plan needs, and warnings about signers that it does not need. Runs before anything is written, and in check
    mode too."""
    holders = [plan.operator, store.operator, *plan.accounts.values(), *store.accounts.values()]
    keys = {key for holder in holders if holder is not None for key in keys_of(holder.claims)}
    for signer in ring.signers:
        if signer.public_key in keys:
            continue
        problem = f"it holds {signer.public_key}, which is not a key of the operator or of an account"
        if signer.type == "operator" and isinstance(plan.names.operator, NewKey):
            plan.problems.append(
                Problem(
                    signer.name,
                    f"{problem}, and the operator would get a new one: name the key as public_key of the operator.",
                )
            )
        else:
            plan.warnings.append(Problem(signer.name, f"{problem}. It is not used."))
    if not plan.problems:
        plan.problems += (Problem("", fault) for fault in ring.contact_signers(plan.issuers()))


def _apply(planned: _Planned, plan_again: Callable[[], _Planned], run: Run, held: int | None) -> Outcome:
    """Apply a plan. If a program that does not take the lock, such as nsc, changes a token in the meantime, plan again and apply the new plan."""
    if planned.plan.problems or run.check_mode or held is None or planned.asked is not None:
        return _as_it_waits(planned, run, held) if run.unsigned_path else _kept(planned)
    earlier: list[_Work] = []
    while True:
        work = _Work(planned)
        try:
            outcome = _finish(work, run, held)
        except Overtaken as error:
            earlier.append(work)
            planned = plan_again()
            if len(earlier) == _ATTEMPTS or planned.plan.problems:
                raise NatsSecurityError(str(error)) from error
        else:
            for work in earlier:
                _add_earlier(outcome, work)
            if earlier:
                outcome.plan.exposed = earlier[0].plan.exposed  # as before any change
            return outcome


def _as_it_waits(planned: _Planned, run: Run, held: int | None) -> Outcome:
    """The outcome while JWTs wait for signatures from keys elsewhere. The signing requests are written again if their file is missing."""
    from . import waiting_jwts

    outcome, asked = _kept(planned), planned.asked
    outcome.is_waiting = not all(map(planned.ring.has, planned.plan.issuers()))
    outcome.unsigned = asked
    if asked is not None:
        outcome.is_asked = waiting_jwts.is_written(run.unsigned_path, asked)
        if not (outcome.is_asked or run.check_mode or held is None):
            with _errors_told():
                waiting_jwts.write(run.unsigned_path, asked)
    return outcome


def _finish(work: _Work, run: Run, held: int) -> Outcome:
    store = work.store
    if work.plan.changes:
        _say_who(held, run.purpose)
        if not all(map(work.ring.has, work.plan.issuers())):
            return work.ask(run.unsigned_path)
        return work.do()
    if store.journal or store.leftovers:
        with _errors_told():
            _remove_leftovers(store, [str(entry.get("key")) for entry in store.journal])
            if not _waits(store.layout):
                discard(store.layout.journal)
    return work.outcome


def _waits(layout: Layout) -> bool:
    """Whether JWTs wait for their signatures. Their new keys are in the journal, which is kept until then."""
    if not is_there(layout.requests):
        return False
    from .waiting_jwts import read_waiting  # few stores have keys elsewhere

    return read_waiting(layout, "").asked is not None


def _add_earlier(outcome: Outcome, work: _Work) -> None:
    """Add to an outcome what an earlier attempt changed, because the last plan found this unchanged."""
    plan = outcome.plan
    outcome.made = {**work.made, **outcome.made}
    outcome.user_tokens = {**work.outcome.user_tokens, **outcome.user_tokens}
    now = {entity[:3]: entity for entity in plan.entities}
    for entity in work.plan.entities:
        known = now.get(entity[:3])
        kept = plan.kept_users.get(entity.account, []) if entity.kind == "user" else []
        if entity.action in (KEPT, EXTRA) or (known is not None and known.action != KEPT):
            continue
        if known is not None:
            plan.entities[plan.entities.index(known)] = entity
        elif entity.name in kept or entity.action == REMOVED:
            plan.entities.append(entity)
            if entity.name in kept:
                kept.remove(entity.name)


@contextlib.contextmanager
def _errors_told() -> Iterator[None]:
    """Convert errors of the file system to NatsSecurityError."""
    try:
        yield
    except Overtaken:
        raise
    except FileError as error:
        raise NatsSecurityError(
            f"The store could not be written {error.path}: {error.reason}. What was written so far stays as it is, and the next run completes it."
        ) from error


def _kept(planned: _Planned) -> Outcome:
    plan, store = planned.plan, planned.store
    outcome = Outcome(plan, store)
    if store.operator is not None and (plan.operator is None or not plan.operator.is_issued):
        outcome.operator_token = store.operator.token
    for name in plan.names.accounts:
        step, found = plan.accounts.get(name), store.accounts.get(name)
        if found is not None and (step is None or not step.is_issued):
            outcome.account_tokens[name] = found.token
    return outcome


# ---- the lock


@contextlib.contextmanager
def lock(layout: Layout, timeout: float, create: bool, shared: bool) -> Iterator[int | None]:
    """Hold the store's lock. Yields its file descriptor, or None if there is no lock file and none is created.

    NatsSecurityError, with the holder of the lock, if it is not free within `timeout` seconds.
    """
    if create:
        with _errors_told():
            make_folders([os.path.dirname(layout.lock)])
    with lock_file(layout.lock, "The store", timeout, create, shared) as held:
        yield held


def foresee(layout: Layout, makes_keys: bool) -> None:
    """Raise NatsSecurityError if the folders of a store, or of new keys, could not be written."""
    with _errors_told():
        for path in (os.path.dirname(layout.lock), layout.root, *([layout.keys_dir] if makes_keys else ())):
            foreseen.folder(path)


def _say_who(descriptor: int, purpose: str) -> None:
    since = units.show_time(int(time.time()))
    write_holder(descriptor, f"process {os.getpid()} on {socket.gethostname()} ({purpose}, since {since})\n")


# ---- the work


class _Work:
    """Applies a plan, with a method for each step."""

    def __init__(self, planned: _Planned) -> None:
        self.plan, self.store, self.ring, self.unrecorded = planned[:4]
        self.record = self.store.trust.record if self.store.trust is not None else Record()
        self.layout: Layout = self.store.layout
        self.made: dict[Placeholder, str] = {}
        self.tokens = Tokens(None, {}, {})
        self.outcome = _kept(planned)

    def do(self) -> Outcome:
        with _errors_told():
            self.prepare()
            self.note_revoked()
            self.note_removed_keys()
            self.make_keys()
            self.write_identity(self.plan.names.record)
            self.tokens = sign_plan(self.plan, self.ring, self.made)
            self.move_files()
            self.write_operator()
            self.write_accounts()
            self.write_users()
            self.put_modes_right()
            self.archive()
            self.write_record()
            self.forget_retired()
            self.end_journal()
        self.outcome.made = self.made
        return self.outcome

    def ask(self, path: str) -> Outcome:
        """Create the keys, and request signatures from keys elsewhere. Nothing else is written until the signatures arrive.

        The keys that are revoked by name are recorded now, because the returned token already contains them. Roles whose keys are removed stay on record
        until then.
        """
        from ..decision.unsigned import Requests
        from . import waiting_jwts

        with _errors_told():
            self.prepare()
            self.note_revoked()
            self.make_keys()
            self.write_identity(while_waiting(self.record.roles or {}, self.plan.names.record))
            document = Requests(self.plan.now, tuple(unsigned_of(self.plan, self.ring, self.made)))
            waiting_jwts.ask(self.layout, path, document)
        self.outcome.made = self.made
        self.outcome.unsigned, self.outcome.is_waiting = document, True
        return self.outcome

    def prepare(self) -> None:
        make_folders([os.path.dirname(self.layout.lock)])
        _remove_leftovers(self.store, [str(entry.get("key")) for entry in self.store.journal])

    def note_removed_keys(self) -> None:
        """Add the signing keys that are removed to the journal, so that the run after an interruption archives them even if no token names them any more.

        They are also recorded as removed, so that a rotation that names one of them is recognized as complete.
        """
        gone = [one for one in self.plan.removals if not one.user and not one.is_account]
        write_journal(self.layout, [removal_entry(one.account, key) for one in gone for key in one.keys])
        self.append_removed([(key, one.account) for one in gone for key in one.keys])

    def end_journal(self) -> None:
        """Remove the journal, except for the keys of JWTs of another document that wait for their signatures."""
        used = self.plan.named_keys()
        waiting = [entry for entry in self.store.journal if "for" in entry and entry.get("key") not in used]
        path = self.layout.journal
        if waiting and _waits(self.layout):
            write_all([Write(path, journal_text(waiting), _text_of(path))])
        else:
            discard(path)

    def make_keys(self) -> None:
        pairs = [(key, nkey.create(key.type)) for key in self.plan.new_keys()]
        write_journal(self.layout, [{"for": key.label, "key": pair.public_key} for key, pair in pairs])
        if pairs:
            make_folders([os.path.join(self.layout.keys_dir, name) for name in ("keys", "creds")])
            create_once(self.layout.gitignore, GITIGNORE)
            write_all([Write(self.layout.key(pair.public_key), pair.seed) for _unused, pair in pairs])
        for key, pair in pairs:
            self.made[key] = pair.public_key
            self.ring.add(pair)

    def write_identity(self, roles: Mapping[str, Mapping[str, str]]) -> None:
        """Record the operator's public key and the roles of signing keys, before any token is written. The record of a replaced operator is archived."""
        if self.store.trust is not None and self.store.trust.replaced:
            put_away(self.layout, self.layout.record, True, self.when)
        self.write_roles(until_written(self.record.roles or {}, roles, self.plan.names.generations))

    def forget_retired(self) -> None:
        """Remove keys that are no longer in their JWTs, and user keys that are now revoked, from the record."""
        names = self.plan.names
        if until_written(self.record.roles or {}, names.record, names.generations) != until_written(
            {}, names.record, {}
        ):
            self.write_roles(names.record)

    def write_roles(self, record: Mapping[str, Mapping[str, str]]) -> None:
        """Record the operator's public key and the roles, and write the roles file of the store."""
        layout, is_managed = self.layout, self.store.is_managed
        operator = key_of(self.plan.names.operator, self.made)
        named = {
            with_owner(owner, lambda key: key_of(key, self.made)): roles for owner, roles in record.items() if roles
        }
        roles = resolve(named, self.made)
        text = json.dumps(roles, indent=1, sort_keys=True) + "\n"
        files = []
        known = self.record
        if (known.operator, known.is_managed) != (operator, is_managed):
            files.append((layout.recorded_store, identity_text(operator, is_managed)))
        if known.roles != roles:
            files.append((layout.recorded_roles, text))
        if (self.store.read_roles or {}) != roles:
            files.append((layout.roles, text))
        write_all([Write(path, new, _text_of(path)) for path, new in files])

    def move_files(self) -> None:
        """Move the files of renamed accounts and users to their new paths."""
        if self.store.moves:
            from .renaming import move_files

            move_files(self.store.moves, self.layout, self.when)

    def write_operator(self) -> None:
        step = self.plan.operator
        files = []
        if self.tokens.operator is not None:
            self.outcome.operator_token = self.tokens.operator
        if step is not None and step.writes_token and self.outcome.operator_token is not None:
            path = self.layout.operator_jwt
            files.append(Write(path, self.outcome.operator_token, _text_as_planned(path, self.store.read.get(path))))
        if not self.store.exists:
            marker = {"managed": False, "name": self.layout.name, "kind": "operator", "version": "1"}
            text = json.dumps(marker, separators=(",", ":"), ensure_ascii=False)
            files.append(Write(self.layout.marker, text, _text_of(self.layout.marker)))
        write_all(files)
        make_folders([self.layout.accounts])

    def note_revoked(self) -> None:
        """Record the keys that are revoked by name, before any other change: if the task is repeated, the name or role may have another key or none."""
        new = [note for note in self.plan.notes if note not in self.record.revoked]
        if new:
            make_folders([self.layout.state_of_keys])
            append(self.layout.revoked, revoked_text(new))

    def write_accounts(self) -> None:
        files = []
        for name, step in self.plan.accounts.items():
            if step.is_issued:
                self.outcome.account_tokens[name] = self.tokens.accounts[name]
            if step.writes_token:
                path = self.layout.account_jwt(name)
                files.append(
                    Write(path, self.outcome.account_tokens[name], _text_as_planned(path, self.store.read.get(path)))
                )
        write_all(files)

    def write_users(self) -> None:
        jwts: list[Write] = []
        creds: list[Write] = []
        replaced: list[str] = []
        for account, users in self.plan.users.items():
            for user in users:
                self.add_files(account, user, jwts, creds)
                if user.archives_creds:
                    replaced.append(self.layout.creds(account, user.name))
                if len(jwts) + len(creds) >= _FILES_AT_ONCE:
                    self.write_out(jwts, creds, replaced)
        self.write_out(jwts, creds, replaced)

    def write_out(self, jwts: list[Write], creds: list[Write], replaced: list[str]) -> None:
        """Write the files and clear the lists. Creds are written after the JWTs that they contain, and after creds with another key are archived."""
        write_all(jwts)
        for path in replaced:
            put_away(self.layout, path, True, self.when)
        write_all(creds)
        for files in (jwts, creds, replaced):
            files.clear()

    def add_files(self, account: str, user: UserStep, jwts: list[Write], creds: list[Write]) -> None:
        path = self.layout.user_jwt(account, user.name)
        text = user.token
        # A file that is replaced is compared with its text then.
        if text is not None and not (user.is_usual.token and user.writes_token):
            text = _text_of(path)
            if text is not None and decorated.token_in(text) != user.token:
                raise Overtaken(path, "something else changed it at the same time")
        token = self.tokens.users.get((account, user.name), user.token or "")
        self.outcome.user_tokens[account, user.name] = token
        if user.writes_token:
            jwts.append(Write(path, token, text))
        subject = key_of(user.subject, self.made)
        if user.writes_creds and self.ring.has(subject):
            path, old = self.layout.creds(account, user.name), None
            if user.is_usual.creds and user.token is not None:
                seed = self.ring.seed_text(subject)
                old = decorated.creds_text(user.token, seed)
            else:
                seed = self.ring.pair(subject).seed
                if user.has_creds:
                    old = _text_of(path)
                    if old is not None and seed not in old:
                        raise Overtaken(path, "something else changed it at the same time")
            creds.append(Write(path, decorated.creds_text(token, seed), old))

    def put_modes_right(self) -> None:
        for path in sorted(self.store.modes):
            set_mode(path)

    def write_record(self) -> None:
        """Record the current tokens of the operator and of all accounts."""
        gone = {removal.account for removal in self.plan.removals if removal.is_account}
        tokens = {name: found.token for name, found in self.store.accounts.items() if name not in gone}
        tokens.update(self.outcome.account_tokens)
        if self.outcome.operator_token is not None:
            tokens[""] = self.outcome.operator_token
        write_all(differing(self.layout, self.record, tokens))
        for name in [*self.unrecorded, *gone]:
            discard(self.layout.recorded(name))

    # ---- removal

    @property
    def when(self) -> str:
        """The time of the run, for the name of a folder."""
        return units.show_time(self.plan.now).replace(":", "")

    def note_removed(self) -> None:
        """Record the keys of removed accounts and users, so that their tokens are recognized if they reappear."""
        self.append_removed(
            [
                (removal.keys[0], f"{removal.account}{'/' if removal.user else ''}{removal.user}")
                for removal in self.plan.removals
                if removal.keys and (removal.user or removal.is_account)
            ]
        )

    def append_removed(self, keys: Sequence[tuple[str, str]]) -> None:
        """Record removed keys, each with ACCOUNT or ACCOUNT/USER, unless they are already recorded."""
        lines = [f"{key} {self.when} {name}\n" for key, name in keys if key not in self.record.removed]
        if lines:
            make_folders([self.layout.state_of_keys])
            append(self.layout.removed, "".join(lines))

    def archive(self) -> None:
        """Archive what is removed. Creds and keys are archived before the token that names them, so that an interruption leaves no orphans."""
        if not self.plan.removals:
            return
        when = self.when
        self.note_removed()
        for removal in self.plan.removals:
            account, user = removal.account, removal.user
            if user and removal.keys and not removal.keeps_files:
                put_away(self.layout, self.layout.creds(account, user), True, when)
            for key in removal.keys:
                if len(key) == 56:
                    put_away(self.layout, self.layout.key(key), True, when)
            if removal.keeps_files:
                continue
            if user:
                put_away(self.layout, self.layout.user_jwt(account, user), False, when)
            elif removal.is_account:
                put_away(self.layout, self.layout.account_jwt(account), False, when)
                for folder in (
                    self.layout.users_dir(account),
                    self.layout.account_dir(account),
                    self.layout.creds_dir(account),
                ):
                    with contextlib.suppress(OSError):
                        os.rmdir(folder)


# ---- files


def _text_of(path: str) -> str | None:
    content = read_content(path, follow=False)
    return None if content is None else content.text


def _text_as_planned(path: str, found: Found | None) -> str | None:
    """The text of a file that is about to be replaced; None if there is no file. Overtaken if its token is not the one in the plan."""
    text = _text_of(path)
    if (decorated.token_in(text) if text is not None else None) != (found.token if found is not None else None):
        raise Overtaken(path, "something else changed it at the same time")
    return text


def _remove_leftovers(store: Store, started: list[str]) -> None:
    """Remove the incomplete files of an interrupted run, including those in the folders of keys that it began to create."""
    leftovers = list(store.leftovers)
    for folder in {os.path.dirname(store.layout.key(key)) for key in started if len(key) == 56}:
        leftovers.extend(os.path.join(folder, name) for name in list_folder(folder) if is_rest(name))
    for path in leftovers:
        discard(path)
