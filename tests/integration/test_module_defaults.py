# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Options set once for a play, by the action groups of the collection, reach the tasks of different modules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.natsops.security.plugins.module_utils.keys import nkey

if TYPE_CHECKING:
    from support.plays import Play


def test_defaults_of_groups_reach_their_modules(play: Play) -> None:
    account, user = nkey.create("account"), nkey.create("user")
    folder = play.folder
    defaults: dict[str, dict[str, Any]] = {
        "signing": {"signer_seed": account.seed},
        "tokens": {"expires_in": "90d", "tags": ["prod"]},
        "files": {"group": "root", "unsafe_writes": True},
        "stores": {"stores_dir": str(folder / "stores"), "store": "ACME"},
        "keystores": {"keys_dir": str(folder / "keys")},
        "servers": {"servers": ["nats://127.0.0.1:1"], "connect_timeout": "100ms"},
        "system_account": {"timeout": "1s", "creds_path": str(folder / "sys.creds")},
        "signers": {"signers": []},
    }
    tasks = [
        {"name": "content", "natsops.security.nats_user": {"name": "u", "key_seed": user.seed}},
        {"name": "own option", "natsops.security.nats_user": {"name": "u", "key_seed": user.seed, "expires_in": "1d"}},
        {
            "name": "key",
            "natsops.security.nats_nkey": {"path": str(folder / "u.nk"), "type": "user"},
            "check_mode": True,
        },
        {"name": "store", "natsops.security.nats_store_info": {}, "ignore_errors": True},
        {"name": "servers", "natsops.security.nats_resolver_info": {}, "ignore_errors": True},
    ]
    block = {
        "block": tasks,
        "module_defaults": {f"group/natsops.security.{group}": options for group, options in defaults.items()},
    }
    run = play([block])
    assert run.returncode == 0, run.output

    def given(name: str) -> dict[str, Any]:
        arguments: dict[str, Any] = run.tasks[name]["invocation"]["module_args"]
        return arguments

    assert run.tasks["content"]["claims"]["tags"] == ["prod"]
    assert run.tasks["content"]["claims"]["issuer"] == account.public_key
    assert run.tasks["content"]["diff"]["after"]["expires"] == "90d after issue"
    assert run.tasks["own option"]["diff"]["after"]["expires"] == "1d after issue"
    assert given("key")["unsafe_writes"] is True
    assert given("key")["group"] == "root"
    assert {name: given("store")[name] for name in ("stores_dir", "store", "keys_dir")} == {
        **defaults["stores"],
        **defaults["keystores"],
    }
    wanted = {**defaults["servers"], **defaults["system_account"]}
    assert {name: given("servers")[name] for name in wanted} == wanted
