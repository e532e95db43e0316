# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Looks up a JWT or creds file of a store by name, and verifies that it belongs to the operator of the store. Changes nothing."""

from __future__ import annotations

from typing import Callable, Iterable, NamedTuple

from .. import rules
from ..base.errors import Missing, NatsSecurityError
from ..base.excerpts import quoted
from ..reconcile.creds import read_creds
from ..reconcile.place import SURROUNDED, Found
from ..reconcile.trust import Named, Said, UserFile, user_fault
from . import reading
from .layout import Layout, name_problem
from .reading import Store, existing_store
from .record import verified

#: How many names a message shows.
_MOST_NAMES = 10


class Name(NamedTuple):
    """What to look up: an operator, an account of it, or a user of the account. Names that do not apply are empty."""

    operator: str
    account: str = ""
    user: str = ""


def parse_name(text: str) -> Name:
    """Parse `OPERATOR`, `OPERATOR/ACCOUNT` or `OPERATOR/ACCOUNT/USER`. NatsSecurityError for anything else."""
    parts = text.split("/")
    if len(parts) > 3:
        raise NatsSecurityError(
            f"{quoted(text)} has {len(parts)} names: write OPERATOR, OPERATOR/ACCOUNT or OPERATOR/ACCOUNT/USER."
        )
    problem = next(filter(None, map(name_problem, parts)), "")
    if problem:
        raise NatsSecurityError(
            f"{quoted(text)} is not OPERATOR, OPERATOR/ACCOUNT or OPERATOR/ACCOUNT/USER: {problem}."
        )
    return Name(*parts)


class Entries:
    """The JWTs and creds of one store, which is read once."""

    def __init__(self, layout: Layout, has_seed: Callable[[str], bool]) -> None:
        """Read the store. NatsSecurityError if it does not exist."""
        self._layout = layout
        self._has_seed = has_seed
        self._store: Store = verified(existing_store(layout), Named(), has_seed)

    def token(self, account: str = "", user: str = "") -> str:
        """The JWT of the operator, of an account or of a user. NatsSecurityError if there is none, or if it belongs to something else."""
        return (self._user(account, user) if user else self._above(account)).token

    def creds(self, account: str, user: str) -> str:
        """The text of a user's creds file. NatsSecurityError if it does not match the JWT of the user in the store, or if the user is revoked."""
        holder, found = self._above(account), self._user(account, user)
        if rules.is_revoked(holder.claims.body.revocations, found.claims.subject, found.claims.issued_at):
            raise NatsSecurityError(f"The user {account}/{user} is revoked: servers refuse these creds.")
        path = self._layout.creds(account, user)
        text = self._read(path)
        if text is None:
            raise Missing(f"There is no creds file {path} of the user {account}/{user}.")
        creds = read_creds(text, found.claims.subject, found.token)
        if creds.problem:
            raise NatsSecurityError(f"{path}: {creds.problem}")
        if not creds.is_same:
            raise NatsSecurityError(
                f"{path} has another JWT than {self._layout.user_jwt(account, user)}: reconcile the store with nats_store."
            )
        return text

    def _above(self, account: str) -> Found:
        """The operator if `account` is empty, otherwise the account. NatsSecurityError if it is missing or not valid."""
        if account and not self._store.is_managed:
            self._above("")
        path = self._store.where(account)
        found = self._store.accounts.get(account) if account else self._store.operator
        self._refuse(path)
        if found is None:
            wanted = f"no account {quoted(account)}" if account else "no JWT of the operator"
            raise Missing(
                f"There is {wanted} in the store {self._layout.root}."
                + (_there_are(self._store.accounts) if account else "")
            )
        if found.fault not in ("", SURROUNDED):
            raise NatsSecurityError(f"{path}: {found.fault}.")
        return found

    def _user(self, account: str, user: str) -> Found:
        above = self._above(account)
        path = self._layout.user_jwt(account, user)
        found = self._store.read_user(account, user)
        self._refuse(path)
        if found is None:
            names = _there_are(self._store.user_files(account).users)
            raise Missing(
                f"There is no user {quoted(user)} in the account {account} of the store {self._layout.root}.{names}"
            )
        if not isinstance(found, Found):
            raise NatsSecurityError(str(found))
        claims = found.claims
        said = Said(claims.subject, claims.issuer, claims.body.issuer_account, claims.name)
        trust = self._store.trust
        fault = user_fault(trust, UserFile(account, above.claims.subject, user), said, self._has_seed) if trust else ""
        if fault:
            raise NatsSecurityError(f"{path}: {fault}")
        return found

    def _read(self, path: str) -> str | None:
        text = reading.read_file(self._store, path)
        self._refuse(path)
        return text

    def _refuse(self, path: str) -> None:
        """Raise NatsSecurityError for a problem with a file, or with a folder above it."""
        for problem in self._store.problems:
            if path == problem.path or path.startswith(problem.path + "/"):
                raise NatsSecurityError(str(problem))


def _there_are(names: Iterable[str]) -> str:
    found = sorted(names)
    shown = ", ".join(map(quoted, found[:_MOST_NAMES])) or "none"
    return f" There are {shown}{', ...' if len(found) > _MOST_NAMES else ''}."
