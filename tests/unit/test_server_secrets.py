# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Which values of nats-server's configuration are secrets."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.rules.server_secrets import (
    is_secret_option,
    may_have_secret_options,
)

SEED = nkey.from_raw_seed("user", bytes(range(32))).seed

SECRETS: list[tuple[str, Any]] = [
    *((name, "s3cret") for name in ("user", "username", "pass", "password", "token", "nkey", "seed")),
    *((name, "s3cret") for name in ("key", "ek", "encryption_key", "prev_key", "prev_ek", "prev_encryption_key")),
    *((name, "s3cret") for name in ("encryption_password", "srk_password", "key_passphrase")),
    ("Password", "s3cret"),
    ("PASS", "s3cret"),
    ("pAsSwOrD", 123456),
    ("toKen", "s3cret"),  # the Kelvin sign, of which Go makes a k
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
