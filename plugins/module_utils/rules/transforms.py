# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
"""Whether nats-server can turn subjects into others: mappings, and imports under a local subject (subject_transform.go). Pure text."""

from __future__ import annotations

import re
from typing import NamedTuple

from ..base.go_syntax import atoi
from .subjects import reference_number

_INT32_MAX = (1 << 31) - 1
_INT32_MIN = -(1 << 31)
_SEPARATOR = re.compile(r",[\t\n\f\r ]*")


def _function(name: str) -> re.Pattern[str]:
    return re.compile(rf"\{{\{{[\t\n\f\r ]*{name}[\t\n\f\r ]*\((.*)\)[\t\n\f\r ]*\}}\}}")


_FUNCTIONS = {
    "wildcard": _function("[wW]ildcard"),
    "partition": _function("[pP]artition"),
    "SplitFromLeft": _function("[sS]plit[fF]rom[lL]eft"),
    "SplitFromRight": _function("[sS]plit[fF]rom[rR]ight"),
    "SliceFromLeft": _function("[sS]lice[fF]rom[lL]eft"),
    "SliceFromRight": _function("[sS]lice[fF]rom[rR]ight"),
    "right": _function("[rR]ight"),
    "left": _function("[lL]eft"),
    "split": _function("[sS]plit"),
    "random": _function("[rR]andom"),
}


class Placeholder(NamedTuple):
    """What a token of a destination stands for: the function, which wildcards of the source it takes, and its number, if any."""

    function: str
    wildcards: tuple[int, ...]
    number: int


def placeholder(token: str) -> Placeholder | None:
    """What the token stands for; None for itself (indexPlaceHolders). ValueError says why the server refuses it."""
    if len(token) > 1 and token[0] == "$":
        number = reference_number(token)
        return None if number is None else Placeholder("wildcard", (number,), 1)
    if not _looks_like_function(token):
        return None
    for name, pattern in _FUNCTIONS.items():
        match = pattern.search(token)
        if match:
            return _READERS.get(name, _read_wildcard_and_number)(token, name, _SEPARATOR.split(match[1]))
    raise ValueError(f"{token} is no function that servers know; there are {', '.join(_FUNCTIONS)}")


def _looks_like_function(token: str) -> bool:
    return len(token) > 4 and token.startswith("{{") and token.endswith("}}")


def _number(token: str, text: str, low: int = -(1 << 63), high: int = (1 << 63) - 1) -> int:
    try:
        number = atoi(text.strip(" "))
    except ValueError:
        raise ValueError(f"{token} has {text!r} where a number is wanted") from None
    if not low <= number <= high:
        raise ValueError(f"{token} has the number {number}, which servers cannot count to")
    return number


def _require(token: str, arguments: list[str], wanted: int, what: str) -> None:
    if len(arguments) != wanted or arguments == [""]:
        raise ValueError(f"{token} has to have {what} between its parentheses")


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
        raise ValueError(f"{token} splits at a space or dot, which tokens do not have")
    return Placeholder(name, (_number(token, arguments[0]),), 1)


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
    """Why a server does not map the source to the destination (ValidateMapping and NewSubjectTransform); empty where it does."""
    if destination and re.search(r"[\t\n\f\r ]", "".join(_plain_tokens(destination))):
        return f"{destination!r} has white space"
    return transform_problem(source, destination)


def _plain_tokens(subject: str) -> list[str]:
    return [token for token in subject.split(".") if not _looks_like_function(token)]


def transform_problem(source: str, destination: str) -> str:
    """Why a server does not turn subjects of the source into the destination (NewSubjectTransform); empty where it does.

    An empty destination is none, and an empty source is all subjects, as in the server.
    """
    if not destination:
        return ""
    source = source or ">"
    try:
        placeholders = _placeholders(source, destination)
    except ValueError as error:
        return str(error)
    wildcards = _wildcard_count(source)
    if not wildcards and source.split(".")[-1] != ">":
        for token, found in placeholders:
            if found.function not in ("partition", "random"):
                return f"{token} refers to a wildcard, and {source!r} has none"
        return ""
    for token, found in placeholders:
        if any(number > wildcards for number in found.wildcards):
            return f"{token} refers to a wildcard that {source!r} does not have, which has {wildcards}"
    return ""


def renaming_problem(source: str, destination: str) -> str:
    """Why a server does not rename imported subjects this way, which has to work in both directions (NewSubjectTransformStrict)."""
    problem = transform_problem(source, destination)
    source = source or ">"
    wildcards = _wildcard_count(source)
    if problem or not destination or not (wildcards or source.split(".")[-1] == ">"):
        return problem
    placeholders = _placeholders(source, destination)
    for token, found in placeholders:
        if found.function != "wildcard":
            return f"{token} has no place in an import, where only $1, $2 and so on stand for parts of the subject"
    if len(placeholders) < wildcards:
        return f"{destination!r} uses {len(placeholders)} of the {wildcards} wildcards of {source!r}, all are wanted"
    return ""


def _placeholders(source: str, destination: str) -> list[tuple[str, Placeholder]]:
    for subject in (source, destination):
        tokens = subject.split(".")
        if "" in tokens:
            raise ValueError(f"{subject!r} has an empty token")
        if ">" in tokens[:-1]:
            raise ValueError(f"{subject!r} has > before its end")
    tokens = destination.split(".")
    if "*" in tokens:
        raise ValueError(f"{destination!r} has a *; $1 stands for the first * of {source!r}, $2 for the second")
    if (source.split(".")[-1] == ">") != (tokens[-1] == ">"):
        raise ValueError(f"{source!r} and {destination!r} have to end in > both, or neither")
    found = [(token, placeholder(token)) for token in tokens]
    return [(token, item) for token, item in found if item is not None]


def _wildcard_count(subject: str) -> int:
    return subject.split(".").count("*")


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
    match = _FUNCTIONS["wildcard"].search(token)
    return match is not None and len(_SEPARATOR.split(match[1])) == 1 and match[1] != ""


def odd_references(source: str, destination: str) -> str:
    """What is odd about references that a server accepts: numbers below 1, empty shares; empty where nothing is.

    The destination is one that transform_problem() has nothing against.
    """
    for token, found in _placeholders(source or ">", destination) if destination else ():
        if any(number < 1 for number in found.wildcards):
            return f"{token} refers to a wildcard below 1, for which servers take the first token; the first wildcard is $1"
        if found.function in ("partition", "random") and found.number < 1:
            return f"{token} divides into {found.number}; write a number from 1"
    return ""


def unused_references(source: str, destination: str) -> list[int]:
    """The numbers of those wildcards of the source that no token of the destination refers to."""
    used = {number for _unused, found in _placeholders(source, destination) for number in found.wildcards}
    return [number for number in range(1, _wildcard_count(source) + 1) if number not in used]
