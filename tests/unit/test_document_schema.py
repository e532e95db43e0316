# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""For each option, the JSON Schema of the document accepts exactly the values that the module accepts."""

from __future__ import annotations

import itertools
import json
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from support.planning import planned
from support.schemas import make, named_schema

from ansible_collections.natsops.security.plugins.module_utils.claims import Account, Operator, SigningKey, User
from ansible_collections.natsops.security.plugins.module_utils.claims.kinds import Kind
from ansible_collections.natsops.security.plugins.module_utils.claims.options import Problem, read_options, shown_fields
from ansible_collections.natsops.security.plugins.module_utils.reconcile import wanted_claims
from ansible_collections.natsops.security.plugins.module_utils.store.document import (
    ACCOUNT_WORDS,
    OPERATOR_WORDS,
    SIGNING_KEY_WORDS,
    USER_WORDS,
    read_document,
)

ROOT = pathlib.Path(__file__).resolve().parents[2]
NOW = 1_800_000_000

SCHEMA = json.loads(make.SCHEMA.read_text())


def validator(part: Any) -> Draft202012Validator:
    return Draft202012Validator({"$defs": SCHEMA["$defs"], **part})


WHOLE = validator(SCHEMA)


# ---- values that the module accepts


def problems_of(document: Any) -> list[Problem]:
    """Return the problems of each option of a document on its own, without NATS's rules and without references to other entities."""
    wanted, problems = read_document(document)
    if wanted.operator is not None:
        _read(Operator, wanted.operator.options, problems)
    for account in wanted.accounts:
        options = dict(account.options)
        imports = options.get("imports")
        if isinstance(imports, list):
            options["imports"] = [
                {word: value for word, value in item.items() if word != "activation"}
                if isinstance(item, dict)
                else item
                for item in imports
            ]
        problems += wanted_claims.activation_problems(account, NOW)
        _read(Account, options, problems)
        for key in account.signing_keys:
            read_options(SigningKey, key.options, "", problems)
        for user in account.users:
            _read(User, user.options, problems)
    return [problem for problem in problems if not _is_a_rule(problem)]


def _is_a_rule(problem: Problem) -> bool:
    """Return whether a problem is about several options, a reference to another entity, a checksum, or a time too far in the future."""
    about_others = ("there is no account", "292 years from now", "has to be shorter than", "have to be shorter than")
    about_keys = ("checksum", "small order")
    return any(words in problem.message for words in (*about_others, *about_keys))


def _read(cls: type, options: dict[str, Any], problems: list[Problem]) -> None:
    read_options(cls, wanted_claims._claim_options(options), "", problems)
    wanted_claims._envelope(options, "", "", "", problems)
    wanted_claims.policy(options, "", problems, NOW)


# ---- every option with every kind of value

NEEDED = {
    "operator": {"name": "ACME"},
    "name": "A",
    "type": "stream",
    "account": "B",
    "start": "18:00:00",
    "end": "19:00:00",
}


def leaves(schema: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the path and the subschema of every option of the document."""
    for word, inner in schema.get("properties", {}).items():
        yield (*path, word), inner
        yield from leaves(inner, (*path, word))
    for inner in schema.get("anyOf", ()) if "properties" not in schema else ():
        yield from leaves(inner, path)
    for word, step in (("items", "[]"), ("additionalProperties", "{}")):
        if isinstance(schema.get(word), dict):
            yield from leaves(schema[word], (*path, step))


def with_value(schema: Any, path: tuple[str, ...], value: Any) -> Any:
    """Return the smallest document, or part of a document, with a value at a path."""
    if not path:
        return value
    step, rest = path[0], path[1:]
    if step == "[]":
        return [with_value(schema["items"], rest, value)]
    if step == "{}":
        return {"x": with_value(schema["additionalProperties"], rest, value)}
    holder = schema if "properties" in schema else next(one for one in schema["anyOf"] if "properties" in one)
    found = {word: NEEDED.get(word, "a") for word in holder.get("required", ())}
    if "role" in holder["properties"]:
        found["role"] = "a"
    found[step] = with_value(holder["properties"][step], rest, value)
    return found


VALUES: list[Any] = [
    *(None, True, False, 1.5, 0, 1, -1, -2, 5, 100, 101, 255, 256, 3599, 3600, 86399, 86400),
    *(2**53 - 1, 2**53, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64 - 1, 2**64),
    *(
        "",
        "x",
        "a/b",
        "..",
        " a",
        "a b",
        "\u00e9",
        "0",
        "-0",
        "1",
        "-1",
        "-2",
        "+5",
        "007",
        "0" * 31 + "1",
        " 5 ",
        "5 5",
        "1_000",
    ),
    *("yes", "No", "TRUE", "oN", "maybe", "unlimited", "Unlimited", " unlimited ", "-unlimited"),
    *("10GiB", "10 gib", "10XB", "GiB", "-1GiB", "0b", "9223372036854775807", "9223372036854775808", "8388607TiB"),
    *(
        "8388608TiB",
        "9007199254740991",
        "9007199254740992",
        "9007199254740KB",
        "9007199254741KB",
        "18446744073709551616",
    ),
    *("90d", "1h30m", "1.5h", "500ms", "0s", "0", "00", "10", "106751d", "106752d", "-1d", "1d ", "1 d"),
    *(
        "now",
        "2027-01-31",
        "2027-01-31T12:00:00Z",
        "2027-01-31T12:00:00+01:00",
        "2027-01-31T12:00:00+24:00",
        "2027-01-31T12:00:00-23:59",
        "2027-01-31T12:00:00",
        "2027-13-01",
    ),
    *("1969-12-31", "2027-01-31 12:00:00z", "12-01-2027", "18:00:00", "64800", "3599", "86399", "86400"),
    *("stream", "Stream", "service", "Singleton", "Chunked", "owner", "headers", "present", "absent", "existing"),
    *("raw(-5)", 'raw("x")', 'raw("")', "raw(null)", "raw(x)", "raw(1.5)", "raw()", "raw(300)", "raw( 7 )", "raw(-0)"),
    *("A" * 56, "OBXRLALQTO33D3YDBUQQ3MMOHMF2DR3W7OTF3DG2VUCUCUKC2GE7R7EL", "a" * 241),
    *(
        [],
        ["a"],
        ["a", "a"],
        [1],
        [None],
        [True],
        [{}],
        [[]],
        {},
        {"a": 1},
        {"a": "now"},
        {"a": {}},
        {"a": []},
        {"a": "x"},
    ),
    *({"a": None}, {"no_such_option": 1}, [{"name": "X"}], [{"no_such_option": 1}], {"a": [{"subject": "a"}]}),
]
LEAVES = dict(leaves(SCHEMA))


# ---- texts that the rules of NATS constrain

TEXTS = [
    *("", "a", "A", "a.b", "a b", " a", "a ", ".a", "a.", "a..b", ".", "a b c", "a  b", "a.b c.d", "a .b", "a b."),
    *("a.>", "a.*", ">", "*", "*.a", "a.>.b", "a*", "a>", ">a.b", "$1", "a.$1", "a.$2", "a.$0", "\u00e9.b", "a\u00a0b"),
    *("a\tb", "a\nb", "\ta", "a.\tb", "a\u0000b", "a\tb c", "a b\tc", "a.{{wildcard(1)}}", "{{partition(10,1)}}"),
    *("{{nope(1)}}", "{{", "a.{{name()}}", "{{NAME()}}", "{{tag(a.b)}}", "{{Tag(a)}}.>", "{{account-tag(a)}} b"),
    *("{{name}}", "{{{name()}}", "{{name()}}.{{nope()}}", "{{a}b{{name()}}", "{{ name() }}", "{{}}", "{{tag()}}"),
    *("STANDARD", "standard", "HTTP", "LEAFNODE_WS", "mqtt_ws", "IN_PROCESS"),
    *("10.0.0.0/8", "10.0.0.1", "300.1.1.1/8", "10.0.0.0/33", "10.0.0.0/08", "10.0.0.0/-1", "10.0.0.0/ 8", "1.2.3/8"),
    *("01.2.3.4/8", "::/0", "::1/129", "::1/128", "2001:db8::/32", "2001:DB8:0:0:0:0:0:1/64", "fe80::1%eth0/64"),
    *("::ffff:1.2.3.4/96", "::ffff:1.2.3.400/96", "1:2:3:4:5:6:1.2.3.4/96", "1:2:3:4:5:6:7:1.2.3.4/96", "1::1.2.3.4/9"),
    *(
        "::1:2:3:4:5:6:7:8/10",
        "1:2:3:4:5:6:7::/10",
        "1:2:3:4:5:6:7:8::/9",
        "::2:3:4:5:6:7:8/9",
        "1::2::3/4",
        "12345::/5",
    ),
    *(":1::/8", "1:::2/8", "1:2/8", "1.2.3.4::/8"),
    *("Europe/Prague", "UTC", "../x", "/UTC", "a\\b"),
    *(
        "https://example.com",
        "https://u:p@example.com/x?y#z",
        "https://example.com:8443",
        "http://",
        "http:",
        "example.com",
    ),
    *("//example.com", "https:///x", "https://[::1]/x", "1http://a", "mailto:a@example.com"),
    *(
        "nats://h:4222",
        "tls://u@h",
        "tls://h/",
        "NATS://h",
        "nats://h?x=1",
        "nats://[::1]:4222",
        "ws://h",
        "wss://a",
        "nats:h",
    ),
    *("nats:", "nats:/h", "nats://", "http://h:4222", "nats://h#f", "nats://h?x=u@h"),
    *(
        "2.10.0",
        "2.10",
        "v2.10.0",
        "2.10.0-beta",
        "2.-1.0",
        "2.-0.0",
        "2.+1.0",
        "2.x.0",
        "02.1.1",
        "2.10.9223372036854775808",
    ),
    *("x" * 8192, "x" * 8193, "{role: callout}"),
]
#: What JSON Schema does not express: it depends on other options, or it is about what a destination refers to.
ABOUT_OTHERS = (
    *("is itself exported", "refers to ", "have to end in >", "is not a function that servers know"),
    *("between its parentheses", "expected a number", "finds no tag", "checksum"),
)


def _references(schema: Any) -> Iterator[str]:
    """Yield the kinds of a value, without those within an object."""
    if isinstance(schema, list):
        for one in schema:
            yield from _references(one)
    elif isinstance(schema, dict) and "properties" not in schema:
        yield from (schema[word].rpartition("/")[2] for word in ("$ref",) if word in schema)
        for word in ("anyOf", "items", "propertyNames"):
            yield from _references(schema.get(word))


#: The options that take such a text, a list of them, or a dictionary with them as keys, with the kind of the text.
TEXT_LEAVES = {
    path: kind for path, part in LEAVES.items() for kind in _references(part) if kind in make._texts_of_nats()
}


CURVE_KEY = ("accounts", "[]", "authorization", "xkey", "role")


def refusals(path: tuple[str, ...], value: Any, folder: pathlib.Path) -> tuple[Any, list[str]]:
    """Return a document with a value at a path, and the problems for which `nats_store` refuses it that JSON Schema can express."""
    document = with_value(SCHEMA, path, value)
    if "imports" in path:
        document["accounts"].append({"name": "B", "exports": [{"subject": ">", "type": "stream"}]})
    if "latency" in path:
        document["accounts"][0]["exports"][0]["type"] = "service"
    found = planned(document, folder)[1]
    return document, [problem for problem in found if not any(words in problem for words in ABOUT_OTHERS)]


def with_text(path: tuple[str, ...], text: str) -> Any:
    if "propertyNames" not in LEAVES[path]:
        return text
    return {text: {} if path[-1] == "jetstream_tiers" else []}


#: The first option of each kind. All others get only those texts that distinguish the kinds.
FIRST = {kind: path for path, kind in reversed(TEXT_LEAVES.items())}
DISTINCT = (
    *(
        "",
        "a b",
        "a b c",
        "a..b",
        "a.>.b",
        "a.*",
        "a\tb",
        "{{nope(1)}}",
        "{{account-tag(a)}} b",
        "STANDARD",
        "10.0.0.0/8",
    ),
    *("1.2.3/8", "https://example.com", "nats://h:4222", "nats://u@h", "2.10.0", "2.10", "x" * 8193),
)


@pytest.mark.parametrize("path", [*TEXT_LEAVES, CURVE_KEY], ids=".".join)
def test_the_schema_accepts_the_texts_that_the_module_accepts(path: tuple[str, ...], tmp_path: pathlib.Path) -> None:
    values = [value for value in VALUES if not isinstance(value, str)]
    texts = TEXTS if path in FIRST.values() else DISTINCT
    for value in (*values, *(with_text(path, text) for text in texts)):
        document, found = refusals(path, value, tmp_path)
        assert WHOLE.is_valid(document) == (not found), (value, found)


_PIECES = st.sampled_from(
    [
        *(
            ".",
            "*",
            ">",
            " ",
            "\t",
            "a",
            "B",
            "$1",
            "{{",
            "}}",
            "name()",
            "tag(",
            ")",
            ":",
            "::",
            "1",
            "255",
            "256",
            "0",
        ),
        *("/", "8", "129", "[", "]", "-", "+", "STANDARD", ".."),
    ]
)


@pytest.mark.parametrize("kind", [kind for kind in FIRST if not kind.startswith("URL ")])
def test_any_text_of_a_kind(kind: str, tmp_path: pathlib.Path) -> None:
    path = FIRST[kind]

    @settings(deadline=None, max_examples=60, derandomize=True)
    @given(st.lists(_PIECES, max_size=8).map("".join))
    def check(text: str) -> None:
        document, found = refusals(path, with_text(path, text), tmp_path)
        assert WHOLE.is_valid(document) == (not found), (text, found)

    check()


# ---- all other options


@pytest.mark.parametrize("path", sorted(LEAVES.keys() - TEXT_LEAVES.keys() - {CURVE_KEY}), ids=".".join)
def test_the_schema_accepts_what_the_module_reads(path: tuple[str, ...]) -> None:
    # The rules for role and public_key apply to a signing key as a whole, and those of renewal to an entity, so that the whole document is validated.
    is_whole = bool({"signing_keys", "activation", "renew_before", "renew_spread"} & set(path))
    part = WHOLE if is_whole else validator(LEAVES[path])
    for value in VALUES:
        document = with_value(SCHEMA, path, value)
        found = problems_of(document)
        assert part.is_valid(document if is_whole else value) == (not found), (value, found)


def test_the_options_are_those_of_the_declarations() -> None:
    """An option that is added to a declaration is also in the schema."""
    for cls, path in (
        (Operator, ("operator",)),
        (Account, ("accounts", "[]")),
        (User, ("accounts", "[]", "users", "[]")),
    ):
        for field, _holders in shown_fields(cls):
            assert not field.is_option or (*path, field.attribute) in LEAVES


def test_the_words_of_the_document_are_in_the_schema() -> None:
    account = ("accounts", "[]")
    words = {
        ("operator",): OPERATOR_WORDS,
        account: ACCOUNT_WORDS,
        (*account, "users", "[]"): USER_WORDS,
        (*account, "signing_keys", "[]"): SIGNING_KEY_WORDS,
    }
    assert [(*path, word) for path, found in words.items() for word in found if (*path, word) not in LEAVES] == []


KINDS: dict[tuple[Any, ...], Kind] = {}


def _collect(cls: type) -> None:
    for field, _holders in shown_fields(cls):
        if field.kind.of is not None:
            _collect(field.kind.of)
        elif field.is_option and field.kind.accepts[-1] not in make._texts_of_nats():
            KINDS[field.kind.accepts] = field.kind


for _cls in (Operator, Account, User):
    _collect(_cls)

_parts = st.sampled_from(
    [
        *("0", "1", "9", "30", "99999", "9007199254740991", "9223372036854775807", "-1", "+", "-", " ", "x", '"', "\n"),
        *("d", "h", "m", "s", "ms", "w", "GiB", "k", "b", "unlimited", "raw(", ")", "null", "true", "headers", "now"),
        *("2027-01-31", "T12:00:00Z", ":", "18", "00", "stream"),
    ]
)
_values = st.one_of(
    st.lists(_parts, min_size=1, max_size=5).map("".join),
    st.integers(-(2**65), 2**65),
    st.integers(-3, 300),
    st.booleans(),
    st.lists(_parts, max_size=2),
)


def _is_beyond_schemas(kind: Kind, value: Any) -> bool:
    """Return whether a value is refused for a reason that JSON Schema cannot express: the sum of a duration is too long."""
    if not isinstance(value, str) or "duration" not in kind.accepts[0]:
        return False
    try:
        kind.parse(value)
    except ValueError as error:
        return "292 years" in str(error)
    return False


@pytest.mark.parametrize("accepts", KINDS, ids=str)
def test_any_value_of_a_kind(accepts: tuple[Any, ...]) -> None:
    kind, part = KINDS[accepts], validator(make._value(accepts))

    @settings(deadline=None, max_examples=100, derandomize=True)
    @given(_values)
    @example("18:00:00")
    @example("1h30m")
    def check(value: Any) -> None:
        try:
            kind.parse(value)
            is_read = True
        except ValueError:
            is_read = False
        assert part.is_valid(value) == is_read or _is_beyond_schemas(kind, value), value

    check()


# ---- options that belong together

_EXPIRY = {
    "expires_in": ["90d", None],
    "expires_at": ["2027-01-31", None],
    "renew_before": ["7d"],
    "renew_spread": ["1d"],
}


@pytest.mark.parametrize("words", [*itertools.chain(*(itertools.combinations(_EXPIRY, count) for count in range(5)))])
def test_the_options_of_an_expiry_belong_together(words: tuple[str, ...]) -> None:
    for values in itertools.product(*(_EXPIRY[word] for word in words)):
        user = {"name": "u", **dict(zip(words, values, strict=True))}
        document = {"operator": {"name": "ACME"}, "accounts": [{"name": "A", "users": [user]}]}
        assert WHOLE.is_valid(document) == (not problems_of(document)), user


# ---- files


def test_the_files_are_up_to_date() -> None:
    made = {path: text for path, text in make.texts().items() if path != make.VARIABLES}  # tested separately
    assert {str(path): path.read_text() for path in made} == {str(path): text for path, text in made.items()}


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("kind", [kind for kind, part in SCHEMA["$defs"].items() if "examples" in part])
def test_examples_of_a_kind_are_valid(kind: str) -> None:
    part = validator(SCHEMA["$defs"][kind])
    assert [value for value in SCHEMA["$defs"][kind]["examples"] if not part.is_valid(value)] == []


#: Documents that users read, copy and edit.
DOCUMENTS = ("examples/document/acme.yml", "examples/project/acme.yml", "playbooks/files/quickstart_document.yml")


def documents() -> dict[str, Any]:
    found = {path: yaml.safe_load((ROOT / path).read_text()) for path in ("tests/enforcement/operator.yml", *DOCUMENTS)}
    for path in sorted((ROOT / "examples").glob("**/group_vars/**/*.yml")):
        variables = yaml.safe_load(path.read_text())
        if "operator_definition" in variables:
            found[str(path.relative_to(ROOT))] = variables["operator_definition"]
    return found


@pytest.mark.parametrize("name", documents())
def test_documents_of_this_repository_are_valid(name: str) -> None:
    assert [f"{error.json_path}: {error.message}" for error in WHOLE.iter_errors(documents()[name])] == []


@pytest.mark.parametrize("path", DOCUMENTS)
def test_documents_for_users_name_the_schema(path: str) -> None:
    assert named_schema(ROOT / path) == make.SCHEMA
