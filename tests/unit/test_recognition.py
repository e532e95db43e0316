# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Seeds and private keys are found in any text by decoding them. Public keys and other words are never taken for secrets."""

from __future__ import annotations

import base64
import json
import textwrap

import pytest

from ansible_collections.natsops.security.plugins.module_utils.base.recognition import (
    MASK,
    hide,
    lookalikes_in,
    secrets_in,
)
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.token import decorated

KEYS = {key_type: nkey.from_raw_seed(key_type, bytes(range(32))) for key_type in nkey.KEY_TYPES}
USER = KEYS["user"]
CREDS = "-----BEGIN NATS USER JWT-----\neyJ0.eyJ0.AAAA\n------END NATS USER JWT------\n\n" + decorated.decorate_seed(
    USER.seed
)


@pytest.mark.parametrize(
    "around", ["%s", "/etc/%s.nk", "n%s", "1%s", "X%s", "%sX", "ABC%sABC9", "_%s_", "%%0A%s%%0A", "\u00e9%s\U0001f511"]
)
@pytest.mark.parametrize("key_type", KEYS)
@pytest.mark.parametrize("form", ["seed", "private_key"])
def test_secret_is_found_whatever_stands_around_it(key_type: str, form: str, around: str) -> None:
    secret = getattr(KEYS[key_type], form)
    (found,) = secrets_in(around % secret)
    assert secret in found
    # Adjacent letters of the base32 alphabet may be included in the match.
    assert len(found) <= len(secret) + 3
    assert secret[3:] not in hide(around % secret)
    (lower,) = secrets_in(around.lower() % secret.lower())
    assert secret.lower() in lower


@pytest.mark.parametrize("key_type", KEYS)
def test_seed_is_found_without_its_beginning(key_type: str) -> None:
    seed = KEYS[key_type].seed
    for lost in (1, 2, 3):
        assert secrets_in(f"seed: {seed[lost:]}\n") == [seed[lost:]]
    private_key = KEYS[key_type].private_key
    assert secrets_in(f"key: {private_key[1:]}\n") == [private_key[1:]]


def test_creds_are_found_in_every_form_that_files_have() -> None:
    wrapped = "\n      ".join(textwrap.wrap(USER.seed, 20))
    encoded = base64.b64encode(CREDS.encode()).decode()
    for text in (
        CREDS,
        CREDS.replace("\n", "\r\n"),
        json.dumps({"creds": CREDS}),
        json.dumps(json.dumps({"creds": CREDS})),
        repr({"creds": CREDS}),
        f"creds: |\n  {wrapped}\n",
        json.dumps(wrapped),
        json.dumps({"content": encoded}),
        f"content {encoded}",
        base64.encodebytes(CREDS.encode()).decode(),
        base64.urlsafe_b64encode(b"\xff\xfe" + CREDS.encode()).decode().rstrip("="),
        base64.b64encode(USER.seed.encode()).decode(),
    ):
        (found,) = secrets_in(text)
        assert found in text
        assert hide(text) == text.replace(found, MASK)
        assert not secrets_in(hide(text))


def test_public_keys_and_other_words_are_no_secrets() -> None:
    looks_like_one = "UA5SNNYNIQIBSENQJENBJASRJQBVSCCZXVRBOVPRXTGEJUBINUZ7NHAA"
    # Without its last character, this public key has the checksum of a seed by coincidence.
    accident = nkey.from_raw_seed("account", (25420).to_bytes(32, "big")).public_key
    assert secrets_in(accident[:-1]) == [accident[:-1]]
    for key in (looks_like_one, accident, *(pair.public_key for pair in KEYS.values())):
        for text in (key, f"/keys/{key}.nk", f"[{key},{key}]", key + key, f"{key}\n{key}", key.lower()):
            assert secrets_in(text) == []
            assert lookalikes_in(text) == []
    for word in (
        "A" * 500,
        "ABC234" * 100,
        "supercalifragilisticexpialidocious" * 3,
        "0123456789abcdef" * 8,
        "\ud800",
        "",
    ):
        assert secrets_in(word) == []


def test_what_was_a_seed_before_it_was_mistyped_looks_like_one() -> None:
    seed = nkey.from_raw_seed("user", bytes(range(210, 242))).seed
    for text in (
        seed[:-1],
        seed[:-10],
        seed[:30] + ("B" if seed[30] == "A" else "A") + seed[31:],
        seed[:-1].lower(),
        seed[4:],
        "7" + seed[:-1],
    ):
        assert secrets_in(text) == []
        (found,) = lookalikes_in(f"of {text}, no")
        assert found in text
        assert len(text) - len(found) <= 1
    mistyped_key = USER.public_key[:30] + ("B" if USER.public_key[30] == "A" else "A") + USER.public_key[31:]
    jwt_id = base64.b32encode(bytes(range(32))).decode().rstrip("=")
    for text in (mistyped_key, jwt_id, "SCALABLEMESSAGINGPLATFORM", seed[:20]):
        assert lookalikes_in(text) == []
