# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Combines the entries in `credentials_users` of all hosts of a play into one document for the signing host. Pure; runs on the controller."""

from __future__ import annotations

import os
from typing import Any, Callable, Iterator, Mapping, NamedTuple, Sequence

from ..base.digests import digest
from ..base.errors import NatsSecurityError
from ..base.excerpts import quoted
from ..claims import Claims, User
from ..claims.options import Problem, element_path, read_options
from ..disk.files import path_problem
from ..keys.new import read_new_key
from ..reconcile import verdicts
from ..reconcile.wanted import ABSENT, ENVELOPE, EXISTING, POLICY, PRESENT
from ..reconcile.wanted_claims import policy
from ..store.layout import name_problem

HOST, DELIVERED = "host", "delivered"
_CHOICES = {"state": (PRESENT, ABSENT), "born": (HOST, DELIVERED)}
_FLAGS = ("revoke",)
_WORDS = (
    "account",
    "name",
    "renamed_from",
    "path",
    "owner",
    "group",
    "mode",
    "state",
    "born",
    "claims",
    "role",
    "notify",
    "revoke",
)
#: Options that are not allowed in `claims`, by the option of the entry that is set instead; empty if there is none.
_OF_ITEMS = {
    **{word: word for word in _WORDS if word != "claims"},
    "signing_key_role": "role",
    "public_key": "",
    "creds": "",
}


class Request(NamedTuple):
    """One user on one host. `item` is the entry in credentials_users with its defaults, and `place` its place for messages."""

    host: str
    place: str
    item: dict[str, Any]

    @property
    def id(self) -> str:
        """The user, as ACCOUNT/USER."""
        return f"{self.item['account']}/{self.item['name']}"

    @property
    def is_born_here(self) -> bool:
        """Whether the host creates and keeps the key of the user."""
        return bool(self.item["born"] == HOST and self.item["state"] == PRESENT)


class Order(NamedTuple):
    """The request to the signing host: a document of nats_store, the public keys by ACCOUNT/USER, the users, and why hosts are refused, by host.

    `places` has the entries of credentials_users for the accounts and users that are in the document only because of entries, by their places in it.
    """

    definition: dict[str, Any]
    user_public_keys: dict[str, str]
    users: list[str]
    refused: dict[str, str]
    places: dict[str, str]


def read_requests(hosts: Mapping[str, Any]) -> list[Request]:
    """The requests of all hosts. Raises NatsSecurityError with everything that is wrong with them."""
    problems: list[str] = []
    requests = [request for host, items in hosts.items() for request in _read_host(host, items, problems)]
    problems += _claims_that_differ(requests)
    if problems:
        raise NatsSecurityError("\n".join(problems))
    return requests


def _read_host(host: str, items: Any, problems: list[str]) -> Iterator[Request]:
    if not isinstance(items, (list, tuple)):
        problems.append(f"{host}: credentials_users has to be a list, not {quoted(items)}.")
        return
    paths: dict[str, str] = {}
    users: dict[str, str] = {}
    for index, item in enumerate(items):
        found = _item_problems(item)
        place = f"{host}: credentials_users[{index}]"
        if not any(problem.startswith((":", ".account:", ".name:")) for problem in found):
            place += f" ({item['account']}/{item['name']})"
        problems += [f"{place}{problem}" for problem in found]
        if found:
            continue
        request = Request(host, place, _with_defaults(item))
        for seen, what, word in ((paths, os.path.normpath(item["path"]), "path"), (users, request.id, "user")):
            if what in seen:
                problems.append(f"{place}: the {word} {what} is used already, at {seen[what]}; change one of them.")
            seen[what] = f"credentials_users[{index}]"
        yield request


def _item_problems(item: Any) -> list[str]:
    if not isinstance(item, Mapping):
        return [f": expected a dictionary, not {quoted(item)}."]
    problems = [f".{word}: unsupported option; available: {', '.join(_WORDS)}." for word in item if word not in _WORDS]
    for word in ("account", "name", "path"):
        if not isinstance(item.get(word), str) or not item[word]:
            problems.append(f".{word}: expected a text, not {quoted(item.get(word))}.")
        elif word == "path" and (
            path_problem(item[word]) or not item[word].startswith("/") or item[word].endswith("/")
        ):
            problems.append(f".path: expected the absolute path of a file, not {quoted(item[word])}.")
        elif word != "path" and name_problem(item[word]):
            problems.append(f".{word}: {name_problem(item[word])}.")
    before = item.get("renamed_from")
    if before is not None and not isinstance(before, str):
        problems.append(f".renamed_from: expected a text, not {quoted(before)}.")
    elif before and name_problem(before):
        problems.append(f".renamed_from: {name_problem(before)}.")
    elif before and before == item.get("name"):
        problems.append(".renamed_from: this is its current name: write the name that the user had before.")
    for word, choices in _CHOICES.items():
        if item.get(word) is not None and item[word] not in choices:
            problems.append(f".{word}: {quoted(item[word])} is not one of {', '.join(choices)}.")
    problems += [
        f".{word}: expected true or false, not {quoted(item[word])}."
        for word in _FLAGS
        if not isinstance(item.get(word), (bool, type(None)))
    ]
    if item.get("revoke") and item.get("state") != ABSENT:
        problems.append(".revoke: supported only with state: absent.")
    return problems + _claims_problems(item) + _attribute_problems(item)


def _claims_problems(item: Mapping[str, Any]) -> list[str]:
    claims = item.get("claims")
    if claims is None:
        return []
    if not isinstance(claims, Mapping):
        return [f".claims: expected a dictionary, not {quoted(claims)}."]
    problems = [
        f".claims.{word}: it is not an option of claims"
        + (f"; set {_OF_ITEMS[word]} beside claims instead." if _OF_ITEMS[word] else ".")
        for word in claims
        if word in _OF_ITEMS
    ]
    if claims.get("bearer_token") and item.get("born") != DELIVERED:
        problems.append(
            ".claims.bearer_token: the JWT of a bearer is a secret that is made on the signing host: set born: delivered."
        )
    return problems


def _attribute_problems(item: Mapping[str, Any]) -> list[str]:
    problems = [
        f".{word}: expected a name, not {quoted(item[word])}."
        for word in ("owner", "group", "role")
        if not isinstance(item.get(word), (str, int, type(None))) or isinstance(item.get(word), bool)
    ]
    try:
        read_mode(item.get("mode"))
    except NatsSecurityError as error:
        problems.append(f".mode: {error}")
    notify = item.get("notify")
    if not isinstance(notify, (str, list, tuple, type(None))) or not all(
        isinstance(name, str) for name in notify or ()
    ):
        problems.append(f".notify: expected the name of a handler or a list of names, not {quoted(notify)}.")
    return problems


def read_mode(mode: Any) -> int:
    """The mode of a creds file, 0600 by default. A string is read as octal; YAML has already read a number.

    Raises NatsSecurityError if it is not a mode, lets the group or others write, or lets anyone execute.
    """
    try:
        value = 0o600 if mode is None else mode if isinstance(mode, int) else int(str(mode), 8)
    except ValueError:
        value = -1
    if isinstance(mode, bool) or not 0 <= value <= 0o777 or value & 0o133:
        raise NatsSecurityError(
            f"expected a mode of a file that others can neither change nor run, such as 0600 or 0640, not {quoted(mode)}."
        )
    return value


def _with_defaults(item: Mapping[str, Any]) -> dict[str, Any]:
    notify = item.get("notify")
    return {
        **{word: item.get(word) for word in _WORDS},
        "state": item.get("state") or PRESENT,
        "born": item.get("born") or HOST,
        "mode": f"{read_mode(item.get('mode')):04o}",
        "notify": [notify] if isinstance(notify, str) else list(notify or ()),
        "revoke": bool(item.get("revoke")),
    }


def _claims_that_differ(requests: Sequence[Request]) -> list[str]:
    first: dict[str, Request] = {}
    revoked = {request.id: request for request in requests if request.item["revoke"]}
    problems = []
    for request in requests:
        if request.item["state"] == ABSENT:
            continue
        if request.id in revoked:
            problems.append(
                f"{request.place}: the user {request.id} has to be present, but {revoked[request.id].place} revokes it."
            )
        other = first.setdefault(request.id, request)
        problems += [
            f"{request.place}.{word}: the user {request.id} has another {word} at {other.place}; all entries of a user need the same."
            for word in ("claims", "role", "born", "renamed_from")
            if request.item[word] != other.item[word]
        ]
    return problems


def check_claims(requests: Sequence[Request], now: int, plain: Callable[[Any], Any]) -> None:
    """Raise NatsSecurityError with everything that is wrong with the claims of users, so that messages have the host and the entry.

    `plain` returns a value as a module receives it. `now` is in unix seconds.
    """
    problems: list[Problem] = []
    for request in requests:
        if request.item["state"] == ABSENT:
            continue
        place = f"{request.place}.claims"
        claims = plain(request.item["claims"] or {})
        found: list[Problem] = []
        policy(claims, place, found, now)
        beside = (*ENVELOPE, *POLICY[:4])
        whole = read_options(Claims, {word: claims[word] for word in claims if word in ENVELOPE}, place, found)
        others = {word: claims[word] for word in claims if word not in beside}
        whole.body = read_options(User, others, place, found, beside)
        problems += [*found, *verdicts.of_claims(whole, place, now).beside(found).problems]
    if problems:
        raise NatsSecurityError("\n".join(map(str, problems)))


def claimants(requests: Sequence[Request]) -> dict[str, list[str]]:
    """The hosts that create and keep the key of each user, by ACCOUNT/USER."""
    found: dict[str, list[str]] = {}
    for request in requests:
        if request.is_born_here:
            found.setdefault(request.id, []).append(request.host)
    return found


def compose(
    requests: Sequence[Request], base: Mapping[str, Any], keys: Mapping[str, Mapping[str, str]] | None = None
) -> Order:
    """One document for all hosts: the base document with their users. Raises NatsSecurityError for a user that both describe.

    `keys` has the public keys by host and ACCOUNT/USER, once the hosts have created them. Hosts that have different keys for a user are refused, and their
    users are omitted. A user with state=absent keeps its JWT unless it is to be revoked.
    """
    refused = _differing_keys(requests, keys or {})
    present = [request for request in requests if request.item["state"] == PRESENT and request.host not in refused]
    kept = {request.id: request for request in present}
    revoked = {request.id: request for request in requests if request.item["revoke"]}
    known = {
        name: key for host, by_name in (keys or {}).items() if host not in refused for name, key in by_name.items()
    }
    definition = _with_users(base, {**kept, **revoked})
    return Order(
        definition,
        {name: key for name, key in known.items() if name in kept and read_new_key(key) is None},
        sorted(kept),
        refused,
        _places_of_added(definition["accounts"], len(_dictionaries(base, "accounts")), requests),
    )


def _places_of_added(accounts: list[Any], described: int, requests: Sequence[Request]) -> dict[str, str]:
    """The entry for each account after those that the base document describes, and for its users, by their places. The first one if there are several."""
    first = {name: one.place for one in reversed(requests) for name in (one.item["account"], one.id)}
    found = {}
    for index, account in enumerate(accounts[described:], described):
        place = element_path("accounts", index, account)
        found[place] = first[account["name"]]
        for number, user in enumerate(account.get("users") or ()):
            found[element_path(f"{place}.users", number, user)] = first[f"{account['name']}/{user['name']}"]
    return found


def _differing_keys(requests: Sequence[Request], keys: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    refused: dict[str, str] = {}
    for name, hosts in claimants(requests).items():
        found = {host: keys[host][name] for host in hosts if name in keys.get(host, {})}
        if len(set(found.values())) > 1:
            shown = ", ".join(f"{host} has {key}" for host, key in found.items())
            refused.update(dict.fromkeys(found, f"The user {name} has different keys: {shown}. A user has one key."))
    return refused


def _dictionaries(said: Any, name: str) -> list[Any]:
    """A list of dictionaries in a document. Raises NatsSecurityError for any other value. nats_store validates the contents later."""
    found = said.get(name) or [] if isinstance(said, Mapping) else None
    if not isinstance(found, list) or not all(isinstance(item, Mapping) for item in found):
        raise NatsSecurityError(f"credentials_definition: {name}: expected a list of dictionaries.")
    return found


def _with_users(base: Mapping[str, Any], requests: Mapping[str, Request]) -> dict[str, Any]:
    accounts = [dict(account) for account in _dictionaries(base, "accounts")]
    for account in accounts:
        _dictionaries(account, "users")
    by_name = {account.get("name"): account for account in accounts}
    for request in requests.values():
        name = request.item["account"]
        if name not in by_name:
            by_name[name] = {"name": name, "state": EXISTING}
            accounts.append(by_name[name])
        account = by_name[name]
        others = [user for user in account.get("users") or () if user.get("name") != request.item["name"]]
        is_described = len(others) < len(account.get("users") or ())
        if request.item["state"] == ABSENT:
            account["users"] = [*others, {"name": request.item["name"], "state": ABSENT}]
        elif is_described and (request.item["claims"] or request.item["role"]):
            raise NatsSecurityError(
                f"{request.place}: the document describes the user {request.id} as well: remove claims and role here, or the user from the document."
            )
        elif not is_described:
            account["users"] = [*others, _user(request)]
    return {**base, "accounts": accounts}


def _user(request: Request) -> dict[str, Any]:
    user = {**(request.item["claims"] or {}), "name": request.item["name"]}
    if request.item["role"]:
        user["signing_key_role"] = request.item["role"]
    if request.item["renamed_from"]:
        user["renamed_from"] = request.item["renamed_from"]
    return user


# ---- values for the tasks of the role


def show_order(requests: Sequence[Request], order: Order) -> dict[str, Any]:
    """An order as a value for tasks, with the entries of each host."""
    claimed = claimants(requests)
    hosts: dict[str, list[dict[str, Any]]] = {}
    for request in requests:
        item = {
            **request.item,
            "id": request.id,
            "claimed_by": claimed.get(request.id, []) if request.is_born_here else [],
        }
        hosts.setdefault(request.host, []).append(item)
    leaving = [request for request in requests if request.item["state"] == ABSENT]
    return {
        **order._asdict(),
        "hosts": hosts,
        "revoked": sorted({request.id for request in leaving if request.item["revoke"]}),
    }


#: The options of an entry that are passed to the module nats_credentials unchanged.
_FOR_MODULE = ("account", "name", "renamed_from", "path", "owner", "group", "mode", "state", "claimed_by")


def with_store(item: Mapping[str, Any], store: Mapping[str, Any], creds: Mapping[str, str]) -> dict[str, Any]:
    """The options of nats_credentials for an entry, with the key and the JWT from a result of nats_store, or the creds of a user with born=delivered."""
    account = (store.get("accounts") or {}).get(item["account"]) or {}
    user = (store.get("users") or {}).get(item["id"]) or {}
    key, content = account.get("public_key"), creds.get(item["id"]) if item["born"] == DELIVERED else None
    options = {
        **{word: item[word] for word in _FOR_MODULE},
        "account_public_key": None if key is None or read_new_key(key) else key,
        "public_key": user.get("public_key"),
        "jwt": user.get("jwt") if content is None else None,
        "creds": content,
        "earlier_keys": user.get("earlier_keys"),
        "notify": bool(item["notify"]),
    }
    return {word: value for word, value in options.items() if value is not None}


def due(
    items: Sequence[Mapping[str, Any]], prepared: Mapping[str, Any], signed: Mapping[str, Any]
) -> list[Mapping[str, Any]]:
    """The entries of one host whose creds files the module has to check. Those that are up to date and have the JWT of the store are omitted."""
    found = {user["id"]: user for user in prepared.get("users") or ()}
    return [item for item in items if item["state"] == PRESENT and _is_due(item, found, signed.get("users") or {})]


def _is_due(item: Mapping[str, Any], found: Mapping[str, Any], signed: Mapping[str, Any]) -> bool:
    held, jwt = found.get(item["id"]), (signed.get(item["id"]) or {}).get("jwt")
    return held is None or held["due"] or jwt is None or digest(jwt) != held["digest"]


def notified(items: Sequence[Mapping[str, Any]], *results: Mapping[str, Any]) -> list[str]:
    """The handlers of the entries whose files changed, without duplicates, in the order of the entries."""
    changed = {user["id"] for result in results for user in result.get("users") or () if user.get("notify")}
    return list(dict.fromkeys(name for item in items if item["id"] in changed for name in item["notify"]))


def facts(items: Sequence[Mapping[str, Any]], signed: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The path, public key and expiry of each user of one host, for monitoring, by ACCOUNT/USER."""
    users = signed.get("users") or {}
    return {
        item["id"]: {"path": item["path"], **{word: users[item["id"]][word] for word in ("public_key", "expires")}}
        for item in items
        if item["state"] == PRESENT and item["id"] in users
    }
