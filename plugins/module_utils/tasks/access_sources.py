# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Builds the tree of claims for the access layer from the source of a task: a document that need not be issued, a store, tokens, or a cluster.

Only this file depends on both the access layer and the sources. The new keys of a document do not exist yet. Each is represented by a valid public key that
is derived from its label, so that subjects and references can be compared. `Source.readable` replaces these keys with text in everything that is shown.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
import time
from typing import Any, Iterable, Iterator, Mapping, Sequence

from ..access.tree import Entry, Servers, Tree, account_key_of
from ..base.errors import NatsSecurityError
from ..base.excerpts import first_of
from ..claims import Account, Claims, Operator, User
from ..claims.options import Problem, with_names
from ..disk.files import list_folder
from ..keys import nkey
from ..keys.keyring import Keyring
from ..keys.new import NewKey
from ..reconcile import wanted_claims
from ..reconcile.names import Names, name_keys
from ..reconcile.wanted import ABSENT, EXISTING, WantedAccount, WantedUser, join
from ..store import reading
from ..store.document import read_document
from ..store.layout import Layout
from ..token import codec, decorated


@dataclasses.dataclass
class Source:
    """The entries of each kind in a source, the problems with the source, and the text for each key that does not exist yet."""

    operator: Entry | None = None
    accounts: list[Entry] = dataclasses.field(default_factory=list)
    users: list[Entry] = dataclasses.field(default_factory=list)
    problems: list[str] = dataclasses.field(default_factory=list)
    words: dict[str, str] = dataclasses.field(default_factory=dict)
    #: Imports, by account and index, whose activation is created when the document is issued.
    being_made: set[tuple[str, int]] = dataclasses.field(default_factory=set)
    #: The lifetimes of a document's tokens from the time of issue, in seconds, by public key.
    lifetimes: dict[str, int] = dataclasses.field(default_factory=dict)

    def tree(self, servers: Servers) -> Tree:
        """The tree of all entries."""
        tree = Tree(self.operator, self.accounts, self.users, servers, self.problems)
        tree.being_made = frozenset(self.being_made)
        tree.lifetimes = dict(self.lifetimes)
        tree.problems += _missing(tree)
        return tree

    def readable(self, value: Any) -> Any:
        """The value with text in place of keys that do not exist yet."""
        return _readable(value, _Words(self.words)) if self.words else value

    def add(self, other: Source) -> None:
        """Add the entries and problems of another source. Of two tokens for the same account or user, the later one counts."""
        self.operator = other.operator or self.operator
        self.accounts = _latest([*self.accounts, *other.accounts])
        self.users = _latest([*self.users, *other.users])
        self.problems += other.problems


class _Words:
    """Replaces keys in texts. There may be many thousands of keys, so the keys of a text are looked up instead of searching for each key."""

    _RUN = re.compile("[A-Z2-7]{56,}")

    def __init__(self, words: Mapping[str, str]) -> None:
        self._words = words
        self._any: re.Pattern[str] | None = None

    def put_into(self, text: str) -> str:
        """The text with its keys replaced."""
        return self._RUN.sub(self._word, text) if len(text) >= 56 else text

    def _word(self, match: re.Match[str]) -> str:
        run = match.group()
        if len(run) == 56:
            return self._words.get(run, run)
        # A key with adjacent characters of the same alphabet, as a template may produce it.
        if self._any is None:
            self._any = re.compile("|".join(map(re.escape, self._words)))
        return self._any.sub(lambda found: self._words[found.group()], run)


def _readable(value: Any, words: _Words) -> Any:
    if isinstance(value, str):
        return words.put_into(value)
    if isinstance(value, list):
        return [_readable(item, words) for item in value]
    if isinstance(value, dict):
        return {_readable(name, words): _readable(item, words) for name, item in value.items()}
    return value


def _missing(tree: Tree) -> Iterator[str]:
    if tree.operator is None:
        yield "The operator is not available, so who may sign accounts, and which one is the system account, is unknown."
    without_account: dict[str, list[str]] = {}
    for user in tree.users:
        if tree.account_of(user) is None:
            without_account.setdefault(account_key_of(user), []).append(user.title)
    for key, names in without_account.items():
        yield f"The account {key} is not available, so what its users {first_of(names, 5)} may do is unknown."


def _latest(entries: list[Entry]) -> list[Entry]:
    found: dict[str, Entry] = {}
    for entry in entries:
        known = found.get(entry.key)
        if known is None or known.claims.issued_at < entry.claims.issued_at:
            found[entry.key] = entry
    return list(found.values())


# ---- tokens


def of_tokens(texts: Iterable[tuple[str, str]]) -> Source:
    """The source of tokens, plain, decorated or in creds, each with its place. Raises NatsSecurityError with the place of a text that is not a token."""
    found = Source()
    for text, place in texts:
        try:
            claims = codec.decode(decorated.token_in(text))
        except NatsSecurityError as error:
            raise NatsSecurityError(f"{place}: {error}") from None
        entry = Entry(claims, place)
        if isinstance(claims.body, Operator):
            if found.operator is not None and found.operator.key != claims.subject:
                raise NatsSecurityError(
                    f"{place}: this is the operator {entry.title}, and {found.operator.place} is the operator {found.operator.title}; give one."
                )
            found.add(Source(operator=entry))
        elif isinstance(claims.body, Account):
            found.accounts.append(entry)
        elif isinstance(claims.body, User):
            found.users.append(entry)
        else:
            raise NatsSecurityError(
                f"{place}: this is a JWT of {claims.kind} claims; expected one of an operator, account or user."
            )
    found.accounts, found.users = _latest(found.accounts), _latest(found.users)
    return found


# ---- a store


def of_store(layout: Layout) -> Source:
    """The source of a whole store, with its faults among the problems. Raises NatsSecurityError if there is no such store."""
    store = reading.existing_store(layout)
    found = Source()
    if store.operator is None:
        found.problems.append(f"{layout.operator_jwt}: there is no JWT of the operator.")
    else:
        found.operator = Entry(store.operator.claims, layout.operator_jwt, "", layout.name)
    for name in list_folder(layout.accounts):
        stored = store.accounts.get(name)
        if stored is not None:
            found.accounts.append(Entry(stored.claims, layout.account_jwt(name), "", name))
        for user in store.user_files(name).users:
            read = store.read_user(name, user)
            if isinstance(read, Problem):
                found.problems.append(f"{read.path}: {read.message}")
            elif read is not None:
                found.users.append(Entry(read.claims, layout.user_jwt(name, user), "", user))
    found.problems += [f"{problem.path}: {problem.message}" for problem in store.problems]
    if store.journal:
        found.problems.append(
            f"{layout.journal}: a run was interrupted; the next run of nats_store completes it. The answers are for its present state."
        )
    return found


# ---- a cluster


def of_cluster(looked_at: Mapping[str, Any], operators: Sequence[Claims]) -> Source:
    """The source of the accounts that servers have, from the result of cluster.info.look_at(). Differences and missing accounts are among the problems."""
    found = Source(problems=[f"In the cluster: {difference}." for difference in looked_at["differences"]])
    names = ", ".join(server["name"] for server in looked_at["servers"])
    for server in looked_at["servers"]:
        if server["resolver"] != "full":
            found.problems.append(
                f"The server {server['name']} has no resolver that lists its accounts (it is {server['resolver']}); give JWTs by jwts or jwt_paths."
            )
    if operators:
        found.operator = Entry(operators[0], f"servers {names}")
        others = {operator.subject for operator in operators} - {operators[0].subject}
        if others:
            found.problems.append(f"Servers trust other operators too, {', '.join(sorted(others))}; these are ignored.")
    for account in looked_at["accounts"]:
        if account["claims"] is None:
            found.problems.append(f"The account {account['public_key']} cannot be read from the servers {names}.")
        else:
            found.accounts.append(Entry(account["claims"], f"servers {names}"))
    return found


# ---- a document


def of_document(definition: Any, place: str) -> Source:
    """The source of a document, as if it had just been issued. Raises NatsSecurityError with everything that is wrong with its form."""
    wanted, problems = read_document(definition)
    found = Source()
    if problems:
        _refuse(problems, definition)
    # The document is compared with an empty store, as if it were issued for the first time.
    names = _stand_ins(found, name_keys(wanted, reading.Store(Layout("", "", "-")), Keyring((), ())))
    problems += names.problems
    if wanted.operator is not None:
        claims = wanted_claims.operator_claims(wanted.operator, names, problems)
        claims.issuer = claims.subject
        found.operator = Entry(claims, place, wanted.operator.place, wanted.operator.name)
    for account in wanted.accounts:
        if account.state == EXISTING:
            found.problems.append(f"{account.place}: its state is existing, so what it allows is unknown.")
        elif account.state != ABSENT:
            _add_account(found, account, names, place, problems)
    _find_activations(found)
    if problems:
        _refuse(problems, definition)
    return found


def _refuse(problems: list[Problem], definition: Any) -> None:
    raise NatsSecurityError("\n".join(dict.fromkeys(map(str, with_names(problems, definition)))))


def _stand_ins(found: Source, names: Names) -> Names:
    """The names with a derived public key for each key that does not exist yet."""

    def key(name: str) -> str:
        return _stand_in(found, name)

    return dataclasses.replace(
        names,
        operator=key(names.operator),
        operator_roles={role: key(name) for role, name in names.operator_roles.items()},
        accounts={account: key(name) for account, name in names.accounts.items()},
        roles={account: {role: key(name) for role, name in roles.items()} for account, roles in names.roles.items()},
    )


def _stand_in(found: Source, name: str) -> str:
    if not isinstance(name, NewKey):
        return name
    label = f"{name.type} {name.label}"
    pair = nkey.KeyPair(name.type, hashlib.sha256(label.encode("utf-8", "replace")).digest())
    found.words[pair.public_key] = str(name)
    return pair.public_key


def _add_account(found: Source, account: WantedAccount, names: Names, place: str, problems: list[Problem]) -> None:
    present = [user for user in account.users if user.state != ABSENT]
    keys = {user.name: user.key or _stand_in(found, NewKey("user", f"{account.name}/{user.name}")) for user in present}
    claims = wanted_claims.account_claims(account, names, lambda name: keys.get(name, ""), problems)
    operator: Operator | None = found.operator.claims.body if found.operator is not None else None
    strict = operator is not None and operator.strict_signing_key_usage
    signers = list(operator.signing_keys) if operator is not None else []
    claims.issuer = names.operator_roles.get(account.role) or (signers[0] if strict and signers else names.operator)
    _set_end(found, claims, account.options, (account.place, problems))
    found.accounts.append(Entry(claims, place, account.place, account.name))
    for user in present:
        read = _read_user(claims, account, user, (keys[user.name], strict), names, problems)
        if read is not None:
            _set_end(found, read, user.options, (account.user_place(user), problems))
            found.users.append(Entry(read, place, account.user_place(user), user.name))


def _read_user(
    account: Claims,
    wanted: WantedAccount,
    user: WantedUser,
    key: tuple[str, bool],
    names: Names,
    problems: list[Problem],
) -> Claims | None:
    subject, strict = key
    place = wanted.user_place(user)
    signing_keys = account.body.signing_keys
    if user.role:
        signer = names.roles.get(wanted.name, {}).get(user.role, user.role)
    else:
        plain = [one.key for one in signing_keys if one.template is None]
        signer = (plain[0] if plain else "") if strict else account.subject
    entry = next((one for one in signing_keys if one.key == signer), None)
    if not signer or (entry is None and signer != account.subject):
        roles = ", ".join(sorted(names.roles.get(wanted.name, {}))) or "none"
        what = f"the role {user.role}" if user.role else "no template, which the strict operator requires"
        problems.append(
            Problem(
                join(place, "signing_key_role"), f"{wanted.name} has no signing key with {what}; available: {roles}."
            )
        )
        return None
    is_scoped = entry is not None and entry.template is not None
    keys = wanted_claims.UserKeys(subject, "" if signer == account.subject else account.subject, is_scoped)
    claims, _unused = wanted_claims.user_claims(user, place, keys, problems)
    claims.issuer = signer
    return claims


def _set_end(found: Source, claims: Claims, options: Mapping[str, Any], where: tuple[str, list[Problem]]) -> None:
    """Set the expiry that the token would have if it were issued now."""
    now = int(time.time())
    policy = wanted_claims.policy(options, *where, now)
    if policy.expires_at:
        claims.expires = policy.expires_at
    elif policy.expires_in:
        claims.expires = now + policy.expires_in
        found.lifetimes[claims.subject] = policy.expires_in


def _find_activations(found: Source) -> None:
    """Add the imports whose activations nats_store creates: those of exports in the same document."""
    keys = {account.key for account in found.accounts}
    for account in found.accounts:
        for number, item in enumerate(account.claims.body.imports):
            if item is not None and not item.token and item.account in keys:
                found.being_made.add((account.key, number))


def accounts_wanted(found: Source) -> set[str]:
    """The public keys of the users' accounts, and of the accounts from which accounts import."""
    imports = (item for account in found.accounts for item in account.claims.body.imports if item is not None)
    return {*map(account_key_of, found.users), *(item.account for item in imports)}
