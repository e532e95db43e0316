# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The JSON Schema for files of variables has every variable of the roles. It accepts the values that Ansible accepts, and templates."""

from __future__ import annotations

import importlib.util
import json
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from checkout import ROOT
from jsonschema import Draft202012Validator

_spec = importlib.util.spec_from_file_location("make_schema", ROOT / "schemas" / "make.py")
assert _spec is not None
assert _spec.loader is not None
make = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(make)

SCHEMA = json.loads(make.VARIABLES.read_text())
VALID = Draft202012Validator(SCHEMA)
#: The variables that the schema file contains. A test below verifies that the file is complete.
VARIABLES = {name: option for name, option in make.role_variables() if name in SCHEMA["properties"]}
EXAMPLES = sorted(path for path in (ROOT / "examples").glob("*/group_vars/*.yml"))
#: Values of every type, as people write them in YAML.
VALUES: list[Any] = [True, "yes", "maybe", 0, 5, "5", -1, 1.5, "text", "", [], ["a"], [1], [{}], [[]], {}, {"a": 1}]


def ansible_refuses(name: str, option: dict[str, Any], value: Any) -> bool:
    """Return whether the argument spec of a role refuses a value of a variable."""
    try:
        return bool(ArgumentSpecValidator({name: option}).validate({name: value}).error_messages)
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


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parts[-3])
def test_examples_are_valid_and_name_the_schema(path: Any) -> None:
    text = path.read_text()
    assert problems(yaml.safe_load(text)) == []
    named = text.splitlines()[0].partition("# yaml-language-server: $schema=")[2]
    assert (path.parent / named).resolve() == make.VARIABLES


def test_what_the_schema_accepts_ansible_accepts() -> None:
    for name, option in VARIABLES.items():
        for value in VALUES:
            if not problems({name: value}):
                assert not ansible_refuses(name, option, value), (name, value)


def test_what_ansible_refuses_by_type_or_choice_the_schema_refuses() -> None:
    refused = 0
    for name, option in VARIABLES.items():
        for value in VALUES:
            if ansible_refuses(name, option, value):
                refused += 1
                assert problems({name: value}), (name, value)
    assert refused > len(VARIABLES)


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
