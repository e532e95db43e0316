# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Whether nats-server can transform subjects, for mappings and for imports with a local subject (subject_transform.go). Works on text only."""

from __future__ import annotations

import bisect
import functools
import re
from typing import NamedTuple

from ..base.excerpts import excerpt, quoted
from ..base.go_syntax import atoi
from .subjects import reference_number

_INT32_MAX = (1 << 31) - 1
_INT32_MIN = -(1 << 31)
_SEPARATOR = re.compile(r",[\t\n\f\r ]*")


class _Function:
    """A function between double braces, found in linear time, as by Go's regular expressions.

    The pattern is `{{\\s*NAME\\s*\\((.*)\\)\\s*}}`. Python's `re` would try each beginning with each end.
    """

    def __init__(self, name: str) -> None:
        self._begin = re.compile(rf"\{{\{{[\t\n\f\r ]*{name}[\t\n\f\r ]*\(")

    def arguments(self, token: str) -> str | None:
        """The text between the parentheses; None if the token does not have the function."""
        ends: list[int] | None = None
        for match in self._begin.finditer(token):
            if ends is None:
                ends = [end.start() for end in _END.finditer(token)]
                line_ends = [index for index, character in enumerate(token) if character == "\n"]
            begin = match.end()
            # The dot in Go's pattern matches any character except the end of a line, and `.*` is greedy.
            after = bisect.bisect_left(line_ends, begin)
            line_end = line_ends[after] if after < len(line_ends) else len(token)
            last = bisect.bisect_right(ends, line_end) - 1
            if last >= 0 and ends[last] >= begin:
                return token[begin : ends[last]]
        return None


_END = re.compile(r"\)[\t\n\f\r ]*\}\}")
_FUNCTIONS = {
    "wildcard": _Function("[wW]ildcard"),
    "partition": _Function("[pP]artition"),
    "SplitFromLeft": _Function("[sS]plit[fF]rom[lL]eft"),
    "SplitFromRight": _Function("[sS]plit[fF]rom[rR]ight"),
    "SliceFromLeft": _Function("[sS]lice[fF]rom[lL]eft"),
    "SliceFromRight": _Function("[sS]lice[fF]rom[rR]ight"),
    "right": _Function("[rR]ight"),
    "left": _Function("[lL]eft"),
    "split": _Function("[sS]plit"),
    "random": _Function("[rR]andom"),
}


class Placeholder(NamedTuple):
    """What a token of a destination refers to: the function, the wildcards of the source that it uses, and its number or separator, if any."""

    function: str
    wildcards: tuple[int, ...]
    number: int
    separator: str = ""


def placeholder(token: str) -> Placeholder | None:
    """What the token refers to; None for a literal token (indexPlaceHolders). Raises ValueError with the reason for which the server refuses it."""
    if len(token) > 1 and token[0] == "$":
        number = reference_number(token)
        return None if number is None else Placeholder("wildcard", (number,), 1)
    if not _looks_like_function(token):
        return None
    for name, function in _FUNCTIONS.items():
        arguments = function.arguments(token)
        if arguments is not None:
            return _READERS.get(name, _read_wildcard_and_number)(token, name, _SEPARATOR.split(arguments))
    raise ValueError(f"{excerpt(token)} is not a function that servers know; available: {', '.join(_FUNCTIONS)}")


def _looks_like_function(token: str) -> bool:
    return len(token) > 4 and token.startswith("{{") and token.endswith("}}")


def _number(token: str, text: str, low: int = -(1 << 63), high: int = (1 << 63) - 1) -> int:
    try:
        number = atoi(text.strip(" "))
    except ValueError:
        raise ValueError(f"{excerpt(token)} has {quoted(text)}, expected a number") from None
    if not low <= number <= high:
        raise ValueError(f"{excerpt(token)} has the number {number}, which servers cannot count to")
    return number


def _require(token: str, arguments: list[str], wanted: int, what: str) -> None:
    if len(arguments) != wanted or arguments == [""]:
        raise ValueError(f"{excerpt(token)} has to have {what} between its parentheses")


def _read_wildcard(token: str, name: str, arguments: list[str]) -> Placeholder:
    _require(token, arguments, 1, "the number of one wildcard")
    return Placeholder(name, (_number(token, arguments[0]),), 1)


def _read_partition(token: str, name: str, arguments: list[str]) -> Placeholder:
    count, *wildcards = arguments
    return Placeholder(name, tuple(_number(token, item) for item in wildcards), _number(token, count, high=_INT32_MAX))


def _read_random(token: str, name: str, arguments: list[str]) -> Placeholder:
    _require(token, arguments, 1, "one number")
    return Placeholder(name, (), _number(token, arguments[0], high=_INT32_MAX))


def _read_split(token: str, name: str, arguments: list[str]) -> Placeholder:
    _require(token, arguments, 2, "the number of a wildcard and a separator")
    if " " in arguments[1] or "." in arguments[1]:
        raise ValueError(f"{excerpt(token)} splits at a space or dot, which tokens do not have")
    return Placeholder(name, (_number(token, arguments[0]),), 1, arguments[1])


def _read_wildcard_and_number(token: str, name: str, arguments: list[str]) -> Placeholder:
    _require(token, arguments, 2, "the number of a wildcard and another number")
    return Placeholder(name, (_number(token, arguments[0]),), _number(token, arguments[1], _INT32_MIN, _INT32_MAX))


_READERS = {
    "wildcard": _read_wildcard,
    "partition": _read_partition,
    "random": _read_random,
    "split": _read_split,
}


def mapping_problem(source: str, destination: str) -> str:
    """Why a server does not map the source to the destination (ValidateMapping and NewSubjectTransform); empty if it does."""
    if destination and re.search(r"[\t\n\f\r ]", "".join(_plain_tokens(destination))):
        return f"{quoted(destination)} has white space"
    return transform_problem(source, destination)


def _plain_tokens(subject: str) -> list[str]:
    return [token for token in subject.split(".") if not _looks_like_function(token)]


def transform_problem(source: str, destination: str) -> str:
    """Why a server does not transform subjects of the source to the destination (NewSubjectTransform); empty if it does.

    As in the server, an empty destination means no transform, and an empty source matches all subjects.
    """
    if not destination:
        return ""
    source = source or ">"
    try:
        placeholders = _placeholders(source, destination)
    except ValueError as error:
        return str(error)
    shape = _shape(source)
    if not shape.wildcards and not shape.is_open:
        for token, found in placeholders:
            if found.function not in ("partition", "random"):
                return f"{excerpt(token)} refers to a wildcard, and {quoted(source)} has none"
        return ""
    for token, found in placeholders:
        if any(number > shape.wildcards for number in found.wildcards):
            return f"{excerpt(token)} refers to a wildcard that {quoted(source)} does not have, which has {shape.wildcards}"
    return ""


def renaming_problem(source: str, destination: str) -> str:
    """Why a server does not rename imported subjects this way, which has to work in both directions (NewSubjectTransformStrict); empty if it does."""
    problem = transform_problem(source, destination)
    source = source or ">"
    shape = _shape(source)
    if problem or not destination or not (shape.wildcards or shape.is_open):
        return problem
    placeholders = _placeholders(source, destination)
    for token, found in placeholders:
        if found.function != "wildcard":
            return f"{excerpt(token)} has no place in an import, where only $1, $2 and so on stand for parts of the subject"
    if len(placeholders) < shape.wildcards:
        return f"{quoted(destination)} uses {len(placeholders)} of the {shape.wildcards} wildcards of {quoted(source)}; it must use all of them"
    return ""


class _Shape(NamedTuple):
    """The properties of a subject that matter for a transform."""

    problem: str  # why a server accepts it neither as a source nor as a destination; empty if it does
    wildcards: int
    is_open: bool  # ends in >


# Cached because one source may be mapped to thousands of destinations.
@functools.lru_cache(maxsize=16)
def _shape(subject: str) -> _Shape:
    tokens = subject.split(".")
    problem = ""
    if "" in tokens:
        problem = f"{quoted(subject)} has an empty token"
    elif ">" in tokens[:-1]:
        problem = f"{quoted(subject)} has > before its end"
    return _Shape(problem, tokens.count("*"), tokens[-1] == ">")


def _placeholders(source: str, destination: str) -> list[tuple[str, Placeholder]]:
    before, after = _shape(source), _shape(destination)
    if before.problem or after.problem:
        raise ValueError(before.problem or after.problem)
    if after.wildcards:
        raise ValueError(
            f"{quoted(destination)} has a *; $1 stands for the first * of {quoted(source)}, $2 for the second"
        )
    if before.is_open != after.is_open:
        raise ValueError(f"{quoted(source)} and {quoted(destination)} have to end in > both, or neither")
    found = [(token, placeholder(token)) for token in destination.split(".")]
    return [(token, item) for token, item in found if item is not None]


def with_references(subject: str) -> str:
    """The subject with $1, $2 and so on in place of its * (transformTokenize)."""
    number = 0
    tokens = subject.split(".")
    for index, token in enumerate(tokens):
        if token == "*":  # noqa: S105 (a token of a subject, no secret)
            number += 1
            tokens[index] = f"${number}"
    return ".".join(tokens)


def with_wildcards(subject: str) -> str:
    """The subject with * in place of its references to wildcards (transformUntokenize)."""
    return ".".join("*" if _is_reference(token) else token for token in subject.split("."))


def _is_reference(token: str) -> bool:
    if len(token) > 1 and token[0] == "$" and token[1] in "123456789":
        return True
    arguments = _FUNCTIONS["wildcard"].arguments(token)
    return arguments is not None and arguments != "" and len(_SEPARATOR.split(arguments)) == 1


def odd_references(source: str, destination: str) -> str:
    """What is questionable about references that a server accepts, such as numbers below 1; empty if nothing is.

    The destination must be one for which transform_problem() is empty.
    """
    for token, found in _placeholders(source or ">", destination) if destination else ():
        if any(number < 1 for number in found.wildcards):
            return f"{excerpt(token)} refers to a wildcard below 1, for which servers use the first token; the first wildcard is $1"
        if found.function in ("partition", "random") and found.number < 1:
            return f"{excerpt(token)} divides into {found.number}; write a number from 1"
    return ""


def unused_references(source: str, destination: str) -> list[int]:
    """The numbers of the source's wildcards that no token of the destination refers to. Empty without a destination, because the subject is then kept."""
    if not destination:
        return []
    source = source or ">"
    used = {number for _unused, found in _placeholders(source, destination) for number in found.wildcards}
    return [number for number in range(1, _shape(source).wildcards + 1) if number not in used]
