# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The options that describe claims, documented from their declarations in module_utils/claims."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.natsops.security.plugins.module_utils.claims import Account, Activation, Operator, User
from ansible_collections.natsops.security.plugins.module_utils.claims.options import documentation


def _fragment(options: dict[str, Any]) -> str:
    # JSON is YAML.
    return json.dumps({"options": options})


def _signing_keys(options: dict[str, Any], signs: str) -> dict[str, Any]:
    """The option signing_keys of the modules, where a key is given by its path or its public key."""
    where = {
        "path": {
            "type": "path",
            "description": ["The seed file of the key. It is created when missing."],
        },
        "public_key": {
            "type": "str",
            "description": [
                "The public key, if its seed is kept elsewhere. Exactly one of this and O(signing_keys[].path) is needed."
            ],
        },
    }
    return {
        "type": "list",
        "elements": "dict",
        "description": [
            f"Keys that sign {signs}.",
            "Omitting a key does not remove it, see O(remove_signing_keys).",
        ],
        "suboptions": dict(where, **{name: option for name, option in options.items() if name != "key"}),
    }


def _operator() -> dict[str, Any]:
    options = documentation(Operator)
    options["signing_keys"] = _signing_keys({}, "accounts on behalf of the operator's own key")
    return options


def _account() -> dict[str, Any]:
    options = documentation(Account)
    options["signing_keys"] = _signing_keys(
        options["signing_keys"]["suboptions"], "users and activations on behalf of the account's own key"
    )
    return options


class ModuleDocFragment:
    """Fragments natsops.security.claims.operator and so on."""

    # Annotated: ansible-test's yamllint reads plain assignments, and only literal ones.
    OPERATOR: str = _fragment(_operator())
    ACCOUNT: str = _fragment(_account())
    USER: str = _fragment(documentation(User))
    ACTIVATION: str = _fragment(documentation(Activation))
