# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Makes the JSON Schema of the document of `nats_store` and its reference page, from the declarations of claims and the options of the document, and
the schema of the roles' variables, from their argument specs.

`make schema` writes these files. For each option of the document the schema accepts what `nats_store` accepts, and nothing else, with these exceptions, which
JSON Schema cannot express: dates that do not exist (2027-02-30), durations of several units that add up to more than 292 years or to whole seconds
(1000ms), the checksums of public keys, a whole number written as 1.0, texts of more than 8 KiB in fewer characters, the details of URLs, time zones (which
depend on the host), and what depends on other options: references to accounts, users, roles and wildcards, and rules across options, except which times of
an expiry belong together. The schema of the variables knows the names of nats-server's settings in lower case only, and does not check ports below -1.
"""

from __future__ import annotations

import functools
import importlib
import json
import pathlib
import re
import sys
from collections.abc import Iterator
from typing import Any

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[1]
SCHEMA = ROOT / "schemas" / "document.schema.json"
VARIABLES = ROOT / "schemas" / "variables.schema.json"
PAGE = ROOT / "docs" / "document.md"
_CORE = "ansible_collections.natsops.security.plugins.module_utils."

Schema = dict[str, Any]


def _core(name: str) -> Any:
    """A module of the core; imported late, because a checkout has to be made importable first."""
    return importlib.import_module(_CORE + name)


# ---- numbers as patterns


def _up_to(most: int) -> str:
    """A pattern for the decimal numbers from 0 to `most`, without leading zeros."""
    digits = str(most)
    shorter = f"[1-9][0-9]{{0,{len(digits) - 2}}}" if len(digits) > 1 else ""
    same = [
        f"{digits[:place]}[{'1' if place == 0 else '0'}-{int(digit) - 1}][0-9]{{{len(digits) - place - 1}}}"
        for place, digit in enumerate(digits)
        if int(digit) > (1 if place == 0 else 0)
    ]
    return "(?:" + "|".join(filter(None, ["0", shorter, *same, digits])) + ")"


def _counted(most: int, nonzero: bool = False) -> str:
    """The same with leading zeros, up to 30 digits."""
    return ("(?!0+(?![0-9]))" if nonzero else "") + "(?![0-9]{31})0*" + _up_to(most)


def _without_case(word: str) -> str:
    return "".join(f"[{letter.lower()}{letter.upper()}]" if letter.isalpha() else letter for letter in word)


def _whole(*patterns: str) -> Schema:
    return {"type": "string", "pattern": f"^(?:{'|'.join(patterns)})$"}


_SPACE = "[ \\t\\n\\r\\f\\v]*"
_UNLIMITED = _without_case("unlimited")
_JSON_STRING = '"(?:[^"\\\\\\u0000-\\u001f]|\\\\(?:["\\\\/bfnrt]|u[0-9a-fA-F]{4}))*"'


def _trimmed(*patterns: str) -> Schema:
    return _whole(f"{_SPACE}(?:{'|'.join(patterns)}){_SPACE}")


def _raw_integer(low: int, high: int) -> Schema:
    below = f"|-{_up_to(-low)}" if low < 0 else "|-0"
    return _whole(f"raw\\([ \\t\\n\\r]*(?:null|{_up_to(high)}{below})[ \\t\\n\\r]*\\)")


def _raw_text() -> str:
    return f"raw\\([ \\t\\n\\r]*(?:null|{_JSON_STRING})[ \\t\\n\\r]*\\)"


def _any_of(*parts: Schema, **more: Any) -> Schema:
    return {"anyOf": list(parts), **more}


def _integer(low: int, high: int) -> tuple[Schema, Schema]:
    """Whole numbers in bounds, as numbers and as texts."""
    signed = [f"\\+?{_counted(high)}", f"-{_counted(-low)}" if low < 0 else "-(?![0-9]{31})0+"]
    if low > 0:
        signed = [f"\\+?{_counted(high, nonzero=True)}"]
    return {"type": "integer", "minimum": low, "maximum": high}, _trimmed(*signed)


# ---- the kinds of values


def _sizes(most: int, nonzero: bool) -> list[str]:
    factors: dict[int, list[str]] = {}
    for unit, factor in _core("base.units")._SIZE_UNITS.items():
        factors.setdefault(factor, []).append(_without_case(unit))
    return [f"{_counted(most // factor, nonzero)}\\s*(?:{'|'.join(names)})" for factor, names in factors.items()]


def _durations() -> list[str]:
    units = _core("base.units")
    parts = (f"{_counted(units.INT64_MAX // size)}{unit}" for unit, size in units._DURATION_UNITS.items())
    return [f"(?:{'|'.join(parts)})+"]


_HOUR, _MINUTE = "(?:[01][0-9]|2[0-3])", "[0-5][0-9]"
_DATE = "(?:19[7-9][0-9]|[2-9][0-9]{3})-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|[12][0-9]))"
_MOMENT = f"{_DATE}(?:[Tt ]{_HOUR}:{_MINUTE}:(?:{_MINUTE}|60)(?:\\.[0-9]+)?(?:[Zz]|[+-]{_HOUR}:{_MINUTE}))?"


def definitions() -> dict[str, Schema]:
    """The schemas of the kinds of values, under `$defs`."""
    units, exact = _core("base.units"), _core("claims.kinds").LARGEST_EXACT
    low, high = units.INT64_MIN, units.INT64_MAX
    count, count_text = _integer(-1, high)
    below, text_below = _integer(1, exact)
    seconds = [f"{_counted(units.LONGEST_SPAN // size, True)}{unit}" for unit, size in _whole_seconds().items()]
    sizes = _sizes(high, False)
    return {
        "text": {"type": "string"},
        "texts": _any_of({"type": "string"}, {"type": "array", "items": {"type": "string"}}),
        "boolean": _any_of(
            {"type": "boolean"},
            {"enum": [0, 1]},
            _whole(*map(_without_case, ("yes", "true", "on", "1", "no", "false", "off", "0"))),
        ),
        "count": _any_of(count, count_text, _trimmed(_UNLIMITED), examples=[20, "unlimited"]),
        "size": _any_of(count, _trimmed(*sizes, _UNLIMITED, "-1"), examples=["10GiB", "500MB", "unlimited"]),
        "count in a scope": _any_of(
            {"const": -1}, below, text_below, _trimmed(_UNLIMITED, "-0*1"), examples=[20, "unlimited"]
        ),
        "size in a scope": _any_of(
            {"const": -1}, below, _trimmed(*_sizes(exact, True), _UNLIMITED, "-1"), examples=["1MiB", "unlimited"]
        ),
        "duration": _any_of({"const": 0}, _trimmed("0", *_durations()), examples=["90d", "12h", "1h30m", "500ms"]),
        "duration or unlimited": _any_of(
            {"const": 0}, _trimmed("0", _UNLIMITED, *_durations()), examples=["5s", "unlimited"]
        ),
        "duration in seconds": {**_trimmed(f"(?:{'|'.join(seconds)})+"), "examples": ["90d", "12h", "30m"]},
        "time": _any_of(
            {"type": "integer", "minimum": 0, "maximum": high},
            _trimmed(_counted(high), _MOMENT),
            examples=["2027-01-31T12:00:00Z", "2027-01-31"],
        ),
        "time of day": _any_of(
            {"type": "integer", "minimum": 3600, "maximum": 86399},
            _whole(f"(?:[01]?[0-9]|2[0-3]):{_MINUTE}:{_MINUTE}(?:[.,][0-9]+)?", _seconds_of_day()),
            examples=["18:00:00"],
        ),
        "export type": {"enum": ["stream", "service", 'raw("")']},
        "sampling": _any_of({"const": "headers"}, *_percentage(), examples=[10, "headers"]),
        "revocations": {
            "type": "object",
            "additionalProperties": _any_of({"const": "now"}, {"$ref": "#/$defs/time"}, {"$ref": "#/$defs/raw number"}),
            "examples": [{"dashboard": "now"}, {"*": "2027-01-31T12:00:00Z"}],
        },
        **_texts_of_nats(),
        "raw number": _raw_integer(low, high),
        "raw text": _whole(_raw_text()),
        "name": _whole(
            "(?![\\s])(?=[\\s\\S]{1,240}$)[^/\\\\\\u0000-\\u001f\\u007f-\\u00a0\\u2028\\u2029]*[^\\s/\\\\\\u0000-\\u001f]"
        )
        | {"not": {"enum": [".", ".."]}},
    }


def _whole_seconds() -> dict[str, int]:
    return {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def _seconds_of_day() -> str:
    return "(?:3[6-9][0-9]{2}|[4-9][0-9]{3}|[1-7][0-9]{4}|8[0-5][0-9]{3}|86[0-3][0-9]{2})"


def _percentage() -> tuple[Schema, Schema]:
    number, text = _integer(1, 100)
    return number, text


def _value(accepts: tuple[Any, ...]) -> Schema:
    """The schema of values of a kind."""
    word, *given = accepts
    if word == "texts" and given:
        one = {"$ref": f"#/$defs/{given[0]}"}
        return _any_of(one, {"type": "array", "items": one})
    if word == "raw":
        return _any_of(_value(tuple(given)), _raw(*given))
    if word == "integer":
        return _any_of(*_integer(*given))
    if word == "percentage":
        return _any_of(*_percentage())
    if word == "choice":
        return {"enum": given}
    return {"$ref": f"#/$defs/{word}"}


def _raw(word: str, *given: int) -> Schema:
    """Values that a token can hold and an option can express only in this notation."""
    if word in ("choice", "time of day"):
        return {"$ref": "#/$defs/raw text"}
    return _raw_integer(*given) if word == "percentage" else {"$ref": "#/$defs/raw number"}


# ---- texts that the rules of NATS constrain, as in rules/


_BLANK = "\\t\\n\\f\\r "
_TOKEN = f"[^.{_BLANK}]+"
#: A token of a subject, other than > before the end.
_SUBJECT = f"(?:(?!>\\.){_TOKEN}\\.)*{_TOKEN}"
_LITERAL = f"(?:(?![*>]\\.){_TOKEN}\\.)*(?![*>]$){_TOKEN}"
_BRACES = "\\{\\{[^}]+\\}\\}"
_UNTEMPLATED = f"(?![\\s\\S]*{_BRACES})"
_ACCOUNT, _NAMES_OF_FUNCTIONS, _TAG = map(_without_case, ("account-", "name|subject", "tag"))
_FUNCTION = f"(?:{_ACCOUNT})?(?:(?:{_NAMES_OF_FUNCTIONS})\\(\\)|{_TAG}\\([^}}]*\\))"
#: A token with functions of scopes, which may have white space.
_FILLED = f"(?:\\{{\\{{\\s*(?:{_FUNCTION})\\s*\\}}\\}}|(?!{_BRACES})[^.{_BLANK}])+"
#: A subject with at least one of them. A list with functions takes no queue groups.
_TEMPLATED = f"(?=[\\s\\S]*{_BRACES})(?:(?!>\\.){_FILLED}\\.)*{_FILLED}"
#: A function of a destination, such as {{split(1,-)}}, may have white space other than a space.
_MAPPED = f"(?:\\{{\\{{[^. ]+\\}}\\}}|{_TOKEN})"
_SCHEME = "[a-zA-Z][a-zA-Z0-9+.-]*:"
_HOST = "(?:\\[[^\\]]*\\]|[^:/?#@\\[\\]]+)"


def _texts_of_nats() -> dict[str, Schema]:
    """The schemas of texts. They leave what depends on other options and on the host, and the details of URLs, to the module."""
    types = "|".join(map(_without_case, _core("rules.access").CONNECTION_TYPES))
    number = f"(?:\\+?{_counted(_core('base.units').INT64_MAX)}|-(?![0-9]{{31}})0+)"
    spaces = r"\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
    token = f"[^.{spaces}]+"
    subject = f"(?:(?!>\\.){token}\\.)*{token}"
    queue = f"(?! |[\\s\\S]* $|[^ ]* [^ ]* )[{spaces}]*{subject}(?:[{spaces}]+{subject})?[{spaces}]*"
    return {
        "subject": {**_whole(_SUBJECT), "examples": ["orders.new", "orders.*", "orders.>"]},
        "subject in a scope": {**_whole(_TEMPLATED, _UNTEMPLATED + _SUBJECT), "examples": ["orders.{{name()}}.>"]},
        "subscription": {**_whole(queue), "examples": ["orders.>", "orders.* workers"]},
        "subscription in a scope": {
            **_whole(_TEMPLATED, _UNTEMPLATED + queue),
            "examples": ["{{tag(team)}}.>", "orders.> workers"],
        },
        "exported subject": _whole(f"{_TOKEN}(?:\\.{_TOKEN})*"),
        "local subject": _whole("(?:[^. ]+(?:\\.[^. ]+)*)?"),
        "subject to map to": _whole(f"(?:(?![*>]\\.){_MAPPED}\\.)*(?!\\*$){_MAPPED}"),
        "subject without wildcards": _whole(_LITERAL),
        "network": {**_whole(_network()), "examples": ["10.0.0.0/8", "2001:db8::/32"]},
        "connection types": _any_of(
            _whole(types),
            {"type": "array", "maxItems": 0},
            {**_TEXTS, "contains": _whole(types)},
            examples=["WEBSOCKET"],
        ),
        "text up to 8 KiB": {"type": "string", "maxLength": 8192},
        "URL of a page": _whole(f"(?:{_SCHEME}//(?:[^/?#]*@)?{_HOST}(?::[0-9]*)?(?:[/?#][\\s\\S]*)?)?"),
        "URL of an account server": _whole(f"(?:{_SCHEME}[\\s\\S]*)?"),
        "URL of NATS": _whole(
            f"(?:(?:{'|'.join(map(_without_case, ('nats', 'tls', 'ws', 'wss')))}):(?://[^/?#@]*|[^/?#][^?#]*)?(?:[?#][\\s\\S]*)?)?"
        ),
        "version of nats-server": {**_whole(f"(?:{number}\\.{number}\\.{number})?"), "examples": ["2.10.0"]},
        "curve key": _whole("(?:X[A-Z2-7]{55})?"),
        "tier": {"type": "string", "minLength": 1},
    }


def _network() -> str:
    """A pattern for an address and the length of a prefix."""
    byte, group = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])", "[0-9a-fA-F]{1,4}"
    address = f"{byte}(?:\\.{byte}){{3}}"
    last = f"(?:{group}:{group}|{address})"
    whole = f"(?:{group}:){{6}}{last}"
    shortened = []
    for before in range(8):  # groups before the two colons, which stand for one group or more
        begin = f"(?:{group}:){{{before - 1}}}{group}::" if before else "::"
        rest = [""]
        if before <= 6:
            rest.append(f"(?:{group}:){{0,{6 - before}}}{group}")
        if before <= 5:
            rest.append(f"(?:{group}:){{0,{5 - before}}}{address}")
        shortened.append(f"{begin}(?:{'|'.join(rest)})")
    return f"{address}/0*{_up_to(32)}|(?:{'|'.join([whole, *shortened])})/0*{_up_to(128)}"


# ---- claims


_MARKUP = re.compile(r"\b(?:RV|RO|[VCOMPEBIL])\(((?:\\.|[^\\)])*)\)")


def _plain(lines: Any) -> str:
    """Documentation without Ansible's markup."""
    text = " ".join([lines] if isinstance(lines, str) else lines)
    return _MARKUP.sub(lambda found: f"`{found[1].replace(chr(92), '').partition('#')[0]}`", text)


def _or_null(schema: Schema) -> Schema:
    if "anyOf" in schema:
        return {**schema, "anyOf": [*schema["anyOf"], {"type": "null"}]}
    if isinstance(schema.get("type"), str):
        return {**schema, "type": [schema["type"], "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def claims_schema(cls: type) -> Schema:
    """The schema of the options of a declared object."""
    options = _core("claims.options")
    properties, required = {}, []
    for name, (field, _holders) in options._options_by_name(cls).items():
        properties[name] = _field(field)
        if field.required:
            required.append(name)
    return _object(properties, required)


def _object(properties: dict[str, Schema], required: list[str]) -> Schema:
    schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**schema, "required": required} if required else schema


#: What stands for a kind of value within a field: the same dataclass declares what a user may publish and subscribe to, and a scope has templates.
_KINDS_WITHIN = {
    "subscribe": {"subject": "subscription"},
    "template": {word: f"{word} in a scope" for word in ("subject", "subscription")},
}


def _field(field: Any) -> Schema:
    kind = field.kind
    default = _core("claims.options")._told_default(field)
    schema = _with_kinds(_of_kind(kind), _KINDS_WITHIN.get(field.attribute, {}))
    told = {"description": _plain(field.help), **({"default": default} if default is not None else {})}
    return {**told, **(schema if field.required else _or_null(schema))}


def _of_kind(kind: Any) -> Schema:
    if kind.of is None:
        return _value(kind.accepts)
    inner = claims_schema(kind.of)
    if kind.shape == "list":
        return {"type": "array", "items": inner}
    if kind.shape in ("map", "lists"):
        items = inner if kind.shape == "map" else {"type": "array", "items": inner}
        return {"type": "object", "propertyNames": _value(kind.accepts), "additionalProperties": items}
    return inner


def _with_kinds(schema: Any, kinds: dict[str, str]) -> Any:
    """The same schema with other kinds of values."""
    if isinstance(schema, list):
        return [_with_kinds(one, kinds) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        word = schema["$ref"].rpartition("/")[2]
        return {**schema, "$ref": f"#/$defs/{kinds.get(word, word)}"}
    return {word: _with_kinds(one, kinds) for word, one in schema.items()}


# ---- the words of the document itself


def _told(description: str, schema: Schema, **more: Any) -> Schema:
    return {"description": description, **more, **_or_null(schema)}


_NAMES = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}


def _public_key(letter: str) -> Schema:
    return _told(
        "The public key, for a key whose seed is elsewhere.",
        _whole(f"\\s*(?:{letter}[A-Z2-7]{{55}})?\\s*"),
    )


def _policy() -> dict[str, Schema]:
    seconds = {"$ref": "#/$defs/duration in seconds"}
    return {
        "audience": _told("Intended audience of the JWT.", {"type": "string"}),
        "not_before": _told("When the JWT starts to be valid.", _value(("raw", "time"))),
        "expires_in": _told(
            "How long a JWT is valid after it is issued, such as `90d`. Cannot be combined with `expires_at`.", seconds
        ),
        "expires_at": _told("When the JWT expires.", {"$ref": "#/$defs/time"}),
        "renew_before": _told("How long before it expires a JWT is renewed, such as `14d`.", seconds),
        "renew_spread": _told("Spread renewals over this time, depending on the public key.", seconds),
    }


def _given(word: str) -> Schema:
    """Whether an object has an option with a value."""
    return {"type": "object", "required": [word], "properties": {word: {"not": {"type": "null"}}}}


#: Which options of an expiry can be combined.
_EXPIRY: Schema = {
    "allOf": [
        {"not": {"allOf": [_given("expires_in"), _given("expires_at")]}},
        {"if": _given("renew_before"), "then": _given("expires_in")},
        {"if": _given("renew_spread"), "then": _given("renew_before")},
    ]
}


def _state(*states: str) -> Schema:
    told = {
        "present": "creates and reconciles it",
        "absent": "removes it",
        "existing": "uses it unchanged",
    }
    meaning = ", ".join(f"`{state}` {told[state]}" for state in states)
    return _told(f"{meaning}.", {"enum": list(states)}, default="present")


def _renamed_from() -> Schema:
    return _told("The previous name. The entity keeps its key.", {"anyOf": [{"const": ""}, {"$ref": "#/$defs/name"}]})


def _signing_keys(letter: str, rest: dict[str, Schema]) -> Schema:
    # A public key belongs in `public_key`.
    like_a_key = {"pattern": "^[OAUNCXSP][A-Z0-9]{49,}$"}
    named = {"type": "string", "minLength": 1, "not": like_a_key}
    role = _told("The role under which the key is created and kept.", {"type": "string", "not": like_a_key})
    item = _object({"role": role, "public_key": _public_key(letter), **rest}, [])
    item["anyOf"] = [
        {"properties": {"role": {"type": "string", "minLength": 1}}, "required": ["role"]},
        {"properties": {"public_key": {"type": "string", "pattern": "\\S"}}, "required": ["public_key"]},
    ]
    description = "Keys that sign on behalf of the identity key: role names, or dictionaries."
    items = {"anyOf": [named, item]}
    return _told(description, {"type": "array", "uniqueItems": True, "items": items})


def _operator() -> Schema:
    claims = claims_schema(_core("claims").Operator)["properties"]
    properties = {
        "name": {"description": "The name.", "$ref": "#/$defs/name"},
        "public_key": _public_key("O"),
        "state": _state("present", "existing"),
        **claims,
        **_policy(),
        "signing_keys": _signing_keys("O", {}),
        "system_account": _told(
            "The name of an account of the document, or a public key of one from elsewhere.", {"type": "string"}
        ),
        "remove_signing_keys": _told("Roles or public keys of signing keys to remove.", _NAMES),
    }
    return _with_existing(properties, ("name", "public_key", "state"))


def _account() -> Schema:
    core = _core("claims")
    claims = claims_schema(core.Account)["properties"]
    key = claims_schema(core.SigningKey)["properties"]
    activation = _object(
        {word: schema for word, schema in _policy().items() if word.startswith(("expires", "renew"))}, []
    )
    activation |= _EXPIRY
    account = "The name of an account of the document, or the public key of one from elsewhere."
    item = claims["imports"]["items"]["properties"]
    item["account"] = {**item["account"], "description": f"The exporting account. {account}"}
    item["activation"] = _told("When the activation token of a private export expires and is renewed.", activation)
    callout = claims["authorization"]["properties"]
    callout["auth_users"]["description"] = (
        "Names of users of the account, or public keys, of the service itself, which connect without being authorized by it."
    )
    callout["allowed_accounts"]["description"] = (
        "Names of accounts of the document, or public keys, that the service may put users into, or `*` for all."
    )
    for revocations, word, whose in (
        (claims["revocations"], "user", "of users of the account"),
        (claims["exports"]["items"]["properties"]["revocations"], "account", "of accounts of the document"),
    ):
        told = revocations["description"]
        revocations["description"] = told.replace(f"Public {word} keys", f"Names {whose}, or public keys")
    curve_key = claims["authorization"]["properties"]["xkey"]
    role = _object({"role": {"description": "The role of the curve key.", "type": "string", "minLength": 1}}, ["role"])
    curve_key["description"] += " `{role: NAME}` for one that is created and kept under this role."
    curve_key["anyOf"].append(role)
    properties = {
        "name": {"description": "The name.", "$ref": "#/$defs/name"},
        "public_key": _public_key("A"),
        "state": _state("present", "absent", "existing"),
        "renamed_from": _renamed_from(),
        "signing_key_role": _told(
            "The role of the operator's key that signs the account. Defaults to the one that signed it last, or the first one.",
            {"type": "string"},
        ),
        "users": _told("The users.", {"type": "array", "items": _user()}),
        **claims,
        **_policy(),
        "signing_keys": _signing_keys("A", {word: key[word] for word in ("template", "description")}),
        "remove_signing_keys": _told("Roles or public keys of signing keys to remove.", _NAMES),
        "remove_revocations": _told("Names of users or public keys whose revocations to remove.", _NAMES),
    }
    return _with_existing(properties, ("name", "public_key", "state", "users"))


def _user() -> Schema:
    properties = {
        "name": {"description": "The name.", "$ref": "#/$defs/name"},
        "public_key": _public_key("U"),
        "state": _state("present", "absent"),
        "renamed_from": _renamed_from(),
        "signing_key_role": _told(
            "The role of the account's key that signs the user, also of a scoped one. Defaults to an unscoped one, or the account's own key.",
            {"type": "string"},
        ),
        "creds": _told("Make a creds file.", {"type": "boolean"}, default=True),
        **claims_schema(_core("claims").User)["properties"],
        **_policy(),
    }
    return _object(properties, ["name"]) | _EXPIRY


def _with_existing(properties: dict[str, Schema], kept: tuple[str, ...]) -> Schema:
    """An entity with state existing is used unchanged, so it has no options of its own."""
    nothing = {word: {"type": "null"} for word in properties if word not in kept}
    existing = {"properties": {"state": {"const": "existing"}}, "required": ["state"]}
    return {**_object(properties, ["name"]), "if": existing, "then": {"properties": nothing}, **_EXPIRY}


def schema() -> Schema:
    """The whole schema."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Document of natsops.security.nats_store",
        "description": "An operator, its accounts and their users.",
        "type": "object",
        "properties": {
            "operator": {"description": "The operator.", **_operator()},
            "accounts": _told("The accounts.", {"type": "array", "items": _account()}),
        },
        "required": ["operator"],
        "additionalProperties": False,
        "$defs": definitions(),
    }


# ---- the variables of the roles


#: A text that Ansible makes something else of, which may be of any type.
_TEMPLATE: Schema = {"type": "string", "pattern": "\\{[{%]"}
_ABOUT = ("description", "default", "examples")


def _or_template(schema: Schema) -> Schema:
    """The same schema, at any depth, or a template."""
    inner = _with_templates(schema)
    if not inner or set(inner) <= {"$ref", *_ABOUT}:  # what it refers to takes a template already
        return inner
    if "string" in inner.get("type", ()) and not {"pattern", "not"} & set(inner):  # any text will do
        return inner
    about = {word: inner.pop(word) for word in _ABOUT if word in inner}
    kinds = inner["anyOf"] if set(inner) == {"anyOf"} else [inner]
    return {**about, "anyOf": [*kinds, {"$ref": "#/$defs/template"}]}


def _with_templates(schema: Schema) -> Schema:
    """The same schema, with templates allowed in its properties and items. `if` and `then` are not changed."""
    found = dict(schema)
    if "properties" in found:
        found["properties"] = {word: _or_template(inner) for word, inner in found["properties"].items()}
    for word in ("items", "additionalProperties"):
        if isinstance(found.get(word), dict):
            found[word] = _or_template(found[word])
    if "anyOf" in found and "properties" not in found:
        found["anyOf"] = [_with_templates(inner) for inner in found["anyOf"]]
    return found


def _variable(option: dict[str, Any], path: str) -> Schema:
    """The schema of an option of a role's argument specs: the values that Ansible accepts for its type, and of these what the modules accept."""
    kind = option.get("type", "str")
    options = _found(_options_of_modules(), path) or option.get("options") or option.get("suboptions")
    schema: Schema = {
        "bool": {"$ref": "#/$defs/boolean"},
        "int": {"anyOf": [{"type": "integer"}, _trimmed("[+-]?[0-9]+")]},
        "dict": {"type": "object"},
        "list": {"type": "array"},
        "raw": {},
    }.get(kind, {"type": ["string", "number"]})
    if "choices" in option and kind in ("str", "int"):
        schema = {"enum": [*option["choices"], *(map(str, option["choices"]) if kind == "int" else ())]}
    if kind == "list":
        item = {"type": option.get("elements", "str"), "default": None, "description": "", "options": options}
        schema["items"] = _variable({**option, **item}, path + "[]")
        if "choices" in option:
            schema["items"] = {"enum": option["choices"]}
    elif options:
        inner = {name: _variable(one, f"{path}.{name}") for name, one in options.items()}
        schema = _object(inner, [name for name, one in options.items() if one.get("required")])
    schema = _found(_kinds_of_variables(), path) or schema
    told = {"description": _plain(option["description"])} if option.get("description") else {}
    if option.get("default") is not None:
        told["default"] = option["default"]
    # Ansible takes null for an omitted option only if that has neither a default nor choices.
    is_omitted = not option.get("required") and option.get("default") is None and "choices" not in option
    return {**told, **(_or_null(schema) if is_omitted else schema)}


def _found(table: dict[str, Any], path: str) -> Any:
    """What a table with patterns of paths has for a path, or None."""
    return next((found for pattern, found in table.items() if re.fullmatch(pattern, path)), None)


@functools.cache
def _options_of_modules() -> dict[str, dict[str, Any]]:
    """The options of dictionaries that a role passes to a module, by patterns of the variables' paths."""
    modules = "ansible_collections.natsops.security.plugins.modules."
    store, server = (
        yaml.safe_load(importlib.import_module(f"{modules}{name}").DOCUMENTATION)["options"]
        for name in ("nats_store", "nats_server_config")
    )
    return {
        r"\w+_signers": _core("tasks.signer_options").signers_spec()["signers"]["options"],
        r"operator_cluster": _core("tasks.running").running_spec()["cluster"]["options"],
        r"operator_rotations": store["rotations"]["suboptions"],
        **{f"server_{name}": server[name]["suboptions"] for name in ("resolver", "cluster", "monitoring")},
    }


@functools.cache
def _kinds_of_variables() -> dict[str, Schema]:
    """The schemas of variables that are only texts, numbers or dictionaries in their argument specs, by patterns of their paths."""
    blocks = ("tls", "resolver_tls", "gateway", "leafnodes", "websocket", "mqtt", "jetstream")
    modes = {"enum": [mode for mode in range(0o1000) if not mode & 0o133]}
    return {
        r"\w+_(?:lock|connect)_timeout|(?:rebuild|report|resolver)_timeout|\w+_signers\[\]\.timeout": _DURATION,
        r"server_lame_duck_\w+|server_resolver\.(?:interval|timeout|ttl)": _DURATION_OF_GO,
        r"server_cluster\.(?:ping_interval|write_deadline)": _DURATION_OF_GO,
        r"server_port|server_(?:cluster|monitoring)\.port": _any_of(*_integer(-1, 65535)),
        r"server_cluster\.tls": _settings("tls"),
        **{f"server_{block}": _settings(block) for block in blocks},
        r"credentials_users\[\]\.claims": _object(
            {**claims_schema(_core("claims").User)["properties"], **_policy()}, []
        ),
        r"credentials_users\[\]\.mode": _any_of(modes, _whole("(?:0[oO])?0*(?:[0246][04][04]|[04]?[04])")),
    }


# ---- the settings of nats-server

_DURATION: Schema = {"$ref": "#/$defs/duration"}
_DURATION_OF_GO: Schema = {"$ref": "#/$defs/duration of nats-server"}
_TEXT: Schema = {"type": "string"}
_TEXTS: Schema = {"type": "array", "items": _TEXT}
_NUMBER = "-?[0-9]{1,19}"


def _go_duration() -> Schema:
    part = _core("base.go_syntax").DURATION_PART.pattern.replace("(", "(?:")
    return _any_of({"const": 0}, _whole(f"[-+]?(?:0|(?:{part})+)"), examples=["30s", "1h30m"])


def _kinds_of_settings() -> dict[str, Schema]:
    words = _whole(*map(_without_case, _core("server.settings").WRITTEN_FLAGS))
    whole = _any_of({"type": "integer"}, _whole(_NUMBER))
    duration = _any_of({"type": "integer"}, _DURATION_OF_GO)
    size = ("[+-]?[0-9]{1,18}[KMGT]", "", "[0-9]{1,12} ?[kKmMgGtT][iI][bB]")
    return {
        "any": {},
        "text": _TEXT,
        "texts": _any_of(_TEXT, _TEXTS),
        "flag": _any_of({"type": "boolean"}, words),
        "whole": whole,
        "port": _any_of({"type": "integer", "maximum": 65535}, _whole("-1", f"0{{0,14}}{_up_to(65535)}")),
        "duration": duration,
        "exact duration": duration,
        "seconds": _any_of({"type": "number"}, _whole(_NUMBER), _DURATION_OF_GO),
        "size": _any_of({"type": "integer"}, _whole(_NUMBER, *size)),
        "policy": _whole(*map(_without_case, _core("server.settings").SLOW_WRITE_POLICIES)),
        "url": _TEXT,
        "urls": _TEXTS,
        "url or urls": _any_of(_TEXT, _TEXTS),
    }


def _settings(block: str) -> Schema:
    """The schema of a block of nats-server's configuration. Blocks that have the same settings at every place are under `$defs`."""
    shared = block.rpartition(".")[2]
    if block not in _core("server.settings").BLOCKS and shared in _core("server.settings").SHARED_BLOCKS:
        return {"$ref": f"#/$defs/block {shared}"}
    return _block(block)


def _block(block: str) -> Schema:
    """The names of settings that the server knows in a block, with the kinds of their values."""
    settings = _core("server.settings")
    kinds = settings.kinds_of(block)
    if kinds is None:
        return {"type": "object"}
    simple, found = _kinds_of_settings(), dict[str, Schema]()
    for name, kind in kinds.items():
        inner = settings.place_of(name, block)
        if kind == "map":
            found[name] = _or_null(_settings(inner))
        elif kind == "maps":
            found[name] = _or_null({"type": "array", "items": _settings(inner + "[]")})
        else:
            schema = simple["port" if name == "port" else kind]
            found[name] = _or_null(schema) if schema else schema
    return _object(found, [])


def variables_schema() -> Schema:
    """The schema of a file of variables, which may also have other variables."""
    document = schema()
    definition = {word: document[word] for word in ("type", "properties", "required", "additionalProperties")}
    variables: dict[str, Schema] = {}
    for name, option in role_variables():
        found = _variable(option, name)
        if name.endswith("_definition"):
            found = {"description": found["description"], **_or_null({"anyOf": [definition]})}
        variables[name] = _or_template(found)
    blocks = {f"block {name}": _block(name) for name in _core("server.settings").SHARED_BLOCKS}
    kinds = {**document["$defs"], "duration of nats-server": _go_duration(), **blocks}
    return {
        "$schema": document["$schema"],
        "title": "Variables of the roles of natsops.security",
        "description": "A file of variables, of a group or of a host.",
        "type": ["object", "null"],
        "properties": variables,
        "$defs": {**{name: _or_template(kind) for name, kind in kinds.items()}, "template": _TEMPLATE},
    }


def role_variables() -> Iterator[tuple[str, dict[str, Any]]]:
    """The variables of all roles, each once, with its argument spec."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted((ROOT / "roles").glob("*/meta/argument_specs.yml")):
        for entry in yaml.safe_load(path.read_text())["argument_specs"].values():
            for name, option in (entry.get("options") or {}).items():
                found.setdefault(name, option)
    yield from found.items()


# ---- the page


def _objects(path: str, schema: Schema) -> Iterator[tuple[str, Schema]]:
    """The dictionaries of the document, each with its path."""
    if "properties" in schema:
        yield path, schema
        for word, inner in schema["properties"].items():
            yield from _objects(f"{path}.{word}" if path else word, inner)
    for inner in schema.get("anyOf", ()) if "properties" not in schema else ():
        yield from _objects(path, inner)
    if isinstance(schema.get("items"), dict):
        yield from _objects(path + "[]", schema["items"])
    if isinstance(schema.get("additionalProperties"), dict):
        yield from _objects(path + ".NAME", schema["additionalProperties"])


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"] if not str(value).startswith("raw("))
    kinds = schema.get("type")
    kind = kinds[0] if isinstance(kinds, list) else kinds
    if kind is not None:
        inner = schema.get("items") or schema.get("additionalProperties") or {}
        of = _type(inner) if isinstance(inner, dict) and inner else ""
        words = {"array": "list", "object": "dictionary", "string": "text"}
        return words.get(kind, kind) + (f" of {of}" if of and of != "dictionary" else "")
    parts = [inner for inner in schema.get("anyOf", ()) if inner.get("type") != "null" and "raw" not in str(inner)]
    found = [_type(inner) for inner in parts]
    if len(found) == 2 and found[1] == f"list of {found[0]}":
        return f"{found[0]} or list"
    return " or ".join(dict.fromkeys(filter(None, found[:1] if "integer" in found else found)))


_HEAD = """\
<!-- Made by `make schema`. -->

# The document of `nats_store`

This page describes the document of [`nats_store`](../README.md#a-whole-operator-from-one-document) and of the variable `operator_definition` of the role
`operator`. The JSON Schema of the document is [schemas/document.schema.json](../schemas/document.schema.json). An editor with the YAML language server checks
and completes a document that begins with

```yaml
# yaml-language-server: $schema=https://raw.githubusercontent.com/natsops/security/main/schemas/document.schema.json
```

The address may also be a path, relative to the document, such as that of the file in an installed collection. Files of variables, such as
`group_vars/nats.yml`, have [schemas/variables.schema.json](../schemas/variables.schema.json), with the variables of all roles, `operator_definition` among
them. Any value in them may be a template. Configure the tags of Ansible in the editor: `"yaml.customTags": ["!unsafe", "!vault"]`.

The schema validates each option by itself, and which times of an expiry belong together. `nats_store` in check mode also validates what depends on other
options, such as names of accounts and exports that an import needs. Options that are omitted or `null` have their defaults.

## Values

| kind | examples |
| --- | --- |"""


def page() -> str:
    """The reference page."""
    whole = schema()
    lines = [_HEAD]
    for word, one in whole["$defs"].items():
        if "examples" in one:
            lines.append(f"| {word} | {', '.join(f'`{json.dumps(value)}`' for value in one['examples'])} |")
    for path, one in _objects("", whole):
        heading = f"`{path}`" if path else "The whole"
        lines += ["", f"## {heading}", "", "| key | value | default | meaning |", "| --- | --- | --- | --- |"]
        lines += [_row(word, inner, word in one.get("required", ())) for word, inner in one["properties"].items()]
    return "\n".join(lines) + "\n"


def _row(word: str, inner: Schema, is_required: bool) -> str:
    default = "required" if is_required else f"`{json.dumps(inner['default'])}`" if "default" in inner else ""
    meaning = inner.get("description", "").replace("|", "\\|")
    return f"| `{word}` | {_type(inner)} | {default} | {meaning} |"


def texts() -> dict[pathlib.Path, str]:
    """The files with their contents."""
    schemas = {SCHEMA: schema(), VARIABLES: variables_schema()}
    return {path: json.dumps(one, indent=1, ensure_ascii=False) + "\n" for path, one in schemas.items()} | {
        PAGE: page()
    }


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "tests"))
    importlib.import_module("checkout").make_importable()
    for _path, _text in texts().items():
        _path.write_text(_text)
