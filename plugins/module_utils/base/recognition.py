# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Finds seeds and private keys that were put into a text by mistake, such as a path, a name, a document or a message.

A secret is recognized by what it decodes to: 58 characters of base32 with the bytes and the checksum of a seed are a seed, regardless of what precedes
or follows them. A public key, which looks similar, is therefore not reported. Also found are private keys (`P...`), seeds without their first one to
three characters (which only encode the type), both of these in lower case or broken into lines, and base64 of a text that contains one.

The time is linear in the length of the text: 5 ms for each form in 4 MiB without a secret. This file does not need nkeys, because a task that reports
that nkeys is missing may have seeds among its arguments.
"""

from __future__ import annotations

import binascii
import re
from typing import Iterator

#: Shown in place of a secret, as in Ansible.
MASK = "********"

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_"
# int() reads base 32 with the digits 0-9a-v.
_DIGITS = bytes.maketrans(_ALPHABET, b"0123456789abcdefghijklmnopqrstuv")


def _classes(characters: bytes) -> bytes:
    """A table for translate(): x for these characters, a dot for all others."""
    return bytes(b"x."[code not in characters] for code in range(256))


_CASES = (_classes(_ALPHABET), _classes(_ALPHABET.lower()))
_BASE64_CLASS = _classes(_BASE64)
_STANDARD_BASE64 = bytes.maketrans(b"-_", b"+/")

# A seed begins with three characters: S, the letter of its type, and A, because the byte of the type ends in zeros. The rest is 55 characters, whose
# first bit is zero too and whose last two bits are unused. A private key has two halves, 107 characters after the P; that of a curve key has one half,
# 55 characters.
_TYPES = b"OAUNCX"
_REST = 55
_PRIVATE_REST = 107
_SEED_HEADS = [int(bytes((ord("S"), letter, ord("A"))).translate(_DIGITS), 32) << 5 * _REST for letter in _TYPES]
_PRIVATE_BYTE = 15
_SEED_START = re.compile(rb"(?=S[OAUNCX]A[A-P]|P[A-D])")
_PUBLIC_KEY_LENGTH = 56
#: In a run of letters up to this length, every position is tried as the rest of a seed; in a longer one, those after a possible head and at both ends.
_LONG_RUN = 300
_AT_THE_ENDS = 8

# A seed that is mistyped or lacks characters at its end has no valid checksum. A run of letters that looks like one is not shown either. A run of
# 52 characters is the identifier of a JWT, and one of 56 may be a mistyped public key.
_LOOKS_LIKE_A_SEED = re.compile(rb"S[OAUNCX]A[A-P][A-Z2-7]{36}|\AS[OAUNCX][A-Z2-7]{51}")
_LOOKALIKE_LENGTH = 40
_JWT_ID_LENGTH = 52

# What may break a long word: white space, also as JSON and YAML escape it.
_ESCAPED_BREAKS = (b"\\n", b"\\r", b"\\t")
_BREAKS = b" \t\r\n\x0b\x0c\\"
_GAP = r"(?:\\[nrt]|[\s\\])*"
_JWT_START = "eyJ"
_JWT_WORD = re.compile(r"[A-Za-z0-9_-]*")
_IS_USER = re.compile(rb'(?i)"type"\s*:\s*"user"')
#: The fewest characters of base64 that can hold a seed without its first characters.
_BASE64_LENGTH = 72


def secrets_in(text: str) -> list[str]:
    """The parts of a text that are seeds or private keys, as they are written there."""
    data = text.encode("ascii", "replace")  # one byte per character, so that positions are the same
    found = [text[start:end] for start, end in _spans(data)]
    squeezed = data
    for escaped in _ESCAPED_BREAKS:
        squeezed = squeezed.replace(escaped, b"")
    squeezed = squeezed.translate(None, _BREAKS)
    for word in _wrapped(squeezed, data):
        found.extend(match.group() for match in re.finditer(_GAP.join(map(re.escape, word.decode("ascii"))), text))
    return list(dict.fromkeys(found))


def lookalikes_in(text: str) -> list[str]:
    """The parts of a text that look like a seed but are not one, because characters are missing or mistyped."""
    data = text.encode("ascii", "replace")
    found = []
    for table in _CASES:
        for start, end in _runs(data, table, _LOOKALIKE_LENGTH):
            run = data[start:end].upper()
            first = _lookalike_start(run)
            if first is None and table is _CASES[0] and _may_be_the_end_of_one(run):
                first = 0
            if first is not None:
                found.append(text[start + first : end])
    return found


def may_hold_secrets(text: str) -> bool:
    """Whether a text has a seed or private key, or what looks like one."""
    return bool(secrets_in(text) or lookalikes_in(text))


def user_tokens_in(text: str) -> Iterator[tuple[str, bytes]]:
    """The user JWTs in a text, each with its decoded payload. A bearer token alone is enough to connect."""
    start = text.find(_JWT_START)
    while start >= 0:
        header = _word_end(text, start)
        payload = _word_end(text, header + 1)
        end = _word_end(text, payload + 1)
        if text[header : header + 1] == text[payload : payload + 1] == ".":
            decoded = _decoded(text[header + 1 : payload])
            if _IS_USER.search(decoded):
                yield text[start:end], decoded
        else:
            end = header
        start = text.find(_JWT_START, end)


def questionable_in(text: str) -> list[str]:
    """The parts of a text that must not be shown: secrets, what looks like a seed, and user JWTs, any of which may be a bearer token."""
    return [*secrets_in(text), *lookalikes_in(text), *(token for token, _unused in user_tokens_in(text))]


def hide(text: str) -> str:
    """The text with MASK in place of everything that `questionable_in` finds."""
    for secret in sorted(questionable_in(text), key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def _lookalike_start(run: bytes) -> int | None:
    """Where a run of letters begins to look like a seed; None if nowhere. Public keys in it are skipped, because their middle may look like one too."""
    match = _LOOKS_LIKE_A_SEED.search(run)
    while match is not None:
        before = max(match.start() - _PUBLIC_KEY_LENGTH + 1, 0)
        key = next(
            (at for at in range(before, match.start() + 1) if _is_public_key(run[at : at + _PUBLIC_KEY_LENGTH])), None
        )
        if key is None:
            return match.start()
        match = _LOOKS_LIKE_A_SEED.search(run, key + _PUBLIC_KEY_LENGTH)
    return None


def _may_be_the_end_of_one(run: bytes) -> bool:
    if not _JWT_ID_LENGTH < len(run) <= _LONG_RUN:
        return False
    if len(run) <= _PUBLIC_KEY_LENGTH:
        return run[0] not in _TYPES
    keys = sum(_is_public_key(run[at : at + _PUBLIC_KEY_LENGTH]) for at in range(len(run)))
    return len(run) - keys * _PUBLIC_KEY_LENGTH > _JWT_ID_LENGTH


def _runs(data: bytes, table: bytes, length: int) -> Iterator[tuple[int, int]]:
    """The start and end of each run of at least `length` characters of a class."""
    classes, wanted = data.translate(table), b"x" * length
    start = classes.find(wanted)
    while start >= 0:
        end = classes.find(b".", start)
        end = len(data) if end < 0 else end
        yield start, end
        start = classes.find(wanted, end)


def _spans(data: bytes) -> Iterator[tuple[int, int]]:
    """The start and end of each unbroken seed and private key."""
    for table in _CASES:
        for start, end in _runs(data, table, _REST):
            for first, last in _spans_in_run(data[start:end].upper()):
                yield start + first, start + last


def _spans_in_run(run: bytes) -> list[tuple[int, int]]:
    if _is_public_key(run):
        return []
    starts = _starts(run)
    if len(starts) > _LONG_RUN + len(run) // 100:
        return [(0, len(run))]  # not a meaningful text, and searching all of it would take long
    spans = []
    for start in starts:
        end = _secret_end(run, start)
        if end:
            head = _head_before(run, start)
            # The last 55 characters of a public key may have the checksum of a seed by accident, but not after a head.
            keys = (run[at : at + _PUBLIC_KEY_LENGTH] for at in (start - 1, start) if at >= 0)
            if head < start or not any(map(_is_public_key, keys)):
                spans.append((head, end))
    return spans


def _starts(run: bytes) -> list[int]:
    """Where the part of a secret that follows its head may begin."""
    last = len(run) - _REST
    if len(run) <= _LONG_RUN:
        return list(range(last + 1))
    found = {match.start() + _head_length(run, match.start()) for match in _SEED_START.finditer(run)}
    for end in (last, len(run) - _PRIVATE_REST):
        found.update(range(end - _AT_THE_ENDS, end + 1))
    found.update(range(_AT_THE_ENDS))
    return [start for start in sorted(found) if start <= last]


def _head_length(run: bytes, start: int) -> int:
    return 3 if run[start : start + 1] == b"S" else 1


def _secret_end(run: bytes, start: int) -> int:
    """The end of the secret whose part after its head begins at `start`; 0 if there is none."""
    first = run[start : start + 1]
    if first > b"P" or first < b"A":
        return 0
    number = int(run[start : start + _REST].translate(_DIGITS), 32)
    if not number & 3 and any(_has_checksum((head | number) >> 2, 36) for head in _SEED_HEADS):
        return start + _REST
    if first > b"D":
        return 0
    if _has_checksum(_PRIVATE_BYTE << 5 * _REST | number, 35):
        return start + _REST
    if len(run) - start >= _PRIVATE_REST:
        number = int(run[start : start + _PRIVATE_REST].translate(_DIGITS), 32)
        if not number & 15 and _has_checksum((_PRIVATE_BYTE << 5 * _PRIVATE_REST | number) >> 4, 67):
            return start + _PRIVATE_REST
    return 0


def _head_before(run: bytes, start: int) -> int:
    """Where the head before `start` begins. The head may be incomplete or missing."""
    if run[start - 1 : start] == b"P":
        return start - 1
    at = start
    for letters in (b"A", _TYPES, b"S"):
        if at == 0 or run[at - 1] not in letters:
            break
        at -= 1
    return at


def _has_checksum(number: int, size: int) -> bool:
    data = number.to_bytes(size, "big")
    return binascii.crc_hqx(data[:-2], 0) == data[-2] | data[-1] << 8


def _is_public_key(text: bytes) -> bool:
    return (
        len(text) == _PUBLIC_KEY_LENGTH
        and text[0] in _TYPES
        and text[1] in b"ABCD"
        and _has_checksum(int(text.translate(_DIGITS), 32), 35)
    )


def _wrapped(squeezed: bytes, data: bytes) -> Iterator[bytes]:
    """Secrets that are broken by white space, and base64 of texts with secrets, both returned without the white space."""
    for table in _CASES:
        for start, end in _runs(squeezed, table, _PUBLIC_KEY_LENGTH):
            for word in _whole_secrets(squeezed[start:end]):
                if word not in data:
                    yield word
    for start, end in _runs(squeezed, _BASE64_CLASS, _BASE64_LENGTH):
        if _holds_secrets(squeezed[start:end]):
            yield squeezed[start:end]


def _whole_secrets(run: bytes) -> Iterator[bytes]:
    capitals = run.upper()
    starts = [match.start() for match in _SEED_START.finditer(capitals)]
    if len(starts) > _LONG_RUN + len(run) // 100:
        return
    for start in starts:
        end = _secret_end(capitals, start + _head_length(capitals, start))
        if end:
            yield run[start:end]


def _word_end(text: str, start: int) -> int:
    match = _JWT_WORD.match(text, start)
    return match.end() if match is not None else start


def _decoded(word: str) -> bytes:
    try:
        return binascii.a2b_base64(word.replace("-", "+").replace("_", "/") + "=" * (-len(word) % 4))
    except ValueError:
        return b""


def _holds_secrets(run: bytes) -> bool:
    """Whether a run of base64 decodes to a text with a secret. It may begin with a part of another word, so it is decoded from each of the first four
    characters, except for a JWT, which begins at its start."""
    standard = run.translate(_STANDARD_BASE64)
    for offset in (0,) if run.startswith(b"eyJ") else range(4):
        part = standard[offset:]
        part = part[: len(part) - (len(part) % 4 == 1)]
        if next(_spans(binascii.a2b_base64(part + b"=" * (-len(part) % 4))), None) is not None:
            return True
    return False
