# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The files of one store and its keystore, and the tokens, seeds and creds in them, verified up to the operator."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, Iterator, Mapping, NamedTuple

from ..base.errors import NatsSecurityError
from ..base.recognition import hide
from ..claims import Account, Claims, Operator
from ..keys import nkey
from ..rules import did_sign
from ..store.layout import STATE, Layout
from ..token import codec, decorated

#: The top folders of a backup, with the names that nsc uses in its data folder.
STORES, KEYS = "stores", "keys"


class Contents(NamedTuple):
    """The files of one store and its keystore, by their paths: `stores/NAME/...` and `keys/...`."""

    name: str  # of the store
    files: Mapping[str, str]

    @property
    def layout(self) -> Layout:
        """The paths of the store in the contents."""
        return Layout(STORES, KEYS, self.name)


@dataclasses.dataclass
class Held:
    """What the files contain. Claims are by the names of their files; seeds and creds have the paths of their files. Problems are messages with the path."""

    operator: Claims | None = None
    accounts: dict[str, Claims] = dataclasses.field(default_factory=dict)
    users: dict[tuple[str, str], Claims] = dataclasses.field(default_factory=dict)
    seeds: dict[str, str] = dataclasses.field(default_factory=dict)  # by public key
    creds: dict[tuple[str, str], str] = dataclasses.field(default_factory=dict)
    others: list[str] = dataclasses.field(default_factory=list)  # the paths of all other files
    problems: list[str] = dataclasses.field(default_factory=list)

    @property
    def named_keys(self) -> dict[str, str]:
        """The public keys that the tokens name, each with a description of its purpose."""
        return dict(_named_keys(self))

    @property
    def missing_seeds(self) -> dict[str, str]:
        """The named keys without a seed in the files, each with a description of its purpose."""
        return {key: what for key, what in self.named_keys.items() if key not in self.seeds}


def look_into(contents: Contents, operator: str | None = None) -> Held:
    """What the files contain. Files that do not verify are in the problems; so is an operator with another public key than the given one."""
    held = Held()
    for path in sorted(contents.files, key=_order):
        _take(held, contents, path)
    _check_operator(held, contents, operator)
    _check_record(held, contents)
    for name, account in held.accounts.items():
        if held.operator is not None and not _may_have_signed(held.operator, account, contents):
            held.problems.append(
                f"{contents.layout.account_jwt(name)} is signed by {account.issuer}, which is not a key of the operator."
            )
    for (name, user), claims in held.users.items():
        parent = held.accounts.get(name)
        path = contents.layout.user_jwt(name, user)
        if parent is None:
            held.problems.append(f"{path} has no account.")
        elif not did_sign(parent, claims):
            held.problems.append(f"{path} is signed by {claims.issuer}, which is not a key of the account {name}.")
    return held


def path_problem(path: str, name: str) -> str:
    """Why a path is not allowed in a backup of the store with this name; empty if it is."""
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts) or "\0" in path or "\\" in path:
        return f"{path!r} is not a path in a backup"
    if parts[:2] == [STORES, name] and len(parts) > 2:
        return ""
    if parts == [KEYS, ".gitignore"] or parts[:2] == [KEYS, "keys"]:
        return ""
    if parts[:3] == [KEYS, "creds", name] or parts[:4] == [KEYS, STATE, "stores", name]:
        return ""
    return f"{path!r} is neither in the store {name} nor in its keystore"


def _order(path: str) -> tuple[int, str]:
    """The sort key of a path: tokens, then seeds, then creds, which consist of both and therefore need no further verification."""
    return (0 if path.startswith(f"{STORES}/") else 2 if path.startswith(f"{KEYS}/creds/") else 1), path


class _Place(NamedTuple):
    """The kind of file at a path."""

    kind: str  # operator, account, user, seed, creds or other
    account: str = ""
    name: str = ""


def _place(path: str, contents: Contents) -> _Place:
    parts = path.split("/")
    if parts[:3] == [STORES, contents.name, "accounts"]:
        if len(parts) == 5 and parts[4] == f"{parts[3]}.jwt":
            return _Place("account", parts[3], parts[3])
        if len(parts) == 6 and parts[4] == "users" and path.endswith(".jwt"):
            return _Place("user", parts[3], parts[5][:-4])
    elif parts[:2] == [KEYS, "keys"] and path.endswith(".nk"):
        return _Place("seed", "", parts[-1][:-3])
    elif parts[:3] == [KEYS, "creds", contents.name] and len(parts) == 5 and path.endswith(".creds"):
        return _Place("creds", parts[3], parts[4][:-6])
    return _Place("operator" if path == contents.layout.operator_jwt else "other")


def glance(contents: Contents) -> Held:
    """What the files contain, without verifying users and seeds. Of users, only the public key in their JWT is read.

    Takes 0.17 s for 10,000 users, compared to 1.6 s for `look_into`.
    """
    held = Held()
    for path, text in contents.files.items():
        place = _place(path, contents)
        if place.kind == "user":
            held.users[place.account, place.name] = Claims(subject=str(codec.peek(text.strip()).get("sub") or ""))
        elif place.kind == "seed":
            held.seeds[place.name] = path
        elif place.kind in ("operator", "account"):
            _take(held, contents, path)
        elif place.kind == "creds":
            held.creds[place.account, place.name] = path
        else:
            held.others.append(path)
    return held


def counted(contents: Contents) -> dict[str, int]:
    """The number of files of each kind, independent of their content."""
    kinds = [_place(path, contents).kind for path in contents.files]
    return {name: kinds.count(kind) for name, kind in _COUNTED.items()}


_COUNTED = {"accounts": "account", "users": "user", "seeds": "seed", "creds": "creds"}


def _take(held: Held, contents: Contents, path: str) -> None:
    text, place = contents.files[path], _place(path, contents)
    at = (place.account, place.name)
    try:
        if place.kind == "operator":
            held.operator = _token(text, "operator")
        elif place.kind == "account":
            held.accounts[place.name] = _token(text, "account")
        elif place.kind == "user":
            held.users[at] = _token(text, "user")
        elif place.kind == "seed":
            held.seeds[_seed(text, place.name, contents.layout, path)] = path
        elif place.kind == "creds":
            if not _are_creds_of(held, contents, place.account, place.name, text):
                _check_creds(text)
            held.creds[at] = path
        else:
            held.others.append(path)
    except NatsSecurityError as error:
        held.problems.append(f"{path}: {error}")


def _token(text: str, kind: str) -> Claims:
    claims = codec.decode(text.strip())
    if claims.kind != kind:
        raise NatsSecurityError(f"it holds a JWT of {claims.kind} claims, expected one of {kind} claims.")
    return claims


def _seed(text: str, name: str, layout: Layout, path: str) -> str:
    pair = nkey.from_seed(text.strip())
    if pair.public_key != name or layout.key(name) != path:
        raise NatsSecurityError(f"it holds the seed of {pair.public_key}.")
    return pair.public_key


def _are_creds_of(held: Held, contents: Contents, account: str, user: str, text: str) -> bool:
    """Whether creds consist of a token and a seed that are already verified. Saves 0.1 ms for each creds file."""
    claims = held.users.get((account, user))
    seed = held.seeds.get(claims.subject) if claims is not None else None
    if seed is None:
        return False
    token = contents.files[contents.layout.user_jwt(account, user)]
    return text == decorated.creds_text(token.strip(), contents.files[seed].strip())


def _check_creds(text: str) -> None:
    claims = codec.decode(decorated.token_in(text))
    pair = decorated.seed_in(text)
    if pair.public_key != claims.subject:
        raise NatsSecurityError(
            f"the seed in it is that of {pair.public_key}, and the subject of the JWT is {claims.subject}."
        )


def _check_operator(held: Held, contents: Contents, expected: str | None) -> None:
    claims, path = held.operator, contents.layout.operator_jwt
    if claims is None:
        if path not in contents.files:
            held.problems.append(f"{path} is missing: there is no operator.")
        return
    if not did_sign(claims, claims):
        held.problems.append(f"{path} is signed by {claims.issuer}, which is not a key of the operator itself.")
    if expected is not None and claims.subject != expected:
        held.problems.append(f"{path} is the JWT of the operator {claims.name} {claims.subject}, expected {expected}.")


def _check_record(held: Held, contents: Contents) -> None:
    """Check that the record belongs to this operator and is signed by it, because it determines which tokens the next run trusts."""
    layout, files = contents.layout, contents.files
    identity = json_in(files.get(layout.recorded_store, "{}")).get("operator")
    if held.operator is not None and identity not in (None, held.operator.subject):
        held.problems.append(f"{layout.recorded_store} is the record of another operator, {identity}.")
    recorded: dict[str, Claims] = {}
    for path, text in files.items():
        if path.startswith(f"{layout.record}/") and path.endswith(".jwt"):
            try:
                recorded[path] = _token(text, "operator" if path == layout.recorded("") else "account")
            except NatsSecurityError as error:
                held.problems.append(f"{path}: {error}")
    operator = recorded.pop(layout.recorded(""), held.operator)
    if operator is None:
        return
    if held.operator is not None and (operator.subject != held.operator.subject or not did_sign(operator, operator)):
        held.problems.append(f"{layout.recorded('')} is not a JWT of the operator {held.operator.subject}.")
    for path, claims in recorded.items():
        if not _may_have_signed(operator, claims, contents):
            held.problems.append(f"{path} is signed by {claims.issuer}, which is not a key of the operator.")


def _may_have_signed(operator: Claims, account: Claims, contents: Contents) -> bool:
    # In a managed store, which nsc created without the operator's key, accounts are self-signed until the operator signs them.
    return did_sign(operator, account) or (account.issuer == account.subject and is_managed(contents))


def is_managed(contents: Contents) -> bool:
    """Whether the store is managed, which means that nsc created it without the operator's key. This is in its marker file."""
    return bool(json_in(contents.files.get(contents.layout.marker, "")).get("managed"))


def json_in(text: str) -> dict[str, Any]:
    """The JSON object in a text; empty if the text is not one."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _named_keys(held: Held) -> Iterator[tuple[str, str]]:
    if held.operator is not None:
        body: Operator = held.operator.body
        yield held.operator.subject, f"operator {held.operator.name}"
        for key in body.signing_keys:
            yield key, f"signing key of the operator {held.operator.name}"
    for name, claims in held.accounts.items():
        account: Account = claims.body
        yield claims.subject, f"account {name}"
        for signing_key in account.signing_keys:
            role = f" {signing_key.role}" if signing_key.role else ""
            yield signing_key.key, f"signing key{role} of the account {name}"
        if account.authorization.xkey:
            yield account.authorization.xkey, f"curve key of the account {name}"
    for (name, user), claims in held.users.items():
        yield claims.subject, f"user {name}/{user}"


def refusal(what: str, problems: list[str]) -> NatsSecurityError:
    """An error that lists the first ten problems and the number of others. `what` is the first sentence of the message."""
    shown = " ".join(hide(problem) for problem in problems[:10])
    more = f" And {len(problems) - 10} more." if len(problems) > 10 else ""
    return NatsSecurityError(f"{what} {shown}{more}")
