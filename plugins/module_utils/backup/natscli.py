# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Reads and writes the backup format of `nats auth operator backup` (jwt-auth-builder.go: types.go and key.go).

It contains the tokens and the seeds of an operator, its accounts and its users, and the available seeds of signing keys. It cannot contain anything else,
such as roles of signing keys without a scope, a journal, or curve keys of an auth callout. Creds are created from tokens and seeds.
"""

from __future__ import annotations

import base64
import json
from typing import Any, Iterator

from ..base.each_once import SaidTwiceError, each_once
from ..base.errors import NatsSecurityError
from ..claims import Account
from ..keys import nkey
from ..keys.nkey import KeyPair
from ..store.layout import GITIGNORE, Layout, name_problem
from ..token import codec, decorated
from .contents import KEYS, STORES, Contents, Held, look_into, refusal

_REFUSED = "The backup of nats cannot be read:"


def read_natscli(text: str) -> Contents:
    """The contents of a backup that is not sealed. NatsSecurityError with the problems if it is not valid."""
    try:
        whole = json.loads(text, object_pairs_hook=each_once)
    except SaidTwiceError as error:
        raise NatsSecurityError(f"{_REFUSED} {error}.") from None
    except (ValueError, RecursionError):
        raise NatsSecurityError(f"{_REFUSED} it is not JSON, or is truncated.") from None
    if not is_natscli(whole):
        raise NatsSecurityError(f"{_REFUSED} it does not have the members name, token, key and accounts.")
    problems: list[str] = []
    name = _name(whole, "the operator", problems)
    layout = Layout(STORES, KEYS, name)
    marker = {"managed": False, "name": name, "kind": "operator", "version": "1"}
    files = {layout.marker: json.dumps(marker, separators=(",", ":"), ensure_ascii=False), layout.gitignore: GITIGNORE}
    _put(files, layout.operator_jwt, _token(whole, "the operator", problems), problems)
    _put_keys(files, layout, whole, "the operator", problems)
    for number, account in enumerate(_list(whole, "accounts")):
        _put_account(files, layout, account, f"accounts[{number}]", problems)
    contents = Contents(name, files)
    problems += look_into(contents).problems if not problems else []
    if problems:
        raise refusal(_REFUSED, problems)
    return contents


def is_natscli(whole: Any) -> bool:
    """Whether a JSON value has the shape of such a backup."""
    return isinstance(whole, dict) and {"name", "token", "key", "accounts"} <= set(whole)


def open_natscli(text: str, pair: KeyPair) -> str:
    """Open a backup that is sealed with `--key`: to the public key of the same key, in base64. NatsSecurityError for another key or a changed text."""
    try:
        return pair.open(base64.b64decode("".join(text.split()), validate=True), pair.public_key).decode("utf-8")
    except ValueError:
        raise NatsSecurityError(f"{_REFUSED} it is neither JSON nor a sealed box in base64.") from None
    except NatsSecurityError as error:
        raise NatsSecurityError(f"{_REFUSED} {error}") from None


def seal_natscli(text: str, pair: KeyPair) -> str:
    """Seal a backup as nats does with `--key`. `nats auth operator restore --key` opens the result."""
    return base64.b64encode(pair.seal(text.encode("utf-8"), pair.public_key)).decode("ascii")


def write_natscli(contents: Contents) -> str:
    """The backup that `nats auth operator restore` reads.

    NatsSecurityError if the contents do not verify, or if the seed of the operator, an account or a user is missing, because the format requires these seeds.
    """
    held = look_into(contents)
    problems = list(held.problems)
    taken = {key: what for key, what in held.missing_seeds.items() if not what.startswith(("signing key", "curve key"))}
    problems += [f"the seed of the {what}, {key}, is missing." for key, what in taken.items()]
    if problems or held.operator is None:
        raise refusal("No backup for nats can be made:", problems)
    whole = {
        "name": contents.name,
        "key": _key(contents, held, held.operator.subject),
        "token": contents.files[contents.layout.operator_jwt].strip(),
        "signingKeys": _keys(contents, held, held.operator.body.signing_keys),
        "accounts": [_account(contents, held, name) for name in held.accounts],
    }
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def _account(contents: Contents, held: Held, name: str) -> dict[str, Any]:
    claims, layout = held.accounts[name], contents.layout
    body: Account = claims.body
    return {
        "name": name,
        "key": _key(contents, held, claims.subject),
        "token": contents.files[layout.account_jwt(name)].strip(),
        "signingKeys": _keys(contents, held, [key.key for key in body.signing_keys]),
        "users": [
            {
                "name": user,
                "key": _key(contents, held, user_claims.subject),
                "token": contents.files[layout.user_jwt(name, user)].strip(),
            }
            for (account, user), user_claims in held.users.items()
            if account == name
        ],
    }


def _key(contents: Contents, held: Held, public_key: str) -> dict[str, str]:
    return {"key": contents.files[held.seeds[public_key]].strip()}


def _keys(contents: Contents, held: Held, public_keys: list[str]) -> list[dict[str, str]]:
    return [_key(contents, held, key) for key in public_keys if key in held.seeds]


# ---- reading


def _put_account(files: dict[str, str], layout: Layout, account: Any, where: str, problems: list[str]) -> None:
    if not isinstance(account, dict):
        problems.append(f"{where} is not an account.")
        return
    name = _name(account, where, problems)
    where = f"the account {name}"
    _put(files, layout.account_jwt(name), _token(account, where, problems), problems)
    _put_keys(files, layout, account, where, problems)
    for number, user in enumerate(_list(account, "users")):
        if not isinstance(user, dict):
            problems.append(f"{where}: users[{number}] is not a user.")
            continue
        user_name = _name(user, f"{where}: users[{number}]", problems)
        token = _token(user, f"the user {name}/{user_name}", problems)
        _put(files, layout.user_jwt(name, user_name), token, problems)
        for pair in _put_keys(files, layout, user, f"the user {name}/{user_name}", problems)[:1]:
            if codec.peek(token).get("sub") == pair.public_key:
                files[layout.creds(name, user_name)] = decorated.format_creds(token, pair)


def _name(entity: dict[str, Any], where: str, problems: list[str]) -> str:
    name = entity.get("name")
    problem = name_problem(name) if isinstance(name, str) else "its name is not a text"
    if problem:
        problems.append(f"{where}: {problem}.")
    return str(name)


def _token(entity: dict[str, Any], where: str, problems: list[str]) -> str:
    token = entity.get("token")
    try:
        codec.decode(token if isinstance(token, str) else "")
    except NatsSecurityError as error:
        problems.append(f"{where}: {error}")
    return str(token)


def _put(files: dict[str, str], path: str, text: str, problems: list[str]) -> None:
    if path in files:
        problems.append(f"{path} is listed twice.")
    files[path] = text


def _put_keys(
    files: dict[str, str], layout: Layout, entity: dict[str, Any], where: str, problems: list[str]
) -> list[KeyPair]:
    pairs = []
    for seed in _seeds(entity):
        try:
            pair = nkey.from_seed(seed)
        except NatsSecurityError as error:
            problems.append(f"{where}: {error}")
            continue
        pairs.append(pair)
        files[layout.key(pair.public_key)] = pair.seed
    return pairs


def _seeds(entity: dict[str, Any]) -> Iterator[str]:
    """The seeds of an entity, its own first. Keys without a seed are empty in the backup, and are skipped."""
    for key in [entity.get("key"), *_list(entity, "signingKeys")]:
        seed = key.get("key") if isinstance(key, dict) else None
        if seed:
            yield str(seed)


def _list(entity: dict[str, Any], name: str) -> list[Any]:
    value = entity.get(name)
    return value if isinstance(value, list) else []
