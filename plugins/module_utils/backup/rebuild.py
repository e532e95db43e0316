# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Stores rebuilt from whatever tokens and seeds turn up: in loose files of any name, creds, server configurations, or pulled from a live resolver.

What belongs where follows from signatures alone, not from names of files or from what a token says of its account (as `nsc fix` trusts it). Of several
tokens about one key the newest counts that its operator or account has signed by a key that it has now. Everything else is in the report.
"""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Container, Dict, Iterable, Iterator, List, NamedTuple, Sequence

from ..base import units
from ..base.errors import NatsSecurityError
from ..base.quick_dataclass import dataclass
from ..base.recognition import secrets_in
from ..claims import Account, Claims
from ..keys import nkey
from ..keys.nkey import KeyPair
from ..rules import did_sign, is_revoked
from ..store.layout import GITIGNORE, Layout, name_problem
from ..token import codec, decorated
from .contents import KEYS, STORES, Contents, Held, counted

_TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
#: Characters that no part of a name of a file may have.
_UNUSABLE = re.compile(r"[/\\\0]")


_KINDS = ("operator", "account", "user")


class Source(NamedTuple):
    """A text that was found, and where, for people."""

    where: str
    text: str


@dataclass
class Token:
    """One token that verifies, and where it was found first."""

    text: str
    claims: Claims
    where: str


#: The tokens about each key, the newest first.
BySubject = Dict[str, List[Token]]


@dataclass
class Rebuilt:
    """A store, and what is missing in it or was left out of it. Every line is for people."""

    contents: Contents
    operator: str  # its public key
    keys: dict[str, str] = dataclasses.field(default_factory=dict)  # what each key that the tokens name is for
    counts: dict[str, int] = dataclasses.field(default_factory=dict)
    missing_seeds: dict[str, str] = dataclasses.field(default_factory=dict)  # what each is for, by public key
    users_without_creds: list[str] = dataclasses.field(default_factory=list)
    revoked: list[str] = dataclasses.field(default_factory=list)  # users that their account has revoked
    superseded: list[str] = dataclasses.field(default_factory=list)
    renamed: list[str] = dataclasses.field(default_factory=list)


class Rebuild(NamedTuple):
    """The stores, by operator, and what belongs to none of them."""

    stores: list[Rebuilt]
    unreadable: list[str]
    orphans: list[str]
    unused_seeds: dict[str, str]  # where each was found, by public key


def rebuild(sources: Iterable[Source]) -> Rebuild:
    """Sort everything that was found into stores, one for each operator."""
    unreadable: list[str] = []
    tokens: dict[str, Token] = {}
    seeds: dict[str, tuple[KeyPair, str]] = {}
    for source in sources:
        for token in _tokens_in(source, tokens, unreadable):
            tokens[token.text] = token
        for pair in _seeds_in(source.text):
            seeds.setdefault(pair.public_key, (pair, source.where))
    found = _by_kind(tokens.values())
    pairs = {key: pair for key, (pair, _unused) in seeds.items()}
    stores: list[Rebuilt] = []
    used: set[str] = set()
    names: set[str] = set()
    for operator in _operators(found["operator"]):
        tree = _tree(operator, found)
        stores.append(_store(tree, pairs, names))
        used.update(tree.used)
    orphans = [
        f"{_said(token)}: {_why_orphan(token)}"
        for by_subject in found.values()
        for same in by_subject.values()
        for token in same
        if token.text not in used
    ]
    named = {key for store in stores for key in store.keys}
    unused = {key: where for key, (_unused, where) in seeds.items() if key not in named}
    return Rebuild(stores, unreadable, orphans, unused)


def _by_kind(tokens: Iterable[Token]) -> dict[str, BySubject]:
    """The tokens about each key by kind, the newest of each key first."""
    found: dict[str, BySubject] = {kind: {} for kind in _KINDS}
    for token in sorted(tokens, key=lambda one: (-one.claims.issued_at, one.text)):
        found[token.claims.kind].setdefault(token.claims.subject, []).append(token)
    return found


# ---- what is in a text


def _tokens_in(source: Source, known: Container[str], unreadable: list[str]) -> Iterator[Token]:
    for text in _TOKEN.findall(source.text):
        if text in known:
            continue
        try:
            claims = codec.decode_any_kind(text)
        except NatsSecurityError as error:
            unreadable.append(f"{source.where}: {error}")
            continue
        if claims.kind in _KINDS:
            yield Token(text, claims, source.where)


def _seeds_in(text: str) -> Iterator[KeyPair]:
    for secret in secrets_in(text):
        try:
            yield nkey.from_seed("".join(secret.split()))
        except NatsSecurityError:
            continue  # a private key, or base64 of a text that has a seed


# ---- what belongs together


def _operators(tokens: BySubject) -> list[Token]:
    """The newest token of each operator that signed itself."""
    found = [token for same in tokens.values() if (token := _first_signed(same, same)) is not None]
    return sorted(found, key=_by_name)


def _first_signed(tokens: Sequence[Token], parents: Sequence[Token]) -> Token | None:
    """The first token that one of these parents has signed; of an operator that is itself."""
    for token in tokens:
        own = [token] if token.claims.kind == "operator" else parents
        if any(did_sign(parent.claims, token.claims) for parent in own):
            return token
    return None


class _Tree(NamedTuple):
    """An operator, the accounts that it signed and the users that these signed, by account; the texts of all tokens about their keys."""

    operator: Token
    accounts: list[Token]
    users: dict[str, list[Token]]
    used: set[str]
    superseded: list[str]


def _tree(operator: Token, found: dict[str, BySubject]) -> _Tree:
    tree = _Tree(operator, [], {}, set(), [])
    _take(tree, operator, found["operator"][operator.claims.subject])
    for same in found["account"].values():
        account = _first_signed(same, [operator])
        if account is not None:
            tree.accounts.append(account)
            _take(tree, account, same)
    by_key = {account.claims.subject: account for account in tree.accounts}
    tree.users.update({key: [] for key in by_key})
    for same in found["user"].values():
        # Users of one key may be of several accounts; only accounts that a token names can have signed it.
        for key in dict.fromkeys(_account_named(token) for token in same):
            user = _first_signed(same, [by_key[key]]) if key in by_key else None
            if user is not None:
                tree.users[key].append(user)
                _take(tree, user, [token for token in same if _account_named(token) == key])
    return tree


def _account_named(user: Token) -> str:
    return user.claims.body.issuer_account or user.claims.issuer


def _take(tree: _Tree, token: Token, same: Sequence[Token]) -> None:
    """Use a token; the others about its key are superseded, or signed by a key that may no longer."""
    tree.used.update(one.text for one in same)
    tree.superseded.extend(f"{_said(one)}: {_why_superseded(one, token)}" for one in same if one is not token)


def _store(tree: _Tree, seeds: dict[str, KeyPair], names: set[str]) -> Rebuilt:
    """The files of a store, with the seeds of its keys and the creds of its users."""
    renamed: list[str] = []
    name = _file_name(tree.operator, names, renamed)
    layout = Layout(STORES, KEYS, name)
    files: dict[str, str] = {}
    held = _put_tokens(tree, layout, files, renamed)
    # nsc knows by this whether the operator's own key was there when the store was made.
    managed = tree.operator.claims.subject not in seeds
    marker = {"managed": managed, "name": name, "kind": "operator", "version": "1"}
    files[layout.marker] = json.dumps(marker, separators=(",", ":"), ensure_ascii=False)
    files[layout.gitignore] = GITIGNORE
    keys = held.named_keys
    files.update({layout.key(key): seeds[key].seed for key in keys if key in seeds})
    with_creds = {place: seeds[claims.subject] for place, claims in held.users.items() if claims.subject in seeds}
    for place, pair in with_creds.items():
        files[layout.creds(*place)] = decorated.creds_text(files[layout.user_jwt(*place)], pair.seed)
    contents = Contents(name, files)
    return Rebuilt(
        contents=contents,
        operator=tree.operator.claims.subject,
        keys=keys,
        counts=counted(contents),
        missing_seeds={key: what for key, what in keys.items() if key not in seeds},
        users_without_creds=["/".join(place) for place in held.users if place not in with_creds],
        revoked=["/".join(place) for place in held.users if _is_revoked(held, place)],
        superseded=tree.superseded,
        renamed=renamed,
    )


def _put_tokens(tree: _Tree, layout: Layout, files: dict[str, str], renamed: list[str]) -> Held:
    """Put all tokens under their names; what they say, by these names."""
    held = Held(operator=tree.operator.claims)
    files[layout.operator_jwt] = tree.operator.text
    accounts: set[str] = set()
    for account in sorted(tree.accounts, key=_by_name):
        name = _file_name(account, accounts, renamed)
        files[layout.account_jwt(name)] = account.text
        held.accounts[name] = account.claims
        users: set[str] = set()
        for user in sorted(tree.users[account.claims.subject], key=_by_name):
            user_name = _file_name(user, users, renamed)
            files[layout.user_jwt(name, user_name)] = user.text
            held.users[name, user_name] = user.claims
    return held


def _is_revoked(held: Held, place: tuple[str, str]) -> bool:
    account: Account = held.accounts[place[0]].body
    user = held.users[place]
    return is_revoked(account.revocations, user.subject, user.issued_at)


def _by_name(token: Token) -> tuple[str, int, str]:
    return token.claims.name, -token.claims.issued_at, token.claims.subject


def _file_name(token: Token, taken: set[str], renamed: list[str]) -> str:
    """The name of the files of a token: its own, unless that cannot be one or is taken; then its public key makes it another one."""
    name = token.claims.name
    # nsc takes names that differ in case only for one.
    usable = not name_problem(name) and name.casefold() not in taken
    found = name if usable else f"{_UNUSABLE.sub('_', name).strip()[:100]}-{token.claims.subject[:8]}".lstrip("-.")
    if name_problem(found) or found.casefold() in taken:
        found = token.claims.subject
    if found != name:
        renamed.append(f"{_said(token)}: it is filed as {found}, its name is taken or cannot be that of a file.")
    taken.add(found.casefold())
    return found


# ---- the report


def _said(token: Token) -> str:
    claims = token.claims
    return f"{claims.kind} {claims.name} {claims.subject} of {units.show_time(claims.issued_at)} in {token.where}"


def _why_superseded(other: Token, token: Token) -> str:
    if other.claims.issued_at < token.claims.issued_at:
        return f"there is a newer one in {token.where}."
    if other.claims.issued_at == token.claims.issued_at:
        return f"there is another one of the same second in {token.where}."
    return f"it is newer than the one in {token.where}, and signed by {other.claims.issuer}, which may not sign it."


def _why_orphan(token: Token) -> str:
    claims = token.claims
    if claims.kind == "operator":
        return f"it is signed by {claims.issuer}, which is no key of its own."
    if claims.kind == "account":
        return f"no operator that was found has the key {claims.issuer}, which signed it."
    account = getattr(claims.body, "issuer_account", "") or claims.issuer
    return f"its account {account} was not found, or does not have the key {claims.issuer}, which signed it."
