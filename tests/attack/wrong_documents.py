# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Every place of a document, from the declarations of claims, and values of every YAML type to put into each place."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ansible_collections.natsops.security.plugins.module_utils.claims import (
    Account,
    Export,
    Import,
    Operator,
    SigningKey,
    User,
    kinds,
)
from ansible_collections.natsops.security.plugins.module_utils.claims.declaration import Field
from ansible_collections.natsops.security.plugins.module_utils.claims.kinds import Kind
from ansible_collections.natsops.security.plugins.module_utils.claims.options import shown_fields

Options = dict[str, Any]


class Place(NamedTuple):
    """A place of a document: its name, a function that makes a document with a value there, and a function that recognises values of the right type."""

    name: str
    document: Callable[[Any], Any]
    is_right_type: Callable[[Any], bool]


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _are_texts(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(map(_is_text, value)))


def _is_number(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool))


def _is_time(value: Any) -> bool:
    return _is_number(value) or isinstance(value, datetime.date)


def _is_bool(value: Any) -> bool:
    return isinstance(value, (bool, str)) or value in (0, 1)


def _is_dictionary(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_text, value))


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _are_revocations(value: Any) -> bool:
    return _is_dictionary(value) and all(map(_is_time, value.values()))


def _right_type(kind: Kind) -> Callable[[Any], bool]:
    if kind.of is not None:
        return _is_list if kind.shape == "list" else _is_dictionary
    if kind is kinds.REVOCATIONS:
        return _are_revocations
    if kind is kinds.BOOL:
        return _is_bool
    if kind is kinds.TIME:
        return _is_time
    if isinstance(kind.zero, list):
        return _are_texts
    return _is_number if isinstance(kind.zero, int) else _is_text


#: The options of a class that are required besides the one that is tried.
_REQUIRED: dict[type, Options] = {
    Export: {"subject": "x.y", "type": "service"},
    Import: {"subject": "s.b", "account": "B", "type": "service"},
}
_NAMES = {"limits.jetstream_tiers": "R1", "mappings": "m.a"}
_SAMPLES = {"latency": {"results": "lat"}, "trace": {"destination": "t"}, "mappings": {"subject": "m.b"}}


def _wrapped(field: Field, name: str, inner: Any) -> Any:
    shape = field.kind.shape
    if shape == "list":
        return [inner]
    if shape == "map":
        return {_NAMES.get(name, "R1"): inner}
    return {_NAMES.get(name, "m.a"): [inner]} if shape == "lists" else inner


def _places_of(cls: type, prefix: str, embed: Callable[[Options], Any], required: Options) -> Iterator[Place]:
    for field, _holders in shown_fields(cls):
        if not field.is_option:
            continue
        option, name = field.attribute, f"{prefix}{field.attribute}"
        yield Place(
            name,
            lambda value, option=option: embed({**required, option: value}),  # type: ignore[misc]
            _right_type(field.kind),
        )
        if field.kind.of is not None and field.kind.of is not SigningKey:
            yield from _places_of(
                field.kind.of,
                f"{name}.",
                lambda inner, field=field, option=option: embed(  # type: ignore[misc]
                    {**required, option: _wrapped(field, option, inner)}
                ),
                _REQUIRED.get(field.kind.of, _SAMPLES.get(option, {})),
            )


def document(operator: Options | None = None, account: Options | None = None) -> Options:
    """A document with three accounts, and these options for the operator and for one of the accounts."""
    return {
        "operator": {"name": "ACME", "system_account": "SYS", **(operator or {})},
        "accounts": [
            {"name": "SYS", "users": [{"name": "sys"}]},
            {"name": "A", "users": [{"name": "a"}], **(account or {})},
            {"name": "B", "exports": [{"subject": "s.>", "type": "service"}, {"subject": "p.>", "type": "service"}]},
        ],
    }


def _of_account(options: Options) -> Any:
    return document(account=options)


def _of_user(options: Options) -> Any:
    return document(account={"users": [{"name": "u", **options}]})


def _of_key(options: Options) -> Any:
    return document(account={"signing_keys": [{"role": "r", **options}]})


def _words(prefix: str, words: dict[str, Callable[[Any], bool]], embed: Callable[[Options], Any]) -> Iterator[Place]:
    for word, is_right in words.items():
        yield Place(f"{prefix}{word}", lambda value, word=word: embed({word: value}), is_right)  # type: ignore[misc]


_POLICY = {
    "expires_in": _is_number,
    "expires_at": _is_time,
    "renew_before": _is_number,
    "renew_spread": _is_number,
}
_NAMED = {
    "name": _is_text,
    "public_key": _is_text,
    "state": _is_text,
    "audience": _is_text,
    "not_before": _is_time,
    **_POLICY,
}
_SIGNED = {**_NAMED, "signing_key_role": _is_text, "renamed_from": _is_text}


def _keys(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, (str, dict)) for item in value)


def _in_list(embed: Callable[[Options], Any], word: str) -> Callable[[Any], Any]:
    return lambda value: embed({word: [value]})


def places() -> list[Place]:
    """Every place of a document, with a unique name each."""
    found = [
        Place("definition", lambda value: value, lambda value: False),
        Place("operator", lambda value: {**document(), "operator": value}, _is_dictionary),
        Place("accounts", lambda value: {**document(), "accounts": value}, _is_list),
        Place("accounts[]", lambda value: {**document(), "accounts": [value]}, _is_dictionary),
        Place("other", lambda value: {**document(), "other": value}, lambda value: False),
        Place("accounts[].users", lambda value: _of_account({"users": value}), _is_list),
        Place("accounts[].users[]", _in_list(_of_account, "users"), _is_dictionary),
        Place("accounts[].signing_keys[]", _in_list(_of_account, "signing_keys"), lambda value: _keys([value])),
        Place("accounts[].exports[]", _in_list(_of_account, "exports"), _is_dictionary),
        Place("accounts[].imports[]", _in_list(_of_account, "imports"), _is_dictionary),
        Place("accounts[].tags[]", _in_list(_of_account, "tags"), _is_text),
        Place(
            "accounts[].remove_signing_keys[]", lambda value: _of_account({"remove_signing_keys": [value]}), _is_text
        ),
        Place("accounts[].remove_revocations[]", lambda value: _of_account({"remove_revocations": [value]}), _is_text),
        Place(
            "accounts[].authorization.auth_users[]",
            lambda value: _of_account({"authorization": {"auth_users": [value]}}),
            _is_text,
        ),
        Place(
            "accounts[].imports[].activation",
            lambda value: _of_account({"imports": [{**_REQUIRED[Import], "activation": value}]}),
            _is_dictionary,
        ),
    ]
    found += _places_of(Operator, "operator.", lambda options: document(operator=options), {})
    found += _places_of(Account, "accounts[].", _of_account, {})
    found += _places_of(User, "accounts[].users[].", _of_user, {})
    found += _places_of(SigningKey, "accounts[].signing_keys[].", _of_key, {})
    lists = {"signing_keys": _keys, "remove_signing_keys": _are_texts}
    found += _words("operator.", {**_NAMED, **lists, "system_account": _is_text}, lambda it: document(operator=it))
    found += _words("accounts[].", {**_SIGNED, **lists, "remove_revocations": _are_texts}, _of_account)
    found += _words("accounts[].users[].", {**_SIGNED, "creds": _is_bool}, _of_user)
    found += _words("accounts[].signing_keys[].", {"role": _is_text, "public_key": _is_text}, _of_key)
    found += _words(
        "accounts[].imports[].activation.",
        _POLICY,
        lambda it: _of_account({"imports": [{**_REQUIRED[Import], "activation": it}]}),
    )
    # The names of some places occur twice: as declared fields and as words of the document.
    return list({place.name: place for place in found}.values())


def _nested(depth: int) -> Any:
    value: Any = []
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


#: Values as YAML and JSON parsers return them, and a few more.
VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    1,
    -1,
    10**40,
    10**5000,
    1.5,
    float("nan"),
    float("inf"),
    "",
    " ",
    "x",
    "a\0b",
    "\ud800",
    "*",
    "a b",
    "a" * 100_000,
    "../../x",
    "raw(1)",
    "raw({",
    [],
    {},
    [None],
    ["x"],
    [1],
    [True],
    [[]],
    [{}],
    [["x"]],
    {"a": None},
    {"a": "x"},
    {"a": 1},
    {"a": []},
    {"a": {}},
    {"name": "x"},
    {1: 2},
    {None: 1},
    {True: 1},
    {("a",): 1},
    {"\ud800": 1},
    {"a\0": "now"},
    _nested(30),
    _nested(400),
    [("a", 1)],
    {"a"},
    b"x",
    datetime.date(2027, 1, 31),
    datetime.datetime(2027, 1, 31, 12),
    datetime.datetime(1, 1, 1, tzinfo=datetime.timezone.utc),
    datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=datetime.timezone.utc),
    datetime.time(12, 0),
    64800,
]
