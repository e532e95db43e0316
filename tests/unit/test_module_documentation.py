# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The documented options of modules are those of their argument specs, and secret options are marked as such."""

from __future__ import annotations

import importlib
import json
import os
import pathlib
import re
import subprocess
import sys
from typing import Any

import pytest
import yaml
from checkout import ROOT
from support.declarations import MODULES, declared, options_of

from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.claims import Account, Activation, Operator, User
from ansible_collections.natsops.security.plugins.module_utils.claims.options import argument_spec, documentation
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey

#: Secret options. A JWT is secret if it may be a bearer token or part of creds.
SECRET_TOKENS = {
    "nats_creds": {"jwt"},
    "nats_credentials": {"users.jwt"},
    "nats_jwt_info": {"jwt"},
    "nats_access_info": {"jwts"},
    "nats_policy": {"jwts"},
    "nats_report": {"jwts"},
    "nats_store": {"vault_password", "_vault.transport_key"},
    "nats_backup": {"password"},
    "nats_restore": {"password"},
    "nats_rebuild": {"contents"},
}
#: The options with which external signers log in.
SECRETS_OF_SIGNERS = {"signers.token", "signers.pin"}


@pytest.fixture(scope="session")
def documented(tmp_path_factory: pytest.TempPathFactory, collections_path: pathlib.Path) -> dict[str, Any]:
    """Return the documentation of every module from ansible-doc, with its fragments merged."""
    home = tmp_path_factory.mktemp("home")
    command = [str(pathlib.Path(sys.executable).parent / "ansible-doc"), "--json", "--type", "module"]
    done = subprocess.run(
        [*command, *(f"natsops.security.{name}" for name in MODULES)],
        capture_output=True,
        text=True,
        check=True,
        env=dict(os.environ, ANSIBLE_COLLECTIONS_PATH=str(collections_path), ANSIBLE_HOME=str(home)),
    )
    return {name.rpartition(".")[2]: told for name, told in json.loads(done.stdout).items()}


def without_words(options: dict[str, Any], below: str) -> dict[str, Any]:
    """Reduce options of an argument spec or of documentation to the attributes that both have. `below` is the name of the member with suboptions."""
    found = {}
    for name, option in options.items():
        found[name] = {
            "type": option.get("type", "str"),
            "required": option.get("required", False),
            "default": option.get("default"),
            "choices": option.get("choices"),
            "elements": option.get("elements"),
            "below": without_words(option[below], below) if below in option else None,
        }
    return found


def every_option(options: dict[str, Any], key: str, path: str = "") -> list[tuple[str, dict[str, Any]]]:
    """Return all options and suboptions with their paths."""
    found = []
    for name, option in options.items():
        found.append((f"{path}{name}", option))
        found += every_option(option.get(key) or {}, key, f"{path}{name}.")
    return found


@pytest.mark.parametrize("name", MODULES)
def test_options_are_documented_as_they_are_declared(name: str, documented: dict[str, Any]) -> None:
    assert without_words(documented[name]["doc"]["options"], "suboptions") == without_words(options_of(name), "options")


@pytest.mark.parametrize("name", MODULES)
def test_every_option_is_described_in_sentences(name: str, documented: dict[str, Any]) -> None:
    for path, option in every_option(documented[name]["doc"]["options"], "suboptions"):
        description = option["description"]
        assert description, path
        for sentence in [description] if isinstance(description, str) else description:
            assert sentence[0].isupper() or sentence.startswith(("V(", "O(", "C(")), f"{path}: {sentence}"
            assert sentence.rstrip().endswith((".", "!")), f"{path}: {sentence}"


@pytest.mark.parametrize("name", MODULES)
def test_modules_support_check_mode_and_say_so(name: str, documented: dict[str, Any]) -> None:
    assert declared(name)["supports_check_mode"] is True
    attributes = documented[name]["doc"]["attributes"]
    assert attributes["check_mode"]["support"] == "full"
    reads_only = "_info" in name or name == "nats_diagnose"
    assert attributes["diff_mode"]["support"] == ("N/A" if reads_only else "full")
    groups = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())["action_groups"]
    assert name in groups["nats"]
    assert attributes["action_group"]["membership"] == [
        f"natsops.security.{group}" for group in groups if name in groups[group]
    ]


@pytest.mark.parametrize("name", MODULES)
def test_private_material_and_nothing_else_is_kept_from_logs(name: str) -> None:
    for path, option in every_option(options_of(name), "options"):
        is_content = path.endswith(("seed", "seeds", "creds")) and option["type"] not in ("path", "bool")
        secrets = SECRET_TOKENS.get(name, set()) | SECRETS_OF_SIGNERS
        assert bool(option.get("no_log")) is (is_content or path in secrets), path


@pytest.mark.parametrize("name", MODULES)
def test_ansible_asks_for_no_decision_about_an_option(name: str) -> None:
    # AnsibleModule warns of every option that has a name like a secret but does not set no_log.
    for path, option in every_option(options_of(name), "options"):
        if re.search(r"pass(?!ive)|secret|token|cryptkey", path.rpartition(".")[2], re.IGNORECASE):
            assert "no_log" in option, path


@pytest.mark.parametrize("name", MODULES)
def test_modules_are_made_by_running_their_task(name: str) -> None:
    # run() creates a CarefulModule, which masks secrets. A module that creates its own AnsibleModule might not.
    text = (ROOT / f"plugins/modules/{name}.py").read_text()
    assert "AnsibleModule" not in text
    assert "CarefulModule(" not in text
    assert "argument_spec=" in text or "OPTIONS.arguments()" in text


@pytest.mark.parametrize("body", [Operator, Account, User, Activation])
def test_documentation_of_claims_follows_from_their_declarations(body: type) -> None:
    assert without_words(documentation(body), "suboptions") == without_words(argument_spec(body), "options")


@pytest.mark.parametrize("name", MODULES)
def test_return_values_are_documented(name: str, documented: dict[str, Any]) -> None:
    for value, told in documented[name]["return"].items():
        assert told["description"], value
        assert told["returned"], value
        assert told["type"], value
        assert "sample" in told or "contains" in told or told["type"] == "bool", value


def test_public_keys_in_documentation_are_real() -> None:
    texts = [path.read_text() for path in (ROOT / "plugins").rglob("*.py")] + [(ROOT / "README.md").read_text()]
    keys = {key for text in texts for key in re.findall(r"\b[OAUNCX][A-Z2-7]{55}\b", text)}
    assert keys
    for key in keys:
        try:
            nkey.from_public_key(key)
        except NatsSecurityError as error:
            pytest.fail(str(error))


@pytest.mark.parametrize("module", ["nats_operator", "nats_account", "nats_user", "nats_activation"])
def test_groups_of_options_bring_their_documentation_with_them(module: str) -> None:
    found = importlib.import_module(f"ansible_collections.natsops.security.plugins.modules.{module}")
    listed = yaml.safe_load(found.DOCUMENTATION)["extends_documentation_fragment"]
    own = {
        name
        for name in listed
        if name.startswith(("natsops.security.claims", "natsops.security.token", "natsops.security.signers"))
    }
    assert own == {f"natsops.security.{name}" for name in found.OPTIONS.fragments}
