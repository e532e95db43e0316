# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Rebuilds stores from tokens and seeds in loose files of any name, in creds, in server configurations, or pulled from a live resolver.

Only signatures determine what belongs together, not file names or the account that a token names (which `nsc fix` trusts). Of several tokens with the
same subject, the newest is used that is signed by a current key of its operator or account. Everything else is reported.
"""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Callable, Dict, Iterable, Iterator, List, NamedTuple, Sequence

from ..base import units
from ..base.errors import NatsSecurityError
from ..base.recognition import lookalikes_in, secrets_in
from ..claims import Account, Claims
from ..keys import nkey
from ..keys.nkey import KeyPair
from ..rules import did_sign, is_revoked
from ..store.layout import GITIGNORE, Layout, name_problem
from ..token import codec, decorated
from .contents import KEYS, STORES, Contents, Held, counted

_TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
#: Characters that are not allowed in a file name.
_UNUSABLE = re.compile(r"[/\\\0]")


_KINDS = ("operator", "account", "user")


class Source(NamedTuple):
    """A text, and a description of where it was found, for messages."""

    where: str
    text: str


@dataclasses.dataclass
class Token:
    """A token with a verified signature, and where it was found first."""

    text: str
    claims: Claims
    where: str


#: The tokens by their subject, the newest first.
BySubject = Dict[str, List[Token]]


@dataclasses.dataclass
class Rebuilt:
    """A rebuilt store, and a report of what is missing in it or was not used."""

    contents: Contents
    operator: str  # its public key
    about: str  # the operator and where its JWT was found
    keys: dict[str, str] = dataclasses.field(default_factory=dict)  # the purpose of each key that the tokens name
    counts: dict[str, int] = dataclasses.field(default_factory=dict)
    missing_seeds: dict[str, str] = dataclasses.field(default_factory=dict)  # the purpose of the key, by public key
    users_without_creds: list[str] = dataclasses.field(default_factory=list)
    revoked: list[str] = dataclasses.field(default_factory=list)  # users that their account has revoked
    superseded: list[str] = dataclasses.field(default_factory=list)
    renamed: list[str] = dataclasses.field(default_factory=list)
    without_role: dict[str, str] = dataclasses.field(
        default_factory=dict
    )  # signing keys whose role is in no JWT, each with a description


class Rebuild(NamedTuple):
    """The rebuilt stores, one for each operator, and a report of everything that belongs to none of them."""

    stores: list[Rebuilt]
    unreadable: list[str]
    orphans: list[str]
    unused_seeds: dict[str, str]  # where each was found, by public key
    duplicates: list[str]  # JWTs that are in several files, except for those in creds


@dataclasses.dataclass
class _Heap:
    """All tokens and seeds that were found, before they are sorted. Tokens are by their texts, seeds by public key."""

    tokens: dict[str, Token] = dataclasses.field(default_factory=dict)
    seeds: dict[str, tuple[KeyPair, str]] = dataclasses.field(default_factory=dict)
    unreadable: list[str] = dataclasses.field(default_factory=list)
    duplicates: list[str] = dataclasses.field(default_factory=list)
    with_seeds: set[str] = dataclasses.field(default_factory=set)  # sources that contain seeds too, such as creds


class Sought(NamedTuple):
    """The wanted operator by public key, and the name for its store; None for any. `keystore` returns key pairs that are in no source."""

    operator: str | None = None
    name: str | None = None
    keystore: Callable[[str], KeyPair | None] = lambda _unused: None


ANYTHING = Sought()


def rebuild(sources: Iterable[Source], sought: Sought = ANYTHING) -> Rebuild:
    """Sort everything that was found into stores, one for each operator. The wanted operator comes first."""
    heap = _Heap()
    for source in sources:
        _take_in(heap, source)
    found = _by_kind(heap.tokens.values())
    pairs = {key: pair for key, (pair, _unused) in heap.seeds.items()}
    stores: list[Rebuilt] = []
    used: set[str] = set()
    names: set[str] = set()
    operators = _operators(found["operator"])
    for operator in sorted(operators, key=lambda token: token.claims.subject != sought.operator):
        tree = _tree(operator, found)
        stores.append(
            _store(tree, lambda key: pairs.get(key) or sought.keystore(key), names, sought.name if not stores else None)
        )
        used.update(tree.used)
    orphans = [
        f"{_said(token)}: {_why_orphan(token)}"
        for by_subject in found.values()
        for same in by_subject.values()
        for token in same
        if token.text not in used
    ]
    named = {key for store in stores for key in store.keys}
    unused = {key: where for key, (_unused, where) in heap.seeds.items() if key not in named}
    return Rebuild(stores, heap.unreadable, orphans, unused, heap.duplicates)


def _by_kind(tokens: Iterable[Token]) -> dict[str, BySubject]:
    """The tokens by kind and subject, the newest first."""
    found: dict[str, BySubject] = {kind: {} for kind in _KINDS}
    for token in sorted(tokens, key=lambda one: (-one.claims.issued_at, one.text)):
        found[token.claims.kind].setdefault(token.claims.subject, []).append(token)
    return found


# ---- reading texts


def _take_in(heap: _Heap, source: Source) -> None:
    """Add the tokens and seeds in a text to the heap. A file without the content that its suffix requires is reported as damaged."""
    texts = dict.fromkeys(_TOKEN.findall(source.text))
    pairs = list(_seeds_in(source.text))
    for pair in pairs:
        heap.seeds.setdefault(pair.public_key, (pair, source.where))
    if pairs:
        heap.with_seeds.add(source.where)
    for text in texts:
        known = heap.tokens.get(text)
        if known is None:
            _take_token(heap, text, source.where)
        elif not heap.with_seeds.intersection((known.where, source.where)):
            heap.duplicates.append(f"{_said(known)}: it is in {source.where} too.")
    promised = _PROMISED.get(source.where.rpartition(".")[2], ())
    if "JWT" in promised and not texts:
        heap.unreadable.append(f"{source.where}: it holds no JWT, or one that is truncated.")
    if "seed" in promised and not pairs:
        heap.unreadable.append(f"{source.where}: it holds no seed, or one that is mistyped or truncated.")
    elif not pairs and lookalikes_in(source.text):
        heap.unreadable.append(f"{source.where}: it holds what looks like a seed, and is mistyped or truncated.")


#: The required content of nsc's files by suffix.
_PROMISED = {"jwt": ("JWT",), "nk": ("seed",), "creds": ("JWT", "seed")}


def _take_token(heap: _Heap, text: str, where: str) -> None:
    try:
        claims = codec.decode_any_kind(text)
    except NatsSecurityError as error:
        heap.unreadable.append(f"{where}: {error}")
        return
    if claims.kind in _KINDS:
        heap.tokens[text] = Token(text, claims, where)


def _seeds_in(text: str) -> Iterator[KeyPair]:
    for secret in secrets_in(text):
        try:
            yield nkey.from_seed("".join(secret.split()))
        except NatsSecurityError:
            continue  # a private key, or the base64 encoding of a text with a seed


# ---- sorting


def _operators(tokens: BySubject) -> list[Token]:
    """The newest self-signed token of each operator, sorted by name."""
    found = [token for same in tokens.values() if (token := _first_signed(same, same)) is not None]
    return sorted(found, key=_by_name)


def _first_signed(tokens: Sequence[Token], parents: Sequence[Token]) -> Token | None:
    """The first token that one of the parents signed; None if there is none. For an operator, the token itself is the parent."""
    for token in tokens:
        own = [token] if token.claims.kind == "operator" else parents
        if any(did_sign(parent.claims, token.claims) for parent in own):
            return token
    return None


class _Tree(NamedTuple):
    """An operator, its accounts, and its users by the public key of their account. `used` has the texts of all tokens with these subjects."""

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
        # The same user key may be used in several accounts. Only the accounts that the tokens name can have signed them.
        for key in dict.fromkeys(_account_named(token) for token in same):
            user = _first_signed(same, [by_key[key]]) if key in by_key else None
            if user is not None:
                tree.users[key].append(user)
                _take(tree, user, [token for token in same if _account_named(token) == key])
    return tree


def _account_named(user: Token) -> str:
    return user.claims.body.issuer_account or user.claims.issuer


def _take(tree: _Tree, token: Token, same: Sequence[Token]) -> None:
    """Use a token. The other tokens with its subject are superseded, or signed by a key that may no longer sign."""
    tree.used.update(one.text for one in same)
    tree.superseded.extend(f"{_said(one)}: {_why_superseded(one, token)}" for one in same if one is not token)


def _store(tree: _Tree, seed_of: Callable[[str], KeyPair | None], names: set[str], name: str | None) -> Rebuilt:
    """The files of a store, with the seeds of its keys and the creds of its users. `name` is the name of the store; None to use that of the operator."""
    renamed: list[str] = []
    name = name or _file_name(tree.operator, names, renamed)
    layout = Layout(STORES, KEYS, name)
    files: dict[str, str] = {}
    held = _put_tokens(tree, layout, files, renamed)
    # Every account here is signed by a key of the operator, so this is not a managed store of nsc, in which accounts are self-signed.
    marker = {"managed": False, "name": name, "kind": "operator", "version": "1"}
    files[layout.marker] = json.dumps(marker, separators=(",", ":"), ensure_ascii=False)
    files[layout.gitignore] = GITIGNORE
    keys = held.named_keys
    seeds = {key: pair for key in keys if (pair := seed_of(key)) is not None}
    files.update({layout.key(key): pair.seed for key, pair in seeds.items()})
    with_creds = {place: seeds[claims.subject] for place, claims in held.users.items() if claims.subject in seeds}
    for place, pair in with_creds.items():
        files[layout.creds(*place)] = decorated.creds_text(files[layout.user_jwt(*place)], pair.seed)
    contents = Contents(name, files)
    return Rebuilt(
        contents=contents,
        operator=tree.operator.claims.subject,
        about=f"{_said(tree.operator)}, with {len(held.accounts)} accounts and {len(held.users)} users",
        keys=keys,
        counts=counted(contents),
        missing_seeds={key: what for key, what in keys.items() if key not in seeds},
        users_without_creds=["/".join(place) for place in held.users if place not in with_creds],
        revoked=["/".join(place) for place in held.users if _is_revoked(held, place)],
        superseded=tree.superseded,
        renamed=renamed,
        without_role=_without_role(held),
    )


def roles_of(accounts: Iterable[Claims]) -> dict[str, dict[str, str]]:
    """The signing keys of accounts by role, by the public key of the account. Only roles that are in a scope and unique in the account are included."""
    found = {}
    for claims in accounts:
        named = [key for key in claims.body.signing_keys if key.role]
        roles = [key.role for key in named]
        found[claims.subject] = {key.role: key.key for key in named if roles.count(key.role) == 1}
    return {owner: roles for owner, roles in found.items() if roles}


def _without_role(held: Held) -> dict[str, str]:
    known = {key for roles in roles_of(held.accounts.values()).values() for key in roles.values()}
    operator = [*held.operator.body.signing_keys] if held.operator is not None else []
    signing = [*operator, *(key.key for claims in held.accounts.values() for key in claims.body.signing_keys)]
    return {key: held.named_keys[key] for key in signing if key not in known}


def _put_tokens(tree: _Tree, layout: Layout, files: dict[str, str], renamed: list[str]) -> Held:
    """Add all tokens to the files under their names, and return their claims by these names."""
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
    """The file name for a token: its own name or, if that is not valid or already taken, a name that includes its public key."""
    name = token.claims.name
    # nsc treats names that differ only in case as the same.
    usable = not name_problem(name) and name.casefold() not in taken
    found = name if usable else f"{_UNUSABLE.sub('_', name).strip()[:100]}-{token.claims.subject[:8]}".lstrip("-.")
    if name_problem(found) or found.casefold() in taken:
        found = token.claims.subject
    if found != name:
        renamed.append(
            f"{_said(token)}: it is filed as {found}, because its name is already used or is not a valid file name."
        )
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
        return f"there is another one with the same issue time in {token.where}."
    return f"it is newer than the one in {token.where}, but it is signed by {other.claims.issuer}, which is not allowed to sign it."


def _why_orphan(token: Token) -> str:
    claims = token.claims
    if claims.kind == "operator":
        return f"it is signed by {claims.issuer}, which is not a key of its own."
    if claims.kind == "account":
        return f"no operator that was found has the key {claims.issuer}, which signed it."
    account = getattr(claims.body, "issuer_account", "") or claims.issuer
    return f"its account {account} was not found, or does not have the key {claims.issuer}, which signed it."
