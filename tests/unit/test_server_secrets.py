# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Detection of the values in nats-server's configuration that are secrets."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.rules.server_secrets import (
    is_secret_option,
    may_have_secret_options,
)
from ansible_collections.natsops.security.plugins.module_utils.server import secrets

SEED = nkey.from_raw_seed("user", bytes(range(32))).seed

SECRETS: list[tuple[str, Any]] = [
    *((name, "s3cret") for name in ("user", "username", "pass", "password", "token", "nkey", "seed")),
    *((name, "s3cret") for name in ("key", "ek", "encryption_key", "prev_key", "prev_ek", "prev_encryption_key")),
    *((name, "s3cret") for name in ("encryption_password", "srk_password", "key_passphrase")),
    ("Password", "s3cret"),
    ("PASS", "s3cret"),
    ("pAsSwOrD", 123456),
    ("toKen", "s3cret"),  # the Kelvin sign, which Go folds to k
    ("urls", "nats://u:s3cret@host:4222"),
    ("routes", "nats-route://u:p/a/s3cret@host:6222"),
    ("routes", "nats-route://u:p@a:s3cret@host:6222"),
    ("url", "tls://s3cret@host:7222"),
    ("url", " nats://u:s3 cret@host"),
    ("url", "u:s3cret@host:4222"),
    ("resolver", "URL(https://u:s3cret@host/jwt/v1/accounts/)"),
    ("credentials", SEED),
    ("server_name", f"x{SEED}"),
]
SHOWN: list[tuple[str, Any]] = [
    ("url", "nats://host:4222"),
    ("urls", "wss://[::1]:443/path"),
    ("key_file", "/etc/nats/key.pem"),
    ("keys_file", "/etc/nats/keys.json"),
    ("credentials", "/etc/nats/hub.creds"),
    ("no_auth_user", "guest"),
    ("jwt_cookie", "jwt"),
    ("pass_cookie", "p"),
    ("max_sub_tokens", 16),
    ("account_token_position", 3),
    ("server_name", "n1"),
    ("password", None),
    ("password", {"a": "b"}),
    ("account", nkey.from_raw_seed("account", bytes(32)).public_key),
    ("email", "ops@example.com"),
]


@pytest.mark.parametrize(("name", "value"), SECRETS)
def test_secret_value_is_not_shown(name: str, value: Any) -> None:
    assert is_secret_option(name, value)
    quoted = f'"{value}"'
    for text in (
        f"{name}: {quoted}",
        f"authorization {{{name} = {quoted}}}",
        f'"{name}" {quoted}',
        f"a: 1\n# {name}:{value}",
    ):
        assert may_have_secret_options(text), text


@pytest.mark.parametrize(("name", "value"), SHOWN)
def test_other_value_is_shown(name: str, value: Any) -> None:
    assert not is_secret_option(name, value)


def test_configuration_without_secrets_is_shown() -> None:
    text = 'max_payload: 2MB\ndebug: false\ntls {key_file: "/etc/nats/key.pem", verify: true}\njetstream: enabled\n'
    assert not may_have_secret_options(text)


# ---- a whole configuration


def test_secrets_are_kept_apart_under_names_of_their_own() -> None:
    members = {
        "websocket": {"headers": {"authorization": "basic", "X-A_key": "1"}, "no_tls": True},
        "mqtt": {
            "authorization": {"Password": 123456, "timeout": 2},
            "a-token": {"token": "x"},
            "a_token": {"token": "y"},
        },
        "cluster": {"routes": ["nats://h:1", "nats://u:s3/cret@h:2"]},
    }
    shown, variables = secrets.split(members)
    assert variables == {
        "secret_websocket_headers_authorization": "basic",
        "secret_mqtt_authorization_Password": "123456",  # the server accepts only a string
        "secret_mqtt_a_token_token": "x",
        "secret_mqtt_a_token_token_2": "y",
        "secret_cluster_routes_2": "nats://u:s3/cret@h:2",
    }
    assert shown["cluster"] == {"routes": ["nats://h:1", "secret_cluster_routes_2"]}
    assert list(secrets.values_of(members)) == list(variables.values())
    assert secrets.hidden(members)["mqtt"]["authorization"] == {"Password": secrets.MASK, "timeout": 2}


def test_text_is_shown_without_secrets() -> None:
    text = "MINE: s3cret # mine\n// old password: s3cret\ncluster { name: C, authorization {\n user: 'u', password: $MINE } }\nmax_subs: 5"
    assert secrets.hidden_text(text, "site.conf") == (
        'MINE: "********" # mine\n// ********\ncluster { name: C, authorization {\n user: "********", password: "********" } }\nmax_subs: 5'
    )
    assert secrets.hidden_text("password: s3cret }}", "site.conf") is None


def test_message_of_a_server_is_shown_without_secrets() -> None:
    message = 'bad nats://u:p@h:1, tls://x@y, "a\\"b" and c%2Fd\0' + SEED
    shown = secrets.hidden_message(message, ['a"b', "c/d", "ba"])
    assert shown == 'bad nats://...@h:1, tls://...@y, "********" and ******** ********'
