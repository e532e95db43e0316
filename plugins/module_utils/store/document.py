# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The document that describes a whole operator: what it names, and the claims it asks for once names have keys. Pure.

The words of claims come from their declarations; here are only those that belong to the document itself.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import re
from typing import Any, Callable, Iterator

from ..base import units
from ..base.errors import NatsSecurityError
from ..base.quick_dataclass import dataclass
from ..claims import Account, Claims, Operator, SigningKey, User, no_access
from ..claims.options import Problem, read_options
from ..decision.issue import Policy
from ..keys import nkey
from .layout import name_problem

_ENVELOPE = ("audience", "not_before")
_POLICY = ("expires_in", "expires_at", "renew_before")
#: The words of the document beside those of the claims, by what they are said of.
OPERATOR_WORDS = (
    "name",
    "public_key",
    "signing_keys",
    "system_account",
    "remove_signing_keys",
    *_ENVELOPE,
    *_POLICY,
)
ACCOUNT_WORDS = (
    "name",
    "public_key",
    "state",
    "signing_key_role",
    "signing_keys",
    "users",
    "remove_signing_keys",
    "remove_revocations",
    *_ENVELOPE,
    *_POLICY,
)
USER_WORDS = ("name", "public_key", "state", "signing_key_role", "creds", *_ENVELOPE, *_POLICY)
_USER_WORDS = frozenset(USER_WORDS)
SIGNING_KEY_WORDS = ("role", "public_key")
ACTIVATION_WORDS = _POLICY
# Names that nobody has anything against, most of them.
_PLAIN_NAME = re.compile(r"[\w-][\w.@-]{0,59}")
#: Stands for the public key of the importing account in the subject of an import.
OWN_ACCOUNT = "{{account-subject()}}"


@dataclass
class SigningKeyWish:
    """A signing key: by role, by public key, or both."""

    path: str
    role: str
    public_key: str
    options: dict[str, Any]  # template and description


@dataclasses.dataclass
class UserWish:
    """A user. Its claims are read when they are needed: there may be very many."""

    __slots__ = ("creds", "index", "is_absent", "name", "options", "public_key", "role")

    index: int
    name: str
    public_key: str
    role: str
    is_absent: bool
    creds: bool
    options: dict[str, Any]


@dataclass
class AccountWish:
    """An account with its signing keys and users."""

    path: str
    name: str
    public_key: str
    role: str
    is_absent: bool
    signing_keys: list[SigningKeyWish]
    users: list[UserWish]
    options: dict[str, Any]

    def user_path(self, user: UserWish) -> str:
        """Where a user is in the document."""
        return f"{self.path}.users[{user.index}]"


@dataclass
class Document:
    """What is wanted of an operator."""

    name: str
    public_key: str
    system_account: str
    signing_keys: list[SigningKeyWish]
    options: dict[str, Any]
    accounts: list[AccountWish]


# ---- structure: names and roles


def read_document(definition: Any) -> tuple[Document, list[Problem]]:
    """The document, and what is wrong with its structure; what stays unread is left out of it."""
    problems: list[Problem] = []
    definition = _dictionary(definition, "definition", problems)
    for word in definition:
        if word not in ("operator", "accounts"):
            problems.append(Problem(str(word), "there is no such option here, there are accounts, operator."))
    options = _dictionary(definition.get("operator"), "operator", problems)
    name = _name(options, "operator", problems)
    accounts = [
        _read_account(item, f"accounts[{index}]", problems)
        for index, item in enumerate(_list(definition.get("accounts"), "accounts", problems))
    ]
    seen: dict[str, str] = {}
    for account in accounts:
        # nsc holds accounts to be the same whatever their case (addaccount.go), and so do some file systems.
        _check_once(seen, account.name.lower(), account.path + ".name", f"the name {account.name}", problems)
    keys: dict[str, str] = {}
    for account in accounts:
        _check_once(keys, account.public_key, account.path + ".public_key", "this key", problems)
    first = {account.name: account for account in reversed(accounts)}
    document = Document(
        name=name,
        public_key=_public_key(options, "operator", "operator", problems),
        system_account=_text(options.get("system_account")),
        signing_keys=_read_signing_keys(options, "operator", "operator", problems),
        options=options,
        accounts=[account for account in accounts if account.name and first[account.name] is account],
    )
    if document.system_account and not nkey.is_public_key(document.system_account, "account"):
        named = {account.name for account in accounts if not account.is_absent}
        if document.system_account not in named:
            problems.append(
                Problem("operator.system_account", _no_such("account", document.system_account, named, "accounts"))
            )
    return document, problems


def _read_account(item: Any, path: str, problems: list[Problem]) -> AccountWish:
    options = _dictionary(item, path, problems)
    users = _read_users(_list(options.get("users"), path + ".users", problems), path + ".users", problems)
    return AccountWish(
        path=path,
        name=_name(options, path, problems),
        public_key=_public_key(options, path, "account", problems),
        role=_text(options.get("signing_key_role")),
        is_absent=_is_absent(options, path, problems),
        signing_keys=_read_signing_keys(options, path, "account", problems),
        users=users,
        options=options,
    )


def _read_users(items: list[Any], path: str, problems: list[Problem]) -> list[UserWish]:
    users = []
    seen: dict[str, str] = {}
    keys: dict[str, str] = {}
    for index, item in enumerate(items):
        where = f"{path}[{index}]"
        user = _read_user(item, index, where, problems)
        if user.public_key:
            _check_once(keys, user.public_key, where + ".public_key", "this key", problems)
        if user.name in seen:
            _check_once(seen, user.name, where + ".name", f"the name {user.name}", problems)
        elif user.name:
            seen[user.name] = where + ".name"
            users.append(user)
    return users


def _read_user(item: Any, index: int, path: str, problems: list[Problem]) -> UserWish:
    options = _dictionary(item, path, problems)
    creds = options.get("creds", True)
    if not isinstance(creds, bool):
        problems.append(Problem(path + ".creds", f"true or false is wanted, not {creds!r}."))
    return UserWish(
        index=index,
        name=_name(options, path, problems),
        public_key=_public_key(options, path, "user", problems),
        role=_text(options.get("signing_key_role")),
        is_absent=_is_absent(options, path, problems),
        creds=bool(creds),
        options=options,
    )


def _read_signing_keys(
    options: dict[str, Any], path: str, key_type: str, problems: list[Problem]
) -> list[SigningKeyWish]:
    wishes = []
    roles: dict[str, str] = {}
    keys: dict[str, str] = {}
    for index, item in enumerate(_list(options.get("signing_keys"), path + ".signing_keys", problems)):
        where = f"{path}.signing_keys[{index}]"
        if isinstance(item, str):
            item = {"role": item}
        entry = _dictionary(item, where, problems)
        role = _text(entry.get("role"))
        public_key = _public_key(entry, where, key_type, problems)
        if not role and not public_key:
            problems.append(Problem(where, "a role is wanted, under which the key is made and kept, or a public_key."))
        elif role and _looks_like_key(role):
            problems.append(
                Problem(where + ".role", "a role is a name of your own; a public key belongs in public_key.")
            )
        # Two keys with one role happen in accounts that nsc made. They can be kept, but not referred to.
        if not public_key:
            _check_once(roles, role, where + ".role", f"the role {role}", problems)
        _check_once(keys, public_key, where + ".public_key", "this key", problems)
        rest = {word: value for word, value in entry.items() if word not in SIGNING_KEY_WORDS}
        if key_type == "operator" and rest:
            problems.append(
                Problem(f"{where}.{sorted(rest)[0]}", "there is no such option here, there are public_key, role.")
            )
        wishes.append(SigningKeyWish(where, role, public_key, rest))
    return wishes


def _name(options: dict[str, Any], path: str, problems: list[Problem]) -> str:
    name = _text(options.get("name"))
    problem = "" if _PLAIN_NAME.fullmatch(name) else name_problem(name)
    if problem:
        problems.append(Problem(path + ".name", problem + "."))
        return ""
    return name


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _is_absent(options: dict[str, Any], path: str, problems: list[Problem]) -> bool:
    state = options.get("state") or "present"
    if state not in ("present", "absent"):
        problems.append(Problem(path + ".state", f"{state!r} is not one of present, absent."))
    return bool(state == "absent")


def _public_key(options: dict[str, Any], path: str, key_type: str, problems: list[Problem]) -> str:
    value = options.get("public_key")
    text = "" if value is None else str(value).strip()
    if text:
        try:
            return nkey.from_public_key(text, key_type).public_key
        except NatsSecurityError as error:
            problems.append(Problem(path + ".public_key", str(error)))
    return ""


def _looks_like_key(text: str) -> bool:
    return len(text) == 56 and text[0] in "OAU" and text.isalnum() and text.isupper()


def _check_once(seen: dict[str, str], what: str, path: str, told: str, problems: list[Problem]) -> None:
    if what and what in seen:
        problems.append(Problem(path, f"{told} is there already, at {seen[what]}."))
    else:
        seen[what] = path


def _dictionary(value: Any, path: str, problems: list[Problem]) -> dict[str, Any]:
    if value is None and path != "definition":
        return {}
    if not isinstance(value, dict):
        problems.append(Problem(path, f"a dictionary is wanted, not {_shown(value)}."))
        return {}
    return value


def _list(value: Any, path: str, problems: list[Problem]) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        problems.append(Problem(path, f"a list is wanted, not {_shown(value)}."))
        return []
    return value


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else type(value).__name__


def _no_such(kind: str, name: str, known: Any, where: str) -> str:
    names = ", ".join(sorted(known)) if len(known) <= 12 else f"{len(known)} others"
    return f"there is no {kind} {name} in {where}, there are {names or 'none'}; those from elsewhere are named by public key."


# ---- claims


class Keys:
    """The public keys behind the names of a document. A name that has none yet gets a stand-in: a key that nobody has the seed of.

    So everything can be decided before any key is made, and is the same in check mode.
    """

    def __init__(self) -> None:
        self.operator = ""
        self.operator_roles: dict[str, str] = {}
        self.accounts: dict[str, str] = {}
        self.roles: dict[str, dict[str, str]] = {}
        self.users: dict[str, dict[str, str]] = {}
        self.new: dict[str, tuple[str, str]] = {}  # stand-ins, with their key type and what they stand for

    def stand_in(self, key_type: str, label: str) -> str:
        """A stand-in for a key that is to be made."""
        public_key = stand_in(key_type, label)
        self.new[public_key] = (key_type, label)
        return public_key

    def described(self, public_key: str) -> str:
        """What people read for a key: itself, or words for one that is to be made."""
        if public_key in self.new:
            key_type, label = self.new[public_key]
            return f"(a new {key_type} key: {label})"
        return public_key

    def made(self, real: dict[str, str]) -> Keys:
        """The same with the keys that were made in place of the stand-ins."""
        keys = Keys()
        keys.operator = real.get(self.operator, self.operator)
        keys.operator_roles = _replaced(self.operator_roles, real)
        keys.accounts = _replaced(self.accounts, real)
        keys.roles = {account: _replaced(roles, real) for account, roles in self.roles.items()}
        keys.users = {account: _replaced(users, real) for account, users in self.users.items()}
        return keys


def stand_in(key_type: str, label: str) -> str:
    """A well-formed public key that is derived from words, so that nobody has its seed."""
    return nkey.KeyPair(key_type, hashlib.sha256(f"{key_type} {label}".encode("utf-8", "replace")).digest()).public_key


def _replaced(names: dict[str, str], real: dict[str, str]) -> dict[str, str]:
    return {name: real.get(key, key) for name, key in names.items()}


def operator_claims(document: Document, keys: Keys, problems: list[Problem]) -> Claims:
    """What the document says of the operator."""
    options = {word: value for word, value in document.options.items() if word not in OPERATOR_WORDS}
    claims = _claims(document.options, "operator", document.name, keys.operator, problems)
    claims.body = read_options(Operator, options, "operator", problems)
    claims.body.signing_keys = [_wished_key(wish, keys.operator_roles) for wish in document.signing_keys]
    system = document.system_account
    # A name that nobody has is told already.
    claims.body.system_account = keys.accounts.get(system) or (system if nkey.is_public_key(system, "account") else "")
    return claims


def _wished_key(wish: SigningKeyWish, roles: dict[str, str]) -> str:
    return wish.public_key or roles.get(wish.role, "")


def account_claims(account: AccountWish, keys: Keys, user_key: Callable[[str], str], problems: list[Problem]) -> Claims:
    """What the document says of an account; its own words for imports, without their activation tokens."""
    options = {word: value for word, value in account.options.items() if word not in ACCOUNT_WORDS}
    own = keys.accounts[account.name]
    options["imports"] = _each(
        options.get("imports"), lambda item, path: _import(item, own, keys, path, problems), account.path + ".imports"
    )
    options["exports"] = _each(
        options.get("exports"), lambda item, path: _export(item, keys, path, problems), account.path + ".exports"
    )
    where = account.path + ".revocations"
    options["revocations"] = _by_key(options.get("revocations"), _user_namer(user_key, where, problems))
    authorization = options.get("authorization")
    if isinstance(authorization, dict):
        options["authorization"] = _authorization(
            authorization, keys, user_key, account.path + ".authorization", problems
        )
    claims = _claims(account.options, account.path, account.name, own, problems)
    claims.body = read_options(
        Account, {word: value for word, value in options.items() if value is not None}, account.path, problems
    )
    claims.body.signing_keys = [_signing_key(wish, keys.roles[account.name], problems) for wish in account.signing_keys]
    return claims


def _signing_key(wish: SigningKeyWish, roles: dict[str, str], problems: list[Problem]) -> SigningKey:
    key: SigningKey = read_options(SigningKey, wish.options, wish.path, problems)
    key.key = _wished_key(wish, roles)
    # A key without a scope is a bare text in a JWT: there is no place for its role.
    key.role = wish.role if key.template is not None else ""
    return key


def _each(value: Any, change: Callable[[dict[str, Any], str], Any], path: str) -> Any:
    if not isinstance(value, list):
        return value
    return [change(item, f"{path}[{index}]") if isinstance(item, dict) else item for index, item in enumerate(value)]


def _import(item: dict[str, Any], own: str, keys: Keys, path: str, problems: list[Problem]) -> dict[str, Any]:
    changed = {word: value for word, value in item.items() if word != "activation"}
    if isinstance(item.get("account"), str):
        changed["account"] = _account_key(item["account"], keys, path + ".account", problems)
    if isinstance(item.get("subject"), str):
        changed["subject"] = item["subject"].replace(OWN_ACCOUNT, own)
    return changed


def _export(item: dict[str, Any], keys: Keys, path: str, problems: list[Problem]) -> dict[str, Any]:
    revocations = item.get("revocations")
    return dict(
        item, revocations=_by_key(revocations, lambda name: _account_key(name, keys, f"{path}.revocations", problems))
    )


def _authorization(
    item: dict[str, Any], keys: Keys, user_key: Callable[[str], str], path: str, problems: list[Problem]
) -> dict[str, Any]:
    changed = dict(item)
    namer = _user_namer(user_key, path + ".auth_users", problems)
    if isinstance(item.get("auth_users"), list):
        changed["auth_users"] = [namer(str(name)) for name in item["auth_users"]]
    if isinstance(item.get("allowed_accounts"), list):
        changed["allowed_accounts"] = [
            _account_key(str(name), keys, f"{path}.allowed_accounts[{index}]", problems)
            for index, name in enumerate(item["allowed_accounts"])
        ]
    return changed


def _account_key(name: str, keys: Keys, path: str, problems: list[Problem]) -> str:
    if name in keys.accounts:
        return keys.accounts[name]
    if name == "*" or nkey.is_public_key(name, "account"):
        return name
    problems.append(Problem(path, _no_such("account", name, keys.accounts, "the document")))
    return name


def _user_namer(user_key: Callable[[str], str], path: str, problems: list[Problem]) -> Callable[[str], str]:
    def key_of(name: str) -> str:
        if name == "*" or nkey.is_public_key(name, "user"):
            return name
        found = user_key(name)
        if not found:
            problems.append(
                Problem(path, f"there is no user {name} in this account; a user that is gone is named by public key.")
            )
        return found or name

    return key_of


def _by_key(value: Any, key_of: Callable[[str], str]) -> Any:
    if not isinstance(value, dict):
        return value
    return {key_of(str(name)): at for name, at in value.items()}


def users_referred_to(account: AccountWish) -> set[str]:
    """The names of users that the account's own claims need the keys of."""
    found: set[str] = set()
    for value in (
        account.options.get("revocations"),
        (account.options.get("authorization") or {}).get("auth_users")
        if isinstance(account.options.get("authorization"), dict)
        else None,
    ):
        if isinstance(value, (list, dict)):
            found.update(str(name) for name in value)
    return found


def user_claims(
    user: UserWish, path: str, subject: str, issuer_account: str, is_scoped: bool, problems: list[Problem]
) -> tuple[Claims, set[Any]]:
    """What the document says of a user, and a set to note in which rules it was held to already.

    The body of users that are alike is one and the same object, not to be changed, and so is the set.
    """
    options = {word: value for word, value in user.options.items() if word not in _USER_WORDS}
    claims = _claims(user.options, path, user.name, subject, problems)
    if is_scoped:
        problems.extend(
            Problem(
                f"{path}.{word}",
                f"the role {user.role} has a scope, so its users have no permissions or limits of their own.",
            )
            for word, value in options.items()
            if word != "tags" and value not in (None, False)
        )
        options = {word: value for word, value in options.items() if word == "tags"}
    claims.body, found, checked = _user_body(_OPTIONS.encode(options), issuer_account, is_scoped)
    if found:
        problems.extend(
            Problem(f"{path}.{problem.path}" if problem.path else path, problem.message) for problem in found
        )
    return claims, checked


# json.dumps would make one for every user.
_OPTIONS = json.JSONEncoder(default=str, check_circular=False)


@functools.lru_cache(maxsize=256)
def _user_body(options: str, issuer_account: str, is_scoped: bool) -> tuple[User, tuple[Problem, ...], set[Any]]:
    problems: list[Problem] = []
    body: User = read_options(User, json.loads(options), "", problems)
    body.issuer_account = issuer_account
    if is_scoped:
        body.access = no_access()
    return body, tuple(problems), set()


def _claims(options: dict[str, Any], path: str, name: str, subject: str, problems: list[Problem]) -> Claims:
    claims = Claims(name=name, subject=subject)
    if any(options.get(word) is not None for word in _ENVELOPE):
        read: Claims = read_options(Claims, {word: options.get(word) for word in _ENVELOPE}, path, problems)
        claims.audience, claims.not_before = read.audience, read.not_before
    return claims


_NEVER = Policy()


def policy(
    options: dict[str, Any],
    path: str,
    problems: list[Problem],
    issued_after: int = 0,
    remove_revocations: frozenset[str] = frozenset(),
    remove_signing_keys: frozenset[str] = frozenset(),
) -> Policy:
    """When a token is to be renewed, and what it may lose."""
    if not (issued_after or remove_revocations or remove_signing_keys or any(word in options for word in _POLICY)):
        return _NEVER
    values: dict[str, int | None] = dict.fromkeys(_POLICY)
    for word in _POLICY:
        value = options.get(word)
        if value is not None:
            try:
                values[word] = units.parse_time(value) if word == "expires_at" else units.parse_seconds(value)
            except ValueError as error:
                problems.append(Problem(f"{path}.{word}", f"{error}."))
    try:
        return Policy(
            expires_in=values["expires_in"],
            expires_at=values["expires_at"],
            renew_before=values["renew_before"] or 0,
            issued_after=issued_after,
            remove_revocations=remove_revocations,
            remove_signing_keys=remove_signing_keys,
        )
    except NatsSecurityError as error:
        problems.append(Problem(path, str(error)))
        return Policy()


def activation_options(account: AccountWish, index: int) -> dict[str, Any]:
    """What the document says of when the activation of an import is renewed."""
    imports = account.options.get("imports")
    item = imports[index] if isinstance(imports, list) and index < len(imports) else None
    found = item.get("activation") if isinstance(item, dict) else None
    return found if isinstance(found, dict) else {}


def activation_problems(account: AccountWish) -> Iterator[Problem]:
    """What is wrong with the words about activations."""
    imports = account.options.get("imports")
    for index, item in enumerate(imports if isinstance(imports, list) else ()):
        said = item.get("activation") if isinstance(item, dict) else None
        path = f"{account.path}.imports[{index}].activation"
        if said is not None and not isinstance(said, dict):
            yield Problem(path, f"a dictionary is wanted, not {_shown(said)}.")
        for word in said if isinstance(said, dict) else ():
            if word not in ACTIVATION_WORDS:
                yield Problem(
                    f"{path}.{word}", f"there is no such option here, there are {', '.join(sorted(ACTIVATION_WORDS))}."
                )
