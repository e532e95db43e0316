# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""The result of validation: what is wrong with claims, at which path, and whether it keeps them from working."""

from __future__ import annotations

import functools
from typing import Iterator, NamedTuple

from ..base.errors import NatsSecurityError
from ..keys import nkey
from ..keys.new import NewKey

_FIRST_LETTERS = {"operator": "O", "account": "A", "user": "U", "server": "N", "curve": "X"}


class Issue(NamedTuple):
    """Something wrong, printed as `exports[2].subject: 'a..b' has an empty token, write one dot.`"""

    #: library: the Go library's Validate() reports it; server: nats-server refuses it, ignores it or reads it differently; collection: NATS
    #: accepts it, and it grants more than a reader would expect.
    source: str
    path: str  # with the names of options: exports[2].subject, mappings.a.b[1].weight
    message: str  # one sentence: what is wrong, and how to correct it
    blocking: bool  # the source refuses it, now and later
    time_check: bool  # the source refuses it at this time

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


def blocks(source: str, path: str, message: str) -> Issue:
    """An issue for what its source refuses."""
    return Issue(source, path, message, True, False)


def warns(source: str, path: str, message: str) -> Issue:
    """An issue for what its source accepts, although it probably does not have the intended effect."""
    return Issue(source, path, message, False, False)


def times_out(source: str, path: str, message: str) -> Issue:
    """An issue for what its source refuses at this time."""
    return Issue(source, path, message, False, True)


def shown(text: str) -> str:
    """A text in the place of a public key, for a message. It is shortened if it may be a seed or another secret."""
    is_harmless = len(text) < 40 or (len(text) <= 80 and text[0].upper() in "OAUNCX")
    return text if is_harmless else f"{text[:2]}..."


def key_problem(text: str, key_type: str) -> str:
    """Why the text is not a public key of the type, as a message; empty if it is one, or the placeholder of a new one."""
    if isinstance(text, NewKey):
        return "" if text.type == key_type else f"{text} is of another type; expected the key of {_a(key_type)}."
    return _text_problem(text, key_type)


def key_issues(path: str, key: str, key_type: str) -> Iterator[Issue]:
    """What the Go library reports about a public key."""
    problem = key_problem(key, key_type)
    if problem:
        yield blocks("library", path, problem)


def optional_key_issues(path: str, key: str, key_type: str) -> Iterator[Issue]:
    """What the Go library reports about a public key that may be empty."""
    return key_issues(path, key, key_type) if key else iter(())


def _a(word: str) -> str:
    return ("an " if word[0] in "ao" else "a ") + word


@functools.lru_cache(maxsize=4096)
def _text_problem(text: str, key_type: str) -> str:
    try:
        nkey.from_public_key(text, key_type)
    except NatsSecurityError as error:
        reason = str(error)
        if ", expected " in reason:
            return reason
        reason = reason[0].lower() + reason[1:-1]
        return f"{reason}; expected a public key that begins with {_FIRST_LETTERS[key_type]}."
    return ""
