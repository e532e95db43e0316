# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Values of the wrong shape for options with suboptions: every module names the option and what is allowed in it, and fails before Ansible's own search."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import pytest
from ansible.errors import AnsibleError

from ansible_collections.natsops.security.plugins.filter.nats_server_config import nats_server_config
from ansible_collections.natsops.security.plugins.module_utils.server.configuration import OPTIONS
from ansible_collections.natsops.security.plugins.module_utils.tasks.shapes import shape_problems
from ansible_collections.natsops.security.plugins.plugin_utils.on_controller import ModuleOnController
from ansible_collections.natsops.security.tests.support.declarations import MODULES, declared, options_of

#: A value of the wrong shape, and the end of the place that the message names if the option is a list.
WRONG: dict[str, tuple[Any, str]] = {
    "number": (20, ""),
    "text": ("orders", ""),
    "texts": (["orders"], "[0]"),
    "nested list": ([["orders"]], "[0]"),
    "null in a list": ([None], "[0]"),
    "text with a comma": ("a=b,c", ""),
}


def with_suboptions(spec: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], list[bool]]]:
    """Yield the path of every option that has suboptions, and which of the options on it are lists."""
    for name, option in spec.items():
        if "options" not in option:
            continue
        is_list = option["type"] == "list"
        yield (*path, name), [is_list]
        for inner, lists in with_suboptions(option["options"], (*path, name)):
            yield inner, [is_list, *lists]


PLACES = [(name, path, lists) for name in MODULES for path, lists in with_suboptions(options_of(name))]


def nested(path: tuple[str, ...], lists: list[bool], value: Any) -> tuple[dict[str, Any], str]:
    """Return options with a value at a path, and the path as messages write it."""
    if len(path) == 1:
        return {path[0]: value}, path[0]
    inner, shown = nested(path[1:], lists[1:], value)
    return {path[0]: [inner] if lists[0] else inner}, f"{path[0]}{'[0]' if lists[0] else ''}.{shown}"


@functools.cache
def arguments_of(module: str) -> dict[str, Any]:
    """Return the arguments with which a module creates its AnsibleModule. No test gets as far as to change them."""
    return declared(module)


def message_of(module: str, options: dict[str, Any]) -> str:
    """Return the message of a module that fails on its options."""
    result: dict[str, Any] = {}
    with pytest.raises(SystemExit):
        ModuleOnController(options, result, True, **arguments_of(module))
    assert result["failed"]
    message: str = result["msg"]
    return message


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize(("module", "path", "lists"), PLACES, ids=lambda value: value if isinstance(value, str) else "")
def test_every_option_with_suboptions(module: str, path: tuple[str, ...], lists: list[bool], wrong: str) -> None:
    value, element = WRONG[wrong]
    options, shown = nested(path, lists, value)
    message = message_of(module, options)
    what = "a list of dictionaries" if lists[-1] and not element else "a dictionary"
    assert message.startswith(f"{shown}{element if lists[-1] else ''}: expected {what} with ")
    assert "\n" not in message
    assert "Traceback" not in message


def test_there_are_options_with_suboptions() -> None:
    assert len(PLACES) > 40


def test_what_is_allowed_is_listed() -> None:
    wanted = "permissions.publish: expected a dictionary with allow, deny, not 'orders.>'."
    assert message_of("nats_user", {"permissions": {"publish": "orders.>"}}) == wanted
    wanted = "times: expected a list of dictionaries with start, end, not {'start': '08:00:00'}."
    assert message_of("nats_user", {"times": {"start": "08:00:00"}}) == wanted
    wanted = "permissions.publish: expected a dictionary with allow, deny, not 5.\ntimes[1]: expected a dictionary with start, end, not 'x'."
    assert message_of("nats_user", {"permissions": {"publish": 5}, "times": [{"start": "a"}, "x"]}) == wanted


def test_a_document_that_is_no_dictionary() -> None:
    wanted = "definition: expected a dictionary, not [1].\nsrc: use this for a document in a file."
    assert message_of("nats_store", {"definition": [1]}) == wanted
    assert message_of("nats_store", {"definition": 5}).startswith("definition: expected a dictionary, not 5.\n")


@pytest.mark.parametrize("wrong", ["hunter2", ["hunter2"], [["hunter2"]]])
@pytest.mark.parametrize(
    ("module", "path"), [("nats_user", ("signers",)), ("nats_server_config", ("cluster", "authorization"))]
)
def test_values_next_to_secrets_are_not_shown(module: str, path: tuple[str, ...], wrong: Any) -> None:
    message = message_of(module, nested(path, [False] * len(path), wrong)[0])
    assert "expected a" in message
    assert "hunter2" not in message


@pytest.mark.parametrize(
    "options",
    [
        {"monitoring": None},
        {"monitoring": {}},
        {"monitoring": "port=8222 host=::"},
        {"monitoring": "port=8222, host=::"},
        {"monitoring": '{"port": 8222}'},
        {"cluster": {"name": "c", "authorization": '{"user": "u", "password": "p"}'}},
        {"cluster": "name=c authorization=user=u"},
        {"cluster": {"tls": 5}},
    ],
)
def test_values_that_ansible_converts_are_left_to_it(options: dict[str, Any]) -> None:
    assert list(shape_problems(OPTIONS, options)) == []


@pytest.mark.parametrize("value", ["start=1,start=2", "start=1 end=2", '{"start": "1"}', [], None, ["start=1", {}]])
def test_lists_that_ansible_converts_are_left_to_it(value: Any) -> None:
    assert list(shape_problems(options_of("nats_user"), {"times": value})) == []


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        ({"monitoring": 8222}, ["monitoring: expected a dictionary with host, port, tls, base_path, not 8222."]),
        (
            {"port": 4222, "operatr_jwt": "x"},
            [
                "missing required arguments: name, operator",
                "Unsupported parameters: operatr_jwt. Supported parameters include: cluster, ",
            ],
        ),
        (
            {"name": "a", "operator": {"jwt": "x"}, "resolver": {"typ": "full"}},
            ["Unsupported parameters: resolver.typ. Supported parameters include: allow_delete, "],
        ),
    ],
)
def test_each_problem_of_the_filter_has_a_line(options: dict[str, Any], lines: list[str]) -> None:
    with pytest.raises(AnsibleError) as raised:
        nats_server_config(options)
    told = str(raised.value).removeprefix("nats_server_config: ").splitlines()
    assert [line[: len(wanted)] for line, wanted in zip(told, lines, strict=True)] == lines
