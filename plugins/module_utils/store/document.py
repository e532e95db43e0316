# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Reads the document that describes a whole operator into the types of the engine. Only options of the document itself are handled here."""

from __future__ import annotations

import re
from typing import Any, Iterator, Sequence

from ..base.errors import NatsSecurityError
from ..base.excerpts import excerpt, quoted
from ..base.nesting import is_deeper
from ..claims import SigningKey
from ..claims.kinds import parse_text
from ..claims.options import Problem, element_path, known_only, option_names
from ..keys import nkey
from ..keys.new import read_new_key
from ..reconcile.rotation import REPLACE
from ..reconcile.wanted import (
    ABSENT,
    ACCOUNT_WORDS,
    ENVELOPE,
    EXISTING,
    OPERATOR_WORDS,
    POLICY,
    PRESENT,
    SIGNING_KEY_WORDS,
    USER_WORDS,
    Rotation,
    Wanted,
    WantedAccount,
    WantedKey,
    WantedOperator,
    WantedUser,
)
from ..reconcile.wanted_claims import looks_like_key
from .layout import name_problem

# The options of an entity that are not about its JWT.
_OPERATOR_ALONE, _ACCOUNT_ALONE, _USER_ALONE = (
    frozenset(words) - {*ENVELOPE, *POLICY[:4]} for words in (OPERATOR_WORDS, ACCOUNT_WORDS, USER_WORDS)
)
#: The options of a signing key of an operator and of an account.
_OF_KEYS = {
    "operator": frozenset(SIGNING_KEY_WORDS),
    "account": option_names(SigningKey).difference(("key",)).union(SIGNING_KEY_WORDS),
}
_OF_DOCUMENT = frozenset(("operator", "accounts"))
#: More levels than any valid document has.
_DEEPEST = 50
# Names that are certainly valid, which most names are. They need no further check.
_PLAIN_NAME = re.compile(r"[\w-][\w.@-]{0,59}")


def read_document(definition: Any) -> tuple[Wanted, list[Problem]]:
    """What a document asks for, and the problems of its structure. Parts that cannot be read are not included."""
    problems: list[Problem] = []
    if is_deeper(definition, _DEEPEST):
        return Wanted(None, []), [
            Problem("definition", f"is nested more than {_DEEPEST} levels deep, which is too deep for a document.")
        ]
    definition = known_only(_dictionary(definition, "definition", problems), _OF_DOCUMENT, "", problems)
    items = _list(definition.get("accounts"), "accounts", problems)
    accounts = [_read_account(item, f"accounts[{index}]", problems) for index, item in enumerate(items)]
    _check_names(accounts, problems)
    operator = _read_operator(definition.get("operator"), accounts, problems)
    first = {account.name: account for account in reversed(accounts)}
    return Wanted(operator, [one for one in accounts if one.name and first[one.name] is one]), problems


def with_user_keys(wanted: Wanted, keys: Any) -> list[Problem]:
    """Set the public keys of users from a dictionary by ACCOUNT/USER, for seeds that were created elsewhere. Returns the problems of the dictionary."""
    problems: list[Problem] = []
    users = {f"{account.name}/{user.name}": user for account in wanted.accounts for user in account.users}
    holders: dict[str, str] = {}
    for name, value in _dictionary(keys, "user_public_keys", problems).items():
        path = f"user_public_keys[{name}]"
        key = _public_key({"public_key": value}, path, "user", problems)
        user = users.get(str(name))
        if user is None:
            problems.append(Problem(path, "the document has no such user; write ACCOUNT/USER."))
        elif key and user.key and user.key != key:
            problems.append(Problem(path, f"{key} is not the public_key that the document gives, {user.key}."))
        elif key:
            _check_once(holders, key, path, "this key", problems)
            user.key = key
    return problems


def read_rotations(value: Any, wanted: Wanted, check_mode: bool = False) -> tuple[list[Rotation], list[Problem]]:
    """The rotations that a task asks for, and their problems.

    In check mode, the next key may be a placeholder that an earlier task of the play returned.
    """
    problems: list[Problem] = []
    rotations = []
    named = {account.name: account for account in wanted.accounts if account.state != ABSENT}
    slots: dict[str, str] = {}
    following: dict[str, str] = {}
    for index, item in enumerate(value or ()):
        path = f"rotations[{index}]"
        if item["strict_mode"]:
            continue  # see read_strict_phase
        account, role, user = item["account"] or "", item["role"] or "", item["user"] or ""
        operator = item["operator"] or ""
        key_type = "user" if user else "account" if account else "operator"
        if role and account in named and named[account].curve_role == role:
            key_type = "curve"
        before = len(problems)
        problems += (
            _slot_problems(path, account, role, user) if not operator else _operator_problems(path, item, wanted)
        )
        key = _public_key({"public_key": item["public_key"]}, path, key_type, problems)
        given = _following_key(item["next_public_key"], path, key_type, check_mode, problems)
        if given and given == key:
            problems.append(Problem(f"{path}.next_public_key", "this is the key to replace."))
        _check_once(following, given, f"{path}.next_public_key", f"the key {given}", problems)
        if account and account not in named:
            problems.append(Problem(path + ".account", f"the document has no account {excerpt(account)}."))
            continue
        if account and named[account].state == EXISTING:
            problems.append(Problem(path + ".account", _not_rotated(account, user)))
            continue
        if user and account:
            problems += _user_problems(path + ".user", named[account], user)
        what = f"the user {user}" if user else f"the role {role}" if role else "the operator"
        _check_once(slots, f"{account}/{what}", path, what, problems)
        if len(problems) == before:
            rotations.append(Rotation(path, account, role, item["phase"], key, given, user, item["compromised"]))
    return rotations, problems


def read_strict_phase(value: Any, wanted: Wanted) -> tuple[str, list[Problem]]:
    """The phase on the way to strict_signing_key_usage that a task asks for, empty for none, and its problems."""
    asked = [(f"rotations[{index}]", item) for index, item in enumerate(value or ()) if item["strict_mode"]]
    if not asked:
        return "", []
    path, item = asked[0]
    problems = []
    if len(value) > 1 or any(given for name, given in item.items() if name not in ("strict_mode", "phase")):
        message = "strict_mode can be combined only with phase, and with no other rotations: it applies to every identity key of the document."
        problems.append(Problem(path, message))
    if item["phase"] == REPLACE:
        message = "hosts need their new creds before servers refuse the old ones: use add, resign and retire."
        problems.append(Problem(f"{path}.phase", message))
    operator = wanted.operator
    if operator is None or operator.options.get("strict_signing_key_usage") is not True:
        message = "strict_mode leads to the strict operator of the document: set strict_signing_key_usage: true there. It takes effect in the last phase."
        problems.append(Problem(path, message))
    return item["phase"], problems


def _user_problems(path: str, account: WantedAccount, user: str) -> Iterator[Problem]:
    """The problems with a user that a rotation names: the document removes or renames it."""
    for one in account.users:
        if one.name == user and one.state == ABSENT:
            yield Problem(path, f"the document removes the user {excerpt(user)} of the account {account.name}.")
        elif one.renamed_from == user:
            yield Problem(path, f"the document renames the user {excerpt(user)}: write its new name, {one.name}.")


def _following_key(value: Any, path: str, key_type: str, check_mode: bool, problems: list[Problem]) -> str:
    """The next key that a rotation names; empty for none."""
    new = read_new_key(value) if check_mode and isinstance(value, str) else None
    if new is not None and new.type == key_type:
        return new
    return _public_key({"next_public_key": value}, path, key_type, problems, "next_public_key")


def _not_rotated(account: str, user: str) -> str:
    """The message that keys of an account with state existing are not rotated, with what to do instead."""
    whose = f"the key of its user {excerpt(user)} is" if user else "its keys are"
    how = " It does not have to describe the user." if user else ""
    return (
        f"the document uses the account {account} as it is (state: existing), so {whose} not rotated: a rotation ends with a change of the account. "
        f"Rotate with the document that manages the account.{how}"
    )


def _slot_problems(path: str, account: str, role: str, user: str) -> Iterator[Problem]:
    """The problems with the combination of account, role and user of a rotation."""
    if role and user:
        yield Problem(
            path, "role and user are mutually exclusive: a rotation is of a signing key or of the key of a user."
        )
    elif not (role or user):
        yield Problem(path, "name the role of a signing key, or a user.")
    elif user and not account:
        yield Problem(path + ".account", "the account of the user is required.")


def _operator_problems(path: str, item: dict[str, Any], wanted: Wanted) -> Iterator[Problem]:
    """The problems with a rotation of the operator's identity key."""
    name = wanted.operator.name if wanted.operator is not None else ""
    if item["account"] or item["role"] or item["user"]:
        yield Problem(
            path,
            "operator cannot be combined with account, role and user: this is a rotation of the operator's identity key.",
        )
    elif item["operator"] != name:
        yield Problem(
            path + ".operator", f"the operator of the document is {excerpt(name)}, not {excerpt(item['operator'])}."
        )
    elif item["phase"] == REPLACE:
        yield Problem(
            path + ".phase",
            "servers trust the keys in the operator JWT that they were started with, so the operator's identity key "
            "cannot be replaced at once: use add, resign and retire.",
        )


def _existing_problems(state: str, options: dict[str, Any], path: str, words: tuple[str, ...]) -> list[Problem]:
    """A problem for each option, other than `words`, of an entity with state existing."""
    if state != EXISTING:
        return []
    message = "this is not managed here (state: existing), so the document does not describe it; remove this."
    return [
        Problem(f"{path}.{word}", message) for word, value in options.items() if word not in words and value is not None
    ]


def _check_names(accounts: list[WantedAccount], problems: list[Problem]) -> None:
    names: dict[str, str] = {}
    keys: dict[str, str] = {}
    for account in accounts:
        # nsc compares account names without regard to case (addaccount.go), and so do some file systems.
        _check_once(names, account.name.lower(), account.place + ".name", f"the name {account.name}", problems)
    for account in accounts:
        _check_once(keys, account.key, account.place + ".public_key", "this key", problems)
    _check_renames([(account.place, account) for account in accounts], "account", problems)


def _check_renames(
    entities: Sequence[tuple[str, WantedAccount | WantedUser]], kind: str, problems: list[Problem]
) -> None:
    """Check the previous names of renamed entities: no other entity of the document may have one of them."""
    names = {entity.name: place for place, entity in entities}
    seen: dict[str, str] = {}
    for place, entity in entities:
        before, path = entity.renamed_from, f"{place}.renamed_from"
        if not before:
            continue
        if before == entity.name:
            problems.append(Problem(path, f"this is its current name: write the name that the {kind} had before."))
        elif entity.state == ABSENT:
            problems.append(
                Problem(path, f"this cannot be combined with state: absent. To remove the {kind}, remove this.")
            )
        elif before in names:
            problems.append(
                Problem(
                    path,
                    f"the document has another {kind} {before}, at {names[before]}. If {entity.name} has its new name already, remove renamed_from; "
                    "otherwise rename one in a run, and the other one in the next.",
                )
            )
        _check_once(seen, before, path, f"the old name {before}", problems)


def _read_operator(value: Any, accounts: list[WantedAccount], problems: list[Problem]) -> WantedOperator:
    options = _without_force(_dictionary(value, "operator", problems), "operator", problems)
    operator = WantedOperator(
        place="operator",
        name=_name(options, "operator", problems),
        key=_public_key(options, "operator", "operator", problems),
        state=_state(options, "operator", (PRESENT, EXISTING), problems),
        system_account=_text(options, "system_account", "operator", problems),
        signing_keys=_read_signing_keys(options, "operator", "operator", problems),
        options=_without(options, _OPERATOR_ALONE),
        remove_signing_keys=_names(options, "remove_signing_keys", "operator", problems),
    )
    problems += _existing_problems(operator.state, options, "operator", ("name", "public_key", "state"))
    system = operator.system_account
    named = {account.name for account in accounts if account.state != ABSENT}
    if system and system not in named and not nkey.is_public_key(system, "account"):
        names = (", ".join(sorted(named)) or "none") if len(named) <= 12 else f"{len(named)} others"
        message = f"there is no account {excerpt(system)} in accounts; available: {names}. Name an account that is not in the document by its public key."
        problems.append(Problem("operator.system_account", message))
        operator.system_account = ""
    return operator


def _read_account(item: Any, path: str, problems: list[Problem]) -> WantedAccount:
    options = _dictionary(item, path, problems)
    name = _name(options, path, problems)
    path = f"{path} ({name})" if name else path
    options = _without_force(options, path, problems)
    account = WantedAccount(
        place=path,
        name=name,
        key=_public_key(options, path, "account", problems),
        role=_text(options, "signing_key_role", path, problems),
        state=_state(options, path, (PRESENT, ABSENT, EXISTING), problems),
        signing_keys=_read_signing_keys(options, path, "account", problems),
        users=_read_users(_list(options.get("users"), path + ".users", problems), path + ".users", problems),
        options=_without(options, _ACCOUNT_ALONE),
        remove_signing_keys=_names(options, "remove_signing_keys", path, problems),
        remove_revocations=_names(options, "remove_revocations", path, problems),
        renamed_from=_renamed_from(options, path, problems),
    )
    problems += _existing_problems(account.state, options, path, ("name", "public_key", "state", "users"))
    return account


def _without_force(options: dict[str, Any], path: str, problems: list[Problem]) -> dict[str, Any]:
    """The options without `force`, which is only valid in modules for a single token. In a document it is a problem."""
    if "force" not in options:
        return options
    message = "this option is not supported in a document, as every run would issue a new JWT; remove it."
    problems.append(Problem(f"{path}.force", message))
    return {word: value for word, value in options.items() if word != "force"}


def _without(options: dict[str, Any], words: frozenset[str]) -> dict[str, Any]:
    """The options of the claims, their envelope and their policy, without the options of the document itself."""
    return {word: value for word, value in options.items() if word not in words}


def _names(options: dict[str, Any], word: str, path: str, problems: list[Problem]) -> list[str]:
    """A list of names. A single string is read as a list with one name, as Ansible does."""
    value = options.get(word)
    if isinstance(value, str):
        return [value]
    names = []
    for index, name in enumerate(_list(value, f"{path}.{word}", problems)):
        try:
            names.append(parse_text(name))
        except ValueError as error:
            problems.append(Problem(f"{path}.{word}[{index}]", f"{error}."))
    return names


def _read_users(items: list[Any], path: str, problems: list[Problem]) -> list[WantedUser]:
    users = []
    seen: dict[str, str] = {}
    keys: dict[str, str] = {}
    for index, item in enumerate(items):
        where = f"{path}[{index}]"
        user = _read_user(item, index, where, problems)
        if user.key:
            _check_once(keys, user.key, f"{where} ({user.name}).public_key", "this key", problems)
        if user.name in seen:
            _check_once(seen, user.name, where + ".name", f"the name {user.name}", problems)
        elif user.name:
            seen[user.name] = f"{where} ({user.name}).name"
            users.append(user)
    if any(user.renamed_from for user in users):
        _check_renames([(f"{path}[{user.index}] ({user.name})", user) for user in users], "user", problems)
    return users


def _read_user(item: Any, index: int, path: str, problems: list[Problem]) -> WantedUser:
    options = _dictionary(item, path, problems)
    name = _name(options, path, problems)
    path = f"{path} ({name})" if name else path
    if "force" in options:
        options = _without_force(options, path, problems)
    creds = options.get("creds")
    if creds is not None and not isinstance(creds, bool):
        problems.append(Problem(path + ".creds", f"expected true or false, not {quoted(creds)}."))
    return WantedUser(
        index=index,
        name=name,
        key=_public_key(options, path, "user", problems),
        role=_text(options, "signing_key_role", path, problems),
        state=_state(options, path, (PRESENT, ABSENT), problems),
        creds=creds is not False,
        options=_without(options, _USER_ALONE),
        renamed_from=_renamed_from(options, path, problems) if "renamed_from" in options else "",
    )


def _read_signing_keys(options: dict[str, Any], path: str, key_type: str, problems: list[Problem]) -> list[WantedKey]:
    wanted = []
    roles: dict[str, str] = {}
    keys: dict[str, str] = {}
    for index, item in enumerate(_list(options.get("signing_keys"), path + ".signing_keys", problems)):
        if isinstance(item, str):
            item = {"role": item}
        where = element_path(path + ".signing_keys", index, item)
        entry = known_only(_dictionary(item, where, problems), _OF_KEYS[key_type], where, problems)
        before = len(problems)
        role = _text(entry, "role", where, problems)
        public_key = _public_key(entry, where, key_type, problems)
        if not role and not public_key and len(problems) == before:
            problems.append(Problem(where, "name a role, under which the key is made and kept, or a public_key."))
        elif role and looks_like_key(role):
            problems.append(
                Problem(where + ".role", "a role is a name of your own; a public key belongs in public_key.")
            )
        # Accounts that nsc created may have two keys with the same role. They can be kept, but the role cannot be referenced.
        if not public_key:
            _check_once(roles, role, where + ".role", f"the role {role}", problems)
        _check_once(keys, public_key, where + ".public_key", "this key", problems)
        rest = {word: value for word, value in entry.items() if word not in SIGNING_KEY_WORDS}
        wanted.append(WantedKey(where, role, public_key, rest))
    return wanted


def _name(options: dict[str, Any], path: str, problems: list[Problem]) -> str:
    before = len(problems)
    name = _text(options, "name", path, problems)
    problem = "" if _PLAIN_NAME.fullmatch(name) or len(problems) > before else name_problem(name)
    if problem:
        problems.append(Problem(path + ".name", problem + "."))
        return ""
    return name


def _renamed_from(options: dict[str, Any], path: str, problems: list[Problem]) -> str:
    """The previous name of an entity, which must be a valid file name too; empty for none."""
    before = len(problems)
    name = _text(options, "renamed_from", path, problems)
    problem = name_problem(name) if name and len(problems) == before else ""
    if problem:
        problems.append(Problem(path + ".renamed_from", problem + "."))
    return "" if problem else name


def _text(options: dict[str, Any], word: str, path: str, problems: list[Problem]) -> str:
    """The string value of an option; empty if not set. Other YAML types, as from NO or 2024-01-01, are a problem."""
    value = options.get(word)
    if isinstance(value, str) and value.isascii():  # the common case
        return value
    try:
        return "" if value is None else parse_text(value)
    except ValueError as error:
        problems.append(Problem(f"{path}.{word}", f"{error}."))
        return ""


def _state(options: dict[str, Any], path: str, states: tuple[str, ...], problems: list[Problem]) -> str:
    state = options.get("state")
    if state is None:
        return PRESENT
    if not isinstance(state, str) or state not in states:
        problems.append(Problem(path + ".state", f"{quoted(state)} is not one of {', '.join(states)}."))
        return PRESENT
    return state


def _public_key(
    options: dict[str, Any], path: str, key_type: str, problems: list[Problem], word: str = "public_key"
) -> str:
    text = _text(options, word, path, problems).strip()
    if text:
        try:
            return nkey.from_public_key(text, key_type).public_key
        except NatsSecurityError as error:
            problems.append(Problem(f"{path}.{word}", str(error)))
    return ""


def _check_once(seen: dict[str, str], what: str, path: str, shown: str, problems: list[Problem]) -> None:
    if what and what in seen:
        problems.append(Problem(path, f"{shown} is used already, at {seen[what]}; change one of them."))
    else:
        seen[what] = path


def _dictionary(value: Any, path: str, problems: list[Problem]) -> dict[str, Any]:
    if value is None and path != "definition":
        return {}
    if not isinstance(value, dict):
        problems.append(Problem(path, f"expected a dictionary, not {quoted(value)}."))
        return {}
    return value


def _list(value: Any, path: str, problems: list[Problem]) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        problems.append(Problem(path, f"expected a list, not {quoted(value)}."))
        return []
    return value
