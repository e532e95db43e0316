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
import errno
import fcntl
import json
import os
import socket
import time
from typing import Callable, Iterable, Iterator, Sequence, TypeVar

from ..base import units
from ..base.errors import NatsSecurityError
from ..base.quick_dataclass import dataclass
from ..claims import Account, Claims
from ..decision.issue import issue
from ..disk.files import sync_folder
from ..keys import nkey
from . import document as documents
from . import layout as layouts
from .document import Document, Keys
from .layout import FILE_MODE, FOLDER_MODE, Keyring, Layout, Store
from .plan import make_plan
from .planning import AccountPlan, Plan, UserPlan, Wishes
from .wanted import issuer_account, wanted_account, wanted_operator

T = TypeVar("T")

_POLL_SECONDS = 0.05
#: How many files of users are made before they are written.
_FILES_AT_ONCE = 2000
#: How many files are open at a time between being written and being synced.
_OPEN_FILES = 200
#: How many files are synced at the same time.
_SYNCING = 16
#: A sync that takes longer than this waits for a disk.
_SYNC_SECONDS = 0.0001


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
            _remove(store.layout.journal)
    return _kept(plan)


@contextlib.contextmanager
def _errors_told() -> Iterator[None]:
    """NatsSecurityError for whatever the file system refuses."""
    try:
        yield
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        raise NatsSecurityError(
            f"The store could not be written{where}: {error.strerror or error}. What was written so far stays as it is, and the next run completes it."
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

    NatsSecurityError, with who holds it, where it is not to be had in time, in seconds.
    """
    path = layout.lock
    if create:
        with _errors_told():
            _make_folders([os.path.dirname(path)])
    descriptor = _open_lock(path, create)
    if descriptor is None:
        yield None
        return
    if create:
        with contextlib.suppress(OSError):
            os.fchmod(descriptor, FILE_MODE)
    try:
        _wait_for(descriptor, path, timeout, shared)
        try:
            yield descriptor
        finally:
            if not shared and os.fstat(descriptor).st_size:
                with contextlib.suppress(OSError):
                    os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _open_lock(path: str, create: bool) -> int | None:
    flags = os.O_RDWR | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)
    try:
        return os.open(path, flags | (os.O_CREAT if create else 0), FILE_MODE)
    except (FileNotFoundError, NotADirectoryError):
        if create:
            raise NatsSecurityError(f"The lock {path} cannot be created: its folder is gone.") from None
        return None
    except OSError as error:
        if not create and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            # To wait for others takes no right to write.
            with contextlib.suppress(OSError):
                return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        raise NatsSecurityError(f"The lock {path} cannot be opened: {error.strerror}.") from error


def _wait_for(descriptor: int, path: str, timeout: float, shared: bool) -> None:
    deadline = time.monotonic() + timeout
    while True:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            return
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise NatsSecurityError(f"The lock {path} cannot be had: {error.strerror}.") from error
        if time.monotonic() >= deadline:
            raise NatsSecurityError(
                f"The store is locked by {_holder(descriptor)}, which was waited for {timeout:g} s (lock_timeout). The lock is {path}."
            )
        time.sleep(_POLL_SECONDS)


def _holder(descriptor: int) -> str:
    """Who holds a lock: what it wrote into it, or what the system knows of it when it only reads or has not written anything yet."""
    said = os.pread(descriptor, 4096, 0).decode("utf-8", "replace").strip()
    if said:
        return said
    inode = os.fstat(descriptor).st_ino
    with contextlib.suppress(OSError, ValueError, IndexError), open("/proc/locks", encoding="ascii") as locks:
        for line in locks:
            fields = line.split()
            if fields[1] == "FLOCK" and fields[5].endswith(f":{inode}"):
                return f"process {int(fields[4])} on {socket.gethostname()}"
    return "another process"


def _say_who(descriptor: int, purpose: str) -> None:
    since = units.show_time(int(time.time()))
    text = f"process {os.getpid()} on {socket.gethostname()} ({purpose}, since {since})\n"
    # Not being able to say so is no reason to stop; what is written next tells.
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text.encode("utf-8", "replace"), 0)


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
            _remove(self.layout.journal)
        self.outcome.real = self.real
        return self.outcome

    def prepare(self) -> None:
        _make_folders([os.path.dirname(self.layout.lock)])
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
            _append(self.layout.journal, "".join(json.dumps(entry) + "\n" for entry in entries))
        if made:
            folders = [os.path.join(self.layout.keys_dir, name) for name in ("keys", "creds")]
            _make_folders(folders)
            files = []
            if not os.path.exists(self.layout.gitignore):
                files.append((self.layout.gitignore, layouts.GITIGNORE))
            write_all(
                [*files, *((self.layout.key(pair.public_key), pair.seed) for _unused, pair, _unused in made)],
            )
        for stand_in, pair, _unused in made:
            self.real[stand_in] = pair.public_key
            self.ring.add(pair)
        self.keys = self.plan.keys.made(self.real)
        roles = {
            self.real.get(owner, owner): {role: self.real.get(key, key) for role, key in keys.items()}
            for owner, keys in self.plan.roles.items()
        }
        if roles != self.store.roles:
            write_all([(self.layout.roles, json.dumps(roles, indent=1, sort_keys=True) + "\n")])

    def write_operator(self) -> None:
        plan = self.plan
        token = self.outcome.operator_token
        if plan.operator_is_issued:
            existing = self.store.operator.token if self.store.operator is not None else None
            wanted = wanted_operator(plan, self.keys, [])
            token = issue(wanted, existing, self.pair(plan.operator_issuer), plan.operator_policy, self.now).token
        files = []
        if plan.operator_writes_token and token is not None:
            files.append((self.layout.operator_jwt, token))
            self.outcome.operator_token = token
        if not self.store.exists:
            marker = {"managed": False, "name": self.layout.name, "kind": "operator", "version": "1"}
            files.append((self.layout.marker, json.dumps(marker, separators=(",", ":"), ensure_ascii=False)))
        write_all(files)
        _make_folders([self.layout.accounts])

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
                files.append((self.layout.account_jwt(account.wish.name), token))
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
        jwts: list[tuple[str, str]] = []
        creds: list[tuple[str, str]] = []
        for account in self.plan.accounts:
            for user in account.users:
                self.add_files(account, user, jwts, creds)
                if len(jwts) + len(creds) >= _FILES_AT_ONCE:
                    _write_out(jwts, creds)
        _write_out(jwts, creds)

    def add_files(
        self, account: AccountPlan, user: UserPlan, jwts: list[tuple[str, str]], creds: list[tuple[str, str]]
    ) -> None:
        name = account.wish.name
        subject = self.keys.users[name][user.wish.name]
        path = self.layout.user_jwt(name, user.wish.name)
        token = self.user_token(account, user, subject, path)
        if user.writes_token:
            jwts.append((path, token))
        if user.writes_creds and self.ring.has(subject):
            text = layouts.creds_text(token, self.ring.pair(subject).seed)
            creds.append((self.layout.creds(name, user.wish.name), text))

    def user_token(self, account: AccountPlan, user: UserPlan, subject: str, path: str) -> str:
        text = None if user.is_new else layouts.read_file(Store(self.layout), path)
        token = text.strip() if text is not None else None
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
            with contextlib.suppress(FileNotFoundError):
                os.chmod(path, FOLDER_MODE if os.path.isdir(path) else FILE_MODE)

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
        _make_folders([os.path.dirname(target)])
        ignore = os.path.join(root, layouts.STATE, ".gitignore")
        if of_keys and not os.path.exists(ignore):
            write_all([(ignore, "*\n")])
        count = 0
        while os.path.lexists(target):
            count += 1
            target = f"{target.rsplit('.archived', 1)[0]}.archived{count}"
        os.rename(path, target)
        for folder in (os.path.dirname(target), os.path.dirname(path)):
            sync_folder(folder)
        if of_keys and path.endswith(".nk"):
            with contextlib.suppress(OSError):
                os.rmdir(os.path.dirname(path))


# ---- files


def write_all(files: Iterable[tuple[str, str]]) -> None:
    """Put texts into files, each whole or not at all, durably: all are written and synced before the first gets its name. OSError where that fails."""
    files = list(files)
    folders = {_folder_of(path) for path, _unused in files}
    _make_folders(sorted(folders))
    waiting: list[tuple[str, str]] = []
    batch: list[tuple[int, str]] = []
    try:
        for count, (path, text) in enumerate(files):
            temporary = f"{_folder_of(path)}/{layouts.TEMPORARY_PREFIX}{count}{layouts.TEMPORARY_SUFFIX}"
            waiting.append((temporary, path))
            batch.append((_write_temporary(temporary, text), temporary))
            if len(batch) >= _OPEN_FILES:
                _sync_batch(batch)
        _sync_batch(batch)
        for temporary, path in waiting:
            os.replace(temporary, path)
    except BaseException:
        for descriptor, _unused in batch:
            with contextlib.suppress(OSError):
                os.close(descriptor)
        for temporary, _unused in waiting:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        raise
    _at_once(sync_folder, sorted(folders))


def _folder_of(path: str) -> str:
    return path.rpartition("/")[0]


def _write_out(jwts: list[tuple[str, str]], creds: list[tuple[str, str]]) -> None:
    """Write files and forget them: creds after the JWTs that they repeat."""
    for files in (jwts, creds):
        write_all(files)
        files.clear()


def _write_temporary(path: str, text: str) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)
    try:
        descriptor = os.open(path, flags, FILE_MODE)
    except FileExistsError:
        # Left by a run that was killed; this run has the lock.
        os.unlink(path)
        descriptor = os.open(path, flags, FILE_MODE)
    try:
        os.fchmod(descriptor, FILE_MODE)  # whatever the umask is
        data = text.encode("utf-8")
        while data:
            data = data[os.write(descriptor, data) :]
    except OSError as error:
        os.close(descriptor)
        error.filename = path
        raise
    return descriptor


def _sync_batch(batch: list[tuple[int, str]]) -> None:
    """Sync and close files."""
    _at_once(_sync, batch)
    while batch:
        os.close(batch.pop()[0])


def _at_once(sync: Callable[[T], None], items: Sequence[T]) -> None:
    """Sync many at the same time, so that a file system with a journal takes many of them into one commit."""

    def sync_share(first: int) -> None:
        for item in items[first::_SYNCING]:
            sync(item)

    start = time.perf_counter()
    for item in items[:1]:
        sync(item)
    # Where that takes no time, as in memory, threads do.
    if time.perf_counter() - start < _SYNC_SECONDS:
        for item in items[1:]:
            sync(item)
    elif len(items) > 1:
        import concurrent.futures

        with concurrent.futures.ThreadPoolExecutor(_SYNCING) as pool:
            list(pool.map(sync_share, range(1, _SYNCING + 1)))


def _sync(file: tuple[int, str]) -> None:
    descriptor, path = file
    try:
        os.fsync(descriptor)
    except OSError as error:
        error.filename = path
        raise


def _append(path: str, text: str) -> None:
    """Add to the journal, durably."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, FILE_MODE)
    try:
        os.fchmod(descriptor, FILE_MODE)
        # A torn last line of a killed run ends here.
        data = (b"\n" if os.fstat(descriptor).st_size else b"") + text.encode("utf-8")
        while data:
            data = data[os.write(descriptor, data) :]
        os.fsync(descriptor)
    except OSError as error:
        error.filename = path
        raise
    finally:
        os.close(descriptor)
    sync_folder(os.path.dirname(path))


def _make_folders(folders: Iterable[str]) -> None:
    """Make folders that only their owner can read, durably."""
    parents = set()
    for folder in folders:
        missing = []
        while folder and not os.path.isdir(folder):
            missing.append(folder)
            folder = os.path.dirname(folder)
        for path in reversed(missing):
            with contextlib.suppress(FileExistsError):
                os.mkdir(path, FOLDER_MODE)
                os.chmod(path, FOLDER_MODE)  # whatever the umask is
            parents.add(os.path.dirname(path))
    _at_once(sync_folder, sorted(parents))


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
        sync_folder(os.path.dirname(path))


def _remove_leftovers(store: Store, started: list[str]) -> None:
    """Remove the incomplete files of a run that was killed: also next to the keys that it had started to make."""
    leftovers = list(store.leftovers)
    for folder in {os.path.dirname(store.layout.key(key)) for key in started if len(key) == 56}:
        leftovers.extend(
            os.path.join(folder, name) for name in layouts.list_folder(folder) if layouts.is_temporary(name)
        )
    for path in leftovers:
        _remove(path)
