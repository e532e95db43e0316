# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Messages of a role name the variables of the role instead of the options of the module that it runs."""

from __future__ import annotations

import pathlib

import pytest
import yaml

from ansible_collections.natsops.security.plugins.plugin_utils.role_variables import variables_of, with_variables

ROLES = pathlib.Path(__file__).resolve().parents[2] / "roles"


def of_role(role: str, module: str) -> dict[str, str]:
    """Return the variables of a role for the options of the role's first task with a module."""
    tasks = yaml.safe_load((ROLES / role / "tasks/main.yml").read_text())
    specs = yaml.safe_load((ROLES / role / "meta/argument_specs.yml").read_text())["argument_specs"]
    given = next(task[f"natsops.security.{module}"] for task in tasks if f"natsops.security.{module}" in task)
    return variables_of(given, {name for spec in specs.values() for name in spec["options"]}, f"{role}_")


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        ("src: there is no file a.yml.", "operator_src: there is no file a.yml."),
        ("src a.yml: there is a seed at x.", "operator_src a.yml: there is a seed at x."),
        ("definition: expected a dictionary.", "operator_definition: expected a dictionary."),
        ("seeds[1]: not a seed: src", "operator_seeds[1]: not a seed: src"),
        (
            "There are 2 problems in src, so:\nrotations[0].role: no\naccounts[0] (src).x: no",
            "There are 2 problems in operator_src, so:\noperator_rotations[0].role: no\naccounts[0] (src).x: no",
        ),
        ("operator.name: a name is required.", "operator.name: a name is required."),
        ("sources: unknown", "sources: unknown"),
        (
            "Unsupported parameters for (natsops.security.nats_store) module: signers.kye, rotations.x. Supported parameters include: type.",
            "Unsupported parameters for (natsops.security.nats_store) module: operator_signers.kye, operator_rotations.x. Supported parameters include: type.",
        ),
        (
            "missing required arguments: type found in signers",
            "missing required arguments: type found in operator_signers",
        ),
        (
            "argument 'x' is of type str found in 'signers'. and we were unable to convert to int",
            "argument 'x' is of type str found in 'operator_signers'. and we were unable to convert to int",
        ),
        (
            "one of the following is required: definition, src, _vault",
            "one of the following is required: operator_definition, operator_src",
        ),
        (
            "parameters are mutually exclusive: definition|src",
            "parameters are mutually exclusive: operator_definition|operator_src",
        ),
        ("vault_file: it cannot be decrypted.", "operator_vault_file: it cannot be decrypted."),
    ],
)
def test_options_are_named_by_the_variables_of_the_role_operator(message: str, wanted: str) -> None:
    assert with_variables(message, of_role("operator", "nats_store")) == wanted


def test_only_variables_of_the_role_are_required() -> None:
    message = "one of the following is required: definition, src, store, servers, account_server_url, stores_dir, jwts, jwt_paths"
    wanted = "one of the following is required: report_src, report_store, report_stores_dir"
    assert with_variables(message, of_role("report", "nats_report")) == wanted
    assert with_variables(message, {}) == message
    nested = "one of the following is required: public_key, path found in signing_keys"
    assert with_variables(nested, {"public_key": "report_public_key"}) == nested.replace(
        "public_key", "report_public_key"
    )


def test_only_documented_variables_are_named() -> None:
    assert "definition" not in of_role("credentials", "nats_store")
    assert of_role("credentials", "nats_store")["keys_dir"] == "credentials_keys_dir"
    assert of_role("resolver", "nats_resolver")["servers"] == "resolver_servers"


def test_without_a_role_options_stay() -> None:
    assert with_variables("src: there is no file a.yml.", {}) == "src: there is no file a.yml."
    assert with_variables("one of the following is required: definition, src, _vault", {}).endswith("definition, src")


def test_options_within_sentences_are_named_unless_they_may_be_words_or_names() -> None:
    variables = {"cut_off": "operator_cut_off", "store": "operator_store"}
    message = "APP: set cut_off: true in the task; the store '/a/cut_off', accounts[0].cut_off and cut_off.jwt stay."
    assert with_variables(message, variables) == message.replace("set cut_off", "set operator_cut_off")
    taken = variables_of({"signer": "{{ role_x | ternary(omit, role_y) }}"}, {"role_x", "role_y"}, "role_")
    assert taken == {"signer": "role_y"}
