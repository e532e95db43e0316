# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Filters and tests for keys and tokens: their results and the input that they refuse."""

from __future__ import annotations

import time
from typing import Any

import pytest
from ansible.errors import AnsibleError

from ansible_collections.natsops.security.plugins.filter.nats_creds import nats_creds, nats_public_key
from ansible_collections.natsops.security.plugins.filter.nats_jwt import nats_expiry, nats_jwt
from ansible_collections.natsops.security.plugins.filter.nats_subject_matches import nats_subject_matches
from ansible_collections.natsops.security.plugins.module_utils.base import units
from ansible_collections.natsops.security.plugins.module_utils.base.recognition import secrets_in
from ansible_collections.natsops.security.plugins.module_utils.claims import Account, Claims, Operator, User
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.keys.seed_files import decorate_seed
from ansible_collections.natsops.security.plugins.module_utils.token import codec, decorated
from ansible_collections.natsops.security.plugins.test.expired import expired, nats_nkey, valid_for

DAY = 86400
NOW = int(time.time())
OPERATOR, ACCOUNT, ORDERS, OTHER = (nkey.create(kind) for kind in ("operator", "account", "user", "user"))


def token(body: Any, subject: nkey.KeyPair, signer: nkey.KeyPair, **more: Any) -> str:
    """Return a JWT that was issued ten days ago."""
    return codec.encode(Claims(name="x", subject=subject.public_key, body=body, **more), signer, NOW - 10 * DAY)


ACME = token(Operator(), OPERATOR, OPERATOR)
APP = token(Account(), ACCOUNT, OPERATOR, expires=NOW + 30 * DAY)
USER = token(User(), ORDERS, ACCOUNT, expires=NOW + 60 * DAY)
CREDS = decorated.format_creds(USER, ORDERS)
ENDED = token(User(), ORDERS, ACCOUNT, expires=NOW - 10)
LATER = token(User(), ORDERS, ACCOUNT, not_before=NOW + DAY)
FOREVER = token(User(), ORDERS, ACCOUNT)
REVOKING = token(Account(revocations={ORDERS.public_key: NOW}), ACCOUNT, OPERATOR)
FOREIGN = token(Account(), nkey.create("account"), OPERATOR)
TAMPERED = USER[:-4] + ("AAAA" if USER[-4:] != "AAAA" else "BBBB")


@pytest.mark.parametrize("text", [USER, CREDS, decorated.decorate_token(USER), USER + "\r\n", "\n" + CREDS])
def test_a_token_is_read_in_every_form(text: str) -> None:
    found = nats_jwt(text, [ACME, APP], ["+14d", "+45d"])
    assert (found["type"], found["public_key"], found["verified"], found["valid"]) == (
        "user",
        ORDERS.public_key,
        True,
        True,
    )
    assert [one["valid"] for one in found["validity"]] == [True, False]
    assert found["has_seed"] is ("SEED" in text)
    assert secrets_in(str(found)) == []
    assert nats_expiry(text) == units.show_time(NOW + 60 * DAY)
    assert nats_public_key(text, "user") == ORDERS.public_key


def test_the_first_to_expire_counts_and_what_never_does_has_no_time() -> None:
    assert nats_expiry(USER, [APP, ACME]) == units.show_time(NOW + 30 * DAY)
    assert nats_expiry(FOREVER) is None
    assert nats_expiry(FOREVER, remaining=True) is None
    assert -3600 < nats_expiry(ENDED, remaining=True) + 10 <= 0
    assert nats_expiry(ENDED) == units.show_time(NOW - 10)


def test_whether_a_token_holds() -> None:
    assert expired(ENDED)
    assert not expired(USER)
    assert not expired(LATER)
    assert not expired(FOREVER, "2999-01-01")
    assert expired(USER, "+61d")
    assert valid_for(USER, "59d")
    assert not valid_for(USER, "61d")
    assert not valid_for(USER, "59d", [ACME, APP])
    assert valid_for(USER, "29d", [ACME, APP])
    assert not valid_for(LATER, "2d")
    assert not valid_for(ENDED, "1s")
    assert not valid_for(USER, "1d", [ACME, REVOKING])
    assert not valid_for(USER, "1d", [ACME, FOREIGN])
    assert valid_for(APP, "29d", ACME)


def test_keys_in_every_form_are_recognised() -> None:
    for key in (OPERATOR, ACCOUNT, ORDERS, nkey.create("server"), nkey.create("curve")):
        for text in (key.seed, key.public_key):
            assert nats_nkey(text)
            assert nats_nkey(text, key.type)
            assert not nats_nkey(text, "cluster")
            assert not nats_nkey(text[:-1])
            assert not nats_nkey(text + "\n")
            assert nats_public_key(text, key.type) == key.public_key
        assert nats_public_key(key.seed + "\n") == key.public_key
    assert nats_public_key(decorate_seed(ACCOUNT.seed), "account") == ACCOUNT.public_key
    assert not nats_nkey("")
    assert not nats_nkey(USER)


def test_creds_are_those_that_the_go_library_would_write() -> None:
    assert nats_creds(USER, ORDERS.seed) == CREDS
    assert nats_creds(CREDS, decorate_seed(ORDERS.seed)) == CREDS


@pytest.mark.parametrize(
    ("subject", "patterns", "answer"),
    [
        ("orders.new", "orders.*", True),
        ("orders", "orders.>", False),
        ("orders.eu.new", "orders.*", False),
        ("orders.eu.new", ["a", "orders.>"], True),
        ("orders.*", "orders.*", True),
        ("orders.>", "orders.*", False),
        ("orders.*", "orders.>", True),
        ("*.new", "orders.new", False),
        (">", ">", True),
        ("orders.new", "orders.*new", False),
        ("Orders", "orders", False),
        ("orders", [], False),
    ],
)
def test_subjects_match_as_in_a_server(subject: str, patterns: Any, answer: bool) -> None:
    assert nats_subject_matches(subject, patterns) is answer


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: nats_jwt(TAMPERED), "nats_jwt: the input: "),
        (lambda: nats_jwt(""), "nats_jwt: the input: "),
        (lambda: nats_jwt(None), "the input: expected a text, not null."),
        (lambda: nats_jwt(7), "the input: expected a text, not a number."),
        (lambda: nats_jwt([USER]), "the input: expected a text, not a list."),
        (lambda: nats_jwt({"jwt": CREDS}), "the input: expected a text, not a dictionary."),
        (lambda: nats_jwt(USER, [APP, ORDERS.seed]), "parents[1]: "),
        (lambda: nats_jwt(USER, [APP, True]), "parents[1]: expected a text, not a boolean."),
        (lambda: nats_jwt(USER, APP, "soon"), "valid_at: 'soon' is not a time"),
        (lambda: nats_jwt(USER, APP, "+soon"), "valid_at: 'soon' is not a duration"),
        (lambda: nats_jwt(USER, APP, [["now"]]), "valid_at: "),
        (lambda: nats_expiry(ORDERS.seed), "nats_expiry: the input: "),
        (lambda: nats_expiry(USER, [ACME, FOREIGN]), "which is not a key that may sign it"),
        (lambda: nats_public_key(ORDERS.seed, "account"), "This is the seed of a user key, expected an account key."),
        (lambda: nats_public_key(ORDERS.seed, "usr"), "type: 'usr' is not a type of key"),
        (lambda: nats_public_key(ORDERS.seed[1:]), "nats_public_key: "),
        (lambda: nats_public_key(ORDERS.public_key, ["user"]), "type: "),
        (lambda: nats_public_key(TAMPERED), "nats_public_key: "),
        (lambda: nats_public_key(CREDS.replace(ORDERS.seed, OTHER.seed)), "they do not belong together."),
        (lambda: nats_public_key(CREDS.replace(ORDERS.seed, "")), "nats_public_key: "),
        (lambda: nats_creds(USER, OTHER.seed), "they do not belong together."),
        (lambda: nats_creds(APP, ACCOUNT.seed), "A creds file holds the JWT of a user"),
        (lambda: nats_creds(USER, ORDERS.public_key), "seed: There is no seed in it."),
        (lambda: nats_creds(USER, ORDERS.seed + "A"), "seed: Not a whole seed"),
        (lambda: nats_creds(USER, None), "nats_creds: seed: expected a text, not null."),
        (lambda: nats_creds(ORDERS.seed, ORDERS.seed), "nats_creds: the input: "),
        (lambda: nats_subject_matches("a b", "a"), "the subject: 'a b' is not a subject"),
        (lambda: nats_subject_matches("a", ["a", "a..b"]), "patterns[1]: 'a..b' is not a subject"),
        (lambda: nats_subject_matches("a", ">.a"), "patterns[0]: '>.a' is not a subject"),
        (lambda: nats_subject_matches(ORDERS.seed + " ", "a"), "the subject: "),
        (lambda: nats_subject_matches("a", {"a": 1}), "patterns: expected a text, not a dictionary."),
        (lambda: expired(TAMPERED), "expired: the input: "),
        (lambda: expired(USER, "soon"), "at: 'soon' is not a time"),
        (lambda: valid_for(TAMPERED, "1d"), "valid_for: the input: "),
        (lambda: valid_for(USER, "14"), "duration: '14' is not a duration"),
        (lambda: valid_for(USER, None), "duration: "),
        (lambda: nats_nkey(ORDERS.seed, "usr"), "type: 'usr' is not a type of key"),
        (lambda: nats_nkey(7), "nats_nkey: the input: expected a text, not a number."),
    ],
)
def test_bad_input_is_one_message_without_secrets(call: Any, words: str) -> None:
    with pytest.raises(AnsibleError) as raised:
        call()
    message = str(raised.value)
    assert words in message
    assert secrets_in(message) == []
    assert ORDERS.seed[1:] not in message
    assert "\n" not in message
