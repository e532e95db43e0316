# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The input of questions: verified claims of one operator, its accounts and its users, each with the place that it comes from."""

from __future__ import annotations

import dataclasses
from typing import Any, Iterable, NamedTuple

from ..base.errors import NatsSecurityError
from ..claims import Account, Claims, as_read_by_servers


class Entry(NamedTuple):
    """Claims with their place: the path of a file, or a word such as `definition`, and in a document the path in it, such as `accounts[0]`."""

    claims: Claims
    place: str = ""
    path: str = ""
    name: str = ""  # the name in the store or the document, if it differs from the name in the claims

    @property
    def key(self) -> str:
        """The public key."""
        return self.claims.subject

    @property
    def title(self) -> str:
        """The name for messages; the public key if it has no name."""
        return self.name or self.claims.name or self.claims.subject

    def at(self, inner: str) -> str:
        """The path of something inside the claims, as the document or the options name it."""
        return ".".join(part for part in (self.path, inner) if part)


@dataclasses.dataclass(frozen=True)
class Servers:
    """What is known about the servers besides the tokens."""

    now: int  # Unix seconds
    cluster: str = ""  # the name of their cluster, for mappings that apply to one cluster only
    jetstream: bool = True


class Tree:
    """The claims of one operator, indexed. Functions keep what they compute once in `memory`."""

    def __init__(
        self,
        operator: Entry | None,
        accounts: Iterable[Entry],
        users: Iterable[Entry],
        servers: Servers,
        problems: Iterable[str] = (),
    ) -> None:
        self.operator = operator
        self.servers = servers
        #: Sentences about what could not be used or is not known.
        self.problems = list(problems)
        self.accounts: dict[str, Entry] = {}
        for account in accounts:
            if account.key in self.accounts:
                self.problems.append(
                    f"The account {account.title} has more than one JWT; the one in {self.accounts[account.key].place} is used."
                )
            else:
                claims = dataclasses.replace(account.claims, body=as_read_by_servers(account.claims.body))
                self.accounts[account.key] = account._replace(claims=claims)
        self.users: list[Entry] = list(users)
        self.users_of: dict[str, list[Entry]] = {key: [] for key in self.accounts}
        for user in self.users:
            self.users_of.setdefault(account_key_of(user), []).append(user)
        #: Imports, by the account's key and their index, whose activation tokens are created when these claims are issued.
        self.being_made: frozenset[tuple[str, int]] = frozenset()
        #: The lifetimes of tokens of a document from their issuance on, in seconds, by public key. Their claims expire as if they were issued now.
        self.lifetimes: dict[str, int] = {}
        self.memory: dict[Any, Any] = {}

    @property
    def system_account(self) -> str:
        """The public key of the system account; empty if it is not known."""
        return self.operator.claims.body.system_account if self.operator is not None else ""

    @property
    def is_strict(self) -> bool:
        """Whether servers accept only tokens that signing keys signed."""
        return self.operator is not None and self.operator.claims.body.strict_signing_key_usage

    def account_of(self, user: Entry) -> Entry | None:
        """The account of a user; None if it is not in the tree."""
        return self.accounts.get(account_key_of(user))

    def title_of(self, user: Entry) -> str:
        """ACCOUNT/USER."""
        account = self.account_of(user)
        return f"{account.title if account is not None else account_key_of(user)}/{user.title}"

    def account_title(self, key: str) -> str:
        """The name of an account; its key if it is not in the tree."""
        return self.accounts[key].title if key in self.accounts else key

    def find_account(self, name: str) -> Entry:
        """The account with a name or public key. NatsSecurityError if there is none, or more than one."""
        if name in self.accounts:
            return self.accounts[name]
        named = self._by_title("accounts", self.accounts.values())
        return _only(named.get(name, []), f"account {name}", f"the accounts are {_listed(named)}")

    def find_user(self, name: str) -> Entry:
        """The user ACCOUNT/USER, or with a public key. NatsSecurityError if there is none, or more than one."""
        by_key = self._by_key()
        if name in by_key:
            return _only(by_key[name], f"user {name}", "")
        account_name, slash, user_name = name.partition("/")
        if not slash:
            raise NatsSecurityError(f"{name!r} is not a user: write ACCOUNT/USER, or the public key of a user.")
        account = self.find_account(account_name)
        users = self.users_of.get(account.key, [])
        named = self._by_title(("users", account.key), users)
        found = named.get(user_name) or [user for user in by_key.get(user_name, ()) if user in users]
        return _only(found, f"user {user_name} in the account {account.title}", f"the users are {_listed(named)}")

    def _by_title(self, what: Any, entries: Iterable[Entry]) -> dict[str, list[Entry]]:
        memory: dict[Any, dict[str, list[Entry]]] = self.memory.setdefault("titles", {})
        if what not in memory:
            memory[what] = {}
            for entry in entries:
                memory[what].setdefault(entry.title, []).append(entry)
        return memory[what]

    def _by_key(self) -> dict[str, list[Entry]]:
        memory: dict[str, list[Entry]] = self.memory.setdefault("users by key", {})
        if not memory:
            for user in self.users:
                memory.setdefault(user.key, []).append(user)
        return memory


def _only(found: list[Entry], what: str, others: str) -> Entry:
    if len(found) == 1:
        return found[0]
    if found:
        places = ", ".join(f"{entry.key} ({entry.place})" if entry.place else entry.key for entry in found)
        raise NatsSecurityError(f"There is more than one {what}: {places}; write the public key.")
    raise NatsSecurityError(f"There is no {what}; {others}.")


def _listed(named: Iterable[str]) -> str:
    names = sorted(named)
    return (", ".join(names[:12]) + (", ..." if len(names) > 12 else "")) or "none"


def account_key_of(user: Entry) -> str:
    """The account that servers look up for a user (processClientOrLeafAuthentication)."""
    return user.claims.body.issuer_account or user.claims.issuer


def account_body(entry: Entry) -> Account:
    """The body of the claims of an account."""
    body: Account = entry.claims.body
    return body
