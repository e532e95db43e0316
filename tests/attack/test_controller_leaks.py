# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Secrets passed to filters and to the action plugin, which run on the controller, where Ansible does not mask them."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.natsops.security.plugins.module_utils.base.recognition import secrets_in
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey

if TYPE_CHECKING:
    from support.plays import Play

SEED = nkey.create("account").seed
CALLS: dict[str, Callable[[Callable[..., Any]], Any]] = {
    "nats_server_config": lambda told: told({"server_name": SEED, "operator": SEED}),
    "nats_server_config, an unknown option": lambda told: told({SEED: SEED}),
    "nats_server_config, no options": lambda told: told(SEED),
    "nats_server_config, a wrong type": lambda told: told({"port": SEED, "websocket": SEED}),
    "nats_access": lambda told: told({"operator": {"name": SEED, SEED: SEED}}, [{"may": {"user": SEED}}]),
    "nats_access, a question": lambda told: told({"operator": {"name": "O"}}, [{SEED: SEED}]),
    "nats_access, a time": lambda told: told({"operator": {"name": "O"}}, [], at=SEED),
    "nats_credentials_order": lambda told: told({SEED: [{"account": SEED, "name": SEED, SEED: SEED}]}, {}),
    "nats_credentials_order, a definition": lambda told: told({}, {"accounts": SEED, SEED: SEED}),
    "nats_credentials_order, users": lambda told: told({}, {"accounts": [{"name": "A", "users": [SEED]}]}),
    "nats_renewal_summary": lambda told: told({}, [], {}, SEED),
}


@pytest.mark.parametrize("name", CALLS)
def test_filters_show_no_seed(name: str) -> None:
    plugin = name.partition(",")[0]
    source = importlib.import_module(f"ansible_collections.natsops.security.plugins.filter.{plugin}")
    told = source.FilterModule().filters()[plugin]
    with pytest.raises(AnsibleFilterError) as raised:
        CALLS[name](told)
    assert secrets_in(str(raised.value)) == []
    assert raised.value.__cause__ is None


@pytest.mark.playbook
def test_vault_in_a_file_named_by_a_seed_shows_none(play: Play) -> None:
    """`Play` searches all output for seeds."""
    (play.folder / "named.json").write_text(f'{{"named": "{SEED}"}}')
    options = {
        "definition": {"operator": {"name": "O"}},
        "stores_dir": str(play.folder / "stores"),
        "keys_dir": str(play.folder / "keys"),
        "vault_password": "p",
    }
    for path in (f"{play.folder}/{{{{ named }}}}", "/{{ named }}/none"):
        task = {"name": "store", "natsops.security.nats_store": {**options, "vault_file": path}, "ignore_errors": True}
        played = play([task], "-vvv", "--diff", "-e", f"@{play.folder}/named.json")
        assert "store" in played.tasks
        assert secrets_in(str(played.tasks)) == []
