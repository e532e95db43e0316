# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Conversion of task options to claims and back. All problems are reported at once, each with its path."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.natsops.security.plugins.module_utils.claims import (
    KINDS,
    Account,
    Activation,
    Claims,
    Export,
    Import,
    Operator,
    ScopeTemplate,
    User,
    body_type,
)
from ansible_collections.natsops.security.plugins.module_utils.claims.kinds import NOW
from ansible_collections.natsops.security.plugins.module_utils.claims.options import (
    Problem,
    argument_spec,
    documentation,
    element_path,
    read_options,
    show_options,
    with_names,
)
from ansible_collections.natsops.security.tests.unit.raw_tokens import ACCOUNT, CURVE, USER, key

SIGNING = key("account", 2).public_key

EVERYTHING: dict[type, dict[str, Any]] = {
    Claims: {"name": "N", "audience": "somebody", "not_before": "2027-01-31T12:00:00Z"},
    Operator: {
        "signing_keys": [key("operator", 2).public_key],
        "account_server_url": "https://example.com/jwt/v1",
        "operator_service_urls": ["tls://example.com:4222"],
        "system_account": ACCOUNT.public_key,
        "assert_server_version": "2.10.0",
        "strict_signing_key_usage": True,
        "tags": ["a", "b"],
    },
    User: {
        "permissions": {
            "publish": {"allow": ["a.>"], "deny": ["a.b"]},
            "subscribe": {"allow": ["a queue"], "deny": ["c"]},
            "response": {"max_messages": 5, "expires": "1m30s"},
        },
        "source_networks": ["10.0.0.0/8", "2001:db8::/32"],
        "times": [{"start": "08:00:00", "end": "17:00:00"}],
        "times_location": "Europe/Prague",
        "limits": {"subscriptions": 10, "data": 1048576, "payload": 1024},
        "bearer_token": True,
        "proxy_required": True,
        "allowed_connection_types": ["MQTT", "STANDARD"],
        "tags": ["a"],
    },
    Activation: {"import_subject": "a.*", "import_type": "stream", "tags": ["a"]},
    Account: {
        "imports": [
            {
                "name": "I",
                "subject": "a.*",
                "account": ACCOUNT.public_key,
                "token": "x.y.z",
                "local_subject": "b.$1",
                "type": "service",
                "share": True,
                "allow_trace": True,
            }
        ],
        "exports": [
            {
                "name": "E",
                "subject": "a.*",
                "type": "service",
                "token_required": True,
                "revocations": {"*": "2027-01-31T12:00:00Z"},
                "response_type": "Stream",
                "response_threshold": "2s",
                "latency": {"sampling": "headers", "results": "r"},
                "account_token_position": 2,
                "advertise": True,
                "allow_trace": True,
                "description": "D",
                "info_url": "https://example.com",
            }
        ],
        "limits": {
            "subscriptions": 1,
            "data": 2,
            "payload": 3,
            "imports": 4,
            "exports": 5,
            "wildcard_exports": False,
            "disallow_bearer": True,
            "connections": 6,
            "leaf_nodes": 7,
            "jetstream": {
                "memory_storage": 1,
                "disk_storage": 2,
                "streams": 3,
                "consumers": 4,
                "max_ack_pending": 5,
                "memory_max_stream_bytes": 6,
                "disk_max_stream_bytes": 7,
                "max_bytes_required": True,
            },
            "jetstream_tiers": {"R1": {"disk_storage": 8}},
        },
        "signing_keys": [
            {"key": SIGNING},
            {
                "key": key("account", 3).public_key,
                "role": "R",
                "description": "D",
                "template": {"limits": {"payload": 1024}, "bearer_token": True},
            },
        ],
        "revocations": {"*": "2027-01-31T12:00:00Z", USER.public_key: "2027-01-31T12:00:01Z"},
        "default_permissions": {"publish": {"deny": ["x"]}},
        "mappings": {"m": [{"subject": "a", "weight": 60}, {"subject": "b", "weight": 40, "cluster": "C"}]},
        "authorization": {
            "auth_users": [USER.public_key],
            "allowed_accounts": ["*"],
            "xkey": CURVE.public_key,
        },
        "trace": {"destination": "t", "sampling": 50},
        "cluster_traffic": "owner",
        "description": "D",
        "info_url": "https://example.com",
        "tags": ["a"],
    },
}


def read(cls: type, options: Any) -> Any:
    problems: list[Problem] = []
    value = read_options(cls, options, "", problems)
    assert problems == []
    return value


def problems_of(cls: type, options: Any, path: str = "") -> list[str]:
    problems: list[Problem] = []
    read_options(cls, options, path, problems)
    return [str(problem) for problem in problems]


@pytest.mark.parametrize("cls", EVERYTHING, ids=lambda cls: cls.__name__)
def test_options_with_everything_come_back_as_they_were(cls: type) -> None:
    value = read(cls, EVERYTHING[cls])
    shown = show_options(value)
    assert {name: shown[name] for name in EVERYTHING[cls]} == _sorted(EVERYTHING[cls])
    assert read(cls, shown) == value


def _sorted(options: dict[str, Any]) -> dict[str, Any]:
    keys = options.get("signing_keys", [])
    if keys and isinstance(keys[0], dict):
        return {**options, "signing_keys": sorted(keys, key=lambda item: item["key"])}
    return options


@pytest.mark.parametrize("cls", EVERYTHING, ids=lambda cls: cls.__name__)
def test_the_example_with_everything_names_every_option(cls: type) -> None:
    missing = list(_missing(argument_spec(cls), EVERYTHING[cls]))
    # Options that occur in several places are named in one of them.
    assert [path for path in missing if not path.startswith(("signing_keys.template", "default_permissions"))] == []


def _missing(spec: dict[str, Any], options: dict[str, Any]) -> list[str]:
    found = []
    for name, inner in spec.items():
        if name not in options:
            found.append(name)
            continue
        value = options[name]
        if isinstance(value, list) and "options" in inner:
            value = {key: item for element in value for key, item in element.items()}
        if isinstance(value, dict) and "options" in inner:
            found += [f"{name}.{path}" for path in _missing(inner["options"], value)]
    return found


@pytest.mark.parametrize("cls", [Operator, Account, User])
def test_what_is_omitted_or_null_has_its_default(cls: type) -> None:
    nothing = dict.fromkeys(argument_spec(cls))
    assert read(cls, {}) == read(cls, nothing) == cls()
    assert show_options(cls()) == {}


def test_null_inside_claims_is_the_default_too() -> None:
    limits = read(Account, {"limits": {"connections": None, "jetstream": None, "jetstream_tiers": None}}).limits
    assert limits == Account().limits


@pytest.mark.parametrize(
    ("cls", "options", "shown"),
    [
        (Account, {"limits": {"connections": "unlimited", "data": "-1", "payload": "1KiB"}}, {"payload": 1024}),
        (Account, {"limits": {"jetstream": {"streams": 0, "disk_storage": 0}}}, {}),
        (Account, {"limits": {"jetstream": {"streams": "unlimited"}}}, {}),
        (Account, {"limits": {"wildcard_exports": "no"}}, {"wildcard_exports": False}),
    ],
)
def test_limits_are_read_in_every_spelling(cls: type, options: Any, shown: Any) -> None:
    assert show_options(read(cls, options)).get("limits", {}) == shown


@pytest.mark.parametrize(
    ("cls", "one", "other"),
    [
        (Account, {"tags": ["B", " a ", "b"]}, {"tags": ["a", "b"]}),
        (Account, {"cluster_traffic": "system"}, {}),
        (Account, {"trace": {"destination": "t", "sampling": 100}}, {"trace": {"destination": "t"}}),
        (Account, {"mappings": {"m": [{"subject": "a", "weight": 100}]}}, {"mappings": {"m": [{"subject": "a"}]}}),
        (User, {"source_networks": ["10.0.0.0/8"]}, {"source_networks": "10.0.0.0/8"}),
        # YAML 1.1 reads 18:00:00 as a number in base 60. Ansible converts it to text if the option is a string.
        (User, {"times": [{"start": 3661, "end": 64800}]}, {"times": [{"start": "01:01:01", "end": "18:00:00"}]}),
        (User, {"times": [{"start": "36000", "end": "86399"}]}, {"times": [{"start": "10:00:00", "end": "23:59:59"}]}),
        (User, {"permissions": {"publish": {"allow": "a"}}}, {"permissions": {"publish": {"allow": ["a", "a"]}}}),
        (
            Export,
            {"subject": "a", "type": "service", "response_type": "Singleton"},
            {"subject": "a", "type": "service"},
        ),
    ],
)
def test_spellings_that_mean_the_same_look_the_same(cls: type, one: Any, other: Any) -> None:
    assert show_options(read(cls, one)) == show_options(read(cls, other))


def test_now_is_shown_as_now_until_it_has_a_time() -> None:
    account = read(Account, {"revocations": {"*": "now"}})
    assert account.revocations == {"*": NOW}
    assert show_options(account)["revocations"] == {"*": "now"}


@pytest.mark.parametrize("at", [0, "0", "1970-01-01", "1970-01-01T00:00:00Z"])
def test_the_beginning_of_time_is_not_now(at: Any) -> None:
    account = read(Account, {"revocations": {"*": at}})
    assert account.revocations == {"*": 0}
    assert show_options(account)["revocations"] == {"*": "1970-01-01T00:00:00Z"}


# ---- problems


@pytest.mark.parametrize(
    ("cls", "options", "problem"),
    [
        (Account, {"limts": {}}, "limts: unsupported option; did you mean limits?"),
        (
            Account,
            {"limits": {"conections": 5}},
            "limits.conections: unsupported option; did you mean connec",
        ),
        (
            Account,
            {"limits": {"zzz": 5}},
            "limits.zzz: unsupported option; available: connections, data, dis",
        ),
        (Account, {"type": "account"}, "type: unsupported option"),
        (
            Account,
            {"limits": []},
            "limits: expected a dictionary with subscriptions, data, payload, imports, exports, ",
        ),
        (
            Account,
            {"limits": "no"},
            "limits: expected a dictionary with subscriptions, data, payload, imports, exports, ",
        ),
        (Account, {"limits": {"connections": "many"}}, "limits.connections: 'many' is not a whole number: write a who"),
        (Account, {"limits": {"connections": -2}}, "limits.connections: -2 is not between -1 and 9223372036854775807"),
        (
            Account,
            {"limits": {"data": "10Gi"}},
            "limits.data: '10Gi' is not a size: write 1048576, 10GiB, 500MB or unl",
        ),
        (Account, {"limits": {"disallow_bearer": "perhaps"}}, "limits.disallow_bearer: expected true or false, not"),
        (Account, {"limits": {"jetstream_tiers": []}}, "limits.jetstream_tiers: expected a dictionary, not []."),
        (Account, {"limits": {"jetstream_tiers": {"R1": 5}}}, "limits.jetstream_tiers.R1: expected a dictionary"),
        (Account, {"exports": {}}, "exports: expected a list of dictionaries with name, subject, type, "),
        (Account, {"exports": ["a"]}, "exports[0]: expected a dictionary with name, subject, type, "),
        (Account, {"exports": [{"subject": "a"}]}, "exports[0].type: this is required."),
        (Account, {"exports": [{"type": "stream"}]}, "exports[0].subject: this is required."),
        (Account, {"exports": [{"subject": "a", "type": "queue"}]}, "exports[0].type: 'queue' is neither stream nor s"),
        (Account, {"trace": {}}, "trace.destination: this is required."),
        (Account, {"trace": {"destination": "t", "sampling": 0}}, "trace.sampling: 0 is not between 1 and 100."),
        (Account, {"trace": {"destination": "t", "sampling": 101}}, "trace.sampling: 101 is not between 1 and 100."),
        (Account, {"cluster_traffic": "mine"}, "cluster_traffic: 'mine' is not one of system, owner."),
        (
            Account,
            {"mappings": {"m": {}}},
            "mappings.m: expected a list of dictionaries with subject, weight, cluster, not {}.",
        ),
        (Account, {"mappings": {"m": [{}]}}, "mappings.m[0].subject: this is required."),
        (Account, {"revocations": []}, "revocations: expected a dictionary of public keys, or *, and times, not a l"),
        (Account, {"revocations": {"*": "soon"}}, "revocations: 'soon' is not a time: write RFC 3339"),
        (Account, {"tags": {}}, "tags: expected a list, not a dictionary."),
        (Account, {"tags": [{}]}, "tags: expected a text, not a dictionary."),
        (Account, {"description": True}, "description: expected a text, not true or false."),
        (User, {"permissions": {"response": {"expires": "90"}}}, "permissions.response.expires: '90' is not a durati"),
        (User, {"permissions": {"response": {"max_messages": 2**63}}}, "permissions.response.max_messages: 922337203"),
        (User, {"times": [{"start": "08:00:00"}]}, "times[0].end: this is required."),
        (User, {"access": {}}, "access: unsupported option"),
        (User, {"issuer_account": "A"}, "issuer_account: unsupported option"),
        (
            ScopeTemplate,
            {"limits": {"payload": 0}},
            "limits.payload: 0 cannot be expressed in a scope, where servers read",
        ),
        (ScopeTemplate, {"limits": {"data": 2**53}}, "limits.data: 9007199254740992 is more than a scope can hold, 2^"),
        (Import, {"subject": "a", "account": "A", "type": "stream", "to": "b"}, "to: unsupported option"),
        (Operator, {"signing_keys": 5}, "signing_keys: expected a list, not 5."),
        (Operator, [], "expected a dictionary with signing_keys, "),
    ],
)
def test_problem_is_told_with_its_path(cls: type, options: Any, problem: str) -> None:
    assert [told[: len(problem)] for told in problems_of(cls, options)] == [problem]


@pytest.mark.parametrize("value", [0, 3599, 86400, -3600, 10**40, True, 18.0, "03600"])
def test_what_no_time_of_day_is_read_as_is_none(value: Any) -> None:
    [problem] = problems_of(User, {"times": [{"start": value, "end": "18:00:00"}]})
    assert problem.startswith("times[0].start: ")
    assert "quote" in problem or "true or false" in problem


def test_every_problem_is_told_at_once() -> None:
    options = {
        "nothing": 1,
        "limits": {"connections": "x", "jetstream": {"streams": "y"}},
        "exports": [{"type": "stream"}, {"subject": "a", "type": "z", "latency": {}}],
        "signing_keys": [{"key": "A", "template": {"limits": {"payload": 0}}}],
        "trace": {"sampling": 500},
    }
    assert [told.split(":")[0] for told in problems_of(Account, options)] == [
        "nothing",
        "limits.connections",
        "limits.jetstream.streams",
        "exports[0].subject",
        "exports[1].type",
        "exports[1].latency.results",
        "signing_keys[0].template.limits.payload",
        "trace.sampling",
        "trace.destination",
    ]


def test_paths_begin_where_the_options_stand() -> None:
    assert problems_of(Account, {"limits": 5}, "accounts[3]")[0].startswith("accounts[3].limits: ")


@pytest.mark.parametrize("options", [{"exports": [{"subject": []}]}, {1: 2}, {"limits": {None: 1}}, {"": ""}])
def test_odd_options_are_problems_and_no_crash(options: Any) -> None:
    assert problems_of(Account, options)


# ---- the argument spec


@pytest.mark.parametrize("cls", [Claims, *map(body_type, KINDS)], ids=lambda cls: cls.__name__)
def test_documentation_and_argument_spec_tell_the_same(cls: type) -> None:
    def told(documented: dict[str, Any]) -> dict[str, Any]:
        kept = ("type", "elements", "choices", "default", "required")
        return {
            name: {
                **{word: option[word] for word in kept if word in option},
                **({"suboptions": told(option["suboptions"])} if "suboptions" in option else {}),
            }
            for name, option in documented.items()
        }

    def specified(spec: dict[str, Any]) -> dict[str, Any]:
        return {
            name: {
                **{word: value for word, value in option.items() if word not in ("options", "no_log")},
                **({"suboptions": specified(option["options"])} if "options" in option else {}),
            }
            for name, option in spec.items()
        }

    assert told(documentation(cls)) == specified(argument_spec(cls))


@pytest.mark.parametrize("cls", [Claims, Operator, Account, User, Activation], ids=lambda cls: cls.__name__)
def test_every_option_is_described(cls: type) -> None:
    def undescribed(documented: dict[str, Any], path: str) -> list[str]:
        found = [path + name for name, option in documented.items() if not option["description"]]
        for name, option in documented.items():
            found += undescribed(option.get("suboptions", {}), f"{path}{name}.")
        return found

    assert undescribed(documentation(cls), "") == []


@pytest.mark.parametrize("cls", [Claims, *map(body_type, KINDS)], ids=lambda cls: cls.__name__)
def test_told_defaults_are_the_real_ones(cls: type) -> None:
    def told(spec: dict[str, Any]) -> dict[str, Any]:
        defaults = {name: option["default"] for name, option in spec.items() if "default" in option}
        nested = {
            name: told(option["options"])
            for name, option in spec.items()
            if option["type"] == "dict" and "options" in option
        }
        return {**defaults, **{name: inner for name, inner in nested.items() if inner}}

    options = told(argument_spec(cls))
    for name, option in argument_spec(cls).items():
        if option.get("required"):
            options[name] = "stream" if name == "import_type" else "x"
    value = read(cls, options)
    assert [name for name in show_options(value) if not argument_spec(cls)[name].get("required")] == []


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("accounts[0] (A).exports[1].subject", "accounts[0] (A).exports[1] (orders).subject"),
        ("accounts[0].exports[1]", "accounts[0] (A).exports[1] (orders)"),
        ("accounts[0] (A).exports[0].subject", "accounts[0] (A).exports[0].subject"),
        ("accounts[0] (A).exports[7].subject", "accounts[0] (A).exports[7].subject"),
        (
            "accounts[0] (A).signing_keys[0].template.permissions.publish.allow[0]",
            "accounts[0] (A).signing_keys[0] (app).template.permissions.publish.allow[0]",
        ),
        ("accounts[0] (A).mappings.a.*[0].weight", "accounts[0] (A).mappings.a.*[0].weight"),
        ("operator.signing_keys[0]", "operator.signing_keys[0]"),
        ("rotations[0].phase", "rotations[0] (app).phase"),
        ("rotations[1].phase", "rotations[1] (orders).phase"),
        ("rotations[2].phase", "rotations[2] (ACME).phase"),
        ("", ""),
        ("elsewhere[0].name", "elsewhere[0].name"),
    ],
)
def test_a_path_has_the_names_of_the_elements_on_its_way(path: str, named: str) -> None:
    options = {
        "operator": {"name": "ACME", "signing_keys": ["main"]},
        "accounts": [
            {
                "name": "A",
                "exports": [{"subject": "a"}, {"name": "orders", "subject": "b"}],
                "signing_keys": [{"role": "app"}],
                "mappings": {"a.*": [{"weight": 101}]},
            }
        ],
        "rotations": [{"role": "app", "user": None}, {"role": "", "user": "orders"}, {"operator": "ACME"}],
    }
    assert with_names([Problem(path, "is wrong.")], options) == [Problem(named, "is wrong.")]


@pytest.mark.parametrize("name", ["", 7, ["a"], "two\nlines", "x" * 56, key("user", 2).seed, USER.public_key])
def test_a_name_that_a_message_cannot_show_is_not_in_a_path(name: Any) -> None:
    assert element_path("exports", 0, {"name": name}) == "exports[0]"
