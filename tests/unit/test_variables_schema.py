# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The JSON Schema for files of variables has every variable of the roles. It accepts templates, and the values that Ansible and the modules accept."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from checkout import ROOT
from jsonschema import Draft202012Validator
from support.declarations import options_of, refusals
from support.schemas import make, named_schema

from ansible_collections.natsops.security.plugins.module_utils.base import go_syntax, units
from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.credentials import requests
from ansible_collections.natsops.security.plugins.module_utils.server import settings

SCHEMA = json.loads(make.VARIABLES.read_text())
VALID = Draft202012Validator(SCHEMA)
#: The variables that the schema file contains. A test below verifies that the file is complete.
VARIABLES = {name: option for name, option in make.role_variables() if name in SCHEMA["properties"]}
# Dictionaries that the module validates, not the role.
for _name in ("resolver", "cluster", "monitoring"):
    VARIABLES[f"server_{_name}"]["options"] = options_of("nats_server_config")[_name]["options"]
EXAMPLES = sorted(path for path in (ROOT / "examples").glob("**/group_vars/**/*.yml"))
#: Values of every type, as people write them in YAML.
VALUES: list[Any] = [True, "yes", "maybe", 0, 5, "5", -1, 1.5, "text", "", [], ["a"], [1], [{}], [[]], {}, {"a": 1}]
#: Durations, ports, modes, sizes and words, as nats-server or this collection writes them, and mistakes in them.
WRITTEN: list[Any] = [
    *("0", "30s", "1h30m", "1.5h", ".5s", "-5s", "500ms", "90d", "2w", "30", "30 s", "soon", "1h-30m", "292000y"),
    *(65535, 65536, "65535", "65536", "-1", "04222", 99999999, "+5", " 5"),
    *(0o600, 0o640, 0o777, 0o622, "0600", "0o640", "640", "0644", "444", "4", "0777", "0620", "20", "0800", "u=rw"),
    *(
        "64M",
        "64MiB",
        "2 gib",
        "64MB",
        "-1G",
        "1.5G",
        "off",
        "YES",
        "close",
        "Default",
        ["a", "b"],
        {"a": {}},
        [{"a": 1}],
    ),
]


def ansible_refuses(name: str, option: dict[str, Any], value: Any) -> bool:
    """Return whether the argument spec of a role refuses a value of a variable."""
    try:
        return bool(refusals({name: option}, {name: value}))
    except TypeError:  # raised for a string or a number in place of a dictionary with suboptions
        return True


def problems(variables: Any) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in VALID.iter_errors(variables)]


def test_the_schema_is_one_and_that_of_the_roles() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert set(SCHEMA["properties"]) <= set(VARIABLES), "run `make schema`"
    assert all(one["description"] for one in SCHEMA["properties"].values())


def test_the_file_is_up_to_date() -> None:
    assert make.VARIABLES.read_text() == make.texts()[make.VARIABLES], "run `make schema`"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.relative_to(ROOT)))
def test_examples_are_valid_and_name_the_schema(path: Any) -> None:
    assert problems(yaml.safe_load(path.read_text())) == []
    assert named_schema(path) == make.VARIABLES


def test_what_the_schema_accepts_ansible_accepts() -> None:
    for name, option in VARIABLES.items():
        for value in (None, *VALUES):
            if not problems({name: value}):
                assert not ansible_refuses(name, option, value), (name, value)


def test_what_ansible_refuses_by_type_or_choice_the_schema_refuses() -> None:
    refused = 0
    for name, option in VARIABLES.items():
        for value in (None, *VALUES):
            if ansible_refuses(name, option, value):
                refused += 1
                assert problems({name: value}), (name, value)
    assert refused > len(VARIABLES)


def is_scalar(value: Any) -> bool:
    """Return whether a value is a text or a number. Ansible makes texts of all others, which the schema refuses where a text is wanted."""
    return not isinstance(value, (bool, list, dict))


def parse_mode(value: Any) -> None:
    try:
        requests.read_mode(value)
    except NatsSecurityError as error:
        raise ValueError from error


def is_refused(parse: Callable[[Any], Any], value: Any) -> bool:
    try:
        parse(value)
    except ValueError:
        return True
    return False


def as_text(parse: Callable[[str], Any]) -> Callable[[Any], Any]:
    """The parser of an option that Ansible makes a text of."""
    return lambda value: parse(str(value))


def parse_port(value: Any) -> None:
    if int(value) > 65535:  # a server cannot listen on it, see test_server_config
        raise ValueError


#: The parsers that modules use for variables, by their paths.
PARSERS = {
    **{
        (name,): as_text(units.parse_duration)
        for name, option in VARIABLES.items()
        if name.endswith("timeout") and option["type"] == "str"
    },
    ("server_lame_duck_duration",): as_text(go_syntax.parse_duration),
    ("server_lame_duck_grace_period",): as_text(go_syntax.parse_duration),
    ("server_resolver", "ttl"): as_text(go_syntax.parse_duration),
    ("server_resolver", "timeout"): as_text(go_syntax.parse_duration),
    ("server_resolver", "interval"): as_text(go_syntax.parse_duration),
    ("server_cluster", "ping_interval"): as_text(go_syntax.parse_duration),
    ("server_cluster", "write_deadline"): as_text(go_syntax.parse_duration),
    ("server_port",): parse_port,
    ("server_cluster", "port"): parse_port,
    ("server_monitoring", "port"): parse_port,
    ("credentials_users", "mode"): parse_mode,
    **{
        (name, "timeout"): as_text(units.parse_duration)
        for name in ("operator_signers", "credentials_signers", "resolver_signers")
    },
}
REQUIRED = {
    "server_cluster": {"name": "c"},
    "credentials_users": {"account": "A", "name": "u", "path": "/u.creds"},
    "operator_signers": {"type": "command"},
    "credentials_signers": {"type": "command"},
    "resolver_signers": {"type": "command"},
    "operator_rotations": {"phase": "add"},
}


def with_member(path: tuple[str, ...], value: Any) -> Any:
    """Return the value of a variable in which the member at a path has a value."""
    if len(path) == 1:
        return value
    member = {**REQUIRED.get(path[0], {}), path[1]: value}
    return [member] if VARIABLES[path[0]]["type"] == "list" else member


def test_durations_ports_and_modes_are_those_that_modules_read() -> None:
    assert len(PARSERS) > 20
    for path, parse in PARSERS.items():
        for value in filter(is_scalar, [*VALUES, *WRITTEN]):
            is_valid = VALID.is_valid({path[0]: with_member(path, value)})
            is_wrong_type = ansible_refuses(path[0], VARIABLES[path[0]], with_member(path, value))
            assert is_valid != (is_wrong_type or is_refused(parse, value)), (path, value)


@pytest.mark.parametrize(
    "variable", ["operator_signers", "credentials_signers", "operator_rotations", "operator_cluster"]
)
def test_dictionaries_for_modules_have_the_options_of_these(variable: str) -> None:
    option = options_of("nats_store")[variable.partition("_")[2]]
    for name in [*option["options"], "zzz"]:
        kind = option["options"].get(name, {}).get("type")
        for value in [*VALUES, "command", "replace"]:
            given = with_member((variable, name), value)
            is_valid, refused = VALID.is_valid({variable: given}), ansible_refuses(variable, option, given)
            assert not (is_valid and refused), given
            # A timeout is a duration, and Ansible makes lists and texts of other values.
            if name != "timeout" and kind != "list" and is_scalar(value):
                assert is_valid != refused, given


@pytest.mark.parametrize("compression", [True, "s2_fast", {"mode": "s2_auto", "rtt_thresholds": ["10ms", "50ms"]}])
def test_compression_of_routes_is_a_word_or_a_dictionary(compression: Any) -> None:
    assert problems({"server_cluster": {"name": "C", "compression": compression}}) == []


def test_claims_of_users_on_hosts_are_those_of_the_document() -> None:
    claims = SCHEMA["properties"]["credentials_users"]["anyOf"][0]["items"]["anyOf"][0]["properties"]["claims"]
    user = next(one for path, one in make._objects("", make.schema()) if path == "accounts[].users[]")
    (found,) = [one for one in claims["anyOf"] if "properties" in one]
    assert set(found["properties"]) == set(user["properties"]) - set(requests._OF_ITEMS)
    for word, schema in found["properties"].items():
        assert schema == make._or_template(user["properties"][word])
    for wrong in ({"expires_in": "soon"}, {"zzz": 1}, {"permissions": {"publish": {"alow": []}}}):
        assert problems({"credentials_users": with_member(("credentials_users", "claims"), wrong)}), wrong


#: The blocks of nats-server's configuration that variables set. Those for TLS and for logins are the same in other blocks.
BLOCKS = [
    *(
        name
        for name in settings.BLOCKS
        if name.partition(".")[0] in ("gateway", "leafnodes", "websocket", "mqtt", "jetstream")
    ),
    *("tls", "resolver_tls", "gateway.authorization", "leafnodes.remotes[].tls"),
]


def in_block(block: str, members: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration with one block, which is at a path of blocks."""
    found: Any = members
    for step in reversed(block.split(".")):
        found = {step[:-2]: [found]} if step.endswith("[]") else {step: found}
    return dict(found)


@pytest.mark.parametrize("block", BLOCKS)
def test_blocks_of_a_server_have_the_settings_that_the_module_reads(block: str) -> None:
    kinds = settings.kinds_of(block)
    assert kinds
    for name in [*kinds, "zzz"]:
        for value in [*VALUES, *WRITTEN]:
            if "url" in kinds.get(name, "") and not isinstance(value, (int, float, dict)):
                continue  # the syntax of a URL is not in the schema
            given = in_block(block, {name: value})
            taken = settings.as_taken(given, "")
            refused = any(settings.problems(taken)) or any(settings.unknown(taken, "", ()))
            is_port = name == "port" and re.fullmatch("[0-9]+", str(value)) is not None and int(value) > 65535
            is_valid = VALID.is_valid({f"server_{word}": inner for word, inner in given.items()})
            assert is_valid != (refused or is_port), (name, value)


def test_defaults_and_templates_are_valid_for_every_variable() -> None:
    defaults = {name: option["default"] for name, option in VARIABLES.items() if "default" in option}
    assert problems(defaults) == []
    assert problems(dict.fromkeys(VARIABLES, "{{ something }}")) == []


def test_a_template_may_stand_anywhere_in_the_document_and_a_mistake_nowhere() -> None:
    user = {"name": "{{ name }}", "expires_in": "{{ life }}", "permissions": {"publish": {"allow": "{{ subjects }}"}}}
    account = {"name": "A", "users": [user], "limits": {"connections": "{{ many }}"}, "signing_keys": ["{{ role }}"]}
    document = {"operator": {"name": "{{ name }}", "state": "{{ state }}"}, "accounts": [account]}
    assert problems({"operator_definition": document}) == []
    assert problems({"operator_definition": {**document, "accounts": "{{ accounts }}"}}) == []
    for wrong in (
        {"operator": {"name": "A", "sining_keys": []}},
        {"operator": {"name": "A"}, "accounts": [{"name": "B", "limits": {"connections": "many"}}]},
        {"operator": {"name": "A"}, "accounts": [{"name": "B", "users": [{"name": "u", "expires_in": "soon"}]}]},
        {"operator": {"name": "a/b"}},
        {"accounts": []},
    ):
        assert problems({"operator_definition": wrong}), wrong


def test_variables_of_others_may_stand_beside_them() -> None:
    assert problems({"nginx_port": 80, "operator_prune": True}) == []
    assert problems(None) == []
