# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Key pairs: accepted keys, signing and sealing, and protection of the seed."""

from __future__ import annotations

import copy
import pickle
import re
import subprocess
import sys
import traceback

import pytest

from ansible_collections.natsops.security.plugins.module_utils.base.errors import NatsSecurityError
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey

RAW = bytes(range(32))
LETTERS = {"operator": "O", "account": "A", "user": "U", "server": "N", "cluster": "C", "curve": "X"}
SIGNING = [key_type for key_type in nkey.KEY_TYPES if key_type != "curve"]
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
#: Translates the base32 alphabet to the digits of int() in base 32.
DIGITS = str.maketrans(ALPHABET, "0123456789abcdefghijklmnopqrstuv")
OTHERS = "0189=-_ !\t\0\x7fa\u00e9\u0130\U0001f600"

every_type = pytest.mark.parametrize("key_type", nkey.KEY_TYPES)


def pair_of(key_type: str) -> nkey.KeyPair:
    return nkey.from_raw_seed(key_type, RAW)


def is_accepted(parse, text: str) -> bool:
    try:
        parse(text)
    except NatsSecurityError:
        return False
    return True


def refused_as_seed(text: str) -> str:
    with pytest.raises(NatsSecurityError) as error:
        nkey.from_seed(text)
    return str(error.value)


def refused_as_public_key(text: str) -> str:
    with pytest.raises(NatsSecurityError) as error:
        nkey.from_public_key(text)
    return str(error.value)


@every_type
def test_key_pair_comes_back_from_its_seed(key_type: str) -> None:
    pair = nkey.create(key_type)
    assert pair.seed.startswith("S" + LETTERS[key_type])
    assert pair.public_key.startswith(LETTERS[key_type])
    assert pair.private_key.startswith("P")
    assert pair.has_seed
    again = nkey.from_seed(pair.seed, key_type)
    assert (again.type, again.seed, again.public_key, again.private_key) == (
        key_type,
        pair.seed,
        pair.public_key,
        pair.private_key,
    )


@every_type
def test_two_new_keys_are_not_the_same(key_type: str) -> None:
    assert nkey.create(key_type).public_key != nkey.create(key_type).public_key


@every_type
def test_newlines_in_a_key_are_passed_over_as_by_go(key_type: str) -> None:
    pair = pair_of(key_type)
    for key, parse in ((pair.seed, nkey.from_seed), (pair.public_key, nkey.from_public_key)):
        for text in (key + "\n", key + "\r\n", "\n" + key, key[:20] + "\n" + key[20:]):
            assert parse(text).public_key == pair.public_key


@pytest.mark.parametrize("raw", [b"", bytes(31), bytes(33)])
def test_raw_seed_of_another_length_is_refused(raw: bytes) -> None:
    with pytest.raises(NatsSecurityError, match=f"A raw seed has 32 bytes, this one has {len(raw)}"):
        nkey.from_raw_seed("user", raw)


def test_unknown_key_type_is_refused_with_the_known_ones() -> None:
    with pytest.raises(NatsSecurityError, match="no key type 'usr'; available: operator, account, user"):
        nkey.create("usr")


# ---- mistyped keys


def changes_of(text: str) -> list[str]:
    """Return every text with one changed character, and typical typing errors: a character omitted, doubled or swapped with the next."""
    changed = [
        text[:at] + other + text[at + 1 :]
        for at in range(len(text))
        for other in ALPHABET + OTHERS
        if other != text[at]
    ]
    left_out = [text[:at] + text[at + 1 :] for at in range(len(text))]
    doubled = [text[:at] + text[at] + text[at:] for at in range(len(text))]
    swapped = [text[:at] + text[at + 1] + text[at] + text[at + 2 :] for at in range(len(text) - 1)]
    return [*changed, *left_out, *doubled, *(other for other in swapped if other != text)]


@every_type
def test_every_mistyped_seed_is_an_error(key_type: str) -> None:
    accepted = [text for text in changes_of(pair_of(key_type).seed) if is_accepted(nkey.from_seed, text)]
    assert accepted == []


@every_type
def test_every_mistyped_public_key_is_an_error(key_type: str) -> None:
    accepted = [text for text in changes_of(pair_of(key_type).public_key) if is_accepted(nkey.from_public_key, text)]
    assert accepted == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda seed: "", "Not a seed: seeds begin with S"),
        (lambda seed: "hello", "Not a seed: seeds begin with S"),
        (lambda seed: "A" + seed[1:], "Not a seed: seeds begin with S"),
        (lambda seed: " " + seed, "Not a seed: seeds begin with S"),
        (lambda seed: seed[:57], "Not a whole seed: it has 57 characters instead of 58."),
        (lambda seed: seed * 2, "Not a whole seed: it has 116 characters instead of 58."),
        (lambda seed: seed[:57] + " ", "The seed has a character that keys do not have"),
        (lambda seed: seed[:57] + "\u00e9", "The seed has a character that keys do not have"),
        (lambda seed: seed[:1] + seed[1:].lower(), "The seed has a character that keys do not have"),
        (lambda seed: seed[:30] + ("A" if seed[30] != "A" else "B") + seed[31:], "The seed is mistyped: its checksum"),
    ],
)
def test_message_says_what_is_wrong_with_a_seed(change, message: str) -> None:
    assert refused_as_seed(change(pair_of("user").seed)).startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is not a public key: it has 0 characters instead of 56."),
        (
            pair_of("account").seed,
            "this is not a public key: it is a seed, which is secret. Give the public key that belongs to it.",
        ),
        ("ABC", "'ABC' is not a public key: it has 3 characters instead of 56."),
        ("A" * 55 + "B", f"'{'A' * 55}B' is mistyped: its checksum is wrong."),
        ("a" * 56, f"'{'a' * 56}' has a character that keys do not have: A to Z and 2 to 7 only."),
    ],
)
def test_message_says_what_is_wrong_with_a_public_key(text: str, message: str) -> None:
    assert refused_as_public_key(text) == message


def with_checksum(data: bytes) -> str:
    return nkey._encode_bytes(data)


@pytest.mark.parametrize("prefix", [1 << 3, 15 << 3, 18 << 3, 25 << 3, nkey.PREFIXES["user"] | 1])
def test_right_checksum_of_an_unknown_type_is_refused(prefix: int) -> None:
    assert "those of NATS begin with O, A, U, N, C or X" in refused_as_public_key(with_checksum(bytes((prefix,)) + RAW))


@pytest.mark.parametrize("start", [b"\x90\x08", b"\x91\x01", b"\x95\xa1", b"\x97\xff"])
def test_seed_of_an_unknown_type_is_refused(start: bytes) -> None:
    assert "Not a seed of a NATS key type" in refused_as_seed(with_checksum(start + RAW))


@pytest.mark.parametrize("point", sorted(nkey._SMALL_ORDER))
@pytest.mark.parametrize("highest_bit", [0, 128])
def test_public_key_for_which_anybody_can_sign_is_refused(point: bytes, highest_bit: int) -> None:
    raw = point[:31] + bytes((point[31] | highest_bit,))
    text = with_checksum(bytes((nkey.PREFIXES["account"],)) + raw)
    assert "signatures for it can be forged" in refused_as_public_key(text)


# ---- types


@pytest.mark.parametrize("found", nkey.KEY_TYPES)
@pytest.mark.parametrize("wanted", nkey.KEY_TYPES)
def test_key_of_another_type_is_refused_where_a_type_is_wanted(found: str, wanted: str) -> None:
    pair = pair_of(found)
    assert nkey.is_public_key(pair.public_key, wanted) == (found == wanted)
    if found == wanted:
        assert nkey.from_seed(pair.seed, wanted).type == wanted
        assert nkey.from_public_key(pair.public_key, wanted).type == wanted
        return
    articles = {key_type: "an" if key_type[0] in "oa" else "a" for key_type in nkey.KEY_TYPES}
    with pytest.raises(NatsSecurityError) as error:
        nkey.from_seed(pair.seed, wanted)
    assert str(error.value) == (
        f"This is the seed of {articles[found]} {found} key, expected {articles[wanted]} {wanted} key."
    )
    with pytest.raises(NatsSecurityError) as error:
        nkey.from_public_key(pair.public_key, wanted)
    assert str(error.value) == (
        f"{pair.public_key} is {articles[found]} {found} public key, expected {articles[wanted]} {wanted} public key."
    )


# ---- signing


@pytest.mark.parametrize("key_type", SIGNING)
@pytest.mark.parametrize("data", [b"", b"a", bytes(range(256)) * 1000], ids=["nothing", "a letter", "256 kB"])
def test_signature_verifies_for_exactly_this_data_and_key(key_type: str, data: bytes) -> None:
    pair = pair_of(key_type)
    signature = pair.sign(data)
    half = nkey.from_public_key(pair.public_key)
    assert len(signature) == 64
    assert half.verify(data, signature)
    assert not half.verify(data + b"x", signature)
    assert not nkey.create(key_type).verify(data, signature)


def test_every_changed_bit_of_a_signature_is_noticed() -> None:
    pair = pair_of("user")
    signature = pair.sign(b"data")
    for bit in range(64 * 8):
        changed = bytearray(signature)
        changed[bit // 8] ^= 1 << bit % 8
        assert not pair.verify(b"data", bytes(changed))


def test_key_pair_tells_its_own_signatures() -> None:
    pair, other = nkey.create("account"), nkey.create("account")
    signature = pair.sign(b"data")
    assert pair.has_signed(b"data", signature)
    assert not pair.has_signed(b"date", signature)
    assert not other.has_signed(b"data", signature)
    assert not nkey.from_public_key(pair.public_key).has_signed(b"data", signature)
    assert not nkey.create("curve").has_signed(b"data", signature)
    for changed in (signature[:-1], signature + b"\0", b"", signature[:-1] + bytes((signature[-1] ^ 1,))):
        assert not pair.has_signed(b"data", changed)


@pytest.mark.parametrize("length", [0, 1, 63, 65, 128])
def test_signature_of_another_length_does_not_verify(length: int) -> None:
    pair = pair_of("user")
    assert not pair.verify(b"", (pair.sign(b"") * 2)[:length])


def test_curve_key_neither_signs_nor_verifies() -> None:
    pair = pair_of("curve")
    with pytest.raises(NatsSecurityError, match=f"The curve key {pair.public_key} cannot sign: it seals and opens"):
        pair.sign(b"")
    with pytest.raises(NatsSecurityError, match="cannot verify: it seals and opens"):
        pair.verify(b"", bytes(64))


@every_type
def test_public_half_cannot_do_what_takes_the_seed(key_type: str) -> None:
    half = nkey.from_public_key(pair_of(key_type).public_key)
    assert not half.has_seed
    uses = {"return its seed": lambda: half.seed, "return its private key": lambda: half.private_key}
    if key_type == "curve":
        uses["seal"] = lambda: half.seal(b"", half.public_key)
        uses["open"] = lambda: half.open(b"", half.public_key)
    else:
        uses["sign"] = lambda: half.sign(b"")
    for what, use in uses.items():
        message = f"The {key_type} key {half.public_key} cannot {what}: only its public key is available."
        with pytest.raises(NatsSecurityError, match=re.escape(message)):
            use()


# ---- sealing


@pytest.mark.parametrize("data", [b"", b"secret", bytes(100_000)], ids=["nothing", "a word", "100 kB"])
def test_only_the_recipient_opens_what_was_sealed_for_it(data: bytes) -> None:
    sender, recipient, other = (nkey.create("curve") for _unused in range(3))
    box = sender.seal(data, recipient.public_key)
    assert box.startswith(b"xkv1")
    assert recipient.open(box, sender.public_key) == data
    for opener, claimed in ((other, sender), (recipient, other)):
        with pytest.raises(NatsSecurityError, match=f"was not sealed by {claimed.public_key} for {opener.public_key}"):
            opener.open(box, claimed.public_key)


def test_a_box_is_never_the_same_twice() -> None:
    pair = pair_of("curve")
    assert pair.seal(b"x", pair.public_key) != pair.seal(b"x", pair.public_key)


def test_every_changed_byte_of_a_box_is_noticed() -> None:
    pair = pair_of("curve")
    box = pair.seal(b"secret", pair.public_key)
    for at in range(len(box)):
        with pytest.raises(NatsSecurityError, match=r"does not open|Not a sealed box"):
            pair.open(box[:at] + bytes((box[at] ^ 1,)) + box[at + 1 :], pair.public_key)
        with pytest.raises(NatsSecurityError, match=r"does not open|Not a sealed box"):
            pair.open(box[:at], pair.public_key)


def test_sealing_takes_curve_keys() -> None:
    curve, user = pair_of("curve"), pair_of("user")
    with pytest.raises(NatsSecurityError, match="cannot seal: it signs and verifies"):
        user.seal(b"", curve.public_key)
    with pytest.raises(NatsSecurityError, match="cannot open: it signs and verifies"):
        user.open(b"", curve.public_key)
    with pytest.raises(NatsSecurityError, match="is a user public key, expected a curve public key"):
        curve.seal(b"", user.public_key)
    with pytest.raises(NatsSecurityError, match="is a user public key, expected a curve public key"):
        curve.open(b"", user.public_key)
    with pytest.raises(NatsSecurityError, match="A nonce has 24 bytes, this one has 23"):
        curve.seal(b"", curve.public_key, nonce=bytes(23))


def test_nothing_is_sealed_for_a_point_that_keeps_no_secret() -> None:
    weak = with_checksum(bytes((nkey.PREFIXES["curve"],)) + bytes(32))
    with pytest.raises(NatsSecurityError, match="Nothing can be sealed for X"):
        pair_of("curve").seal(b"", weak)
    with pytest.raises(NatsSecurityError, match="does not open"):
        pair_of("curve").open(b"xkv1" + bytes(60), weak)


# ---- secrecy


def fragments(secret: str) -> list[str]:
    """Return parts of a secret that are too long to occur by chance."""
    return [secret[at : at + 8] for at in range(2, len(secret) - 8)]


def all_told(error: BaseException) -> str:
    return "".join(traceback.format_exception(type(error), error, error.__traceback__)) + repr(error)


@every_type
def test_repr_shows_the_public_key_only(key_type: str) -> None:
    pair = pair_of(key_type)
    assert repr(pair) == f"KeyPair({key_type} {pair.public_key})"
    half = nkey.from_public_key(pair.public_key)
    assert repr(half) == f"KeyPair({key_type} {pair.public_key}, public half only)"
    assert f"{pair}" == repr(pair)


@every_type
def test_error_about_a_seed_never_shows_it(key_type: str) -> None:
    seed = pair_of(key_type).seed
    slips = [
        *(seed[:at] + other + seed[at + 1 :] for at in (0, 1, 2, 30, 57) for other in "A7!1\u00e9\0"),
        *(seed[:57], seed + "A", seed * 2, " " + seed, seed + " ", seed.lower(), "seed: " + seed, seed[1:], seed[:20]),
    ]
    for text in slips:
        if text == seed:
            continue
        for parse in (nkey.from_seed, nkey.from_public_key):
            with pytest.raises(NatsSecurityError) as error:
                parse(text)
            told = all_told(error.value)
            for spelling in (seed, seed.lower(), seed.translate(DIGITS)):
                assert not any(fragment in told for fragment in fragments(spelling))


@every_type
def test_seed_or_private_key_in_place_of_a_public_key_is_not_shown(key_type: str) -> None:
    pair = pair_of(key_type)
    for secret in (pair.seed, pair.private_key):
        for text in (
            secret,
            secret + "\n",
            " " + secret,
            f"{pair.public_key} {secret}",
            f"{pair.public_key}\n{secret}",
        ):
            with pytest.raises(NatsSecurityError) as error:
                nkey.from_public_key(text)
            assert not any(fragment in all_told(error.value) for fragment in fragments(secret))


@every_type
def test_wrong_type_does_not_show_the_seed(key_type: str) -> None:
    seed = pair_of(key_type).seed
    with pytest.raises(NatsSecurityError) as error:
        nkey.from_seed(seed, "user" if key_type != "user" else "account")
    assert not any(fragment in all_told(error.value) for fragment in fragments(seed))


@pytest.mark.parametrize("carry_off", [pickle.dumps, copy.copy, copy.deepcopy])
def test_key_pair_is_not_pickled_or_copied(carry_off) -> None:
    with pytest.raises(TypeError, match="not pickled"):
        carry_off(pair_of("user"))


def test_without_the_library_the_core_is_imported_and_says_what_is_missing() -> None:
    script = """
import sys
sys.path[:0] = [{path!r}]
import checkout
checkout.make_importable()
sys.modules["nkeys"] = None
from ansible_collections.natsops.security.plugins.module_utils import rules
from ansible_collections.natsops.security.plugins.module_utils.base import errors
from ansible_collections.natsops.security.plugins.module_utils.decision import issue
from ansible_collections.natsops.security.plugins.module_utils.keys import nkey
from ansible_collections.natsops.security.plugins.module_utils.token import codec, decorated
for use in (lambda: nkey.create("user"), lambda: nkey.from_seed("SU"), lambda: nkey.from_public_key("U")):
    try:
        use()
    except errors.NatsSecurityError as error:
        print(error)
"""
    import checkout

    script = script.format(path=str(checkout.ROOT / "tests"))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "The Python library nkeys is missing: `pip install nkeys`.\n" * 3
