# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Responses of servers, parsed and validated. A value of an unexpected type or form is an error that names its place in the response.

A server responds with JSON: its own description under `server`, and the requested data under `data` or the reason for a failure under `error`.
Responses come from the network and may contain anything. A `Part` is a value with its place in a response; its methods return the value in the
expected type, or raise Unreadable. Pure.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any, Callable, Generic, Iterable, NoReturn, Sequence, TypeVar

from ..base.each_once import SaidTwiceError, each_once
from ..base.errors import NatsSecurityError
from ..keys import nkey

T = TypeVar("T")

#: The maximum length of a text from the network in a message, in characters.
_SHOWN = 300
#: The largest value of Go's int64.
_LARGEST = 2**63 - 1


class Unreadable(NatsSecurityError):
    """A response, or a part of it, does not have the expected form."""


def one_line(text: str) -> str:
    """A text from the network for a message: on one line, without control characters, and shortened."""
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in text[: _SHOWN + 1]).split())
    return line[:_SHOWN] + "..." if len(line) > _SHOWN or len(text) > _SHOWN + 1 else line


class Part:
    """A value in a response, and its place there, such as `data.conns`. Each method returns its default for a member that is missing or null."""

    __slots__ = ("place", "value")

    def __init__(self, value: Any, place: str) -> None:
        self.value = value
        self.place = place

    def __bool__(self) -> bool:
        return self.value is not None

    def __getitem__(self, name: str) -> Part:
        """A member of an object; its value is None if it is missing."""
        if self.value is None:
            return Part(None, f"{self.place}.{name}")
        if not isinstance(self.value, dict):
            self.refuse("an object")
        return Part(self.value.get(name), f"{self.place}.{name}")

    def items(self) -> list[Part]:
        """The elements of an array; empty if it is missing."""
        if self.value is None:
            return []
        if not isinstance(self.value, list):
            self.refuse("an array")
        return [Part(item, f"{self.place}[{index}]") for index, item in enumerate(self.value)]

    def text(self) -> str:
        """A string; "" if it is missing."""
        if self.value is None:
            return ""
        if not isinstance(self.value, str):
            self.refuse("a text")
        return str(self.value)

    def label(self) -> str:
        """A string that is used as a name: one line without control characters; "" if it is missing."""
        text = self.text()
        if len(text) > _SHOWN or not text.isprintable():
            self.refuse("a name of one line")
        return text

    def number(self) -> int:
        """An integer that is not negative; 0 if it is missing."""
        if self.value is None:
            return 0
        if not isinstance(self.value, int) or isinstance(self.value, bool) or not 0 <= self.value <= _LARGEST:
            self.refuse("a number that is not negative")
        return int(self.value)

    def flag(self) -> bool:
        """A boolean; false if it is missing."""
        if self.value is None:
            return False
        if not isinstance(self.value, bool):
            self.refuse("true or false")
        return bool(self.value)

    def key(self, key_type: str) -> str:
        """A public key of the given type; "" if it is missing or empty. Line ends, which keys may have elsewhere, are refused."""
        text = self.text()
        if text and ("\n" in text or "\r" in text or not nkey.is_public_key(text, key_type)):
            self.refuse(f"the public key of {'an' if key_type[0] in 'ao' else 'a'} {key_type}")
        return text

    def refuse(self, wanted: str) -> NoReturn:
        """Raise Unreadable, with the place, the value and what is expected instead."""
        kinds = {type(None): "missing", dict: "an object", list: "an array"}
        value = kinds.get(type(self.value)) or one_line(json.dumps(self.value))
        raise Unreadable(f"{self.place} is {value}, expected {wanted}")


def parse(raw: bytes, place: str) -> Part:
    """Parse a response as JSON. Unreadable if it is not JSON, or has a member twice."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Unreadable(f"{place} is not UTF-8") from None
    try:
        return Part(json.loads(text, object_pairs_hook=each_once, parse_int=_int64, parse_constant=_int64), place)
    except RecursionError:
        raise Unreadable(f"{place} is nested too deeply") from None
    except (SaidTwiceError, Unreadable):
        raise Unreadable(f"{place} has a member twice, or an invalid number") from None
    except ValueError:
        raise Unreadable(f"{place} is not JSON: {one_line(text) or 'empty'}") from None


def _int64(text: str) -> int:
    # Also refuses NaN and Infinity, which Python reads as numbers, and long digit strings, whose conversion takes seconds.
    if len(text) > len(str(_LARGEST)) + 1 or text.endswith(("N", "y")):
        raise Unreadable("an invalid number")
    return int(text)


_NOTHING = Part(None, "the answer")


@dataclasses.dataclass(frozen=True)
class Answer:
    """The response of one server to one request. `server` is the server's id, or "" if there is no valid id. `problem` is why it cannot be read."""

    server: str
    name: str = ""
    whole: Part = _NOTHING
    error: str = ""
    problem: str = ""

    @property
    def about(self) -> Part:
        """How the server describes itself."""
        return Part(self.whole["server"].value, "server")

    @property
    def data(self) -> Part:
        """The requested data."""
        return Part(self.whole["data"].value, "data")


def read_answer(raw: bytes) -> Answer:
    """Parse the response of a server. It raises no error: a response that cannot be read has a `problem`."""
    server = name = ""
    try:
        whole = parse(raw, "the answer")
        about = Part(whole["server"].value, "server")
        server, name = about["id"].key("server"), about["name"].label()
        if not server:
            about["id"].refuse("the public key of a server")
        reason = Part(whole["error"].value, "error")
        error = (one_line(reason["description"].text()) or "an error without a description") if reason else ""
    except Unreadable as unreadable:
        return Answer(server, name or server, problem=str(unreadable))
    return Answer(server, name or server, whole, error)


def count_servers(answers: Sequence[Answer]) -> int:
    """The number of servers that responded. A response without a server id counts as one server, because no other response will come in its place."""
    return len({answer.server or index for index, answer in enumerate(answers)})


@dataclasses.dataclass(frozen=True)
class Read(Generic[T]):
    """Values read from responses, by server id. `problems` has why other responses could not be read, also by server id, or under "" without one."""

    found: dict[str, T]
    problems: dict[str, str]

    def why_not(self, server: str) -> str:
        """Why there is no value of a server, as a suffix for a message; "" if the server did not respond."""
        problem = self.problems.get(server) or self.problems.get("")
        return f" (its answer cannot be read: {problem})" if problem else ""


def read_each(answers: Iterable[Answer], read: Callable[[Answer], T]) -> Read[T]:
    """Apply `read` to the first response of each server. `read` raises Unreadable for a response of unexpected form."""
    found: dict[str, T] = {}
    problems: dict[str, str] = {}
    for answer in answers:
        if answer.server in found or (answer.server and answer.server in problems):
            continue
        try:
            if answer.problem:
                raise Unreadable(answer.problem)
            found[answer.server] = read(answer)
        except Unreadable as error:
            problems.setdefault(answer.server, str(error))
    return Read(found, problems)
