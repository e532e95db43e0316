# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""A plan carried out: the lock, keys made, tokens signed, files written in an order that survives a kill at any moment.

The order: the journal says which keys are about to be made; the keys; the operator; the accounts; their users with their creds; then what
is removed goes to the archive, and the journal goes. So a key that a token names is always there, a token that nsc reads always has the one
above it, and a run after a kill finds its keys by the journal.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import socket
import time
from typing import Callable, Iterator

from ..base import units
from ..base.errors import NatsSecurityError
from ..base.quick_dataclass import dataclass
from ..claims import Account, Claims
from ..decision.issue import issue
from ..disk.batch import Write, append, make_folders, write_all
from ..disk.files import FileError, discard, list_folder, read_content, reported, set_mode, sync_folder
from ..disk.lock import lock_file, write_holder
from ..disk.writing import Overtaken, is_rest
from ..keys import nkey
from . import document as documents
from . import layout as layouts
from .document import Document, Keys
from .layout import Keyring, Layout, Store, Stored
from .plan import make_plan
from .planning import AccountPlan, Plan, UserPlan, Wishes
from .wanted import issuer_account, wanted_account, wanted_operator

#: How many files of users are made before they are written.
_FILES_AT_ONCE = 2000


@dataclass
class Outcome:
    """What came of a document: the plan, and the keys and tokens that there are now. In check mode there are only those that were there."""

    plan: Plan
    real: dict[str, str]  # the keys that were made, by their stand-ins
    operator_token: str | None = None
    account_tokens: dict[str, str] = dataclasses.field(default_factory=dict)


def run(
    document: Document,
    layout: Layout,
    ring: Callable[[], Keyring],
    wishes: Wishes,
    now: int,
    check_mode: bool,
    lock_timeout: float,
    purpose: str,
) -> Outcome:
    """Make a store say what the document says, under its lock. With problems in the plan, or in check mode, nothing is written."""
    with lock(layout, lock_timeout, create=False, shared=check_mode) as held:
        store = layouts.read_store(layout)
        keyring = ring()
        plan = make_plan(document, store, keyring, wishes, now)
        if held is not None or check_mode or plan.problems or not plan.changes:
            return _finish(plan, keyring, check_mode, held, purpose)
    # Nobody ever locked this store, so the plan was made without: only now that there is something to do the lock is created.
    with lock(layout, lock_timeout, create=True, shared=False) as held:
        if store.exists or os.path.exists(layout.marker) or os.path.exists(layout.journal):
            store = layouts.read_store(layout)
            keyring = ring()
            plan = make_plan(document, store, keyring, wishes, now)
        return _finish(plan, keyring, check_mode, held, purpose)


def _finish(plan: Plan, ring: Keyring, check_mode: bool, held: int | None, purpose: str) -> Outcome:
    if plan.problems or check_mode or held is None:
        return _kept(plan)
    store = plan.store
    if plan.changes:
        _say_who(held, purpose)
        return _Work(plan, ring).do()
    if store.journal or store.leftovers:
        with _errors_told():
            _remove_leftovers(store, [str(entry.get("key")) for entry in store.journal])
            discard(store.layout.journal)
    return _kept(plan)


@contextlib.contextmanager
def _errors_told() -> Iterator[None]:
    """NatsSecurityError for whatever the file system refuses."""
    try:
        yield
    except FileError as error:
        raise NatsSecurityError(
            f"The store could not be written {error.path}: {error.reason}. What was written so far stays as it is, and the next run completes it."
        ) from error


def _kept(plan: Plan) -> Outcome:
    outcome = Outcome(plan, {})
    if plan.store.operator is not None and not plan.operator_is_issued:
        outcome.operator_token = plan.store.operator.token
    for account in plan.accounts:
        if account.stored is not None and not account.is_issued:
            outcome.account_tokens[account.wish.name] = account.stored.token
    return outcome


# ---- the lock


@contextlib.contextmanager
def lock(layout: Layout, timeout: float, create: bool, shared: bool) -> Iterator[int | None]:
    """Hold the store's lock: its file descriptor, or None where there is no lock file and none is created.

    NatsSecurityError, with who holds it, where that takes longer than `timeout` seconds.
    """
    if create:
        with _errors_told():
            make_folders([os.path.dirname(layout.lock)])
    with lock_file(layout.lock, "The store", timeout, create, shared) as held:
        yield held


def _say_who(descriptor: int, purpose: str) -> None:
    since = units.show_time(int(time.time()))
    write_holder(descriptor, f"process {os.getpid()} on {socket.gethostname()} ({purpose}, since {since})\n")


# ---- the work


class _Work:
    """The plan carried out, a step a method."""

    def __init__(self, plan: Plan, ring: Keyring) -> None:
        self.plan, self.ring = plan, ring
        self.store: Store = plan.store
        self.layout: Layout = plan.store.layout
        self.now = plan.now
        self.real: dict[str, str] = {}
        self.keys: Keys = plan.keys
        self.finals: dict[str, Claims] = {}
        self.outcome = _kept(plan)

    def do(self) -> Outcome:
        with _errors_told():
            self.prepare()
            self.make_keys()
            self.write_operator()
            self.write_accounts()
            self.write_users()
            self.put_modes_right()
            self.archive()
            discard(self.layout.journal)
        self.outcome.real = self.real
        return self.outcome

    def prepare(self) -> None:
        make_folders([os.path.dirname(self.layout.lock)])
        _remove_leftovers(self.store, [str(entry.get("key")) for entry in self.store.journal])

    def make_keys(self) -> None:
        made = [(stand_in, nkey.create(key_type), label) for stand_in, (key_type, label) in self.plan.keys.new.items()]
        entries = [{"for": label, "key": pair.public_key} for _unused, pair, label in made]
        entries += [
            {"removes": key, "account": removal.account}
            for removal in self.plan.removals
            if not removal.user and not removal.is_account
            for key in removal.keys
        ]
        if entries:
            append(self.layout.journal, "".join(json.dumps(entry) + "\n" for entry in entries))
        if made:
            folders = [os.path.join(self.layout.keys_dir, name) for name in ("keys", "creds")]
            make_folders(folders)
            _create_once(self.layout.gitignore, layouts.GITIGNORE)
            write_all([Write(self.layout.key(pair.public_key), pair.seed) for _unused, pair, _unused in made])
        for stand_in, pair, _unused in made:
            self.real[stand_in] = pair.public_key
            self.ring.add(pair)
        self.keys = self.plan.keys.made(self.real)
        roles = {
            self.real.get(owner, owner): {role: self.real.get(key, key) for role, key in keys.items()}
            for owner, keys in self.plan.roles.items()
        }
        if roles != self.store.roles:
            text = json.dumps(roles, indent=1, sort_keys=True) + "\n"
            write_all([Write(self.layout.roles, text, _text_of(self.layout.roles))])

    def write_operator(self) -> None:
        plan = self.plan
        token = self.outcome.operator_token
        if plan.operator_is_issued:
            existing = self.store.operator.token if self.store.operator is not None else None
            wanted = wanted_operator(plan, self.keys, [])
            token = issue(wanted, existing, self.pair(plan.operator_issuer), plan.operator_policy, self.now).token
        files = []
        if plan.operator_writes_token and token is not None:
            files.append(
                Write(self.layout.operator_jwt, token, _text_as_planned(self.layout.operator_jwt, self.store.operator))
            )
            self.outcome.operator_token = token
        if not self.store.exists:
            marker = {"managed": False, "name": self.layout.name, "kind": "operator", "version": "1"}
            text = json.dumps(marker, separators=(",", ":"), ensure_ascii=False)
            files.append(Write(self.layout.marker, text, _text_of(self.layout.marker)))
        write_all(files)
        make_folders([self.layout.accounts])

    def write_accounts(self) -> None:
        files = []
        for account in self.plan.accounts:
            token = account.stored.token if account.stored is not None else None
            if account.is_issued:
                wanted = self.wanted_account(account)
                issued = issue(wanted, token, self.pair(account.issuer), account.policy, self.now)
                token = issued.token
                self.finals[account.wish.name] = issued.decision.claims
            if account.writes_token and token is not None:
                path = self.layout.account_jwt(account.wish.name)
                files.append(Write(path, token, _text_as_planned(path, account.stored)))
                self.outcome.account_tokens[account.wish.name] = token
        write_all(files)

    def wanted_account(self, account: AccountPlan) -> Claims:
        wanted = wanted_account(account, self.keys, account.tokens, [])
        body: Account = wanted.body
        for activation in account.activations:
            key = self.keys.accounts[activation.exporter]
            issuer = self.pair(activation.issuer)
            subject = body.imports[activation.index].subject
            claims = dataclasses.replace(activation.wanted, subject=self.keys.accounts[account.wish.name])
            said = claims.body.issuer_account if activation.existing is not None else ""
            claims.body = dataclasses.replace(claims.body, issuer_account=issuer_account(key, issuer.public_key, said))
            if activation.existing is None:
                claims.name = claims.body.import_subject = subject
            issued = issue(claims, activation.existing, issuer, activation.policy, self.now)
            body.imports[activation.index].token = issued.token
        return wanted

    def write_users(self) -> None:
        jwts: list[Write] = []
        creds: list[Write] = []
        for account in self.plan.accounts:
            for user in account.users:
                self.add_files(account, user, jwts, creds)
                if len(jwts) + len(creds) >= _FILES_AT_ONCE:
                    _write_out(jwts, creds)
        _write_out(jwts, creds)

    def add_files(self, account: AccountPlan, user: UserPlan, jwts: list[Write], creds: list[Write]) -> None:
        name = account.wish.name
        subject = self.keys.users[name][user.wish.name]
        path = self.layout.user_jwt(name, user.wish.name)
        text = None if user.is_new else _text_of(path)
        if text is not None and hash(text) != user.found:
            raise Overtaken(path, "something else changed it at the same time")
        token = self.user_token(account, user, subject, text.strip() if text is not None else None)
        if user.writes_token:
            jwts.append(Write(path, token, text))
        if user.writes_creds and self.ring.has(subject):
            path = self.layout.creds(name, user.wish.name)
            creds.append(self.creds_write(path, token, self.ring.pair(subject).seed, user.has_creds))

    def creds_write(self, path: str, token: str, seed: str, has_creds: bool) -> Write:
        old = _text_of(path) if has_creds else None
        if old is not None and seed.strip() not in old:
            raise Overtaken(path, "something else changed it at the same time")
        return Write(path, layouts.creds_text(token, seed), old)

    def user_token(self, account: AccountPlan, user: UserPlan, subject: str, token: str | None) -> str:
        if token is not None and not user.is_issued:
            return token
        signer = self.pair(user.issuer)
        said = layouts.peek(token).issuer_account if token is not None else ""
        named = issuer_account(self.keys.accounts[account.wish.name], signer.public_key, said)
        wanted, _unused = documents.user_claims(user.wish, "", subject, named, user.is_scoped, [])
        policy = documents.policy(user.wish.options, "", [], user.issued_after)
        return issue(wanted, token, signer, policy, self.now).token

    def pair(self, public_key: str) -> nkey.KeyPair:
        return self.ring.pair(self.real.get(public_key, public_key))

    def put_modes_right(self) -> None:
        for path in self.plan.modes:
            set_mode(path)

    # ---- what goes

    def archive(self) -> None:
        """Put what is removed out of the way: creds and keys before the token that leads to them, so that a kill leaves nothing behind."""
        if not self.plan.removals:
            return
        when = units.show_time(self.now).replace(":", "")
        for removal in self.plan.removals:
            account, user = removal.account, removal.user
            if user:
                self.put_away(True, when, self.layout.creds(account, user))
            for key in removal.keys:
                if len(key) == 56:
                    self.put_away(True, when, self.layout.key(key))
            if user:
                self.put_away(False, when, self.layout.user_jwt(account, user))
            elif removal.is_account:
                self.put_away(False, when, self.layout.account_jwt(account))
                for folder in (
                    self.layout.users_dir(account),
                    self.layout.account_dir(account),
                    self.layout.creds_dir(account),
                ):
                    with contextlib.suppress(OSError):
                        os.rmdir(folder)

    def put_away(self, of_keys: bool, when: str, path: str) -> None:
        if not os.path.lexists(path):
            return
        root = self.layout.keys_dir if of_keys else self.layout.root
        # Under another suffix: nsc takes a seed outside of its place for a keystore of old, and refuses to work.
        target = os.path.join(self.layout.archive(of_keys, when), os.path.relpath(path, root)) + ".archived"
        make_folders([os.path.dirname(target)])
        ignore = os.path.join(root, layouts.STATE, ".gitignore")
        if of_keys:
            _create_once(ignore, "*\n")
        count = 0
        while os.path.lexists(target):
            count += 1
            target = f"{target.rsplit('.archived', 1)[0]}.archived{count}"
        with reported(path, f"{path} cannot be moved to {target}"):
            os.rename(path, target)
        for folder in (os.path.dirname(target), os.path.dirname(path)):
            sync_folder(folder)
        if of_keys and path.endswith(".nk"):
            with contextlib.suppress(OSError):
                os.rmdir(os.path.dirname(path))


# ---- files


def _text_of(path: str) -> str | None:
    content = read_content(path, follow=False)
    return None if content is None else content.text


def _text_as_planned(path: str, stored: Stored | None) -> str | None:
    """The text of a file that is about to be replaced, None for none. Overtaken where its token is not the one that the plan is about."""
    text = _text_of(path)
    if (text.strip() if text is not None else None) != (stored.token if stored is not None else None):
        raise Overtaken(path, "something else changed it at the same time")
    return text


def _create_once(path: str, text: str) -> None:
    """Create a file that several stores share, where there is none."""
    if not os.path.lexists(path):
        with contextlib.suppress(Overtaken):
            write_all([Write(path, text)])


def _write_out(jwts: list[Write], creds: list[Write]) -> None:
    """Write files and forget them: creds after the JWTs that they repeat."""
    for files in (jwts, creds):
        write_all(files)
        files.clear()


def _remove_leftovers(store: Store, started: list[str]) -> None:
    """Remove the incomplete files of a run that was killed: also next to the keys that it had started to make."""
    leftovers = list(store.leftovers)
    for folder in {os.path.dirname(store.layout.key(key)) for key in started if len(key) == 56}:
        leftovers.extend(os.path.join(folder, name) for name in list_folder(folder) if is_rest(name))
    for path in leftovers:
        discard(path)
